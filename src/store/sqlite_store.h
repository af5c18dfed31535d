/* sqlite_store.h - what an opened store is, for the modules of store/ only.
 *
 * Each part has one owner: the writer's connection belongs to the writer's
 * thread, the checkpointer's to its own, a reader's to whoever borrowed it.
 * What several threads touch is atomic or says which lock guards it.
 */
#pragma once
#include <limits.h>
#include <pthread.h>

#include "store/frames.h"
#include "store/shared.h"
#include "store/sqlite_tx.h"

#define READERS_MAX 64

struct readers {
	pthread_mutex_t mu;
	pthread_cond_t back;
	struct tx *idle[READERS_MAX]; /* guarded by mu, as all below; last in, first out: warm caches */
	unsigned nidle, made, max;
};
struct writer;
struct junk_cache;
struct uid_cache;
struct keeper; /* the threads that checkpoint and collect */

struct store {
	struct store_conf conf;
	char dir[PATH_MAX], path[PATH_MAX], role[16];
	int content_dir; /* descriptor of content/ */
	struct shared *shared;
	uint32_t incarnation;
	_Atomic uint32_t files; /* names drawn so far */
	struct readers readers;
	struct writer *writer;
	struct junk_cache *junk; /* the writer's thread alone */
	struct uid_cache *uids;
	struct keeper *keeper; /* NULL unless conf.checkpointer */
	struct frames frames;

	_Atomic bool broken, damage_told;
	pthread_mutex_t why_mu;
	char why[200]; /* guarded by why_mu */

	_Atomic int64_t room_mono_ms; /* when `room` was asked of the disk */
	_Atomic uint64_t room;        /* free octets then */
	_Atomic uint64_t staged;      /* octets of memory in stages */

	_Atomic uint64_t units, commits, alone; /* store_stat */
	_Atomic int64_t commit_ms_max;
};

/* Mark it: nothing will be said to be stored any more. */
void store_break(struct store *st, const char *why);
int64_t store_now(const struct store *st); /* wall_ms */

/* sqlite_schema.c: bring the tables to this version; under the turn. */
bool schema_migrate(struct tx *tx, struct err *e);
bool schema_migrate_auth(struct tx *tx, struct err *e);
/* Take the next value of a counter in `meta`, at least `least`. */
bool meta_next(struct tx *tx, struct str key, int64_t least, int64_t *value, struct err *e);

/* sqlite_writer.c */
struct writer *writer_new(struct store *st, struct err *e); /* takes over nothing; migrates before it starts */
void writer_free(struct writer *w);

/* sqlite_checkpoint.c */
struct keeper *keeper_new(struct store *st, struct err *e);
void keeper_free(struct keeper *k);
/* Tell it how far the WAL is used; called after each commit. */
void keeper_wal(struct store *st, uint64_t octets);

/* Purge what dropped mailboxes left, in units, until nothing is left or `stop` says so. */
bool purge_dropped(struct store *st, struct err *e);
