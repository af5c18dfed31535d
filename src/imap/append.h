/* append.h - APPEND: judged when its message is announced, done when it is here. */
#pragma once
#include "imap/session.h"

enum append_at { APPEND_OTHER, APPEND_MESSAGE, APPEND_REFUSED };
/* `bytes` end in the mark of a literal.  Is it an APPEND's message, and can we take `octets` of it?
 * Mailbox, size and room are looked at now, before the client sends anything. */
enum append_at append_judge(struct session *s, struct str bytes, uint64_t octets, struct arena *a,
			    struct reply *refusal);
