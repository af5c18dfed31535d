#include "imap/search.h"
#include "imap/talk_test.h"

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

static void test_keys(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf say = { 0 }, want = { 0 };
		buf_printf(&say, "a SEARCH %s\r\n", rows[i].keys);
		buf_printf(&want, "* SEARCH%s\r\na OK SEARCH completed\r\n%c", rows[i].found ? rows[i].found : "", 0);
		talk_feed(&t, buf_str(&say));
		buf_addc(&t.out, '\0');
		if (rows[i].found ? strcmp(t.out.p, want.p) != 0 && !strstr(rows[i].keys, "MODSEQ")
				  : strncmp(t.out.p, "a BAD ", 6) != 0)
			fail_msg("%s: %s", rows[i].keys, t.out.p);
		buf_clear(&t.out);
		buf_free(&say);
		buf_free(&want);
	}
	SAY(&t, "a UID SEARCH NOT 1\r\n", "* SEARCH 2 3\r\na OK SEARCH completed\r\n");
	SAY(&t, "a SEARCH CHARSET KOI8-R ALL\r\n", "a NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset\r\n");
	talk_end(&t);
	world_close(&w);
}

static bool parses(const char *text)
{
	struct arena a = { 0 };
	struct search s;
	struct parser p = parser_new(str_of(text), &a, 50);
	bool ok = parse_search(&p, &s);
	arena_reset(&a);
	return ok;
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_keys), cmocka_unit_test(test_bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
