/* SEARCH (RFC 3501 6.4.4): rows by pages, keys by rising cost. */
#include "imap/search.h"
#include "base/log.h"
#include "imap/command.h"
#include "imap/text.h"
#include "imap/walk.h"
#include "mail/date.h"

#define DAY_MS 86400000

/* One SEARCH at work, and the message it looks at. */
struct searching {
	struct session *s;
	struct cmd *c;
	struct message m;
	uint32_t seq;
	struct text_piece *body; /* of this message, once somebody asked */
	bool have_body, broken;  /* broken: the message cannot be read; it matches nothing that needs it */
	struct err err;
	unsigned unreadable;
};

/* "*" is the last message (RFC 3501 9). False: a number that does not exist. */
static bool resolve_sets(struct key *k, const struct view *v, struct arena *a)
{
	if (k->kind == KEY_SEQ && set_largest(&k->set) > v->count)
		return false;
	if (k->kind == KEY_SEQ || k->kind == KEY_UID)
		k->set = set_resolve(&k->set, k->kind == KEY_SEQ ? v->count : view_last_uid(v), a);
	for (struct key *c = k->child; c; c = c->next)
		if (!resolve_sets(c, v, a))
			return false;
	return true;
}

static bool has_keyword(struct str keywords, struct str word)
{
	while (keywords.n > 0)
		if (str_eqi(str_cut(&keywords, ' '), word))
			return true;
	return false;
}

static bool on_day(enum key_kind kind, int64_t ms, int64_t day)
{
	switch (kind) {
	case KEY_BEFORE:
	case KEY_SENTBEFORE:
		return ms < day;
	case KEY_ON:
	case KEY_SENTON:
		return ms >= day && ms < day + DAY_MS;
	default:
		return ms >= day;
	}
}

static bool broken(struct searching *x)
{
	if (!x->broken)
		log_error("imap.message-unreadable", KV("account", x->s->account_name),
			  KVN("mailbox", x->s->view->mailbox), KVN("uid", x->m.row->uid), KVZ("error", x->err.text));
	x->broken = true;
	return false;
}

/* The day as it is written in Date, whatever its zone (RFC 3501 6.4.4). */
static bool match_sent(struct searching *x, const struct key *k)
{
	int64_t ms;
	int zone = 0;
	if (!message_index(&x->m, &x->err))
		return broken(x);
	const struct envelope *e = x->m.root->envelope;
	return e && date_parse(e->date, &ms, &zone) && on_day(k->kind, ms + (int64_t)zone * 60000, (int64_t)k->number);
}

static bool match_envelope(struct searching *x, const struct key *k)
{
	if (!message_index(&x->m, &x->err))
		return broken(x);
	const struct envelope *e = x->m.root->envelope;
	if (!e)
		return false;
	struct str values[] = { [ENVELOPE_SUBJECT] = e->subject,
				[ENVELOPE_FROM] = e->from,
				[ENVELOPE_TO] = e->to,
				[ENVELOPE_CC] = e->cc,
				[ENVELOPE_BCC] = e->bcc };
	return values[k->bit].n > 0 && text_has_value(values[k->bit], k->text, x->m.a);
}

static bool match_header(struct searching *x, struct str field, struct str text)
{
	bool found;
	return text_header_has(&x->m, field, text, &found, &x->err) ? found : broken(x);
}

static bool match_body(struct searching *x, struct str text)
{
	if (!x->have_body && !text_of_body(&x->m, &x->body, &x->err))
		return broken(x);
	x->have_body = true;
	if (text.n == 0)
		return true;
	for (const struct text_piece *t = x->body; t; t = t->next)
		if (str_find(t->folded, text) < t->folded.n)
			return true;
	return false;
}

static bool match(struct searching *x, const struct key *k);

static bool match_children(struct searching *x, const struct key *k, bool all)
{
	for (const struct key *c = k->child; c; c = c->next)
		if (match(x, c) != all)
			return !all;
	return all;
}

static bool match(struct searching *x, const struct key *k)
{
	const struct msg *m = x->m.row;
	bool recent = m->uid >= x->s->view->recent_from;
	switch (k->kind) {
	case KEY_ALL_OF:
		return match_children(x, k, true);
	case KEY_ONE_OF:
		return match_children(x, k, false);
	case KEY_NOT:
		return !match(x, k->child) && !x->broken;
	case KEY_EVERY:
		return true;
	case KEY_FLAG:
		return !(m->flags & k->bit) != k->want;
	case KEY_RECENT:
		return recent == k->want;
	case KEY_NEW:
		return recent && !(m->flags & MSG_SEEN);
	case KEY_KEYWORD:
		return has_keyword(m->keywords, k->text) == k->want;
	case KEY_SEQ:
		return set_has(&k->set, x->seq);
	case KEY_UID:
		return set_has(&k->set, m->uid);
	case KEY_LARGER:
		return m->size > k->number;
	case KEY_SMALLER:
		return m->size < k->number;
	case KEY_BEFORE:
	case KEY_ON:
	case KEY_SINCE:
		return on_day(k->kind, m->internal_wall_ms, (int64_t)k->number);
	case KEY_MODSEQ:
		return m->modseq >= k->number;
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		return match_sent(x, k);
	case KEY_ENVELOPE:
		return match_envelope(x, k);
	case KEY_HEADER:
		return match_header(x, k->field, k->text);
	case KEY_BODY:
		return match_body(x, k->text);
	case KEY_TEXT:
		return match_header(x, STR_NONE, k->text) || match_body(x, k->text);
	}
	return false;
}

/* UIDs that can match at all: sets among the keys that must all be true narrow the search. */
static struct set narrow(const struct searching *x, const struct key *root, struct arena *a)
{
	uint32_t from = 1, to = view_last_uid(x->s->view);
	for (const struct key *k = root->child; k; k = k->next) {
		uint32_t low, high;
		if (k->kind != KEY_SEQ && k->kind != KEY_UID)
			continue;
		if (k->set.n == 0)
			return (struct set){ 0 };
		low = k->set.ranges[0].from;
		high = k->set.ranges[k->set.n - 1].to;
		if (k->kind == KEY_SEQ) { /* "9:*" may name numbers above the last */
			uint32_t last = x->s->view->count;
			low = view_uid(x->s->view, low < last ? low : last);
			high = view_uid(x->s->view, high < last ? high : last);
		}
		from = low > from ? low : from;
		to = high < to ? high : to;
	}
	struct set out = { ARENA_NEW(a, struct range), from <= to };
	out.ranges[0] = (struct range){ from, to };
	return out;
}

static void search_row(struct searching *x, const struct search *s, struct msg *row, struct buf *out, uint64_t *modseq)
{
	x->m = (struct message){ .st = x->s->conf->store, .a = x->m.a, .row = row };
	x->seq = view_seq(x->s->view, row->uid);
	x->have_body = x->broken = false;
	if (x->seq && match(x, s->root)) {
		buf_printf(out, " %u", x->c->uid ? row->uid : x->seq);
		*modseq = row->modseq > *modseq ? row->modseq : *modseq;
	}
	x->unreadable += x->broken;
	arena_reset(x->m.a);
}

static bool search_all(struct searching *x, const struct search *s, struct err *e)
{
	struct arena page = { 0 }, scratch = { 0 };
	struct buf out = { 0 };
	struct set all = narrow(x, s->root, x->c->a);
	struct walk walk = { .view = x->s->view };
	struct uid_run *runs;
	uint64_t modseq = 0;
	uint32_t from, to;
	bool ok = true;
	view_resolve(x->s->view, &all, true, x->c->a, &runs, &walk.n);
	walk.runs = runs;
	x->m.a = &scratch;
	io_add(x->s->io, STR("* SEARCH"));
	while (ok && io_error(x->s->io)->kind == ERR_NONE && walk_next(&walk, &from, &to)) {
		struct msg *rows;
		size_t n;
		ok = msg_page(x->s->conf->store, x->s->view->mailbox, from, to, s->prefix, &page, &rows, &n, e);
		for (size_t i = 0; ok && i < n; i++)
			search_row(x, s, &rows[i], &out, &modseq);
		io_add(x->s->io, buf_str(&out));
		buf_clear(&out);
		arena_reset(&page);
	}
	if (s->modseq && modseq > 0)
		io_printf(x->s->io, " (MODSEQ %llu)", (unsigned long long)modseq);
	io_add(x->s->io, STR("\r\n"));
	buf_free(&out);
	return ok;
}

struct reply cmd_search(struct session *s, struct cmd *c)
{
	struct search search;
	struct err e = { 0 };
	if (!parse_search(&c->in, &search))
		return reply_bad(c);
	if (search.bad_charset.n > 0)
		return NO_CODE("BADCHARSET (US-ASCII UTF-8)", "Unknown charset");
	if (search.modseq)
		condstore_on(s);
	if (!resolve_sets(search.root, s->view, c->a))
		return BAD("There is no message of that number");
	struct searching x = { .s = s, .c = c };
	if (!search_all(&x, &search, &e))
		return reply_err(c, &e);
	if (x.unreadable)
		return (
		    struct reply){ REPLY_NO, STR("UNAVAILABLE"),
				   str_fmt(c->a, "%u message(s) cannot be read; the log says which", x.unreadable) };
	return OK("SEARCH completed");
}
