#include "net/io.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "net/tls_test.h"

static void pair(struct io *io[2])
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	for (int i = 0; i < 2; i++) {
		io[i] = io_socket(fd[i]);
		io_deadline(io[i], 20000);
	}
}

static void test_strings(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct io *io = io_strings(STR("one\r\ntwo\nvery long line\r\n\r\n12345six\r\nrest"), &out);
	struct buf five = { 0 };
	struct str line;
	assert_int_equal(io_line(io, &line, 10), IO_LINE);
	assert_strz(line, "one");
	assert_int_equal(io_line(io, &line, 10), IO_LINE);
	assert_strz(line, "two");
	assert_int_equal(io_line(io, &line, 10), IO_LONG);
	assert_strz(line, "very long ");
	assert_int_equal(io_line(io, &line, 10), IO_LINE);
	assert_strz(line, "");
	assert_true(io_exactly(io, 5, &five));
	assert_strz(buf_str(&five), "12345");
	io_add(io, STR("250 "));
	io_printf(io, "%s\r\n", "ok");
	assert_strz(buf_str(io_out(io)), "250 ok\r\n");
	assert_int_equal(io_line(io, &line, 10), IO_LINE);
	assert_strz(line, "six");
	assert_int_equal(io_error(io)->kind, ERR_NONE);
	assert_int_equal(io_line(io, &line, 10), IO_END); /* "rest" is no line */
	assert_int_equal(io_error(io)->kind, ERR_PEER);
	io_add(io, STR("dropped"));
	assert_int_equal(io_line(io, &line, 10), IO_END);
	assert_strz(buf_str(&out), "250 ok\r\n");
	assert_int_equal(io_fd(io), -1);
	buf_free(&five);
	buf_free(&out);
	io_free(io);
	io_free(NULL);
}

/* A line longer than the read step, and one that comes in two halves while it is too long. */
static void test_long_lines(void **state)
{
	(void)state;
	struct buf in = { 0 }, out = { 0 };
	struct str line;
	for (int i = 0; i < 20000; i++)
		buf_addc(&in, 'x');
	buf_addz(&in, "\r\nshort\r\n");
	struct io *io = io_strings(buf_str(&in), &out);
	assert_int_equal(io_line(io, &line, 20000), IO_LINE);
	assert_int_equal(line.n, 20000);
	io_free(io);
	io = io_strings(buf_str(&in), &out);
	assert_int_equal(io_line(io, &line, 19999), IO_LONG);
	assert_int_equal(line.n, 19999);
	assert_int_equal(io_line(io, &line, 100), IO_LINE);
	assert_strz(line, "short");
	io_free(io);
	buf_free(&in);
}

static void test_sockets(void **state)
{
	(void)state;
	struct io *io[2];
	struct str line;
	pair(io);
	io_printf(io[0], "EHLO %s\r\n", "a.example");
	assert_true(io_flush(io[0])); /* reading flushes too, but there is one thread here */
	assert_int_equal(io_line(io[1], &line, 100), IO_LINE);
	assert_strz(line, "EHLO a.example");
	io_add(io[1], STR("250 ok\r\npart"));
	io_deadline(io[1], 30);
	assert_int_equal(io_line(io[1], &line, 100), IO_END); /* flushed, then waited in vain */
	assert_int_equal(io_error(io[1])->kind, ERR_PEER);
	assert_string_equal(io_error(io[1])->text, "timed out");
	assert_int_equal(io_line(io[0], &line, 100), IO_LINE);
	assert_strz(line, "250 ok");
	io_free(io[1]);
	assert_int_equal(io_line(io[0], &line, 100), IO_END);
	io_add(io[0], STR("dropped")); /* and no SIGPIPE */
	assert_false(io_flush(io[0]));
	io_free(io[0]);
}

/* A reader that does not read: the writer gives up by itself, and holds a bounded buffer meanwhile. */
static void test_slow_reader(void **state)
{
	(void)state;
	struct io *io[2];
	pair(io);
	io_write_limits(io[0], 40, 0);
	char big[8192] = { 'x' };
	for (int i = 0; i < 1000; i++) {
		io_add(io[0], (struct str){ big, sizeof big });
		assert_true(io_out(io[0])->n <= IO_OUT + sizeof big);
	}
	assert_int_equal(io_error(io[0])->kind, ERR_PEER);
	io_free(io[0]);
	io_free(io[1]);
}

static void *drain(void *arg)
{
	struct io *io = arg;
	struct buf got = { 0 };
	io_exactly(io, 3000000, &got);
	size_t n = got.n;
	buf_free(&got);
	return (void *)n;
}

static void test_much_output(void **state)
{
	(void)state;
	struct io *io[2];
	pthread_t id;
	void *n;
	pair(io);
	io_write_limits(io[0], 20000, 1000);
	pthread_create(&id, NULL, drain, io[1]);
	char big[100000] = { 'x' };
	for (int i = 0; i < 30; i++)
		io_add(io[0], (struct str){ big, sizeof big });
	assert_true(io_flush(io[0]));
	pthread_join(id, &n);
	assert_int_equal((size_t)n, 3000000);
	io_free(io[0]);
	io_free(io[1]);
}

static void test_connect(void **state)
{
	(void)state;
	struct err e;
	struct io *io = NULL;
	struct addrport to;
	assert_true(addrport_parse(STR("127.0.0.1:1"), &to));
	assert_false(io_connect(&io, to, 5000, &e));
	assert_int_equal(e.kind, ERR_TEMP);
	assert_string_equal(e.text, "connect 127.0.0.1:1: Connection refused");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	to.port = 0;
	socklen_t len = addr_to_sockaddr(to, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_true(addr_from_sockaddr(&ss, &to));
	assert_true(io_connect(&io, to, 5000, &e));
	io_free(io);
	close(fd);
}

static void *speak_late(void *arg)
{
	usleep(20000);
	io_add(arg, STR("late"));
	return io_flush(arg) ? arg : NULL;
}

/* On a plain socket the wait is recv()'s own: the descriptor blocks until TLS begins. */
static void test_read_soon(void **state)
{
	(void)state;
	struct io *io[2];
	struct certs c = certs_new();
	pthread_t id;
	void *spoke;
	char text[10];
	size_t n;
	pair(io);
	assert_int_equal(io_read_soon(io[0], text, sizeof text, 5, &n), IO_AGAIN_READ);
	assert_false(fcntl(io_fd(io[0]), F_GETFL) & O_NONBLOCK);
	assert_int_equal(io_read_some(io[0], text, sizeof text, &n), IO_AGAIN_READ); /* does not wait all the same */
	pthread_create(&id, NULL, speak_late, io[1]);
	assert_int_equal(io_read_soon(io[0], text, sizeof text, 20000, &n), IO_DONE);
	assert_int_equal(n, 4);
	assert_memory_equal(text, "late", 4);
	pthread_join(id, &spoke);
	assert_non_null(spoke);
	io_add(io[0], STR("and writing waits for nobody"));
	assert_int_equal(io_write_some(io[0]), IO_DONE);
	assert_int_equal(io_tls_accept(io[0], c.server), IO_AGAIN_READ);
	assert_true(fcntl(io_fd(io[0]), F_GETFL) & O_NONBLOCK);
	io_free(io[1]);
	io_free(io[0]);
	certs_free(&c);
}

/* --- TLS --- */

struct server {
	struct io *io;
	struct tls_server *tls;
	bool starttls; /* first a line in the clear */
	uint8_t exporter[32], unique[64];
	size_t nunique;
	struct str sni;
	struct arena a;
};

/* The pen's half, driven by waiting: answers each line with "got LINE". */
static void *serve(void *arg)
{
	struct server *s = arg;
	struct str line;
	if (s->starttls) {
		io_line(s->io, &line, 100);
		io_add(s->io, STR("220 go\r\n"));
		io_flush(s->io);
	}
	for (enum io_try got; (got = io_tls_accept(s->io, s->tls)) != IO_DONE;) {
		if (got == IO_ERR)
			return NULL;
		usleep(500);
	}
	s->nunique = sizeof s->unique;
	if (!io_tls_exporter(s->io, s->exporter) || !io_tls_unique(s->io, s->unique, &s->nunique))
		s->nunique = 0;
	s->sni = io_tls_sni(s->io, &s->a);
	while (io_line(s->io, &line, 100) == IO_LINE) {
		struct str copy = str_dup(&s->a, line);
		io_printf(s->io, "got %.*s\r\n", STRF(copy));
	}
	return s;
}

static void served(pthread_t id, struct server *s, bool well)
{
	void *got;
	pthread_join(id, &got);
	assert_int_equal(got != NULL, well);
	io_free(s->io);
	arena_reset(&s->a);
}

static void test_tls(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct err e;
	struct io *io[2];
	pthread_t id;
	struct str line;
	uint8_t exporter[32];
	pair(io);
	struct server s = { .io = io[1], .tls = c.server };
	pthread_create(&id, NULL, serve, &s);
	assert_true(io_tls_connect(io[0], c.client, STR("a.example"), &e));
	struct arena a = { 0 };
	assert_true(io_is_tls(io[0]));
	assert_true(str_starts(io_tls_text(io[0], &a), STR("TLSv1.3 TLS_")));
	io_add(io[0], STR("hello\r\n"));
	assert_int_equal(io_line(io[0], &line, 100), IO_LINE);
	assert_strz(line, "got hello");
	assert_true(io_tls_exporter(io[0], exporter));
	io_shutdown(io[0]);
	pthread_join(id, NULL);
	assert_memory_equal(exporter, s.exporter, 32);
	assert_int_equal(s.nunique, 0); /* not defined for TLS 1.3 */
	assert_strz(s.sni, "a.example");
	io_free(io[1]);
	arena_reset(&s.a);
	io_free(io[0]);
	arena_reset(&a);
	certs_free(&c);
}

/* RFC 3207 4.2: what an attacker put behind STARTTLS in the clear is not taken for the client's. */
static void test_starttls_injection(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct err e;
	struct io *io[2];
	pthread_t id;
	struct str line;
	pair(io);
	struct server s = { .io = io[1], .tls = c.server, .starttls = true };
	io_add(io[0], STR("STARTTLS\r\nEVIL\r\n"));
	assert_true(io_flush(io[0])); /* one write: the server reads both */
	pthread_create(&id, NULL, serve, &s);
	assert_int_equal(io_line(io[0], &line, 100), IO_LINE);
	assert_true(io_tls_connect(io[0], c.client, STR("a.example"), &e));
	io_add(io[0], STR("GOOD\r\n"));
	assert_int_equal(io_line(io[0], &line, 100), IO_LINE);
	assert_strz(line, "got GOOD");
	io_free(io[0]);
	served(id, &s, true);
	certs_free(&c);
}

/* And the same the other way: what a server said before the handshake is not heard after it. */
static void test_injection_to_client(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct err e;
	struct io *io[2];
	pthread_t id;
	struct str line;
	pair(io);
	io_add(io[1], STR("220 go\r\n220 evil\r\n"));
	assert_true(io_flush(io[1]));
	assert_int_equal(io_line(io[0], &line, 100), IO_LINE);
	struct server s = { .io = io[1], .tls = c.server };
	pthread_create(&id, NULL, serve, &s);
	assert_true(io_tls_connect(io[0], c.client, STR("a.example"), &e));
	io_add(io[0], STR("x\r\n"));
	assert_int_equal(io_line(io[0], &line, 100), IO_LINE);
	assert_strz(line, "got x");
	io_free(io[0]);
	served(id, &s, true);
	certs_free(&c);
}

static void test_wrong_name(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct err e;
	struct io *io[2];
	pthread_t id;
	pair(io);
	struct server s = { .io = io[1], .tls = c.server };
	pthread_create(&id, NULL, serve, &s);
	assert_false(io_tls_connect(io[0], c.client, STR("other.example"), &e));
	assert_int_equal(e.kind, ERR_TEMP);
	assert_string_equal(e.text, "TLS with other.example: certificate: hostname mismatch");
	io_free(io[0]);
	served(id, &s, false);
	certs_free(&c);
}

/* Plaintext where a handshake should be. */
static void test_no_tls(void **state)
{
	(void)state;
	struct certs c = certs_new();
	struct io *io[2];
	pthread_t id;
	pair(io);
	struct server s = { .io = io[1], .tls = c.server };
	io_add(io[0], STR("EHLO a.example\r\n"));
	assert_true(io_flush(io[0]));
	pthread_create(&id, NULL, serve, &s);
	pthread_join(id, NULL);
	assert_int_equal(io_error(io[1])->kind, ERR_PEER);
	assert_false(io_is_tls(io[1]));
	io_free(io[0]);
	io_free(io[1]);
	certs_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_much_output),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_read_soon),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_starttls_injection),
		cmocka_unit_test(test_injection_to_client),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_no_tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
