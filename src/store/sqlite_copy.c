#include "base/log.h"
#include "store/bell.h"
#include "store/sqlite_expunge.h"
#include "store/sqlite_junk.h"
#include "store/sqlite_store.h"
#include "store/uid_runs.h"

struct copy_unit {
	int64_t from, to;
	bool move;
	struct walk begin, end;
	struct gone_row rows[UNIT_ROWS];
	uint32_t into[UNIT_ROWS];
	size_t n;
	uint32_t uidvalidity;
	int64_t from_account, to_account;
	bool many; /* records of what was expunged: some are to be forgotten */
	struct junk_change junk;
	struct arena temp; /* of one run */
};

static bool collect(struct tx *tx, struct copy_unit *u, struct err *e)
{
	uint32_t from, to;
	for (size_t looks = 0; u->n < UNIT_ROWS && looks < UNIT_ROWS && walk_range(&u->end, &from, &to); looks++) {
		struct rows r = sql_rows(
		    tx, "SELECT key, content_id, flags, size FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
		    NUM(MSG_KEY(u->from, from)), NUM(MSG_KEY(u->from, to)));
		bool more = true;
		for (; u->n < UNIT_ROWS && (more = row_next(&r)); u->n++) {
			u->rows[u->n] = (struct gone_row){ row_num(&r, 0), row_num(&r, 1), (unsigned)row_num(&r, 2),
							   (uint64_t)row_num(&r, 3) };
			walk_past(&u->end, KEY_UID(u->rows[u->n].key));
		}
		if (!rows_end(&r, e))
			return false;
		if (!more)
			walk_past(&u->end, to);
	}
	return true;
}

static bool row_keywords(struct tx *tx, struct copy_unit *u, const struct gone_row *row, struct str *out, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT keywords FROM msg WHERE key = ?1", NUM(row->key));
	*out = row_next(&r) ? row_dup(&r, 0, &u->temp) : STR_NONE;
	if (!rows_end(&r, e))
		return false;
	*out = junk_apply(&u->junk, *out, &u->temp);
	return true;
}

/* The source row is read in this very unit, so its content has a row and cannot have been collected. */
static bool copy_row(struct tx *tx, struct copy_unit *u, struct box *to, const struct gone_row *row, uint32_t uid,
		     struct err *e)
{
	struct str keywords;
	struct sql_arg from = NUM(row->key), key = NUM(MSG_KEY(to->id, uid)), mailbox = NUM(to->id),
		       modseq = NUM(box_modseq(to)), now = NUM(store_now(tx->st));
	box_count(to, row->flags, row->size, +1);
	if (u->junk.add.n == 0 && u->junk.remove.n == 0)
		return sql_run(
		    tx, e,
		    "INSERT INTO msg (key, mailbox_id, modseq, arrived, flags, content_id, size, internal_ms, saved_ms,"
		    " keywords, prefix) SELECT ?2, ?3, ?4, ?4, flags, content_id, size, internal_ms, ?5, keywords,"
		    " prefix FROM msg WHERE key = ?1",
		    from, key, mailbox, modseq, now);
	return row_keywords(tx, u, row, &keywords, e) &&
	       sql_run(
		   tx, e,
		   "INSERT INTO msg (key, mailbox_id, modseq, arrived, flags, content_id, size, internal_ms, saved_ms,"
		   " keywords, prefix) SELECT ?2, ?3, ?4, ?4, flags, content_id, size, internal_ms, ?5, ?6,"
		   " prefix FROM msg WHERE key = ?1",
		   from, key, mailbox, modseq, now, TEXT_OR_NULL(keywords));
}

/* Keywords that came along are keywords of the new mailbox, too. */
static bool copy_keywords(struct tx *tx, int64_t from, int64_t to, struct err *e)
{
	return from == to || sql_run(tx, e,
				     "INSERT OR IGNORE INTO keyword (mailbox_id, name)"
				     " SELECT ?2, name FROM keyword WHERE mailbox_id = ?1",
				     NUM(from), NUM(to));
}

/* A copy counts, also of what is kept only once; what moves within an account does not. */
static bool room_there(const struct copy_unit *u, const struct box_owner *to, struct err *e)
{
	struct quota q = to->quota;
	if ((u->move && u->from_account == to->id) || u->n == 0)
		return true;
	for (size_t i = 0; i < u->n; i++) {
		if (!quota_room(&q, u->rows[i].size, e))
			return false;
		q.octets += u->rows[i].size;
		q.messages++;
	}
	return true;
}

/* What happens to $Junk and $NotJunk. Within one mailbox, nothing. */
static bool junk_judge(struct tx *tx, struct copy_unit *u, const struct box *from, const struct box *to, struct err *e)
{
	enum junk_says here, there;
	u->junk = junk_change(JUNK_NOTHING, JUNK_NOTHING);
	if (u->from == u->to)
		return true;
	if (!junk_says_by_id(tx, from, &here, e) || !junk_says_by_id(tx, to, &there, e))
		return false;
	u->junk = junk_change(here, there);
	return junk_ready(tx, u->to, &u->junk, e);
}

static bool copy_rows(struct tx *tx, struct copy_unit *u, struct box *from, struct box *to, struct err *e)
{
	for (size_t i = 0; i < u->n; i++)
		if (!box_uid(to, &u->into[i], e) || !copy_row(tx, u, to, &u->rows[i], u->into[i], e))
			return false;
	if (!copy_keywords(tx, u->from, u->to, e) || (u->move && !rows_expunge(tx, from, u->rows, u->n, e)))
		return false;
	u->many = from->expunged > EXPUNGED_MAX;
	return box_save(tx, to, e) && (!u->move || from == to || box_save(tx, from, e));
}

static bool unit_copy(struct tx *tx, void *arg, struct err *e)
{
	struct copy_unit *u = arg;
	struct box source, target, *from = &source;
	u->end = u->begin;
	u->n = 0;
	u->many = false;
	arena_reset(&u->temp);
	enum box_found f = box_load(tx, u->to, &target, e);
	if (f != BOX_FOUND)
		return f == BOX_NONE ? err_set(e, ERR_PERM, "TRYCREATE the mailbox to copy to is not there") : false;
	u->uidvalidity = target.uidvalidity;
	u->to_account = target.owner->id;
	if (!box_must(tx, u->from, &source, e) || !collect(tx, u, e))
		return false;
	u->from_account = source.owner->id;
	if (u->n == 0)
		return true;
	/* One mailbox, or two of one account: then both count with the same modseq and totals. */
	if (u->from == u->to)
		from = &target;
	else if (source.owner->id == target.owner->id)
		source.owner = target.owner;
	return room_there(u, target.owner, e) && junk_judge(tx, u, from, &target, e) &&
	       copy_rows(tx, u, from, &target, e);
}

/* Pairs of runs of equal length: a new pair begins where either side jumps. */
static void pairs_add(struct arena *a, struct copied *out, size_t *cap, uint32_t from, uint32_t into)
{
	struct uid_run *f = out->n > 0 ? &out->from[out->n - 1] : NULL, *t = out->n > 0 ? &out->into[out->n - 1] : NULL;
	if (f && f->first + f->count == from && t->first + t->count == into) {
		f->count++;
		t->count++;
		return;
	}
	size_t other = *cap;
	out->from = arena_grow(a, out->from, cap, out->n + 1, sizeof *out->from);
	out->into = arena_grow(a, out->into, &other, out->n + 1, sizeof *out->into);
	out->from[out->n] = (struct uid_run){ from, 1 };
	out->into[out->n++] = (struct uid_run){ into, 1 };
}

/* RFC 3501 6.4.7: a COPY that fails leaves nothing behind. (A MOVE may stop half way: RFC 6851 3.3.) */
static void undo(struct store *st, int64_t to, const struct copied *done)
{
	struct err e;
	if (done->n > 0 && !msg_expunge(st, to, done->into, done->n, false, &e))
		log_warn("store.copy_left", KVN("mailbox", to), KVZ("why", e.text));
}

bool msg_copy(struct store *st, int64_t mailbox, const struct uid_run *runs, size_t n, int64_t to, bool move,
	      struct arena *a, struct copied *out, struct err *e)
{
	struct copy_unit *u = ARENA_NEW(a, struct copy_unit);
	size_t cap = 0;
	uint32_t first, last;
	bool ok = true;
	*u = (struct copy_unit){ .from = mailbox, .to = to, .move = move, .begin = { runs, n, 0, 0 } };
	*out = (struct copied){ 0 };
	while (ok && walk_range(&u->begin, &first, &last)) {
		ok = store_do(st, unit_copy, u, e);
		out->uidvalidity = u->uidvalidity;
		for (size_t i = 0; ok && i < u->n; i++)
			pairs_add(a, out, &cap, KEY_UID(u->rows[i].key), u->into[i]);
		u->begin = u->end;
		if (ok && u->many)
			expunged_trim(st, mailbox);
	}
	arena_reset(&u->temp);
	if (!ok && !move)
		undo(st, to, out);
	if (out->n > 0)
		bell_ring(st, bell_slot(u->to_account));
	if (out->n > 0 && move && u->from_account != u->to_account)
		bell_ring(st, bell_slot(u->from_account));
	return ok;
}
