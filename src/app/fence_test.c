#include "app/fence.h"
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char inside[64], outside[64];

static int setup(void **state)
{
	(void)state;
	snprintf(inside, sizeof inside, "/tmp/sluice-in-XXXXXX");
	snprintf(outside, sizeof outside, "/tmp/sluice-out-XXXXXX");
	return mkdtemp(inside) && mkdtemp(outside) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[160];
	(void)state;
	snprintf(command, sizeof command, "rm -r %s %s", inside, outside);
	return system(command);
}

static int open_in(const char *dir, int flags)
{
	char path[100];
	snprintf(path, sizeof path, "%s/file", dir);
	return open(path, flags, 0600);
}

static void *nothing(void *arg)
{
	return arg;
}

/* In a child, behind the fence: 0 when all is as it should be, else which is not. */
static int look_around(const struct fence_report *r)
{
	pthread_t t;
	char path[100], to[100];
	snprintf(path, sizeof path, "%s/file", inside);
	snprintf(to, sizeof to, "%s/other", inside);
	if (open_in(inside, O_RDWR | O_CREAT) < 0 || rename(path, to) < 0 || unlink(to) < 0)
		return 1;
	if (open(inside, O_TMPFILE | O_RDWR, 0600) < 0)
		return 2;
	if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0)
		return 3;
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		return 4;
	if (r->landlock_abi > 0 && (open_in(outside, O_RDWR | O_CREAT) >= 0 || errno != EACCES))
		return 5;
	if (r->landlock_abi > 0 && (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES))
		return 6;
	if (r->seccomp && (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT))
		return 7;
	if (r->seccomp && (fork() >= 0 || errno != EPERM))
		return 8;
	if (r->seccomp && (setuid(0) == 0 || errno != EPERM))
		return 9;
	return 0;
}

static bool fence(struct fence_report *r)
{
	static struct arena a;
	struct fence_folder folder = { inside, FENCE_READ | FENCE_WRITE };
	struct fence_conf conf = { &folder, 1 };
	struct err e = { 0 };
	return fence_up(&conf, &a, r, &e);
}

static int in_child(int (*what)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(what());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int look(void)
{
	struct fence_report r;
	if (!fence(&r))
		return 100;
	/* A sanitizer build has no fence, and says so. */
	return r.landlock_abi == 0 && !r.seccomp ? (r.fenced || r.missing.n == 0) : look_around(&r);
}

static int run_program(void)
{
	struct fence_report r;
	if (!fence(&r) || !r.seccomp)
		return 0;
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static void test_fence(void **state)
{
	(void)state;
	int status = in_child(look);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_no_programs(void **state)
{
	(void)state;
	int status = in_child(run_program);
	assert_true((WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ||
		    (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_programs, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
