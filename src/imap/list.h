/* list.h - LIST in all its forms: what was asked for, and how a line of the answer is written.
 *
 * The extended form (RFC 5258, RFC 9051 6.3.9) has options before and behind the names; the basic one
 * (RFC 3501 6.3.8) is what is left without them.
 */
#pragma once
#include "imap/metadata.h"
#include "imap/pattern.h"
#include "imap/session.h"

enum list_option { /* bits */
		   LIST_SUBSCRIBED = 1,
		   LIST_USE = 2,       /* SPECIAL-USE, RFC 6154 */
		   LIST_REMOTE = 4,    /* there are none */
		   LIST_RECURSIVE = 8, /* RECURSIVEMATCH */
		   LIST_CHILDREN = 16,
		   LIST_STATUS = 32,   /* RFC 5819 */
		   LIST_METADATA = 64, /* RFC 9590 */
};
#define LIST_BASE (LIST_SUBSCRIBED | LIST_USE) /* they choose names; the other selection options say how */

struct listing {
	unsigned select, give; /* selection options, return options */
	bool extended, root;   /* root: LIST "" "" only asks for the separator */
	bool percent;          /* a pattern ends with "%" */
	const struct pattern **patterns;
	size_t npatterns;
	unsigned status; /* items */
	struct metadata_asked metadata;
};
/* To the end of the command. */
bool parse_listing(struct parser *p, struct listing *l);
bool listing_matches(const struct listing *l, struct str name);

/* `* LIST (attributes) "/" name`, and for a name that was brought to normal form how it was spelt (RFC 9051 7.3.1). */
void say_listed(struct session *s, bool plain, struct str attributes, struct str name, struct str extended);
void say_renamed(struct session *s, struct cmd *c, struct str name, struct str given);
