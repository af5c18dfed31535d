#include "base/buf.h"

#include "base/test.h"

static void test_build(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_ptr_not_equal(buf_str(&b).p, NULL);
	buf_addz(&b, "250 ");
	buf_printf(&b, "%s %d", "ok", 7);
	buf_addc(&b, '\n');
	assert_strz(buf_str(&b), "250 ok 7\n");
	buf_drop(&b, 4);
	assert_strz(buf_str(&b), "ok 7\n");
	char big[1000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	buf_clear(&b);
	buf_printf(&b, "%s", big); /* longer than the stack's small try */
	assert_strz(buf_str(&b), big);
	buf_drop(&b, 5000);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	assert_null(b.p);
}

static void test_max(void **state)
{
	(void)state;
	struct buf b = { .max = 5 };
	buf_addz(&b, "abc");
	assert_false(b.full);
	buf_addz(&b, "defg");
	assert_true(b.full);
	assert_strz(buf_str(&b), "abcde");
	buf_free(&b);
}

static void test_json(void **state)
{
	(void)state;
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{ STR(""), "\"\"" },
		{ STR("a\"b\\c"), "\"a\\\"b\\\\c\"" },
		{ STR("x\r\ny"), "\"x\\u000d\\ny\"" },
		{ STR("a\0b"), "\"a\\u0000b\"" },
		{ STR("\xc3\xa9"), "\"\xc3\xa9\"" },
		{ STR("\xc3"), "\"\xef\xbf\xbd\"" },                                 /* cut sequence */
		{ STR("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"" },                 /* overlong */
		{ STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* surrogate */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		buf_json(&b, rows[i].in);
		assert_strz(buf_str(&b), rows[i].out);
		buf_free(&b);
	}
}

static void test_base64(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		/* RFC 4648 10 */
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		buf_base64(&b, str_of(rows[i][0]));
		assert_strz(buf_str(&b), rows[i][1]);
		buf_clear(&b);
		assert_true(buf_unbase64(&b, str_of(rows[i][1])));
		assert_strz(buf_str(&b), rows[i][0]);
		buf_free(&b);
	}
	static const char *const wrong[] = { "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "Zg==Zg==", "Zm 9", "====" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct buf b = { 0 };
		assert_false(buf_unbase64(&b, str_of(wrong[i])));
		assert_int_equal(b.n, 0);
		buf_free(&b);
	}
}

static void test_varint(void **state)
{
	(void)state;
	static const uint64_t rows[] = { 0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		uint64_t v = 1;
		buf_varint(&b, rows[i]);
		struct str s = buf_str(&b);
		assert_true(varint_take(&s, &v));
		assert_true(v == rows[i] && s.n == 0);
		buf_free(&b);
	}
	struct str cut = STR("\xff\xff"), wide = STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
	uint64_t v;
	assert_false(varint_take(&cut, &v));
	assert_false(varint_take(&wide, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),  cmocka_unit_test(test_max),    cmocka_unit_test(test_json),
		cmocka_unit_test(test_base64), cmocka_unit_test(test_varint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
