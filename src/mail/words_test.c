#include "mail/words.h"

#include "base/test.h"

static int warm(void **state)
{
	(void)state;
	charset_warm();
	charset_warm(); /* twice is once */
	return 0;
}

static void test_decode(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		/* RFC 2047 8 */
		{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
		{ "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
		  "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>" },
		{ "=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard" },
		{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
		  "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		  "If you can read this you understand the example." },
		{ "(=?ISO-8859-1?Q?a?=)", "(a)" },
		{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a?=  \r\n    =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
		{ "=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=",
		  "\xd7\x9d\xd7\x95\xd7\x9c\xd7\xa9 \xd7\x9f\xd7\x91 \xd7\x99\xd7\x9c\xd7\x98\xd7\xa4\xd7\xa0" },
		/* RFC 2231 5 */
		{ "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
		/* the wild */
		{ "=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "\xe2\x82\xac" }, /* cut in the middle of a character */
		{ "=?utf-8?q?a?==?utf-8?q?b?=", "ab" },
		{ "x=?utf-8?q?a?=y", "xay" },
		{ "=?utf-8?q?a b?=", "a b" },
		{ "=?utf-8?q?=e4=zz=?=", "\xef\xbf\xbd=zz=" },
		{ "=?utf-8?b?YQ?=", "a" },
		{ "=?utf-8?q?a=0D=0ABcc:_x=00?=", "a  Bcc: x " },
		{ "=?x-unknown?q?=E4?=", "\xc3\xa4" },
		{ "a\xe4", "a\xc3\xa4" },
		{ "a\xe4 =?utf-8?q?=C3=A4?= \xc3\xa4", "a\xc3\xa4 \xc3\xa4 \xc3\xa4" },
		/* no encoded words */
		{ "=?", "=?" },
		{ "=?utf-8", "=?utf-8" },
		{ "=?utf-8?", "=?utf-8?" },
		{ "=?utf-8?q", "=?utf-8?q" },
		{ "=?utf-8?q?", "=?utf-8?q?" },
		{ "=?utf-8?q?x", "=?utf-8?q?x" },
		{ "=?utf-8?q?x?", "=?utf-8?q?x?" },
		{ "=?utf-8?x?x?=", "=?utf-8?x?x?=" },
		{ "=?utf-8?qq?x?=", "=?utf-8?qq?x?=" },
		{ "=??q?x?=", "=??q?x?=" },
		{ "=?utf-8?q?x?y", "=?utf-8?q?x?y" },
		{ "=?=?utf-8?q?x?=", "=?x" },
		{ "=?utf-8?q?"
		  "?=",
		  "" },
		{ "a  b", "a  b" },
		{ "", "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		assert_strz(words_decode(&a, str_of(rows[i].in)), rows[i].out);
		arena_reset(&a);
	}
}

static void expect_lines(struct str folded)
{
	while (folded.n > 0) {
		struct str line = str_chomp(str_line(&folded));
		assert_true(line.n <= 78);
		assert_true(str_trim(line).n > 0);
		assert_int_equal(str_chr(line, '\r'), line.n);
		for (size_t at; (at = str_find(line, STR("=?utf-8?"))) < line.n;) {
			struct str word = str_sub(line, at, line.n);
			size_t end = str_find(str_sub(word, 10, word.n), STR("?=")) + 12;
			assert_true(end <= 75);
			line = str_sub(word, end, word.n);
		}
	}
}

static void test_encode(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out, *back; /* back NULL: the same as `in` */
	} rows[] = {
		{ "", "", NULL },
		{ "Hello", "Hello", NULL },
		{ "a  b", "a  b", NULL },
		{ "J\xc3\xbcrgen", "=?utf-8?q?J=C3=BCrgen?=", NULL },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd", "=?utf-8?b?5L2g5aW9?=", NULL },
		{ "=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?=", NULL },
		{ "a\r\nBcc: x", "a  Bcc: x", "a  Bcc: x" },
		{ "a\xff", "=?utf-8?b?Ye+/vQ==?=", "a\xef\xbf\xbd" },
		{ " a", "=?utf-8?q?_a?=", NULL },
		{ "a\tb", "a b", "a b" },
		{ "a\x01z", "=?utf-8?b?YQF6?=", NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		words_encode(&b, str_of(rows[i].in), 9);
		assert_strz(buf_str(&b), rows[i].out);
		assert_strz(words_decode(&a, buf_str(&b)), rows[i].back ? rows[i].back : rows[i].in);
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_encode_long(void **state)
{
	(void)state;
	static const char pieces[][24] = {
		"word ", "\xc3\xa4", "\xf0\x9f\x98\x80", "a\xe2\x82\xac ", "x", "=", "a   b "
	};
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		for (size_t column = 1; column < 78; column += 11) {
			struct arena a = { 0 };
			struct buf in = { 0 }, line = { 0 }, unfolded = { 0 };
			while (in.n < 2000)
				buf_addz(&in, pieces[i]);
			buf_addc(&in, '.');
			for (size_t k = 0; k < column; k++)
				buf_addc(&line, 'N');
			words_encode(&line, buf_str(&in), column);
			expect_lines(buf_str(&line));
			for (size_t k = column; k < line.n; k++)
				if (line.p[k] != '\r' && line.p[k] != '\n')
					buf_addc(&unfolded, line.p[k]);
			assert_str(str_trim(words_decode(&a, buf_str(&unfolded))), buf_str(&in));
			buf_free(&in);
			buf_free(&line);
			buf_free(&unfolded);
			arena_reset(&a);
		}
}

static void test_phrase(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "John Doe", "John Doe" },
		{ "Joe Q. Public", "\"Joe Q. Public\"" },
		{ "a \"b\" \\", "\"a \\\"b\\\" \\\\\"" },
		{ "x\r\nBcc: y@z", "\"x  Bcc: y@z\"" },
		{ "J\xc3\xbcrgen, X.", "=?utf-8?b?SsO8cmdlbiwgWC4=?=" },
		{ "", "\"\"" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		words_phrase(&b, str_of(rows[i].in), 6);
		assert_strz(buf_str(&b), rows[i].out);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_long),
		cmocka_unit_test(test_phrase),
	};
	return cmocka_run_group_tests(tests, warm, NULL);
}
