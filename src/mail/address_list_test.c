#include "mail/address.h"

#include "base/buf.h"
#include "base/test.h"

/* How a list reads: [name|local|domain|route] per box, {name: ... } per group. */
static void show(struct buf *b, const struct mailaddr *m)
{
	if (m->kind == MAILADDR_END) {
		buf_addc(b, '}');
	} else if (m->kind == MAILADDR_GROUP) {
		buf_printf(b, "{%.*s:", STRF(m->name));
	} else {
		buf_printf(b, "[%.*s|%.*s|%.*s", STRF(m->name), STRF(m->local), STRF(m->domain));
		if (m->route.n > 0)
			buf_printf(b, "|%.*s", STRF(m->route));
		buf_addc(b, ']');
	}
}

struct row {
	const char *in, *want;
	bool clean;
};
/* clang-format off */
static const struct row rows[] = {
	/* RFC 5322 appendix A */
	{ " John Doe <jdoe@machine.example>", "[John Doe|jdoe|machine.example]", true },
	{ "\"Joe Q. Public\" <john.q.public@example.com>", "[Joe Q. Public|john.q.public|example.com]", true },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	  "[Mary Smith|mary|x.test][|jdoe|example.org][Who?|one|y.test]", true },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	  "[|boss|nil.test][Giant; \"Big\" Box|sysservices|example.net]", true },
	{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
	  "{A Group:[Ed Jones|c|a.test][|joe|where.test][John|jdoe|one.test]}", true },
	{ "Undisclosed recipients:;", "{Undisclosed recipients:}", true },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "[Pete|pete|silly.test]", true },
	{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
	  "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
	  "{A Group:[Chris Jones|c|public.example][|joe|example.org][John|jdoe|one.test]}", true },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients:}", true },
	{ "Joe Q. Public <john.q.public@example.com>", "[Joe Q. Public|john.q.public|example.com]", true },
	{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	  "[Mary Smith|mary|example.net|@node.test][|jdoe|test.example]", true },
	/* names in comments, as RFC 822 had them */
	{ "ned@innosoft.example (Ned Freed)", "[Ned Freed|ned|innosoft.example]", true },
	{ "(before) a@b", "[|a|b]", true },
	{ "a@b (x (y) \\(z)", "[x (y) (z|a|b]", true }, /* never closed: it is all a comment */
	/* quoted, empty, literal, UTF-8 */
	{ "\"\"@x", "[||x]", true },
	{ "\"a b\"@x.y", "[|a b|x.y]", true },
	{ "a.\"b c\".d@x", "[|a.b c.d|x]", true },
	{ "a . b @ x . y", "[|a.b|x.y]", true },
	{ "<a@[192.0.2.1]>", "[|a|[192.0.2.1]]", true },
	{ "a@[IPv6:2001:db8::1], b@c", "[|a|[IPv6:2001:db8::1]][|b|c]", true },
	{ "J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc.example>", "[J\xc3\xbcrgen|j\xc3\xbc|b\xc3\xbc.example]", true },
	{ "=?utf-8?q?J=C3=BCrgen?= =?utf-8?q?_X?= <a@b>", "[=?utf-8?q?J=C3=BCrgen?= =?utf-8?q?_X?=|a|b]", true },
	{ "\"a\\\r\n b\" <a@b>", "[a b|a|b]", true },
	{ "root", "[|root|]", true },
	{ "<root>", "[|root|]", true },
	{ "<>", "[||]", true },
	{ "Nobody <>", "[Nobody||]", true },
	/* what is broken */
	{ "John Doe", "", false },
	{ "John Doe, a@b", "[|a|b]", false },
	{ "a@b c, d@e", "[|d|e]", false },
	{ "me@work [office] <a@b>, c@d", "[me@work [office]|a|b][|c|d]", false },
	{ "a@b@c, d@e", "[|d|e]", false },
	{ "John <a@b, c@d", "[|c|d]", false },
	{ "\"never closed <a@b>, c@d", "[|never closed <a@b>, c@d|]", true },
	{ "G1: a@b, G2: c@d;", "{G1:[|a|b]}{G2:[|c|d]}", true },
	{ "G: a@b", "{G:[|a|b]}", true },
	{ "a@b; c@d", "[|a|b][|c|d]", true },
	{ ";,;;,", "", true },
	{ "<a@b> <c@d>", "[|a|b][|c|d]", false },
	{ ")", "", false },
	{ "", "", true },
	{ " \r\n ", "", true },
};
/* clang-format on */

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct mailaddr *list;
		size_t n;
		bool more;
		bool clean = addresses_parse(str_of(rows[i].in), &a, &list, &n, &more);
		for (size_t k = 0; k < n; k++)
			show(&b, &list[k]);
		if (!str_eq(buf_str(&b), str_of(rows[i].want)) || clean != rows[i].clean || more)
			fail_msg("%s\ngot  %.*s%s\nwant %s", rows[i].in, STRF(buf_str(&b)), clean ? "" : " (not clean)",
				 rows[i].want);
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_limit(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct mailaddr *list;
	size_t n;
	bool more;
	buf_addz(&b, "All:");
	for (int i = 0; i < ADDRESSES_MAX + 10; i++)
		buf_addz(&b, "a@b,");
	addresses_parse(buf_str(&b), &a, &list, &n, &more);
	assert_true(more && n <= ADDRESSES_MAX && n > ADDRESSES_MAX - 4);
	assert_int_equal(list[n - 1].kind, MAILADDR_END);
	arena_reset(&a);

	a.ceiling = 4096; /* a full arena ends the list, too */
	addresses_parse(buf_str(&b), &a, &list, &n, &more);
	assert_true(more && n < 100);
	arena_reset(&a);
	buf_free(&b);
}

/* Time is in proportion to length: a quadratic parser would not come back. */
static void test_deep(void **state)
{
	(void)state;
	static const char pieces[][8] = { "(", "\"", "<", "@", "[", "a<", "a:", "\\", ".", "<@a,", "a@" };
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct mailaddr *list;
		size_t n;
		bool more;
		for (int k = 0; k < 50000; k++)
			buf_addz(&b, pieces[i]);
		addresses_parse(buf_str(&b), &a, &list, &n, &more);
		assert_true(n <= ADDRESSES_MAX);
		buf_free(&b);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
