/* What happened in the selected mailbox since we last told (RFC 3501 5.2, 7.3, 7.4.1).
 *
 * Changes come from the store in pages ordered by modseq.  New UIDs are
 * gathered from all pages before any is announced: a flag set on an older
 * message puts it behind a newer one in that order, and a message may never
 * be put in before one that has its number.
 */
#include "imap/notify.h"
#include "imap/say.h"
#include "imap/session.h"
#include "imap/set.h"
#include "store/bell.h"
#include <stdlib.h>

struct uids {
	uint32_t *p;
	size_t n, cap;
};

static void uids_add(struct uids *u, struct arena *a, uint32_t uid)
{
	if (u->n == u->cap)
		u->p = arena_grow(a, u->p, &u->cap, u->n + 1, sizeof *u->p);
	u->p[u->n++] = uid;
}

static int uid_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Does an ascending list of runs have it? */
static bool runs_have(const struct uid_run *runs, size_t n, uint32_t uid)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (runs[mid].first <= uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && uid - runs[low - 1].first < runs[low - 1].count;
}

static void uids_drop(struct uids *u, const struct uid_run *gone, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < u->n; i++)
		if (!runs_have(gone, n, u->p[i]))
			u->p[kept++] = u->p[i];
	u->n = kept;
}

/* Keywords the client has not seen yet are named in FLAGS before they appear. */
void tell_keywords(struct session *s, struct str keywords, struct arena *a)
{
	bool news = false;
	while (keywords.n > 0) {
		struct str one = str_cut(&keywords, ' ');
		if (one.n == 0 || view_knows(s->view, one))
			continue;
		view_learn(s->view, str_dup(a, one));
		news = true;
	}
	if (!news)
		return;
	struct buf b = { 0 };
	unsigned all = MSG_SEEN | MSG_ANSWERED | MSG_FLAGGED | MSG_DELETED | MSG_DRAFT;
	buf_addz(&b, "* FLAGS ");
	say_flags(&b, all, false, str_of(s->view->keywords));
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

void say_fetch_open(const struct session *s, struct buf *b, uint32_t seq, uint32_t uid, bool with_uid)
{
	if (s->uidonly) /* the UID stands in front already (RFC 9586 3.3) */
		buf_printf(b, "* %u UIDFETCH (", uid);
	else if (with_uid)
		buf_printf(b, "* %u FETCH (UID %u ", seq, uid);
	else
		buf_printf(b, "* %u FETCH (", seq);
}

/* With QRESYNC the client is always told the UID (RFC 7162 3.2.4). */
void say_fetch_flags(struct session *s, struct buf *b, const struct msg *m, uint32_t seq, bool uid)
{
	say_fetch_open(s, b, seq, m->uid, uid || s->qresync);
	buf_addz(b, "FLAGS ");
	say_flags(b, m->flags, m->uid >= s->view->recent_from, m->keywords);
	if (s->condstore)
		buf_printf(b, " MODSEQ (%llu)", (unsigned long long)m->modseq);
	buf_addz(b, ")\r\n");
}

static bool told_already(const struct cmd *c, const struct msg *m)
{
	size_t low = 0, high = c->ntold;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->told[mid].uid < m->uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->ntold && c->told[low].uid == m->uid && c->told[low].modseq == m->modseq;
}

/* One page: flags are told at once, what came and what went is noted. */
static void take_page(struct session *s, struct cmd *c, const struct msg_changes *ch, struct uids *came,
		      struct arena *page)
{
	struct buf b = { 0 };
	unsigned wanted = notify_of_selected(s);
	bool quiet = wanted && !(wanted & EVENT_FLAG); /* the client said so (RFC 5465 5.3) */
	for (size_t i = 0; i < ch->nmsgs; i++) {
		const struct msg *m = &ch->msgs[i];
		if (m->uid >= s->view->uidnext) {
			uids_add(came, c->a, m->uid);
			continue;
		}
		uint32_t seq = view_seq(s->view, m->uid);
		if (seq == 0 || quiet || told_already(c, m))
			continue;
		tell_keywords(s, m->keywords, c->a);
		say_fetch_flags(s, &b, m, seq, c->uid);
	}
	uids_drop(came, ch->gone, ch->ngone);
	view_note_gone(s->view, ch->gone, ch->ngone, page);
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

/* True when there is something new in the map. */
static bool take_new(struct view *v, struct uids *came)
{
	uint32_t before = v->count;
	if (came->n > 1)
		qsort(came->p, came->n, sizeof *came->p, uid_cmp);
	for (size_t i = 0; i < came->n; i++) /* twice in the list when it changed between two pages */
		if (came->p[i] >= v->uidnext)
			view_append(v, came->p[i], 1);
	return v->count > before;
}

/* Where the next page begins. */
static uint64_t page_end(const struct msg_changes *ch)
{
	return ch->more && ch->nmsgs > 0 ? ch->msgs[ch->nmsgs - 1].modseq : ch->now.modseq;
}

/* Where the view stands when all is read. */
struct upto {
	uint64_t modseq;
	uint32_t uidnext;
};

/* All that changed; what came is noted. */
static bool read_changes(struct session *s, struct cmd *c, struct uids *came, struct upto *upto, struct err *e)
{
	struct view *v = s->view;
	bool more = true;
	for (upto->modseq = v->modseq; more;) {
		struct arena page = { 0 };
		struct msg_changes ch = { 0 };
		bool ok = msg_changes(s->conf->store, v->mailbox, upto->modseq, &page, &ch, e);
		v->deleted = ok && ch.deleted;
		more = ok && !v->deleted && ch.more;
		if (ok && !v->deleted) {
			take_page(s, c, &ch, came, &page);
			*upto = (struct upto){ page_end(&ch), ch.now.uidnext };
		}
		arena_reset(&page);
		if (!ok)
			return false;
	}
	return true;
}

static bool look(struct session *s, struct cmd *c, bool *arrived, struct err *e)
{
	struct view *v = s->view;
	struct uids came = { 0 };
	struct upto upto = { 0 };
	uint32_t bell = bell_seq(s->conf->store,
				 bell_slot(s->account)); /* before the reading: what rings later is seen later */
	if (!read_changes(s, c, &came, &upto, e))
		return false;
	if (v->deleted)
		return true;
	*arrived = take_new(v, &came);
	v->arrived = v->arrived || *arrived;
	v->modseq = upto.modseq > v->modseq ? upto.modseq : v->modseq;
	v->uidnext = upto.uidnext > v->uidnext ? upto.uidnext : v->uidnext;
	v->bell = bell;
	return true;
}

#define VANISHED_RUNS 300 /* in one line, which stays below 8,000 octets */

static void say_vanished(struct session *s, const char *word, const struct uid_run *runs, size_t n)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < n; i += VANISHED_RUNS) {
		buf_addz(&b, word);
		set_print(&b, runs + i, n - i < VANISHED_RUNS ? n - i : VANISHED_RUNS);
		buf_addz(&b, "\r\n");
	}
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

static void say_expunged(struct session *s, const struct view *v)
{
	struct buf b = { 0 };
	uint32_t before = 0; /* each one moves those behind it down by one */
	for (size_t i = 0; i < v->ngone; i++) {
		uint32_t seq = view_seq(v, v->gone[i].first) - before;
		for (uint32_t k = 0; k < v->gone[i].count; k++)
			buf_printf(&b, "* %u EXPUNGE\r\n", seq);
		before += v->gone[i].count;
	}
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

static void say_gone(struct session *s)
{
	struct view *v = s->view;
	if (s->qresync || s->uidonly) /* RFC 7162 3.2.10, RFC 9586 3.4 */
		say_vanished(s, "* VANISHED ", v->gone, v->ngone);
	else
		say_expunged(s, v);
	view_drop_gone(v);
}

bool tell(struct session *s, struct cmd *c, enum tell what, bool always, struct err *e)
{
	struct view *v = s->view;
	bool arrived = false;
	bool rang = bell_seq(s->conf->store, bell_slot(s->account)) != v->bell;
	if ((rang || always) && !look(s, c, &arrived, e))
		return false;
	if (v->deleted)
		return true;
	if (what == TELL_ALL && v->ngone > 0)
		say_gone(s);
	if (arrived)
		io_printf(s->io, "* %u EXISTS\r\n", v->count);
	if (arrived && !s->rev2)
		io_printf(s->io, "* %u RECENT\r\n", view_recent(v));
	return true;
}

/* --- what an earlier session of the client does not know (RFC 7162 3.2.5, 3.2.6) ------------ */

/* The part of the runs that a resolved set names. */
static size_t runs_within(const struct uid_run *runs, size_t n, const struct set *set, struct arena *a,
			  struct uid_run **out)
{
	size_t kept = 0, cap = 0;
	*out = NULL;
	for (size_t i = 0, k = 0; i < n && k < set->n;) {
		uint64_t end = (uint64_t)runs[i].first + runs[i].count; /* one past the last */
		uint64_t set_end = (uint64_t)set->ranges[k].to + 1;
		uint32_t from = runs[i].first > set->ranges[k].from ? runs[i].first : set->ranges[k].from;
		uint64_t past = end < set_end ? end : set_end;
		if (from < past) {
			if (kept == cap)
				*out = arena_grow(a, *out, &cap, kept + 1, sizeof **out);
			(*out)[kept++] = (struct uid_run){ from, (uint32_t)(past - from) };
		}
		if (end <= set_end)
			i++;
		else
			k++;
	}
	return kept;
}

/* Those that still have a number in this session may be gone, too; but that is told without EARLIER, in its turn. */
static void say_earlier(struct session *s, const struct msg_changes *ch, const struct set *known, struct arena *a)
{
	struct uid_run *gone, *earlier;
	size_t n = runs_within(ch->gone, ch->ngone, known, a, &gone), nearlier;
	view_without(s->view, gone, n, a, &earlier, &nearlier);
	say_vanished(s, "* VANISHED (EARLIER) ", earlier, nearlier);
}

static struct set set_above(const struct set *resolved, uint32_t uid, struct arena *a)
{
	struct set out = { .ranges = ARENA_ARRAY(a, struct range, resolved->n) };
	for (size_t i = 0; i < resolved->n; i++) {
		struct range r = resolved->ranges[i];
		if (r.to > uid)
			out.ranges[out.n++] = (struct range){ r.from > uid ? r.from : uid + 1, r.to };
	}
	return out;
}

bool say_vanished_earlier(struct session *s, struct cmd *c, const struct set *set, uint64_t modseq, struct err *e)
{
	struct msg_changes ch = { 0 };
	struct set known = set_resolve(set, s->view->uidnext - 1, c->a);
	if (!msg_changes(s->conf->store, s->view->mailbox, modseq, c->a, &ch, e))
		return false;
	if (!ch.deleted) /* else the end of the command says so */
		say_earlier(s, &ch, &known, c->a);
	return true;
}

static void say_changed(struct session *s, struct cmd *c, const struct msg_changes *ch, const struct set *known)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < ch->nmsgs; i++) {
		const struct msg *m = &ch->msgs[i];
		uint32_t seq = view_seq(s->view, m->uid);
		if (seq == 0 || !set_has(known, m->uid)) /* came after the view was made: told in its turn */
			continue;
		tell_keywords(s, m->keywords, c->a);
		say_fetch_flags(s, &b, m, seq, true);
	}
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

bool say_resync(struct session *s, struct cmd *c, const struct set *known, uint32_t kept, uint64_t modseq,
		struct err *e)
{
	struct set above = set_above(known, kept, c->a);
	bool more = true;
	for (bool first = true; more; first = false) {
		struct arena page = { 0 };
		struct msg_changes ch = { 0 };
		bool ok = msg_changes(s->conf->store, s->view->mailbox, modseq, &page, &ch, e);
		more = ok && !ch.deleted && ch.more;
		if (ok && first && !ch.deleted) /* later pages know only of what went after the view was made */
			say_earlier(s, &ch, &above, &page);
		if (ok)
			say_changed(s, c, &ch, known);
		modseq = page_end(&ch);
		arena_reset(&page);
		if (!ok)
			return false;
	}
	return true;
}
