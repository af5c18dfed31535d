/* Deadlines: a heap, earliest first.
 *
 * A busy session's deadline moves with every unit, nearly always to later.  So
 * an entry may be early: it is left where it is, and whoever takes it out looks
 * at the connection's own due_ms and puts it back when there is time left.
 */
#include "net/pen_impl.h"

static void place(struct pen *p, unsigned i, struct timer t)
{
	p->timers[i] = t;
	t.conn->timer = i + 1;
}

static void sift_up(struct pen *p, unsigned i, struct timer t)
{
	for (unsigned up; i > 0; i = up) {
		up = (i - 1) / 2;
		if (p->timers[up].at_ms <= t.at_ms)
			break;
		place(p, i, p->timers[up]);
	}
	place(p, i, t);
}

static void sift_down(struct pen *p, unsigned i, struct timer t)
{
	for (unsigned down = 2 * i + 1; down < p->ntimers; down = 2 * i + 1) {
		if (down + 1 < p->ntimers && p->timers[down + 1].at_ms < p->timers[down].at_ms)
			down++;
		if (p->timers[down].at_ms >= t.at_ms)
			break;
		place(p, i, p->timers[down]);
		i = down;
	}
	place(p, i, t);
}

void timer_set(struct pen *p, struct conn *c, int64_t at_ms)
{
	struct timer t = { at_ms, c };
	if (at_ms == NEVER)
		return;
	if (at_ms < p->sleeps_until_ms) {
		p->sleeps_until_ms = 0; /* once is enough */
		pen_ring(p);
	}
	if (!c->timer)
		sift_up(p, p->ntimers++, t);
	else if (p->timers[c->timer - 1].at_ms > at_ms)
		sift_up(p, c->timer - 1, t);
}

void timer_drop(struct pen *p, struct conn *c)
{
	if (!c->timer)
		return;
	unsigned i = c->timer - 1;
	struct timer last = p->timers[--p->ntimers];
	c->timer = 0;
	if (last.conn == c)
		return;
	if (i > 0 && p->timers[(i - 1) / 2].at_ms > last.at_ms)
		sift_up(p, i, last);
	else
		sift_down(p, i, last);
}

struct conn *timer_due(struct pen *p, int64_t now_ms)
{
	if (timer_first(p) > now_ms)
		return NULL;
	struct conn *c = p->timers[0].conn;
	timer_drop(p, c);
	return c;
}

int64_t timer_first(const struct pen *p)
{
	return p->ntimers ? p->timers[0].at_ms : NEVER;
}
