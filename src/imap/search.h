/* search.h - the arguments of SEARCH, its keys as a tree (RFC 3501 6.4.4, RFC 9051 6.4.4).
 *
 * Among keys that must all be true the cheap ones stand first: what the row
 * knows, then what the full-text index has answered, then what needs the
 * message's MIME index, then what needs the message itself.  SORT and THREAD
 * have the same keys.  search_run.h looks for the messages.
 */
#pragma once
#include "imap/set.h"

#define SEARCH_KEYS_MAX  1000
#define SEARCH_ASKED_MAX 50     /* keys of one command that the full-text index is asked for */
#define SAVED_RUNS_MAX   100000 /* runs of UIDs that "$" may be (8 octets each, kept while the mailbox is selected) */

enum key_kind {
	KEY_ALL_OF, /* its children */
	KEY_ONE_OF,
	KEY_NOT,
	KEY_EVERY, /* ALL */
	KEY_NONE,  /* what no message of ours has */
	KEY_FLAG,  /* (flags & bit) == want */
	KEY_RECENT,
	KEY_NEW,
	KEY_KEYWORD,
	KEY_SEQ,
	KEY_UID,
	KEY_LARGER,
	KEY_SMALLER,
	KEY_BEFORE,
	KEY_ON,
	KEY_SINCE,
	KEY_SAVED_BEFORE, /* RFC 8514 */
	KEY_SAVED_ON,
	KEY_SAVED_SINCE,
	KEY_OLDER, /* RFC 5032 */
	KEY_YOUNGER,
	KEY_MODSEQ,
	KEY_EMAIL_ID, /* RFC 8474 6 */
	KEY_SENTBEFORE,
	KEY_SENTON,
	KEY_SENTSINCE,
	KEY_ENVELOPE, /* an address list or the subject */
	KEY_HEADER,
	KEY_BODY,
	KEY_TEXT,
};
struct search_found; /* store/search.h */
struct key {
	enum key_kind kind;
	struct key *child, *next;
	unsigned bit; /* KEY_FLAG: a msg_flag; KEY_ENVELOPE: which */
	bool want;
	uint64_t number;                  /* octets, seconds, modseq, or the day's start in ms */
	struct set set;                   /* resolved before the search */
	struct str field, text;           /* text: folded */
	const struct search_found *found; /* what the full-text index answered; NULL: look */
};
struct search {
	struct key *root;
	struct str charset;     /* of strings in keys; empty: UTF-8 */
	struct str bad_charset; /* not empty: BADCHARSET */
	bool modseq, prefix;    /* the response has the highest modseq; headers need the row's prefix */
	bool numbers;           /* message numbers were used (RFC 9586 3) */
};
enum { ENVELOPE_SUBJECT, ENVELOPE_FROM, ENVELOPE_TO, ENVELOPE_CC, ENVELOPE_BCC };

/* RETURN (...) (RFC 4731, RFC 5182, RFC 9394). */
enum search_return {
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_ALL = 4,
	RETURN_COUNT = 8,
	RETURN_PARTIAL = 16,
	RETURN_SAVE = 32,
};
struct returns {
	bool given; /* then ESEARCH answers */
	unsigned what;
	struct partial partial;
};
/* "RETURN (...) ", when it is there. */
bool parse_returns(struct parser *p, struct returns *out);

enum charset_rule { CHARSET_MAY, CHARSET_NOT, CHARSET_FIRST /* SORT, THREAD: always there, without the word */ };
/* To the end of the command. */
bool parse_search(struct parser *p, enum charset_rule rule, struct search *out);
/* Cheap keys before dear ones, once more after the full-text index was asked. */
void search_order(struct key *k);
