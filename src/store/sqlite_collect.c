/* What no row names is garbage; but what is found without a row now may get one before it is deleted.  So:
 *
 *	mark	a unit asks the rows, in the write transaction, and marks what has none.  A new row is only
 *		made in a unit that reads an existing row of that content: a marked content has none.
 *	unlink	after that commit, its file.
 *	delete	the row; only then is the file's name forgotten.
 *
 * A crash between any two is mended by going on.  The content with the highest
 * id keeps its (empty) row, so that no id is ever given twice.
 */
#include "store/sqlite_collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "store/sqlite_content.h"
#include "store/sqlite_expunge.h"
#include "store/sqlite_store.h"

#define COLLECT_ROWS   100                /* contents in a unit ... */
#define COLLECT_OCTETS ((int64_t)2 << 20) /* ... or as many as take so much: each page is freed by itself */
#define VACUUM_PAGES   100                /* given back to the file system in one unit */
#define VACUUM_UNITS   50                 /* in one go */
#define VACUUM_LEAST   4096               /* free pages worth it; they must also be a quarter of the file */

/* --- mailboxes that were dropped ---------------------------------------------------- */

struct purge_unit {
	bool left;
};

static bool purge_rest(struct tx *tx, int64_t mailbox, struct err *e)
{
	if (!sql_run(tx, e,
		     "DELETE FROM expunged WHERE mailbox_id = ?1 AND modseq IN"
		     " (SELECT modseq FROM expunged WHERE mailbox_id = ?1 LIMIT 500)",
		     NUM(mailbox)))
		return false;
	if (sqlite3_changes(tx->db) > 0)
		return true;
	if (!sql_run(tx, e,
		     "DELETE FROM forgotten WHERE mailbox_id = ?1 AND uid IN"
		     " (SELECT uid FROM forgotten WHERE mailbox_id = ?1 LIMIT 500)",
		     NUM(mailbox)))
		return false;
	if (sqlite3_changes(tx->db) > 0)
		return true;
	return sql_run(tx, e, "DELETE FROM keyword WHERE mailbox_id = ?1", NUM(mailbox)) &&
	       sql_run(tx, e, "DELETE FROM mailbox WHERE id = ?1", NUM(mailbox));
}

static bool unit_purge(struct tx *tx, void *arg, struct err *e)
{
	struct purge_unit *u = arg;
	struct gone_row rows[UNIT_ROWS];
	size_t n = 0;
	struct rows r = sql_rows(tx, "SELECT id FROM mailbox WHERE account_id = 0 LIMIT 1");
	u->left = row_next(&r);
	int64_t mailbox = u->left ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e))
		return false;
	if (!u->left)
		return true;
	r = sql_rows(tx, "SELECT key, content_id FROM msg WHERE key BETWEEN ?1 AND ?2", NUM(MSG_KEY(mailbox, 0)),
		     NUM(MSG_KEY(mailbox, UINT32_MAX)));
	while (n < UNIT_ROWS && row_next(&r))
		rows[n++] = (struct gone_row){ .key = row_num(&r, 0), .content_id = row_num(&r, 1) };
	if (!rows_end(&r, e))
		return false;
	return n > 0 ? rows_purge(tx, rows, n, e) : purge_rest(tx, mailbox, e);
}

bool purge_dropped(struct store *st, struct err *e)
{
	struct purge_unit u = { .left = true };
	while (u.left)
		if (!store_do(st, unit_purge, &u, e))
			return false;
	return true;
}

/* --- mark ------------------------------------------------------------------------------ */

struct mark_unit {
	int64_t begin, end; /* candidates after this id */
	uint64_t contents;
	size_t looked;
};

static bool has_row(struct tx *tx, int64_t id, bool *has, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT EXISTS (SELECT 1 FROM msg WHERE content_id = ?1) OR"
				 " EXISTS (SELECT 1 FROM queue WHERE content_id = ?1)",
				 NUM(id));
	*has = row_next(&r) && row_num(&r, 0);
	return rows_end(&r, e);
}

static bool mark_one(struct tx *tx, struct mark_unit *u, int64_t id, struct err *e)
{
	bool has;
	if (!has_row(tx, id, &has, e) || !sql_run(tx, e, "DELETE FROM garbage WHERE content_id = ?1", NUM(id)))
		return false;
	if (has)
		return true;
	if (!sql_run(tx, e, "DELETE FROM content WHERE id = ?1 AND file IS NULL AND id < (SELECT max(id) FROM content)",
		     NUM(id)))
		return false;
	if (sqlite3_changes(tx->db) == 0 &&
	    !sql_run(tx, e, "UPDATE content SET dead = 1, data = NULL, idx = NULL WHERE id = ?1", NUM(id)))
		return false;
	u->contents++;
	return true;
}

static bool unit_mark(struct tx *tx, void *arg, struct err *e)
{
	struct mark_unit *u = arg;
	int64_t ids[COLLECT_ROWS], octets = 0;
	size_t n = 0;
	u->contents = 0;
	struct rows r = sql_rows(tx,
				 "SELECT g.content_id, coalesce(c.size, 0) FROM garbage g LEFT JOIN content c"
				 " ON c.id = g.content_id WHERE g.content_id > ?1 ORDER BY g.content_id",
				 NUM(u->begin));
	while (n < COLLECT_ROWS && octets < COLLECT_OCTETS && row_next(&r)) {
		ids[n++] = row_num(&r, 0);
		octets += row_num(&r, 1);
	}
	if (!rows_end(&r, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!mark_one(tx, u, ids[i], e))
			return false;
	u->looked = n;
	u->end = n > 0 ? ids[n - 1] : u->begin;
	return true;
}

static bool mark(struct store *st, uint64_t *contents, struct err *e)
{
	struct mark_unit u = { .looked = 1 };
	while (u.looked > 0) {
		if (!store_do(st, unit_mark, &u, e))
			return false;
		*contents += u.contents;
		u.begin = u.end;
	}
	return true;
}

/* --- unlink, delete ---------------------------------------------------------------------- */

struct dead_unit {
	struct arena a;
	struct dead {
		int64_t id;
		struct str file;
	} dead[COLLECT_ROWS];
	size_t n;
};

static bool unit_dead(struct tx *tx, void *arg, struct err *e)
{
	struct dead_unit *u = arg;
	u->n = 0;
	/* The highest row stays, without bytes and file: it is no work any more. */
	struct rows r = sql_rows(tx, "SELECT id, file FROM content WHERE dead <> 0 AND"
				     " (file IS NOT NULL OR id < (SELECT max(id) FROM content))");
	while (u->n < COLLECT_ROWS && row_next(&r)) {
		u->dead[u->n].id = row_num(&r, 0);
		u->dead[u->n++].file = row_dup(&r, 1, &u->a);
	}
	return rows_end(&r, e);
}

static bool unit_delete(struct tx *tx, void *arg, struct err *e)
{
	struct dead_unit *u = arg;
	for (size_t i = 0; i < u->n; i++)
		if (!sql_run(tx, e, "UPDATE content SET file = NULL WHERE id = ?1 AND dead <> 0", NUM(u->dead[i].id)) ||
		    !sql_run(tx, e,
			     "DELETE FROM content WHERE id = ?1 AND dead <> 0 AND id < (SELECT max(id) FROM content)",
			     NUM(u->dead[i].id)))
			return false;
	return true;
}

static bool file_unlink(struct store *st, struct str file, struct err *e)
{
	struct content_path p;
	char whole[sizeof p.folder + sizeof p.name + 1];
	if (!content_path(file, &p))
		return true; /* such a file cannot be */
	snprintf(whole, sizeof whole, "%s/%s", p.folder, p.name);
	return unlinkat(st->content_dir, whole, 0) == 0 || errno == ENOENT || err_sys(e, "remove content", whole);
}

static bool bury(struct store *st, uint64_t *files, struct err *e)
{
	struct dead_unit u = { .n = 1 };
	bool ok = true;
	while (ok && u.n > 0) {
		ok = store_read(st, unit_dead, &u, e);
		for (size_t i = 0; ok && i < u.n; i++) {
			*files += u.dead[i].file.n > 0;
			ok = u.dead[i].file.n == 0 || file_unlink(st, u.dead[i].file, e);
		}
		ok = ok && (u.n == 0 || store_do(st, unit_delete, &u, e));
		arena_reset(&u.a);
	}
	return ok;
}

/* --- files that never got a row ------------------------------------------------------------- */

struct name_unit {
	struct str file;
	bool has_row;
};

static bool unit_named(struct tx *tx, void *arg, struct err *e)
{
	struct name_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT 1 FROM content WHERE file = ?1", TEXT(u->file));
	u->has_row = row_next(&r);
	return rows_end(&r, e);
}

/* "12-345.zst" of an incarnation that is gone: its row, if there is one, has been committed. Anything else stays. */
static bool sweep_file(struct store *st, int folder, const char *name, uint64_t *files, struct err *e)
{
	uint64_t incarnation;
	struct str file = str_of(name), rest = file;
	if (!str_ends(file, STR(".zst")) || !num_take(&rest, UINT32_MAX, &incarnation) || !str_starts(rest, STR("-")))
		return true;
	struct name_unit u = { .file = str_sub(file, 0, file.n - 4) };
	if (incarnation_alive(st->shared, (uint32_t)incarnation))
		return true;
	if (!store_read(st, unit_named, &u, e))
		return false;
	if (!u.has_row && unlinkat(folder, name, 0) == 0)
		++*files;
	return true;
}

static bool sweep(struct store *st, uint64_t *files, struct err *e)
{
	for (unsigned i = 0; i < 256; i++) {
		char folder[4];
		snprintf(folder, sizeof folder, "%02x", i);
		int fd = openat(st->content_dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
		bool ok = true;
		if (!d && fd >= 0)
			close(fd);
		for (struct dirent *de; d && ok && (de = readdir(d));)
			ok = sweep_file(st, fd, de->d_name, files, e);
		if (d)
			closedir(d);
		if (!ok)
			return false;
	}
	return true;
}

/* --- pages ------------------------------------------------------------------------------------ */

static bool unit_vacuum(struct tx *tx, void *arg, struct err *e)
{
	char pragma[64];
	struct rows r = sql_rows(tx, "SELECT f.freelist_count, p.page_count FROM pragma_freelist_count f,"
				     " pragma_page_count p");
	bool there = row_next(&r);
	int64_t empty = there ? row_num(&r, 0) : 0, pages = there ? row_num(&r, 1) : 0;
	if (!rows_end(&r, e))
		return false;
	*(bool *)arg = empty >= VACUUM_LEAST && empty >= pages / 4;
	if (!*(bool *)arg)
		return true;
	snprintf(pragma, sizeof pragma, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	return sql_script(tx, pragma, e);
}

static bool vacuum(struct store *st, struct err *e)
{
	bool more = true;
	for (int i = 0; more && i < VACUUM_UNITS; i++)
		if (!store_do(st, unit_vacuum, &more, e))
			return false;
	return true;
}

bool collect(struct store *st, bool sweeping, uint64_t *contents, uint64_t *files, struct err *e)
{
	*contents = *files = 0;
	if (!collecting_take(st->shared, 100))
		return true; /* another does it, or a backup wants everything to stay */
	bool ok = purge_dropped(st, e) && mark(st, contents, e) && bury(st, files, e) &&
		  (!sweeping || sweep(st, files, e)) && vacuum(st, e);
	collecting_give(st->shared);
	return ok;
}

bool store_collect(struct store *st, uint64_t *contents, uint64_t *files, struct err *e)
{
	return collect(st, true, contents, files, e);
}
