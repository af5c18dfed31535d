/* sort.h - what SORT and THREAD have in common: the messages found, read once more for what they are ordered by.
 *
 * A record a message, with short keys: strings are cut at SORT_KEY_MAX octets.
 * Past SORT_MESSAGES_MAX messages or SORT_OCTETS_MAX of keys the answer is NO
 * [LIMIT]: the client can search for fewer.
 */
#pragma once
#include "imap/search_run.h"
#include "imap/walk.h"

#define SORT_MESSAGES_MAX 1000000
#define SORT_OCTETS_MAX   ((size_t)256 << 20)
#define SORT_KEY_MAX      256

/* The found messages, page by page; rows that walk_has() not are others. */
struct found_rows {
	struct session *s;
	struct walk walk;
	uint32_t from, to; /* what is left of a window, when `more` */
	bool more;
	struct arena page;
	struct msg *rows; /* until the next call */
	size_t n;
};
struct found_rows found_rows(struct session *s, const struct search_result *found);
/* False at the end, or with *e set: also when the client is gone. */
bool found_next(struct found_rows *f, unsigned with, struct err *e);

/* The sent date in UTC, or INTERNALDATE when there is none (RFC 5256 2.2).  `m` has its index. */
int64_t sent_date(const struct message *m);
/* For a message that cannot be read: said in the log; it is ordered as if its header were empty. */
void say_unreadable(const struct session *s, const struct msg *m, const struct err *e);
struct reply sort_limit(void);
