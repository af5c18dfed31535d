#include "mail/address.h"

#include "base/test.h"

#define A64 "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
#define L63 "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddd"

struct path_row {
	const char *in;
	bool utf8;
	const char *local, *domain; /* local NULL: refused; domain NULL: the null path */
	const char *left, *printed;
};
/* clang-format off */
static const struct path_row paths[] = {
	{ "<>", false, "", NULL, "", "" },
	{ "<> BODY=8BITMIME", false, "", NULL, " BODY=8BITMIME", "" },
	{ "<Smith@bar.com>", false, "Smith", "bar.com", "", "Smith@bar.com" },
	{ "<userx@y.foo.org> SIZE=1", false, "userx", "y.foo.org", " SIZE=1", "userx@y.foo.org" },
	{ "<a@localhost>", false, "a", "localhost", "", "a@localhost" },
	{ "<postmaster>", false, "postmaster", "", "", "postmaster" },
	{ "<PostMaster>", false, "PostMaster", "", "", "PostMaster" },
	{ "<postmaste>", false, NULL, "", "", "" },
	{ "<root>", false, NULL, "", "", "" },
	/* source routes, RFC 5321 appendix C */
	{ "<@hosta.int,@jkl.org:userc@d.bar.org>", false, "userc", "d.bar.org", "", "userc@d.bar.org" },
	{ "<@hosta.int:userc@d.bar.org>", false, "userc", "d.bar.org", "", "userc@d.bar.org" },
	{ "<@[192.0.2.1]:u@d>", false, "u", "d", "", "u@d" },
	{ "<@hosta.int userc@d.bar.org>", false, NULL, "", "", "" },
	{ "<@hosta.int,:userc@d.bar.org>", false, NULL, "", "", "" },
	{ "<@hosta.int:>", false, NULL, "", "", "" },
	{ "<@a,@b>", false, NULL, "", "", "" },
	/* quoted localparts */
	{ "<\"Joe.\\\\Blow\"@example.org>", false, "Joe.\\Blow", "example.org", "", "\"Joe.\\\\Blow\"@example.org" },
	{ "<\"Joe\"@example.org>", false, "Joe", "example.org", "", "Joe@example.org" },
	{ "<\"\"@other.example>", false, "", "other.example", "", "\"\"@other.example" },
	{ "<\"a b\"@x>", false, "a b", "x", "", "\"a b\"@x" },
	{ "<\"a\\\"b\"@x>", false, "a\"b", "x", "", "\"a\\\"b\"@x" },
	{ "<\"a>b\"@x>", false, "a>b", "x", "", "\"a>b\"@x" },
	{ "<\"a@b\"@x>", false, "a@b", "x", "", "\"a@b\"@x" },
	{ "<\"a\\b\"@x>", false, "ab", "x", "", "ab@x" },
	{ "<\"a\tb\"@x>", false, NULL, "", "", "" },
	{ "<\"a\\\x01\"@x>", false, NULL, "", "", "" },
	{ "<\"a@x>", false, NULL, "", "", "" },
	{ "<\"a\\\"@x>", false, NULL, "", "", "" },
	{ "<\"a\"b@x>", false, NULL, "", "", "" },
	{ "<\"\">", false, NULL, "", "", "" },
	/* atoms and dots */
	{ "<!#$%&'*+-/=?^_`{|}~@x>", false, "!#$%&'*+-/=?^_`{|}~", "x", "", "!#$%&'*+-/=?^_`{|}~@x" },
	{ "<abc..def.@docomo.example>", false, "abc..def.", "docomo.example", "", "\"abc..def.\"@docomo.example" },
	{ "<a(c)@x>", false, NULL, "", "", "" },
	{ "<a b@x>", false, NULL, "", "", "" },
	{ "<a@b@c>", false, NULL, "", "", "" },
	{ "<@x>", false, NULL, "", "", "" },
	{ "<a@>", false, NULL, "", "", "" },
	{ "<a@x", false, NULL, "", "", "" },
	{ "a@x>", false, NULL, "", "", "" },
	{ "< a@x>", false, NULL, "", "", "" },
	{ "", false, NULL, "", "", "" },
	{ "<", false, NULL, "", "", "" },
	/* domains */
	{ "<a@x..y>", false, NULL, "", "", "" },
	{ "<a@.x>", false, NULL, "", "", "" },
	{ "<a@x.>", false, NULL, "", "", "" },
	{ "<a@-x>", false, NULL, "", "", "" },
	{ "<a@x-.y>", false, NULL, "", "", "" },
	{ "<a@x_y.example>", false, NULL, "", "", "" },
	{ "<a@3com.example>", false, "a", "3com.example", "", "a@3com.example" },
	/* literals */
	{ "<a@[192.0.2.1]>", false, "a", "192.0.2.1", "", "a@[192.0.2.1]" },
	{ "<a@[IPv6:2001:db8::1]>", false, "a", "IPv6:2001:db8::1", "", "a@[IPv6:2001:db8::1]" },
	{ "<a@[ipv6:::]>", false, "a", "ipv6:::", "", "a@[ipv6:::]" },
	{ "<a@[2001:db8::1]>", false, NULL, "", "", "" },
	{ "<a@[192.0.2]>", false, NULL, "", "", "" },
	{ "<a@[192.0.2.256]>", false, NULL, "", "", "" },
	{ "<a@[]>", false, NULL, "", "", "" },
	{ "<a@[192.0.2.1>", false, NULL, "", "", "" },
	{ "<a@[X-tag:y]>", false, NULL, "", "", "" },
	/* SMTPUTF8, RFC 6531 3.3 */
	{ "<p\xc3\xa5l@example.org>", true, "p\xc3\xa5l", "example.org", "", "p\xc3\xa5l@example.org" },
	{ "<p\xc3\xa5l@example.org>", false, NULL, "", "", "" },
	{ "<\"p\xc3\xa5l x\"@example.org>", true, "p\xc3\xa5l x", "example.org", "", "\"p\xc3\xa5l x\"@example.org" },
	{ "<a@b\xc3\xbc" "cher.example>", true, "a", "b\xc3\xbc" "cher.example", "", "a@b\xc3\xbc" "cher.example" },
	{ "<a@b\xc3\xbc" "cher.example>", false, NULL, "", "", "" },
	{ "<p\xe5l@example.org>", true, NULL, "", "", "" },
	{ "<a@\xff.example>", true, NULL, "", "", "" },
	/* lengths */
	{ "<" A64 "@x>", false, A64, "x", "", A64 "@x" },
	{ "<" A64 "a@x>", false, NULL, "", "", "" },
	{ "<a@" L63 ".x>", false, "a", L63 ".x", "", "a@" L63 ".x" },
	{ "<a@" L63 "e.x>", false, NULL, "", "", "" },
	{ "<a@" L63 "." L63 "." L63 ".xyz>", false, "a", L63 "." L63 "." L63 ".xyz", "", "a@" L63 "." L63 "." L63 ".xyz" },
	{ "<" A64 "@" L63 "." L63 "." L63 ">", false, NULL, "", "", "" },
};
/* clang-format on */

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const struct path_row *r = &paths[i];
		struct arena a = { 0 };
		struct str s = str_of(r->in);
		struct address x;
		bool null;
		bool ok = path_parse(&s, r->utf8, &a, &x, &null);
		if (ok != (r->local != NULL))
			fail_msg("%s: %s", r->in, ok ? "taken" : "refused");
		if (!ok) {
			assert_strz(s, r->in); /* nothing was consumed */
		} else {
			assert_int_equal(null, r->domain == NULL);
			assert_strz(x.local, r->local);
			assert_strz(x.domain, r->domain ? r->domain : "");
			assert_strz(s, r->left);
			assert_strz(address_text(&a, &x), r->printed);
			assert_int_equal(x.utf8, r->utf8);
			assert_int_equal(x.literal, strstr(r->in, ">") && strstr(r->printed, "[") != NULL);
		}
		arena_reset(&a);
	}
}

static void test_nul(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct address x;
	assert_false(address_parse((struct str){ "a\0b@x", 5 }, &a, &x));
	assert_false(address_parse((struct str){ "a@x\0y", 5 }, &a, &x));
	assert_false(address_parse((struct str){ "\"a\0b\"@x", 7 }, &a, &x));
	assert_false(address_parse((struct str){ "a@[192.0.2.1\0]", 14 }, &a, &x));
	arena_reset(&a);
}

/* What was parsed lives in the arena, not in the line it came from. */
static void test_owned(void **state)
{
	(void)state;
	struct arena a = { 0 };
	char line[] = "<\"you\"@sandbox.test>";
	struct str s = str_of(line);
	struct address x;
	bool null;
	assert_true(path_parse(&s, false, &a, &x, &null));
	memset(line, 'z', sizeof line);
	assert_strz(address_text(&a, &x), "you@sandbox.test");
	arena_reset(&a);
}

static void test_whole(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		bool ok;
	} rows[] = {
		{ "you@sandbox.test", true },
		{ "\"\"@mox.example", true },
		{ "p\xc3\xa5l@example.org", true },
		{ "a@[192.0.2.1]", true },
		{ "you", false },
		{ "you@sandbox.test ", false },
		{ "<you@sandbox.test>", false },
		{ "", false },
		{ "@x", false },
		{ "a@b>c", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct address x;
		if (address_parse(str_of(rows[i].in), &a, &x) != rows[i].ok)
			fail_msg("%s", rows[i].in);
		arena_reset(&a);
	}
}

static void test_helo(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		bool helo, domain;
	} rows[] = {
		{ "mail.example.org", true, true },
		{ "localhost", true, true },
		{ "my_pc", true, false },
		{ "mail.example.org.", true, false },
		{ "[192.0.2.1]", true, false },
		{ "[IPv6:2001:db8::1]", true, false },
		{ "[IPv6:2001:db8::zz]", false, false },
		{ "[192.0.2.1", false, false },
		{ "192.0.2.1", true, true }, /* all-digit labels are LDH: who it is, other checks ask */
		{ "b\xc3\xbc"
		  "cher.example",
		  true, true },
		{ "b\xfc"
		  "cher.example",
		  false, false },
		{ "", false, false },
		{ ".", false, false },
		{ "a b", false, false },
		{ "a;b", false, false },
		{ "a..b", false, false },
		{ "<script>", false, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (helo_valid(str_of(rows[i].in)) != rows[i].helo)
			fail_msg("helo %s", rows[i].in);
		if (domain_valid(str_of(rows[i].in)) != rows[i].domain)
			fail_msg("domain %s", rows[i].in);
	}
}

static void test_domain_key(void **state)
{
	(void)state;
	static const struct {
		const char *in, *key;
	} rows[] = {
		{ "Example.ORG", "example.org" },
		{ "b\xc3\xbc"
		  "cher.Example",
		  "xn--bcher-kva.example" },
		{ "B\xc3\x9c"
		  "CHER.example",
		  "xn--bcher-kva.example" },
		{ "xn--Bcher-KVA.example", "xn--bcher-kva.example" },
		{ "bu\xcc\x88"
		  "cher.example", /* decomposed: NFC first */
		  "xn--bcher-kva.example" },
		{ "stra\xc3\x9f"
		  "e.example",
		  "xn--strae-oqa.example" },
		{ "IPv6:2001:DB8::1", "ipv6:2001:db8::1" },
		{ "a\xe2\x80\xa8.example", NULL }, /* a line separator is in no name */
		{ "\xff\xfe.example", NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct str key;
		bool ok = address_domain_key(&a, str_of(rows[i].in), &key);
		if (ok != (rows[i].key != NULL))
			fail_msg("%s", rows[i].in);
		if (ok)
			assert_strz(key, rows[i].key);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths), cmocka_unit_test(test_nul),  cmocka_unit_test(test_owned),
		cmocka_unit_test(test_whole), cmocka_unit_test(test_helo), cmocka_unit_test(test_domain_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
