/* Return-Path, Delivered-To and Received: RFC 5321 4.4, RFC 3848, RFC 6531 4.3. */
#include "mail/date.h"
#include "smtp/session.h"

static void protocol(const struct session *s, struct buf *b)
{
	bool lmtp = s->conf->kind == SMTP_LMTP;
	if (!(s->state & HAS_EHLO)) {
		buf_addz(b, "SMTP");
		return;
	}
	if (s->mail->params.smtputf8)
		buf_addz(b, lmtp ? "UTF8LMTP" : "UTF8SMTP");
	else
		buf_addz(b, lmtp ? "LMTP" : "ESMTP");
	if (s->state & HAS_TLS)
		buf_addc(b, 'S');
	if (s->state & HAS_LOGIN)
		buf_addc(b, 'A');
}

/* Who gave it to us, unless that is nobody's business: the name as it was said, the address as we saw it. */
static void from_whom(const struct session *s, struct buf *b)
{
	if ((s->state & HAS_LOGIN) && s->conf->hide_client)
		return;
	buf_addz(b, "from ");
	if (helo_valid(s->helo))
		buf_add(b, s->helo);
	else
		buf_addz(b, "unknown");
	if (s->peer->unix_socket) {
		buf_printf(b, " (uid %u)\r\n\t", s->peer->uid);
		return;
	}
	buf_addz(b, " (");
	addr_literal(b, s->peer->remote.addr);
	buf_addz(b, ")\r\n\t");
}

static void received(struct session *s, struct buf *b, int64_t wall_ms)
{
	const struct mail *m = s->mail;
	buf_addz(b, "Received: ");
	from_whom(s, b);
	buf_addz(b, "by ");
	buf_add(b, s->conf->host);
	buf_addz(b, " (Sluice) with ");
	protocol(s, b);
	if (s->state & HAS_TLS) {
		buf_addz(b, " (");
		buf_add(b, io_tls_text(s->io, &s->arena));
		buf_addc(b, ')');
	}
	buf_addz(b, "\r\n\tid ");
	buf_addz(b, m->id);
	/* Several would tell each who else had a copy (RFC 5321 7.2). */
	if (m->nrcpts == 1) {
		buf_addz(b, " for <");
		buf_add(b, m->rcpts[0].address);
		buf_addc(b, '>');
	}
	buf_addz(b, ";\r\n\t");
	date_print(b, wall_ms);
	buf_addz(b, "\r\n");
}

/* Mail that leaves again has no Return-Path and was delivered to nobody yet. */
void smtp_trace(struct session *s, int64_t wall_ms)
{
	struct mail *m = s->mail;
	struct buf common = { 0 }, b = { 0 };
	received(s, &common, wall_ms);
	struct str remote = STR_NONE;
	for (size_t i = 0; i < m->ntargets; i++) {
		struct target *t = &m->targets[i];
		if (t->account == 0) {
			if (remote.n == 0)
				remote = str_dup(&s->arena, buf_str(&common));
			t->prefix = remote;
			continue;
		}
		buf_clear(&b);
		buf_addz(&b, "Return-Path: <");
		buf_add(&b, m->from);
		buf_addz(&b, ">\r\nDelivered-To: ");
		buf_add(&b, t->recipient);
		buf_addz(&b, "\r\n");
		buf_add(&b, buf_str(&common));
		t->prefix = str_dup(&s->arena, buf_str(&b));
	}
	buf_free(&b);
	buf_free(&common);
}
