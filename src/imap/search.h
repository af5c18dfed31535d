/* search.h - the keys of SEARCH as a tree (RFC 3501 6.4.4).
 *
 * Among keys that must all be true the cheap ones stand first: what the row
 * knows, then what the index knows, then what needs the message itself.
 */
#pragma once
#include "imap/set.h"

#define SEARCH_KEYS_MAX 1000

enum key_kind {
	KEY_ALL_OF, /* its children */
	KEY_ONE_OF,
	KEY_NOT,
	KEY_EVERY, /* ALL */
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
	KEY_MODSEQ,
	KEY_SENTBEFORE,
	KEY_SENTON,
	KEY_SENTSINCE,
	KEY_ENVELOPE, /* an address list or the subject */
	KEY_HEADER,
	KEY_BODY,
	KEY_TEXT,
};
struct key {
	enum key_kind kind;
	struct key *child, *next;
	unsigned bit; /* KEY_FLAG: a msg_flag; KEY_ENVELOPE: which */
	bool want;
	uint64_t number;        /* octets, modseq, or the day's start in ms */
	struct set set;         /* resolved before the search */
	struct str field, text; /* text: folded */
};
struct search {
	struct key *root;
	struct str bad_charset; /* not empty: BADCHARSET */
	bool modseq, prefix;    /* the response has the highest modseq; headers need the row's prefix */
};
enum { ENVELOPE_SUBJECT, ENVELOPE_FROM, ENVELOPE_TO, ENVELOPE_CC, ENVELOPE_BCC };

/* To the end of the command. */
bool parse_search(struct parser *p, struct search *out);
