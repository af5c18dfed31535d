#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"

#define JOBS 2000
struct work {
	struct job job;
	atomic_int ran;
};
static struct work work[JOBS];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void run(struct job *job)
{
	struct work *w = (struct work *)job;
	atomic_fetch_add(&w->ran, 1);
}

static void run_gated(struct job *job)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	run(job);
}

static void test_all_run_once(void **state)
{
	(void)state;
	struct pool *p = pool_new(&(struct pool_conf){ .name = "test", .max = 8, .idle_ms = 10 });
	for (int i = 0; i < JOBS; i++) {
		work[i] = (struct work){ .job.run = run };
		pool_run(p, &work[i].job);
	}
	pool_free(p); /* waits for them */
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(atomic_load(&work[i].ran), 1);
}

static void test_bound_and_shrink(void **state)
{
	(void)state;
	struct pool *p = pool_new(&(struct pool_conf){ .name = "test", .max = 3, .min = 1, .idle_ms = 5 });
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 10; i++) {
		work[i] = (struct work){ .job.run = run_gated };
		pool_run(p, &work[i].job);
	}
	while (pool_busy(p) < 3)
		usleep(1000);
	assert_int_equal(pool_size(p), 3);
	assert_int_equal(pool_waiting(p), 7);
	pthread_mutex_unlock(&gate);
	while (pool_size(p) > 1)
		usleep(1000); /* idle ones end, down to min */
	work[0] = (struct work){ .job.run = run };
	pool_run(p, &work[0].job);
	pool_free(p);
	assert_int_equal(atomic_load(&work[0].ran), 1);
}

static pthread_key_t own;
static atomic_int begun, gone;

static void forget(void *value)
{
	usleep(2000); /* long enough to be missed by who does not wait */
	free(value);
	atomic_fetch_add(&gone, 1);
}

static void run_with_own(struct job *job)
{
	if (!pthread_getspecific(own)) {
		pthread_setspecific(own, malloc(10));
		atomic_fetch_add(&begun, 1);
	}
	run_gated(job);
}

/* What a library keeps for a thread is freed as the thread ends: all of it, when pool_free() returns. */
static void test_threads_are_gone(void **state)
{
	(void)state;
	assert_int_equal(pthread_key_create(&own, forget), 0);
	for (int round = 0; round < 5; round++) {
		struct pool *p = pool_new(&(struct pool_conf){ .name = "test", .max = 8, .idle_ms = round });
		pthread_mutex_lock(&gate);
		for (int i = 0; i < 100; i++) {
			work[i] = (struct work){ .job.run = run_with_own };
			pool_run(p, &work[i].job);
		}
		pthread_mutex_unlock(&gate);
		pool_free(p);
		assert_int_equal(atomic_load(&begun), atomic_load(&gone));
	}
	pthread_key_delete(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_run_once),
					    cmocka_unit_test(test_bound_and_shrink),
					    cmocka_unit_test(test_threads_are_gone) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
