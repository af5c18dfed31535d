/* LIST and LSUB. */
#include "imap/list.h"
#include "imap/say.h"
#include "imap/status.h"
#include <stdlib.h>

struct entry {
	struct str name;
	const struct mailbox *mailbox; /* NULL: there is none, but others below it, or a subscription */
	bool real;                     /* a mailbox, or a level above one */
	bool subscribed;
	bool children;  /* mailboxes below it */
	unsigned below; /* selection options that a name below it meets */
	bool chosen_below;
	bool unseen_below; /* of those chosen one matches no pattern: LIST does not show it itself */
};
struct entries {
	struct entry *p;
	size_t n, cap;
};

static void entries_add(struct entries *es, struct arena *a, struct entry e)
{
	if (es->n == es->cap)
		es->p = arena_grow(a, es->p, &es->cap, es->n + 1, sizeof *es->p);
	es->p[es->n++] = e;
}

/* A name, and all levels above it, which may have no mailbox of their own. */
static void entries_add_tree(struct entries *es, struct arena *a, struct entry e)
{
	entries_add(es, a, e);
	for (size_t i = 1; i < e.name.n; i++)
		if (e.name.p[i] == '/')
			entries_add(es, a, (struct entry){ .name = str_sub(e.name, 0, i), .real = e.real });
}

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return str_cmp(x->name, y->name);
}

/* By name, and what is known of one name in one entry. */
static void entries_sort(struct entries *es)
{
	size_t kept = 0;
	if (es->n == 0)
		return;
	qsort(es->p, es->n, sizeof *es->p, entry_cmp);
	for (size_t i = 1; i < es->n; i++) {
		struct entry *last = &es->p[kept], *e = &es->p[i];
		if (!str_eq(last->name, e->name)) {
			es->p[++kept] = *e;
			continue;
		}
		last->mailbox = last->mailbox ? last->mailbox : e->mailbox;
		last->real = last->real || e->real;
		last->subscribed = last->subscribed || e->subscribed;
	}
	es->n = kept + 1;
}

static struct entry *entries_find(const struct entries *es, struct str name)
{
	struct entry key = { .name = name };
	return bsearch(&key, es->p, es->n, sizeof *es->p, entry_cmp);
}

/* --- what is chosen -------------------------------------------------------------------- */

static unsigned meets(const struct entry *e)
{
	return (e->subscribed ? LIST_SUBSCRIBED : 0u) | (e->mailbox && e->mailbox->use != USE_NONE ? LIST_USE : 0u);
}

static bool chosen(const struct entry *e, unsigned select)
{
	unsigned base = select & LIST_BASE;
	return base ? (meets(e) & base) == base : e->real;
}

/* Tell the levels above each name what is below them. */
static void look_down(struct entries *es, const struct listing *l)
{
	for (size_t i = 0; i < es->n; i++) {
		const struct entry *e = &es->p[i];
		bool is_chosen = chosen(e, l->select);
		bool unseen = is_chosen && l->select & LIST_RECURSIVE && !listing_matches(l, e->name);
		for (size_t k = 1; k < e->name.n; k++) {
			struct entry *above = e->name.p[k] == '/' ? entries_find(es, str_sub(e->name, 0, k)) : NULL;
			if (!above)
				continue;
			above->children = above->children || e->real;
			above->chosen_below = above->chosen_below || is_chosen;
			above->unseen_below = above->unseen_below || unseen;
			above->below |= meets(e);
		}
	}
}

static bool gather_entries(struct session *s, struct cmd *c, bool subscriptions, struct entries *es, struct err *e)
{
	struct mailbox *all;
	struct str *names;
	size_t n;
	if (!mailbox_list(s->conf->store, s->account, c->a, &all, &n, e))
		return false;
	for (size_t i = 0; i < n; i++)
		entries_add_tree(es, c->a, (struct entry){ .name = all[i].name, .mailbox = &all[i], .real = true });
	if (subscriptions) {
		if (!mailbox_subscriptions(s->conf->store, s->account, c->a, &names, &n, e))
			return false;
		for (size_t i = 0; i < n; i++)
			entries_add_tree(es, c->a, (struct entry){ .name = names[i], .subscribed = true });
	}
	entries_sort(es);
	return true;
}

/* --- what is said ----------------------------------------------------------------------- */

static const char *use_name(enum special_use use)
{
	static const char *const names[] = { "",          " \\Sent", " \\Archive", " \\Trash",
					     " \\Drafts", " \\Junk", " \\All",     " \\Flagged" };
	return use < sizeof names / sizeof *names ? names[use] : "";
}

static void say_entry(struct session *s, const char *word, bool plain, struct str attributes, struct str name,
		      struct str extended)
{
	struct buf b = { 0 };
	buf_printf(&b, "* %s (%.*s) \"/\" ", word, STRF(attributes));
	say_mailbox_as(&b, name, plain);
	if (extended.n > 0)
		buf_printf(&b, " (%.*s)", STRF(extended));
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

void say_listed(struct session *s, bool plain, struct str attributes, struct str name, struct str extended)
{
	say_entry(s, "LIST", plain, attributes, name, extended);
}

void say_renamed(struct session *s, struct cmd *c, struct str name, struct str given)
{
	struct buf b = { 0 };
	if (str_eqi(name, given))
		return;
	buf_addz(&b, "\"OLDNAME\" (");
	say_mailbox_as(&b, given, c->utf8);
	buf_addc(&b, ')');
	say_listed(s, c->utf8, STR_NONE, name, buf_str(&b));
	buf_free(&b);
}

static struct str attributes(struct session *s, struct cmd *c, const struct listing *l, const struct entry *e)
{
	bool subscribed = (l->give | l->select) & LIST_SUBSCRIBED && e->subscribed;
	const char *missing = l->extended || s->rev2 ? "\\NonExistent " : "\\Noselect ";
	return str_fmt(c->a, "%s\\Has%sChildren%s%s", e->mailbox ? "" : missing, e->children ? "" : "No",
		       subscribed ? " \\Subscribed" : "", use_name(e->mailbox ? e->mailbox->use : USE_NONE));
}

/* Which selection options names below this one meet (RFC 5258 3.5). */
static struct str child_info(struct cmd *c, const struct listing *l, const struct entry *e)
{
	unsigned what = l->select & LIST_RECURSIVE && e->chosen_below ? e->below & l->select : 0;
	if (!what)
		return STR_NONE;
	return str_fmt(c->a, "\"CHILDINFO\" (%s%s%s)", what & LIST_SUBSCRIBED ? "\"SUBSCRIBED\"" : "",
		       what == LIST_BASE ? " " : "", what & LIST_USE ? "\"SPECIAL-USE\"" : "");
}

static bool list_entry(struct session *s, struct cmd *c, const struct listing *l, const struct entry *e,
		       struct err *err)
{
	uint64_t longest;
	say_listed(s, c->utf8, attributes(s, c, l, e), e->name, child_info(c, l, e));
	if (!e->mailbox)
		return true;
	if (l->give & LIST_METADATA && !say_metadata(s, c, e->mailbox, &l->metadata, &longest, err))
		return false;
	return !(l->give & LIST_STATUS) || say_status(s, c, e->mailbox, l->status, err);
}

struct reply cmd_list(struct session *s, struct cmd *c)
{
	struct listing l;
	struct entries es = { 0 };
	struct err e = { 0 };
	if (!parse_listing(&c->in, &l))
		return reply_bad(c);
	if (l.root) {
		say_listed(s, c->utf8, STR("\\Noselect"), STR_NONE, STR_NONE);
		return OK("LIST completed");
	}
	status_asked(s, l.status);
	if (!gather_entries(s, c, (l.give | l.select) & LIST_SUBSCRIBED, &es, &e))
		return reply_err(c, &e);
	look_down(&es, &l);
	for (size_t i = 0; i < es.n; i++) {
		const struct entry *x = &es.p[i];
		/* Not for a name below that is shown itself (RFC 5258 3.5). */
		bool wanted = chosen(x, l.select) || (l.select & LIST_RECURSIVE && x->unseen_below);
		if (wanted && listing_matches(&l, x->name) && !list_entry(s, c, &l, x, &e))
			return reply_err(c, &e);
	}
	return OK("LIST completed");
}

/* A level above a subscribed name is shown, as \Noselect, when "%" stops there (RFC 3501 6.3.9). */
struct reply cmd_lsub(struct session *s, struct cmd *c)
{
	struct listing l;
	struct entries es = { 0 };
	struct str *names;
	struct err e = { 0 };
	size_t n;
	if (!parse_listing(&c->in, &l))
		return reply_bad(c);
	if (l.extended)
		return BAD("LSUB has no options; LIST (SUBSCRIBED) does");
	if (l.root) {
		say_entry(s, "LSUB", c->utf8, STR("\\Noselect"), STR_NONE, STR_NONE);
		return OK("LSUB completed");
	}
	if (!mailbox_subscriptions(s->conf->store, s->account, c->a, &names, &n, &e))
		return reply_err(c, &e);
	for (size_t i = 0; i < n; i++)
		entries_add_tree(&es, c->a, (struct entry){ .name = names[i], .subscribed = true });
	entries_sort(&es);
	for (size_t i = 0; i < es.n; i++) {
		const struct entry *x = &es.p[i];
		if (listing_matches(&l, x->name) && (x->subscribed || l.percent))
			say_entry(s, "LSUB", c->utf8, x->subscribed ? STR_NONE : STR("\\Noselect"), x->name, STR_NONE);
	}
	return OK("LSUB completed");
}
