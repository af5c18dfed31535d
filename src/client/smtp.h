/* smtp.h - our own SMTP and LMTP conversations (RFC 5321, 2033).
 *
 * Blocking, over an io, one thread at a time: greet, secure the connection as told, log in if told, then send messages,
 * as many as the other side takes.  What it said stands in `struct smtp_said`, whole, so that a bounce can quote it;
 * lines, their number and the offers have bounds.  Time limits are those of RFC 5321 4.5.3.2.
 *
 * Outcomes are by recipient.  A connection that is lost after the last octet and before the final reply leaves it
 * open whether the message was taken: LATER, with `unsure`.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "net/io.h"

struct smtp_said {
	int code;        /* 0: nothing was said; the err says why */
	char status[12]; /* enhanced, "5.1.1"; empty: none */
	struct str text; /* all lines, joined by blanks, without codes */
};
enum smtp_tls {
	SMTP_TLS_NEVER,
	SMTP_TLS_IF_OFFERED, /* RFC 7435 */
	SMTP_TLS_REQUIRED,   /* STARTTLS, or fail */
	SMTP_TLS_IMPLICIT,   /* from the first octet */
};
struct smtp_client_conf {
	bool lmtp;
	struct str helo; /* our name */
	struct str host; /* theirs, for SNI and verification */
	enum smtp_tls tls;
	struct tls_client *how;                   /* what is verified; needed unless SMTP_TLS_NEVER */
	bool chunking;                            /* BDAT where it is offered (RFC 3030): one round trip less */
	int64_t greeting_ms, command_ms, data_ms; /* 0: 5 min, 5 min, 10 min */
};
struct smtp_client;
/* Takes the io, also when it fails.  NULL: `said` and `e` say why; ERR_PERM for a 5xx; *tls_failed: it was the
 * handshake, so one who only tried TLS may come again without. */
struct smtp_client *smtp_client_open(struct io *io, const struct smtp_client_conf *conf, struct arena *a,
				     struct smtp_said *said, bool *tls_failed, struct err *e);
void smtp_client_close(struct smtp_client *c);       /* QUIT, without waiting long; NULL is fine */
bool smtp_client_alive(const struct smtp_client *c); /* may be given another message */

struct smtp_offers {
	bool pipelining, eight_bit, smtputf8, chunking, dsn, starttls, tls; /* tls: it is in use */
	uint64_t size;                                                      /* 0: any */
	char auth[256];                                                     /* blank-separated mechanisms */
};
const struct smtp_offers *smtp_client_offers(const struct smtp_client *c);
/* One command of the caller's own (AUTH and what follows it): false when the connection is gone. */
bool smtp_client_ask(struct smtp_client *c, struct str line, struct arena *a, struct smtp_said *said);

enum smtp_outcome { SMTP_DONE, SMTP_LATER, SMTP_NEVER };
struct smtp_rcpt {
	struct str address;       /* without <> */
	struct str notify, orcpt; /* DSN parameters as given to us; empty: none */
	/* results */
	enum smtp_outcome outcome;
	struct smtp_said said;
	bool unsure;
	bool refused; /* at RCPT, so it is this address and not the message */
};
struct smtp_letter {
	struct str sender;
	struct str envid, ret;    /* DSN parameters; empty: none */
	bool eight_bit, smtputf8; /* it needs them: NEVER where they are not offered */
	uint64_t size;
	/* The next octets of the message, *octets empty at its end.  Line ends need not be right: CRLF is sent. */
	bool (*read)(void *ctx, struct str *octets, struct err *e);
	void *ctx;
	struct smtp_rcpt *rcpts;
	size_t n;
};
/* False: the connection is no use any more; outcomes are set all the same.  `e`: why, when nothing was said. */
bool smtp_client_send(struct smtp_client *c, struct smtp_letter *l, struct arena *a, struct err *e);
