#include "store/db.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "store/bell.h"
#include "store/queue.h"
#include "store/sqlite_store.h"
#include "store/test_store.h"

#define THREADS 16

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static void together(void *(*fn)(void *))
{
	pthread_t t[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

/* --- a disk that fails when told: SQLite's own unix VFS with two methods of ours ------------------- */

static sqlite3_vfs disk, *real_vfs;
static sqlite3_io_methods failing[2];
static const sqlite3_io_methods *real_io[2]; /* of the database, of its WAL */
static atomic_int fail_write, fail_sync;     /* the code to answer, 0 = work */

static int disk_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = atomic_load(&fail_write);
	return rc ? rc : real_io[0]->xWrite(f, p, n, at);
}

static int disk_sync(sqlite3_file *f, int how)
{
	int rc = atomic_load(&fail_sync);
	return rc ? rc : real_io[0]->xSync(f, how);
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	(void)vfs;
	int rc = real_vfs->xOpen(real_vfs, name, f, flags, out);
	for (int i = 0; i < 2; i++)
		if (rc == SQLITE_OK && f->pMethods == real_io[i])
			f->pMethods = &failing[i];
	return rc;
}

/* Before threads: learn the methods from files that are opened once. */
static void disk_install(void)
{
	struct store_conf conf = { .dir = dir, .create = true, .role = "test", .shared_fd = -1 };
	folder_new();
	conf.dir = dir;
	store_close(store_open(&conf, &e)); /* configures SQLite */
	sqlite3 *db;
	sqlite3_file *f;
	char path[100];
	snprintf(path, sizeof path, "%s/mail.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
	real_io[0] = f->pMethods;
	sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f);
	real_io[1] = f->pMethods;
	sqlite3_close(db);
	folder_remove(dir);
	for (int i = 0; i < 2; i++) {
		failing[i] = *real_io[i];
		failing[i].xWrite = disk_write;
		failing[i].xSync = disk_sync;
	}
	real_vfs = sqlite3_vfs_find(NULL);
	disk = *real_vfs;
	disk.zName = "failing";
	disk.xOpen = disk_open;
	sqlite3_vfs_register(&disk, 1);
}

static void test_disk_full(void **state)
{
	(void)state;
	put(account, "INBOX", "before");
	atomic_store(&fail_write, SQLITE_FULL);
	assert_int_equal(put_err(account, "INBOX", STR("x"), 0, &e), 0);
	assert_int_equal(e.kind, ERR_FULL);
	atomic_store(&fail_write, SQLITE_IOERR_WRITE);
	assert_int_equal(put_err(account, "INBOX", STR("x"), 0, &e), 0);
	assert_int_equal(e.kind, ERR_TEMP);
	atomic_store(&fail_write, SQLITE_READONLY);
	assert_int_equal(put_err(account, "INBOX", STR("x"), 0, &e), 0);
	assert_non_null(strstr(e.text, "read-only"));
	struct msg *m;
	size_t n;
	must(msg_page(st, inbox, 1, 99, false, &a, &m, &n, &e)); /* reading goes on */
	assert_int_equal(n, 1);
	atomic_store(&fail_write, 0);
	put(account, "INBOX", "after"); /* and so does the rest, by itself */
	reopen();
	assert_int_equal(box_now(inbox).messages, 2);
	check_clean();
}

static void test_sync_fails(void **state)
{
	(void)state;
	int shared = store_shared_new(&e);
	store_close(st);
	open_conf((struct store_conf){ .shared_fd = shared });
	put(account, "INBOX", "before");
	atomic_store(&fail_sync, SQLITE_IOERR_FSYNC);
	assert_int_equal(put_err(account, "INBOX", STR("x"), 0, &e), 0);
	assert_int_equal(e.kind, ERR_TEMP);
	atomic_store(&fail_sync, 0);
	assert_true(store_broken(st, &e));
	assert_int_equal(put_err(account, "INBOX", STR("x"), 0, &e), 0);
	must_fail(store_room(st, 0, &e), ERR_TEMP);
	store_close(st);
	open_conf((struct store_conf){ .shared_fd = shared }); /* checks before it says a word */
	assert_false(store_broken(st, &e));
	assert_false(atomic_load(&st->shared->check_wanted));
	put(account, "INBOX", "after");
	check_clean();
	close(shared);
}

/* --- batches ------------------------------------------------------------------------------------------ */

static sem_t held, go;
static atomic_int waiting;

static bool unit_hold(struct tx *tx, void *arg, struct err *err)
{
	(void)tx;
	(void)arg;
	(void)err;
	sem_post(&held);
	sem_wait(&go);
	return true;
}

static void *hold(void *arg)
{
	struct err err;
	store_do(st, unit_hold, arg, &err);
	return NULL;
}

static bool unit_write_and_fail(struct tx *tx, void *arg, struct err *err)
{
	(void)arg;
	return sql_run(tx, err, "UPDATE mailbox SET messages = 999") && err_set(err, ERR_PERM, "on purpose");
}

static bool unit_only_fail(struct tx *tx, void *arg, struct err *err)
{
	(void)tx;
	(void)arg;
	return err_set(err, ERR_PERM, "on purpose");
}

/* One in four fails after writing, one in four before; the rest deliver. */
static void *mixed(void *arg)
{
	struct err err = { 0 };
	atomic_fetch_add(&waiting, 1);
	switch ((uintptr_t)arg % 4) {
	case 0:
		assert_false(store_do(st, unit_write_and_fail, NULL, &err));
		assert_int_equal(err.kind, ERR_PERM);
		break;
	case 1:
		assert_false(store_do(st, unit_only_fail, NULL, &err));
		assert_int_equal(err.kind, ERR_PERM);
		break;
	default:
		assert_int_not_equal(put_err(account, "INBOX", STR("x"), 0, &err), 0);
	}
	return NULL;
}

/* Hold the writer until all the others stand in its queue, so that they become one batch. */
static void one_batch(void *(*fn)(void *))
{
	pthread_t holder, t[THREADS];
	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	atomic_store(&waiting, 0);
	pthread_create(&holder, NULL, hold, NULL);
	sem_wait(&held);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, fn, (void *)i);
	while (atomic_load(&waiting) < THREADS)
		usleep(1000);
	usleep(20000); /* from there into the queue: late ones only make the test weaker */
	sem_post(&go);
	pthread_join(holder, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void test_batch_failure(void **state)
{
	(void)state;
	struct store_stat s;
	one_batch(mixed);
	assert_int_equal(box_now(inbox).messages, THREADS / 2);
	store_stat(st, &s);
	assert_true(s.alone > 0);
	check_clean();
}

static bool unit_pages(struct tx *tx, void *arg, struct err *err)
{
	char pragma[80];
	struct rows r = sql_rows(tx, "PRAGMA page_count");
	int64_t n = row_next(&r) ? row_num(&r, 0) : 0;
	if (!rows_end(&r, err))
		return false;
	snprintf(pragma, sizeof pragma, "PRAGMA max_page_count=%lld", (long long)(arg ? n + 40 : 1 << 30));
	return sql_script(tx, pragma, err);
}

static atomic_int stored, refused;

/* 64 KiB that do not compress: some fit, some do not; each is told the truth. */
static void *fill(void *arg)
{
	static const size_t n = 64 << 10;
	char *noise = malloc(n);
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct err err = { 0 };
	for (size_t i = 0; i < n; i++)
		noise[i] = (char)(rand_r(&seed) >> 8);
	atomic_fetch_add(&waiting, 1);
	if (put_err(account, "INBOX", (struct str){ noise, n }, 0, &err)) {
		atomic_fetch_add(&stored, 1);
	} else {
		assert_int_equal(err.kind, ERR_FULL);
		atomic_fetch_add(&refused, 1);
	}
	free(noise);
	return NULL;
}

static void test_batch_full(void **state)
{
	(void)state;
	atomic_store(&stored, 0);
	atomic_store(&refused, 0);
	must(store_do(st, unit_pages, st, &e));
	one_batch(fill);
	assert_true(atomic_load(&stored) > 0 && atomic_load(&refused) > 0);
	assert_int_equal(atomic_load(&stored) + atomic_load(&refused), THREADS);
	must(store_do(st, unit_pages, NULL, &e));
	put(account, "INBOX", "there is space again");
	reopen();
	assert_int_equal(box_now(inbox).messages, atomic_load(&stored) + 1);
	check_clean();
}

/* --- many at once ---------------------------------------------------------------------------------------- */

static struct uid_run run_from(unsigned *seed)
{
	return (struct uid_run){ (uint32_t)rand_r(seed) % 400 + 1, (uint32_t)rand_r(seed) % 5 + 1 };
}

static void *meddle(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg + 1;
	struct arena b = { 0 };
	struct err err = { 0 };
	struct uid_run *newer;
	struct copied c;
	size_t n;
	for (int i = 0; i < 40; i++) {
		struct uid_run r = run_from(&seed);
		bool ok = true;
		switch (rand_r(&seed) % 5) {
		case 0:
			ok = msg_expunge(st, inbox, &r, 1, false, &err);
			break;
		case 1:
			ok = msg_copy(st, inbox, &r, 1, inbox, rand_r(&seed) % 2, &b, &c, &err);
			break;
		case 2:
			ok = msg_store_flags(st, inbox, &r, 1, FLAGS_SET, (unsigned)rand_r(&seed) % 16, STR("A b"), 0,
					     &b, &newer, &n, &err);
			break;
		default:
			ok = put_err(account, "INBOX", STR("text"), 0, &err) != 0;
		}
		if (!ok)
			print_error("%s\n", err.text);
		assert_true(ok);
		arena_reset(&b);
	}
	return NULL;
}

/* One that only follows the changes must see in the end what is there. */
static unsigned char seen[100000];
static atomic_bool over;

static void *follow(void *arg)
{
	struct arena b = { 0 };
	struct msg_changes c;
	struct err err;
	uint64_t modseq = 0;
	uint32_t all = 0;
	(void)arg;
	for (bool last = false; !last;) {
		last = atomic_load(&over);
		bell_wait(st, &all, 10);
		do {
			assert_true(msg_changes(st, inbox, modseq, &b, &c, &err));
			for (size_t i = 0; i < c.nmsgs; i++)
				seen[c.msgs[i].uid] = (unsigned char)(1 + c.msgs[i].flags);
			for (size_t i = 0; i < c.ngone; i++)
				memset(seen + c.gone[i].first, 0, c.gone[i].count);
			modseq = c.more ? c.msgs[c.nmsgs - 1].modseq : c.now.modseq;
		} while (c.more);
		arena_reset(&b);
	}
	return NULL;
}

static void test_many(void **state)
{
	(void)state;
	pthread_t follower;
	uint64_t contents, files;
	atomic_store(&over, false);
	memset(seen, 0, sizeof seen);
	pthread_create(&follower, NULL, follow, NULL);
	together(meddle);
	atomic_store(&over, true);
	bell_nudge(st);
	pthread_join(follower, NULL);
	uint32_t count = 0, from = 1;
	struct msg *m;
	size_t n;
	do {
		must(msg_page(st, inbox, from, UINT32_MAX, false, &a, &m, &n, &e));
		for (size_t i = 0; i < n; i++, count++) {
			assert_int_equal(seen[m[i].uid], 1 + m[i].flags);
			seen[m[i].uid] = 0;
			from = m[i].uid + 1;
		}
	} while (n == MSG_PAGE);
	assert_int_equal(count, box_now(inbox).messages);
	for (size_t i = 0; i < sizeof seen; i++)
		assert_int_equal(seen[i], 0);
	check_clean();
	must(store_collect(st, &contents, &files, &e));
	check_clean();
}

/* Two roles of one server in one process: their writers take turns, one of them checkpoints and collects. */
static struct store *roles[2];

static void *deliver_by_role(void *arg)
{
	struct err err;
	for (int i = 0; i < 30; i++) {
		struct stage s;
		struct target t = { .account = account,
				    .mailbox = STR("INBOX"),
				    .prefix = STR_NONE,
				    .keywords = STR_NONE,
				    .sender = STR_NONE,
				    .recipient = STR_NONE,
				    .dsn = STR_NONE };
		struct delivery d = { .stage = &s, .index = STR_NONE, .targets = &t, .n = 1 };
		stage_open(&s, roles[(uintptr_t)arg % 2], 1 << 20);
		bool ok = stage_add(&s, STR("hello")) && deliver(s.st, &d, &err);
		stage_drop(&s);
		if (!ok)
			print_error("%s\n", err.text);
		assert_true(ok);
	}
	return NULL;
}

static void test_two_roles(void **state)
{
	(void)state;
	int shared = store_shared_new(&e);
	assert_true(shared >= 0);
	store_close(st);
	open_conf((struct store_conf){ .shared_fd = shared });
	roles[0] = st;
	open_conf((struct store_conf){ .shared_fd = shared, .checkpointer = true });
	roles[1] = st;
	assert_int_not_equal(store_incarnation(roles[0]), store_incarnation(roles[1]));
	uint32_t rang = bell_seq(roles[0], bell_slot(account));
	together(deliver_by_role);
	assert_true(bell_seq(roles[0], bell_slot(account)) - rang == THREADS * 30);
	assert_int_equal(box_now(inbox).messages, THREADS * 30);
	assert_int_equal(box_now(inbox).uidnext, THREADS * 30 + 1);
	check_clean();
	store_close(roles[0]);
	close(shared);
}

static void test_wal_limits(void **state)
{
	(void)state;
	struct store_stat s;
	char *noise = malloc(200000);
	store_close(st);
	open_conf((struct store_conf){ .wal_max = 1 << 20 });
	for (size_t i = 0; i < 200000; i++)
		noise[i] = (char)rand();
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(put_err(account, "INBOX", (struct str){ noise, 200000 }, 0, &e), 0);
	must_fail(store_room(st, 0, &e), ERR_FULL); /* nobody checkpoints here */
	store_close(st);
	open_conf((struct store_conf){ .wal_turn = 8 << 20, .checkpointer = true });
	for (int i = 0; i < 200; i++)
		assert_int_not_equal(put_err(account, "INBOX", (struct str){ noise, 200000 }, 0, &e), 0);
	/* the WAL begins anew, again and again */
	for (int i = 0; store_stat(st, &s), s.wal_octets > (16 << 20); i++) {
		assert_true(i < 1000);
		usleep(10000);
		put(account, "INBOX", "x");
	}
	must(store_room(st, 0, &e));
	check_clean();
	free(noise);
}

static void test_queue(void **state)
{
	(void)state;
	struct stage s;
	struct target t[3];
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = t, .n = 3 };
	struct queue_row *rows;
	uint64_t n;
	size_t got;
	for (size_t i = 0; i < 3; i++)
		t[i] = (struct target){ .mailbox = STR_NONE,
					.prefix = STR_NONE,
					.keywords = STR_NONE,
					.sender = STR("you@example.org"),
					.recipient = STR("x@elsewhere.example"),
					.dsn = STR("RET=HDRS"),
					.due_wall_ms = 5 };
	stage_open(&s, st, 100);
	must(stage_add(&s, STR("hello")));
	must(deliver(st, &d, &e));
	stage_drop(&s);
	must(queue_count(st, &n, &e));
	assert_int_equal(n, 3);
	must(queue_list(st, NULL, 0, 2, &a, &rows, &got, &e));
	assert_int_equal(got, 2);
	assert_true(rows[0].id == t[0].queue_id && rows[0].size == 5 && rows[0].due_wall_ms == 5);
	assert_strz(rows[1].sender, "you@example.org");
	assert_strz(rows[1].dsn, "RET=HDRS");
	assert_int_equal(rows[1].state, QUEUE_WAITING);
	must(queue_list(st, NULL, rows[1].id, 10, &a, &rows, &got, &e));
	assert_int_equal(got, 1);
	uint64_t contents, files, removed;
	must(queue_change(st, NULL, QUEUE_REMOVE, STR_NONE, &removed, &e));
	assert_int_equal(removed, 3);
	must(store_collect(st, &contents, &files, &e));
	assert_int_equal(contents, 1);
	check_clean();
}

static void test_bell(void **state)
{
	(void)state;
	uint32_t all = 0, seq = bell_seq(st, 7);
	bell_ring(st, 7);
	bell_wait(st, &all, 10000); /* rang already: no wait */
	assert_int_equal(bell_seq(st, 7), seq + 1);
	assert_int_equal(bell_slot(7), bell_slot(7 + BELL_SLOTS));
	bell_wait(st, &all, 1); /* nothing: ends by itself */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_disk_full, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_sync_fails, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_batch_failure, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_batch_full, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_two_roles, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_wal_limits, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_queue, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_bell, setup_account, teardown),
	};
	disk_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
