/* LIST and LSUB (RFC 3501 6.3.8, 6.3.9), with CHILDREN (RFC 3348) and SPECIAL-USE (RFC 6154). */
#include "imap/pattern.h"
#include "imap/say.h"
#include "imap/session.h"
#include <stdlib.h>

struct entry {
	struct str name;
	const struct mailbox *mailbox; /* NULL: a name that only has others below it */
	bool subscribed;
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
			entries_add(es, a, (struct entry){ .name = str_sub(e.name, 0, i) });
}

/* By name; of equal ones the real mailbox first. */
static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int by_name = str_cmp(x->name, y->name);
	int real_x = x->mailbox || x->subscribed, real_y = y->mailbox || y->subscribed;
	return by_name ? by_name : real_y - real_x;
}

static void entries_sort(struct entries *es)
{
	size_t kept = 0;
	if (es->n == 0)
		return;
	qsort(es->p, es->n, sizeof *es->p, entry_cmp);
	for (size_t i = 1; i < es->n; i++)
		if (!str_eq(es->p[kept].name, es->p[i].name))
			es->p[++kept] = es->p[i];
	es->n = kept + 1;
}

/* Names below `name` follow "name/" in the order, though not at once: "a", "a-b", "a/b". */
static bool has_children(const struct entries *es, struct str name, struct arena *a)
{
	struct str below = str_cat(a, name, STR("/"));
	size_t low = 0, high = es->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (str_cmp(es->p[mid].name, below) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < es->n && str_starts(es->p[low].name, below);
}

static const char *use_name(enum special_use use)
{
	static const char *const names[] = { "",          " \\Sent", " \\Archive", " \\Trash",
					     " \\Drafts", " \\Junk", " \\All",     " \\Flagged" };
	return use < sizeof names / sizeof *names ? names[use] : "";
}

static void say_entry(struct session *s, const char *word, struct str attributes, struct str name)
{
	struct buf b = { 0 };
	buf_printf(&b, "* %s (%.*s) \"/\" ", word, STRF(attributes));
	say_mailbox(&b, name);
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

/* The reference is what the name is said relative to: put before it (RFC 3501 6.3.8). */
static bool parse_list(struct cmd *c, struct str *pattern, bool *root)
{
	struct str reference, name;
	if (!parse_mailbox(&c->in, &reference) || !parse_space(&c->in) || !parse_pattern(&c->in, &name) ||
	    !parse_end(&c->in))
		return false;
	*root = name.n == 0;
	*pattern = str_cat(c->a, reference, name);
	return pattern->n <= PATTERN_MAX || parse_fail(&c->in, "a pattern of at most 1000 octets");
}

struct reply cmd_list(struct session *s, struct cmd *c)
{
	struct str pattern;
	struct mailbox *all;
	struct entries es = { 0 };
	struct err e = { 0 };
	size_t n;
	bool root;
	if (!parse_list(c, &pattern, &root))
		return reply_bad(c);
	if (root) { /* only asks for the separator */
		io_add(s->io, STR("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		return OK("LIST completed");
	}
	if (!mailbox_list(s->conf->store, s->account, c->a, &all, &n, &e))
		return reply_err(c, &e);
	for (size_t i = 0; i < n; i++)
		entries_add_tree(&es, c->a, (struct entry){ .name = all[i].name, .mailbox = &all[i] });
	entries_sort(&es);
	for (size_t i = 0; i < es.n; i++) {
		const struct entry *x = &es.p[i];
		if (!pattern_matches(pattern, x->name))
			continue;
		bool parent = has_children(&es, x->name, c->a);
		struct str attributes = str_fmt(c->a, "%s\\Has%sChildren%s", x->mailbox ? "" : "\\Noselect ",
						parent ? "" : "No", use_name(x->mailbox ? x->mailbox->use : USE_NONE));
		say_entry(s, "LIST", attributes, x->name);
	}
	return OK("LIST completed");
}

/* A level above a subscribed name is shown, as \Noselect, when "%" stops there (RFC 3501 6.3.9). */
struct reply cmd_lsub(struct session *s, struct cmd *c)
{
	struct str pattern, *names;
	struct entries es = { 0 };
	struct err e = { 0 };
	size_t n;
	bool root;
	if (!parse_list(c, &pattern, &root))
		return reply_bad(c);
	if (root) {
		io_add(s->io, STR("* LSUB (\\Noselect) \"/\" \"\"\r\n"));
		return OK("LSUB completed");
	}
	if (!mailbox_subscriptions(s->conf->store, s->account, c->a, &names, &n, &e))
		return reply_err(c, &e);
	for (size_t i = 0; i < n; i++)
		entries_add_tree(&es, c->a, (struct entry){ .name = names[i], .subscribed = true });
	entries_sort(&es);
	for (size_t i = 0; i < es.n; i++) {
		const struct entry *x = &es.p[i];
		if (!pattern_matches(pattern, x->name) || (!x->subscribed && !str_ends(pattern, STR("%"))))
			continue;
		say_entry(s, "LSUB", x->subscribed ? STR_NONE : STR("\\Noselect"), x->name);
	}
	return OK("LSUB completed");
}
