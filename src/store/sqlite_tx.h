/* sqlite_tx.h - one SQLite connection, and how store/ talks to it.
 *
 * A statement is prepared once per connection and found again by the address
 * of its text, so every text is a string literal.  Values are bound without
 * copies: what is bound must live until rows_end().
 *
 *	struct rows r = sql_rows(tx, "SELECT id FROM account WHERE name = ?1", TEXT(name));
 *	if (row_next(&r))
 *		id = row_num(&r, 0);
 *	if (!rows_end(&r, e))
 *		return false;
 *
 * Errors stick to `struct rows`: only rows_end() is asked.  It must be called for every sql_rows().
 * A connection belongs to one thread at a time.
 */
#pragma once
#include <sqlite3.h>

#include "store/db.h"

#define TX_STATEMENTS 512 /* a power of two, well above the number of texts in store/ */
#define PAGE_SIZE     4096
#define FRAME_SIZE    (PAGE_SIZE + 24) /* a page in the WAL */
#define UNIT_ROWS     500              /* db.h: no unit writes more */

struct tx {
	struct store *st; /* NULL: auth.db */
	sqlite3 *db;
	struct tx_statement {
		const char *sql;
		sqlite3_stmt *stmt;
	} cache[TX_STATEMENTS];
};

enum tx_kind { TX_READER, TX_WRITER, TX_CREATE }; /* TX_CREATE: a writer that makes the file if it is not there */
bool tx_open(struct tx *tx, const char *path, enum tx_kind kind, struct err *e);
void tx_close(struct tx *tx);
/* Make the file `path` with mode 0600 unless it is there. */
void file_private(const char *path);

enum sql_type { SQL_NUM, SQL_TEXT, SQL_BLOB, SQL_NULL };
struct sql_arg {
	enum sql_type type;
	int64_t num;
	struct str s;
};
#define NUM(v)          ((struct sql_arg){ SQL_NUM, (int64_t)(v), { 0 } })
#define TEXT(v)         ((struct sql_arg){ SQL_TEXT, 0, (v) })
#define BLOB(v)         ((struct sql_arg){ SQL_BLOB, 0, (v) })
#define TEXT_OR_NULL(v) ((struct sql_arg){ (v).n ? SQL_TEXT : SQL_NULL, 0, (v) })
#define BLOB_OR_NULL(v) ((struct sql_arg){ (v).n ? SQL_BLOB : SQL_NULL, 0, (v) })
/* The list begins with an argument that is not bound, so that it may be empty. */
#define SQL_ARGS_(...)                                \
	(const struct sql_arg[])                      \
	{                                             \
		{ SQL_NULL, 0, { 0 } }, ##__VA_ARGS__ \
	}
#define SQL_ARGS(...) SQL_ARGS_(__VA_ARGS__) + 1, sizeof(SQL_ARGS_(__VA_ARGS__)) / sizeof(struct sql_arg) - 1

struct rows {
	struct tx *tx;
	sqlite3_stmt *stmt;
	int rc;
};
struct rows sql_rows_(struct tx *tx, const char *sql, const struct sql_arg *args, size_t n);
#define sql_rows(tx, sql, ...) sql_rows_((tx), "" sql, SQL_ARGS(__VA_ARGS__))
bool row_next(struct rows *r);
bool rows_end(struct rows *r, struct err *e);
/* Run a statement that gives no rows. */
bool sql_run_(struct tx *tx, struct err *e, const char *sql, const struct sql_arg *args, size_t n);
#define sql_run(tx, e, sql, ...) sql_run_((tx), (e), "" sql, SQL_ARGS(__VA_ARGS__))
/* Unprepared, several statements: schema and pragmas. */
bool sql_script(struct tx *tx, const char *sql, struct err *e);

int64_t row_num(const struct rows *r, int column);
struct str row_str(const struct rows *r, int column); /* valid until the next row */
struct str row_dup(const struct rows *r, int column, struct arena *a);
bool row_null(const struct rows *r, int column);

/* What SQLite's `rc` means for mail. A failed sync marks the store broken. Returns false. */
bool tx_fail(struct tx *tx, int rc, struct err *e);
