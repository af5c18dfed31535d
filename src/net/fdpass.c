/* Descriptors that travel between parent and roles (listen.h). */
#include "net/listen.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

bool fdpass_send(int sock, struct str msg, const int *fds, size_t nfds, struct err *e)
{
	union control control = { 0 };
	struct iovec iov = { (void *)msg.p, msg.n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (nfds > FDPASS_MAX)
		return err_set(e, ERR_PERM, "more than %d descriptors in one message", FDPASS_MAX);
	if (nfds > 0) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * nfds),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)msg.n || err_sys(e, "send", "message with descriptors");
}

/* Take over what came, whatever else is wrong with the message: nobody else would close it. */
static size_t take_fds(struct msghdr *m, int *fds)
{
	size_t n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t bytes = c->cmsg_len - CMSG_LEN(0);
		memcpy(fds + n, CMSG_DATA(c), bytes);
		n += bytes / sizeof(int);
	}
	return n;
}

bool fdpass_recv(int sock, char *buf, size_t max, size_t *n, int *fds, size_t *nfds, struct err *e)
{
	union control control = { 0 };
	struct iovec iov = { buf, max };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room };
	size_t room = *nfds < FDPASS_MAX ? *nfds : FDPASS_MAX;
	/* CMSG_LEN, not CMSG_SPACE: in the padding the kernel would find room for one more. */
	m.msg_controllen = CMSG_LEN(sizeof(int) * room);
	ssize_t got;
	*n = *nfds = 0;
	do
		got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, "receive", "message with descriptors");
	*n = (size_t)got;
	*nfds = take_fds(&m, fds);
	if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return true;
	while (*nfds > 0)
		close(fds[--*nfds]);
	return err_set(e, ERR_PERM, "a message with descriptors is longer than %zu octets or %zu descriptors", max,
		       room);
}
