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

static bool match(struct str pattern, struct str name)
{
	struct arena a = { 0 };
	bool yes = pattern_matches(pattern_new(pattern, &a), name);
	arena_reset(&a);
	return yes;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (match(str_of(rows[i].pattern), str_of(rows[i].name)) != rows[i].matches)
			fail_msg("%s on %s", rows[i].pattern, rows[i].name);
}

/* As simple as it can be said. */
static bool plainly(struct str p, struct str name)
{
	if (p.n == 0)
		return name.n == 0;
	struct str rest = str_sub(p, 1, p.n);
	if (*p.p != '*' && *p.p != '%')
		return name.n > 0 && *name.p == *p.p && plainly(rest, str_sub(name, 1, name.n));
	for (size_t i = 0;; i++) {
		if (plainly(rest, str_sub(name, i, name.n)))
			return true;
		if (i >= name.n || (*p.p == '%' && name.p[i] == '/'))
			return false;
	}
}

/* All patterns of up to five octets of the four that matter, and all names of up to five of two. */
static void test_all_short(void **state)
{
	static const char letters[] = "a/*%";
	(void)state;
	for (unsigned p = 0; p < 1u << 13; p++) {
		char pattern[6], name[6];
		size_t np = p >> 10 & 7, nn;
		if (np > 5)
			continue;
		for (size_t i = 0; i < np; i++)
			pattern[i] = letters[p >> 2 * i & 3];
		for (unsigned k = 0; k < 1u << 8; k++) {
			nn = k >> 5 & 7;
			if (nn > 5)
				continue;
			for (size_t i = 0; i < nn; i++)
				name[i] = letters[k >> i & 1];
			struct str sp = { pattern, np }, sn = { name, nn };
			if (match(sp, sn) != plainly(sp, sn))
				fail_msg("%.*s on %.*s", STRF(sp), STRF(sn));
		}
	}
}

/* Longer than a word of bits, with the border inside letters and behind a wildcard. */
static void test_long(void **state)
{
	char pattern[PATTERN_MAX], name[PATTERN_MAX];
	(void)state;
	memset(name, 'a', sizeof name);
	for (size_t n = 60; n < 70; n++)
		for (size_t wild = 0; wild <= n; wild++) {
			memset(pattern, 'a', sizeof pattern);
			pattern[wild] = '%';
			struct str p = { pattern, n + 1 };
			assert_true(match(p, (struct str){ name, n }));
			assert_true(match(p, (struct str){ name, n + 5 }));
			assert_false(match(p, (struct str){ name, n - 1 }));
			name[wild] = '/';
			assert_false(match(p, (struct str){ name, n + 5 }));
			name[wild] = 'a';
		}
	memset(pattern, 'a', sizeof pattern);
	assert_true(match((struct str){ pattern, sizeof pattern }, (struct str){ name, sizeof name }));
}

/* As many patterns as a command may have, made to make backtracking explode, on as many names as an account may have.
 */
static void test_hostile(void **state)
{
	char pattern[PATTERN_MAX], name[500];
	struct arena a = { 0 };
	const struct pattern *all[PATTERNS_OCTETS / PATTERN_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = i % 2 ? '*' : 'a';
	memset(name, 'a', sizeof name);
	pattern[sizeof pattern - 1] = 'b';
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		all[i] = pattern_new((struct str){ pattern + 4, sizeof pattern - 4 }, &a);
	for (unsigned k = 0; k < 1000; k++)
		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			assert_false(pattern_matches(all[i], (struct str){ name, sizeof name }));
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_all_short),
					    cmocka_unit_test(test_long), cmocka_unit_test(test_hostile) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
