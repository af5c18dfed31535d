/* AUTH (RFC 4954): the auth role answers, we carry its words and slow down who guesses. */
#include "base/log.h"
#include "smtp/session.h"

#define SLOW_FROM       3 /* the third failure waits a second, each further one a second more */
#define SLOW_MOST_MS    10000
#define EXPORTER_OCTETS 32
#define UNIQUE_MAX      64

static struct auth_who who_is_it(struct session *s, struct arena *a)
{
	struct auth_who who = { .service = "smtp", .remote = s->peer->remote.addr, .tls = s->state & HAS_TLS };
	uint8_t *exporter = arena_alloc(a, EXPORTER_OCTETS), *unique = arena_alloc(a, UNIQUE_MAX);
	size_t n = UNIQUE_MAX;
	who.exporter = who.unique = STR_NONE;
	if (who.tls && io_tls_exporter(s->io, exporter))
		who.exporter = (struct str){ (char *)exporter, EXPORTER_OCTETS };
	if (who.tls && io_tls_unique(s->io, unique, &n))
		who.unique = (struct str){ (char *)unique, n };
	return who;
}

struct str smtp_mechanisms(struct session *s, struct arena *a)
{
	struct auth_who who = who_is_it(s, a);
	/* Where a login is taken at all, a plain password is. */
	return auth_mechanisms(who.tls, who.exporter.n > 0, true, s->conf->cram_md5, a);
}

static bool offered(struct session *s, struct str mechanism, struct arena *a)
{
	struct str names = smtp_mechanisms(s, a);
	while (names.n > 0)
		if (str_eqi(str_cut(&names, ' '), mechanism))
			return true;
	return false;
}

static struct reply login_ok(struct session *s)
{
	char ip[ADDR_TEXT];
	s->state |= HAS_LOGIN;
	s->failed = s->bad = 0;
	log_info("smtp.login", KVZ("ip", smtp_ip(s, ip)), KV("account", s->account_name),
		 KVN("tls", (s->state & HAS_TLS) != 0));
	return (struct reply){ 235, "2.7.0", "Logged in" };
}

/* One line for every failure, made for tools that block addresses; its form never changes. */
static struct reply login_no(struct session *s, struct str user, struct str reason, struct next *next)
{
	char ip[ADDR_TEXT];
	log_notice("auth-failed", KVZ("ip", smtp_ip(s, ip)), KVZ("proto", "smtp"), KVQ("user", user),
		   KV("reason", reason));
	arena_reset(&s->life);
	s->account_name = STR_NONE;
	if (++s->failed >= SLOW_FROM) {
		int64_t ms = (int64_t)(s->failed - SLOW_FROM + 1) * 1000;
		next->delay_ms = ms < SLOW_MOST_MS ? ms : SLOW_MOST_MS;
	}
	if (s->failed >= s->conf->limits.bad_logins) {
		next->want = WANT_CLOSE;
		return (struct reply){ 421, "4.7.0", "Too many failed logins, goodbye" };
	}
	if (str_eq(reason, STR("cancelled")))
		return (struct reply){ 501, "5.7.0", "Login cancelled" };
	if (str_eq(reason, STR("malformed")))
		return (struct reply){ 501, "5.5.2", "Malformed response" };
	return (struct reply){ 535, "5.7.8", "Name or password is wrong" };
}

/* "334 ..." and the line that answers it. */
static struct reply challenge(struct session *s, struct str data, enum expects expects)
{
	struct buf b = { 0 };
	buf_addz(&b, "334 ");
	buf_base64(&b, data);
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	s->expects = (uint8_t)expects;
	return REPLY_SENT;
}

/* The end of a login, or the next challenge. */
static struct reply login_answer(struct session *s, const struct auth_answer *r, struct next *next)
{
	s->expects = EXPECT_COMMAND;
	switch (r->got) {
	case AUTH_OK:
		arena_reset(&s->life);
		s->account = r->account_id;
		s->account_name = str_dup(&s->life, r->account);
		/* SCRAM's last word goes as a challenge that an empty line answers (RFC 4954 4). */
		return r->data.n > 0 ? challenge(s, r->data, EXPECT_SASL_END) : login_ok(s);
	case AUTH_NO:
		return login_no(s, r->login, r->reason, next);
	case AUTH_MORE:
		return challenge(s, r->data, EXPECT_SASL);
	case AUTH_TEMP:
		break;
	}
	return (struct reply){ 454, "4.7.0", "Passwords cannot be checked now, please try again later" };
}

/* "=" stands for no octets, where an empty line would mean none were sent (RFC 4954 4). */
static bool unbase64(struct str text, struct arena *a, struct str *raw)
{
	struct buf b = { 0 };
	bool ok = str_eq(text, STR("=")) || buf_unbase64(&b, text);
	*raw = ok ? str_dup(a, buf_str(&b)) : STR_NONE;
	buf_free(&b);
	return ok;
}

static struct reply auth_refused(const struct session *s)
{
	if (!s->conf->auth)
		return (struct reply){ 503, "5.5.1", "No logins here" };
	if (s->conf->kind == SMTP_SUBMISSION)
		return (struct reply){ 530, "5.7.0", "Must issue STARTTLS first" };
	return (struct reply){ 538, "5.7.11", "Logins are taken under TLS only" };
}

struct reply smtp_auth(struct session *s, struct str arg, struct next *next)
{
	struct arena a = { 0 };
	struct reply r;
	bool has_initial = str_chr(arg, ' ') < arg.n;
	struct str mechanism = str_cut(&arg, ' '), initial = STR_NONE;
	if (!smtp_may_login(s))
		return auth_refused(s);
	if (mechanism.n == 0)
		return (struct reply){ 501, "5.5.4", "Syntax: AUTH mechanism [initial response]" };
	if (!offered(s, mechanism, &a)) {
		r = (struct reply){ 504, "5.5.4", "This mechanism is not offered" };
	} else if (has_initial && !unbase64(arg, &a, &initial)) {
		r = (struct reply){ 501, "5.5.2", "The initial response is not base64" };
	} else {
		struct auth_who who = who_is_it(s, &a);
		struct auth_answer got = auth_begin(s->conf->auth, &s->exchange, &who, mechanism, has_initial, initial,
						    &a);
		r = login_answer(s, &got, next);
	}
	arena_reset(&a);
	return r;
}

/* The answer to the server's last word is nothing, or a change of mind. */
static struct reply sasl_end(struct session *s, struct str line, struct next *next)
{
	s->expects = EXPECT_COMMAND;
	if (line.n == 0)
		return login_ok(s);
	return login_no(s, s->account_name, str_eq(line, STR("*")) ? STR("cancelled") : STR("malformed"), next);
}

struct reply smtp_sasl_line(struct session *s, struct str line, struct next *next)
{
	struct arena a = { 0 };
	struct reply r;
	struct str response;
	if (s->expects == EXPECT_SASL_END)
		return sasl_end(s, line, next);
	bool malformed = !unbase64(line, &a, &response);
	if (malformed) {
		auth_cancel(&s->exchange);
		s->expects = EXPECT_COMMAND;
		r = login_no(s, STR_NONE, str_eq(line, STR("*")) ? STR("cancelled") : STR("malformed"), next);
	} else {
		struct auth_answer got = auth_step(&s->exchange, response, &a);
		r = login_answer(s, &got, next);
	}
	arena_reset(&a);
	return r;
}
