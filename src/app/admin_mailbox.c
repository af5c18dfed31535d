/* The verbs of admin.h that concern mailboxes, and what an account's mailboxes may hold. */
#include "app/admin_store.h"

#include "store/account.h"
#include "store/mailbox.h"

static const char *const uses[] = { "", "sent", "archive", "trash", "drafts", "junk", "all", "flagged" };
#define USES_SETTABLE 6 /* "all" and "flagged" are views, no mailbox of ours is one */

static bool need_account(struct admin *ad, json_t *args, struct arena *a, struct account *x, struct err *e)
{
	struct str name = admin_str(args, "account");
	if (name.n == 0)
		return err_set(e, ERR_PERM, "argument \"account\" is missing");
	return account_find(ad->store, name, a, x, e);
}

static bool need_name(json_t *args, const char *key, struct str *name, struct err *e)
{
	*name = admin_str(args, key);
	return name->n > 0 || err_set(e, ERR_PERM, "argument \"%s\" is missing", key);
}

/* IMAP's LIST could not name it. */
static bool listable(struct str name, struct err *e)
{
	return (str_chr(name, '*') == name.n && str_chr(name, '%') == name.n) ||
	       err_set(e, ERR_PERM, "a mailbox name may not have * or %% in it");
}

static bool find_use(struct str word, enum special_use *use, struct err *e)
{
	*use = USE_NONE;
	if (word.n == 0 || str_eq(word, STR("none")))
		return true;
	for (unsigned i = 1; i < USES_SETTABLE; i++)
		if (str_eq(word, str_of(uses[i]))) {
			*use = (enum special_use)i;
			return true;
		}
	return err_set(e, ERR_PERM, "\"%.*s\" is no use; there are sent, archive, trash, drafts, junk and none",
		       STRF(str_sub(word, 0, 40)));
}

bool admin_mailbox_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct mailbox *boxes;
	size_t n;
	if (!need_account(ad, args, a, &x, e) || !mailbox_list(ad->store, x.id, a, &boxes, &n, e))
		return false;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:I, s:I, s:I, s:s, s:b}", "name", admin_text(boxes[i].name),
						"messages", (json_int_t)boxes[i].messages, "unseen",
						(json_int_t)boxes[i].unseen, "octets", (json_int_t)boxes[i].octets,
						"use", uses[boxes[i].use], "subscribed", boxes[i].subscribed));
	json_object_set_new(out, "list", list);
	return true;
}

/* The store would not mind making one that is there, or would say so in fewer words. */
static bool must_be_there(struct admin *ad, const struct account *x, struct str name, bool there, struct arena *a,
			  struct err *e)
{
	struct mailbox *m;
	if (!mailbox_find(ad->store, x->id, name, a, &m, e))
		return false;
	if (there && !m)
		return err_set(e, ERR_PERM, "%.*s has no mailbox %.*s; sluice mailbox list %.*s shows them",
			       STRF(x->name), STRF(str_sub(name, 0, 100)), STRF(x->name));
	return there || !m ||
	       err_set(e, ERR_PERM, "%.*s has a mailbox %.*s already", STRF(x->name), STRF(str_sub(name, 0, 100)));
}

bool admin_mailbox_create(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct str name;
	enum special_use use;
	(void)out;
	return need_account(ad, args, a, &x, e) && need_name(args, "name", &name, e) && listable(name, e) &&
	       find_use(admin_str(args, "use"), &use, e) && must_be_there(ad, &x, name, false, a, e) &&
	       mailbox_create(ad->store, x.id, name, use, e);
}

bool admin_mailbox_rename(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct str name, to;
	(void)out;
	return need_account(ad, args, a, &x, e) && need_name(args, "name", &name, e) && need_name(args, "to", &to, e) &&
	       listable(to, e) && must_be_there(ad, &x, name, true, a, e) && must_be_there(ad, &x, to, false, a, e) &&
	       mailbox_rename(ad->store, x.id, name, to, e);
}

bool admin_mailbox_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct str name;
	(void)out;
	return need_account(ad, args, a, &x, e) && need_name(args, "name", &name, e) &&
	       must_be_there(ad, &x, name, true, a, e) && mailbox_delete(ad->store, x.id, name, e);
}

bool admin_mailbox_subscribe(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct str name;
	bool on = json_is_true(json_object_get(args, "on"));
	(void)out;
	return need_account(ad, args, a, &x, e) && need_name(args, "name", &name, e) && (!on || listable(name, e)) &&
	       mailbox_subscribe(ad->store, x.id, name, on, e);
}

bool admin_mailbox_use(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct str name, word;
	enum special_use use;
	(void)out;
	return need_account(ad, args, a, &x, e) && need_name(args, "name", &name, e) &&
	       need_name(args, "use", &word, e) && find_use(word, &use, e) && must_be_there(ad, &x, name, true, a, e) &&
	       mailbox_set_use(ad->store, x.id, name, use, e);
}

/* --- what an account's mailboxes may hold, and what they make of mail ------------------------ */

static uint64_t limit_of(json_t *args, const char *key, uint64_t now)
{
	json_t *j = json_object_get(args, key);
	return json_is_integer(j) && json_integer_value(j) >= 0 ? (uint64_t)json_integer_value(j) : now;
}

/* With "octets_max" or "messages_max" sets it (0: no limit); always says how it is. */
bool admin_account_quota(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct quota q;
	if (!need_account(ad, args, a, &x, e) || !account_quota(ad->store, x.id, &q, e))
		return false;
	uint64_t octets = limit_of(args, "octets_max", q.octets_max);
	uint64_t messages = limit_of(args, "messages_max", q.messages_max);
	if ((octets != q.octets_max || messages != q.messages_max) &&
	    (!account_quota_set(ad->store, x.name, octets, messages, e) || !account_quota(ad->store, x.id, &q, e)))
		return false;
	json_object_set_new(out, "octets", json_integer((json_int_t)q.octets));
	json_object_set_new(out, "octets_max", json_integer((json_int_t)q.octets_max));
	json_object_set_new(out, "messages", json_integer((json_int_t)q.messages));
	json_object_set_new(out, "messages_max", json_integer((json_int_t)q.messages_max));
	return true;
}

static bool take_rule(json_t *args, const char *key, struct str *rule)
{
	if (!json_is_string(json_object_get(args, key)))
		return false;
	*rule = admin_str(args, key);
	return true;
}

/* With "on", "junk", "neutral" or "notjunk" sets that and leaves the rest; always says how it is. */
bool admin_account_junk(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account x;
	struct junk_rules r;
	json_t *on = json_object_get(args, "on");
	if (!need_account(ad, args, a, &x, e) || !account_junk_rules(ad->store, x.id, a, &r, e))
		return false;
	bool change = json_is_boolean(on);
	if (change)
		r.on = json_is_true(on);
	change |= take_rule(args, "junk", &r.junk);
	change |= take_rule(args, "neutral", &r.neutral);
	change |= take_rule(args, "notjunk", &r.notjunk);
	if (change && !account_junk_rules_set(ad->store, x.name, &r, e))
		return false;
	json_object_set_new(out, "on", json_boolean(r.on));
	json_object_set_new(out, "junk", admin_text(r.junk));
	json_object_set_new(out, "neutral", admin_text(r.neutral));
	json_object_set_new(out, "notjunk", admin_text(r.notjunk));
	return true;
}
