/* search_write.h - the indexer's side of the full-text index (search.h).
 *
 * One thread of one process at a time holds the lock and calls what stands
 * here.  Nothing is synced on the way: after a crash of the process the files
 * are whole (SQLite's journal), after a power cut those that were written since
 * their last sync may be wrong without showing it.  So before an account is
 * written its number stands, synced, in a list (search_wet); who finds an
 * account there after another boot of the machine throws its file away.
 * search_dry() syncs files that have rested, and strikes them off.
 */
#pragma once
#include "store/search.h"

/* Become the writer. False with ERR_NONE: another process is. */
bool search_lock(struct search_index *x, struct err *e);
/* Sync what can be synced in `ms`, and let the next one write. */
void search_unlock(struct search_index *x, int64_t ms);

/* Accounts that ring this slot of the bell; slot -1: all. */
bool search_accounts(struct store *st, int slot, struct arena *a, int64_t **ids, size_t *n, struct err *e);
/* These may be written from now on. */
bool search_wet(struct search_index *x, const int64_t *accounts, size_t n, struct err *e);
/* Sync the files of accounts that nobody has written for `idle_ms`; a few at a time. */
bool search_dry(struct search_index *x, int64_t idle_ms, struct err *e);
/* Remove the files that searches of this process found damaged; these are named. */
bool search_mend(struct search_index *x, struct arena *a, int64_t **damaged, size_t *n, struct err *e);
/* Remove the files of accounts that are no more. */
bool search_sweep(struct search_index *x, struct err *e);
/* Close all that is open and not in use. */
void search_rest(struct search_index *x);

/* Messages of a mailbox up to `uid` have been looked at. */
struct search_mark {
	int64_t mailbox;
	uint32_t uid;
};
/* What the account's file has. */
struct search_have {
	int64_t file;              /* which file it is; 0: there is none */
	struct search_mark *marks; /* ascending by mailbox */
	size_t n;
	uint64_t contents;
};
/* A damaged file is removed: there is none. */
bool search_have(struct search_index *x, int64_t account, struct arena *a, struct search_have *have, struct err *e);
/* known[i]: contents[i] is in already. */
bool search_known(struct search_index *x, int64_t account, const int64_t *contents, size_t n, bool *known,
		  struct err *e);
struct search_doc {
	int64_t content;
	struct str head, body; /* folded; pieces end with SEARCH_END, over which no needle goes */
	bool unsure;           /* not all of it */
};
#define SEARCH_END '\xff'
/* All or nothing. `file`: what search_have() said; 0 makes one.  If it is another one meanwhile, nothing is done, and
 * that is no failure: who forgot it has rung the bell. */
bool search_put(struct search_index *x, int64_t account, int64_t file, const struct search_doc *docs, size_t ndocs,
		const struct search_mark *marks, size_t nmarks, struct err *e);
/* How many contents of the account's file no message of the account has any more; looks through all of them, a unit at
 * a time, until *stop. */
bool search_dead(struct search_index *x, int64_t account, const _Atomic bool *stop, uint64_t *dead, struct err *e);
bool search_drop(struct search_index *x, int64_t account, struct err *e);
