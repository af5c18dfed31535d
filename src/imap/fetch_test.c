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

static const char mixed[] =
    "From: a@x.example\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\n\r\nHello  there\r\n"
    "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\nAwQ=\r\n"
    "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-zip\r\n\r\nabc\r\n"
    "--b--\r\n";

/* What belongs to a message and not to its octets. */
static void test_items(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", mixed, "Return-Path: <>\r\n");
	world_deliver(&w, "INBOX", "\r\n", "");
	select_inbox(&t);
	SAY(&t, "a FETCH 1 (SAVEDATE INTERNALDATE THREADID MODSEQ)\r\n",
	    "* OK [HIGHESTMODSEQ #] Highest\r\n"
	    "* 1 FETCH (SAVEDATE \"~\" INTERNALDATE \"29-Sep-1996 12:26:40 +0000\" THREADID NIL MODSEQ (#))\r\n"
	    "a OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1:2 EMAILID\r\n",
	    "* 1 FETCH (EMAILID (M~))\r\n* 2 FETCH (EMAILID (M~))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 SAVEDATEX\r\n", "a BAD Expected the end of the command at octet 19, found 'X'\r\n");
	SAY(&t, "a FETCH 1 ALL\r\n",
	    "* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"~\" RFC822.SIZE ~ ENVELOPE (~))\r\n"
	    "a OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 1 FAST\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Recent) INTERNALDATE \"~\" RFC822.SIZE #)\r\n"
	    "a OK FETCH completed\r\n");
	SAY(&t, "a FETCH 2 FULL\r\n",
	    "* 2 FETCH (FLAGS (\\Recent) INTERNALDATE \"~\" RFC822.SIZE 2 ENVELOPE (~) BODY (~))\r\n"
	    "a OK FETCH completed\r\n");
	end(&w, &t);
}

/* The same for the same octets wherever they are copied to, and another for others. */
static void test_email_id(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", "\r\none\r\n", "");
	select_inbox(&t);
	SAY(&t, "a COPY 1 INBOX\r\n", "* 2 EXISTS\r\n* # RECENT\r\na OK [COPYUID # 1 2] COPY completed\r\n");
	talk_feed(&t, STR("a FETCH 1:2 EMAILID\r\n"));
	struct str all = buf_str(&t.out), one = str_line(&all), two = str_line(&all);
	assert_str(str_sub(one, 3, one.n), str_sub(two, 3, two.n));
	end(&w, &t);
}

static void test_preview(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", mixed, "");                             /* its index is of the version before */
	world_deliver(&w, "INBOX", "Content-Type: image/png\r\n\r\n", ""); /* nothing to see */
	select_inbox(&t);
	SAY(&t, "a FETCH 1:2 PREVIEW (LAZY)\r\n",
	    "* 1 FETCH (PREVIEW NIL)\r\n* 2 FETCH (PREVIEW NIL)\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1:2 (UID PREVIEW)\r\n",
	    "* 1 FETCH (UID 1 PREVIEW \"Hello there\")\r\n* 2 FETCH (UID 2 PREVIEW \"\")\r\na OK FETCH completed\r\n");
	SAY(&t, "a APPEND INBOX {21+}\r\nSubject: x\r\n\r\nv\xc3\xb6llig\r\n",
	    "* 3 EXISTS\r\n* 3 RECENT\r\na OK [APPENDUID # 3] Appended\r\n");
	SAY(&t, "a FETCH 3 (PREVIEW (LAZY) UID)\r\n",
	    "* 3 FETCH (PREVIEW {7}\r\nv\xc3\xb6llig UID 3)\r\na OK FETCH completed\r\n");
	end(&w, &t);
}

static void test_binary(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", mixed, "");
	select_inbox(&t);
	SAY(&t, "a FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[9])\r\n",
	    "* 1 FETCH (BINARY[1] {12}\r\nHello  there BINARY.SIZE[1] 12 BINARY.SIZE[2] 5 BINARY.SIZE[9] 0)\r\n"
	    "a OK FETCH completed\r\n");
	talk_feed(&t, STR("a FETCH 1 (BINARY.PEEK[2]<1.3>)\r\n"));
	assert_str(buf_str(&t.out), STR("* 1 FETCH (BINARY[2]<1> ~{3}\r\n\1\2\3)\r\na OK FETCH completed\r\n"));
	buf_clear(&t.out);
	talk_feed(&t, STR("a FETCH 1 (BINARY.PEEK[2])\r\n"));
	assert_str(buf_str(&t.out), STR("* 1 FETCH (BINARY[2] ~{5}\r\n\0\1\2\3\4)\r\na OK FETCH completed\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a FETCH 1 BINARY.PEEK[3]\r\n",
	    "a NO [UNKNOWN-CTE] 1 message(s) have an encoding that is not known; "
	    "BODY[] gives it as it is\r\n");
	SAY(&t, "a FETCH 1 (FLAGS BINARY.SIZE[3])\r\n", "a NO [UNKNOWN-CTE] ~\r\n");
	SAY(&t, "a FETCH 1 BINARY.PEEK[HEADER]\r\n", "a BAD Expected a part number or ']' at octet 23, found 'H'\r\n");
	SAY(&t, "a FETCH 1 BINARY.SIZE[1]<0.1>\r\n",
	    "a BAD Expected the end of the command at octet 25, found '<'\r\n");
	SAY(&t, "a FETCH 1 FLAGS\r\n", "* 1 FETCH (FLAGS (\\Recent))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 BINARY[1]<100.5>\r\n",
	    "* 1 FETCH (BINARY[1]<100> \"\" FLAGS (\\Seen \\Recent))\r\na OK FETCH completed\r\n");
	end(&w, &t);
}

static void test_seen(void **state)
{
	static const char *const sets[] = { "BODY[]", "BODY[1]", "BODY[HEADER]", "RFC822", "RFC822.TEXT", "BINARY[1]" };
	static const char *const peeks[] = { "BODY.PEEK[]", "RFC822.HEADER", "BINARY.PEEK[1]", "BINARY.SIZE[1]",
					     "BODY",        "PREVIEW",       "ENVELOPE" };
	struct world w;
	struct talk t;
	char line[64];
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", mixed, "");
	select_inbox(&t);
	for (size_t i = 0; i < sizeof peeks / sizeof *peeks; i++) {
		snprintf(line, sizeof line, "a FETCH 1 %s\r\n", peeks[i]);
		talk_feed(&t, str_of(line));
		buf_clear(&t.out);
		SAY(&t, "a FETCH 1 FLAGS\r\n", "* 1 FETCH (FLAGS (\\Recent))\r\na OK FETCH completed\r\n");
	}
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		SAY(&t, "a STORE 1 -FLAGS.SILENT (\\Seen)\r\n", "a OK STORE completed\r\n");
		snprintf(line, sizeof line, "a FETCH 1 %s\r\n", sets[i]);
		talk_feed(&t, str_of(line));
		assert_true(str_find(buf_str(&t.out), STR(" FLAGS (\\Seen \\Recent))\r\n")) < t.out.n);
		buf_clear(&t.out);
	}
	SAY(&t, "a STORE 1 -FLAGS.SILENT (\\Seen)\r\n", "a OK STORE completed\r\n");
	talk_feed(&t, STR("a EXAMINE INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a FETCH 1 (BODY[1]<0.5> BINARY[1]<0.5> FLAGS)\r\n",
	    "* 1 FETCH (BODY[1]<0> {5}\r\nHello BINARY[1]<0> {5}\r\nHello FLAGS ())\r\na OK FETCH completed\r\n");
	end(&w, &t);
}

/* What others changed since; positions of that; what was expunged. */
static void test_changed_since(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (int i = 0; i < 6; i++)
		world_deliver(&w, "INBOX", mixed, "");
	select_inbox(&t);
	SAY(&t, "a ENABLE QRESYNC\r\n",
	    "* OK [HIGHESTMODSEQ #] Highest\r\n* ENABLED QRESYNC~\r\na OK ENABLE completed\r\n");
	SAY(&t, "a UID FETCH 6 MODSEQ\r\n", "* 6 FETCH (UID 6 MODSEQ (7))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1:* FLAGS (CHANGEDSINCE 7)\r\n", "a OK FETCH completed\r\n");
	SAY(&t, "a UID STORE 2,4,5 +FLAGS.SILENT (\\Deleted)\r\n", "~\r\n~\r\n~\r\na OK STORE completed\r\n");
	SAY(&t, "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7)\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Deleted \\Recent) MODSEQ (#))\r\n"
	    "* 4 FETCH (UID 4 FLAGS (\\Deleted \\Recent) MODSEQ (#))\r\n"
	    "* 5 FETCH (UID 5 FLAGS (\\Deleted \\Recent) MODSEQ (#))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1:3 (FLAGS) (CHANGEDSINCE 7)\r\n",
	    "* 2 FETCH (FLAGS (\\Deleted \\Recent) MODSEQ (#))\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7 PARTIAL -1:-2)\r\n",
	    "* 4 FETCH (UID 4 FLAGS (\\Deleted \\Recent) MODSEQ (#))\r\n"
	    "* 5 FETCH (UID 5 FLAGS (\\Deleted \\Recent) MODSEQ (#))\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 1:* (UID) (PARTIAL 2:3)\r\n",
	    "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 1:* (UID) (PARTIAL 7:9)\r\n", "a OK FETCH completed\r\n");
	SAY(&t, "a UID EXPUNGE 4\r\n", "* VANISHED 4\r\na OK ~\r\n");
	SAY(&t, "a UID FETCH 1:* (UID) (CHANGEDSINCE 9 VANISHED)\r\n",
	    "* VANISHED (EARLIER) 4\r\n* 4 FETCH (UID 5 MODSEQ (#))\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1:* (UID) (CHANGEDSINCE 9 VANISHED)\r\n",
	    "a BAD Expected CHANGEDSINCE (VANISHED and PARTIAL need UID FETCH) at octet 35, found 'V'\r\n");
	SAY(&t, "a UID FETCH 1:* (UID) (VANISHED)\r\n", "a BAD Expected CHANGEDSINCE beside VANISHED at octet ~\r\n");
	SAY(&t, "a FETCH 1 UID (PARTIAL 1:2)\r\n",
	    "a BAD Expected CHANGEDSINCE (VANISHED and PARTIAL need UID FETCH) ~\r\n");
	end(&w, &t);
}

static void test_vanished_needs_qresync(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	select_inbox(&t);
	SAY(&t, "a UID FETCH 1:* (UID) (CHANGEDSINCE 9 VANISHED)\r\n", "a BAD VANISHED needs ENABLE QRESYNC first\r\n");
	end(&w, &t);
}

static void test_modes(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", "Subject: caf\xc3\xa9\r\n\r\n", "");
	select_inbox(&t);
	SAY(&t, "a FETCH 1 ENVELOPE\r\n",
	    "* 1 FETCH (ENVELOPE (NIL {5}\r\ncaf\xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL))\r\n"
	    "a OK FETCH completed\r\n");
	SAY(&t, "a ENABLE IMAP4rev2\r\n", "* ENABLED IMAP4rev2\r\na OK ENABLE completed\r\n");
	SAY(&t, "a FETCH 1 (FLAGS ENVELOPE)\r\n",
	    "* 1 FETCH (FLAGS () ENVELOPE (NIL \"caf\xc3\xa9\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n"
	    "a OK FETCH completed\r\n");
	SAY(&t, "a UNSELECT\r\n", "a OK UNSELECT completed\r\n");
	SAY(&t, "a ENABLE UIDONLY\r\n", "* ENABLED UIDONLY\r\na OK ENABLE completed\r\n");
	select_inbox(&t);
	SAY(&t, "a UID FETCH 1 (UID RFC822.SIZE)\r\n", "* 1 UIDFETCH (RFC822.SIZE 18)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 1 BODY[TEXT]\r\n",
	    "* 1 UIDFETCH (BODY[TEXT] \"\" FLAGS (\\Seen))\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH 1 UID\r\n", "* 1 UIDFETCH (~)\r\na OK FETCH completed\r\n");
	end(&w, &t);
}

#define LARGE (3u << 20)

static struct buf large_message(void)
{
	struct buf b = { 0 };
	buf_addz(&b, "Subject: large\r\nContent-Type: text/plain\r\n\r\n");
	for (uint32_t i = 0, x = 1; b.n < LARGE; i++) {
		x = x * 1664525 + 1013904223;
		buf_printf(&b, "%08x %u\r\n", x, i);
	}
	return b;
}

static void append_large(struct talk *t, const struct buf *message)
{
	struct buf command = { 0 };
	buf_printf(&command, "a APPEND INBOX {%zu}\r\n", message->n);
	buf_add(&command, buf_str(message));
	buf_addz(&command, "\r\n");
	talk_feed(t, buf_str(&command));
	assert_true(str_find(buf_str(&t->out), STR("a OK [APPENDUID")) < t->out.n);
	buf_clear(&t->out);
	buf_free(&command);
}

/* The octets of the first literal that was said. */
static struct str literal(struct talk *t)
{
	struct str out = buf_str(&t->out), line = str_line(&out);
	size_t at = str_chr(line, '{'), n = 0;
	while (++at < line.n && ch_digit(line.p[at]))
		n = n * 10 + (size_t)(line.p[at] - '0');
	assert_true(out.n >= n);
	return str_sub(out, 0, n);
}

static void test_large(void **state)
{
	struct world w;
	struct talk t;
	char line[80];
	(void)state;
	begin(&w, &t);
	struct buf message = large_message();
	append_large(&t, &message);
	select_inbox(&t);
	talk_feed(&t, STR("a UID FETCH 1 BODY.PEEK[]\r\n"));
	assert_str(literal(&t), buf_str(&message));
	assert_true(str_ends(buf_str(&t.out), STR(")\r\na OK FETCH completed\r\n")));
	buf_clear(&t.out);
	for (size_t at = 0; at < message.n; at += 65536) {
		snprintf(line, sizeof line, "a UID FETCH 1 BODY.PEEK[]<%zu.65536>\r\n", at);
		talk_feed(&t, str_of(line));
		assert_str(literal(&t), str_sub(buf_str(&message), at, at + 65536));
		buf_clear(&t.out);
	}
	SAY(&t, "a FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1]<0.8> PREVIEW)\r\n",
	    "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: large\r\n\r\n BODY[1]<0> {8}\r\n3c88596c "
	    "PREVIEW \"~\")"
	    "\r\na OK FETCH completed\r\n");
	SAY(&t, "a FETCH 1 BODY.PEEK[]<3200000.10>\r\n",
	    "* 1 FETCH (BODY[]<3200000> \"\")\r\na OK FETCH completed\r\n");
	buf_free(&message);
	end(&w, &t);
}

/* Half a literal cannot be taken back: the connection ends.  What lies before the damage is still given. */
static void test_damaged(void **state)
{
	struct world w;
	struct talk t;
	char command[200];
	(void)state;
	begin(&w, &t);
	struct buf message = large_message();
	append_large(&t, &message);
	select_inbox(&t);
	snprintf(command, sizeof command,
		 "f=$(find %s/content -name '*.zst') && s=$(stat -c %%s $f) && printf XXXX | "
		 "dd of=$f bs=1 seek=$((s * 3 / 4)) conv=notrunc 2>/dev/null",
		 w.dir);
	assert_int_equal(system(command), 0);
	talk_feed(&t, STR("a FETCH 1 BODY.PEEK[]<100.200>\r\n"));
	assert_str(literal(&t), str_sub(buf_str(&message), 100, 300));
	buf_clear(&t.out);
	unsigned damaged = 0;
	for (size_t at = 0; at < message.n; at += 65536) {
		snprintf(command, sizeof command, "a FETCH 1 BODY.PEEK[]<%zu.65536>\r\n", at);
		talk_feed(&t, str_of(command));
		if (str_starts(buf_str(&t.out), STR("a NO [UNAVAILABLE] 1 message(s) cannot be read")))
			damaged++;
		else
			assert_str(literal(&t), str_sub(buf_str(&message), at, at + 65536));
		buf_clear(&t.out);
	}
	assert_in_range(damaged, 1, 3);
	talk_feed(&t, STR("a FETCH 1 BODY.PEEK[]\r\n"));
	assert_int_equal(t.next.want, WANT_CLOSE);
	assert_true(str_find(buf_str(&t.out), STR("FETCH completed")) == t.out.n);
	buf_free(&message);
	end(&w, &t);
}

/* Pages end by octets, too: nothing is said twice, nothing left out. */
static void test_pages(void **state)
{
	struct world w;
	struct talk t;
	struct buf body = { 0 };
	(void)state;
	begin(&w, &t);
	buf_addz(&body, "Subject: x\r\n\r\n");
	for (int i = 0; i < 1500; i++)
		buf_printf(&body, "line %d of many, so that a page of rows is more than its octets allow\r\n", i);
	buf_addc(&body, '\0');
	for (int i = 0; i < 30; i++)
		world_deliver(&w, "INBOX", body.p, "");
	select_inbox(&t);
	talk_feed(&t, STR("a FETCH 1:* (UID BODY[TEXT])\r\n"));
	struct str out = buf_str(&t.out);
	for (unsigned i = 1; i <= 30; i++) {
		char want[80];
		int n = snprintf(want, sizeof want, "* %u FETCH (UID %u BODY[TEXT] {%zu}\r\n", i, i, body.n - 15);
		assert_str(str_sub(out, 0, (size_t)n), str_of(want));
		out = str_sub(out, (size_t)n + body.n - 15, out.n);
		assert_true(str_skip(&out, STR(" FLAGS (\\Seen \\Recent))\r\n")));
	}
	assert_str(out, STR("a OK FETCH completed\r\n"));
	buf_free(&body);
	end(&w, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),   cmocka_unit_test(test_email_id),
		cmocka_unit_test(test_preview), cmocka_unit_test(test_binary),
		cmocka_unit_test(test_seen),    cmocka_unit_test(test_changed_since),
		cmocka_unit_test(test_modes),   cmocka_unit_test(test_vanished_needs_qresync),
		cmocka_unit_test(test_large),   cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
