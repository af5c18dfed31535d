/* Pace, in simulated time: never faster, and not much slower. */
#include <time.h>

#include "store/test_queue.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define DAY    (24 * 60 * MINUTE)
#define MOST   4000

static int64_t went[MOST]; /* when each row went */
static size_t nwent;
static uint64_t dice;

static int64_t roll(int64_t sides)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)(dice >> 33) % sides;
}

static int setup_rows(void **state)
{
	struct target t[500];
	setup_queue(state);
	now_ms = 1700000000000;
	nwent = 0;
	for (int k = 0; k < MOST / 500; k++) {
		for (size_t i = 0; i < 500; i++)
			t[i] = away("ann@a.example", "bob@b.example", 0);
		leave(st, t, 500);
	}
	return 0;
}

/* When to ask again; what went is written down. */
static int64_t ask(const struct queue_pace *p, size_t max)
{
	struct queue_claim c = { .lane = STR("mx:b.example"), .max = max, .pace = p };
	must(queue_claim(st, now_ms, &c, &a, &e));
	assert_true(c.n == 0 || c.wait_until_wall_ms == 0);
	assert_true(c.n > 0 || c.wait_until_wall_ms > now_ms);
	for (size_t i = 0; i < c.n; i++)
		went[nwent++] = now_ms;
	arena_reset(&a);
	return c.wait_until_wall_ms;
}

/* No more than `count` in any window of `per_ms` (half open). */
static void never_faster(size_t count, int64_t per_ms)
{
	for (size_t i = count; i < nwent; i++)
		if (went[i] - went[i - count] < per_ms)
			fail_msg("%zu within %lld ms, at most %zu within %lld", count + 1,
				 (long long)(went[i] - went[i - count]), count, (long long)per_ms);
}

static struct queue_pace one_per(int64_t per_ms)
{
	return (struct queue_pace){ .name = STR("transport isp"), .rules = { { 1, per_ms } }, .nrules = 1 };
}

static void restart(void)
{
	store_close(st);
	open_queue(-1);
}

/* Whenever asked, over restarts. */
static void test_random(void **state)
{
	(void)state;
	struct queue_pace p = one_per(MINUTE);
	dice = 7;
	for (int i = 0; i < 1500; i++) {
		int64_t until = ask(&p, 5);
		now_ms = until && roll(4) ? until + roll(5 * SECOND) : now_ms + roll(MINUTE / 2) + 1;
		if (roll(100) == 0)
			restart();
	}
	assert_true(nwent > 300);
	never_faster(1, MINUTE * 95 / 100);
	for (size_t i = 0; i < nwent; i++)
		assert_true((went[i] - went[0]) % MINUTE <= MINUTE / 20);
}

/* Asked when it said one should, and a little late, as it is. */
static void prompt(int64_t per_ms, int64_t late_ms)
{
	struct queue_pace p = one_per(per_ms);
	int64_t begin = now_ms;
	nwent = 0;
	while (now_ms < begin + 600 * per_ms) {
		int64_t until = ask(&p, 1);
		now_ms = until ? until + roll(late_ms) : now_ms + 1;
	}
	assert_true(nwent >= 540 && nwent <= 600);
	never_faster(1, per_ms * 95 / 100);
}

static void test_prompt(void **state)
{
	(void)state;
	prompt(SECOND, 30);
	prompt(10 * SECOND, 400);
}

static void test_count(void **state)
{
	(void)state;
	static const struct {
		uint32_t count;
		int64_t per_ms;
	} rules[] = { { 10, MINUTE }, { 300, DAY }, { 3, 777 }, { 25, 10 * SECOND } };
	for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) {
		struct queue_pace p = { .name = STR("account ann"),
					.rules = { { rules[k].count, rules[k].per_ms } },
					.nrules = 1 };
		dice = k;
		nwent = 0;
		for (int i = 0; i < 400 && nwent < 900; i++) {
			int64_t until = ask(&p, 1 + (size_t)roll(7));
			now_ms = until && roll(2) ? until + roll(3) : now_ms + roll(rules[k].per_ms / 10) + 1;
			if (roll(100) == 0)
				restart();
		}
		assert_true(nwent > rules[k].count);
		never_faster(rules[k].count, rules[k].per_ms);
	}
}

/* Who asks steadily gets at least eight ninths. */
static void test_steady(void **state)
{
	(void)state;
	struct queue_pace p = { .name = STR("form contact"), .rules = { { 90, MINUTE } }, .nrules = 1 };
	int64_t begin = now_ms;
	while (now_ms < begin + 20 * MINUTE) {
		ask(&p, 1);
		now_ms += 650; /* a little faster than it may */
	}
	assert_true(nwent >= 20 * 80);
	never_faster(90, MINUTE);
}

static void test_several(void **state)
{
	(void)state;
	struct queue_pace p = { .name = STR("transport isp"),
				.rules = { { 1, SECOND }, { 20, MINUTE }, { 1, 2 * SECOND }, { 100, 10 * MINUTE } },
				.nrules = 4 };
	int64_t begin = now_ms;
	while (now_ms < begin + 60 * MINUTE) {
		int64_t until = ask(&p, 3);
		now_ms = until ? until : now_ms + 1;
	}
	never_faster(1, 2 * SECOND * 95 / 100);
	never_faster(20, MINUTE);
	never_faster(100, 10 * MINUTE);
	assert_true(nwent >= 6 * 88);
}

/* Set back by a day: not faster, and not silent for a day.  Set ahead: no burst to catch up. */
static void test_clock_steps(void **state)
{
	(void)state;
	struct queue_pace one = one_per(MINUTE),
			  many = { .name = STR("account ann"), .rules = { { 5, MINUTE } }, .nrules = 1 };
	ask(&one, 1);
	now_ms += MINUTE;
	ask(&one, 1);
	while (!ask(&many, 1))
		;
	assert_int_equal(nwent, 2 + 5);
	now_ms -= DAY;
	assert_int_equal(ask(&one, 1), now_ms + MINUTE);
	int64_t until = ask(&many, 1);
	assert_true(until > now_ms + MINUTE * 7 / 8 && until <= now_ms + MINUTE * 9 / 8 + 1);
	assert_int_equal(nwent, 7);
	now_ms += MINUTE;
	assert_int_equal(ask(&one, 1), 0);
	now_ms += DAY;
	assert_int_equal(ask(&one, 9), 0);
	assert_int_equal(nwent, 9);
	assert_true(ask(&one, 9) > now_ms);
}

/* Made slower: one new interval after the last. */
static void test_changed(void **state)
{
	(void)state;
	struct queue_pace p = one_per(MINUTE);
	ask(&p, 1);
	p = one_per(10 * MINUTE);
	now_ms += MINUTE;
	assert_int_equal(ask(&p, 1), now_ms + 9 * MINUTE);
	now_ms += 9 * MINUTE + 12345;
	assert_int_equal(ask(&p, 1), 0);
	now_ms += 5;
	assert_int_equal(ask(&p, 1), now_ms - 5 + 10 * MINUTE);
	must_fail(
	    queue_claim(st, now_ms,
			&(struct queue_claim){ .lane = STR("mx:b.example"),
					       .max = 1,
					       .pace = &(struct queue_pace){ .rules = { { 1, 5 } }, .nrules = 1 } },
			&a, &e),
	    ERR_PERM);
}

/* Who finds nothing to send has used no slot. */
static void test_nothing_to_send(void **state)
{
	(void)state;
	struct queue_pace p = one_per(MINUTE);
	struct queue_claim c = { .lane = STR("mx:nobody.example"), .max = 1, .pace = &p };
	must(queue_claim(st, now_ms, &c, &a, &e));
	assert_true(c.n == 0 && c.wait_until_wall_ms == 0);
	assert_int_equal(ask(&p, 1), 0);
	assert_int_equal(nwent, 1);
}

static int64_t at(int year, int month, int day, int hour, int minute)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_isdst = -1 };
	return (int64_t)mktime(&tm) * 1000;
}

static void test_hours(void **state)
{
	(void)state;
	static const struct {
		int from, to; /* minutes */
		int day, hour, minute;
		int open_day, open_hour; /* 0: at once */
	} rows[] = {
		{ 480, 1200, 10, 8, 0, 0, 0 },   { 480, 1200, 10, 19, 59, 0, 0 },
		{ 480, 1200, 10, 20, 0, 11, 8 }, { 480, 1200, 10, 7, 59, 10, 8 },
		{ 1320, 360, 10, 23, 0, 0, 0 },  { 1320, 360, 10, 5, 59, 0, 0 },
		{ 1320, 360, 10, 6, 0, 10, 22 }, { 600, 600, 10, 3, 0, 0, 0 },
		{ 480, 1200, 27, 20, 0, 28, 8 }, /* the night of 23 hours */
	};
	assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	tzset();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct queue_pace p = { .name = STR("form x"), .from_minute = rows[i].from, .to_minute = rows[i].to };
		now_ms = at(2027, 3, rows[i].day, rows[i].hour, rows[i].minute) + 12345;
		int64_t open = rows[i].open_day ? at(2027, 3, rows[i].open_day, rows[i].open_hour, 0) : 0;
		assert_int_equal(ask(&p, 1), open);
	}
	struct queue_pace p = { .name = STR("form x"), .from_minute = 480, .to_minute = 1200 };
	now_ms = at(2027, 10, 30, 22, 0); /* and that of 25 */
	assert_int_equal(ask(&p, 1), at(2027, 10, 31, 8, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_prompt, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_count, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_steady, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_several, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_clock_steps, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_changed, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_send, setup_rows, teardown),
		cmocka_unit_test_setup_teardown(test_hours, setup_rows, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
