/* What a worker does with a connection: a turn, from where it stands to where it must wait. */
#include "net/pen_impl.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"

#define FLUSH_AT       (IO_OUT / 4) /* pipelined replies are sent when there are that many octets of them */
#define DRAIN_SHAKE_MS 2000
#define WORTHY_READ    1024u /* in the middle of a unit the worker waits only for who sends in such pieces */

struct turn {
	struct pen *p;
	struct conn *c;
	char *in; /* the worker's window; [at, n) is read and not yet used */
	size_t at, n;
	size_t read, last_read; /* octets, in this turn */
	unsigned units;
	bool dry;    /* the last read left nothing in the socket */
	bool peeked; /* for HOLD and WAKE: looked if the peer is still there */
};

enum go { GO_ON, GO_PARK, GO_AGAIN, GO_DEAD };

/* --- giving units --- */

static bool draining(const struct turn *t)
{
	return atomic_load_explicit(&t->p->draining, memory_order_relaxed);
}

static bool wants_input(const struct conn *c)
{
	return c->next.want <= WANT_OCTETS;
}

/* Begin with what `next` wants. */
static enum go proceed(struct turn *t)
{
	struct conn *c = t->c;
	c->begun_ms = c->heard_ms = clock_mono_ms();
	c->got = 0;
	c->phase = PHASE_FLUSH;
	if (wants_input(c)) {
		/* Before the flush: a complete unit may be here already, and its reply goes out with this one. */
		collect_begin(&c->collect, &c->next, c->door->line_max);
		c->phase = PHASE_INPUT;
	} else if (c->next.want == WANT_WAKE) {
		c->until_ms = c->next.after_ms < 0 ? NEVER : c->begun_ms + c->next.after_ms;
	} else if (c->next.want == WANT_CLOSE) {
		c->phase = PHASE_BYE;
	}
	return GO_ON;
}

/* The session has answered; what it wrote begins at `mark` of the output. */
static enum go stepped(struct turn *t, struct next next, size_t mark)
{
	struct conn *c = t->c;
	c->next = next;
	if (!c->session)
		c->next.want = WANT_CLOSE;
	if (c->next.want == WANT_CLOSE) {
		t->at = t->n = 0;
		if (c->session)
			c->door->close(c->session);
		c->session = NULL;
	}
	if (next.delay_ms <= 0 || draining(t))
		return proceed(t);
	io_write_first(c->io, mark); /* earlier replies need not wait */
	c->until_ms = clock_mono_ms() + next.delay_ms;
	c->phase = PHASE_HOLD;
	return GO_ON;
}

static enum go give(struct turn *t, struct unit u)
{
	struct conn *c = t->c;
	u.more = t->at < t->n || io_pending(c->io);
	u.early = c->early;
	c->early = false;
	t->units++;
	size_t mark = io_out(c->io)->n;
	return stepped(t, c->door->step(c->session, &u), mark);
}

/* The unit that did not come. The session says goodbye, if there still is one. */
static enum go trouble(struct turn *t, enum trouble why)
{
	struct conn *c = t->c;
	if (!c->session)
		return GO_DEAD;
	if (why == TROUBLE_EOF)
		io_fail(c->io, ERR_PEER, "the other side closed the connection");
	t->at = t->n = 0;
	t->units++;
	struct unit u = { .kind = UNIT_TROUBLE, .trouble = why };
	size_t mark = io_out(c->io)->n;
	struct next next = c->door->step(c->session, &u);
	next.want = WANT_CLOSE;
	return stepped(t, next, mark);
}

/* --- the phases --- */

static enum go open_session(struct turn *t)
{
	struct conn *c = t->c;
	c->opened = true;
	t->dry = true; /* most protocols let the server speak first */
	struct next next = c->door->open(&c->peer, &c->session);
	return stepped(t, next, 0);
}

static enum go begin_shake(struct turn *t)
{
	struct conn *c = t->c;
	t->at = t->n = 0; /* RFC 3207 4.2: unread plaintext is dropped */
	c->until_ms = clock_mono_ms() + t->p->conf.handshake_ms;
	c->phase = PHASE_SHAKE;
	return GO_ON;
}

static enum go phase_new(struct turn *t)
{
	struct conn *c = t->c;
	/* Also when draining: who was let in is greeted, and then told to come again. */
	if (!c->door->tls)
		return open_session(t);
	c->next = (struct next){ .want = WANT_TLS, .tls = c->door->tls };
	return begin_shake(t);
}

static enum go shake_failed(struct turn *t, const char *why)
{
	struct conn *c = t->c;
	char text[ADDR_TEXT];
	io_fail(c->io, ERR_PEER, why);
	log_info("tls.failed", KVZ("ip", addr_text(c->peer.remote.addr, text)), KVZ("door", c->door->name),
		 KVZ("reason", io_error(c->io)->text));
	return c->opened ? trouble(t, TROUBLE_TLS) : GO_DEAD;
}

static enum go phase_shake(struct turn *t)
{
	struct conn *c = t->c;
	enum io_try got = io_tls_accept(c->io, c->next.tls);
	if (got == IO_DONE) {
		pthread_mutex_lock(&t->p->mu);
		queue_shaken(t->p, c);
		pthread_mutex_unlock(&t->p->mu);
		c->write_next = false;
		return c->opened ? give(t, (struct unit){ .kind = UNIT_TLS }) : open_session(t);
	}
	if (got == IO_ERR)
		return shake_failed(t, "");
	int64_t now_ms = clock_mono_ms();
	/* Who was let in is told so, as in the clear: it may finish its handshake, if it is quick. */
	if (draining(t) && c->until_ms > now_ms + DRAIN_SHAKE_MS)
		c->until_ms = now_ms + DRAIN_SHAKE_MS;
	if (now_ms >= c->until_ms)
		return shake_failed(t, "too slow");
	c->write_next = got == IO_AGAIN_WRITE;
	return GO_PARK;
}

/* While nothing is wanted of the peer, an event means that it closed its half, perhaps after more words.
 * If none of them is left it is gone: what a delayed reply was to answer is dropped by the session. */
static bool peer_left(struct turn *t)
{
	struct conn *c = t->c;
	while (!t->peeked && !c->eof && !c->deaf) {
		size_t n, had = t->n - t->at;
		if (had >= PEN_READ_LINE || t->n + PEN_READ_LINE > PEN_WINDOW) {
			c->deaf = true; /* enough is known: it wants an answer */
			break;
		}
		enum io_try got = io_read_some(c->io, t->in + t->n, PEN_READ_LINE - had, &n);
		t->n += n;
		t->peeked = got == IO_AGAIN_READ || got == IO_AGAIN_WRITE;
		c->eof = got == IO_EOF || got == IO_ERR;
	}
	return c->eof && t->at == t->n;
}

static enum go phase_hold(struct turn *t)
{
	struct conn *c = t->c;
	if (!draining(t) && clock_mono_ms() < c->until_ms)
		return peer_left(t) ? trouble(t, TROUBLE_EOF) : GO_PARK;
	struct pollfd pfd = { .fd = io_fd(c->io), .events = POLLIN };
	c->early = !c->greeted && (t->at < t->n || poll(&pfd, 1, 0) > 0);
	return proceed(t);
}

static enum go flushed(struct turn *t)
{
	struct conn *c = t->c;
	if (c->stuck)
		c->begun_ms = c->heard_ms = clock_mono_ms(); /* it could not well answer before */
	c->stuck = c->write_next = false;
	c->greeted = true;
	if (c->next.want == WANT_TLS) {
		begin_shake(t);
		return GO_PARK; /* through the queue, which counts handshakes */
	}
	c->phase = c->next.want == WANT_WAKE ? PHASE_WAKE : PHASE_INPUT;
	return GO_ON;
}

static enum go phase_flush(struct turn *t)
{
	struct conn *c = t->c;
	enum io_try got = io_write_some(c->io);
	if (got == IO_DONE)
		return flushed(t);
	if (got == IO_ERR)
		return trouble(t, TROUBLE_EOF);
	if (clock_mono_ms() >= io_write_by(c->io)) {
		io_fail(c->io, ERR_PEER, "the other side reads too slowly");
		return trouble(t, TROUBLE_SLOW);
	}
	c->stuck = true;
	c->write_next = got == IO_AGAIN_WRITE;
	return GO_PARK;
}

/* When patience with the peer ends. */
static int64_t input_by(const struct conn *c)
{
	const struct door *d = c->door;
	int64_t unit_ms = c->next.unit_ms ? c->next.unit_ms : d->unit_ms ? d->unit_ms : PEN_PATIENCE;
	int64_t idle_ms = c->next.idle_ms ? c->next.idle_ms : d->idle_ms ? d->idle_ms : PEN_PATIENCE;
	int64_t by_ms = c->begun_ms + unit_ms;
	if (c->heard_ms + idle_ms < by_ms)
		by_ms = c->heard_ms + idle_ms;
	if (c->next.want == WANT_LINE || d->min_rate == 0)
		return by_ms;
	/* What came is worth so much time: who keeps the rate is always ahead of it. */
	int64_t worth_ms = (int64_t)(c->got * 1000 / d->min_rate);
	int64_t rate_ms = c->begun_ms + (worth_ms > IO_GRACE_MS ? worth_ms : IO_GRACE_MS);
	return rate_ms < by_ms ? rate_ms : by_ms;
}

/* May the worker wait a moment for the peer?  Cheaper than parking, if it is busy and nobody else waits. */
static bool may_linger(const struct turn *t)
{
	struct conn *c = t->c;
	if (t->p->conf.linger_ms < 0 || c->busy || draining(t) || queue_presses(t->p, c))
		return false;
	if (c->phase == PHASE_INPUT && collect_begun(&c->collect) && t->last_read < WORTHY_READ)
		return false; /* a peer that drips would hold the worker */
	return true;
}

/* Read what is here; while `soon`, wait a moment for it. */
static enum io_try take(struct turn *t, bool soon, char *to, size_t room, size_t *n)
{
	struct io *io = t->c->io;
	return soon ? io_read_soon(io, to, room, t->p->conf.linger_ms, n) : io_read_some(io, to, room, n);
}

/* Make room behind what is unread, as much as reading ahead may take. */
static size_t make_room(struct turn *t)
{
	const struct collect *k = &t->c->collect;
	size_t had = t->n - t->at;
	if (t->at > 0)
		memmove(t->in, t->in + t->at, had);
	t->at = 0;
	t->n = had;
	size_t most = PEN_WINDOW;
	if (k->want == WANT_LINE)
		most = k->max + 2 > PEN_READ_LINE ? k->max + 2 : PEN_READ_LINE;
	else if (k->want == WANT_OCTETS && k->left < PEN_WINDOW - PEN_READ_LINE)
		most = (size_t)k->left + PEN_READ_LINE;
	return most - had;
}

static enum go read_more(struct turn *t)
{
	struct conn *c = t->c;
	if (t->read > 0 && clock_mono_ms() >= input_by(c))
		return trouble(t, TROUBLE_SLOW);
	if (t->read >= PEN_TURN && queue_presses(t->p, c))
		return GO_AGAIN;
	bool soon = t->dry && !io_pending(c->io);
	if (soon && !may_linger(t))
		return GO_PARK;
	size_t n, room = make_room(t);
	enum io_try got = take(t, soon, t->in + t->n, room, &n);
	c->write_next = got == IO_AGAIN_WRITE;
	c->eof = got == IO_EOF || got == IO_ERR;
	if (got == IO_AGAIN_READ || got == IO_AGAIN_WRITE) {
		if (clock_mono_ms() >= input_by(c))
			return trouble(t, TROUBLE_SLOW);
		bool first = !t->dry;
		t->dry = true;
		return first && got == IO_AGAIN_READ ? GO_ON : GO_PARK;
	}
	t->n += n;
	t->read += n;
	t->last_read = n;
	t->dry = n < room;
	c->got += n;
	c->heard_ms = clock_mono_ms();
	return GO_ON;
}

static bool wakeable(const struct conn *c)
{
	return c->phase == PHASE_WAKE || (c->phase == PHASE_INPUT && c->next.want == WANT_LINE && c->next.wakeable);
}

/* There is nothing more to read. */
static enum go ended(struct turn *t)
{
	if (!io_garbled(t->c->io))
		return trouble(t, TROUBLE_EOF);
	t->c->eof = false; /* it is still there, and is told why */
	return trouble(t, TROUBLE_GARBLED);
}

static enum go phase_input(struct turn *t)
{
	struct conn *c = t->c;
	if (draining(t))
		return trouble(t, TROUBLE_STOP);
	if (t->units >= PEN_UNITS && queue_presses(t->p, c))
		return GO_AGAIN;
	size_t taken, out = io_out(c->io)->n;
	if (out >= FLUSH_AT) {
		c->phase = PHASE_FLUSH;
		return GO_ON;
	}
	enum collected got = collect_feed(&c->collect, (struct str){ t->in + t->at, t->n - t->at }, &taken);
	t->at += taken;
	if (got == COLLECT_UNIT)
		return give(t, c->collect.unit);
	if (got == COLLECT_LONG)
		return trouble(t, TROUBLE_LONG);
	if (out > 0) {
		c->phase = PHASE_FLUSH;
		return GO_ON;
	}
	if (c->eof)
		return ended(t);
	if (t->at == t->n && wakeable(c) && atomic_exchange(&c->wake, false))
		return give(t, (struct unit){ .kind = UNIT_WAKE });
	c->deaf = false;
	return read_more(t);
}

static enum go phase_wake(struct turn *t)
{
	struct conn *c = t->c;
	if (atomic_exchange(&c->wake, false) || clock_mono_ms() >= c->until_ms)
		return give(t, (struct unit){ .kind = UNIT_WAKE });
	if (draining(t))
		return trouble(t, TROUBLE_STOP);
	return peer_left(t) ? trouble(t, TROUBLE_EOF) : GO_PARK;
}

static enum go phase_bye(struct turn *t)
{
	struct conn *c = t->c;
	enum io_try got = io_write_some(c->io);
	if (got == IO_ERR)
		return GO_DEAD;
	if (got != IO_DONE) {
		c->write_next = got == IO_AGAIN_WRITE;
		return clock_mono_ms() >= io_write_by(c->io) ? GO_DEAD : GO_PARK;
	}
	if (c->eof || io_shutdown(c->io) != IO_DONE)
		return GO_DEAD;
	c->write_next = false;
	c->got = 0;
	c->until_ms = clock_mono_ms() + LINGER_MS;
	c->phase = PHASE_LINGER;
	t->dry = true;
	return GO_ON;
}

/* Closing a socket that has unread input resets it, and the peer may lose our last words: so let it finish. */
static enum go phase_linger(struct turn *t)
{
	struct conn *c = t->c;
	size_t n;
	if (t->dry && !may_linger(t))
		return clock_mono_ms() >= c->until_ms ? GO_DEAD : GO_PARK;
	enum io_try got = take(t, t->dry, t->in, PEN_WINDOW, &n);
	t->dry = got == IO_AGAIN_READ;
	c->got += n;
	if (c->got > LINGER_OCTETS || got == IO_EOF || got == IO_ERR || clock_mono_ms() >= c->until_ms)
		return GO_DEAD;
	return got == IO_DONE ? GO_ON : GO_PARK;
}

/* --- the turn --- */

/* What was read and not used goes along on the heap. False: all together hold too much. */
static bool keep(struct turn *t)
{
	struct conn *c = t->c;
	size_t n = t->n - t->at;
	if (n == 0)
		return true;
	if (n > PEN_READ_LINE && atomic_load(&t->p->kept) + n > PEN_KEPT)
		return false;
	c->kept = (struct buf){ .p = malloc(n), .n = n, .cap = n };
	if (!c->kept.p)
		abort();
	memcpy(c->kept.p, t->in + t->at, n);
	atomic_fetch_add(&t->p->kept, n);
	return true;
}

static void unkeep(struct turn *t)
{
	struct conn *c = t->c;
	t->at = 0;
	t->n = c->kept.n;
	if (t->n == 0)
		return;
	memcpy(t->in, c->kept.p, t->n);
	atomic_fetch_sub(&t->p->kept, t->n);
	buf_free(&c->kept);
}

static uint32_t events(const struct conn *c)
{
	if (c->phase == PHASE_HOLD || c->phase == PHASE_WAKE)
		return c->eof || c->deaf ? 0 : EPOLLRDHUP;
	return c->write_next ? EPOLLOUT : EPOLLIN;
}

static int64_t due(const struct conn *c)
{
	if (c->phase == PHASE_INPUT)
		return input_by(c);
	return c->phase == PHASE_FLUSH || c->phase == PHASE_BYE ? io_write_by(c->io) : c->until_ms;
}

/* With mu held: let epoll watch for what the connection waits for. */
static void watch(struct pen *p, struct conn *c)
{
	uint32_t what = events(c);
	struct epoll_event ev = { .events = what | EPOLLONESHOT,
				  .data.u64 = (uint64_t)(c->slot + 1) << 32 | p->slots[c->slot].gen };
	/* With nothing to watch for even an error is no news: a hang-up would come again and again. */
	if (what != 0)
		epoll_ctl(p->epoll, c->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, io_fd(c->io), &ev);
	else if (c->polled)
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, io_fd(c->io), NULL);
	c->polled = what != 0;
}

/* False: something has come meanwhile that is to be looked at first. After true it is another's. */
static bool park(struct turn *t, struct conn **next)
{
	struct pen *p = t->p;
	struct conn *c = t->c;
	bool stoppable = c->phase != PHASE_FLUSH && c->phase != PHASE_BYE && c->phase != PHASE_LINGER &&
			 c->phase != PHASE_SHAKE;
	bool wakes = wakeable(c) && c->kept.n == 0;
	io_park(c->io);
	pthread_mutex_lock(&p->mu);
	bool stays = !atomic_load(&c->kill) && !(wakes && atomic_load(&c->wake)) &&
		     !(stoppable && atomic_load(&p->draining));
	if (stays) {
		c->state = PARKED;
		c->wake_ok = wakes;
		c->due_ms = due(c);
		p->parked++;
		watch(p, c);
		timer_set(p, c, c->due_ms);
		*next = queue_release(p, c);
	}
	pthread_mutex_unlock(&p->mu);
	return stays;
}

/* Others wait: to the end of the queue. */
static struct conn *requeue(struct turn *t)
{
	pthread_mutex_lock(&t->p->mu);
	struct conn *next = queue_release(t->p, t->c);
	queue_ready(t->p, t->c, clock_mono_ms());
	pthread_mutex_unlock(&t->p->mu);
	return next;
}

static enum go begin(struct turn *t)
{
	struct conn *c = t->c;
	t->peeked = c->phase != PHASE_HOLD && c->phase != PHASE_WAKE;
	if (atomic_load(&c->kill))
		return GO_DEAD;
	if (!c->busy)
		return GO_ON;
	return c->phase == PHASE_SHAKE ? shake_failed(t, "no worker in time") : trouble(t, TROUBLE_BUSY);
}

/* One turn; says which connection is this worker's next. */
static struct conn *turn(struct conn *c, char window[PEN_WINDOW])
{
	static enum go (*const phases[])(struct turn *) = {
		[PHASE_NEW] = phase_new,     [PHASE_SHAKE] = phase_shake,   [PHASE_HOLD] = phase_hold,
		[PHASE_FLUSH] = phase_flush, [PHASE_INPUT] = phase_input,   [PHASE_WAKE] = phase_wake,
		[PHASE_BYE] = phase_bye,     [PHASE_LINGER] = phase_linger,
	};
	struct turn t = { .p = c->pen, .c = c, .in = window };
	struct conn *next = NULL;
	unkeep(&t);
	enum go go = begin(&t);
	for (bool away = false; !away;) {
		while (go == GO_ON)
			go = phases[c->phase](&t);
		if (go == GO_DEAD) {
			next = conn_free(c);
			break;
		}
		if (!keep(&t)) {
			go = trouble(&t, TROUBLE_BUSY);
			continue;
		}
		away = go == GO_AGAIN || park(&t, &next);
		if (go == GO_AGAIN) {
			next = requeue(&t);
		} else if (!away) {
			unkeep(&t);
			go = begin(&t);
		}
	}
	atomic_fetch_add_explicit(&t.p->units, t.units, memory_order_relaxed);
	return next;
}

void work_run(struct job *job)
{
	char window[PEN_WINDOW];
	struct conn *c = (struct conn *)((char *)job - offsetof(struct conn, job));
	while (c)
		c = turn(c, window);
}
