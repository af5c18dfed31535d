#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/sqlite_junk.h"
#include "store/sqlite_store.h"
#include "store/uid_cache.h"

#define ROOM_MS 1000 /* how long an answer of statvfs is believed */
#define SLOW_MS 1000 /* a read over this is logged: it keeps the WAL from starting anew */

/* Once per process: each connection stays with one thread, and SQLite's own count of
 * memory would be a lock around every allocation. */
static void sqlite_setup(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
}

static void conf_defaults(struct store_conf *c)
{
	if (c->readers == 0)
		c->readers = 8;
	if (c->readers > READERS_MAX)
		c->readers = READERS_MAX;
	if (c->reserve == 0)
		c->reserve = (uint64_t)128 << 20;
	if (c->wal_turn == 0)
		c->wal_turn = (uint64_t)64 << 20;
	if (c->wal_max == 0)
		c->wal_max = (uint64_t)1 << 30;
	if (c->staging == 0)
		c->staging = (uint64_t)64 << 20;
	if (!c->wall_ms)
		c->wall_ms = clock_wall_ms;
}

static bool folders_open(struct store *st, struct err *e)
{
	char content[PATH_MAX];
	if ((size_t)snprintf(st->dir, sizeof st->dir, "%s", st->conf.dir) >= sizeof st->dir - 16)
		return err_set(e, ERR_PERM, "the store's folder has too long a name");
	snprintf(st->path, sizeof st->path, "%.*s/mail.db", (int)sizeof st->path - 16, st->dir);
	snprintf(content, sizeof content, "%.*s/content", (int)sizeof content - 16, st->dir);
	if (st->conf.create && !file_mkdirs(content, 0700, e))
		return false;
	st->content_dir = open(content, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return st->content_dir >= 0 || err_sys(e, "open", content);
}

/* After a failed sync nobody knows what the disk holds. */
static bool checked_after_failure(struct store *st, struct err *e)
{
	if (!atomic_load(&st->shared->check_wanted))
		return true;
	struct tx tx = { 0 };
	if (!tx_open(&tx, st->path, TX_WRITER, e))
		return false;
	tx.st = st;
	log_notice("store.checking", KVZ("why", "a sync failed before"));
	struct rows r = sql_rows(&tx, "PRAGMA quick_check(1)");
	bool whole = row_next(&r) && str_eq(row_str(&r, 0), STR("ok"));
	bool ok = rows_end(&r, e) && (whole || err_set(e, ERR_TEMP, "the store is damaged: run `sluice store check`"));
	tx_close(&tx);
	if (ok)
		atomic_store(&st->shared->check_wanted, false);
	return ok;
}

static struct store *store_alloc(const struct store_conf *conf)
{
	struct store *st = calloc(1, sizeof *st);
	if (!st)
		abort();
	st->conf = *conf;
	st->content_dir = -1;
	conf_defaults(&st->conf);
	snprintf(st->role, sizeof st->role, "%s", conf->role ? conf->role : "store");
	pthread_mutex_init(&st->why_mu, NULL);
	pthread_mutex_init(&st->readers.mu, NULL);
	pthread_cond_init(&st->readers.back, NULL);
	st->readers.max = st->conf.readers;
	frames_init(&st->frames);
	st->uids = uid_cache_new();
	return st;
}

struct store *store_open(const struct store_conf *conf, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, sqlite_setup);
	struct store *st = store_alloc(conf);
	if (folders_open(st, e) && (st->shared = shared_map(conf->shared_fd, e)) && checked_after_failure(st, e) &&
	    (st->writer = writer_new(st, e)) && (!conf->checkpointer || (st->keeper = keeper_new(st, e))))
		return st;
	store_close(st);
	return NULL;
}

void store_close(struct store *st)
{
	if (!st)
		return;
	keeper_free(st->keeper);
	/* Readers first: the last connection to close is the writer's, and it checkpoints. */
	for (unsigned i = 0; i < st->readers.nidle; i++) {
		tx_close(st->readers.idle[i]);
		free(st->readers.idle[i]);
	}
	writer_free(st->writer);
	junk_cache_free(st->junk);
	uid_cache_free(st->uids);
	if (st->shared && st->incarnation)
		incarnation_leave(st->shared, st->incarnation);
	shared_unmap(st->shared);
	if (st->content_dir >= 0)
		close(st->content_dir);
	frames_free(&st->frames);
	pthread_mutex_destroy(&st->readers.mu);
	pthread_cond_destroy(&st->readers.back);
	pthread_mutex_destroy(&st->why_mu);
	free(st);
}

void store_break(struct store *st, const char *why)
{
	pthread_mutex_lock(&st->why_mu);
	bool first = !atomic_exchange(&st->broken, true);
	if (first)
		snprintf(st->why, sizeof st->why, "%s", why);
	pthread_mutex_unlock(&st->why_mu);
	if (!first)
		return;
	atomic_store(&st->shared->check_wanted, true);
	log_error("store.broken", KVZ("why", why), KVZ("do", "check the disk; the role restarts and checks the store"));
}

bool store_broken(struct store *st, struct err *e)
{
	if (!atomic_load_explicit(&st->broken, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&st->why_mu);
	err_set(e, ERR_TEMP, "the store is broken: %s", st->why);
	pthread_mutex_unlock(&st->why_mu);
	return true;
}

int64_t store_now(const struct store *st)
{
	return st->conf.wall_ms();
}

uint32_t store_incarnation(const struct store *st)
{
	return st->incarnation;
}

/* Free octets, asked of the disk once a second. */
static bool room_now(struct store *st, uint64_t *room, struct err *e)
{
	int64_t now = clock_mono_ms(), then = atomic_load(&st->room_mono_ms);
	if (then == 0 || now - then >= ROOM_MS) {
		struct statvfs v;
		if (fstatvfs(st->content_dir, &v) < 0)
			return err_sys(e, "ask for free space in", st->dir);
		atomic_store(&st->room, (uint64_t)v.f_bavail * v.f_frsize);
		atomic_store(&st->room_mono_ms, now);
	}
	*room = atomic_load(&st->room);
	return true;
}

bool store_room(struct store *st, uint64_t octets, struct err *e)
{
	uint64_t room = 0, need;
	if (store_broken(st, e) || !room_now(st, &room, e))
		return false;
	if (__builtin_add_overflow(octets, st->conf.reserve, &need) || room < need)
		return err_set(e, ERR_FULL, "%llu MiB free in %.100s, %llu MiB of them kept in reserve",
			       (unsigned long long)(room >> 20), st->dir, (unsigned long long)(st->conf.reserve >> 20));
	if (atomic_load(&st->shared->wal_octets) > st->conf.wal_max)
		return err_set(e, ERR_FULL, "the store's log is over %llu MiB and cannot be worked off now",
			       (unsigned long long)(st->conf.wal_max >> 20));
	return true;
}

void store_stat(struct store *st, struct store_stat *out)
{
	*out = (struct store_stat){
		.units = atomic_load(&st->units),
		.commits = atomic_load(&st->commits),
		.alone = atomic_load(&st->alone),
		.syncs = atomic_load(&st->commits), /* synchronous=FULL: one for each commit */
		.wal_octets = atomic_load(&st->shared->wal_octets),
		.staged_octets = atomic_load(&st->staged),
		.commit_ms_max = atomic_load(&st->commit_ms_max),
	};
}

/* A free reader, or a new one while there may be more, or the next that comes back. */
static struct tx *reader_take(struct store *st, struct err *e)
{
	struct readers *rd = &st->readers;
	pthread_mutex_lock(&rd->mu);
	while (rd->nidle == 0 && rd->made == rd->max)
		pthread_cond_wait(&rd->back, &rd->mu);
	struct tx *tx = rd->nidle > 0 ? rd->idle[--rd->nidle] : NULL;
	rd->made += tx == NULL;
	pthread_mutex_unlock(&rd->mu);
	if (tx)
		return tx;
	tx = calloc(1, sizeof *tx);
	if (!tx)
		abort();
	if (tx_open(tx, st->path, TX_READER, e)) {
		tx->st = st;
		return tx;
	}
	free(tx);
	pthread_mutex_lock(&rd->mu);
	rd->made--;
	pthread_cond_signal(&rd->back);
	pthread_mutex_unlock(&rd->mu);
	return NULL;
}

static void reader_give(struct store *st, struct tx *tx)
{
	struct readers *rd = &st->readers;
	pthread_mutex_lock(&rd->mu);
	rd->idle[rd->nidle++] = tx;
	pthread_cond_signal(&rd->back);
	pthread_mutex_unlock(&rd->mu);
}

bool store_read(struct store *st, unit_fn fn, void *arg, struct err *e)
{
	if (store_broken(st, e))
		return false;
	struct tx *tx = reader_take(st, e);
	if (!tx)
		return false;
	int64_t begun_mono_ms = clock_mono_ms();
	bool ok = sql_run(tx, e, "BEGIN") && fn(tx, arg, e);
	if (!sqlite3_get_autocommit(tx->db)) {
		struct err ignored; /* a read that ends badly has read all the same */
		sql_run(tx, &ignored, "ROLLBACK");
	}
	int64_t ms = clock_mono_ms() - begun_mono_ms;
	reader_give(st, tx);
	if (ms > SLOW_MS)
		log_notice("store.slow_read", KVZ("role", st->role), KVN("ms", ms));
	return ok;
}
