#include "app/frame.h"

#include "base/file.h"
#include "net/listen.h"
#include <errno.h>
#include <unistd.h>

#define HEAD 4

void frame_add(struct buf *out, struct str json)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_addc(out, (char)(json.n >> shift & 0xff));
	buf_add(out, json);
}

static size_t length(const char *head)
{
	size_t n = 0;
	for (size_t i = 0; i < HEAD; i++)
		n = n << 8 | (unsigned char)head[i];
	return n;
}

enum frame_got frame_take(const struct buf *in, size_t max, struct str *frame)
{
	if (in->n < HEAD)
		return FRAME_NONE;
	size_t n = length(in->p);
	if (n > max)
		return FRAME_BAD;
	if (in->n - HEAD < n)
		return FRAME_NONE;
	*frame = (struct str){ in->p + HEAD, n };
	return FRAME_GOT;
}

/* The descriptor travels with the first octets. */
static bool send_all(int fd, struct str bytes, int pass_fd, struct err *e)
{
	if (pass_fd >= 0) {
		if (!fdpass_send(fd, str_sub(bytes, 0, HEAD), &pass_fd, 1, e))
			return false;
		bytes = str_sub(bytes, HEAD, bytes.n);
	}
	return file_write(fd, bytes) || err_sys(e, "write to", "the control socket");
}

bool frame_send(int fd, struct str json, int pass_fd, struct err *e)
{
	struct buf b = { 0 };
	frame_add(&b, json);
	bool ok = send_all(fd, buf_str(&b), pass_fd, e);
	if (b.cap > 0)
		explicit_bzero(b.p, b.cap); /* passwords pass through here */
	buf_free(&b);
	return ok;
}

static bool read_all(int fd, char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got = read(fd, p, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "read from", "the control socket");
		if (got == 0)
			return err_set(e, ERR_PEER, "the server closed the control socket");
		p += got;
		n -= (size_t)got;
	}
	return true;
}

bool frame_recv(int fd, size_t max, struct buf *b, struct err *e)
{
	char head[HEAD];
	buf_clear(b);
	if (!read_all(fd, head, sizeof head, e))
		return false;
	size_t n = length(head);
	if (n > max)
		return err_set(e, ERR_PEER, "an answer of %zu octets", n);
	if (!read_all(fd, buf_reserve(b, n + 1), n, e))
		return false;
	b->n = n;
	return true;
}
