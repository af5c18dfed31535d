#include "store/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/sqlite_content.h"
#include "store/sqlite_store.h"

struct copying {
	int from, to; /* the content folders */
	progress_fn progress;
	void *ctx;
	uint64_t done, total;
};

/* --- folders and files ---------------------------------------------------------------- */

static bool folder_empty(const char *path, struct err *e)
{
	DIR *d = opendir(path);
	bool empty = true;
	if (!d)
		return errno == ENOENT || err_sys(e, "open", path);
	for (struct dirent *de; empty && (de = readdir(d));)
		empty = str_eq(str_of(de->d_name), STR(".")) || str_eq(str_of(de->d_name), STR(".."));
	closedir(d);
	return empty || err_set(e, ERR_PERM, "%s is not empty: name a new folder", path);
}

static int folder_make(const char *dir, const char *name, struct err *e)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (!file_mkdirs(path, 0700, e))
		return -1;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, "open", path);
	return fd;
}

static bool bytes_copy(int from_dir, int to_dir, const char *name, struct err *e)
{
	AUTO_CLOSE int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return err_sys(e, "open", name);
	AUTO_CLOSE int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "create", name);
	for (ssize_t n = 1; n != 0;) {
		n = sendfile(to, from, NULL, 1 << 20);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "copy", name);
	}
	return fsync(to) == 0 || err_sys(e, "sync", name);
}

/* Content never changes, so a second name for it is a copy; across file systems its octets are copied. */
static bool content_copy(struct copying *c, struct str file, struct err *e)
{
	struct content_path p;
	if (!content_path(file, &p))
		return err_set(e, ERR_TEMP, "content has a wrong name \"%.*s\"", (int)(file.n < 64 ? file.n : 64),
			       file.p);
	AUTO_CLOSE int from = openat(c->from, p.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return err_sys(e, "open content folder", p.folder);
	if (mkdirat(c->to, p.folder, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create folder", p.folder);
	AUTO_CLOSE int to = openat(c->to, p.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return err_sys(e, "open", p.folder);
	if (linkat(from, p.name, to, p.name, 0) < 0) {
		if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EACCES)
			return err_sys(e, "link", p.name);
		if (!bytes_copy(from, to, p.name, e))
			return false;
	}
	if (c->progress && ++c->done % 100 == 0)
		c->progress(c->ctx, "content files", c->done, c->total);
	return fsync(to) == 0 || err_sys(e, "sync", p.folder);
}

/* Every file that the database at `path` names, from one content folder to the other. */
static bool contents_copy(struct tx *tx, struct copying *c, struct err *e)
{
	struct rows n = sql_rows(tx, "SELECT count(*) FROM content WHERE file IS NOT NULL AND dead = 0");
	c->total = row_next(&n) ? (uint64_t)row_num(&n, 0) : 0;
	if (!rows_end(&n, e))
		return false;
	bool ok = true;
	struct rows r = sql_rows(tx, "SELECT file FROM content WHERE file IS NOT NULL AND dead = 0");
	while (ok && row_next(&r))
		ok = content_copy(c, row_str(&r, 0), e);
	struct err ignored; /* after a failed copy that one is told */
	return rows_end(&r, ok ? e : &ignored) && ok && (fsync(c->to) == 0 || err_sys(e, "sync", "content"));
}

static bool path_sync(const char *path, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	return (fd >= 0 && fsync(fd) == 0) || err_sys(e, "sync", path);
}

/* The copy is opened as any store would be, and looked through. */
static bool copy_whole(struct tx *tx, struct err *e)
{
	struct rows r = sql_rows(tx, "PRAGMA quick_check(1)");
	bool whole = row_next(&r) && str_eq(row_str(&r, 0), STR("ok"));
	return rows_end(&r, e) && (whole || err_set(e, ERR_TEMP, "the copy of the database is damaged"));
}

/* --- backup ------------------------------------------------------------------------------ */

static bool snapshot(struct store *st, const char *to, struct err *e)
{
	struct tx tx = { 0 };
	if (!tx_open(&tx, st->path, TX_WRITER, e))
		return false;
	file_private(to); /* VACUUM takes an empty file */
	struct rows r = sql_rows(&tx, "VACUUM INTO ?1", TEXT(str_of(to)));
	row_next(&r);
	bool ok = rows_end(&r, e) || err_add(e, "%s", to);
	tx_close(&tx);
	return ok && path_sync(to, e);
}

static bool backup(struct store *st, const char *dir, progress_fn progress, void *ctx, struct err *e)
{
	char db[PATH_MAX];
	struct tx tx = { 0 };
	if ((size_t)snprintf(db, sizeof db, "%s/mail.db", dir) >= sizeof db - 16)
		return err_set(e, ERR_PERM, "%s: name too long", dir);
	AUTO_CLOSE int to = folder_make(dir, "content", e);
	if (to < 0)
		return false;
	if (progress)
		progress(ctx, "database", 0, 0);
	if (!snapshot(st, db, e) || !tx_open(&tx, db, TX_READER, e))
		return false;
	struct copying c = { .from = st->content_dir, .to = to, .progress = progress, .ctx = ctx };
	bool ok = copy_whole(&tx, e) && contents_copy(&tx, &c, e);
	tx_close(&tx);
	return ok && path_sync(dir, e);
}

bool store_backup(struct store *st, const char *dir, progress_fn progress, void *ctx, struct err *e)
{
	if (store_broken(st, e) || !folder_empty(dir, e))
		return false;
	/* What the snapshot names must stay until it has its second name. */
	if (!collecting_take(st->shared, 60000))
		return err_set(e, ERR_TEMP, "the collector, a check or another backup is at work: try again");
	bool ok = backup(st, dir, progress, ctx, e);
	collecting_give(st->shared);
	return ok;
}

/* --- restore ------------------------------------------------------------------------------- */

/* Messages that came after the backup had UIDs that will be given again, so every mailbox gets a new UIDVALIDITY:
 * clients then forget what they remember of it (RFC 3501 2.3.1.1). */
static bool uidvalidity_renew(struct tx *tx, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT unixepoch()");
	int64_t now = row_next(&r) ? row_num(&r, 0) : 0, first = 0;
	if (!rows_end(&r, e) || !sql_run(tx, e, "BEGIN IMMEDIATE"))
		return false;
	if (meta_next(tx, STR("uidvalidity"), now, &first, e) &&
	    sql_run(tx, e, "UPDATE mailbox SET uidvalidity = ?1 + id", NUM(first)) &&
	    sql_run(tx, e,
		    "UPDATE meta SET value = ?1 + (SELECT coalesce(max(id), 0) FROM mailbox) WHERE key = 'uidvalidity'",
		    NUM(first)) &&
	    sql_run(tx, e, "COMMIT"))
		return true;
	sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

static bool restore_contents(const char *from, const char *to, progress_fn progress, void *ctx, struct err *e)
{
	char db[PATH_MAX];
	struct tx tx = { 0 };
	snprintf(db, sizeof db, "%s/mail.db", to);
	AUTO_CLOSE int source = folder_make(from, "content", e);
	AUTO_CLOSE int target = folder_make(to, "content", e);
	if (source < 0 || target < 0 || !tx_open(&tx, db, TX_WRITER, e))
		return false;
	struct copying c = { .from = source, .to = target, .progress = progress, .ctx = ctx };
	bool ok = copy_whole(&tx, e) && contents_copy(&tx, &c, e) && uidvalidity_renew(&tx, e);
	tx_close(&tx);
	return ok;
}

bool store_restore(const char *from, const char *to, progress_fn progress, void *ctx, struct err *e)
{
	static const char *const files[] = { "mail.db", "auth.db" };
	if (strlen(from) > PATH_MAX - 32 || strlen(to) > PATH_MAX - 32)
		return err_set(e, ERR_PERM, "name too long");
	if (!folder_empty(to, e) || !file_mkdirs(to, 0700, e))
		return false;
	AUTO_CLOSE int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int target = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source < 0 || target < 0)
		return err_sys(e, "open", source < 0 ? from : to);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (i > 0 && faccessat(source, files[i], F_OK, 0) < 0)
			continue; /* a backup made without the passwords */
		if (progress)
			progress(ctx, files[i], 0, 0);
		if (!bytes_copy(source, target, files[i], e))
			return false;
	}
	return restore_contents(from, to, progress, ctx, e) && (fsync(target) == 0 || err_sys(e, "sync", to));
}
