/* A line that is a command: which, whether it may come now, and the small ones. */
#include "base/log.h"
#include "smtp/session.h"

typedef struct reply handler(struct session *s, struct str arg, struct next *next);
static handler cmd_helo, cmd_ehlo, cmd_starttls, cmd_rset, cmd_noop, cmd_quit, cmd_help, cmd_vrfy;

enum {
	MX = 1 << SMTP_MX,
	SUBMISSION = 1 << SMTP_SUBMISSION,
	LOCAL = 1 << SMTP_LOCAL,
	LMTP = 1 << SMTP_LMTP,
	ESMTP = MX | SUBMISSION | LOCAL,
	ALL = ESMTP | LMTP,
};
/* clang-format off */
static const struct command {
	const char *verb;
	unsigned doors, needs, forbids;
	handler *run;
	const char *help;
} commands[] = {
	/* verb       doors  must have  may not have			       RFC */
	{ "HELO",     ESMTP, 0,		0,		cmd_helo,	"HELO host" },				/* 5321 4.1.1.1 */
	{ "EHLO",     ESMTP, 0,		0,		cmd_ehlo,	"EHLO host" },
	{ "LHLO",     LMTP,  0,		0,		cmd_ehlo,	"LHLO host" },				/* 2033 4.1 */
	{ "STARTTLS", ALL,   0,		HAS_TLS | HAS_LOGIN | HAS_MAIL, cmd_starttls, "STARTTLS" },		/* 3207 4 */
	{ "AUTH",     ALL,   HAS_EHLO,	HAS_LOGIN | HAS_MAIL, smtp_auth, "AUTH mechanism [initial response]" },	/* 4954 4 */
	{ "MAIL",     ALL,   HAS_HELO,	HAS_MAIL,	smtp_mail,	"MAIL FROM:<address> [parameters]" },	/* 5321 4.1.1.2 */
	{ "RCPT",     ALL,   HAS_MAIL,	HAS_CHUNK,	smtp_rcpt,	"RCPT TO:<address> [parameters]" },	/* 4.1.1.3 */
	{ "DATA",     ALL,   HAS_MAIL,	HAS_CHUNK,	smtp_data,	"DATA" },				/* 4.1.1.4 */
	{ "BDAT",     ALL,   0,		0,		smtp_bdat,	"BDAT octets [LAST]" },			/* 3030 2 */
	{ "RSET",     ALL,   0,		0,		cmd_rset,	"RSET" },				/* 4.1.1.5 */
	{ "VRFY",     ALL,   0,		0,		cmd_vrfy,	"VRFY address" },			/* 4.1.1.6 */
	{ "EXPN",     ALL,   0,		0,		cmd_vrfy,	"EXPN list" },				/* 4.1.1.7 */
	{ "HELP",     ALL,   0,		0,		cmd_help,	"HELP [command]" },			/* 4.1.1.8 */
	{ "NOOP",     ALL,   0,		0,		cmd_noop,	"NOOP" },				/* 4.1.1.9 */
	{ "QUIT",     ALL,   0,		0,		cmd_quit,	"QUIT" },				/* 4.1.1.10 */
};
/* clang-format on */
#define NCOMMANDS (sizeof commands / sizeof *commands)

static const struct command *command_find(const struct session *s, struct str verb)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if ((commands[i].doors & 1u << s->conf->kind) && str_eqi(verb, str_of(commands[i].verb)))
			return &commands[i];
	return NULL;
}

/* A browser, a TLS client on the wrong port, somebody's script: no conversation will come of it. */
static struct reply not_smtp(struct session *s, struct str line, struct next *next)
{
	char ip[ADDR_TEXT];
	log_notice("smtp.nonsense", KVZ("ip", smtp_ip(s, ip)), KV("line", str_sub(line, 0, 64)));
	pen_misbehaved(s->peer, "first command is not SMTP");
	next->want = WANT_CLOSE;
	if (line.n == 0 || (unsigned char)line.p[0] < ' ' || (unsigned char)line.p[0] >= 0x7f)
		return REPLY_SENT; /* octets: no words are understood there */
	return (struct reply){ 500, "5.5.2", "This is an SMTP server, goodbye" };
}

/* Bare LF, CR and NUL end or hide things in other servers' eyes (RFC 5321 2.3.8): no command has them here. */
static bool line_clean(const struct unit *in)
{
	return !in->bare_lf && str_chr(in->line, '\r') == in->line.n && str_chr(in->line, '\0') == in->line.n;
}

static struct reply command_run(struct session *s, const struct unit *in, struct next *next)
{
	struct str arg = in->line;
	while (arg.n > 0 && ch_blank(arg.p[arg.n - 1])) /* RFC 5321 4.1.1: trailing blanks are tolerated */
		arg.n--;
	const struct command *c = command_find(s, str_cut(&arg, ' '));
	if (!s->spoke && (!c || !line_clean(in)))
		return not_smtp(s, in->line, next);
	s->spoke = true;
	if (!line_clean(in))
		return (struct reply){ 500, "5.5.2", "A command ends with CR LF and has neither inside, nor NUL" };
	if (in->line.n > s->conf->limits.line && (!c || c->run != smtp_auth)) {
		next->want = WANT_CLOSE;
		return (struct reply){ 500, "5.5.2", "Line too long" };
	}
	if (!c)
		return (struct reply){ 500, "5.5.1", "Command not known here" };
	if ((s->state & c->needs) != c->needs || (s->state & c->forbids))
		return (struct reply){ 503, "5.5.1", "Bad sequence of commands" };
	return c->run(s, arg, next);
}

/* Sequence errors (503) follow from one refusal by themselves when a client pipelines; they are not held against it. */
static bool is_bad(const struct reply *r)
{
	return (r->code >= 500 && r->code <= 504 && r->code != 503) || r->code == 555;
}

struct reply smtp_command(struct session *s, const struct unit *in, struct next *next)
{
	struct reply r = command_run(s, in, next);
	if (!is_bad(&r) || ++s->bad < s->conf->limits.bad_commands || next->want != WANT_LINE)
		return r;
	char ip[ADDR_TEXT];
	log_info("smtp.closed", KVZ("ip", smtp_ip(s, ip)), KVZ("why", "too many bad commands"));
	next->want = WANT_CLOSE;
	return (struct reply){ 421, "4.7.0", "Too many bad commands, goodbye" };
}

/* RFC 5321 4.1.1.1 wants a name or address literal; people's own machines call themselves anything. */
static bool helo_taken(const struct session *s, struct str name)
{
	if (helo_valid(name))
		return true;
	if (s->conf->kind == SMTP_MX || name.n == 0 || name.n > ADDRESS_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return false;
	return true;
}

/* The greeting starts all anew but the login (RFC 5321 4.1.4). */
static bool hello(struct session *s, struct str name, unsigned state)
{
	if (!helo_taken(s, name))
		return false;
	smtp_mail_end(s);
	arena_reset(&s->hello);
	s->helo = str_dup(&s->hello, name);
	s->state = (uint8_t)((s->state & (HAS_TLS | HAS_LOGIN)) | state);
	return true;
}

static struct reply cmd_helo(struct session *s, struct str arg, struct next *next)
{
	(void)next;
	if (!hello(s, arg, HAS_HELO))
		return (struct reply){ 501, "5.5.4", "A host name or [address] is missing or malformed" };
	return reply_make(250, "", "%.*s", STRF(s->conf->host));
}

/* One line of the answer to EHLO; what cannot be used now is not said. */
static void offer(struct session *s, const char *text)
{
	io_printf(s->io, "250-%s\r\n", text);
}

static struct reply cmd_ehlo(struct session *s, struct str arg, struct next *next)
{
	const struct smtp_limits *l = &s->conf->limits;
	(void)next;
	if (!hello(s, arg, HAS_HELO | HAS_EHLO))
		return (struct reply){ 501, "5.5.4", "A host name or [address] is missing or malformed" };
	io_printf(s->io, "250-%.*s\r\n", STRF(s->conf->host));
	offer(s, "PIPELINING");
	io_printf(s->io, "250-SIZE %llu\r\n", (unsigned long long)l->message);
	if (s->conf->tls && !(s->state & HAS_TLS))
		offer(s, "STARTTLS");
	if (smtp_may_login(s)) {
		struct arena a = { 0 };
		io_printf(s->io, "250-AUTH %.*s\r\n", STRF(smtp_mechanisms(s, &a)));
		arena_reset(&a);
	}
	offer(s, "ENHANCEDSTATUSCODES");
	offer(s, "8BITMIME");
	offer(s, "SMTPUTF8");
	offer(s, "CHUNKING");
	offer(s, "DSN");
	io_printf(s->io, "250-LIMITS RCPTMAX=%u MAILMAX=%u\r\n", l->recipients, l->mails);
	return (struct reply){ 250, "", "HELP" };
}

static struct reply cmd_starttls(struct session *s, struct str arg, struct next *next)
{
	if (arg.n > 0)
		return (struct reply){ 501, "5.5.4", "STARTTLS takes no parameters" };
	if (!s->conf->tls)
		return (struct reply){ 502, "5.5.1", "No TLS here" };
	s->expects = EXPECT_TLS;
	*next = (struct next){ .want = WANT_TLS, .tls = s->conf->tls };
	return (struct reply){ 220, "2.0.0", "Go ahead" };
}

static struct reply cmd_rset(struct session *s, struct str arg, struct next *next)
{
	(void)next;
	if (arg.n > 0)
		return (struct reply){ 501, "5.5.4", "RSET takes no parameters" };
	smtp_mail_end(s);
	return (struct reply){ 250, "2.0.0", "Forgotten" };
}

static struct reply cmd_noop(struct session *s, struct str arg, struct next *next)
{
	(void)s, (void)arg, (void)next;
	return (struct reply){ 250, "2.0.0", "Done" };
}

static struct reply cmd_quit(struct session *s, struct str arg, struct next *next)
{
	(void)s;
	if (arg.n > 0)
		return (struct reply){ 501, "5.5.4", "QUIT takes no parameters" };
	next->want = WANT_CLOSE;
	return (struct reply){ 221, "2.0.0", "Goodbye" };
}

static struct reply cmd_help(struct session *s, struct str arg, struct next *next)
{
	(void)next;
	const struct command *c = command_find(s, arg);
	if (c)
		return reply_make(214, "2.0.0", "%s", c->help);
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (commands[i].doors & 1u << s->conf->kind)
			io_printf(s->io, "214-2.0.0 %s\r\n", commands[i].help);
	return (struct reply){ 214, "2.0.0", "RFC 5321 says it all" };
}

/* RFC 5321 7.3: who is here is told by delivery, not by asking. */
static struct reply cmd_vrfy(struct session *s, struct str arg, struct next *next)
{
	(void)s, (void)next;
	if (arg.n == 0)
		return (struct reply){ 501, "5.5.4", "An address is missing" };
	return (struct reply){ 252, "2.5.0", "Not told; send mail and see" };
}
