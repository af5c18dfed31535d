/* pen_impl.h - the inside of the pen, shared by its parts.
 *
 *	pen.c	     the loop: polling, accepting, drain; making and freeing
 *	pen_queue.c  which connection gets a worker, and when; networks' shares
 *	pen_timer.c  a heap of deadlines
 *	pen_work.c   what a worker does with a connection
 *	pen_talk.c   a session over strings, for tests
 *
 * A connection is PARKED (armed in epoll, or waiting for its timer), READY (in
 * the queue for a worker), HELD (its network or the handshakes have their
 * share of workers already) or WORKING.  All of it but `state`, what follows
 * it, `wake` and `kill` belongs to the worker that has it; those are guarded by the
 * pen's mu.  Whoever moves a connection out of PARKED owns that move, so an
 * event, a timer and a wake at once make one job.
 *
 * Epoll knows a connection by its slot and generation, not by its address: an
 * event that was under way when the connection ended finds nobody.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "net/collect.h"

#define PEN_WINDOW    (64u << 10) /* octets a worker reads into */
#define PEN_LISTENERS 64
#define PEN_BUCKETS   1024
#define PEN_GOODBYES  2               /* workers kept for those who are told TROUBLE_BUSY */
#define PEN_READ_LINE 4096u           /* read ahead when lines are wanted: bounds what a waiting connection holds */
#define PEN_KEPT      (64u << 20)     /* octets of read-ahead that all waiting connections may hold */
#define PEN_TURN      (1u << 20)      /* octets a connection may read while others wait for a worker */
#define PEN_UNITS     64              /* units it may do meanwhile */
#define PEN_PATIENCE  (5 * 60 * 1000) /* a door's unit_ms, idle_ms and write_ms where it sets none */
#define LINGER_OCTETS (64u << 10)     /* discarded after our last word */
#define LINGER_MS     2000
#define NEVER         INT64_MAX

enum state { PARKED, READY, HELD, WORKING };

/* Where a connection stands; a worker takes it from one to the next (pen_work.c). */
enum phase {
	PHASE_NEW,   /* nothing was done yet */
	PHASE_SHAKE, /* TLS handshake under way */
	PHASE_HOLD,  /* output held back until `until_ms` */
	PHASE_FLUSH, /* output waits for the peer; then what `next` wants */
	PHASE_INPUT, /* collecting what `next` wants */
	PHASE_WAKE,  /* WANT_WAKE, until `until_ms` */
	PHASE_BYE,   /* the last output waits for the peer */
	PHASE_LINGER /* the peer may still read: its input is thrown away */
};

struct link {
	struct link *prev, *next;
};

/* What connections of one network hold; there while they hold or wait for something. */
struct network {
	struct network *chain; /* in its hash bucket */
	struct prefix prefix;
	unsigned holds;    /* workers */
	atomic_uint waits; /* connections in `held`; written with mu */
	struct link held;
};

struct conn {
	struct pen *pen; /* NULL in pen_talk */
	struct io *io;
	const struct door *door;
	void *session; /* NULL before open, and after close */
	struct peer peer;
	struct next next;
	struct collect collect;
	struct buf kept;  /* input that was read and not yet used */
	int64_t begun_ms; /* the unit was wanted */
	int64_t heard_ms; /* the last octet came */
	int64_t until_ms;
	uint64_t got; /* octets of this DATA or OCTETS unit; of lingering */
	enum phase phase;
	bool admitted;   /* the gate said yes, and is told when it leaves */
	bool opened;     /* the door's open was called */
	bool greeted;    /* the first output went out */
	bool early;      /* input came before that, and the first unit is still to be given */
	bool stuck;      /* output had to wait for the peer */
	bool write_next; /* the socket must take before anything else can be done */
	bool deaf;       /* HOLD, WAKE: do not look at the peer any more */
	bool eof;        /* the peer has closed its half; what it said before may be in `kept` */

	atomic_bool wake; /* pen_wake was called and no unit given for it yet */
	atomic_bool kill; /* to be closed at once */

	/* guarded by pen->mu */
	enum state state;
	bool wake_ok; /* PARKED, and a wake would be given */
	bool polled;  /* epoll knows the descriptor */
	bool busy;    /* has a worker that is kept for goodbyes: to be told TROUBLE_BUSY */
	unsigned slot;
	unsigned timer; /* place in the heap + 1, 0 = none */
	int64_t due_ms; /* PARKED: its deadline; READY, HELD: when patience ends */
	int64_t ready_ms;
	struct network *network; /* WORKING or HELD, if it counts */
	bool shaking;            /* WORKING: holds a handshake's share */
	struct link link;
	struct job job;
};

struct timer {
	int64_t at_ms;
	struct conn *conn;
};

struct slot {
	struct conn *conn; /* NULL = free */
	unsigned gen;
	unsigned next_free;
};

struct listener {
	int fd;
	const struct door *door;
};

struct pen {
	struct pen_conf conf;
	unsigned network_most, handshake_most; /* the shares, in workers */
	int epoll, bell;                       /* bell: an eventfd that ends the loop's sleep */
	struct pool *pool;

	atomic_uint waiting; /* READY connections: why a worker should not linger */
	atomic_bool draining;
	atomic_size_t kept; /* octets in all `kept` */
	_Atomic uint64_t units;

	pthread_mutex_t mu; /* guards all below */
	struct slot *slots;
	unsigned free_slot; /* first of the chain; conf.connections = none */
	unsigned connections, parked, running, goodbyes, shaking;
	uint64_t accepted, refused;
	struct link ready, shake_held;
	struct network *networks[PEN_BUCKETS];
	struct timer *timers; /* a heap with room for all connections */
	unsigned ntimers;
	int64_t sleeps_until_ms; /* the loop's */
	int64_t drain_ms;
	bool stopped;            /* the drain has begun on the loop's side */
	bool killed;             /* drain_ms has passed */
	int64_t silent_until_ms; /* next line in the log about having no room */
	bool full;               /* listeners are not polled: as many connections as may be */
	int64_t deaf_until_ms;   /* listeners are not polled: no descriptors left. 0 = they are */
	struct listener listeners[PEN_LISTENERS];
	unsigned nlisteners;
};

static inline bool link_empty(const struct link *head)
{
	return head->next == head;
}

static inline void link_append(struct link *head, struct link *l)
{
	*l = (struct link){ head->prev, head };
	head->prev->next = l;
	head->prev = l;
}

static inline void link_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
}

/* pen.c */
void pen_ring(struct pen *p); /* end the loop's sleep */
/* Without mu. A worker is done with its connection for good. Who is next for that worker? */
struct conn *conn_free(struct conn *c);

/* pen_queue.c; with mu held, but for queue_presses */
void queue_ready(struct pen *p, struct conn *c, int64_t now_ms);
/* READY or HELD for too long: to a worker that is kept for goodbyes, if one is free. */
void queue_overdue(struct pen *p, struct conn *c, int64_t now_ms);
/* The worker no longer has this connection. Who is next for it? */
struct conn *queue_release(struct pen *p, struct conn *c);
/* Its handshake is done: the share goes to another, the worker stays. */
void queue_shaken(struct pen *p, struct conn *c);
/* Somebody waits for the worker that has this connection. */
bool queue_presses(struct pen *p, const struct conn *c);

/* pen_timer.c; with mu held */
/* No later than at_ms; a connection that has an earlier timer keeps that. */
void timer_set(struct pen *p, struct conn *c, int64_t at_ms);
void timer_drop(struct pen *p, struct conn *c);
struct conn *timer_due(struct pen *p, int64_t now_ms); /* take one whose time has come; NULL = none */
int64_t timer_first(const struct pen *p);              /* NEVER when there is none */

/* pen_work.c */
void work_run(struct job *job);
