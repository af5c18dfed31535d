/* mailbox.c - sluice mailbox ..., account quota, account junk-flags: what an account's mailboxes are and may hold. */
#include "app/cli/run.h"

#include "app/cli/ask.h"
#include "app/cli/table.h"
#include "base/num.h"
#include "mail/words.h"
#include <stdio.h>

static int64_t number(json_t *x, const char *key)
{
	return json_integer_value(json_object_get(x, key));
}

static uint64_t octets(json_t *x, const char *key)
{
	return (uint64_t)number(x, key);
}

/* JSON, in which all of it travels, has room for nothing else. */
static int words_right(const struct call *c)
{
	for (int i = 0; i < c->argc; i++)
		if (!utf8_valid(str_of(c->argv[i])))
			return cli_fail(EX_USAGE, "word %d behind the verb is not UTF-8, as names are", i + 1);
	return EX_OK;
}

/* Ask once, with `args`; the reply, or NULL with *code. */
static json_t *ask_once(const struct call *c, const char *verb, json_t *args, int *code)
{
	struct ask a;
	json_t *reply = NULL;
	*code = words_right(c);
	if (*code != EX_OK) {
		json_decref(args);
		return NULL;
	}
	*code = ask_open(&a, c->config, ASK_EITHER);
	if (*code == EX_OK)
		reply = ask_verb(&a, verb, args, code);
	else
		json_decref(args);
	ask_close(&a);
	return reply;
}

/* --- mailboxes --------------------------------------------------------------------------- */

static int show_mailboxes(json_t *list)
{
	struct buf b = { 0 };
	struct table t;
	json_t *x;
	size_t i;
	table_open(&t, (const char *const[]){ "MAILBOX", ">MESSAGES", ">UNSEEN", ">SIZE", "USE", "SUBSCRIBED", NULL });
	json_array_foreach(list, i, x)
	{
		table_cell(&t, admin_str(x, "name"));
		table_cellf(&t, "%lld", (long long)number(x, "messages"));
		table_cellf(&t, "%lld", (long long)number(x, "unseen"));
		table_cell(&t, table_size(&t.arena, octets(x, "octets")));
		table_cell(&t, admin_str(x, "use"));
		table_cell(&t, json_is_true(json_object_get(x, "subscribed")) ? STR("yes") : STR("no"));
	}
	table_print(&t, &b);
	return cli_print(&b);
}

int cli_mailbox_list(const struct call *c)
{
	int code;
	json_t *reply = ask_once(c, "mailbox.list", json_pack("{s:s}", "account", c->argv[0]), &code);
	if (!reply)
		return code;
	if (call_option(c, "json"))
		return ask_print_json(reply, "list");
	code = show_mailboxes(json_object_get(reply, "list"));
	json_decref(reply);
	return code;
}

/* The same for each name behind the account; ends at the first that fails. `args` is kept. */
static int each_name(const struct call *c, const char *verb, json_t *args)
{
	struct ask a;
	int code = words_right(c);
	if (code != EX_OK) {
		json_decref(args);
		return code;
	}
	code = ask_open(&a, c->config, ASK_EITHER);
	json_object_set_new(args, "account", json_string(c->argv[0]));
	for (int i = 1; i < c->argc && code == EX_OK; i++) {
		json_object_set_new(args, "name", json_string(c->argv[i]));
		json_decref(ask_verb(&a, verb, json_incref(args), &code));
	}
	json_decref(args);
	ask_close(&a);
	return code;
}

int cli_mailbox_create(const struct call *c)
{
	const char *use = call_option(c, "use");
	if (use && c->argc > 2)
		return cli_fail(EX_USAGE, "one mailbox has a use: name one with --use");
	return each_name(c, "mailbox.create", json_pack("{s:s}", "use", use ? use : ""));
}

int cli_mailbox_rm(const struct call *c)
{
	if (!call_option(c, "yes"))
		return cli_fail(EX_USAGE, "this removes all mail in it for good; say --yes if that is meant");
	return each_name(c, "mailbox.rm", json_object());
}

int cli_mailbox_subscribe(const struct call *c)
{
	return each_name(c, "mailbox.subscribe", json_pack("{s:b}", "on", true));
}

int cli_mailbox_unsubscribe(const struct call *c)
{
	return each_name(c, "mailbox.subscribe", json_pack("{s:b}", "on", false));
}

int cli_mailbox_rename(const struct call *c)
{
	int code;
	json_decref(ask_once(c, "mailbox.rename",
			     json_pack("{s:s, s:s, s:s}", "account", c->argv[0], "name", c->argv[1], "to", c->argv[2]),
			     &code));
	return code;
}

int cli_mailbox_use(const struct call *c)
{
	int code;
	json_decref(ask_once(c, "mailbox.use",
			     json_pack("{s:s, s:s, s:s}", "account", c->argv[0], "name", c->argv[1], "use", c->argv[2]),
			     &code));
	return code;
}

/* --- quota ------------------------------------------------------------------------------- */

/* "none" is 0. */
static bool take_limit(json_t *args, const char *key, const char *word, bool (*parse)(struct str s, uint64_t *out))
{
	uint64_t limit = 0;
	if (!str_eqi(str_of(word), STR("none")) && (!parse(str_of(word), &limit) || limit == 0 || limit > INT64_MAX))
		return false;
	json_object_set_new(args, key, json_integer((json_int_t)limit));
	return true;
}

static bool plain_number(struct str s, uint64_t *out)
{
	return num_parse(s, INT64_MAX, out);
}

static void quota_row(struct table *t, const char *what, uint64_t used, uint64_t most, bool size)
{
	table_cell(t, str_of(what));
	if (size)
		table_cell(t, table_size(&t->arena, used));
	else
		table_cellf(t, "%llu", (unsigned long long)used);
	if (most == 0) {
		table_cell(t, STR("none"));
		table_cell(t, STR("-"));
		return;
	}
	if (size)
		table_cell(t, table_size(&t->arena, most));
	else
		table_cellf(t, "%llu", (unsigned long long)most);
	table_cellf(t, "%.1f %%", 100.0 * (double)used / (double)most);
}

static int show_quota(json_t *r)
{
	struct buf b = { 0 };
	struct table t;
	table_open(&t, (const char *const[]){ "WHAT", ">USED", ">LIMIT", ">FULL", NULL });
	quota_row(&t, "storage", octets(r, "octets"), octets(r, "octets_max"), true);
	quota_row(&t, "messages", octets(r, "messages"), octets(r, "messages_max"), false);
	table_print(&t, &b);
	return cli_print(&b);
}

int cli_account_quota(const struct call *c)
{
	int code;
	json_t *args = json_pack("{s:s}", "account", c->argv[0]);
	if (c->argc > 1 && !take_limit(args, "octets_max", c->argv[1], num_parse_size)) {
		json_decref(args);
		return cli_fail(EX_USAGE, "\"%s\" is no limit: expected a size such as 500MiB or 2GiB, or none",
				c->argv[1]);
	}
	if (c->argc > 2 && !take_limit(args, "messages_max", c->argv[2], plain_number)) {
		json_decref(args);
		return cli_fail(EX_USAGE, "\"%s\" is no limit: expected a number of messages, or none", c->argv[2]);
	}
	json_t *reply = ask_once(c, "account.quota", args, &code);
	if (!reply)
		return code;
	if (call_option(c, "json")) {
		json_object_del(reply, "ok");
		return ask_print_json(reply, NULL);
	}
	code = show_quota(reply);
	json_decref(reply);
	return code;
}

/* --- $Junk and $NotJunk --------------------------------------------------------------------- */

static void show_rule(struct table *t, const char *what, json_t *r, const char *none)
{
	struct str rule = admin_str(r, what);
	table_cell(t, str_of(what));
	table_cell(t, rule.n ? rule : str_of(none));
}

static int show_junk(json_t *r)
{
	struct buf b = { 0 };
	struct table t;
	table_open(&t, (const char *const[]){ "RULE", "MAILBOXES", NULL });
	table_cell(&t, STR("flags"));
	table_cell(&t, json_is_true(json_object_get(r, "on")) ? STR("on") : STR("off"));
	show_rule(&t, "junk", r, "(no name)");
	show_rule(&t, "neutral", r, "(no name)");
	show_rule(&t, "notjunk", r, "(all others)");
	table_print(&t, &b);
	return cli_print(&b);
}

int cli_account_junk_flags(const struct call *c)
{
	static const char *const rules[] = { "junk", "neutral", "notjunk" };
	bool on = c->argc > 1 && strcmp(c->argv[1], "on") == 0;
	int code;
	if (c->argc > 1 && !on && strcmp(c->argv[1], "off") != 0)
		return cli_fail(EX_USAGE, "\"%s\" is neither on nor off", c->argv[1]);
	json_t *args = json_pack("{s:s}", "account", c->argv[0]);
	if (c->argc > 1)
		json_object_set_new(args, "on", json_boolean(on));
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (call_option(c, rules[i]))
			json_object_set_new(args, rules[i], admin_text(str_of(call_option(c, rules[i]))));
	json_t *reply = ask_once(c, "account.junk", args, &code);
	if (!reply)
		return code;
	if (call_option(c, "json")) {
		json_object_del(reply, "ok");
		return ask_print_json(reply, NULL);
	}
	code = show_junk(reply);
	json_decref(reply);
	return code;
}
