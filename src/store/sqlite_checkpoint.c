/* Two threads of the role that keeps the store: one checkpoints, one collects.
 *
 * Checkpoints run beside the commits: PASSIVE each PASSIVE_STEP of new WAL
 * (never waits for anybody).  It cannot start the WAL anew while commits keep
 * coming, so past conf.wal_turn we take a turn as if to write, and RESTART.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite_collect.h"
#include "store/sqlite_store.h"

#define PASSIVE_STEP ((uint64_t)4 << 20)
#define AHEAD_LEFT   ((uint64_t)1 << 20) /* what RESTART may find left to do ... */
#define AHEAD_TRIES  3                   /* ... or has to, if commits are as fast as we */
#define LOOK_MS      1000
#define COLLECT_MS   60000
#define SWEEP_MS     3600000
#define READERS_MS   100 /* how long RESTART waits for readers while we hold the turn */

struct keeper {
	struct store *st;
	struct tx tx; /* the checkpointer's own */
	pthread_t checkpointer, collector;
	bool started[2];
	_Atomic uint32_t stopping; /* futex */
	int64_t restart_mono_ms;   /* last try */
};

void keeper_wal(struct store *st, uint64_t octets)
{
	struct shared *sh = st->shared;
	atomic_store(&sh->wal_octets, octets);
	uint64_t mark = atomic_load(&sh->wal_mark);
	if (octets < mark)
		atomic_store(&sh->wal_mark, 0); /* it began anew */
	else if (octets - mark >= PASSIVE_STEP) {
		atomic_fetch_add(&sh->wal_bell, 1);
		futex_wake(&sh->wal_bell);
	}
}

static bool checkpoint(struct keeper *k, int mode, int *frames, int *moved)
{
	struct err e;
	int rc = sqlite3_wal_checkpoint_v2(k->tx.db, "main", mode, frames, moved);
	if (rc == SQLITE_OK)
		return true;
	if (rc != SQLITE_BUSY) { /* busy: readers or a writer; it went as far as it could */
		tx_fail(&k->tx, rc, &e);
		log_warn("store.checkpoint_failed", KVZ("why", e.text));
	}
	return false;
}

static void passive(struct keeper *k)
{
	int frames = -1, moved = -1;
	checkpoint(k, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
	if (frames >= 0)
		atomic_store(&k->st->shared->wal_mark, (uint64_t)frames * FRAME_SIZE);
}

/* With the writers held off: move what is left, and let the next commit begin at the front. */
static void restart(struct keeper *k)
{
	struct shared *sh = k->st->shared;
	struct err e;
	int frames, moved;
	k->restart_mono_ms = clock_mono_ms();
	/* Everybody waits while we hold the turn: so first as much as can be moved beside the commits. */
	for (int i = 0; i < AHEAD_TRIES && atomic_load(&sh->wal_octets) > atomic_load(&sh->wal_mark) + AHEAD_LEFT; i++)
		passive(k);
	if (!turn_take(sh, "checkpointer", &e)) {
		log_warn("store.checkpoint_late", KVZ("why", e.text));
		return;
	}
	if (checkpoint(k, SQLITE_CHECKPOINT_RESTART, &frames, &moved)) {
		atomic_store(&sh->wal_octets, 0);
		atomic_store(&sh->wal_mark, 0);
	}
	turn_give(sh);
}

static void *checkpointer_run(void *arg)
{
	struct keeper *k = arg;
	struct shared *sh = k->st->shared;
	passive(k); /* what the last server left */
	while (!atomic_load(&k->stopping)) {
		uint32_t seen = atomic_load(&sh->wal_bell);
		uint64_t used = atomic_load(&sh->wal_octets), mark = atomic_load(&sh->wal_mark);
		if (used < mark + PASSIVE_STEP)
			futex_wait(&sh->wal_bell, seen, LOOK_MS);
		else if (!atomic_load(&k->st->broken))
			passive(k);
		/* A reader that stays keeps RESTART from succeeding: not tried at each step. */
		if (atomic_load(&sh->wal_octets) >= k->st->conf.wal_turn &&
		    clock_mono_ms() - k->restart_mono_ms >= READERS_MS * 2 && !atomic_load(&k->st->broken))
			restart(k);
	}
	return NULL;
}

static void *collector_run(void *arg)
{
	struct keeper *k = arg;
	for (int64_t swept_mono_ms = -SWEEP_MS; !atomic_load(&k->stopping);) {
		uint64_t contents = 0, files = 0;
		struct err e;
		bool sweep = clock_mono_ms() - swept_mono_ms >= SWEEP_MS;
		if (sweep)
			swept_mono_ms = clock_mono_ms();
		if (!collect(k->st, sweep, &contents, &files, &e))
			log_warn("store.collect_failed", KVZ("why", e.text));
		else if (contents + files > 0)
			log_info("store.collected", KVN("contents", contents), KVN("files", files));
		if (!atomic_load(&k->stopping))
			futex_wait(&k->stopping, 0, COLLECT_MS);
	}
	return NULL;
}

struct keeper *keeper_new(struct store *st, struct err *e)
{
	struct keeper *k = calloc(1, sizeof *k);
	if (!k)
		abort();
	k->st = st;
	if (!tx_open(&k->tx, st->path, TX_WRITER, e)) {
		free(k);
		return NULL;
	}
	k->tx.st = st;
	sqlite3_busy_timeout(k->tx.db, READERS_MS);
	k->started[0] = pthread_create(&k->checkpointer, NULL, checkpointer_run, k) == 0;
	k->started[1] = pthread_create(&k->collector, NULL, collector_run, k) == 0;
	if (k->started[0] && k->started[1]) {
		pthread_setname_np(k->checkpointer, "store-wal");
		pthread_setname_np(k->collector, "store-collect");
		return k;
	}
	err_set(e, ERR_TEMP, "start the store's threads: no more threads");
	keeper_free(k);
	return NULL;
}

static bool unit_touch(struct tx *tx, void *arg, struct err *e)
{
	(void)arg;
	return sql_run(tx, e, "UPDATE meta SET value = value WHERE key = 'incarnation'");
}

/* A WAL that is kept is read through when the store is next opened.  Begun anew, there is little to read. */
static void leave_short(struct keeper *k)
{
	struct err e;
	if (!k->started[0] || atomic_load(&k->st->broken) || atomic_load(&k->st->shared->wal_octets) < PASSIVE_STEP)
		return;
	passive(k);
	restart(k);
	store_do(k->st, unit_touch, NULL, &e); /* its failure costs a slower start */
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	atomic_store(&k->stopping, 1);
	futex_wake(&k->stopping);
	atomic_fetch_add(&k->st->shared->wal_bell, 1);
	futex_wake(&k->st->shared->wal_bell);
	if (k->started[0])
		pthread_join(k->checkpointer, NULL);
	if (k->started[1])
		pthread_join(k->collector, NULL);
	leave_short(k);
	tx_close(&k->tx);
	free(k);
}
