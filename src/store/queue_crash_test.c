/* A role that is killed while it takes mail and delivers it: what was acknowledged leaves, none is lost on the way,
 * and what was finished does not come back.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "store/sqlite_store.h"
#include "store/test_queue.h"

#define ROUNDS  8
#define MOST    40000 /* ids in all rounds */
#define CLAIMS  20
#define TAKERS  3
#define SENDERS 3

enum fact { TAKEN = 1, TRIED = 2, FINISHED = 4 };
static unsigned facts[MOST];
static int shared, report;

/* --- the child: says what it knows to be true, a line for each -------------------------------------- */

static void say(char what, int64_t id)
{
	char line[40];
	int n = snprintf(line, sizeof line, "%c%lld\n", what, (long long)id);
	if (!file_write(report, (struct str){ line, (size_t)n }))
		_exit(1);
}

static void *take(void *arg)
{
	struct err err = { 0 };
	for (unsigned i = 0;; i++) {
		struct stage s;
		char to[2][40];
		struct target t[2];
		for (size_t k = 0; k < 2; k++) {
			snprintf(to[k], sizeof to[k], "x@d%u.example", (i + (unsigned)k) % 3);
			t[k] = away(arg, to[k], 0);
			t[k].prefix = t[k].mailbox = t[k].keywords = STR_NONE;
		}
		struct delivery d = { .stage = &s, .index = STR_NONE, .targets = t, .n = 2 };
		stage_open(&s, st, 1000);
		if (stage_add(&s, STR("hello")) && deliver(st, &d, &err)) {
			say('t', t[0].queue_id);
			say('t', t[1].queue_id);
		}
		stage_drop(&s);
	}
	return NULL;
}

/* Most are done, some are to be tried again. */
static void work_on(const struct queue_claim *c)
{
	struct err err = { 0 };
	struct queue_result r[CLAIMS];
	for (size_t i = 0; i < c->n; i++) {
		r[i] = (struct queue_result){ .id = c->rows[i].id,
					      .outcome = c->rows[i].id % 4 ? QUEUE_DONE : QUEUE_LATER,
					      .why = STR("451") };
		say('c', c->rows[i].id);
	}
	if (!queue_finish(st, r, c->n, NULL, 0, &err))
		return;
	for (size_t i = 0; i < c->n; i++)
		if (r[i].outcome == QUEUE_DONE)
			say('f', r[i].id);
}

static void *deliver_on(void *arg)
{
	(void)arg;
	struct err err = { 0 };
	for (;;) {
		struct arena mine = { 0 };
		struct queue_lane *lanes;
		size_t n = 0;
		if (queue_lanes(st, clock_wall_ms(), NULL, 0, 1, &mine, &lanes, &n, &err) && n > 0) {
			struct queue_claim c = { .lane = lanes[0].name, .max = CLAIMS };
			if (queue_claim(st, clock_wall_ms(), &c, &mine, &err))
				work_on(&c);
		}
		arena_reset(&mine);
	}
	return NULL;
}

static void child(void)
{
	static char from[SENDERS][20] = { "ann@a.example", "bob@b.example", "" };
	pthread_t t;
	uint64_t n;
	open_conf((struct store_conf){ .shared_fd = shared, .checkpointer = true, .wal_turn = 1 << 20 });
	must(queue_recover(st, &n, &e));
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&t, NULL, take, from[i]);
	for (int i = 0; i < TAKERS; i++)
		pthread_create(&t, NULL, deliver_on, NULL);
	for (;;)
		pause();
}

/* --- the parent ---------------------------------------------------------------------------------------- */

static void believe(struct str text)
{
	while (str_chr(text, '\n') < text.n) {
		struct str line = str_line(&text);
		char what = line.p[0];
		uint64_t id;
		str_skipc(&line, what);
		assert_true(num_take(&line, MOST - 1, &id));
		facts[id] |= what == 't' ? TAKEN : what == 'c' ? TRIED : FINISHED;
	}
}

/* Read until there was enough, kill, read what is left in the pipe. */
static void kill_under_load(pid_t pid, int from, size_t enough)
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
	believe(buf_str(&got));
	buf_free(&got);
}

/* Whoever is not there was tried at least; whoever was finished is not there. */
static void compare(void)
{
	static bool there[MOST];
	struct queue_row *rows;
	size_t n;
	int64_t after = 0;
	memset(there, 0, sizeof there);
	do {
		must(queue_list(st, NULL, after, QUEUE_PAGE, &a, &rows, &n, &e));
		for (size_t i = 0; i < n; i++) {
			after = rows[i].id;
			assert_true(after < MOST && rows[i].state != QUEUE_LEASED);
			there[after] = true;
		}
		arena_reset(&a);
	} while (n == QUEUE_PAGE);
	for (size_t id = 0; id < MOST; id++) {
		assert_true(!(facts[id] & TAKEN) || there[id] || (facts[id] & TRIED));
		assert_true(!(facts[id] & FINISHED) || !there[id]);
	}
}

static uint64_t one_round(unsigned round)
{
	int p[2];
	uint64_t recovered, contents, files;
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(p[0]);
		report = p[1];
		child();
		_exit(1);
	}
	close(p[1]);
	kill_under_load(pid, p[0], 500 + round * 4001 % 16000);
	close(p[0]);
	open_conf((struct store_conf){ .shared_fd = shared });
	must(queue_recover(st, &recovered, &e));
	compare();
	must(store_collect(st, &contents, &files, &e));
	check_clean();
	store_close(st);
	return recovered;
}

/* All that is left can be delivered. */
static void drain(void)
{
	uint64_t n;
	struct queue_lane *lanes;
	size_t nlanes;
	open_conf((struct store_conf){ .shared_fd = shared });
	must(queue_change(st, NULL, QUEUE_RELEASE, STR_NONE, &n, &e));
	for (;;) {
		struct queue_result r[QUEUE_CLAIM_MAX];
		must(queue_lanes(st, clock_wall_ms(), NULL, 0, 1, &a, &lanes, &nlanes, &e));
		if (nlanes == 0)
			break;
		struct queue_claim c = { .lane = lanes[0].name, .max = QUEUE_CLAIM_MAX };
		must(queue_claim(st, clock_wall_ms(), &c, &a, &e));
		assert_true(c.n > 0);
		for (size_t i = 0; i < c.n; i++)
			r[i] = (struct queue_result){ .id = c.rows[i].id, .outcome = QUEUE_DONE };
		must(queue_finish(st, r, c.n, NULL, 0, &e));
		arena_reset(&a);
	}
	must(queue_count(st, &n, &e));
	assert_int_equal(n, 0);
	check_clean();
	store_close(st);
	st = NULL;
}

static void test_killed(void **state)
{
	(void)state;
	uint64_t recovered = 0;
	folder_new();
	shared = store_shared_new(&e);
	for (unsigned round = 0; round < ROUNDS; round++)
		recovered += one_round(round);
	assert_true(recovered > 0); /* else they were killed too early to tell anything */
	drain();
	close(shared);
	folder_remove(dir);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_killed) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
