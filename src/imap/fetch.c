/* FETCH (RFC 3501 6.4.5, RFC 7162 3.1.4): rows by pages, each message read as far as its items ask. */
#include "imap/fetch.h"
#include "base/log.h"
#include "imap/command.h"
#include "imap/say.h"
#include "imap/structure.h"
#include "imap/walk.h"
#include "mail/date.h"

#define COPY_MAX 4096 /* larger octets go to the stream as they are, not through the buffer */

static bool fetch_sets_seen(const struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].sets_seen)
			return true;
	return false;
}

static bool fetch_needs_prefix(const struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].what == FETCH_SECTION && section_needs_prefix(&f->items[i].section))
			return true;
	return false;
}

static bool fetch_shows_flags(const struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].what == FETCH_FLAGS)
			return true;
	return false;
}

/* One FETCH command at work. */
struct fetching {
	struct session *s;
	struct cmd *c;
	const struct fetch *f;
	struct walk walk;
	struct buf out;
	struct arena scratch; /* of one message */
	unsigned failed;      /* messages that could not be read */
	uint32_t failed_uid;
	uint32_t missing; /* expunged by others meanwhile */
};

static void flush_out(struct fetching *x)
{
	io_add(x->s->io, buf_str(&x->out));
	buf_clear(&x->out);
}

static void say_octets(struct fetching *x, const struct octets *o)
{
	size_t n = o->first.n + o->second.n;
	if (o->nil) {
		buf_addz(&x->out, "NIL");
		return;
	}
	if (n == 0) {
		buf_addz(&x->out, "\"\"");
		return;
	}
	buf_printf(&x->out, "{%zu}\r\n", n);
	if (n <= COPY_MAX) {
		buf_add(&x->out, o->first);
		buf_add(&x->out, o->second);
		return;
	}
	flush_out(x);
	io_add(x->s->io, o->first);
	io_add(x->s->io, o->second);
}

static void say_item(struct fetching *x, const struct fetch_item *item, const struct octets *octets, struct message *m)
{
	struct buf *b = &x->out;
	switch (item->what) {
	case FETCH_UID:
		buf_printf(b, "UID %u", m->row->uid);
		break;
	case FETCH_FLAGS:
		buf_addz(b, "FLAGS ");
		say_flags(b, m->row->flags, m->row->uid >= x->s->view->recent_from, m->row->keywords);
		break;
	case FETCH_INTERNALDATE:
		buf_addz(b, "INTERNALDATE \"");
		date_print_imap(b, m->row->internal_wall_ms);
		buf_addc(b, '"');
		break;
	case FETCH_SIZE:
		buf_printf(b, "RFC822.SIZE %llu", (unsigned long long)m->row->size);
		break;
	case FETCH_MODSEQ:
		buf_printf(b, "MODSEQ (%llu)", (unsigned long long)m->row->modseq);
		break;
	case FETCH_ENVELOPE:
		buf_addz(b, "ENVELOPE ");
		say_envelope(b, m->root->envelope, m->a);
		break;
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		buf_addz(b, item->what == FETCH_BODY ? "BODY " : "BODYSTRUCTURE ");
		say_structure(b, m->root, item->what == FETCH_BODYSTRUCTURE, m->a);
		break;
	case FETCH_SECTION:
		say_section(b, &item->section);
		buf_addc(b, ' ');
		say_octets(x, octets);
		break;
	}
}

/* All that the items need, before the first octet of the response is said: half a response cannot be taken back. */
static bool read_items(struct fetching *x, struct message *m, struct octets *octets, struct err *e)
{
	for (size_t i = 0; i < x->f->n; i++) {
		const struct fetch_item *item = &x->f->items[i];
		bool ok = true;
		if (item->what == FETCH_ENVELOPE || item->what == FETCH_BODY || item->what == FETCH_BODYSTRUCTURE)
			ok = message_index(m, e);
		else if (item->what == FETCH_SECTION)
			ok = section_find(&item->section, m, &octets[i], e);
		if (!ok)
			return false;
	}
	return true;
}

static void say_message(struct fetching *x, const struct msg *row, uint32_t seq, bool with_flags)
{
	struct message m = { .st = x->s->conf->store, .a = &x->scratch, .row = row };
	struct octets *octets = ARENA_ARRAY(&x->scratch, struct octets, x->f->n);
	struct err e = { 0 };
	if (!read_items(x, &m, octets, &e)) {
		log_error("imap.message-unreadable", KV("account", x->s->account_name),
			  KVN("mailbox", x->s->view->mailbox), KVN("uid", row->uid), KVZ("error", e.text));
		x->failed++;
		x->failed_uid = row->uid;
		return;
	}
	tell_keywords(x->s, row->keywords, x->c->a);
	buf_printf(&x->out, "* %u FETCH (", seq);
	for (size_t i = 0; i < x->f->n; i++) {
		if (i)
			buf_addc(&x->out, ' ');
		say_item(x, &x->f->items[i], &octets[i], &m);
	}
	if (with_flags) {
		static const struct fetch_item flags = { .what = FETCH_FLAGS };
		buf_addc(&x->out, ' ');
		say_item(x, &flags, NULL, &m);
		if (x->s->condstore && !x->f->modseq)
			buf_printf(&x->out, " MODSEQ (%llu)", (unsigned long long)row->modseq);
	}
	buf_addz(&x->out, ")\r\n");
	if (x->out.n > COPY_MAX)
		flush_out(x);
	if ((with_flags || fetch_shows_flags(x->f)) && row->modseq > x->s->view->modseq)
		cmd_told(x->c, row->uid, row->modseq);
}

static size_t unseen_runs(const struct fetching *x, const struct msg *rows, size_t n, struct uid_run *runs)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		if (!(rows[i].flags & MSG_SEEN) && walk_has(&x->walk, rows[i].uid))
			runs[count++] = (struct uid_run){ rows[i].uid, 1 };
	return count;
}

/* A window of the set.  \Seen is set first, so that its page is read again with what it became. */
static bool fetch_window(struct fetching *x, struct arena *page, uint32_t from, uint32_t to, struct err *e)
{
	struct store *st = x->s->conf->store;
	struct view *v = x->s->view;
	struct msg *rows;
	struct uid_run *unseen = NULL, *failed;
	size_t n, nunseen = 0, nfailed;
	bool prefix = fetch_needs_prefix(x->f);
	if (!msg_page(st, v->mailbox, from, to, prefix, page, &rows, &n, e))
		return false;
	if (fetch_sets_seen(x->f) && !v->readonly) {
		unseen = ARENA_ARRAY(page, struct uid_run, n);
		nunseen = unseen_runs(x, rows, n, unseen);
	}
	if (nunseen > 0 && (!msg_store_flags(st, v->mailbox, unseen, nunseen, FLAGS_ADD, MSG_SEEN, STR_NONE, 0, page,
					     &failed, &nfailed, e) ||
			    !msg_page(st, v->mailbox, from, to, prefix, page, &rows, &n, e)))
		return false;
	struct walk now_seen = { .runs = unseen, .n = nunseen };
	uint32_t said = 0;
	for (size_t i = 0; i < n && io_error(x->s->io)->kind == ERR_NONE; i++) {
		uint32_t seq = walk_has(&x->walk, rows[i].uid) ? view_seq(v, rows[i].uid) : 0;
		if (seq == 0)
			continue;
		said++;
		if (rows[i].modseq <= x->f->changed_since)
			continue;
		bool with_flags = walk_has(&now_seen, rows[i].uid) && !fetch_shows_flags(x->f);
		say_message(x, &rows[i], seq, with_flags);
		arena_reset(&x->scratch);
	}
	uint32_t wanted = walk_count(&x->walk, from, to);
	x->missing += wanted > said ? wanted - said : 0;
	return true;
}

static struct reply fetch_reply(struct fetching *x)
{
	if (x->failed)
		return (struct reply){ REPLY_NO, STR("UNAVAILABLE"),
				       str_fmt(x->c->a,
					       "%u message(s) cannot be read, the last with UID %u; the log says why",
					       x->failed, x->failed_uid) };
	if (x->missing)
		return (struct reply){ REPLY_OK, STR("EXPUNGEISSUED"), STR("Some messages are gone") };
	return OK("FETCH completed");
}

struct reply cmd_fetch(struct session *s, struct cmd *c)
{
	struct fetch f;
	struct uid_run *runs;
	struct err e = { 0 };
	size_t n;
	uint32_t from, to;
	if (!parse_fetch(&c->in, c->uid, &f))
		return reply_bad(c);
	if (f.modseq)
		condstore_on(s);
	if (!view_resolve(s->view, &f.set, c->uid, c->a, &runs, &n))
		return BAD("There is no message of that number");
	struct fetching x = { .s = s, .c = c, .f = &f, .walk = { .view = s->view, .runs = runs, .n = n } };
	struct arena page = { 0 };
	bool ok = true;
	while (ok && io_error(s->io)->kind == ERR_NONE && walk_next(&x.walk, &from, &to)) {
		ok = fetch_window(&x, &page, from, to, &e);
		arena_reset(&page);
	}
	flush_out(&x);
	buf_free(&x.out);
	return ok ? fetch_reply(&x) : reply_err(c, &e);
}
