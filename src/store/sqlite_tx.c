#include "store/sqlite_tx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/sqlite_store.h"

/* Slots are found by the text's address; a fixed multiplier spreads neighbours. */
static struct tx_statement *statement_slot(struct tx *tx, const char *sql)
{
	size_t at = (size_t)(((uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 40);
	for (size_t i = 0; i < TX_STATEMENTS; i++) {
		struct tx_statement *slot = &tx->cache[(at + i) & (TX_STATEMENTS - 1)];
		if (slot->sql == sql || !slot->sql)
			return slot;
	}
	abort(); /* more texts than TX_STATEMENTS: a mistake in store/ itself */
}

static int bind_one(sqlite3_stmt *stmt, int i, const struct sql_arg *a)
{
	switch (a->type) {
	case SQL_NUM:
		return sqlite3_bind_int64(stmt, i, a->num);
	case SQL_TEXT:
		return sqlite3_bind_text64(stmt, i, a->s.p, a->s.n, SQLITE_STATIC, SQLITE_UTF8);
	case SQL_BLOB:
		return sqlite3_bind_blob64(stmt, i, a->s.p, a->s.n, SQLITE_STATIC);
	case SQL_NULL:
		return sqlite3_bind_null(stmt, i);
	}
	return SQLITE_MISUSE;
}

struct rows sql_rows_(struct tx *tx, const char *sql, const struct sql_arg *args, size_t n)
{
	struct rows r = { .tx = tx, .rc = SQLITE_OK };
	struct tx_statement *slot = statement_slot(tx, sql);
	if (!slot->stmt) {
		r.rc = sqlite3_prepare_v3(tx->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL);
		if (r.rc != SQLITE_OK)
			return r;
		slot->sql = sql;
	}
	r.stmt = slot->stmt;
	for (size_t i = 0; i < n && r.rc == SQLITE_OK; i++)
		r.rc = bind_one(r.stmt, (int)i + 1, &args[i]);
	return r;
}

bool row_next(struct rows *r)
{
	if (r->rc != SQLITE_OK && r->rc != SQLITE_ROW)
		return false;
	r->rc = sqlite3_step(r->stmt);
	return r->rc == SQLITE_ROW;
}

bool rows_end(struct rows *r, struct err *e)
{
	bool ok = r->rc == SQLITE_OK || r->rc == SQLITE_ROW || r->rc == SQLITE_DONE;
	if (!ok) /* before the reset, which may change what the connection remembers */
		tx_fail(r->tx, r->rc, e);
	if (r->stmt)
		sqlite3_reset(r->stmt);
	return ok;
}

bool sql_run_(struct tx *tx, struct err *e, const char *sql, const struct sql_arg *args, size_t n)
{
	struct rows r = sql_rows_(tx, sql, args, n);
	row_next(&r);
	return rows_end(&r, e);
}

bool sql_script(struct tx *tx, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(tx->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK || tx_fail(tx, rc, e);
}

int64_t row_num(const struct rows *r, int column)
{
	return sqlite3_column_int64(r->stmt, column);
}

struct str row_str(const struct rows *r, int column)
{
	const char *p = sqlite3_column_blob(r->stmt, column);
	return p ? (struct str){ p, (size_t)sqlite3_column_bytes(r->stmt, column) } : STR_NONE;
}

struct str row_dup(const struct rows *r, int column, struct arena *a)
{
	return str_dup(a, row_str(r, column));
}

bool row_null(const struct rows *r, int column)
{
	return sqlite3_column_type(r->stmt, column) == SQLITE_NULL;
}

static bool is_damage(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

/* What the kernel said, when that is the trouble.  A COMMIT that fails does not tell; the WAL's file remembers. */
static int system_errno(struct tx *tx, int rc)
{
	sqlite3_file *wal = NULL;
	if (!tx->db || (rc & 0xff) != SQLITE_IOERR)
		return 0;
	int no = sqlite3_system_errno(tx->db);
	if (no == 0 && sqlite3_file_control(tx->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal &&
	    wal->pMethods)
		wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &no);
	return no;
}

static bool is_full(struct tx *tx, int rc)
{
	int no = system_errno(tx, rc);
	return (rc & 0xff) == SQLITE_FULL || no == ENOSPC || no == EDQUOT;
}

bool tx_fail(struct tx *tx, int rc, struct err *e)
{
	int extended = tx->db ? sqlite3_extended_errcode(tx->db) : rc;
	if ((extended & 0xff) == (rc & 0xff))
		rc = extended;
	const char *why = tx->db ? sqlite3_errmsg(tx->db) : sqlite3_errstr(rc);
	/* The kernel may have dropped what it could not write, and the next sync would "work". */
	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
		err_set(e, ERR_TEMP, "the disk failed to sync the store (%s)", why);
		if (tx->st)
			store_break(tx->st, e->text);
		return false;
	}
	if (is_full(tx, rc))
		return err_set(e, ERR_FULL, "the store's disk is full (%s)", why);
	if (is_damage(rc)) {
		if (tx->st && !atomic_exchange(&tx->st->damage_told, true))
			log_error("store.damaged", KVZ("why", why), KVZ("dir", tx->st->dir),
				  KVZ("do", "run `sluice store check`; restore a backup if it cannot repair"));
		return err_set(e, ERR_TEMP, "the store is damaged (%s): run `sluice store check`", why);
	}
	if ((rc & 0xff) == SQLITE_CANTOPEN)
		return err_set(e, ERR_TEMP, "the store cannot be opened (%s): is it there, and is it ours?", why);
	if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_PERM || system_errno(tx, rc) == EROFS)
		return err_set(e, ERR_TEMP, "the store cannot be written (%s): is its file system read-only?", why);
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		return err_set(e, ERR_TEMP, "the store is in use by another program");
	if ((rc & 0xff) == SQLITE_IOERR)
		return err_set(e, ERR_TEMP, "the store's disk failed (%s %d, %s): see the kernel's log", why, rc,
			       strerror(system_errno(tx, rc)));
	return err_set(e, ERR_TEMP, "the store answered: %s (%d)", why, rc);
}

/* No autocheckpoint: one checkpointer does it.  No size limit and PERSIST_WAL: the WAL stays allocated, so that a
 * commit overwrites instead of extending.  Temporary tables stay in memory: a fenced role may write nowhere else. */
static const char pragmas[] = "PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=0;PRAGMA journal_size_limit=-1;"
			      "PRAGMA temp_store=MEMORY;PRAGMA trusted_schema=OFF;PRAGMA cell_size_check=ON;"
			      "PRAGMA foreign_keys=OFF;";

/* Page size and auto_vacuum can only be chosen before the first table is made. */
static const char birth[] = "PRAGMA page_size=4096;PRAGMA auto_vacuum=INCREMENTAL;";

/* Private from the first octet; SQLite gives its -wal and -shm the same mode.  It has not opened the file yet, so
 * closing ours drops no lock of its. */
void file_private(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
}

bool tx_open(struct tx *tx, const char *path, enum tx_kind kind, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
	int persist = 1;
	if (kind == TX_CREATE)
		file_private(path);
	int rc = sqlite3_open_v2(path, &tx->db, flags, NULL);
	bool ok = rc == SQLITE_OK || tx_fail(tx, rc, e);
	if (ok)
		sqlite3_busy_timeout(tx->db, TURN_MS);
	ok = ok && (kind != TX_CREATE || sql_script(tx, birth, e)) && sql_script(tx, pragmas, e) &&
	     (kind == TX_READER || sql_script(tx, "PRAGMA journal_mode=WAL;", e)) &&
	     sql_script(tx, kind == TX_READER ? "PRAGMA cache_size=-2048;" : "PRAGMA cache_size=-16384;", e) &&
	     (kind != TX_READER || sql_script(tx, "PRAGMA query_only=ON;", e));
	if (!ok) {
		err_add(e, "%s", path);
		tx_close(tx);
		return false;
	}
	sqlite3_file_control(tx->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	return true;
}

void tx_close(struct tx *tx)
{
	for (size_t i = 0; i < TX_STATEMENTS; i++)
		sqlite3_finalize(tx->cache[i].stmt);
	memset(tx->cache, 0, sizeof tx->cache);
	sqlite3_close(tx->db);
	tx->db = NULL;
}
