#include "net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STREAM (SOCK_STREAM | SOCK_CLOEXEC)

/* Close `fd` and say why. */
static int failed(int fd, struct err *e, const char *what, const char *name)
{
	err_sys(e, what, name);
	if (fd >= 0)
		close(fd);
	return -1;
}

int listen_tcp(struct addrport at, int backlog, struct err *e)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, &ss);
	char text[ADDR_TEXT], name[ADDR_TEXT + 8];
	int on = 1;
	bool six = ss.ss_family == AF_INET6;
	snprintf(name, sizeof name, six ? "[%s]:%u" : "%s:%u", addr_text(at.addr, text), at.port);
	int fd = socket(ss.ss_family, STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    (six && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0))
		return failed(fd, e, "socket for", name);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, backlog) < 0)
		return failed(fd, e, "listen on", name);
	return fd;
}

static bool unix_name(const char *path, struct sockaddr_un *un, struct err *e)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof un->sun_path)
		return err_set(e, ERR_PERM, "socket %s: a socket's path has at most %zu characters", path,
			       sizeof un->sun_path - 1);
	memcpy(un->sun_path, path, strlen(path));
	return true;
}

/* A socket file that nobody answers is left over from a crash: remove it. Anything else is not ours to remove. */
static bool clear_stale(const char *path, const struct sockaddr_un *un, struct err *e)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT || err_sys(e, "socket", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_PERM, "socket %s: a file that is no socket is in the way", path);
	int fd = socket(AF_UNIX, STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "socket for", path);
	bool refused = connect(fd, (const struct sockaddr *)un, sizeof *un) < 0 && errno == ECONNREFUSED;
	close(fd);
	if (!refused)
		return err_set(e, ERR_TEMP, "socket %s: another process listens there", path);
	return unlink(path) == 0 || err_sys(e, "remove stale", path);
}

int listen_unix(const char *path, unsigned mode, int backlog, struct err *e)
{
	struct sockaddr_un un;
	if (!unix_name(path, &un, e) || !clear_stale(path, &un, e))
		return -1;
	int fd = socket(AF_UNIX, STREAM | SOCK_NONBLOCK, 0);
	/* The file is made with the mode of the socket, less the umask: never wider than asked, even for a moment. */
	if (fd < 0 || fchmod(fd, mode) < 0)
		return failed(fd, e, "socket for", path);
	if (bind(fd, (struct sockaddr *)&un, sizeof un) < 0 || chmod(path, mode) < 0 || listen(fd, backlog) < 0)
		return failed(fd, e, "listen on", path);
	return fd;
}

int connect_unix(const char *path, struct err *e)
{
	struct sockaddr_un un;
	if (!unix_name(path, &un, e))
		return -1;
	int fd = socket(AF_UNIX, STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof un) < 0)
		return failed(fd, e, "connect", path);
	return fd;
}
