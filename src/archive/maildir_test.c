#include "archive/maildir.h"
#include "archive/special.h"
#include "base/test.h"
#include "store/mailbox.h"

static void test_flags(void **state)
{
	static const struct {
		const char *name, *unique;
		unsigned flags;
		const char *keywords;
	} rows[] = {
		{ "1.M1.host:2,", "1.M1.host", 0, "" },
		{ "1.M1.host", "1.M1.host", 0, "" },
		{ "1.M1.host:2,DFPRST", "1.M1.host", MSG_DRAFT | MSG_FLAGGED | MSG_ANSWERED | MSG_SEEN | MSG_DELETED,
		  FORWARDED },
		{ "1.M1.host,S=5,W=6:2,Sab", "1.M1.host,S=5,W=6", MSG_SEEN, "Work $Label1" },
		{ "1.M1.host:2,Sz", "1.M1.host", MSG_SEEN, "" }, /* no such row */
		{ "1.M1.host;2,S", "1.M1.host", MSG_SEEN, "" },  /* a file system without colons */
		{ "1.M1.host:1,S", "1.M1.host:1,S", 0, "" },     /* experimental: not ours to read */
		{ "1.M1.host:2,S,a", "1.M1.host", MSG_SEEN, "" },
		{ ":2,F", "", MSG_FLAGGED, "" },
	};
	struct str table[MAILDIR_KEYWORDS] = { STR("Work"), STR("$Label1") };
	struct arena a = { 0 };
	(void)state;
	for (size_t i = 2; i < MAILDIR_KEYWORDS; i++)
		table[i] = STR_NONE;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct maildir_flags f = maildir_flags(str_of(rows[i].name), table, &a);
		assert_strz(f.unique, rows[i].unique);
		assert_int_equal(f.flags, rows[i].flags);
		assert_strz(f.keywords, rows[i].keywords);
	}
	arena_reset(&a);
}

static void test_flags_print(void **state)
{
	struct str table[MAILDIR_KEYWORDS];
	struct arena a = { 0 };
	struct buf b = { 0 }, words = { 0 };
	(void)state;
	for (size_t i = 0; i < MAILDIR_KEYWORDS; i++)
		table[i] = STR_NONE;
	assert_int_equal(maildir_flags_print(&b, MSG_SEEN | MSG_DRAFT | MSG_DELETED, STR("x $forwarded y"), table, &a),
			 0);
	assert_strz(buf_str(&b), "DPSTab");
	buf_clear(&b);
	assert_int_equal(maildir_flags_print(&b, MSG_ANSWERED | MSG_FLAGGED, STR("Y z"), table, &a), 0);
	assert_strz(buf_str(&b), "FRbc");
	for (int i = 0; i < 30; i++)
		buf_printf(&words, "%sw%d", i ? " " : "", i);
	buf_clear(&b);
	assert_int_equal(maildir_flags_print(&b, 0, buf_str(&words), table, &a), 7); /* 23 letters were left */
	assert_strz(buf_str(&b), "defghijklmnopqrstuvwxyz");
	buf_clear(&b);
	maildir_keywords_print(&b, table);
	assert_true(str_starts(buf_str(&b), STR("0 x\n1 y\n2 z\n3 w0\n")));
	buf_free(&b);
	buf_free(&words);
	arena_reset(&a);
}

static void test_keywords_file(void **state)
{
	struct str table[MAILDIR_KEYWORDS];
	struct arena a = { 0 };
	(void)state;
	for (size_t i = 0; i < MAILDIR_KEYWORDS; i++)
		table[i] = STR_NONE;
	maildir_keywords(STR("0 $Label1\n2 Work\r\n26 no\nx y\n3 \n4 a b\n5 (x\n25 Last"), &a, table);
	assert_strz(table[0], "$Label1");
	assert_strz(table[1], "");
	assert_strz(table[2], "Work");
	assert_strz(table[3], "");
	assert_strz(table[4], "");
	assert_strz(table[5], "");
	assert_strz(table[25], "Last");
	arena_reset(&a);
}

static void test_folders(void **state)
{
	static const struct {
		const char *path, *mailbox; /* NULL: no name */
		const char *back;           /* what we make of it; NULL: `path` */
	} rows[] = {
		{ "", "INBOX", NULL },
		{ ".Sent", "Sent", NULL },
		{ ".A.B.C", "A/B/C", NULL },
		{ ".Entw&APw-rfe.x", "Entw\xc3\xbcrfe/x", NULL },
		{ ".R&-D", "R&D", NULL },
		{ ".v1&AC4-0", "v1.0", NULL },
		{ ".INBOX.x", "INBOX/x", NULL },
		{ ".inbox.x", "INBOX/x", ".INBOX.x" },
		{ ".x.inbox", "x/inbox", NULL },
		{ ".R&D", "R&D", ".R&-D" }, /* of a careless program */
		{ ".Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe", ".Entw&APw-rfe" },
		{ "Sent", "Sent", ".Sent" }, /* LAYOUT=fs */
		{ "A/B", "A/B", ".A.B" },
		{ "INBOX", "INBOX", "" },
		{ ".A..B", NULL, NULL },
		{ "..A", NULL, NULL },
		{ ".\xff", NULL, NULL },
		{ ".a&AC8-b", "a&AC8-b", ".a&-AC8-b" }, /* no slash comes in that way */
	};
	struct arena a = { 0 };
	struct buf b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str mailbox;
		bool ok = maildir_mailbox(str_of(rows[i].path), &a, &mailbox);
		if (ok != (rows[i].mailbox != NULL))
			fail_msg("%s: %.*s", rows[i].path, STRF(mailbox));
		if (!ok)
			continue;
		assert_strz(mailbox, rows[i].mailbox);
		buf_clear(&b);
		maildir_folder(&b, mailbox);
		assert_strz(buf_str(&b), rows[i].back ? rows[i].back : rows[i].path);
	}
	buf_free(&b);
	arena_reset(&a);
}

static void test_special(void **state)
{
	(void)state;
	assert_int_equal(special_use_of(STR("Sent Items")), USE_SENT);
	assert_int_equal(special_use_of(STR("INBOX/Trash")), USE_TRASH);
	assert_int_equal(special_use_of(STR("[Gmail]/Spam")), USE_JUNK);
	assert_int_equal(special_use_of(STR("Entw\xc3\xbcrfe")), USE_DRAFTS);
	assert_int_equal(special_use_of(STR("archive")), USE_ARCHIVE);
	assert_int_equal(special_use_of(STR("Archive/2020")), USE_NONE);
	assert_int_equal(special_use_of(STR("INBOX")), USE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),         cmocka_unit_test(test_flags_print),
		cmocka_unit_test(test_keywords_file), cmocka_unit_test(test_folders),
		cmocka_unit_test(test_special),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
