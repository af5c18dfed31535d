/* append.h - APPEND and REPLACE: judged when a message is announced, done when all are here.
 *
 * One command may bring several messages (MULTIAPPEND, RFC 3502): all of them
 * or none.  How many there may be is DELIVER_MAX, how many octets in all is
 * the limit of one message.
 */
#pragma once
#include "imap/session.h"

enum append_at { APPEND_OTHER, APPEND_MESSAGE, APPEND_REFUSED };
/* `bytes` end in the mark of a literal.  Is it a message of an APPEND or REPLACE, and can we take `octets` of it beside
 * the `before` that came already?  Mailbox, size, quota and room are looked at now, before the client sends anything.
 */
enum append_at append_judge(struct session *s, struct str bytes, uint64_t before, uint64_t octets, struct arena *a,
			    struct reply *refusal);
/* The message that a REPLACE names: its UID; 0, and the reply, when there is none. */
uint32_t replace_target(struct session *s, struct parser *p, bool uid, struct reply *refusal);
/* Deliver what the command brought; `replaces`: that UID of the selected mailbox goes in the same commit, 0 = none.
 * On success *code is the APPENDUID response code. */
bool append_all(struct session *s, struct cmd *c, uint32_t replaces, struct str *code, struct reply *refusal);
