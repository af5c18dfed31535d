#include "mail/words.h"

#include "base/test.h"

#include <pthread.h>

static int warm(void **state)
{
	(void)state;
	charset_warm();
	charset_warm(); /* twice is once */
	return 0;
}

static void test_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		bool ok;
	} rows[] = {
		{ "", true },
		{ "plain ascii, longer than eight octets", true },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true },
		{ "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", true },
		{ "\xc0\x80", false }, /* overlong */
		{ "\xc1\xbf", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xf4\x90\x80\x80", false }, /* past U+10FFFF */
		{ "\xf5\x80\x80\x80", false },
		{ "\x80", false },
		{ "12345678\xff", false },
		{ "\xc3", false },
		{ "\xe2\x82", false },
		{ "\xf0\x9f\x98", false },
		{ "\xe2\x82z", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (utf8_valid(str_of(rows[i].in)) != rows[i].ok)
			fail_msg("row %zu", i);
}

static void test_charsets(void **state)
{
	(void)state;
	static const struct {
		const char *charset, *in, *out;
		bool known;
	} rows[] = {
		{ "utf-8", "\xc3\xa4", "\xc3\xa4", true },
		{ "UTF8", "a\xffz", "a\xef\xbf\xbdz", true },
		{ "us-ascii", "abc", "abc", true },
		{ "ISO-8859-1", "\xe4\x80", "\xc3\xa4\xe2\x82\xac", true },
		{ "windows-1252", "\x93x\x94\x81", "\xe2\x80\x9cx\xe2\x80\x9d\xef\xbf\xbd", true },
		{ "ISO-8859-15", "\xa4", "\xe2\x82\xac", true },
		{ "iso-8859-2", "\xb1", "\xc4\x85", true },
		{ "koi8-r", "\xf0\xf2", "\xd0\x9f\xd0\xa0", true },
		{ "windows-1251", "\xcf\xf0", "\xd0\x9f\xd1\x80", true },
		{ "iso-2022-jp", "\x1b$B$\"\x1b(B", "\xe3\x81\x82", true },
		{ "Shift_JIS", "\x82\xa0", "\xe3\x81\x82", true },
		{ "euc-jp", "\xa4\xa2", "\xe3\x81\x82", true },
		{ "gb2312", "\xc4\xe3", "\xe4\xbd\xa0", true },
		{ "big5", "\xa7\x41", "\xe4\xbd\xa0", true },
		{ "euc-kr", "\xb0\xa1", "\xea\xb0\x80", true },
		{ "utf-7", "+AOQ-", "\xc3\xa4", true },
		{ "utf-16le", "a", "\xef\xbf\xbd", true }, /* half a character */
		{ "gb2312",
		  "a\xff"
		  "b",
		  "a\xef\xbf\xbd"
		  "b",
		  true },
		{ "x-nobody-knows", "\xc3\xa4", "\xc3\xa4", false },
		{ "x-nobody-knows", "\xe4", "\xc3\xa4", false },
		{ "UTF-8//IGNORE", "\xe4", "\xc3\xa4", false }, /* no iconv suffixes from strangers */
		{ "ISO-2022-CN-EXT", "a", "a", false },
		{ "../../x", "a", "a", false },
		{ "", "\xe4", "\xc3\xa4", false },
		{ " ", "a", "a", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		bool known = charset_utf8(&b, str_of(rows[i].charset), str_of(rows[i].in));
		if (!str_eq(buf_str(&b), str_of(rows[i].out)) || known != rows[i].known)
			fail_msg("%s: got %.*s", rows[i].charset, STRF(buf_str(&b)));
		buf_free(&b);
	}
}

/* `max` holds in every way of converting. */
static void test_bounded(void **state)
{
	(void)state;
	static const char names[][16] = { "utf-8", "iso-8859-1", "koi8-r", "x-unknown" };
	char big[9000];
	memset(big, 0xe4, sizeof big);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct buf b = { .max = 100 };
		charset_utf8(&b, str_of(names[i]), (struct str){ big, sizeof big });
		assert_true(b.n == 100 && b.full);
		buf_free(&b);
	}
}

/* Stateful charsets do not mix when many threads use them at once. */
static void *convert(void *arg)
{
	size_t *wrong = arg;
	for (int i = 0; i < 300; i++) {
		struct buf b = { 0 };
		charset_utf8(&b, STR("iso-2022-jp"), STR("\x1b$B$\"\x1b(B"));
		*wrong += !str_eq(buf_str(&b), STR("\xe3\x81\x82"));
		buf_clear(&b);
		charset_utf8(&b, STR("iso-2022-jp"), STR("\x1b$B$")); /* leaves it in the middle */
		buf_clear(&b);
		charset_utf8(&b, STR("koi8-r"), STR("\xf0\xf2"));
		*wrong += !str_eq(buf_str(&b), STR("\xd0\x9f\xd0\xa0"));
		buf_free(&b);
	}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t threads[4];
	size_t wrong[4] = { 0 };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, convert, &wrong[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, warm, NULL);
}
