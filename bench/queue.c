/* queue.c - what claims cost: ./dev bench queue, or by hand: bench-queue FOLDER ROWS LANES [FUTURE]
 *
 * A store with ROWS due rows in LANES lanes, and FUTURE rows of one more lane that are due tomorrow; then rounds of
 * "ask for lanes, claim 100 rows of the first, put them back".  One line of JSON; times are medians in microseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/content.h"
#include "store/db.h"
#include "store/mailbox.h"
#include "store/queue.h"

#define EACH   400 /* recipients of a message */
#define ROUNDS 101
#define CLAIM  100
#define DAY_MS ((int64_t)86400000)

static struct store *st;
static struct err e;

static void must(bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "bench-queue: %s\n", e.text);
	exit(1);
}

static double clock_us(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static void put(size_t n, unsigned long lanes, int64_t due_wall_ms)
{
	static unsigned long count;
	static char prefix[400], names[EACH][60];
	struct target t[EACH];
	struct stage s;
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = t, .n = n };
	memset(prefix, 'x', sizeof prefix);
	for (size_t i = 0; i < n; i++, count++) {
		int len = lanes ? snprintf(names[i], sizeof *names, "user%lu@d%lu.example", count, count % lanes)
				: snprintf(names[i], sizeof *names, "user%lu@tomorrow.example", count);
		t[i] = (struct target){ .prefix = { prefix, sizeof prefix },
					.sender = STR("sender@here.example"),
					.recipient = { names[i], (size_t)len },
					.mailbox = STR_NONE,
					.dsn = STR("NOTIFY=FAILURE"),
					.due_wall_ms = due_wall_ms };
	}
	stage_open(&s, st, 100000);
	must(stage_add(&s, STR("Subject: hello\r\n\r\nhello\r\n")) || (e = s.err, false));
	must(deliver(st, &d, &e));
	stage_drop(&s);
}

static void fill(unsigned long rows, unsigned long lanes, int64_t due_wall_ms)
{
	for (unsigned long done = 0; done < rows; done += EACH)
		put(rows - done < EACH ? rows - done : EACH, lanes, due_wall_ms);
}

static int by_size(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return (a > b) - (a < b);
}

static double median(double *all)
{
	qsort(all, ROUNDS, sizeof *all, by_size);
	return all[ROUNDS / 2];
}

static double lanes_us[ROUNDS], claim_us[ROUNDS], claim_cpu_us[ROUNDS], finish_us[ROUNDS];

static void round_of(size_t i)
{
	struct arena a = { 0 };
	struct queue_lane *lanes;
	struct queue_result res[CLAIM];
	size_t n;
	int64_t now = clock_wall_ms();
	double t0 = now_us();
	must(queue_lanes(st, now, NULL, 0, 200, &a, &lanes, &n, &e));
	double t1 = now_us(), cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	struct queue_claim c = { .lane = lanes[0].name, .max = CLAIM };
	must(queue_claim(st, now, &c, &a, &e));
	double t2 = now_us();
	claim_cpu_us[i] = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (c.n != CLAIM)
		must(err_set(&e, ERR_PERM, "only %zu rows in a lane", c.n));
	for (size_t k = 0; k < c.n; k++)
		res[k] = (struct queue_result){ .id = c.rows[k].id,
						.outcome = QUEUE_LATER,
						.why = STR("451 4.7.1 Greylisted, please try again later"),
						.due_wall_ms = 1 };
	double t3 = now_us();
	must(queue_finish(st, res, c.n, NULL, 0, &e));
	finish_us[i] = now_us() - t3;
	lanes_us[i] = t1 - t0;
	claim_us[i] = t2 - t1;
	arena_reset(&a);
}

/* Tomorrow: one call lets some 2,000 rows take their places. */
static double ripen(void)
{
	struct arena a = { 0 };
	struct queue_lane *lanes;
	size_t n;
	double begun = now_us();
	must(queue_lanes(st, clock_wall_ms() + 2 * DAY_MS, NULL, 0, 200, &a, &lanes, &n, &e));
	uint64_t rows = 0;
	for (size_t i = 0; i < n; i++)
		rows += str_eq(lanes[i].name, STR("mx:tomorrow.example")) ? lanes[i].waiting : 0;
	arena_reset(&a);
	return rows ? (now_us() - begun) / (double)rows : 0;
}

int main(int argc, char **argv)
{
	struct rusage ru;
	if (argc < 4) {
		fprintf(stderr, "usage: bench-queue FOLDER ROWS LANES [FUTURE]\n");
		return 64;
	}
	unsigned long rows = strtoul(argv[2], NULL, 10), lanes = strtoul(argv[3], NULL, 10);
	unsigned long future = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
	struct store_conf conf = {
		.dir = argv[1], .create = true, .role = "bench", .shared_fd = -1, .checkpointer = true
	};
	st = store_open(&conf, &e);
	must(st != NULL);
	fill(future, 0, clock_wall_ms() + DAY_MS);
	double begun = now_us();
	fill(rows, lanes, 0);
	double insert_us = (now_us() - begun) / (double)rows;
	sleep(2); /* until the checkpointer has worked off what filling left */
	for (size_t i = 0; i < ROUNDS; i++)
		round_of(i);
	double lanes_each = median(lanes_us), claim_each = median(claim_us), finish_each = median(finish_us);
	double cpu_each = median(claim_cpu_us);
	double ripen_each = future ? ripen() : 0;
	getrusage(RUSAGE_SELF, &ru);
	printf(
	    "{\"rows\": %lu, \"lanes\": %lu, \"future\": %lu, \"insert\": %.1f, \"lanes_us\": %.0f, \"claim_us\": %.0f,"
	    " \"finish_us\": %.0f, \"claim_us_row\": %.1f, \"claim_cpu_us\": %.0f, \"ripen_us_row\": %.1f, "
	    "\"rss_kib\": %ld}\n",
	    rows, lanes, future, insert_us, lanes_each, claim_each, finish_each, claim_each / CLAIM, cpu_each,
	    ripen_each, ru.ru_maxrss);
	store_close(st);
	return 0;
}
