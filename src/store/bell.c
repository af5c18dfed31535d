#include "store/bell.h"

#include "store/sqlite_store.h"

unsigned bell_slot(int64_t account_id)
{
	return (unsigned)((uint64_t)account_id % BELL_SLOTS);
}

static void wake(struct shared *sh)
{
	atomic_fetch_add(&sh->ring_all, 1);
	/* A waiter that was killed leaves this too high: that costs a call, no more. */
	if (atomic_load(&sh->waiting) > 0)
		futex_wake(&sh->ring_all);
}

void bell_ring(struct store *st, unsigned slot)
{
	atomic_fetch_add(&st->shared->ring[slot], 1);
	wake(st->shared);
}

uint32_t bell_seq(struct store *st, unsigned slot)
{
	return atomic_load(&st->shared->ring[slot]);
}

void bell_wait(struct store *st, uint32_t *all, int64_t ms)
{
	struct shared *sh = st->shared;
	atomic_fetch_add(&sh->waiting, 1);
	if (atomic_load(&sh->ring_all) == *all)
		futex_wait(&sh->ring_all, *all, ms);
	atomic_fetch_sub(&sh->waiting, 1);
	*all = atomic_load(&sh->ring_all);
}

void bell_nudge(struct store *st)
{
	wake(st->shared);
}
