/* LOGIN and AUTHENTICATE: the auth role answers, we slow down who guesses. */
#include "base/log.h"
#include "imap/command.h"

#define SASL_LINE_MAX   12288 /* RFC 4954 4 wants that much for SMTP; no less here */
#define SLOW_FROM       3     /* the third failure waits a second, each further one a second more */
#define SLOW_MOST_MS    10000
#define EXPORTER_OCTETS 32
#define UNIQUE_MAX      64

static struct auth_who who_is_it(struct session *s, struct arena *a)
{
	struct auth_who who = { .service = "imap", .remote = s->peer->remote.addr, .tls = io_is_tls(s->io) };
	uint8_t *exporter = arena_alloc(a, EXPORTER_OCTETS), *unique = arena_alloc(a, UNIQUE_MAX);
	size_t n = UNIQUE_MAX;
	who.exporter = who.unique = STR_NONE;
	if (who.tls && io_tls_exporter(s->io, exporter))
		who.exporter = (struct str){ (char *)exporter, EXPORTER_OCTETS };
	if (who.tls && io_tls_unique(s->io, unique, &n))
		who.unique = (struct str){ (char *)unique, n };
	return who;
}

static bool in_the_clear(const struct session *s)
{
	return !io_is_tls(s->io) && !s->conf->auth_in_clear && !s->peer->unix_socket;
}

static struct reply login_ok(struct session *s, struct cmd *c, const struct auth_answer *r)
{
	char ip[ADDR_TEXT];
	s->account = r->account_id;
	s->account_name = str_dup(&s->life, r->account);
	s->state = LOGGED_IN;
	s->failed = s->bad = 0;
	log_info("imap.login", KVZ("ip", addr_text(s->peer->remote.addr, ip)), KV("account", r->account),
		 KV("user", r->login), KVN("tls", io_is_tls(s->io)));
	c->next = want_line(s);
	struct str can = capabilities(s, c->a);
	return (struct reply){ REPLY_OK, str_fmt(c->a, "CAPABILITY %.*s", STRF(can)), STR("Logged in") };
}

/* One line for every failure, made for tools that block addresses; its form never changes. */
static struct reply login_no(struct session *s, struct cmd *c, struct str user, struct str reason)
{
	char ip[ADDR_TEXT];
	log_notice("auth-failed", KVZ("ip", addr_text(s->peer->remote.addr, ip)), KVZ("proto", "imap"),
		   KVQ("user", user), KV("reason", reason));
	c->next = want_line(s);
	if (++s->failed >= IMAP_LOGIN_TRIES) {
		c->next = say_bye(s, "Too many failed logins");
		c->next.delay_ms = SLOW_MOST_MS;
	} else if (s->failed >= SLOW_FROM) {
		int64_t ms = (int64_t)(s->failed - SLOW_FROM + 1) * 1000;
		c->next.delay_ms = ms < SLOW_MOST_MS ? ms : SLOW_MOST_MS;
	}
	if (str_eq(reason, STR("cancelled")))
		return BAD("Authentication cancelled");
	return NO_CODE("AUTHENTICATIONFAILED", "Name or password is wrong");
}

/* "+ data", and wait for the client's answer under the tag of the command. */
static struct reply challenge(struct session *s, struct cmd *c, struct str data)
{
	struct buf b = { 0 };
	buf_addz(&b, "+ ");
	buf_base64(&b, data);
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	memcpy(s->tag, c->tag.p, c->tag.n);
	s->tag[c->tag.n] = '\0';
	s->expects = EXPECT_SASL;
	c->next = want_line(s);
	c->next.max = SASL_LINE_MAX;
	return (struct reply){ 0 };
}

/* The end of a login, or the next challenge. */
static struct reply login_answer(struct session *s, struct cmd *c, const struct auth_answer *r, struct str user)
{
	s->expects = EXPECT_COMMAND;
	switch (r->got) {
	case AUTH_OK:
		if (r->data.n == 0)
			return login_ok(s, c, r);
		/* IMAP has no room for it in the OK: a challenge, to which the client says nothing (RFC 3501 6.2.2). */
		s->account = r->account_id;
		s->account_name = str_dup(&s->life, r->account);
		s->exchange_ends = true;
		return challenge(s, c, r->data);
	case AUTH_NO:
		return login_no(s, c, user.n ? user : r->login, r->reason);
	case AUTH_TEMP:
		c->next = want_line(s);
		return NO_CODE("UNAVAILABLE", "Cannot check passwords now, please try again later");
	case AUTH_MORE:
		break;
	}
	return challenge(s, c, r->data);
}

struct reply cmd_login(struct session *s, struct cmd *c)
{
	struct str user, password;
	if (!parse_astring(&c->in, &user, "a user name") || !parse_space(&c->in) ||
	    !parse_astring(&c->in, &password, "a password") || !parse_end(&c->in))
		return reply_bad(c);
	if (in_the_clear(s))
		return NO_CODE("PRIVACYREQUIRED", "Use STARTTLS first");
	if (!s->conf->auth)
		return NO("No logins here");
	struct auth_who who = who_is_it(s, c->a);
	struct auth_answer r = auth_password(s->conf->auth, &who, user, password, c->a);
	return login_answer(s, c, &r, user);
}

static bool offered(struct session *s, struct str mechanism, const struct auth_who *who, struct arena *a)
{
	struct str names = auth_mechanisms(who->tls, who->exporter.n > 0, true, s->conf->cram_md5, a);
	while (names.n > 0)
		if (str_eqi(str_cut(&names, ' '), mechanism))
			return true;
	return false;
}

static bool unbase64(struct str text, struct arena *a, struct str *raw)
{
	struct buf b = { 0 };
	bool ok = str_eq(text, STR("=")) || buf_unbase64(&b, text); /* "=" is an empty response (RFC 4959 3) */
	*raw = ok ? str_dup(a, buf_str(&b)) : STR_NONE;
	buf_free(&b);
	return ok;
}

struct reply cmd_authenticate(struct session *s, struct cmd *c)
{
	struct str mechanism, initial = STR_NONE;
	if (!parse_atom(&c->in, &mechanism, "a mechanism"))
		return reply_bad(c);
	bool has_initial = parse_try(&c->in, ' ');
	if (has_initial && !unbase64(str_sub(c->in.all, c->in.at, c->in.all.n), c->a, &initial))
		return BAD("The initial response is not base64");
	if (!has_initial && !parse_end(&c->in))
		return reply_bad(c);
	if (in_the_clear(s))
		return NO_CODE("PRIVACYREQUIRED", "Use STARTTLS first");
	struct auth_who who = who_is_it(s, c->a);
	if (!s->conf->auth || !offered(s, mechanism, &who, c->a))
		return NO("No such mechanism here; CAPABILITY has the list");
	struct auth_answer r = auth_begin(s->conf->auth, &s->exchange, &who, mechanism, has_initial, initial, c->a);
	return login_answer(s, c, &r, STR_NONE);
}

/* The client has seen the server's last data: "" is agreement. */
static struct reply exchange_end(struct session *s, struct cmd *c, struct str line)
{
	s->expects = EXPECT_COMMAND;
	s->exchange_ends = false;
	struct auth_answer r = { AUTH_OK, .account_id = s->account, .account = s->account_name,
				 .login = s->account_name };
	if (line.n == 0)
		return login_ok(s, c, &r);
	s->account = 0;
	s->account_name = STR_NONE;
	return login_no(s, c, r.account, STR("cancelled"));
}

static struct reply sasl_answer(struct session *s, struct cmd *c, struct str line)
{
	struct str raw;
	if (s->exchange_ends)
		return exchange_end(s, c, line);
	if (str_eq(line, STR("*"))) {
		auth_cancel(&s->exchange);
		s->expects = EXPECT_COMMAND;
		return login_no(s, c, STR_NONE, STR("cancelled"));
	}
	if (!unbase64(line, c->a, &raw)) {
		auth_cancel(&s->exchange);
		s->expects = EXPECT_COMMAND;
		return BAD("The response is not base64");
	}
	struct auth_answer r = auth_step(&s->exchange, raw, c->a);
	return login_answer(s, c, &r, STR_NONE);
}

struct next sasl_line(struct session *s, struct str line)
{
	struct arena a = { 0 };
	struct cmd c = { .a = &a, .tag = str_dup(&a, str_of(s->tag)), .next = want_line(s) };
	struct reply r = sasl_answer(s, &c, line);
	struct next next = command_answer(s, &c, &r);
	arena_reset(&a);
	return next;
}
