#include "app/cli/carrier.h"

#include "app/cli/ask.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FD 3

/* The child: nothing of the caller's is open in it but standard output and error. */
static int serve(int fd, const char *config, const char *verb, json_t *args)
{
	struct ask a;
	if (fd != CHILD_FD && dup2(fd, CHILD_FD) < 0)
		return EX_OSERR;
	syscall(SYS_close_range, CHILD_FD + 1, ~0U, 0);
	int code = ask_open(&a, config, ASK_EITHER);
	a.pass_fd = CHILD_FD;
	if (code == EX_OK)
		json_decref(ask_verb(&a, verb, args, &code));
	ask_close(&a);
	return code;
}

/* The first parcel. Nothing: the child has said why. */
static bool hello(struct carrier *c, struct err *e)
{
	enum carry_kind kind;
	struct str s;
	uint64_t version;
	if (carry_recv(&c->carry, -1, &kind, &s, e) != CARRY_GOT)
		return false;
	if (kind == CARRY_FAILED)
		return err_set(e, ERR_PEER, "the other end failed"); /* and says so itself */
	if (kind != CARRY_HELLO || !carry_number(&s, UINT64_MAX, &version) || version != CARRY_VERSION)
		return !cli_fail(EX_PROTOCOL,
				 "the server that runs is of another version than this program; sluice reload "
				 "or a restart brings it up to date") &&
		       err_set(e, ERR_PERM, "another version");
	return (carry_number(&s, INT64_MAX, &c->account) && carry_number(&s, UINT64_MAX, &c->max) &&
		carry_number(&s, UINT64_MAX, &c->messages)) ||
	       err_set(e, ERR_PEER, "a hello that says nothing");
}

int carrier_open(struct carrier *c, const char *config, const char *verb, json_t *args)
{
	struct err e = { 0 };
	int pair[2];
	*c = (struct carrier){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return cli_fail(EX_OSERR, "no socket to be had: %s", strerrordesc_np(errno));
	fflush(stdout);
	fflush(stderr);
	c->child = fork();
	if (c->child == 0)
		_exit(serve(pair[1], config, verb, args));
	json_decref(args);
	close(pair[1]);
	c->fd = pair[0];
	carry_open(&c->carry, c->fd, NULL);
	if (c->child < 0) {
		carrier_close(c);
		return cli_fail(EX_OSERR, "no process to be had: %s", strerrordesc_np(errno));
	}
	if (hello(c, &e))
		return EX_OK;
	int code = carrier_close(c);
	return code != EX_OK ? code : e.kind == ERR_PERM ? EX_PROTOCOL : EX_TEMPFAIL;
}

int carrier_close(struct carrier *c)
{
	int status = 0;
	if (c->fd < 0)
		return EX_OK;
	close(c->fd);
	carry_close(&c->carry);
	c->fd = -1;
	while (c->child > 0 && waitpid(c->child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return cli_fail(EX_TEMPFAIL, "the process that has the store open was killed (signal %d)", WTERMSIG(status));
}
