/* What a client writes behind SEARCH, and what strangers write into the fields that SORT and THREAD read.  The first
 * octet chooses. */
#include "base/hash.h"
#include "imap/base_subject.h"
#include "imap/search.h"
#include "imap/threads.h"
#include "mail/words.h"
#include "store/mailbox.h"
#include <assert.h>

static void keys(struct str in, struct arena *a)
{
	struct returns want;
	struct search s;
	for (unsigned rule = CHARSET_MAY; rule <= CHARSET_FIRST; rule++) {
		struct parser p = parser_new(in, a, 50);
		if (!parse_returns(&p, &want) || !parse_search(&p, (enum charset_rule)rule, &s)) {
			assert(parse_why(&p).n > 0);
			continue;
		}
		assert(!(want.what & RETURN_ALL) || !(want.what & RETURN_PARTIAL));
		search_order(s.root);
	}
}

static void check_cut(const struct set *r, const struct partial *x, struct arena *a)
{
	struct uid_run *runs = ARENA_ARRAY(a, struct uid_run, r->n);
	uint64_t before = 0, after = 0, asked;
	size_t n = r->n;
	for (size_t i = 0; i < n; i++) {
		runs[i] = (struct uid_run){ r->ranges[i].from, r->ranges[i].to - r->ranges[i].from + 1 };
		before += runs[i].count;
	}
	partial_cut(x, runs, &n);
	for (size_t i = 0; i < n; i++) {
		assert(set_has(r, runs[i].first) && set_has(r, runs[i].first + runs[i].count - 1));
		after += runs[i].count;
	}
	asked = partial_reach(x) - (uint64_t)(x->from < x->to ? x->from : x->to) + 1;
	assert(after <= before && after <= asked);
	assert(after > 0 || (x->from < x->to ? x->from : x->to) > before);
}

static void sets(struct str in, struct arena *a)
{
	struct set s;
	struct partial x;
	struct parser p = parser_new(in, a, 0);
	if (!parse_set(&p, &s))
		return;
	struct set r = set_resolve(&s, 1000, a);
	for (size_t i = 0; i < r.n; i++) {
		assert(r.ranges[i].from >= 1 && r.ranges[i].from <= r.ranges[i].to);
		assert(i == 0 || (uint64_t)r.ranges[i - 1].to + 1 < r.ranges[i].from);
	}
	assert(r.n <= s.n && set_largest(&r) >= set_largest(&s));
	if (parse_try(&p, ' ') && parse_partial_range(&p, &x))
		check_cut(&r, &x, a);
}

static void subject(struct str in, struct arena *a)
{
	bool reply;
	struct str base = base_subject(in, a, &reply);
	assert(base.n <= SUBJECT_MAX && utf8_valid(base));
	assert(base.n == 0 || (base.p[0] != ' ' && base.p[base.n - 1] != ' '));
	assert(utf8_valid(casemap(base, a)));
}

/* A line is a message: its id and its references. */
static void threads(struct str in, struct arena *a)
{
	size_t lines = 1, numbers = 0, depth = 0;
	struct buf b = { 0 };
	for (size_t i = 0; i < in.n; i++)
		lines += in.p[i] == '\n';
	struct threads *t = threads_new(THREAD_BY_REFERENCES, lines, a);
	for (uint32_t i = 1; i <= lines; i++) {
		struct str line = str_cut(&in, '\n');
		struct threaded m = { .number = i, .date_ms = (int64_t)(line.n % 7), .subject = str_sub(line, 0, 1) };
		m.references = message_ids(line, a, &m.nreferences);
		m.id = m.nreferences > 0 ? m.references[0] : STR_NONE;
		m.nreferences -= m.nreferences > 0;
		m.references++;
		m.reply = line.n % 2;
		threads_add(t, &m);
	}
	threads_print(t, &b);
	for (size_t i = 0; i < b.n; i++) {
		depth += b.p[i] == '(';
		assert(depth > 0);
		depth -= b.p[i] == ')';
		numbers += ch_digit(b.p[i]) && !ch_digit(b.p[i - 1]);
	}
	assert(depth == 0 && numbers == lines);
	buf_free(&b);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	hash_init();
	charset_warm();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const what[])(struct str, struct arena *) = { keys, sets, subject, threads };
	struct arena a = { 0 };
	if (n == 0)
		return 0;
	what[data[0] % 4]((struct str){ (const char *)data + 1, n - 1 }, &a);
	arena_reset(&a);
	return 0;
}
