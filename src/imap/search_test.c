#include "imap/message.h"
#include "imap/search.h"
#include "imap/talk_test.h"
#include "imap/text.h"
#include "store/search_write.h"
#include <sys/socket.h>

static const char one[] =
    "From: =?utf-8?q?J=C3=BCrgen_Stra=C3=9Fe?= <juergen@x.example>\r\nTo: You <you@example.org>\r\n"
    "Cc: team@y.example\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?= aus\r\n Wien\r\n"
    "Date: Tue, 1 Feb 1994 23:30:00 -0800\r\nMessage-ID: <one@x.example>\r\nX-Empty:\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Das Caf=E9 ist gro=DF=\r\nartig.\r\n";
static const char two[] =
    "From: ann@x.example\r\nBcc: secret@z.example\r\nSubject: plain\r\n"
    "Date: Thu, 3 Feb 1994 01:00:00 +0900\r\n"
    "Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble words\r\n--o\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "PGI+0LzQuNGAPC9iPg==\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: innermost\r\n\r\nnested needle\r\n"
    "--o\r\nContent-Type: image/png\r\n\r\nneedle-in-picture\r\n--o--\r\n";
static const char three[] = "Subject: last\r\n\r\nlonger text so that the size is larger than nothing at all\r\n";

static const struct {
	const char *keys, *found; /* NULL: BAD */
} rows[] = {
	{ "ALL", " 1 2 3" },
	{ "1:2", " 1 2" },
	{ "*", " 3" },
	{ "2:* UID 1:2", " 2" },
	{ "NOT 2", " 1 3" },
	{ "OR 1 3", " 1 3" },
	{ "(1:2 NOT 1)", " 2" },
	{ "SEEN", " 1" },
	{ "UNSEEN", " 2 3" },
	{ "ANSWERED", "" },
	{ "UNANSWERED", " 1 2 3" },
	{ "DELETED", "" },
	{ "UNDELETED", " 1 2 3" },
	{ "DRAFT", "" },
	{ "UNDRAFT", " 1 2 3" },
	{ "FLAGGED", " 1" },
	{ "UNFLAGGED", " 2 3" },
	{ "KEYWORD todo", " 2" },
	{ "UNKEYWORD TODO", " 1 3" },
	{ "RECENT", " 1 2 3" },
	{ "NEW", " 2 3" },
	{ "OLD", "" },
	{ "LARGER 300", " 1 2" },
	{ "SMALLER 150", " 3" },
	{ "ON 29-Sep-1996", " 1 2 3" },
	{ "BEFORE 29-Sep-1996", "" },
	{ "BEFORE 30-Sep-1996", " 1 2 3" },
	{ "SINCE \"29-Sep-1996\"", " 1 2 3" },
	{ "SINCE 30-Sep-1996", "" },
	{ "SENTON 1-Feb-1994", " 1" },
	{ "SENTON 3-Feb-1994", " 2" },
	{ "SENTSINCE 2-Feb-1994", " 2" },
	{ "SENTBEFORE 2-Feb-1994", " 1" },
	{ "SUBJECT gr\xc3\xbc\xc3\x9f", " 1" },
	{ "SUBJECT \"GR\xc3\x9cSSE AUS WIEN\"", " 1" },
	{ "CHARSET UTF-8 FROM J\xc3\x9cRGEN", " 1" },
	{ "CHARSET US-ASCII FROM strasse", " 1" },
	{ "FROM x.example", " 1 2" },
	{ "TO you", " 1" },
	{ "CC team", " 1" },
	{ "BCC secret", " 2" },
	{ "HEADER Message-ID one@", " 1" },
	{ "HEADER X-Empty \"\"", " 1" },
	{ "HEADER X-Empty x", "" },
	{ "HEADER delivered-to you", " 1 2 3" },
	{ "BODY caf\xc3\xa9", " 1" },
	{ "BODY GROSSARTIG", " 1" },
	{ "BODY \xd0\x9c\xd0\x98\xd0\xa0", " 2" },
	{ "BODY \"nested needle\"", " 2" },
	{ "BODY innermost", " 2" },
	{ "BODY needle-in", "" },
	{ "BODY plain", "" },
	{ "TEXT plain", " 1 2" }, /* the first one's Content-Type */
	{ "TEXT nested", " 2" },
	{ "TEXT \"\"", " 1 2 3" },
	{ "TEXT words", "" }, /* a preamble is no text */
	{ "UNSEEN OR SUBJECT last (BODY needle NOT FLAGGED)", " 2 3" },
	{ "MODSEQ 99999", "" },
	{ "OLDER 86400", " 1 2 3" },
	{ "YOUNGER 86400", "" },
	{ "YOUNGER 4294967295", " 1 2 3" },
	{ "SAVEDSINCE 1-Jan-2020", " 1 2 3" },
	{ "SAVEDBEFORE 1-Jan-2020", "" },
	{ "SAVEDON 29-Sep-1996", "" },
	{ "SAVEDATESUPPORTED", " 1 2 3" },
	{ "EMAILID Mffff", "" },
	{ "THREADID T1", "" },
	{ "NOT THREADID T1", " 1 2 3" },
	{ "CHARSET KOI8-R BODY \xed\xe9\xf2", " 2" },
	{ "CHARSET ISO-8859-1 SUBJECT \"gr\xfc\xdf\"", " 1" },
	{ "CHARSET \"utf-8\" ALL", " 1 2 3" },
	{ "LARGER 9223372036854775807", "" },
	{ "SMALLER 99999999999", " 1 2 3" },
	{ "$", "" },
	{ "NOT $", " 1 2 3" },
	{ "UID $", "" },
	{ "OR (SEEN SUBJECT gr) (NOT (SEEN) BODY larger)", " 1 3" },
	{ "UID 99", "" },
	{ "4", NULL },
	{ "0", NULL },
	{ "FOO", NULL },
	{ "SUBJECT", NULL },
	{ "SUBJECT x y", NULL },
	{ "(ALL", NULL },
	{ "OR ALL", NULL },
	{ "NOT", NULL },
	{ "ON yesterday", NULL },
	{ "LARGER -1", NULL },
	{ "SUBJECT \xff", NULL },
	{ "ALL ", NULL },
	{ "OLDER 0", NULL },
	{ "YOUNGER", NULL },
	{ "$,1", NULL },
	{ "1,$", NULL },
	{ "EMAILID", NULL },
	{ "CHARSET", NULL },
	{ "CHARSET UTF-8", NULL },
	{ "MODSEQ \"/flags/x\" both 1", NULL },
	{ "LARGER 9223372036854775808", NULL },
};

static void begin(struct world *w, struct talk *t)
{
	world_open(w);
	world_deliver(w, "INBOX", one, "Delivered-To: you@example.org\r\n");
	world_deliver(w, "INBOX", two, "Delivered-To: you@example.org\r\n");
	world_deliver(w, "INBOX", three, "Delivered-To: you@example.org\r\n");
	w->conf.limits.bad_commands = 1000;
	talk_begin(t, &w->conf);
	talk_feed(
	    t, STR("s SELECT INBOX\r\ns STORE 1 FLAGS.SILENT (\\Seen \\Flagged)\r\ns STORE 2 FLAGS.SILENT (todo)\r\n"));
	buf_clear(&t->out);
}

static void expect_rows(struct talk *t)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf say = { 0 }, want = { 0 };
		buf_printf(&say, "a SEARCH %s\r\n", rows[i].keys);
		buf_printf(&want, "* SEARCH%s\r\na OK SEARCH completed\r\n%c", rows[i].found ? rows[i].found : "", 0);
		talk_feed(t, buf_str(&say));
		buf_addc(&t->out, '\0');
		if (rows[i].found ? strcmp(t->out.p, want.p) != 0 && !strstr(rows[i].keys, "MODSEQ")
				  : strncmp(t->out.p, "a BAD ", 6) != 0)
			fail_msg("%s: %s", rows[i].keys, t->out.p);
		buf_clear(&t->out);
		buf_free(&say);
		buf_free(&want);
	}
}

static void test_keys(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	expect_rows(&t);
	SAY(&t, "a UID SEARCH NOT 1\r\n", "* SEARCH 2 3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH CHARSET X-NONE ALL\r\n", "a NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset\r\n");
	talk_end(&t);
	world_close(&w);
}

/* As the indexer does it, for one message; with other text when `lie` is there. */
static void index_one(struct world *w, uint32_t uid, bool unsure, const char *lie)
{
	struct arena a = { 0 };
	struct buf head = { 0 }, body = { 0 };
	struct mailbox *inbox;
	struct msg *row;
	struct err e = { 0 };
	size_t n;
	bool all;
	assert_true(mailbox_find(w->st, w->account, STR("INBOX"), &a, &inbox, &e));
	assert_true(msg_page(w->st, inbox->id, uid, uid, false, &a, &row, &n, &e));
	assert_int_equal(n, 1);
	struct message m = { .st = w->st, .a = &a, .row = row };
	assert_true(text_index(&m, &head, &body, &all, &e));
	message_close(&m);
	struct search_doc doc = { row->content_id, buf_str(&head), lie ? str_of(lie) : buf_str(&body), unsure || !all };
	struct search_mark mark = { inbox->id, uid };
	struct search_have have;
	if (!search_have(w->conf.search, w->account, &a, &have, &e) ||
	    !search_put(w->conf.search, w->account, have.file, &doc, 1, &mark, 1, &e))
		fail_msg("%s", e.text);
	buf_free(&head);
	buf_free(&body);
	arena_reset(&a);
}

static void index_begin(struct world *w)
{
	struct err e = { 0 };
	search_warm();
	w->conf.search = search_open(w->st, &e);
	if (!w->conf.search || !search_lock(w->conf.search, &e) || !search_wet(w->conf.search, &w->account, 1, &e))
		fail_msg("%s", e.text);
}

static void index_end(struct world *w)
{
	search_close(w->conf.search);
	w->conf.search = NULL;
}

/* With an index that knows nothing, some of it, is not sure of some, knows all: the same is found. */
static void test_index_same(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	index_begin(&w);
	expect_rows(&t);
	index_one(&w, 1, false, NULL);
	expect_rows(&t);
	index_one(&w, 2, true, NULL);
	expect_rows(&t);
	index_one(&w, 3, false, NULL);
	expect_rows(&t);
	talk_end(&t);
	index_end(&w);
	world_close(&w);
}

/* What the index says of a body is believed, where it is sure; else the message is read. */
static void test_index_used(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	index_begin(&w);
	index_one(&w, 1, false, "sentinel");
	index_one(&w, 2, true, "sentinel");
	SAY(&t, "a SEARCH BODY sentinel\r\n", "* SEARCH 1\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH TEXT sentinel\r\n", "* SEARCH 1\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH OR BODY caf BODY innermost\r\n", "* SEARCH 2\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH NOT BODY sentinel\r\n", "* SEARCH 2 3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH BODY larger\r\n", "* SEARCH 3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH BODY ca\r\n", "* SEARCH 1\r\na OK SEARCH completed\r\n"); /* too short for the index */
	SAY(&t, "a SEARCH RETURN (MAX) BODY sentinel\r\n", "* ESEARCH (TAG \"a\") MAX 1\r\na OK SEARCH completed\r\n");
	talk_end(&t);
	index_end(&w);
	world_close(&w);
}

static void test_esearch(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a SEARCH RETURN () ALL\r\n", "* ESEARCH (TAG \"a\") ALL 1:3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (ALL) 9:*\r\n", "* ESEARCH (TAG \"a\") ALL 3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (ALL) 9:*,1\r\n", "* ESEARCH (TAG \"a\") ALL 1,3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (ALL) NOT 2\r\n", "* ESEARCH (TAG \"a\") ALL 1,3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN COUNT) UNSEEN\r\n",
	    "* ESEARCH (TAG \"a\") MIN 2 COUNT 2\r\na OK SEARCH completed\r\n");
	SAY(&t, "b UID SEARCH RETURN (MIN MAX) 1:3\r\n",
	    "* ESEARCH (TAG \"b\") UID MIN 1 MAX 3\r\nb OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN) UNSEEN\r\n", "* ESEARCH (TAG \"a\") MIN 2\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MAX) SEEN\r\n", "* ESEARCH (TAG \"a\") MAX 1\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN MAX) SEEN\r\n", "* ESEARCH (TAG \"a\") MIN 1 MAX 1\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN MAX ALL) DELETED\r\n", "* ESEARCH (TAG \"a\")\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (COUNT) DELETED\r\n", "* ESEARCH (TAG \"a\") COUNT 0\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL 1:2) ALL\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (1:2 1:2)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL 3:2) ALL\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (3:2 2:3)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (PARTIAL -1:-1) UNSEEN\r\n",
	    "* ESEARCH (TAG \"a\") UID PARTIAL (-1:-1 3)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL -2:-500 COUNT MIN) ALL\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 COUNT 3 PARTIAL (-2:-500 1:2)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL -1:-2 MIN) ALL\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 PARTIAL (-1:-2 2:3)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL 1:1 MAX) ALL\r\n",
	    "* ESEARCH (TAG \"a\") MAX 3 PARTIAL (1:1 1)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL 9:10) ALL\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (9:10 NIL)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL 1:10) DELETED\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (1:10 NIL)\r\na OK SEARCH completed\r\n");
	static const char *const wrong[] = { "RETURN ALL ALL",
					     "RETURN (BEST) ALL",
					     "RETURN (MIN ALL",
					     "RETURN (MIN)",
					     "RETURN (PARTIAL) ALL",
					     "RETURN (PARTIAL 1:-1) ALL",
					     "RETURN (PARTIAL 0:1) ALL",
					     "RETURN (PARTIAL 1) ALL",
					     "RETURN (PARTIAL -1:1) ALL",
					     "RETURN (PARTIAL 1:2 ALL) ALL",
					     "RETURN (ALL PARTIAL 1:2) ALL",
					     "RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct buf say = { 0 };
		buf_printf(&say, "a SEARCH %s\r\n", wrong[i]);
		talk_feed(&t, buf_str(&say));
		HEAR(&t, "a BAD ~\r\n");
		buf_free(&say);
	}
	talk_end(&t);
	world_close(&w);
}

/* The modseq is that of what is returned (RFC 4731 3.2). */
static void test_modseq(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "s STORE 1 +FLAGS.SILENT (b)\r\ns STORE 3 +FLAGS.SILENT (b)\r\ns STORE 2 +FLAGS.SILENT (b)\r\n",
	    "~\r\n~\r\n~\r\n");
	SAY(&t, "a SEARCH MODSEQ 1\r\n",
	    "* OK [HIGHESTMODSEQ #] ~\r\n* SEARCH 1 2 3 (MODSEQ 9)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH MODSEQ \"/flags/\\\\draft\" all 1\r\n",
	    "* SEARCH 1 2 3 (MODSEQ 9)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH MODSEQ 99\r\n", "* SEARCH\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN) MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 MODSEQ 7\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MAX) MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") MAX 3 MODSEQ 8\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN MAX) MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 MAX 3 MODSEQ 8\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (MIN COUNT) MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 COUNT 3 MODSEQ 9\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL -1:-1) MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (-1:-1 3) MODSEQ 8\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (PARTIAL 8:9) MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (8:9 NIL)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (ALL) MODSEQ 99\r\n", "* ESEARCH (TAG \"a\")\r\na OK SEARCH completed\r\n");
	talk_end(&t);
	world_close(&w);
}

/* RFC 5182 */
static void test_saved(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	world_deliver(&w, "INBOX", three, "");
	SAY(&t, "a NOOP\r\n", "* 4 EXISTS\r\n~\r\na OK ~\r\n");
	SAY(&t, "a FETCH $ UID\r\n", "a OK FETCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (SAVE) UNSEEN\r\n", "a OK SEARCH completed\r\n");
	SAY(&t, "a FETCH $ UID\r\n",
	    "* FLAGS ~\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID FETCH $ UID\r\n",
	    "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\na OK FETCH completed\r\n");
	SAY(&t, "a UID SEARCH UID $ SMALLER 200\r\n", "* SEARCH 3 4\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH $ SMALLER 200\r\n", "* SEARCH 3 4\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH (OR $ 1) SUBJECT gr\r\n", "* SEARCH 1\r\na OK SEARCH completed\r\n");
	/* A search without SAVE, and a wrong one, leave it as it is. */
	SAY(&t, "a SEARCH RETURN (COUNT) ALL\r\n", "* ESEARCH (TAG \"a\") COUNT 4\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH RETURN (SAVE) FOO\r\n", "a BAD ~\r\n");
	SAY(&t, "a SEARCH $\r\n", "* SEARCH 2 3 4\r\na OK SEARCH completed\r\n");
	/* What is expunged leaves it; the others keep their place though their numbers change. */
	SAY(&t, "a STORE 1,3 +FLAGS.SILENT (\\Deleted)\r\na EXPUNGE\r\n",
	    "a OK ~\r\n* 1 EXPUNGE\r\n* 2 EXPUNGE\r\na OK ~\r\n");
	SAY(&t, "a SEARCH $\r\n", "* SEARCH 1 2\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH $\r\n", "* SEARCH 2 4\r\na OK SEARCH completed\r\n");
	SAY(&t, "a STORE $ +FLAGS.SILENT (mark)\r\n", "a OK ~\r\n");
	SAY(&t, "a SEARCH KEYWORD mark\r\n", "* SEARCH 1 2\r\na OK SEARCH completed\r\n");
	/* One that fails empties it. */
	SAY(&t, "a SEARCH RETURN (SAVE) CHARSET X-NONE ALL\r\n", "a NO [BADCHARSET ~\r\n");
	SAY(&t, "a SEARCH $\r\n", "* SEARCH\r\na OK SEARCH completed\r\n");
	/* RFC 5182 2.4, RFC 9394 3.2 */
	static const struct {
		const char *returns, *saved;
	} options[] = { { "SAVE MIN", " 1" },
			{ "SAVE MAX", " 2" },
			{ "MAX SAVE MIN", " 1 2" },
			{ "SAVE MIN COUNT", " 1 2" },
			{ "SAVE ALL MAX", " 1 2" },
			{ "SAVE PARTIAL 2:9", " 2" },
			{ "SAVE PARTIAL 2:9 MIN", " 1 2" },
			{ "SAVE PARTIAL 1:1 COUNT", " 1 2" } };
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		struct buf say = { 0 }, want = { 0 };
		buf_printf(&say, "a SEARCH RETURN (%s) ALL\r\na SEARCH $\r\n", options[i].returns);
		buf_printf(&want, "* ESEARCH ~\r\na OK ~\r\n* SEARCH%s\r\na OK SEARCH completed\r\n%c",
			   options[i].saved, 0);
		talk_feed(&t, buf_str(&say));
		HEAR(&t, want.p);
		buf_free(&say);
		buf_free(&want);
	}
	SAY(&t, "a SEARCH RETURN (SAVE) NONSENSE\r\n", "a BAD ~\r\n");
	SAY(&t, "a SEARCH RETURN (SAVE) DELETED\r\na SEARCH $\r\na COPY $ INBOX\r\n",
	    "a OK ~\r\n* SEARCH\r\na OK ~\r\na OK ~\r\n");
	SAY(&t, "a SEARCH RETURN (SAVE) ALL\r\na UID EXPUNGE $\r\n", "a OK ~\r\na OK ~\r\n");
	talk_feed(&t, STR("a SELECT INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a SEARCH $\r\n", "* SEARCH\r\na OK SEARCH completed\r\n");
	talk_end(&t);
	world_close(&w);
}

static void test_rev2(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a ENABLE IMAP4rev2\r\n", "* ENABLED ~\r\na OK ~\r\n");
	SAY(&t, "a SEARCH UNSEEN\r\n", "* ESEARCH (TAG \"a\") ALL 2:3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH DELETED\r\n", "* ESEARCH (TAG \"a\") UID\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH CHARSET UTF-8 SUBJECT plain\r\n", "* ESEARCH (TAG \"a\") ALL 2\r\na OK SEARCH completed\r\n");
	SAY(&t, "a ENABLE UTF8=ACCEPT\r\n", "* ENABLED ~\r\na OK ~\r\n");
	SAY(&t, "a SEARCH CHARSET UTF-8 SUBJECT plain\r\n", "a BAD ~\r\n"); /* RFC 6855 3 */
	SAY(&t, "a SEARCH SUBJECT \"gr\xc3\xbc\xc3\x9f\"\r\n",
	    "* ESEARCH (TAG \"a\") ALL 1\r\na OK SEARCH completed\r\n");
	talk_feed(&t, STR("a UNSELECT\r\na ENABLE UIDONLY\r\na SELECT INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a UID SEARCH 1:2\r\n", "a BAD [UIDREQUIRED] ~\r\n");
	SAY(&t, "a UID SEARCH UID 1:2\r\n", "* ESEARCH (TAG \"a\") UID ALL 1:2\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (SAVE) UID 2\r\na UID SEARCH $\r\n",
	    "a OK ~\r\n* ESEARCH (TAG \"a\") UID ALL 2\r\na OK SEARCH completed\r\n");
	talk_end(&t);
	world_close(&w);
}

static void test_email_id(void **state)
{
	struct world w;
	struct talk t;
	struct buf say = { 0 };
	(void)state;
	begin(&w, &t);
	talk_feed(&t, STR("a FETCH 2 EMAILID\r\n"));
	struct str all = buf_str(&t.out);
	size_t at = str_find(all, STR("EMAILID ("));
	assert_true(at < all.n);
	all = str_sub(all, at + 9, all.n);
	struct str id = str_cut(&all, ')');
	buf_printf(&say, "a SEARCH EMAILID %.*s\r\n", STRF(id));
	buf_clear(&t.out);
	talk_feed(&t, buf_str(&say));
	HEAR(&t, "* SEARCH 2\r\na OK SEARCH completed\r\n");
	buf_free(&say);
	talk_end(&t);
	world_close(&w);
}

/* More than a page, with holes, forward and back; and how far it is, between the pages of a long one. */
static void test_pages(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	world_open(&w);
	for (int i = 0; i < 700; i++)
		world_deliver(&w, "INBOX", i % 100 == 50 ? one : three, "");
	talk_begin(&t, &w.conf);
	talk_feed(&t, STR("s SELECT INBOX\r\ns STORE 2:200,300,650:699 +FLAGS.SILENT (\\Deleted)\r\ns EXPUNGE\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a SEARCH RETURN (COUNT MIN MAX) ALL\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 MAX 450 COUNT 450\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (ALL) ALL\r\n",
	    "* ESEARCH (TAG \"a\") UID ALL 1,201:299,301:649,700\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH SUBJECT gr\r\n", "* SEARCH 251 351 451 551\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (MAX) SUBJECT gr\r\n",
	    "* ESEARCH (TAG \"a\") UID MAX 551\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (MIN MAX) SUBJECT gr\r\n",
	    "* ESEARCH (TAG \"a\") UID MIN 251 MAX 551\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (PARTIAL -1:-3) SUBJECT gr\r\n",
	    "* ESEARCH (TAG \"a\") UID PARTIAL (-1:-3 351,451,551)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH RETURN (PARTIAL 2:3) BODY gross\r\n",
	    "* ESEARCH (TAG \"a\") UID PARTIAL (2:3 351,451)\r\na OK SEARCH completed\r\n");
	SAY(&t, "a UID SEARCH UID 300:400,700 NOT UID 700 BODY gross\r\n", "* SEARCH 351\r\na OK SEARCH completed\r\n");
	w.conf.limits.progress_ms = 0;
	SAY(&t, "a UID SEARCH UID 351:352 BODY gross\r\n",
	    "* OK [INPROGRESS (\"a\" 1 2)] ~\r\n* OK [INPROGRESS (\"a\" 1 2)] ~\r\n"
	    "* SEARCH 351\r\na OK SEARCH completed\r\n");
	talk_end(&t);
	world_close(&w);
}

/* Nobody waits for the answer any more: the walk ends with the page. */
static void test_gone(void **state)
{
	struct world w;
	struct talk t = { 0 };
	int ends[2];
	(void)state;
	world_open(&w);
	world_deliver(&w, "INBOX", three, "");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	t.door = imap_door(&w.conf, NULL);
	t.peer = (struct peer){ .io = io_socket(ends[0]), .door = &t.door, .ctx = &w.conf, .conn = &t.conn };
	assert_true(addr_parse(STR("192.0.2.7"), &t.peer.remote.addr));
	t.next = t.door.open(&t.peer, &t.session);
	talk_feed(&t, STR("s SELECT INBOX\r\na SEARCH ALL\r\n"));
	assert_true(str_ends(buf_str(io_out(t.peer.io)), STR("* SEARCH 1\r\na OK SEARCH completed\r\n")));
	close(ends[1]);
	talk_feed(&t, STR("b SEARCH ALL\r\n"));
	assert_true(str_ends(buf_str(io_out(t.peer.io)), STR("b NO [UNAVAILABLE] the client is gone\r\n")));
	talk_end(&t);
	world_close(&w);
}

static void test_empty(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	world_open(&w);
	talk_begin(&t, &w.conf);
	talk_feed(&t, STR("s SELECT INBOX\r\n"));
	buf_clear(&t.out);
	SAY(&t, "a SEARCH ALL\r\n", "* SEARCH\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH 1:*\r\n", "* SEARCH\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH 2\r\n", "a BAD ~\r\n");
	SAY(&t, "a UID SEARCH RETURN (MIN MAX COUNT) UID 1:*\r\n",
	    "* ESEARCH (TAG \"a\") UID COUNT 0\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SORT (DATE) UTF-8 ALL\r\n", "* SORT\r\na OK SORT completed\r\n");
	SAY(&t, "a THREAD REFERENCES UTF-8 ALL\r\n", "* THREAD\r\na OK THREAD completed\r\n");
	talk_end(&t);
	world_close(&w);
}

static bool parses(const char *text)
{
	struct arena a = { 0 };
	struct search s;
	struct parser p = parser_new(str_of(text), &a, 50);
	bool ok = parse_search(&p, CHARSET_MAY, &s);
	arena_reset(&a);
	return ok;
}

/* However many keys look into one header: what the first of them takes is all that stays. */
static void test_long_header(void **state)
{
	struct world w;
	struct arena a = { 0 };
	struct buf letter = { 0 };
	struct mailbox *inbox;
	struct msg *row;
	struct err e = { 0 };
	size_t n;
	bool has;
	(void)state;
	world_open(&w);
	for (int i = 0; i < 5000; i++)
		buf_printf(&letter, "X-Long: %d and so on, far beyond what a line should have, or a header\r\n", i);
	buf_addz(&letter, "\r\nhello\r\n");
	buf_addc(&letter, '\0');
	assert_true(letter.n > MESSAGE_WHOLE);
	uint32_t uid = world_deliver(&w, "INBOX", letter.p, "");
	assert_true(mailbox_find(w.st, w.account, STR("INBOX"), &a, &inbox, &e));
	assert_true(msg_page(w.st, inbox->id, uid, uid, false, &a, &row, &n, &e));
	struct message m = { .st = w.st, .a = &a, .row = row };
	assert_true(text_header_has(&m, STR("X-Long"), STR("4999 and"), &has, &e) && has);
	size_t used = a.used;
	assert_true(used < MESSAGE_WHOLE);
	for (int i = 0; i < 10; i++)
		assert_true(text_header_has(&m, STR_NONE, STR("nowhere"), &has, &e) && !has);
	assert_int_equal(a.used, used);
	message_close(&m);
	buf_free(&letter);
	arena_reset(&a);
	world_close(&w);
}

static void test_bounds(void **state)
{
	(void)state;
	struct buf b = { 0 };
	for (int i = 0; i < 49; i++)
		buf_addz(&b, "NOT ");
	buf_addz(&b, "ALL");
	buf_addc(&b, '\0');
	assert_true(parses(b.p));
	buf_clear(&b);
	for (int i = 0; i < 60; i++)
		buf_addc(&b, '(');
	buf_addc(&b, '\0');
	assert_false(parses(b.p));
	buf_clear(&b);
	for (int i = 0; i < 1001; i++)
		buf_addz(&b, "ALL ");
	b.n--;
	buf_addc(&b, '\0');
	assert_false(parses(b.p));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_keys),       cmocka_unit_test(test_index_same),
					    cmocka_unit_test(test_index_used), cmocka_unit_test(test_esearch),
					    cmocka_unit_test(test_modseq),     cmocka_unit_test(test_saved),
					    cmocka_unit_test(test_rev2),       cmocka_unit_test(test_email_id),
					    cmocka_unit_test(test_pages),      cmocka_unit_test(test_empty),
					    cmocka_unit_test(test_gone),       cmocka_unit_test(test_long_header),
					    cmocka_unit_test(test_bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
