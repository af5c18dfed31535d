#include "net/listen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"

static char dir[] = "/tmp/net-test-XXXXXX";

static void test_tcp(void **state)
{
	(void)state;
	struct err e;
	struct addrport at = { 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	assert_true(addr_parse(STR("127.0.0.1"), &at.addr));
	int fd = listen_tcp(at, 16, &e);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_true(addr_from_sockaddr(&ss, &at));
	assert_int_equal(listen_tcp(at, 16, &e), -1);
	assert_int_equal(e.kind, ERR_TEMP);
	assert_true(str_find(str_of(e.text), STR("listen on 127.0.0.1:")) == 0);
	close(fd);
	/* IPv6 alone: the same port is free for IPv4. */
	assert_true(addr_parse(STR("::"), &at.addr));
	int six = listen_tcp(at, 16, &e);
	assert_true(addr_parse(STR("0.0.0.0"), &at.addr));
	int four = listen_tcp(at, 16, &e);
	assert_true(four >= 0);
	if (six >= 0)
		close(six);
	close(four);
}

static void test_unix(void **state)
{
	(void)state;
	struct err e;
	struct stat st;
	char path[64], longest[200];
	snprintf(path, sizeof path, "%s/s", dir);
	int fd = listen_unix(path, 0660, 16, &e);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	int c = connect_unix(path, &e);
	assert_true(c >= 0);
	close(c);
	assert_int_equal(listen_unix(path, 0660, 16, &e), -1); /* alive */
	assert_non_null(strstr(e.text, "another process listens there"));
	close(fd);
	assert_int_equal(connect_unix(path, &e), -1);
	fd = listen_unix(path, 0600, 16, &e); /* stale: replaced */
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(listen_unix(path, 0600, 16, &e), -1);
	assert_non_null(strstr(e.text, "no socket"));
	close(fd);
	assert_int_equal(unlink(path), 0);
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(listen_unix(longest, 0600, 16, &e), -1);
	assert_int_equal(e.kind, ERR_PERM);
}

static void test_fdpass(void **state)
{
	(void)state;
	struct err e;
	int s[2], p[2], fds[FDPASS_MAX];
	char buf[16];
	size_t n, nfds = FDPASS_MAX;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_true(fdpass_send(s[0], STR("hello"), p, 2, &e));
	assert_true(fdpass_send(s[0], STR("plain"), NULL, 0, &e));
	assert_true(fdpass_recv(s[1], buf, sizeof buf, &n, fds, &nfds, &e));
	assert_str(((struct str){ buf, n }), STR("hello"));
	assert_int_equal(nfds, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(p[0], buf, 1), 1);
	close(fds[0]);
	close(fds[1]);
	nfds = 1;
	assert_true(fdpass_recv(s[1], buf, sizeof buf, &n, fds, &nfds, &e));
	assert_int_equal(nfds, 0);
	/* More than there is room for: none is kept, none leaks. */
	assert_true(fdpass_send(s[0], STR("two"), p, 2, &e));
	nfds = 1;
	assert_false(fdpass_recv(s[1], buf, sizeof buf, &n, fds, &nfds, &e));
	assert_int_equal(nfds, 0);
	assert_true(fdpass_send(s[0], STR("longer than sixteen"), p, 1, &e));
	nfds = FDPASS_MAX;
	assert_false(fdpass_recv(s[1], buf, sizeof buf, &n, fds, &nfds, &e));
	assert_int_equal(e.kind, ERR_PERM);
	assert_false(fdpass_send(s[0], STR("x"), fds, FDPASS_MAX + 1, &e));
	close(s[0]);
	nfds = FDPASS_MAX;
	assert_true(fdpass_recv(s[1], buf, sizeof buf, &n, fds, &nfds, &e));
	assert_int_equal(n, 0);
	assert_false(fdpass_send(s[1], STR("x"), NULL, 0, &e)); /* no SIGPIPE */
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_fdpass),
	};
	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
