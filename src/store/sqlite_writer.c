/* Group commit.
 *
 * Sessions queue units and sleep; the writer's thread takes what has gathered
 * (at most BATCH), runs it in one BEGIN IMMEDIATE .. COMMIT and wakes them.
 * While it waits for the disk the next batch gathers, so the batches grow
 * with the load and nobody waits for company.
 *
 * No savepoints: SQLITE_FULL inside one rolls back the whole transaction.  A
 * unit that failed before it wrote anything leaves the batch whole; any other
 * failure rolls all back, and each unit is run again alone.  Results are told
 * only after COMMIT: a unit may have failed because of what another, then undone, had written.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite_store.h"

#define BATCH     64
#define WAL_AHEAD ((uint64_t)2 << 20) /* the WAL file is kept this much longer than used */
#define WAL_GROW  ((uint64_t)4 << 20)
#define UNIT_SLOW 100 /* ms */

struct unit {
	unit_fn fn;
	void *arg;
	struct err err;
	bool ok;
	_Atomic uint32_t done; /* futex */
	struct unit *next;
};

struct writer {
	struct store *st;
	struct tx tx; /* the thread's own, as wal_fd */
	int wal_fd;
	pthread_t thread;
	pthread_mutex_t mu;
	pthread_cond_t work;
	struct unit *first, **last; /* guarded by mu, as all below */
	bool asleep, stopping;
};

/* --- the WAL file -------------------------------------------------------- */

/* With the turn.  Zeroes past the end are never taken for frames; a commit that overwrites them need not
 * change the file's length, so its sync is one write.  Failing is no harm: SQLite extends the file itself. */
static void wal_grow(struct writer *w)
{
	static const char zeroes[64 << 10];
	struct stat sb;
	struct err full;
	uint64_t used = atomic_load(&w->st->shared->wal_octets);
	if (w->wal_fd < 0 || fstat(w->wal_fd, &sb) < 0 || (uint64_t)sb.st_size >= used + WAL_AHEAD)
		return;
	if (!store_room(w->st, WAL_GROW, &full))
		return;
	uint64_t from = (uint64_t)sb.st_size, to = from + WAL_GROW;
	for (uint64_t at = from; at < to; at += sizeof zeroes)
		if (pwrite(w->wal_fd, zeroes, sizeof zeroes, (off_t)at) != (ssize_t)sizeof zeroes)
			return;
}

static int committed(void *ctx, sqlite3 *db, const char *name, int frames)
{
	(void)db;
	(void)name;
	struct writer *w = ctx;
	keeper_wal(w->st, (uint64_t)frames * FRAME_SIZE);
	return SQLITE_OK;
}

/* --- a batch -------------------------------------------------------------- */

static void rollback(struct tx *tx)
{
	struct err ignored; /* SQLite may have rolled back by itself: then there is nothing to undo */
	if (!sqlite3_get_autocommit(tx->db))
		sql_run(tx, &ignored, "ROLLBACK");
}

static bool commit(struct writer *w, struct err *e)
{
	int64_t begun = clock_mono_ms();
	if (!sql_run(&w->tx, e, "COMMIT"))
		return false;
	int64_t ms = clock_mono_ms() - begun;
	if (ms > atomic_load(&w->st->commit_ms_max))
		atomic_store(&w->st->commit_ms_max, ms);
	atomic_fetch_add(&w->st->commits, 1);
	return true;
}

static void fail_all(struct unit **units, size_t n, const struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		units[i]->ok = false;
		units[i]->err = *e;
	}
}

/* False: it wrote something and failed, so the transaction cannot be kept. */
static bool unit_run(struct tx *tx, struct unit *u)
{
	int64_t before = sqlite3_total_changes64(tx->db);
	u->err = (struct err){ 0 };
	u->ok = u->fn(tx, u->arg, &u->err);
	bool open = !sqlite3_get_autocommit(tx->db);
	if (u->ok && !open)
		u->ok = err_set(&u->err, ERR_TEMP, "the transaction was lost"); /* a unit overlooked an error */
	return u->ok || (open && sqlite3_total_changes64(tx->db) == before);
}

/* One transaction.  False: nothing of it stands, and each unit should be tried alone. */
static bool batch_try(struct writer *w, struct unit **units, size_t n)
{
	struct err e = { 0 };
	if (store_broken(w->st, &e) || !turn_take(w->st->shared, w->st->role, &e)) {
		fail_all(units, n, &e);
		return true;
	}
	wal_grow(w);
	int64_t begun = clock_mono_ms();
	bool begin = sql_run(&w->tx, &e, "BEGIN IMMEDIATE"), ok = begin;
	for (size_t i = 0; ok && i < n; i++)
		ok = unit_run(&w->tx, units[i]);
	int64_t ms = clock_mono_ms() - begun;
	bool done = ok && commit(w, &e);
	if (!done)
		rollback(&w->tx);
	turn_give(w->st->shared);
	if (ms > UNIT_SLOW)
		log_notice("store.slow_units", KVZ("role", w->st->role), KVN("units", n), KVN("ms", ms));
	if (done)
		return true;
	if (begin && n > 1 && !atomic_load(&w->st->broken))
		return false;
	/* Begin or commit failed, or the store broke meanwhile; else the unit has said why itself. */
	if (!begin || ok || store_broken(w->st, &e))
		fail_all(units, n, &e);
	return true;
}

static void batch_run(struct writer *w, struct unit **units, size_t n)
{
	atomic_fetch_add(&w->st->units, n);
	if (batch_try(w, units, n))
		return;
	atomic_fetch_add(&w->st->alone, n);
	for (size_t i = 0; i < n; i++)
		batch_try(w, &units[i], 1);
}

/* --- the thread ----------------------------------------------------------- */

/* The units' own futexes: of this process alone, which costs the kernel less than those in shared memory. */
static void unit_wake(_Atomic uint32_t *done)
{
	atomic_store(done, 1); /* from here on the unit may be gone; waking nobody is no harm */
	syscall(SYS_futex, done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void unit_wait(_Atomic uint32_t *done)
{
	while (!atomic_load(done))
		syscall(SYS_futex, done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static size_t gather(struct writer *w, struct unit **units)
{
	size_t n = 0;
	pthread_mutex_lock(&w->mu);
	while (!w->first && !w->stopping) {
		w->asleep = true;
		pthread_cond_wait(&w->work, &w->mu);
	}
	w->asleep = false;
	for (; w->first && n < BATCH; n++) {
		units[n] = w->first;
		w->first = w->first->next;
	}
	if (!w->first)
		w->last = &w->first;
	pthread_mutex_unlock(&w->mu);
	return n;
}

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	struct unit *units[BATCH];
	for (size_t n; (n = gather(w, units)) > 0;) {
		batch_run(w, units, n);
		for (size_t i = 0; i < n; i++)
			unit_wake(&units[i]->done);
	}
	return NULL;
}

bool store_do(struct store *st, unit_fn fn, void *arg, struct err *e)
{
	struct writer *w = st->writer;
	struct unit u = { .fn = fn, .arg = arg };
	if (store_broken(st, e))
		return false;
	pthread_mutex_lock(&w->mu);
	*w->last = &u;
	w->last = &u.next;
	if (w->asleep)
		pthread_cond_signal(&w->work);
	w->asleep = false;
	pthread_mutex_unlock(&w->mu);
	unit_wait(&u.done);
	if (!u.ok)
		*e = u.err;
	return u.ok;
}

/* --- opening ---------------------------------------------------------------- */

static bool incarnation_new(struct writer *w, struct err *e)
{
	int64_t n = 0;
	bool ok = sql_run(&w->tx, e, "BEGIN IMMEDIATE") && meta_next(&w->tx, STR("incarnation"), 1, &n, e) &&
		  commit(w, e);
	if (!ok) {
		rollback(&w->tx);
		return false;
	}
	w->st->incarnation = (uint32_t)n;
	if (!incarnation_enter(w->st->shared, (uint32_t)n))
		return err_set(e, ERR_TEMP, "over %d processes have the store open", SHARED_ROLES);
	return true;
}

/* Under the turn: two roles may come to an empty folder at once. */
static bool writer_open(struct writer *w, struct err *e)
{
	struct store *st = w->st;
	char wal[PATH_MAX + 8];
	if (!tx_open(&w->tx, st->path, st->conf.create ? TX_CREATE : TX_WRITER, e))
		return false;
	w->tx.st = st;
	sqlite3_wal_hook(w->tx.db, committed, w);
	bool ok = schema_migrate(&w->tx, e) && incarnation_new(w, e);
	/* The disk is full, but the WAL is long: once worked off it is written again from the front, and
	 * what is there can be read. */
	if (!ok && e->kind == ERR_FULL && !w->st->incarnation) {
		sqlite3_wal_checkpoint_v2(w->tx.db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		ok = schema_migrate(&w->tx, e) && incarnation_new(w, e);
	}
	if (!ok)
		return false;
	/* Not the database file: closing a second descriptor of that one would drop SQLite's locks. */
	snprintf(wal, sizeof wal, "%s-wal", st->path);
	w->wal_fd = open(wal, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return true;
}

struct writer *writer_new(struct store *st, struct err *e)
{
	struct writer *w = calloc(1, sizeof *w);
	if (!w)
		abort();
	w->st = st;
	w->wal_fd = -1;
	w->last = &w->first;
	pthread_mutex_init(&w->mu, NULL);
	pthread_cond_init(&w->work, NULL);
	bool ok = turn_take(st->shared, st->role, e);
	if (ok) {
		ok = writer_open(w, e);
		turn_give(st->shared);
	}
	if (ok && (errno = pthread_create(&w->thread, NULL, writer_run, w)) != 0)
		ok = err_sys(e, "start", "the store's writer");
	if (ok) {
		pthread_setname_np(w->thread, "store-writer");
		return w;
	}
	w->stopping = true;
	w->thread = 0;
	writer_free(w);
	return NULL;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mu);
	w->stopping = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->mu);
	if (w->thread)
		pthread_join(w->thread, NULL);
	tx_close(&w->tx);
	if (w->wal_fd >= 0)
		close(w->wal_fd);
	pthread_mutex_destroy(&w->mu);
	pthread_cond_destroy(&w->work);
	free(w);
}
