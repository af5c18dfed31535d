/* THREAD (RFC 5256): the found messages, what their headers say of each other, and the forest that makes. */
#include "imap/base_subject.h"
#include "imap/sort.h"
#include "imap/threads.h"
#include "mail/header.h"

static bool parse_thread(struct parser *p, enum thread_by *by, struct search *search)
{
	struct str name;
	size_t at = p->at;
	if (!parse_atom(p, &name, "a threading algorithm"))
		return false;
	*by = str_eqi(name, STR("REFERENCES")) ? THREAD_BY_REFERENCES : THREAD_BY_SUBJECT;
	if (*by == THREAD_BY_SUBJECT && !str_eqi(name, STR("ORDEREDSUBJECT"))) {
		p->at = at;
		return parse_fail(p, "ORDEREDSUBJECT or REFERENCES");
	}
	return parse_space(p) && parse_search(p, CHARSET_FIRST, search);
}

/* The References field: from the index, or from the header where an old index does not have it. */
static bool read_references(struct message *m, struct str *out, struct err *e)
{
	const struct envelope *env = m->root->envelope;
	struct header h;
	*out = env ? env->references : STR_NONE;
	if (env && env->know_references)
		return true;
	struct str block;
	uint64_t from = m->root->header_at, to = m->root->body_at;
	if (!message_range(m, from, to - from > HEADER_BYTES_MAX ? from + HEADER_BYTES_MAX : to, &block, e))
		return false;
	bool there = header_find(block, STR("References"), &h);
	*out = there ? header_unfold(m->a, h.value) : STR_NONE;
	return true;
}

/* References, else the first message id of In-Reply-To, which may be an address too (RFC 5256 3). */
static bool read_header(struct message *m, enum thread_by by, struct threaded *out, struct err *e)
{
	struct str value, *ids;
	size_t n;
	if (!message_index(m, e))
		return false;
	const struct envelope *env = m->root->envelope;
	if (!env)
		return true;
	out->subject = casemap(base_subject(env->subject, m->a, &out->reply), m->a);
	if (by == THREAD_BY_SUBJECT)
		return true;
	if (!read_references(m, &value, e))
		return false;
	ids = message_ids(env->message_id, m->a, &n);
	out->id = n > 0 ? ids[0] : STR_NONE;
	out->references = message_ids(value, m->a, &out->nreferences);
	if (out->nreferences > 0)
		return true;
	out->references = message_ids(env->in_reply_to, m->a, &n);
	out->nreferences = n > 0;
	return true;
}

struct threading {
	struct session *s;
	struct cmd *c;
	enum thread_by by;
	struct threads *threads;
	struct arena kept;
};

static void add_message(struct threading *x, const struct msg *row, struct arena *scratch)
{
	struct message m = { .st = x->s->conf->store, .a = scratch, .row = row };
	struct threaded t = { .number = x->c->uid ? row->uid : view_seq(x->s->view, row->uid), .subject = STR_NONE };
	struct err e = { 0 };
	if (!read_header(&m, x->by, &t, &e))
		say_unreadable(x->s, row, &e);
	t.date_ms = sent_date(&m);
	threads_add(x->threads, &t);
	message_close(&m);
	arena_reset(scratch);
}

static bool read_messages(struct threading *x, const struct search_result *found, struct err *e)
{
	struct found_rows f = found_rows(x->s, found);
	struct arena scratch = { 0 };
	x->threads = threads_new(x->by, found->count, &x->kept);
	while (!arena_full(&x->kept) && found_next(&f, WITH_INDEX, e))
		for (size_t i = 0; i < f.n; i++)
			if (walk_has(&f.walk, f.rows[i].uid))
				add_message(x, &f.rows[i], &scratch);
	arena_reset(&f.page);
	return e->kind == ERR_NONE;
}

static struct reply thread_found(struct threading *x, const struct search_result *found)
{
	struct err e = { 0 };
	struct buf b = { 0 }, forest = { 0 };
	if (found->count > SORT_MESSAGES_MAX)
		return sort_limit();
	if (!read_messages(x, found, &e))
		return reply_err(x->c, &e);
	if (arena_full(&x->kept))
		return sort_limit();
	threads_print(x->threads, &forest);
	buf_addz(&b, forest.n > 0 ? "* THREAD " : "* THREAD"); /* what was found may be gone meanwhile */
	buf_add(&b, buf_str(&forest));
	buf_addz(&b, "\r\n");
	io_add(x->s->io, buf_str(&b));
	buf_free(&forest);
	buf_free(&b);
	return search_done(x->c, found, OK("THREAD completed"));
}

struct reply cmd_thread(struct session *s, struct cmd *c)
{
	static const struct returns all = { .what = RETURN_ALL };
	struct threading x = { .s = s, .c = c, .kept.ceiling = SORT_OCTETS_MAX };
	struct search search;
	struct search_result found;
	struct reply r;
	if (!parse_thread(&c->in, &x.by, &search))
		return reply_bad(c);
	if (search_run(s, c, &search, &all, &found, &r))
		r = thread_found(&x, &found);
	arena_reset(&x.kept);
	return r;
}
