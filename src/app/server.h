/* server.h - the parent's state, shared by the few files that are the parent.
 *
 * parent.c runs the loop, reload.c changes generations, control.c talks to the
 * CLI.  One thread; no locks.
 */
#pragma once
#include "app/children.h"
#include <jansson.h>

#define CLIENTS_MAX   64
#define GENERATIONS   3 /* old, now, next: at most two of them serve */
#define ASK_STATUS_MS 2000

struct server;
struct client { /* one connection of the control socket */
	int fd; /* -1: free */
	uid_t uid;
	struct buf in, out;
	bool asking;  /* its question is not answered yet */
	bool closing; /* close when all is written */
	/* `status` waits for every role */
	json_t *status, *status_roles;
	unsigned status_missing;
	int64_t status_until_mono_ms;
};
struct question { /* sent, or to be sent, to a role */
	uint32_t id;
	struct client *client; /* NULL: it has left */
	struct slot *slot;
	json_t *place; /* status: where the numbers go (borrowed from client->status_roles) */
	bool sent;
	char *text;
	struct question *next;
};
struct server {
	const char *config_path;
	struct nest nest;
	struct generation *now, *old, *next;
	unsigned generations;
	struct client clients[CLIENTS_MAX];
	struct question *questions;
	uint32_t asked; /* ids drawn */
	int64_t started_wall_ms;
	bool ready, stopping, reload_again;
	int stop_code;
	int64_t stop_ms;         /* how long sessions may take to end */
	char *reload_error;      /* heap; why the last reload was refused */
	struct client *reloader; /* waits to hear how its reload went */
	/* The sandbox reads the roles' log and says what is new. */
	int log_tail, log_pipe; /* its two ends; -1: none */
	void (*on_log)(void *ctx, struct str bytes);
	void (*on_ready)(void *ctx);
	void *ctx;
};

/* control.c */
void control_accept(struct server *s);
void control_client(struct server *s, struct client *c, short revents);
short control_events(const struct client *c);
/* A role's answer or progress; `text` is JSON. */
void control_answer(struct server *s, const struct slot *slot, uint32_t id, struct str text, bool final);
/* The slot has a process now: send what waited for it. / It has none any more: fail what was sent. */
void control_slot_up(struct server *s, struct slot *slot);
void control_slot_down(struct server *s, const struct slot *slot);
/* The generation goes: no question may name its slots any more. */
void control_forget(struct server *s, const struct generation *g);
/* How the reload went that a client asked for; error NULL: well. */
void control_reloaded(struct server *s, const char *error);
int64_t control_tick(struct server *s, int64_t mono_ms);
void control_close(struct server *s);

/* reload.c */
/* Read and check everything; on success a generation that is not started, with its sockets bound. */
struct generation *reload_prepare(struct server *s, struct buf *why, int *code);
bool reload(struct server *s, struct buf *why);      /* SIGHUP; false: the old one stays */
void reload_tick(struct server *s, int64_t mono_ms); /* next is ready -> now; old is gone -> freed */

/* parent.c */
void server_stop(struct server *s, int code);
bool server_reopen(struct server *s, struct err *e);
bool server_level(struct server *s, struct str module, struct str level, struct err *e);
