/* Does a message match? (RFC 3501 6.4.4)  The message is read as far as its keys ask. */
#include "base/log.h"
#include "imap/search_run.h"
#include "imap/text.h"
#include "mail/date.h"
#include "mail/header.h"

#define DAY_MS 86400000

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
	case KEY_SAVED_BEFORE:
	case KEY_SENTBEFORE:
		return ms < day;
	case KEY_ON:
	case KEY_SAVED_ON:
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

/* To the second (RFC 5032 2). */
static bool match_age(const struct searching *x, const struct key *k)
{
	int64_t then_s = x->now_wall_ms / 1000 - (int64_t)k->number, s = x->m.row->internal_wall_ms / 1000;
	return k->kind == KEY_OLDER ? s <= then_s : s >= then_s;
}

static bool match_email_id(const struct msg *m, struct str id)
{
	char mine[EMAIL_ID_SIZE];
	message_email_id(m, mine);
	return str_eq(str_of(mine), id);
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
	return values[k->bit].n > 0 && text_has_value(values[k->bit], k->text);
}

/* What stands before the content belongs to this recipient alone: the full-text index does not know it. */
static bool match_prefix(struct searching *x, struct str field, struct str text)
{
	struct str block = x->m.row->prefix;
	struct header h;
	while (header_next(&block, &h))
		if (field.n == 0 ? text_has_value(h.whole, text)
				 : str_eqi(h.name, field) && text_has_value(h.value, text))
			return true;
	return false;
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

/* By what the full-text index said, where that is an answer. */
static bool match_text(struct searching *x, const struct key *k)
{
	enum index_says says = k->found ? search_index_says(k->found, x->m.row) : INDEX_LOOK;
	switch (k->kind) {
	case KEY_ENVELOPE:
		return says != INDEX_NO && match_envelope(x, k);
	case KEY_HEADER:
		return says == INDEX_NO ? match_prefix(x, k->field, k->text) : match_header(x, k->field, k->text);
	case KEY_BODY:
		return says == INDEX_LOOK ? match_body(x, k->text) : says == INDEX_HAS;
	default: /* KEY_TEXT */
		if (says != INDEX_LOOK)
			return says == INDEX_HAS || match_prefix(x, STR_NONE, k->text);
		return match_header(x, STR_NONE, k->text) || match_body(x, k->text);
	}
}

static bool match_children(struct searching *x, const struct key *k, bool all)
{
	for (const struct key *c = k->child; c; c = c->next)
		if (search_match(x, c) != all)
			return !all;
	return all;
}

bool search_match(struct searching *x, const struct key *k)
{
	const struct msg *m = x->m.row;
	bool recent = m->uid >= x->s->view->recent_from;
	switch (k->kind) {
	case KEY_ALL_OF:
		return match_children(x, k, true);
	case KEY_ONE_OF:
		return match_children(x, k, false);
	case KEY_NOT:
		return !search_match(x, k->child) && !x->broken;
	case KEY_EVERY:
		return true;
	case KEY_NONE:
		return false;
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
	case KEY_SAVED_BEFORE:
	case KEY_SAVED_ON:
	case KEY_SAVED_SINCE:
		return on_day(k->kind, m->saved_wall_ms, (int64_t)k->number);
	case KEY_OLDER:
	case KEY_YOUNGER:
		return match_age(x, k);
	case KEY_MODSEQ:
		return m->modseq >= k->number;
	case KEY_EMAIL_ID:
		return match_email_id(m, k->text);
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		return match_sent(x, k);
	case KEY_ENVELOPE:
	case KEY_HEADER:
	case KEY_BODY:
	case KEY_TEXT:
		return match_text(x, k);
	}
	return false;
}
