#include "base/test.h"
#include "imap/parse.h"
#include "store/mailbox.h"

static void test_strings(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
		const char *why;
	} rows[] = {
		{ "atom", "atom", NULL },
		{ "a]b", "a]b", NULL },
		{ "\"two words\"", "two words", NULL },
		{ "\"a\\\"b\\\\c\"", "a\"b\\c", NULL },
		{ "\"\"", "", NULL },
		{ "{3}\r\na b", "a b", NULL },
		{ "{0}\r\n", "", NULL },
		{ "{3+}\r\n\"{}", "\"{}", NULL },
		{ "\"open", NULL, "Expected a closing quote at the end" },
		{ "\"a\\b\"", NULL, "Expected a quote or a backslash after a backslash at octet 4, found 'b'" },
		{ "\"a\rb\"", NULL, "Expected no CR, LF or NUL inside quotes at octet 3, found octet 0x0d" },
		{ "{5}\r\nabc", NULL, "Expected a line end after the size of a literal at octet 1, found '{'" },
		{ "{x}", NULL, "Expected the size of a literal at octet 1, found '{'" },
		{ "(", NULL, "Expected a word at octet 1, found '('" },
		{ "", NULL, "Expected a word at the end" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct str got;
		struct parser p = parser_new(str_of(rows[i].in), &a, 0);
		bool ok = parse_astring(&p, &got, "a word") && parse_end(&p);
		if (ok != (rows[i].out != NULL))
			fail_msg("row %zu: %s", i, rows[i].in);
		if (ok)
			assert_strz(got, rows[i].out);
		else
			assert_strz(parse_why(&p), rows[i].why);
		arena_reset(&a);
	}
}

static void test_pending(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct str got;
	struct parser p = parser_new(STR("{5}"), &a, 0);
	assert_false(parse_astring(&p, &got, "a word"));
	assert_true(p.pending);
	arena_reset(&a);
}

static void test_flags(void **state)
{
	static const struct {
		const char *in;
		bool bare, ok;
		unsigned flags;
		const char *keywords;
	} rows[] = {
		{ "()", false, true, 0, "" },
		{ "(\\seen \\DELETED)", false, true, MSG_SEEN | MSG_DELETED, "" },
		{ "(\\Recent $Junk todo)", false, true, 0, "$Junk todo" },
		{ "\\Draft x", true, true, MSG_DRAFT, "x" },
		{ "\\Draft", false, false, 0, "" },
		{ "(\\Nope)", false, false, 0, "" },
		{ "(\\*)", false, false, 0, "" },
		{ "(a  b)", false, false, 0, "" },
		{ "(a", false, false, 0, "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		unsigned flags;
		struct str keywords;
		struct parser p = parser_new(str_of(rows[i].in), &a, 0);
		bool ok = parse_flags(&p, rows[i].bare, &flags, &keywords) && parse_end(&p);
		if (ok != rows[i].ok)
			fail_msg("row %zu: %s", i, rows[i].in);
		if (ok) {
			assert_int_equal(flags, rows[i].flags);
			assert_strz(keywords, rows[i].keywords);
		}
		arena_reset(&a);
	}
}

static void test_literal_mark(void **state)
{
	static const struct {
		const char *line;
		bool is;
		uint64_t octets;
		bool plus;
	} rows[] = {
		{ "a LOGIN {5}", true, 5, false },
		{ "x {12+}", true, 12, true },
		{ "{0}", true, 0, false },
		{ "x {}", false, 0, false },
		{ "x {5", false, 0, false },
		{ "x 5}", false, 0, false },
		{ "x {-5}", false, 0, false },
		{ "x {5++}", false, 0, false },
		{ "x {+}", false, 0, false },
		{ "}", false, 0, false },
		{ "x {99999999999999999999}", false, 0, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t octets = 0;
		bool plus = false;
		bool is = parse_literal_mark(str_of(rows[i].line), &octets, &plus);
		if (is != rows[i].is)
			fail_msg("%s", rows[i].line);
		if (is) {
			assert_int_equal(octets, rows[i].octets);
			assert_int_equal(plus, rows[i].plus);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_literal_mark),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
