/* What a process had acknowledged when it was killed is there, once, and nothing is half there. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "store/sqlite_store.h"
#include "store/test_store.h"

#define ROUNDS  8
#define THREADS 8
#define MOST    20000 /* messages of a thread in all rounds */

static int shared;
static bool acknowledged[THREADS][MOST];
static unsigned begun[THREADS];

/* --- the child -------------------------------------------------------------------------------- */

static int report; /* pipe: one line for each message whose delivery was told to be true */
static unsigned first[THREADS];

static void *deliver_for_ever(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	static const char padding[300000];
	struct err err = { 0 };
	for (unsigned i = first[me]; i < MOST; i++) {
		char text[400000], line[40];
		int n = snprintf(text, sizeof text, "%u-%u\n", me, i);
		size_t more = i % 37 == 5 ? sizeof padding : 20; /* some in files */
		memcpy(text + n, padding, more);
		if (!put_err(1, "INBOX", (struct str){ text, (size_t)n + more }, 0, &err))
			continue;
		int len = snprintf(line, sizeof line, "%u-%u\n", me, i);
		if (!file_write(report, (struct str){ line, (size_t)len }))
			break;
	}
	pause();
	return NULL;
}

static void child(void)
{
	pthread_t t[THREADS];
	pthread_attr_t attr;
	open_conf((struct store_conf){ .shared_fd = shared, .checkpointer = true, .wal_turn = 1 << 20 });
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 4 << 20);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], &attr, deliver_for_ever, (void *)i);
	pause();
}

/* --- the parent --------------------------------------------------------------------------------- */

static bool numbers(struct str line, unsigned *thread, unsigned *i)
{
	uint64_t x, y;
	if (!num_take(&line, THREADS - 1, &x) || !str_skipc(&line, '-') || !num_take(&line, MOST - 1, &y))
		return false;
	*thread = (unsigned)x;
	*i = (unsigned)y;
	return true;
}

static void acknowledge(struct str text)
{
	unsigned t, i;
	while (str_chr(text, '\n') < text.n) {
		assert_true(numbers(str_line(&text), &t, &i));
		acknowledged[t][i] = true;
		begun[t] = i + 1 > begun[t] ? i + 1 : begun[t];
	}
}

/* Read until `enough` messages are acknowledged, kill, read what is left in the pipe. */
static void kill_under_load(pid_t pid, int from, unsigned enough)
{
	struct buf got = { 0 };
	bool killed = false;
	for (ssize_t n = 1; n != 0;) {
		n = read(from, buf_reserve(&got, 4096), 4096);
		assert_true(n >= 0);
		got.n += (size_t)n;
		if (!killed && got.n > enough) {
			assert_int_equal(kill(pid, SIGKILL), 0);
			killed = true;
		}
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	acknowledge(buf_str(&got));
	buf_free(&got);
}

static void compare(void)
{
	static unsigned char times[THREADS][MOST];
	struct msg *m;
	size_t n;
	memset(times, 0, sizeof times);
	int64_t inbox = box_id(1, "INBOX");
	uint32_t from = 1;
	do {
		must(msg_page(st, inbox, from, UINT32_MAX, false, &a, &m, &n, &e));
		for (size_t k = 0; k < n; k++) {
			unsigned t, i;
			struct str text;
			must(content_read(st, m[k].content_id, &a, &text, &e));
			assert_true(numbers(text, &t, &i));
			assert_int_equal(times[t][i]++, 0); /* none twice */
			from = m[k].uid + 1;
			begun[t] = i + 1 > begun[t] ? i + 1 : begun[t];
		}
	} while (n == MSG_PAGE);
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < MOST; i++)
			assert_true(!acknowledged[t][i] || times[t][i] == 1); /* none lost */
	arena_reset(&a);
}

static void test_killed(void **state)
{
	(void)state;
	uint64_t contents, files;
	folder_new();
	shared = store_shared_new(&e);
	open_conf((struct store_conf){ .shared_fd = shared });
	assert_int_equal(account_new("you"), 1);
	store_close(st);
	for (unsigned round = 0; round < ROUNDS; round++) {
		int p[2];
		assert_int_equal(pipe(p), 0);
		memcpy(first, begun, sizeof first);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(p[0]);
			report = p[1];
			child();
			_exit(1);
		}
		close(p[1]);
		kill_under_load(pid, p[0], round * 631 % 4000);
		close(p[0]);
		open_conf((struct store_conf){ .shared_fd = shared });
		compare();
		must(store_collect(st, &contents, &files, &e));
		check_clean();
		store_close(st);
	}
	st = NULL;
	close(shared);
	folder_remove(dir);
}

/* --- two at once -------------------------------------------------------------------------------- */

#define EACH 60

static void *deliver_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++)
		put(1, "INBOX", "hello");
	return NULL;
}

static void writer_process(bool keeps)
{
	pthread_t t[THREADS];
	open_conf((struct store_conf){ .shared_fd = shared, .checkpointer = keeps, .wal_turn = 1 << 20 });
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, deliver_some, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	store_close(st);
	_exit(0);
}

static void test_two_processes(void **state)
{
	(void)state;
	pid_t pid[2];
	folder_new();
	shared = store_shared_new(&e);
	open_conf((struct store_conf){ .shared_fd = shared });
	account_new("you");
	store_close(st);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			writer_process(i);
	}
	for (int i = 0; i < 2; i++) {
		int status;
		waitpid(pid[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	open_conf((struct store_conf){ .shared_fd = shared });
	struct mailbox m = box_now(box_id(1, "INBOX"));
	assert_true(m.messages == 2 * THREADS * EACH && m.uidnext == 2 * THREADS * EACH + 1);
	check_clean();
	store_close(st);
	close(shared);
	folder_remove(dir);
}

/* --- the turn --------------------------------------------------------------------------------------- */

static bool unit_hang(struct tx *tx, void *arg, struct err *err)
{
	if (!sql_run(tx, err, "UPDATE mailbox SET messages = 999"))
		return false;
	(void)!write(*(int *)arg, "x", 1);
	pause();
	return true;
}

/* Another role hangs in its turn: we say so.  It is killed there: we go on, and nothing of it is left. */
static void test_killed_in_turn(void **state)
{
	(void)state;
	int p[2];
	char x;
	folder_new();
	shared = store_shared_new(&e);
	open_conf((struct store_conf){ .shared_fd = shared });
	account_new("you");
	store_close(st);
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		open_conf((struct store_conf){ .shared_fd = shared });
		store_do(st, unit_hang, &p[1], &e);
		_exit(1);
	}
	assert_int_equal(read(p[0], &x, 1), 1);
	struct store_conf conf = { .dir = dir, .role = "late", .shared_fd = shared, .reserve = 1 };
	assert_null(store_open(&conf, &e));
	assert_int_equal(e.kind, ERR_TEMP);
	char who[40];
	snprintf(who, sizeof who, "test (process %d)", (int)pid);
	assert_non_null(strstr(e.text, who));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	open_conf((struct store_conf){ .shared_fd = shared });
	put(1, "INBOX", "after");
	assert_int_equal(box_now(box_id(1, "INBOX")).messages, 1);
	check_clean();
	store_close(st);
	close(shared);
	close(p[0]);
	close(p[1]);
	folder_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_killed), cmocka_unit_test(test_two_processes),
					    cmocka_unit_test(test_killed_in_turn) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
