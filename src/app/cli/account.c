/* account.c - sluice account|address|alias ...: people and where their mail goes. */
#include "app/cli/run.h"

#include "app/cli/ask.h"
#include "app/cli/password.h"
#include "app/cli/table.h"
#include <stdio.h>

/* The account's row; NULL: *code, and the reason is said. */
static json_t *get_account(struct ask *a, const char *name, int *code)
{
	return ask_verb(a, "account.get", json_pack("{s:s}", "name", name), code);
}

/* A verb whose answer says nothing but that it worked. */
static int do_verb(struct ask *a, const char *verb, json_t *args)
{
	int code;
	json_decref(ask_verb(a, verb, args, &code));
	return code;
}

static int set_password(struct ask *a, const char *name, int64_t id, struct str password)
{
	return do_verb(
	    a, "auth.passwd",
	    json_pack("{s:s, s:I, s:s%}", "account", name, "id", (json_int_t)id, "password", password.p, password.n));
}

/* An address, and the right to log in with it. */
static int add_address(struct ask *a, const char *address, const char *account, int64_t id, const char *mailbox)
{
	int code;
	json_t *args = json_pack("{s:s, s:s}", "address", address, "account", account);
	if (mailbox)
		json_object_set_new(args, "mailbox", json_string(mailbox));
	json_t *reply = ask_verb(a, "address.add", args, &code);
	if (!reply)
		return code;
	struct err e;
	json_t *login = ask_quietly(a, "auth.login.add",
				    json_pack("{s:s, s:I, s:O}", "account", account, "id", (json_int_t)id, "login",
					      json_object_get(reply, "address")),
				    &code, &e);
	if (!login)
		cli_fail(code, "%s receives mail, but cannot be used to log in: %s", address, e.text);
	json_decref(login);
	json_decref(reply);
	return code;
}

/* What was asked for is an account with all of this, or none. */
static int undo_account(struct ask *a, const char *name, int code)
{
	struct err e;
	int ignored;
	json_decref(ask_quietly(a, "auth.rm", json_pack("{s:s}", "account", name), &ignored, &e));
	json_t *gone = ask_quietly(a, "account.rm", json_pack("{s:s}", "name", name), &ignored, &e);
	if (gone)
		cli_fail(code, "no account was made");
	else
		cli_fail(code, "the account %s was made, but not as asked for: %s", name, e.text);
	json_decref(gone);
	return code;
}

static int add_account(struct ask *a, const struct call *c, struct str password)
{
	const char *name = c->argv[0];
	int code;
	json_t *reply = ask_verb(a, "account.add", json_pack("{s:s}", "name", name), &code);
	if (!reply)
		return code;
	int64_t id = json_integer_value(json_object_get(reply, "id"));
	json_decref(reply);
	if (password.n > 0 && (code = set_password(a, name, id, password)) != EX_OK)
		return undo_account(a, name, code);
	for (int i = 1; i < c->argc && code == EX_OK; i++)
		code = add_address(a, c->argv[i], name, id, NULL);
	return code == EX_OK ? EX_OK : undo_account(a, name, code);
}

int cli_account_add(const struct call *c)
{
	struct buf password = { 0 };
	struct err e;
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER), found;
	json_t *there = code == EX_OK
			    ? ask_quietly(&a, "account.get", json_pack("{s:s}", "name", c->argv[0]), &found, &e)
			    : NULL;
	if (there) /* said before a password is asked for */
		code = cli_fail(EX_DATAERR, "account %s is there already", c->argv[0]);
	json_decref(there);
	if (code == EX_OK && !call_option(c, "no-password") &&
	    !password_ask(c->argv[0], call_option(c, "password-stdin") != NULL, &password, &e))
		code = cli_fail(EX_DATAERR, "%s", e.text);
	if (code == EX_OK)
		code = add_account(&a, c, buf_str(&password));
	password_wipe(&password);
	ask_close(&a);
	return code;
}

int cli_account_passwd(const struct call *c)
{
	struct buf password = { 0 };
	struct err e;
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *account = code == EX_OK ? get_account(&a, c->argv[0], &code) : NULL;
	if (account && !password_ask(c->argv[0], call_option(c, "password-stdin") != NULL, &password, &e))
		code = cli_fail(EX_DATAERR, "%s", e.text);
	else if (account)
		code = set_password(&a, c->argv[0], json_integer_value(json_object_get(account, "id")),
				    buf_str(&password));
	json_decref(account);
	password_wipe(&password);
	ask_close(&a);
	return code;
}

int cli_account_import_hash(const struct call *c)
{
	struct buf hash = { 0 };
	struct err e = { 0 };
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *account = code == EX_OK ? get_account(&a, c->argv[0], &code) : NULL;
	/* From standard input unless given: arguments are seen by everybody on the machine. */
	if (account && c->argc > 1)
		buf_addz(&hash, c->argv[1]);
	else if (account && !password_ask(c->argv[0], true, &hash, &e))
		code = cli_fail(EX_DATAERR, "expected a hash as second argument, or on standard input: %s", e.text);
	if (account && code == EX_OK)
		code = do_verb(&a, "auth.import",
			       json_pack("{s:s, s:O, s:s%}", "account", c->argv[0], "id",
					 json_object_get(account, "id"), "hash", hash.p, hash.n));
	json_decref(account);
	password_wipe(&hash);
	ask_close(&a);
	return code;
}

int cli_account_rm(const struct call *c)
{
	struct ask a;
	struct err e;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *account = code == EX_OK ? get_account(&a, c->argv[0], &code) : NULL;
	if (account && !call_option(c, "yes")) {
		code = cli_fail(EX_USAGE, "this removes all mail of %s for good; say --yes if that is meant",
				c->argv[0]);
	} else if (account) {
		/* First the logins, so that nobody is at work in what goes away. */
		json_decref(ask_quietly(&a, "auth.rm", json_pack("{s:s}", "account", c->argv[0]), &code, &e));
		if (code != EX_OK && code != EX_DATAERR)
			cli_fail(code, "%s", e.text);
		else
			code = do_verb(&a, "account.rm", json_pack("{s:s}", "name", c->argv[0]));
	}
	json_decref(account);
	ask_close(&a);
	return code;
}

static int switch_account(const struct call *c, bool disabled)
{
	struct ask a;
	struct err e;
	int code = ask_open(&a, c->config, ASK_EITHER);
	if (code == EX_OK)
		code = do_verb(&a, "account.disable",
			       json_pack("{s:s, s:b}", "name", c->argv[0], "disabled", disabled));
	if (code == EX_OK) {
		json_decref(ask_quietly(&a, "auth.disable",
					json_pack("{s:s, s:b}", "account", c->argv[0], "disabled", disabled), &code,
					&e));
		if (code == EX_DATAERR)
			code = EX_OK; /* it has no password: nothing to lock */
		else if (code != EX_OK)
			cli_fail(code, "%s", e.text);
	}
	ask_close(&a);
	return code;
}

int cli_account_disable(const struct call *c)
{
	return switch_account(c, true);
}

int cli_account_enable(const struct call *c)
{
	return switch_account(c, false);
}

/* --- lists ---------------------------------------------------------------------- */

static struct str joined(struct arena *a, json_t *list)
{
	struct str out = STR_NONE;
	json_t *x;
	size_t i;
	json_array_foreach(list, i, x) out = str_fmt(a, "%.*s%s%s", STRF(out), i ? ", " : "", json_string_value(x));
	return out;
}

/* Ask, then show `list` as JSON or by `show`. */
static int list_verb(const struct call *c, const char *verb, json_t *args, void (*show)(json_t *list, struct buf *b))
{
	struct ask a;
	struct buf b = { 0 };
	int code = ask_open(&a, c->config, ASK_EITHER);
	if (code != EX_OK) {
		json_decref(args);
		ask_close(&a);
		return code;
	}
	json_t *reply = ask_verb(&a, verb, args, &code);
	ask_close(&a);
	if (!reply)
		return code;
	if (call_option(c, "json"))
		return ask_print_json(reply, "list");
	show(json_object_get(reply, "list"), &b);
	json_decref(reply);
	return cli_print(&b);
}

static void show_accounts(json_t *list, struct buf *b)
{
	struct table t;
	json_t *x;
	size_t i;
	table_open(&t, (const char *const[]){ "NAME", "STATE", "SINCE", "ADDRESSES", NULL });
	json_array_foreach(list, i, x)
	{
		table_cell(&t, admin_str(x, "name"));
		table_cell(&t, json_is_true(json_object_get(x, "disabled")) ? STR("disabled") : STR("active"));
		table_cell(&t, table_time(&t.arena, json_integer_value(json_object_get(x, "created_ms"))));
		table_cell(&t, joined(&t.arena, json_object_get(x, "addresses")));
	}
	table_print(&t, b);
}

static void show_addresses(json_t *list, struct buf *b)
{
	struct table t;
	json_t *x;
	size_t i;
	table_open(&t, (const char *const[]){ "ADDRESS", "ACCOUNT", "MAILBOX", NULL });
	json_array_foreach(list, i, x)
	{
		table_cell(&t, admin_str(x, "address"));
		table_cell(&t, admin_str(x, "account"));
		table_cell(&t, admin_str(x, "mailbox"));
	}
	table_print(&t, b);
}

static void show_aliases(json_t *list, struct buf *b)
{
	struct table t;
	json_t *x;
	size_t i;
	table_open(&t, (const char *const[]){ "ADDRESS", "ACCOUNTS", NULL });
	json_array_foreach(list, i, x)
	{
		table_cell(&t, admin_str(x, "address"));
		table_cell(&t, joined(&t.arena, json_object_get(x, "accounts")));
	}
	table_print(&t, b);
}

int cli_account_list(const struct call *c)
{
	return list_verb(c, "account.list", NULL, show_accounts);
}

int cli_address_list(const struct call *c)
{
	return list_verb(c, "address.list", c->argc ? json_pack("{s:s}", "account", c->argv[0]) : NULL, show_addresses);
}

int cli_alias_list(const struct call *c)
{
	return list_verb(c, "alias.list", NULL, show_aliases);
}

/* --- addresses and aliases --------------------------------------------------------- */

int cli_address_add(const struct call *c)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *account = code == EX_OK ? get_account(&a, c->argv[1], &code) : NULL;
	if (account)
		code = add_address(&a, c->argv[0], c->argv[1], json_integer_value(json_object_get(account, "id")),
				   call_option(c, "mailbox"));
	json_decref(account);
	ask_close(&a);
	return code;
}

/* Whose address is it?  Its login goes with it. */
static const char *owner_of(json_t *list, const char *address)
{
	json_t *x;
	size_t i;
	json_array_foreach(list, i, x) if (str_eqi(admin_str(x, "address"), str_of(address))) return json_string_value(
	    json_object_get(x, "account"));
	return NULL;
}

int cli_address_rm(const struct call *c)
{
	struct ask a;
	struct err e;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *all = code == EX_OK ? ask_verb(&a, "address.list", NULL, &code) : NULL;
	json_t *reply = all ? ask_verb(&a, "address.rm", json_pack("{s:s}", "address", c->argv[0]), &code) : NULL;
	const char *canonical = reply ? json_string_value(json_object_get(reply, "address")) : NULL;
	const char *owner = canonical ? owner_of(json_object_get(all, "list"), canonical) : NULL;
	if (owner) {
		json_decref(ask_quietly(&a, "auth.login.rm",
					json_pack("{s:s, s:s}", "account", owner, "login", canonical), &code, &e));
		if (code == EX_DATAERR)
			code = EX_OK; /* it was no login */
		else if (code != EX_OK)
			cli_fail(code, "the address is gone, but can still be used to log in: %s", e.text);
	}
	json_decref(all);
	json_decref(reply);
	ask_close(&a);
	return code;
}

int cli_alias_add(const struct call *c)
{
	struct ask a;
	json_t *members = json_array();
	for (int i = 1; i < c->argc; i++)
		json_array_append_new(members, json_string(c->argv[i]));
	json_t *args = json_pack("{s:s, s:o}", "address", c->argv[0], "accounts", members);
	int code = ask_open(&a, c->config, ASK_EITHER);
	if (code == EX_OK)
		code = do_verb(&a, "alias.add", args);
	else
		json_decref(args);
	ask_close(&a);
	return code;
}

int cli_alias_rm(const struct call *c)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	if (code == EX_OK)
		code = do_verb(
		    &a, "alias.rm",
		    json_pack("{s:s, s:s}", "address", c->argv[0], "account", c->argc > 1 ? c->argv[1] : ""));
	ask_close(&a);
	return code;
}
