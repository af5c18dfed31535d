/* SORT and THREAD as a client sees them. */
#include "imap/talk_test.h"

static const char *const letters[] = {
	/* 1 */ "From: \"Zoe\" <bob@x.example>\r\nTo: carl@x.example\r\nSubject: Re: beta\r\n"
		"Date: Tue, 2 Jan 2001 10:00:00 +0000\r\nMessage-ID: <1@x>\r\nReferences: <2@x>\r\n\r\n1\r\n",
	/* 2 */
	"From: =?utf-8?q?=C3=84nne?= <Zed@x.example>\r\nTo: Ann <ann@x.example>\r\nCc: you@x.example\r\n"
	"Subject: beta\r\nDate: Mon, 1 Jan 2001 23:00:00 -0800\r\nMessage-ID: <2@x>\r\n\r\n22\r\n",
	/* 3 */
	"From: alice@x.example\r\nSubject: [list] Alpha (fwd)\r\n"
	"Date: Tue, 2 Jan 2001 08:00:00 +0000\r\nMessage-ID: <\"3\"@x>\r\n\r\n333\r\n",
	/* 4: no From, no Date: INTERNALDATE (1996) is its sent date */
	"Subject: gamma\r\nTo: team: bert@x.example;\r\nIn-Reply-To: Your letter <3@x>\r\n\r\n4444\r\n",
	/* 5 */ "From: dora@x.example\r\nSubject: \r\nDate: nonsense\r\n\r\n55555\r\n",
};

static void begin(struct world *w, struct talk *t)
{
	world_open(w);
	w->conf.limits.bad_commands = 1000;
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		world_deliver(w, "INBOX", letters[i], "");
	talk_begin(t, &w->conf);
	talk_feed(t, STR("s SELECT INBOX\r\n"));
	buf_clear(&t->out);
}

static const struct {
	const char *arguments, *sorted; /* NULL: BAD */
} rows[] = {
	{ "(ARRIVAL) UTF-8 ALL", " 1 2 3 4 5" },
	{ "(REVERSE ARRIVAL) UTF-8 ALL", " 1 2 3 4 5" }, /* all equal: as they stand */
	{ "(DATE) UTF-8 ALL", " 4 5 2 3 1" },
	{ "(REVERSE DATE) UTF-8 ALL", " 1 3 2 4 5" },
	{ "(FROM) UTF-8 ALL", " 4 3 1 5 2" }, /* the local part, whatever the case */
	{ "(TO) UTF-8 ALL", " 3 5 2 1 4" },   /* of a group its name */
	{ "(CC REVERSE SIZE) UTF-8 1:4", " 1 3 4 2" },
	{ "(DISPLAYFROM) UTF-8 ALL", " 4 3 2 5 1" }, /* alice@ Anne dora@ Zoe: apart and in capitals */
	{ "(DISPLAYTO) UTF-8 ALL", " 3 5 2 1 4" },
	{ "(SUBJECT) UTF-8 ALL", " 5 3 1 2 4" },
	{ "(SUBJECT DATE) UTF-8 ALL", " 5 3 2 1 4" },
	{ "(REVERSE SUBJECT DATE) US-ASCII NOT 4", " 2 1 3 5" },
	{ "(reverse subject date subject reverse date) \"utf-8\" ALL", " 4 2 1 3 5" },
	{ "(SIZE) UTF-8 SUBJECT gamma", " 4" },
	{ "(SIZE) UTF-8 SUBJECT nothing", "" },
	{ "(SIZE) KOI8-R ALL", "" },
	{ "() UTF-8 ALL", NULL },
	{ "DATE UTF-8 ALL", NULL },
	{ "(DATE UTF-8 ALL", NULL },
	{ "(REVERSE) UTF-8 ALL", NULL },
	{ "(REVERSE REVERSE DATE) UTF-8 ALL", NULL },
	{ "(AGE) UTF-8 ALL", NULL },
	{ "(DATE) UTF-8", NULL },
	{ "(DATE)", NULL },
};

static void test_sort(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf say = { 0 }, want = { 0 };
		buf_printf(&say, "a SORT %s\r\n", rows[i].arguments);
		buf_printf(&want, rows[i].sorted ? "* SORT%s\r\na OK SORT completed\r\n" : "a BAD ~\r\n",
			   rows[i].sorted ? rows[i].sorted : "");
		buf_addc(&want, '\0');
		talk_feed(&t, buf_str(&say));
		buf_addc(&t.out, '\0');
		if (!talk_match(want.p, t.out.p) && !strstr(rows[i].arguments, "KOI8"))
			fail_msg("%s: %s", rows[i].arguments, t.out.p);
		buf_clear(&t.out);
		buf_free(&say);
		buf_free(&want);
	}
	SAY(&t, "a SORT (DATE) X-NONE ALL\r\n", "a NO [BADCHARSET ~\r\n");
	SAY(&t, "a STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\na EXPUNGE\r\n",
	    "a OK ~\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\na OK ~\r\n");
	SAY(&t, "a SORT (SUBJECT) UTF-8 ALL\r\n", "* SORT 3 1 2\r\na OK SORT completed\r\n");
	SAY(&t, "a UID SORT (SUBJECT) UTF-8 ALL\r\n", "* SORT 5 3 4\r\na OK SORT completed\r\n");
	SAY(&t, "a UID SORT (SUBJECT) UTF-8 MODSEQ 1\r\n",
	    "* OK [HIGHESTMODSEQ ~\r\n* SORT 5 3 4 (MODSEQ #)\r\na OK SORT completed\r\n");
	talk_end(&t);
	world_close(&w);
}

static void test_esort(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a SORT RETURN () (SUBJECT DATE) UTF-8 ALL\r\n",
	    "* ESEARCH (TAG \"a\") ALL 5,3,2,1,4\r\na OK SORT completed\r\n");
	SAY(&t, "a UID SORT RETURN (ALL COUNT) (TO) UTF-8 ALL\r\n",
	    "* ESEARCH (TAG \"a\") UID ALL 3,5,2,1,4 COUNT 5\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (MIN MAX) (DATE) UTF-8 ALL\r\n",
	    "* ESEARCH (TAG \"a\") MIN 4 MAX 1\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (PARTIAL 1:3) (DATE) UTF-8 ALL\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (1:3 4:5,2)\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (PARTIAL -1:-2) (DATE) UTF-8 ALL\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (-1:-2 3,1)\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (PARTIAL 6:7) (DATE) UTF-8 ALL\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (6:7 NIL)\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (SAVE) (DATE) UTF-8 UID 2:3\r\na SEARCH $\r\n",
	    "a OK SORT completed\r\n* SEARCH 2 3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SORT RETURN (SAVE PARTIAL 1:2) (DATE) UTF-8 ALL\r\na SEARCH $\r\n",
	    "* ESEARCH ~\r\na OK SORT completed\r\n* SEARCH 4 5\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SORT RETURN (SAVE MIN MAX) (DATE) UTF-8 ALL\r\na SORT (REVERSE DATE) UTF-8 $\r\n",
	    "* ESEARCH ~\r\na OK SORT completed\r\n* SORT 1 4\r\na OK SORT completed\r\n");
	/* the modseq is that of what is returned (RFC 4731 3.2) */
	SAY(&t, "a STORE 2 +FLAGS.SILENT (x)\r\na STORE 4 +FLAGS.SILENT (x)\r\na STORE 5 +FLAGS.SILENT (x)\r\n",
	    "~\r\n~\r\n~\r\n");
	SAY(&t, "a SORT RETURN (MIN MAX) (DATE) UTF-8 MODSEQ 1\r\n",
	    "* OK [HIGHESTMODSEQ #] ~\r\n* ESEARCH (TAG \"a\") MIN 4 MAX 1 MODSEQ 8\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (PARTIAL 3:4) (DATE) UTF-8 MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (3:4 2:3) MODSEQ 7\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (PARTIAL 8:9) (DATE) UTF-8 MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") PARTIAL (8:9 NIL)\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (MIN COUNT) (DATE) UTF-8 MODSEQ 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 4 COUNT 5 MODSEQ 9\r\na OK SORT completed\r\n");
	SAY(&t, "a SORT RETURN (COUNT) (DATE) UTF-8 SUBJECT nothing\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 0\r\na OK SORT completed\r\n");
	talk_end(&t);
	world_close(&w);
}

static void test_thread(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a THREAD REFERENCES UTF-8 ALL\r\n", "* THREAD (5)(2 1)(3 4)\r\na OK THREAD completed\r\n");
	SAY(&t, "a THREAD references us-ascii NOT 3\r\n", "* THREAD (4)(5)(2 1)\r\na OK THREAD completed\r\n");
	SAY(&t, "a THREAD ORDEREDSUBJECT UTF-8 ALL\r\n", "* THREAD (4)(5)(2 1)(3)\r\na OK THREAD completed\r\n");
	SAY(&t, "a THREAD REFERENCES UTF-8 SUBJECT nothing\r\n", "* THREAD\r\na OK THREAD completed\r\n");
	SAY(&t, "a THREAD REFERENCES X-NONE ALL\r\n", "a NO [BADCHARSET ~\r\n");
	SAY(&t, "a THREAD JWZ UTF-8 ALL\r\n", "a BAD ~\r\n");
	SAY(&t, "a THREAD REFERENCES ALL\r\n", "a BAD ~\r\n");
	SAY(&t, "a THREAD REFERENCES UTF-8\r\n", "a BAD ~\r\n");
	SAY(&t, "a STORE 5 +FLAGS.SILENT (\\Deleted)\r\na STORE 2 +FLAGS.SILENT (\\Deleted)\r\na EXPUNGE\r\n",
	    "a OK ~\r\na OK ~\r\n* 2 EXPUNGE\r\n* 4 EXPUNGE\r\na OK ~\r\n");
	SAY(&t, "a THREAD REFERENCES UTF-8 ALL\r\n", "* THREAD (2 3)(1)\r\na OK THREAD completed\r\n");
	SAY(&t, "a UID THREAD REFERENCES UTF-8 ALL\r\n", "* THREAD (3 4)(1)\r\na OK THREAD completed\r\n");
	talk_end(&t);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sort), cmocka_unit_test(test_esort),
					    cmocka_unit_test(test_thread) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
