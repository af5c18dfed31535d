#include "store/sqlite_uids.h"

#include <stdlib.h>

#include "store/sqlite_store.h"
#include "store/uid_cache.h"

/* --- writing ------------------------------------------------------------------------------ */

/* The row just before `uid`, if it touches it: taken away, and its first UID told. */
static bool join_before(struct tx *tx, int64_t mailbox, struct uid_run *run, struct err *e)
{
	struct rows r = sql_rows(
	    tx, "SELECT uid, count FROM forgotten WHERE mailbox_id = ?1 AND uid < ?2 ORDER BY uid DESC LIMIT 1",
	    NUM(mailbox), NUM(run->first));
	bool there = row_next(&r);
	uint32_t first = there ? (uint32_t)row_num(&r, 0) : 0, count = there ? (uint32_t)row_num(&r, 1) : 0;
	if (!rows_end(&r, e))
		return false;
	if (there && first + count == run->first)
		*run = (struct uid_run){ first, count + run->count };
	return true;
}

static bool join_behind(struct tx *tx, int64_t mailbox, struct uid_run *run, struct err *e)
{
	uint32_t behind = run->first + run->count;
	struct rows r = sql_rows(tx, "SELECT count FROM forgotten WHERE mailbox_id = ?1 AND uid = ?2", NUM(mailbox),
				 NUM(behind));
	bool there = row_next(&r);
	if (there)
		run->count += (uint32_t)row_num(&r, 0);
	return rows_end(&r, e) && (!there || sql_run(tx, e, "DELETE FROM forgotten WHERE mailbox_id = ?1 AND uid = ?2",
						     NUM(mailbox), NUM(behind)));
}

bool forgotten_add(struct tx *tx, int64_t mailbox, struct uid_run run, struct err *e)
{
	return join_before(tx, mailbox, &run, e) && join_behind(tx, mailbox, &run, e) &&
	       sql_run(tx, e, "INSERT OR REPLACE INTO forgotten (mailbox_id, uid, count) VALUES (?1, ?2, ?3)",
		       NUM(mailbox), NUM(run.first), NUM(run.count));
}

/* --- reading -------------------------------------------------------------------------------- */

struct list { /* runs in any order */
	struct uid_run *all;
	size_t n, cap;
	struct arena a;
};

static bool list_take(struct rows *r, struct list *l, struct err *e)
{
	while (row_next(r)) {
		l->all = arena_grow(&l->a, l->all, &l->cap, l->n + 1, sizeof *l->all);
		l->all[l->n++] = (struct uid_run){ (uint32_t)row_num(r, 0), (uint32_t)row_num(r, 1) };
	}
	return rows_end(r, e);
}

static bool list_expunged(struct tx *tx, int64_t mailbox, uint64_t since, struct list *l, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT uid, count FROM expunged WHERE mailbox_id = ?1 AND modseq > ?2",
				 NUM(mailbox), NUM(since));
	return list_take(&r, l, e);
}

static bool list_forgotten(struct tx *tx, int64_t mailbox, struct list *l, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT uid, count FROM forgotten WHERE mailbox_id = ?1 ORDER BY uid",
				 NUM(mailbox));
	return list_take(&r, l, e);
}

static int by_uid(const void *x, const void *y)
{
	uint32_t a = ((const struct uid_run *)x)->first, b = ((const struct uid_run *)y)->first;
	return (a > b) - (a < b);
}

static bool ascending(const struct list *l)
{
	for (size_t i = 1; i < l->n; i++)
		if (l->all[i].first < l->all[i - 1].first)
			return false;
	return true;
}

/* Ascending, neighbours made one, into `out`, which is empty; together with `known`, which is so already. */
static void list_runs(struct list *l, const struct runs *known, struct runs *out)
{
	size_t i = 0, k = 0;
	if (!ascending(l))
		qsort(l->all, l->n, sizeof *l->all, by_uid);
	out->all = arena_grow(out->a, NULL, &out->cap, l->n + known->n, sizeof *out->all);
	while (i < l->n || k < known->n) {
		bool first = k == known->n || (i < l->n && l->all[i].first < known->all[k].first);
		runs_add_run(out, first ? l->all[i++] : known->all[k++]);
	}
	arena_reset(&l->a);
}

static const struct runs none;

bool uids_expunged(struct tx *tx, int64_t mailbox, uint64_t since, struct runs *out, struct err *e)
{
	struct list l = { 0 };
	bool ok = list_expunged(tx, mailbox, since, &l, e);
	list_runs(&l, &none, out);
	return ok;
}

/* What lies between the runs, from 1 to below `end`. */
static void between(const struct runs *runs, uint32_t end, struct runs *out)
{
	uint32_t from = 1;
	for (size_t i = 0; i < runs->n; i++) {
		if (runs->all[i].first > from)
			runs_add_run(out, (struct uid_run){ from, runs->all[i].first - from });
		from = runs->all[i].first + runs->all[i].count;
	}
	if (from < end)
		runs_add_run(out, (struct uid_run){ from, end - from });
}

static uint64_t sum(const struct runs *runs)
{
	uint64_t n = 0;
	for (size_t i = 0; i < runs->n; i++)
		n += runs->all[i].count;
	return n;
}

static bool scan(struct tx *tx, const struct mailbox *m, struct runs *out, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT key FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
				 NUM(MSG_KEY(m->id, 0)), NUM(MSG_KEY(m->id, UINT32_MAX)));
	while (row_next(&r))
		runs_add(out, KEY_UID(row_num(&r, 0)));
	return rows_end(&r, e);
}

static bool scan_gone(struct tx *tx, const struct mailbox *m, struct runs *gone, struct err *e)
{
	struct runs there = { .a = gone->a };
	if (!scan(tx, m, &there, e))
		return false;
	between(&there, m->uidnext, gone);
	return true;
}

static bool agrees(const struct mailbox *m, const struct runs *gone)
{
	return sum(gone) + m->messages + 1 == m->uidnext;
}

/* By the records; *right = they agree with the count. */
static bool recorded_gone(struct tx *tx, const struct mailbox *m, struct runs *out, bool *right, struct err *e)
{
	struct list old = { 0 }, late = { 0 };
	struct runs forgotten = { .a = out->a };
	bool ok = list_forgotten(tx, m->id, &old, e) && list_expunged(tx, m->id, 0, &late, e);
	list_runs(&old, &none, &forgotten);
	list_runs(&late, &forgotten, out);
	*right = agrees(m, out);
	return ok;
}

/* The highest modseq that is not among the records any more: what was known before it cannot be brought forward. */
static bool floor_read(struct tx *tx, int64_t mailbox, uint64_t *floor, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT forgotten FROM mailbox WHERE id = ?1", NUM(mailbox));
	*floor = row_next(&r) ? (uint64_t)row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

/* What somebody has found out before, and what was expunged since. */
static bool known_gone(struct tx *tx, const struct mailbox *m, struct runs *out, bool *right, struct err *e)
{
	struct uid_cache *cache = tx->st->uids;
	struct runs known = { .a = out->a };
	struct list late = { 0 };
	uint64_t floor, at;
	if (!floor_read(tx, m->id, &floor, e))
		return false;
	*right = uid_cache_get(cache, m->id, floor, m->modseq, &known, &at);
	if (*right && at == m->modseq) {
		*out = known;
	} else if (*right) {
		bool ok = list_expunged(tx, m->id, at, &late, e);
		list_runs(&late, &known, out);
		if (!ok)
			return false;
	}
	*right = *right && agrees(m, out);
	if (!*right) {
		*out = (struct runs){ .a = out->a };
		if (!recorded_gone(tx, m, out, right, e))
			return false;
	}
	if (*right)
		uid_cache_put(cache, m->id, m->modseq, out);
	return true;
}

bool uids_there(struct tx *tx, const struct mailbox *m, struct runs *out, struct err *e)
{
	struct runs gone = { .a = out->a };
	bool right = true;
	if (m->messages + 1 < m->uidnext && !known_gone(tx, m, &gone, &right, e))
		return false;
	if (!right)
		return scan(tx, m, out, e);
	between(&gone, m->uidnext, out);
	return true;
}

bool uids_gone(struct tx *tx, const struct mailbox *m, struct runs *out, struct err *e)
{
	bool right;
	if (!known_gone(tx, m, out, &right, e))
		return false;
	if (right)
		return true;
	*out = (struct runs){ .a = out->a };
	return scan_gone(tx, m, out, e);
}

/* --- checking ---------------------------------------------------------------------------------- */

bool uids_checked(struct tx *tx, const struct mailbox *m, bool *right, struct err *e)
{
	struct arena a = { 0 };
	struct runs recorded = { .a = &a }, gone = { .a = &a };
	bool ok = recorded_gone(tx, m, &recorded, right, e) && scan_gone(tx, m, &gone, e);
	*right = ok && *right && recorded.n == gone.n;
	for (size_t i = 0; *right && i < gone.n; i++)
		*right = recorded.all[i].first == gone.all[i].first && recorded.all[i].count == gone.all[i].count;
	arena_reset(&a);
	return ok;
}

bool uids_rerecord(struct tx *tx, const struct mailbox *m, struct err *e)
{
	struct arena a = { 0 };
	struct runs gone = { .a = &a };
	bool ok = scan_gone(tx, m, &gone, e) &&
		  sql_run(tx, e, "DELETE FROM expunged WHERE mailbox_id = ?1", NUM(m->id)) &&
		  sql_run(tx, e, "DELETE FROM forgotten WHERE mailbox_id = ?1", NUM(m->id));
	for (size_t i = 0; ok && i < gone.n; i++)
		ok = sql_run(tx, e, "INSERT INTO forgotten (mailbox_id, uid, count) VALUES (?1, ?2, ?3)", NUM(m->id),
			     NUM(gone.all[i].first), NUM(gone.all[i].count));
	arena_reset(&a);
	/* At a modseq of its own: who has seen the wrong records, a client or a uid_cache, is told anew. */
	return ok && sql_run(tx, e, "UPDATE account SET modseq = modseq + 1 WHERE id = ?1", NUM(m->account_id)) &&
	       sql_run(tx, e,
		       "UPDATE mailbox SET expunged = 0, (modseq, forgotten) = (SELECT modseq, modseq FROM account"
		       " WHERE id = mailbox.account_id) WHERE id = ?1",
		       NUM(m->id));
}
