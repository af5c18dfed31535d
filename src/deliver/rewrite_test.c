#include "deliver/rewrite.h"

#include "base/test.h"

#define CRON                                                                                      \
	"Received: by host; Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: root@host (Cron Daemon)\r\n" \
	"To: root@host, \"Doe, Jane\" <jane@host>\r\nSubject: Cron <root@host> run-parts\r\n\r\n"

static struct str run(const struct rewrite_rule *rules, size_t n, const char *header, struct arena *a,
		      enum rewrite_got want)
{
	struct err e = { 0 };
	struct str out, why;
	struct rewrite *r = rewrite_new(rules, n, &e);
	if (!r)
		fail_msg("%s", e.text);
	assert_int_equal(rewrite_run(r, str_of(header), a, &out, &why), want);
	rewrite_free(r);
	return out;
}

static void test_rules(void **state)
{
	(void)state;
	static const struct {
		struct rewrite_rule rule;
		const char *from, *to;
	} rows[] = {
		{ { STR("from"), STR("^root@.*$"), STR("Home server <home@example.org>"), false },
		  "From: root@host (Cron Daemon)\r\n",
		  "From: Home server <home@example.org>\r\n" },
		{ { STR("subject"), STR("^Cron <(\\w+)@(\\w+)> ?"), STR("[\\2] "), false },
		  "Subject: Cron <root@box> daily\r\n",
		  "Subject: [box] daily\r\n" },
		{ { STR("subject"), STR("(?<who>\\w+) (\\w+)"), STR("$2 ${who}"), false },
		  "Subject: one two\r\n",
		  "Subject: two one\r\n" },
		{ { STR("subject"), STR("\\$(\\d+)"), STR("$ \\g<1>"), false },
		  "Subject: pay $5 now\r\n",
		  "Subject: pay $ 5 now\r\n" },
		{ { STR("subject"), STR("HELLO"), STR("Bye"), true },
		  "Subject: hello\r\n there\r\n",
		  "Subject: Bye there\r\n" },
		{ { STR("subject"), STR("HELLO"), STR("Bye"), false },
		  "Subject: hello\r\n there\r\n",
		  "Subject: hello\r\n there\r\n" },
		/* Read and written as people see it. */
		{ { STR("subject"), STR("J\xc3\xbcrgen"), STR("Ren\xc3\xa9"), false },
		  "Subject: =?iso-8859-1?q?J=FCrgen?= x\r\n",
		  "Subject: =?utf-8?q?Ren=C3=A9_x?=\r\n" },
		{ { STR("to"), STR("^\"Doe, Jane\" <(.*)>$"), STR("Jane <\\1>"), false },
		  "To: a@b, \"Doe, Jane\" <jane@host>, c@d\r\n",
		  "To: a@b, Jane <jane@host>, c@d\r\n" },
		{ { STR("to"), STR("^a@b$"), STR(""), false }, "To: a@b, c@d\r\n", "To: c@d\r\n" },
		{ { STR("from"), STR("^(\\S+)@host$"), STR("Ren\xc3\xa9 <\\1@example.org>"), false },
		  "From: me@host\r\n",
		  "From: =?utf-8?b?UmVuw6k=?= <me@example.org>\r\n" },
		/* A group, and a comma in a comment, part nothing. */
		{ { STR("to"), STR("x@y"), STR("z@y"), false },
		  "To: friends: x@y, v@w;, x@y (a, b)\r\n",
		  "To: friends: z@y, v@w;, z@y (a, b)\r\n" },
		{ { STR("x-any"), STR("1"), STR("2"), false }, "X-Any: 1\r\n", "X-Any: 2\r\n" },
		{ { STR("cc"), STR(".*"), STR(""), false }, "Cc: a@b\r\nX: y\r\n", "X: y\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct str header = str_fmt(&a, "%s\r\n", rows[i].from), want = str_fmt(&a, "%s\r\n", rows[i].to);
		bool same = str_eq(header, want);
		assert_str(run(&rows[i].rule, 1, header.p, &a, same ? REWRITE_SAME : REWRITE_CHANGED), want);
		arena_reset(&a);
	}
}

static void test_in_order(void **state)
{
	(void)state;
	struct arena a = { 0 };
	const struct rewrite_rule rules[] = { { STR("from"), STR("root@host.*"), STR("home@example.org"), false },
					      { STR("from"), STR("home"), STR("house"), false },
					      { STR("to"), STR("@host"), STR("@example.org"), false },
					      { STR("subject"), STR("^Cron <(\\w+)@(\\w+)> ?"), STR("[\\2] "),
						false } };
	assert_strz(run(rules, 4, CRON, &a, REWRITE_CHANGED),
		    "Received: by host; Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: house@example.org\r\n"
		    "To: root@example.org, \"Doe, Jane\" <jane@example.org>\r\nSubject: [host] run-parts\r\n\r\n");
	arena_reset(&a);
}

/* What a rule makes cannot begin another field. */
static void test_injection(void **state)
{
	(void)state;
	struct arena a = { 0 };
	const struct rewrite_rule rule = { STR("subject"), STR("x"), STR("y\r\nBcc: all@example.org\r\n\r\nz"), false };
	assert_strz(run(&rule, 1, "Subject: x\r\n\r\n", &a, REWRITE_CHANGED),
		    "Subject: y  Bcc: all@example.org    z\r\n\r\n");
	const struct rewrite_rule to = { STR("to"), STR("^x"), STR("y\r\nBcc: all@example.org\r\n\r\nz"), false };
	struct str out = run(&to, 1, "To: x@b\r\n\r\n", &a, REWRITE_CHANGED);
	assert_int_equal(str_find(out, STR("\r\nBcc")), out.n);
	arena_reset(&a);
}

static void test_discard(void **state)
{
	(void)state;
	struct arena a = { 0 };
	static const char *const fields[] = { "from", "to", "subject" };
	for (size_t i = 0; i < 3; i++) {
		struct rewrite_rule rule = { str_of(fields[i]), STR("^.*$"), STR(""), false };
		run(&rule, 1, CRON, &a, REWRITE_DISCARD);
	}
	arena_reset(&a);
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		struct rewrite_rule rule;
		size_t offset;
		const char *why;
	} rows[] = {
		{ { STR("from"), STR("a(b"), STR(""), false }, 3, "parenthesis" },
		{ { STR("from"), STR("[z-a]"), STR(""), false }, 3, "range" },
		{ { STR("from"), STR("a"), STR("\\2"), false }, 0, "group \"2\"" },
		{ { STR("from"), STR("(a)"), STR("${nobody}"), false }, 0, "nobody" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		size_t offset = 99;
		assert_false(rewrite_check(&rows[i].rule, &offset, &e));
		assert_int_equal(e.kind, ERR_PERM);
		assert_int_equal(offset, rows[i].offset);
		if (str_find(str_of(e.text), str_of(rows[i].why)) == strlen(e.text))
			fail_msg("%s: not about %s", e.text, rows[i].why);
		assert_null(rewrite_new(&rows[i].rule, 1, &e));
	}
}

/* A pattern that would take for ever ends at its limit, and the field stays. */
static void test_limits(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct err e = { 0 };
	struct str out, why;
	struct rewrite_rule rule = { STR("subject"), STR("^(a+)+$"), STR("b"), false };
	struct rewrite *r = rewrite_new(&rule, 1, &e);
	struct str header = STR(
	    "Subject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n\r\n");
	assert_int_equal(rewrite_run(r, header, &a, &out, &why), REWRITE_SAME);
	assert_str(out, header);
	assert_true(str_find(why, STR("limits")) < why.n);
	rewrite_free(r);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),   cmocka_unit_test(test_in_order), cmocka_unit_test(test_injection),
		cmocka_unit_test(test_discard), cmocka_unit_test(test_wrong),    cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
