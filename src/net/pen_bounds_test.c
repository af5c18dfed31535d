/* What bounds a pen: its gate, its caps, its shares, its end. */
#include "net/pen_test.h"

#include <sys/resource.h>

static atomic_int admits, lefts, misses;

static bool admit(void *ctx, const struct door *door, struct addr remote, const char **refusal)
{
	(void)door, (void)remote;
	*refusal = "421 no\r\n";
	return atomic_fetch_add(&admits, 1) < *(int *)ctx;
}

static void left(void *ctx, const struct door *door, struct addr remote)
{
	(void)ctx, (void)door, (void)remote;
	atomic_fetch_add(&lefts, 1);
}

static void missed(void *ctx, const struct door *door, struct addr remote, const char *what)
{
	(void)ctx, (void)door, (void)remote;
	assert_string_equal(what, "http");
	atomic_fetch_add(&misses, 1);
}

static struct next open_badly(struct peer *peer, void **session)
{
	(void)session;
	pen_misbehaved(peer, "http");
	io_add(peer->io, STR("not you\r\n"));
	return (struct next){ .want = WANT_CLOSE };
}

static void test_gate(void **state)
{
	(void)state;
	int most = 3;
	struct fix f = { 0 };
	struct err e;
	struct io *io[5];
	fix_new(&f, &(struct pen_conf){ .gate = { &most, admit, left, missed } });
	for (int i = 0; i < 5; i++) {
		assert_true(io_connect(&io[i], f.at, 20000, &e));
		hear(io[i], i < 3 ? "hello" : "421 no");
	}
	hear_end(io[4]);
	while (stat_of(&f).refused != 2)
		usleep(500); /* counted after the refusal was said */
	for (int i = 0; i < 5; i++)
		io_free(io[i]);
	until_connections(&f, 0);
	fix_free(&f);
	assert_int_equal(lefts, 3);
	/* A door that refuses. */
	f = (struct fix){ .door = test_door() };
	f.door.open = open_badly;
	most = 100;
	fix_new(&f, &(struct pen_conf){ .gate = { &most, admit, left, missed } });
	assert_true(io_connect(&io[0], f.at, 20000, &e));
	hear(io[0], "not you");
	hear_end(io[0]);
	io_free(io[0]);
	fix_free(&f);
	assert_int_equal(misses, 1);
	assert_int_equal(lefts, 4);
}

static void test_cap(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct err e;
	struct io *io[3], *late;
	fix_new(&f, &(struct pen_conf){ .connections = 3 });
	for (int i = 0; i < 3; i++)
		io[i] = dial(&f);
	assert_true(io_connect(&late, f.at, 20000, &e)); /* the backlog has it */
	say(io[0], STR("ECHO x\r\n"));
	hear(io[0], "x");
	assert_int_equal(stat_of(&f).accepted, 3);
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_false(pen_adopt(f.pen, fd[0], &f.door, &e));
	close(fd[1]);
	io_free(io[0]);
	hear(late, "hello");
	io_free(io[1]);
	io_free(io[2]);
	io_free(late);
	until_connections(&f, 0);
	fix_free(&f);
}

/* No descriptors left: nothing breaks, and it goes on when there are some. */
static void test_no_descriptors(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct rlimit all, few;
	struct sockaddr_storage ss;
	fix_new(&f, &(struct pen_conf){ 0 });
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(f.at, &ss)), 0);
	usleep(30000);
	assert_int_equal(stat_of(&f).connections, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	struct io *io = io_socket(fd);
	hear(io, "hello");
	io_free(io);
	fix_free(&f);
}

static void test_busy(void **state)
{
	(void)state;
	struct fix f = { 0 };
	fix_new(&f, &(struct pen_conf){ .workers = 1, .busy_ms = 50 });
	struct io *holds = dial(&f), *waits[5];
	for (int i = 0; i < 5; i++)
		waits[i] = dial(&f);
	say(holds, STR("HOLD\r\n"));
	sem_wait(&at_work);
	for (int i = 0; i < 5; i++)
		say(waits[i], STR("ECHO x\r\n"));
	for (int i = 0; i < 5; i++) {
		hear(waits[i], "trouble busy");
		hear_end(waits[i]);
		io_free(waits[i]);
	}
	sem_post(&go_on);
	hear(holds, "held");
	say(holds, STR("ECHO y\r\n"));
	hear(holds, "y");
	io_free(holds);
	fix_free(&f);
}

/* One that never stops talking does not keep the only worker. */
static void *chatter(void *arg)
{
	struct io *io = arg;
	struct buf in = { 0 }, out = { 0 };
	for (int i = 0; i < 200; i++)
		buf_addz(&in, "ECHO abcdefgh\r\n");
	bool ok = true;
	for (int i = 0; i < 100 && ok; i++) {
		io_add(io, buf_str(&in));
		ok = io_exactly(io, 2000, &out);
		buf_clear(&out);
	}
	buf_free(&in);
	buf_free(&out);
	return ok ? io : NULL;
}

static void test_fair(void **state)
{
	(void)state;
	struct fix f = { 0 };
	pthread_t id[4];
	struct io *io[4], *other;
	void *ok;
	fix_new(&f, &(struct pen_conf){ .workers = 1 });
	other = dial(&f);
	for (int i = 0; i < 4; i++) {
		io[i] = dial(&f);
		pthread_create(&id[i], NULL, chatter, io[i]);
	}
	for (int i = 0; i < 50; i++) {
		say(other, STR("ECHO me\r\n"));
		hear(other, "me");
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(id[i], &ok);
		assert_non_null(ok);
		io_free(io[i]);
	}
	io_free(other);
	fix_free(&f);
}

#define MANY 2000

static void test_many(void **state)
{
	(void)state;
	static struct io *io[MANY];
	struct fix f = { 0 };
	struct rlimit lim;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max < 3 * MANY ? lim.rlim_max : 3 * MANY;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	int many = lim.rlim_cur < 3 * MANY ? (int)lim.rlim_cur / 3 : MANY;
	fix_new(&f, &(struct pen_conf){ .workers = 16 });
	for (int i = 0; i < many; i++)
		io[i] = dial(&f);
	until_parked(&f, (unsigned)many);
	for (int i = 0; i < many; i++)
		say(io[i], STR("ECHO still here\r\n"));
	for (int i = 0; i < many; i++)
		hear(io[i], "still here");
	until_parked(&f, (unsigned)many);
	atomic_store(&stops, 0);
	pen_drain(f.pen, 15000);
	for (int i = 0; i < many; i++) {
		hear(io[i], "trouble stop");
		hear_end(io[i]);
		io_free(io[i]);
	}
	fix_free(&f);
	assert_int_equal(stops, many);
}

/* --- the end --- */

static void test_drain(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct err e;
	struct io *late;
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *works = dial(&f), *idles = dial(&f), *data = dial(&f), *delayed = dial(&f);
	say(works, STR("HOLD\r\nECHO not any more\r\n"));
	sem_wait(&at_work);
	say(idles, STR("IDLE\r\n"));
	hear(idles, "+ idling");
	say(data, STR("DATA\r\nabc\r\n"));
	hear(data, "354 go");
	say(delayed, STR("ECHO x\r\nDELAY 1000000\r\n"));
	hear(delayed, "x");
	until_parked(&f, 3);
	pen_drain(f.pen, 15000);
	hear(idles, "trouble stop");
	hear(data, "trouble stop");
	hear(delayed, "delayed"); /* not held back any longer */
	hear(delayed, "trouble stop");
	sem_post(&go_on);
	hear(works, "held"); /* the unit it was at */
	hear(works, "trouble stop");
	hear_end(works);
	io_free(works);
	io_free(idles);
	io_free(data);
	io_free(delayed);
	pthread_join(f.loop, NULL);
	assert_false(io_connect(&late, f.at, 1000, &e));
	pen_free(f.pen);
	assert_int_equal(opened, closed);
}

/* Who was let in just before the end may finish its handshake, is greeted, and told why there is no more. */
static void test_drain_handshake(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct fix f = { .door = test_door() };
	struct err e;
	struct io *io;
	f.door.tls = c.server;
	fix_new(&f, &(struct pen_conf){ 0 });
	assert_true(io_connect(&io, f.at, 20000, &e));
	until_parked(&f, 1);
	pen_drain(f.pen, 15000);
	if (!io_tls_connect(io, c.client, STR("a.example"), &e))
		fail_msg("%s", e.text);
	hear(io, "hello");
	hear(io, "trouble stop");
	hear_end(io);
	io_free(io);
	pthread_join(f.loop, NULL);
	pen_free(f.pen);
	certs_free(&c);
	assert_int_equal(opened, closed);
}

/* Who does not let itself be drained is cut off, and pen_run returns. */
static void test_drain_deadline(void **state)
{
	(void)state;
	struct fix f = { 0 };
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *deaf = dial(&f), *lingers = dial(&f);
	say(deaf, STR("BIG 20000000\r\n"));
	say(lingers, STR("QUIT\r\n"));
	hear(lingers, "bye");
	pen_drain(f.pen, 50);
	pthread_join(f.loop, NULL);
	pen_free(f.pen);
	io_free(deaf);
	io_free(lingers);
	assert_int_equal(opened, closed);
}

static void test_free_without_run(void **state)
{
	(void)state;
	struct err e;
	int fd[2];
	struct door door = test_door();
	struct pen *p = pen_new(&(struct pen_conf){ 0 }, &e);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_true(pen_adopt(p, fd[0], &door, &e));
	pen_free(p);
	close(fd[1]);
	assert_int_equal(opened, closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate),           cmocka_unit_test(test_cap),
		cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_busy),
		cmocka_unit_test(test_fair),           cmocka_unit_test(test_many),
		cmocka_unit_test(test_drain),          cmocka_unit_test(test_drain_handshake),
		cmocka_unit_test(test_drain_deadline), cmocka_unit_test(test_free_without_run),
	};
	fix_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
