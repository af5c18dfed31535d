#include "store/account.h"

#include "store/test_store.h"

static const struct domain_rule domains[] = {
	{ STR("example.org"), STR("+-"), false, STR("catch"), STR_NONE },
	{ STR("strict.example"), STR_NONE, true, STR_NONE, STR("boss") },
	{ STR("plain.example"), STR("+"), false, STR_NONE, STR_NONE },
	{ STR("both.example"), STR_NONE, false, STR("catch"), STR("boss") },
};
static const struct address_rules rules = { STR("mail.example.org"), STR("boss"), domains, 4 };

static int setup_people(void **state)
{
	static const char *const names[] = { "you", "friend", "catch", "boss" };
	setup(state);
	for (size_t i = 0; i < 4; i++)
		account_new(names[i]);
	must(address_add(st, &rules, STR("You"), STR("Example.ORG"), STR("you"), STR_NONE, &e));
	must(address_add(st, &rules, STR("you"), STR("plain.example"), STR("you"), STR("Lists/plain"), &e));
	must(address_add(st, &rules, STR("You"), STR("strict.example"), STR("you"), STR_NONE, &e));
	must(address_add(st, &rules, STR(""), STR("plain.example"), STR("friend"), STR_NONE, &e));
	must(address_add(st, &rules,
			 STR("GR\xc3\x9c\xc3\x9f"
			     "E"),
			 STR("plain.example"), STR("friend"), STR_NONE, &e));
	must(alias_add(st, &rules, STR("team"), STR("plain.example"), (struct str[]){ STR("you"), STR("friend") }, 2,
		       &e));
	return 0;
}

static void test_lookup(void **state)
{
	(void)state;
	static const struct {
		const char *local, *domain;
		enum found found;
		const char *account, *mailbox;
	} cases[] = {
		/* exact, case, detail */
		{ "you", "example.org", FOUND, "you", "INBOX" },
		{ "YOU", "EXAMPLE.org", FOUND, "you", "INBOX" },
		{ "you+tag", "example.org", FOUND, "you", "INBOX" },
		{ "YOU+TAG", "example.org", FOUND, "you", "INBOX" },
		{ "you-tag+more", "example.org", FOUND, "you", "INBOX" },
		{ "you+x", "plain.example", FOUND, "you", "Lists/plain" },
		{ "", "plain.example", FOUND, "friend", "INBOX" },
		{ "gr\xc3\xbc\xc3\x9f"
		  "e",
		  "plain.example", FOUND, "friend", "INBOX" },
		{ "gru\xcc\x88\xc3\x9f"
		  "e",
		  "plain.example", FOUND, "friend", "INBOX" },
		{ "\xff", "plain.example", NO_SUCH_USER, NULL, NULL },
		{ "You", "strict.example", FOUND, "you", "INBOX" },
		{ "you", "strict.example", NO_SUCH_USER, NULL, NULL },
		{ "You+x", "strict.example", NO_SUCH_USER, NULL, NULL },
		/* catchall of the domain, only after exact */
		{ "unknown", "example.org", FOUND, "catch", "INBOX" },
		{ "+x", "example.org", FOUND, "catch", "INBOX" },
		{ "unknown", "plain.example", NO_SUCH_USER, NULL, NULL },
		{ "team+x", "plain.example", FOUND_ALIAS, NULL, NULL },
		/* postmaster */
		{ "postmaster", "", FOUND, "boss", "INBOX" },
		{ "PostMaster", "mail.example.org", FOUND, "boss", "INBOX" },
		{ "postmaster", "strict.example", FOUND, "boss", "INBOX" },
		{ "postmaster", "plain.example", FOUND, "boss", "INBOX" },
		{ "postmaster", "example.org", FOUND, "catch", "INBOX" },
		{ "Postmaster", "both.example", FOUND, "boss", "INBOX" },
		{ "unknown", "both.example", FOUND, "catch", "INBOX" },
		{ "you", "", NO_SUCH_USER, NULL, NULL },
		{ "you", "mail.example.org", NO_SUCH_USER, NULL, NULL },
		{ "postmaster", "unknown.example", NOT_OURS, NULL, NULL },
		{ "you", "unknown.example", NOT_OURS, NULL, NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct found_address f;
		enum found got = address_find(st, &rules, str_of(cases[i].local), str_of(cases[i].domain), &a, &f, &e);
		if (got != cases[i].found)
			print_error("%s@%s\n", cases[i].local, cases[i].domain);
		assert_int_equal(got, cases[i].found);
		if (got == FOUND) {
			assert_strz(f.account.name, cases[i].account);
			assert_strz(f.mailbox, cases[i].mailbox);
		}
		if (got == FOUND_ALIAS)
			assert_int_equal(f.nmembers, 2);
	}
}

static void test_belongs(void **state)
{
	(void)state;
	static const struct {
		const char *account, *local, *domain;
		bool belongs;
	} cases[] = {
		{ "you", "you+x", "example.org", true },      { "you", "team", "plain.example", true },
		{ "friend", "team", "plain.example", true },  { "friend", "you", "example.org", false },
		{ "catch", "whatever", "example.org", true }, { "you", "whatever", "example.org", false },
		{ "you", "you", "elsewhere.example", false }, { "boss", "postmaster", "plain.example", true },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct account who;
		bool belongs;
		must(account_find(st, str_of(cases[i].account), &a, &who, &e));
		must(
		    address_belongs(st, &rules, who.id, str_of(cases[i].local), str_of(cases[i].domain), &belongs, &e));
		assert_int_equal(belongs, cases[i].belongs);
	}
}

static void test_accounts(void **state)
{
	(void)state;
	static const char *const wrong[] = { "", "You", "a b", "x/y", "\xc3\xbc", "you" };
	struct account who, *all;
	int64_t id;
	size_t n;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		must_fail(account_add(st, str_of(wrong[i]), &id, &e), ERR_PERM);
	must(account_list(st, &a, &all, &n, &e));
	assert_int_equal(n, 4);
	assert_strz(all[0].name, "boss");
	must(account_disable(st, STR("you"), true, &e));
	must(account_find(st, STR("you"), &a, &who, &e));
	assert_true(who.disabled && who.created_wall_ms > 0);
	must(account_get(st, who.id, &a, &who, &e));
	must_fail(account_find(st, STR("nobody"), &a, &who, &e), ERR_PERM);
	must_fail(account_disable(st, STR("nobody"), true, &e), ERR_PERM);
	must_fail(account_remove(st, STR("nobody"), &e), ERR_PERM);
}

static void test_remove(void **state)
{
	(void)state;
	struct account you, again;
	struct found_address f;
	struct mailbox *all;
	size_t n;
	must(account_find(st, STR("you"), &a, &you, &e));
	for (int i = 0; i < 600; i++)
		put(you.id, "INBOX", "x");
	uint32_t uidvalidity = box_now(box_id(you.id, "INBOX")).uidvalidity;
	must(account_remove(st, STR("you"), &e));
	assert_int_equal(address_find(st, &rules, STR("you"), STR("plain.example"), &a, &f, &e), NO_SUCH_USER);
	must(mailbox_list(st, you.id, &a, &all, &n, &e));
	assert_int_equal(n, 0);
	struct err late;
	assert_int_equal(put_err(you.id, "INBOX", STR("x"), 0, &late), 0);
	assert_int_equal(late.kind, ERR_PERM);
	must(account_add(st, STR("you"), NULL, &e));
	must(account_find(st, STR("you"), &a, &again, &e));
	assert_int_not_equal(again.id, you.id);
	assert_int_not_equal(box_now(box_id(again.id, "INBOX")).uidvalidity, uidvalidity);
	uint64_t contents, files;
	must(store_collect(st, &contents, &files, &e));
	assert_int_equal(contents, 600);
	check_clean();
}

static void test_addresses(void **state)
{
	(void)state;
	struct address_row *rows;
	struct alias_row *aliases;
	size_t n;
	must_fail(address_add(st, &rules, STR("you"), STR("example.org"), STR("you"), STR_NONE, &e), ERR_PERM);
	must_fail(address_add(st, &rules, STR("team"), STR("plain.example"), STR("you"), STR_NONE, &e), ERR_PERM);
	must_fail(address_add(st, &rules, STR("a+b"), STR("example.org"), STR("you"), STR_NONE, &e), ERR_PERM);
	must_fail(address_add(st, &rules, STR("x"), STR("elsewhere.example"), STR("you"), STR_NONE, &e), ERR_PERM);
	must_fail(address_add(st, &rules, STR("x"), STR("example.org"), STR("nobody"), STR_NONE, &e), ERR_PERM);
	must_fail(address_add(st, &rules, STR("x"), STR("example.org"), STR("you"), STR("a//b"), &e), ERR_PERM);
	must(address_list(st, STR("you"), &a, &rows, &n, &e));
	assert_int_equal(n, 3);
	assert_strz(rows[0].domain, "example.org");
	must(address_list(st, STR_NONE, &a, &rows, &n, &e));
	assert_int_equal(n, 5);
	must(address_remove(st, &rules, STR("YOU"), STR("example.org"), &e));
	must_fail(address_remove(st, &rules, STR("you"), STR("example.org"), &e), ERR_PERM);
	must_fail(alias_add(st, &rules, STR("you"), STR("plain.example"), (struct str[]){ STR("you") }, 1, &e),
		  ERR_PERM);
	must_fail(alias_add(st, &rules, STR("t2"), STR("plain.example"), (struct str[]){ STR("no") }, 1, &e), ERR_PERM);
	must_fail(alias_add(st, &rules, STR("t2"), STR("plain.example"), NULL, 0, &e), ERR_PERM);
	must(alias_add(st, &rules, STR("team"), STR("plain.example"), (struct str[]){ STR("boss") }, 1, &e));
	must(alias_list(st, &a, &aliases, &n, &e));
	assert_true(n == 1 && aliases[0].n == 3);
	must(alias_remove(st, &rules, STR("team"), STR("plain.example"), STR("you"), &e));
	must(alias_remove(st, &rules, STR("team"), STR("plain.example"), STR_NONE, &e));
	must_fail(alias_remove(st, &rules, STR("team"), STR("plain.example"), STR_NONE, &e), ERR_PERM);
}

/* What the configuration names and the store does not have is not the sender's fault. */
static void test_missing_account(void **state)
{
	(void)state;
	struct found_address f;
	must(account_remove(st, STR("catch"), &e));
	assert_int_equal(address_find(st, &rules, STR("unknown"), STR("example.org"), &a, &f, &e), FOUND_ERROR);
	assert_int_equal(e.kind, ERR_TEMP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lookup, setup_people, teardown),
		cmocka_unit_test_setup_teardown(test_belongs, setup_people, teardown),
		cmocka_unit_test_setup_teardown(test_accounts, setup_people, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup_people, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup_people, teardown),
		cmocka_unit_test_setup_teardown(test_missing_account, setup_people, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
