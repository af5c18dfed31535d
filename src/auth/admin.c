#include "auth/admin.h"
#include "auth/imported.h"
#include "auth/password.h"

/* What the account has now, found by any of its logins; *out NULL: nothing yet. */
static bool current(struct verifiers *db, struct str account, struct arena *a, struct verifier **out, struct err *e)
{
	struct str *logins;
	size_t n;
	*out = NULL;
	if (!login_list(db, account, a, &logins, &n, e))
		return false;
	for (size_t i = 0; i < n && !*out; i++)
		if (!verifier_find(db, logins[i], a, out, e))
			return false;
	return true;
}

/* Is the login the account's already? */
static bool mine(struct verifiers *db, struct str account, struct str login, struct arena *a, bool *there,
		 struct err *e)
{
	struct str *logins;
	size_t n;
	*there = false;
	if (!login_list(db, account, a, &logins, &n, e))
		return false;
	for (size_t i = 0; i < n; i++)
		*there |= str_eq(logins[i], login);
	return true;
}

static bool ensure_login(struct verifiers *db, struct str account, int64_t account_id, struct str login,
			 struct arena *a, struct err *e)
{
	bool there;
	return mine(db, account, login, a, &there, e) && (there || login_add(db, login, account, account_id, e));
}

/* Under the lock: the account's new verifiers, and its name as a login. */
static bool keep(struct verifiers *db, struct str account, int64_t account_id, struct verifier *now, struct arena *a,
		 struct err *e)
{
	struct verifier *was = NULL;
	struct str login;
	if (!auth_login_name(account, a, &login, e) || !current(db, account, a, &was, e))
		return false;
	now->account = account;
	now->account_id = account_id;
	now->disabled = was && was->disabled;
	if (was)
		verifier_wipe(was);
	return ensure_login(db, account, account_id, login, a, e) && verifier_set(db, now, e);
}

bool auth_admin_passwd(struct verifiers *db, const struct auth_conf *conf, struct str account, int64_t account_id,
		       struct str password, struct err *e)
{
	struct arena a = { 0 };
	struct verifier now;
	bool ok = auth_make(conf, password, &a, &now, e);
	if (ok) {
		password_lock();
		ok = keep(db, account, account_id, &now, &a, e);
		password_unlock();
		verifier_wipe(&now);
	}
	arena_reset(&a);
	return ok;
}

bool auth_admin_import(struct verifiers *db, struct str account, int64_t account_id, struct str hash, struct err *e)
{
	struct arena a = { 0 };
	enum imported kind;
	if (!imported_read(&hash, &kind, e))
		return false;
	const struct scram_keys none = { 0, STR_NONE, STR_NONE, STR_NONE };
	struct verifier now = {
		.argon2 = kind == IMPORTED_ARGON2 ? hash : STR_NONE,
		.crypt = kind == IMPORTED_CRYPT ? hash : STR_NONE,
		.sha1 = none,
		.sha256 = none,
		.cram = STR_NONE,
	};
	password_lock();
	bool ok = keep(db, account, account_id, &now, &a, e);
	password_unlock();
	arena_reset(&a);
	return ok;
}

bool auth_admin_disable(struct verifiers *db, struct str account, bool disabled, struct err *e)
{
	struct arena a = { 0 };
	struct verifier *v = NULL;
	password_lock();
	bool ok = current(db, account, &a, &v, e);
	if (ok && !v)
		ok = err_set(e, ERR_PERM, "account %.*s has no password yet", STRF(account));
	if (ok) {
		v->disabled = disabled;
		ok = verifier_set(db, v, e);
	}
	password_unlock();
	if (v)
		verifier_wipe(v);
	arena_reset(&a);
	return ok;
}

bool auth_admin_login_add(struct verifiers *db, struct str account, int64_t account_id, struct str login, struct err *e)
{
	struct arena a = { 0 };
	struct str name;
	bool ok = auth_login_name(login, &a, &name, e);
	if (ok) {
		password_lock();
		ok = ensure_login(db, account, account_id, name, &a, e);
		password_unlock();
	}
	arena_reset(&a);
	return ok;
}

static bool remove_login(struct verifiers *db, struct str account, struct str login, struct arena *a, struct err *e)
{
	struct str name, own;
	bool there;
	if (!auth_login_name(login, a, &name, e) || !auth_login_name(account, a, &own, e))
		return false;
	if (str_eq(name, own))
		return err_set(e, ERR_PERM, "%.*s is the account's own name, which always is a login", STRF(name));
	if (!mine(db, account, name, a, &there, e))
		return false;
	if (!there)
		return err_set(e, ERR_PERM, "account %.*s has no login %.*s", STRF(account), STRF(name));
	return login_remove(db, name, e);
}

bool auth_admin_login_remove(struct verifiers *db, struct str account, struct str login, struct err *e)
{
	struct arena a = { 0 };
	password_lock();
	bool ok = remove_login(db, account, login, &a, e);
	password_unlock();
	arena_reset(&a);
	return ok;
}

bool auth_admin_logins(struct verifiers *db, struct str account, struct arena *a, struct str **out, size_t *n,
		       struct err *e)
{
	return login_list(db, account, a, out, n, e);
}

bool auth_admin_remove(struct verifiers *db, struct str account, struct err *e)
{
	password_lock();
	bool ok = verifier_remove(db, account, e);
	password_unlock();
	return ok;
}
