/* queue.h - mail that is to leave.
 *
 * One row per recipient.  States and the statement that moves a row on stand
 * at the top of sqlite_queue.c.  Claiming is a lease that belongs to a role's
 * incarnation and ends with it.  Delivery itself follows later; until then
 * rows wait, are listed and removed.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define QUEUE_PAGE 256 /* rows that queue_list() gives at most */

enum queue_state { QUEUE_WAITING, QUEUE_HELD }; /* stored: never given another meaning */

struct store;
struct queue_row {
	int64_t id, content_id;
	struct str sender, recipient, dsn;
	struct str state; /* "waiting", "held", ... */
	int64_t created_wall_ms, due_wall_ms;
	uint32_t attempts;
	uint64_t size;
	int64_t account; /* not 0: it waits for room in a mailbox of ours, by no address; it may be gone meanwhile */
	struct str mailbox;
};
bool queue_list(struct store *st, int64_t after_id, size_t max, struct arena *a, struct queue_row **out, size_t *n,
		struct err *e);
bool queue_remove(struct store *st, int64_t id, struct err *e); /* ERR_PERM: no such row */
bool queue_count(struct store *st, uint64_t *n, struct err *e);
