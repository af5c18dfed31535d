/* imap_login.c - AUTHENTICATE and LOGIN, from the client's side (RFC 9051 6.2.2, RFC 4959). */
#include "client/imap_impl.h"

#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MAX 8 /* of one exchange */

static const struct mechanism {
	const char *name;
	bool plus, proves; /* proves: the server, too, has to know the password */
} mechanisms[] = {
	/* strongest first */
	{ "SCRAM-SHA-256-PLUS", true, true }, { "SCRAM-SHA-256", false, true }, { "SCRAM-SHA-1", false, true },
	{ "CRAM-MD5", false, false },         { "PLAIN", false, false },        { "LOGIN", false, false },
};

struct exchange {
	const struct mechanism *mech;
	Gsasl *lib;
	Gsasl_session *session;
	int rc; /* of the last step */
};

static bool offered(const struct imap_client *c, const struct mechanism *m)
{
	char word[40];
	uint8_t binding[32];
	snprintf(word, sizeof word, "AUTH=%s", m->name);
	return imap_can(c, word) && (!m->plus || io_tls_exporter(c->io, binding));
}

static const struct mechanism *choose(const struct imap_client *c, const char *wanted, struct err *e)
{
	for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
		const struct mechanism *m = &mechanisms[i];
		if (wanted ? str_eqi(str_of(wanted), str_of(m->name)) : offered(c, m))
			return m;
	}
	if (wanted)
		err_set(e, ERR_PERM, "no such mechanism: %s", wanted);
	return NULL;
}

static bool set(struct exchange *x, Gsasl_property p, struct str value)
{
	return gsasl_property_set_raw(x->session, p, value.p, value.n) == GSASL_OK;
}

/* What the connection is known by, so that the exchange holds for it alone (RFC 9266).  Not without PLUS: gsasl would
 * say "we could, but you cannot" (RFC 5802 6), which servers in use take for an error. */
static bool bind_to(struct exchange *x, struct io *io)
{
	uint8_t octets[32];
	struct buf b = { 0 };
	if (!x->mech->plus || !io_tls_exporter(io, octets))
		return true;
	buf_base64(&b, (struct str){ (const char *)octets, sizeof octets });
	bool ok = set(x, GSASL_CB_TLS_EXPORTER, buf_str(&b));
	buf_free(&b);
	return ok;
}

static bool exchange_open(struct exchange *x, struct imap_client *c, struct str login, struct str password,
			  struct err *e)
{
	if (gsasl_init(&x->lib) != GSASL_OK)
		return err_set(e, ERR_TEMP, "the SASL library does not start");
	if (gsasl_client_start(x->lib, x->mech->name, &x->session) != GSASL_OK)
		return err_set(e, ERR_PERM, "the SASL library has no %s", x->mech->name);
	return (set(x, GSASL_AUTHID, login) && set(x, GSASL_PASSWORD, password) && bind_to(x, c->io)) ||
	       err_set(e, ERR_TEMP, "out of memory");
}

static void exchange_close(struct exchange *x)
{
	if (x->session)
		gsasl_finish(x->session);
	if (x->lib)
		gsasl_done(x->lib);
}

/* Our answer to `in` (base64), ready for the wire. */
static bool step(struct exchange *x, struct str in, struct buf *out, struct err *e)
{
	struct buf raw = { 0 };
	char *p = NULL;
	size_t n = 0;
	bool ok = buf_unbase64(&raw, in);
	x->rc = ok ? gsasl_step(x->session, buf_str(&raw).p, raw.n, &p, &n) : GSASL_BASE64_ERROR;
	buf_free(&raw);
	ok = x->rc == GSASL_OK || x->rc == GSASL_NEEDS_MORE;
	if (ok)
		buf_base64(out, (struct str){ p ? p : "", n });
	if (p) {
		explicit_bzero(p, n);
		gsasl_free(p);
	}
	return ok || err_set(e, ERR_PERM, "%s: %s", x->mech->name, gsasl_strerror(x->rc));
}

/* Challenge by challenge, until the server has decided. */
static bool converse(struct imap_client *c, struct exchange *x, bool begun, struct status *st, struct err *e)
{
	struct err ours = { 0 };
	for (unsigned round = 0; round <= ROUNDS_MAX;) {
		struct str word;
		switch (imap_response(c, st, e)) {
		case RESPONSE_DONE:
			if (ours.kind != ERR_NONE)
				*e = ours;
			return ours.kind == ERR_NONE;
		case RESPONSE_DATA:
			if (!imap_word(c, &word, e))
				return false;
			if (str_eqi(word, STR("CAPABILITY")))
				imap_capabilities(c, str_trim(c->rest));
			else if (!imap_skip(c, e))
				return false;
			continue;
		case RESPONSE_MORE:
			break;
		case RESPONSE_END:
			return false;
		}
		struct buf out = { 0 };
		bool done = begun && x->rc == GSASL_OK && str_trim(c->rest).n == 0; /* nothing left to say */
		if (!done && !step(x, str_trim(c->rest), &out, &ours)) {
			buf_clear(&out);
			buf_addc(&out, '*'); /* RFC 9051 6.2.2: we give up */
		}
		begun = true;
		buf_addz(&out, "\r\n");
		bool ok = imap_send(c, buf_str(&out), e);
		explicit_bzero(out.p, out.n);
		buf_free(&out);
		if (!ok)
			return false;
		round++;
	}
	return imap_broken(c, e, "an end of the login");
}

static bool authenticate(struct imap_client *c, struct exchange *x, struct status *st, struct err *e)
{
	struct buf b = { 0 };
	bool initial = imap_can(c, "SASL-IR") && strcmp(x->mech->name, "LOGIN") != 0 &&
		       strcmp(x->mech->name, "CRAM-MD5") != 0;
	buf_printf(&b, "s%u AUTHENTICATE %s", ++c->tag, x->mech->name);
	if (initial) {
		buf_addc(&b, ' ');
		if (!step(x, STR_NONE, &b, e)) {
			buf_free(&b);
			return false;
		}
	}
	buf_addz(&b, "\r\n");
	bool ok = imap_send(c, buf_str(&b), e);
	explicit_bzero(b.p, b.n);
	buf_free(&b);
	if (!ok || !converse(c, x, initial, st, e) || !imap_answered(st, "login", e))
		return false;
	return !x->mech->proves || x->rc == GSASL_OK || imap_broken(c, e, "a proof that the server knows the password");
}

static void add_quoted(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

static bool speakable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == 0 || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
	return true;
}

static bool login_command(struct imap_client *c, struct str login, struct str password, struct err *e)
{
	struct buf b = { 0 };
	struct status st;
	if (imap_can(c, "LOGINDISABLED"))
		return err_set(e, ERR_PERM, "the server takes no password here (LOGINDISABLED); over TLS it may");
	if (!speakable(login) || !speakable(password))
		return err_set(e, ERR_PERM, "a line end in the name or the password");
	buf_addz(&b, "LOGIN ");
	add_quoted(&b, login);
	buf_addc(&b, ' ');
	add_quoted(&b, password);
	snprintf(c->mechanism, sizeof c->mechanism, "LOGIN command");
	return imap_command(c, &b, NULL, NULL, &st, e) && imap_answered(&st, "login", e);
}

bool imap_login(struct imap_client *c, struct str login, struct str password, const char *mechanism, struct err *e)
{
	struct exchange x = { 0 };
	struct status st;
	struct err none = { 0 };
	struct buf b = { 0 };
	if (c->preauth)
		return err_set(e, ERR_PERM, "the server has let us in already, as somebody");
	x.mech = choose(c, mechanism, &none);
	if (!x.mech && mechanism) {
		*e = none;
		return false;
	}
	bool ok = x.mech ? exchange_open(&x, c, login, password, e) : login_command(c, login, password, e);
	if (ok && x.mech) {
		snprintf(c->mechanism, sizeof c->mechanism, "%s", x.mech->name);
		ok = authenticate(c, &x, &st, e);
	}
	exchange_close(&x);
	if (!ok)
		return false;
	/* What it can do may have changed, and not every server says so by itself. */
	buf_addz(&b, "CAPABILITY");
	return imap_command(c, &b, NULL, NULL, &st, e) && imap_answered(&st, "CAPABILITY", e);
}
