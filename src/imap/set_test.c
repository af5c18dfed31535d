#include "base/test.h"
#include "imap/set.h"
#include "store/mailbox.h"

static const struct {
	const char *text;
	uint32_t largest;
	const char *resolved; /* NULL: does not parse */
} rows[] = {
	{ "1", 9, "1-1" },
	{ "2,4:7,9,12:*", 20, "2-2 4-7 9-9 12-20" },
	{ "*", 5, "5-5" },
	{ "*:4,5:7", 10, "4-10" },
	{ "7:5", 9, "5-7" },
	{ "*:123", 5, "5-123" }, /* by UID: the last message is in it */
	{ "15:*", 5, "5-15" },
	{ "1:2,3:4,2:3", 9, "1-4" },
	{ "9,1,5", 9, "1-1 5-5 9-9" },
	{ "1:*", 0, "" },
	{ "4294967295,1", 3, "1-1 4294967295-4294967295" },
	{ "1:4294967295", 3, "1-4294967295" },
	{ "0", 9, NULL },
	{ "1:0", 9, NULL },
	{ "", 9, NULL },
	{ "1,", 9, NULL },
	{ "1:", 9, NULL },
	{ "4294967296", 9, NULL },
	{ "a", 9, NULL },
};

static void test_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct set s;
		struct parser p = parser_new(str_of(rows[i].text), &a, 0);
		bool ok = parse_set(&p, &s) && parse_at_end(&p);
		if (ok != (rows[i].resolved != NULL))
			fail_msg("row %zu: %s", i, rows[i].text);
		if (ok) {
			struct set r = set_resolve(&s, rows[i].largest, &a);
			for (size_t k = 0; k < r.n; k++)
				buf_printf(&b, "%s%u-%u", k ? " " : "", r.ranges[k].from, r.ranges[k].to);
			assert_strz(buf_str(&b), rows[i].resolved);
		}
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_has(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct set s;
	struct parser p = parser_new(STR("3:5,9,20:30"), &a, 0);
	assert_true(parse_set(&p, &s));
	s = set_resolve(&s, 99, &a);
	static const uint32_t in[] = { 3, 4, 5, 9, 20, 30 }, out[] = { 1, 2, 6, 8, 10, 19, 31 };
	for (size_t i = 0; i < sizeof in / sizeof *in; i++)
		assert_true(set_has(&s, in[i]));
	for (size_t i = 0; i < sizeof out / sizeof *out; i++)
		assert_false(set_has(&s, out[i]));
	assert_int_equal(set_largest(&s), 30);
	arena_reset(&a);
}

static void test_print(void **state)
{
	(void)state;
	struct buf b = { 0 };
	const struct uid_run runs[] = { { 1, 4 }, { 7, 1 }, { 9, 2 } };
	set_print(&b, runs, 3);
	assert_strz(buf_str(&b), "1:4,7,9:10");
	buf_free(&b);
}

static void test_partial(void **state)
{
	static const struct {
		const char *text, *left; /* of 10:13, 20, 30:34; NULL: does not parse */
	} partials[] = {
		{ "1:500", "10:13,20,30:34" },
		{ "1:1", "10" },
		{ "4:6", "13,20,30" },
		{ "6:4", "13,20,30" },
		{ "10:10", "34" },
		{ "11:99", "" },
		{ "-1:-1", "34" },
		{ "-1:-7", "13,20,30:34" },
		{ "-6:-6", "20" },
		{ "-10:-9", "10:11" },
		{ "-8:-500", "10:12" },
		{ "-11:-12", "" },
		{ "1:4294967295", "10:13,20,30:34" },
		{ "-4294967295:-1", "10:13,20,30:34" },
		{ "0:1", NULL },
		{ "1", NULL },
		{ "1:*", NULL },
		{ "-1:1", NULL },
		{ "1:-1", NULL },
		{ "", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof partials / sizeof *partials; i++) {
		struct uid_run runs[] = { { 10, 4 }, { 20, 1 }, { 30, 5 } };
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct partial x;
		size_t n = 3;
		struct parser p = parser_new(str_of(partials[i].text), &a, 0);
		bool ok = parse_partial_range(&p, &x) && parse_at_end(&p);
		if (ok != (partials[i].left != NULL))
			fail_msg("row %zu: %s", i, partials[i].text);
		if (ok) {
			partial_cut(&x, runs, &n);
			set_print(&b, runs, n);
			assert_strz(buf_str(&b), partials[i].left);
			buf_clear(&b);
			partial_print(&b, &x);
			assert_strz(buf_str(&b), partials[i].text);
		}
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_saved(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct set s;
	struct parser p = parser_new(STR("$"), &a, 0), q = parser_new(STR("$,1"), &a, 0),
		      r = parser_new(STR("1,$"), &a, 0);
	assert_true(parse_set(&p, &s) && parse_at_end(&p) && s.saved && s.n == 0);
	assert_true(parse_set(&q, &s) && !parse_at_end(&q));
	assert_false(parse_set(&r, &s));
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sets), cmocka_unit_test(test_has),
					    cmocka_unit_test(test_print), cmocka_unit_test(test_partial),
					    cmocka_unit_test(test_saved) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
