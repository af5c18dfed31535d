/* SORT (RFC 5256), SORT=DISPLAY (RFC 5957), and RETURN for it (RFC 5267 3). */
#include "imap/sort.h"
#include "base/log.h"
#include "imap/base_subject.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/words.h"
#include <stdlib.h>

enum sort_by {
	BY_ARRIVAL,
	BY_CC,
	BY_DATE,
	BY_DISPLAYFROM,
	BY_DISPLAYTO,
	BY_FROM,
	BY_SIZE,
	BY_SUBJECT,
	BY_TO,
};
#define CRITERIA 9
/* clang-format off */
static const struct {
	struct str name;
	bool text, header; /* text: compared as octets; header: the MIME index is needed */
} criteria[CRITERIA] = {
	[BY_ARRIVAL]	 = { { "ARRIVAL", 7 },	    false, false },
	[BY_CC]		 = { { "CC", 2 },	    true,  true },
	[BY_DATE]	 = { { "DATE", 4 },	    false, true },
	[BY_DISPLAYFROM] = { { "DISPLAYFROM", 11 }, true,  true },
	[BY_DISPLAYTO]	 = { { "DISPLAYTO", 9 },    true,  true },
	[BY_FROM]	 = { { "FROM", 4 },	    true,  true },
	[BY_SIZE]	 = { { "SIZE", 4 },	    false, false },
	[BY_SUBJECT]	 = { { "SUBJECT", 7 },	    true,  true },
	[BY_TO]		 = { { "TO", 2 },	    true,  true },
};
/* clang-format on */

struct sort_keys {
	struct {
		enum sort_by by;
		bool reverse;
	} k[CRITERIA]; /* the same criterion again changes nothing */
	size_t n;
	bool header;
};
union sort_value {
	int64_t number;
	struct str text;
};
struct sort_record {
	uint32_t uid;
	uint64_t modseq;
	union sort_value *values; /* as many as there are keys */
};
struct sorting {
	struct session *s;
	struct cmd *c;
	struct sort_keys keys;
	struct arena kept; /* records and keys */
	struct sort_record *records;
	size_t n;
	uint64_t modseq;
};

/* --- what is asked ------------------------------------------------------------------ */

static void add_criterion(struct sort_keys *keys, enum sort_by by, bool reverse)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->k[i].by == by)
			return;
	keys->k[keys->n].by = by;
	keys->k[keys->n++].reverse = reverse;
	keys->header = keys->header || criteria[by].header;
}

static bool parse_criterion(struct parser *p, struct sort_keys *keys)
{
	struct str name;
	size_t at;
	bool reverse = parse_try_word(p, STR("REVERSE "));
	at = p->at;
	if (!parse_atom(p, &name, "a sort criterion"))
		return false;
	for (unsigned i = 0; i < CRITERIA; i++)
		if (str_eqi(name, criteria[i].name)) {
			add_criterion(keys, (enum sort_by)i, reverse);
			return true;
		}
	p->at = at;
	return parse_fail(p, "ARRIVAL, CC, DATE, DISPLAYFROM, DISPLAYTO, FROM, SIZE, SUBJECT or TO");
}

static bool parse_sort(struct parser *p, struct sort_keys *keys, struct search *search)
{
	*keys = (struct sort_keys){ 0 };
	if (!parse_char(p, '(', "'(' before sort criteria"))
		return false;
	do {
		if (!parse_criterion(p, keys))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after sort criteria") && parse_space(p) &&
	       parse_search(p, CHARSET_FIRST, search);
}

/* --- shared with THREAD -------------------------------------------------------------- */

struct found_rows found_rows(struct session *s, const struct search_result *found)
{
	return (struct found_rows){ .s = s, .walk = { .view = s->view, .runs = found->runs, .n = found->n } };
}

bool found_next(struct found_rows *f, unsigned with, struct err *e)
{
	arena_reset(&f->page);
	if (!f->more && !walk_next(&f->walk, &f->from, &f->to))
		return false;
	if (search_peer_gone(f->s->io))
		return err_set(e, ERR_PEER, "the client is gone");
	if (!msg_page_with(f->s->conf->store, f->s->view->mailbox, f->from, f->to, with, &f->page, &f->rows, &f->n,
			   &f->more, e))
		return false;
	f->more = f->more && f->n > 0;
	f->from = f->more ? f->rows[f->n - 1].uid + 1 : 0;
	return true;
}

int64_t sent_date(const struct message *m)
{
	int64_t ms;
	const struct envelope *e = m->root ? m->root->envelope : NULL;
	return e && date_parse(e->date, &ms, NULL) ? ms : m->row->internal_wall_ms;
}

void say_unreadable(const struct session *s, const struct msg *m, const struct err *e)
{
	log_error("imap.message-unreadable", KV("account", s->account_name), KVN("mailbox", s->view->mailbox),
		  KVN("uid", m->uid), KVZ("error", e->text));
}

struct reply sort_limit(void)
{
	return NO_CODE("LIMIT", "Too many messages for that: search for fewer, a year of them perhaps");
}

/* --- keys --------------------------------------------------------------------------- */

/* addr-mailbox of the first address; of a group it is the group's name (RFC 3501 7.4.2). */
static struct str first_mailbox(struct str value, struct arena *a)
{
	struct mailaddr *all;
	size_t n;
	bool more;
	addresses_parse(value, a, &all, &n, &more);
	if (n == 0)
		return STR_NONE;
	return all[0].kind == MAILADDR_GROUP ? all[0].name : all[0].local;
}

/* RFC 5957 3 */
static struct str first_display(struct str value, struct arena *a)
{
	struct mailaddr *all;
	size_t n;
	bool more;
	addresses_parse(value, a, &all, &n, &more);
	if (n == 0)
		return STR_NONE;
	if (all[0].kind == MAILADDR_GROUP)
		return all[0].name;
	struct str name = words_decode(a, all[0].name);
	if (name.n > 0)
		return name;
	return all[0].domain.n ? str_fmt(a, "%.*s@%.*s", STRF(all[0].local), STRF(all[0].domain)) : all[0].local;
}

static struct str text_key(enum sort_by by, const struct envelope *e, struct arena *a)
{
	bool reply;
	switch (by) {
	case BY_CC:
		return first_mailbox(e->cc, a);
	case BY_FROM:
		return first_mailbox(e->from, a);
	case BY_TO:
		return first_mailbox(e->to, a);
	case BY_DISPLAYFROM:
		return first_display(e->from, a);
	case BY_DISPLAYTO:
		return first_display(e->to, a);
	default:
		return base_subject(e->subject, a, &reply);
	}
}

static union sort_value value_of(struct sorting *x, enum sort_by by, const struct message *m)
{
	const struct envelope *e = m->root ? m->root->envelope : NULL;
	if (criteria[by].text) {
		struct str text = e ? str_sub(casemap(text_key(by, e, m->a), m->a), 0, SORT_KEY_MAX) : STR_NONE;
		return (union sort_value){ .text = str_dup(&x->kept, text) };
	}
	if (by == BY_DATE)
		return (union sort_value){ .number = sent_date(m) };
	return (union sort_value){ .number = by == BY_SIZE ? (int64_t)m->row->size : m->row->internal_wall_ms };
}

static void add_record(struct sorting *x, const struct msg *row, struct arena *scratch)
{
	struct message m = { .st = x->s->conf->store, .a = scratch, .row = row };
	struct sort_record *r = &x->records[x->n++];
	struct err e = { 0 };
	*r = (struct sort_record){ row->uid, row->modseq, ARENA_ARRAY(&x->kept, union sort_value, x->keys.n) };
	if (x->keys.header && !message_index(&m, &e))
		say_unreadable(x->s, row, &e);
	for (size_t i = 0; i < x->keys.n; i++)
		r->values[i] = value_of(x, x->keys.k[i].by, &m);
	x->modseq = row->modseq > x->modseq ? row->modseq : x->modseq;
	message_close(&m);
	arena_reset(scratch);
}

static bool read_records(struct sorting *x, const struct search_result *found, struct err *e)
{
	struct found_rows f = found_rows(x->s, found);
	struct arena scratch = { 0 };
	x->records = ARENA_ARRAY(&x->kept, struct sort_record, found->count);
	while (!arena_full(&x->kept) && found_next(&f, x->keys.header ? WITH_INDEX : 0, e))
		for (size_t i = 0; i < f.n; i++)
			if (walk_has(&f.walk, f.rows[i].uid))
				add_record(x, &f.rows[i], &scratch);
	arena_reset(&f.page);
	return e->kind == ERR_NONE;
}

static int record_cmp(const void *a, const void *b, void *arg)
{
	const struct sort_record *x = a, *y = b;
	const struct sort_keys *keys = arg;
	for (size_t i = 0; i < keys->n; i++) {
		union sort_value p = x->values[i], q = y->values[i];
		int c = criteria[keys->k[i].by].text ? str_cmp(p.text, q.text)
						     : (p.number > q.number) - (p.number < q.number);
		if (c != 0)
			return keys->k[i].reverse ? -c : c;
	}
	return (x->uid > y->uid) - (x->uid < y->uid); /* as they stand in the mailbox, in REVERSE too */
}

/* --- the answer --------------------------------------------------------------------- */

static uint32_t number_of(const struct sorting *x, size_t i)
{
	return x->c->uid ? x->records[i].uid : view_seq(x->s->view, x->records[i].uid);
}

static void say_sort(struct sorting *x, const struct search *search)
{
	struct buf b = { 0 };
	buf_addz(&b, "* SORT");
	for (size_t i = 0; i < x->n; i++) {
		buf_printf(&b, " %u", number_of(x, i));
		if (b.n < 4096)
			continue;
		io_add(x->s->io, buf_str(&b));
		buf_clear(&b);
	}
	if (search->modseq && x->n > 0) /* RFC 7162 3.1.6 */
		buf_printf(&b, " (MODSEQ %llu)", (unsigned long long)x->modseq);
	buf_addz(&b, "\r\n");
	io_add(x->s->io, buf_str(&b));
	buf_free(&b);
}

/* A set in the order of the sort: only what goes up by one is drawn together. */
static void say_sorted_set(struct buf *b, const struct sorting *x, size_t from, size_t to)
{
	struct uid_run *runs = ARENA_ARRAY(x->c->a, struct uid_run, to - from);
	size_t n = 0;
	for (size_t i = from; i < to; i++) {
		uint32_t number = number_of(x, i);
		if (n > 0 && runs[n - 1].first + runs[n - 1].count == number)
			runs[n - 1].count++;
		else
			runs[n++] = (struct uid_run){ number, 1 };
	}
	set_print(b, runs, n);
}

static void say_sorted_partial(struct buf *b, const struct sorting *x, const struct partial *p)
{
	struct uid_run positions = { 1, (uint32_t)x->n };
	size_t n = x->n > 0;
	partial_cut(p, &positions, &n);
	buf_addz(b, " PARTIAL (");
	partial_print(b, p);
	buf_addc(b, ' ');
	if (n > 0)
		say_sorted_set(b, x, positions.first - 1, positions.first - 1 + positions.count);
	else
		buf_addz(b, "NIL");
	buf_addc(b, ')');
}

/* The records that the answer names: with MIN, MAX or PARTIAL and neither ALL nor COUNT only what these say, as named()
 * in search.c has it; MIN and MAX are the ends of the sorted list.  False: all. */
static bool named(const struct sorting *x, const struct returns *want, const struct sort_record ***out, size_t *n)
{
	unsigned some = want->what & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL);
	struct uid_run part = { 1, (uint32_t)x->n };
	size_t parts = x->n > 0;
	*n = 0;
	if (!some || want->what & (RETURN_ALL | RETURN_COUNT))
		return false;
	*out = ARENA_ARRAY(x->c->a, const struct sort_record *, x->n + 2);
	if (some & RETURN_PARTIAL)
		partial_cut(&want->partial, &part, &parts);
	for (size_t i = 0; some & RETURN_PARTIAL && parts > 0 && i < part.count; i++)
		(*out)[(*n)++] = &x->records[part.first - 1 + i];
	if (some & RETURN_MIN && x->n > 0)
		(*out)[(*n)++] = &x->records[0];
	if (some & RETURN_MAX && x->n > 0)
		(*out)[(*n)++] = &x->records[x->n - 1];
	return true;
}

/* Of what the answer names (RFC 4731 3.2); 0: of nothing. */
static uint64_t highest_modseq(const struct sorting *x, const struct returns *want)
{
	const struct sort_record **some;
	uint64_t highest = 0;
	size_t n;
	if (!named(x, want, &some, &n))
		return x->modseq;
	for (size_t i = 0; i < n; i++)
		highest = some[i]->modseq > highest ? some[i]->modseq : highest;
	return highest;
}

static void say_returns(struct sorting *x, const struct returns *want, const struct search *search)
{
	struct buf b = { 0 };
	uint64_t modseq = search->modseq ? highest_modseq(x, want) : 0;
	say_esearch(&b, x->c);
	if (want->what & RETURN_MIN && x->n > 0)
		buf_printf(&b, " MIN %u", number_of(x, 0));
	if (want->what & RETURN_MAX && x->n > 0)
		buf_printf(&b, " MAX %u", number_of(x, x->n - 1));
	if (want->what & RETURN_ALL && x->n > 0) {
		buf_addz(&b, " ALL ");
		say_sorted_set(&b, x, 0, x->n);
	}
	if (want->what & RETURN_COUNT)
		buf_printf(&b, " COUNT %zu", x->n);
	if (want->what & RETURN_PARTIAL)
		say_sorted_partial(&b, x, &want->partial);
	if (modseq > 0)
		buf_printf(&b, " MODSEQ %llu", (unsigned long long)modseq);
	buf_addz(&b, "\r\n");
	io_add(x->s->io, buf_str(&b));
	buf_free(&b);
}

static bool save_sorted(struct sorting *x, const struct returns *want, const struct search_result *found)
{
	const struct sort_record **some;
	size_t n;
	if (!named(x, want, &some, &n))
		return session_save(x->s, found->runs, found->n);
	struct uid_run *runs = ARENA_ARRAY(&x->kept, struct uid_run, n);
	for (size_t i = 0; i < n; i++)
		runs[i] = (struct uid_run){ some[i]->uid, 1 };
	return session_save(x->s, runs, n);
}

static struct reply sort_found(struct sorting *x, const struct returns *want, const struct search *search,
			       const struct search_result *found)
{
	struct err e = { 0 };
	if (found->count > SORT_MESSAGES_MAX)
		return sort_limit();
	if (!read_records(x, found, &e))
		return reply_err(x->c, &e);
	if (arena_full(&x->kept))
		return sort_limit();
	qsort_r(x->records, x->n, sizeof *x->records, record_cmp, &x->keys);
	if (!want->given)
		say_sort(x, search);
	else if (want->what != RETURN_SAVE)
		say_returns(x, want, search);
	if (want->what & RETURN_SAVE && !save_sorted(x, want, found))
		return NO_CODE("NOTSAVED", "Found messages are in more than 100000 runs of UIDs");
	return search_done(x->c, found, OK("SORT completed"));
}

struct reply cmd_sort(struct session *s, struct cmd *c)
{
	static const struct returns all = { .what = RETURN_ALL };
	struct sorting x = { .s = s, .c = c, .kept.ceiling = SORT_OCTETS_MAX };
	struct returns want;
	struct search search;
	struct search_result found;
	struct reply r;
	if (!parse_returns(&c->in, &want) || !parse_sort(&c->in, &x.keys, &search))
		return reply_bad(c);
	if (search_run(s, c, &search, &all, &found, &r))
		r = sort_found(&x, &want, &search, &found);
	if (want.what & RETURN_SAVE && r.kind == REPLY_NO)
		session_save(s, NULL, 0);
	arena_reset(&x.kept);
	return r;
}
