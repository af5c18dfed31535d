/* MAIL and RCPT: who sends, to whom, and may they. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "smtp/session.h"

/* A refusal by policy: one line in the log. `from` and `to` may be empty. */
static struct reply refuse(struct session *s, struct reply r, struct str from, struct str to, const char *why)
{
	char ip[ADDR_TEXT];
	log_info("smtp.refused", KVZ("id", s->mail ? s->mail->id : ""), KVZ("ip", smtp_ip(s, ip)), KV("from", from),
		 KV("to", to), KVN("code", r.code), KVZ("why", why));
	return r;
}

/* MAIL FROM:<...>; a blank after the colon is what many programs send. False: the path is malformed. */
static bool take_path(struct session *s, struct str *arg, struct str word, struct address *path, bool *null)
{
	if (!str_skip(arg, word))
		return false;
	str_skipc(arg, ' ');
	/* Whether SMTPUTF8 was said stands behind the path, so it is judged afterwards. */
	return path_parse(arg, true, &s->arena, path, null);
}

bool smtp_belongs(struct session *s, struct str local, struct str domain, bool *belongs, struct err *e)
{
	struct arena a = { 0 };
	struct str key;
	bool ok = true;
	*belongs = false;
	if (domain.n > 0 && address_domain_key(&a, domain, &key))
		ok = address_belongs(s->conf->store, s->conf->rules, s->account, local, key, belongs, e);
	arena_reset(&a);
	return ok;
}

/* The doors of our own people ask who they are first. */
static bool admitted(struct session *s, struct reply *why)
{
	bool clear = !(s->state & HAS_TLS) && !s->conf->auth_in_clear && !s->peer->unix_socket;
	if (s->conf->kind != SMTP_SUBMISSION)
		return true;
	if (clear)
		*why = (struct reply){ 530, "5.7.0", "Must issue STARTTLS first" };
	else if (!(s->state & HAS_LOGIN))
		*why = (struct reply){ 530, "5.7.0", "Log in first" };
	return !clear && (s->state & HAS_LOGIN);
}

static bool sender_allowed(struct session *s, const struct address *from, bool null, struct reply *why)
{
	struct err e;
	bool belongs = true;
	if (!(s->state & HAS_LOGIN) || null)
		return true;
	if (!smtp_belongs(s, from->local, from->literal ? STR_NONE : from->domain, &belongs, &e)) {
		*why = reply_trouble("MAIL", s->mail->id, &e);
		return false;
	}
	if (!belongs)
		*why = refuse(s, (struct reply){ 550, "5.7.1", "The sender's address is not one of yours" },
			      s->mail->from, STR_NONE, "sender is not the account's");
	return belongs;
}

static bool size_allowed(struct session *s, struct reply *why)
{
	struct err e;
	uint64_t size = s->mail->params.size;
	if (size > s->conf->limits.message) {
		*why = refuse(s,
			      reply_make(552, "5.3.4", "At most %llu octets are taken here",
					 (unsigned long long)s->conf->limits.message),
			      s->mail->from, STR_NONE, "too large");
		return false;
	}
	if (store_room(s->conf->store, size, &e))
		return true;
	*why = reply_trouble("MAIL", s->mail->id, &e);
	return false;
}

/* All that is said about a sender; false: `why`. */
static bool sender_taken(struct session *s, struct str arg, struct reply *why)
{
	struct mail *m = s->mail;
	struct address from;
	bool null = false;
	if (!take_path(s, &arg, STR("FROM:"), &from, &null)) {
		*why = (struct reply){ 501, "5.1.7", "Syntax: MAIL FROM:<address>" };
		return false;
	}
	if (!mail_params_parse(arg, &m->params, why))
		return false;
	if (from.utf8 && !m->params.smtputf8) {
		*why = (struct reply){ 553, "5.6.7", "This sender needs SMTPUTF8" };
		return false;
	}
	m->params.envid = str_dup(&s->arena, m->params.envid);
	m->from = address_text(&s->arena, &from);
	unsigned code = smtp_sandbox_code(s, from.local);
	if (!str_startsi(from.local, STR("mailfrom")))
		m->code = code > SANDBOX_HOLD ? code : 0;
	m->hold = code == SANDBOX_HOLD;
	if (code > SANDBOX_HOLD && m->code == 0) {
		*why = smtp_sandbox_reply(code);
		return false;
	}
	return sender_allowed(s, &from, null, why) && size_allowed(s, why);
}

struct reply smtp_mail(struct session *s, struct str arg, struct next *next)
{
	struct reply why;
	if (!admitted(s, &why))
		return why;
	if (s->mails >= s->conf->limits.mails) { /* RFC 9422 4.1 */
		next->want = WANT_CLOSE;
		return (struct reply){ 421, "4.5.3", "Too many messages in one session, please connect again" };
	}
	s->mail = ARENA_NEW(&s->arena, struct mail);
	s->mail->from = STR_NONE;
	s->mail->began_mono_ms = clock_mono_ms();
	random_id(s->mail->id, MAIL_ID);
	if (!sender_taken(s, arg, &why)) {
		smtp_mail_end(s);
		return why;
	}
	s->state |= HAS_MAIL;
	s->mails++;
	return (struct reply){ 250, "2.1.0", "Sender accepted" };
}

/* May mail go elsewhere from here? */
static bool may_relay(const struct session *s)
{
	return s->conf->kind == SMTP_LOCAL || (s->conf->kind != SMTP_LMTP && (s->state & HAS_LOGIN));
}

static enum found find(struct session *s, const struct address *to, struct found_address *found, struct err *e)
{
	const struct address_rules *rules = s->conf->rules;
	struct str domain = STR_NONE;
	enum found f = NOT_OURS;
	if (to->literal || (to->domain.n > 0 && !address_domain_key(&s->arena, to->domain, &domain)))
		return NOT_OURS;
	f = address_find(s->conf->store, rules, to->local, domain, &s->arena, found, e);
	/* In the sandbox all the world's addresses are somebody's here. */
	for (size_t i = 0; s->conf->sandbox && !may_relay(s) && f == NOT_OURS && i < rules->ndomains; i++)
		if (rules->domains[i].catchall.n > 0)
			f = address_find(s->conf->store, rules, to->local, rules->domains[i].name, &s->arena, found, e);
	return f;
}

static bool add_target(struct session *s, struct target t)
{
	struct mail *m = s->mail;
	if (m->ntargets >= s->conf->limits.targets)
		return false;
	m->targets = arena_grow(&s->arena, m->targets, &m->targets_cap, m->ntargets + 1, sizeof *m->targets);
	m->targets[m->ntargets++] = t;
	return true;
}

/* No room for what is coming: by the SIZE that was declared, or for nothing at all. */
static bool is_full(const struct session *s, const struct account *who)
{
	struct err e;
	return !quota_room(&who->quota, s->mail->params.size, &e);
}

/* Somebody here, behind one name or several. False: `why`.
 * An alias is refused only if nobody behind it has room. Else the sender would try again and again for the others,
 * and they would have no mail because one of them does not tidy up: whoever is full finds his copy in the queue (see
 * message.c), and the sender is told that it was accepted, which is true. */
static bool add_local(struct session *s, struct str address, const struct found_address *found, bool alias,
		      const struct rcpt_params *params, struct reply *why)
{
	const struct account *who = alias ? found->members : &found->account;
	size_t n = alias ? found->nmembers : 1, enabled = 0, full = 0, before = s->mail->ntargets;
	struct str dsn = params_dsn(&s->arena, &s->mail->params, params);
	for (size_t i = 0; i < n; i++) {
		if (who[i].disabled)
			continue;
		enabled++;
		full += is_full(s, &who[i]);
		struct target t = { .account = who[i].id,
				    .mailbox = alias || found->mailbox.n == 0 ? STR("INBOX") : found->mailbox,
				    .sender = s->mail->from,
				    .recipient = address,
				    .dsn = dsn };
		if (!add_target(s, t)) {
			s->mail->ntargets = before;
			*why = (struct reply){ 452, "4.5.3", "Too many recipients, send the rest separately" };
			return false;
		}
	}
	if (enabled > 0 && full < enabled)
		return true;
	s->mail->ntargets = before;
	*why = enabled == 0 ? refuse(s, (struct reply){ 550, "5.2.1", "This mailbox takes no mail" }, s->mail->from,
				     address, "account disabled")
			    : refuse(s, (struct reply){ 452, "4.2.2", "Mailbox full, please try again later" },
				     s->mail->from, address, "over quota");
	return false;
}

static bool add_remote(struct session *s, const struct address *to, struct str address,
		       const struct rcpt_params *params, struct reply *why)
{
	if (!may_relay(s)) {
		*why = refuse(s, (struct reply){ 550, "5.7.1", "Relaying denied: not a domain of ours" }, s->mail->from,
			      address, "relaying denied");
		return false;
	}
	if (to->domain.n == 0) {
		*why = (struct reply){ 550, "5.1.1", "No such user here" };
		return false;
	}
	struct target t = { .owner = s->state & HAS_LOGIN ? s->account : 0,
			    .sender = s->mail->from,
			    .recipient = address,
			    .smtputf8 = s->mail->params.smtputf8,
			    .eight_bit = s->mail->params.eight_bit,
			    .dsn = params_dsn(&s->arena, &s->mail->params, params) };
	if (add_target(s, t))
		return true;
	*why = (struct reply){ 452, "4.5.3", "Too many recipients, send the rest separately" };
	return false;
}

static bool add_recipient(struct session *s, const struct address *to, struct str address,
			  const struct rcpt_params *params, struct reply *why)
{
	struct found_address found = { 0 };
	struct err e = { 0 };
	switch (find(s, to, &found, &e)) {
	case FOUND:
		return add_local(s, address, &found, false, params, why);
	case FOUND_ALIAS:
		return add_local(s, address, &found, true, params, why);
	case NOT_OURS:
		return add_remote(s, to, address, params, why);
	case NO_SUCH_USER:
		*why = refuse(s, (struct reply){ 550, "5.1.1", "No such user here" }, s->mail->from, address,
			      "no such user");
		return false;
	case FOUND_ERROR:
		break;
	}
	*why = reply_trouble("RCPT", s->mail->id, &e);
	return false;
}

/* Said before in this transaction: one address, one copy. */
static const struct rcpt *said_before(const struct mail *m, struct str address)
{
	for (size_t i = 0; i < m->nrcpts; i++)
		if (str_eqi(m->rcpts[i].address, address))
			return &m->rcpts[i];
	return NULL;
}

/* The sandbox answers at RCPT itself when the localpart begins so. */
static bool sandbox_allows(struct str local, unsigned code, struct next *next, struct reply *why)
{
	if (code == 0 || !str_startsi(local, STR("rcptto")))
		return true;
	if (code > SANDBOX_HOLD)
		*why = smtp_sandbox_reply(code);
	else
		next->delay_ms = SANDBOX_HOLD_MS;
	return code == SANDBOX_HOLD;
}

/* Whoever only guesses names is sent away (and what he said is not kept for ever). */
static struct reply rcpt_refused(struct session *s, const struct reply *why, struct next *next)
{
	char ip[ADDR_TEXT];
	if (++s->bad_rcpts < s->conf->limits.bad_recipients)
		return *why;
	log_info("smtp.closed", KVZ("ip", smtp_ip(s, ip)), KVZ("why", "too many refused recipients"));
	next->want = WANT_CLOSE;
	return (struct reply){ 421, "4.7.0", "Too many refused recipients, goodbye" };
}

struct reply smtp_rcpt(struct session *s, struct str arg, struct next *next)
{
	struct mail *m = s->mail;
	struct address to;
	struct rcpt_params params;
	struct reply why;
	bool null = false;
	if (m->nrcpts >= s->conf->limits.recipients)
		return (struct reply){ 452, "4.5.3", "Too many recipients, send the rest separately" };
	if (!take_path(s, &arg, STR("TO:"), &to, &null) || null)
		return (struct reply){ 501, "5.1.3", "Syntax: RCPT TO:<address>" };
	if (!rcpt_params_parse(arg, m->params.smtputf8, &params, &why))
		return why;
	if (to.utf8 && !m->params.smtputf8)
		return (struct reply){ 553, "5.6.7", "This recipient needs SMTPUTF8" };
	unsigned code = smtp_sandbox_code(s, to.local);
	if (!sandbox_allows(to.local, code, next, &why))
		return why;
	struct str address = address_text(&s->arena, &to);
	const struct rcpt *before = said_before(m, address);
	if (!before && !add_recipient(s, &to, address, &params, &why))
		return rcpt_refused(s, &why, next);
	m->rcpts = arena_grow(&s->arena, m->rcpts, &m->rcpts_cap, m->nrcpts + 1, sizeof *m->rcpts);
	m->rcpts[m->nrcpts++] = (struct rcpt){ .address = before ? m->rcpts[before - m->rcpts].address : address,
					       .code = code > SANDBOX_HOLD ? code : 0 };
	if (code == SANDBOX_HOLD && next->delay_ms == 0)
		m->hold = true;
	s->state |= HAS_RCPT;
	return (struct reply){ 250, "2.1.5", "Recipient accepted" };
}
