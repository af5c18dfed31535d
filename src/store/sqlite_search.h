/* sqlite_search.h - the files of the full-text index, for sqlite_search*.c only. */
#pragma once
#include <limits.h>
#include <pthread.h>

#include "store/search_write.h"
#include "store/sqlite_store.h"

#define SEARCH_FILES   16  /* open at once, by searches and by the indexer each */
#define SEARCH_DAMAGED 16  /* accounts remembered until they are swept */
#define SEARCH_LONGEST 128 /* octets of a needle that are asked; candidates of longer ones are looked at */
#define SEARCH_VERSION 1   /* of tables and folding: a file of another one is made anew */

/* An account's file, open.  Who has it in hand uses it alone. */
struct search_file {
	struct tx tx;
	int64_t account, id; /* id: of this file, among all that the account ever had */
};
/* The last used stands first. */
struct search_files {
	struct search_file *p[SEARCH_FILES];
	size_t n;
};
struct wet { /* an account that may have been written since its last sync */
	int64_t account, mono_ms;
};
struct search_index {
	struct store *st;
	char dir[PATH_MAX];
	int dir_fd;
	pthread_mutex_t mu; /* guards these three */
	struct search_files read;
	int64_t damaged[SEARCH_DAMAGED];
	size_t ndamaged;
	/* the writer's */
	int lock_fd;
	struct search_files write;
	struct wet *wet; /* ascending by account */
	size_t nwet, wet_cap;
	int wet_fd;
};

enum search_opened { SEARCH_OPENED, SEARCH_NO_FILE, SEARCH_BROKEN, SEARCH_TROUBLE };
enum search_opened search_file_open(const char *dir, int64_t account, bool create, struct search_file **out,
				    struct err *e);
void search_file_close(struct search_file *f);
/* Is it still the file of that name? */
bool search_file_current(struct search_file *f);
/* After a failure: is the file to blame, not the disk or the moment? */
bool search_file_damaged(const struct search_file *f);
/* Remove the account's file and its journal, and their folder; the writer's to do. */
bool search_file_remove(const char *dir, int64_t account, struct err *e);
bool search_dir(const struct store *st, char path[PATH_MAX], struct err *e);
/* Take the account's file out of the list / put it in front; what falls out at the end is returned. */
struct search_file *search_files_take(struct search_files *l, int64_t account);
struct search_file *search_files_give(struct search_files *l, struct search_file *f);
void search_files_close(struct search_files *l);

/* sqlite_search_grams.c: the tokenizer "grams", for this connection. */
bool search_grams(sqlite3 *db);

/* search_wet.c */
bool wet_open(struct search_index *x, struct err *e); /* throws away what a power cut may have spoilt */
void wet_close(struct search_index *x);
bool wet_sync(struct search_index *x, int64_t idle_ms, size_t most, int64_t until_mono_ms, struct err *e);
/* sqlite_search_write.c: sync the account's file, if there is one. */
bool search_file_sync(struct search_index *x, int64_t account, struct err *e);
