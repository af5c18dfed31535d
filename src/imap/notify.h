/* notify.h - NOTIFY (RFC 5465): told of any mailbox, without asking and without IDLE.
 *
 * The session keeps how each mailbox of the account was when the client was
 * last told.  When the account's bell rings it looks at the list of mailboxes
 * again and tells the difference, as far as the client wants to know it.  Of
 * the selected mailbox tell.c tells; here stands only what of it is wanted.
 */
#pragma once
#include "imap/session.h"

#define NOTIFY_GROUPS_MAX 20
#define NOTIFY_NAMES_MAX  200  /* mailboxes named by one NOTIFY */
#define NOTIFY_ITEMS_MAX  1000 /* octets of what is to be fetched of new messages */

enum event { /* bits */
	     EVENT_NEW = 1,
	     EVENT_EXPUNGE = 2,
	     EVENT_FLAG = 4,
	     EVENT_NAME = 8,
	     EVENT_SUBSCRIPTION = 16,
};
#define EVENTS_OF_MESSAGES (EVENT_NEW | EVENT_EXPUNGE | EVENT_FLAG)

/* What the client wants to hear of the selected mailbox; all, as long as it has not used NOTIFY. */
unsigned notify_of_selected(const struct session *s);
/* Between two commands: tell what is new. */
struct next notify_wake(struct session *s);
/* Of the selected mailbox, all that may be told now and is wanted. */
void notify_tell_selected(struct session *s, struct cmd *c, enum tell what);
/* Of the other mailboxes. */
void notify_tell(struct session *s, struct cmd *c);
void notify_end(struct session *s);
