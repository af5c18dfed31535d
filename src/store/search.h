/* search.h - the full-text index, a file for each account: which contents hold these octets?
 *
 * It answers with contents, not with messages: a message that is copied or
 * moved is not indexed again.  What stands before a content in one recipient's
 * row (the prefix) is not in the index.  It is behind delivery, can be thrown
 * away at any time and is made again from the store.  SEARCH asks the index,
 * and looks itself at what the index does not know yet or was not sure of.
 *
 * Text is given and asked folded (imap/text.h), in two columns, header and
 * body.  A needle of at least SEARCH_NEEDLE octets is found wherever it stands,
 * within words too (RFC 3501 6.4.4 says substring), exactly: what is indexed
 * are all runs of three octets with their places.
 *
 * The files stand in search/ of the store's folder, private as the store's
 * own.  They hold no text, but whoever reads them learns nearly all of it.
 * What was expunged remains in them until the account's file is made anew: when
 * more than SEARCH_DEAD documents and a quarter of all are gone, when the
 * account has no message any more, or when the administrator says so; the file
 * goes when its account goes.  Backups hold none of it.
 *
 * A damaged file is never an error: the index cannot answer, and the file is
 * made anew.  One process writes (store/search_write.h); any thread of any may search.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define SEARCH_NEEDLE 3    /* octets; shorter ones are not in the index */
#define SEARCH_DEAD   1000 /* documents */

struct store;
struct search_index; /* of one role */
/* Once per process, before the fence: learns which boot of the machine this is. */
void search_warm(void);
struct search_index *search_open(struct store *st, struct err *e);
void search_close(struct search_index *x); /* NULL is fine */

enum search_column { SEARCH_HEAD = 1, SEARCH_BODY = 2 };
struct search_found {
	uint32_t indexed_uid; /* messages of the mailbox up to this UID were looked at by the index */
	int64_t *contents;    /* those that hold the needle, ascending */
	size_t n;
	int64_t
	    *unsure; /* of these the index has not all, or the needle is too long for it: look yourself; ascending */
	size_t nunsure;
};
/* False with ERR_NONE: the index cannot answer (needle too short, no index yet): look at every message. */
bool search_find(struct search_index *x, int64_t account, int64_t mailbox, unsigned columns, struct str needle,
		 struct arena *a, struct search_found *out, struct err *e);

/* For people: how far is it? */
struct search_stat {
	bool there;
	uint64_t contents, unsure, octets; /* octets of the file */
	uint64_t messages, waiting;        /* in the account's mailboxes; not looked at yet */
};
bool search_stat(struct store *st, int64_t account, struct search_stat *out, struct err *e);
/* Throw the account's file away, and ring its bell so that the indexer makes it anew. */
bool search_forget(struct store *st, int64_t account, struct err *e);
/* Remove the files of all accounts; those that another process keeps stay. */
bool search_erase(struct store *st, struct err *e);
