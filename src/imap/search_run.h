/* search_run.h - a search at work: the walk over the messages of the selected mailbox, and what was found.
 *
 * The walk reads rows by pages and ends each read before anything is sent; it
 * stops as soon as what was asked for is known, or nobody is there to be told.
 * A message is read as far as its keys ask; one that cannot be read matches
 * nothing that needs it, and the answer says so.
 */
#pragma once
#include "imap/message.h"
#include "imap/search.h"
#include "imap/session.h"

/* search_match.c: one search at work, and the message it looks at. */
struct searching {
	struct session *s;
	struct cmd *c;
	const struct search *search;
	struct message m;
	uint32_t seq;
	struct text_piece *body; /* of this message, once somebody asked */
	bool have_body, broken;  /* broken: the message cannot be read; it matches nothing that needs it */
	int64_t now_wall_ms;
	struct err err;
	unsigned unreadable;
};
bool search_match(struct searching *x, const struct key *k);

/* search_index.c: ask the full-text index for each key that it can answer. */
void search_ask(struct session *s, struct cmd *c, struct search *search);
enum index_says { INDEX_NO, INDEX_HAS, INDEX_LOOK };
enum index_says search_index_says(const struct search_found *f, const struct msg *m);

/* search_walk.c */
struct search_result {
	struct uid_run *runs; /* UIDs, ascending */
	size_t n;
	uint32_t count;      /* messages in them */
	uint64_t modseq;     /* the highest of them */
	unsigned unreadable; /* messages that were passed over */
};
/* What `want` asks for (0 = all): with MIN alone, only the first is looked for, and so on.  False: *r is the answer. */
bool search_run(struct session *s, struct cmd *c, struct search *search, const struct returns *want,
		struct search_result *out, struct reply *r);
/* Nobody is there to be told: what was said to him came back, or could not be sent. */
bool search_peer_gone(struct io *io);
/* The highest modseq of these messages, those that are gone meanwhile aside. */
bool search_modseq(struct session *s, const struct uid_run *runs, size_t n, uint64_t *modseq, struct err *e);
/* The reply when all went well but for messages that cannot be read. */
struct reply search_done(struct cmd *c, const struct search_result *found, struct reply ok);

/* search.c */
/* The same messages as runs of what the command speaks of: UIDs, or their numbers. */
struct uid_run *search_numbers(const struct view *v, bool uid, struct arena *a, const struct uid_run *runs, size_t *n);
/* "* ESEARCH (TAG "x") UID" */
void say_esearch(struct buf *b, const struct cmd *c);

/* saved.c: "$" (RFC 5182).  False: more runs than SAVED_RUNS_MAX; then it is empty. */
bool session_save(struct session *s, const struct uid_run *runs, size_t n);
