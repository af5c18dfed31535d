/* What happened in the selected mailbox since we last told (RFC 3501 5.2, 7.3, 7.4.1).
 *
 * Changes come from the store in pages ordered by modseq.  New UIDs are
 * gathered from all pages before any is announced: a flag set on an older
 * message puts it behind a newer one in that order, and a message may never
 * be put in before one that has its number.
 */
#include "imap/say.h"
#include "imap/session.h"
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

static void uids_sort(struct uids *u)
{
	if (u->n > 1)
		qsort(u->p, u->n, sizeof *u->p, uid_cmp);
}

static bool uids_have(const struct uids *u, uint32_t uid)
{
	return u->n > 0 && bsearch(&uid, u->p, u->n, sizeof *u->p, uid_cmp);
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

void say_fetch_flags(struct session *s, struct buf *b, const struct msg *m, uint32_t seq, bool uid)
{
	buf_printf(b, "* %u FETCH (", seq);
	if (uid)
		buf_printf(b, "UID %u ", m->uid);
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
		      struct uids *went)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < ch->nmsgs; i++) {
		const struct msg *m = &ch->msgs[i];
		if (m->uid >= s->view->uidnext) {
			uids_add(came, c->a, m->uid);
			continue;
		}
		uint32_t seq = view_seq(s->view, m->uid);
		if (seq == 0 || told_already(c, m))
			continue;
		tell_keywords(s, m->keywords, c->a);
		say_fetch_flags(s, &b, m, seq, c->uid);
	}
	for (size_t i = 0; i < ch->ngone; i++)
		for (uint32_t k = 0; k < ch->gone[i].count; k++)
			uids_add(went, c->a, ch->gone[i].first + k);
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

/* True when there is something new in the map. */
static bool take_new(struct view *v, struct uids *came, const struct uids *went)
{
	uint32_t before = v->count;
	uids_sort(came);
	for (size_t i = 0; i < came->n; i++) /* twice in the list when it changed between two pages */
		if (came->p[i] >= v->uidnext && !uids_have(went, came->p[i]))
			view_append(v, came->p[i], 1);
	return v->count > before;
}

static bool look(struct session *s, struct cmd *c, bool *arrived, struct err *e)
{
	struct view *v = s->view;
	struct uids came = { 0 }, went = { 0 };
	struct msg_changes ch;
	uint64_t since = v->modseq;
	uint32_t bell = bell_seq(s->conf->store,
				 bell_slot(s->account)); /* before the reading: what rings later is seen later */
	do {
		ch = (struct msg_changes){ 0 };
		if (!msg_changes(s->conf->store, v->mailbox, since, c->a, &ch, e))
			return false;
		if (ch.deleted) {
			v->deleted = true;
			return true;
		}
		take_page(s, c, &ch, &came, &went);
		since = ch.more && ch.nmsgs > 0 ? ch.msgs[ch.nmsgs - 1].modseq : ch.now.modseq;
	} while (ch.more);
	uids_sort(&went);
	*arrived = take_new(v, &came, &went);
	v->uidnext = ch.now.uidnext > v->uidnext ? ch.now.uidnext : v->uidnext;
	v->arrived = v->arrived || *arrived;
	view_note_gone(v, went.p, went.n, c->a);
	v->modseq = since > v->modseq ? since : v->modseq;
	v->bell = bell;
	return true;
}

static void say_gone(struct session *s)
{
	struct view *v = s->view;
	struct buf b = { 0 };
	for (size_t i = 0; i < v->ngone; i++) /* each one moves those behind it down by one */
		buf_printf(&b, "* %u EXPUNGE\r\n", view_seq(v, v->gone[i]) - (uint32_t)i);
	view_drop_gone(v);
	io_add(s->io, buf_str(&b));
	buf_free(&b);
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
		io_printf(s->io, "* %u EXISTS\r\n* %u RECENT\r\n", v->count, view_recent(v));
	return true;
}
