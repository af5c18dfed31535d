/* Transcripts as tables: a line of the client, and all that is answered.  What a client enables, what it is then told,
 * and what each command says when something is wrong with it. */
#include "imap/imap.h"
#include "imap/talk_test.h"

#define HELLO "From: Ann <ann@x.example>\r\nSubject: Hello\r\n\r\nHow are you?\r\n"

struct row {
	const char *say; /* A: another session says it; D: a message is delivered; W: the bell wakes the session that
			  * waits; "@" is INBOX's UIDVALIDITY */
	const char *want;
};
#define ANOTHER  "A "
#define DELIVERY "D"
#define WAKE     "W"

static void say_row(struct world *w, struct talk *t, const char *say)
{
	struct buf b = { 0 };
	struct arena a = { 0 };
	struct mailbox *inbox;
	struct err e;
	assert_true(mailbox_find(w->st, w->account, STR("INBOX"), &a, &inbox, &e));
	for (; *say; say++) {
		if (*say == '@')
			buf_printf(&b, "%u", inbox->uidvalidity);
		else
			buf_addc(&b, *say);
	}
	talk_feed(t, buf_str(&b));
	buf_free(&b);
	arena_reset(&a);
}

static void one_row(struct world *w, struct talk *t, struct talk *other, const struct row *row)
{
	if (strcmp(row->say, DELIVERY) == 0) {
		world_deliver(w, "INBOX", HELLO, "");
	} else if (strcmp(row->say, WAKE) == 0) {
		assert_true(t->next.wakeable);
		talk_unit(t, (struct unit){ .kind = UNIT_WAKE });
	} else if (strncmp(row->say, ANOTHER, 2) == 0) {
		talk_feed(other, str_of(row->say + 2));
		buf_addc(&other->out, '\0');
		if (!strstr(other->out.p, "x OK"))
			fail_msg("%s -> %s", row->say, other->out.p);
		buf_clear(&other->out);
	} else {
		say_row(w, t, row->say);
	}
	buf_addc(&t->out, '\0');
	if (!talk_match(row->want, t->out.p)) {
		print_error("said\n%s\ngot\n%s\nwant\n%s\n", row->say, t->out.p, row->want);
		fail();
	}
	buf_clear(&t->out);
}

/* INBOX has five messages that are nobody's first any more, and a session that is not looked at has it selected. */
static void rows_run(const struct row *rows, size_t n)
{
	struct world w;
	struct talk t, other;
	world_open(&w);
	for (int i = 0; i < 5; i++)
		world_deliver(&w, "INBOX", HELLO, "");
	talk_begin(&other, &w.conf);
	talk_feed(&other, STR("x SELECT INBOX\r\n"));
	buf_clear(&other.out);
	talk_begin(&t, &w.conf);
	buf_clear(&t.out);
	for (size_t i = 0; i < n; i++)
		one_row(&w, &t, &other, &rows[i]);
	talk_end(&t);
	talk_end(&other);
	world_close(&w);
}
#define ROWS(rows) rows_run((rows), sizeof(rows) / sizeof *(rows))

#define FLAGS_ALL  "\\Seen \\Answered \\Flagged \\Deleted \\Draft"
#define SELECT_TOP "* FLAGS (" FLAGS_ALL ")\r\n"
#define SELECT_END                                                                                    \
	"* OK [PERMANENTFLAGS (" FLAGS_ALL " \\*)] Flags kept\r\n* OK [UIDVALIDITY #] UIDs valid\r\n" \
	"* OK [UIDNEXT #] Next UID\r\n* OK [HIGHESTMODSEQ #] Highest\r\n* OK [MAILBOXID (F#)] Mailbox ID\r\n"

static void test_enable(void **state)
{
	static const struct row rows[] = {
		{ "a ENABLE\r\n", "a BAD Expected a space at the end\r\n" },
		{ "a ENABLE \r\n", "a BAD Expected a capability at the end\r\n" },
		{ "a ENABLE (QRESYNC)\r\n", "a BAD Expected a capability at octet 10, found '('\r\n" },
		{ "a ENABLE X-NONE\r\n", "* ENABLED\r\na OK ENABLE completed\r\n" },
		{ "a ENABLE condstore X-NONE\r\n", "* ENABLED CONDSTORE\r\na OK ENABLE completed\r\n" },
		{ "a ENABLE QRESYNC CONDSTORE UTF8=ACCEPT\r\n",
		  "* ENABLED QRESYNC UTF8=ACCEPT\r\na OK ENABLE completed\r\n" },
		{ "a ENABLE QRESYNC IMAP4rev2\r\n", "* ENABLED IMAP4rev2\r\na OK ENABLE completed\r\n" },
		{ "a ENABLE IMAP4REV2\r\n", "* ENABLED\r\na OK ENABLE completed\r\n" },
		{ "a EXAMINE INBOX\r\n",
		  "~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-ONLY] EXAMINE completed\r\n" },
		{ "a ENABLE UIDONLY\r\n", "a BAD UIDONLY can be enabled only while no mailbox is selected\r\n" },
		{ "a UNSELECT\r\n", "a OK UNSELECT completed\r\n" },
		{ "a ENABLE UIDONLY\r\n", "* ENABLED UIDONLY\r\na OK ENABLE completed\r\n" },
	};
	/* In the middle: the client is told where it stands. */
	static const struct row later[] = {
		{ "a SELECT INBOX\r\n",
		  SELECT_TOP "* 5 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] First unseen\r\n" SELECT_END
			     "a OK [READ-WRITE] SELECT completed\r\n" },
		{ "a ENABLE QRESYNC\r\n",
		  "* OK [HIGHESTMODSEQ #] Highest\r\n* ENABLED QRESYNC\r\na OK ENABLE completed\r\n" },
		{ "a STORE 2 +FLAGS (\\Seen)\r\n",
		  "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (#))\r\na OK STORE completed\r\n" },
	};
	(void)state;
	ROWS(rows);
	ROWS(later);
}

static void test_rev2(void **state)
{
	static const struct row rows[] = {
		{ "a ENABLE IMAP4rev2\r\n", "* ENABLED IMAP4rev2\r\na OK ENABLE completed\r\n" },
		/* No RECENT, no UNSEEN, but the name. */
		{ "a SELECT INBOX\r\n", SELECT_TOP "* 5 EXISTS\r\n" SELECT_END
						   "* LIST () \"/\" INBOX\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ DELIVERY, "" },
		{ "a NOOP\r\n", "* 6 EXISTS\r\na OK NOOP completed\r\n" },
		{ "a FETCH 6 FLAGS\r\n", "* 6 FETCH (FLAGS ())\r\na OK FETCH completed\r\n" },
		{ "a CREATE Entw\xc3\xbcrfe\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a CREATE \"R&D\"\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a LIST \"\" R%\r\n", "* LIST (\\HasNoChildren) \"/\" R&D\r\na OK LIST completed\r\n" },
		/* "u" and a combining diaeresis: the same name, told in its normal form. */
		{ "a EXAMINE \"Entwu\xcc\x88rfe\"\r\n",
		  "* OK [CLOSED] Previous mailbox closed\r\n" SELECT_TOP
		  "* 0 EXISTS\r\n* OK [PERMANENTFLAGS ()] Flags kept\r\n~\r\n~\r\n~\r\n~\r\n"
		  "* LIST () \"/\" \"Entw\xc3\xbcrfe\" (\"OLDNAME\" (\"Entwu\xcc\x88rfe\"))\r\n"
		  "a OK [READ-ONLY] EXAMINE completed\r\n" },
		{ "a SELECT \"Entw\xfcrfe\"\r\n",
		  "a BAD Expected a mailbox name in UTF-8 at octet 10, found '\"'\r\n" },
		{ "a SELECT nowhere\r\n",
		  "* OK [CLOSED] Previous mailbox closed\r\na NO [NONEXISTENT] No such mailbox\r\n" },
		{ "a LSUB \"\" INB*\r\n", "* LSUB () \"/\" INBOX\r\na OK LSUB completed\r\n" },
	};
	/* Enabled with a mailbox selected: \Recent is gone from there on. */
	static const struct row later[] = {
		{ "a SELECT INBOX\r\n",
		  "~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ DELIVERY, "" },
		{ "a NOOP\r\n", "* 6 EXISTS\r\n* 1 RECENT\r\na OK NOOP completed\r\n" },
		{ "a ENABLE IMAP4rev2\r\n", "* ENABLED IMAP4rev2\r\na OK ENABLE completed\r\n" },
		{ "a FETCH 6 FLAGS\r\n", "* 6 FETCH (FLAGS ())\r\na OK FETCH completed\r\n" },
	};
	(void)state;
	ROWS(rows);
	ROWS(later);
}

static void test_utf8(void **state)
{
	static const struct row rows[] = {
		{ "a CREATE Entw&APw-rfe\r\n", "a OK [MAILBOXID (F#)] CREATE completed\r\n" },
		{ "a STATUS Entw&APw-rfe (MESSAGES)\r\n",
		  "* STATUS Entw&APw-rfe (MESSAGES 0)\r\na OK STATUS completed\r\n" },
		{ "a ENABLE UTF8=ACCEPT\r\n", "* ENABLED UTF8=ACCEPT\r\na OK ENABLE completed\r\n" },
		{ "a STATUS \"Entw\xc3\xbcrfe\" (MESSAGES)\r\n",
		  "* STATUS \"Entw\xc3\xbcrfe\" (MESSAGES 0)\r\na OK STATUS completed\r\n" },
		{ "a STATUS Entw&APw-rfe (MESSAGES)\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
		{ "a SELECT INBOX\r\n", "~\r\n* 5 EXISTS\r\n* 0 RECENT\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK ~\r\n" },
	};
	(void)state;
	ROWS(rows);
}

static void test_vanished(void **state)
{
	static const struct row rows[] = {
		{ "a ENABLE QRESYNC\r\n", "* ENABLED QRESYNC\r\na OK ENABLE completed\r\n" },
		{ "a SELECT INBOX\r\n",
		  "~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ ANOTHER "x STORE 2,4:5 +FLAGS (\\Deleted)\r\n", "" },
		{ ANOTHER "x EXPUNGE\r\n", "" },
		/* Not while numbers are in use (RFC 7162 3.2.10.2). */
		{ "a FETCH 3 (UID)\r\n", "* 3 FETCH (UID 3)\r\na OK FETCH completed\r\n" },
		{ "a FETCH 4:5 (UID)\r\n", "a OK [EXPUNGEISSUED] Some messages are gone\r\n" },
		{ "a NOOP\r\n", "* VANISHED 2,4:5\r\na OK NOOP completed\r\n" },
		{ "a FETCH 1:* (UID)\r\n", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 3)\r\na OK FETCH completed\r\n" },
		{ "a STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\n",
		  "* 1 FETCH (UID 1 MODSEQ (#))\r\n* 2 FETCH (UID 3 MODSEQ (#))\r\na OK STORE completed\r\n" },
		{ "a UID EXPUNGE 3\r\n", "* VANISHED 3\r\na OK [HIGHESTMODSEQ #] EXPUNGE completed\r\n" },
		{ "a UID EXPUNGE 77\r\n", "a OK EXPUNGE completed\r\n" },
		{ DELIVERY, "" },
		{ "a UID MOVE 6 Trash\r\n", "* 2 EXISTS\r\n* 1 RECENT\r\na OK [HIGHESTMODSEQ #] MOVE completed\r\n" },
		{ "a UID MOVE 6 Trash\r\n",
		  "* OK [COPYUID # 6 1] Moved\r\n* VANISHED 6\r\na OK [HIGHESTMODSEQ #] MOVE completed\r\n" },
		{ "a EXPUNGE\r\n", "* VANISHED 1\r\na OK [HIGHESTMODSEQ #] EXPUNGE completed\r\n" },
		{ "a CLOSE\r\n", "a OK CLOSE completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

/* What a client that was away is told (RFC 7162 3.2.5).  Modseqs: five deliveries are 2 to 6. */
static void test_resync(void **state)
{
#define QRESYNC(arg) "a EXAMINE INBOX (QRESYNC (" arg "))\r\n"
#define EXAMINED     SELECT_TOP "* 3 EXISTS\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n"
#define AGAIN        "* OK [CLOSED] Previous mailbox closed\r\n" EXAMINED
#define EXAMINE_END  "a OK [READ-ONLY] EXAMINE completed\r\n"
#define CHANGED      "* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (#))\r\n"
#define CHANGED_LAST "* 3 FETCH (UID 6 FLAGS (\\Recent) MODSEQ (#))\r\n"
	static const struct row rows[] = {
		{ "a SELECT INBOX (QRESYNC (@ 6))\r\n", "a BAD ENABLE QRESYNC first\r\n" },
		{ "a ENABLE QRESYNC\r\n", "* ENABLED QRESYNC\r\na OK ENABLE completed\r\n" },
		{ ANOTHER "x STORE 1 +FLAGS (\\Flagged)\r\n", "" },
		{ ANOTHER "x STORE 2,4:5 +FLAGS (\\Deleted)\r\n", "" },
		{ ANOTHER "x EXPUNGE\r\n", "" },
		{ DELIVERY, "" },
		{ QRESYNC("@ 6"), EXAMINED "* VANISHED (EARLIER) 2,4:5\r\n" CHANGED CHANGED_LAST EXAMINE_END },
		{ QRESYNC("@ 6 1:5"), AGAIN "* VANISHED (EARLIER) 2,4:5\r\n" CHANGED EXAMINE_END },
		{ QRESYNC("@ 6 3:4"), AGAIN "* VANISHED (EARLIER) 4\r\n" EXAMINE_END },
		{ QRESYNC("@ 6 3:4 (1:3 1:3)"), AGAIN "* VANISHED (EARLIER) 4\r\n" EXAMINE_END },
		{ QRESYNC("@ 6 (1 1)"), AGAIN "* VANISHED (EARLIER) 2,4:5\r\n" CHANGED CHANGED_LAST EXAMINE_END },
		{ QRESYNC("@ 6 (1,2 1,3)"), AGAIN "* VANISHED (EARLIER) 4:5\r\n" CHANGED CHANGED_LAST EXAMINE_END },
		{ QRESYNC("@ 6 (1,9 1,3)"), AGAIN "* VANISHED (EARLIER) 2,4:5\r\n" CHANGED CHANGED_LAST EXAMINE_END },
		{ QRESYNC("7 5"), AGAIN EXAMINE_END }, /* another UIDVALIDITY: nothing of it is true any more */
		{ QRESYNC("@ 999999"), AGAIN EXAMINE_END },
		{ "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6)\r\n", CHANGED CHANGED_LAST "a OK FETCH completed\r\n" },
		/* What is wrong is said, and the mailbox stays selected. */
		{ QRESYNC(""), "a BAD Expected a UIDVALIDITY at octet #, found ')'\r\n" },
		{ QRESYNC("@"), "a BAD Expected a space at octet #, found ')'\r\n" },
		{ QRESYNC("@ x"), "a BAD Expected a modseq at octet #, found 'x'\r\n" },
		{ QRESYNC("@ 6 $"), "a BAD Expected UIDs at octet #, found ')'\r\n" },
		{ QRESYNC("@ 6 (1)"), "a BAD Expected a space at octet #, found ')'\r\n" },
		{ "a EXAMINE INBOX (QRESYNC 1 5)\r\n", "a BAD Expected '(' after QRESYNC at octet 26, found '1'\r\n" },
		{ "a EXAMINE INBOX (FOO)\r\n", "a BAD Expected CONDSTORE or QRESYNC at octet 18, found 'F'\r\n" },
		{ "a EXAMINE INBOX ()\r\n", "a BAD Expected CONDSTORE or QRESYNC at octet 18, found ')'\r\n" },
		{ "a FETCH 1 UID\r\n", "* 1 FETCH (UID 1)\r\na OK FETCH completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

static void test_uidonly(void **state)
{
#define REQUIRED "a BAD [UIDREQUIRED] Message numbers are not used after ENABLE UIDONLY; put UID before the command\r\n"
	static const struct row rows[] = {
		{ "a ENABLE UIDONLY\r\n", "* ENABLED UIDONLY\r\na OK ENABLE completed\r\n" },
		{ "a SELECT INBOX\r\n",
		  "~\r\n* 5 EXISTS\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ "a FETCH 1 FLAGS\r\n", REQUIRED },
		{ "a STORE 1 FLAGS ()\r\n", REQUIRED },
		{ "a COPY 1 Trash\r\n", REQUIRED },
		{ "a MOVE 1 Trash\r\n", REQUIRED },
		{ "a SEARCH ALL\r\n", REQUIRED },
		{ "a UID STORE 2 +FLAGS (\\Deleted)\r\n",
		  "* 2 UIDFETCH (FLAGS (\\Deleted))\r\na OK STORE completed\r\n" },
		{ ANOTHER "x STORE 4 +FLAGS (\\Seen)\r\n", "" },
		{ DELIVERY, "" },
		{ "a NOOP\r\n",
		  "* 4 UIDFETCH (FLAGS (\\Seen))\r\n* 6 EXISTS\r\n* 1 RECENT\r\na OK NOOP completed\r\n" },
		{ "a EXPUNGE\r\n", "* VANISHED 2\r\na OK EXPUNGE completed\r\n" },
		{ "a UID FETCH 3:4 (FLAGS)\r\n",
		  "* 3 UIDFETCH (FLAGS ())\r\n* 4 UIDFETCH (FLAGS (\\Seen))\r\na OK FETCH completed\r\n" },
		{ "a ENABLE QRESYNC\r\n", "~\r\n* ENABLED QRESYNC\r\na OK ENABLE completed\r\n" },
		{ "a SELECT INBOX (QRESYNC (@ 1 1:5 (1 1)))\r\n",
		  "a BAD [UIDREQUIRED] Message numbers are not used after ENABLE UIDONLY\r\n" },
		{ "a SELECT INBOX (QRESYNC (@ 6 1:5))\r\n",
		  "~\r\n~\r\n* 5 EXISTS\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n* VANISHED (EARLIER) 2\r\n"
		  "* 4 UIDFETCH (FLAGS (\\Seen) MODSEQ (#))\r\na OK [READ-WRITE] SELECT completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

/* LITERAL- (RFC 7888 5): what is too large to come without asking is read, refused, and the session goes on. */
static void test_literals(void **state)
{
#define TOOBIG "a BAD [TOOBIG] A literal above 4096 octets waits for our leave: send {n}, not {n+}\r\n"
	struct world w;
	struct talk t;
	struct buf b = { 0 };
	(void)state;
	world_open(&w);
	talk_begin(&t, &w.conf);
	buf_clear(&t.out);
	for (unsigned octets = 4096; octets <= 4097; octets++) {
		buf_clear(&b);
		buf_printf(&b, "a APPEND INBOX {%u+}\r\n%*s\r\na NOOP\r\n", octets, octets, "x");
		talk_feed(&t, buf_str(&b));
		HEAR(&t, octets == 4096 ? "a OK [APPENDUID # 1] ~\r\na OK NOOP completed\r\n"
					: TOOBIG "a OK NOOP completed\r\n");
	}
	buf_clear(&b);
	buf_printf(&b, "a STATUS {5000+}\r\n%5000s {3+}\r\nabc\r\na NOOP\r\n", "x");
	talk_feed(&t, buf_str(&b));
	HEAR(&t, TOOBIG "a OK NOOP completed\r\n");
	buf_free(&b);
	/* More than any message may have. */
	SAY(&t, "a APPEND INBOX {104857601+}\r\n", "* BYE [TOOBIG] Literal too large\r\n");
	assert_int_equal(t.next.want, WANT_CLOSE);
	talk_end(&t);
	world_close(&w);
}

/* Each command of this part, and what may be wrong with it. */
static void test_errors(void **state)
{
	static const struct row rows[] = {
		{ "a NOOP x\r\n", "a BAD Expected the end of the command at octet 7, found a space\r\n" },
		{ "a CAPABILITY x\r\n", "a BAD Expected the end of the command at octet 13, found a space\r\n" },
		{ "a NAMESPACE x\r\n", "a BAD Expected the end of the command at octet 12, found a space\r\n" },
		{ "a ID\r\n", "a BAD Expected a space at the end\r\n" },
		{ "a ID x\r\n", "a BAD Expected '(' or NIL at octet 6, found 'x'\r\n" },
		{ "a IDLE now\r\n", "a BAD Expected the end of the command at octet 7, found a space\r\n" },
		{ "a SELECT INBOX x\r\n", "a BAD Expected '(' at octet 16, found 'x'\r\n" },
		{ "a EXAMINE \"INBOX\r\n", "a BAD Expected a closing quote at the end\r\n" },
		{ "a SELECT Nowhere\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
	};
	static const struct row unselected[] = {
		{ "a CLOSE\r\n", "a BAD Select a mailbox first\r\n" },
		{ "a UNSELECT\r\n", "a BAD Select a mailbox first\r\n" },
		{ "a EXPUNGE\r\n", "a BAD Select a mailbox first\r\n" },
		{ "a STORE 1 FLAGS ()\r\n", "a BAD Select a mailbox first\r\n" },
		{ "a UID COPY 1 Trash\r\n", "a BAD Select a mailbox first\r\n" },
		{ "a CHECK\r\n", "a BAD Select a mailbox first\r\n" },
		{ "a LOGIN you x\r\n", "a BAD Already logged in\r\n" },
		{ "a STARTTLS\r\n", "a BAD Already logged in\r\n" },
	};
	static const struct row selected[] = {
		{ "a SELECT INBOX\r\n",
		  "~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ "a STORE 1\r\n", "a BAD Expected a space at the end\r\n" },
		{ "a STORE 1 (UNCHANGEDSINCE) FLAGS ()\r\n", "a BAD Expected a space at octet 26, found ')'\r\n" },
		{ "a STORE 1 (FOO 1) FLAGS ()\r\n", "a BAD Expected UNCHANGEDSINCE at octet 12, found 'F'\r\n" },
		{ "a COPY 6 Trash\r\n", "a BAD There is no message of that number\r\n" },
		{ "a COPY 1\r\n", "a BAD Expected a space at the end\r\n" },
		{ "a MOVE 1 Nowhere\r\n", "a NO [TRYCREATE] No such mailbox\r\n" },
		{ "a CLOSE x\r\n", "a BAD Expected the end of the command at octet 8, found a space\r\n" },
		{ "a UID EXPUNGE x\r\n", "a BAD Expected a number or '*' at octet 15, found 'x'\r\n" },
		{ "a UNSELECT x\r\n", "a BAD Expected the end of the command at octet 11, found a space\r\n" },
	};
	(void)state;
	ROWS(rows);
	ROWS(unselected);
	ROWS(selected);
}

/* Who sees the expunging of another, and when (RFC 2180, RFC 3501 7.4.1). */
static void test_races(void **state)
{
	static const struct row rows[] = {
		{ "a SELECT INBOX\r\n",
		  "~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ ANOTHER "x STORE 2 +FLAGS (\\Deleted)\r\n", "" },
		{ ANOTHER "x EXPUNGE\r\n", "" },
		{ "a FETCH 2 (FLAGS)\r\n", "a OK [EXPUNGEISSUED] Some messages are gone\r\n" },
		{ "a STORE 1:2 +FLAGS (\\Seen)\r\n",
		  "* 1 FETCH (FLAGS (\\Seen))\r\na OK [EXPUNGEISSUED] Some messages are gone\r\n" },
		{ "a STORE 2 +FLAGS.SILENT (\\Seen)\r\n", "a OK [EXPUNGEISSUED] Some messages are gone\r\n" },
		/* A copy takes what is still there, and numbers may change at its end. */
		{ "a COPY 1:3 Trash\r\n", "* 2 EXPUNGE\r\na OK [COPYUID # 1,3 1,2] COPY completed\r\n" },
		/* Arrivals may be told at any time, also in the middle of a SEARCH; numbers stay. */
		{ ANOTHER "x STORE 1 +FLAGS (\\Deleted)\r\n", "" },
		{ ANOTHER "x EXPUNGE\r\n", "" },
		{ DELIVERY, "" },
		{ "a SEARCH ALL\r\n", "* SEARCH 2 3 4\r\n* 5 EXISTS\r\n* 1 RECENT\r\na OK SEARCH completed\r\n" },
		{ "a UID SEARCH ALL\r\n", "* SEARCH 3 4 5 6\r\n* 1 EXPUNGE\r\na OK SEARCH completed\r\n" },
		/* Came and went between two looks: never heard of, and its number is nobody's. */
		{ DELIVERY, "" },
		{ ANOTHER "x UID STORE 7 +FLAGS (\\Deleted)\r\n", "" },
		{ ANOTHER "x NOOP\r\n", "" },
		{ ANOTHER "x UID STORE 7 +FLAGS (\\Deleted)\r\n", "" },
		{ ANOTHER "x EXPUNGE\r\n", "" },
		{ "a NOOP\r\n", "a OK NOOP completed\r\n" },
		{ DELIVERY, "" },
		{ "a NOOP\r\n", "* 5 EXISTS\r\n* 2 RECENT\r\na OK NOOP completed\r\n" },
		{ "a FETCH 5 (UID)\r\n", "* 5 FETCH (UID 8)\r\na OK FETCH completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

/* What we say we can, and a command that shows it; NULL: it is no command, and shown elsewhere. */
static void test_capabilities(void **state)
{
	static const struct {
		const char *word, *say;
	} rows[] = {
		{ "IMAP4rev1", "a CHECK\r\n" },
		{ "IMAP4rev2", NULL },
		{ "LITERAL-", "a SEARCH SUBJECT {5+}\r\nhello\r\n" },
		{ "SASL-IR", NULL },
		{ "ID", "a ID NIL\r\n" },
		{ "ENABLE", "a ENABLE CONDSTORE\r\n" },
		{ "IDLE", "a IDLE\r\nDONE\r\n" },
		{ "NAMESPACE", "a NAMESPACE\r\n" },
		{ "CHILDREN", "a LIST \"\" *\r\n" },
		{ "SPECIAL-USE", "a LIST (SPECIAL-USE) \"\" *\r\n" },
		{ "UIDPLUS", "a UID EXPUNGE 1\r\n" },
		{ "MOVE", "a MOVE 1 Trash\r\n" },
		{ "UNSELECT", "a UNSELECT\r\na SELECT INBOX\r\n" },
		{ "ESEARCH", "a SEARCH RETURN (MIN MAX COUNT) ALL\r\n" },
		{ "SEARCHRES", "a SEARCH RETURN (SAVE) ALL\r\na FETCH $ UID\r\n" },
		{ "WITHIN", "a SEARCH YOUNGER 60 OLDER 60\r\n" },
		{ "SORT", "a SORT (REVERSE DATE SUBJECT) UTF-8 ALL\r\n" },
		{ "SORT=DISPLAY", "a SORT (DISPLAYFROM DISPLAYTO) UTF-8 ALL\r\n" },
		{ "ESORT", "a SORT RETURN (COUNT) (DATE) UTF-8 ALL\r\n" },
		{ "THREAD=ORDEREDSUBJECT", "a THREAD ORDEREDSUBJECT UTF-8 ALL\r\n" },
		{ "THREAD=REFERENCES", "a UID THREAD REFERENCES UTF-8 ALL\r\n" },
		{ "PARTIAL", "a SEARCH RETURN (PARTIAL -1:-2) ALL\r\n" },
		{ "INPROGRESS", NULL },
		{ "CONDSTORE", "a FETCH 1 (MODSEQ)\r\n" },
		{ "QRESYNC", "a ENABLE QRESYNC\r\na UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)\r\n" },
		{ "UTF8=ACCEPT", NULL },
		{ "UIDONLY", NULL },
		{ "NOTIFY", "a NOTIFY NONE\r\n" },
		{ "LIST-EXTENDED", "a LIST (SUBSCRIBED) \"\" (INBOX Trash) RETURN (CHILDREN)\r\n" },
		{ "LIST-STATUS", "a LIST \"\" % RETURN (STATUS (MESSAGES))\r\n" },
		{ "LIST-METADATA", "a LIST \"\" % RETURN (METADATA (/private/comment))\r\n" },
		{ "CREATE-SPECIAL-USE", "a DELETE Junk\r\na CREATE Spam (USE (\\Junk))\r\n" },
		{ "STATUS=SIZE", "a STATUS Trash (SIZE)\r\n" },
		{ "METADATA",
		  "a SETMETADATA Trash (/private/comment \"x\")\r\na GETMETADATA Trash /private/comment\r\n" },
		{ "QUOTA", "a GETQUOTAROOT INBOX\r\n" },
		{ "QUOTA=RES-STORAGE", NULL },
		{ "QUOTA=RES-MESSAGE", NULL },
		{ "BINARY", "a FETCH 1 (BINARY.SIZE[1] BINARY[1])\r\n" },
		{ "MULTIAPPEND", "a APPEND Trash {1+}\r\nx {1+}\r\ny\r\n" },
		{ "APPENDLIMIT=104857600", "a STATUS Trash (APPENDLIMIT)\r\n" },
		{ "REPLACE", "a REPLACE 1 Trash {1+}\r\nx\r\n" },
		{ "PREVIEW", "a FETCH 1 (PREVIEW (LAZY))\r\n" },
		{ "SAVEDATE", "a FETCH 1 (SAVEDATE)\r\n" },
		{ "OBJECTID", "a FETCH 1 (EMAILID)\r\n" },
		{ "COMPRESS=DEFLATE", NULL }, /* only where the configuration says so */
	};
	struct world w;
	struct talk t;
	(void)state;
	world_open(&w);
	for (int i = 0; i < 5; i++)
		world_deliver(&w, "INBOX", HELLO, "");
	talk_begin(&t, &w.conf);
	buf_clear(&t.out);
	talk_feed(&t, STR("a CAPABILITY\r\n"));
	struct str line = buf_str(&t.out);
	str_skip(&line, STR("* CAPABILITY "));
	line = str_chomp(str_line(&line));
	for (bool found; line.n > 0;) {
		struct str word = str_cut(&line, ' ');
		found = false;
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			found = found || str_eq(word, str_of(rows[i].word));
		if (!found)
			fail_msg("nobody shows %.*s", STRF(word));
	}
	talk_feed(&t, STR("a SELECT INBOX\r\n"));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&t.out);
		talk_feed(&t, str_of(rows[i].say));
		buf_addc(&t.out, '\0');
		if (strstr(t.out.p, "a BAD") || strstr(t.out.p, "a NO"))
			fail_msg("%s: %s -> %s", rows[i].word, rows[i].say, t.out.p);
	}
	talk_end(&t);
	world_close(&w);
}

#define NOTIFIED "a OK NOTIFY completed\r\n"

/* Mailboxes that are not selected: how many messages, names, subscriptions (RFC 5465 5). */
static void test_notify_others(void **state)
{
	static const struct row rows[] = {
		{ "a NOTIFY SET STATUS (mailboxes (INBOX Trash) (MessageNew MessageExpunge)) "
		  "(subtree Work (MailboxName SubscriptionChange))\r\n",
		  "* STATUS INBOX (MESSAGES 5 UIDNEXT 6 UIDVALIDITY # UNSEEN 5)\r\n"
		  "* STATUS Trash (MESSAGES 0 UIDNEXT 1 UIDVALIDITY # UNSEEN 0)\r\n" NOTIFIED },
		{ WAKE, "" },
		{ DELIVERY, "" },
		{ WAKE, "* STATUS INBOX (MESSAGES 6 UIDNEXT 7 UIDVALIDITY # UNSEEN 6)\r\n" },
		{ WAKE, "" },
		{ ANOTHER "x STORE 1 +FLAGS (\\Seen)\r\n", "" },
		{ WAKE, "" }, /* FlagChange was not asked for */
		{ ANOTHER "x MOVE 1 Trash\r\n", "" },
		{ "a NOOP\r\n",
		  "* STATUS INBOX (MESSAGES 5 UIDNEXT 7 UIDVALIDITY # UNSEEN 5)\r\n"
		  "* STATUS Trash (MESSAGES 1 UIDNEXT 2 UIDVALIDITY # UNSEEN 0)\r\na OK NOOP completed\r\n" },
		{ ANOTHER "x CREATE Work/2026\r\n", "" },
		{ WAKE, "* LIST () \"/\" Work\r\n* LIST (~) \"/\" Work/2026\r\n" },
		{ ANOTHER "x RENAME Work/2026 Work/2027\r\n", "" },
		{ WAKE, "* LIST () \"/\" Work/2027 (\"OLDNAME\" (Work/2026))\r\n" },
		{ ANOTHER "x SUBSCRIBE Work/2027\r\n", "" },
		{ WAKE, "* LIST (\\Subscribed) \"/\" Work/2027\r\n" },
		{ ANOTHER "x UNSUBSCRIBE Work/2027\r\n", "" },
		{ ANOTHER "x DELETE Work/2027\r\n", "" },
		{ WAKE, "* LIST (\\NonExistent) \"/\" Work/2027\r\n" },
		{ ANOTHER "x CREATE Elsewhere\r\n", "" },
		{ WAKE, "" },
		/* In IDLE, too; and not in the middle of a command. */
		{ "a IDLE\r\n", "+ idling\r\n" },
		{ DELIVERY, "" },
		{ WAKE, "* STATUS INBOX (MESSAGES 6 ~)\r\n" },
		{ "DONE\r\n", "a OK IDLE completed\r\n" },
		{ DELIVERY, "" },
		{ WAKE, "* STATUS INBOX (MESSAGES 7 ~)\r\n" },
		/* The first group that says NONE for a mailbox ends the search. */
		{ "a NOTIFY SET (mailboxes INBOX NONE) (personal (MessageNew MessageExpunge FlagChange))\r\n",
		  NOTIFIED },
		{ DELIVERY, "" },
		{ WAKE, "" },
		{ ANOTHER "x COPY 1 Trash\r\n", "" },
		{ WAKE, "* STATUS Trash (MESSAGES 2 ~)\r\n" },
		{ "a NOTIFY SET (inboxes (MessageNew MessageExpunge FlagChange))\r\n", NOTIFIED },
		{ ANOTHER "x STORE 1 +FLAGS (\\Seen)\r\n", "" },
		{ WAKE, "* STATUS INBOX (MESSAGES 8 UIDNEXT # UIDVALIDITY # UNSEEN 7)\r\n" },
		{ "a NOTIFY SET (subscribed (MessageNew MessageExpunge))\r\n", NOTIFIED },
		{ ANOTHER "x UNSUBSCRIBE Trash\r\n", "" },
		{ ANOTHER "x MOVE 1 Trash\r\n", "" },
		{ WAKE,
		  "* STATUS INBOX (MESSAGES 7 ~)\r\n* STATUS Trash ~\r\n" }, /* it was subscribed when last looked at */
		{ ANOTHER "x MOVE 1 Trash\r\n", "" },
		{ WAKE, "* STATUS INBOX (MESSAGES 6 ~)\r\n" },
		{ "a NOTIFY NONE\r\n", NOTIFIED },
		{ DELIVERY, "" },
		{ "a NOOP\r\n", "a OK NOOP completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

static void test_notify_selected(void **state)
{
	static const struct row rows[] = {
		{ "a SELECT INBOX\r\n",
		  "~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\n~\r\na OK [READ-WRITE] SELECT completed\r\n" },
		{ "a NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (\"Subject\")]) "
		  "MessageExpunge))\r\n",
		  NOTIFIED },
		{ DELIVERY, "" },
		{ WAKE, "* 6 EXISTS\r\n* 1 RECENT\r\n"
			"* 6 FETCH (UID 6 BODY[HEADER.FIELDS (Subject)] {18}\r\nSubject: Hello\r\n\r\n)\r\n" },
		{ ANOTHER "x STORE 2,4 +FLAGS (\\Deleted)\r\n", "" },
		{ WAKE, "" }, /* flags are not asked for */
		{ ANOTHER "x EXPUNGE\r\n", "" },
		{ WAKE, "* 2 EXPUNGE\r\n* 3 EXPUNGE\r\n" },
		/* Delayed: numbers stay until a command may change them. */
		{ "a NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))\r\n", NOTIFIED },
		{ ANOTHER "x STORE 1 +FLAGS (\\Deleted)\r\n", "" },
		{ WAKE, "* 1 FETCH (FLAGS (\\Deleted))\r\n" },
		{ ANOTHER "x EXPUNGE\r\n", "" },
		{ WAKE, "" },
		{ "a NOOP\r\n", "* 1 EXPUNGE\r\na OK NOOP completed\r\n" },
		{ DELIVERY, "" },
		{ WAKE, "* 4 EXISTS\r\n* 2 RECENT\r\n" },
		/* Not named: nothing of it, but for who asks. */
		{ "a NOTIFY SET (mailboxes Trash (MessageNew MessageExpunge))\r\n", NOTIFIED },
		{ DELIVERY, "" },
		{ WAKE, "" },
		{ "a FETCH 1 (UID)\r\n", "* 1 FETCH (UID 3)\r\na OK FETCH completed\r\n" },
		{ "a NOOP\r\n", "* 5 EXISTS\r\n* 3 RECENT\r\na OK NOOP completed\r\n" },
		{ "a NOTIFY NONE\r\n", NOTIFIED },
		{ DELIVERY, "" },
		{ "a STATUS Trash (MESSAGES)\r\n", "* STATUS Trash (MESSAGES 0)\r\na OK STATUS completed\r\n" },
		{ "a CHECK\r\n", "* 6 EXISTS\r\n* 4 RECENT\r\na OK CHECK completed\r\n" },
	};
	(void)state;
	ROWS(rows);
}

static void test_notify_errors(void **state)
{
	static const struct row rows[] = {
		{ "a NOTIFY\r\n", "a BAD Expected a space at the end\r\n" },
		{ "a NOTIFY ALL\r\n", "a BAD Expected SET or NONE at octet 10, found 'A'\r\n" },
		{ "a NOTIFY NONE x\r\n", "a BAD Expected the end of the command at octet 14, found a space\r\n" },
		{ "a NOTIFY SET\r\n", "a BAD Expected a space at the end\r\n" },
		{ "a NOTIFY SET personal\r\n", "a BAD Expected '(' before mailboxes at octet 14, found 'p'\r\n" },
		{ "a NOTIFY SET (all NONE)\r\n",
		  "a BAD Expected selected, ~ or mailboxes at octet 18, found a space\r\n" },
		{ "a NOTIFY SET (mailboxes)\r\n", "a BAD Expected a space at octet 24, found ')'\r\n" },
		{ "a NOTIFY SET (personal)\r\n", "a BAD Expected a space at octet 23, found ')'\r\n" },
		{ "a NOTIFY SET (personal ())\r\n", "a BAD Expected an event at octet 25, found ')'\r\n" },
	};
	static const struct row rules[] = {
		{ "a NOTIFY SET (personal (Other))\r\n", "a NO [BADEVENT (MessageNew MessageExpunge FlagChange "
							 "MailboxName SubscriptionChange)] Some events are "
							 "not known here\r\n" },
		{ "a NOTIFY SET (personal (MessageNew))\r\n", "a BAD MessageNew and MessageExpunge go together\r\n" },
		{ "a NOTIFY SET (personal (FlagChange))\r\n",
		  "a BAD FlagChange needs MessageNew and MessageExpunge\r\n" },
		{ "a NOTIFY SET (selected (MailboxName))\r\n",
		  "a BAD Of the selected mailbox only MessageNew, MessageExpunge and FlagChange are told\r\n" },
		{ "a NOTIFY SET (selected NONE) (selected-delayed NONE)\r\n",
		  "a BAD The selected mailbox is named twice\r\n" },
		{ "a NOTIFY SET (selected (MessageNew (FOO) MessageExpunge))\r\n",
		  "a BAD Expected FETCH items at octet 36, found '('\r\n" },
		{ "a NOTIFY SET (selected (MessageNew (UID MessageExpunge\r\n",
		  "a BAD Expected ')' after FETCH items at the end\r\n" },
	};
	(void)state;
	ROWS(rows);
	ROWS(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enable),
		cmocka_unit_test(test_rev2),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_vanished),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_uidonly),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_races),
		cmocka_unit_test(test_notify_others),
		cmocka_unit_test(test_notify_selected),
		cmocka_unit_test(test_notify_errors),
		cmocka_unit_test(test_capabilities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
