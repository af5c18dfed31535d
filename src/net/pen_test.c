#include "net/pen_test.h"

static void test_echo(void **state)
{
	(void)state;
	struct fix f = { 0 };
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	say(io, STR("ECHO one\r\n"));
	hear(io, "one");
	until_parked(&f, 1);
	say(io, STR("ECHO two\nWHO\r\n"));
	hear(io, "two (LF)");
	hear(io, "unix=0 uid=0 loop=1 port=1 tls=0");
	say(io, STR("QUIT\r\n"));
	hear(io, "bye");
	hear_end(io);
	io_free(io);
	until_connections(&f, 0);
	assert_int_equal(stat_of(&f).units, 4);
	assert_int_equal(stat_of(&f).accepted, 1);
	fix_free(&f);
}

static void test_unix_socket(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct err e;
	int fd[2];
	fix_new(&f, &(struct pen_conf){ 0 });
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_true(pen_adopt(f.pen, fd[0], &f.door, &e));
	struct io *io = io_socket(fd[1]);
	hear(io, "hello");
	say(io, STR("WHO\r\n"));
	hear(io, "unix=1 uid=1 loop=0 port=0 tls=0");
	io_free(io);
	fix_free(&f);
}

static void test_pipelining(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct buf in = { 0 };
	char want[20];
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	for (int i = 0; i < 3000; i++)
		buf_printf(&in, "ECHO %d\r\n", i);
	buf_addz(&in, "DATA\r\n..a\r\n.\r\nOCTETS 5\r\n\r\n.\r\nECHO end\r\nOCTETS 0\r\nDELAY 5\r\nECHO x\r\n");
	say(io, buf_str(&in));
	for (int i = 0; i < 3000; i++) {
		snprintf(want, sizeof want, "%d", i);
		hear(io, want);
	}
	hear(io, "354 go");
	hear(io, "got 4 crs 0 lfs 0: .a");
	hear(io, "");
	hear(io, "got 5 crs 0 lfs 0: ");
	hear(io, ".");
	hear(io, "");
	hear(io, "end");
	hear(io, "got 0 crs 0 lfs 0: ");
	hear(io, "delayed");
	hear(io, "x");
	io_free(io);
	buf_free(&in);
	fix_free(&f);
}

/* Pipelined replies go out together, not one by one: the client's first read has all. */
static void test_one_write(void **state)
{
	(void)state;
	struct fix f = { 0 };
	char got[100];
	size_t n = 0;
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	say(io, STR("ECHO a\r\nECHO b\r\nECHO c\r\n"));
	enum io_try try;
	while ((try = io_read_some(io, got, sizeof got, &n)) == IO_AGAIN_READ)
		usleep(100);
	assert_int_equal(try, IO_DONE);
	assert_str(((struct str){ got, n }), STR("a\r\nb\r\nc\r\n"));
	io_free(io);
	fix_free(&f);
}

static void test_drip(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct str in = STR("DATA\r\na\r\n..\r\n.\n.\rb\r\n.\r\nECHO ok\r\n");
	fix_new(&f, &(struct pen_conf){ .linger_ms = -1 });
	struct io *io = dial(&f);
	for (size_t i = 0; i < in.n; i++) {
		say(io, str_sub(in, i, i + 1));
		if (i % 4 == 0)
			until_parked(&f, 1);
	}
	hear(io, "354 go");
	hear(io, "got 12 crs 1 lfs 1: a");
	hear(io, ".");
	hear(io, "");
	hear(io, ".\rb");
	hear(io, "");
	hear(io, "ok");
	io_free(io);
	fix_free(&f);
}

/* Who waits holds no worker: two of them serve fifty that are delayed. */
static void test_delays(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct io *io[50];
	fix_new(&f, &(struct pen_conf){ .workers = 2 });
	int64_t start_ms = clock_mono_ms();
	for (int i = 0; i < 50; i++) {
		io[i] = dial(&f);
		say(io[i], STR("ECHO first\r\nDELAY 100\r\nECHO last\r\n"));
	}
	for (int i = 0; i < 50; i++) {
		hear(io[i], "first"); /* not held back */
		hear(io[i], "delayed");
		assert_true(clock_mono_ms() - start_ms >= 100);
		hear(io[i], "last");
		io_free(io[i]);
	}
	until_connections(&f, 0);
	fix_free(&f);
}

static struct next open_slowly(struct peer *peer, void **session)
{
	struct next next = test_open(peer, session);
	next.delay_ms = 60;
	return next;
}

static void test_early_talk(void **state)
{
	(void)state;
	struct fix f = { .door = test_door() };
	struct err e;
	struct io *rude, *polite;
	f.door.open = open_slowly;
	fix_new(&f, &(struct pen_conf){ 0 });
	assert_true(io_connect(&rude, f.at, 20000, &e));
	say(rude, STR("ECHO a\r\nECHO b\r\n"));
	polite = dial(&f);
	say(polite, STR("ECHO c\r\n"));
	hear(rude, "hello");
	hear(rude, "a (early)");
	hear(rude, "b");
	hear(polite, "c");
	io_free(rude);
	io_free(polite);
	fix_free(&f);
}

static void wake_known(void)
{
	pthread_mutex_lock(&known_mu);
	assert_non_null(known);
	pen_wake(known);
	pthread_mutex_unlock(&known_mu);
}

static void test_wake(void **state)
{
	(void)state;
	struct fix f = { 0 };
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	say(io, STR("WAKE 20\r\nECHO queued\r\n")); /* by its timer */
	hear(io, "sleeping");
	hear(io, "awake");
	hear(io, "queued");
	say(io, STR("WAKE\r\n")); /* only by pen_wake */
	hear(io, "sleeping");
	wake_known();
	hear(io, "awake");
	say(io, STR("IDLE\r\n"));
	hear(io, "+ idling");
	for (int i = 0; i < 50; i++) {
		wake_known();
		hear(io, "* news");
	}
	/* In the middle of a line it is remembered. */
	say(io, STR("DO"));
	usleep(20000);
	wake_known();
	say(io, STR("NE\r\n"));
	hear(io, "done");
	say(io, STR("IDLE\r\n"));
	hear(io, "+ idling");
	hear(io, "* news");
	/* While at work too. */
	say(io, STR("DONE\r\n"));
	hear(io, "done");
	say(io, STR("HOLD\r\n"));
	sem_wait(&at_work);
	wake_known();
	sem_post(&go_on);
	hear(io, "held");
	say(io, STR("WAKE\r\n"));
	hear(io, "sleeping");
	hear(io, "awake");
	io_free(io);
	fix_free(&f);
}

/* A peer that leaves while a delayed reply or a wake is due is noticed at once. */
static void test_leaving(void **state)
{
	(void)state;
	struct fix f = { 0 };
	static const struct {
		struct str say;
		const char *hear;
	} rows[] = {
		{ STR("WAKE\r\n"), "sleeping" },
		{ STR("IDLE\r\n"), "+ idling" },
		{ STR("ECHO x\r\nDELAY 1000000\r\n"), "x" },
		{ STR("ECHO x\r\n"), "x" },
		{ STR("DATA\r\nabc"), "354 go" },
	};
	fix_new(&f, &(struct pen_conf){ 0 });
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct io *io = dial(&f);
		say(io, rows[i].say);
		hear(io, rows[i].hear);
		io_free(io);
		until_connections(&f, 0);
	}
	fix_free(&f);
}

/* A client that closed its half after the last command still hears all. */
static void test_half_close(void **state)
{
	(void)state;
	struct fix f = { 0 };
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	say(io, STR("ECHO a\r\nDELAY 30\r\nWAKE 30\r\nECHO b\r\nnot whole"));
	shutdown(io_fd(io), SHUT_WR);
	hear(io, "a");
	hear(io, "delayed");
	hear(io, "sleeping");
	hear(io, "awake");
	hear(io, "b");
	hear_end(io); /* the end's goodbye goes nowhere */
	io_free(io);
	fix_free(&f);
}

static void test_starttls(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct fix f = { 0 };
	struct err e;
	tls = c.server;
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	say(io, STR("TLS\r\nECHO evil\r\n")); /* what is pipelined behind it is dropped */
	hear(io, "220 go");
	if (!io_tls_connect(io, c.client, STR("a.example"), &e))
		fail_msg("%s", e.text);
	say(io, STR("ECHO good\r\nWHO\r\n"));
	hear(io, "good");
	hear(io, "unix=0 uid=0 loop=1 port=1 tls=1");
	until_parked(&f, 1);
	say(io, STR("BIG 200000\r\n"));
	struct buf big = { 0 };
	assert_true(io_exactly(io, 200002, &big));
	buf_free(&big);
	say(io, STR("QUIT\r\n"));
	hear(io, "bye");
	hear_end(io);
	io_free(io);
	io = dial(&f); /* no handshake: garbage */
	say(io, STR("TLS\r\n"));
	hear(io, "220 go");
	say(io, STR("ECHO plain\r\n"));
	struct str junk; /* an alert, and the end */
	while (io_line(io, &junk, 1000) != IO_END)
		;
	io_free(io);
	until_connections(&f, 0);
	fix_free(&f);
	certs_free(&c);
}

/* RFC 4978: compressed from the end of the answer on, with and without TLS, parked between. */
static void test_compress(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct fix f = { 0 };
	struct err e;
	struct buf big = { 0 };
	tls = c.server;
	fix_new(&f, &(struct pen_conf){ 0 });
	for (int i = 0; i < 2; i++) {
		struct io *io = dial(&f);
		if (i == 1) {
			say(io, STR("TLS\r\n"));
			hear(io, "220 go");
			assert_true(io_tls_connect(io, c.client, STR("a.example"), &e));
		}
		say(io, STR("ECHO plain\r\nCOMPRESS\r\n"));
		hear(io, "plain");
		hear(io, "250 go");
		io_compress(io);
		say(io, STR("ECHO one\r\n"));
		hear(io, "one");
		until_parked(&f, 1);
		say(io, STR("ECHO two\r\nDATA\r\n"));
		hear(io, "two");
		hear(io, "354 go");
		for (int k = 0; k < 40000; k++)
			io_add(io, STR("0123456789012345678901234567890123456789\r\n"));
		say(io, STR(".\r\nBIG 3000000\r\n"));
		hear(io, "got 1680000 crs 0 lfs 0: 01234567890123456789");
		assert_true(io_exactly(io, 3000002, &big));
		buf_clear(&big);
		until_parked(&f, 1);
		say(io, STR("QUIT\r\n"));
		hear(io, "bye");
		hear_end(io);
		io_free(io);
		until_connections(&f, 0);
	}
	buf_free(&big);
	fix_free(&f);
	certs_free(&c);
}

/* Plain words where deflate should be: the session can still say what is wrong. And a line of zeros is as long
 * inflated as any other. */
static void test_compress_badly(void **state)
{
	(void)state;
	struct fix f = { 0 };
	char zeros[4096] = { 0 };
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *plain = dial(&f), *bomb = dial(&f);
	say(plain, STR("COMPRESS\r\n"));
	hear(plain, "250 go");
	int fd = dup(io_fd(plain));
	assert_int_equal(write(fd, "\xff\xff\xff\xff", 4), 4);
	close(fd);
	io_compress(plain);
	hear(plain, "trouble garbled");
	hear_end(plain);
	say(bomb, STR("COMPRESS\r\n"));
	hear(bomb, "250 go");
	io_compress(bomb);
	for (int i = 0; i < 16; i++)
		io_add(bomb, (struct str){ zeros, sizeof zeros });
	io_flush(bomb);
	hear(bomb, "trouble long");
	io_free(plain);
	io_free(bomb);
	until_connections(&f, 0);
	fix_free(&f);
}

static void test_tls_door(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct fix f = { .door = test_door() };
	struct err e;
	struct io *io, *mute;
	f.door.tls = c.server;
	fix_new(&f, &(struct pen_conf){ .handshake_ms = 200 });
	assert_true(io_connect(&mute, f.at, 20000, &e));
	for (int i = 0; i < 5; i++) {
		assert_true(io_connect(&io, f.at, 20000, &e));
		assert_true(io_tls_connect(io, c.client, STR("127.0.0.1"), &e));
		hear(io, "hello");
		say(io, STR("DATA\r\n"));
		hear(io, "354 go");
		for (int k = 0; k < 4000; k++)
			io_add(io, STR("0123456789012345678901234567890123456789\r\n"));
		say(io, STR(".\r\n"));
		hear(io, "got 168000 crs 0 lfs 0: 01234567890123456789");
		io_free(io);
	}
	hear_end(mute); /* no handshake in time: closed, never opened */
	io_free(mute);
	until_connections(&f, 0);
	fix_free(&f);
	certs_free(&c);
}

static void test_slow(void **state)
{
	(void)state;
	struct fix f = { .door = test_door() };
	f.door.idle_ms = 60;
	f.door.unit_ms = 300;
	f.door.write_ms = 60;
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *mute = dial(&f), *drip = dial(&f), *deaf = dial(&f);
	say(deaf, STR("BIG 20000000\r\n"));
	hear(mute, "trouble slow");
	hear_end(mute);
	/* Never idle, but the unit takes too long. */
	int64_t until_ms = clock_mono_ms() + 15000;
	char c;
	size_t n = 0;
	io_deadline(drip, 1);
	while (io_read_some(drip, &c, 1, &n) == IO_AGAIN_READ && clock_mono_ms() < until_ms) {
		io_add(drip, STR("x"));
		io_flush(drip);
		usleep(15000);
	}
	assert_int_equal(n, 1);
	assert_int_equal(c, 't');
	io_free(mute);
	io_free(drip);
	until_connections(&f, 0); /* the deaf one too: its output did not move */
	io_free(deaf);
	fix_free(&f);
}

static void test_long_line(void **state)
{
	(void)state;
	struct fix f = { 0 };
	char big[300];
	memset(big, 'x', sizeof big);
	fix_new(&f, &(struct pen_conf){ 0 });
	struct io *io = dial(&f);
	say(io, (struct str){ big, sizeof big });
	hear(io, "trouble long");
	hear_end(io);
	io_free(io);
	fix_free(&f);
}

/* Our last words arrive though the peer goes on talking. */
static void test_lingering_close(void **state)
{
	(void)state;
	struct fix f = { 0 };
	struct buf junk = { 0 };
	fix_new(&f, &(struct pen_conf){ 0 });
	for (int i = 0; i < 2000; i++)
		buf_addz(&junk, "ECHO not heard\r\n");
	for (int i = 0; i < 20; i++) {
		struct io *io = dial(&f);
		io_add(io, STR("QUIT\r\n"));
		say(io, buf_str(&junk));
		hear(io, "bye");
		hear_end(io);
		io_free(io);
	}
	/* One that never stops is cut off. */
	struct io *io = dial(&f);
	say(io, STR("QUIT\r\n"));
	while (io_flush(io))
		io_add(io, buf_str(&junk));
	io_free(io);
	until_connections(&f, 0);
	buf_free(&junk);
	fix_free(&f);
}

static void test_talk(void **state)
{
	(void)state;
	struct door door = test_door();
	struct buf out = { 0 };
	pen_talk(&door, (struct addr){ 0 },
		 STR("ECHO a\r\nDATA\r\n..x\r\n.\r\nOCTETS 3\r\nabcWAKE 1000\r\nDELAY 1000\r\nnonsense\r\nQUIT\r\nECHO "
		     "no\r\n"),
		 &out);
	assert_strz(buf_str(&out), "hello\r\na\r\n354 go\r\ngot 4 crs 0 lfs 0: .x\r\n\r\ngot 3 crs 0 lfs 0: abc\r\n"
				   "sleeping\r\nawake\r\ndelayed\r\nwhat?\r\nbye\r\n");
	buf_clear(&out);
	pen_talk(&door, (struct addr){ 0 }, STR("ECHO a\r\nEC"), &out);
	assert_strz(buf_str(&out), "hello\r\na\r\n");
	buf_clear(&out);
	pen_talk(&door, (struct addr){ 0 }, STR("TLS\r\nECHO a\r\n"), &out);
	assert_strz(buf_str(&out), "hello\r\n220 go\r\n");
	buf_free(&out);
	assert_int_equal(opened, closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_one_write),
		cmocka_unit_test(test_drip),
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_early_talk),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_leaving),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_compress),
		cmocka_unit_test(test_compress_badly),
		cmocka_unit_test(test_tls_door),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_lingering_close),
		cmocka_unit_test(test_talk),
	};
	fix_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
