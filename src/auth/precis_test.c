#include "auth/precis.h"

#include "base/test.h"

struct row {
	const char *typed, *want; /* want NULL: refused */
};

/* RFC 8265 3.5, and what look-alikes people try. */
static const struct row usernames[] = {
	{ "juliet@example.com", "juliet@example.com" },
	{ "fussball", "fussball" },
	{ "fu\u00DFball", "fu\u00DFball" },
	{ "\u03C0", "\u03C0" },
	{ "\u03A3", "\u03C3" },
	{ "\u03C3", "\u03C3" },
	{ "\u03C2", "\u03C2" },
	{ "foo bar", NULL },
	{ "", NULL },
	{ "henry\u2163", NULL },
	{ "\u265A", NULL },
	{ "ALICE", "alice" },
	{ "\uFF21\uFF2C\uFF29\uFF23\uFF25", "alice" }, /* full width */
	{ "\uFF76\uFF9E", "\u30AC" },                  /* half-width ka and its mark, composed */
	{ "\u0430lice", "\u0430lice" },                /* Cyrillic a: another name, not ours to merge */
	{ "\u212Aarl", NULL },                         /* Kelvin sign */
	{ "\u00C9ric", "\u00E9ric" },
	{ "e\u0301ric", "\u00E9ric" },        /* decomposed */
	{ "\uFB01sh", NULL },                 /* ligature fi */
	{ "a\u00ADb", NULL },                 /* soft hyphen */
	{ "a\u200Bb", NULL },                 /* zero width space */
	{ "a\u202Eb", NULL },                 /* right-to-left override */
	{ "col\u00B7lega", "col\u00B7lega" }, /* RFC 5892 A.3 */
	{ "a\u00B7b", NULL },
	{ "\u0915\u094D\u200D\u0937", "\u0915\u094D\u200D\u0937" }, /* A.2 after a virama */
	{ "a\u200Db", NULL },
	{ "\u0628\u200C\u0628", "\u0628\u200C\u0628" }, /* A.1 between joining letters */
	{ "a\u200Cb", NULL },
	{ "\u0375\u03B1", "\u0375\u03B1" }, /* A.4 */
	{ "\u0375a", NULL },
	{ "\u05D0\u05F3", "\u05D0\u05F3" }, /* A.5 */
	{ "a\u05F3", NULL },
	{ "\u30A2\u30FB\u30A2", "\u30A2\u30FB\u30A2" }, /* A.7 */
	{ "a\u30FBb", NULL },
	{ "\u0628\u0661", "\u0628\u0661" }, /* A.8 */
	{ "\u0628\u0661\u06F1", NULL },
	{ "\u05D0\u05D1", "\u05D0\u05D1" }, /* Hebrew */
	{ "\u05D0b", NULL },                /* RFC 5893 2 */
	{ "b\u05D0", NULL },
	{ "1\u05D0", NULL },
	{ "\u05D01", "\u05D01" },
	{ "\u05D0-", NULL },
	{ "\u06281\u0661", NULL }, /* European and Arabic digits */
	{ "\u1100\u1161", NULL },  /* old Hangul */
	{ "\u0378", NULL },        /* unassigned */
	{ "\uFFFE", NULL },        /* no character */
	{ "\uE000", NULL },        /* private use */
	{ "\x01", NULL },
	{ "\xC3", NULL },         /* cut short */
	{ "\xED\xA0\x80", NULL }, /* a surrogate */
	{ "\"\"", "\"\"" },
};

/* RFC 8265 4.3. */
static const struct row passwords[] = {
	{ "correct horse battery staple", "correct horse battery staple" },
	{ "Correct Horse Battery Staple", "Correct Horse Battery Staple" },
	{ "\u03C0\u00DF\u00E5", "\u03C0\u00DF\u00E5" },
	{ "Jack of \u2666s", "Jack of \u2666s" },
	{ "foo\u1680bar", "foo bar" },
	{ "", NULL },
	{ "my cat is a \tby", NULL },
	{ "a\u0301", "\u00E1" },
	{ "\u00E1", "\u00E1" },
	{ "\uFF21", "\uFF21" }, /* width is left alone */
	{ "\uFB01", "\uFB01" },
	{ "\u212B", "\u00C5" }, /* Angstrom sign */
	{ "a\x7F", NULL },
	{ "\xFF", NULL },
	{ " ", " " },
	{ "\u0734\u05B4\u05F4", NULL }, /* composing would part the gershayim from its Hebrew */
};

typedef bool profile(struct str typed, struct precis *out, struct err *e);

static void check(profile *f, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct precis out;
		struct err e = { 0 };
		bool ok = f(str_of(rows[i].typed), &out, &e);
		if (ok != (rows[i].want != NULL))
			fail_msg("row %zu \"%s\": %s", i, rows[i].typed, ok ? "was taken" : e.text);
		if (!ok) {
			assert_int_equal(e.kind, ERR_PERM);
			continue;
		}
		assert_strz(((struct str){ out.p, out.n }), rows[i].want);
		/* Prepared twice is prepared once. */
		struct precis again;
		assert_true(f((struct str){ out.p, out.n }, &again, &e));
		assert_strz(((struct str){ again.p, again.n }), rows[i].want);
	}
}

static void test_usernames(void **state)
{
	(void)state;
	check(precis_username, usernames, sizeof usernames / sizeof *usernames);
}

static void test_passwords(void **state)
{
	(void)state;
	check(precis_opaque, passwords, sizeof passwords / sizeof *passwords);
}

static void test_sizes(void **state)
{
	(void)state;
	static char typed[PRECIS_TYPED + 1];
	struct precis out;
	struct err e;
	memset(typed, 'x', sizeof typed);
	assert_true(precis_opaque((struct str){ typed, PRECIS_TYPED }, &out, &e));
	assert_int_equal(out.n, PRECIS_TYPED);
	assert_false(precis_opaque((struct str){ typed, PRECIS_TYPED + 1 }, &out, &e));
	assert_false(precis_opaque((struct str){ "a\0b", 3 }, &out, &e));
	/* U+1D160 becomes three in normal form C: the most that anything grows. */
	for (size_t i = 0; i + 4 <= PRECIS_TYPED; i += 4)
		memcpy(typed + i, "\xF0\x9D\x85\xA0", 4);
	assert_true(precis_opaque((struct str){ typed, PRECIS_TYPED }, &out, &e));
	assert_int_equal(out.n, 3 * PRECIS_TYPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usernames),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
