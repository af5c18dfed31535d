/* shared.h - the memory that all roles of one server map: turns, bells, who lives.
 *
 * A plain robust mutex is not fair: who unlocks and locks again at once
 * starves the others.  So writing takes two: take `next`, take `turn`, give
 * `next`; whoever holds `next` is first in line.  Neither guards data of its
 * own (SQLite recovers itself), so a dead owner's lock is simply taken over.
 *
 * The table of live incarnations says whose content files may still be
 * without a row.  `collecting` is held by the collector, and by a backup to
 * keep the collector away.
 *
 * Mapped from a sealed memfd of fixed size, so that no role can shrink it under another.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "store/bell.h"

#define TURN_MS      2000 /* longer than this and the caller hears ERR_TEMP */
#define SHARED_ROLES 64   /* stores open at once: two generations of roles, and some */

struct shared {
	uint32_t magic, size;
	pthread_mutex_t next, turn, collecting; /* robust, process-shared */
	_Atomic int32_t holder;                 /* pid that has the turn */
	_Atomic uint64_t holder_role[2];        /* and its name */
	_Atomic bool check_wanted;              /* a sync failed: the next to open checks first */
	_Atomic uint64_t wal_octets;            /* how far the WAL is used, told by each commit */
	_Atomic uint64_t wal_mark;              /* how far it was when last checkpointed */
	_Atomic uint32_t wal_bell;              /* futex: the checkpointer has work */
	_Atomic uint64_t live[SHARED_ROLES];    /* incarnation << 32 | pid; 0 = free */
	_Atomic uint32_t ring_all, waiting;     /* futex of bell_wait; how many wait there */
	_Atomic uint32_t ring[BELL_SLOTS + 1];
};

/* fd -1: memory of this process alone. */
struct shared *shared_map(int fd, struct err *e);
void shared_unmap(struct shared *sh);

bool turn_take(struct shared *sh, const char *role, struct err *e);
void turn_give(struct shared *sh);
/* Up to `ms`; false: somebody else is at it. */
bool collecting_take(struct shared *sh, int64_t ms);
void collecting_give(struct shared *sh);

bool incarnation_enter(struct shared *sh, uint32_t incarnation);
void incarnation_leave(struct shared *sh, uint32_t incarnation);
/* False once its process is gone. */
bool incarnation_alive(struct shared *sh, uint32_t incarnation);

/* Wait until *word differs from `seen`, or is woken, at most `ms`. */
void futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t ms);
void futex_wake(_Atomic uint32_t *word);
