#include "mail/mime.h"

#include "base/test.h"
#include "mail/words.h"

static int warm(void **state)
{
	(void)state;
	charset_warm();
	return 0;
}

static const struct {
	const char *in, *want; /* name=value, with | between */
} rows[] = {
	/* clang-format off */
	{ "text/plain; charset=us-ascii", "charset=us-ascii" },
	{ "text/plain; charset=us-ascii (Plain text)", "charset=us-ascii" },
	{ "text/plain; charset=\"us-ascii\"", "charset=us-ascii" },
	{ "; a=b", "a=b" },
	{ "text/plain", "" },
	{ "", "" },
	{ "text/plain;", "" },
	{ "x/y; a=1; B=2 ;\r\n\tc=3;", "a=1|b=2|c=3" },
	{ "x/y (c; d=e); a=1", "a=1" },
	{ "x/y; a = 1 ; b\r\n = \"2\"", "a=1|b=2" },
	{ "x/y; a=\"q\\\"u\\\\o;t=e\"; b=1", "a=q\"u\\o;t=e|b=1" },
	{ "x/y; a=\"fold\r\n ed\"", "a=fold ed" },
	{ "x/y; name=two words.txt; b=1", "name=two words.txt|b=1" },
	{ "x/y; a=\"b\"junk; c=d", "a=b|c=d" },
	{ "x/y; a=; b=\"\"; c=d", "a=|b=|c=d" },
	{ "x/y; a; =b; ;c=d; e f=g", "c=d" },
	{ "x/y; a=1; A=2", "a=1" },
	{ "x/y; a=\"never closed; b=1", "a=never closed; b=1" },
	{ "x/y; boundary=a/b=c:d?e", "boundary=a/b=c:d?e" },
	{ "x/y; name=\"=?utf-8?q?a?=\"", "name==?utf-8?q?a?=" },
	{ "x/y; name=\xe4.txt", "name=\xc3\xa4.txt" },
	{ "x/y; name=\xc3\xa4.txt", "name=\xc3\xa4.txt" },
	{ "x/y; boundary=\"\xe4\"", "boundary=\xe4" },
	/* RFC 2231 3, 4, 4.1 */
	{ "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
	  "access-type=URL|url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar" },
	{ "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title=This is ***fun***" },
	{ "application/x-stuff;\r\n title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n title*2=\"isn't it!\"",
	  "title=This is even more ***fun*** isn't it!" },
	{ "a; f*1=b; f*0=a; f*2=c", "f=abc" },
	{ "a; f*0=a; f*2=c", "f=a" },
	{ "a; f*1=b", "" },
	{ "a; f*1=b; g=1", "g=1" },
	{ "a; f=plain; f*=utf-8''%c3%a4", "f=\xc3\xa4" },
	{ "a; f*=utf-8''%c3%a4; f=plain", "f=\xc3\xa4" },
	{ "a; f=plain; f*0*=utf-8''%c3; f*1*=%a4", "f=\xc3\xa4" },
	{ "a; f=plain; f*0=a; f*1=b", "f=plain" },
	{ "a; f*=iso-8859-1''%e4", "f=\xc3\xa4" },
	{ "a; f*=koi8-r''%f0", "f=\xd0\x9f" },
	{ "a; f*=x-unknown''%e4", "f=\xc3\xa4" },
	{ "a; f*=no-quotes%20here", "f=no-quotes here" },
	{ "a; f*=''%41", "f=A" },
	{ "a; f*=utf-8'%41", "f=A" },
	{ "a; f*=utf-8''%4", "f=%4" },
	{ "a; f*=utf-8''%zz", "f=%zz" },
	{ "a; f*=\"utf-8''%41\"", "f=A" },
	{ "a; f*x=1; *=2; f**=3", "f*x=1|*=2|f*=3" },
	{ "a; f*99999=1", "f*99999=1" },
	/* clang-format on */
};

static void test_params(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct param *list;
		size_t n;
		assert_true(mime_params(str_of(rows[i].in), &a, &list, &n));
		for (size_t k = 0; k < n; k++)
			buf_printf(&b, "%s%.*s=%.*s", k ? "|" : "", STRF(list[k].name), STRF(list[k].value));
		if (!str_eq(buf_str(&b), str_of(rows[i].want)))
			fail_msg("%s\ngot  %.*s\nwant %s", rows[i].in, STRF(buf_str(&b)), rows[i].want);
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct param *list;
		size_t n;
		for (int i = 0; i < MIME_PARAMS + extra; i++)
			buf_printf(&b, "; p*%d=x", i);
		assert_int_equal(mime_params(buf_str(&b), &a, &list, &n), !extra);
		assert_int_equal(n, 1);
		assert_int_equal(list[0].value.n, MIME_PARAMS);
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_2231(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct param *list;
	size_t n;
	buf_addz(&b, "; name*=");
	mime_2231(&b, STR("a b\xe2\x82\xac'\"%.txt"));
	assert_strz(buf_str(&b), "; name*=utf-8''a%20b%E2%82%AC%27%22%25.txt");
	assert_true(mime_params(buf_str(&b), &a, &list, &n));
	assert_strz(list[0].value, "a b\xe2\x82\xac'\"%.txt");
	buf_free(&b);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_2231),
	};
	return cmocka_run_group_tests(tests, warm, NULL);
}
