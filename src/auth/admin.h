/* admin.h - what an administrator does to logins and passwords.
 *
 * Plain functions over an open auth.db, called by the auth role for the CLI's
 * verbs, or by the CLI itself when no server runs.  An account's own name is
 * always one of its logins.  Setting a password or importing a hash leaves a
 * disabled account disabled.  Errors say what would be right; no password is
 * ever in one.  Safe in any thread, beside logins that go on.
 */
#pragma once
#include "auth/auth.h"

bool auth_admin_passwd(struct verifiers *db, const struct auth_conf *conf, struct str account, int64_t account_id,
		       struct str password, struct err *e);
/* A crypt(3) or Argon2 hash of another system (auth/imported.h says which); replaced at the first login. */
bool auth_admin_import(struct verifiers *db, struct str account, int64_t account_id, struct str hash, struct err *e);
/* ERR_PERM: the account has no password yet. */
bool auth_admin_disable(struct verifiers *db, struct str account, bool disabled, struct err *e);

/* `login` as typed; it is kept in its canonical form. The same for the same account again is no error. */
bool auth_admin_login_add(struct verifiers *db, struct str account, int64_t account_id, struct str login,
			  struct err *e);
bool auth_admin_login_remove(struct verifiers *db, struct str account, struct str login, struct err *e);
bool auth_admin_logins(struct verifiers *db, struct str account, struct arena *a, struct str **out, size_t *n,
		       struct err *e);
bool auth_admin_remove(struct verifiers *db, struct str account, struct err *e); /* verifiers and logins */
