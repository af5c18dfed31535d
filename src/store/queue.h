/* queue.h - mail that is to leave: one row per recipient and way out.
 *
 * A row waits until it is due, is claimed by the one scheduler of a role's incarnation, and ends as done (removed),
 * later (waiting again) or never (removed, its bounce in the same commit).  A claim is a lease that belongs to the
 * incarnation and ends with it: queue_recover() gives the rows of dead incarnations back.  An attempt is counted when
 * it is claimed, so what kills us is seen (QUEUE_CRASHES in a row: held).
 *
 * Rows stand in *lanes*: what delivers one after the other and is measured together.  A lane is a destination
 * ("mx:example.org", "drop:cron/1"), "box" for what waits for room in a mailbox of ours, or, once an attempt met a
 * pace, what that was moved to ("pace:NAME").  A row that is due takes its place in its lane; only lanes with such rows
 * are known, each with their number.  So asking for work costs the same at ten rows and at a million, and a dead host
 * with 100,000 rows hides nobody.  In a lane senders take turns (an account is one sender, whatever it writes from),
 * and so do the lanes.
 *
 * Wall-clock times are stored; a clock that steps neither ends a lease nor keeps what is due already from leaving.
 * Results live in the arena given.  Safe in any thread.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define QUEUE_PAGE      256 /* rows that queue_list() gives at most */
#define QUEUE_CLAIM_MAX 256 /* rows of one claim */
#define QUEUE_CRASHES   3

/* Stored: never given another meaning. */
enum queue_state { QUEUE_WAITING, QUEUE_HELD, QUEUE_LEASED };
struct str queue_state_name(enum queue_state state); /* "waiting", "held", "leased" */

struct store;
struct queue_row {
	int64_t id, content_id;
	int64_t account;    /* whose mail it is, 0 = nobody's of ours; it may be gone meanwhile */
	struct str mailbox; /* not empty: it waits for room in this mailbox of `account`, and is for no address */
	struct str sender, recipient; /* paths without <>; sender may be empty */
	struct str dsn;               /* ENVID, RET, NOTIFY, ORCPT as "KEY=value" words */
	struct str drop;              /* a drop's name and which of its `into`, "cron/2"; empty: routes decide */
	struct str route;             /* chosen by hand (queue route); empty: routes decide */
	struct str lane;              /* empty: of an earlier version, and not due since */
	enum queue_state state;
	struct str why; /* last reply or error; why it is held: "rule 7", "operator", "crashes", ... */
	int64_t created_wall_ms, due_wall_ms, tried_wall_ms; /* tried: 0 = never */
	uint32_t attempts, crashes;
	uint64_t size;
	struct str prefix; /* only from queue_claim: goes before the content */
	bool warned;       /* the delay has been told */
	bool smtputf8, eight_bit;
};

/* Lanes with rows that are due, who has waited longest for his turn first; at most `max`, without those in `skip`.
 * What has become due meanwhile takes its place first (some 2,000 rows at most: if there are more, queue_next_due()
 * is past, and the next call goes on). */
struct queue_lane {
	struct str name;
	uint64_t waiting;    /* rows that are due */
	int64_t due_wall_ms; /* of the first */
};
bool queue_lanes(struct store *st, int64_t now_wall_ms, const struct str *skip, size_t nskip, size_t max,
		 struct arena *a, struct queue_lane **out, size_t *n, struct err *e);
/* When the next of those that wait for their time is due; INT64_MAX: none does. */
bool queue_next_due(struct store *st, int64_t *wall_ms, struct err *e);

/* Pace: never faster than asked, over restarts and with several workers.  All rules must allow; each recipient counts.
 * "1 per T": slot k is at t0 + k x T, t0 is the first use; it is taken in the claim's commit, and only within its
 * first 5 % (or 20 ms), else it is lost.  Of several such rules the slowest counts.
 * "N per T": never more than N in any true window of T, at least 8/9 N for who asks steadily.
 * A clock set back makes it slower for T at most, never faster. */
#define QUEUE_PACE_RULES  4
#define QUEUE_PACE_PER_MS 100 /* no shorter */
struct queue_pace {
	struct str name; /* "transport isp", "account alice": where its slots are counted */
	struct {
		uint32_t count;
		int64_t per_ms;
	} rules[QUEUE_PACE_RULES];
	size_t nrules;
	int from_minute, to_minute; /* local time of day, may span midnight; equal: all day */
};

/* Claim up to `max` due rows of a lane in one commit, marked LEASED, the attempt counted.  With `same_message`: the
 * first, and with it only further recipients of the same content and sender (one SMTP transaction). */
struct queue_claim {
	struct str lane;
	size_t max;
	bool same_message;
	const struct queue_pace *pace; /* NULL: none */
	/* results, in the arena */
	struct queue_row *rows;
	size_t n;
	int64_t wait_until_wall_ms; /* rows are due, but the pace allows none before that time; 0: else */
};
bool queue_claim(struct store *st, int64_t now_wall_ms, struct queue_claim *c, struct arena *a, struct err *e);

/* What became of claimed rows; all of a call in one commit, with what follows from it.  A row that is no longer ours
 * (removed by hand meanwhile, or finished by a call before) is passed over; when none is ours, `notes` are not
 * delivered either: to finish twice is to finish once.  Results and the notes' targets together: at most 500. */
enum queue_outcome { QUEUE_DONE, QUEUE_LATER, QUEUE_NEVER, QUEUE_HOLD, QUEUE_MOVE };
struct queue_result {
	int64_t id;
	enum queue_outcome outcome;
	struct str why;      /* reply or error; kept in the row */
	int64_t due_wall_ms; /* LATER */
	struct str lane;     /* MOVE: to this lane, due at once, the attempt not counted; empty: its destination's */
	bool warned;         /* LATER: the warning is among `notes` */
	bool uncounted;      /* LATER: the attempt never reached the other side because of us */
	struct str suppress; /* NEVER: this address is not to be tried again for the account until ...; empty: none */
	int64_t suppress_until_wall_ms;
};
/* Notes (store/mailbox.h) are bounces and warnings; also the message itself (its content_id) into a mailbox of ours, so
 * that it is there once and the row is gone.  ERR_QUOTA as deliver() says it: nothing is written. */
struct delivery;
bool queue_finish(struct store *st, const struct queue_result *results, size_t n, struct delivery *const *notes,
		  size_t nnotes, struct err *e);
/* Rows of incarnations that are dead: waiting again, due now, crashes + 1; held at QUEUE_CRASHES. */
bool queue_recover(struct store *st, uint64_t *rows, struct err *e);

/* For people. */
struct queue_filter {
	struct str sender, recipient; /* a part of it, ASCII case; here as below empty: any */
	struct str domain;            /* the recipient's; ".x.example": with what is below it */
	struct str drop;              /* "cron", or one `into` of it: "cron/2" */
	struct str lane, account;     /* account: its name */
	int state;                    /* enum queue_state; -1: any */
	int64_t older_than_wall_ms;   /* created before; 0: any */
	const int64_t *ids;
	size_t nids; /* 0: any */
};
/* Rows after `after_id`, by id, at most QUEUE_PAGE.  `f` NULL: all.  ERR_PERM: no such account. */
bool queue_list(struct store *st, const struct queue_filter *f, int64_t after_id, size_t max, struct arena *a,
		struct queue_row **out, size_t *n, struct err *e);
/* RETRY: what waits is due now.  HOLD_ROWS: what waits is held.  RELEASE: what is held waits, due now.  ROUTE: what
 * waits or is held takes this transport.  REMOVE: any row, also one that is being delivered; nobody is told. */
enum queue_change { QUEUE_RETRY, QUEUE_HOLD_ROWS, QUEUE_RELEASE, QUEUE_REMOVE, QUEUE_ROUTE };
/* In units of 500 rows; *changed says how many, also when it fails.  `value`: QUEUE_ROUTE: the transport, empty:
 * routes decide again; QUEUE_HOLD_ROWS: why. */
bool queue_change(struct store *st, const struct queue_filter *f, enum queue_change what, struct str value,
		  uint64_t *changed, struct err *e);
bool queue_count(struct store *st, uint64_t *n, struct err *e);

/* Addresses that bounced hard are not tried again for a while.  Compared without regard to ASCII case. */
struct suppressed {
	int64_t id;
	struct str account, address, why; /* account: its name, empty: all */
	int64_t until_wall_ms;
};
/* *is, and in `out` until when and why: for this account or for all. */
bool suppress_find(struct store *st, int64_t account, struct str address, int64_t now_wall_ms, bool *is,
		   struct arena *a, struct suppressed *out, struct err *e);
/* Those after `after_id`, by id, at most QUEUE_PAGE. */
bool suppress_list(struct store *st, int64_t after_id, struct arena *a, struct suppressed **out, size_t *n,
		   struct err *e);
/* In place of what stood there for that address and account.  ERR_PERM: no such account. */
bool suppress_add(struct store *st, const struct suppressed *s, struct err *e);
bool suppress_remove(struct store *st, struct str address, bool *was, struct err *e); /* for every account */

/* Hold rules: what matches and leaves us is queued as held.  At most HOLD_RULES_MAX. */
#define HOLD_RULES_MAX 100
struct hold_rule {
	int64_t id;
	struct str sender, recipient, domain; /* patterns with *, ASCII case; empty: any.  domain: the recipient's */
};
bool hold_list(struct store *st, struct arena *a, struct hold_rule **out, size_t *n, struct err *e);
bool hold_add(struct store *st, const struct hold_rule *r, int64_t *id, struct err *e);
bool hold_remove(struct store *st, int64_t id, struct err *e); /* ERR_PERM: no such rule */
