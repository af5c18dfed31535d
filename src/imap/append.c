#include "imap/append.h"
#include "imap/gather.h"
#include "mail/mime.h"

struct append_head {
	struct str mailbox, keywords;
	unsigned flags;
	int64_t internal_wall_ms;
};

/* mailbox [SP flag-list] [SP date-time] SP, up to the literal's mark. */
static bool parse_append(struct parser *p, struct append_head *h)
{
	*h = (struct append_head){ 0 };
	if (!parse_mailbox(p, &h->mailbox) || !parse_space(p))
		return false;
	if (parse_is(p, '(') && (!parse_flags(p, false, &h->flags, &h->keywords) || !parse_space(p)))
		return false;
	if (parse_is(p, '"') && (!parse_date_time(p, &h->internal_wall_ms) || !parse_space(p)))
		return false;
	return parse_is(p, '{') || parse_fail(p, "flags, a date or a literal with the message");
}

static bool take_to_append(struct parser *p)
{
	struct str tag, name;
	return parse_tag(p, &tag) && parse_space(p) && parse_atom(p, &name, "a command") &&
	       str_eqi(name, STR("APPEND")) && parse_space(p);
}

/* Keywords are kept for ever: how many a mailbox can have is bounded. */
static bool keywords_fit(struct session *s, const struct mailbox *m, struct str keywords, struct arena *a, bool *fit,
			 struct err *e)
{
	struct str *known;
	size_t n, count;
	*fit = true;
	if (keywords.n == 0)
		return true;
	if (!mailbox_keywords(s->conf->store, m->id, a, &known, &n, e))
		return false;
	for (count = n; keywords.n > 0; count++) {
		struct str one = str_cut(&keywords, ' ');
		for (size_t i = 0; i < n; i++)
			if (str_eqi(known[i], one)) {
				count--;
				break;
			}
	}
	*fit = count <= IMAP_KEYWORDS_MAX;
	return true;
}

enum append_at append_judge(struct session *s, struct str bytes, uint64_t octets, struct arena *a,
			    struct reply *refusal)
{
	struct cmd c = { .a = a, .in = parser_new(bytes, a, 0) };
	struct append_head h;
	struct mailbox *m;
	struct err e = { 0 };
	bool fit;
	if (!take_to_append(&c.in))
		return APPEND_OTHER;
	if (!parse_append(&c.in, &h)) {
		*refusal = reply_bad(&c);
		return c.in.pending ? APPEND_OTHER : APPEND_REFUSED;
	}
	if (octets == 0)
		*refusal = NO("The message is empty");
	else if (octets > s->conf->limits.append)
		*refusal = (struct reply){ REPLY_NO, STR("TOOBIG"),
					   str_fmt(a, "A message has at most %llu octets",
						   (unsigned long long)s->conf->limits.append) };
	else if (!mailbox_find(s->conf->store, s->account, h.mailbox, a, &m, &e))
		*refusal = reply_err(&c, &e);
	else if (!m)
		*refusal = NO_CODE("TRYCREATE", "No such mailbox");
	else if (!keywords_fit(s, m, h.keywords, a, &fit, &e))
		*refusal = reply_err(&c, &e);
	else if (!fit)
		*refusal = NO_CODE("LIMIT", "A mailbox has at most 300 keywords");
	else if (!store_room(s->conf->store, octets, &e))
		*refusal = reply_err(&c, &e);
	else
		return APPEND_MESSAGE;
	return APPEND_REFUSED;
}

static bool index_message(struct stage *stage, struct arena *a, struct buf *index, struct err *e)
{
	struct str all;
	if (!stage_all(stage, a, &all, e))
		return false;
	mime_index_write(index, mime_parse(all, a));
	return true;
}

static struct reply append_deliver(struct session *s, struct cmd *c, struct gather *g, const struct append_head *h)
{
	struct buf index = { 0 };
	struct err e = { 0 };
	struct target target = { .account = s->account,
				 .mailbox = h->mailbox,
				 .flags = h->flags,
				 .keywords = h->keywords,
				 .must_exist = true };
	bool done = index_message(&g->stage, c->a, &index, &e);
	if (done) {
		struct delivery d = { .stage = &g->stage,
				      .index = buf_str(&index),
				      .internal_wall_ms = h->internal_wall_ms,
				      .targets = &target,
				      .n = 1 };
		done = deliver(s->conf->store, &d, &e);
	}
	buf_free(&index);
	if (!done && e.kind == ERR_PERM && str_starts(str_of(e.text), STR("TRYCREATE")))
		return NO_CODE("TRYCREATE", "No such mailbox");
	if (!done)
		return reply_err(c, &e);
	return (struct reply){ REPLY_OK, str_fmt(c->a, "APPENDUID %u %u", target.uidvalidity, target.uid),
			       STR("Appended") };
}

struct reply cmd_append(struct session *s, struct cmd *c)
{
	struct append_head h;
	uint64_t octets;
	if (!parse_append(&c->in, &h))
		return reply_bad(c);
	parse_try(&c->in, '{');
	if (!parse_number(&c->in, UINT64_MAX >> 1, &octets, "the size of the message"))
		return reply_bad(c);
	parse_try(&c->in, '+');
	if (!parse_char(&c->in, '}', "'}' after the size of the message") || !parse_end(&c->in))
		return reply_bad(c);
	struct gather *g = s->gather;
	if (!g || !g->staged)
		return BAD("Expected a literal with the message at the end");
	if (g->failed)
		return reply_err(c, &g->stage.err);
	if (g->nul) /* CHAR8 excludes it: no client could be given the message back (RFC 3501 9) */
		return NO_CODE("CANNOT", "The message contains a NUL octet");
	return append_deliver(s, c, g, &h);
}
