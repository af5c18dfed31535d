/* children.h - generations of role processes: born, watched, started again, told to leave.
 *
 * A generation is one configuration and the roles that live by it; a role's
 * place in it is a slot.  What happens to a slot:
 *
 *	IDLE --spawn--> STARTING --LETTER_READY--> READY --told--> LEAVING --exit--> GONE
 *	  ^                |  died, failed            | died
 *	  +---- back-off --+-------- WAITING ---------+
 *
 * A slot that is told to leave while it waits is GONE at once.  Nothing here
 * blocks but for handing a birth to a fresh process.  The parent has one thread.
 *
 * A reload makes a new generation, but roles that would live the same under
 * it are not replaced: their slots move into it.  So what points to a slot stays
 * right, and slot->born says which generation its process came with.
 */
#pragma once
#include "app/backoff.h"
#include "app/letter.h"
#include "app/roles.h"
#include "app/secrets.h"
#include "app/sockets.h"
#include "app/user.h"

enum slot_state { SLOT_IDLE, SLOT_WAITING, SLOT_STARTING, SLOT_READY, SLOT_LEAVING, SLOT_GONE };

struct generation;
struct slot {
	const struct role_row *row;
	struct generation *gen;
	enum slot_state state;
	bool wanted;        /* start it again when it dies */
	bool again;         /* WHEN_ASKED: start it once more, when the process that has done its work is gone */
	struct slot *after; /* not before that one is gone (the checkpointer of the generation before) */
	pid_t pid;
	unsigned born; /* number of the generation that started the process */
	struct post post;
	struct letters letters;
	int64_t born_mono_ms, due_mono_ms, kill_mono_ms;
	struct backoff backoff;
	unsigned restarts;
	char *fence;         /* JSON of LETTER_READY */
	char *folder;        /* HAS_FOLDER */
	char failure[250];   /* of LETTER_FAILED, until it is started again */
	bool config_failure; /* and starting it again would not help */
};
struct generation {
	unsigned number;
	struct loaded loaded;
	struct secrets secrets;
	struct sockets sockets;
	int log_fd; /* the roles' log; -1: they open or inherit their own */
	struct slot *slots[ROLES];
	bool keeps[ROLES]; /* not started anew: to be moved here from the generation before */
};
struct nest { /* what all generations share */
	struct user user;
	struct tickets tickets;
	struct buf levels; /* "MODULE LEVEL\n"...: set while running */
	int shared_fd, lock_fd;
};

/* An empty generation over `loaded`, which it takes. */
struct generation *generation_new(unsigned number, struct loaded *loaded);
void generation_free(struct generation *g);
/* Which roles are wanted anew, which are kept from `before`, and whose end must be awaited: that of the checkpointer
 * before, and of a process of `oldest`, so that there are never three of one role.  Both may be NULL. */
void generation_want(struct generation *g, struct generation *before, struct generation *oldest);
/* All that is to be started serves, but for a checkpointer that waits for the one before. */
bool generation_ready(const struct generation *g);
/* Move what `g` keeps of `before` into it. */
void generation_inherit(struct generation *g, struct generation *before);
/* `before` is about to leave: move what still lives of `oldest` into it, and kill what has no place there. */
void generation_merge(struct generation *before, struct generation *oldest);
bool generation_gone(const struct generation *g);
/* Kill what still lives of it and wait for that: a moment, since nothing resists SIGKILL. */
void generation_kill(struct generation *g);
/* Tell all its roles to leave: first those with sessions, the others (which sessions need) when those are gone. */
void generation_leave(struct generation *g, int64_t ms, int64_t mono_ms);

/* Start a process and send it its birth. False: it will be tried again (WAITING). */
bool slot_spawn(struct slot *s, const struct nest *n, int64_t mono_ms, struct err *e);
/* Its process ended: WAITING if it is wanted, else GONE or IDLE. */
void slot_died(struct slot *s, int64_t mono_ms);
/* Tell it to leave within `ms`; it is killed a while after that. */
void slot_leave(struct slot *s, int64_t ms, int64_t mono_ms);
void slot_kill(struct slot *s);
/* Start what is due, kill what does not leave.  Returns when to look again (mono_ms). */
int64_t slots_tick(struct generation *g, const struct nest *n, int64_t mono_ms);
/* A letter to a slot that lives; one that takes none is killed. */
bool slot_send(struct slot *s, enum letter_kind kind, uint32_t id, struct str text, int fd);
bool slot_alive(const struct slot *s); /* it has a process */
/* Certificates and keys for its listeners. */
bool slot_send_certs(struct slot *s, const struct secrets *secrets);
/* What a role that is kept has to hear of its new generation: certificates, log levels, log file. */
void slot_freshen(struct slot *s, struct str levels);
const char *slot_state_name(enum slot_state s);
