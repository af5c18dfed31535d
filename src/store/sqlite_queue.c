#include "store/queue.h"

#include "store/bell.h"
#include "store/sqlite_store.h"

/* State		comes from			goes to
 *
 * QUEUE_WAITING	deliver() (INSERT)		removed by queue_remove()
 * QUEUE_HELD		-				removed by queue_remove()
 *
 * A row and its content appear in one commit; a row that goes tells the collector in the same commit.
 */
static const char *const state_names[] = { [QUEUE_WAITING] = "waiting", [QUEUE_HELD] = "held" };

struct queue_unit {
	int64_t id;
	size_t max;
	struct arena *a;
	struct queue_row *rows;
	size_t n;
};

static struct str state_name(int64_t state)
{
	bool known = state >= 0 && (size_t)state < sizeof state_names / sizeof *state_names;
	return known ? str_of(state_names[state]) : STR("unknown");
}

static bool unit_list(struct tx *tx, void *arg, struct err *e)
{
	struct queue_unit *u = arg;
	struct rows r = sql_rows(
	    tx,
	    "SELECT id, content_id, sender, recipient, dsn, state, created_ms, due_ms, attempts, size,"
	    " account_id, mailbox FROM queue WHERE id > ?1 ORDER BY id LIMIT ?2",
	    NUM(u->id), NUM(u->max));
	u->rows = ARENA_ARRAY(u->a, struct queue_row, u->max);
	while (u->n < u->max && row_next(&r))
		u->rows[u->n++] = (struct queue_row){
			.id = row_num(&r, 0),
			.content_id = row_num(&r, 1),
			.sender = row_dup(&r, 2, u->a),
			.recipient = row_dup(&r, 3, u->a),
			.dsn = row_dup(&r, 4, u->a),
			.state = state_name(row_num(&r, 5)),
			.created_wall_ms = row_num(&r, 6),
			.due_wall_ms = row_num(&r, 7),
			.attempts = (uint32_t)row_num(&r, 8),
			.size = (uint64_t)row_num(&r, 9),
			.account = row_num(&r, 10),
			.mailbox = row_dup(&r, 11, u->a),
		};
	return rows_end(&r, e);
}

bool queue_list(struct store *st, int64_t after_id, size_t max, struct arena *a, struct queue_row **out, size_t *n,
		struct err *e)
{
	struct queue_unit u = { .id = after_id, .max = max < QUEUE_PAGE ? max : QUEUE_PAGE, .a = a };
	if (!store_read(st, unit_list, &u, e))
		return false;
	*out = u.rows;
	*n = u.n;
	return true;
}

static bool unit_remove(struct tx *tx, void *arg, struct err *e)
{
	struct queue_unit *u = arg;
	if (!sql_run(tx, e, "INSERT OR IGNORE INTO garbage (content_id) SELECT content_id FROM queue WHERE id = ?1",
		     NUM(u->id)) ||
	    !sql_run(tx, e, "DELETE FROM queue WHERE id = ?1", NUM(u->id)))
		return false;
	return sqlite3_changes(tx->db) > 0 || err_set(e, ERR_PERM, "no such queue row: %lld", (long long)u->id);
}

bool queue_remove(struct store *st, int64_t id, struct err *e)
{
	struct queue_unit u = { .id = id };
	if (!store_do(st, unit_remove, &u, e))
		return false;
	bell_ring(st, BELL_QUEUE);
	return true;
}

static bool unit_count(struct tx *tx, void *arg, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT count(*) FROM queue");
	*(uint64_t *)arg = row_next(&r) ? (uint64_t)row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

bool queue_count(struct store *st, uint64_t *n, struct err *e)
{
	return store_read(st, unit_count, n, e);
}
