#include "client/smtp.h"

#include <stdlib.h>

#include "base/num.h"

#define LINE_OCTETS 4096 /* of a reply's line; RFC 5321 4.5.3.1.5 asks for 512 */
#define LINES       100  /* of a reply */
#define WINDOW      100  /* RCPTs on their way at once: their replies must fit into the sockets' buffers */
#define COMMAND_MS  (5 * 60 * 1000)
#define DATA_MS     (10 * 60 * 1000)
#define BLOCK_MS    (3 * 60 * 1000)
#define QUIT_MS     2000
#define CHUNK       (64u << 10)

struct smtp_client {
	struct io *io;
	struct smtp_client_conf conf;
	struct smtp_offers offers;
	bool dead;
};

/* --- replies ----------------------------------------------------------------- */

static bool gone(struct smtp_client *c, struct err *e)
{
	c->dead = true;
	const struct err *why = io_error(c->io);
	return err_set(e, ERR_PEER, "%s", why->kind ? why->text : "the other side talks no SMTP");
}

/* "250-text": false when it is no reply line. */
static bool take_line(struct str line, int *code, bool *last, struct str *text)
{
	if (line.n < 3 || !ch_digit(line.p[0]) || !ch_digit(line.p[1]) || !ch_digit(line.p[2]))
		return false;
	*code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
	*last = line.n == 3 || line.p[3] != '-';
	*text = str_sub(line, 4, line.n);
	return *code >= 200 && *code < 600;
}

/* "5.1.1 text" (RFC 2034): the code goes to its place, if it fits the reply's. */
static void take_status(struct smtp_said *said, struct str *text)
{
	struct str rest = *text, status = str_cut(&rest, ' ');
	size_t dots = 0;
	for (size_t i = 0; i < status.n; i++) {
		if (status.p[i] != '.' && !ch_digit(status.p[i]))
			return;
		dots += status.p[i] == '.';
	}
	if (dots != 2 || status.n < 5 || status.n >= sizeof said->status || status.p[0] - '0' != said->code / 100)
		return;
	memcpy(said->status, status.p, status.n);
	said->status[status.n] = '\0';
	*text = rest;
}

/* One whole reply; `each` (may be NULL) is given the lines of it. */
static bool reply(struct smtp_client *c, int64_t ms, void (*each)(struct smtp_client *c, struct str line),
		  struct arena *a, struct smtp_said *said, struct err *e)
{
	struct buf all = { .max = LINES * 200 };
	bool last = false;
	*said = (struct smtp_said){ .text = STR_NONE };
	io_deadline(c->io, ms);
	for (unsigned i = 0; !last; i++) {
		struct str line, text;
		int code;
		enum io_got got = i < LINES ? io_line(c->io, &line, LINE_OCTETS) : IO_END;
		if (got == IO_END || !take_line(line, &code, &last, &text) || (i > 0 && code != said->code)) {
			buf_free(&all);
			said->code = 0;
			return gone(c, e);
		}
		said->code = code;
		take_status(said, &text);
		if (each && i > 0)
			each(c, text);
		buf_addz(&all, all.n > 0 && text.n > 0 ? " " : "");
		buf_add(&all, text);
	}
	said->text = str_dup(a, buf_str(&all));
	buf_free(&all);
	c->dead = c->dead || said->code == 421;
	return true;
}

static int64_t command_ms(const struct smtp_client *c)
{
	return c->conf.command_ms ? c->conf.command_ms : COMMAND_MS;
}

bool smtp_client_ask(struct smtp_client *c, struct str line, struct arena *a, struct smtp_said *said)
{
	struct err e;
	io_add(c->io, line);
	io_add(c->io, STR("\r\n"));
	return reply(c, command_ms(c), NULL, a, said, &e);
}

/* --- opening ------------------------------------------------------------------- */

static void take_offer(struct smtp_client *c, struct str line)
{
	struct smtp_offers *o = &c->offers;
	static const struct {
		const char *name;
		size_t offset;
	} flags[] = {
		{ "PIPELINING", offsetof(struct smtp_offers, pipelining) },
		{ "8BITMIME", offsetof(struct smtp_offers, eight_bit) },
		{ "SMTPUTF8", offsetof(struct smtp_offers, smtputf8) },
		{ "CHUNKING", offsetof(struct smtp_offers, chunking) },
		{ "DSN", offsetof(struct smtp_offers, dsn) },
		{ "STARTTLS", offsetof(struct smtp_offers, starttls) },
	};
	struct str word = str_cut(&line, ' ');
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (str_eqi(word, str_of(flags[i].name)))
			*(bool *)((char *)o + flags[i].offset) = true;
	if (str_eqi(word, STR("SIZE")) && !num_parse(str_trim(line), UINT64_MAX >> 1, &o->size))
		o->size = 0;
	if (str_eqi(word, STR("AUTH")) && line.n < sizeof o->auth) {
		memcpy(o->auth, line.p, line.n);
		o->auth[line.n] = '\0';
	}
}

/* The caller's error from a reply that was not what it should be. */
static bool refused(const struct smtp_said *said, const char *at, struct err *e)
{
	return err_set(e, said->code >= 500 ? ERR_PERM : ERR_TEMP, "%s: %d %s%s%.*s", at, said->code, said->status,
		       *said->status ? " " : "", STRF(said->text));
}

static bool hello(struct smtp_client *c, struct arena *a, struct smtp_said *said, struct err *e)
{
	bool tls = io_is_tls(c->io);
	const char *word = c->conf.lmtp ? "LHLO" : "EHLO";
	c->offers = (struct smtp_offers){ .tls = tls };
	io_printf(c->io, "%s %.*s\r\n", word, STRF(c->conf.helo));
	if (!reply(c, command_ms(c), take_offer, a, said, e))
		return false;
	if (said->code == 250)
		return true;
	/* Who knows no EHLO, after so many years, says so with one of these (RFC 5321 3.2). */
	if (c->conf.lmtp || (said->code != 500 && said->code != 502 && said->code != 504))
		return refused(said, word, e);
	io_printf(c->io, "HELO %.*s\r\n", STRF(c->conf.helo));
	return reply(c, command_ms(c), NULL, a, said, e) && (said->code == 250 || refused(said, "HELO", e));
}

static bool shake(struct smtp_client *c, bool *tls_failed, struct err *e)
{
	io_deadline(c->io, command_ms(c));
	*tls_failed = !io_tls_connect(c->io, c->conf.how, c->conf.host, e);
	c->dead = c->dead || *tls_failed;
	return !*tls_failed;
}

static bool secure(struct smtp_client *c, struct arena *a, struct smtp_said *said, bool *tls_failed, struct err *e)
{
	bool must = c->conf.tls == SMTP_TLS_REQUIRED;
	if (!must && (c->conf.tls != SMTP_TLS_IF_OFFERED || !c->offers.starttls))
		return true;
	if (!c->offers.starttls)
		return err_set(e, ERR_TEMP, "the other side offers no STARTTLS, and without TLS nothing may be sent");
	if (!smtp_client_ask(c, STR("STARTTLS"), a, said))
		return gone(c, e);
	if (said->code != 220)
		return !must || refused(said, "STARTTLS", e);
	return shake(c, tls_failed, e) && hello(c, a, said, e);
}

struct smtp_client *smtp_client_open(struct io *io, const struct smtp_client_conf *conf, struct arena *a,
				     struct smtp_said *said, bool *tls_failed, struct err *e)
{
	struct smtp_client *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->io = io;
	c->conf = *conf;
	*tls_failed = false;
	*said = (struct smtp_said){ .text = STR_NONE };
	if ((conf->tls != SMTP_TLS_IMPLICIT || shake(c, tls_failed, e)) &&
	    reply(c, conf->greeting_ms ? conf->greeting_ms : COMMAND_MS, NULL, a, said, e) &&
	    (said->code == 220 || refused(said, "greeting", e)) && hello(c, a, said, e) &&
	    secure(c, a, said, tls_failed, e))
		return c;
	smtp_client_close(c);
	return NULL;
}

void smtp_client_close(struct smtp_client *c)
{
	struct arena a = { 0 };
	struct smtp_said said;
	struct err e;
	if (!c)
		return;
	if (!c->dead && !io_error(c->io)->kind) {
		io_printf(c->io, "QUIT\r\n");
		reply(c, QUIT_MS, NULL, &a, &said, &e);
	}
	arena_reset(&a);
	io_free(c->io);
	free(c);
}

bool smtp_client_alive(const struct smtp_client *c)
{
	return !c->dead && !io_error(c->io)->kind;
}

const struct smtp_offers *smtp_client_offers(const struct smtp_client *c)
{
	return &c->offers;
}

/* --- a message -------------------------------------------------------------------- */

/* One at work. */
struct sending {
	struct smtp_client *c;
	struct smtp_letter *l;
	struct arena *a;
	struct err *e;
	size_t accepted; /* recipients */
};

static enum smtp_outcome outcome_of(int code)
{
	return code / 100 == 2 ? SMTP_DONE : code / 100 == 5 ? SMTP_NEVER : SMTP_LATER;
}

static void settle(struct smtp_rcpt *r, const struct smtp_said *said, enum smtp_outcome outcome)
{
	r->said = *said;
	r->outcome = outcome;
}

/* All who were not refused have the message's fate. */
static void settle_open(struct sending *s, const struct smtp_said *said, enum smtp_outcome outcome, bool unsure)
{
	for (size_t i = 0; i < s->l->n; i++) {
		struct smtp_rcpt *r = &s->l->rcpts[i];
		if (r->refused)
			continue;
		settle(r, said, outcome);
		r->unsure = unsure;
	}
}

static bool lost(struct sending *s, bool unsure)
{
	struct smtp_said none = { .text = STR_NONE };
	settle_open(s, &none, SMTP_LATER, unsure);
	return gone(s->c, s->e);
}

/* What the other side cannot take is not offered to it. */
static bool fits(struct sending *s)
{
	const struct smtp_offers *o = &s->c->offers;
	const struct smtp_letter *l = s->l;
	struct smtp_said why = { .text = STR_NONE };
	if (l->smtputf8 && !o->smtputf8)
		why = (struct smtp_said){ 0, "5.6.7",
					  STR("the other side does not take international addresses (SMTPUTF8)") };
	else if (l->eight_bit && !o->eight_bit)
		why = (struct smtp_said){ 0, "5.6.3", STR("the other side does not take 8-bit text (8BITMIME)") };
	else if (o->size > 0 && l->size > o->size)
		why = (struct smtp_said){ 0, "5.3.4", STR("the message is larger than the other side takes") };
	else
		return true;
	settle_open(s, &why, SMTP_NEVER, false);
	return false;
}

static void say_mail(struct sending *s)
{
	struct io *io = s->c->io;
	const struct smtp_letter *l = s->l;
	const struct smtp_offers *o = &s->c->offers;
	io_printf(io, "MAIL FROM:<%.*s>", STRF(l->sender));
	if (o->size > 0 && l->size > 0)
		io_printf(io, " SIZE=%llu", (unsigned long long)l->size);
	if (l->eight_bit)
		io_add(io, STR(" BODY=8BITMIME"));
	if (l->smtputf8)
		io_add(io, STR(" SMTPUTF8"));
	if (o->dsn && l->ret.n > 0)
		io_printf(io, " RET=%.*s", STRF(l->ret));
	if (o->dsn && l->envid.n > 0)
		io_printf(io, " ENVID=%.*s", STRF(l->envid));
	io_add(io, STR("\r\n"));
}

static void say_rcpt(struct sending *s, const struct smtp_rcpt *r)
{
	io_printf(s->c->io, "RCPT TO:<%.*s>", STRF(r->address));
	if (s->c->offers.dsn && r->notify.n > 0)
		io_printf(s->c->io, " NOTIFY=%.*s", STRF(r->notify));
	if (s->c->offers.dsn && r->orcpt.n > 0)
		io_printf(s->c->io, " ORCPT=%.*s", STRF(r->orcpt));
	io_add(s->c->io, STR("\r\n"));
}

static bool hear_rcpt(struct sending *s, struct smtp_rcpt *r)
{
	struct smtp_said said;
	if (!reply(s->c, command_ms(s->c), NULL, s->a, &said, s->e))
		return false;
	if (said.code / 100 == 2) {
		s->accepted++;
		return true;
	}
	r->refused = true;
	/* Some say 552 for too many recipients, which means later (RFC 5321 4.5.3.1.10). */
	settle(r, &said, said.code == 552 ? SMTP_LATER : outcome_of(said.code));
	return true;
}

/* MAIL and all RCPTs.  False: the connection is gone.  *mail_ok false: MAIL was refused, and all know it. */
static bool envelope(struct sending *s, bool *mail_ok)
{
	struct smtp_said said;
	bool pipelined = s->c->offers.pipelining, heard = false;
	*mail_ok = true;
	say_mail(s);
	for (size_t from = 0; from < s->l->n;) {
		size_t to = pipelined && from + WINDOW < s->l->n ? from + WINDOW : pipelined ? s->l->n : from + 1;
		if (!pipelined && !heard) {
			to = from;
		} else {
			for (size_t i = from; i < to; i++)
				say_rcpt(s, &s->l->rcpts[i]);
		}
		if (!heard && !reply(s->c, command_ms(s->c), NULL, s->a, &said, s->e))
			return false;
		if (!heard && said.code / 100 != 2)
			*mail_ok = false;
		heard = true;
		for (size_t i = from; i < to; i++)
			if (!hear_rcpt(s, &s->l->rcpts[i]))
				return false;
		from = to;
		if (!*mail_ok)
			break;
	}
	if (*mail_ok)
		return true;
	for (size_t i = 0; i < s->l->n; i++)
		s->l->rcpts[i].refused = false; /* what RCPT said after that was about nothing */
	settle_open(s, &said, outcome_of(said.code), false);
	return true;
}

/* --- its octets ------------------------------------------------------------------- */

/* Lines on their way: CRLF at each end, a dot doubled at a line's begin (RFC 5321 4.5.2). */
struct lines {
	bool begun;   /* in the middle of a line */
	bool cr;      /* the last octet was a CR that is not sent yet */
	bool stuffed; /* dots are doubled */
};

static void add_run(struct io *io, struct lines *k, struct str run)
{
	if (run.n == 0)
		return;
	if (!k->begun && k->stuffed && run.p[0] == '.')
		io_add(io, STR("."));
	k->begun = true;
	io_add(io, run);
}

static void end_line(struct io *io, struct lines *k)
{
	io_add(io, STR("\r\n"));
	k->begun = k->cr = false;
}

static void add_octets(struct io *io, struct lines *k, struct str s)
{
	while (s.n > 0) {
		size_t n = 0;
		if (k->cr) { /* alone or with its LF: one line end */
			str_skipc(&s, '\n');
			end_line(io, k);
			continue;
		}
		while (n < s.n && s.p[n] != '\r' && s.p[n] != '\n')
			n++;
		add_run(io, k, str_sub(s, 0, n));
		if (n < s.n && s.p[n] == '\n')
			end_line(io, k);
		k->cr = n < s.n && s.p[n] == '\r';
		s = str_sub(s, n + 1, s.n);
	}
}

static bool send_lines(struct sending *s, struct lines *k)
{
	struct str octets;
	do {
		struct err why = { 0 };
		if (!s->l->read(s->l->ctx, &octets, &why)) {
			/* Half a message must never look like a whole one. */
			io_fail(s->c->io, ERR_TEMP, why.text);
			return false;
		}
		io_deadline(s->c->io, BLOCK_MS);
		add_octets(s->c->io, k, octets);
	} while (octets.n > 0 && !io_error(s->c->io)->kind);
	if (k->begun || k->cr)
		end_line(s->c->io, k);
	return !io_error(s->c->io)->kind;
}

static bool final_replies(struct sending *s)
{
	struct smtp_said said;
	int64_t ms = s->c->conf.data_ms ? s->c->conf.data_ms : DATA_MS;
	for (size_t i = 0; s->c->conf.lmtp && i < s->l->n; i++) { /* RFC 2033 4.2 */
		struct smtp_rcpt *r = &s->l->rcpts[i];
		if (r->refused)
			continue;
		if (!reply(s->c, ms, NULL, s->a, &said, s->e)) {
			for (; i < s->l->n; i++)
				if (!s->l->rcpts[i].refused) {
					settle(&s->l->rcpts[i], &said, SMTP_LATER);
					s->l->rcpts[i].unsure = true;
				}
			return false;
		}
		settle(r, &said, outcome_of(said.code));
	}
	if (s->c->conf.lmtp)
		return true;
	if (!reply(s->c, ms, NULL, s->a, &said, s->e))
		return lost(s, true);
	settle_open(s, &said, outcome_of(said.code), false);
	return true;
}

/* DATA: what is wanted first is 354. */
static bool data(struct sending *s)
{
	struct smtp_said said;
	struct lines k = { .stuffed = true };
	io_add(s->c->io, STR("DATA\r\n"));
	if (!reply(s->c, command_ms(s->c), NULL, s->a, &said, s->e))
		return lost(s, false);
	if (said.code != 354) {
		settle_open(s, &said, said.code / 100 == 2 ? SMTP_LATER : outcome_of(said.code), false);
		return true;
	}
	if (!send_lines(s, &k))
		return lost(s, false);
	io_add(s->c->io, STR(".\r\n"));
	io_deadline(s->c->io, BLOCK_MS);
	return io_flush(s->c->io) ? final_replies(s) : lost(s, true);
}

/* A chunk must be of the length that it says, so it is made in memory. */
static bool chunks(struct sending *s)
{
	struct buf chunk = { 0 };
	struct io *out = io_strings(STR_NONE, &chunk);
	struct lines k = { .stuffed = false };
	struct smtp_said said;
	bool ok = true, last = false;
	while (ok && !last) {
		struct str octets = STR_NONE;
		struct err why = { 0 };
		while (ok && chunk.n < CHUNK && !last) {
			ok = s->l->read(s->l->ctx, &octets, &why);
			last = ok && octets.n == 0;
			add_octets(out, &k, octets);
		}
		if (!ok)
			io_fail(s->c->io, ERR_TEMP, why.text);
		if (last && (k.begun || k.cr))
			end_line(out, &k);
		io_printf(s->c->io, "BDAT %zu%s\r\n", chunk.n, last ? " LAST" : "");
		io_deadline(s->c->io, BLOCK_MS);
		io_add(s->c->io, buf_str(&chunk));
		buf_clear(&chunk);
		ok = ok && (last || reply(s->c, command_ms(s->c), NULL, s->a, &said, s->e));
		if (ok && !last && said.code / 100 != 2) {
			settle_open(s, &said, outcome_of(said.code), false);
			break;
		}
	}
	io_free(out);
	buf_free(&chunk);
	if (!ok)
		return lost(s, false);
	return !last || (io_flush(s->c->io) ? final_replies(s) : lost(s, true));
}

/* Make the session fit for the next message after one that was given up half-way. */
static bool reset(struct sending *s)
{
	struct smtp_said said;
	if (s->c->dead)
		return false;
	return smtp_client_ask(s->c, STR("RSET"), s->a, &said) && said.code == 250;
}

bool smtp_client_send(struct smtp_client *c, struct smtp_letter *l, struct arena *a, struct err *e)
{
	struct sending s = { .c = c, .l = l, .a = a, .e = e };
	bool mail_ok;
	for (size_t i = 0; i < l->n; i++)
		l->rcpts[i].refused = l->rcpts[i].unsure = false;
	if (!fits(&s))
		return true;
	if (!envelope(&s, &mail_ok))
		return lost(&s, false);
	if (!mail_ok || s.accepted == 0)
		return reset(&s);
	bool bdat = c->conf.chunking && c->offers.chunking;
	if (!(bdat ? chunks(&s) : data(&s)))
		return false;
	return !c->dead;
}
