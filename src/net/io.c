#include "net/io.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/io_impl.h"

#define READ_ROOM 4096u /* the blocking half reads in steps of this */

static struct io *io_new(int fd)
{
	struct io *io = calloc(1, sizeof *io);
	if (!io)
		abort();
	io->fd = fd;
	io_deadline(io, IO_PATIENCE);
	return io;
}

struct io *io_socket(int fd)
{
	struct io *io = io_new(fd);
	int on = 1, flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		io_broken(io, strerrordesc_np(errno));
	/* Replies are gathered before they are written, so Nagle could only delay. Unix sockets know no such option. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return io;
}

struct io *io_strings(struct str input, struct buf *output)
{
	struct io *io = io_new(-1);
	io->input = input;
	io->output = output;
	return io;
}

static bool connect_wait(int fd, struct addrport to, int64_t ms, const char *name, struct err *e)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, &ss);
	int why = 0;
	socklen_t size = sizeof why;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0)
		return true;
	if (errno != EINPROGRESS)
		return err_sys(e, "connect", name);
	int64_t by_ms = clock_mono_ms() + ms;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	for (;;) {
		int64_t left = by_ms - clock_mono_ms();
		int n = left > 0 ? poll(&pfd, 1, (int)left) : 0;
		if (n == 0)
			return err_set(e, ERR_TEMP, "connect %s: timed out", name);
		if (n > 0)
			break;
		if (errno != EINTR)
			return err_sys(e, "connect", name);
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) == 0 && why == 0)
		return true;
	errno = why ? why : errno;
	return err_sys(e, "connect", name);
}

bool io_connect(struct io **out, struct addrport to, int64_t ms, struct err *e)
{
	char text[ADDR_TEXT], name[ADDR_TEXT + 8];
	snprintf(name, sizeof name, addr_is4(to.addr) ? "%s:%u" : "[%s]:%u", addr_text(to.addr, text), to.port);
	int family = addr_is4(to.addr) ? AF_INET : AF_INET6;
	int64_t by_ms = clock_mono_ms() + ms;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "socket for", name);
	if (!connect_wait(fd, to, ms, name, e)) {
		close(fd);
		return false;
	}
	*out = io_socket(fd);
	(*out)->by_ms = by_ms;
	return true;
}

void io_free(struct io *io)
{
	if (!io)
		return;
	io_deflate_free(io);
	SSL_free(io->ssl);
	if (io->fd >= 0)
		close(io->fd);
	buf_free(&io->out);
	buf_free(&io->in);
	free(io->err);
	free(io);
}

/* --- errors and waiting --- */

const struct err *io_error(const struct io *io)
{
	static const struct err none;
	return io->err ? io->err : &none;
}

void io_fail(struct io *io, enum err_kind kind, const char *why)
{
	if (io->err)
		return;
	io->err = calloc(1, sizeof *io->err);
	if (!io->err)
		abort();
	err_set(io->err, kind, "%s", why);
	buf_free(&io->out);
}

enum io_try io_broken(struct io *io, const char *why)
{
	io_fail(io, ERR_PEER, why ? why : "connection broken");
	return IO_ERR;
}

bool io_wait(struct io *io, short events, int64_t by_ms)
{
	struct pollfd pfd = { .fd = io->fd, .events = events };
	for (;;) {
		int64_t left = by_ms - clock_mono_ms();
		int n = left > 0 ? poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left) : 0;
		if (n > 0)
			return true;
		if (n == 0 && clock_mono_ms() >= by_ms) {
			io_fail(io, ERR_PEER, "timed out");
			return false;
		}
		if (n < 0 && errno != EINTR) {
			io_broken(io, strerrordesc_np(errno));
			return false;
		}
	}
}

void io_deadline(struct io *io, int64_t ms)
{
	io->by_ms = clock_mono_ms() + ms;
}

int io_fd(const struct io *io)
{
	return io->fd;
}

/* --- writing --- */

struct buf *io_out(struct io *io)
{
	return io->output ? io->output : &io->out;
}

void io_write_limits(struct io *io, int64_t write_ms, uint32_t min_rate)
{
	io->write_ms = write_ms;
	io->min_rate = min_rate;
}

int64_t io_write_by(const struct io *io)
{
	if (io->write_ms == 0)
		return io->by_ms;
	int64_t by_ms = (io->stuck_ms ? io->moved_ms : clock_mono_ms()) + io->write_ms;
	if (io->stuck_ms && io->min_rate) {
		int64_t fair_ms = (int64_t)(io->moved * 1000 / io->min_rate);
		int64_t rate_ms = io->stuck_ms + (fair_ms > IO_GRACE_MS ? fair_ms : IO_GRACE_MS);
		by_ms = rate_ms < by_ms ? rate_ms : by_ms;
	}
	return by_ms;
}

static enum io_try socket_write(struct io *io, struct str s, size_t *n)
{
	ssize_t done;
	do
		done = send(io->fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (done < 0 && errno == EINTR);
	*n = done > 0 ? (size_t)done : 0;
	if (done >= 0)
		return IO_DONE;
	return errno == EAGAIN ? IO_AGAIN_WRITE : io_broken(io, strerrordesc_np(errno));
}

enum io_try io_wire_write(struct io *io, struct str s, size_t *n)
{
	return io->ssl ? io_tls_write(io, s, n) : socket_write(io, s, n);
}

/* Keep the books that io_write_by() reads: octets of the wire, since they are what the peer really takes. */
static void note_written(struct io *io, size_t n, bool stuck)
{
	if (!stuck) {
		io->stuck_ms = 0;
		return;
	}
	int64_t now_ms = clock_mono_ms();
	if (!io->stuck_ms) {
		io->stuck_ms = io->moved_ms = now_ms;
		io->moved = 0;
	} else if (n > 0) {
		io->moved_ms = now_ms;
		io->moved += n;
	}
}

enum io_try io_write_first(struct io *io, size_t limit)
{
	if (io->err || io->output)
		return io->err ? IO_ERR : IO_DONE;
	if (io->shaking)
		return IO_AGAIN_WRITE;
	enum io_try got = IO_DONE;
	size_t off = 0, moved = 0;
	limit = limit < io->out.n ? limit : io->out.n;
	while (off < limit && got == IO_DONE) {
		struct str s = { io->out.p + off, limit - off };
		size_t n = 0;
		if (io->squeeze) {
			got = io_deflate_write(io, s, &n, &moved);
		} else {
			got = io_wire_write(io, s, &n);
			moved += n;
		}
		off += n;
	}
	buf_drop(&io->out, off);
	note_written(io, moved, got == IO_AGAIN_READ || got == IO_AGAIN_WRITE);
	return got;
}

enum io_try io_write_some(struct io *io)
{
	return io_write_first(io, SIZE_MAX);
}

/* Wait for the peer until at most `keep` octets are left. */
static bool write_down_to(struct io *io, size_t keep)
{
	for (;;) {
		enum io_try got = io_write_some(io);
		if (got == IO_ERR)
			return false;
		if (got == IO_DONE || io->out.n <= keep)
			return true;
		if (!io_wait(io, got == IO_AGAIN_READ ? POLLIN : POLLOUT, io_write_by(io)))
			return false;
	}
}

bool io_flush(struct io *io)
{
	return write_down_to(io, 0);
}

void io_add(struct io *io, struct str s)
{
	while (s.n > 0 && !io->err) {
		struct str part = str_sub(s, 0, IO_OUT);
		buf_add(io_out(io), part);
		s = str_sub(s, part.n, s.n);
		if (io->out.n > IO_OUT)
			write_down_to(io, IO_OUT / 2);
	}
}

void io_printf(struct io *io, const char *fmt, ...)
{
	if (io->err)
		return;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(io_out(io), fmt, ap);
	va_end(ap);
	if (io->out.n > IO_OUT)
		write_down_to(io, IO_OUT / 2);
}

/* --- reading --- */

static enum io_try strings_read(struct io *io, void *p, size_t room, size_t *n)
{
	*n = room < io->input.n ? room : io->input.n;
	memcpy(p, io->input.p, *n);
	io->input = str_sub(io->input, *n, io->input.n);
	return *n > 0 ? IO_DONE : IO_EOF;
}

static enum io_try socket_read(struct io *io, void *p, size_t room, int flags, size_t *n)
{
	ssize_t got;
	do
		got = recv(io->fd, p, room, flags);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return IO_EOF;
	if (got < 0)
		return errno == EAGAIN ? IO_AGAIN_READ : io_broken(io, strerrordesc_np(errno));
	*n = (size_t)got;
	return IO_DONE;
}

/* Let a plain recv() wait for so long: half the system calls of poll() and recv(). */
static bool be_patient(struct io *io, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	int flags = fcntl(io->fd, F_GETFL);
	if (flags < 0 || setsockopt(io->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) < 0 ||
	    fcntl(io->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return false;
	io->patient_ms = ms;
	return true;
}

void io_hurry(struct io *io)
{
	int flags = io->patient_ms > 0 ? fcntl(io->fd, F_GETFL) : -1;
	if (flags >= 0 && fcntl(io->fd, F_SETFL, flags | O_NONBLOCK) == 0)
		io->patient_ms = 0;
}

enum io_try io_wire_read(struct io *io, void *p, size_t room, int64_t ms, size_t *n)
{
	bool patient = !io->ssl && ms > 0 && (io->patient_ms == ms || be_patient(io, ms));
	struct pollfd pfd = { .fd = io->fd, .events = POLLIN };
	if (!patient && ms > 0 && !(io->ssl && SSL_pending(io->ssl) > 0) && poll(&pfd, 1, (int)ms) <= 0)
		return IO_AGAIN_READ;
	if (io->ssl)
		return io_tls_read(io, p, room, n);
	return socket_read(io, p, room, patient ? 0 : MSG_DONTWAIT, n);
}

enum io_try io_read_soon(struct io *io, void *p, size_t room, int64_t ms, size_t *n)
{
	*n = 0;
	if (io->err)
		return IO_ERR;
	if (io->fd < 0)
		return strings_read(io, p, room, n);
	return io->squeeze ? io_inflate(io, p, room, ms, n) : io_wire_read(io, p, room, ms, n);
}

enum io_try io_read_some(struct io *io, void *p, size_t room, size_t *n)
{
	return io_read_soon(io, p, room, 0, n);
}

bool io_pending(const struct io *io)
{
	return (io->ssl && SSL_pending(io->ssl) > 0) || io_inflate_pending(io);
}

enum io_try io_shutdown(struct io *io)
{
	if (io->fd < 0)
		return IO_DONE;
	/* One half of it: whether the peer says goodbye too does not matter to mail. */
	if (io->ssl && !io->shaking && !io->err) {
		ERR_clear_error();
		SSL_shutdown(io->ssl);
	}
	return shutdown(io->fd, SHUT_WR) == 0 ? IO_DONE : IO_ERR;
}

/* Read more into io->in, waiting if need be. */
static bool fill(struct io *io)
{
	if (io->at > 0) {
		buf_drop(&io->in, io->at);
		io->at = 0;
	}
	for (;;) {
		size_t n;
		enum io_try got = io_read_some(io, buf_reserve(&io->in, READ_ROOM), READ_ROOM, &n);
		io->in.n += n;
		if (got == IO_DONE)
			return true;
		if (got == IO_EOF)
			io_fail(io, ERR_PEER,
				io_garbled(io) ? "the other side's compressed data is broken"
					       : "the other side closed the connection");
		if (got == IO_EOF || got == IO_ERR)
			return false;
		if (!io_wait(io, got == IO_AGAIN_READ ? POLLIN : POLLOUT, io->by_ms))
			return false;
	}
}

enum io_got io_line(struct io *io, struct str *line, size_t max)
{
	size_t scanned = 0;
	if (!io_flush(io))
		return IO_END;
	for (;;) {
		struct str s = { io->in.p + io->at, io->in.n - io->at };
		const char *lf = s.n > scanned ? memchr(s.p + scanned, '\n', s.n - scanned) : NULL;
		size_t n = lf ? (size_t)(lf - s.p) + 1 : s.n;
		if (lf && io->skipping) {
			io->at += n;
			io->skipping = false;
			scanned = 0;
			continue;
		}
		*line = lf ? str_chomp((struct str){ s.p, n }) : s;
		if (!io->skipping && (lf ? line->n > max : s.n > max + 1)) {
			line->n = max;
			io->at += n;
			io->skipping = !lf;
			return IO_LONG;
		}
		if (lf) {
			io->at += n;
			return IO_LINE;
		}
		if (io->skipping)
			io->at += n;
		scanned = io->skipping ? 0 : s.n;
		if (!fill(io))
			return IO_END;
	}
}

bool io_exactly(struct io *io, size_t n, struct buf *into)
{
	if (!io_flush(io))
		return false;
	while (n > 0) {
		if (io->at == io->in.n && !fill(io))
			return false;
		struct str s = str_sub((struct str){ io->in.p + io->at, io->in.n - io->at }, 0, n);
		buf_add(into, s);
		io->at += s.n;
		n -= s.n;
	}
	return true;
}
