#include "imap/gather.h"
#include "imap/append.h"
#include "imap/command.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Octets of one command's messages that may come into the database itself: they are one commit, and all who write wait
 * for it. What is more goes into files. */
#define TOGETHER (4u << 20)

/* Never says false: a literal's octets must be read whatever becomes of them, or the next line is lost among them. */
static bool gather_add(struct sink *sink, struct str bytes)
{
	struct gather *g = (struct gather *)sink; /* its first member */
	if (g->into == INTO_BYTES)
		buf_add(&g->bytes, bytes);
	if (g->into == INTO_STAGE && g->failed.kind == ERR_NONE) {
		struct staged *m = g->last;
		m->nul = m->nul || memchr(bytes.p, 0, bytes.n);
		if (!stage_add(&m->stage, bytes))
			g->failed = m->stage.err;
	}
	return true;
}

static void stage_new(struct session *s, struct gather *g, uint64_t octets)
{
	struct staged *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	stage_open(&m->stage, s->conf->store, s->conf->limits.append);
	m->stage.tight = g->staged > TOGETHER;
	if (g->last)
		g->last->next = m;
	else
		g->first = m;
	g->last = m;
	g->nmessages++;
	g->staged += octets;
}

static struct gather *gather_new(struct session *s)
{
	struct gather *g = calloc(1, sizeof *g);
	if (!g)
		abort();
	g->sink.add = gather_add;
	s->gather = g;
	return g;
}

void gather_drop(struct session *s)
{
	struct gather *g = s->gather;
	if (!g)
		return;
	while (g->first) {
		struct staged *m = g->first;
		g->first = m->next;
		stage_drop(&m->stage);
		free(m);
	}
	buf_free(&g->bytes);
	arena_reset(&g->arena);
	free(g);
	s->gather = NULL;
	if (s->expects == EXPECT_LITERAL || s->expects == EXPECT_REST)
		s->expects = EXPECT_COMMAND;
}

/* The command is whole, or refused with nothing of it left to read. */
static struct next gather_finish(struct session *s)
{
	struct gather *g = s->gather;
	s->expects = EXPECT_COMMAND;
	if (g->refused.kind == REPLY_NONE)
		return command_run(s, buf_str(&g->bytes));
	struct cmd c = { .a = &g->arena, .in = parser_new(buf_str(&g->bytes), &g->arena, 0), .next = want_line(s) };
	if (!parse_tag(&c.in, &c.tag) || c.tag.n > IMAP_TAG_MAX)
		c.tag = STR("*");
	s->greeted = true;
	struct next next = command_answer(s, &c, &g->refused);
	gather_drop(s);
	return next;
}

static struct reply judge(struct session *s, struct gather *g, uint64_t octets, bool plus)
{
	const struct imap_limits *l = &s->conf->limits;
	g->into = INTO_BYTES;
	if (plus && octets > LITERAL_MINUS)
		return BAD_CODE("TOOBIG", "A literal above 4096 octets waits for our leave: send {n}, not {n+}");
	if (s->state != BEFORE_LOGIN) {
		struct reply r = { 0 };
		switch (append_judge(s, buf_str(&g->bytes), g->staged, octets, &g->arena, &r)) {
		case APPEND_MESSAGE:
			g->into = INTO_STAGE;
			return (struct reply){ 0 };
		case APPEND_REFUSED:
			return r;
		case APPEND_OTHER:
			break;
		}
	}
	if (++g->count > l->literal_count)
		return BAD_CODE("TOOBIG", "Too many literals in one command");
	if (s->state == BEFORE_LOGIN && octets > l->literal_before)
		return BAD_CODE("TOOBIG", "Literal too large before login");
	if (octets > l->literals || (g->octets += octets) > l->literals || g->bytes.n > l->literals + l->line)
		return BAD_CODE("TOOBIG", "Literals of one command too large");
	return (struct reply){ 0 };
}

static struct next want_octets(struct session *s, struct gather *g, uint64_t octets)
{
	if (g->into == INTO_BYTES)
		buf_addz(&g->bytes, "\r\n");
	if (octets == 0) { /* there is nothing to wait for */
		s->expects = EXPECT_REST;
		return want_line(s);
	}
	s->expects = EXPECT_LITERAL;
	return (struct next){ .want = WANT_OCTETS, .octets = octets, .sink = &g->sink };
}

/* A refused literal that comes without asking: read it, if that is bearable. */
static struct next swallow(struct session *s, struct gather *g, uint64_t octets)
{
	const struct imap_limits *l = &s->conf->limits;
	if (octets > (s->state == BEFORE_LOGIN ? l->literal_before : l->append))
		return say_bye(s, "[TOOBIG] Literal too large");
	g->into = INTO_NOTHING;
	return want_octets(s, g, octets);
}

struct next gather_line(struct session *s, struct str line)
{
	uint64_t octets;
	bool plus;
	if (!parse_literal_mark(line, &octets, &plus)) {
		if (!s->gather)
			return command_run(s, line);
		if (s->gather->refused.kind == REPLY_NONE)
			buf_add(&s->gather->bytes, line);
		return gather_finish(s);
	}
	if (!s->greeted && !s->gather && !command_looks_right(line))
		return command_run(s, line); /* says BYE */
	struct gather *g = s->gather ? s->gather : gather_new(s);
	if (g->refused.kind == REPLY_NONE) {
		buf_add(&g->bytes, line);
		g->refused = judge(s, g, octets, plus);
	}
	if (g->refused.kind != REPLY_NONE)
		return plus ? swallow(s, g, octets) : gather_finish(s);
	if (g->into == INTO_STAGE)
		stage_new(s, g, octets);
	if (!plus)
		io_add(s->io, STR("+ Ready for the literal\r\n"));
	return want_octets(s, g, octets);
}

/* Clients that send the octets and the line behind them in two writes hold the second back until the first is
 * acknowledged (Nagle), and the kernel delays that by 40 ms: acknowledge now. */
static void acknowledge(const struct session *s)
{
	int fd = io_fd(s->io), on = 1;
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on); /* a unix socket says no: it has no need */
}

struct next gather_octets(struct session *s, const struct unit *in)
{
	s->expects = EXPECT_REST;
	if (!in->more)
		acknowledge(s);
	return want_line(s);
}
