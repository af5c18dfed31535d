/* sqlite_queue.h - rows of the queue, as units write them; for store/ only.
 *
 * A row that waits and is due ("ripe") has a place in its lane, and the lane's row counts it.  Only the functions here
 * change state, ripe, lane, party or ord of a row, so that the counts are right.
 */
#pragma once
#include "store/queue.h"
#include "store/sqlite_tx.h"

#define RIPEN_ROWS 500 /* of one unit */

/* --- sqlite_queue.c: rows and their places ------------------------------------------------- */

struct queue_new {
	int64_t content_id, account, created_wall_ms, due_wall_ms;
	uint64_t size;
	struct str mailbox, sender, recipient, dsn, drop, route, prefix;
	struct str hold; /* why it begins as held; empty: it waits */
	bool smtputf8, eight_bit;
};
/* Temporary memory comes from `temp`. */
bool queue_insert(struct tx *tx, const struct queue_new *q, int64_t now_wall_ms, struct arena *temp, int64_t *id,
		  struct err *e);

struct queue_at { /* what must be known of a row to move it */
	int64_t id, content_id, account, lease;
	enum queue_state state;
	bool ripe;
	uint32_t attempts, crashes;
	struct str lane, party;
};
/* Strings are in `temp`.  A row of an earlier version is given its lane. */
bool queue_at(struct tx *tx, int64_t id, struct arena *temp, struct queue_at *at, bool *there, struct err *e);
/* To any state.  It leaves its place if it has one; a row that is to wait takes a new one when it is due. */
bool queue_wait(struct tx *tx, const struct queue_at *at, struct str lane, int64_t due_wall_ms, int64_t now_wall_ms,
		struct err *e);
bool queue_hold(struct tx *tx, const struct queue_at *at, struct str why, struct err *e);
bool queue_drop(struct tx *tx, const struct queue_at *at, struct err *e); /* and the collector is told */
/* Where a row goes when nothing else says. */
bool queue_home(struct tx *tx, int64_t id, struct arena *temp, struct str *lane, struct err *e);
/* Up to `max` rows that have become due take their places; *n says how many did. */
bool queue_ripen(struct tx *tx, int64_t now_wall_ms, size_t max, struct arena *temp, size_t *n, struct err *e);
/* Rows leave their places: the lane counts `n` less, and goes with the last.  at >= 0: it was served up to there. */
bool lane_leave(struct tx *tx, struct str lane, size_t n, int64_t at, struct err *e);
/* For store_check(): lanes whose counts differ from their rows; and all made anew. */
bool lanes_wrong(struct tx *tx, int64_t *n, struct err *e);
bool lanes_recount(struct tx *tx, struct err *e);

/* The columns of a struct queue_row, in the order of queue_row_read(). */
#define QUEUE_COLUMNS                                                                                              \
	"q.id, q.content_id, q.account_id, q.mailbox, q.sender, q.recipient, q.dsn, q.drop_name, q.route, q.lane," \
	" q.state, q.why, q.created_ms, q.due_ms, q.tried_ms, q.attempts, q.crashes, q.size, q.flags"
#define QUEUE_COLUMN_NEXT 19
struct queue_row queue_row_read(const struct rows *r, struct arena *a);
enum queue_flag { QUEUE_WARNED = 1, QUEUE_SMTPUTF8 = 2, QUEUE_EIGHT_BIT = 4 }; /* stored */

/* --- sqlite_pace.c ---------------------------------------------------------------------------- */

/* How many may go now: *most is brought down to it; at 0 *wait_wall_ms says when to ask again. */
bool pace_ask(struct tx *tx, const struct queue_pace *p, int64_t now_wall_ms, size_t *most, int64_t *wait_wall_ms,
	      struct err *e);
/* `n` of them go.  In the unit that asked. */
bool pace_take(struct tx *tx, const struct queue_pace *p, int64_t now_wall_ms, size_t n, struct err *e);

/* --- sqlite_queue_rules.c ----------------------------------------------------------------------- */

struct hold_rules { /* of one unit: read at the first question */
	bool read;
	struct hold_rule *rules;
	size_t n;
};
/* `why` is empty when no rule matches, else in `temp`. */
bool hold_asked(struct tx *tx, struct hold_rules *h, struct str sender, struct str recipient, struct arena *temp,
		struct str *why, struct err *e);
bool suppress_put(struct tx *tx, int64_t account, struct str address, struct str why, int64_t until_wall_ms,
		  struct arena *temp, struct err *e);
/* What follows the last "@"; empty when there is none. */
struct str recipient_domain(struct str recipient);
