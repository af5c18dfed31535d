/* sqlite_expunge.h - taking message rows away inside a unit; for store/ only. */
#pragma once
#include "store/sqlite_box.h"

struct gone_row {
	int64_t key, content_id;
	unsigned flags;
	uint64_t size;
};
/* Remove rows (ascending), count them out of `b`, remember their UIDs with a modseq for each run, and tell the
 * collector. */
bool rows_expunge(struct tx *tx, struct box *b, const struct gone_row *rows, size_t n, struct err *e);
/* After the unit that expunged: while over EXPUNGED_MAX records are kept of the mailbox, turn the oldest into plain
 * UIDs (sqlite_uids.h), in units.  What cannot be done now the next does. */
void expunged_trim(struct store *st, int64_t mailbox);
/* Only remove and tell the collector: the mailbox itself is going. */
bool rows_purge(struct tx *tx, const struct gone_row *rows, size_t n, struct err *e);
