#include "store/uid_cache.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
	int64_t mailbox; /* 0: free */
	uint64_t modseq, used;
	struct uid_run *runs; /* heap */
	size_t n;
};
struct uid_cache {
	pthread_mutex_t mu;
	struct entry all[UID_CACHE_ENTRIES]; /* guarded by mu, as all below */
	uint64_t clock;
	size_t octets;
};

struct uid_cache *uid_cache_new(void)
{
	struct uid_cache *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	pthread_mutex_init(&c->mu, NULL);
	return c;
}

static void drop(struct uid_cache *c, struct entry *x)
{
	c->octets -= x->n * sizeof *x->runs;
	free(x->runs);
	*x = (struct entry){ 0 };
}

void uid_cache_free(struct uid_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < UID_CACHE_ENTRIES; i++)
		drop(c, &c->all[i]);
	pthread_mutex_destroy(&c->mu);
	free(c);
}

static struct entry *find(struct uid_cache *c, int64_t mailbox)
{
	for (size_t i = 0; i < UID_CACHE_ENTRIES; i++)
		if (c->all[i].mailbox == mailbox)
			return &c->all[i];
	return NULL;
}

bool uid_cache_get(struct uid_cache *c, int64_t mailbox, uint64_t least, uint64_t most, struct runs *out,
		   uint64_t *modseq)
{
	pthread_mutex_lock(&c->mu);
	struct entry *x = find(c, mailbox);
	bool found = x && x->modseq >= least && x->modseq <= most;
	if (found) {
		x->used = ++c->clock;
		out->all = arena_grow(out->a, NULL, &out->cap, x->n, sizeof *out->all);
		out->n = x->n;
		memcpy(out->all, x->runs, x->n * sizeof *x->runs);
		*modseq = x->modseq;
	}
	pthread_mutex_unlock(&c->mu);
	return found;
}

/* The mailbox's own entry, or a free one, or the one that was used longest ago; then make room. */
static struct entry *place(struct uid_cache *c, int64_t mailbox, size_t octets)
{
	struct entry *x = find(c, mailbox);
	if (!x)
		x = find(c, 0);
	if (x && x->mailbox)
		drop(c, x);
	while (!x || c->octets + octets > UID_CACHE_OCTETS) {
		struct entry *oldest = NULL;
		for (size_t i = 0; i < UID_CACHE_ENTRIES; i++)
			if (c->all[i].mailbox && (!oldest || c->all[i].used < oldest->used))
				oldest = &c->all[i];
		drop(c, oldest);
		x = x ? x : oldest;
	}
	return x;
}

void uid_cache_put(struct uid_cache *c, int64_t mailbox, uint64_t modseq, const struct runs *gone)
{
	size_t octets = gone->n * sizeof *gone->all;
	if (gone->n < UID_CACHE_LEAST || octets > UID_CACHE_OCTETS / 4)
		return;
	struct uid_run *copy = malloc(octets);
	if (!copy)
		abort();
	memcpy(copy, gone->all, octets);
	pthread_mutex_lock(&c->mu);
	struct entry *x = find(c, mailbox);
	if (!x || x->modseq < modseq) {
		x = place(c, mailbox, octets);
		*x = (struct entry){ mailbox, modseq, ++c->clock, copy, gone->n };
		c->octets += octets;
		copy = NULL;
	}
	pthread_mutex_unlock(&c->mu);
	free(copy);
}
