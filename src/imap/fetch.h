/* fetch.h - what a FETCH asks for, and how a message answers it. */
#pragma once
#include "imap/section.h"
#include "imap/session.h"
#include "imap/set.h"

enum fetch_what {
	FETCH_UID,
	FETCH_FLAGS,
	FETCH_INTERNALDATE,
	FETCH_SAVEDATE,
	FETCH_SIZE,
	FETCH_MODSEQ,
	FETCH_EMAILID,
	FETCH_THREADID,
	FETCH_PREVIEW,
	FETCH_ENVELOPE,
	FETCH_BODY,
	FETCH_BODYSTRUCTURE,
	FETCH_SECTION,
	FETCH_BINARY_SIZE,
};
struct fetch_item {
	enum fetch_what what;
	bool sets_seen;
	bool lazy; /* PREVIEW (LAZY): only if it is made already */
	struct section section;
};
struct fetch {
	struct set set;
	struct fetch_item *items;
	size_t n, cap;
	uint64_t changed_since; /* 0 = all */
	bool vanished;          /* say first what was expunged since then (RFC 7162 3.2.6) */
	bool modseq;            /* asked for modseqs: enables CONDSTORE (RFC 7162 3.1) */
	bool cut;               /* only the messages at these positions (RFC 9394) */
	struct partial partial;
};
/* "set items [(CHANGEDSINCE n [VANISHED] PARTIAL 1:100)]" to the end of the command. */
bool parse_fetch(struct parser *p, bool uid, struct fetch *out);
bool fetch_has(const struct fetch *f, enum fetch_what what);

/* fetch_say.c: one message's response.  What it needs is read before its first octet is said. */
enum fetched {
	FETCHED,
	FETCH_UNREADABLE,  /* nothing was said; the log says why */
	FETCH_UNKNOWN_CTE, /* nothing was said: a part's encoding is not known (RFC 3516 4.3) */
	FETCH_BROKEN,      /* half was said: the connection is closed */
};
struct fetching {
	struct session *s;
	struct cmd *c;
	const struct fetch *f;
	struct buf out;       /* goes to the stream when it is full enough, and at the end */
	struct arena scratch; /* of one message */
};
/* with_flags: \Seen was set by this very command. */
enum fetched fetch_say(struct fetching *x, const struct msg *row, uint32_t seq, bool with_flags);
void fetch_flush(struct fetching *x);
