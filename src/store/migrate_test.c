/* A store that an earlier version wrote is brought to this one, and nothing of it is lost.
 *
 * The old schema stands here as it was published: it is what lies on people's disks.
 */
#include <sqlite3.h>

#include "store/sqlite_store.h"
#include "store/test_store.h"

/* clang-format off */
static const char version_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " disabled INTEGER NOT NULL, created_ms INTEGER NOT NULL, modseq INTEGER NOT NULL) STRICT;"
    "CREATE TABLE address (domain TEXT NOT NULL, local TEXT NOT NULL, account_id INTEGER NOT NULL,"
    " mailbox TEXT NOT NULL, PRIMARY KEY (domain, local)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX address_account ON address (account_id);"
    "CREATE TABLE alias (domain TEXT NOT NULL, local TEXT NOT NULL, account_id INTEGER NOT NULL,"
    " PRIMARY KEY (domain, local, account_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX alias_account ON alias (account_id);"
    "CREATE TABLE mailbox (id INTEGER PRIMARY KEY AUTOINCREMENT, account_id INTEGER NOT NULL, name TEXT NOT NULL,"
    " uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL, use INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " recent_uid INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX mailbox_name ON mailbox (account_id, name);"
    "CREATE TABLE subscription (account_id INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (account_id, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE keyword (mailbox_id INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE,"
    " PRIMARY KEY (mailbox_id, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE msg (key INTEGER PRIMARY KEY, mailbox_id INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " arrived INTEGER NOT NULL, flags INTEGER NOT NULL, content_id INTEGER NOT NULL, size INTEGER NOT NULL,"
    " internal_ms INTEGER NOT NULL, saved_ms INTEGER NOT NULL, keywords TEXT, prefix BLOB) STRICT;"
    "CREATE INDEX msg_changed ON msg (mailbox_id, modseq) WHERE modseq > arrived;"
    "CREATE INDEX msg_deleted ON msg (mailbox_id) WHERE (flags & 8) <> 0;"
    "CREATE INDEX msg_content ON msg (content_id);"
    "CREATE TABLE expunged (mailbox_id INTEGER NOT NULL, modseq INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " count INTEGER NOT NULL, PRIMARY KEY (mailbox_id, modseq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE content (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, file TEXT, dead INTEGER NOT NULL,"
    " idx BLOB, data BLOB) STRICT;"
    "CREATE UNIQUE INDEX content_file ON content (file) WHERE file IS NOT NULL;"
    "CREATE INDEX content_dead ON content (dead) WHERE dead <> 0;"
    "CREATE TABLE garbage (content_id INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, content_id INTEGER NOT NULL, sender TEXT NOT NULL,"
    " recipient TEXT NOT NULL, dsn TEXT NOT NULL, state INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, size INTEGER NOT NULL, prefix BLOB) STRICT;"
    "CREATE INDEX queue_content ON queue (content_id);"
    "INSERT INTO meta VALUES ('incarnation', 0), ('uidvalidity', 0);";
/* clang-format on */

/* Two accounts; INBOX of the first has had 6 messages, of which 2 and 4 are expunged; a mailbox that was dropped. */
static const char content_1[] =
    "INSERT INTO account VALUES (1, 'you', 0, 1000, 20), (2, 'empty', 1, 2000, 1);"
    "INSERT INTO mailbox VALUES (1, 1, 'INBOX', 77, 7, 20, 0, 4, 3, 1, 40, 7),"
    " (2, 1, 'Lists/c', 78, 2, 9, 0, 1, 1, 0, 10, 1), (3, 2, 'INBOX', 79, 1, 1, 0, 0, 0, 0, 0, 1),"
    " (4, 0, 'dropped/4', 80, 2, 5, 0, 1, 1, 0, 10, 1);"
    "INSERT INTO content VALUES (1, 10, NULL, 0, NULL, NULL);"
    "INSERT INTO msg SELECT (1 << 32) + value, 1, 10 + value, 10 + value, iif(value = 1, 9, 0), 1, 10, 5, 6, NULL, NULL"
    " FROM json_each('[1,3,5,6]');"
    "INSERT INTO msg VALUES ((2 << 32) + 1, 2, 9, 9, 0, 1, 10, 5, 6, '$Junk', NULL),"
    " ((4 << 32) + 1, 4, 5, 5, 0, 1, 10, 5, 6, NULL, NULL);"
    "INSERT INTO keyword VALUES (2, '$Junk');"
    "INSERT INTO expunged VALUES (1, 18, 2, 1), (1, 20, 4, 1);"
    "INSERT INTO queue VALUES (1, 1, 'a@a.example', 'b@b.example', '', 0, 1, 1, 0, 10, NULL);"
    "PRAGMA user_version=1;";

static void write_old(void)
{
	char path[100];
	sqlite3 *db;
	snprintf(path, sizeof path, "%s/mail.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;", NULL, NULL, NULL),
			 SQLITE_OK);
	if (sqlite3_exec(db, version_1, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, content_1, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void test_version_1(void **state)
{
	(void)state;
	struct quota q;
	struct uid_run *runs;
	struct mailbox at;
	struct msg_changes c;
	struct junk_rules r;
	uint64_t contents, files;
	size_t n;
	folder_new();
	write_old();
	open_conf((struct store_conf){ 0 });
	must(account_quota(st, 1, &q, &e));
	assert_true(q.octets == 50 && q.messages == 5 && q.octets_max == 0 && q.messages_max == 0);
	must(account_quota(st, 2, &q, &e));
	assert_true(q.octets == 0 && q.messages == 0);
	must(account_junk_rules(st, 1, &a, &r, &e));
	assert_true(r.on);
	must(mailbox_uids(st, 1, &a, &runs, &n, &at, &e));
	assert_true(n == 3 && runs[0].count == 1 && runs[1].first == 3 && runs[2].first == 5 && runs[2].count == 2);
	must(msg_changes(st, 1, 18, &a, &c, &e));
	assert_true(c.ngone == 1 && c.gone[0].first == 4);
	must(msg_changes(st, 1, 1, &a, &c, &e));
	assert_true(c.ngone == 2 && c.nmsgs == 4);
	must(store_collect(st, &contents, &files, &e)); /* what was half deleted goes on */
	must(account_quota(st, 1, &q, &e));
	assert_int_equal(q.messages, 5);
	must(msg_expunge(st, 1, &(struct uid_run){ 3, 1 }, 1, false, &e));
	assert_int_equal(put(1, "INBOX", "x"), 7);
	sqlite3_int64 before = (sqlite3_int64)store_incarnation(st);
	reopen(); /* nothing to migrate any more */
	assert_true(store_incarnation(st) > before);
	must(mailbox_uids(st, 1, &a, &runs, &n, &at, &e));
	assert_true(n == 2 && runs[1].first == 5 && runs[1].count == 3);
	must(account_quota(st, 1, &q, &e));
	assert_int_equal(q.messages, 5);
}

/* A database without rows at all. */
static void test_empty(void **state)
{
	(void)state;
	char path[100];
	sqlite3 *db;
	folder_new();
	snprintf(path, sizeof path, "%s/mail.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, version_1, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	open_conf((struct store_conf){ 0 });
	put(account_new("you"), "INBOX", "x");
	check_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_version_1, teardown),
		cmocka_unit_test_teardown(test_empty, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
