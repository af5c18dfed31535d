#include "store/sqlite_queue.h"

#include <assert.h>

#include "mail/address.h"
#include "store/bell.h"
#include "store/sqlite_store.h"

/* State		comes from				goes to
 *
 * WAITING, not ripe	INSERT for later; finish LATER		ripe (queue_ripen); removed
 * WAITING, ripe	INSERT due now; its time came; finish	LEASED (queue_claim); HELD; removed
 *			MOVE; recover; retry, release
 * LEASED		queue_claim, attempts + 1		removed (finish DONE, NEVER); WAITING (LATER, MOVE,
 *								recover); HELD (HOLD, recover at QUEUE_CRASHES)
 * HELD			INSERT under a hold rule; by hand;	WAITING (release); removed
 *			finish HOLD; recover
 *
 * A row and its content appear in one commit; a row that goes tells the collector in the same commit.
 *
 * Places.  `ord` is one more than the last place of the same party in the lane, or than where the lane was served up
 * to, if that is further.  So a party with a thousand rows has one in each of the next thousand rounds, and who comes
 * now has his in the next.  Rows that share a place go by id.
 *
 * Turns of lanes.  `served` is a count, not a time: a lane that was served, or is new, gets the highest.
 */
static_assert(QUEUE_WAITING == 0 && QUEUE_HELD == 1 && QUEUE_LEASED == 2, "partial indexes name them");

#define LANES_RIPEN_UNITS 4 /* of RIPEN_ROWS, in one queue_lanes() */
#define CLAIM_RIPEN_ROWS  100

struct str queue_state_name(enum queue_state state)
{
	static const char *const names[] = {
		[QUEUE_WAITING] = "waiting", [QUEUE_HELD] = "held", [QUEUE_LEASED] = "leased"
	};
	bool known = (size_t)state < sizeof names / sizeof *names;
	return known ? str_of(names[state]) : STR("unknown");
}

/* --- lane and party of a row ------------------------------------------------------------------ */

struct str recipient_domain(struct str recipient)
{
	size_t at = recipient.n;
	while (at > 0 && recipient.p[at - 1] != '@')
		at--;
	return at > 0 ? str_sub(recipient, at, recipient.n) : STR_NONE;
}

static struct str lane_of(struct arena *a, struct str mailbox, struct str drop, struct str recipient)
{
	struct str domain = recipient_domain(recipient), key;
	if (mailbox.n > 0)
		return STR("box");
	if (drop.n > 0)
		return str_cat(a, STR("drop:"), drop);
	if (!address_domain_key(a, domain, &key))
		key = str_lower(a, domain);
	return str_cat(a, STR("mx:"), key);
}

/* Who takes turns with others: an account, or a sender that is none of ours. */
static struct str party_of(struct arena *a, int64_t account, struct str sender)
{
	return account != 0 ? str_fmt(a, "#%lld", (long long)account) : str_lower(a, sender);
}

static bool row_home(struct tx *tx, int64_t id, struct arena *temp, struct str *lane, struct str *party, struct err *e)
{
	struct rows r = sql_rows(
	    tx, "SELECT mailbox, drop_name, recipient, account_id, sender FROM queue WHERE id = ?1", NUM(id));
	*lane = *party = STR_NONE;
	if (row_next(&r)) {
		*lane = lane_of(temp, row_str(&r, 0), row_str(&r, 1), row_str(&r, 2));
		*party = party_of(temp, row_num(&r, 3), row_str(&r, 4));
	}
	return rows_end(&r, e);
}

bool queue_home(struct tx *tx, int64_t id, struct arena *temp, struct str *lane, struct err *e)
{
	struct str party;
	return row_home(tx, id, temp, lane, &party, e);
}

/* A row of an earlier version has none yet. */
static bool give_lane(struct tx *tx, int64_t id, struct arena *temp, struct str *lane, struct str *party, struct err *e)
{
	return row_home(tx, id, temp, lane, party, e) &&
	       sql_run(tx, e, "UPDATE queue SET lane = ?2, party = ?3 WHERE id = ?1", NUM(id), TEXT(*lane),
		       TEXT(*party));
}

/* --- places --------------------------------------------------------------------------------------- */

/* A place for one more row of `party`; the lane counts it. */
static bool lane_enter(struct tx *tx, struct str lane, struct str party, int64_t *ord, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "INSERT INTO lane (name, ripe, at, served) VALUES (?1, 1, 0,"
				 " coalesce((SELECT served FROM lane ORDER BY served DESC LIMIT 1), 0) + 1)"
				 " ON CONFLICT (name) DO UPDATE SET ripe = ripe + 1 RETURNING at",
				 TEXT(lane));
	int64_t at = row_next(&r) ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(tx,
		     "SELECT ord FROM queue INDEXED BY queue_party WHERE lane = ?1 AND party = ?2"
		     " AND state = 0 AND ripe = 1 ORDER BY ord DESC LIMIT 1",
		     TEXT(lane), TEXT(party));
	int64_t last = row_next(&r) ? row_num(&r, 0) : 0;
	*ord = (last > at ? last : at) + 1;
	return rows_end(&r, e);
}

bool lane_leave(struct tx *tx, struct str lane, size_t n, int64_t at, struct err *e)
{
	bool ok = at < 0 ? sql_run(tx, e, "UPDATE lane SET ripe = ripe - ?2 WHERE name = ?1", TEXT(lane), NUM(n))
			 : sql_run(tx, e,
				   "UPDATE lane SET ripe = ripe - ?2, at = max(at, ?3),"
				   " served = (SELECT served FROM lane ORDER BY served DESC LIMIT 1) + 1"
				   " WHERE name = ?1",
				   TEXT(lane), NUM(n), NUM(at));
	return ok && sql_run(tx, e, "DELETE FROM lane WHERE name = ?1 AND ripe <= 0", TEXT(lane));
}

bool queue_insert(struct tx *tx, const struct queue_new *q, int64_t now_wall_ms, struct arena *temp, int64_t *id,
		  struct err *e)
{
	struct str lane = lane_of(temp, q->mailbox, q->drop, q->recipient),
		   party = party_of(temp, q->account, q->sender);
	bool held = q->hold.n > 0, ripe = !held && q->due_wall_ms <= now_wall_ms;
	unsigned flags = (q->smtputf8 ? QUEUE_SMTPUTF8 : 0) | (q->eight_bit ? QUEUE_EIGHT_BIT : 0);
	int64_t ord = 0;
	if (ripe && !lane_enter(tx, lane, party, &ord, e))
		return false;
	if (!sql_run(tx, e,
		     "INSERT INTO queue (content_id, sender, recipient, dsn, state, created_ms, due_ms, attempts, size,"
		     " prefix, account_id, mailbox, drop_name, route, lane, party, ripe, ord, flags, why) VALUES"
		     " (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
		     NUM(q->content_id), TEXT(q->sender), TEXT(q->recipient), TEXT(q->dsn),
		     NUM(held ? QUEUE_HELD : QUEUE_WAITING), NUM(q->created_wall_ms), NUM(q->due_wall_ms), NUM(q->size),
		     BLOB_OR_NULL(q->prefix), NUM(q->account), TEXT(q->mailbox), TEXT(q->drop), TEXT(q->route),
		     TEXT(lane), TEXT(party), NUM(ripe), NUM(ord), NUM(flags), TEXT(q->hold)))
		return false;
	*id = sqlite3_last_insert_rowid(tx->db);
	return true;
}

/* --- one row from state to state --------------------------------------------------------------------- */

bool queue_at(struct tx *tx, int64_t id, struct arena *temp, struct queue_at *at, bool *there, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT content_id, account_id, lease, state, ripe, attempts, crashes, lane, party"
				 " FROM queue WHERE id = ?1",
				 NUM(id));
	*there = row_next(&r);
	if (*there)
		*at = (struct queue_at){
			.id = id,
			.content_id = row_num(&r, 0),
			.account = row_num(&r, 1),
			.lease = row_num(&r, 2),
			.state = (enum queue_state)row_num(&r, 3),
			.ripe = row_num(&r, 4),
			.attempts = (uint32_t)row_num(&r, 5),
			.crashes = (uint32_t)row_num(&r, 6),
			.lane = row_dup(&r, 7, temp),
			.party = row_dup(&r, 8, temp),
		};
	if (!rows_end(&r, e))
		return false;
	return !*there || at->lane.n > 0 || give_lane(tx, id, temp, &at->lane, &at->party, e);
}

static bool leave_place(struct tx *tx, const struct queue_at *at, struct err *e)
{
	return !at->ripe || (sql_run(tx, e, "UPDATE queue SET ripe = 0 WHERE id = ?1", NUM(at->id)) &&
			     lane_leave(tx, at->lane, 1, -1, e));
}

bool queue_wait(struct tx *tx, const struct queue_at *at, struct str lane, int64_t due_wall_ms, int64_t now_wall_ms,
		struct err *e)
{
	bool ripe = due_wall_ms <= now_wall_ms;
	int64_t ord = 0;
	if (!leave_place(tx, at, e) || (ripe && !lane_enter(tx, lane, at->party, &ord, e)))
		return false;
	return sql_run(tx, e,
		       "UPDATE queue SET state = 0, ripe = ?2, ord = ?3, lane = ?4, due_ms = ?5, lease = 0"
		       " WHERE id = ?1",
		       NUM(at->id), NUM(ripe), NUM(ord), TEXT(lane), NUM(due_wall_ms));
}

bool queue_hold(struct tx *tx, const struct queue_at *at, struct str why, struct err *e)
{
	return leave_place(tx, at, e) &&
	       sql_run(tx, e, "UPDATE queue SET state = 1, lease = 0, why = ?2 WHERE id = ?1", NUM(at->id), TEXT(why));
}

bool queue_drop(struct tx *tx, const struct queue_at *at, struct err *e)
{
	return leave_place(tx, at, e) &&
	       sql_run(tx, e, "INSERT OR IGNORE INTO garbage (content_id) VALUES (?1)", NUM(at->content_id)) &&
	       sql_run(tx, e, "DELETE FROM queue WHERE id = ?1", NUM(at->id));
}

/* --- ripening ------------------------------------------------------------------------------------------ */

struct due_row {
	int64_t id;
	struct str lane, party;
};

static bool due_rows(struct tx *tx, int64_t now_wall_ms, size_t max, struct arena *temp, struct due_row *due, size_t *n,
		     struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT id, lane, party FROM queue INDEXED BY queue_due"
				 " WHERE state = 0 AND ripe = 0 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2",
				 NUM(now_wall_ms), NUM(max));
	for (*n = 0; *n < max && row_next(&r); ++*n)
		due[*n] = (struct due_row){ row_num(&r, 0), row_dup(&r, 1, temp), row_dup(&r, 2, temp) };
	return rows_end(&r, e);
}

bool queue_ripen(struct tx *tx, int64_t now_wall_ms, size_t max, struct arena *temp, size_t *n, struct err *e)
{
	struct due_row due[RIPEN_ROWS];
	if (!due_rows(tx, now_wall_ms, max < RIPEN_ROWS ? max : RIPEN_ROWS, temp, due, n, e))
		return false;
	for (size_t i = 0; i < *n; i++) {
		struct due_row *d = &due[i];
		int64_t ord;
		if (d->lane.n == 0 && !give_lane(tx, d->id, temp, &d->lane, &d->party, e))
			return false;
		if (!lane_enter(tx, d->lane, d->party, &ord, e) ||
		    !sql_run(tx, e, "UPDATE queue SET ripe = 1, ord = ?2 WHERE id = ?1", NUM(d->id), NUM(ord)))
			return false;
	}
	return true;
}

static bool unit_next_due(struct tx *tx, void *arg, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT due_ms FROM queue INDEXED BY queue_due WHERE state = 0 AND ripe = 0"
				     " ORDER BY due_ms LIMIT 1");
	*(int64_t *)arg = row_next(&r) ? row_num(&r, 0) : INT64_MAX;
	return rows_end(&r, e);
}

bool queue_next_due(struct store *st, int64_t *wall_ms, struct err *e)
{
	return store_read(st, unit_next_due, wall_ms, e);
}

/* --- lanes with work ------------------------------------------------------------------------------------ */

struct lanes_unit {
	int64_t now_wall_ms;
	const struct str *skip;
	size_t nskip, max;
	struct arena *a, temp;
	struct queue_lane *lanes;
	size_t n, ripened;
};

static bool unit_ripen(struct tx *tx, void *arg, struct err *e)
{
	struct lanes_unit *u = arg;
	arena_reset(&u->temp);
	return queue_ripen(tx, u->now_wall_ms, RIPEN_ROWS, &u->temp, &u->ripened, e);
}

/* Most often nothing has become due: then there is nothing to write. */
static bool ripen(struct store *st, struct lanes_unit *u, struct err *e)
{
	for (int i = 0; i < LANES_RIPEN_UNITS; i++) {
		int64_t due_wall_ms;
		if (!queue_next_due(st, &due_wall_ms, e))
			return false;
		if (due_wall_ms > u->now_wall_ms)
			return true;
		if (!store_do(st, unit_ripen, u, e))
			return false;
	}
	return true;
}

static bool skipped(const struct lanes_unit *u, struct str name)
{
	for (size_t i = 0; i < u->nskip; i++)
		if (str_eq(u->skip[i], name))
			return true;
	return false;
}

static bool lane_first(struct tx *tx, struct queue_lane *lane, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT due_ms FROM queue INDEXED BY queue_lane WHERE lane = ?1 AND state = 0"
				 " AND ripe = 1 ORDER BY ord LIMIT 1",
				 TEXT(lane->name));
	lane->due_wall_ms = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

static bool unit_lanes(struct tx *tx, void *arg, struct err *e)
{
	struct lanes_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT name, ripe FROM lane INDEXED BY lane_served ORDER BY served");
	u->lanes = ARENA_ARRAY(u->a, struct queue_lane, u->max);
	while (u->n < u->max && row_next(&r))
		if (!skipped(u, row_str(&r, 0)))
			u->lanes[u->n++] = (struct queue_lane){ row_dup(&r, 0, u->a), (uint64_t)row_num(&r, 1), 0 };
	if (!rows_end(&r, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (!lane_first(tx, &u->lanes[i], e))
			return false;
	return true;
}

bool queue_lanes(struct store *st, int64_t now_wall_ms, const struct str *skip, size_t nskip, size_t max,
		 struct arena *a, struct queue_lane **out, size_t *n, struct err *e)
{
	struct lanes_unit u = { .now_wall_ms = now_wall_ms,
				.skip = skip,
				.nskip = nskip,
				.max = max < QUEUE_PAGE ? max : QUEUE_PAGE,
				.a = a };
	bool ok = ripen(st, &u, e) && store_read(st, unit_lanes, &u, e);
	arena_reset(&u.temp);
	*out = u.lanes;
	*n = u.n;
	return ok;
}

/* --- claims --------------------------------------------------------------------------------------------- */

struct claim_unit {
	struct queue_claim *c;
	int64_t now_wall_ms;
	struct arena *a, temp;
	size_t most;
	int64_t at; /* the lane is served up to there */
};

struct queue_row queue_row_read(const struct rows *r, struct arena *a)
{
	struct str text[8];
	static const int columns[8] = { 3, 4, 5, 6, 7, 8, 9, 11 };
	for (size_t i = 0; i < 8; i++)
		text[i] = a ? row_dup(r, columns[i], a) : row_str(r, columns[i]);
	unsigned flags = (unsigned)row_num(r, 18);
	return (struct queue_row){
		.id = row_num(r, 0),
		.content_id = row_num(r, 1),
		.account = row_num(r, 2),
		.mailbox = text[0],
		.sender = text[1],
		.recipient = text[2],
		.dsn = text[3],
		.drop = text[4],
		.route = text[5],
		.lane = text[6],
		.state = (enum queue_state)row_num(r, 10),
		.why = text[7],
		.created_wall_ms = row_num(r, 12),
		.due_wall_ms = row_num(r, 13),
		.tried_wall_ms = row_num(r, 14),
		.attempts = (uint32_t)row_num(r, 15),
		.crashes = (uint32_t)row_num(r, 16),
		.size = (uint64_t)row_num(r, 17),
		.prefix = STR_NONE,
		.warned = flags & QUEUE_WARNED,
		.smtputf8 = flags & QUEUE_SMTPUTF8,
		.eight_bit = flags & QUEUE_EIGHT_BIT,
	};
}

/* Up to `max` rows of the answer; its last columns are prefix and ord. */
static bool claim_read(struct claim_unit *u, struct rows *r, size_t max, struct err *e)
{
	struct queue_claim *c = u->c;
	while (c->n < max && row_next(r)) {
		c->rows[c->n] = queue_row_read(r, u->a);
		c->rows[c->n++].prefix = row_dup(r, QUEUE_COLUMN_NEXT, u->a);
		if (!c->same_message || c->n == 1)
			u->at = row_num(r, QUEUE_COLUMN_NEXT + 1);
	}
	return rows_end(r, e);
}

static bool claim_find(struct tx *tx, struct claim_unit *u, struct err *e)
{
	struct queue_claim *c = u->c;
	size_t max = c->same_message ? 1 : u->most;
	struct rows r = sql_rows(tx,
				 "SELECT " QUEUE_COLUMNS ", q.prefix, q.ord FROM queue q INDEXED BY queue_lane"
				 " WHERE q.lane = ?1 AND q.state = 0 AND q.ripe = 1 ORDER BY q.ord, q.id LIMIT ?2",
				 TEXT(c->lane), NUM(max));
	return claim_read(u, &r, max, e);
}

/* Those that one transaction can carry with the first: what is sent must be the same to the octet, and so the way. */
static bool claim_others(struct tx *tx, struct claim_unit *u, struct err *e)
{
	const struct queue_row *first = &u->c->rows[0];
	struct rows r = sql_rows(
	    tx,
	    "SELECT " QUEUE_COLUMNS ", q.prefix, q.ord FROM queue q INDEXED BY queue_content"
	    " WHERE q.content_id = ?1 AND q.lane = ?2 AND q.state = 0 AND q.ripe = 1 AND q.id <> ?3"
	    " AND q.sender = ?4 AND q.route = ?5 AND q.prefix IS ?6 ORDER BY q.ord, q.id LIMIT ?7",
	    NUM(first->content_id), TEXT(u->c->lane), NUM(first->id), TEXT(first->sender), TEXT(first->route),
	    BLOB_OR_NULL(first->prefix), NUM(u->most - 1));
	return claim_read(u, &r, u->most, e);
}

static bool claim_mark(struct tx *tx, struct claim_unit *u, struct err *e)
{
	for (size_t i = 0; i < u->c->n; i++) {
		struct queue_row *row = &u->c->rows[i];
		if (!sql_run(tx, e,
			     "UPDATE queue SET state = 2, ripe = 0, lease = ?2, attempts = attempts + 1, tried_ms = ?3"
			     " WHERE id = ?1",
			     NUM(row->id), NUM(tx->st->incarnation), NUM(u->now_wall_ms)))
			return false;
		row->state = QUEUE_LEASED;
		row->attempts++;
		row->tried_wall_ms = u->now_wall_ms;
	}
	return lane_leave(tx, u->c->lane, u->c->n, u->at, e);
}

static bool claim_room(struct tx *tx, struct claim_unit *u, struct err *e)
{
	struct queue_claim *c = u->c;
	struct rows r = sql_rows(tx, "SELECT 1 FROM lane WHERE name = ?1", TEXT(c->lane));
	u->most = row_next(&r) ? c->max : 0; /* who finds nothing needs no slot */
	if (!rows_end(&r, e) || u->most == 0)
		return u->most == 0;
	u->most = u->most < QUEUE_CLAIM_MAX ? u->most : QUEUE_CLAIM_MAX;
	return !c->pace || pace_ask(tx, c->pace, u->now_wall_ms, &u->most, &c->wait_until_wall_ms, e);
}

static bool unit_claim(struct tx *tx, void *arg, struct err *e)
{
	struct claim_unit *u = arg;
	struct queue_claim *c = u->c;
	size_t ripened;
	arena_reset(&u->temp);
	c->n = 0;
	c->wait_until_wall_ms = 0;
	if (!queue_ripen(tx, u->now_wall_ms, CLAIM_RIPEN_ROWS, &u->temp, &ripened, e) || !claim_room(tx, u, e))
		return false;
	if (u->most == 0)
		return true;
	c->rows = ARENA_ARRAY(u->a, struct queue_row, u->most);
	if (!claim_find(tx, u, e) || (c->same_message && c->n == 1 && !claim_others(tx, u, e)))
		return false;
	return c->n == 0 || (claim_mark(tx, u, e) && (!c->pace || pace_take(tx, c->pace, u->now_wall_ms, c->n, e)));
}

bool queue_claim(struct store *st, int64_t now_wall_ms, struct queue_claim *c, struct arena *a, struct err *e)
{
	struct claim_unit u = { .c = c, .now_wall_ms = now_wall_ms, .a = a };
	c->rows = NULL;
	bool ok = store_do(st, unit_claim, &u, e);
	arena_reset(&u.temp);
	if (!ok)
		c->n = 0;
	return ok;
}

/* --- for store_check() ------------------------------------------------------------------------------------ */

#define COUNTED "SELECT lane AS name, count(*) AS ripe FROM queue WHERE state = 0 AND ripe = 1 GROUP BY lane"

bool lanes_wrong(struct tx *tx, int64_t *n, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT (SELECT count(*) FROM (SELECT name, ripe FROM lane EXCEPT " COUNTED
				     ")) + (SELECT count(*) FROM (" COUNTED " EXCEPT SELECT name, ripe FROM lane))");
	*n = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

bool lanes_recount(struct tx *tx, struct err *e)
{
	return sql_run(tx, e, "DELETE FROM lane") &&
	       sql_run(tx, e,
		       "INSERT INTO lane (name, ripe, at, served) SELECT lane, count(*), min(ord) - 1, min(id)"
		       " FROM queue WHERE state = 0 AND ripe = 1 GROUP BY lane");
}
