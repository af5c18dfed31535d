/* status.h - what STATUS says of a mailbox, for the command of that name and for LIST (RFC 3501 6.3.10, RFC 5819). */
#pragma once
#include "imap/session.h"

/* "(MESSAGES UNSEEN)", as bits. */
bool parse_status_items(struct parser *p, unsigned *items);
/* Asking for the highest modseq enables CONDSTORE (RFC 7162 3.1). */
void status_asked(struct session *s, unsigned items);
/* "* STATUS name (...)" */
bool say_status(struct session *s, struct cmd *c, const struct mailbox *m, unsigned items, struct err *e);
/* "MAILBOXID (F12)" (RFC 8474): the same in STATUS, and in the codes of CREATE and SELECT. */
void say_mailboxid(struct buf *b, int64_t mailbox);
