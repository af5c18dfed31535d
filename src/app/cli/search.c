/* search.c - sluice search ...: the full-text index. */
#include "app/cli/run.h"

#include "app/cli/ask.h"
#include "app/cli/table.h"

static int64_t number(json_t *x, const char *key)
{
	return json_integer_value(json_object_get(x, key));
}

static json_t *arguments(const struct call *c, json_int_t skip)
{
	json_t *args = json_pack("{s:I}", "skip", skip);
	if (c->argc > 0)
		json_object_set_new(args, "account", admin_text(str_of(c->argv[0])));
	return args;
}

/* All pages as one list. */
static json_t *whole_status(struct ask *a, const struct call *c, int *code)
{
	json_t *all = json_array();
	for (bool more = true; more;) {
		json_t *reply = ask_verb(a, "search.status", arguments(c, (json_int_t)json_array_size(all)), code);
		if (!reply) {
			json_decref(all);
			return NULL;
		}
		more = json_is_true(json_object_get(reply, "more"));
		json_array_extend(all, json_object_get(reply, "list"));
		json_decref(reply);
	}
	return all;
}

static int show_status(json_t *list)
{
	struct buf b = { 0 };
	struct table t;
	json_t *x;
	size_t i;
	table_open(&t, (const char *const[]){ "ACCOUNT", "INDEX", ">MESSAGES", ">WAITING", ">CONTENTS", ">IN PART",
					      ">SIZE", NULL });
	json_array_foreach(list, i, x)
	{
		table_cell(&t, admin_str(x, "account"));
		table_cell(&t, json_is_true(json_object_get(x, "there")) ? STR("yes") : STR("none"));
		table_cellf(&t, "%lld", (long long)number(x, "messages"));
		table_cellf(&t, "%lld", (long long)number(x, "waiting"));
		table_cellf(&t, "%lld", (long long)number(x, "contents"));
		table_cellf(&t, "%lld", (long long)number(x, "unsure"));
		table_cell(&t, table_size(&t.arena, (uint64_t)number(x, "octets")));
	}
	table_print(&t, &b);
	return cli_print(&b);
}

int cli_search_status(const struct call *c)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *all = code == EX_OK ? whole_status(&a, c, &code) : NULL;
	ask_close(&a);
	if (!all)
		return code;
	if (call_option(c, "json"))
		return ask_print_json(all, NULL);
	code = show_status(all);
	json_decref(all);
	return code;
}

int cli_search_rebuild(const struct call *c)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	if (code == EX_OK)
		json_decref(ask_verb(&a, "search.rebuild", arguments(c, 0), &code));
	ask_close(&a);
	return code;
}
