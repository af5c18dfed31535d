#include "base/test.h"
#include "imap/pattern.h"

static const struct {
	const char *pattern, *name;
	bool matches;
} rows[] = {
	{ "*", "INBOX", true },
	{ "*", "a/b/c", true },
	{ "%", "a", true },
	{ "%", "a/b", false },
	{ "%/%", "a/b", true },
	{ "%/%", "a", false },
	{ "a*", "a", true },
	{ "a*c", "a/b/c", true },
	{ "a%c", "a/c", false },
	{ "a%c", "abc", true },
	{ "", "", true },
	{ "a", "A", false },
	{ "inbox", "INBOX", true },
	{ "in%", "INBOX", true },
	{ "inbox", "Inboxes", false },
	{ "*a*b*", "xaxbx", true },
	{ "*a*b*", "xbxax", false },
	{ "a/*", "a", false },
	{ "a/*", "a/b", true },
	{ "%*", "a/b", true },
	{ "*%", "a/b", true },
	{ "%b", "a/b", false },
	{ "**", "", true },
	{ "abc", "ab", false },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (pattern_matches(str_of(rows[i].pattern), str_of(rows[i].name)) != rows[i].matches)
			fail_msg("%s on %s", rows[i].pattern, rows[i].name);
}

/* A pattern made to make backtracking explode is as cheap as any other. */
static void test_hostile(void **state)
{
	char pattern[PATTERN_MAX], name[500];
	(void)state;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = i % 2 ? '*' : 'a';
	memset(name, 'a', sizeof name);
	pattern[sizeof pattern - 1] = 'b';
	assert_false(pattern_matches((struct str){ pattern, sizeof pattern }, (struct str){ name, sizeof name }));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_hostile) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
