#include "smtp/smtp.h"

#include "base/log.h"
#include "smtp/session.h"
#include <assert.h>
#include <stdlib.h>

#define WRITE_MS (5 * 60 * 1000)
#define MIN_RATE 256 /* octets a second */

void smtp_limits_default(struct smtp_limits *l, enum smtp_kind kind)
{
	*l = (struct smtp_limits){
		.line = 2048,
		.auth_line = 12288, /* RFC 4954 4 */
		.message = 100u << 20,
		.recipients = kind == SMTP_SUBMISSION || kind == SMTP_LOCAL ? 1000 : 100,
		.targets = 1000,
		.mails = 100000,
		.received = 100,
		.bad_commands = 10,
		.bad_recipients = 100,
		.bad_logins = 10,
		.header = 256u << 10,
		.header_fields = 1000,
		.unit_ms = 5 * 60 * 1000,
		.idle_ms = kind == SMTP_MX ? 30 * 1000 : 5 * 60 * 1000,
		.message_ms = 30 * 60 * 1000,
	};
}

const char *smtp_ip(const struct session *s, char out[ADDR_TEXT])
{
	return s->peer->unix_socket ? "local" : addr_text(s->peer->remote.addr, out);
}

bool smtp_may_login(const struct session *s)
{
	return s->conf->auth && !(s->state & HAS_LOGIN) &&
	       ((s->state & HAS_TLS) || s->conf->auth_in_clear || s->peer->unix_socket);
}

struct next smtp_want_line(const struct session *s)
{
	const struct smtp_limits *l = &s->conf->limits;
	/* The longer line is only for AUTH; smtp_command() turns others away. */
	bool sasl = smtp_may_login(s) && l->auth_line > l->line;
	return (struct next){ .want = WANT_LINE, .max = sasl ? l->auth_line : l->line };
}

void smtp_mail_end(struct session *s)
{
	if (s->mail)
		stage_drop(&s->mail->stage);
	s->mail = NULL;
	arena_reset(&s->arena);
	s->state &= (uint8_t) ~(HAS_MAIL | HAS_RCPT | HAS_CHUNK);
}

/* What must hold between two units. */
static void session_check(const struct session *s)
{
	assert(!(s->state & HAS_RCPT) || (s->state & HAS_MAIL));
	assert(!(s->state & HAS_MAIL) || (s->state & HAS_HELO));
	assert(!(s->state & HAS_MAIL) == !s->mail);
	assert(!(s->state & HAS_CHUNK) || (s->state & HAS_RCPT));
}

static struct next smtp_open(struct peer *peer, void **session)
{
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->peer = peer;
	s->io = peer->io;
	s->conf = peer->ctx;
	s->helo = s->account_name = STR_NONE;
	if (io_is_tls(s->io))
		s->state |= HAS_TLS;
	*session = s;
	struct str text = s->conf->greeting;
	if (text.n == 0)
		text = s->conf->kind == SMTP_LMTP ? STR("LMTP Sluice") : STR("ESMTP Sluice");
	io_printf(s->io, "220 %.*s %.*s\r\n", STRF(s->conf->host), STRF(text));
	return smtp_want_line(s);
}

/* RFC 3207 4.2: what the client said before, and what it got for it, counts no more. */
static struct next tls_begun(struct session *s)
{
	smtp_mail_end(s);
	arena_reset(&s->hello);
	s->helo = STR_NONE;
	s->state = HAS_TLS;
	s->expects = EXPECT_COMMAND;
	return smtp_want_line(s);
}

/* A line too long, too slow, or we stop: one last reply. */
static struct next trouble(struct session *s, enum trouble why)
{
	static const struct reply none = { 0 };
	static const struct reply long_line = { 500, "5.5.2", "Line too long" };
	static const struct reply long_sasl = { 500, "5.5.6", "Line too long" }; /* RFC 4954 6 */
	static const struct reply slow = { 421, "4.4.2", "Waited long enough, goodbye" };
	static const struct reply stop = { 421, "4.3.2", "Server is stopping, please come back" };
	static const struct reply busy = { 421, "4.3.2", "Server is busy, please come back" };
	const struct reply *r = &none;
	const char *what = NULL;
	char ip[ADDR_TEXT];
	switch (why) {
	case TROUBLE_LONG:
		r = s->expects == EXPECT_COMMAND ? &long_line : &long_sasl;
		what = "line too long";
		break;
	case TROUBLE_SLOW:
		r = &slow;
		what = "too slow";
		break;
	case TROUBLE_STOP:
		r = &stop;
		break;
	case TROUBLE_BUSY:
		r = &busy;
		what = "no worker free";
		break;
	case TROUBLE_TLS:
		what = "TLS handshake failed";
		break;
	case TROUBLE_NONE:
	case TROUBLE_EOF:
	case TROUBLE_GARBLED:
		break;
	}
	if (what)
		log_info("smtp.closed", KVZ("ip", smtp_ip(s, ip)), KVZ("why", what));
	if (why == TROUBLE_LONG && !s->spoke)
		pen_misbehaved(s->peer, "first line too long");
	reply_write(s->io, r);
	return (struct next){ .want = WANT_CLOSE };
}

static struct reply line(struct session *s, const struct unit *in, struct next *next)
{
	if (s->expects == EXPECT_SASL || s->expects == EXPECT_SASL_END)
		return smtp_sasl_line(s, in->line, next);
	return smtp_command(s, in, next);
}

static struct next smtp_step(void *session, const struct unit *in)
{
	struct session *s = session;
	struct reply r = REPLY_SENT;
	struct next next;
	if (in->kind == UNIT_TROUBLE)
		return trouble(s, in->trouble);
	if (in->kind == UNIT_TLS)
		return tls_begun(s);
	next = smtp_want_line(s);
	switch (in->kind) {
	case UNIT_LINE:
		r = line(s, in, &next);
		break;
	case UNIT_DATA:
		r = smtp_data_end(s, in, &next);
		break;
	case UNIT_OCTETS:
		r = smtp_chunk_end(s, &next);
		break;
	case UNIT_WAKE:
		r = smtp_commit(s);
		break;
	case UNIT_TLS:
	case UNIT_TROUBLE:
		break;
	}
	reply_write(s->io, &r);
	if (io_error(s->io)->kind != ERR_NONE) /* nobody reads what we say */
		next = (struct next){ .want = WANT_CLOSE };
	session_check(s);
	return next;
}

static void smtp_close(void *session)
{
	struct session *s = session;
	smtp_mail_end(s);
	auth_cancel(&s->exchange);
	arena_reset(&s->hello);
	arena_reset(&s->life);
	free(s);
}

struct door smtp_door(struct smtp_conf *conf, struct tls_server *implicit)
{
	static const char *const names[] = { "smtp", "submission", "local", "lmtp" };
	return (struct door){
		.name = names[conf->kind],
		.ctx = conf,
		.tls = implicit,
		.line_max = conf->limits.line,
		.unit_ms = conf->limits.unit_ms,
		.idle_ms = conf->limits.idle_ms,
		.write_ms = WRITE_MS,
		.min_rate = MIN_RATE,
		.open = smtp_open,
		.step = smtp_step,
		.close = smtp_close,
	};
}
