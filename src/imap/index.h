/* index.h - the indexer: a thread of the imap role that keeps the full-text index behind delivery.
 *
 * It looks at the bell every look_ms (INDEX_LOOK_MS): an account whose slot changed is
 * compared with its index file, and what is new goes in, a batch in one
 * transaction.  At the start all accounts are compared once.  An account that
 * is far behind (an import, a file that is made anew) is worked off a batch at
 * a time between the others, and then no more than half of the time.
 *
 * It runs at low priority, reads the store by pages, writes only its own
 * files, and stops while the disk's reserve is reached.  Of several processes
 * one indexes; another waits for it to leave.  Nobody waits for the indexer: SEARCH
 * looks itself at what is not indexed yet.
 */
#pragma once
#include "store/search.h"

#define INDEX_LOOK_MS 2000

struct indexer;
struct indexer *indexer_start(struct store *st, struct search_index *x, int64_t look_ms, struct err *e);
/* Begin to stop: another process may take over. Any thread. */
void indexer_leave(struct indexer *ix);
/* Stop and wait for it; NULL is fine. At most a batch and a second. */
void indexer_stop(struct indexer *ix);
