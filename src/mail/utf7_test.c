#include "base/test.h"
#include "mail/utf7.h"

static const struct {
	const char *wire, *utf8; /* NULL: refused */
} rows[] = {
	{ "Sent", "Sent" },
	{ "inbox", "INBOX" },
	{ "iNbOx/a", "INBOX/a" },
	{ "Inboxes", "Inboxes" },
	{ "a&-b", "a&b" },
	{ "&-", "&" },
	{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	  "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "&2D3eAA-", "\xf0\x9f\x98\x80" },       /* a surrogate pair */
	{ "u&Awg-", "\xc3\xbc" },                 /* u + U+0308 becomes one character: NFC */
	{ "Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe" }, /* raw UTF-8 */
	{ "&AGE-", NULL },                        /* "a" must stand for itself */
	{ "&", NULL },
	{ "&abc", NULL },
	{ "&A-", NULL },
	{ "&2D0-", NULL }, /* half a pair */
	{ "&3gA-", NULL }, /* the other half */
	{ "&APx-", NULL }, /* bits left over */
	{ "\xff", NULL },
	{ "a\rb", NULL },
};

static void test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct str got = STR_NONE;
		bool ok = utf7_decode(str_of(rows[i].wire), &a, &got);
		if (ok != (rows[i].utf8 != NULL))
			fail_msg("row %zu: %s", i, rows[i].wire);
		if (ok)
			assert_strz(got, rows[i].utf8);
		arena_reset(&a);
	}
}

static void test_round(void **state)
{
	static const char *const names[] = { "Sent",
					     "a&b",
					     "Entw\xc3\xbcrfe",
					     "\xe5\x8f\xb0\xe5\x8c\x97/x",
					     "\xf0\x9f\x98\x80\xf0\x9f\x98\x80 z",
					     "\xc3\xa4&\xc3\xb6" };
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct str got;
		utf7_encode(&b, str_of(names[i]));
		assert_true(utf7_decode(buf_str(&b), &a, &got));
		assert_strz(got, names[i]);
		buf_free(&b);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_decode), cmocka_unit_test(test_round) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
