/* FETCH (RFC 3501 6.4.5, RFC 7162 3.1.4): rows by pages, each with what its items ask of the message. */
#include "imap/fetch.h"
#include "imap/command.h"
#include "imap/walk.h"
#include <stdlib.h>

/* One FETCH command at work. */
struct work {
	struct fetching x;
	struct walk walk;
	unsigned with;   /* what the rows bring along */
	unsigned failed; /* messages that could not be read */
	uint32_t failed_uid;
	unsigned unknown;    /* ... whose encoding is not known */
	uint32_t missing;    /* expunged by others meanwhile */
	struct uid_run *set; /* UIDs whose \Seen this window has set */
	size_t nset;
	struct arena window;
};

static bool sets_seen(const struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].sets_seen)
			return true;
	return false;
}

/* What the items read comes with the rows: a message costs no query of its own. */
static unsigned needs(const struct fetch *f)
{
	unsigned with = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct fetch_item *item = &f->items[i];
		if (item->what == FETCH_ENVELOPE || item->what == FETCH_BODY || item->what == FETCH_BODYSTRUCTURE ||
		    item->what == FETCH_PREVIEW)
			with |= WITH_INDEX;
		if (item->what != FETCH_SECTION && item->what != FETCH_BINARY_SIZE)
			continue;
		with |= WITH_CONTENT;
		with |= section_needs_index(&item->section) ? WITH_INDEX : 0u;
		with |= section_needs_prefix(&item->section) ? WITH_PREFIX : 0u;
	}
	return with;
}

/* \Seen is set before the rows are read, so that they show what it became. */
static bool set_seen(struct work *w, uint32_t from, uint32_t to, struct err *e)
{
	struct session *s = w->x.s;
	struct msg *rows;
	struct uid_run *failed;
	size_t n, nfailed;
	w->nset = 0;
	if (s->view->readonly || !sets_seen(w->x.f))
		return true;
	if (!msg_page(s->conf->store, s->view->mailbox, from, to, false, &w->window, &rows, &n, e))
		return false;
	w->set = ARENA_ARRAY(&w->window, struct uid_run, n);
	for (size_t i = 0; i < n; i++)
		if (!(rows[i].flags & MSG_SEEN) && walk_has(&w->walk, rows[i].uid))
			w->set[w->nset++] = (struct uid_run){ rows[i].uid, 1 };
	return w->nset == 0 || msg_store_flags(s->conf->store, s->view->mailbox, w->set, w->nset, FLAGS_ADD, MSG_SEEN,
					       STR_NONE, 0, &w->window, &failed, &nfailed, e);
}

static void count_result(struct work *w, enum fetched got, uint32_t uid)
{
	w->unknown += got == FETCH_UNKNOWN_CTE;
	if (got == FETCH_UNREADABLE) {
		w->failed++;
		w->failed_uid = uid;
	}
}

/* A page of rows; how many of the set were there. */
static uint32_t say_rows(struct work *w, const struct msg *rows, size_t n)
{
	struct view *v = w->x.s->view;
	struct walk now_seen = { .runs = w->set, .n = w->nset };
	bool shows_flags = fetch_has(w->x.f, FETCH_FLAGS);
	uint32_t there = 0;
	for (size_t i = 0; i < n && io_error(w->x.s->io)->kind == ERR_NONE; i++) {
		uint32_t seq = walk_has(&w->walk, rows[i].uid) ? view_seq(v, rows[i].uid) : 0;
		if (seq == 0)
			continue;
		there++;
		if (rows[i].modseq <= w->x.f->changed_since)
			continue;
		bool with_flags = !shows_flags && w->nset > 0 && walk_has(&now_seen, rows[i].uid);
		count_result(w, fetch_say(&w->x, &rows[i], seq, with_flags), rows[i].uid);
		arena_reset(&w->x.scratch);
	}
	return there;
}

static bool fetch_window(struct work *w, uint32_t from, uint32_t to, struct err *e)
{
	struct session *s = w->x.s;
	uint32_t wanted = walk_count(&w->walk, from, to), there = 0;
	bool ok = set_seen(w, from, to, e), more = true;
	while (ok && more && from <= to && io_error(s->io)->kind == ERR_NONE) {
		struct arena page = { 0 };
		struct msg *rows;
		size_t n;
		ok = msg_page_with(s->conf->store, s->view->mailbox, from, to, w->with, &page, &rows, &n, &more, e);
		if (ok && n > 0) {
			there += say_rows(w, rows, n);
			more = more && rows[n - 1].uid < to;
			from = rows[n - 1].uid + 1;
		}
		arena_reset(&page);
	}
	w->missing += wanted > there ? wanted - there : 0;
	return ok;
}

static struct reply fetch_reply(struct work *w)
{
	struct arena *a = w->x.c->a;
	if (w->failed)
		return (struct reply){ REPLY_NO, STR("UNAVAILABLE"),
				       str_fmt(a,
					       "%u message(s) cannot be read, the last with UID %u; the log says why",
					       w->failed, w->failed_uid) };
	if (w->unknown)
		return (struct reply){
			REPLY_NO, STR("UNKNOWN-CTE"),
			str_fmt(a, "%u message(s) have an encoding that is not known; BODY[] gives it as it is",
				w->unknown)
		};
	if (w->missing)
		return (struct reply){ REPLY_OK, STR("EXPUNGEISSUED"), STR("Some messages are gone") };
	return OK("FETCH completed");
}

/* --- only what changed since (RFC 7162 3.1.4.1) ------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

struct uids {
	uint32_t *p;
	size_t n, cap;
};

static bool changed_uids(struct session *s, uint64_t since, struct arena *a, struct uids *u, struct err *e)
{
	struct msg_changes ch = { .more = true };
	while (ch.more) {
		struct arena page = { 0 };
		ch = (struct msg_changes){ 0 };
		bool ok = msg_changes(s->conf->store, s->view->mailbox, since, &page, &ch, e);
		for (size_t i = 0; ok && i < ch.nmsgs; i++) {
			if (u->n == u->cap)
				u->p = arena_grow(a, u->p, &u->cap, u->n + 1, sizeof *u->p);
			u->p[u->n++] = ch.msgs[i].uid;
			since = ch.msgs[i].modseq;
		}
		arena_reset(&page);
		if (!ok)
			return false;
	}
	if (u->n > 1)
		qsort(u->p, u->n, sizeof *u->p, by_number);
	return true;
}

/* Leave of the runs what changed: of 100,000 messages the rows of a few are read. */
static bool keep_changed(struct work *w, struct uid_run **runs, size_t *n, struct err *e)
{
	struct arena *a = w->x.c->a;
	struct walk given = { .runs = *runs, .n = *n };
	struct uids u = { 0 };
	struct uid_run *kept = NULL;
	size_t nkept = 0, cap = 0;
	if (!changed_uids(w->x.s, w->x.f->changed_since, a, &u, e))
		return false;
	for (size_t i = 0; i < u.n; i++) {
		struct uid_run *last = nkept ? &kept[nkept - 1] : NULL;
		if ((i > 0 && u.p[i] == u.p[i - 1]) || !walk_has(&given, u.p[i]) || view_seq(w->x.s->view, u.p[i]) == 0)
			continue;
		if (last && last->first + last->count == u.p[i]) {
			last->count++;
			continue;
		}
		kept = arena_grow(a, kept, &cap, nkept + 1, sizeof *kept);
		kept[nkept++] = (struct uid_run){ u.p[i], 1 };
	}
	*runs = kept;
	*n = nkept;
	return true;
}

/* --- the command --------------------------------------------------------------------------------------- */

static struct reply fetch_do(struct work *w, struct uid_run *runs, size_t n)
{
	const struct fetch *f = w->x.f;
	struct session *s = w->x.s;
	struct err e = { 0 };
	uint32_t from, to;
	bool ok = true;
	if (f->vanished) /* before any FETCH (RFC 7162 3.2.6) */
		ok = say_vanished_earlier(s, w->x.c, &f->set, f->changed_since, &e);
	if (ok && f->changed_since > 0)
		ok = keep_changed(w, &runs, &n, &e);
	if (ok && f->cut)
		partial_cut(&f->partial, runs, &n);
	w->walk = (struct walk){ .view = s->view, .runs = runs, .n = n };
	while (ok && io_error(s->io)->kind == ERR_NONE && walk_next(&w->walk, &from, &to)) {
		ok = fetch_window(w, from, to, &e);
		arena_reset(&w->window);
	}
	fetch_flush(&w->x);
	buf_free(&w->x.out);
	return ok ? fetch_reply(w) : reply_err(w->x.c, &e);
}

struct reply cmd_fetch(struct session *s, struct cmd *c)
{
	struct fetch f;
	struct uid_run *runs;
	size_t n;
	if (!parse_fetch(&c->in, c->uid, &f))
		return reply_bad(c);
	if (f.vanished && !s->qresync)
		return BAD("VANISHED needs ENABLE QRESYNC first");
	if (f.modseq)
		condstore_on(s);
	if (!session_resolve(s, &f.set, c->uid, c->a, &runs, &n))
		return BAD("There is no message of that number");
	struct work w = { .x = { .s = s, .c = c, .f = &f }, .with = needs(&f) };
	return fetch_do(&w, runs, n);
}
