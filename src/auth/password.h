/* password.h - is this the password, and what do we keep of it?
 *
 * Every question about a password costs one Argon2id, whether the login
 * exists, has a password, or is disabled: the answer's time tells nothing.
 * SCRAM costs the server next to nothing either way; a login that does not
 * exist is shown a salt that is always the same for it.
 *
 * What is kept after a success is brought up to date: an imported hash, other
 * parameters, or CRAM-MD5 turned on or off make new verifiers.  One lock per
 * process stands over all changes, so that a login never writes back what a
 * change of the password has just replaced.
 * Safe in any thread.
 */
#pragma once
#include "auth/auth.h"
#include "auth/scram.h"

#include <sodium.h>
#include <stdatomic.h>

struct auth_count {
	_Atomic uint64_t argon2, crypt, made, scram; /* see struct auth_stat */
};
struct keeper {
	const struct auth_conf *conf;
	char dummy[crypto_pwhash_STRBYTES]; /* what nobody's password is checked against */
	uint8_t secret[32];                 /* makes the salts of those who do not exist */
	struct auth_count count;
};
bool keeper_init(struct keeper *k, const struct auth_conf *conf, struct err *e);

/* Who, if anybody, is meant by what was typed.  False: the store failed. */
struct claimed {
	struct str login;      /* canonical, or as typed when it can be nobody's */
	struct verifier *keys; /* NULL: no such login */
};
bool claimed_find(struct keeper *k, struct str typed, struct arena *a, struct claimed *out, struct err *e);

/* "" when it is; otherwise the reason: user, disabled, password, authzid. `right`: the password or proof was. */
const char *claimed_refuse(const struct claimed *c, struct str authzid, bool right, struct arena *a);

bool password_right(struct keeper *k, const struct claimed *c, struct str typed);
/* After a success: make anew what is old.  Trouble is logged and costs nobody the login. */
void password_renew(struct keeper *k, const struct claimed *c, struct str typed);
/* The keys for SCRAM: those of the login, or made up (fitting no password) when it has none. */
void password_scram(struct keeper *k, const struct claimed *c, enum scram_hash h, struct arena *a,
		    struct scram_keys *out);

/* Around reading and then changing verifiers; never held while a password is computed. */
void password_lock(void);
void password_unlock(void);
/* Plain passwords and keys that the store read out. */
void verifier_wipe(struct verifier *v);
