/* smtp.h - the SMTP doors: mx, submission, the local socket and LMTP (RFC 5321, 6409, 2033).
 *
 * One session type, one table of commands; what a door may do is its conf.
 * A session is stepped by the pen; it commits before it says 250 and never
 * holds what a peer sent beyond the transaction.
 */
#pragma once
#include "client/auth.h"
#include "net/pen.h"
#include "store/account.h"
#include "store/db.h"

enum smtp_kind { SMTP_MX, SMTP_SUBMISSION, SMTP_LOCAL, SMTP_LMTP };
struct smtp_limits {
	size_t line; /* 2,048 octets, AUTH lines 12,288 (auth_line) */
	size_t auth_line;
	uint64_t message;        /* 100 MiB */
	unsigned recipients;     /* 100 mx, 1,000 submission and local */
	unsigned targets;        /* mailboxes and queue rows that the recipients of one message may become; 1,000 */
	unsigned mails;          /* transactions in one session; 100,000 */
	unsigned received;       /* 100 */
	unsigned bad_commands;   /* 10 */
	unsigned bad_recipients; /* refused in one session; 100 */
	unsigned bad_logins;     /* 10 */
	uint32_t header;         /* 256 KiB, never more than STAGE_HEAD */
	unsigned header_fields;  /* 1,000 */
	uint32_t body_line;      /* longest line taken; 0 = any */
	int64_t unit_ms;         /* for a command to arrive; 5 min */
	int64_t idle_ms;         /* without an octet; 30 s on mx, else 5 min */
	int64_t message_ms;      /* for all octets of a message; 30 min */
};
struct smtp_conf {
	enum smtp_kind kind;
	struct str host;     /* our name in greeting, EHLO and Received */
	struct str greeting; /* text after the host name; empty: "ESMTP Sluice" or "LMTP Sluice" */
	struct store *store;
	const struct address_rules *rules;
	struct auth_client *auth; /* NULL: no AUTH */
	struct tls_server *tls;   /* STARTTLS; NULL: none. Implicit TLS is the door's */
	bool auth_in_clear;       /* allow AUTH and submission without TLS */
	bool cram_md5;
	bool repair_bare; /* bare CR/LF become CRLF instead of 550 5.6.11 (local) */
	bool hide_client; /* submission: no client address in Received */
	/* Localparts ending in temperror, permerror, 4xx or 5xx, timeout behave so: after the message, or at once when
	 * they begin with "mailfrom" or "rcptto".  Mail for a domain that is not ours goes to the first catchall there
	 * is. */
	bool sandbox;
	struct smtp_limits limits;
};
void smtp_limits_default(struct smtp_limits *l, enum smtp_kind kind);
/* A door for pen_listen with its time limits; `conf` must live as long as the pen. implicit: TLS from the first byte.
 */
struct door smtp_door(struct smtp_conf *conf, struct tls_server *implicit);
