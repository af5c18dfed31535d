/* pool.h - worker threads that grow on demand to a bound.
 *
 * pool_run() queues a job; a free worker takes it, oldest first.  A worker is
 * started when a job waits and none is free, up to `max`; one idle for
 * `idle_ms` ends (down to `min`).  Jobs are intrusive: the caller embeds a
 * struct job in what the job is about, so queueing never allocates.
 * All functions are safe in any thread; pool_free waits for queued jobs, and
 * for the threads to be gone with all that libraries keep for a thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job {
	void (*run)(struct job *job);
	struct job *next; /* the pool's */
};
struct pool;
struct pool_conf {
	const char *name; /* thread name, <= 15 characters */
	unsigned min, max;
	int64_t idle_ms;
	size_t stack; /* bytes; 0 = 256 KiB */
};
struct pool *pool_new(const struct pool_conf *conf);
void pool_run(struct pool *p, struct job *job);
/* How many jobs wait for a worker now; how many workers are busy / exist. */
unsigned pool_waiting(const struct pool *p);
unsigned pool_busy(const struct pool *p);
unsigned pool_size(const struct pool *p);
void pool_free(struct pool *p);
