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
	size_t line;		/* 2,048 octets, AUTH lines 12,288 (auth_line) */
	size_t auth_line;
	uint64_t message;	/* 100 MiB */
	unsigned recipients;	/* 100 mx, 1,000 submission and local */
	unsigned received;	/* 100 */
	unsigned bad_commands;	/* 10 */
	uint32_t header;	/* 256 KiB */
	unsigned header_fields; /* 1,000 */
	uint32_t body_line;	/* longest line taken; 0 = any */
};
struct smtp_conf {
	enum smtp_kind kind;
	struct str host;	/* our name in greeting, EHLO and Received */
	struct str greeting;	/* text after the host name; default "ESMTP Sluice" */
	struct store *store;
	const struct address_rules *rules;
	struct auth_client *auth; /* NULL: no AUTH */
	struct tls_server *tls;	  /* STARTTLS; NULL: none. Implicit TLS is the door's */
	bool auth_in_clear;	  /* allow AUTH and submission without TLS */
	bool cram_md5;
	bool repair_bare;	  /* bare CR/LF become CRLF instead of 550 5.6.11 (local) */
	bool hide_client;	  /* submission: no client address in Received */
	bool sandbox;		  /* localparts ending in temperror, permerror, 4xx/5xx code, timeout behave so; take mail for any domain's catchall rule */
	struct smtp_limits limits;
};
void smtp_limits_default(struct smtp_limits *l, enum smtp_kind kind);
/* A door for pen_listen with its time limits; `conf` must live as long as the pen. implicit: TLS from the first byte. */
struct door smtp_door(struct smtp_conf *conf, struct tls_server *implicit);
