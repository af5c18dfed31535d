/* What a client sends as compressed: cut anywhere, read in any pieces and parked between, the same octets come out and
 * the same is said of them as when it is read at once. */
#include "net/io.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX  (64u << 10)
#define OUTPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False: there is no more to come. */
static bool out(struct io *io, size_t room, struct buf *got)
{
	char piece[4096];
	size_t n;
	enum io_try t = IO_DONE;
	while (got->n < OUTPUT_MAX && (t = io_read_some(io, piece, room, &n)) == IO_DONE)
		buf_add(got, (struct str){ piece, n });
	return t == IO_AGAIN_READ;
}

/* In pieces of `cut` octets, parked after each when `park`. */
static bool run(struct str in, size_t cut, size_t room, bool park, struct buf *got)
{
	int fd[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	struct io *io = io_socket(fd[0]);
	io_compress(io);
	bool more = true;
	while (in.n > 0 && more) {
		struct str s = str_sub(in, 0, cut);
		if (write(fd[1], s.p, s.n) != (ssize_t)s.n)
			abort();
		in = str_sub(in, s.n, in.n);
		more = out(io, room, got);
		if (park)
			io_park(io);
	}
	close(fd[1]);
	if (more)
		out(io, room, got);
	bool garbled = io_garbled(io);
	io_free(io);
	return garbled;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3 || size > INPUT_MAX)
		return 0;
	struct buf once = { 0 }, cut = { 0 };
	struct str in = { (const char *)data + 2, size - 2 };
	bool a = run(in, INPUT_MAX, 4096, false, &once);
	bool b = run(in, data[0] + 1u, data[1] + 1u, true, &cut);
	if (once.n < OUTPUT_MAX && cut.n < OUTPUT_MAX && (a != b || !str_eq(buf_str(&once), buf_str(&cut))))
		abort();
	buf_free(&once);
	buf_free(&cut);
	return 0;
}
