/* Folding by characters gives what the library makes of the whole. */
#include "base/test.h"
#include "imap/text.h"
#include "mail/words.h"
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

static struct arena a;

static struct str by_library(struct str s)
{
	size_t n;
	uint8_t *p = u8_casefold((const uint8_t *)s.p, s.n, NULL, UNINORM_NFKD, NULL, &n);
	assert_non_null(p);
	struct str out = str_dup(&a, (struct str){ (const char *)p, n });
	free(p);
	return out;
}

/* Scripts with letters that become several, marks that are put in order, and neighbours of both. */
static uint32_t some_char(void)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = { { 0x20, 0x7f },     { 0x20, 0x7f },     { 0xa0, 0x180 },     { 0x180, 0x300 },
		       { 0x300, 0x370 },   { 0x370, 0x530 },   { 0x590, 0x700 },    { 0x900, 0xa00 },
		       { 0x1e00, 0x2200 }, { 0x3040, 0x3100 }, { 0x4e00, 0x9fff },  { 0xac00, 0xac40 },
		       { 0xf900, 0xfb20 }, { 0xff00, 0xff60 }, { 0x1d400, 0x1d480 } };
	size_t i = (size_t)rand() % (sizeof ranges / sizeof *ranges);
	return ranges[i].from + (uint32_t)rand() % (ranges[i].to - ranges[i].from);
}

static void test_fold_whole(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		uint8_t text[200];
		size_t n = 0;
		for (int chars = rand() % 12 + 1; chars > 0; chars--) {
			int more = u8_uctomb(text + n, some_char(), (ptrdiff_t)(sizeof text - n));
			n += more > 0 ? (size_t)more : 0;
		}
		struct str s = { (const char *)text, n };
		assert_str(text_fold(s, &a), by_library(s));
		arena_reset(&a);
	}
}

static void test_fold_each(void **state)
{
	(void)state;
	for (uint32_t c = 1; c < 0x20000; c++) {
		uint8_t text[16] = "x";
		int n = u8_uctomb(text + 1, c, 6);
		if (n <= 0)
			continue; /* a surrogate */
		struct str s = { (const char *)text, 1 + (size_t)n };
		assert_str(text_fold(s, &a), by_library(s));
		arena_reset(&a);
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *text, *needle;
		bool has;
	} rows[] = { { "Stra\xc3\x9f"
		       "e",
		       "STRASSE", true },
		     { "Caf\xc3\xa9", "cafe", true },
		     { "\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\xbf\xce\xb4\xce\xbf\xcf\x82", true }, /* final sigma */
		     { "\xef\xac\x81le", "FILE", true },                                               /* a ligature */
		     { "caf\xe9", "CAF\xe9", true },                                                   /* no UTF-8 */
		     { "cafe", "caff", false } };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(text_has(str_of(rows[i].text), text_fold(str_of(rows[i].needle), &a), &a),
				 rows[i].has);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fold_whole), cmocka_unit_test(test_fold_each),
					    cmocka_unit_test(test_words) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
