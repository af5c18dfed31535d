/* fetch.h - what a FETCH asks for. */
#pragma once
#include "imap/section.h"
#include "imap/set.h"

enum fetch_what {
	FETCH_UID,
	FETCH_FLAGS,
	FETCH_INTERNALDATE,
	FETCH_SIZE,
	FETCH_MODSEQ,
	FETCH_ENVELOPE,
	FETCH_BODY,
	FETCH_BODYSTRUCTURE,
	FETCH_SECTION,
};
struct fetch_item {
	enum fetch_what what;
	bool sets_seen;
	struct section section;
};
struct fetch {
	struct set set;
	struct fetch_item *items;
	size_t n, cap;
	uint64_t changed_since; /* 0 = all */
	bool modseq;            /* asked for modseqs: enables CONDSTORE (RFC 7162 3.1) */
};
/* "set items [(CHANGEDSINCE n)]" to the end of the command. */
bool parse_fetch(struct parser *p, bool uid, struct fetch *out);
