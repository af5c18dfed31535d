#include "base/num.h"

#include "base/test.h"

static void test_parse(void **state)
{
	(void)state;
	uint64_t n;
	assert_true(num_parse(STR("0"), 10, &n) && n == 0);
	assert_true(num_parse(STR("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
	static const char *const wrong[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "11", "18446744073709551616", "000000000000000000001"
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(num_parse(str_of(wrong[i]), 10, &n));
	struct str s = STR("12*");
	assert_true(num_take(&s, 100, &n) && n == 12);
	assert_strz(s, "*");
	assert_false(num_take(&s, 100, &n));
}

static void test_units(void **state)
{
	(void)state;
	uint64_t n;
	int64_t ms;
	assert_true(num_parse_size(STR("100MiB"), &n) && n == 104857600);
	assert_true(num_parse_size(STR("64k"), &n) && n == 65536);
	assert_true(num_parse_size(STR("7"), &n) && n == 7);
	assert_false(num_parse_size(STR("7 MiB"), &n) || num_parse_size(STR("MiB"), &n));
	assert_false(num_parse_size(STR("99999999999999999TiB"), &n));
	assert_true(num_parse_duration(STR("90s"), &ms) && ms == 90000);
	assert_true(num_parse_duration(STR("7d"), &ms) && ms == 604800000);
	assert_true(num_parse_duration(STR("500ms"), &ms) && ms == 500);
	assert_true(num_parse_duration(STR("0"), &ms) && ms == 0);
	assert_false(num_parse_duration(STR("5"), &ms) || num_parse_duration(STR("5x"), &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_units) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
