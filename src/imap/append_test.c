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

static void select_inbox(struct talk *t)
{
	talk_feed(t, STR("s SELECT INBOX\r\n"));
	assert_true(str_find(buf_str(&t->out), STR("s OK [READ-WRITE]")) < t->out.n);
	buf_clear(&t->out);
}

static void test_several(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	select_inbox(&t);
	SAY(&t, "a APPEND INBOX (\\Seen one) {3}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "one \"17-Jul-1996 02:44:25 -0700\" {3}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "two (\\Draft) \"17-Jul-1996 02:44:26 -0700\" {5+}\r\nthree ~{4+}\r\nfour UTF8 (~{4+}\r\nfive)\r\n",
	    "* 5 EXISTS\r\n* 5 RECENT\r\na OK [APPENDUID # 1:5] Appended\r\n");
	SAY(&t, "a FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])\r\n",
	    "* FLAGS (~)\r\n"
	    "* 1 FETCH (FLAGS (\\Seen \\Recent one) INTERNALDATE \"~\" BODY[] {3}\r\none)\r\n"
	    "* 2 FETCH (FLAGS (\\Recent) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" BODY[] {3}\r\ntwo)\r\n"
	    "* 3 FETCH (FLAGS (\\Draft \\Recent) INTERNALDATE \"17-Jul-1996 09:44:26 +0000\" BODY[] {5}\r\nthree)\r\n"
	    "* 4 FETCH (FLAGS (\\Recent) INTERNALDATE \"~\" BODY[] {4}\r\nfour)\r\n"
	    "* 5 FETCH (FLAGS (\\Recent) INTERNALDATE \"~\" BODY[] {4}\r\nfive)\r\na OK FETCH completed\r\n");
	end(&w, &t);
}

/* All or none: whatever is wrong with a later one, none is there. */
static void test_none(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a APPEND INBOX {3+}\r\none {0}\r\n", "a NO The message is empty\r\n");
	SAY(&t, "a APPEND INBOX {3+}\r\none (\\Foo) {3}\r\n",
	    "a BAD Expected \\Seen, ~ or a keyword at octet 22, found '\\'\r\n");
	SAY(&t, "a APPEND INBOX {3+}\r\none {200000000}\r\n",
	    "a NO [TOOBIG] A message has at most 104857600 octets\r\n");
	SAY(&t, "a APPEND INBOX {3+}\r\none {104857599}\r\n",
	    "a NO [TOOBIG] The messages of one APPEND have at most 104857600 octets together\r\n");
	SAY(&t, "a APPEND INBOX {3+}\r\none junk\r\n",
	    "a BAD Expected flags, a date or a literal with the message at "
	    "octet 21, found 'j'\r\n");
	SAY(&t, "a APPEND INBOX {3+}\r\none \r\n",
	    "a BAD Expected flags, a date or a literal with the message at the "
	    "end\r\n");
	SAY(&t, "a APPEND INBOX {3+}\r\none)\r\n", "a BAD Expected the end of the command at octet 20, found ')'\r\n");
	SAY(&t, "a APPEND INBOX UTF8 (~{3+}\r\none\r\n",
	    "a BAD Expected ')' after a message that began with UTF8 ( at the end\r\n");
	SAY(&t, "a APPEND INBOX UTF8 ({3+}\r\none)\r\n", "a BAD Expected '~{' after UTF8 ( at octet 22, found '{'\r\n");
	SAY(&t, "a APPEND Nowhere {3+}\r\none {3+}\r\ntwo\r\n", "a NO [TRYCREATE] No such mailbox\r\n");
	SAY(&t, "a STATUS INBOX (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 0)\r\na OK STATUS completed\r\n");
	end(&w, &t);
}

static void test_too_many(void **state)
{
	struct world w;
	struct talk t;
	struct buf b = { 0 };
	(void)state;
	begin(&w, &t);
	for (int n = DELIVER_MAX; n <= DELIVER_MAX + 1; n++) {
		buf_clear(&b);
		buf_addz(&b, "a APPEND INBOX");
		for (int i = 0; i < n; i++)
			buf_addz(&b, " {2+}\r\nhi");
		buf_addz(&b, "\r\n");
		talk_feed(&t, buf_str(&b));
		HEAR(&t, n == DELIVER_MAX ? "a OK [APPENDUID # 1:100] Appended\r\n"
					  : "a BAD Expected at most 100 messages at octet ~\r\n");
	}
	SAY(&t, "a STATUS INBOX (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 100)\r\na OK STATUS completed\r\n");
	buf_free(&b);
	end(&w, &t);
}

static void test_nul(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	talk_feed(&t, STR("a APPEND INBOX {3+}\r\nn\0w\r\n"));
	HEAR(&t, "a NO [CANNOT] The message contains a NUL octet\r\n");
	talk_feed(&t, STR("a APPEND INBOX {3+}\r\nnew ~{3+}\r\nn\0w\r\n"));
	HEAR(&t, "a NO [UNKNOWN-CTE] The message contains a NUL octet: encode that part as base64\r\n");
	SAY(&t, "a STATUS INBOX (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 0)\r\na OK STATUS completed\r\n");
	end(&w, &t);
}

static void test_quota(void **state)
{
	struct world w;
	struct talk t;
	struct err e;
	(void)state;
	begin(&w, &t);
	assert_true(account_quota_set(w.st, STR("you"), 10, 2, &e));
	SAY(&t, "a APPEND INBOX {11}\r\n", "a NO [OVERQUOTA] ~\r\n"); /* before "+" */
	SAY(&t, "a APPEND INBOX {6+}\r\nfirst! {5}\r\n", "a NO [OVERQUOTA] ~\r\n");
	SAY(&t, "a APPEND INBOX {4+}\r\nfour\r\n", "a OK [APPENDUID # 1] Appended\r\n");
	/* Each fits, both do not: the commit says so. */
	SAY(&t, "a APPEND INBOX {2+}\r\nab {2+}\r\ncd\r\n", "a NO [OVERQUOTA] ~\r\n");
	SAY(&t, "a STATUS INBOX (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 1)\r\na OK STATUS completed\r\n");
	end(&w, &t);
}

static void test_replace(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", "\r\none\r\n", "");
	world_deliver(&w, "INBOX", "\r\ntwo\r\n", "");
	world_deliver(&w, "INBOX", "\r\nthree\r\n", "");
	SAY(&t, "a REPLACE 2 INBOX {3}\r\n", "a BAD Select a mailbox first\r\n");
	select_inbox(&t);
	SAY(&t, "a REPLACE 2 INBOX (\\Draft) {3}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "new\r\n",
	    "* OK [APPENDUID # 4] Replacement is here\r\n* 2 EXPUNGE\r\n* 3 EXISTS\r\n* # RECENT\r\n"
	    "a OK REPLACE completed\r\n");
	SAY(&t, "a UID REPLACE 3 Drafts {3+}\r\nnew\r\n",
	    "* OK [APPENDUID # 1] Replacement is here\r\n* 2 EXPUNGE\r\na OK REPLACE completed\r\n");
	SAY(&t, "a FETCH 1:* (UID FLAGS BODY.PEEK[TEXT])\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Recent) BODY[TEXT] {5}\r\none\r\n)\r\n"
	    "* 2 FETCH (UID 4 FLAGS (~) BODY[TEXT] \"\")\r\na OK FETCH completed\r\n");
	SAY(&t, "a REPLACE 3 INBOX {3}\r\n", "a BAD There is no message of that number\r\n");
	SAY(&t, "a REPLACE 0 INBOX {3+}\r\nnew\r\n", "a BAD There is no message of that number\r\n");
	SAY(&t, "a UID REPLACE 3 INBOX {3}\r\n", "a NO [NONEXISTENT] There is no message of that UID\r\n");
	SAY(&t, "a REPLACE 1 Nowhere {3}\r\n", "a NO [TRYCREATE] No such mailbox\r\n");
	SAY(&t, "a REPLACE x INBOX {3}\r\n",
	    "a BAD Expected the number of a message or '*' at octet 11, found 'x'\r\n");
	SAY(&t, "a REPLACE 1 INBOX\r\n", "a BAD Expected a space at the end\r\n");
	SAY(&t, "a REPLACE 1 INBOX {3+}\r\nnew {3+}\r\nnew\r\n",
	    "a BAD Expected the end of the command at octet 23, found a space\r\n");
	SAY(&t, "a REPLACE * INBOX {4+}\r\nlast\r\n",
	    "* OK [APPENDUID # 5] Replacement is here\r\n* 2 EXPUNGE\r\n* 2 EXISTS\r\n* # RECENT\r\na OK REPLACE "
	    "completed\r\n");
	talk_feed(&t, STR("s EXAMINE INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a REPLACE 1 INBOX {3}\r\n", "a NO [READ-ONLY] The mailbox is selected read-only\r\n");
	end(&w, &t);
}

/* Over quota, a message may be replaced by one that is no larger. */
static void test_replace_quota(void **state)
{
	struct world w;
	struct talk t;
	struct err e;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", "\r\none\r\n", "");
	assert_true(account_quota_set(w.st, STR("you"), 7, 1, &e));
	select_inbox(&t);
	SAY(&t, "a APPEND INBOX {3}\r\n", "a NO [OVERQUOTA] ~\r\n");
	SAY(&t, "a REPLACE 1 INBOX {7+}\r\n\r\nOne\r\n\r\n",
	    "* OK [APPENDUID # 2] Replacement is here\r\n* 1 EXPUNGE\r\n* 1 EXISTS\r\n* # RECENT\r\na OK REPLACE "
	    "completed\r\n");
	SAY(&t, "a REPLACE 1 INBOX {8+}\r\n\r\nOne!\r\n\r\n", "a NO [OVERQUOTA] ~\r\n");
	end(&w, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several),       cmocka_unit_test(test_none),  cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_nul),           cmocka_unit_test(test_quota), cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_quota),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
