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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sets), cmocka_unit_test(test_has),
					    cmocka_unit_test(test_print) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
