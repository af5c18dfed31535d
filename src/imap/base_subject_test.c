#include "base/test.h"
#include "imap/base_subject.h"
#include "mail/words.h"

static const struct {
	const char *subject, *base;
	bool reply;
} rows[] = {
	{ "", "", false },
	{ "hello", "hello", false },
	{ "  a \t b\r\n c  ", "a b c", false },
	{ "Re: hello", "hello", true },
	{ "RE:hello", "hello", true },
	{ "re  : hello", "hello", true },
	{ "Re: re: Fwd: fw: hello", "hello", true },
	{ "re[2]: hello", "hello", true },
	{ "re [2] : hello", "hello", true },
	{ "Fw[x][y]: hello", "Fw[x][y]: hello", false }, /* one blob only */
	{ "Regarding: hello", "Regarding: hello", false },
	{ "Fwdx: hello", "Fwdx: hello", false },
	{ "hello (fwd)", "hello", true },
	{ "hello (FWD) (fwd)  ", "hello", true },
	{ "(fwd)", "", true },
	{ "Re:", "", true },
	{ "Re: (fwd)", "", true },
	{ "[list] hello", "hello", false },
	{ "[list] Re: hello", "hello", true },
	{ "[a] [b] Re: [c] Fwd: [d] hello", "hello", true },
	{ "[list]", "[list]", false },
	{ "[a][b]", "[b]", false },
	{ "[a] [b] ", "[b]", false },
	{ "Re: [list]", "[list]", true },
	{ "[a]]x", "]x", false },
	{ "[a[b] c", "[a[b] c", false },
	{ "[] hello", "hello", false },
	{ "[fwd: hello]", "hello", true },
	{ "[Fwd: Re: hello (fwd)]", "hello", true },
	{ "[fwd: [fwd: hello]]", "hello", true },
	{ "Re: [fwd: hello] (fwd)", "hello", true },
	{ "[fwd: hello] x", "x", false }, /* a blob like another */
	{ "[fwd:]", "", true },
	{ "hello [fwd: x]", "hello [fwd: x]", false },
	{ "hello Re: you", "hello Re: you", false },
	{ "=?utf-8?q?Re=3A_gr=C3=BC=C3=9Fe?=",
	  "gr\xc3\xbc\xc3\x9f"
	  "e",
	  true },
	{ "=?iso-8859-1?q?[list]_caf=E9?=", "caf\xc3\xa9", false },
};

static void test_base(void **state)
{
	(void)state;
	struct arena a = { 0 };
	charset_warm();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool reply;
		struct str base = base_subject(str_of(rows[i].subject), &a, &reply);
		if (!str_eq(base, str_of(rows[i].base)) || reply != rows[i].reply)
			fail_msg("%s: \"%.*s\" %d", rows[i].subject, STRF(base), reply);
	}
	arena_reset(&a);
}

/* Long and silly ones end soon, and stay valid UTF-8. */
static void test_long(void **state)
{
	(void)state;
	struct arena a = { 0 };
	static const char *const pieces[] = { "[x]", "[", "[fwd:", "re[", "Re: ", "(fwd)", "\xc3\xbc", "]" };
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct buf b = { 0 };
		bool reply;
		while (b.n < 200000)
			buf_addz(&b, pieces[i]);
		struct str base = base_subject(buf_str(&b), &a, &reply);
		assert_true(base.n <= SUBJECT_MAX && utf8_valid(base));
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_casemap(void **state)
{
	(void)state;
	struct arena a = { 0 };
	static const char *const same[][2] = {
		{ "abc", "ABC" },
		{ "gr\xc3\xbc", "GR\xc3\x9c" },
		{ "\xc3\xbc", "u\xcc\x88" },        /* composed or not */
		{ "\xd0\xbc", "\xd0\x9c" },         /* Cyrillic */
		{ "\xef\xac\x81", "\xef\xac\x81" }, /* a ligature is not cased, only taken apart */
		{ "\xc7\x86", "\xc7\x84" },         /* dz with caron: one titlecase for all three */
	};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		assert_str(casemap(str_of(same[i][0]), &a), casemap(str_of(same[i][1]), &a));
	assert_true(str_cmp(casemap(STR("a"), &a), casemap(STR("B"), &a)) < 0);
	assert_true(str_cmp(casemap(STR("b"), &a), casemap(STR("_"), &a)) < 0); /* as capitals: RFC 5051 2 */
	assert_true(str_cmp(casemap(STR(""), &a), casemap(STR("a"), &a)) < 0);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_base), cmocka_unit_test(test_long),
					    cmocka_unit_test(test_casemap) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
