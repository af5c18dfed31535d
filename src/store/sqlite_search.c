#include "store/sqlite_search.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "mail/words.h"
#include "store/bell.h"
#include "store/sqlite_box.h"

#define BUSY_MS 3000 /* the writer's commits are far shorter */

/* text: contentless, no lengths kept: only the places of the grams.  Memory for what a transaction brings
 * (hashsize) is larger than FTS5 takes by itself, and runs are merged late (64 at a time): a message costs half, a
 * search sees 128 runs at most and does not feel it.  doc: what is in; mark: how far a mailbox was looked at. */
static const char birth[] =
    "BEGIN;"
    "CREATE VIRTUAL TABLE text USING fts5(head, body, content='', columnsize=0, tokenize='grams', detail=full);"
    "INSERT INTO text (text, rank) VALUES ('hashsize', 8388608), ('automerge', 64), ('crisismerge', 200);"
    "CREATE TABLE doc (content INTEGER PRIMARY KEY, unsure INTEGER NOT NULL) STRICT;"
    "CREATE INDEX doc_unsure ON doc (content) WHERE unsure <> 0;"
    "CREATE TABLE mark (mailbox INTEGER PRIMARY KEY, uid INTEGER NOT NULL) STRICT;"
    "CREATE TABLE state (id INTEGER NOT NULL, contents INTEGER NOT NULL) STRICT;"
    "INSERT INTO state VALUES (random() | 1, 0);"
    "PRAGMA user_version=1;"
    "COMMIT;";
_Static_assert(SEARCH_VERSION == 1, "say it in birth, too");

/* A rollback journal that nobody syncs: whole after a crash of ours, and a file or two for an account where a WAL
 * would be three.  No spilling: a search waits for the commit alone, not for the work before it. */
static const char pragmas[] = "PRAGMA journal_mode=TRUNCATE;PRAGMA synchronous=OFF;PRAGMA temp_store=MEMORY;"
			      "PRAGMA trusted_schema=OFF;PRAGMA cell_size_check=ON;PRAGMA cache_size=-2048;"
			      "PRAGMA cache_spill=OFF;";

/* --- files --------------------------------------------------------------------------
 *
 * search/ACCOUNT/NAME.db, a name of its own for each file that is made: who still reads a
 * file that was removed would otherwise take the next one's journal for its own, and play it back. */

bool search_dir(const struct store *st, char path[PATH_MAX], struct err *e)
{
	return (size_t)snprintf(path, PATH_MAX, "%.*s/search", PATH_MAX - 64, st->dir) < PATH_MAX - 96 ||
	       err_set(e, ERR_PERM, "the store's folder has too long a name");
}

static void folder_of(char path[PATH_MAX], const char *dir, int64_t account)
{
	snprintf(path, PATH_MAX, "%.*s/%lld", PATH_MAX - 64, dir, (long long)account);
}

/* Every name in the folder that ends so, until `each` says false.  No folder: no names. */
static bool walk(const char *folder, const char *end, bool (*each)(int fd, const char *name, void *ctx, struct err *e),
		 void *ctx, struct err *e)
{
	DIR *d = opendir(folder);
	bool ok = true;
	if (!d)
		return errno == ENOENT || err_sys(e, "read", folder);
	for (struct dirent *de; ok && (de = readdir(d));)
		if (de->d_name[0] != '.' && str_ends(str_of(de->d_name), str_of(end)))
			ok = each(dirfd(d), de->d_name, ctx, e);
	closedir(d);
	return ok;
}

static bool remove_name(int fd, const char *name, void *ctx, struct err *e)
{
	(void)ctx;
	return unlinkat(fd, name, 0) == 0 || errno == ENOENT || err_sys(e, "remove", name);
}

bool search_file_remove(const char *dir, int64_t account, struct err *e)
{
	char folder[PATH_MAX];
	folder_of(folder, dir, account);
	return walk(folder, ".db", remove_name, NULL, e) && walk(folder, "", remove_name, NULL, e) &&
	       (rmdir(folder) == 0 || errno == ENOENT || err_sys(e, "remove", folder));
}

static bool take_name(int fd, const char *name, void *ctx, struct err *e)
{
	char *out = ctx;
	(void)fd, (void)e;
	snprintf(out, NAME_MAX + 1, "%s", name);
	return true;
}

/* The account's database; a new name when it has none and there shall be one, "" when not. */
static bool find_file(const char *dir, int64_t account, bool create, char path[PATH_MAX], struct err *e)
{
	char folder[PATH_MAX], name[NAME_MAX + 1] = "", id[17];
	folder_of(folder, dir, account);
	path[0] = '\0';
	if (!walk(folder, ".db", take_name, name, e))
		return false;
	if (!*name && !create)
		return true;
	if (!*name) {
		random_id(id, sizeof id - 1);
		snprintf(name, sizeof name, "%s.db", id);
		if (!walk(folder, "", remove_name, NULL, e) || !file_mkdirs(folder, 0700, e))
			return false;
	}
	return (size_t)snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 32, folder, name) < PATH_MAX ||
	       err_set(e, ERR_PERM, "%s: name too long", folder);
}

bool search_file_damaged(const struct search_file *f)
{
	switch (sqlite3_errcode(f->tx.db) & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* tables that are not ours */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
	case SQLITE_SCHEMA:
		return true;
	default:
		return false;
	}
}

bool search_file_current(struct search_file *f)
{
	int moved = 1;
	return sqlite3_file_control(f->tx.db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && !moved;
}

void search_file_close(struct search_file *f)
{
	if (!f)
		return;
	tx_close(&f->tx);
	free(f);
}

static bool read_id(struct search_file *f, struct err *e)
{
	struct rows r = sql_rows(&f->tx, "SELECT id FROM state");
	f->id = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

static enum search_opened fit_version(struct search_file *f, bool create, struct err *e)
{
	struct rows r = sql_rows(&f->tx, "PRAGMA user_version");
	int64_t version = row_next(&r) ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e))
		return SEARCH_TROUBLE;
	if (version != SEARCH_VERSION && version != 0)
		return SEARCH_BROKEN;
	if (version == 0 && !create)
		return SEARCH_NO_FILE; /* it is being made */
	bool ok = (version != 0 || sql_script(&f->tx, birth, e)) && read_id(f, e);
	return ok ? SEARCH_OPENED : SEARCH_TROUBLE;
}

static enum search_opened set_up(struct search_file *f, bool create, struct err *e)
{
	sqlite3_busy_timeout(f->tx.db, BUSY_MS);
	if (!search_grams(f->tx.db)) {
		err_set(e, ERR_TEMP, "this SQLite has no full-text search (FTS5)");
		return SEARCH_TROUBLE;
	}
	enum search_opened how = sql_script(&f->tx, pragmas, e) ? fit_version(f, create, e) : SEARCH_TROUBLE;
	if (how == SEARCH_TROUBLE && search_file_damaged(f))
		how = SEARCH_BROKEN;
	return how == SEARCH_OPENED || search_file_current(f) ? how : SEARCH_NO_FILE; /* removed this moment */
}

static enum search_opened connect(struct search_file *f, const char *path, bool create, struct err *e)
{
	int rc = sqlite3_open_v2(
	    path, &f->tx.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW,
	    NULL);
	if (rc == SQLITE_OK)
		return set_up(f, create, e);
	tx_fail(&f->tx, rc, e);
	return access(path, F_OK) == 0 ? SEARCH_TROUBLE : SEARCH_NO_FILE;
}

enum search_opened search_file_open(const char *dir, int64_t account, bool create, struct search_file **out,
				    struct err *e)
{
	char path[PATH_MAX];
	*out = NULL;
	if (!find_file(dir, account, create, path, e))
		return SEARCH_TROUBLE;
	if (!*path)
		return SEARCH_NO_FILE;
	if (create)
		file_private(path);
	struct search_file *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	f->account = account;
	enum search_opened how = connect(f, path, create, e);
	if (how == SEARCH_OPENED)
		*out = f;
	else
		search_file_close(f);
	return how;
}

struct search_file *search_files_take(struct search_files *l, int64_t account)
{
	for (size_t i = 0; i < l->n; i++) {
		struct search_file *f = l->p[i];
		if (f->account != account)
			continue;
		for (l->n--; i < l->n; i++)
			l->p[i] = l->p[i + 1];
		return f;
	}
	return NULL;
}

struct search_file *search_files_give(struct search_files *l, struct search_file *f)
{
	struct search_file *last = l->n == SEARCH_FILES ? l->p[--l->n] : NULL;
	for (size_t i = l->n++; i > 0; i--)
		l->p[i] = l->p[i - 1];
	l->p[0] = f;
	return last;
}

void search_files_close(struct search_files *l)
{
	while (l->n > 0)
		search_file_close(l->p[--l->n]);
}

/* --- the index ------------------------------------------------------------------------ */

struct search_index *search_open(struct store *st, struct err *e)
{
	struct search_index *x = calloc(1, sizeof *x);
	if (!x)
		abort();
	x->st = st;
	x->dir_fd = x->lock_fd = x->wet_fd = -1;
	pthread_mutex_init(&x->mu, NULL);
	if (search_dir(st, x->dir, e) && file_mkdirs(x->dir, 0700, e)) {
		x->dir_fd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (x->dir_fd >= 0)
			return x;
		err_sys(e, "open", x->dir);
	}
	search_close(x);
	return NULL;
}

void search_close(struct search_index *x)
{
	if (!x)
		return;
	search_files_close(&x->read);
	if (x->lock_fd >= 0)
		search_unlock(x, 0);
	if (x->dir_fd >= 0)
		close(x->dir_fd);
	pthread_mutex_destroy(&x->mu);
	free(x);
}

/* --- find ------------------------------------------------------------------------------ */

/* A file that is no good as it is; the writer throws it away when it sweeps. */
static void note_damage(struct search_index *x, int64_t account, const struct err *why)
{
	bool known = false;
	pthread_mutex_lock(&x->mu);
	for (size_t i = 0; i < x->ndamaged; i++)
		known = known || x->damaged[i] == account;
	if (!known && x->ndamaged < SEARCH_DAMAGED)
		x->damaged[x->ndamaged++] = account;
	pthread_mutex_unlock(&x->mu);
	if (!known)
		log_warn("search.damaged", KVN("account", account), KVZ("why", why->text),
			 KVZ("do", "nothing: it is made anew"));
}

static enum search_opened borrow(struct search_index *x, int64_t account, struct search_file **out, struct err *e)
{
	pthread_mutex_lock(&x->mu);
	struct search_file *f = search_files_take(&x->read, account);
	pthread_mutex_unlock(&x->mu);
	if (f && !search_file_current(f)) {
		search_file_close(f);
		f = NULL;
	}
	*out = f;
	return f ? SEARCH_OPENED : search_file_open(x->dir, account, false, out, e);
}

static void give_back(struct search_index *x, struct search_file *f)
{
	pthread_mutex_lock(&x->mu);
	struct search_file *last = search_files_give(&x->read, f);
	pthread_mutex_unlock(&x->mu);
	search_file_close(last);
}

/* The phrase in FTS5's notation: quotes doubled, and the columns where it may stand. */
static void phrase(struct buf *b, unsigned columns, struct str needle)
{
	buf_printf(b, "{%s %s} : \"", columns & SEARCH_HEAD ? "head" : "", columns & SEARCH_BODY ? "body" : "");
	for (size_t i = 0; i < needle.n; i++) {
		if (needle.p[i] == '"')
			buf_addc(b, '"');
		buf_addc(b, needle.p[i]);
	}
	buf_addc(b, '"');
}

static bool take_ids(struct rows *r, struct arena *a, int64_t **ids, size_t *n, struct err *e)
{
	size_t cap = 0;
	*ids = NULL;
	*n = 0;
	while (row_next(r)) {
		*ids = arena_grow(a, *ids, &cap, *n + 1, sizeof **ids);
		(*ids)[(*n)++] = row_num(r, 0);
	}
	return rows_end(r, e);
}

struct finding {
	int64_t mailbox;
	struct str match;
	bool sure; /* the whole needle is in the phrase */
	struct arena *a;
	struct search_found *out;
};

/* Both lists are ascending, and so is what they make together. */
static void merge_unsure(struct finding *q)
{
	struct search_found *f = q->out;
	int64_t *all = ARENA_ARRAY(q->a, int64_t, f->n + f->nunsure);
	size_t i = 0, j = 0, n = 0;
	while (i < f->n || j < f->nunsure) {
		bool first = j == f->nunsure || (i < f->n && f->contents[i] <= f->unsure[j]);
		int64_t id = first ? f->contents[i++] : f->unsure[j++];
		if (n == 0 || all[n - 1] != id)
			all[n++] = id;
	}
	f->unsure = all;
	f->nunsure = n;
	f->n = 0;
}

static bool ask(struct search_file *f, struct finding *q, struct err *e)
{
	struct tx *tx = &f->tx;
	struct rows r = sql_rows(tx, "SELECT uid FROM mark WHERE mailbox = ?1", NUM(q->mailbox));
	q->out->indexed_uid = row_next(&r) ? (uint32_t)row_num(&r, 0) : 0;
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(tx, "SELECT rowid FROM text WHERE text MATCH ?1 ORDER BY rowid", TEXT(q->match));
	if (!take_ids(&r, q->a, &q->out->contents, &q->out->n, e))
		return false;
	r = sql_rows(tx, "SELECT content FROM doc WHERE unsure <> 0 ORDER BY content");
	if (!take_ids(&r, q->a, &q->out->unsure, &q->out->nunsure, e))
		return false;
	if (!q->sure)
		merge_unsure(q);
	return true;
}

/* One snapshot: what stands under the mark is in the answer. */
static bool ask_whole(struct search_index *x, struct search_file *f, struct finding *q, struct err *e)
{
	struct err ignored;
	bool ok = sql_run(&f->tx, e, "BEGIN") && ask(f, q, e);
	/* Removed, or opened in the moment when its tables were made: no answer.  For the writer alone a table that is
	 * missing is damage. */
	bool gone = !ok && (!search_file_current(f) || (sqlite3_errcode(f->tx.db) & 0xff) == SQLITE_ERROR);
	bool damaged = !ok && !gone && search_file_damaged(f);
	if (!sqlite3_get_autocommit(f->tx.db))
		sql_run(&f->tx, &ignored, "ROLLBACK");
	if (ok) {
		give_back(x, f);
		return q->out->indexed_uid > 0;
	}
	if (damaged)
		note_damage(x, f->account, e);
	if (damaged || gone)
		*e = (struct err){ 0 };
	search_file_close(f);
	return false;
}

bool search_find(struct search_index *x, int64_t account, int64_t mailbox, unsigned columns, struct str needle,
		 struct arena *a, struct search_found *out, struct err *e)
{
	struct search_file *f;
	struct str asked = str_sub(needle, 0, SEARCH_LONGEST);
	*out = (struct search_found){ 0 };
	*e = (struct err){ 0 };
	if (!x || needle.n < SEARCH_NEEDLE || !(columns & (SEARCH_HEAD | SEARCH_BODY)) || !utf8_valid(needle) ||
	    str_chr(needle, '\0') < needle.n)
		return false;
	enum search_opened how = borrow(x, account, &f, e);
	if (how == SEARCH_BROKEN) {
		note_damage(x, account, e);
		*e = (struct err){ 0 };
	}
	if (how == SEARCH_NO_FILE)
		*e = (struct err){ 0 };
	if (how != SEARCH_OPENED)
		return false;
	struct buf b = { 0 };
	phrase(&b, columns, asked);
	struct finding q = { mailbox, buf_str(&b), asked.n == needle.n, a, out };
	bool ok = ask_whole(x, f, &q, e);
	buf_free(&b);
	return ok;
}

/* --- for people ---------------------------------------------------------------------------- */

struct waiting {
	int64_t account;
	struct search_mark *marks;
	size_t n;
	struct search_stat *out;
};

static uint32_t mark_of(const struct waiting *w, int64_t mailbox)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->marks[i].mailbox == mailbox)
			return w->marks[i].uid;
	return 0;
}

static bool unit_waiting(struct tx *tx, void *arg, struct err *e)
{
	struct waiting *w = arg;
	bool ok = true;
	w->out->messages = w->out->waiting = 0;
	struct rows r = sql_rows(tx, "SELECT id, messages FROM mailbox WHERE account_id = ?1", NUM(w->account));
	while (ok && row_next(&r)) {
		uint32_t mark = mark_of(w, row_num(&r, 0));
		struct rows m = sql_rows(tx, "SELECT count(*) FROM msg WHERE key > ?1 AND key <= ?2",
					 NUM(MSG_KEY(row_num(&r, 0), mark)), NUM(MSG_KEY(row_num(&r, 0), UINT32_MAX)));
		w->out->messages += (uint64_t)row_num(&r, 1);
		if (row_next(&m))
			w->out->waiting += (uint64_t)row_num(&m, 0);
		ok = rows_end(&m, e);
	}
	struct err ignored;
	return rows_end(&r, ok ? e : &ignored) && ok;
}

static bool read_stat(struct search_file *f, struct arena *a, struct waiting *w, struct err *e)
{
	size_t cap = 0;
	struct rows r = sql_rows(&f->tx, "SELECT mailbox, uid FROM mark");
	while (row_next(&r)) {
		w->marks = arena_grow(a, w->marks, &cap, w->n + 1, sizeof *w->marks);
		w->marks[w->n++] = (struct search_mark){ row_num(&r, 0), (uint32_t)row_num(&r, 1) };
	}
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(&f->tx, "SELECT contents, (SELECT count(*) FROM doc WHERE unsure <> 0), (SELECT page_count *"
			     " page_size FROM pragma_page_count, pragma_page_size) FROM state");
	if (row_next(&r)) {
		w->out->contents = (uint64_t)row_num(&r, 0);
		w->out->unsure = (uint64_t)row_num(&r, 1);
		w->out->octets = (uint64_t)row_num(&r, 2);
	}
	return rows_end(&r, e);
}

bool search_stat(struct store *st, int64_t account, struct search_stat *out, struct err *e)
{
	struct arena a = { 0 };
	struct waiting w = { .account = account, .out = out };
	struct search_file *f = NULL;
	char dir[PATH_MAX];
	*out = (struct search_stat){ 0 };
	if (!search_dir(st, dir, e))
		return false;
	enum search_opened how = search_file_open(dir, account, false, &f, e);
	out->there = how == SEARCH_OPENED;
	bool ok = how != SEARCH_TROUBLE;
	if (f && !read_stat(f, &a, &w, e)) {
		out->there = false;
		w.n = 0;
		ok = search_file_damaged(f) || !search_file_current(f);
	}
	search_file_close(f);
	ok = ok && store_read(st, unit_waiting, &w, e);
	arena_reset(&a);
	return ok;
}

bool search_forget(struct store *st, int64_t account, struct err *e)
{
	char dir[PATH_MAX], folder[PATH_MAX];
	if (!search_dir(st, dir, e))
		return false;
	folder_of(folder, dir, account);
	if (!walk(folder, ".db", remove_name, NULL, e))
		return false;
	bell_ring(st, bell_slot(account));
	return true;
}
