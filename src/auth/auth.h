/* auth.h - the auth role's door: password work for all other doors.
 *
 * A line protocol on a unix socket that only our own roles reach: words separated by TAB, octets
 * in base64.  A few workers only (the pen of this role is small), so guessing
 * cannot become the denial of service; an unknown user costs the same time as a
 * wrong password.  SASL by libgsasl; names and passwords by PRECIS (libunistring) with
 * SASLprep fallback for SCRAM (RFC 5802, 7613 via 8265).
 */
#pragma once
#include "net/pen.h"
#include "store/verifier.h"

struct auth_conf {
	struct verifiers *db;
	struct str host;   /* our name, for the SASL realm and host */
	bool cram_md5;	   /* off unless configured: needs the plain password */
	uint32_t scram_iterations; /* default 4096 for sha256 and sha1, as the RFCs' least */
	unsigned argon2_ops; uint64_t argon2_memory; /* default libsodium's INTERACTIVE */
};
/* A door for pen_listen; ctx must live as long as the pen. Makes the dummy verifier for unknown users. */
bool auth_door(struct auth_conf *conf, struct door *out, struct err *e);

/* Make the verifiers of a new password (PRECIS OpaqueString; ERR_PERM says what is wrong with it: empty, control characters, over 1,000 octets). */
bool auth_make(const struct auth_conf *conf, struct str password, struct arena *a, struct verifier *out, struct err *e);
/* Canonical login name: PRECIS UsernameCaseMapped; domain part as A-labels. */
bool auth_login_name(struct str typed, struct arena *a, struct str *out, struct err *e);
