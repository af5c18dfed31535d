/* DATA and BDAT: the octets of a message on their way into the stage. */
#include "base/clock.h"
#include "base/num.h"
#include "smtp/session.h"

/* A chunk that is refused is read all the same (RFC 3030 2), but only if it is no larger than this beyond a message. */
#define DISCARD_MOST (1u << 20)

static bool discard_add(struct sink *sink, struct str bytes)
{
	(void)sink, (void)bytes;
	return true;
}

static struct reply no_recipients(const struct session *s)
{
	/* RFC 2033 4.2 and RFC 5321 3.3 each have their code. */
	return s->conf->kind == SMTP_LMTP ? (struct reply){ 503, "5.5.1", "No valid recipients" }
					  : (struct reply){ 554, "5.5.1", "No valid recipients" };
}

static bool stage_begin(struct session *s, struct reply *why)
{
	struct mail *m = s->mail;
	struct err e;
	if (!store_room(s->conf->store, m->params.size, &e)) {
		*why = reply_trouble("DATA", m->id, &e);
		return false;
	}
	stage_open(&m->stage, s->conf->store, s->conf->limits.message);
	intake_open(&m->intake, &m->stage, s->conf->repair_bare);
	return true;
}

/* Why the stage took no more. */
static struct reply stage_failed(struct session *s)
{
	const struct err *e = &s->mail->stage.err;
	if (e->kind == ERR_PERM)
		return reply_make(552, "5.3.4", "At most %llu octets are taken here",
				  (unsigned long long)s->conf->limits.message);
	return reply_trouble("message", s->mail->id, e);
}

struct reply smtp_data(struct session *s, struct str arg, struct next *next)
{
	struct reply why;
	if (arg.n > 0)
		return (struct reply){ 501, "5.5.4", "DATA takes no parameters" };
	if (!(s->state & HAS_RCPT))
		return no_recipients(s);
	if (!stage_begin(s, &why))
		return why;
	s->expects = EXPECT_DATA;
	/* The pen has counted all of DATA: no intake is needed but to repair. */
	*next = (struct next){ .want = WANT_DATA,
			       .sink = s->conf->repair_bare ? &s->mail->intake.sink : &s->mail->stage.sink,
			       .unit_ms = s->conf->limits.message_ms };
	return (struct reply){ 354, "", "Go ahead, and end with CRLF.CRLF" };
}

struct reply smtp_data_end(struct session *s, const struct unit *in, struct next *next)
{
	struct mail *m = s->mail;
	struct counts seen = { in->bare_cr, in->bare_lfs, in->nuls, in->longest };
	s->expects = EXPECT_COMMAND;
	if (s->conf->repair_bare) {
		intake_end(&m->intake);
		seen = m->intake.seen;
	}
	if (in->sink_failed || m->intake.failed) {
		struct reply why = stage_failed(s);
		return smtp_answer(s, &why);
	}
	return smtp_message(s, &seen, next);
}

/* "1000", "86 LAST" */
static bool chunk_parse(struct str arg, uint64_t *octets, bool *last)
{
	struct str n = str_cut(&arg, ' ');
	*last = str_eqi(arg, STR("LAST"));
	return num_parse(n, UINT64_MAX, octets) && (*last || arg.n == 0);
}

/* What is to be done with a chunk of that size. */
static enum chunk chunk_judge(const struct session *s, uint64_t octets, bool last)
{
	if (!(s->state & HAS_RCPT))
		return CHUNK_SEQUENCE;
	uint64_t sum;
	if (__builtin_add_overflow(s->mail->stage.size, octets, &sum) || sum > s->conf->limits.message)
		return CHUNK_LARGE;
	return last ? CHUNK_LAST : CHUNK_MORE;
}

struct reply smtp_bdat(struct session *s, struct str arg, struct next *next)
{
	struct reply why;
	uint64_t octets;
	bool last;
	int64_t left = s->conf->limits.message_ms;
	if (!chunk_parse(arg, &octets, &last)) {
		/* How many octets follow is not known, and they must never be read as commands. */
		next->want = WANT_CLOSE;
		return (struct reply){ 501, "5.5.4", "Syntax: BDAT octets [LAST]" };
	}
	if (octets > s->conf->limits.message + DISCARD_MOST) {
		next->want = WANT_CLOSE;
		return (struct reply){ 552, "5.3.4", "Far too large, goodbye" };
	}
	if (s->mail)
		left += s->mail->began_mono_ms - clock_mono_ms();
	if (left <= 0) {
		next->want = WANT_CLOSE;
		return (struct reply){ 421, "4.4.2", "Waited long enough, goodbye" };
	}
	s->chunk = (uint8_t)chunk_judge(s, octets, last);
	s->discard.add = discard_add;
	struct sink *sink = &s->discard;
	if (s->chunk == CHUNK_MORE || s->chunk == CHUNK_LAST) {
		if (!(s->state & HAS_CHUNK) && !stage_begin(s, &why)) {
			next->want = WANT_CLOSE; /* 4xx, and the octets are on their way */
			return why;
		}
		s->state |= HAS_CHUNK;
		sink = &s->mail->intake.sink;
	}
	s->expects = EXPECT_CHUNK;
	if (octets == 0)
		return smtp_chunk_end(s, next);
	*next = (struct next){ .want = WANT_OCTETS, .octets = octets, .sink = sink, .unit_ms = left };
	return REPLY_SENT;
}

struct reply smtp_chunk_end(struct session *s, struct next *next)
{
	struct reply why = { 552, "5.3.4", "The chunks are more than is taken here" };
	s->expects = EXPECT_COMMAND;
	if (s->chunk == CHUNK_SEQUENCE)
		return (struct reply){ 503, "5.5.1", "MAIL and RCPT come before BDAT" };
	if (s->chunk == CHUNK_LARGE) {
		smtp_mail_end(s);
		return why;
	}
	struct mail *m = s->mail;
	if (s->chunk == CHUNK_LAST)
		intake_end(&m->intake);
	if (!m->intake.failed && s->chunk == CHUNK_MORE)
		return reply_make(250, "2.0.0", "%llu octets so far", (unsigned long long)m->stage.size);
	if (!m->intake.failed)
		return smtp_message(s, &m->intake.seen, next);
	why = stage_failed(s);
	if (s->chunk == CHUNK_LAST)
		return smtp_answer(s, &why);
	smtp_mail_end(s);
	return why;
}
