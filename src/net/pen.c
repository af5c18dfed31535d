#include "net/pen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/pen_impl.h"

#define EVENTS    256
#define ACCEPTS   64         /* of one listener before the others have their turn */
#define DEAF_MS   100        /* no descriptors left: how long not to accept */
#define SILENT_MS 60000      /* between two lines in the log about having no room */
#define BELL      UINT64_MAX /* epoll data; listeners have their number, connections slot + 1 and generation */
#define WORKER_MS 10000      /* an idle worker ends */
/* Sessions have 256 KiB of their own, beside the window. */
#define STACK (((size_t)256 << 10) + PEN_WINDOW + (32u << 10))

/* --- making and freeing --- */

static unsigned share(unsigned workers, unsigned percent)
{
	unsigned n = workers * (percent ? percent : 25) / 100;
	return n ? n : 1;
}

static void set_conf(struct pen *p, const struct pen_conf *conf)
{
	struct pen_conf *c = &p->conf;
	*c = *conf;
	c->workers = c->workers ? c->workers : PEN_WORKERS;
	c->connections = c->connections ? c->connections : PEN_CONNECTIONS;
	c->linger_ms = c->linger_ms ? c->linger_ms : 5;
	c->handshake_ms = c->handshake_ms ? c->handshake_ms : 10000;
	c->busy_ms = c->busy_ms ? c->busy_ms : 10000;
	p->network_most = share(c->workers, c->network_share);
	p->handshake_most = share(c->workers, c->handshake_share);
}

static void make_slots(struct pen *p)
{
	unsigned n = p->conf.connections;
	p->slots = calloc(n, sizeof *p->slots);
	p->timers = calloc(n, sizeof *p->timers);
	if (!p->slots || !p->timers)
		abort();
	for (unsigned i = 0; i < n; i++)
		p->slots[i].next_free = i + 1;
}

struct pen *pen_new(const struct pen_conf *conf, struct err *e)
{
	struct pen *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = BELL };
	if (p->epoll < 0 || p->bell < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bell, &ev) < 0) {
		err_sys(e, "start", "polling");
		if (p->epoll >= 0)
			close(p->epoll);
		if (p->bell >= 0)
			close(p->bell);
		free(p);
		return NULL;
	}
	set_conf(p, conf);
	make_slots(p);
	p->ready = (struct link){ &p->ready, &p->ready };
	p->shake_held = (struct link){ &p->shake_held, &p->shake_held };
	pthread_mutex_init(&p->mu, NULL);
	p->pool = pool_new(&(struct pool_conf){
	    .name = "pen", .max = p->conf.workers + PEN_GOODBYES, .idle_ms = WORKER_MS, .stack = STACK });
	return p;
}

void pen_free(struct pen *p)
{
	if (!p)
		return;
	pen_drain(p, 0);
	pen_run(p); /* returns at once if it has run to its end */
	pool_free(p->pool);
	close(p->epoll);
	close(p->bell);
	pthread_mutex_destroy(&p->mu);
	free(p->slots);
	free(p->timers);
	free(p);
}

void pen_ring(struct pen *p)
{
	uint64_t one = 1;
	ssize_t n = write(p->bell, &one, sizeof one);
	(void)n; /* full means it rings already */
}

/* --- connections --- */

static void know_peer(struct conn *c, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	struct ucred cred;
	socklen_t size = sizeof cred;
	struct peer *peer = &c->peer;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		peer->unix_socket = !addr_from_sockaddr(&ss, &peer->local);
	if (peer->unix_socket && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0) {
		peer->uid = cred.uid;
		peer->gid = cred.gid;
	}
}

static struct conn *conn_new(struct pen *p, int fd, const struct door *door, struct addrport remote)
{
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->pen = p;
	c->door = door;
	c->job.run = work_run;
	c->io = io_socket(fd);
	io_write_limits(c->io, door->write_ms ? door->write_ms : PEN_PATIENCE, door->min_rate);
	c->peer = (struct peer){ .io = c->io, .remote = remote, .door = door, .ctx = door->ctx, .conn = c };
	know_peer(c, fd);
	return c;
}

/* With mu held. False: as many as may be, or we are stopping. */
static bool enter(struct pen *p, struct conn *c)
{
	if (p->connections >= p->conf.connections || atomic_load(&p->draining))
		return false;
	c->slot = p->free_slot;
	struct slot *s = &p->slots[c->slot];
	p->free_slot = s->next_free;
	s->conn = c;
	p->connections++;
	p->accepted++;
	c->state = WORKING; /* nobody else knows it yet */
	queue_ready(p, c, clock_mono_ms());
	return true;
}

/* With mu held: no event, timer or kill finds it any more. */
static void leave(struct pen *p, struct conn *c)
{
	struct slot *s = &p->slots[c->slot];
	timer_drop(p, c);
	s->conn = NULL;
	s->gen++;
	s->next_free = p->free_slot;
	p->free_slot = c->slot;
}

struct conn *conn_free(struct conn *c)
{
	struct pen *p = c->pen;
	const struct gate *gate = &p->conf.gate;
	pthread_mutex_lock(&p->mu);
	leave(p, c);
	pthread_mutex_unlock(&p->mu);
	if (c->session)
		c->door->close(c->session);
	io_free(c->io); /* epoll forgets a closed descriptor by itself */
	if (c->admitted && gate->left)
		gate->left(gate->ctx, c->door, c->peer.remote.addr);
	pthread_mutex_lock(&p->mu);
	struct conn *next = queue_release(p, c);
	p->connections--;
	if (p->full || atomic_load(&p->draining))
		pen_ring(p);
	pthread_mutex_unlock(&p->mu);
	free(c);
	return next;
}

bool pen_adopt(struct pen *p, int fd, const struct door *door, struct err *e)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	struct addrport remote;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0) {
		close(fd);
		return err_sys(e, "adopt", "connection");
	}
	addr_from_sockaddr(&ss, &remote);
	struct conn *c = conn_new(p, fd, door, remote);
	pthread_mutex_lock(&p->mu);
	bool ok = enter(p, c);
	pthread_mutex_unlock(&p->mu);
	if (ok)
		return true;
	io_free(c->io);
	free(c);
	return err_set(e, ERR_TEMP, "adopt connection: stopping, or as many connections as may be");
}

/* --- listening and accepting --- */

bool pen_listen(struct pen *p, int fd, const struct door *door, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "listen for", door->name);
	pthread_mutex_lock(&p->mu);
	unsigned i = p->nlisteners;
	struct epoll_event ev = { .events = p->full || p->deaf_until_ms ? 0 : EPOLLIN, .data.u64 = i };
	bool ok = false;
	if (i == PEN_LISTENERS || atomic_load(&p->draining))
		err_set(e, ERR_TEMP, "listen for %s: stopping, or more than %d listeners", door->name, PEN_LISTENERS);
	else if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		err_sys(e, "listen for", door->name);
	else
		ok = true;
	if (ok)
		p->listeners[p->nlisteners++] = (struct listener){ fd, door };
	pthread_mutex_unlock(&p->mu);
	return ok;
}

/* With mu held: poll the listeners, or do not. */
static void hear(struct pen *p, bool on)
{
	for (unsigned i = 0; i < p->nlisteners; i++) {
		struct epoll_event ev = { .events = on ? EPOLLIN : 0, .data.u64 = i };
		epoll_ctl(p->epoll, EPOLL_CTL_MOD, p->listeners[i].fd, &ev);
	}
}

static bool admitted(struct pen *p, int fd, const struct door *door, struct addr remote)
{
	const char *refusal = NULL;
	if (!p->conf.gate.admit || p->conf.gate.admit(p->conf.gate.ctx, door, remote, &refusal))
		return true;
	/* A fresh socket takes a line at once. Under TLS nobody could read it. */
	if (refusal && *refusal && !door->tls)
		send(fd, refusal, strlen(refusal), MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(fd, SHUT_WR);
	close(fd);
	return false;
}

static void let_in(struct pen *p, int fd, const struct door *door, const struct sockaddr_storage *ss)
{
	struct addrport remote;
	addr_from_sockaddr(ss, &remote);
	if (!admitted(p, fd, door, remote.addr)) {
		pthread_mutex_lock(&p->mu);
		p->refused++;
		pthread_mutex_unlock(&p->mu);
		return;
	}
	struct conn *c = conn_new(p, fd, door, remote);
	c->admitted = true;
	pthread_mutex_lock(&p->mu);
	bool ok = enter(p, c);
	pthread_mutex_unlock(&p->mu);
	if (ok)
		return;
	if (p->conf.gate.left)
		p->conf.gate.left(p->conf.gate.ctx, door, remote.addr);
	io_free(c->io);
	free(c);
}

/* A flood must not become a flood of the log. With mu held. */
static bool may_say(struct pen *p)
{
	int64_t now_ms = clock_mono_ms();
	if (now_ms < p->silent_until_ms)
		return false;
	p->silent_until_ms = now_ms + SILENT_MS;
	return true;
}

/* Stop accepting while there is no room; with mu held. */
static bool no_room(struct pen *p)
{
	if (p->connections < p->conf.connections || p->full)
		return p->full;
	p->full = true;
	hear(p, false);
	if (may_say(p))
		log_warn("pen.full", KVN("connections", p->connections));
	return true;
}

/* accept(2) failed: is the listener to be left for this time? */
static bool accept_ends(struct pen *p, const char *door)
{
	int no = errno;
	if (no != EMFILE && no != ENFILE && no != ENOMEM && no != ENOBUFS)
		return no == EAGAIN || no == EBADF || no == EINVAL; /* the others are one peer's bad luck */
	pthread_mutex_lock(&p->mu);
	p->deaf_until_ms = clock_mono_ms() + DEAF_MS;
	hear(p, false);
	if (may_say(p))
		log_warn("pen.accept", KVZ("door", door), KVZ("error", strerrordesc_np(no)));
	pthread_mutex_unlock(&p->mu);
	return true;
}

static void accept_some(struct pen *p, struct listener l)
{
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof ss;
		pthread_mutex_lock(&p->mu);
		bool stop = no_room(p);
		pthread_mutex_unlock(&p->mu);
		if (stop)
			return;
		int fd = accept4(l.fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			let_in(p, fd, l.door, &ss);
		else if (accept_ends(p, l.door->name))
			return;
	}
}

/* --- the loop --- */

/* With mu held: a listener's number, or -1. */
static int take_event(struct pen *p, const struct epoll_event *ev, int64_t now_ms)
{
	uint64_t tag = ev->data.u64;
	if (tag == BELL) {
		uint64_t n;
		ssize_t got = read(p->bell, &n, sizeof n);
		(void)got;
		return -1;
	}
	if (tag < PEN_LISTENERS)
		return tag < p->nlisteners ? (int)tag : -1;
	struct slot *s = &p->slots[(tag >> 32) - 1];
	if (s->conn && s->gen == (uint32_t)tag && s->conn->state == PARKED)
		queue_ready(p, s->conn, now_ms);
	return -1;
}

static void take_timers(struct pen *p, int64_t now_ms)
{
	for (struct conn *c; (c = timer_due(p, now_ms));) {
		if (c->state == WORKING)
			continue; /* it sets its timer anew when it parks */
		if (c->due_ms > now_ms)
			timer_set(p, c, c->due_ms);
		else if (c->state == PARKED)
			queue_ready(p, c, now_ms);
		else
			queue_overdue(p, c, now_ms);
	}
}

/* Begin to drain, with mu held. On the loop's thread, which alone uses the listeners. */
static void stop_all(struct pen *p, int64_t now_ms)
{
	p->stopped = true;
	for (unsigned i = 0; i < p->nlisteners; i++)
		close(p->listeners[i].fd);
	p->nlisteners = 0;
	for (unsigned i = 0; i < p->conf.connections; i++)
		if (p->slots[i].conn && p->slots[i].conn->state == PARKED)
			queue_ready(p, p->slots[i].conn, now_ms);
}

/* Time is up, with mu held: those at work find their connection broken, the others are closed. */
static void kill_all(struct pen *p, int64_t now_ms)
{
	p->killed = true;
	for (unsigned i = 0; i < p->conf.connections; i++) {
		struct conn *c = p->slots[i].conn;
		if (!c)
			continue;
		atomic_store(&c->kill, true);
		if (c->state == WORKING)
			shutdown(io_fd(c->io), SHUT_RDWR);
		else if (c->state == PARKED)
			queue_ready(p, c, now_ms);
	}
}

/* With mu held: what has changed with the time, or since the bell rang. */
static void look_around(struct pen *p, int64_t now_ms)
{
	take_timers(p, now_ms);
	bool deaf = p->full || p->deaf_until_ms;
	if (p->deaf_until_ms && now_ms >= p->deaf_until_ms)
		p->deaf_until_ms = 0;
	if (p->connections < p->conf.connections)
		p->full = false;
	if (deaf && !p->full && !p->deaf_until_ms)
		hear(p, true);
	if (!atomic_load(&p->draining))
		return;
	if (!p->stopped)
		stop_all(p, now_ms);
	if (!p->killed && now_ms >= p->drain_ms)
		kill_all(p, now_ms);
}

/* With mu held: how long may epoll_wait sleep? */
static int sleep_ms(struct pen *p)
{
	int64_t until = timer_first(p);
	if (p->deaf_until_ms && p->deaf_until_ms < until)
		until = p->deaf_until_ms;
	if (atomic_load(&p->draining) && !p->killed && p->drain_ms < until)
		until = p->drain_ms;
	p->sleeps_until_ms = until;
	if (until == NEVER)
		return -1;
	int64_t ms = until - clock_mono_ms();
	return ms <= 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static bool finished(const struct pen *p)
{
	return p->stopped && p->connections == 0;
}

void pen_run(struct pen *p)
{
	struct epoll_event events[EVENTS];
	pthread_mutex_lock(&p->mu);
	while (!finished(p)) {
		int timeout = sleep_ms(p);
		pthread_mutex_unlock(&p->mu);
		int n = epoll_wait(p->epoll, events, EVENTS, timeout);
		assert(n >= 0 || errno == EINTR);
		struct listener called[PEN_LISTENERS];
		unsigned ncalled = 0;
		pthread_mutex_lock(&p->mu);
		p->sleeps_until_ms = 0; /* awake: new timers need not ring */
		int64_t now_ms = clock_mono_ms();
		for (int i = 0; i < n; i++) {
			int l = take_event(p, &events[i], now_ms);
			if (l >= 0 && ncalled < PEN_LISTENERS)
				called[ncalled++] = p->listeners[l];
		}
		look_around(p, now_ms);
		pthread_mutex_unlock(&p->mu);
		for (unsigned i = 0; i < ncalled; i++)
			accept_some(p, called[i]);
		pthread_mutex_lock(&p->mu);
	}
	pthread_mutex_unlock(&p->mu);
}

void pen_drain(struct pen *p, int64_t ms)
{
	int64_t now_ms = clock_mono_ms();
	pthread_mutex_lock(&p->mu);
	bool first = !atomic_exchange(&p->draining, true);
	p->drain_ms = first || now_ms + ms < p->drain_ms ? now_ms + ms : p->drain_ms;
	pen_ring(p);
	pthread_mutex_unlock(&p->mu);
}

/* --- from any thread --- */

void pen_wake(struct conn *c)
{
	struct pen *p = c->pen;
	atomic_store(&c->wake, true);
	if (!p)
		return; /* pen_talk looks by itself */
	pthread_mutex_lock(&p->mu);
	if (c->state == PARKED && c->wake_ok)
		queue_ready(p, c, clock_mono_ms());
	pthread_mutex_unlock(&p->mu);
}

void pen_misbehaved(struct peer *peer, const char *what)
{
	struct pen *p = peer->conn->pen;
	if (p && p->conf.gate.misbehaved)
		p->conf.gate.misbehaved(p->conf.gate.ctx, peer->door, peer->remote.addr, what);
}

void pen_stat(struct pen *p, struct pen_stat *out)
{
	pthread_mutex_lock(&p->mu);
	*out = (struct pen_stat){
		.connections = p->connections,
		.parked = p->parked,
		.workers = pool_size(p->pool),
		.busy = p->running + p->goodbyes,
		.waiting = p->connections - p->parked - p->running - p->goodbyes,
		.accepted = p->accepted,
		.refused = p->refused,
		.units = atomic_load(&p->units),
	};
	pthread_mutex_unlock(&p->mu);
}
