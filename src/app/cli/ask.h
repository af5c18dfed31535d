/* ask.h - how the CLI has a verb done: by the server that runs, or by itself.
 *
 * ask_open() reads the configuration (never a secret).  If a server answers at
 * the control socket, verbs go there.  If none does, the CLI becomes the
 * server's user, takes the data folder's lock and calls the functions of admin.h
 * itself.  The caller sees no difference.
 */
#pragma once
#include "app/admin.h"
#include "app/cli/verb.h"
#include "app/user.h"

struct ask {
	struct loaded loaded;
	struct user user;
	int fd;      /* the control socket; -1: no server */
	int lock_fd; /* without one */
	int pass_fd; /* goes with every question; -1: nothing. Borrowed */
	struct admin admin;
	struct auth_conf auth;
	struct buf in;
};
enum ask_how {
	ASK_EITHER,
	ASK_SERVER, /* only a server can do it; EX_UNAVAILABLE when none runs */
};
/* EX_OK, or a code with the reason already said. */
int ask_open(struct ask *a, const char *config, enum ask_how how);
/* Takes `args` (NULL: none). The reply's object, the caller's; NULL: *code, the reason said (unless `quiet`). */
json_t *ask_verb(struct ask *a, const char *verb, json_t *args, int *code);
json_t *ask_quietly(struct ask *a, const char *verb, json_t *args, int *code, struct err *e);
void ask_close(struct ask *a);

/* Is there a server? Connects; -1 with errno when not. */
int ask_connect(struct loaded *l);
/* Read the configuration, saying what is wrong with it. */
int ask_load(const char *config, struct loaded *l);
/* For output: the reply as JSON on standard output, and free it. */
int ask_print_json(json_t *reply, const char *key);
