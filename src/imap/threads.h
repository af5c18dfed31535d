/* threads.h - which message answers which: ORDEREDSUBJECT and REFERENCES (RFC 5256 3).
 *
 * Given, one after the other, what the header of each message says, it makes a
 * forest and prints it as THREAD wants it.  It knows nothing of mailboxes or
 * sessions.  All that it makes lives in the arena given, the strings too.
 * Nothing recurses: a thread may be as long as the list of messages.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#define THREAD_REFERENCES_MAX 100       /* message ids of one message; of more the first, and the last ones */
#define THREAD_CLIMB_MAX      1000      /* generations climbed to look for a loop; a link that needs more is not made */
#define THREAD_CLIMBED_MAX    100000000 /* ... of all messages together */
#define MESSAGE_ID_MAX        500       /* octets; a longer one is none */
#define THREAD_SUBJECT_MAX    1000      /* octets of a base subject that are compared */

enum thread_by { THREAD_BY_SUBJECT, THREAD_BY_REFERENCES };
struct threaded {
	uint32_t number;    /* what is printed; not 0, and rising from message to message */
	int64_t date_ms;    /* sent */
	struct str subject; /* base subject, as it compares (casemap) */
	bool reply;         /* the base subject lacks a "Re:" or the like */
	struct str id;      /* as message_ids() gives it; empty: none */
	struct str *references;
	size_t nreferences;
};
/* The message ids in a field, without <> and with quotes undone: <"a"@x> is "a@x". */
struct str *message_ids(struct str value, struct arena *a, size_t *n);

struct threads;
struct threads *threads_new(enum thread_by by, size_t messages, struct arena *a);
void threads_add(struct threads *t, const struct threaded *m);
/* "(1 2)(3 (4)(5))"; nothing when there are no messages.  Once. */
void threads_print(struct threads *t, struct buf *b);
