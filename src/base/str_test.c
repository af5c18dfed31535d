#include "base/str.h"

#include "base/test.h"

static void test_compare(void **state)
{
	(void)state;
	assert_true(str_eq(STR("a"), STR("a")) && !str_eq(STR("a"), STR("b")) && !str_eq(STR("a"), STR("aa")));
	assert_true(str_eqi(STR("MAIL From"), STR("mail fROM")));
	assert_false(str_eqi(STR("\xc3\x84"), STR("\xc3\xa4"))); /* only ASCII folds */
	assert_true(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
	assert_true(str_cmp(STR("a\xff"), STR("a\x01")) > 0); /* octets, not chars */
	assert_true(str_cmpi(STR("ABC"), STR("abd")) < 0 && str_cmpi(STR("x"), STR("X")) == 0);
	assert_true(str_startsi(STR("Subject: x"), STR("subject:")) && str_endsi(STR("a.ORG"), STR(".org")));
	assert_false(str_starts(STR("ab"), STR("abc")) || str_ends(STR("bc"), STR("abc")));
}

static void test_find(void **state)
{
	(void)state;
	assert_int_equal(str_chr(STR("a:b:c"), ':'), 1);
	assert_int_equal(str_chr(STR_NONE, ':'), 0);
	assert_int_equal(str_find(STR("a\r\n.\r\n"), STR("\r\n.")), 1);
	assert_int_equal(str_find(STR("abc"), STR("x")), 3);
	assert_int_equal(str_findi(STR("x Boundary=1"), STR("boundary")), 2);
	assert_int_equal(str_findi(STR("ab"), STR("abc")), 2);
}

static void test_take(void **state)
{
	(void)state;
	struct str s = STR("a:b:c");
	assert_strz(str_cut(&s, ':'), "a");
	assert_strz(str_cut(&s, ':'), "b");
	assert_strz(str_cut(&s, ':'), "c");
	assert_strz(str_cut(&s, ':'), "");
	s = STR("From:<a@b>");
	assert_true(str_skip(&s, STR("FROM:")));
	assert_false(str_skip(&s, STR("FROM:")));
	assert_true(str_skipc(&s, '<'));
	assert_strz(s, "a@b>");
	s = STR("one\r\ntwo\nthree");
	assert_strz(str_chomp(str_line(&s)), "one");
	assert_strz(str_chomp(str_line(&s)), "two");
	assert_strz(str_chomp(str_line(&s)), "three");
	assert_int_equal(s.n, 0);
	assert_strz(str_trim(STR(" \t a b \r\n")), "a b");
	assert_strz(str_trim(STR(" \r\n ")), "");
	assert_strz(str_sub(STR("abc"), 2, 99), "c");
	assert_strz(str_sub(STR("abc"), 7, 9), "");
}

static void test_hex(void **state)
{
	(void)state;
	assert_int_equal(ch_hex('0'), 0);
	assert_int_equal(ch_hex('F'), 15);
	assert_int_equal(ch_hex('a'), 10);
	assert_int_equal(ch_hex('g'), -1);
	assert_int_equal(ch_hex(' '), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_hex),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
