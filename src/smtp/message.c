/* All octets are here: may the message come in, what is it made of, and the one commit. */
#include "base/clock.h"
#include "base/log.h"
#include "mail/mime.h"
#include "mail/preview.h"
#include "smtp/session.h"
#include <stdio.h>

struct reply smtp_answer(struct session *s, const struct reply *all)
{
	struct reply r = *all;
	const struct mail *m = s->mail;
	for (size_t i = 0; s->conf->kind == SMTP_LMTP && i < m->nrcpts; i++) { /* RFC 2033 4.2 */
		static const struct reply gone = { 550, "5.1.1", "No such user here" };
		static const struct reply full = { 452, "4.2.2", "Mailbox full, please try again later" };
		const struct rcpt *rcpt = &m->rcpts[i];
		struct reply own = rcpt->code ? smtp_sandbox_reply(rcpt->code) : rcpt->full ? full : gone;
		bool ok = all->code == 250;
		reply_write(s->io, ok && (rcpt->code || rcpt->full || rcpt->gone) ? &own : all);
		r = REPLY_SENT;
	}
	smtp_mail_end(s);
	return r;
}

static struct reply refuse(struct session *s, const struct reply *r)
{
	char ip[ADDR_TEXT];
	struct mail *m = s->mail;
	log_info("smtp.refused", KVZ("id", m->id), KVZ("ip", smtp_ip(s, ip)), KV("from", m->from),
		 KV("to", m->nrcpts == 1 ? m->rcpts[0].address : STR_NONE), KVN("code", r->code), KVZ("why", r->text));
	return smtp_answer(s, r);
}

/* Octets that other systems read differently are not passed on to them: RFC 5321 2.3.8, 4.5.2. */
static bool octets_clean(const struct session *s, const struct counts *seen, struct reply *why)
{
	const struct smtp_limits *l = &s->conf->limits;
	if (seen->nuls > 0)
		*why = (struct reply){ 550, "5.6.0", "The message has NUL octets" };
	else if (seen->bare_cr > 0 || seen->bare_lf > 0)
		*why = (struct reply){ 550, "5.6.11", "The message has a CR or LF that stands alone" };
	else if (l->body_line > 0 && seen->longest > l->body_line)
		*why = reply_make(550, "5.6.0", "A line of the message is longer than %u octets", l->body_line);
	else
		return true;
	return false;
}

/* The sandbox: sender or recipients asked for a failure. In LMTP each recipient has its own. */
static bool sandbox_lets(const struct session *s, struct reply *why)
{
	const struct mail *m = s->mail;
	unsigned code = m->code;
	for (size_t i = 0; s->conf->kind != SMTP_LMTP && i < m->nrcpts && code == 0; i++)
		code = m->rcpts[i].code;
	if (code > 0)
		*why = smtp_sandbox_reply(code);
	return code == 0;
}

/* IMAP will ask for the structure; it is found once, here. */
static bool index_make(struct session *s, struct reply *why)
{
	struct mail *m = s->mail;
	struct arena bytes = { 0 };
	struct buf b = { 0 };
	struct str all;
	struct err e;
	bool ok = stage_all(&m->stage, &bytes, &all, &e);
	if (ok) {
		struct part *root = mime_parse(all, &s->arena);
		preview_make(root, all, &s->arena);
		mime_index_write(&b, root);
		m->index = str_dup(&s->arena, buf_str(&b));
		ok = !arena_full(&s->arena) || err_set(&e, ERR_TEMP, "the structure of the message is too large");
	}
	if (!ok)
		*why = reply_trouble("structure", m->id, &e);
	buf_free(&b);
	arena_reset(&bytes);
	return ok;
}

struct reply smtp_message(struct session *s, const struct counts *seen, struct next *next)
{
	struct reply why;
	if (!octets_clean(s, seen, &why) || !smtp_fields(s, next, &why) || !sandbox_lets(s, &why))
		return refuse(s, &why);
	if (!index_make(s, &why))
		return smtp_answer(s, &why);
	if (!s->mail->hold)
		return smtp_commit(s);
	/* Staged and checked; committed when the timer ends, dropped if the peer leaves before. */
	s->expects = EXPECT_TIMER;
	*next = (struct next){ .want = WANT_WAKE, .after_ms = SANDBOX_HOLD_MS };
	return REPLY_SENT;
}

/* The rcpt that a target is for. */
static struct rcpt *rcpt_of(struct mail *m, const struct target *t)
{
	size_t i = 0;
	while (m->rcpts[i].address.p != t->recipient.p)
		i++;
	return &m->rcpts[i];
}

static void drop_targets(struct mail *m, bool (*drop)(struct session *s, const struct target *t), struct session *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < m->ntargets; i++)
		if (!drop(s, &m->targets[i]))
			m->targets[kept++] = m->targets[i];
	m->ntargets = kept;
}

static bool is_refused(struct session *s, const struct target *t)
{
	return rcpt_of(s->mail, t)->code > 0;
}

static bool is_gone(struct session *s, const struct target *t)
{
	struct arena a = { 0 };
	struct account account;
	struct err e;
	bool gone = t->account && !account_get(s->conf->store, t->account, &a, &account, &e) && e.kind == ERR_PERM;
	arena_reset(&a);
	return gone;
}

/* Accounts can be removed between RCPT and here: the others must not suffer. False: that was not it. */
static bool drop_gone(struct session *s)
{
	struct mail *m = s->mail;
	size_t before = m->ntargets;
	drop_targets(m, is_gone, s);
	for (size_t i = 0; i < m->nrcpts; i++) {
		bool kept = m->rcpts[i].code > 0;
		for (size_t k = 0; k < m->ntargets && !kept; k++)
			kept = m->targets[k].recipient.p == m->rcpts[i].address.p;
		m->rcpts[i].gone = !kept;
	}
	return m->ntargets < before;
}

static bool all_full(const struct mail *m, const struct rcpt *r)
{
	size_t n = 0, full = 0;
	for (size_t i = 0; i < m->ntargets; i++) {
		bool his = m->targets[i].recipient.p == r->address.p;
		n += his;
		full += his && m->targets[i].over_quota;
	}
	return n > 0 && full == n;
}

static bool is_told_full(struct session *s, const struct target *t)
{
	return rcpt_of(s->mail, t)->full;
}

/* Who is full now was not at RCPT, or is one of many behind an alias. In LMTP a recipient can be told so alone.
 * In SMTP one reply is for all: if all are full it says so; else who is full must not cost the others their mail, nor
 * be forgotten, so his copy becomes a queue row in the same commit. False: nothing can be set aside. */
static bool set_full_aside(struct session *s)
{
	struct mail *m = s->mail;
	size_t n = 0, told = m->ntargets;
	for (size_t i = 0; s->conf->kind == SMTP_LMTP && i < m->nrcpts; i++)
		m->rcpts[i].full = m->rcpts[i].full || all_full(m, &m->rcpts[i]);
	drop_targets(m, is_told_full, s);
	told -= m->ntargets;
	for (size_t i = 0; i < m->ntargets; i++)
		n += m->targets[i].over_quota;
	for (size_t i = 0; i < m->ntargets && n < m->ntargets; i++) {
		struct target *t = &m->targets[i];
		if (!t->over_quota)
			continue;
		t->waits = true;
		log_info("smtp.full", KVZ("at", "commit"), KVZ("id", m->id), KV("to", t->recipient),
			 KVN("account", t->account), KVZ("do", "it waits in the queue"));
	}
	return told > 0 || (n > 0 && n < m->ntargets);
}

static bool commit(struct session *s, struct err *e)
{
	struct mail *m = s->mail;
	/* Each turn has fewer targets, or fewer that want room. */
	for (;;) {
		struct delivery d = { .stage = &m->stage, .index = m->index, .targets = m->targets, .n = m->ntargets };
		if (m->ntargets == 0 || deliver(s->conf->store, &d, e))
			return true;
		if (!(e->kind == ERR_PERM && drop_gone(s)) && !(e->kind == ERR_QUOTA && set_full_aside(s)))
			return false;
	}
}

static void log_accepted(struct session *s)
{
	const struct mail *m = s->mail;
	char ip[ADDR_TEXT], secs[24];
	snprintf(secs, sizeof secs, "%.3f", (double)(clock_mono_ms() - m->began_mono_ms) / 1000);
	log_info("smtp.accepted", KVZ("id", m->id), KV("from", m->from), KVN("rcpts", m->nrcpts),
		 KVN("size", m->stage.size), KVZ("secs", secs), KVN("tls", (s->state & HAS_TLS) != 0),
		 KV("to", m->rcpts[0].address), KVZ("ip", smtp_ip(s, ip)), KV("user", s->account_name));
}

struct reply smtp_commit(struct session *s)
{
	struct mail *m = s->mail;
	struct err e;
	s->expects = EXPECT_COMMAND;
	drop_targets(m, is_refused, s);
	smtp_trace(s, clock_wall_ms());
	/* Compressed here, not in the writer's turn. */
	if (!stage_seal(&m->stage, &e) || !commit(s, &e)) {
		struct reply r = reply_trouble("commit", m->id, &e);
		return smtp_answer(s, &r);
	}
	if (m->ntargets == 0 && s->conf->kind != SMTP_LMTP) {
		struct reply gone = { 550, "5.1.1", "No such user here" };
		return refuse(s, &gone);
	}
	if (m->ntargets > 0)
		log_accepted(s);
	s->bad = s->bad_rcpts = 0;
	struct reply ok = reply_make(250, "2.0.0", "Accepted as %s", m->id);
	return smtp_answer(s, &ok);
}
