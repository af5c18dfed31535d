/* source_imap.c - the mailboxes of a remote account.
 *
 * Each is looked at with EXAMINE, so nothing there changes.  First all UIDs are
 * asked for by sequence number (no server may say EXPUNGE meanwhile: RFC 9051
 * 7.5.1), then the messages by UID, some at a time.  A message's key is mailbox,
 * UIDVALIDITY and UID: what a run has, the next does not ask for again.
 */
#include "archive/maildir.h"
#include "archive/octets.h"
#include "archive/source_impl.h"

#include <stdlib.h>

#define LOOK_AT_ONCE 1000 /* sequence numbers of one FETCH for UIDs */
#define GET_AT_ONCE  50   /* messages of one FETCH */

struct remote_box {
	struct str wire, name;
};
struct remote {
	struct source source;
	struct imap_client *c;
	struct remote_box *boxes;
	size_t n, at; /* at: the one after that which is selected */
	struct imap_selected selected;
	uint32_t *uids; /* of the selected one, wanted and not fetched yet */
	size_t nuids, next_uid;
	bool fetching;
	struct sink sink; /* counts on being found by offset */
	struct buf bytes;
	struct arena box, message;
};

static bool sink_add(struct sink *sink, struct str bytes)
{
	struct remote *s = (struct remote *)((char *)sink - offsetof(struct remote, sink));
	buf_add(&s->bytes, bytes);
	return true;
}

static struct str key_of(struct remote *s, uint32_t uid)
{
	return str_fmt(&s->message, "%.*s/%u/%u", STRF(s->boxes[s->at - 1].name), s->selected.uidvalidity, uid);
}

/* The UIDs of the selected mailbox, without those that we have. */
static bool look(struct remote *s, struct err *e)
{
	size_t cap = 0;
	struct imap_message m;
	enum imap_fetched got = IMAP_FETCH_END;
	arena_reset(&s->box);
	s->box.ceiling = SIZE_MAX;
	s->uids = NULL;
	s->nuids = s->next_uid = 0;
	for (uint32_t seq = 1; seq <= s->selected.exists && got == IMAP_FETCH_END; seq += LOOK_AT_ONCE) {
		uint32_t to = s->selected.exists - seq < LOOK_AT_ONCE ? s->selected.exists : seq + LOOK_AT_ONCE - 1;
		arena_reset(&s->message);
		struct str set = str_fmt(&s->message, "%u:%u", seq, to);
		if (!imap_fetch(s->c, false, set, "(UID)", e))
			return false;
		while ((got = imap_fetch_next(s->c, NULL, 0, &m, e)) == IMAP_FETCH_MESSAGE) {
			if (m.uid == 0)
				continue;
			arena_reset(&s->message);
			if (s->source.conf.have && s->source.conf.have(s->source.conf.ctx, key_of(s, m.uid))) {
				s->source.done++;
				continue;
			}
			s->uids = arena_grow(&s->box, s->uids, &cap, s->nuids + 1, sizeof *s->uids);
			s->uids[s->nuids++] = m.uid;
		}
	}
	return got == IMAP_FETCH_END;
}

/* Ask for the next messages. */
static bool ask(struct remote *s, struct err *e)
{
	struct buf set = { 0 };
	for (size_t i = 0; i < GET_AT_ONCE && s->next_uid < s->nuids; i++)
		buf_printf(&set, "%s%u", set.n ? "," : "", s->uids[s->next_uid++]);
	s->fetching = imap_fetch(s->c, true, buf_str(&set), "(UID FLAGS INTERNALDATE BODY.PEEK[])", e);
	buf_free(&set);
	return s->fetching;
}

/* Select mailboxes until one has something to fetch. */
static enum source_got step_on(struct remote *s, struct source_message *m, struct err *e)
{
	while (s->next_uid == s->nuids) {
		if (s->at == s->n)
			return SOURCE_END;
		const struct remote_box *b = &s->boxes[s->at++];
		s->nuids = s->next_uid = 0;
		if (!imap_select(s->c, b->wire, true, &s->selected, e)) {
			m->mailbox = m->where = b->name;
			return e->kind == ERR_PEER ? SOURCE_ERROR : SOURCE_BAD;
		}
		s->source.total += s->selected.exists;
		if (!look(s, e))
			return SOURCE_ERROR;
	}
	return ask(s, e) ? SOURCE_MESSAGE : SOURCE_ERROR;
}

static struct str valid_keywords(struct str keywords, struct arena *a)
{
	struct buf b = { 0 };
	while (keywords.n > 0) {
		struct str word = str_cut(&keywords, ' ');
		if (keyword_valid(word))
			buf_printf(&b, "%s%.*s", b.n ? " " : "", STRF(word));
	}
	struct str out = str_dup(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static enum source_got take(struct remote *s, const struct imap_message *x, struct source_message *m, struct err *e)
{
	arena_reset(&s->message);
	m->mailbox = s->boxes[s->at - 1].name;
	m->where = str_fmt(&s->message, "%.*s, UID %u", STRF(m->mailbox), x->uid);
	m->key = key_of(s, x->uid);
	s->source.done++;
	if (x->body_skipped) {
		err_set(e, ERR_PERM, "longer than %zu octets", s->source.conf.max);
		return SOURCE_BAD;
	}
	m->flags = x->flags;
	m->keywords = valid_keywords(x->keywords, &s->message);
	m->internal_wall_ms = x->internal_wall_ms;
	source_finish(&s->source, &s->bytes, m);
	return SOURCE_MESSAGE;
}

static enum source_got remote_next(struct source *source, struct source_message *m, struct err *e)
{
	struct remote *s = (struct remote *)source;
	struct imap_message x;
	for (;;) {
		if (!s->fetching) {
			enum source_got got = step_on(s, m, e);
			if (got != SOURCE_MESSAGE)
				return got;
		}
		buf_clear(&s->bytes);
		switch (imap_fetch_next(s->c, &s->sink, source->conf.max, &x, e)) {
		case IMAP_FETCH_MESSAGE:
			if (x.has_body && x.uid > 0)
				return take(s, &x, m, e);
			break; /* flags that somebody changes meanwhile */
		case IMAP_FETCH_END:
			s->fetching = false;
			break;
		case IMAP_FETCH_ERROR:
			return SOURCE_ERROR;
		}
	}
}

static void remote_close(struct source *source)
{
	struct remote *s = (struct remote *)source;
	imap_close(s->c);
	buf_free(&s->bytes);
	arena_reset(&s->box);
	arena_reset(&s->message);
	arena_reset(&source->life);
	free(s);
}

static const struct source_kind kind = { remote_next, remote_close };

static bool list(struct remote *s, struct err *e)
{
	struct imap_box *boxes;
	size_t n;
	if (!imap_list(s->c, &s->source.life, &boxes, &n, e))
		return false;
	s->boxes = ARENA_ARRAY(&s->source.life, struct remote_box, n);
	for (size_t i = 0; i < n; i++) {
		const struct imap_box *b = &boxes[i];
		/* All mail, and what is flagged, are views of messages that stand elsewhere too (RFC 6154 2). */
		bool view = b->use == USE_ALL || b->use == USE_FLAGGED;
		if (!b->selectable || b->foreign || !source_wants(&s->source, b->name) ||
		    (view && s->source.conf.only.n == 0))
			continue;
		if (!source_add_box(&s->source, b->name, b->use ? b->use : special_use_of(b->name), e))
			return false;
		s->boxes[s->n++] = (struct remote_box){ b->wire, b->name };
	}
	return s->n > 0 || err_set(e, ERR_PERM, "the account has no mailbox that is wanted");
}

struct source *source_imap(struct imap_client *c, const struct source_conf *conf, struct err *e)
{
	struct remote *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->source.kind = &kind;
	s->source.conf = *conf;
	s->source.life.ceiling = SIZE_MAX;
	s->c = c;
	s->sink.add = sink_add;
	if (list(s, e))
		return &s->source;
	remote_close(&s->source);
	return NULL;
}
