/* carry.h - messages by the thousand between the CLI and who has the store open.
 *
 * The CLI reads archives and writes folders as its caller; the store is
 * somebody else's.  Between them is a socket that travels with the question
 * (account.import, account.export), and on it parcels: a letter, a length, octets.
 * Numbers are varints, texts have their length in front.
 *
 *	import	CLI: BOX ... OPENED back for each; MESSAGE ... TAKEN back for some at
 *		a time, in their order; END, DONE back
 *	export	role: BOX, its MESSAGEs, the next BOX; DONE
 *
 * The role speaks first: HELLO.  Both ends may be of different builds, so it
 * says CARRY_VERSION.  FAILED ends it from either side, with the reason.
 * Sending is safe in any thread, receiving is one thread's.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/account.h"
#include <pthread.h>
#include <stdatomic.h>

#define CARRY_VERSION       1
#define CARRY_HEAD_MAX      (64u << 10) /* octets of a parcel beside the message in it */
#define CARRY_MAILBOX_MAX   2000
#define CARRY_BOXES_MAX     20000
#define CARRY_WINDOW        800         /* messages on their way without being TAKEN */
#define CARRY_WINDOW_OCTETS (16u << 20) /* or so much of them, if it is more than one */

enum carry_kind {
	CARRY_HELLO = 'H',   /* version, which account it is, octets a message may have, messages to come (export) */
	CARRY_BOX = 'B',     /* see carry_box */
	CARRY_OPENED = 'O',  /* see carry_opened */
	CARRY_MESSAGE = 'M', /* see carry_message */
	CARRY_TAKEN = 'T',   /* see carry_taken */
	CARRY_END = 'E',
	CARRY_DONE = 'D',   /* note: what the caller should know */
	CARRY_FAILED = 'F', /* why */
};
enum carry_box_how { CARRY_DUPLICATES = 1 /* pass over what the mailbox has */, CARRY_MAPPED = 2 /* by its use */ };
struct carry_box {
	struct str name;
	unsigned use;         /* enum special_use */
	unsigned how;         /* enum carry_box_how */
	uint32_t uidvalidity; /* import: what an interrupted run has seen last, 0 = none; export: the mailbox's */
	uint32_t uid;         /* import: messages beyond it may be of that run; export: UIDNEXT */
	uint64_t messages;    /* export */
};
struct carry_opened {
	struct str name; /* the mailbox it goes to */
	uint32_t uidvalidity, last_uid;
	struct str error; /* not empty: none of it can be taken */
};
struct carry_message {
	uint64_t box; /* counted from 0 as they were opened */
	unsigned flags;
	struct str keywords;
	int64_t internal_wall_ms; /* 0 = now */
	uint32_t uid;             /* export */
	struct str bytes;
};
enum carry_fate { CARRY_STORED, CARRY_DUPLICATE, CARRY_REFUSED };
struct carry_taken { /* of one message; a TAKEN parcel is a row of them */
	enum carry_fate fate;
	uint32_t uid;
	struct str why; /* REFUSED */
};

struct carry {
	int fd;                  /* borrowed */
	const atomic_bool *stop; /* receiving ends when it is set; may be NULL */
	uint64_t max;            /* octets of a parcel */
	pthread_mutex_t mu;      /* for sending */
	struct buf in;
	size_t at;
};
void carry_open(struct carry *c, int fd, const atomic_bool *stop);
void carry_close(struct carry *c); /* not the descriptor */

/* `head`, then `body`, as one parcel. */
/* Another store's account, or one that was removed and made again, is another, whatever its id. */
static inline uint64_t carry_identity(const struct account *account)
{
	return ((uint64_t)account->created_wall_ms << 16 ^ (uint64_t)account->id) & INT64_MAX;
}
bool carry_send(struct carry *c, enum carry_kind kind, struct str head, struct str body, struct err *e);
enum carry_got { CARRY_GOT, CARRY_NOTHING /* for `wait_ms` */, CARRY_BROKEN };
/* The payload is valid until the next call. wait_ms -1: as long as it takes. */
enum carry_got carry_recv(struct carry *c, int wait_ms, enum carry_kind *kind, struct str *payload, struct err *e);

void carry_add(struct buf *b, struct str text);
bool carry_text(struct str *s, struct str *text);
bool carry_number(struct str *s, uint64_t max, uint64_t *n);
void carry_add_box(struct buf *b, const struct carry_box *x);
bool carry_get_box(struct str s, struct carry_box *x);
void carry_add_opened(struct buf *b, const struct carry_opened *x);
bool carry_get_opened(struct str s, struct carry_opened *x);
void carry_add_message(struct buf *b, const struct carry_message *x); /* without the octets: they are the body */
bool carry_get_message(struct str s, struct carry_message *x);
void carry_add_taken(struct buf *b, const struct carry_taken *x);
bool carry_get_taken(struct str *s, struct carry_taken *x); /* the next of the row */
