/* One message's FETCH response. */
#include "base/log.h"
#include "imap/fetch.h"
#include "imap/say.h"
#include "imap/structure.h"
#include "mail/date.h"

#define COPY_MAX  4096 /* larger octets go to the stream as they are, not through the buffer */
#define FLUSH_MIN (16u << 10)

/* What was found for one item before anything was said. */
struct found {
	struct octets octets;
	struct str preview;
	bool made;
};

void fetch_flush(struct fetching *x)
{
	io_add(x->s->io, buf_str(&x->out));
	buf_clear(&x->out);
}

static void add_octets(void *ctx, struct str bytes)
{
	struct fetching *x = ctx;
	if (bytes.n <= COPY_MAX) {
		buf_add(&x->out, bytes);
		return;
	}
	fetch_flush(x);
	io_add(x->s->io, bytes);
}

/* The rest of a literal that was announced cannot be had: only the end of the connection tells the client so. */
static bool break_off(struct fetching *x, const struct msg *row, const struct err *e)
{
	log_error("imap.message-broken-off", KV("account", x->s->account_name), KVN("mailbox", x->s->view->mailbox),
		  KVN("uid", row->uid), KVZ("error", e->text));
	io_fail(x->s->io, ERR_TEMP, "a message could not be read to its end");
	return false;
}

static bool say_octets(struct fetching *x, const struct octets *o, struct message *m)
{
	struct err e = { 0 };
	if (o->nil) {
		buf_add(&x->out, STR("NIL"));
		return true;
	}
	if (o->size == 0) {
		buf_add(&x->out, STR("\"\""));
		return true;
	}
	if (o->nul)
		buf_addc(&x->out, '~');
	buf_addc(&x->out, '{');
	say_number(&x->out, o->size);
	buf_add(&x->out, STR("}\r\n"));
	return section_octets(o, m, add_octets, x, &e) || break_off(x, m->row, &e);
}

static void say_date(struct buf *b, const char *name, int64_t wall_ms)
{
	buf_addz(b, name);
	buf_addz(b, " \"");
	date_print_imap(b, wall_ms);
	buf_addc(b, '"');
}

static void say_modseq(struct buf *b, const struct msg *row)
{
	buf_add(b, STR("MODSEQ ("));
	say_number(b, row->modseq);
	buf_addc(b, ')');
}

static void say_email_id(struct buf *b, const struct msg *row)
{
	char id[EMAIL_ID_SIZE];
	message_email_id(row, id);
	buf_printf(b, "EMAILID (%s)", id);
}

static void say_preview(struct buf *b, const struct found *f, enum say_utf8 utf8)
{
	buf_add(b, STR("PREVIEW "));
	if (f->made)
		say_text(b, f->preview, utf8);
	else
		buf_add(b, STR("NIL"));
}

static void say_flags_of(struct fetching *x, const struct msg *row)
{
	buf_add(&x->out, STR("FLAGS "));
	bool recent = row->uid >= x->s->view->recent_from && !x->s->rev2;
	say_flags(&x->out, row->flags, recent, row->keywords);
}

static enum say_utf8 strings(const struct session *s)
{
	return s->utf8 ? SAY_UTF8 : s->rev2 ? SAY_REV2 : SAY_ASCII;
}

static bool say_item(struct fetching *x, const struct fetch_item *item, const struct found *found, struct message *m)
{
	struct buf *b = &x->out;
	enum say_utf8 utf8 = strings(x->s);
	switch (item->what) {
	case FETCH_UID:
		buf_add(b, STR("UID "));
		say_number(b, m->row->uid);
		break;
	case FETCH_FLAGS:
		say_flags_of(x, m->row);
		break;
	case FETCH_INTERNALDATE:
		say_date(b, "INTERNALDATE", m->row->internal_wall_ms);
		break;
	case FETCH_SAVEDATE:
		say_date(b, "SAVEDATE", m->row->saved_wall_ms);
		break;
	case FETCH_SIZE:
		buf_add(b, STR("RFC822.SIZE "));
		say_number(b, m->row->size);
		break;
	case FETCH_MODSEQ:
		say_modseq(b, m->row);
		break;
	case FETCH_EMAILID:
		say_email_id(b, m->row);
		break;
	case FETCH_THREADID:
		buf_add(b, STR("THREADID NIL"));
		break;
	case FETCH_PREVIEW:
		say_preview(b, found, utf8);
		break;
	case FETCH_ENVELOPE:
		buf_add(b, STR("ENVELOPE "));
		say_envelope(b, m->root->envelope, utf8, m->a);
		break;
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		buf_addz(b, item->what == FETCH_BODY ? "BODY " : "BODYSTRUCTURE ");
		say_structure(b, m->root, item->what == FETCH_BODYSTRUCTURE, utf8, m->a);
		break;
	case FETCH_SECTION:
		say_section(b, &item->section);
		buf_addc(b, ' ');
		return say_octets(x, &found->octets, m);
	case FETCH_BINARY_SIZE:
		say_section(b, &item->section);
		buf_addc(b, ' ');
		say_number(b, found->octets.nil ? 0 : found->octets.size);
		break;
	}
	return true;
}

/* All that the items need, before the first octet of the response is said: half a response cannot be taken back. */
static bool find_items(struct fetching *x, struct message *m, struct found *found, struct err *e)
{
	for (size_t i = 0; i < x->f->n; i++) {
		const struct fetch_item *item = &x->f->items[i];
		bool ok = true;
		switch (item->what) {
		case FETCH_ENVELOPE:
		case FETCH_BODY:
		case FETCH_BODYSTRUCTURE:
			ok = message_index(m, e);
			break;
		case FETCH_PREVIEW:
			ok = message_preview(m, !item->lazy, &found[i].preview, &found[i].made, e);
			break;
		case FETCH_SECTION:
		case FETCH_BINARY_SIZE:
			ok = section_find(&item->section, m, &found[i].octets, e);
			break;
		default:
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}

static bool say_items(struct fetching *x, struct message *m, const struct found *found, uint32_t seq, bool with_flags)
{
	bool uidonly = x->s->uidonly, first = true; /* RFC 9586 3.3: the UID stands in front, instead of the number */
	buf_add(&x->out, STR("* "));
	say_number(&x->out, uidonly ? m->row->uid : seq);
	buf_addz(&x->out, uidonly ? " UIDFETCH (" : " FETCH (");
	for (size_t i = 0; i < x->f->n; i++) {
		if (uidonly && x->f->items[i].what == FETCH_UID)
			continue;
		if (!first)
			buf_addc(&x->out, ' ');
		first = false;
		if (!say_item(x, &x->f->items[i], &found[i], m))
			return false;
	}
	if (with_flags) {
		if (!first)
			buf_addc(&x->out, ' ');
		say_flags_of(x, m->row);
		if (x->s->condstore && !fetch_has(x->f, FETCH_MODSEQ)) {
			buf_addc(&x->out, ' ');
			say_modseq(&x->out, m->row);
		}
	}
	buf_add(&x->out, STR(")\r\n"));
	if (x->out.n > FLUSH_MIN)
		fetch_flush(x);
	return true;
}

static enum fetched unreadable(struct fetching *x, const struct msg *row, const struct err *e)
{
	log_error("imap.message-unreadable", KV("account", x->s->account_name), KVN("mailbox", x->s->view->mailbox),
		  KVN("uid", row->uid), KVZ("error", e->text));
	return FETCH_UNREADABLE;
}

enum fetched fetch_say(struct fetching *x, const struct msg *row, uint32_t seq, bool with_flags)
{
	struct message m = { .st = x->s->conf->store, .a = &x->scratch, .row = row };
	struct found *found = ARENA_ARRAY(&x->scratch, struct found, x->f->n);
	struct err e;
	enum fetched got = FETCHED;
	e.kind = ERR_NONE;
	e.text[0] = '\0';
	if (!find_items(x, &m, found, &e))
		got = unreadable(x, row, &e);
	for (size_t i = 0; got == FETCHED && i < x->f->n; i++)
		if (found[i].octets.unknown)
			got = FETCH_UNKNOWN_CTE;
	if (got == FETCHED) {
		tell_keywords(x->s, row->keywords, x->c->a);
		if (!say_items(x, &m, found, seq, with_flags))
			got = FETCH_BROKEN;
	}
	message_close(&m);
	bool shown = with_flags || fetch_has(x->f, FETCH_FLAGS);
	if (got == FETCHED && shown && row->modseq > x->s->view->modseq)
		cmd_told(x->c, row->uid, row->modseq);
	return got;
}
