/* STORE, COPY, MOVE, EXPUNGE (RFC 3501 6.4, RFC 4315, RFC 6851, RFC 7162 3.1.3). */
#include "base/hash.h"
#include "imap/command.h"
#include "imap/say.h"
#include "imap/walk.h"

struct storing {
	struct set set;
	enum flag_op op;
	bool silent, conditional;
	uint64_t unchanged_since;
	unsigned flags;
	struct str keywords;
};

static bool parse_unchanged_since(struct parser *p, struct storing *x)
{
	if (!parse_try(p, '('))
		return true;
	if (!parse_try_word(p, STR("UNCHANGEDSINCE")))
		return parse_fail(p, "UNCHANGEDSINCE");
	x->conditional = true;
	return parse_space(p) && parse_number(p, INT64_MAX, &x->unchanged_since, "a modseq") &&
	       parse_char(p, ')', "')'") && parse_space(p);
}

static bool parse_store(struct parser *p, struct storing *x)
{
	*x = (struct storing){ .op = FLAGS_SET };
	if (!parse_set(p, &x->set) || !parse_space(p) || !parse_unchanged_since(p, x))
		return false;
	if (parse_try(p, '+'))
		x->op = FLAGS_ADD;
	else if (parse_try(p, '-'))
		x->op = FLAGS_REMOVE;
	if (!parse_try_word(p, STR("FLAGS")))
		return parse_fail(p, "FLAGS, +FLAGS or -FLAGS");
	x->silent = parse_try_word(p, STR(".SILENT"));
	return parse_space(p) && parse_flags(p, true, &x->flags, &x->keywords) && parse_end(p);
}

/* Keywords are kept for ever in FLAGS: how many a mailbox can have is bounded. */
static bool keywords_fit(const struct view *v, struct str keywords)
{
	size_t count = 0;
	for (struct str all = str_of(v->keywords); all.n > 0; count++)
		str_cut(&all, ' ');
	while (keywords.n > 0)
		count += !view_knows(v, str_cut(&keywords, ' '));
	return count <= IMAP_KEYWORDS_MAX;
}

/* What a message was before a silent STORE: only what others did to it meanwhile is told. */
struct before {
	uint32_t uid;
	unsigned flags;
	uint64_t keywords; /* hash of what they are to become; the order is the store's, so per word and summed */
	bool known;        /* the client had been told of its state */
};

static uint64_t keywords_sum(struct str keywords)
{
	uint64_t sum = 0;
	while (keywords.n > 0) {
		struct str one = str_cut(&keywords, ' ');
		sum += one.n ? hash_stri(one) : 0;
	}
	return sum;
}

static bool has_word(struct str words, struct str word)
{
	while (words.n > 0)
		if (str_eqi(str_cut(&words, ' '), word))
			return true;
	return false;
}

static struct before expect(const struct storing *x, const struct msg *m, uint64_t told)
{
	struct before b = { .uid = m->uid, .flags = x->flags, .known = m->modseq <= told };
	struct str words = x->keywords, seen = STR_NONE;
	uint64_t old = keywords_sum(m->keywords);
	if (x->op == FLAGS_ADD)
		b.flags = m->flags | x->flags;
	if (x->op == FLAGS_REMOVE)
		b.flags = m->flags & ~x->flags;
	b.keywords = x->op == FLAGS_SET ? 0 : old;
	for (const char *start = words.p; words.n > 0; seen = (struct str){ start, (size_t)(words.p - start) }) {
		struct str one = str_cut(&words, ' ');
		if (one.n == 0 || has_word(seen, one))
			continue;
		bool there = has_word(m->keywords, one);
		if (x->op == FLAGS_REMOVE)
			b.keywords -= there ? hash_stri(one) : 0;
		else if (x->op == FLAGS_SET || !there)
			b.keywords += hash_stri(one);
	}
	return b;
}

struct befores {
	struct before *p;
	size_t n, cap;
};

static bool read_before(struct session *s, struct cmd *c, const struct storing *x, struct walk walk,
			struct befores *out, struct err *e)
{
	struct arena page = { 0 };
	struct msg *rows;
	size_t n;
	uint32_t from, to;
	bool ok = true;
	while (ok && walk_next(&walk, &from, &to)) {
		ok = msg_page(s->conf->store, s->view->mailbox, from, to, false, &page, &rows, &n, e);
		for (size_t i = 0; ok && i < n; i++) {
			if (!walk_has(&walk, rows[i].uid))
				continue;
			if (out->n == out->cap)
				out->p = arena_grow(c->a, out->p, &out->cap, out->n + 1, sizeof *out->p);
			out->p[out->n++] = expect(x, &rows[i], s->view->modseq);
		}
		arena_reset(&page);
	}
	return ok;
}

static const struct before *before_of(const struct befores *b, uint32_t uid, size_t *hint)
{
	while (*hint < b->n && b->p[*hint].uid < uid)
		(*hint)++;
	return *hint < b->n && b->p[*hint].uid == uid ? &b->p[*hint] : NULL;
}

/* A row after the STORE: said, or known to be what the client expects. */
static void store_row(struct session *s, struct cmd *c, const struct storing *x, const struct msg *m,
		      const struct before *b, struct buf *out)
{
	uint32_t seq = view_seq(s->view, m->uid);
	bool expected = x->silent && b && b->known && b->flags == m->flags && b->keywords == keywords_sum(m->keywords);
	if (m->modseq > s->view->modseq)
		cmd_told(c, m->uid, m->modseq);
	if (expected && !s->condstore)
		return;
	tell_keywords(s, m->keywords, c->a);
	if (!expected) {
		say_fetch_flags(s, out, m, seq, c->uid);
		return;
	}
	say_fetch_open(s, out, seq, m->uid, c->uid || s->qresync);
	buf_printf(out, "MODSEQ (%llu))\r\n", (unsigned long long)m->modseq); /* RFC 7162 3.1.3: even when silent */
}

static bool store_answer(struct session *s, struct cmd *c, const struct storing *x, struct walk walk,
			 const struct befores *b, const struct walk *failed, uint32_t *missing, struct err *e)
{
	struct arena page = { 0 };
	struct buf out = { 0 };
	struct msg *rows;
	size_t n, hint = 0;
	uint32_t from, to;
	bool ok = true;
	while (ok && walk_next(&walk, &from, &to)) {
		uint32_t wanted = walk_count(&walk, from, to);
		ok = msg_page(s->conf->store, s->view->mailbox, from, to, false, &page, &rows, &n, e);
		for (size_t i = 0; ok && i < n; i++) {
			if (!walk_has(&walk, rows[i].uid))
				continue;
			wanted--;
			if (!walk_has(failed, rows[i].uid))
				store_row(s, c, x, &rows[i], before_of(b, rows[i].uid, &hint), &out);
		}
		*missing += ok ? wanted : 0;
		io_add(s->io, buf_str(&out));
		buf_clear(&out);
		arena_reset(&page);
	}
	buf_free(&out);
	return ok;
}

/* What was asked for follows each other in the map, so a run of UIDs is a run of numbers. */
static struct str modified_code(struct session *s, struct cmd *c, struct uid_run *failed, size_t n)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < n && !c->uid; i++)
		failed[i].first = view_seq(s->view, failed[i].first);
	buf_addz(&b, "MODIFIED ");
	set_print(&b, failed, n);
	struct str code = str_dup(c->a, buf_str(&b));
	buf_free(&b);
	return code;
}

struct reply cmd_store(struct session *s, struct cmd *c)
{
	struct storing x;
	struct befores before = { 0 };
	struct uid_run *runs, *failed = NULL;
	struct err e = { 0 };
	size_t n, nfailed = 0;
	uint32_t missing = 0;
	if (!parse_store(&c->in, &x))
		return reply_bad(c);
	if (x.conditional)
		condstore_on(s);
	if (!session_resolve(s, &x.set, c->uid, c->a, &runs, &n))
		return BAD("There is no message of that number");
	if (s->view->readonly)
		return NO("The mailbox is read-only");
	if (x.op != FLAGS_REMOVE && !keywords_fit(s->view, x.keywords))
		return NO_CODE("LIMIT", "A mailbox has at most 300 keywords");
	if (n == 0)
		return OK("STORE completed");
	struct walk walk = { .view = s->view, .runs = runs, .n = n };
	/* Modseqs begin at 1: UNCHANGEDSINCE 0 is true of no message (RFC 7162 3.1.3). */
	if (x.conditional && x.unchanged_since == 0)
		return (struct reply){ REPLY_OK, modified_code(s, c, runs, n), STR("Nothing was stored") };
	if ((x.silent && !read_before(s, c, &x, walk, &before, &e)) ||
	    !msg_store_flags(s->conf->store, s->view->mailbox, runs, n, x.op, x.flags, x.keywords, x.unchanged_since,
			     c->a, &failed, &nfailed, &e))
		return reply_err(c, &e);
	struct walk not_stored = { .runs = failed, .n = nfailed };
	if (!store_answer(s, c, &x, walk, &before, &not_stored, &missing, &e))
		return reply_err(c, &e);
	if (nfailed > 0)
		return (struct reply){ REPLY_OK, modified_code(s, c, failed, nfailed), STR("Others were stored") };
	if (missing > 0)
		return (struct reply){ REPLY_OK, STR("EXPUNGEISSUED"), STR("Some messages are gone") };
	return OK("STORE completed");
}

struct copying {
	struct set set;
	struct str mailbox;
	struct mailbox *to;
	struct uid_run *runs;
	size_t n;
	struct copied done;
};

/* False: *r is the answer. */
static bool copy_do(struct session *s, struct cmd *c, bool move, struct copying *x, struct reply *r)
{
	struct err e = { 0 };
	if (!parse_set(&c->in, &x->set) || !parse_space(&c->in) || !parse_mailbox(&c->in, &x->mailbox) ||
	    !parse_end(&c->in))
		*r = reply_bad(c);
	else if (!session_resolve(s, &x->set, c->uid, c->a, &x->runs, &x->n))
		*r = BAD("There is no message of that number");
	else if (move && s->view->readonly)
		*r = NO("The mailbox is read-only");
	else if (!mailbox_find(s->conf->store, s->account, x->mailbox, c->a, &x->to, &e))
		*r = reply_err(c, &e);
	else if (!x->to)
		*r = NO_CODE("TRYCREATE", "No such mailbox");
	else if (x->n > 0 &&
		 !msg_copy(s->conf->store, s->view->mailbox, x->runs, x->n, x->to->id, move, c->a, &x->done, &e))
		*r = reply_err(c, &e);
	else
		return true;
	return false;
}

/* Empty when nothing was copied. */
static struct str copyuid(struct cmd *c, const struct copied *done)
{
	struct buf b = { 0 };
	if (done->n == 0)
		return STR_NONE;
	buf_printf(&b, "COPYUID %u ", done->uidvalidity);
	set_print(&b, done->from, done->n);
	buf_addc(&b, ' ');
	set_print(&b, done->into, done->n);
	struct str code = str_dup(c->a, buf_str(&b));
	buf_free(&b);
	return code;
}

struct reply cmd_copy(struct session *s, struct cmd *c)
{
	struct copying x = { 0 };
	struct reply r;
	if (!copy_do(s, c, false, &x, &r))
		return r;
	return (struct reply){ REPLY_OK, copyuid(c, &x.done), STR("COPY completed") };
}

/* Once all that went is told, the modseq that the client then knows (RFC 7162 3.2.7, RFC 6851 4.4). */
static struct reply expunged(struct session *s, struct cmd *c, struct str text)
{
	struct err e = { 0 };
	struct str code = STR_NONE;
	if (s->qresync && tell(s, c, TELL_ALL, true, &e))
		code = str_fmt(c->a, "HIGHESTMODSEQ %llu", (unsigned long long)s->view->modseq);
	return (struct reply){ REPLY_OK, code, text };
}

/* COPYUID comes before the EXPUNGEs it explains (RFC 6851 4.3); those follow when the command ends. */
struct reply cmd_move(struct session *s, struct cmd *c)
{
	struct copying x = { 0 };
	struct reply r;
	if (!copy_do(s, c, true, &x, &r))
		return r;
	struct str code = copyuid(c, &x.done);
	if (code.n > 0) {
		io_add(s->io, STR("* OK ["));
		io_add(s->io, code);
		io_add(s->io, STR("] Moved\r\n"));
	}
	return expunged(s, c, STR("MOVE completed"));
}

struct reply cmd_expunge(struct session *s, struct cmd *c)
{
	struct set set = { 0 };
	struct uid_run *runs = NULL;
	struct err e = { 0 };
	size_t n = 0;
	if ((c->uid && !parse_set(&c->in, &set)) || !parse_end(&c->in))
		return reply_bad(c);
	if (s->view->readonly)
		return NO("The mailbox is read-only");
	if (c->uid && (!session_resolve(s, &set, true, c->a, &runs, &n) || n == 0))
		return OK("EXPUNGE completed"); /* an empty list would mean the whole mailbox */
	if (!msg_expunge(s->conf->store, s->view->mailbox, runs, n, true, &e))
		return reply_err(c, &e);
	return expunged(s, c, STR("EXPUNGE completed"));
}
