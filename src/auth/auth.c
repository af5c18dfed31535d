#include "auth/auth.h"
#include "auth/sasl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

struct server {
	struct keeper keeper;
	struct Gsasl *sasl;
	_Atomic uint64_t questions;
	_Atomic unsigned open;
};

/* One connection: a question, or an exchange of several steps. */
struct session {
	struct server *server;
	struct io *io;
	struct sasl *exchange;
	unsigned steps;
	int64_t ends_mono_ms;
};

static void say_octets(struct buf *b, struct str s)
{
	buf_addc(b, '\t');
	buf_base64(b, s);
}

static void say(struct io *io, const struct sasl_answer *r)
{
	struct buf b = { 0 };
	switch (r->got) {
	case SASL_OK:
		buf_printf(&b, "OK\t%lld", (long long)r->account_id);
		say_octets(&b, r->account);
		say_octets(&b, r->login);
		say_octets(&b, r->data);
		break;
	case SASL_MORE:
		buf_addz(&b, "MORE");
		say_octets(&b, r->data);
		break;
	case SASL_NO:
		buf_printf(&b, "NO\t%s", r->reason);
		say_octets(&b, r->login);
		break;
	case SASL_TEMP:
		buf_addz(&b, "TEMP");
		break;
	}
	buf_addz(&b, "\r\n");
	io_add(io, buf_str(&b));
	buf_free(&b);
}

static struct next goodbye(struct session *s, enum sasl_got got, const char *reason)
{
	say(s->io, &(struct sasl_answer){ got, STR_NONE, reason, STR_NONE, STR_NONE, 0 });
	return (struct next){ .want = WANT_CLOSE };
}

static struct next auth_open(struct peer *peer, void **session)
{
	struct server *server = peer->ctx;
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	*s = (struct session){ .server = server, .io = peer->io, .ends_mono_ms = clock_mono_ms() + AUTH_EXCHANGE_MS };
	*session = s;
	if (atomic_fetch_add(&server->open, 1) >= AUTH_OPEN)
		return goodbye(s, SASL_TEMP, "");
	return (struct next){ .want = WANT_LINE };
}

static void auth_close(void *session)
{
	struct session *s = session;
	sasl_end(s->exchange);
	atomic_fetch_sub(&s->server->open, 1);
	free(s);
}

/* Do what the line asks; false when it asks nothing that may be asked now. */
static bool do_ask(struct session *s, const struct ask *ask, struct arena *a, struct sasl_answer *r)
{
	struct server *server = s->server;
	if ((ask->kind == ASK_STEP) != (s->exchange != NULL))
		return false;
	switch (ask->kind) {
	case ASK_PASSWORD:
		*r = sasl_password(&server->keeper, ask->login, STR_NONE, ask->octets, a);
		break;
	case ASK_BEGIN:
		*r = sasl_begin(server->sasl, &server->keeper, ask, &s->exchange, a);
		break;
	case ASK_STEP:
		*r = sasl_step(s->exchange, ask->octets, a);
		break;
	}
	if (ask->kind != ASK_STEP)
		atomic_fetch_add(&server->questions, 1);
	if (r->got == SASL_NO)
		log_debug("auth.refused", KV("ip", ask->ip), KV("proto", ask->service), KVZ("reason", r->reason));
	return true;
}

static struct next trouble(struct session *s, enum trouble t)
{
	if (t == TROUBLE_LONG)
		return goodbye(s, SASL_NO, "malformed");
	if (t == TROUBLE_SLOW && s->exchange)
		return goodbye(s, SASL_NO, "cancelled");
	if (t == TROUBLE_STOP || t == TROUBLE_BUSY)
		return goodbye(s, SASL_TEMP, "");
	return (struct next){ .want = WANT_CLOSE };
}

static struct next auth_step(void *session, const struct unit *in)
{
	struct session *s = session;
	struct arena a = { 0 };
	struct buf raw = { 0 };
	struct ask ask;
	struct sasl_answer r;
	struct next next = { .want = WANT_CLOSE };
	if (in->kind != UNIT_LINE)
		return trouble(s, in->trouble);
	bool ok = s->steps++ < AUTH_STEPS && ask_parse(in->line, &raw, &ask) && do_ask(s, &ask, &a, &r);
	int64_t left_ms = s->ends_mono_ms - clock_mono_ms();
	if (!ok) {
		next = goodbye(s, SASL_NO, "malformed");
	} else {
		say(s->io, &r);
		if (r.got == SASL_MORE && left_ms > 0)
			next = (struct next){ .want = WANT_LINE, .unit_ms = left_ms, .idle_ms = left_ms };
	}
	if (raw.p)
		sodium_memzero(raw.p, raw.cap);
	buf_free(&raw);
	sodium_memzero((char *)in->line.p, in->line.n); /* the pen's own buffer; it held the password too */
	arena_reset(&a);
	return next;
}

bool auth_door(struct auth_conf *conf, struct door *out, struct err *e)
{
	struct server *server = calloc(1, sizeof *server);
	if (!server)
		abort();
	if (!keeper_init(&server->keeper, conf, e)) {
		free(server);
		return false;
	}
	server->sasl = sasl_new();
	*out = (struct door){
		.name = "auth",
		.ctx = server,
		.line_max = AUTH_LINE,
		.unit_ms = AUTH_EXCHANGE_MS,
		.idle_ms = AUTH_EXCHANGE_MS,
		.write_ms = AUTH_EXCHANGE_MS,
		.open = auth_open,
		.step = auth_step,
		.close = auth_close,
	};
	return true;
}

void auth_door_free(struct door *d)
{
	struct server *server = d->ctx;
	if (!server)
		return;
	sasl_free(server->sasl);
	sodium_memzero(server, sizeof *server);
	free(server);
	*d = (struct door){ 0 };
}

void auth_stat(const struct door *d, struct auth_stat *out)
{
	struct server *server = d->ctx;
	struct auth_count *c = &server->keeper.count;
	*out = (struct auth_stat){
		.questions = atomic_load(&server->questions),
		.argon2 = atomic_load(&c->argon2),
		.crypt = atomic_load(&c->crypt),
		.made = atomic_load(&c->made),
		.scram = atomic_load(&c->scram),
		.open = atomic_load(&server->open),
	};
}
