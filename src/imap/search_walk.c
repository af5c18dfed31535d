/* SEARCH's walk: rows by pages, forward or back, as far as the answer needs. */
#include "base/clock.h"
#include "imap/search_run.h"
#include "imap/walk.h"
#include <poll.h>

#define NARROW_BY_MAX 10 /* sets that are looked at for the smallest one */

/* What a page is read from: a range of UIDs with at most MSG_PAGE messages. */
struct window {
	uint32_t from, to;
};
struct windows {
	struct window *p;
	size_t n, cap;
	uint32_t messages;
};

/* UIDs found: each beside or beyond those before, in either direction. */
struct hits {
	struct uid_run *p;
	size_t n, cap;
	uint32_t count;
	uint64_t modseq;
};

/* Every so often a client that waits is told how far we are (RFC 9585). */
struct progress {
	int64_t next_mono_ms;
	uint32_t looked, total;
};

struct scan {
	struct searching *x;
	struct arena page, scratch; /* of some rows, of one message */
	unsigned with;              /* what most messages of the page before were asked for comes with the next */
	struct progress progress;
	struct hits hits;
};

/* "$" as a set of UIDs: made once, however often it stands in the command. */
static struct set saved_set(struct session *s, struct arena *a)
{
	static const struct set saved = { .saved = true };
	struct uid_run *runs;
	struct set out = { 0 };
	session_resolve(s, &saved, true, a, &runs, &out.n);
	out.ranges = ARENA_ARRAY(a, struct range, out.n);
	for (size_t i = 0; i < out.n; i++)
		out.ranges[i] = (struct range){ runs[i].first, runs[i].first + runs[i].count - 1 };
	return out;
}

/* "*" is the last message (RFC 3501 9).  False: a number that does not exist. */
static bool resolve_sets(const struct view *v, struct key *k, const struct set *saved, struct arena *a)
{
	if ((k->kind == KEY_SEQ || k->kind == KEY_UID) && k->set.saved) {
		k->kind = KEY_UID;
		k->set = *saved;
	} else if (k->kind == KEY_SEQ || k->kind == KEY_UID) {
		/* "1:*" in an empty mailbox is what clients say when they mean everything. */
		if (k->kind == KEY_SEQ && set_largest(&k->set) > (v->count ? v->count : 1))
			return false;
		k->set = set_resolve(&k->set, k->kind == KEY_SEQ ? v->count : view_last_uid(v), a);
		if (k->kind == KEY_SEQ && k->set.n > 0 && v->count > 0 && k->set.ranges[k->set.n - 1].to > v->count)
			k->set.ranges[k->set.n - 1].to = v->count; /* "9:*" among five: the fifth */
	}
	for (struct key *c = k->child; c; c = c->next)
		if (!resolve_sets(v, c, saved, a))
			return false;
	return true;
}

static uint32_t runs_count(const struct uid_run *runs, size_t n)
{
	uint32_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += runs[i].count;
	return count;
}

/* The messages that can match at all: the smallest set among the keys that must all be true. */
static void narrow(const struct view *v, const struct key *root, struct arena *a, struct windows *out)
{
	struct range every = { 1, SET_STAR };
	struct set all = { .ranges = &every, .n = 1 };
	struct walk walk = { .view = v };
	struct uid_run *runs;
	struct window w;
	view_resolve(v, &all, true, a, &runs, &walk.n);
	walk.runs = runs;
	out->messages = v->count;
	unsigned sets = 0;
	for (const struct key *k = root->child; k && sets < NARROW_BY_MAX; k = k->next) {
		size_t n;
		if (k->kind != KEY_SEQ && k->kind != KEY_UID)
			continue;
		sets++;
		view_resolve(v, &k->set, k->kind == KEY_UID, a, &runs, &n);
		uint32_t count = runs_count(runs, n);
		if (count < out->messages) {
			walk.runs = runs;
			walk.n = n;
			out->messages = count;
		}
	}
	while (walk_next(&walk, &w.from, &w.to)) {
		if (out->n == out->cap)
			out->p = arena_grow(a, out->p, &out->cap, out->n + 1, sizeof *out->p);
		out->p[out->n++] = w;
	}
}

static void hits_add(struct hits *h, struct arena *a, const struct msg *m)
{
	struct uid_run *last = h->n ? &h->p[h->n - 1] : NULL;
	h->count++;
	h->modseq = m->modseq > h->modseq ? m->modseq : h->modseq;
	if (last && last->first + last->count == m->uid) {
		last->count++;
	} else if (last && last->first == m->uid + 1) {
		*last = (struct uid_run){ m->uid, last->count + 1 };
	} else {
		if (h->n == h->cap)
			h->p = arena_grow(a, h->p, &h->cap, h->n + 1, sizeof *h->p);
		h->p[h->n++] = (struct uid_run){ m->uid, 1 };
	}
}

static bool row_matches(struct scan *sc, struct msg *row, unsigned *used)
{
	struct searching *x = sc->x;
	x->m = (struct message){ .st = x->s->conf->store, .a = &sc->scratch, .row = row };
	x->seq = view_seq(x->s->view, row->uid);
	x->have_body = x->broken = false;
	bool is = x->seq && search_match(x, x->search->root);
	x->unreadable += x->broken;
	*used = (x->m.root ? WITH_INDEX : 0u) | (x->m.have_content ? WITH_CONTENT : 0u);
	message_close(&x->m);
	arena_reset(&sc->scratch);
	return is;
}

/* It goes out now if it can; it never waits for the client. */
static void say_progress(struct scan *sc)
{
	struct searching *x = sc->x;
	int64_t now_ms = clock_mono_ms();
	if (now_ms < sc->progress.next_mono_ms)
		return;
	sc->progress.next_mono_ms = now_ms + x->s->conf->limits.progress_ms;
	/* Rows between those of a set are looked at too; but it is never more than all (RFC 9585 4). */
	uint32_t looked = sc->progress.looked < sc->progress.total ? sc->progress.looked : sc->progress.total - 1;
	io_printf(x->s->io, "* OK [INPROGRESS (\"%.*s\" %u %u)] Still searching\r\n", STRF(x->c->tag), looked,
		  sc->progress.total);
	io_write_some(x->s->io);
}

bool search_peer_gone(struct io *io)
{
	struct pollfd fd = { .fd = io_fd(io) };
	if (io_error(io)->kind != ERR_NONE)
		return true;
	return fd.fd >= 0 && poll(&fd, 1, 0) > 0 && fd.revents & (POLLERR | POLLHUP);
}

static bool scan_rows(struct scan *sc, struct msg *rows, size_t n, bool back, uint32_t limit, uint32_t known)
{
	size_t indexes = 0, contents = 0;
	for (size_t i = 0; i < n; i++) {
		struct msg *row = &rows[back ? n - 1 - i : i];
		unsigned used;
		if (back && row->uid <= known)
			return false;
		sc->progress.looked++;
		if (row_matches(sc, row, &used))
			hits_add(&sc->hits, sc->x->c->a, row);
		if (limit && sc->hits.count >= limit)
			return false;
		indexes += (used & WITH_INDEX) != 0;
		contents += (used & WITH_CONTENT) != 0;
		say_progress(sc);
	}
	sc->with = (indexes > n / 2 ? WITH_INDEX : 0u) | (contents > n / 2 ? WITH_CONTENT : 0u);
	return true;
}

/* False: no further; with *e set when something went wrong. */
static bool scan_window(struct scan *sc, const struct window *w, bool back, uint32_t limit, uint32_t known,
			struct err *e)
{
	struct searching *x = sc->x;
	struct store *st = x->s->conf->store;
	unsigned prefix = x->search->prefix ? WITH_PREFIX : 0u;
	uint32_t from = w->from;
	bool more = false;
	do {
		struct msg *rows;
		size_t n;
		arena_reset(&sc->page);
		/* What comes with much of each message may end early, which is of no use to who goes back. */
		bool ok = back ? msg_page(st, x->s->view->mailbox, from, w->to, prefix, &sc->page, &rows, &n, e)
			       : msg_page_with(st, x->s->view->mailbox, from, w->to, prefix | sc->with, &sc->page,
					       &rows, &n, &more, e);
		if (!ok || !scan_rows(sc, rows, n, back, limit, known))
			return false;
		if (search_peer_gone(x->s->io))
			return err_set(e, ERR_PEER, "the client is gone");
		more = more && n > 0;
		from = more ? rows[n - 1].uid + 1 : 0;
	} while (more);
	return true;
}

/* Until `limit` messages were found (0 = all), or going back one that is `known` is met. */
static bool scan(struct scan *sc, const struct windows *w, bool back, uint32_t limit, uint32_t known, struct err *e)
{
	bool more = true;
	for (size_t i = 0; more && i < w->n; i++)
		more = scan_window(sc, &w->p[back ? w->n - 1 - i : i], back, limit, known, e);
	arena_reset(&sc->page);
	arena_reset(&sc->scratch);
	return e->kind == ERR_NONE;
}

/* How many messages must be known from the beginning; 0 = all. */
static uint32_t reach(const struct returns *want, bool back)
{
	unsigned one = back ? RETURN_MAX : RETURN_MIN;
	uint32_t n = want->what & one ? 1 : 0, part = 0;
	if (want->what & RETURN_PARTIAL && want->partial.last == back)
		part = partial_reach(&want->partial);
	return part > n ? part : n;
}

/* One run after the other; those found going back are turned round. */
static void put_together(struct hits *front, const struct hits *back, struct arena *a, struct search_result *out)
{
	size_t n = front->n + back->n;
	out->runs = ARENA_ARRAY(a, struct uid_run, n);
	for (size_t i = 0; i < front->n; i++)
		out->runs[out->n++] = front->p[i];
	for (size_t i = back->n; i-- > 0;) {
		struct uid_run r = back->p[i];
		struct uid_run *last = out->n ? &out->runs[out->n - 1] : NULL;
		if (last && last->first + last->count == r.first)
			last->count += r.count;
		else
			out->runs[out->n++] = r;
	}
	out->count = front->count + back->count;
	out->modseq = front->modseq > back->modseq ? front->modseq : back->modseq;
}

static bool search_all(struct searching *x, const struct windows *w, const struct returns *want,
		       struct search_result *out, struct err *e)
{
	bool all = !(want->what & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL)) ||
		   want->what & (RETURN_ALL | RETURN_COUNT);
	uint32_t first = all ? 0 : reach(want, false), last = all ? 0 : reach(want, true), known = 0;
	int64_t progress_ms = x->s->conf->limits.progress_ms;
	struct scan front = { .x = x, .progress = { clock_mono_ms() + progress_ms, 0, w->messages } };
	if ((all || first > 0) && !scan(&front, w, false, first, 0, e))
		return false;
	struct scan back = { .x = x, .progress = front.progress };
	if (front.hits.n > 0)
		known = front.hits.p[front.hits.n - 1].first + front.hits.p[front.hits.n - 1].count - 1;
	bool more = first == 0 || front.hits.count == first; /* else all have been found already */
	if (!all && last > 0 && more && !scan(&back, w, true, last, known, e))
		return false;
	put_together(&front.hits, &back.hits, x->c->a, out);
	out->unreadable = x->unreadable;
	return true;
}

bool search_run(struct session *s, struct cmd *c, struct search *search, const struct returns *want,
		struct search_result *out, struct reply *r)
{
	struct searching x = { .s = s, .c = c, .search = search, .now_wall_ms = clock_wall_ms() };
	struct windows w = { 0 };
	struct err e = { 0 };
	*out = (struct search_result){ 0 };
	if (search->bad_charset.n > 0) {
		*r = NO_CODE("BADCHARSET (US-ASCII UTF-8)", "Unknown charset");
		return false;
	}
	if (s->uidonly && search->numbers) {
		*r = BAD_CODE("UIDREQUIRED", "UIDONLY is enabled: use UID and a set of UIDs");
		return false;
	}
	struct set saved = saved_set(s, c->a);
	if (!resolve_sets(s->view, search->root, &saved, c->a)) {
		*r = BAD("There is no message of that number");
		return false;
	}
	if (search->modseq)
		condstore_on(s);
	search_ask(s, c, search);
	narrow(s->view, search->root, c->a, &w);
	if (search_all(&x, &w, want, out, &e))
		return true;
	*r = reply_err(c, &e);
	return false;
}

bool search_modseq(struct session *s, const struct uid_run *runs, size_t n, uint64_t *modseq, struct err *e)
{
	struct arena page = { 0 };
	bool ok = true;
	*modseq = 0;
	for (size_t i = 0; ok && i < n; i++) {
		uint32_t from = runs[i].first, last = from + runs[i].count - 1, to;
		do {
			struct msg *rows;
			size_t count;
			to = last - from < MSG_PAGE ? last : from + MSG_PAGE - 1;
			ok = msg_page(s->conf->store, s->view->mailbox, from, to, false, &page, &rows, &count, e);
			for (size_t k = 0; ok && k < count; k++)
				*modseq = rows[k].modseq > *modseq ? rows[k].modseq : *modseq;
			from = to + 1;
			arena_reset(&page);
		} while (ok && to < last);
	}
	return ok;
}

struct reply search_done(struct cmd *c, const struct search_result *found, struct reply ok)
{
	if (found->unreadable == 0)
		return ok;
	return (struct reply){ REPLY_NO, STR("UNAVAILABLE"),
			       str_fmt(c->a, "%u message(s) cannot be read; the log says which", found->unreadable) };
}
