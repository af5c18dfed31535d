/* auth.h - the auth role's door: password work for all other doors.
 *
 * A line protocol on a unix socket that only our own roles reach: words separated by TAB, octets
 * in base64.  A few workers only (the pen of this role is small), so guessing
 * cannot become the denial of service; an unknown user costs the same time as a
 * wrong password.  SASL by libgsasl; names and passwords by PRECIS (libunistring) with
 * SASLprep fallback for SCRAM (RFC 5802, 7613 via 8265).
 *
 * One connection is one question, which the server's answer ends:
 *
 *	PASSWORD service ip tls login password
 *	BEGIN service ip tls exporter unique mechanism initial
 *	STEP response		after MORE; with BEGIN, AUTH_STEPS at most
 *
 *	OK account-id account login data
 *	MORE challenge
 *	NO reason login
 *	TEMP			not now
 *
 * tls is 0 or 1, initial is "-" when there is none; service, ip, mechanism and
 * reason are plain words.
 *
 * A client that gives up just closes.  An exchange has AUTH_EXCHANGE_MS in all, the
 * role AUTH_OPEN connections.  Nothing typed is logged here: the doors say who failed.
 */
#pragma once
#include "net/pen.h"
#include "store/verifier.h"

#define AUTH_LINE        16384 /* octets of a line, either way */
#define AUTH_STEPS       8
#define AUTH_EXCHANGE_MS 60000
#define AUTH_OPEN        2048

struct auth_conf {
	struct verifiers *db;
	struct str host;           /* our name, which libgsasl is told */
	bool cram_md5;             /* off unless configured: needs the plain password */
	uint32_t scram_iterations; /* default 4096 for sha256 and sha1, as the RFCs' least */
	unsigned argon2_ops;
	uint64_t argon2_memory; /* default libsodium's INTERACTIVE */
};
/* A door for pen_listen; conf must live as long as the pen. Makes the dummy verifier for unknown users. */
bool auth_door(struct auth_conf *conf, struct door *out, struct err *e);
void auth_door_free(struct door *d); /* after the pen; a zeroed door is fine */

struct auth_stat {
	uint64_t questions;
	uint64_t argon2; /* passwords checked by Argon2id, the dummy's among them: one for every password */
	uint64_t crypt;  /* by crypt(3) */
	uint64_t made;   /* verifiers renewed after a login */
	uint64_t scram;  /* SCRAM proofs checked */
	unsigned open;
};
void auth_stat(const struct door *d, struct auth_stat *out);

/* Make the verifiers of a new password (PRECIS OpaqueString; ERR_PERM says what is wrong with it: empty, control
 * characters, over 1,000 octets). */
bool auth_make(const struct auth_conf *conf, struct str password, struct arena *a, struct verifier *out, struct err *e);
/* Canonical login name: PRECIS UsernameCaseMapped; domain part as A-labels. */
bool auth_login_name(struct str typed, struct arena *a, struct str *out, struct err *e);
