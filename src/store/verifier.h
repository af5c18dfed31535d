/* verifier.h - auth.db: how a login proves itself.  Opened by the auth role alone.
 *
 * A login name (an account's name or one of its addresses, prepared by PRECIS
 * UsernameCaseMapped) leads to an account; an account has one set of
 * verifiers: Argon2id of the password, SCRAM-SHA-1 and SCRAM-SHA-256 keys, or an imported
 * crypt(3) hash that is replaced at the first successful login.
 * No plain password is kept, unless CRAM-MD5 is turned on, which needs it.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct verifiers;
struct verifier {
	struct str account; /* name */
	int64_t account_id;
	struct str argon2; /* "$argon2id$..." or empty */
	struct str crypt;  /* imported "$2y$", "$6$", "$y$", ...: or empty */
	struct scram_keys {
		uint32_t iterations;                     /* 0 = absent */
		struct str salt, stored_key, server_key; /* raw octets */
	} sha1, sha256;
	struct str cram; /* plaintext for CRAM-MD5 when turned on, else empty */
	bool disabled;
};
struct verifiers *verifiers_open(const char *dir, bool create, struct err *e);
void verifiers_close(struct verifiers *v);
/* *out NULL: no such login. */
bool verifier_find(struct verifiers *v, struct str login, struct arena *a, struct verifier **out, struct err *e);
bool verifier_set(struct verifiers *v, const struct verifier *w, struct err *e); /* by account; durable when true */
bool verifier_remove(struct verifiers *v, struct str account, struct err *e);    /* and its logins */
bool login_add(struct verifiers *v, struct str login, struct str account, int64_t account_id, struct err *e);
bool login_remove(struct verifiers *v, struct str login, struct err *e);
bool login_list(struct verifiers *v, struct str account, struct arena *a, struct str **out, size_t *n, struct err *e);
/* 32 octets drawn once per data folder: makes the fake salts for unknown users. */
bool verifiers_secret(struct verifiers *v, uint8_t out[32], struct err *e);
/* A consistent copy as DIR/auth.db, beside what store_backup() writes; store_restore() takes it along. */
bool verifiers_backup(struct verifiers *v, const char *dir, struct err *e);
