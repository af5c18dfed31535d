/* SEARCH: the answer, as SEARCH or ESEARCH (RFC 3501 7.2.5, RFC 9051 7.3.4), and what "$" becomes. */
#include "imap/search_run.h"

#define SAY_AT 4096 /* octets gathered before they go to the stream */

/* Numbers of messages that stand beside each other make one run, whatever their UIDs. */
struct uid_run *search_numbers(const struct view *v, bool uid, struct arena *a, const struct uid_run *runs, size_t *n)
{
	struct uid_run *out = ARENA_ARRAY(a, struct uid_run, *n);
	size_t kept = 0;
	for (size_t i = 0; i < *n; i++) {
		uint32_t first = uid ? runs[i].first : view_seq(v, runs[i].first);
		if (kept > 0 && out[kept - 1].first + out[kept - 1].count == first)
			out[kept - 1].count += runs[i].count;
		else
			out[kept++] = (struct uid_run){ first, runs[i].count };
	}
	*n = kept;
	return out;
}

void say_esearch(struct buf *b, const struct cmd *c)
{
	buf_printf(b, "* ESEARCH (TAG \"%.*s\")%s", STRF(c->tag), c->uid ? " UID" : "");
}

static void say_search(struct session *s, const struct cmd *c, const struct search *search,
		       const struct search_result *found)
{
	struct buf b = { 0 };
	size_t n = found->n;
	struct uid_run *runs = search_numbers(s->view, c->uid, c->a, found->runs, &n);
	buf_addz(&b, "* SEARCH");
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < runs[i].count; k++) {
			buf_printf(&b, " %u", runs[i].first + k);
			if (b.n < SAY_AT)
				continue;
			io_add(s->io, buf_str(&b));
			buf_clear(&b);
		}
	if (search->modseq && found->count > 0)
		buf_printf(&b, " (MODSEQ %llu)", (unsigned long long)found->modseq);
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

static uint32_t last_uid(const struct search_result *found)
{
	return found->runs[found->n - 1].first + found->runs[found->n - 1].count - 1;
}

static uint32_t number_of(const struct session *s, const struct cmd *c, uint32_t uid)
{
	return c->uid ? uid : view_seq(s->view, uid);
}

/* The messages a PARTIAL names. */
static struct uid_run *cut_out(const struct search_result *found, const struct partial *x, struct arena *a, size_t *n)
{
	struct uid_run *runs = ARENA_ARRAY(a, struct uid_run, found->n);
	for (size_t i = 0; i < found->n; i++)
		runs[i] = found->runs[i];
	*n = found->n;
	partial_cut(x, runs, n);
	return runs;
}

static void say_set(struct buf *b, const struct session *s, const struct cmd *c, const struct uid_run *runs, size_t n)
{
	runs = search_numbers(s->view, c->uid, c->a, runs, &n);
	set_print(b, runs, n);
}

static void say_partial(struct buf *b, const struct session *s, const struct cmd *c, const struct partial *x,
			const struct search_result *found)
{
	size_t n;
	struct uid_run *runs = cut_out(found, x, c->a, &n);
	buf_addz(b, " PARTIAL (");
	partial_print(b, x);
	buf_addc(b, ' ');
	if (n > 0)
		say_set(b, s, c, runs, n);
	else
		buf_addz(b, "NIL");
	buf_addc(b, ')');
}

/* RFC 4731 3.1: what was not found is not said, but for COUNT. */
static void say_returns(struct session *s, const struct cmd *c, const struct returns *want, const struct search *search,
			const struct search_result *found)
{
	struct buf b = { 0 };
	bool some = found->count > 0;
	say_esearch(&b, c);
	if (want->what & RETURN_MIN && some)
		buf_printf(&b, " MIN %u", number_of(s, c, found->runs[0].first));
	if (want->what & RETURN_MAX && some)
		buf_printf(&b, " MAX %u", number_of(s, c, last_uid(found)));
	if (want->what & RETURN_ALL && some) {
		buf_addz(&b, " ALL ");
		say_set(&b, s, c, found->runs, found->n);
	}
	if (want->what & RETURN_COUNT)
		buf_printf(&b, " COUNT %u", found->count);
	if (want->what & RETURN_PARTIAL)
		say_partial(&b, s, c, &want->partial, found);
	if (search->modseq && found->modseq > 0) /* 0: a PARTIAL behind the end */
		buf_printf(&b, " MODSEQ %llu", (unsigned long long)found->modseq);
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

/* The messages that the answer names.  With MIN, MAX or PARTIAL and neither ALL nor COUNT only what these say: they are
 * what "$" becomes (RFC 5182 2.4, RFC 9394 3.2).  Runs may overlap. */
static struct uid_run *named(const struct cmd *c, const struct returns *want, const struct search_result *found,
			     size_t *n)
{
	unsigned some = want->what & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL);
	*n = found->n;
	if (!some || want->what & (RETURN_ALL | RETURN_COUNT) || found->count == 0)
		return found->runs;
	struct uid_run *runs = ARENA_ARRAY(c->a, struct uid_run, found->n + 2);
	struct uid_run *part = cut_out(found, &want->partial, c->a, n);
	*n = some & RETURN_PARTIAL ? *n : 0;
	for (size_t i = 0; i < *n; i++)
		runs[i] = part[i];
	if (some & RETURN_MIN)
		runs[(*n)++] = (struct uid_run){ found->runs[0].first, 1 };
	if (some & RETURN_MAX)
		runs[(*n)++] = (struct uid_run){ last_uid(found), 1 };
	return runs;
}

static struct reply answer(struct session *s, struct cmd *c, const struct returns *want, const struct search *search,
			   struct search_result *found)
{
	struct err e = { 0 };
	size_t n;
	struct uid_run *runs = named(c, want, found, &n);
	if (search->modseq && runs != found->runs && !search_modseq(s, runs, n, &found->modseq, &e))
		return reply_err(c, &e);
	if (!want->given && !s->rev2)
		say_search(s, c, search, found);
	else if (want->what != RETURN_SAVE) /* alone it says nothing (RFC 5182 1) */
		say_returns(s, c, want, search, found);
	if (want->what & RETURN_SAVE && !session_save(s, runs, n))
		return NO_CODE("NOTSAVED", "Found messages are in more than 100000 runs of UIDs");
	return search_done(c, found, OK("SEARCH completed"));
}

struct reply cmd_search(struct session *s, struct cmd *c)
{
	struct returns want;
	struct search search;
	struct search_result found;
	struct reply r;
	enum charset_rule rule = s->utf8 ? CHARSET_NOT : CHARSET_MAY;
	if (!parse_returns(&c->in, &want) || !parse_search(&c->in, rule, &search))
		return reply_bad(c);
	if (!want.given)
		want.what = RETURN_ALL;
	if (search_run(s, c, &search, &want, &found, &r))
		r = answer(s, c, &want, &search, &found);
	if (want.what & RETURN_SAVE && r.kind == REPLY_NO) /* RFC 5182 2.1 */
		session_save(s, NULL, 0);
	return r;
}
