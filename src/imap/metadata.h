/* metadata.h - annotations of mailboxes and of the account (RFC 5464).
 *
 * An entry's name begins with /private/ or /shared/; since an account has one
 * owner both are his alone.  The server's own, /shared/comment and /shared/admin
 * of mailbox "", cannot be set.  Bounds stand in store/mailbox.h.
 */
#pragma once
#include "imap/session.h"

#define METADATA_ENTRIES_MAX 100 /* entries of one command */

struct metadata_asked {
	struct str *entries; /* lower case */
	size_t n;
	uint64_t max; /* octets of a value that is not too long for the client; UINT64_MAX: any */
	enum { DEPTH_0, DEPTH_1, DEPTH_INFINITY } depth; /* also entries below those */
};
/* One entry, or several in brackets. */
bool parse_metadata_entries(struct parser *p, struct metadata_asked *asked);
/* What stands in LIST's METADATA (...) (RFC 9590 5): entries, perhaps with options among them. */
bool parse_metadata_asked(struct parser *p, struct metadata_asked *asked);
/* "* METADATA mailbox (entry value ...)"; mailbox NULL: the server's. *longest: the longest value that was left out. */
bool say_metadata(struct session *s, struct cmd *c, const struct mailbox *m, const struct metadata_asked *asked,
		  uint64_t *longest, struct err *e);
