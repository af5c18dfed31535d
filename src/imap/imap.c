#include "imap/imap.h"
#include "base/log.h"
#include "imap/notify.h"
#include "imap/session.h"
#include "store/account.h"
#include <stdlib.h>

void imap_limits_default(struct imap_limits *l)
{
	*l = (struct imap_limits){
		.line_before = 8u << 10,
		.line = 64u << 10,
		.literal_before = 4u << 10,
		.literals = 1u << 20,
		.literal_count = 1000,
		.nesting = 50,
		.append = 100u << 20,
		.bad_commands = 10,
		.idle_before_ms = 60 * 1000,
		.idle_ms = 30 * 60 * 1000,
		.progress_ms = 10 * 1000,
	};
}

/* A connection that is somebody's from the start (RFC 3501 7.1.4). */
static bool preauth(struct session *s, struct arena *a)
{
	struct account account;
	struct err e = { 0 };
	if (!account_find(s->conf->store, s->conf->preauth, a, &account, &e)) {
		log_error("imap.preauth", KV("account", s->conf->preauth), KVZ("error", e.text));
		io_add(s->io, STR("* BYE [UNAVAILABLE] No such account\r\n"));
		return false;
	}
	s->account = account.id;
	s->account_name = str_dup(&s->life, account.name);
	s->state = LOGGED_IN;
	return true;
}

static struct next imap_open(struct peer *peer, void **session)
{
	struct session *s = calloc(1, sizeof *s);
	struct arena a = { 0 };
	if (!s)
		abort();
	*s = (struct session){
		.peer = peer, .io = peer->io, .conf = peer->ctx, .state = BEFORE_LOGIN, .account_name = STR_NONE
	};
	*session = s;
	struct next next = { .want = WANT_CLOSE };
	if (s->conf->preauth.n == 0 || preauth(s, &a)) {
		const char *word = s->state == BEFORE_LOGIN ? "OK" : "PREAUTH";
		struct str can = capabilities(s, &a);
		io_printf(s->io, "* %s [CAPABILITY %.*s] %.*s Sluice ready\r\n", word, STRF(can), STRF(s->conf->host));
		next = want_line(s);
	}
	arena_reset(&a);
	return next;
}

static struct next imap_trouble(struct session *s, enum trouble why)
{
	switch (why) {
	case TROUBLE_LONG:
		return say_bye(s, "[TOOBIG] Command line too long");
	case TROUBLE_SLOW:
		return say_bye(s, "Waited long enough");
	case TROUBLE_STOP:
		return say_bye(s, "[UNAVAILABLE] Server is stopping, please come back");
	case TROUBLE_BUSY:
		return say_bye(s, "[UNAVAILABLE] Server is busy, please come back");
	case TROUBLE_GARBLED:
		return say_bye(s, "Compressed data is broken");
	default:
		return (struct next){ .want = WANT_CLOSE };
	}
}

static struct next imap_unit(struct session *s, const struct unit *in)
{
	switch (s->expects) {
	case EXPECT_LITERAL:
		return gather_octets(s, in);
	case EXPECT_SASL:
		return sasl_line(s, in->line);
	case EXPECT_DONE:
		return in->kind == UNIT_WAKE ? idle_wake(s) : idle_line(s, in->line);
	case EXPECT_TLS:
		s->expects = EXPECT_COMMAND;
		return want_line(s);
	case EXPECT_COMMAND:
	case EXPECT_REST:
		break;
	}
	return in->kind == UNIT_WAKE ? notify_wake(s) : gather_line(s, in->line);
}

static struct next imap_step(void *session, const struct unit *in)
{
	struct session *s = session;
	if (in->kind == UNIT_TROUBLE)
		return imap_trouble(s, in->trouble);
	struct next next = imap_unit(s, in);
	if (next.want == WANT_LINE && s->expects == EXPECT_COMMAND) /* between two commands */
		next.wakeable = s->notify != NULL;
	if (io_error(s->io)->kind != ERR_NONE) /* nobody reads what we say */
		next = (struct next){ .want = WANT_CLOSE };
	return next;
}

static void imap_close(void *session)
{
	struct session *s = session;
	idle_leave(s);
	notify_end(s);
	session_unselect(s);
	auth_cancel(&s->exchange);
	gather_drop(s);
	arena_reset(&s->life);
	free(s);
}

struct door imap_door(struct imap_conf *conf, struct tls_server *implicit)
{
	const struct imap_limits *l = &conf->limits;
	return (struct door){
		.name = "imap",
		.ctx = conf,
		.tls = implicit,
		.line_max = l->line_before,
		.unit_ms = 30 * 60 * 1000, /* a large APPEND over a thin line */
		.idle_ms = 5 * 60 * 1000,
		.write_ms = 5 * 60 * 1000,
		.min_rate = 256,
		.open = imap_open,
		.step = imap_step,
		.close = imap_close,
	};
}
