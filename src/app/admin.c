#include "app/admin.h"

#include "app/admin_store.h"
#include "app/carry_in.h"
#include "auth/admin.h"
#include "mail/address.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>

#define MEMBERS_MAX 1000 /* accounts named in one alias verb */

json_t *admin_text(struct str s)
{
	json_t *j = json_stringn(s.p, s.n);
	if (j)
		return j;
	/* Not UTF-8: show what can be shown. */
	char *copy = malloc(s.n + 1);
	if (!copy)
		abort();
	for (size_t i = 0; i < s.n; i++)
		copy[i] = (char)((unsigned char)s.p[i] < 0x80 ? s.p[i] : '?');
	j = json_stringn(copy, s.n);
	free(copy);
	return j;
}

struct str admin_str(json_t *object, const char *key)
{
	json_t *j = json_object_get(object, key);
	return json_is_string(j) ? (struct str){ json_string_value(j), json_string_length(j) } : STR_NONE;
}

/* A text that must be there. */
static bool need(json_t *args, const char *key, struct str *out, struct err *e)
{
	*out = admin_str(args, key);
	return out->n > 0 || err_set(e, ERR_PERM, "argument \"%s\" is missing", key);
}

/* "local@domain" as the store wants it: localpart unquoted, domain as A-labels. */
static bool need_address(json_t *args, struct arena *a, struct address *out, struct err *e)
{
	struct str text;
	if (!need(args, "address", &text, e))
		return false;
	if (!address_parse(text, a, out) || out->domain.n == 0 || out->literal)
		return err_set(e, ERR_PERM, "\"%.*s\" is no address; one looks like alice@example.org", STRF(text));
	struct str key;
	if (!address_domain_key(a, out->domain, &key))
		return err_set(e, ERR_PERM, "\"%.*s\" is no domain name", STRF(out->domain));
	out->domain = key;
	return true;
}

static struct str row_address(struct arena *a, struct str local, struct str domain)
{
	struct address x = { .local = local, .domain = domain };
	return address_text(a, &x);
}

/* --- accounts ----------------------------------------------------------- */

static bool do_account_add(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str name;
	int64_t id;
	(void)a;
	if (!need(args, "name", &name, e) || !account_add(ad->store, name, &id, e))
		return false;
	json_object_set_new(out, "id", json_integer(id));
	return true;
}

static bool do_account_get(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str name;
	struct account x;
	if (!need(args, "name", &name, e) || !account_find(ad->store, name, a, &x, e))
		return false;
	json_object_set_new(out, "id", json_integer(x.id));
	json_object_set_new(out, "name", admin_text(x.name));
	json_object_set_new(out, "disabled", json_boolean(x.disabled));
	return true;
}

static bool do_account_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account *x;
	struct address_row *rows;
	size_t n, nrows;
	(void)args;
	if (!account_list(ad->store, a, &x, &n, e) || !address_list(ad->store, STR_NONE, a, &rows, &nrows, e))
		return false;
	json_t *list = json_array(), *by_name = json_object();
	for (size_t i = 0; i < n; i++) {
		json_t *addresses = json_array();
		json_object_set(by_name, str_z(a, x[i].name), addresses);
		json_array_append_new(list, json_pack("{s:I, s:o, s:b, s:I, s:o}", "id", (json_int_t)x[i].id, "name",
						      admin_text(x[i].name), "disabled", x[i].disabled, "created_ms",
						      (json_int_t)x[i].created_wall_ms, "addresses", addresses));
	}
	for (size_t i = 0; i < nrows; i++)
		json_array_append_new(json_object_get(by_name, str_z(a, rows[i].account)),
				      admin_text(row_address(a, rows[i].local, rows[i].domain)));
	json_decref(by_name);
	json_object_set_new(out, "list", list);
	return true;
}

static bool do_account_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str name;
	(void)out;
	(void)a;
	return need(args, "name", &name, e) && account_remove(ad->store, name, e);
}

static bool do_account_disable(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str name;
	(void)out;
	(void)a;
	return need(args, "name", &name, e) &&
	       account_disable(ad->store, name, json_is_true(json_object_get(args, "disabled")), e);
}

/* --- addresses and aliases ------------------------------------------------ */

static bool do_address_add(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account, mailbox = admin_str(args, "mailbox");
	struct address x;
	if (!need(args, "account", &account, e) || !need_address(args, a, &x, e))
		return false;
	if (!address_add(ad->store, &ad->loaded->settings.rules, x.local, x.domain, account,
			 mailbox.n ? mailbox : STR("INBOX"), e))
		return false;
	json_object_set_new(out, "address", admin_text(address_text(a, &x)));
	return true;
}

static bool do_address_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct address x;
	if (!need_address(args, a, &x, e) ||
	    !address_remove(ad->store, &ad->loaded->settings.rules, x.local, x.domain, e))
		return false;
	json_object_set_new(out, "address", admin_text(address_text(a, &x)));
	return true;
}

static bool do_address_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account = admin_str(args, "account");
	struct account known;
	struct address_row *rows;
	size_t n;
	if (account.n > 0 && !account_find(ad->store, account, a, &known, e))
		return false;
	if (!address_list(ad->store, account, a, &rows, &n, e))
		return false;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:o, s:o}", "address",
						admin_text(row_address(a, rows[i].local, rows[i].domain)), "account",
						admin_text(rows[i].account), "mailbox", admin_text(rows[i].mailbox)));
	json_object_set_new(out, "list", list);
	return true;
}

static bool do_alias_add(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	json_t *members = json_object_get(args, "accounts");
	size_t n = json_array_size(members);
	struct address x;
	if (!need_address(args, a, &x, e))
		return false;
	if (n == 0 || n > MEMBERS_MAX)
		return err_set(e, ERR_PERM, "an alias needs 1 to %d accounts", MEMBERS_MAX);
	struct str *accounts = ARENA_ARRAY(a, struct str, n);
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(members, i));
		if (!name)
			return err_set(e, ERR_PERM, "an account's name is no string");
		accounts[i] = str_of(name);
	}
	if (!alias_add(ad->store, &ad->loaded->settings.rules, x.local, x.domain, accounts, n, e))
		return false;
	json_object_set_new(out, "address", admin_text(address_text(a, &x)));
	return true;
}

static bool do_alias_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account = admin_str(args, "account");
	struct address x;
	(void)out;
	if (!need_address(args, a, &x, e))
		return false;
	if (alias_remove(ad->store, &ad->loaded->settings.rules, x.local, x.domain, account, e))
		return true;
	return account.n == 0 || e->kind != ERR_PERM ? false
						     : err_set(e, ERR_PERM, "there is no alias %.*s that reaches %.*s",
							       STRF(address_text(a, &x)), STRF(account));
}

static bool do_alias_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct alias_row *rows;
	size_t n;
	(void)args;
	if (!alias_list(ad->store, a, &rows, &n, e))
		return false;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *members = json_array();
		for (size_t k = 0; k < rows[i].n; k++)
			json_array_append_new(members, admin_text(rows[i].accounts[k]));
		json_array_append_new(list, json_pack("{s:o, s:o}", "address",
						      admin_text(row_address(a, rows[i].local, rows[i].domain)),
						      "accounts", members));
	}
	json_object_set_new(out, "list", list);
	return true;
}

/* --- passwords: the auth role's half -------------------------------------- */

static bool need_account(json_t *args, struct str *account, int64_t *id, struct err *e)
{
	json_t *j = json_object_get(args, "id");
	if (!need(args, "account", account, e))
		return false;
	*id = json_integer_value(j);
	return json_is_integer(j) || err_set(e, ERR_PERM, "argument \"id\" is missing");
}

static bool do_auth_passwd(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account;
	int64_t id;
	(void)out;
	(void)a;
	return need_account(args, &account, &id, e) &&
	       auth_admin_passwd(ad->verifiers, ad->auth, account, id, admin_str(args, "password"), e);
}

static bool do_auth_import(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account, hash;
	int64_t id;
	(void)out;
	(void)a;
	return need_account(args, &account, &id, e) && need(args, "hash", &hash, e) &&
	       auth_admin_import(ad->verifiers, account, id, hash, e);
}

static bool do_auth_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account;
	(void)out;
	(void)a;
	return need(args, "account", &account, e) && auth_admin_remove(ad->verifiers, account, e);
}

static bool do_auth_disable(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account;
	(void)out;
	(void)a;
	return need(args, "account", &account, e) &&
	       auth_admin_disable(ad->verifiers, account, json_is_true(json_object_get(args, "disabled")), e);
}

static bool do_login_add(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account, login;
	int64_t id;
	(void)out;
	(void)a;
	return need_account(args, &account, &id, e) && need(args, "login", &login, e) &&
	       auth_admin_login_add(ad->verifiers, account, id, login, e);
}

static bool do_login_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account, login;
	(void)out;
	(void)a;
	return need(args, "account", &account, e) && need(args, "login", &login, e) &&
	       auth_admin_login_remove(ad->verifiers, account, login, e);
}

static bool do_login_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct str account, *logins;
	size_t n;
	if (!need(args, "account", &account, e) || !auth_admin_logins(ad->verifiers, account, a, &logins, &n, e))
		return false;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, admin_text(logins[i]));
	json_object_set_new(out, "list", list);
	return true;
}

/* --- the table ------------------------------------------------------------ */

static const struct admin_row rows[] = {
	/* clang-format off */
	{ "account.add",	ROLE_QUEUE,  do_account_add },
	{ "account.get",	ROLE_QUEUE,  do_account_get },
	{ "account.list",	ROLE_QUEUE,  do_account_list },
	{ "account.rm",		ROLE_QUEUE,  do_account_rm },
	{ "account.disable",	ROLE_QUEUE,  do_account_disable },
	{ "address.add",	ROLE_QUEUE,  do_address_add },
	{ "address.rm",		ROLE_QUEUE,  do_address_rm },
	{ "address.list",	ROLE_QUEUE,  do_address_list },
	{ "alias.add",		ROLE_QUEUE,  do_alias_add },
	{ "alias.rm",		ROLE_QUEUE,  do_alias_rm },
	{ "alias.list",		ROLE_QUEUE,  do_alias_list },
	{ "account.quota",	ROLE_QUEUE,  admin_account_quota },
	{ "account.junk",	ROLE_QUEUE,  admin_account_junk },
	{ "mailbox.list",	ROLE_QUEUE,  admin_mailbox_list },
	{ "mailbox.create",	ROLE_QUEUE,  admin_mailbox_create },
	{ "mailbox.rename",	ROLE_QUEUE,  admin_mailbox_rename },
	{ "mailbox.rm",		ROLE_QUEUE,  admin_mailbox_rm },
	{ "mailbox.subscribe",	ROLE_QUEUE,  admin_mailbox_subscribe },
	{ "mailbox.use",	ROLE_QUEUE,  admin_mailbox_use },
	{ "search.status",	ROLE_QUEUE,  admin_search_status },
	{ "search.rebuild",	ROLE_QUEUE,  admin_search_rebuild },
	{ "queue.list",		ROLE_QUEUE,  admin_queue_list },
	{ "queue.rm",		ROLE_QUEUE,  admin_queue_rm },
	{ "store.check",	ROLE_QUEUE,  admin_store_check },
	{ "store.backup",	ROLE_BACKUP, admin_store_backup },
	{ "account.import",	ROLE_IMPORT, admin_account_import },
	{ "account.export",	ROLE_IMPORT, admin_account_export },
	{ "auth.passwd",	ROLE_AUTH,   do_auth_passwd },
	{ "auth.import",	ROLE_AUTH,   do_auth_import },
	{ "auth.rm",		ROLE_AUTH,   do_auth_rm },
	{ "auth.disable",	ROLE_AUTH,   do_auth_disable },
	{ "auth.login.add",	ROLE_AUTH,   do_login_add },
	{ "auth.login.rm",	ROLE_AUTH,   do_login_rm },
	{ "auth.login.list",	ROLE_AUTH,   do_login_list },
	/* clang-format on */
};

const struct admin_row *admin_find(struct str verb)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (str_eq(verb, str_of(rows[i].verb)))
			return &rows[i];
	return NULL;
}

int admin_code(const struct err *e)
{
	switch (e->kind) {
	case ERR_PERM:
		return EX_DATAERR;
	case ERR_PEER:
		return EX_UNAVAILABLE;
	case ERR_NONE:
	case ERR_TEMP:
	case ERR_FULL:
	case ERR_QUOTA:
		break;
	}
	return EX_TEMPFAIL;
}

json_t *admin_error(const struct err *e)
{
	return json_pack("{s:b, s:o, s:i}", "ok", 0, "error", admin_text(str_of(e->text)), "code", admin_code(e));
}

json_t *admin_run(const struct admin_row *row, struct admin *ad, json_t *args)
{
	struct arena a = { 0 };
	struct err e = { 0 };
	json_t *out = json_object();
	assert(!(roles[row->role].has & HAS_MAIL) || ad->store);
	if (row->run(ad, args, out, &a, &e)) {
		json_object_set_new(out, "ok", json_true());
	} else {
		json_decref(out);
		out = admin_error(&e);
	}
	arena_reset(&a);
	return out;
}
