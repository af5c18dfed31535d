/* Shares of networks and handshakes: strangers' addresses cannot be had on loopback, so the queue is asked itself. */
#include "net/pen_impl.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/test.h"

#define WORKERS 8
#define CONNS   40

static struct pen *pen;
static sem_t finish;
static atomic_int done, inside; /* ended / at work */

struct tally {
	atomic_int now, most;
};
static struct tally nets[3], shakes, goodbyes; /* by the third octet of the address */

static void enter(struct tally *t)
{
	int now = atomic_fetch_add(&t->now, 1) + 1, most = atomic_load(&t->most);
	while (now > most && !atomic_compare_exchange_weak(&t->most, &most, now))
		;
}

static void run(struct job *job)
{
	struct conn *c = (struct conn *)((char *)job - offsetof(struct conn, job));
	while (c) {
		struct tally *t[] = { &nets[c->peer.remote.addr.b[14]], c->phase == PHASE_SHAKE ? &shakes : NULL };
		bool busy = c->busy;
		for (int i = 0; i < 2 && !busy; i++)
			if (t[i])
				enter(t[i]);
		if (busy)
			enter(&goodbyes);
		atomic_fetch_add(&inside, 1);
		sem_wait(&finish);
		atomic_fetch_sub(&inside, 1);
		if (busy)
			atomic_fetch_sub(&goodbyes.now, 1);
		for (int i = 0; i < 2 && !busy; i++)
			if (t[i])
				atomic_fetch_sub(&t[i]->now, 1);
		pthread_mutex_lock(&pen->mu);
		struct conn *next = queue_release(pen, c);
		c->state = PARKED;
		pthread_mutex_unlock(&pen->mu);
		atomic_fetch_add(&done, 1);
		c = next;
	}
}

static int start(void **state)
{
	(void)state;
	struct err e;
	pen = pen_new(&(struct pen_conf){ .workers = WORKERS, .busy_ms = 20, .network_share = 25 }, &e);
	sem_init(&finish, 0, 0);
	atomic_store(&done, 0);
	memset(nets, 0, sizeof nets);
	memset(&shakes, 0, sizeof shakes);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	pen_free(pen);
	return 0;
}

static void setup(struct conn *c, const char *addr, enum phase phase)
{
	*c = (struct conn){ .pen = pen, .phase = phase, .job.run = run, .state = WORKING };
	assert_true(addr_parse(str_of(addr), &c->peer.remote.addr));
}

static void ready(struct conn *c)
{
	pthread_mutex_lock(&pen->mu);
	queue_ready(pen, c, clock_mono_ms());
	pthread_mutex_unlock(&pen->mu);
}

static unsigned running(void)
{
	pthread_mutex_lock(&pen->mu);
	unsigned n = pen->running;
	pthread_mutex_unlock(&pen->mu);
	return n;
}

static void finish_all(int n)
{
	while ((unsigned)atomic_load(&inside) < pen->running + pen->goodbyes)
		usleep(500); /* until all that have a worker are seen to */
	for (int i = 0; i < n; i++)
		sem_post(&finish);
	while (atomic_load(&done) < n)
		usleep(500);
	/* Timers of those that waited are still there; nobody owns them now. */
	while (timer_due(pen, INT64_MAX - 1))
		;
	assert_int_equal(pen->running + pen->shaking + atomic_load(&pen->waiting), 0);
	for (size_t i = 0; i < PEN_BUCKETS; i++)
		assert_null(pen->networks[i]);
}

static void test_network_share(void **state)
{
	(void)state;
	static struct conn c[CONNS];
	for (int i = 0; i < CONNS; i++) {
		char addr[20];
		snprintf(addr, sizeof addr, "192.0.%d.%d", i < 30 ? 1 : 2, i + 1);
		setup(&c[i], addr, PHASE_INPUT);
		ready(&c[i]);
	}
	/* Thirty of one network have two workers; the other network gets two at once though it came last. */
	assert_int_equal(running(), 4);
	finish_all(CONNS);
	assert_int_equal(nets[1].most, 2);
	assert_int_equal(nets[2].most, 2);
}

static void test_exempt(void **state)
{
	(void)state;
	static struct conn c[CONNS];
	for (int i = 0; i < CONNS; i++) {
		setup(&c[i], i % 2 ? "127.0.0.1" : "192.0.1.1", PHASE_INPUT);
		c[i].peer.unix_socket = i % 2 == 0;
		ready(&c[i]);
	}
	assert_int_equal(running(), WORKERS);
	finish_all(CONNS);
}

static void test_handshake_share(void **state)
{
	(void)state;
	static struct conn c[CONNS];
	for (int i = 0; i < CONNS; i++) {
		setup(&c[i], "127.0.0.1", i < 30 ? PHASE_SHAKE : PHASE_INPUT);
		ready(&c[i]);
	}
	assert_int_equal(running(), WORKERS); /* two that shake, six others */
	finish_all(CONNS);
	assert_int_equal(shakes.most, 2);
}

/* Who waits too long, wherever it waits, goes to one of the workers for goodbyes. */
static void test_overdue(void **state)
{
	(void)state;
	static struct conn c[12];
	for (int i = 0; i < 12; i++) {
		setup(&c[i], i < 8 ? "127.0.0.1" : "192.0.1.1", i == 11 ? PHASE_SHAKE : PHASE_INPUT);
		ready(&c[i]);
	}
	pthread_mutex_lock(&pen->mu);
	assert_int_equal(pen->running, WORKERS);
	for (int i = 8; i < 12; i++)
		queue_overdue(pen, &c[i], clock_mono_ms());
	assert_int_equal(pen->goodbyes, PEN_GOODBYES);
	pthread_mutex_unlock(&pen->mu);
	finish_all(12);
	assert_int_equal(goodbyes.most, PEN_GOODBYES);
	assert_int_equal(pen->goodbyes, 0);
}

/* The heap gives connections in the order of their times, whatever was set, moved and dropped. */
static void test_timers(void **state)
{
	(void)state;
	static struct conn c[500];
	unsigned seed = 7, left = 500;
	int64_t last = 0;
	for (int i = 0; i < 500; i++) {
		seed = seed * 1103515245 + 12345;
		timer_set(pen, &c[i], seed >> 16);
		timer_set(pen, &c[seed % 500], (seed >> 8) % 70000 + 1);
	}
	for (int i = 0; i < 500; i += 7) {
		timer_drop(pen, &c[i]);
		timer_drop(pen, &c[i]); /* twice is once */
		left--;
	}
	while (pen->ntimers > 0) {
		int64_t at_ms = timer_first(pen);
		assert_true(at_ms >= last);
		assert_null(timer_due(pen, at_ms - 1));
		assert_non_null(timer_due(pen, at_ms));
		last = at_ms;
		left--;
	}
	assert_int_equal(left, 0);
	timer_set(pen, &c[0], NEVER);
	assert_int_equal(timer_first(pen), NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_network_share, start, stop),
		cmocka_unit_test_setup_teardown(test_exempt, start, stop),
		cmocka_unit_test_setup_teardown(test_handshake_share, start, stop),
		cmocka_unit_test_setup_teardown(test_overdue, start, stop),
		cmocka_unit_test_setup_teardown(test_timers, start, stop),
	};
	hash_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
