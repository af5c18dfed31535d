/* dsn.h - delivery status notifications (RFC 3461, 3464, 3462, 6522, 6533): writing them.
 *
 * Pure: what is to be said goes in, a message comes out.  SMTPUTF8: message/global-delivery-status and friends when an
 * address needs it. Never for a null sender: the caller asks dsn_wanted() first.
 */
#pragma once
#include "base/buf.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };
struct dsn_rcpt {
	struct str recipient, original; /* original: ORCPT as given, "rfc822;x@y"; empty: none */
	enum dsn_action action;
	struct str status;     /* "5.1.1" */
	struct str diagnostic; /* what the other side said, code first; empty: none */
	struct str remote;     /* its name; empty: we */
	int64_t tried_wall_ms;
	int64_t until_wall_ms; /* DELAYED: given up then */
	int64_t next_wall_ms;  /* DELAYED: tried next then */
	struct str words;      /* for the person who reads: why, in a sentence */
};
struct dsn {
	struct str host; /* Reporting-MTA */
	struct str to;   /* the sender who is told */
	struct str envid;
	struct str message_id; /* of this notification, without <> */
	int64_t now_wall_ms, arrived_wall_ms;
	const struct dsn_rcpt *rcpts; /* of one action */
	size_t n;
	struct str original; /* the message: its header block, or all of it with `full` (RET=FULL, and small) */
	bool full, utf8;
};
void dsn_write(struct buf *b, const struct dsn *d);
/* NOTIFY from the row's dsn words: is this to be told?  Without NOTIFY: failures and delays (RFC 3461 5.2). */
bool dsn_wanted(struct str dsn_words, struct str sender, enum dsn_action action);
/* xtext (RFC 3461 4) decoded, "rfc822;a+2Bb@c" -> type and address. */
bool dsn_orcpt(struct str orcpt, struct str *type, struct buf *address);
struct str dsn_word(struct str dsn_words, struct str key); /* "RET" -> "HDRS"; empty: none */
