/* db.h - the store: one database per trust, one writer per role, commits shared.
 *
 * Sessions hand the writer *units of work* and wait.  What has gathered is run
 * in one transaction without savepoints; only a successful COMMIT is success.
 * If anything in the batch fails, it is rolled back and each unit is run again
 * alone: so a unit is a function that may be run twice, and it keeps its
 * results in its own argument, written anew by each run.  No unit takes over
 * 20 ms or 500 rows; longer work is a series of units.
 *
 * Several roles write: a turnstile in shared memory gives them fair turns.
 * Readers borrow a connection from a small pool for one short read; a read
 * never spans a write to a client: read at most 256 rows or 1 MiB, end it,
 * send, go on from the last key.
 *
 * The verbs of mail stand in account.h, mailbox.h, queue.h and content.h; this header
 * is what they share.  SQL is seen by store/ only (sqlite_*.c), so that another engine can follow.
 *
 * Full disk, reserve reached or WAL past its limit: ERR_FULL.  A failed sync: the store marks
 * itself broken, everything fails with ERR_TEMP, and store_broken() tells the
 * role to exit; it is checked before the next use.
 *
 * All functions are safe in any thread unless said otherwise.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct store;
struct store_conf {
	const char *dir; /* the data folder; created 0700 if `create` */
	bool create;
	const char *role;         /* for logs and the turnstile */
	int shared_fd;            /* store_shared_new(); -1: private to this process */
	unsigned readers;         /* default 8 */
	uint64_t reserve;         /* refuse new mail below this much free space; default 128 MiB */
	uint64_t wal_turn;        /* WAL size at which the checkpointer takes a turn; default 64 MiB */
	uint64_t wal_max;         /* WAL size at which new mail gets ERR_FULL; default 1 GiB */
	uint64_t staging;         /* memory budget for staged messages; default 64 MiB */
	bool checkpointer;        /* this role checkpoints and collects orphans (exactly one does) */
	int64_t (*wall_ms)(void); /* default clock_wall_ms; tests step it */
};

/* Turnstile locks, bell sequences and the table of live incarnations, for all roles
 * of one server: a memfd of fixed size. The parent makes it once. -1 on failure. */
int store_shared_new(struct err *e);

struct store *store_open(const struct store_conf *conf, struct err *e); /* migrates if needed */
void store_close(struct store *st);
/* A sync failed or the disk lied: answer 451 and exit. Why is in `e`. */
bool store_broken(struct store *st, struct err *e);
/* May new mail be taken (free space, WAL)? Cheap (cached for a second): ask at MAIL and before DATA. */
bool store_room(struct store *st, uint64_t octets, struct err *e);
/* Unique per opened store in the life of the data folder; names files, owns leases. */
uint32_t store_incarnation(const struct store *st);

struct store_stat {
	uint64_t units, commits, alone, syncs; /* alone: units run again by themselves */
	uint64_t wal_octets, staged_octets;
	int64_t commit_ms_max;
};
void store_stat(struct store *st, struct store_stat *out);

/* --- for the modules of store/ only ------------------------------------ */

struct tx; /* a transaction in progress: sqlite_tx.h */
typedef bool (*unit_fn)(struct tx *tx, void *arg, struct err *e);
/* Run `fn` in the next batch and wait for its commit. Not from inside a unit or a read. */
bool store_do(struct store *st, unit_fn fn, void *arg, struct err *e);
/* Borrow a reader for `fn`: inside, one consistent snapshot. Keep it short. */
bool store_read(struct store *st, unit_fn fn, void *arg, struct err *e);
