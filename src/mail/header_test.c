#include "mail/header.h"

#include "base/test.h"

/* clang-format off */
#define MESSAGE                                                       \
	"From ~mbox Thu Jan  1 00:00:00 1970\r\n"                     \
	"Received: from x\r\n\tby y;\r\n  Thu, 1 Jan 1970\r\n"        \
	"Subject : one\r\n"                                           \
	"no field at all\r\n"                                         \
	"subject:two\r\n"                                             \
	"Empty:\r\n"                                                  \
	"X-Colon: a: b\r\n"                                           \
	"\r\n"                                                        \
	"Subject: in the body\r\n"
/* clang-format on */

static void test_fields(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
	} want[] = {
		{ "", "From ~mbox Thu Jan  1 00:00:00 1970" },
		{ "Received", " from x\r\n\tby y;\r\n  Thu, 1 Jan 1970" },
		{ "Subject", " one" },
		{ "", "no field at all" },
		{ "subject", "two" },
		{ "Empty", "" },
		{ "X-Colon", " a: b" },
	};
	struct str rest = STR(MESSAGE);
	struct header h;
	size_t whole = 0;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		assert_true(header_next(&rest, &h));
		assert_strz(h.name, want[i].name);
		assert_strz(h.value, want[i].value);
		assert_true(str_ends(h.whole, STR("\r\n")));
		whole += h.whole.n;
	}
	assert_false(header_next(&rest, &h));
	assert_strz(rest, "Subject: in the body\r\n");
	assert_int_equal(header_block(STR(MESSAGE)).n, whole + 2); /* nothing was lost */
}

static void test_block(void **state)
{
	(void)state;
	static const struct {
		const char *in, *block, *value; /* of "A" */
	} rows[] = {
		{ "A: b\r\n\r\nbody", "A: b\r\n\r\n", " b" },
		{ "A: b\n\nbody", "A: b\n\n", " b" },
		{ "A: b\n c\n\nbody", "A: b\n c\n\n", " b\n c" },
		{ "A: b\r\n", "A: b\r\n", " b" },
		{ "A: b", "A: b", " b" },
		{ "\r\nA: b", "\r\n", NULL },
		{ "\nA: b", "\n", NULL },
		{ "", "", NULL },
		{ " A: b\r\n\r\n", " A: b\r\n\r\n", NULL },               /* a continuation of nothing */
		{ "A: b\r\n \r\n\r\nx", "A: b\r\n \r\n\r\n", " b\r\n " }, /* obs-FWS */
		{ "A: b\r\n\r", "A: b\r\n\r", " b" },                     /* a lone CR ends nothing */
		{ ": b\r\nA: c\r\n\r\n", ": b\r\nA: c\r\n\r\n", " c" },
		{ "A\xc3\xa4: b\r\nA: c\r\n", "A\xc3\xa4: b\r\nA: c\r\n", " c" },
		{ "A b: c\r\nA \t: d\r\n\r\n", "A b: c\r\nA \t: d\r\n\r\n", " d" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct header h;
		struct str block = header_block(str_of(rows[i].in));
		assert_strz(block, rows[i].block);
		assert_int_equal(header_find(block, STR("a"), &h), rows[i].value != NULL);
		if (rows[i].value)
			assert_strz(h.value, rows[i].value);
	}
	struct header h;
	assert_true(header_find(STR(MESSAGE), STR("SUBJECT"), &h));
	assert_strz(h.value, " one"); /* the first */
	assert_int_equal(header_count(STR(MESSAGE), STR("Subject")), 2);
	assert_int_equal(header_count(STR(MESSAGE), STR("Bcc")), 0);
}

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *in, *unfolded, *uncommented;
	} rows[] = {
		{ " a b ", "a b", "a b" },
		{ " a\r\n b\r\n\tc", "a b\tc", "a b c" },
		{ "a\n b", "a b", "a b" },
		{ "a (b) c", "a (b) c", "a c" },
		{ "a(b)c", "a(b)c", "a c" },
		{ "(x)a(y (z) \\) )", "(x)a(y (z) \\) )", "a" },
		{ "\"a (b)\" c", "\"a (b)\" c", "\"a (b)\" c" },
		{ "\"a\\\" (b)\" (c)", "\"a\\\" (b)\" (c)", "\"a\\\" (b)\"" },
		{ "\"a\r\n b\"", "\"a b\"", "\"a b\"" },
		{ "a (never closed", "a (never closed", "a" },
		{ "", "", "" },
		{ "()", "()", "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		assert_strz(header_unfold(&a, str_of(rows[i].in)), rows[i].unfolded);
		assert_strz(header_uncomment(&a, str_of(rows[i].in)), rows[i].uncommented);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
