/* check.h - is the store whole, and a copy of it that is.
 *
 * `progress` is called now and then with what is being done, how far, of how many (0 = unknown); may be NULL.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct store;
typedef void (*progress_fn)(void *ctx, const char *what, uint64_t done, uint64_t total);

struct check_report {
	uint64_t accounts, mailboxes, messages, contents, files, queue;
	uint64_t problems, repaired;
	struct buf text; /* a line for each problem: what, where, what was or can be done. Caller frees. */
};
/* Database integrity, every content readable and its checksum right (unless quick), counters, UIDs below uidnext, rows
 * without content, orphan files and contents. With `repair` what is derivable is mended. False only when it could not
 * run. */
bool store_check(struct store *st, bool quick, bool repair, progress_fn progress, void *ctx, struct check_report *out,
		 struct err *e);
/* A consistent copy into the new or empty folder `dir` while we run: one snapshot (VACUUM INTO), then content files
 * hard-linked (or copied across file systems), collector paused. Verified by opening it. */
bool store_backup(struct store *st, const char *dir, progress_fn progress, void *ctx, struct err *e);
/* Put the backup in `from` in place of `to` (which must be empty or absent); no server running. Takes auth.db along
 * when it is there. Every mailbox gets a new UIDVALIDITY, because UIDs given after the backup will be given again. */
bool store_restore(const char *from, const char *to, progress_fn progress, void *ctx, struct err *e);
/* Remove contents no row names and files of dead incarnations. The checkpointing role calls it at start and now and
 * then. */
bool store_collect(struct store *st, uint64_t *contents, uint64_t *files, struct err *e);
