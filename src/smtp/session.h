/* session.h - one SMTP connection, and the mail transaction it is in.
 *
 * A session that waits between transactions is this struct and the name that
 * its client gave: nothing else.  All of a transaction (envelope, stage,
 * targets) lives in the `mail` arena and ends with it, however it ends.
 * A handler returns its reply, so it cannot answer twice or forget to; what the
 * session wants next is "a line" unless the handler says otherwise.
 */
#pragma once
#include "mail/address.h"
#include "smtp/intake.h"
#include "smtp/params.h"
#include "smtp/reply.h"
#include "smtp/smtp.h"
#include "store/content.h"
#include "store/mailbox.h"

/* What has been achieved; the table of commands asks for these. */
enum {
	HAS_HELO = 1 << 0,
	HAS_EHLO = 1 << 1, /* with extensions: EHLO or LHLO */
	HAS_MAIL = 1 << 2,
	HAS_RCPT = 1 << 3,
	HAS_CHUNK = 1 << 4, /* BDAT has begun */
	HAS_LOGIN = 1 << 5,
	HAS_TLS = 1 << 6,
};
enum expects { EXPECT_COMMAND, EXPECT_SASL, EXPECT_SASL_END, EXPECT_DATA, EXPECT_CHUNK, EXPECT_TIMER, EXPECT_TLS };
enum chunk { CHUNK_MORE, CHUNK_LAST, CHUNK_SEQUENCE, CHUNK_LARGE }; /* the last two: octets are thrown away */

#define MAIL_ID 12 /* characters, 60 random bits */

struct rcpt {
	struct str address; /* as given; the same pointer for the same address */
	unsigned code;      /* sandbox: the code it asks for; else 0 */
	bool gone;          /* its accounts were removed before the commit */
	bool full;          /* LMTP: they have no room */
};
struct mail {
	char id[MAIL_ID + 1];
	int64_t began_mono_ms;
	struct str from; /* printed, without <> */
	struct mail_params params;
	struct rcpt *rcpts;
	size_t nrcpts, rcpts_cap;
	struct target *targets; /* `recipient` is the address of the rcpt that it is for */
	size_t ntargets, targets_cap;
	unsigned code; /* sandbox: what the sender asks for */
	bool hold;     /* sandbox: the answer waits until the peer is tired */
	struct stage stage;
	struct intake intake;
	struct str index; /* of the MIME structure */
};
struct session {
	struct peer *peer;
	struct io *io;
	struct smtp_conf *conf;
	uint8_t state, expects, chunk;
	bool spoke; /* a first command has been understood */
	unsigned bad, bad_rcpts, failed, mails;
	struct arena hello; /* the name given with EHLO */
	struct str helo;
	struct arena life; /* the account's name */
	struct str account_name;
	int64_t account; /* counts when HAS_LOGIN */
	struct auth_exchange *exchange;
	struct sink discard; /* for octets of refused chunks */
	struct arena arena;  /* the transaction's */
	struct mail *mail;   /* NULL: none */
};

/* smtp.c */
struct next smtp_want_line(const struct session *s);
void smtp_mail_end(struct session *s);
const char *smtp_ip(const struct session *s, char out[ADDR_TEXT]);
bool smtp_may_login(const struct session *s); /* is a password taken here, now? */

/* command.c: a line that is a command. */
struct reply smtp_command(struct session *s, const struct unit *in, struct next *next);

/* envelope.c */
struct reply smtp_mail(struct session *s, struct str arg, struct next *next);
struct reply smtp_rcpt(struct session *s, struct str arg, struct next *next);
/* Does the address belong to who is logged in? */
bool smtp_belongs(struct session *s, struct str local, struct str domain, bool *belongs, struct err *e);

/* receive.c: DATA and BDAT, until all octets are here. */
struct reply smtp_data(struct session *s, struct str arg, struct next *next);
struct reply smtp_bdat(struct session *s, struct str arg, struct next *next);
struct reply smtp_data_end(struct session *s, const struct unit *in, struct next *next);
struct reply smtp_chunk_end(struct session *s, struct next *next);

/* message.c: what follows when they are. */
struct reply smtp_message(struct session *s, const struct counts *seen, struct next *next);
struct reply smtp_commit(struct session *s);
/* The transaction is over: the reply to its last octet, in LMTP sent for each recipient. */
struct reply smtp_answer(struct session *s, const struct reply *all);

/* fields.c: the header fields of a message; false: `why` refuses it. */
bool smtp_fields(struct session *s, struct next *next, struct reply *why);

/* trace.c: the fields that a recipient's copy begins with. */
void smtp_trace(struct session *s, int64_t wall_ms);

/* login.c */
struct reply smtp_auth(struct session *s, struct str arg, struct next *next);
struct reply smtp_sasl_line(struct session *s, struct str line, struct next *next);
struct str smtp_mechanisms(struct session *s, struct arena *a);

/* sandbox.c: what a localpart asks for: 0 nothing, 400-599 that code, SANDBOX_HOLD no answer for an hour. */
#define SANDBOX_HOLD    1
#define SANDBOX_HOLD_MS (60 * 60 * 1000)
unsigned smtp_sandbox_code(const struct session *s, struct str local);
struct reply smtp_sandbox_reply(unsigned code);
