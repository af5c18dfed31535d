/* scram.h - the arithmetic of SCRAM (RFC 5802 3), both hashes.
 *
 * libgsasl speaks the protocol; here are the keys it is given.  We derive them
 * ourselves, since libgsasl leaves copies of the password behind, and we check
 * the proof ourselves first, since it compares with memcmp: only keys that
 * have proved right are ever handed over.
 *
 * A client prepares the password by SASLprep, as RFC 5802 says, or by
 * OpaqueString, as RFC 8265 would have it.  Where the two differ both keys
 * are kept, one after the other: stored_key and server_key then hold two,
 * of one salt, and the proof may be by either.
 */
#pragma once
#include "base/arena.h"
#include "store/verifier.h"

#define SCRAM_ITERATIONS 4096 /* the least of RFC 7677 4, and the most that old clients bear */
#define SCRAM_SALT       16
#define SCRAM_KEY_MAX    32
#define SCRAM_FORMS      2 /* most keys in one verifier */

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256 };
size_t scram_key_size(enum scram_hash h);

/* Append the keys of one form of the password to `out`, whose salt and iterations are set. */
bool scram_add_keys(enum scram_hash h, struct str password, struct arena *a, struct scram_keys *out, struct err *e);

/* Is the proof right, for either form?  *which is the form; constant in time over the forms. */
bool scram_proof(enum scram_hash h, const struct scram_keys *keys, struct str auth_message, struct str proof,
		 unsigned *which);
