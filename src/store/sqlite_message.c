#include "store/sqlite_mailbox.h"
#include "store/sqlite_store.h"
#include "store/sqlite_uids.h"

#define UNSEEN_LOOK 20000 /* rows looked at in one read */
#define UNSEEN_NOTE 1000  /* rows looked at that are worth a write, so that nobody looks at them again */

/* Columns 0.. of every statement that makes a struct msg. length() of a blob does not read the blob. */
#define MSG_COLUMNS                                                                     \
	"SELECT key, modseq, flags, content_id, size, internal_ms, saved_ms, keywords," \
	" length(prefix)"

static struct msg msg_row(const struct rows *r, bool with_prefix, struct arena *a)
{
	return (struct msg){
		.uid = KEY_UID(row_num(r, 0)),
		.modseq = (uint64_t)row_num(r, 1),
		.flags = (unsigned)row_num(r, 2),
		.content_id = row_num(r, 3),
		.size = (uint64_t)row_num(r, 4),
		.internal_wall_ms = row_num(r, 5),
		.saved_wall_ms = row_num(r, 6),
		.keywords = row_dup(r, 7, a),
		.prefix_size = (uint32_t)row_num(r, 8),
		.prefix = with_prefix ? row_dup(r, 9, a) : STR_NONE,
	};
}

/* --- pages ------------------------------------------------------------------------ */

struct page {
	int64_t mailbox;
	uint32_t from, to;
	bool with_prefix;
	struct arena *a;
	struct msg *msgs;
	size_t n;
};

static bool unit_page(struct tx *tx, void *arg, struct err *e)
{
	struct page *p = arg;
	struct sql_arg from = NUM(MSG_KEY(p->mailbox, p->from)), to = NUM(MSG_KEY(p->mailbox, p->to));
	struct rows r = p->with_prefix
			    ? sql_rows(tx, MSG_COLUMNS ", prefix FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
				       from, to)
			    : sql_rows(tx, MSG_COLUMNS " FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key", from, to);
	p->msgs = ARENA_ARRAY(p->a, struct msg, MSG_PAGE);
	while (p->n < MSG_PAGE && row_next(&r))
		p->msgs[p->n++] = msg_row(&r, p->with_prefix, p->a);
	return rows_end(&r, e);
}

bool msg_page(struct store *st, int64_t mailbox, uint32_t from, uint32_t to, bool with_prefix, struct arena *a,
	      struct msg **out, size_t *n, struct err *e)
{
	struct page p = { mailbox, from, to, with_prefix, a, NULL, 0 };
	*out = NULL;
	*n = 0;
	if (from <= to && !store_read(st, unit_page, &p, e))
		return false;
	*out = p.msgs;
	*n = p.n;
	return true;
}

/* --- the whole mailbox -------------------------------------------------------------- */

struct uids {
	int64_t mailbox;
	struct runs runs;
	struct mailbox *at;
};

static bool unit_uids(struct tx *tx, void *arg, struct err *e)
{
	struct uids *u = arg;
	enum box_found f = mailbox_at(tx, u->mailbox, u->runs.a, u->at, e);
	if (f != BOX_FOUND)
		return f == BOX_NONE ? err_set(e, ERR_PERM, "the mailbox was deleted") : false;
	return uids_there(tx, u->at, &u->runs, e);
}

bool mailbox_uids(struct store *st, int64_t mailbox, struct arena *a, struct uid_run **runs, size_t *n,
		  struct mailbox *at, struct err *e)
{
	struct uids u = { .mailbox = mailbox, .runs.a = a, .at = at };
	if (!store_read(st, unit_uids, &u, e))
		return false;
	*runs = u.runs.all;
	*n = u.runs.n;
	return true;
}

struct unseen {
	int64_t mailbox, modseq; /* modseq: of the first read */
	uint32_t from, found;    /* all below `from` are seen */
	size_t looked;
	bool end;
};

static bool unit_unseen(struct tx *tx, void *arg, struct err *e)
{
	struct unseen *u = arg;
	struct rows m = sql_rows(tx, "SELECT unseen, unseen_from, uidnext, modseq FROM mailbox WHERE id = ?1",
				 NUM(u->mailbox));
	bool any = row_next(&m) && row_num(&m, 0) > 0;
	uint32_t from = any ? (uint32_t)row_num(&m, 1) : 0, next = any ? (uint32_t)row_num(&m, 2) : 0;
	if (u->modseq == 0)
		u->modseq = any ? row_num(&m, 3) : 0;
	u->end = !any;
	if (!rows_end(&m, e) || !any)
		return !any;
	if (u->from < from)
		u->from = from;
	struct rows r = sql_rows(tx, "SELECT key, flags FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
				 NUM(MSG_KEY(u->mailbox, u->from)), NUM(MSG_KEY(u->mailbox, UINT32_MAX)));
	for (size_t i = 0; i < UNSEEN_LOOK && u->found == 0 && !u->end; i++, u->looked++) {
		if (!row_next(&r)) {
			u->end = true;
			u->from = next;
		} else if (row_num(&r, 1) & MSG_SEEN) {
			u->from = KEY_UID(row_num(&r, 0)) + 1;
		} else {
			u->from = u->found = KEY_UID(row_num(&r, 0));
		}
	}
	return rows_end(&r, e);
}

/* Where the next may begin to look; only if nothing has changed since we began to. */
static bool unit_unseen_from(struct tx *tx, void *arg, struct err *e)
{
	const struct unseen *u = arg;
	return sql_run(tx, e, "UPDATE mailbox SET unseen_from = ?2 WHERE id = ?1 AND modseq = ?3 AND unseen_from < ?2",
		       NUM(u->mailbox), NUM(u->from), NUM(u->modseq));
}

bool mailbox_first_unseen(struct store *st, int64_t mailbox, uint32_t *uid, struct err *e)
{
	struct unseen u = { .mailbox = mailbox, .from = 1 };
	struct err later;
	while (!u.end && u.found == 0)
		if (!store_read(st, unit_unseen, &u, e))
			return false;
	if (u.looked >= UNSEEN_NOTE)
		store_do(st, unit_unseen_from, &u, &later); /* it only saves the next one's time */
	*uid = u.found;
	return true;
}

/* --- what changed ---------------------------------------------------------------------- */

struct changes {
	int64_t mailbox;
	uint64_t since;
	struct arena *a;
	struct msg_changes *out;
};

/* The first UID that arrived after `since`: within a mailbox arrival order is modseq order, so halve the range. */
static bool first_arrived(struct tx *tx, struct changes *c, uint32_t uidnext, uint32_t *uid, struct err *e)
{
	uint32_t low = 1, high = uidnext; /* the answer is in [low, high]; uidnext: none */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct rows r = sql_rows(
		    tx, "SELECT key, arrived FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1",
		    NUM(MSG_KEY(c->mailbox, middle)), NUM(MSG_KEY(c->mailbox, high - 1)));
		bool there = row_next(&r);
		uint32_t at = there ? KEY_UID(row_num(&r, 0)) : 0;
		bool later = !there || (uint64_t)row_num(&r, 1) > c->since;
		if (!rows_end(&r, e))
			return false;
		if (later)
			high = middle;
		else
			low = at + 1;
	}
	*uid = low;
	return true;
}

/* A page of each kind: new ones that are as they arrived, by UID; and changed ones, by the index. */
static bool both_kinds(struct tx *tx, struct changes *c, uint32_t from, struct msg *fresh, size_t *nfresh,
		       struct msg *changed, size_t *nchanged, struct err *e)
{
	struct rows r = sql_rows(tx,
				 MSG_COLUMNS " FROM msg WHERE key BETWEEN ?1 AND ?2 AND modseq = arrived ORDER BY key",
				 NUM(MSG_KEY(c->mailbox, from)), NUM(MSG_KEY(c->mailbox, UINT32_MAX)));
	while (*nfresh <= MSG_PAGE && row_next(&r))
		fresh[(*nfresh)++] = msg_row(&r, false, c->a);
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(tx,
		     MSG_COLUMNS " FROM msg INDEXED BY msg_changed WHERE mailbox_id = ?1 AND modseq > ?2 AND"
				 " modseq > arrived ORDER BY modseq",
		     NUM(c->mailbox), NUM(c->since));
	while (*nchanged <= MSG_PAGE && row_next(&r))
		changed[(*nchanged)++] = msg_row(&r, false, c->a);
	return rows_end(&r, e);
}

static bool read_changed(struct tx *tx, struct changes *c, struct err *e)
{
	struct msg_changes *out = c->out;
	struct msg *fresh = ARENA_ARRAY(c->a, struct msg, MSG_PAGE + 1);
	struct msg *changed = ARENA_ARRAY(c->a, struct msg, MSG_PAGE + 1);
	size_t nfresh = 0, nchanged = 0, i = 0, j = 0;
	uint32_t from;
	if (!first_arrived(tx, c, out->now.uidnext, &from, e) ||
	    !both_kinds(tx, c, from, fresh, &nfresh, changed, &nchanged, e))
		return false;
	out->msgs = ARENA_ARRAY(c->a, struct msg, MSG_PAGE);
	while (out->nmsgs < MSG_PAGE && (i < nfresh || j < nchanged)) {
		bool first = j == nchanged || (i < nfresh && fresh[i].modseq < changed[j].modseq);
		out->msgs[out->nmsgs++] = first ? fresh[i++] : changed[j++];
	}
	out->more = i < nfresh || j < nchanged;
	return true;
}

static bool read_gone(struct tx *tx, struct changes *c, struct err *e)
{
	struct runs gone = { .a = c->a };
	struct rows r = sql_rows(tx, "SELECT forgotten FROM mailbox WHERE id = ?1", NUM(c->mailbox));
	bool remembered = !row_next(&r) || c->since >= (uint64_t)row_num(&r, 0);
	if (!rows_end(&r, e) ||
	    !(remembered ? uids_expunged(tx, c->mailbox, c->since, &gone, e) : uids_gone(tx, &c->out->now, &gone, e)))
		return false;
	c->out->gone = gone.all;
	c->out->ngone = gone.n;
	return true;
}

static bool unit_changes(struct tx *tx, void *arg, struct err *e)
{
	struct changes *c = arg;
	*c->out = (struct msg_changes){ 0 };
	enum box_found f = mailbox_at(tx, c->mailbox, c->a, &c->out->now, e);
	if (f == BOX_ERROR)
		return false;
	c->out->deleted = f == BOX_NONE;
	if (c->out->deleted || c->out->now.modseq <= c->since)
		return true;
	return read_changed(tx, c, e) && read_gone(tx, c, e);
}

bool msg_changes(struct store *st, int64_t mailbox, uint64_t modseq, struct arena *a, struct msg_changes *out,
		 struct err *e)
{
	struct changes c = { mailbox, modseq, a, out };
	return store_read(st, unit_changes, &c, e);
}
