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
#define ECHO_MS       2000  /* a role that does not answer by then holds up nobody */
#define RELOAD_MS     60000 /* for a server to come up, or for the roles of a reload to */

struct server;
struct client { /* one connection of the control socket */
	int fd; /* -1: free */
	uid_t uid;
	int passed; /* a descriptor that came with its question; -1: none */
	struct buf in, out;
	bool asking;  /* its question is not answered yet */
	bool closing; /* close when all is written */
	/* `status` waits for every role */
	json_t *status, *status_roles;
	unsigned status_missing;
	int64_t status_until_mono_ms;
	/* `reload`: its answer waits for the end of the reload it asked for */
	enum { RELOAD_NONE, RELOAD_WAITS, RELOAD_RUNS } reload;
	int64_t reload_until_mono_ms;
};
struct question { /* sent, or to be sent, to a role */
	uint32_t id;
	struct client *client; /* NULL: it has left */
	struct slot *slot;
	json_t *place; /* status: where the numbers go (borrowed from client->status_roles) */
	bool echo;     /* asked only to know that what was sent before has been heard */
	bool sent;
	int fd; /* that goes with it; -1: none, or it has gone */
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
	uint32_t asked;  /* ids drawn */
	unsigned echoes; /* of a reload, not heard yet */
	int64_t echoes_until_mono_ms;
	int64_t started_wall_ms;
	bool ready, stopping, reload_again;
	int stop_code;
	int64_t stop_ms;    /* how long sessions may take to end */
	char *reload_error; /* heap; why the last reload was refused */
	int64_t next_until_mono_ms;
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
/* Ask a role for an echo of all it was sent. */
void control_echo(struct server *s, struct slot *slot);
void control_echoes_late(struct server *s); /* wait for them no longer */
/* All who asked for a reload until now are answered by the one that begins. / How it went: EX_OK, or why not. */
void control_reload_begins(struct server *s);
void control_reloaded(struct server *s, int code, const char *error);
int64_t control_tick(struct server *s, int64_t mono_ms);
void control_close(struct server *s);

/* reload.c */
/* Read and check everything; on success a generation that is not started, with its sockets bound. */
struct generation *reload_prepare(struct server *s, struct buf *why, int *code);
void reload(struct server *s); /* SIGHUP; soon, when another one is under way */
/* next is ready -> now; old is gone -> freed.  Returns when to look again. */
int64_t reload_tick(struct server *s, int64_t mono_ms);

/* parent.c */
void server_stop(struct server *s, int code);
bool server_reopen(struct server *s, struct err *e);
bool server_level(struct server *s, struct str module, struct str level, struct err *e);
