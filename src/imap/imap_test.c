#include "imap/imap.h"
#include "imap/talk_test.h"
#include "store/check.h"

#define CAN "IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID ENABLE IDLE NAMESPACE ~"

static const char hello[] = "From: Ann <ann@x.example>\r\nTo: you@example.org\r\nSubject: Hello\r\n"
			    "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@x.example>\r\n\r\nHow are you?\r\n";
static const char prefix[] = "Return-Path: <ann@x.example>\r\n";

/* A fresh world with `n` messages in INBOX, and a session that has greeted. */
static void begin(struct world *w, struct talk *t, unsigned n)
{
	world_open(w);
	for (unsigned i = 0; i < n; i++)
		world_deliver(w, "INBOX", hello, prefix);
	talk_begin(t, &w->conf);
	HEAR(t, "* PREAUTH [CAPABILITY " CAN "] mail.example Sluice ready\r\n");
}

static void begin_selected(struct world *w, struct talk *t, unsigned n)
{
	begin(w, t, n);
	talk_feed(t, STR("s SELECT INBOX\r\n"));
	buf_clear(&t->out);
}

static void end(struct world *w, struct talk *t)
{
	talk_end(t);
	world_close(w);
}

static void test_any_state(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t, 0);
	SAY(&t, "a CAPABILITY\r\n", "* CAPABILITY " CAN "\r\na OK CAPABILITY completed\r\n");
	SAY(&t, "a noop\r\n", "a OK NOOP completed\r\n");
	SAY(&t, "a NAMESPACE\r\n", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na OK NAMESPACE completed\r\n");
	SAY(&t, "a ID NIL\r\n", "* ID (\"name\" \"Sluice\" \"version\" \"~\")\r\na OK ID completed\r\n");
	SAY(&t, "a ID (\"name\" \"x\" \"os\" NIL)\r\n", "* ID (~)\r\na OK ID completed\r\n");
	SAY(&t, "a ID (\"name\")\r\n", "a BAD Expected a space at octet 13, found ')'\r\n");
	SAY(&t, "a ENABLE CONDSTORE X-OTHER\r\n", "* ENABLED CONDSTORE\r\na OK ENABLE completed\r\n");
	SAY(&t, "a LOGIN x y\r\n", "a BAD Already logged in\r\n");
	SAY(&t, "a CHECK\r\n", "a BAD Select a mailbox first\r\n");
	SAY(&t, "a XYZZY\r\n", "a BAD Unknown command XYZZY\r\n");
	SAY(&t, "a UID NOOP\r\n", "a BAD Unknown command NOOP\r\n");
	SAY(&t, "a SELECT\r\n", "a BAD Expected a space at the end\r\n");
	SAY(&t, "\r\n", "* BAD Expected a tag at the end\r\n");
	SAY(&t, "a LOGOUT\r\n", "* BYE Goodbye\r\na OK LOGOUT completed\r\n");
	assert_int_equal(t.next.want, WANT_CLOSE);
	end(&w, &t);
}

static void test_before_login(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	world_open(&w);
	w.conf.preauth = STR_NONE;
	talk_begin(&t, &w.conf);
	HEAR(&t, "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID ENABLE IDLE LOGINDISABLED] mail.example "
		 "Sluice ready\r\n");
	SAY(&t, "a SELECT INBOX\r\n", "a BAD Log in first\r\n");
	SAY(&t, "a LOGIN you pw\r\n", "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n");
	SAY(&t, "a LOGIN you\r\n", "a BAD Expected a space at the end\r\n");
	SAY(&t, "a AUTHENTICATE PLAIN\r\n", "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n");
	SAY(&t, "a STARTTLS\r\n", "a NO No certificate here\r\n");
	/* Literals: their size is bounded before anybody is known. */
	SAY(&t, "a LOGIN {3}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "you {2+}\r\npw\r\n", "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n");
	SAY(&t, "a LOGIN {4097}\r\n", "a BAD [TOOBIG] Literal too large before login\r\n");
	SAY(&t, "a NOOP\r\n", "a OK NOOP completed\r\n");
	SAY(&t, "a LOGIN {4097+}\r\n", "* BYE [TOOBIG] Literal too large\r\n");
	assert_int_equal(t.next.want, WANT_CLOSE);
	end(&w, &t);
}

static void test_garbage_first(void **state)
{
	static const char *const garbage[] = { "GET / HTTP/1.1\r\n", "EHLO x.example\r\n", "bogus\r\n",  "\r\n",
					       "\x16\x03\x01 x\r\n", "a FOO {5}\r\n",      "a b{9+}\r\n" };
	(void)state;
	for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
		struct world w;
		struct talk t;
		world_open(&w);
		w.conf.preauth = STR_NONE;
		talk_begin(&t, &w.conf);
		buf_clear(&t.out);
		SAY(&t, garbage[i], "* BYE This is an IMAP server; that was no IMAP command\r\n");
		assert_int_equal(t.next.want, WANT_CLOSE);
		end(&w, &t);
	}
}

static void test_bad_commands(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t, 0);
	for (int i = 0; i < 9; i++)
		SAY(&t, "a NOOP x\r\n", "a BAD Expected the end of the command at octet 7, found a space\r\n");
	SAY(&t, "a NOOP x\r\n",
	    "a BAD Expected the end of the command at octet 7, found a space\r\n* BYE Too many bad commands\r\n");
	end(&w, &t);
	begin(&w, &t, 0);
	talk_unit(&t, (struct unit){ .kind = UNIT_TROUBLE, .trouble = TROUBLE_LONG });
	HEAR(&t, "* BYE [TOOBIG] Command line too long\r\n");
	assert_int_equal(t.next.want, WANT_CLOSE);
	end(&w, &t);
}

static void test_select(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t, 2);
	SAY(&t, "a SELECT inbox\r\n",
	    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n* 2 EXISTS\r\n* 2 RECENT\r\n"
	    "* OK [UNSEEN 1] First unseen\r\n"
	    "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)] Flags kept\r\n"
	    "* OK [UIDVALIDITY #] UIDs valid\r\n* OK [UIDNEXT 3] Next UID\r\n* OK [HIGHESTMODSEQ #] Highest\r\n* OK "
	    "[MAILBOXID (F#)] Mailbox ID\r\n"
	    "a OK [READ-WRITE] SELECT completed\r\n");
	SAY(&t, "a EXAMINE INBOX\r\n",
	    "* OK [CLOSED] Previous mailbox closed\r\n"
	    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"
	    "* OK [UNSEEN 1] First unseen\r\n* OK [PERMANENTFLAGS ()] Flags kept\r\n"
	    "* OK [UIDVALIDITY #] UIDs valid\r\n* OK [UIDNEXT 3] Next UID\r\n* OK [HIGHESTMODSEQ #] Highest\r\n* OK "
	    "[MAILBOXID (F#)] Mailbox ID\r\n"
	    "a OK [READ-ONLY] EXAMINE completed\r\n");
	SAY(&t, "a STORE 1 +FLAGS (\\Seen)\r\n", "a NO The mailbox is read-only\r\n");
	SAY(&t, "a EXPUNGE\r\n", "a NO The mailbox is read-only\r\n");
	SAY(&t, "a MOVE 1 Trash\r\n", "a NO The mailbox is read-only\r\n");
	SAY(&t, "a FETCH 1 BODY[TEXT]\r\n",
	    "* 1 FETCH (BODY[TEXT] {14}\r\nHow are you?\r\n)\r\na OK FETCH completed\r\n");
	SAY(&t, "a SELECT nowhere\r\n",
	    "* OK [CLOSED] Previous mailbox closed\r\na NO [NONEXISTENT] No such mailbox\r\n");
	SAY(&t, "a FETCH 1 FLAGS\r\n", "a BAD Select a mailbox first\r\n");
	talk_feed(&t, STR("a SELECT INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n", "a OK STORE completed\r\n");
	SAY(&t, "a UNSELECT\r\n", "a OK UNSELECT completed\r\n");
	talk_feed(&t, STR("a SELECT INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a CLOSE\r\n", "a OK CLOSE completed\r\n");
	SAY(&t, "a STATUS INBOX (MESSAGES UIDNEXT UNSEEN RECENT DELETED SIZE)\r\n",
	    "* STATUS INBOX (MESSAGES 1 RECENT 0 UIDNEXT 3 UNSEEN 1 DELETED 0 SIZE #)\r\na OK STATUS completed\r\n");
	end(&w, &t);
}

static void test_append(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t, 0);
	SAY(&t, "a APPEND Sent (\\Seen $Done) \"17-Jul-1996 02:44:25 -0700\" {20}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "Subject: x\r\n\r\nbody\r\n\r\n", "a OK [APPENDUID # 1] Appended\r\n");
	SAY(&t, "a APPEND {4}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "Sent {5+}\r\nhello\r\n", "a OK [APPENDUID # 2] Appended\r\n");
	SAY(&t, "a SELECT Sent\r\n",
	    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Done)\r\n* 2 EXISTS\r\n* 2 "
	    "RECENT\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n"
	    "a OK [READ-WRITE] SELECT completed\r\n");
	SAY(&t, "a FETCH 1:2 (FLAGS INTERNALDATE RFC822.SIZE RFC822)\r\n",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent $Done) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" RFC822.SIZE 20 "
	    "RFC822 {20}\r\n"
	    "Subject: x\r\n\r\nbody\r\n)\r\n"
	    "* 2 FETCH (FLAGS (\\Seen \\Recent) INTERNALDATE \"~\" RFC822.SIZE 5 RFC822 {5}\r\nhello)\r\na OK FETCH "
	    "completed\r\n");
	SAY(&t, "a APPEND Sent {3+}\r\nnew\r\n", "* 3 EXISTS\r\n* 3 RECENT\r\na OK [APPENDUID # 3] Appended\r\n");
	/* Refused before "+"; what comes without asking is read and thrown away. */
	SAY(&t, "a APPEND Nowhere {20}\r\n", "a NO [TRYCREATE] No such mailbox\r\n");
	SAY(&t, "a APPEND Nowhere {5+}\r\nhello\r\n", "a NO [TRYCREATE] No such mailbox\r\n");
	SAY(&t, "a APPEND Sent {104857601}\r\n", "a NO [TOOBIG] A message has at most 104857600 octets\r\n");
	SAY(&t, "a APPEND Sent {0}\r\n", "a NO The message is empty\r\n");
	SAY(&t, "a APPEND Sent (\\Foo) {5}\r\n", "a BAD Expected \\Seen, ~ or a keyword at octet 16, found '\\'\r\n");
	SAY(&t, "a APPEND Sent \"yesterday\" {5}\r\n",
	    "a BAD Expected a date like \"17-Jul-1996 02:44:25 -0700\" at octet 15, found '\"'\r\n");
	SAY(&t, "a APPEND Sent hello\r\n",
	    "a BAD Expected flags, a date or a literal with the message at octet 15, found 'h'\r\n");
	SAY(&t, "a APPEND Sent {3+}\r\nnew x\r\n",
	    "a BAD Expected flags, a date or a literal with the message at octet 20, found 'x'\r\n");
	talk_feed(&t, (struct str){ "a APPEND Sent {3+}\r\nn\0w\r\n", 25 });
	HEAR(&t, "a NO [CANNOT] The message contains a NUL octet\r\n");
	end(&w, &t);
}

/* What is one commit does not put more than so much into the database: all who write wait for it. */
static void test_append_together(void **state)
{
	struct world w;
	struct talk t;
	struct check_report r;
	struct err e;
	struct buf all = { 0 }, want = { 0 };
	(void)state;
	world_open(&w);
	talk_begin(&t, &w.conf);
	buf_clear(&t.out);
	buf_addz(&all, "a APPEND Sent");
	for (int i = 0; i < 30; i++) {
		buf_printf(&all, " {200000}\r\n%0200000d", i);
		buf_addz(&want, "+ Ready for the literal\r\n");
	}
	buf_addz(&all, "\r\n");
	buf_add(&want, STR("a OK [APPENDUID # 1:30] Appended\r\n\0"));
	talk_feed(&t, buf_str(&all));
	HEAR(&t, want.p);
	talk_end(&t);
	assert_true(store_check(w.st, true, false, NULL, NULL, &r, &e));
	assert_true(r.messages == 30 && r.files == 9 && r.problems == 0);
	buf_free(&r.text);
	buf_free(&all);
	buf_free(&want);
	world_close(&w);
}

static void test_fetch(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 2);
	SAY(&t, "a FETCH 1 FAST\r\n",
	    "* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"29-Sep-1996 12:26:40 +0000\" RFC822.SIZE #)\r\na OK FETCH "
	    "completed\r\n");
	SAY(&t, "a FETCH 1 ALL\r\n",
	    "* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"~\" RFC822.SIZE # ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" "
	    "\"Hello\" "
	    "((\"Ann\" NIL \"ann\" \"x.example\")) ((\"Ann\" NIL \"ann\" \"x.example\")) ((\"Ann\" NIL \"ann\" "
	    "\"x.example\")) "
	    "((NIL NIL \"you\" \"example.org\")) NIL NIL NIL \"<1@x.example>\"))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 2 FULL\r\n",
	    "* 2 FETCH (FLAGS ~ ENVELOPE ~ BODY (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 14 1))\r\na OK FETCH "
	    "completed\r\n");
	SAY(&t, "a FETCH 1 (BODYSTRUCTURE UID)\r\n",
	    "* 1 FETCH (BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 14 1 NIL NIL NIL NIL) UID 1)\r\na OK "
	    "FETCH completed\r\n");
	SAY(&t, "a FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject Return-Path)]\r\n",
	    "* 1 FETCH (BODY[HEADER.FIELDS (Subject Return-Path)] {48}\r\n"
	    "Return-Path: <ann@x.example>\r\nSubject: Hello\r\n\r\n)\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 (RFC822.HEADER)\r\n",
	    "* 1 FETCH (RFC822.HEADER {#}\r\nReturn-Path: <ann@x.example>\r\nFrom: ~\r\n~\r\n~\r\n~\r\n~\r\n\r\n)\r\na "
	    "OK FETCH completed\r\n");
	/* Reading marks as seen, peeking does not. */
	SAY(&t, "a FETCH 1 BODY.PEEK[1]<4.3>\r\n", "* 1 FETCH (BODY[1]<4> {3}\r\nare)\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 BODY[1]<0.3>\r\n",
	    "* 1 FETCH (BODY[1]<0> {3}\r\nHow FLAGS (\\Seen \\Recent))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 BODY[1]<0.3>\r\n", "* 1 FETCH (BODY[1]<0> {3}\r\nHow)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 2 (RFC822.TEXT FLAGS)\r\n",
	    "* 2 FETCH (UID 2 RFC822.TEXT {14}\r\nHow are you?\r\n FLAGS (\\Seen \\Recent))\r\na OK FETCH "
	    "completed\r\n");
	SAY(&t, "a FETCH 1 BODY[7.MIME]\r\n", "* 1 FETCH (BODY[7.MIME] NIL)\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 2:1 UID\r\n", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH * UID\r\n", "* 2 FETCH (UID 2)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 77:* UID\r\n", "* 2 FETCH (UID 2)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 77 FLAGS\r\n", "a OK FETCH completed\r\n");
	SAY(&t, "a FETCH 3 UID\r\n", "a BAD There is no message of that number\r\n");
	SAY(&t, "a FETCH 0 UID\r\n", "a BAD Expected a number above 0 at octet 9, found '0'\r\n");
	SAY(&t, "a FETCH 1 (UID FOO)\r\n", "a BAD Expected a FETCH item at octet 16, found 'F'\r\n");
	SAY(&t, "a FETCH 1 (ALL)\r\n", "a BAD Expected a FETCH item at octet 12, found 'A'\r\n");
	SAY(&t, "a FETCH 1 ()\r\n", "a BAD Expected a FETCH item at octet 12, found ')'\r\n");
	SAY(&t, "a FETCH 1 BODY[HEADER.FIELDS ()]\r\n", "a BAD Expected a header field at octet 31, found ')'\r\n");
	end(&w, &t);
}

static void test_store(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 3);
	SAY(&t, "a STORE 1:2 +FLAGS (\\Seen)\r\n",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n* 2 FETCH (FLAGS (\\Seen \\Recent))\r\na OK STORE completed\r\n");
	SAY(&t, "a STORE 1 -FLAGS \\Seen\r\n", "* 1 FETCH (FLAGS (\\Recent))\r\na OK STORE completed\r\n");
	SAY(&t, "a STORE 1 FLAGS.SILENT (\\Flagged)\r\n", "a OK STORE completed\r\n");
	SAY(&t, "a NOOP\r\n", "a OK NOOP completed\r\n");
	SAY(&t, "a UID STORE 3 FLAGS (todo \\Draft)\r\n",
	    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft todo)\r\n* 3 FETCH (UID 3 FLAGS (\\Draft \\Recent "
	    "todo))\r\na OK STORE completed\r\n");
	SAY(&t, "a STORE 1:3 +FLAGS.SILENT (todo other TODO)\r\n", "a OK STORE completed\r\n");
	SAY(&t, "a FETCH 1:3 FLAGS\r\n",
	    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft todo other)\r\n"
	    "* 1 FETCH (FLAGS (\\Flagged \\Recent other todo))\r\n* 2 FETCH (FLAGS (\\Seen \\Recent other todo))\r\n"
	    "* 3 FETCH (FLAGS (\\Draft \\Recent other todo))\r\na OK FETCH completed\r\n");
	SAY(&t, "a STORE 9 FLAGS ()\r\n", "a BAD There is no message of that number\r\n");
	SAY(&t, "a STORE 1 FLAG ()\r\n", "a BAD Expected FLAGS, +FLAGS or -FLAGS at octet 11, found 'F'\r\n");
	SAY(&t, "a STORE 1 FLAGS (\\Nope)\r\n", "a BAD Expected \\Seen, ~ or a keyword at octet 18, found '\\'\r\n");
	SAY(&t, "a UID STORE 99 +FLAGS (\\Seen)\r\n", "a OK STORE completed\r\n");
	end(&w, &t);
}

static void test_copy_move_expunge(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 5);
	SAY(&t, "a COPY 1:2 Archive\r\n", "a OK [COPYUID # 1:2 1:2] COPY completed\r\n");
	SAY(&t, "a COPY 1 Nowhere\r\n", "a NO [TRYCREATE] No such mailbox\r\n");
	SAY(&t, "a UID COPY 99 Archive\r\n", "a OK COPY completed\r\n");
	SAY(&t, "a MOVE 2 Trash\r\n", "* OK [COPYUID # 2 1] Moved\r\n* 2 EXPUNGE\r\na OK MOVE completed\r\n");
	SAY(&t, "a STORE 1,3:4 +FLAGS.SILENT (\\Deleted)\r\n", "a OK STORE completed\r\n");
	SAY(&t, "a UID EXPUNGE 4:5\r\n", "* 3 EXPUNGE\r\n* 3 EXPUNGE\r\na OK EXPUNGE completed\r\n");
	SAY(&t, "a UID EXPUNGE 77\r\n", "a OK EXPUNGE completed\r\n");
	SAY(&t, "a FETCH 1:* UID\r\n", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 3)\r\na OK FETCH completed\r\n");
	SAY(&t, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na OK EXPUNGE completed\r\n");
	SAY(&t, "a FETCH 1:* UID\r\n", "* 1 FETCH (UID 3)\r\na OK FETCH completed\r\n");
	SAY(&t, "a COPY 1 INBOX\r\n", "* 2 EXISTS\r\n* 2 RECENT\r\na OK [COPYUID # 3 6] COPY completed\r\n");
	SAY(&t, "a STATUS Archive (MESSAGES)\r\n", "* STATUS Archive (MESSAGES 2)\r\na OK STATUS completed\r\n");
	SAY(&t, "a DELETE Archive\r\n", "a OK DELETE completed\r\n");
	SAY(&t, "a EXPUNGE x\r\n", "a BAD Expected the end of the command at octet 10, found a space\r\n");
	SAY(&t, "a UID EXPUNGE\r\n", "a BAD Expected a space at the end\r\n");
	end(&w, &t);
}

/* Two sessions on one mailbox: who may be told what, and when. */
static void test_two_sessions(void **state)
{
	struct world w;
	struct talk a, b;
	(void)state;
	begin_selected(&w, &a, 4);
	talk_begin(&b, &w.conf);
	talk_feed(&b, STR("s SELECT INBOX\r\n"));
	buf_clear(&b.out);
	SAY(&a, "a STORE 2 +FLAGS (\\Flagged)\r\n",
	    "* 2 FETCH (FLAGS (\\Flagged \\Recent))\r\na OK STORE completed\r\n");
	SAY(&b, "b NOOP\r\n", "* 2 FETCH (FLAGS (\\Flagged))\r\nb OK NOOP completed\r\n");
	SAY(&a, "a STORE 1,3 +FLAGS.SILENT (\\Deleted)\r\n", "a OK STORE completed\r\n");
	SAY(&a, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\na OK EXPUNGE completed\r\n");
	/* Numbers stay while FETCH, STORE and SEARCH are answered (RFC 3501 7.4.1). */
	SAY(&b, "b FETCH 1:4 UID\r\n",
	    "* 2 FETCH (UID 2)\r\n* 4 FETCH (UID 4)\r\nb OK [EXPUNGEISSUED] Some messages are gone\r\n");
	SAY(&b, "b SEARCH ALL\r\n", "* SEARCH 2 4\r\nb OK SEARCH completed\r\n");
	SAY(&b, "b STORE 4 +FLAGS (\\Answered)\r\n", "* 4 FETCH (FLAGS (\\Answered))\r\nb OK STORE completed\r\n");
	world_deliver(&w, "INBOX", hello, prefix);
	SAY(&b, "b FETCH 4 UID\r\n", "* 4 FETCH (UID 4)\r\n* 5 EXISTS\r\n* 1 RECENT\r\nb OK FETCH completed\r\n");
	SAY(&b, "b UID FETCH 4 UID\r\n", "* 4 FETCH (UID 4)\r\n* 1 EXPUNGE\r\n* 2 EXPUNGE\r\nb OK FETCH completed\r\n");
	SAY(&b, "b FETCH 1:* UID\r\n",
	    "* 1 FETCH (UID 2)\r\n* 2 FETCH (UID 4)\r\n* 3 FETCH (UID 5)\r\nb OK FETCH completed\r\n");
	SAY(&a, "a NOOP\r\n",
	    "* 2 FETCH (FLAGS (\\Answered \\Recent))\r\n* 3 EXISTS\r\n* 3 RECENT\r\na OK NOOP completed\r\n");
	/* A silent STORE hides only what it did itself. */
	SAY(&b, "b STORE 1 +FLAGS (\\Draft)\r\n", "* 1 FETCH (FLAGS (\\Flagged \\Draft))\r\nb OK STORE completed\r\n");
	SAY(&a, "a STORE 1:2 +FLAGS.SILENT (\\Seen)\r\n",
	    "* 1 FETCH (FLAGS (\\Seen \\Flagged \\Draft \\Recent))\r\na OK STORE completed\r\n");
	/* The selected mailbox goes away. */
	SAY(&a, "a CREATE Temp\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n");
	talk_feed(&a, STR("a SELECT Temp\r\n"));
	talk_feed(&b, STR("b SELECT Temp\r\n"));
	buf_clear(&a.out);
	buf_clear(&b.out);
	SAY(&a, "a DELETE Temp\r\n", "* OK [CLOSED] The selected mailbox is deleted\r\na OK DELETE completed\r\n");
	SAY(&b, "b NOOP\r\n", "b OK NOOP completed\r\n* BYE The selected mailbox has been deleted\r\n");
	assert_int_equal(b.next.want, WANT_CLOSE);
	talk_end(&b);
	end(&w, &a);
}

static void test_idle(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 1);
	SAY(&t, "a IDLE\r\n", "+ idling\r\n");
	assert_true(t.next.wakeable);
	world_deliver(&w, "INBOX", hello, prefix);
	talk_unit(&t, (struct unit){ .kind = UNIT_WAKE });
	HEAR(&t, "* 2 EXISTS\r\n* 2 RECENT\r\n");
	talk_unit(&t, (struct unit){ .kind = UNIT_WAKE });
	HEAR(&t, "");
	SAY(&t, "DONE\r\n", "a OK IDLE completed\r\n");
	assert_false(t.next.wakeable);
	SAY(&t, "a IDLE\r\n", "+ idling\r\n");
	world_deliver(&w, "INBOX", hello, prefix);
	SAY(&t, "done\r\n", "* 3 EXISTS\r\n* 3 RECENT\r\na OK IDLE completed\r\n");
	SAY(&t, "a IDLE\r\nb NOOP\r\n", "+ idling\r\na BAD Expected DONE\r\n");
	SAY(&t, "a IDLE x\r\n", "a BAD Expected the end of the command at octet 7, found a space\r\n");
	SAY(&t, "a IDLE\r\n", "+ idling\r\n");
	talk_unit(&t, (struct unit){ .kind = UNIT_TROUBLE, .trouble = TROUBLE_STOP });
	HEAR(&t, "* BYE [UNAVAILABLE] Server is stopping, please come back\r\n");
	end(&w, &t);
}

static void test_condstore(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t, 2);
	talk_feed(&t, STR("s SELECT INBOX (CONDSTORE)\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a STORE 1 +FLAGS (\\Seen)\r\n",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent) MODSEQ (#))\r\na OK STORE completed\r\n");
	SAY(&t, "a STORE 1 +FLAGS.SILENT (\\Draft)\r\n", "* 1 FETCH (MODSEQ (#))\r\na OK STORE completed\r\n");
	SAY(&t, "a STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\\Flagged)\r\n", "a OK [MODIFIED 1:2] Nothing was stored\r\n");
	SAY(&t, "a STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)\r\n", "~a OK [MODIFIED ~] Others were stored\r\n");
	SAY(&t, "a FETCH 1:* (UID) (CHANGEDSINCE 999999)\r\n", "a OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 (FLAGS) (CHANGEDSINCE 1)\r\n",
	    "* 1 FETCH (FLAGS (~) MODSEQ (#))\r\na OK FETCH completed\r\n");
	SAY(&t, "a SEARCH MODSEQ 1\r\n", "* SEARCH 1 2 (MODSEQ #)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a STATUS INBOX (HIGHESTMODSEQ)\r\n", "* STATUS INBOX (HIGHESTMODSEQ #)\r\na OK STATUS completed\r\n");
	end(&w, &t);
}

/* CONDSTORE begins in the middle of a session. */
static void test_condstore_later(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 1);
	SAY(&t, "a FETCH 1 (MODSEQ)\r\n",
	    "* OK [HIGHESTMODSEQ #] Highest\r\n* 1 FETCH (MODSEQ (#))\r\na OK FETCH completed\r\n");
	SAY(&t, "a STORE 1 -FLAGS ()\r\n", "* 1 FETCH (FLAGS (\\Recent) MODSEQ (#))\r\na OK STORE completed\r\n");
	end(&w, &t);
}

static void test_keyword_bound(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 3);
	for (int i = 0; i < 6; i++) {
		struct buf b = { 0 };
		buf_printf(&b, "a STORE %d +FLAGS.SILENT (", i / 2 + 1);
		for (int k = 0; k < 50; k++)
			buf_printf(&b, "%sk%d", k ? " " : "", i * 50 + k);
		buf_addz(&b, ")\r\n");
		talk_feed(&t, buf_str(&b));
		buf_free(&b);
		buf_clear(&t.out);
	}
	talk_feed(&t, STR("a FETCH 1:3 FLAGS\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a STORE 1 +FLAGS (more)\r\n", "a NO [LIMIT] A mailbox has at most 300 keywords\r\n");
	SAY(&t, "a STORE 1 FLAGS.SILENT (K7)\r\n", "a OK STORE completed\r\n");
	SAY(&t, "a APPEND INBOX (more) {5}\r\n", "a NO [LIMIT] A mailbox has at most 300 keywords\r\n");
	SAY(&t, "a APPEND INBOX (k7 k8) {1+}\r\nx\r\n",
	    "* 4 EXISTS\r\n* 4 RECENT\r\na OK [APPENDUID # 4] Appended\r\n");
	end(&w, &t);
}

static void test_literals(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin_selected(&w, &t, 1);
	SAY(&t, "a SEARCH SUBJECT {5}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "hello FROM {3+}\r\nann\r\n", "* SEARCH 1\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH SUBJECT {0}\r\n", "+ Ready for the literal\r\n");
	SAY(&t, "\r\n", "* SEARCH 1\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH SUBJECT {1048577}\r\n", "a BAD [TOOBIG] Literals of one command too large\r\n");
	/* Not asked for, refused, and swallowed with all that follows. */
	SAY(&t, "a SEARCH SUBJECT {1048576}\r\n", "+ Ready for the literal\r\n");
	struct buf big = { 0 };
	memset(buf_reserve(&big, 1 << 20), 'x', 1 << 20);
	big.n = 1 << 20;
	buf_addz(&big, " SUBJECT {3+}\r\nabc SUBJECT {2+}\r\nxy\r\n");
	talk_feed(&t, buf_str(&big));
	buf_free(&big);
	HEAR(&t, "a BAD [TOOBIG] Literals of one command too large\r\n");
	struct buf many = { 0 };
	buf_addz(&many, "a SEARCH");
	for (int i = 0; i < 1001; i++)
		buf_addz(&many, " SUBJECT {1+}\r\nx");
	buf_addz(&many, "\r\n");
	talk_feed(&t, buf_str(&many));
	buf_free(&many);
	HEAR(&t, "a BAD [TOOBIG] Too many literals in one command\r\n");
	SAY(&t, "a NOOP\r\n", "a OK NOOP completed\r\n");
	end(&w, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_state),       cmocka_unit_test(test_before_login),
		cmocka_unit_test(test_garbage_first),   cmocka_unit_test(test_bad_commands),
		cmocka_unit_test(test_select),          cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_together), cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_store),           cmocka_unit_test(test_copy_move_expunge),
		cmocka_unit_test(test_two_sessions),    cmocka_unit_test(test_idle),
		cmocka_unit_test(test_condstore),       cmocka_unit_test(test_condstore_later),
		cmocka_unit_test(test_keyword_bound),   cmocka_unit_test(test_literals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
