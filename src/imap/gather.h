/* gather.h - a command with literals, while it is on its way in.
 *
 * Each literal is judged when it is announced: how many, how large in all,
 * and for APPEND whether the message can be taken at all, before "+" invites
 * the client to send it.  What is refused before "+" costs nothing.  What comes
 * without asking ("{n+}") may have 4,096 octets (LITERAL-, RFC 7888 5); more is
 * read and thrown away, and the command refused.  Only what is more than any
 * message may have, or comes from somebody who has not logged in, ends the session.
 */
#pragma once
#include "imap/session.h"
#include "store/content.h"

#define LITERAL_MINUS 4096 /* octets of a literal that comes without asking */

struct staged { /* a message of APPEND; stays where it is: a stage knows its own address */
	struct stage stage;
	struct staged *next;
	bool nul;
};
struct gather {
	struct sink sink;
	enum { INTO_BYTES, INTO_STAGE, INTO_NOTHING } into;
	struct buf bytes; /* lines joined by CRLF, literals behind their marks; APPEND's messages are not here */
	struct staged *first, *last; /* the messages of APPEND, on the heap */
	size_t nmessages;
	struct err failed; /* kind ERR_NONE while they could be taken */
	uint64_t staged;   /* octets of those messages */
	uint64_t octets;   /* of literals, but for APPEND's messages */
	unsigned count;
	struct reply refused; /* kind REPLY_NONE: nothing is wrong so far */
	struct arena arena;   /* of the refusal */
};
