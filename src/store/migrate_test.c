/* A store that an earlier version wrote is brought to this one, and nothing of it is lost.
 *
 * The old schema stands here as it was published: it is what lies on people's disks.
 */
#include <sqlite3.h>

#include "store/queue.h"
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

static void write_old(const char *more, const char *content)
{
	char path[100];
	sqlite3 *db;
	snprintf(path, sizeof path, "%s/mail.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;", NULL, NULL, NULL),
			 SQLITE_OK);
	if (sqlite3_exec(db, version_1, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, more, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, content, NULL, NULL, NULL) != SQLITE_OK)
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
	write_old("", content_1);
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

/* What the second version added. */
static const char version_2[] =
    "ALTER TABLE account ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN octets_max INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN messages_max INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN junk_rules INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE account ADD COLUMN junk TEXT;"
    "ALTER TABLE account ADD COLUMN neutral TEXT;"
    "ALTER TABLE account ADD COLUMN notjunk TEXT;"
    "ALTER TABLE mailbox ADD COLUMN expunged INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN unseen_from INTEGER NOT NULL DEFAULT 1;"
    "CREATE TABLE forgotten (mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (mailbox_id, uid)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE annotation (account_id INTEGER NOT NULL, mailbox_id INTEGER NOT NULL, name TEXT NOT NULL,"
    " value BLOB NOT NULL, PRIMARY KEY (account_id, mailbox_id, name)) STRICT, WITHOUT ROWID;"
    "ALTER TABLE queue ADD COLUMN account_id INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN mailbox TEXT NOT NULL DEFAULT '';"
    "PRAGMA user_version=2;";
/* One for an address, one for a mailbox of ours that was full; one that was not due yet. */
static const char content_2[] =
    "INSERT INTO account (id, name, disabled, created_ms, modseq, octets, messages)"
    " VALUES (7, 'you', 0, 1000, 20, 0, 0);"
    "INSERT INTO mailbox (id, account_id, name, uidvalidity, uidnext, modseq, use, messages, unseen, deleted, octets,"
    " recent_uid) VALUES (1, 7, 'INBOX', 77, 1, 1, 0, 0, 0, 0, 0, 1);"
    "INSERT INTO content VALUES (1, 10, NULL, 0, NULL, NULL);"
    "INSERT INTO queue VALUES (3, 1, 'a@a.example', 'B@B.example', 'RET=FULL', 0, 1, 1, 0, 14, x'5072653a', 0, ''),"
    " (4, 1, 'a@a.example', 'you@c.example', '', 0, 1, 2, 0, 10, NULL, 7, 'INBOX'),"
    " (5, 1, '', 'b@b.example', '', 0, 1, 9000000000000, 0, 10, NULL, 0, '');";

static void test_version_2(void **state)
{
	(void)state;
	struct queue_lane *lanes;
	struct queue_row *rows;
	uint64_t changed;
	size_t n;
	folder_new();
	write_old(version_2, content_2);
	open_conf((struct store_conf){ 0 });
	must(queue_list(st, NULL, 0, 10, &a, &rows, &n, &e));
	assert_true(n == 3 && rows[0].id == 3 && rows[0].state == QUEUE_WAITING && rows[0].account == 0);
	assert_true(rows[1].account == 7);
	must(queue_lanes(st, 1000, NULL, 0, 10, &a, &lanes, &n, &e));
	assert_int_equal(n, 2);
	assert_strz(lanes[0].name, "mx:b.example");
	assert_strz(lanes[1].name, "box");
	struct queue_claim c = { .lane = STR("mx:b.example"), .max = 10 };
	must(queue_claim(st, 1000, &c, &a, &e));
	assert_true(c.n == 1 && c.rows[0].id == 3);
	assert_strz(c.rows[0].prefix, "Pre:");
	assert_strz(c.rows[0].dsn, "RET=FULL");
	must(queue_change(st, NULL, QUEUE_RETRY, STR_NONE, &changed, &e));
	assert_int_equal(changed, 1);
	must(queue_claim(st, 1000, &c, &a, &e));
	assert_true(c.n == 1 && c.rows[0].id == 5);
	struct queue_result done[] = { { .id = 3, .outcome = QUEUE_DONE }, { .id = 5, .outcome = QUEUE_DONE } };
	must(queue_finish(st, done, 2, NULL, 0, &e));
	must(queue_list(st, NULL, 0, 10, &a, &rows, &n, &e));
	assert_true(n == 1 && rows[0].id == 4);
	assert_strz(rows[0].mailbox, "INBOX");
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
		cmocka_unit_test_teardown(test_version_2, teardown),
		cmocka_unit_test_teardown(test_empty, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
