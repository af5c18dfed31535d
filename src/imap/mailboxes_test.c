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

struct row {
	const char *say, *hear;
};

static void rows_run(const struct row *rows, size_t n)
{
	struct world w;
	struct talk t;
	begin(&w, &t);
	for (size_t i = 0; i < n; i++)
		SAY(&t, rows[i].say, rows[i].hear);
	end(&w, &t);
}
#define ROWS(rows) rows_run(rows, sizeof(rows) / sizeof *(rows))

static void test_create(void **state)
{
	static const struct row rows[] = {
		{ "a CREATE Work/2026/\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a CREATE Work/2026\r\n", "a NO [ALREADYEXISTS] There is a mailbox of that name\r\n" },
		{ "a CREATE inbox\r\n", "a NO [ALREADYEXISTS] There is a mailbox of that name\r\n" },
		{ "a CREATE InBox/x\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a STATUS INBOX/x (MESSAGES)\r\n", "* STATUS INBOX/x (MESSAGES 0)\r\na OK STATUS completed\r\n" },
		{ "a CREATE \"\"\r\n", "a NO [CANNOT] a mailbox name may not be empty\r\n" },
		{ "a CREATE a//b\r\n", "a NO [CANNOT] a mailbox name may not have an empty level~\r\n" },
		{ "a CREATE /a\r\n", "a NO [CANNOT] a mailbox name may not have an empty level~\r\n" },
		{ "a CREATE \"a*\"\r\n", "a NO [CANNOT] A mailbox name may not have * or % in it\r\n" },
		{ "a CREATE \"50%\"\r\n", "a NO [CANNOT] A mailbox name may not have * or % in it\r\n" },
		{ "a CREATE \"a\tb\"\r\n", "a NO [CANNOT] a mailbox name may not have control characters\r\n" },
		{ "a CREATE &AIU-\r\n", "a NO [CANNOT] a mailbox name may not have control characters\r\n" },
		{ "a CREATE 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21\r\n",
		  "a NO [CANNOT] a mailbox name may have 20 levels\r\n" },
		{ "a CREATE a b\r\n", "a BAD Expected '(' before USE at octet 12, found 'b'\r\n" },
	};
	(void)state;
	ROWS(rows);
}

/* As long as may be, on the wire in UTF-7 and much longer there. */
static void test_long_names(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (int n = 166; n <= 167; n++) {
		struct buf in = { 0 };
		buf_addz(&in, "a CREATE \"");
		for (int i = 0; i < n; i++)
			buf_addz(&in, "\xe5\x8f\xb0");
		buf_addz(&in, "\"\r\n");
		talk_feed(&t, buf_str(&in));
		HEAR(&t, n == 166 ? "a OK [MAILBOXID (F#)] CREATE completed\r\n"
				  : "a NO [CANNOT] a mailbox name may have 500 octets\r\n");
		buf_free(&in);
	}
	end(&w, &t);
}

static void test_uses(void **state)
{
	static const struct row rows[] = {
		{ "a CREATE Spam (USE (\\Junk))\r\n", "a NO [USEATTR] Another mailbox has that use\r\n" },
		{ "a DELETE Junk\r\n", "a OK DELETE completed\r\n" },
		{ "a CREATE Spam (USE (\\junk))\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a LIST (SPECIAL-USE) \"\" Sp*\r\n",
		  "* LIST (\\HasNoChildren \\Junk) \"/\" Spam\r\na OK LIST completed\r\n" },
		{ "a DELETE Sent\r\n", "a OK DELETE completed\r\n" },
		{ "a CREATE x (USE (\\Sent \\Trash))\r\n", "a NO [USEATTR] A mailbox has one of ~\r\n" },
		{ "a CREATE x (USE (\\All))\r\n", "a NO [USEATTR] A mailbox has one of ~\r\n" },
		{ "a CREATE x (USE (\\X-Mine))\r\n", "a NO [USEATTR] A mailbox has one of ~\r\n" },
		{ "a CREATE x (USE ())\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a CREATE y (USE (\\Sent \\Sent))\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a CREATE z (COLOR (red))\r\n", "a BAD Expected USE ( at octet 13, found 'C'\r\n" },
		{ "a CREATE z (USE (Sent))\r\n", "a BAD Expected a use like \\Sent at octet 18, found 'S'\r\n" },
		{ "a CREATE z (USE (\\Sent)\r\n", "a BAD Expected ')' after USE at the end\r\n" },
	};
	(void)state;
	ROWS(rows);
}

static void test_delete(void **state)
{
	static const struct row rows[] = {
		{ "a CREATE a/b/c\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a DELETE a/b\r\n", "a OK DELETE completed\r\n" },
		{ "a LIST \"\" a*\r\n",
		  "* LIST (\\HasChildren) \"/\" a\r\n* LIST (\\Noselect \\HasChildren) \"/\" a/b\r\n"
		  "* LIST (\\HasNoChildren) \"/\" a/b/c\r\na OK LIST completed\r\n" },
		{ "a DELETE a/b\r\n", "a NO [HASCHILDREN] It is there for those inside only: delete them\r\n" },
		{ "a SELECT a/b\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
		{ "a CREATE a/b\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a DELETE inbox\r\n", "a NO [CANNOT] INBOX cannot be deleted\r\n" },
		{ "a DELETE nope\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
		{ "a DELETE \"\"\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
		{ "a DELETE\r\n", "a BAD Expected a space at the end\r\n" },
	};
	(void)state;
	ROWS(rows);
}

static void test_rename(void **state)
{
	static const struct row rows[] = {
		{ "a CREATE a/b/c\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a SUBSCRIBE a/b\r\n", "a OK SUBSCRIBE completed\r\n" },
		{ "a RENAME a a/b/d\r\n", "a NO [CANNOT] a mailbox cannot be moved into itself\r\n" },
		{ "a RENAME a a\r\n", "a NO [ALREADYEXISTS] There is a mailbox of the new name\r\n" },
		{ "a RENAME a Sent\r\n", "a NO [ALREADYEXISTS] There is a mailbox of the new name\r\n" },
		{ "a RENAME a INBOX\r\n", "a NO [ALREADYEXISTS] There is a mailbox of the new name\r\n" },
		{ "a RENAME a \"x*\"\r\n", "a NO [CANNOT] A mailbox name may not have * or % in it\r\n" },
		{ "a RENAME a x//y\r\n", "a NO [CANNOT] a mailbox name may not have an empty level~\r\n" },
		{ "a RENAME nope x\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
		{ "a RENAME a x/y/\r\n", "a OK RENAME completed\r\n" },
		{ "a LIST \"\" (a* x*)\r\n",
		  "* LIST (\\HasChildren) \"/\" x\r\n* LIST (\\HasChildren) \"/\" x/y\r\n"
		  "* LIST (\\HasChildren) \"/\" x/y/b\r\n* LIST (\\HasNoChildren) \"/\" x/y/b/c\r\n"
		  "a OK LIST completed\r\n" },
		{ "a LSUB \"\" x*\r\n", "* LSUB () \"/\" x/y/b\r\na OK LSUB completed\r\n" },
		{ "a DELETE x/y\r\n", "a OK DELETE completed\r\n" },
		{ "a RENAME x/y z\r\n", "a NO [NONEXISTENT] No such mailbox, though there are some inside it: ~\r\n" },
		{ "a RENAME x\r\n", "a BAD Expected a space at the end\r\n" },
	};
	(void)state;
	ROWS(rows);
}

/* INBOX gives its messages and stays; what is below it stays too. */
static void test_rename_inbox(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (int i = 0; i < 3; i++)
		world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	SAY(&t, "a CREATE INBOX/below\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n");
	SAY(&t, "a RENAME inbox old-mail\r\n", "a OK RENAME completed\r\n");
	SAY(&t, "a STATUS old-mail (MESSAGES)\r\n", "* STATUS old-mail (MESSAGES 3)\r\na OK STATUS completed\r\n");
	SAY(&t, "a STATUS INBOX (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 0)\r\na OK STATUS completed\r\n");
	SAY(&t, "a LIST \"\" INBOX*\r\n",
	    "* LIST (\\HasChildren) \"/\" INBOX\r\n* LIST (\\HasNoChildren) \"/\" INBOX/below\r\na OK LIST "
	    "completed\r\n");
	end(&w, &t);
}

static void test_status(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (int i = 0; i < 2; i++)
		world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	SAY(&t,
	    "a STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT "
	    "MAILBOXID DELETED-STORAGE)\r\n",
	    "* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY # UNSEEN 2 DELETED 0 SIZE 34 HIGHESTMODSEQ # "
	    "APPENDLIMIT 104857600 MAILBOXID (F#) DELETED-STORAGE 0)\r\na OK STATUS completed\r\n");
	talk_feed(&t, STR("a SELECT INBOX\r\na STORE 1 +FLAGS (\\Deleted)\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a STATUS INBOX (DELETED DELETED-STORAGE)\r\n",
	    "* STATUS INBOX (DELETED 1 DELETED-STORAGE 17)\r\na OK STATUS completed\r\n");
	SAY(&t, "a STATUS nope (MESSAGES)\r\n", "a NO [NONEXISTENT] No such mailbox\r\n");
	SAY(&t, "a STATUS INBOX ()\r\n", "a BAD Expected a status item at octet 17, found ')'\r\n");
	end(&w, &t);
}

static void test_subscribe(void **state)
{
	static const struct row rows[] = {
		{ "a SUBSCRIBE not/there\r\n", "a OK SUBSCRIBE completed\r\n" },
		{ "a SUBSCRIBE not/there/\r\n", "a OK SUBSCRIBE completed\r\n" },
		{ "a SUBSCRIBE \"a*\"\r\n", "a NO [CANNOT] A mailbox name may not have * or % in it\r\n" },
		{ "a SUBSCRIBE a//b\r\n", "a NO [CANNOT] a mailbox name may not have an empty level~\r\n" },
		{ "a LSUB \"\" n*\r\n", "* LSUB () \"/\" not/there\r\na OK LSUB completed\r\n" },
		{ "a UNSUBSCRIBE not/there\r\n", "a OK UNSUBSCRIBE completed\r\n" },
		{ "a UNSUBSCRIBE not/there\r\n", "a OK UNSUBSCRIBE completed\r\n" },
		{ "a LSUB \"\" n*\r\n", "a OK LSUB completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create), cmocka_unit_test(test_long_names), cmocka_unit_test(test_uses),
		cmocka_unit_test(test_delete), cmocka_unit_test(test_rename),     cmocka_unit_test(test_rename_inbox),
		cmocka_unit_test(test_status), cmocka_unit_test(test_subscribe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
