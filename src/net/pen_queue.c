/* Which connection gets a worker, and when. */
#include "net/pen_impl.h"

#include <stdlib.h>

#include "base/hash.h"

static struct conn *of_link(struct link *l)
{
	return (struct conn *)((char *)l - offsetof(struct conn, link));
}

/* --- networks and their share --- */

static struct network **bucket(struct pen *p, const struct prefix *prefix)
{
	return &p->networks[hash_str((struct str){ (const char *)prefix->addr.b, 16 }) % PEN_BUCKETS];
}

/* The network that a connection counts for; NULL for those that are exempt. */
static struct network *network_get(struct pen *p, const struct conn *c)
{
	struct addr a = c->peer.remote.addr;
	if (c->peer.unix_socket || addr_loopback(a))
		return NULL;
	struct prefix prefix = prefix_of(a, 24, 48);
	struct network **b = bucket(p, &prefix);
	for (struct network *n = *b; n; n = n->chain)
		if (prefix_eq(n->prefix, prefix))
			return n;
	struct network *n = calloc(1, sizeof *n);
	if (!n)
		abort();
	*n = (struct network){ .chain = *b, .prefix = prefix, .held = { &n->held, &n->held } };
	return *b = n;
}

static void network_put(struct pen *p, struct network *n)
{
	if (n->holds > 0 || !link_empty(&n->held))
		return;
	struct network **at = bucket(p, &n->prefix);
	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
	free(n);
}

/* --- the queue --- */

static void push_ready(struct pen *p, struct conn *c)
{
	c->state = READY;
	link_append(&p->ready, &c->link);
	atomic_fetch_add(&p->waiting, 1);
}

static void take_ready(struct pen *p, struct conn *c)
{
	link_remove(&c->link);
	atomic_fetch_sub(&p->waiting, 1);
}

static void hold(struct conn *c, struct link *where)
{
	c->state = HELD;
	link_append(where, &c->link);
}

/* A handshake is costly and asked for by anybody: it has its own share. */
static bool will_shake(const struct conn *c)
{
	return c->phase == PHASE_SHAKE || (c->phase == PHASE_NEW && c->door->tls);
}

/* May this one, just taken from the queue, have a worker? If not it is held. */
static bool admit(struct pen *p, struct conn *c)
{
	bool shakes = will_shake(c);
	if (shakes && p->shaking >= p->handshake_most) {
		hold(c, &p->shake_held);
		return false;
	}
	struct network *n = network_get(p, c);
	c->network = n;
	if (n && n->holds >= p->network_most) {
		hold(c, &n->held);
		atomic_fetch_add(&n->waits, 1);
		return false;
	}
	if (n)
		n->holds++;
	p->shaking += shakes;
	c->shaking = shakes;
	c->state = WORKING;
	p->running++;
	return true;
}

static struct conn *next_ready(struct pen *p)
{
	while (p->running < p->conf.workers && !link_empty(&p->ready)) {
		struct conn *c = of_link(p->ready.next);
		take_ready(p, c);
		if (admit(p, c))
			return c;
	}
	return NULL;
}

static void dispatch(struct pen *p)
{
	for (struct conn *c; (c = next_ready(p));)
		pool_run(p->pool, &c->job);
}

void queue_ready(struct pen *p, struct conn *c, int64_t now_ms)
{
	if (c->state == PARKED)
		p->parked--;
	c->due_ms = now_ms + p->conf.busy_ms;
	push_ready(p, c);
	dispatch(p);
	if (c->state != WORKING)
		timer_set(p, c, c->due_ms);
}

void queue_overdue(struct pen *p, struct conn *c, int64_t now_ms)
{
	if (p->goodbyes >= PEN_GOODBYES) {
		c->due_ms = now_ms + 100;
		timer_set(p, c, c->due_ms);
		return;
	}
	if (c->state == READY) {
		take_ready(p, c);
	} else {
		link_remove(&c->link);
		if (c->network) {
			atomic_fetch_sub(&c->network->waits, 1);
			network_put(p, c->network);
		}
	}
	c->network = NULL;
	c->state = WORKING;
	c->busy = true;
	p->goodbyes++;
	pool_run(p->pool, &c->job);
}

/* Let the one that waits longest at `where` queue again. */
static void unhold(struct pen *p, struct link *where)
{
	struct conn *c = of_link(where->next);
	link_remove(&c->link);
	if (c->network)
		atomic_fetch_sub(&c->network->waits, 1);
	c->network = NULL;
	push_ready(p, c);
}

static void give_back_shake(struct pen *p, struct conn *c)
{
	if (!c->shaking)
		return;
	c->shaking = false;
	p->shaking--;
	if (!link_empty(&p->shake_held))
		unhold(p, &p->shake_held);
}

static void give_back(struct pen *p, struct conn *c)
{
	struct network *n = c->network;
	c->network = NULL;
	p->running--;
	if (n) {
		n->holds--;
		if (!link_empty(&n->held))
			unhold(p, &n->held);
		network_put(p, n);
	}
	give_back_shake(p, c);
}

void queue_shaken(struct pen *p, struct conn *c)
{
	give_back_shake(p, c);
	dispatch(p);
}

struct conn *queue_release(struct pen *p, struct conn *c)
{
	struct conn *next = NULL;
	if (c->busy) {
		c->busy = false;
		p->goodbyes--;
	} else {
		give_back(p, c);
		next = next_ready(p);
	}
	dispatch(p);
	return next;
}

bool queue_presses(struct pen *p, const struct conn *c)
{
	return atomic_load_explicit(&p->waiting, memory_order_relaxed) > 0 ||
	       (c->network && atomic_load_explicit(&c->network->waits, memory_order_relaxed) > 0);
}
