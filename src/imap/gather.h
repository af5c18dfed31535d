/* gather.h - a command with literals, while it is on its way in.
 *
 * Each literal is judged when it is announced: how many, how large in all
 *, and for APPEND whether the
 * message can be taken at all, before "+" invites the client to send it.
 * What is refused before "+" costs nothing; what comes without asking
 * ("{n+}", RFC 7888) is read and thrown away, or ends the session when it is large.
 */
#pragma once
#include "imap/session.h"
#include "store/content.h"

struct gather {
	struct sink sink;
	enum { INTO_BYTES, INTO_STAGE, INTO_NOTHING } into;
	struct buf bytes; /* lines joined by CRLF, literals behind their marks; APPEND's message is not here */
	struct stage stage;
	bool staged, failed, nul; /* failed: stage.err says why */
	uint64_t octets;          /* of literals, but for APPEND's message */
	unsigned count;
	struct reply refused; /* kind REPLY_NONE: nothing is wrong so far */
	struct arena arena;   /* of the refusal */
};
