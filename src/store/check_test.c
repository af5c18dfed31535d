#include "store/check.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "store/sqlite_store.h"
#include "store/test_queue.h"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static bool unit_sql(struct tx *tx, void *arg, struct err *err)
{
	return sql_script(tx, arg, err);
}

static void sql(const char *text)
{
	must(store_do(st, unit_sql, (void *)text, &e));
}

static bool unit_number(struct tx *tx, void *arg, struct err *err)
{
	struct rows r = sql_rows(tx, "SELECT max(id) FROM content");
	*(int64_t *)arg = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, err);
}

static struct check_report check(bool repair)
{
	struct check_report r;
	must(store_check(st, false, repair, NULL, NULL, &r, &e));
	return r;
}

/* `problems` lines that say `what`; all mended by a repair. */
static void found_and_mended(uint64_t problems, const char *what)
{
	struct check_report r = check(false);
	assert_int_equal(r.problems, problems);
	assert_true(str_find(buf_str(&r.text), str_of(what)) < r.text.n);
	buf_free(&r.text);
	r = check(true);
	assert_int_equal(r.repaired, problems);
	buf_free(&r.text);
	check_clean();
}

static void test_counters(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		put(account, "INBOX", "x");
	struct mailbox before = box_now(inbox);
	sql("UPDATE mailbox SET messages = 99, unseen = 0, octets = 1, uidnext = 3, modseq = 1 WHERE name = 'INBOX'");
	found_and_mended(1, "counters differ");
	struct mailbox after = box_now(inbox);
	assert_true(before.uidnext == after.uidnext && before.modseq == after.modseq && before.octets == after.octets);
}

static void test_lanes(void **state)
{
	(void)state;
	struct target t[3];
	struct queue_claim c = { .lane = STR("mx:a.example"), .max = 10 };
	for (size_t i = 0; i < 3; i++)
		t[i] = away("you@here.example", i == 2 ? "x@b.example" : "x@a.example", 0);
	leave(st, t, 3);
	sql("UPDATE lane SET ripe = 7 WHERE name = 'mx:a.example'");
	found_and_mended(1, "counts differ");
	sql("DELETE FROM lane WHERE name = 'mx:a.example'");
	found_and_mended(1, "counts differ");
	sql("INSERT INTO lane VALUES ('mx:c.example', 1, 0, 99)");
	found_and_mended(1, "counts differ");
	must(queue_claim(st, INT64_MAX, &c, &a, &e));
	assert_true(c.n == 2 && c.rows[0].id == t[0].queue_id && c.rows[1].id == t[1].queue_id);
	check_clean();
}

static void test_lost_rows(void **state)
{
	(void)state;
	put(account, "INBOX", "one");
	put(account, "INBOX", "two");
	sql("DELETE FROM msg WHERE key & 4294967295 = 1; UPDATE mailbox SET messages = 1, unseen = 1, octets = octets "
	    "- 20"
	    " WHERE messages = 2");
	struct check_report r = check(false);
	assert_true(str_find(buf_str(&r.text), STR("belong to no message")) < r.text.n);
	buf_free(&r.text);
	r = check(true);
	buf_free(&r.text);
	check_clean();
	uint64_t contents, files;
	must(store_collect(st, &contents, &files, &e));
	assert_int_equal(contents, 1);
	sql("DELETE FROM content");
	r = check(true);
	assert_true(r.problems == 1 && r.repaired == 0); /* nobody can make it up */
	buf_free(&r.text);
}

static void touch(const char *name)
{
	char path[200];
	snprintf(path, sizeof path, "%s/content/07", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/content/07/%s", dir, name);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool there(const char *name)
{
	char path[200];
	snprintf(path, sizeof path, "%s/content/07/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void test_orphans(void **state)
{
	(void)state;
	uint64_t contents, files;
	char mine[40];
	snprintf(mine, sizeof mine, "%u-7.zst", store_incarnation(st));
	touch(mine);
	touch("999-7.zst");
	found_and_mended(1, "999-7.zst");
	assert_true(there(mine) && !there("999-7.zst"));
	touch("998-7.zst");
	must(store_collect(st, &contents, &files, &e));
	assert_true(files == 1 && there(mine) && !there("998-7.zst"));
	touch("README");
	struct check_report r = check(true);
	assert_true(r.problems == 1 && r.repaired == 0 && there("README"));
	buf_free(&r.text);
}

static void test_collect(void **state)
{
	(void)state;
	uint64_t contents, files;
	struct copied c;
	struct uid_run one = { 1, 1 };
	char *big = arena_alloc(&a, 400000);
	for (size_t i = 0; i < 400000; i++)
		big[i] = (char)rand();
	struct err err;
	must(put_err(account, "INBOX", (struct str){ big, 400000 }, 0, &err) == 1);
	put(account, "INBOX", "small");
	must(msg_copy(st, inbox, &one, 1, box_id(account, "Sent"), false, &a, &c, &e));
	must(msg_expunge(st, inbox, NULL, 0, false, &e));
	must(store_collect(st, &contents, &files, &e));
	assert_true(contents == 1 && files == 0); /* the copy keeps the large one */
	check_clean();
	int64_t before = 0, after = 0;
	must(msg_expunge(st, box_id(account, "Sent"), NULL, 0, false, &e));
	must(store_collect(st, &contents, &files, &e));
	assert_true(contents == 1 && files == 1);
	must(store_read(st, unit_number, &before, &e));
	reopen();
	put(account, "INBOX", "next");
	must(store_read(st, unit_number, &after, &e));
	assert_int_equal(before, 2); /* an empty row keeps the id */
	assert_int_equal(after, 3);
	must(store_collect(st, &contents, &files, &e));
	check_clean();
}

/* A crash between marking and deleting: the next goes on. */
static void test_collect_half(void **state)
{
	(void)state;
	uint64_t contents, files;
	put(account, "INBOX", "one");
	put(account, "INBOX", "two");
	sql("DELETE FROM msg; UPDATE mailbox SET messages = 0, unseen = 0, octets = 0;"
	    "UPDATE account SET messages = 0, octets = 0;"
	    "INSERT INTO forgotten SELECT id, 1, 2 FROM mailbox WHERE name = 'INBOX';"
	    "UPDATE content SET dead = 1, data = NULL WHERE id = 1; INSERT INTO garbage VALUES (2)");
	must(store_collect(st, &contents, &files, &e));
	check_clean();
}

static void test_shrink(void **state)
{
	(void)state;
	uint64_t contents, files;
	struct stat before, after;
	char path[100];
	char *noise = arena_alloc(&a, 100000);
	for (size_t i = 0; i < 100000; i++)
		noise[i] = (char)rand();
	for (int i = 0; i < 200; i++) {
		struct err err;
		noise[0] = (char)i;
		must(put_err(account, "INBOX", (struct str){ noise, 100000 }, 0, &err) != 0);
	}
	snprintf(path, sizeof path, "%s/mail.db", dir);
	must(msg_expunge(st, inbox, NULL, 0, false, &e));
	reopen(); /* checkpoints */
	assert_int_equal(stat(path, &before), 0);
	must(store_collect(st, &contents, &files, &e));
	assert_int_equal(contents, 200);
	reopen();
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_size < before.st_size);
	check_clean();
}

/* --- damage ---------------------------------------------------------------------------------- */

static void test_corrupt_page(void **state)
{
	(void)state;
	char path[100], noise[PAGE_SIZE];
	struct check_report r;
	struct mailbox *all;
	size_t n;
	for (int i = 0; i < 300; i++)
		put(account, "INBOX", "some text that takes its place in a page of the database");
	store_close(st);
	memset(noise, 0xa5, sizeof noise);
	snprintf(path, sizeof path, "%s/mail.db-wal", dir);
	assert_int_equal(unlink(path), 0); /* closing has moved all of it; it would hide the damage */
	snprintf(path, sizeof path, "%s/mail.db", dir);
	int fd = open(path, O_RDWR);
	for (int page = 6; page < 60; page += 3) /* not the schema */
		assert_int_equal(pwrite(fd, noise, sizeof noise, page * PAGE_SIZE), sizeof noise);
	close(fd);
	struct store_conf conf = { .dir = dir, .role = "test", .shared_fd = -1, .reserve = 1 };
	st = store_open(&conf, &e);
	if (st) {
		must(store_check(st, true, false, NULL, NULL, &r, &e));
		assert_true(r.problems > 0);
		buf_free(&r.text);
		if (!mailbox_list(st, account, &a, &all, &n, &e))
			assert_int_equal(e.kind, ERR_TEMP);
		return;
	}
	assert_int_equal(e.kind, ERR_TEMP);
	assert_non_null(strstr(e.text, "store check"));
}

static void test_lost_index(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		put(account, "INBOX", "x");
	sql("PRAGMA writable_schema=ON; DELETE FROM sqlite_schema WHERE name = 'msg_content'; PRAGMA "
	    "writable_schema=RESET;");
	reopen();
	struct check_report r = check(false); /* a page that nobody knows: seen, not mended */
	assert_true(r.problems > 0);
	buf_free(&r.text);
}

static void test_newer(void **state)
{
	(void)state;
	sql("PRAGMA user_version=99");
	store_close(st);
	struct store_conf conf = { .dir = dir, .role = "test", .shared_fd = -1 };
	st = store_open(&conf, &e);
	assert_null(st);
	assert_int_equal(e.kind, ERR_PERM);
	assert_non_null(strstr(e.text, "newer"));
}

/* --- backup and restore ------------------------------------------------------------------------- */

static atomic_bool enough;

static void *deliver_on(void *arg)
{
	static char noise[300000];
	struct err err;
	(void)arg;
	for (unsigned i = 0; !atomic_load(&enough); i++) {
		size_t n = i % 20 == 0 ? sizeof noise : 100;
		noise[0] = (char)i;
		put_err(account, "INBOX", (struct str){ noise, n }, 0, &err);
	}
	return NULL;
}

static void test_backup(void **state)
{
	(void)state;
	char to[100], back[100];
	pthread_t busy;
	snprintf(to, sizeof to, "%s/backup", dir);
	snprintf(back, sizeof back, "%s/restored", dir);
	for (int i = 0; i < 50; i++)
		put(account, "INBOX", "before");
	struct err err;
	char *big = arena_alloc(&a, 400000);
	must(put_err(account, "INBOX", (struct str){ big, 400000 }, 0, &err) != 0);
	atomic_store(&enough, false);
	pthread_create(&busy, NULL, deliver_on, NULL);
	must(store_backup(st, to, NULL, NULL, &e));
	must_fail(store_backup(st, to, NULL, NULL, &e), ERR_PERM); /* not empty */
	atomic_store(&enough, true);
	pthread_join(busy, NULL);
	check_clean();
	uint32_t uidvalidity = box_now(inbox).uidvalidity;
	store_close(st);
	must(store_restore(to, back, NULL, NULL, &e));
	must_fail(store_restore(to, back, NULL, NULL, &e), ERR_PERM);
	struct store_conf conf = { .dir = back, .role = "test", .shared_fd = -1, .reserve = 1 };
	st = store_open(&conf, &e);
	must(st != NULL);
	check_clean();
	assert_true(box_now(inbox).messages >= 51);
	assert_int_not_equal(box_now(inbox).uidvalidity, uidvalidity);
	put(account, "INBOX", "after");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counters, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_lanes, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_lost_rows, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_orphans, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_collect, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_collect_half, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_shrink, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_corrupt_page, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_lost_index, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_newer, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_backup, setup_account, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
