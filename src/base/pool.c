#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct pool {
	const struct pool_conf conf;
	pthread_mutex_t mu;
	pthread_cond_t work, gone; /* a job waits / a worker ended */
	struct job *first, **last; /* guarded by mu, as all below */
	unsigned waiting, idle, size, busy;
	pthread_t ended; /* the worker that ended last, when has_ended: not joined yet */
	bool has_ended, stopping;
};

struct pool *pool_new(const struct pool_conf *conf)
{
	assert(conf->max > 0 && conf->min <= conf->max);
	struct pool *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	*(struct pool_conf *)&p->conf = *conf;
	if (p->conf.stack == 0)
		*(size_t *)&p->conf.stack = (size_t)256 << 10;
	p->last = &p->first;
	pthread_mutex_init(&p->mu, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->work, &attr);
	pthread_cond_init(&p->gone, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

/* With mu held: wait for a job; NULL when this worker should end. */
static struct job *next_job(struct pool *p)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += p->conf.idle_ms / 1000;
	until.tv_nsec += p->conf.idle_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!p->first) {
		if (p->stopping)
			return NULL;
		p->idle++;
		int rc = pthread_cond_timedwait(&p->work, &p->mu, &until);
		p->idle--;
		if (rc == ETIMEDOUT && !p->first && p->size > p->conf.min)
			return NULL;
		if (rc == ETIMEDOUT)
			until.tv_sec += 1 + p->conf.idle_ms / 1000;
	}
	struct job *job = p->first;
	p->first = job->next;
	if (!p->first)
		p->last = &p->first;
	p->waiting--;
	return job;
}

/* With mu held, by a worker as its last deed: each joins the one that ended before it, and pool_free() the last.  So
 * when the pool is gone its threads are gone too, with all that libraries keep for a thread. */
static void leave(struct pool *p)
{
	pthread_t before = p->ended;
	bool join = p->has_ended;
	p->ended = pthread_self();
	p->has_ended = true;
	p->size--;
	pthread_cond_broadcast(&p->gone);
	pthread_mutex_unlock(&p->mu);
	if (join)
		pthread_join(before, NULL);
}

static void *worker(void *arg)
{
	struct pool *p = arg;
	pthread_mutex_lock(&p->mu);
	for (struct job *job; (job = next_job(p));) {
		p->busy++;
		pthread_mutex_unlock(&p->mu);
		job->run(job); /* may free the job */
		pthread_mutex_lock(&p->mu);
		p->busy--;
	}
	leave(p);
	return NULL;
}

/* With mu held. A worker that cannot be started is no failure while others live: the job waits for them. */
static void worker_start(struct pool *p)
{
	pthread_attr_t attr;
	pthread_t id;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, p->conf.stack);
	p->size++;
	if (pthread_create(&id, &attr, worker, p) == 0)
		pthread_setname_np(id, p->conf.name);
	else if (--p->size == 0)
		abort(); /* not one thread: nothing would ever be done */
	pthread_attr_destroy(&attr);
}

void pool_run(struct pool *p, struct job *job)
{
	pthread_mutex_lock(&p->mu);
	job->next = NULL;
	*p->last = job;
	p->last = &job->next;
	p->waiting++;
	if (p->idle >= p->waiting)
		pthread_cond_signal(&p->work);
	else if (p->size < p->conf.max)
		worker_start(p);
	else if (p->idle > 0)
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->mu);
}

/* The counts are advice by the time they are read; the lock keeps them whole. */
static unsigned peek(const struct pool *p, const unsigned *what)
{
	pthread_mutex_t *mu = (pthread_mutex_t *)&p->mu;
	pthread_mutex_lock(mu);
	unsigned n = *what;
	pthread_mutex_unlock(mu);
	return n;
}

unsigned pool_waiting(const struct pool *p)
{
	return peek(p, &p->waiting);
}

unsigned pool_busy(const struct pool *p)
{
	return peek(p, &p->busy);
}

unsigned pool_size(const struct pool *p)
{
	return peek(p, &p->size);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->mu);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	while (p->size > 0)
		pthread_cond_wait(&p->gone, &p->mu);
	pthread_mutex_unlock(&p->mu);
	if (p->has_ended)
		pthread_join(p->ended, NULL);
	pthread_mutex_destroy(&p->mu);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->gone);
	free(p);
}
