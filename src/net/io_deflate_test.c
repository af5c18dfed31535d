#include "net/io.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/test.h"

static void pair(struct io *io[2])
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	for (int i = 0; i < 2; i++) {
		io[i] = io_socket(fd[i]);
		io_deadline(io[i], 20000);
	}
}

/* A server's io, and a peer that writes what it likes. */
static int half(struct io **io)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	*io = io_socket(fd[0]);
	io_compress(*io);
	return fd[1];
}

static void hear(struct io *io, const char *want)
{
	struct str line;
	assert_int_equal(io_line(io, &line, 1000), IO_LINE);
	assert_strz(line, want);
}

/* What was written before goes plain, also when it waits in the buffer; what was read ahead is inflated. */
static void test_begin(void **state)
{
	struct io *io[2];
	(void)state;
	pair(io);
	io_add(io[0], STR("* before\r\na OK go\r\n"));
	assert_false(io_is_compressed(io[0]));
	io_compress(io[0]);
	assert_true(io_is_compressed(io[0]));
	io_add(io[0], STR("* behind it\r\n"));
	assert_true(io_flush(io[0]));
	hear(io[1], "* before");
	hear(io[1], "a OK go");
	io_compress(io[1]); /* the third line has been read with the others */
	hear(io[1], "* behind it");
	io_add(io[1], STR("b NOOP\r\n"));
	assert_true(io_flush(io[1]));
	hear(io[0], "b NOOP");
	io_free(io[0]);
	io_free(io[1]);
}

static void fill(struct buf *b, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		buf_addc(b, (char)(seed >> 24 & (seed & 0x100000 ? 0xff : 0x1f)));
	}
}

/* Both directions, parking one side or the other at every turn; what was said before is the dictionary. */
static void test_parked(void **state)
{
	struct io *io[2];
	(void)state;
	pair(io);
	io_compress(io[0]);
	io_compress(io[1]);
	for (unsigned i = 0; i < 200; i++) {
		struct io *from = io[i & 1], *to = io[~i & 1];
		struct buf said = { 0 }, got = { 0 };
		fill(&said, 1 + i * 37 % 9000, i / 10); /* ten times the same: far matches */
		io_add(from, buf_str(&said));
		assert_true(io_flush(from));
		if (i & 2)
			io_park(from);
		assert_true(io_exactly(to, said.n, &got));
		assert_true(str_eq(buf_str(&said), buf_str(&got)));
		assert_false(io_pending(to));
		if (i & 4)
			io_park(to);
		buf_free(&said);
		buf_free(&got);
	}
	io_free(io[0]);
	io_free(io[1]);
}

/* Compress all of `s` as a client may, ending with `flush`. */
static void squeeze(z_stream *d, struct str s, int flush, struct buf *out)
{
	size_t room = s.n + 1000;
	d->next_in = (const Bytef *)s.p;
	d->avail_in = (uInt)s.n;
	d->next_out = (Bytef *)buf_reserve(out, room);
	d->avail_out = (uInt)room;
	deflate(d, flush);
	out->n += room - d->avail_out;
	assert_true(d->avail_out > 0);
}

/* Cut anywhere, parked anywhere, whatever the client ends its pieces with: the same octets come out. */
static void test_drip(void **state)
{
	static const int flushes[] = { Z_SYNC_FLUSH, Z_PARTIAL_FLUSH, Z_BLOCK, Z_FULL_FLUSH };
	(void)state;
	for (size_t f = 0; f < sizeof flushes / sizeof *flushes; f++) {
		z_stream d = { 0 };
		struct buf wire = { 0 }, got = { 0 }, want = { 0 };
		struct io *io;
		int fd = half(&io);
		assert_int_equal(deflateInit2(&d, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
		for (unsigned i = 0; i < 40; i++) {
			struct buf text = { 0 };
			buf_printf(&text, "a%u FETCH %u (FLAGS BODY.PEEK[HEADER])\r\n", i, i * 7919 % 100);
			squeeze(&d, buf_str(&text), flushes[f], &wire);
			buf_add(&want, buf_str(&text));
			buf_free(&text);
		}
		squeeze(&d, STR_NONE, Z_SYNC_FLUSH, &wire);
		for (size_t i = 0; i < wire.n; i++) {
			char room[64];
			size_t n;
			assert_int_equal(write(fd, wire.p + i, 1), 1);
			enum io_try t;
			while ((t = io_read_some(io, room, sizeof room, &n)) == IO_DONE)
				buf_add(&got, (struct str){ room, n });
			assert_int_equal(t, IO_AGAIN_READ);
			io_park(io);
		}
		assert_true(str_eq(buf_str(&got), buf_str(&want)));
		deflateEnd(&d);
		buf_free(&wire);
		buf_free(&got);
		buf_free(&want);
		close(fd);
		io_free(io);
	}
}

/* 100 MB in 100 KB: given as it is asked for, with no more memory than that, and pending while there is more. */
static void test_bomb(void **state)
{
	z_stream d = { 0 };
	struct buf wire = { 0 }, zeros = { 0 };
	struct io *io;
	char room[4096];
	size_t n, all = 0;
	(void)state;
	int fd = half(&io);
	memset(buf_reserve(&zeros, 100u << 20), 0, 100u << 20);
	zeros.n = 100u << 20;
	assert_int_equal(deflateInit2(&d, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	squeeze(&d, buf_str(&zeros), Z_SYNC_FLUSH, &wire);
	assert_true(wire.n < 200000);
	buf_free(&zeros);
	assert_int_equal(write(fd, wire.p, wire.n), (ssize_t)wire.n);
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_DONE);
	assert_int_equal(n, sizeof room);
	assert_true(io_pending(io));
	io_park(io);
	assert_true(io_pending(io));
	all = n;
	while (io_read_some(io, room, sizeof room, &n) == IO_DONE)
		all += n;
	assert_int_equal(all, 100u << 20);
	assert_false(io_pending(io));
	deflateEnd(&d);
	buf_free(&wire);
	close(fd);
	io_free(io);
}

/* Empty blocks without end are octets that say nothing: reading comes back. */
static void test_nothing(void **state)
{
	struct io *io;
	char room[100];
	size_t n;
	(void)state;
	int fd = half(&io);
	struct buf empty = { 0 };
	for (int i = 0; i < 20000; i++)
		buf_add(&empty, STR("\0\0\0\xff\xff"));
	assert_int_equal(write(fd, empty.p, empty.n), (ssize_t)empty.n);
	buf_free(&empty);
	for (int i = 0; i < 3; i++)
		assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_AGAIN_READ);
	assert_int_equal(recv(io_fd(io), room, 1, MSG_DONTWAIT), -1); /* all was read by then */
	close(fd);
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_EOF);
	io_free(io);
}

static void test_broken(void **state)
{
	struct io *io;
	struct str line;
	char room[100];
	size_t n;
	(void)state;
	int fd = half(&io);
	assert_int_equal(write(fd, "a NOOP\r\n", 8), 8);
	assert_int_equal(io_line(io, &line, 100), IO_END);
	assert_true(io_garbled(io));
	assert_string_equal(io_error(io)->text, "the other side's compressed data is broken");
	close(fd);
	io_free(io);
	/* What came before the garbage is read first; then the end, once; then what is only to be thrown away. */
	fd = half(&io);
	assert_int_equal(write(fd, "\x4a\x04\0\0\0\xff\xff\xff\xff", 9), 9); /* "a", then an empty block, then none */
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_DONE);
	assert_int_equal(n, 1);
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_EOF);
	assert_true(io_garbled(io));
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_AGAIN_READ);
	io_add(io, STR("still said"));
	assert_int_equal(io_write_some(io), IO_DONE);
	close(fd);
	io_free(io);
	/* An ended stream is an end. */
	fd = half(&io);
	assert_int_equal(write(fd, "\x03\0", 2), 2);
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_EOF);
	assert_false(io_garbled(io));
	assert_int_equal(io_read_some(io, room, sizeof room, &n), IO_EOF);
	close(fd);
	io_free(io);
}

/* A peer that does not read: what waits is bounded, and nothing is lost when it reads after all. */
static void test_slow_reader(void **state)
{
	struct io *io[2];
	struct buf said = { 0 }, got = { 0 };
	(void)state;
	pair(io);
	io_compress(io[0]);
	io_compress(io[1]);
	for (unsigned i = 0; io_write_some(io[0]) == IO_DONE; i++) {
		struct buf b = { 0 };
		fill(&b, 10000, i);
		buf_add(&said, buf_str(&b));
		io_add(io[0], buf_str(&b));
		io_park(io[0]);
		buf_free(&b);
	}
	assert_true(io_out(io[0])->n > 0);
	while (io_out(io[0])->n > 0) {
		char room[5000];
		size_t n;
		while (io_read_some(io[1], room, sizeof room, &n) == IO_DONE)
			buf_add(&got, (struct str){ room, n });
		io_write_some(io[0]);
	}
	assert_true(io_exactly(io[1], said.n - got.n, &got));
	assert_true(str_eq(buf_str(&said), buf_str(&got)));
	buf_free(&said);
	buf_free(&got);
	io_free(io[0]);
	io_free(io[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),       cmocka_unit_test(test_parked),  cmocka_unit_test(test_drip),
		cmocka_unit_test(test_bomb),        cmocka_unit_test(test_nothing), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_slow_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
