#include "store/sqlite_search.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "store/bell.h"

#define DRY_MOST  256 /* files synced in one go */
#define DEAD_ROWS 500 /* contents looked up in one read */

/* --- the lock ------------------------------------------------------------------------- */

bool search_lock(struct search_index *x, struct err *e)
{
	*e = (struct err){ 0 };
	if (x->lock_fd >= 0)
		return true;
	int fd = openat(x->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "open the lock in", x->dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		bool taken = errno == EWOULDBLOCK;
		if (!taken)
			err_sys(e, "lock", x->dir);
		close(fd);
		return false;
	}
	x->lock_fd = fd;
	if (wet_open(x, e))
		return true;
	search_unlock(x, 0);
	return false;
}

void search_unlock(struct search_index *x, int64_t ms)
{
	struct err e;
	if (x->lock_fd < 0)
		return;
	if (ms > 0 && !wet_sync(x, 0, SIZE_MAX, clock_mono_ms() + ms, &e))
		log_warn("search.sync", KVZ("error", e.text));
	search_files_close(&x->write);
	wet_close(x);
	close(x->lock_fd);
	x->lock_fd = -1;
}

/* --- accounts --------------------------------------------------------------------------- */

struct accounts_unit {
	int slot;
	struct arena *a;
	int64_t *ids;
	size_t n, cap;
};

static void take_account(struct accounts_unit *u, int64_t id)
{
	u->ids = arena_grow(u->a, u->ids, &u->cap, u->n + 1, sizeof *u->ids);
	u->ids[u->n++] = id;
}

static bool all_accounts(struct tx *tx, struct accounts_unit *u, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT id FROM account ORDER BY id");
	while (row_next(&r))
		take_account(u, row_num(&r, 0));
	return rows_end(&r, e);
}

/* Numbers are given one after the other, so a slot's are few: asked for one by one. */
static bool unit_accounts(struct tx *tx, void *arg, struct err *e)
{
	struct accounts_unit *u = arg;
	u->n = 0;
	if (u->slot < 0)
		return all_accounts(tx, u, e);
	struct rows r = sql_rows(tx, "SELECT max(id) FROM account");
	int64_t last = row_next(&r) ? row_num(&r, 0) : 0;
	bool ok = rows_end(&r, e);
	for (int64_t id = u->slot; ok && id <= last; id += BELL_SLOTS) {
		r = sql_rows(tx, "SELECT id FROM account WHERE id = ?1", NUM(id));
		if (row_next(&r))
			take_account(u, id);
		ok = rows_end(&r, e);
	}
	return ok;
}

bool search_accounts(struct store *st, int slot, struct arena *a, int64_t **ids, size_t *n, struct err *e)
{
	struct accounts_unit u = { .slot = slot, .a = a };
	if (!store_read(st, unit_accounts, &u, e))
		return false;
	*ids = u.ids;
	*n = u.n;
	return true;
}

/* --- the account's file ------------------------------------------------------------------- */

/* NULL with ERR_NONE: there is none. One that is no good is removed. */
static struct search_file *writer_file(struct search_index *x, int64_t account, bool create, struct err *e)
{
	struct search_file *f = search_files_take(&x->write, account);
	*e = (struct err){ 0 };
	if (f && search_file_current(f))
		return f;
	search_file_close(f);
	enum search_opened how = search_file_open(x->dir, account, create, &f, e);
	if (how == SEARCH_BROKEN) {
		log_warn("search.damaged", KVN("account", account), KVZ("why", e->text));
		if (!search_file_remove(x->dir, account, e))
			return NULL;
		how = search_file_open(x->dir, account, create, &f, e);
	}
	if (how == SEARCH_NO_FILE && create)
		err_set(e, ERR_TEMP, "the search index of account %lld was removed while it was made",
			(long long)account);
	else if (how == SEARCH_NO_FILE)
		*e = (struct err){ 0 };
	return f;
}

/* Done with it: back into the list, or away with it when it is damaged. */
static bool writer_done(struct search_index *x, struct search_file *f, bool ok, struct err *e)
{
	int64_t account = f->account;
	struct err ignored;
	if (ok) {
		search_file_close(search_files_give(&x->write, f));
		return true;
	}
	bool damaged = search_file_damaged(f);
	if (!sqlite3_get_autocommit(f->tx.db))
		sql_run(&f->tx, &ignored, "ROLLBACK");
	search_file_close(f);
	if (damaged) {
		log_warn("search.damaged", KVN("account", account), KVZ("why", e->text));
		search_file_remove(x->dir, account, &ignored);
	}
	return false;
}

static bool read_have(struct search_file *f, struct arena *a, struct search_have *h, struct err *e)
{
	size_t cap = 0;
	h->file = f->id;
	struct rows r = sql_rows(&f->tx, "SELECT mailbox, uid FROM mark ORDER BY mailbox");
	while (row_next(&r)) {
		h->marks = arena_grow(a, h->marks, &cap, h->n + 1, sizeof *h->marks);
		h->marks[h->n++] = (struct search_mark){ row_num(&r, 0), (uint32_t)row_num(&r, 1) };
	}
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(&f->tx, "SELECT contents FROM state");
	h->contents = row_next(&r) ? (uint64_t)row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

bool search_have(struct search_index *x, int64_t account, struct arena *a, struct search_have *have, struct err *e)
{
	*have = (struct search_have){ 0 };
	struct search_file *f = writer_file(x, account, false, e);
	if (!f)
		return e->kind == ERR_NONE;
	return writer_done(x, f, read_have(f, a, have, e), e);
}

bool search_known(struct search_index *x, int64_t account, const int64_t *contents, size_t n, bool *known,
		  struct err *e)
{
	struct search_file *f = writer_file(x, account, false, e);
	bool ok = true;
	memset(known, 0, n * sizeof *known);
	if (!f)
		return e->kind == ERR_NONE;
	for (size_t i = 0; i < n && ok; i++) {
		struct rows r = sql_rows(&f->tx, "SELECT 1 FROM doc WHERE content = ?1", NUM(contents[i]));
		known[i] = row_next(&r);
		ok = rows_end(&r, e);
	}
	return writer_done(x, f, ok, e);
}

/* --- write --------------------------------------------------------------------------------- */

static bool put_doc(struct tx *tx, const struct search_doc *d, uint64_t *added, struct err *e)
{
	if (!sql_run(tx, e, "INSERT OR IGNORE INTO doc (content, unsure) VALUES (?1, ?2)", NUM(d->content),
		     NUM(d->unsure)))
		return false;
	if (sqlite3_changes(tx->db) == 0)
		return true; /* the same content twice in one batch */
	++*added;
	return sql_run(tx, e, "INSERT INTO text (rowid, head, body) VALUES (?1, ?2, ?3)", NUM(d->content),
		       TEXT(d->head), TEXT(d->body));
}

static bool put_all(struct tx *tx, const struct search_doc *docs, size_t ndocs, const struct search_mark *marks,
		    size_t nmarks, struct err *e)
{
	uint64_t added = 0;
	if (!sql_run(tx, e, "BEGIN IMMEDIATE"))
		return false;
	for (size_t i = 0; i < ndocs; i++)
		if (!put_doc(tx, &docs[i], &added, e))
			return false;
	for (size_t i = 0; i < nmarks; i++)
		if (!sql_run(tx, e, "INSERT OR REPLACE INTO mark (mailbox, uid) VALUES (?1, ?2)", NUM(marks[i].mailbox),
			     NUM(marks[i].uid)))
			return false;
	return sql_run(tx, e, "UPDATE state SET contents = contents + ?1", NUM(added)) && sql_run(tx, e, "COMMIT");
}

bool search_put(struct search_index *x, int64_t account, int64_t file, const struct search_doc *docs, size_t ndocs,
		const struct search_mark *marks, size_t nmarks, struct err *e)
{
	if (!search_wet(x, &account, 1, e))
		return false;
	struct search_file *f = writer_file(x, account, file == 0, e);
	if (!f)
		return e->kind == ERR_NONE;
	if (file != 0 && f->id != file)
		return writer_done(x, f, true, e);
	bool ok = put_all(&f->tx, docs, ndocs, marks, nmarks, e);
	if (ok || search_file_current(f))
		return writer_done(x, f, ok, e);
	search_file_close(f); /* removed meanwhile, which SQLite does not like */
	return true;
}

bool search_file_sync(struct search_index *x, int64_t account, struct err *e)
{
	sqlite3_file *file = NULL;
	struct search_file *f = writer_file(x, account, false, e);
	if (!f)
		return e->kind == ERR_NONE;
	int rc = sqlite3_file_control(f->tx.db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	search_file_close(search_files_give(&x->write, f));
	return rc == SQLITE_OK || err_set(e, ERR_TEMP, "the search index of account %lld cannot be synced (%s)",
					  (long long)account, sqlite3_errstr(rc));
}

bool search_dry(struct search_index *x, int64_t idle_ms, struct err *e)
{
	return wet_sync(x, idle_ms, DRY_MOST, INT64_MAX, e);
}

bool search_drop(struct search_index *x, int64_t account, struct err *e)
{
	search_file_close(search_files_take(&x->write, account));
	return search_file_remove(x->dir, account, e);
}

/* --- what is no longer wanted ------------------------------------------------------------------ */

struct dead_unit {
	int64_t account;
	int64_t ids[DEAD_ROWS];
	size_t n;
	uint64_t dead;
};

static bool unit_dead(struct tx *tx, void *arg, struct err *e)
{
	struct dead_unit *u = arg;
	u->dead = 0;
	for (size_t i = 0; i < u->n; i++) {
		struct rows r = sql_rows(tx,
					 "SELECT 1 FROM msg m JOIN mailbox b ON b.id = m.mailbox_id WHERE m.content_id"
					 " = ?1 AND b.account_id = ?2 LIMIT 1",
					 NUM(u->ids[i]), NUM(u->account));
		u->dead += !row_next(&r);
		if (!rows_end(&r, e))
			return false;
	}
	return true;
}

static bool next_docs(struct search_file *f, struct dead_unit *u, int64_t after, struct err *e)
{
	u->n = 0;
	struct rows r = sql_rows(&f->tx, "SELECT content FROM doc WHERE content > ?1 ORDER BY content", NUM(after));
	while (u->n < DEAD_ROWS && row_next(&r))
		u->ids[u->n++] = row_num(&r, 0);
	return rows_end(&r, e);
}

bool search_dead(struct search_index *x, int64_t account, const _Atomic bool *stop, uint64_t *dead, struct err *e)
{
	struct dead_unit u = { .account = account };
	*dead = 0;
	struct search_file *f = writer_file(x, account, false, e);
	if (!f)
		return e->kind == ERR_NONE;
	bool mine = true, ok = true;
	for (int64_t after = 0; ok && !atomic_load(stop); after = u.ids[u.n - 1]) {
		ok = mine = next_docs(f, &u, after, e);
		if (!ok || u.n == 0)
			break;
		ok = store_read(x->st, unit_dead, &u, e);
		*dead += u.dead;
	}
	return writer_done(x, f, mine, e) && ok;
}

static bool account_there(const int64_t *ids, size_t n, int64_t id)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (ids[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && ids[low] == id;
}

/* The files of accounts that are not among these. */
static bool drop_others(struct search_index *x, const int64_t *ids, size_t n, struct err *e)
{
	uint64_t account;
	bool ok = true;
	int fd = openat(x->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		err_sys(e, "read", x->dir);
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (struct dirent *de; ok && (de = readdir(d));)
		if (num_parse(str_of(de->d_name), INT64_MAX, &account) && !account_there(ids, n, (int64_t)account))
			ok = search_drop(x, (int64_t)account, e);
	closedir(d);
	return ok;
}

bool search_mend(struct search_index *x, struct arena *a, int64_t **damaged, size_t *n, struct err *e)
{
	pthread_mutex_lock(&x->mu);
	*n = x->ndamaged;
	*damaged = ARENA_ARRAY(a, int64_t, *n);
	memcpy(*damaged, x->damaged, *n * sizeof **damaged);
	x->ndamaged = 0;
	pthread_mutex_unlock(&x->mu);
	for (size_t i = 0; i < *n; i++)
		if (!search_drop(x, (*damaged)[i], e))
			return false;
	return true;
}

bool search_sweep(struct search_index *x, struct err *e)
{
	struct arena a = { 0 };
	int64_t *ids;
	size_t n;
	bool ok = search_accounts(x->st, -1, &a, &ids, &n, e) && drop_others(x, ids, n, e);
	arena_reset(&a);
	return ok;
}

void search_rest(struct search_index *x)
{
	search_files_close(&x->write);
	pthread_mutex_lock(&x->mu);
	search_files_close(&x->read);
	pthread_mutex_unlock(&x->mu);
}

bool search_erase(struct store *st, struct err *e)
{
	struct search_index *x = search_open(st, e);
	if (!x)
		return false;
	bool ok = search_lock(x, e) ? drop_others(x, NULL, 0, e) : e->kind == ERR_NONE;
	search_close(x);
	return ok;
}
