/* What a mailbox's name says about $Junk and $NotJunk. */
#include "store/test_store.h"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static struct str keywords_of(int64_t mailbox, uint32_t uid)
{
	struct msg *m;
	size_t n;
	must(msg_page(st, mailbox, uid, uid, false, &a, &m, &n, &e));
	assert_int_equal(n, 1);
	return m->keywords;
}

static uint32_t put_with(const char *mailbox, const char *keywords, bool as_given)
{
	struct stage s;
	struct target t = { .account = account,
			    .mailbox = str_of(mailbox),
			    .prefix = STR_NONE,
			    .keywords = str_of(keywords),
			    .as_given = as_given,
			    .sender = STR_NONE,
			    .recipient = STR_NONE,
			    .dsn = STR_NONE };
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = &t, .n = 1 };
	stage_open(&s, st, 1000);
	must(stage_add(&s, STR("x")));
	must(deliver(st, &d, &e));
	stage_drop(&s);
	return t.uid;
}

static void rules(bool on, const char *junk, const char *neutral, const char *notjunk)
{
	struct junk_rules r = { on, str_of(junk), str_of(neutral), str_of(notjunk) };
	must(account_junk_rules_set(st, STR("you"), &r, &e));
}

/* Delivered into `mailbox` with `given`: these keywords. */
struct row {
	const char *mailbox, *given, *becomes;
};

static void try(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t uid = put_with(rows[i].mailbox, rows[i].given, false);
		struct str now = keywords_of(box_id(account, rows[i].mailbox), uid);
		if (!str_eq(now, str_of(rows[i].becomes)))
			fail_msg("%s with \"%s\": \"%.*s\"", rows[i].mailbox, rows[i].given, STRF(now));
	}
}
#define TRY(...)                                           \
	do {                                               \
		const struct row rows[] = { __VA_ARGS__ }; \
		try(rows, sizeof rows / sizeof *rows);     \
	} while (0)

static void test_default(void **state)
{
	(void)state;
	struct junk_rules r;
	must(account_junk_rules(st, account, &a, &r, &e));
	assert_true(r.on);
	assert_strz(r.junk, "^(junk|spam)");
	assert_strz(r.neutral, "^(inbox|neutral|postmaster|dmarc|tlsrpt|rejects)");
	assert_strz(r.notjunk, "");
	TRY({ "INBOX", "", "" }, { "INBOX", "$Junk x", "$Junk x" }, { "INBOX/sub", "", "" }, { "Junk", "", "$Junk" },
	    { "Junk", "$NotJunk Other", "$Junk Other" }, { "SPAM/2024", "", "$Junk" }, { "Rejects", "", "" },
	    { "Archive", "", "$NotJunk" }, { "Archive", "$Junk $NotJunk", "$NotJunk" }, { "Not Spam", "", "$NotJunk" },
	    { "DMARC", "", "" });
	/* the special use says more than the name */
	must(mailbox_set_use(st, account, STR("Junk"), USE_NONE, &e));
	must(mailbox_create(st, account, STR("Werbung"), USE_JUNK, &e));
	TRY({ "Werbung", "", "$Junk" });
	/* as the client said it */
	assert_strz(keywords_of(box_id(account, "Archive"), put_with("Archive", "$Junk", true)), "$Junk");
	check_clean();
}

static void test_own(void **state)
{
	(void)state;
	struct junk_rules r;
	rules(true, "bad", "", "good$");
	must(account_junk_rules(st, account, &a, &r, &e));
	assert_strz(r.notjunk, "good$");
	TRY({ "INBOX", "", "" }, { "x/BAD/y", "", "$Junk" }, { "Good", "", "$NotJunk" }, { "Good/not", "", "" },
	    { "bad good", "", "$Junk" });
	rules(true, "", "", "");
	TRY({ "INBOX", "", "$NotJunk" }, { "bad2", "", "$NotJunk" });
	rules(true, "^m\xc3\xbcll", "", "^$");
	TRY({ "M\xc3\x9cLL", "", "$Junk" }, { "INBOX", "", "" });
	rules(false, "^(junk|spam)", "", "");
	TRY({ "Spam", "$NotJunk", "$NotJunk" }, { "Archive", "", "" });
	/* more sets than are kept compiled */
	for (int i = 0; i < 100; i++) {
		rules(true, i % 2 ? "^odd" : "^even", str_z(&a, str_fmt(&a, "^n%d$", i)), "");
		TRY({ "Odd", "", i % 2 ? "$Junk" : "$NotJunk" });
	}
	must_fail(account_junk_rules(st, 999, &a, &r, &e), ERR_PERM);
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{ "(a", "junk" },          { "[a", "junk" },
		{ "*a(", "junk" },         { "(a)\\1", "back-reference" },
		{ "a{1,9}", "count" },     { "[]{]x{2}", "count" },
		{ "[^]{]x{2}", "count" },  { "[[:alpha:]{]+x{2}", "count" },
		{ "((a+)+)+", "(x)(x)*" }, { "a*+", "(x)(x)*" },
		{ "a?+", "(x)(x)*" },      { "a++", "(x)(x)*" },
	};
	static const char *const right[] = { "[{]", "a\\{2\\}", "[]{]",     "[^]{]x", "[[:alpha:]{]+", "a|b",
					     "^$",  "\\(",      "a+b+[c]+", "[)+]",   "\\)+",          "a+*" };
	char octets[JUNK_RULE_OCTETS + 2];
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct junk_rules r = { true, str_of(wrong[i].text), STR_NONE, STR_NONE };
		must_fail(account_junk_rules_set(st, STR("you"), &r, &e), ERR_PERM);
		if (!strstr(e.text, wrong[i].why))
			fail_msg("%s: %s", wrong[i].text, e.text);
	}
	for (size_t i = 0; i < sizeof right / sizeof *right; i++)
		rules(true, right[i], "", "");
	memset(octets, 'a', sizeof octets);
	struct junk_rules r = { true, STR_NONE, STR_NONE, { octets, JUNK_RULE_OCTETS + 1 } };
	must_fail(account_junk_rules_set(st, STR("you"), &r, &e), ERR_PERM);
	assert_non_null(strstr(e.text, "notjunk"));
	r.notjunk = (struct str){ "a\0b", 3 };
	must_fail(account_junk_rules_set(st, STR("you"), &r, &e), ERR_PERM);
	r.notjunk.n = 1;
	must_fail(account_junk_rules_set(st, STR("nobody"), &r, &e), ERR_PERM);
}

static void test_moved(void **state)
{
	(void)state;
	static const struct {
		const char *from, *given, *to, *becomes;
	} rows[] = {
		{ "INBOX", "", "Junk", "$Junk" },
		{ "INBOX", "$NotJunk a", "Junk", "$Junk a" },
		{ "Junk", "$Junk", "INBOX", "" }, /* what the rules gave, they take */
		{ "Junk", "$Junk $NotJunk", "INBOX", "$NotJunk" },
		{ "Junk", "$Junk a", "Archive", "$NotJunk a" },
		{ "Archive", "$NotJunk", "INBOX", "" },
		{ "Archive", "$Junk", "INBOX", "$Junk" }, /* what a person set stays */
		{ "Archive", "$Junk", "Archive", "$Junk" },
		{ "Rejects", "$NotJunk", "INBOX", "$NotJunk" },
	};
	must(mailbox_create(st, account, STR("Rejects"), USE_NONE, &e));
	for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
		size_t k = i / 2;
		struct copied c;
		struct uid_run run = { put_with(rows[k].from, rows[k].given, true), 1 };
		int64_t into = box_id(account, rows[k].to);
		must(msg_copy(st, box_id(account, rows[k].from), &run, 1, into, i % 2, &a, &c, &e));
		struct str now = keywords_of(into, c.into[0].first);
		if (!str_eq(now, str_of(rows[k].becomes)))
			fail_msg("%s -> %s with \"%s\": \"%.*s\"", rows[k].from, rows[k].to, rows[k].given, STRF(now));
	}
	check_clean();
}

/* A mailbox with all the keywords it may have takes mail all the same. */
static void test_no_more_keywords(void **state)
{
	(void)state;
	struct copied c;
	struct uid_run run = { 1, 1 };
	struct str *all;
	size_t n;
	for (int i = 0; i < 1000; i++)
		put_with("Spam", str_z(&a, str_fmt(&a, "word%d", i)), true);
	assert_strz(keywords_of(box_id(account, "Spam"), put_with("Spam", "word7", false)), "word7");
	put_with("INBOX", "word8", false);
	must(msg_copy(st, inbox, &run, 1, box_id(account, "Spam"), false, &a, &c, &e));
	assert_strz(keywords_of(box_id(account, "Spam"), c.into[0].first), "word8");
	must(mailbox_keywords(st, box_id(account, "Spam"), &a, &all, &n, &e));
	assert_int_equal(n, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_default, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_own, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_moved, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_no_more_keywords, setup_account, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
