/* sqlite_deliver.h - delivery as part of a larger unit; for store/ only.
 *
 *	deliver_ready()	before the unit: what takes time and no lock
 *	deliver_in()	in the unit; may run again after a rollback
 *	deliver_done()	after it, committed or not
 */
#pragma once
#include "store/sqlite_box.h"
#include "store/sqlite_content.h"
#include "store/sqlite_queue.h"

struct deliver_unit {
	struct delivery *const *all;
	size_t n;
	struct packed *packed; /* of each */
	int64_t now_wall_ms;
	/* what follows is sqlite_deliver.c's */
	struct box one; /* of the only target, when there is one: it is looked for once */
	bool one_found;
	int64_t many_in; /* a mailbox with many records of what was expunged: some are to be forgotten */
	struct hold_rules holds;
	struct arena temp; /* of one run */
};
size_t deliver_rows(const struct deliver_unit *u); /* how much of UNIT_ROWS it takes */
bool deliver_ready(struct deliver_unit *u, struct err *e);
bool deliver_in(struct tx *tx, struct deliver_unit *u, struct err *e);
void deliver_done(struct store *st, struct deliver_unit *u, bool committed);
