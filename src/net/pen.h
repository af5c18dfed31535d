/* pen.h - where connections wait, and what gives them a worker.
 *
 * A session is a struct and a `step` that is given one *whole* unit of input
 * and does it from top to bottom.  The pen holds every connection that waits:
 * one epoll loop per role, a timer each, no stack.  The loop thread only
 * polls; accepting, handshakes, decryption, collecting units and `step` run on
 * workers in non-blocking slices, one worker at a time for a connection
 * (EPOLLONESHOT), so a session needs no locks of its own.
 *
 * What a session wants next is in the `struct next` that open/step return:
 *
 *	WANT_LINE    a line of at most `max` octets (PEN_LINE_MAX at most); given without its CRLF.  A
 *		     line ended by a bare LF is given with unit.bare_lf set.  Bare
 *		     CR inside stays in the line; the session judges.
 *	WANT_DATA    what follows 354: everything up to CRLF.CRLF, dots
 *		     unstuffed, goes to `sink` as it comes; then one unit.
 *		     Only CRLF.CRLF ends it; bare CR or LF and NUL are
 *		     counted in the unit for the session to judge.
 *	WANT_OCTETS  `octets` octets to `sink` (BDAT chunk, IMAP literal).
 *	WANT_WAKE    nothing from the peer (input waits in the kernel);
 *		     UNIT_WAKE comes after `after_ms` or by pen_wake().
 *	WANT_TLS     flush, then a TLS handshake with `tls`; unread plaintext
 *		     is dropped (RFC 3207 4.2); then UNIT_TLS.
 *	WANT_CLOSE   flush, linger for the peer to read it, close.
 *
 * With WANT_LINE, `wakeable` lets pen_wake() give UNIT_WAKE while no line has
 * come (IMAP IDLE).  `delay_ms` holds the output of this step back for
 * that long before it is sent and before more input is read: nobody sleeps in
 * a worker.
 *
 * A unit that did not arrive has `trouble` set (why, as an enum) and kind
 * UNIT_TROUBLE: the session may say goodbye and must answer WANT_CLOSE.  After
 * the peer closed, trouble is TROUBLE_EOF and output goes nowhere.
 *
 * Deadlines: the whole unit must arrive within `unit_ms` of being wanted
 * (0 = the door's default), with at most `idle_ms` between bytes, and a DATA or OCTETS
 * unit at `min_rate` octets a second at least after its first 30 s.
 *
 * After step, if no more input is there, the worker lingers `linger_ms` for
 * it before the connection is parked, unless connections wait for workers.
 *
 * Output: step writes into peer->io; the pen sends it, replies to pipelined
 * units together.  Output that the peer does not take for write_ms, or takes
 * more slowly than min_rate: TROUBLE_SLOW, and closed without more words.
 *
 * Threads: pen_wake, pen_stat, pen_drain may be called from any thread; all else from
 * the thread that is said.  Sessions are called on workers with 256 KiB of stack.
 */
#pragma once
#include "base/err.h"
#include "net/addr.h"
#include "net/io.h"

#define PEN_LINE     2048u
#define PEN_LINE_MAX ((64u << 10) - 2)

enum want { WANT_LINE, WANT_DATA, WANT_OCTETS, WANT_WAKE, WANT_TLS, WANT_CLOSE };
enum unit_kind { UNIT_LINE, UNIT_DATA, UNIT_OCTETS, UNIT_WAKE, UNIT_TLS, UNIT_TROUBLE };
enum trouble {
	TROUBLE_NONE,
	TROUBLE_EOF,     /* the peer closed or the connection broke */
	TROUBLE_LONG,    /* line longer than `max` */
	TROUBLE_SLOW,    /* deadline, idle limit or minimum rate */
	TROUBLE_STOP,    /* we are shutting down: say 421 or BYE */
	TROUBLE_TLS,     /* the handshake failed */
	TROUBLE_BUSY,    /* no worker could be had in time: say 421 or BYE */
	TROUBLE_GARBLED, /* compressed input (io_compress) that is none */
};

/* Where DATA and OCTETS go as they come. Called on workers, never on the loop. */
struct sink {
	/* False: no more, please (too large, disk full); the rest of the unit is
	 * read and thrown away, the unit comes with sink_failed. */
	bool (*add)(struct sink *s, struct str bytes);
};

struct unit {
	enum unit_kind kind;
	enum trouble trouble;
	struct str line; /* UNIT_LINE; valid during the step */
	bool bare_lf;    /* UNIT_LINE ended by LF alone */
	bool more;       /* further input is already here (pipelined) */
	bool early;      /* with the first unit: it came before the delayed greeting was sent */
	/* UNIT_DATA, UNIT_OCTETS */
	uint64_t octets;                  /* as given to the sink, with those it did not take */
	unsigned bare_cr, bare_lfs, nuls; /* how many were seen (saturating) */
	uint32_t longest;                 /* longest line in octets, without CRLF */
	bool sink_failed;
};

struct next {
	enum want want;
	size_t max;        /* WANT_LINE: octets without CRLF; 0 = door's default */
	uint64_t octets;   /* WANT_OCTETS */
	struct sink *sink; /* WANT_DATA, WANT_OCTETS */
	struct tls_server *tls;
	int64_t after_ms; /* WANT_WAKE; negative: only pen_wake() */
	int64_t delay_ms;
	int64_t unit_ms; /* 0 = door's */
	int64_t idle_ms; /* 0 = door's */
	bool wakeable;
};

struct pen;
struct conn; /* the pen's own state of a connection */

/* What a session may know of its connection. Lives as long as the session. */
struct peer {
	struct io *io;
	struct addrport remote, local; /* zero for unix sockets */
	bool unix_socket;
	unsigned uid, gid; /* unix sockets: SO_PEERCRED */
	const struct door *door;
	void *ctx;         /* door's ctx */
	struct conn *conn; /* for pen_wake */
};

struct door {
	const char *name; /* "smtp", for logs */
	void *ctx;
	struct tls_server *tls;             /* implicit TLS: handshake before open */
	size_t line_max;                    /* default for WANT_LINE; 0 = PEN_LINE */
	int64_t unit_ms, idle_ms, write_ms; /* 0 = 5 minutes */
	uint32_t min_rate;                  /* octets/s, DATA and OCTETS; and for writes */
	/* A new session: may write its greeting; returns what it wants first. NULL *session: refused, closed. */
	struct next (*open)(struct peer *peer, void **session);
	struct next (*step)(void *session, const struct unit *in);
	void (*close)(void *session); /* the last call; the connection is gone */
};

/* May this connection come in?  Given by app; three functions, so the pen needs no guard. NULL = all may. */
struct gate {
	void *ctx;
	/* False: `refusal` (e.g. "421 4.7.0 Too many connections\r\n") is sent if not empty, then closed. */
	bool (*admit)(void *ctx, const struct door *door, struct addr remote, const char **refusal);
	void (*left)(void *ctx, const struct door *door, struct addr remote); /* once for each admitted */
	/* A first command that is not the protocol, early talk: told by sessions through pen_misbehaved. */
	void (*misbehaved)(void *ctx, const struct door *door, struct addr remote, const char *what);
};

struct pen_conf {
	unsigned workers; /* most worker threads; default PEN_WORKERS */
	unsigned
	    connections; /* most connections at once; default PEN_CONNECTIONS; past it new ones wait in the backlog */
	unsigned network_share;   /* percent of the workers one network (IPv4 /24, IPv6 /48) may hold; default 25;
				   * loopback and unix sockets are exempt */
	unsigned handshake_share; /* percent of the workers that may do TLS handshakes; default 25 */
	int64_t linger_ms;        /* default 5; negative: none */
	int64_t handshake_ms;     /* default 10000 */
	int64_t busy_ms;          /* how long a ready unit may wait for a worker before TROUBLE_BUSY; default 10000 */
	struct gate gate;
};
#define PEN_WORKERS     256
#define PEN_CONNECTIONS 16384

struct pen *pen_new(const struct pen_conf *conf, struct err *e);
/* Listen on `fd` (taken over; listening already). `door` is borrowed for the pen's life. Before pen_run, or from any
 * thread. On failure the descriptor stays the caller's. */
bool pen_listen(struct pen *p, int fd, const struct door *door, struct err *e);
/* Give it a connection that exists already (socketpair, accepted fd). The gate is not asked. `fd` is taken over,
 * and closed on failure. From any thread. */
bool pen_adopt(struct pen *p, int fd, const struct door *door, struct err *e);
/* Runs the loop in this thread until pen_drain has finished. */
void pen_run(struct pen *p);
/* Stop accepting; sessions that wait get TROUBLE_STOP; those at work finish their unit; all is closed after `ms` at
 * most (a step that is at work then finds its connection broken; pen_run waits for it). */
void pen_drain(struct pen *p, int64_t ms);
/* Give UNIT_WAKE soon if the session wants WANT_WAKE or is wakeable; else remembered and given when it next is.
 * Safe from any thread while the session lives (the session unregisters itself from whoever wakes it, in close). */
void pen_wake(struct conn *c);
void pen_misbehaved(struct peer *peer, const char *what);
struct pen_stat {
	unsigned connections, parked, workers, busy, waiting;
	uint64_t accepted, refused, units;
};
void pen_stat(struct pen *p, struct pen_stat *out);
void pen_free(struct pen *p);

/* Tests: run a door over strings, one unit after the other, no socket, no thread.  Output gathers in `out`.
 * Delays are not waited for; WANT_WAKE gives UNIT_WAKE at once. WANT_TLS ends the talk.
 * Returns when the session closes or the input ends. */
void pen_talk(const struct door *door, struct addr remote, struct str input, struct buf *out);
