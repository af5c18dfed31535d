/* The verbs of admin.h that concern the full-text index. */
#include "app/admin_store.h"

#include "store/account.h"
#include "store/search.h"

#define STATUS_PAGE 500 /* accounts in one answer */

/* One account when "account" names it, else all. */
static bool chosen(struct admin *ad, json_t *args, struct arena *a, struct account **accounts, size_t *n, struct err *e)
{
	struct str name = admin_str(args, "account");
	if (name.n == 0)
		return account_list(ad->store, a, accounts, n, e);
	*accounts = ARENA_NEW(a, struct account);
	*n = 1;
	return account_find(ad->store, name, a, *accounts, e);
}

static json_t *status_row(const struct account *x, const struct search_stat *s)
{
	return json_pack("{s:o, s:b, s:I, s:I, s:I, s:I, s:I}", "account", admin_text(x->name), "there", s->there,
			 "messages", (json_int_t)s->messages, "waiting", (json_int_t)s->waiting, "contents",
			 (json_int_t)s->contents, "unsure", (json_int_t)s->unsure, "octets", (json_int_t)s->octets);
}

/* {"skip": n} leaves out the first n; "more" says whether there are others. */
bool admin_search_status(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	uint64_t skip = (uint64_t)json_integer_value(json_object_get(args, "skip"));
	struct account *accounts;
	size_t n;
	if (!chosen(ad, args, a, &accounts, &n, e))
		return false;
	size_t from = skip < n ? (size_t)skip : n, to = n - from > STATUS_PAGE ? from + STATUS_PAGE : n;
	json_t *list = json_array();
	for (size_t i = from; i < to; i++) {
		struct search_stat s;
		if (!search_stat(ad->store, accounts[i].id, &s, e)) {
			json_decref(list);
			return false;
		}
		json_array_append_new(list, status_row(&accounts[i], &s));
	}
	json_object_set_new(out, "list", list);
	json_object_set_new(out, "more", json_boolean(to < n));
	return true;
}

bool admin_search_rebuild(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account *accounts;
	size_t n;
	(void)out;
	if (!chosen(ad, args, a, &accounts, &n, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!search_forget(ad->store, accounts[i].id, e))
			return false;
	return true;
}
