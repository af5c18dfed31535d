/* imap.h - the IMAP door (RFC 3501 and its extensions; the list stands in capability.c).
 *
 * A session is stepped by the pen with lines and literals; when a command is
 * whole it is done from top to bottom.  What a mailbox looks like to this
 * client (its sequence numbers, the modseq it has been told) stands in
 * view.h; all else is asked of the store, by pages, never across a write.
 */
#pragma once
#include "client/auth.h"
#include "net/pen.h"
#include "store/db.h"

struct imap_limits {
	size_t line_before, line;        /* 8 KiB before login, 64 KiB after */
	uint64_t literal_before;         /* 4 KiB */
	uint64_t literals;               /* 1 MiB in all, but for APPEND */
	unsigned literal_count;          /* 1,000 */
	unsigned nesting;                /* 50 */
	uint64_t append;                 /* 100 MiB */
	unsigned bad_commands;           /* 10 */
	bool compress;                   /* COMPRESS=DEFLATE is offered: no */
	int64_t idle_before_ms, idle_ms; /* 60 s before login, 30 min after */
	int64_t progress_ms;             /* a long SEARCH says how far it is: every 10 s (RFC 9585) */
};
struct imap_conf {
	struct str host;
	struct store *store;
	struct auth_client *auth;
	struct search_index *search; /* full-text index; NULL: none, SEARCH reads every message */
	struct tls_server *tls;      /* STARTTLS; NULL: none */
	bool auth_in_clear;          /* else LOGINDISABLED before TLS */
	bool cram_md5;
	struct str admin;   /* whom mail about this server is for; empty: not said */
	struct str preauth; /* account that every connection is logged in to (a local pipe); empty: none */
	struct imap_limits limits;
};
void imap_limits_default(struct imap_limits *l);
struct door imap_door(struct imap_conf *conf, struct tls_server *implicit);
/* The thread that turns bells into pen_wake() for idling sessions; one per role. */
bool imap_bell_start(struct store *st, struct err *e);
void imap_bell_stop(struct store *st);
