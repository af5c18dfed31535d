/* uid_cache.h - which UIDs of a mailbox are gone, as some session of this process has found out before; for store/
 * only.
 *
 * An entry is true for one modseq of its mailbox; whoever needs a later one adds what was expunged since
 * (sqlite_uids.c). It is only ever asked and told by readers, each with its own snapshot, so an entry may be newer than
 * who asks: then it is of no use to him, and he does not put his own in its place.
 *
 * At most UID_CACHE_ENTRIES and UID_CACHE_OCTETS: what was used longest ago goes. All functions are safe in any
 * thread; nothing is held outside of them: runs are copied in and out.
 */
#pragma once
#include "store/uid_runs.h"

#define UID_CACHE_ENTRIES 256
#define UID_CACHE_OCTETS  ((size_t)8 << 20)
#define UID_CACHE_LEAST   256 /* runs: fewer are read as fast */

struct uid_cache;
struct uid_cache *uid_cache_new(void);
void uid_cache_free(struct uid_cache *c);
/* Copies into `out`, which is empty, the runs at *modseq, not before `least` and not after `most`. False: none such. */
bool uid_cache_get(struct uid_cache *c, int64_t mailbox, uint64_t least, uint64_t most, struct runs *out,
		   uint64_t *modseq);
void uid_cache_put(struct uid_cache *c, int64_t mailbox, uint64_t modseq, const struct runs *gone);
