#include "imap/append.h"
#include "imap/gather.h"
#include "mail/preview.h"
#include "store/account.h"

/* One message of the command, as it is announced. */
struct append_message {
	struct str keywords;
	unsigned flags;
	int64_t internal_wall_ms;
	bool binary; /* literal8: may hold NUL (RFC 3516 4.4) */
};
struct append {
	struct str mailbox;
	struct append_message *messages;
	size_t n, cap;
};

/* "{12}", "~{12}" or "UTF8 (~{12}" (RFC 6855 4), a plus in it or not; not the ")" that follows the octets of the last.
 */
static bool parse_mark(struct parser *p, struct append_message *m, bool *utf8)
{
	uint64_t octets;
	*utf8 = parse_try_word(p, STR("UTF8 ("));
	m->binary = parse_try(p, '~');
	if (*utf8 && !m->binary)
		return parse_fail(p, "'~{' after UTF8 (");
	if (!parse_char(p, '{', "flags, a date or a literal with the message") ||
	    !parse_number(p, UINT64_MAX >> 1, &octets, "the size of the message"))
		return false;
	parse_try(p, '+');
	return parse_char(p, '}', "'}' after the size of the message");
}

/* [flag-list SP] [date-time SP] literal */
static bool parse_message(struct parser *p, struct append *x, bool *utf8)
{
	struct append_message m = { .keywords = STR_NONE };
	if (x->n == DELIVER_MAX)
		return parse_fail(p, "at most 100 messages");
	if (parse_is(p, '(') && (!parse_flags(p, false, &m.flags, &m.keywords) || !parse_space(p)))
		return false;
	if (parse_is(p, '"') && (!parse_date_time(p, &m.internal_wall_ms) || !parse_space(p)))
		return false;
	if (!parse_mark(p, &m, utf8))
		return false;
	if (x->n == x->cap)
		x->messages = arena_grow(p->arena, x->messages, &x->cap, x->n + 1, sizeof *x->messages);
	x->messages[x->n++] = m;
	return true;
}

/* mailbox 1*(SP message), without the octets.  Open: the command may end behind the mark of a literal, whose octets
 * are to come. */
static bool parse_append(struct parser *p, bool several, bool open, struct append *x)
{
	bool utf8 = false;
	*x = (struct append){ 0 };
	if (!parse_mailbox(p, &x->mailbox))
		return false;
	do {
		if (!parse_space(p) || !parse_message(p, x, &utf8))
			return false;
		if (open && parse_at_end(p))
			return true;
		if (utf8 && !parse_char(p, ')', "')' after a message that began with UTF8 ("))
			return false;
	} while (several && parse_is(p, ' '));
	return parse_end(p);
}

/* --- before it comes ------------------------------------------------------------------------- */

/* "tag APPEND " or "tag [UID] REPLACE number "; false: another command. */
static bool take_name(struct parser *p, bool *replace, bool *uid)
{
	struct str tag, name;
	if (!parse_tag(p, &tag) || !parse_space(p) || !parse_atom(p, &name, "a command") || !parse_space(p))
		return false;
	*uid = str_eqi(name, STR("UID"));
	if (*uid && (!parse_atom(p, &name, "a command") || !parse_space(p)))
		return false;
	*replace = str_eqi(name, STR("REPLACE"));
	return *replace || (!*uid && str_eqi(name, STR("APPEND")));
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

static struct reply judge_size(const struct session *s, uint64_t before, uint64_t octets, struct arena *a)
{
	uint64_t max = s->conf->limits.append;
	if (octets == 0)
		return NO("The message is empty"); /* also: the client has changed its mind (RFC 3502 6.3.11) */
	if (octets > max)
		return (struct reply){ REPLY_NO, STR("TOOBIG"),
				       str_fmt(a, "A message has at most %llu octets", (unsigned long long)max) };
	if (octets > max - before)
		return (struct reply){ REPLY_NO, STR("TOOBIG"),
				       str_fmt(a, "The messages of one APPEND have at most %llu octets together",
					       (unsigned long long)max) };
	return (struct reply){ 0 };
}

static struct reply judge_mailbox(struct session *s, struct cmd *c, const struct append *x, bool replace,
				  uint64_t octets)
{
	struct store *st = s->conf->store;
	struct mailbox *m;
	struct err e = { 0 };
	bool fit;
	if (!mailbox_find(st, s->account, x->mailbox, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("TRYCREATE", "No such mailbox");
	if (!keywords_fit(s, m, x->messages[x->n - 1].keywords, c->a, &fit, &e))
		return reply_err(c, &e);
	if (!fit)
		return NO_CODE("LIMIT", "A mailbox has at most 300 keywords");
	if (!store_room(st, octets, &e))
		return reply_err(c, &e);
	/* What a REPLACE takes away makes room, too: only the commit knows how much. */
	if (!replace && !account_room(st, s->account, octets, &e))
		return reply_err(c, &e);
	return (struct reply){ 0 };
}

enum append_at append_judge(struct session *s, struct str bytes, uint64_t before, uint64_t octets, struct arena *a,
			    struct reply *refusal)
{
	struct cmd c = { .a = a, .in = parser_new(bytes, a, 0) };
	struct append x;
	bool replace, uid;
	c.in.utf8 = s->utf8 || s->rev2;
	if (!take_name(&c.in, &replace, &uid))
		return APPEND_OTHER;
	*refusal = (struct reply){ 0 };
	if (replace && replace_target(s, &c.in, uid, refusal) == 0) {
		if (refusal->kind == REPLY_NONE)
			*refusal = reply_bad(&c);
		return APPEND_REFUSED;
	}
	if (!parse_append(&c.in, !replace, true, &x)) {
		*refusal = reply_bad(&c);
		return c.in.pending ? APPEND_OTHER : APPEND_REFUSED;
	}
	*refusal = judge_size(s, before, octets, a);
	if (refusal->kind == REPLY_NONE)
		*refusal = judge_mailbox(s, &c, &x, replace, before + octets);
	return refusal->kind == REPLY_NONE ? APPEND_MESSAGE : APPEND_REFUSED;
}

/* --- when it is here --------------------------------------------------------------------------- */

static bool index_message(struct stage *stage, struct buf *index, struct err *e)
{
	struct arena a = { 0 };
	struct str all;
	bool ok = stage_all(stage, &a, &all, e);
	if (ok) {
		struct part *root = mime_parse(all, &a);
		preview_make(root, all, &a);
		mime_index_write(index, root);
	}
	arena_reset(&a);
	return ok;
}

/* What the server could not give back as it is (RFC 3501 9: CHAR8 excludes NUL). */
static bool refuse_nul(const struct gather *g, const struct append *x, struct reply *refusal)
{
	const struct append_message *announced = x->messages;
	for (const struct staged *m = g->first; m; m = m->next, announced++) {
		if (!m->nul)
			continue;
		*refusal = announced->binary
			       ? NO_CODE("UNKNOWN-CTE", "The message contains a NUL octet: encode that part as base64")
			       : NO_CODE("CANNOT", "The message contains a NUL octet");
		return true;
	}
	return false;
}

/* One delivery for each message, all to one mailbox. */
struct batch {
	struct delivery *each, **all;
	struct target *targets;
	struct buf *indexes;
	size_t n;
};

static bool batch_make(struct session *s, struct cmd *c, const struct append *x, struct batch *b, struct err *e)
{
	size_t n = x->n;
	*b = (struct batch){ .each = ARENA_ARRAY(c->a, struct delivery, n),
			     .all = ARENA_ARRAY(c->a, struct delivery *, n),
			     .targets = ARENA_ARRAY(c->a, struct target, n),
			     .indexes = ARENA_ARRAY(c->a, struct buf, n),
			     .n = n };
	struct staged *staged = s->gather->first;
	for (size_t i = 0; i < n; i++, staged = staged->next) {
		const struct append_message *m = &x->messages[i];
		struct stage *stage = &staged->stage;
		if (!index_message(stage, &b->indexes[i], e))
			return false;
		b->targets[i] = (struct target){ .account = s->account,
						 .mailbox = x->mailbox,
						 .prefix = STR_NONE,
						 .flags = m->flags,
						 .keywords = m->keywords,
						 .must_exist = true,
						 .as_given = true };
		b->each[i] = (struct delivery){ .stage = stage,
						.index = buf_str(&b->indexes[i]),
						.internal_wall_ms = m->internal_wall_ms,
						.targets = &b->targets[i],
						.n = 1 };
		b->all[i] = &b->each[i];
	}
	return true;
}

static struct str append_uid(const struct batch *b, struct arena *a)
{
	struct buf set = { 0 };
	struct uid_run *runs = ARENA_ARRAY(a, struct uid_run, b->n);
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++) {
		if (n > 0 && runs[n - 1].first + runs[n - 1].count == b->targets[i].uid)
			runs[n - 1].count++;
		else
			runs[n++] = (struct uid_run){ b->targets[i].uid, 1 };
	}
	set_print(&set, runs, n);
	struct str code = str_fmt(a, "APPENDUID %u %.*s", b->targets[0].uidvalidity, STRF(buf_str(&set)));
	buf_free(&set);
	return code;
}

static struct reply not_delivered(struct cmd *c, const struct err *e)
{
	if (e->kind == ERR_PERM && str_starts(str_of(e->text), STR("TRYCREATE")))
		return NO_CODE("TRYCREATE", "No such mailbox");
	return reply_err(c, e);
}

static bool append_deliver(struct session *s, struct cmd *c, const struct append *x, uint32_t replaces,
			   struct str *code, struct reply *refusal)
{
	struct batch b;
	struct err e = { 0 };
	bool done = batch_make(s, c, x, &b, &e);
	if (done && replaces) {
		b.each[0].replaces_mailbox = s->view->mailbox;
		b.each[0].replaces_uid = replaces;
	}
	done = done && deliver_all(s->conf->store, b.all, b.n, &e);
	for (size_t i = 0; i < b.n; i++)
		buf_free(&b.indexes[i]);
	if (done)
		*code = append_uid(&b, c->a);
	else
		*refusal = not_delivered(c, &e);
	return done;
}

bool append_all(struct session *s, struct cmd *c, uint32_t replaces, struct str *code, struct reply *refusal)
{
	struct append x;
	struct gather *g = s->gather;
	if (!parse_append(&c->in, replaces == 0, false, &x)) {
		*refusal = reply_bad(c);
		return false;
	}
	if (!g || g->nmessages != x.n) {
		*refusal = BAD("Expected a literal with the message at the end");
		return false;
	}
	if (g->failed.kind != ERR_NONE) {
		*refusal = reply_err(c, &g->failed);
		return false;
	}
	return !refuse_nul(g, &x, refusal) && append_deliver(s, c, &x, replaces, code, refusal);
}

struct reply cmd_append(struct session *s, struct cmd *c)
{
	struct reply refusal;
	struct str code;
	if (!append_all(s, c, 0, &code, &refusal))
		return refusal;
	return (struct reply){ REPLY_OK, code, STR("Appended") };
}
