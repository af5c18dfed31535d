/* pen_test.h - for tests of the pen: a door that does all a door can, a pen in a thread of its own, and clients.
 *
 * The door speaks lines: "ECHO text", "DELAY ms", "WAKE ms", "IDLE", "DATA", "OCTETS n", "TLS", "BIG n", "WHO", "QUIT";
 * "HOLD" keeps its worker until the test posts `go_on`.  What went wrong it says as "trouble NAME".
 */
#pragma once
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "net/listen.h"
#include "net/pen.h"
#include "net/tls_test.h"

/* --- a door that does all a door can --- */

struct session {
	struct sink sink; /* counts */
	struct peer *peer;
	struct buf got;
	bool idle;
};

static sem_t at_work __attribute__((unused)), go_on; /* HOLD: says that it is at work, waits */
static pthread_mutex_t known_mu = PTHREAD_MUTEX_INITIALIZER;
static struct conn *known; /* guarded by known_mu: the last session that said WAKE or IDLE */
static atomic_int opened, closed, stops;
static struct tls_server *tls;

static inline bool sink_add(struct sink *s, struct str bytes)
{
	buf_add(&((struct session *)s)->got, bytes);
	return true;
}

static inline struct next line(void)
{
	return (struct next){ .want = WANT_LINE };
}

static inline struct next test_open(struct peer *peer, void **session)
{
	struct session *s = calloc(1, sizeof *s);
	s->sink.add = sink_add;
	s->peer = peer;
	*session = s;
	atomic_fetch_add(&opened, 1);
	io_add(peer->io, STR("hello\r\n"));
	return line();
}

static inline void test_close(void *session)
{
	struct session *s = session;
	pthread_mutex_lock(&known_mu);
	if (known == s->peer->conn)
		known = NULL;
	pthread_mutex_unlock(&known_mu);
	atomic_fetch_add(&closed, 1);
	buf_free(&s->got);
	free(s);
}

static inline void know(struct session *s)
{
	pthread_mutex_lock(&known_mu);
	known = s->peer->conn;
	pthread_mutex_unlock(&known_mu);
}

static inline struct next do_echo(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)n;
	io_printf(s->peer->io, "%.*s%s\r\n", STRF(arg), in->bare_lf ? " (LF)" : in->early ? " (early)" : "");
	return line();
}

static inline struct next do_delay(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)in;
	io_add(s->peer->io, STR("delayed\r\n"));
	return (struct next){ .want = WANT_LINE, .delay_ms = (int64_t)n };
}

static inline struct next do_wake(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)in;
	io_add(s->peer->io, STR("sleeping\r\n"));
	know(s);
	return (struct next){ .want = WANT_WAKE, .after_ms = n ? (int64_t)n : -1 };
}

static inline struct next do_idle(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	io_add(s->peer->io, STR("+ idling\r\n"));
	know(s);
	s->idle = true;
	return (struct next){ .want = WANT_LINE, .wakeable = true };
}

static inline struct next do_data(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	io_add(s->peer->io, STR("354 go\r\n"));
	return (struct next){ .want = WANT_DATA, .sink = &s->sink };
}

static inline struct next do_octets(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)in;
	return (struct next){ .want = WANT_OCTETS, .octets = n, .sink = &s->sink };
}

static inline struct next do_tls(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	io_add(s->peer->io, STR("220 go\r\n"));
	return (struct next){ .want = WANT_TLS, .tls = tls };
}

static inline struct next do_big(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)in;
	static const char block[4096] = { 'x' };
	for (; n > 0; n -= n < sizeof block ? n : sizeof block)
		io_add(s->peer->io, str_sub((struct str){ block, sizeof block }, 0, n));
	io_add(s->peer->io, STR("\r\n"));
	return line();
}

static inline struct next do_hold(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	sem_post(&at_work);
	sem_wait(&go_on);
	io_add(s->peer->io, STR("held\r\n"));
	return line();
}

static inline struct next do_who(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	const struct peer *p = s->peer;
	struct arena a = { 0 };
	io_printf(p->io, "unix=%d uid=%d loop=%d port=%d tls=%d\r\n", p->unix_socket,
		  p->unix_socket && p->uid == getuid(), addr_loopback(p->remote.addr), p->remote.port > 0,
		  io_tls_text(p->io, &a).n > 0);
	arena_reset(&a);
	return line();
}

static inline struct next do_compress(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	io_add(s->peer->io, STR("250 go\r\n"));
	io_compress(s->peer->io);
	return line();
}

static inline struct next do_quit(struct session *s, struct str arg, uint64_t n, const struct unit *in)
{
	(void)arg, (void)n, (void)in;
	io_add(s->peer->io, STR("bye\r\n"));
	return (struct next){ .want = WANT_CLOSE };
}

static const struct {
	const char *verb;
	struct next (*run)(struct session *s, struct str arg, uint64_t n, const struct unit *in);
} verbs[] = {
	{ "ECHO", do_echo }, { "DELAY", do_delay },   { "WAKE", do_wake }, { "IDLE", do_idle },
	{ "DATA", do_data }, { "OCTETS", do_octets }, { "TLS", do_tls },   { "BIG", do_big },
	{ "HOLD", do_hold }, { "WHO", do_who },       { "QUIT", do_quit }, { "COMPRESS", do_compress },
};

static inline struct next test_line(struct session *s, const struct unit *in)
{
	struct str arg = in->line, verb = str_cut(&arg, ' ');
	uint64_t n = 0;
	num_parse(arg, UINT64_MAX, &n);
	if (s->idle) {
		s->idle = false;
		io_add(s->peer->io, STR("done\r\n"));
		return line();
	}
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (str_eq(verb, str_of(verbs[i].verb)))
			return verbs[i].run(s, arg, n, in);
	io_add(s->peer->io, STR("what?\r\n"));
	return line();
}

static inline struct next test_step(void *session, const struct unit *in)
{
	static const char *names[] = { "none", "eof", "long", "slow", "stop", "tls", "busy", "garbled" };
	struct session *s = session;
	struct io *io = s->peer->io;
	switch (in->kind) {
	case UNIT_LINE:
		return test_line(s, in);
	case UNIT_DATA:
	case UNIT_OCTETS:
		io_printf(io, "got %llu crs %u lfs %u: %.*s\r\n", (unsigned long long)in->octets, in->bare_cr,
			  in->bare_lfs, (int)(s->got.n < 20 ? s->got.n : 20), s->got.p ? s->got.p : "");
		buf_clear(&s->got);
		return line();
	case UNIT_WAKE:
		io_add(io, s->idle ? STR("* news\r\n") : STR("awake\r\n"));
		return (struct next){ .want = WANT_LINE, .wakeable = s->idle };
	case UNIT_TLS:
		return line();
	case UNIT_TROUBLE:
		break;
	}
	atomic_fetch_add(&stops, in->trouble == TROUBLE_STOP);
	io_printf(io, "trouble %s\r\n", names[in->trouble]);
	return (struct next){ .want = WANT_CLOSE };
}

static inline struct door test_door(void)
{
	return (struct door){
		.name = "test",
		.line_max = 100,
		.unit_ms = 20000,
		.idle_ms = 20000,
		.write_ms = 20000,
		.open = test_open,
		.step = test_step,
		.close = test_close,
	};
}

/* --- a pen and its clients --- */

struct fix {
	struct pen *pen;
	struct door door;
	struct addrport at;
	pthread_t loop;
	int fd; /* the listener */
};

static inline void *loop(void *arg)
{
	pen_run(arg);
	return NULL;
}

static inline struct fix *fix_new(struct fix *f, const struct pen_conf *conf)
{
	struct err e;
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	f->pen = pen_new(conf, &e);
	assert_non_null(f->pen);
	if (!f->door.open)
		f->door = test_door();
	f->at = (struct addrport){ 0 };
	assert_true(addr_parse(STR("127.0.0.1"), &f->at.addr));
	f->fd = listen_tcp(f->at, 4096, &e);
	assert_true(f->fd >= 0);
	assert_int_equal(getsockname(f->fd, (struct sockaddr *)&ss, &len), 0);
	assert_true(addr_from_sockaddr(&ss, &f->at));
	assert_true(pen_listen(f->pen, f->fd, &f->door, &e));
	pthread_create(&f->loop, NULL, loop, f->pen);
	return f;
}

static inline void fix_free(struct fix *f)
{
	pen_drain(f->pen, 10000);
	pthread_join(f->loop, NULL);
	pen_free(f->pen);
	assert_int_equal(atomic_load(&opened), atomic_load(&closed));
}

static inline void say(struct io *io, struct str s)
{
	io_add(io, s);
	assert_true(io_flush(io));
}

static inline void hear(struct io *io, const char *want)
{
	struct str got = STR_NONE;
	enum io_got how = io_line(io, &got, 1000);
	if (how != IO_LINE)
		fail_msg("wanted \"%s\", got %s", want, io_error(io)->text);
	assert_strz(got, want);
}

static inline void hear_end(struct io *io)
{
	struct str got;
	assert_int_equal(io_line(io, &got, 1000), IO_END);
}

static inline struct io *dial(struct fix *f)
{
	struct err e;
	struct io *io = NULL;
	if (!io_connect(&io, f->at, 20000, &e))
		fail_msg("%s", e.text);
	hear(io, "hello");
	return io;
}

static inline struct pen_stat stat_of(struct fix *f)
{
	struct pen_stat s;
	pen_stat(f->pen, &s);
	return s;
}

static inline void until_connections(struct fix *f, unsigned n)
{
	while (stat_of(f).connections != n)
		usleep(500);
}

static inline void until_parked(struct fix *f, unsigned n)
{
	while (stat_of(f).parked != n)
		usleep(500);
}

static inline void fix_init(void)
{
	hash_init();
	sem_init(&at_work, 0, 0);
	sem_init(&go_on, 0, 0);
}
