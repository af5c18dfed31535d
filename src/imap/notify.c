#include "imap/notify.h"
#include "base/log.h"
#include "imap/fetch.h"
#include "imap/list.h"
#include "imap/say.h"
#include "store/bell.h"
#include <stdlib.h>

enum filter {
	FILTER_SELECTED,
	FILTER_DELAYED,
	FILTER_INBOXES,
	FILTER_PERSONAL,
	FILTER_SUBSCRIBED,
	FILTER_SUBTREE,
	FILTER_MAILBOXES,
	FILTERS
};
static const char *const filters[FILTERS] = { "selected",   "selected-delayed", "inboxes",  "personal",
					      "subscribed", "subtree",          "mailboxes" };
#define EVENT_UNKNOWN 128u
static const char *const events[] = { "MessageNew", "MessageExpunge", "FlagChange", "MailboxName",
				      "SubscriptionChange" };

struct group {
	enum filter filter;
	unsigned events; /* 0: NONE */
	struct str *names;
	size_t n;
	struct str items; /* "(UID FLAGS)" of new messages; empty: none */
};
/* A mailbox as the client was told of it. */
struct shown {
	int64_t id;
	struct str name;
	uint64_t modseq;
	uint32_t uidnext, messages;
	bool subscribed;
};
struct notify {
	struct arena asked_arena, shown_arena;
	struct group groups[NOTIFY_GROUPS_MAX];
	size_t n;
	struct shown *shown; /* ascending by id */
	size_t nshown;
	uint32_t bell;
};

/* --- what is asked for --------------------------------------------------------------------- */

static bool parse_names(struct parser *p, struct arena *keep, struct group *g)
{
	size_t cap = 0;
	bool list = parse_try(p, '(');
	do {
		struct str name;
		if (!parse_mailbox(p, &name))
			return false;
		if (g->n == NOTIFY_NAMES_MAX)
			return parse_fail(p, "at most 200 mailboxes");
		if (g->n == cap)
			g->names = arena_grow(keep, g->names, &cap, g->n + 1, sizeof *g->names);
		g->names[g->n++] = str_dup(keep, name);
	} while (list && parse_try(p, ' '));
	return !list || parse_char(p, ')', "')' after mailbox names");
}

static bool parse_filter(struct parser *p, struct arena *keep, struct group *g)
{
	struct str word;
	if (!parse_atom(p, &word, "which mailboxes"))
		return false;
	for (g->filter = 0; g->filter < FILTERS && !str_eqi(word, str_of(filters[g->filter]));)
		g->filter++;
	if (g->filter == FILTERS)
		return parse_fail(p, "selected, selected-delayed, inboxes, personal, subscribed, subtree or mailboxes");
	if (g->filter != FILTER_SUBTREE && g->filter != FILTER_MAILBOXES)
		return true;
	return parse_space(p) && parse_names(p, keep, g);
}

/* Up to the bracket that closes the one that stands here; what is inside is a FETCH's business. */
static bool take_brackets(struct parser *p, struct str *out)
{
	size_t from = p->at, depth = 0;
	bool quoted = false;
	for (; p->at < p->all.n; p->at++) {
		char c = p->all.p[p->at];
		if (quoted && c == '\\')
			p->at++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '(')
			depth++;
		else if (!quoted && c == ')' && --depth == 0)
			break;
	}
	if (!parse_char(p, ')', "')' after FETCH items"))
		return false;
	*out = str_sub(p->all, from, p->at);
	return out->n <= NOTIFY_ITEMS_MAX || parse_fail(p, "at most 1000 octets of FETCH items");
}

static bool parse_items(struct parser *p, struct arena *keep, struct str *items)
{
	struct fetch f;
	struct str text;
	size_t at = p->at;
	if (!take_brackets(p, &text))
		return false;
	struct parser inner = parser_new(str_fmt(p->arena, "1 %.*s", STRF(text)), p->arena, p->nesting);
	if (!parse_fetch(&inner, true, &f)) {
		p->at = at;
		return parse_fail(p, "FETCH items");
	}
	*items = str_dup(keep, text);
	return true;
}

static bool parse_event(struct parser *p, struct arena *keep, struct group *g)
{
	struct str word;
	unsigned i = 0;
	if (!parse_atom(p, &word, "an event"))
		return false;
	while (i < sizeof events / sizeof *events && !str_eqi(word, str_of(events[i])))
		i++;
	g->events |= i < sizeof events / sizeof *events ? 1u << i : EVENT_UNKNOWN;
	if (i > 0 || !str_startsi(str_sub(p->all, p->at, p->all.n), STR(" (")))
		return true;
	return parse_space(p) && parse_items(p, keep, &g->items);
}

/* "(" which events ")"; the rules of RFC 5465 5 stand in group_rules(). */
static bool parse_group(struct parser *p, struct arena *keep, struct group *g)
{
	*g = (struct group){ 0 };
	if (!parse_char(p, '(', "'(' before mailboxes") || !parse_filter(p, keep, g) || !parse_space(p))
		return false;
	if (!parse_try_word(p, STR("NONE"))) {
		if (!parse_char(p, '(', "'(' before events, or NONE"))
			return false;
		do {
			if (!parse_event(p, keep, g))
				return false;
		} while (parse_try(p, ' '));
		if (!parse_char(p, ')', "')' after events"))
			return false;
	}
	return parse_char(p, ')', "')' after mailboxes and events");
}

static bool parse_notify(struct parser *p, struct notify *n, bool *none, bool *status)
{
	*none = parse_try_word(p, STR("NONE"));
	*status = false;
	if (*none)
		return parse_end(p);
	if (!parse_try_word(p, STR("SET")))
		return parse_fail(p, "SET or NONE");
	*status = parse_try_word(p, STR(" STATUS"));
	while (parse_try(p, ' ')) {
		if (n->n == NOTIFY_GROUPS_MAX)
			return parse_fail(p, "at most 20 groups");
		if (!parse_group(p, &n->asked_arena, &n->groups[n->n++]))
			return false;
	}
	return n->n > 0 ? parse_end(p) : parse_space(p);
}

static bool of_selected(const struct group *g)
{
	return g->filter == FILTER_SELECTED || g->filter == FILTER_DELAYED;
}

/* False: *r says what cannot be. */
static bool group_rules(const struct notify *n, struct reply *r)
{
	size_t selected = 0;
	for (size_t i = 0; i < n->n; i++) {
		unsigned e = n->groups[i].events;
		selected += of_selected(&n->groups[i]);
		if (e & EVENT_UNKNOWN)
			*r = NO_CODE("BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)",
				     "Some events are not known here");
		else if (!(e & EVENT_NEW) != !(e & EVENT_EXPUNGE))
			*r = BAD("MessageNew and MessageExpunge go together");
		else if (e & EVENT_FLAG && !(e & EVENT_NEW))
			*r = BAD("FlagChange needs MessageNew and MessageExpunge");
		else if (of_selected(&n->groups[i]) && e & ~(unsigned)EVENTS_OF_MESSAGES)
			*r = BAD("Of the selected mailbox only MessageNew, MessageExpunge and FlagChange are told");
		else if (selected > 1)
			*r = BAD("The selected mailbox is named twice");
		else
			continue;
		return false;
	}
	return true;
}

/* --- what is told -------------------------------------------------------------------------- */

static const struct group *selected_group(const struct session *s)
{
	for (size_t i = 0; s->notify && i < s->notify->n; i++)
		if (of_selected(&s->notify->groups[i]))
			return &s->notify->groups[i];
	return NULL;
}

unsigned notify_of_selected(const struct session *s)
{
	const struct group *g = selected_group(s);
	if (!s->notify)
		return EVENTS_OF_MESSAGES;
	return g ? g->events : 0;
}

static bool below(struct str name, struct str top)
{
	return str_eq(name, top) || (str_starts(name, top) && name.n > top.n && name.p[top.n] == '/');
}

static bool named(const struct group *g, struct str name)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->filter == FILTER_SUBTREE ? below(name, g->names[i]) : str_eq(name, g->names[i]))
			return true;
	return false;
}

static bool group_has(const struct group *g, const struct shown *x)
{
	switch (g->filter) {
	case FILTER_INBOXES:
		return below(x->name, STR("INBOX"));
	case FILTER_PERSONAL:
		return true;
	case FILTER_SUBSCRIBED:
		return x->subscribed;
	case FILTER_SUBTREE:
	case FILTER_MAILBOXES:
		return named(g, x->name);
	default:
		return false;
	}
}

/* Of a mailbox that is not the selected one, or besides its messages (RFC 5465 5). NONE ends the search. */
static unsigned wanted(const struct session *s, const struct shown *x)
{
	const struct notify *n = s->notify;
	unsigned all = 0;
	for (size_t i = 0; i < n->n; i++) {
		if (!group_has(&n->groups[i], x))
			continue;
		if (n->groups[i].events == 0)
			break;
		all |= n->groups[i].events;
	}
	return s->view && s->view->mailbox == x->id ? all & ~(unsigned)EVENTS_OF_MESSAGES : all;
}

static void say_counts(struct session *s, struct cmd *c, const struct mailbox *m)
{
	struct buf b = { 0 };
	buf_addz(&b, "* STATUS ");
	say_mailbox_as(&b, m->name, c->utf8);
	buf_printf(&b, " (MESSAGES %u UIDNEXT %u UIDVALIDITY %u UNSEEN %u", m->messages, m->uidnext, m->uidvalidity,
		   m->unseen);
	if (s->condstore)
		buf_printf(&b, " HIGHESTMODSEQ %llu", (unsigned long long)m->modseq);
	buf_addz(&b, ")\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

/* `old` NULL: it is new. */
static void tell_mailbox(struct session *s, struct cmd *c, const struct shown *old, const struct shown *now,
			 const struct mailbox *m)
{
	unsigned want = wanted(s, now) | (old ? wanted(s, old) : 0);
	if (want & EVENT_NAME && !old)
		say_listed(s, c->utf8, STR_NONE, now->name, STR_NONE);
	if (want & EVENT_NAME && old && !str_eq(old->name, now->name))
		say_renamed(s, c, now->name, old->name);
	if (want & EVENT_SUBSCRIPTION && (old ? old->subscribed : false) != now->subscribed)
		say_listed(s, c->utf8, now->subscribed ? STR("\\Subscribed") : STR_NONE, now->name, STR_NONE);
	bool counts = old ? old->uidnext != now->uidnext || old->messages != now->messages : now->messages > 0;
	bool flags = old && old->modseq != now->modseq;
	if ((want & EVENT_NEW && counts) || (want & EVENT_FLAG && flags))
		say_counts(s, c, m);
}

static void tell_gone(struct session *s, struct cmd *c, const struct shown *old)
{
	if (wanted(s, old) & EVENT_NAME)
		say_listed(s, c->utf8, STR("\\NonExistent"), old->name, STR_NONE);
}

static int by_id(const void *a, const void *b)
{
	const struct mailbox *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct shown shown_as(const struct mailbox *m, struct arena *a)
{
	return (struct shown){ .id = m->id,
			       .name = str_dup(a, m->name),
			       .modseq = m->modseq,
			       .uidnext = m->uidnext,
			       .messages = m->messages,
			       .subscribed = m->subscribed };
}

/* Look at all mailboxes; with `say`, tell what is different from what was shown. */
static bool look_at_all(struct session *s, struct cmd *c, bool say, struct err *e)
{
	struct notify *n = s->notify;
	struct arena fresh = { 0 };
	struct mailbox *all;
	size_t count, k = 0;
	uint32_t bell = bell_seq(s->conf->store, bell_slot(s->account));
	if (!mailbox_list(s->conf->store, s->account, c->a, &all, &count, e))
		return false;
	if (count > 1)
		qsort(all, count, sizeof *all, by_id);
	struct shown *now = ARENA_ARRAY(&fresh, struct shown, count);
	for (size_t i = 0; i < count; i++) {
		now[i] = shown_as(&all[i], &fresh);
		for (; k < n->nshown && n->shown[k].id < now[i].id; k++)
			if (say)
				tell_gone(s, c, &n->shown[k]);
		const struct shown *old = k < n->nshown && n->shown[k].id == now[i].id ? &n->shown[k++] : NULL;
		if (say)
			tell_mailbox(s, c, old, &now[i], &all[i]);
	}
	for (; say && k < n->nshown; k++)
		tell_gone(s, c, &n->shown[k]);
	arena_reset(&n->shown_arena);
	n->shown_arena = fresh;
	n->shown = now;
	n->nshown = count;
	n->bell = bell;
	return true;
}

static void say_all_counts(struct session *s, struct cmd *c)
{
	struct mailbox *m;
	struct err e = { 0 };
	for (size_t i = 0; i < s->notify->nshown; i++)
		if (wanted(s, &s->notify->shown[i]) & EVENT_NEW &&
		    mailbox_get(s->conf->store, s->notify->shown[i].id, c->a, &m, &e) && m)
			say_counts(s, c, m);
}

void notify_tell(struct session *s, struct cmd *c)
{
	struct err e = { 0 };
	if (!s->notify || s->notify->n == 0 || bell_seq(s->conf->store, bell_slot(s->account)) == s->notify->bell)
		return;
	c->utf8 = s->utf8 || s->rev2;
	if (!look_at_all(s, c, true, &e))
		log_warn("imap.notify", KV("account", s->account_name), KVZ("error", e.text));
}

/* What the client wants to see at once of messages that came (RFC 5465 5.2). */
static void fetch_new(struct session *s, struct cmd *c, uint32_t from, struct str items)
{
	struct str text = str_fmt(c->a, "%u:%u %.*s", from, s->view->uidnext - 1, STRF(items));
	struct cmd f = { .a = c->a,
			 .in = parser_new(text, c->a, s->conf->limits.nesting),
			 .uid = true,
			 .utf8 = s->utf8 || s->rev2 };
	cmd_fetch(s, &f);
}

void notify_tell_selected(struct session *s, struct cmd *c, enum tell what)
{
	const struct group *g = selected_group(s);
	struct err e = { 0 };
	uint32_t from = s->view->uidnext;
	if (notify_of_selected(s) == 0)
		return;
	if (!tell(s, c, what, false, &e))
		log_warn("imap.tell", KV("account", s->account_name), KVZ("error", e.text));
	else if (g && g->items.n > 0 && !s->view->deleted && s->view->uidnext > from)
		fetch_new(s, c, from, g->items);
}

struct next notify_wake(struct session *s)
{
	struct arena a = { 0 };
	struct cmd c = { .a = &a };
	struct next next = want_line(s);
	const struct group *g = selected_group(s);
	if (s->view && g) /* not delayed: numbers may change although no command is being done */
		notify_tell_selected(s, &c, g->filter == FILTER_SELECTED ? TELL_ALL : TELL_NO_EXPUNGE);
	if (s->view && s->view->deleted)
		next = say_bye(s, "The selected mailbox has been deleted");
	else
		notify_tell(s, &c);
	arena_reset(&a);
	return next;
}

static void notify_free(struct notify *n)
{
	if (!n)
		return;
	arena_reset(&n->asked_arena);
	arena_reset(&n->shown_arena);
	free(n);
}

void notify_end(struct session *s)
{
	notify_free(s->notify);
	s->notify = NULL;
}

/* NOTIFY NONE is a NOTIFY without groups: not even the selected mailbox is told of, until the client asks. */
struct reply cmd_notify(struct session *s, struct cmd *c)
{
	bool none, status;
	struct err e = { 0 };
	struct reply r = { 0 };
	struct notify *n = calloc(1, sizeof *n);
	if (!n)
		abort();
	if (!parse_notify(&c->in, n, &none, &status) || !group_rules(n, &r)) {
		notify_free(n);
		return c->in.expected ? reply_bad(c) : r;
	}
	notify_end(s);
	s->notify = n;
	if (!none && !look_at_all(s, c, false, &e)) {
		notify_end(s);
		return reply_err(c, &e);
	}
	if (status)
		say_all_counts(s, c);
	if (none)
		idle_leave(s);
	else
		idle_enter(s);
	return OK("NOTIFY completed");
}
