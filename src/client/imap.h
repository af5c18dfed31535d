/* imap.h - our own IMAP client: somebody else's mailboxes, read and written (RFC 9051, 3501).
 *
 * A blocking conversation over an io, one command at a time; what it needs of
 * the server beyond RFC 3501 it asks for by capability.  It knows neither our
 * store nor whence a password comes.  Mailboxes are named as the server names
 * them (`wire`); imap_list() gives each name in UTF-8 beside it.
 *
 * What the server says is a stranger's: lines, literals, lists and nesting
 * have bounds, and whatever does not follow the grammar ends the conversation
 * with ERR_PEER.  A NO is ERR_PERM, or ERR_QUOTA or ERR_TEMP where its code
 * says so (RFC 5530); after it the conversation goes on.  A client belongs to
 * one thread.  Results live in the arena given, or until the next call.
 */
#pragma once
#include "net/io.h"
#include "net/pen.h"       /* struct sink */
#include "store/mailbox.h" /* enum msg_flag, enum special_use */

#define IMAP_CLIENT_LINE    (4u << 20)  /* octets of a line; SEARCH of 400,000 messages fits */
#define IMAP_CLIENT_LITERAL (64u << 10) /* octets of a literal that is no message */
#define IMAP_CLIENT_LIST    20000       /* mailboxes */
#define IMAP_CLIENT_NEST    50

enum imap_secure {
	IMAP_SECURE_TLS,      /* from the first octet: port 993 */
	IMAP_SECURE_STARTTLS, /* or nothing: never in the clear when the server has none */
	IMAP_SECURE_NONE,     /* the caller knows the way to be safe: loopback, a tunnel */
};
struct imap_to {
	const struct addrport *at; /* tried in this order */
	size_t nat;
	struct str host; /* whom the certificate must name */
	enum imap_secure secure;
	struct tls_client *tls; /* verifying, unless `pin` is set */
	const uint8_t *pin;     /* SHA-256 of the certificate that it must have (32 octets); NULL: none */
	int64_t connect_ms;     /* for connection, TLS and greeting; 0 = 30 s */
	int64_t wait_ms;        /* for each answer, and each 64 KiB of a message; 0 = 5 min */
};
struct imap_client;
struct imap_client *imap_connect(const struct imap_to *to, struct err *e);
/* For tests and tunnels: over an io, which it takes. */
struct imap_client *imap_over(struct io *io, struct err *e);
/* LOGOUT, as far as the server still listens; NULL is fine. */
void imap_close(struct imap_client *c);

/* `mechanism` NULL: the strongest that both have (SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN,
 * LOGIN, the LOGIN command).  ERR_PERM: refused. */
bool imap_login(struct imap_client *c, struct str login, struct str password, const char *mechanism, struct err *e);
/* Has the server announced it? "UIDPLUS", "AUTH=PLAIN". */
bool imap_can(const struct imap_client *c, const char *capability);
/* How the login went: the mechanism's name, "" before it. */
const char *imap_mechanism(const struct imap_client *c);

/* --- mailboxes ----------------------------------------------------------- */

struct imap_box {
	struct str wire;      /* as the server spells it */
	struct str name;      /* UTF-8, levels parted by "/"; without the prefix of the personal namespace */
	bool selectable;      /* neither \Noselect nor \NonExistent */
	bool foreign;         /* in a namespace of others or a shared one */
	enum special_use use; /* by the server's word (RFC 6154) */
};
/* All of them, in the server's order. */
bool imap_list(struct imap_client *c, struct arena *a, struct imap_box **out, size_t *n, struct err *e);
bool imap_create(struct imap_client *c, struct str wire, struct err *e);
/* A name of ours as this server would spell it: its delimiter, its namespace, modified UTF-7. */
struct str imap_wire(struct imap_client *c, struct str name, struct arena *a);

struct imap_selected {
	uint32_t exists, uidvalidity, uidnext; /* uidnext 0: not said */
	bool read_only;
};
/* `look`: EXAMINE, which changes nothing, not even \Recent. */
bool imap_select(struct imap_client *c, struct str wire, bool look, struct imap_selected *out, struct err *e);

/* --- messages -------------------------------------------------------------- */

struct imap_message {
	uint32_t seq, uid; /* uid 0: not said */
	bool has_flags, has_body;
	unsigned flags;
	struct str keywords;      /* blank-separated */
	int64_t internal_wall_ms; /* 0: not said */
	uint64_t size;            /* RFC822.SIZE; 0: not said */
	uint64_t body_octets;     /* of the literal */
	bool body_skipped;        /* it was longer than `body_max`, and nothing of it went to the sink */
};
/* FETCH, or UID FETCH: "1:100", "(UID FLAGS BODY.PEEK[])".  Then imap_fetch_next() until IMAP_FETCH_END; no other call
 * before that.  Answers that nobody asked for come too (flags that changed meanwhile): look at has_body, uid. */
bool imap_fetch(struct imap_client *c, bool uids, struct str set, const char *items, struct err *e);
enum imap_fetched { IMAP_FETCH_MESSAGE, IMAP_FETCH_END, IMAP_FETCH_ERROR };
/* The octets of BODY[] go to `body` (may be NULL) before this returns.  A sink that says no is not given more of this
 * message, and the message comes as skipped. */
enum imap_fetched imap_fetch_next(struct imap_client *c, struct sink *body, uint64_t body_max, struct imap_message *m,
				  struct err *e);

/* UID SEARCH: "UNSEEN SINCE 1-Feb-2024", ASCII. Ascending. */
bool imap_search(struct imap_client *c, const char *keys, struct arena *a, uint32_t **uids, size_t *n, struct err *e);
/* UID STORE: '+' adds, '-' removes, '=' sets. */
bool imap_store(struct imap_client *c, struct str set, char op, unsigned flags, struct str keywords, struct err *e);

struct imap_appended {
	uint32_t uidvalidity, uid; /* 0: the server has no UIDPLUS (RFC 4315) */
};
/* The message is the parts, one behind the other.  internal_wall_ms 0: the server's now. */
bool imap_append(struct imap_client *c, struct str wire, unsigned flags, struct str keywords, int64_t internal_wall_ms,
		 const struct str *parts, size_t nparts, struct imap_appended *out, struct err *e);
