/* What became of claimed rows, and of those whose claimer died. */
#include "store/bell.h"
#include "store/sqlite_deliver.h"
#include "store/sqlite_queue.h"
#include "store/sqlite_store.h"

#define WHY_MAX      1000 /* octets of what the other side said */
#define RECOVER_ROWS 250  /* of one unit */

/* --- finish ------------------------------------------------------------------------------------ */

struct finish_unit {
	const struct queue_result *results;
	size_t n;
	struct deliver_unit notes;
	bool delivered; /* the notes */
	int64_t now_wall_ms;
	struct arena temp;
};

static struct str why_kept(struct str why)
{
	return why.n > 0 ? str_sub(why, 0, WHY_MAX) : STR_NONE;
}

/* `crashes` counts those in a row: who has an outcome did not crash. */
static bool note_attempt(struct tx *tx, const struct queue_at *at, struct str why, bool counted, bool warned,
			 struct err *e)
{
	return sql_run(tx, e, "UPDATE queue SET why = ?2, attempts = ?3, crashes = 0, flags = flags | ?4 WHERE id = ?1",
		       NUM(at->id), TEXT(why_kept(why)), NUM(at->attempts - (!counted && at->attempts > 0)),
		       NUM(warned ? QUEUE_WARNED : 0));
}

static bool move(struct tx *tx, struct finish_unit *u, const struct queue_at *at, struct str lane, struct err *e)
{
	return (lane.n > 0 || queue_home(tx, at->id, &u->temp, &lane, e)) &&
	       queue_wait(tx, at, lane, u->now_wall_ms, u->now_wall_ms, e);
}

static bool apply(struct tx *tx, struct finish_unit *u, const struct queue_result *res, const struct queue_at *at,
		  struct err *e)
{
	switch (res->outcome) {
	case QUEUE_DONE:
		return queue_drop(tx, at, e);
	case QUEUE_NEVER:
		return (res->suppress.n == 0 || suppress_put(tx, at->account, res->suppress, why_kept(res->why),
							     res->suppress_until_wall_ms, &u->temp, e)) &&
		       queue_drop(tx, at, e);
	case QUEUE_LATER:
		return note_attempt(tx, at, res->why, !res->uncounted, res->warned, e) &&
		       queue_wait(tx, at, at->lane, res->due_wall_ms, u->now_wall_ms, e);
	case QUEUE_HOLD:
		return note_attempt(tx, at, STR_NONE, true, false, e) && queue_hold(tx, at, why_kept(res->why), e);
	case QUEUE_MOVE:
		return note_attempt(tx, at, res->why, false, false, e) && move(tx, u, at, res->lane, e);
	}
	return err_set(e, ERR_PERM, "no such outcome: %d", (int)res->outcome);
}

static bool named_before(const struct finish_unit *u, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (u->results[k].id == u->results[i].id)
			return true;
	return false;
}

static bool finish_find(struct tx *tx, struct finish_unit *u, struct queue_at *at, bool *any, struct err *e)
{
	*any = false;
	for (size_t i = 0; i < u->n; i++) {
		bool there;
		if (!queue_at(tx, u->results[i].id, &u->temp, &at[i], &there, e))
			return false;
		if (!there || at[i].state != QUEUE_LEASED || at[i].lease != tx->st->incarnation || named_before(u, i))
			at[i].id = 0; /* not ours, or not any more */
		*any = *any || at[i].id != 0;
	}
	return true;
}

/* The notes first: what can be wrong with them is found before anything is written. */
static bool unit_finish(struct tx *tx, void *arg, struct err *e)
{
	struct finish_unit *u = arg;
	struct queue_at at[UNIT_ROWS];
	bool any;
	arena_reset(&u->temp);
	if (!finish_find(tx, u, at, &any, e))
		return false;
	u->delivered = any && u->notes.n > 0;
	if (u->delivered && !deliver_in(tx, &u->notes, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (at[i].id != 0 && !apply(tx, u, &u->results[i], &at[i], e))
			return false;
	return true;
}

bool queue_finish(struct store *st, const struct queue_result *results, size_t n, struct delivery *const *notes,
		  size_t nnotes, struct err *e)
{
	struct packed packed[DELIVER_MAX];
	struct finish_unit u = { .results = results,
				 .n = n,
				 .notes = { .all = notes, .n = nnotes, .packed = packed },
				 .now_wall_ms = store_now(st) };
	u.notes.now_wall_ms = u.now_wall_ms;
	if (nnotes > DELIVER_MAX || n + deliver_rows(&u.notes) > UNIT_ROWS)
		return err_set(e, ERR_PERM, "too many results and notes at once: at most %d together", UNIT_ROWS);
	if (n == 0)
		return true;
	bool ok = deliver_ready(&u.notes, e) && store_do(st, unit_finish, &u, e);
	deliver_done(st, &u.notes, ok && u.delivered);
	arena_reset(&u.temp);
	return ok;
}

/* --- recover ---------------------------------------------------------------------------------------- */

struct recover_unit {
	int64_t now_wall_ms;
	uint64_t rows;
	bool more;
	struct arena temp;
};

static bool dead_lease(struct tx *tx, int64_t *lease, struct err *e)
{
	for (*lease = -1;;) {
		struct rows r = sql_rows(tx,
					 "SELECT lease FROM queue INDEXED BY queue_lease WHERE state = 2"
					 " AND lease > ?1 ORDER BY lease LIMIT 1",
					 NUM(*lease));
		bool found = row_next(&r);
		*lease = found ? row_num(&r, 0) : -1;
		if (!rows_end(&r, e))
			return false;
		if (!found || !incarnation_alive(tx->st->shared, (uint32_t)*lease))
			return true;
	}
}

static bool lease_rows(struct tx *tx, int64_t lease, int64_t *ids, size_t *n, struct err *e)
{
	struct rows r = sql_rows(
	    tx, "SELECT id FROM queue INDEXED BY queue_lease WHERE state = 2 AND lease = ?1 ORDER BY id", NUM(lease));
	for (*n = 0; *n < RECOVER_ROWS && row_next(&r);)
		ids[(*n)++] = row_num(&r, 0);
	return rows_end(&r, e);
}

static bool recover_one(struct tx *tx, struct recover_unit *u, int64_t id, struct err *e)
{
	struct queue_at at;
	bool there;
	if (!queue_at(tx, id, &u->temp, &at, &there, e))
		return false;
	if (!there)
		return true;
	if (!sql_run(tx, e, "UPDATE queue SET crashes = crashes + 1 WHERE id = ?1", NUM(id)))
		return false;
	return at.crashes + 1 >= QUEUE_CRASHES ? queue_hold(tx, &at, STR("crashes"), e)
					       : queue_wait(tx, &at, at.lane, u->now_wall_ms, u->now_wall_ms, e);
}

static bool unit_recover(struct tx *tx, void *arg, struct err *e)
{
	struct recover_unit *u = arg;
	int64_t lease, ids[RECOVER_ROWS];
	size_t n = 0;
	arena_reset(&u->temp);
	if (!dead_lease(tx, &lease, e) || (lease >= 0 && !lease_rows(tx, lease, ids, &n, e)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!recover_one(tx, u, ids[i], e))
			return false;
	u->rows = n;
	u->more = n > 0;
	return true;
}

bool queue_recover(struct store *st, uint64_t *rows, struct err *e)
{
	struct recover_unit u = { .now_wall_ms = store_now(st), .more = true };
	bool ok = true;
	*rows = 0;
	while (ok && u.more) {
		ok = store_do(st, unit_recover, &u, e);
		*rows += ok ? u.rows : 0;
	}
	arena_reset(&u.temp);
	if (*rows > 0)
		bell_ring(st, BELL_QUEUE);
	return ok;
}
