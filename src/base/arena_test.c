#include "base/arena.h"

#include "base/test.h"

static void test_alloc(void **state)
{
	(void)state;
	struct arena a = { 0 };
	char *p[1000];
	for (size_t i = 0; i < 1000; i++) {
		p[i] = arena_alloc(&a, i);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)(i & 0xff), i);
	}
	for (size_t i = 1; i < 1000; i++)
		assert_int_equal((unsigned char)p[i][i - 1], i & 0xff);
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_strz(str_fmt(&a, "%d-%s", 7, "x"), "7-x"); /* usable again */
	arena_reset(&a);
}

static void test_small(void **state)
{
	(void)state;
	struct arena a = { 0 };
	arena_alloc(&a, 10);
	assert_true(a.used <= 256); /* a waiting session stays small */
	arena_reset(&a);
}

static void test_ceiling(void **state)
{
	(void)state;
	struct arena a = { .ceiling = 10000 };
	arena_alloc(&a, 9000);
	assert_false(arena_full(&a));
	arena_alloc(&a, 9000);
	assert_true(arena_full(&a));
	arena_reset(&a);
	assert_false(arena_full(&a));
}

static void test_grow(void **state)
{
	(void)state;
	struct arena a = { 0 };
	int *v = NULL;
	size_t cap = 0;
	for (int i = 0; i < 500; i++) {
		v = arena_grow(&a, v, &cap, (size_t)i + 1, sizeof *v);
		v[i] = i;
	}
	for (int i = 0; i < 500; i++)
		assert_int_equal(v[i], i);
	arena_reset(&a);
}

static void test_strings(void **state)
{
	(void)state;
	struct arena a = { 0 };
	assert_str(str_dup(&a, STR("a\0b")), STR("a\0b"));
	assert_ptr_not_equal(str_dup(&a, STR_NONE).p, NULL);
	assert_strz(str_lower(&a, STR("AbC-\xc3\x84")), "abc-\xc3\x84");
	assert_strz(str_cat(&a, STR("a"), STR("b")), "ab");
	assert_string_equal(str_z(&a, STR("xyz")), "xyz");
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc), cmocka_unit_test(test_small),   cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_grow),  cmocka_unit_test(test_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
