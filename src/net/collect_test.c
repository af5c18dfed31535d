#include "net/collect.h"

#include "base/test.h"

struct gather {
	struct sink sink;
	struct buf got;
	size_t limit; /* refuse past so many octets */
};

static bool gather_add(struct sink *s, struct str bytes)
{
	struct gather *g = (struct gather *)s;
	if (g->limit && g->got.n + bytes.n > g->limit)
		return false;
	buf_add(&g->got, bytes);
	return true;
}

/* Feed `in` in pieces that end at a, b and the end. What a line did not take is fed again, as the pen does. */
static enum collected feed(struct collect *c, struct str in, const size_t cuts[3], size_t *taken)
{
	enum collected got = COLLECT_MORE;
	*taken = 0;
	for (int i = 0; i < 3 && got == COLLECT_MORE; i++) {
		size_t n;
		got = collect_feed(c, str_sub(in, *taken, cuts[i]), &n);
		*taken += n;
	}
	return got;
}

static const struct {
	const char *name;
	struct str in, out;
	size_t rest; /* octets after the end; SIZE_MAX: it does not end */
	unsigned crs, lfs, nuls, longest;
} corpus[] = {
	{ "empty", STR(".\r\nQUIT"), STR(""), 4, 0, 0, 0, 0 },
	{ "plain", STR("abc\r\nde\r\n.\r\n"), STR("abc\r\nde\r\n"), 0, 0, 0, 0, 3 },
	{ "dots", STR("..\r\n...a\r\n.b\r\na.\r\n.\r\n"), STR(".\r\n..a\r\nb\r\na.\r\n"), 0, 0, 0, 0, 3 },
	{ "two ends", STR("a\r\n.\r\n.\r\n"), STR("a\r\n"), 3, 0, 0, 0, 1 },
	{ "no end", STR("a\r\n."), STR("a\r\n"), SIZE_MAX, 0, 0, 0, 1 },
	{ "LF.LF", STR("a\n.\nb\r\n.\r\n"), STR("a\n.\nb\r\n"), 0, 0, 2, 0, 5 },
	{ "LF.CRLF", STR("a\n.\r\nMAIL\r\n.\r\n"), STR("a\n.\r\nMAIL\r\n"), 0, 0, 1, 0, 4 },
	{ "CRLF.LF", STR("a\r\n.\nMAIL\r\n.\r\n"), STR("a\r\n\nMAIL\r\n"), 0, 0, 1, 0, 5 },
	{ "CR.CR", STR("a\r.\rMAIL\r\n.\r\n"), STR("a\r.\rMAIL\r\n"), 0, 2, 0, 0, 8 },
	{ "CR.CRLF", STR("a\r.\r\nMAIL\r\n.\r\n"), STR("a\r.\r\nMAIL\r\n"), 0, 1, 0, 0, 4 },
	{ "CRLF.CR", STR("a\r\n.\rMAIL\r\n.\r\n"), STR("a\r\n\rMAIL\r\n"), 0, 1, 0, 0, 5 },
	{ "CRLF.CRCRLF", STR("a\r\n.\r\r\nMAIL\r\n.\r\n"), STR("a\r\n\r\r\nMAIL\r\n"), 0, 1, 0, 0, 4 },
	{ "CRLF.CR.CRLF", STR("a\r\n.\r.\r\n.\r\n"), STR("a\r\n\r.\r\n"), 0, 1, 0, 0, 2 },
	{ "LFCR.", STR("a\n\r.\r\nb\r\n.\r\n"), STR("a\n\r.\r\nb\r\n"), 0, 1, 1, 0, 4 },
	{ "CRCRLF.CRLF", STR("a\r\r\n.\r\n"), STR("a\r\r\n"), 0, 1, 0, 0, 2 },
	{ "CRLFLF.CRLF", STR("a\r\n\n.\r\nb\r\n.\r\n"), STR("a\r\n\n.\r\nb\r\n"), 0, 0, 1, 0, 2 },
	{ "NUL dot", STR("a\r\n\0.\r\nb\0\r\n.\r\n"), STR("a\r\n\0.\r\nb\0\r\n"), 0, 0, 0, 2, 2 },
	{ "CRLF.NULCRLF", STR("a\r\n.\0\r\n.\r\n"), STR("a\r\n\0\r\n"), 0, 0, 0, 1, 1 },
	{ "CR at the end", STR("a\r\n.\r"), STR("a\r\n"), SIZE_MAX, 0, 0, 0, 1 },
	{ "long", STR("12345678901234567890\r\n1\r\n.\r\n"), STR("12345678901234567890\r\n1\r\n"), 0, 0, 0, 0, 20 },
	{ "LF first", STR("\n.\r\n\r\n.\r\n"), STR("\n.\r\n\r\n"), 0, 0, 1, 0, 2 },
};

static void check_data(size_t i, const size_t cuts[3])
{
	struct gather g = { .sink.add = gather_add };
	struct collect c;
	size_t taken;
	collect_begin(&c, &(struct next){ .want = WANT_DATA, .sink = &g.sink }, 0);
	enum collected got = feed(&c, corpus[i].in, cuts, &taken);
	bool ends = corpus[i].rest != SIZE_MAX;
	const struct unit *u = &c.unit;
	if (got != (ends ? COLLECT_UNIT : COLLECT_MORE) || !str_eq(buf_str(&g.got), corpus[i].out) ||
	    taken != corpus[i].in.n - (ends ? corpus[i].rest : 0) || u->bare_cr != corpus[i].crs ||
	    u->bare_lfs != corpus[i].lfs || u->nuls != corpus[i].nuls || u->longest != corpus[i].longest ||
	    u->octets != corpus[i].out.n || u->kind != UNIT_DATA || u->sink_failed)
		fail_msg("%s cut at %zu, %zu: got %d \"%.*s\" taken %zu cr %u lf %u nul %u longest %u", corpus[i].name,
			 cuts[0], cuts[1], got, STRF(buf_str(&g.got)), taken, u->bare_cr, u->bare_lfs, u->nuls,
			 u->longest);
	buf_free(&g.got);
}

static void test_data_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++)
		for (size_t a = 0; a <= corpus[i].in.n; a++)
			for (size_t b = a; b <= corpus[i].in.n; b++)
				check_data(i, (size_t[]){ a, b, corpus[i].in.n });
}

static void test_data_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
		struct gather g = { .sink.add = gather_add };
		struct collect c;
		size_t at = 0, n = 0;
		enum collected got = COLLECT_MORE;
		collect_begin(&c, &(struct next){ .want = WANT_DATA, .sink = &g.sink }, 0);
		for (; at < corpus[i].in.n && got == COLLECT_MORE; at += n)
			got = collect_feed(&c, str_sub(corpus[i].in, at, at + 1), &n);
		assert_str(buf_str(&g.got), corpus[i].out);
		assert_int_equal(got, corpus[i].rest == SIZE_MAX ? COLLECT_MORE : COLLECT_UNIT);
		assert_int_equal(c.unit.bare_cr, corpus[i].crs);
		assert_int_equal(c.unit.bare_lfs, corpus[i].lfs);
		assert_int_equal(c.unit.longest, corpus[i].longest);
		buf_free(&g.got);
	}
}

static void test_sink_refuses(void **state)
{
	(void)state;
	struct gather g = { .sink.add = gather_add, .limit = 4 };
	struct collect c;
	size_t taken;
	collect_begin(&c, &(struct next){ .want = WANT_DATA, .sink = &g.sink }, 0);
	assert_int_equal(collect_feed(&c, STR("abc\r\n.def\r\n.\r\nQ"), &taken), COLLECT_UNIT);
	assert_int_equal(taken, 14); /* read to its end all the same */
	assert_true(c.unit.sink_failed);
	assert_int_equal(c.unit.octets, 10);
	assert_int_equal(g.got.n, 0);
	collect_begin(&c, &(struct next){ .want = WANT_OCTETS, .octets = 6, .sink = &g.sink }, 0);
	assert_int_equal(collect_feed(&c, STR("abcd"), &taken), COLLECT_MORE);
	assert_true(collect_begun(&c));
	assert_int_equal(collect_feed(&c, STR("efgh"), &taken), COLLECT_UNIT);
	assert_int_equal(taken, 2);
	assert_true(c.unit.sink_failed);
	assert_int_equal(c.unit.octets, 6);
	assert_strz(buf_str(&g.got), "abcd");
	buf_free(&g.got);
}

static const struct {
	struct str in, line;
	size_t max;
	enum collected got;
	bool bare_lf;
	size_t taken;
} lines[] = {
	{ STR("NOOP\r\nQUIT\r\n"), STR("NOOP"), 10, COLLECT_UNIT, false, 6 },
	{ STR("NOOP\nQUIT\r\n"), STR("NOOP"), 10, COLLECT_UNIT, true, 5 },
	{ STR("\r\n"), STR(""), 10, COLLECT_UNIT, false, 2 },
	{ STR("\n"), STR(""), 10, COLLECT_UNIT, true, 1 },
	{ STR("a\rb\r\r\n"), STR("a\rb\r"), 10, COLLECT_UNIT, false, 6 },
	{ STR("a\0b\r\n"), STR("a\0b"), 10, COLLECT_UNIT, false, 5 },
	{ STR("12345\r\n"), STR("12345"), 5, COLLECT_UNIT, false, 7 },
	{ STR("12345\n"), STR("12345"), 5, COLLECT_UNIT, true, 6 },
	{ STR("123456\r\n"), STR(""), 5, COLLECT_LONG, false, 0 },
	{ STR("123456\n"), STR(""), 5, COLLECT_LONG, false, 0 },
	{ STR("12345678"), STR(""), 5, COLLECT_LONG, false, 0 },
	{ STR("123456"), STR(""), 5, COLLECT_MORE, false, 0 },
	{ STR("NOOP"), STR(""), 10, COLLECT_MORE, false, 0 },
	{ STR("NOOP\r"), STR(""), 10, COLLECT_MORE, false, 0 },
};

static void test_lines_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		for (size_t a = 0; a <= lines[i].in.n; a++) {
			struct collect c;
			size_t taken, cuts[] = { a, lines[i].in.n, lines[i].in.n };
			collect_begin(&c, &(struct next){ .want = WANT_LINE, .max = lines[i].max }, 0);
			enum collected got = feed(&c, lines[i].in, cuts, &taken);
			assert_int_equal(got, lines[i].got);
			if (got != COLLECT_UNIT)
				continue;
			assert_int_equal(taken, lines[i].taken);
			assert_str(c.unit.line, lines[i].line);
			assert_int_equal(c.unit.bare_lf, lines[i].bare_lf);
		}
}

static void test_octets(void **state)
{
	(void)state;
	struct gather g = { .sink.add = gather_add };
	struct collect c;
	size_t taken;
	collect_begin(&c, &(struct next){ .want = WANT_OCTETS, .sink = &g.sink }, 0);
	assert_int_equal(collect_feed(&c, STR("abc"), &taken), COLLECT_UNIT); /* BDAT 0 LAST */
	assert_int_equal(taken, 0);
	collect_begin(&c, &(struct next){ .want = WANT_OCTETS, .octets = 4, .sink = &g.sink }, 0);
	assert_int_equal(collect_feed(&c, STR(""), &taken), COLLECT_MORE);
	assert_false(collect_begun(&c));
	assert_int_equal(collect_feed(&c, STR("\r\n.\r\n"), &taken), COLLECT_UNIT);
	assert_int_equal(taken, 4);
	assert_str(buf_str(&g.got), STR("\r\n.\r"));
	buf_free(&g.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_every_cut), cmocka_unit_test(test_data_byte_by_byte),
		cmocka_unit_test(test_sink_refuses),   cmocka_unit_test(test_lines_every_cut),
		cmocka_unit_test(test_octets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
