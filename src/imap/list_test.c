#include "imap/imap.h"
#include "imap/talk_test.h"

static void begin(struct world *w, struct talk *t)
{
	world_open(w);
	talk_begin(t, &w->conf);
	buf_clear(&t->out);
}

static void end(struct world *w, struct talk *t)
{
	talk_end(t);
	world_close(w);
}

/* What the tests below list: INBOX and five with uses are there; Work/2026/May below Work, Old/News only subscribed. */
static void begin_tree(struct world *w, struct talk *t)
{
	begin(w, t);
	talk_feed(t, STR("a CREATE Work/2026/May\r\na SUBSCRIBE Work/2026\r\na SUBSCRIBE Old/News\r\n"
			 "a UNSUBSCRIBE INBOX\r\na UNSUBSCRIBE Sent\r\na UNSUBSCRIBE Archive\r\n"
			 "a UNSUBSCRIBE Trash\r\na UNSUBSCRIBE Drafts\r\na UNSUBSCRIBE Junk\r\na SUBSCRIBE Sent\r\n"));
	buf_clear(&t->out);
}

static void test_options(void **state)
{
	static const struct {
		const char *args, *want;
	} rows[] = {
		{ "\"\" (W% I*)", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasChildren) \"/\" Work\r\n" },
		{ "\"\" (\"\" INBOX inbox)", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n" },
		{ "\"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\r\n" },
		{ "\"\" \"\" RETURN (CHILDREN)", "" },
		{ "() \"\" I* RETURN ()", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n" },
		{ "(SUBSCRIBED) \"\" *", "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Old/News\r\n"
					 "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n"
					 "* LIST (\\HasChildren \\Subscribed) \"/\" Work/2026\r\n" },
		{ "(SUBSCRIBED) \"\" %", "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n" },
		{ "(RECURSIVEMATCH SUBSCRIBED) \"\" %",
		  "* LIST (\\NonExistent \\HasNoChildren) \"/\" Old (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
		  "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n"
		  "* LIST (\\HasChildren) \"/\" Work (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n" },
		{ "(RECURSIVEMATCH SUBSCRIBED) \"\" *",
		  "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Old/News\r\n"
		  "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n"
		  "* LIST (\\HasChildren \\Subscribed) \"/\" Work/2026\r\n" },
		{ "(SPECIAL-USE SUBSCRIBED) \"\" *", "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n" },
		{ "(special-use remote) \"\" (S* D* W*)",
		  "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n" },
		{ "(REMOTE) \"\" W%", "* LIST (\\HasChildren) \"/\" Work\r\n" },
		{ "\"\" S* RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)",
		  "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n" },
		{ "\"\" W* RETURN (SUBSCRIBED)", "* LIST (\\HasChildren) \"/\" Work\r\n"
						 "* LIST (\\HasChildren \\Subscribed) \"/\" Work/2026\r\n"
						 "* LIST (\\HasNoChildren) \"/\" Work/2026/May\r\n" },
		{ "\"\" (INBOX Work) RETURN (STATUS (MESSAGES SIZE))",
		  "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 1 SIZE #)\r\n"
		  "* LIST (\\HasChildren) \"/\" Work\r\n* STATUS Work (MESSAGES 0 SIZE 0)\r\n" },
		{ "\"\" INBOX RETURN (METADATA (/shared/comment))",
		  "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* METADATA INBOX (/shared/comment NIL)\r\n" },
		{ "\"\" INBOX RETURN (METADATA (DEPTH 1 \"/private/x\") STATUS (UNSEEN))",
		  "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (UNSEEN 1)\r\n" },
	};
	struct world w;
	struct talk t;
	(void)state;
	begin_tree(&w, &t);
	world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf in = { 0 }, want = { 0 };
		buf_printf(&in, "a LIST %s\r\n", rows[i].args);
		buf_printf(&want, "%sa OK LIST completed\r\n%c", rows[i].want, 0);
		talk_feed(&t, buf_str(&in));
		HEAR(&t, want.p);
		buf_free(&in);
		buf_free(&want);
	}
	end(&w, &t);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *args, *want;
	} rows[] = {
		{ "(RECURSIVEMATCH) \"\" *", "SUBSCRIBED or SPECIAL-USE beside RECURSIVEMATCH at octet 23, found ')'" },
		{ "(RECURSIVEMATCH REMOTE) \"\" *",
		  "SUBSCRIBED or SPECIAL-USE beside RECURSIVEMATCH at octet 30, found ')'" },
		{ "(CHILDREN) \"\" *", "SUBSCRIBED, SPECIAL-USE, REMOTE or RECURSIVEMATCH at octet 9, found 'C'" },
		{ "\"\" * RETURN (REMOTE)",
		  "SUBSCRIBED, CHILDREN, SPECIAL-USE, STATUS or METADATA at octet 21, found 'R'" },
		{ "\"\" * (CHILDREN)", "RETURN ( at octet 13, found '('" },
		{ "\"\" ()", "a mailbox pattern at octet 12, found ')'" },
		{ "\"\" (a", "')' after patterns at the end" },
		{ "\"\" * RETURN (STATUS ())", "a status item at octet 29, found ')'" },
		{ "\"\" * RETURN (STATUS (MESSAGE))",
		  "MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE, HIGHESTMODSEQ, APPENDLIMIT, "
		  "MAILBOXID or DELETED-STORAGE at octet 29, found 'M'" },
		{ "\"\" * RETURN (METADATA (x))",
		  "an entry like /private/comment or /shared/comment at octet 31, found 'x'" },
		{ "\"\" * RETURN (METADATA (DEPTH 1))", "an entry like /shared/comment at octet 38, found ')'" },
		{ "\"\" &x", "a mailbox pattern in modified UTF-7 at octet 11, found '&'" },
	};
	struct world w;
	struct talk t;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf in = { 0 }, want = { 0 };
		begin(&w, &t);
		buf_printf(&in, "a LIST %s\r\n", rows[i].args);
		buf_printf(&want, "a BAD Expected %s\r\n%c", rows[i].want, 0);
		talk_feed(&t, buf_str(&in));
		HEAR(&t, want.p);
		buf_free(&in);
		buf_free(&want);
		end(&w, &t);
	}
}

/* Bounds of patterns: their number, the octets of one, the octets of all. */
static void test_many_patterns(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (int n = 64; n <= 65; n++) {
		struct buf in = { 0 };
		buf_addz(&in, "a LIST \"\" (");
		for (int i = 0; i < n; i++)
			buf_printf(&in, "%sI*%d%%", i ? " " : "", i);
		buf_addz(&in, ")\r\n");
		talk_feed(&t, buf_str(&in));
		HEAR(&t, n == 64 ? "a OK LIST completed\r\n"
				 : "a BAD Expected at most 64 patterns of 1000 octets each and 4000 together at octet "
				   "#, found 'I'\r\n");
		buf_free(&in);
	}
	for (int n = 4; n <= 5; n++) {
		struct buf in = { 0 };
		buf_addz(&in, "a LIST \"\" (");
		for (int i = 0; i < n; i++) {
			buf_addz(&in, i ? " " : "");
			for (int k = 0; k < 500; k++)
				buf_addz(&in, "a*");
		}
		buf_addz(&in, ")\r\n");
		talk_feed(&t, buf_str(&in));
		HEAR(&t, n == 4 ? "a OK LIST completed\r\n" : "a BAD Expected at most 64 patterns ~\r\n");
		buf_free(&in);
	}
	SAY(&t, "a NOOP\r\n", "a OK NOOP completed\r\n");
	end(&w, &t);
}

/* RFC 9051: names are UTF-8 as they stand, "&" is itself, and missing levels do not exist. */
static void test_rev2(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	talk_feed(&t, STR("a ENABLE IMAP4rev2\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a CREATE \"Entw\xc3\xbcrfe & mehr\"\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n");
	SAY(&t, "a LIST \"\" E*\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"Entw\xc3\xbcrfe & mehr\"\r\na OK LIST completed\r\n");
	SAY(&t, "a CREATE \"&APw-\"\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n");
	SAY(&t, "a LIST \"\" &*\r\n", "* LIST (\\HasNoChildren) \"/\" &APw-\r\na OK LIST completed\r\n");
	/* u and a diaeresis become one character, and the client is told. */
	SAY(&t, "a CREATE \"u\xcc\x88/x\"\r\n",
	    "* LIST () \"/\" \"\xc3\xbc/x\" (\"OLDNAME\" (\"u\xcc\x88/x\"))\r\na OK [MAILBOXID (F#)] CREATE "
	    "completed\r\n");
	SAY(&t, "a RENAME &APw- \"o\xcc\x88\"\r\n",
	    "* LIST () \"/\" \"\xc3\xb6\" (\"OLDNAME\" (\"o\xcc\x88\"))\r\na OK RENAME completed\r\n");
	SAY(&t, "a DELETE \"u\xcc\x88\"\r\n", "a OK DELETE completed\r\n");
	SAY(&t, "a LIST \"\" \"\xc3\xbc*\"\r\n",
	    "* LIST (\\NonExistent \\HasChildren) \"/\" \"\xc3\xbc\"\r\n"
	    "* LIST (\\HasNoChildren) \"/\" \"\xc3\xbc/x\"\r\na OK LIST completed\r\n");
	SAY(&t, "a STATUS \"\xc3\xb6\" (MESSAGES)\r\n",
	    "* STATUS \"\xc3\xb6\" (MESSAGES 0)\r\na OK STATUS completed\r\n");
	SAY(&t, "a CREATE \"\xff\"\r\n", "a BAD Expected a mailbox name in UTF-8 at octet 10, found '\"'\r\n");
	end(&w, &t);
}

static void test_lsub(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_tree(&w, &t);
	SAY(&t, "a LSUB \"\" *\r\n",
	    "* LSUB () \"/\" Old/News\r\n* LSUB () \"/\" Sent\r\n* LSUB () \"/\" Work/2026\r\na OK LSUB completed\r\n");
	SAY(&t, "a LSUB \"\" %\r\n",
	    "* LSUB (\\Noselect) \"/\" Old\r\n* LSUB () \"/\" Sent\r\n* LSUB (\\Noselect) \"/\" Work\r\na OK LSUB "
	    "completed\r\n");
	SAY(&t, "a LSUB \"\" \"\"\r\n", "* LSUB (\\Noselect) \"/\" \"\"\r\na OK LSUB completed\r\n");
	SAY(&t, "a LSUB (SUBSCRIBED) \"\" *\r\n", "a BAD LSUB has no options; LIST (SUBSCRIBED) does\r\n");
	end(&w, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_many_patterns),
		cmocka_unit_test(test_rev2),    cmocka_unit_test(test_lsub),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
