/* The header fields of a message: what refuses it, what is missing, and whose it says it is. */
#include "base/clock.h"
#include "base/hash.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/lex.h"
#include "smtp/session.h"

struct fields {
	size_t n, received, from, nameless, return_path;
	bool headless; /* the first line is no field */
	bool date, message_id;
	struct str from_value;
};

/* One pass over the head of the message. False: it is longer than is taken. */
static bool fields_read(const struct session *s, struct fields *f)
{
	const struct smtp_limits *l = &s->conf->limits;
	const struct stage *stage = &s->mail->stage;
	struct str head = stage_head(stage), rest = head;
	struct header h;
	*f = (struct fields){ .from_value = STR_NONE };
	while (header_next(&rest, &h)) {
		f->headless |= f->n == 0 && h.name.n == 0;
		f->n++;
		f->nameless += h.name.n == 0;
		f->received += str_eqi(h.name, STR("Received"));
		f->return_path += str_eqi(h.name, STR("Return-Path"));
		f->date |= str_eqi(h.name, STR("Date"));
		f->message_id |= str_eqi(h.name, STR("Message-Id"));
		if (str_eqi(h.name, STR("From"))) {
			f->from++;
			f->from_value = h.value;
		}
		if (head.n - rest.n > l->header || f->n > l->header_fields)
			return false;
		if (f->headless) /* all of it is body */
			return true;
	}
	/* At its end without a blank line while the message goes on: the header is longer than a head. */
	return rest.n > 0 || head.n == stage->size || str_ends(head, STR("\r\n\r\n"));
}

static void count_element(size_t *n, bool *blank)
{
	*n += !*blank;
	*blank = true;
}

/* How many elements a list has that are not blank, by its commas outside quotes, comments and angle brackets. */
static size_t list_elements(struct str v)
{
	size_t n = 0;
	bool blank = true, angle = false;
	while (v.n > 0) {
		char c = v.p[0];
		if (c == '(') {
			lex_comment(&v);
			continue;
		}
		if (c == '"') {
			lex_quoted(&v);
			blank = false;
			continue;
		}
		angle = c == '<' || (angle && c != '>');
		if (c == ',' && !angle)
			count_element(&n, &blank);
		else if (!ch_space(c))
			blank = false;
		v = str_sub(v, 1, v.n);
	}
	count_element(&n, &blank);
	return n;
}

/* RFC 6409 6.1: who submits may only speak for himself. What is not understood could be read differently elsewhere. */
static bool from_allowed(struct session *s, struct str value, struct reply *why)
{
	struct mailaddr *list;
	size_t n;
	bool more = false, belongs = true;
	struct err e;
	*why = (struct reply){ 550, "5.7.1", "The From field has an address that is not yours, or is malformed" };
	if (!addresses_parse(value, &s->arena, &list, &n, &more) || more || n == 0 || n != list_elements(value))
		return false;
	for (size_t i = 0; i < n && belongs; i++) {
		if (list[i].kind != MAILADDR_BOX)
			return false;
		if (!smtp_belongs(s, list[i].local, list[i].domain, &belongs, &e)) {
			*why = reply_trouble("From", s->mail->id, &e);
			return false;
		}
	}
	return belongs;
}

static bool submission_allowed(struct session *s, const struct fields *f, struct reply *why)
{
	if (f->nameless > 0)
		*why = (struct reply){ 550, "5.6.0", "A line of the header is not a field" };
	else if (f->return_path > 0)
		*why = (struct reply){ 550, "5.6.0", "Return-Path is not for senders to write" };
	else if (f->from == 0)
		*why = (struct reply){ 550, "5.6.0", "The From field is missing" };
	else
		return from_allowed(s, f->from_value, why);
	return false;
}

/* Put `text` before all that was staged. */
static bool prepend(struct session *s, struct str text, struct reply *why)
{
	struct mail *m = s->mail;
	struct arena a = { 0 };
	struct stage old = m->stage;
	struct str all;
	struct err e;
	bool ok = stage_all(&old, &a, &all, &e);
	if (ok) {
		stage_open(&m->stage, s->conf->store, old.max + text.n);
		ok = stage_add(&m->stage, text) && stage_add(&m->stage, all);
		e = m->stage.err;
		stage_drop(&old);
	}
	if (!ok)
		*why = reply_trouble("header", m->id, &e);
	arena_reset(&a);
	return ok;
}

/* What a submitted message lacks (RFC 6409 8.1, 8.2), and the blank line when there is no header at all:
 * or the first line of a body would stand among our own trace fields. */
static bool complete(struct session *s, const struct fields *f, struct reply *why)
{
	bool ours = (s->state & HAS_LOGIN) || s->conf->kind == SMTP_SUBMISSION || s->conf->kind == SMTP_LOCAL;
	struct buf b = { 0 };
	if (ours && !f->message_id) {
		char id[21];
		random_id(id, 20);
		buf_printf(&b, "Message-Id: <%s.%s@%.*s>\r\n", s->mail->id, id, STRF(s->conf->host));
	}
	if (ours && !f->date) {
		buf_addz(&b, "Date: ");
		date_print(&b, clock_wall_ms());
		buf_addz(&b, "\r\n");
	}
	if (f->headless)
		buf_addz(&b, "\r\n");
	bool ok = b.n == 0 || prepend(s, buf_str(&b), why);
	buf_free(&b);
	return ok;
}

bool smtp_fields(struct session *s, struct next *next, struct reply *why)
{
	struct fields f;
	if (!fields_read(s, &f)) {
		next->want = WANT_CLOSE;
		*why = (struct reply){ 552, "5.3.4", "The header of the message is too large, goodbye" };
		return false;
	}
	if (f.received >= s->conf->limits.received) {
		*why = (struct reply){ 554, "5.4.6", "Too many Received fields: the message goes round in circles" };
		return false;
	}
	/* Which one is shown, and which one checked, differs from reader to reader (RFC 5322 3.6). */
	if (f.from > 1) {
		*why = (struct reply){ 550, "5.6.0", "A message has one From field, not several" };
		return false;
	}
	if ((s->state & HAS_LOGIN) && !submission_allowed(s, &f, why))
		return false;
	return complete(s, &f, why);
}
