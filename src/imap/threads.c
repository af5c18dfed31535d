#include "imap/threads.h"
#include "base/hash.h"
#include <stdlib.h>

/* A message, or a dummy: an id that others speak of, or the parent of messages with one subject. */
struct node {
	struct node *parent, *child, *prev, *next; /* of siblings */
	struct node *same;                         /* next in its bucket, by id or by subject */
	struct node *older;                        /* all nodes, the last made first */
	struct str id, subject;
	int64_t date_ms;
	uint32_t number; /* 0: a dummy */
	bool reply;
};
struct threads {
	enum thread_by by;
	struct arena *a;
	struct node **buckets;
	size_t mask, n, climbed;
	struct node *newest;
	struct node root;
};

/* --- message ids ---------------------------------------------------------------------- */

/* How long the message id is that begins here, behind its "<"; 0: it is none.  `quotes`: as RFC 5322 3.2.4 reads them,
 * or as any other octet. */
static size_t id_length(struct str s, bool quotes)
{
	size_t at = 0;
	bool quoted = false;
	for (size_t i = 0; i < s.n && i <= MESSAGE_ID_MAX; i++) {
		char c = s.p[i];
		if (quotes && c == '"')
			quoted = !quoted;
		else if (quoted)
			i += c == '\\';
		else if (c == '>')
			return at > 0 && at + 1 < i ? i : 0;
		else if (c == '<')
			return 0;
		else if (c == '@')
			at = i;
	}
	return 0;
}

static struct str without_quotes(struct str id, struct arena *a)
{
	char *p = arena_alloc(a, id.n);
	size_t n = 0;
	bool quoted = false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];
		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && c == '\\' && i + 1 < id.n)
			c = id.p[++i];
		if (quoted || !ch_space(c))
			p[n++] = c;
	}
	return (struct str){ p, n };
}

/* The next message id; a quote that is never closed is no quote. */
static bool next_id(struct str *s, struct arena *a, struct str *id)
{
	for (;;) {
		*s = str_sub(*s, str_chr(*s, '<'), s->n);
		if (!str_skipc(s, '<'))
			return false;
		size_t n = id_length(*s, true);
		bool quotes = n > 0;
		n = quotes ? n : id_length(*s, false);
		if (n == 0)
			continue;
		*id = str_sub(*s, 0, n);
		*s = str_sub(*s, n + 1, s->n);
		if (quotes)
			*id = without_quotes(*id, a);
		return true;
	}
}

struct str *message_ids(struct str value, struct arena *a, size_t *n)
{
	struct str *ids = ARENA_ARRAY(a, struct str, THREAD_REFERENCES_MAX), id;
	*n = 0;
	while (next_id(&value, a, &id)) {
		if (*n == THREAD_REFERENCES_MAX) /* the first stays, for it is where the thread began */
			memmove(ids + 1, ids + 2, (--*n - 1) * sizeof *ids);
		ids[(*n)++] = id;
	}
	return ids;
}

/* --- a forest --------------------------------------------------------------------------- */

static struct node *node_new(struct threads *t)
{
	struct node *x = ARENA_NEW(t->a, struct node);
	x->older = t->newest;
	t->newest = x;
	t->n++;
	return x;
}

static void unlink_node(struct node *x)
{
	if (!x->parent)
		return;
	if (x->prev)
		x->prev->next = x->next;
	else
		x->parent->child = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->parent = x->prev = x->next = NULL;
}

static void put_under(struct node *parent, struct node *x)
{
	unlink_node(x);
	x->parent = parent;
	x->next = parent->child;
	if (x->next)
		x->next->prev = x;
	parent->child = x;
}

/* Is `x` the one below which `ancestor` would stand? */
static bool would_loop(struct threads *t, const struct node *ancestor, const struct node *x)
{
	if (x == ancestor)
		return true;
	if (!x->child)
		return false;
	for (unsigned i = 0; i < THREAD_CLIMB_MAX && t->climbed < THREAD_CLIMBED_MAX; i++, t->climbed++) {
		ancestor = ancestor->parent;
		if (!ancestor || ancestor == x)
			return ancestor != NULL;
	}
	return true;
}

/* A message may name a hundred ids that nobody else does: the buckets are as many as the nodes, not the messages. */
static void more_buckets(struct threads *t)
{
	struct node **old = t->buckets;
	size_t n = t->mask + 1;
	t->buckets = ARENA_ARRAY(t->a, struct node *, 2 * n);
	t->mask = 2 * n - 1;
	for (size_t i = 0; i < n; i++)
		for (struct node *x = old[i], *next; x; x = next) {
			struct node **bucket = &t->buckets[hash_str(x->id) & t->mask];
			next = x->same;
			x->same = *bucket;
			*bucket = x;
		}
}

static struct node *by_id(struct threads *t, struct str id)
{
	if (t->n > t->mask)
		more_buckets(t);
	struct node **bucket = &t->buckets[hash_str(id) & t->mask];
	for (struct node *x = *bucket; x; x = x->same)
		if (str_eq(x->id, id))
			return x;
	struct node *x = node_new(t);
	x->id = str_dup(t->a, id);
	x->same = *bucket;
	*bucket = x;
	return x;
}

struct threads *threads_new(enum thread_by by, size_t messages, struct arena *a)
{
	struct threads *t = ARENA_NEW(a, struct threads);
	size_t n = 64;
	while (n < messages)
		n *= 2;
	*t = (struct threads){ .by = by, .a = a, .buckets = ARENA_ARRAY(a, struct node *, n), .mask = n - 1 };
	return t;
}

static struct node *message_node(struct threads *t, const struct threaded *m)
{
	struct node *x = m->id.n > 0 && t->by == THREAD_BY_REFERENCES ? by_id(t, m->id) : node_new(t);
	if (x->number != 0) /* a second message of that id counts as one without */
		x = node_new(t);
	x->number = m->number;
	x->date_ms = m->date_ms;
	x->subject = str_dup(t->a, str_sub(m->subject, 0, THREAD_SUBJECT_MAX));
	x->reply = m->reply;
	return x;
}

/* Step 1 */
void threads_add(struct threads *t, const struct threaded *m)
{
	struct node *x = message_node(t, m), *parent = NULL;
	if (t->by == THREAD_BY_SUBJECT)
		return;
	for (size_t i = 0; i < m->nreferences; i++) {
		struct node *r = by_id(t, m->references[i]);
		if (parent && !r->parent && !would_loop(t, parent, r))
			put_under(parent, r);
		parent = r;
	}
	unlink_node(x); /* what its own header says counts more than what others said */
	if (parent && !would_loop(t, parent, x))
		put_under(parent, x);
}

/* --- order -------------------------------------------------------------------------------- */

/* A dummy stands where its first child does. */
static const struct node *first_message(const struct node *x)
{
	return x->number == 0 && x->child ? x->child : x;
}

static int by_date(const void *a, const void *b)
{
	const struct node *x = first_message(*(struct node *const *)a), *y = first_message(*(struct node *const *)b);
	if (x->date_ms != y->date_ms)
		return x->date_ms < y->date_ms ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int by_subject(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int c = str_cmp(x->subject, y->subject);
	return c ? c : by_date(a, b);
}

/* `room` for all siblings */
static void sort_children(struct node *parent, struct node **room)
{
	size_t n = 0;
	for (struct node *x = parent->child; x; x = x->next)
		room[n++] = x;
	if (n < 2)
		return;
	qsort(room, n, sizeof(struct node *), by_date);
	for (size_t i = 0; i < n; i++) {
		room[i]->prev = i > 0 ? room[i - 1] : NULL;
		room[i]->next = i + 1 < n ? room[i + 1] : NULL;
	}
	parent->child = room[0];
}

/* The node behind `x`, parents before their children. */
static struct node *next_down(struct node *x)
{
	if (x->child)
		return x->child;
	while (x && !x->next)
		x = x->parent;
	return x ? x->next : NULL;
}

/* All below the root, parents before their children. */
static size_t downwards(struct threads *t, struct node **out)
{
	size_t n = 0;
	for (struct node *x = t->root.child; x; x = next_down(x))
		out[n++] = x;
	return n;
}

/* --- REFERENCES ----------------------------------------------------------------------------- */

/* A dummy goes, its children stand where it stood. */
static void dissolve(struct node *x)
{
	while (x->child)
		put_under(x->parent, x->child);
	unlink_node(x);
}

/* Step 3.  Downwards, so that whoever moves up moves once, however many dummies stand above him; what a dummy below the
 * root has for children is known, and decided, at the end. */
static void prune(struct threads *t, struct node **order)
{
	size_t n = downwards(t, order);
	for (size_t i = 0; i < n; i++)
		if (order[i]->number == 0 && order[i]->parent != &t->root)
			dissolve(order[i]);
	for (size_t i = 0; i < n; i++)
		if (order[i]->number == 0 && order[i]->parent == &t->root &&
		    !(order[i]->child && order[i]->child->next))
			dissolve(order[i]);
}

/* Where the table has the thread of that subject, or would have it. */
static struct node **subject_place(struct threads *t, struct str subject)
{
	struct node **at = &t->buckets[hash_str(subject) & t->mask];
	while (*at && !str_eq((*at)->subject, subject))
		at = &(*at)->same;
	return at;
}

static void replace(struct node **at, struct node *x)
{
	x->same = (*at)->same;
	*at = x;
}

/* Step 5.B.  A dummy has the subject of its first child, also when others are put before that one. */
static void note_subject(struct threads *t, struct node *x)
{
	x->subject = first_message(x)->subject;
	if (x->subject.n == 0)
		return;
	struct node **at = subject_place(t, x->subject);
	if (!*at) {
		x->same = NULL;
		*at = x;
	} else if ((*at)->number != 0 && (x->number == 0 || ((*at)->reply && !x->reply))) {
		replace(at, x);
	}
}

/* Step 5.C */
static void merge(struct threads *t, struct node *x)
{
	struct node **at = x->subject.n > 0 ? subject_place(t, x->subject) : NULL, *other = at ? *at : NULL;
	if (!other || other == x)
		return;
	if (other->number == 0 && x->number == 0) {
		while (x->child)
			put_under(other, x->child);
		unlink_node(x);
	} else if (other->number == 0 || (x->reply && !other->reply)) {
		put_under(other, x);
	} else {
		struct node *both = node_new(t);
		both->subject = x->subject;
		replace(at, both);
		put_under(&t->root, both);
		put_under(both, other);
		put_under(both, x);
	}
}

static void gather_subjects(struct threads *t, struct node **room)
{
	size_t n = 0;
	memset(t->buckets, 0, (t->mask + 1) * sizeof(struct node *));
	for (struct node *x = t->root.child; x; x = x->next) {
		note_subject(t, x);
		room[n++] = x;
	}
	for (size_t i = 0; i < n; i++)
		merge(t, room[i]);
}

static void make_references(struct threads *t)
{
	/* Step 5 makes a dummy of two threads at most, so there will not be twice as many. */
	struct node **order = ARENA_ARRAY(t->a, struct node *, 2 * t->n);
	struct node **room = ARENA_ARRAY(t->a, struct node *, 2 * t->n);
	for (struct node *x = t->newest; x; x = x->older) /* step 2 */
		if (!x->parent)
			put_under(&t->root, x);
	prune(t, order);
	for (struct node *x = t->root.child; x; x = x->next) /* step 4 */
		if (x->number == 0)
			sort_children(x, room);
	sort_children(&t->root, room);
	gather_subjects(t, order);
	for (size_t n = downwards(t, order); n-- > 0;) /* step 6 */
		sort_children(order[n], room);
	sort_children(&t->root, room);
}

/* --- ORDEREDSUBJECT --------------------------------------------------------------------------- */

static void make_subjects(struct threads *t)
{
	struct node **all = ARENA_ARRAY(t->a, struct node *, t->n), **room = ARENA_ARRAY(t->a, struct node *, t->n);
	struct node *first = NULL;
	size_t n = 0;
	for (struct node *x = t->newest; x; x = x->older)
		all[n++] = x;
	qsort(all, n, sizeof(struct node *), by_subject);
	for (size_t i = 0; i < n; i++) {
		bool same = first && str_eq(first->subject, all[i]->subject);
		put_under(same ? first : &t->root, all[i]);
		first = same ? first : all[i];
	}
	for (struct node *x = t->root.child; x; x = x->next)
		sort_children(x, room);
	sort_children(&t->root, room);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Siblings stand in brackets, each; an only child follows its parent. */
static bool in_brackets(const struct threads *t, const struct node *x)
{
	return x->parent == &t->root || x->prev || x->next;
}

static void print_forest(const struct threads *t, struct buf *b)
{
	const struct node *x = t->root.child;
	while (x) {
		if (in_brackets(t, x))
			buf_addc(b, '(');
		if (x->number != 0)
			buf_printf(b, x->child ? "%u " : "%u", x->number);
		if (x->child) {
			x = x->child;
			continue;
		}
		for (; x != &t->root; x = x->parent) {
			if (in_brackets(t, x))
				buf_addc(b, ')');
			if (x->next)
				break;
		}
		x = x == &t->root ? NULL : x->next;
	}
}

void threads_print(struct threads *t, struct buf *b)
{
	if (t->by == THREAD_BY_SUBJECT)
		make_subjects(t);
	else
		make_references(t);
	print_forest(t, b);
}
