#include "archive/mbox.h"
#include "archive/octets.h"
#include "base/test.h"
#include "store/mailbox.h"

/* A file in memory, given out a few octets at a time. */
struct text {
	struct str rest;
	size_t piece;
};

static bool give(void *ctx, void *p, size_t room, size_t *n, struct err *e)
{
	struct text *t = ctx;
	struct str s = str_sub(t->rest, 0, t->piece && t->piece < room ? t->piece : room);
	(void)e;
	memcpy(p, s.p, s.n);
	*n = s.n;
	t->rest = str_sub(t->rest, s.n, t->rest.n);
	return true;
}

/* All messages of the file as one text: flags, keywords, date, then the octets. */
static struct str read_all(struct str file, enum mbox_kind kind, size_t max, size_t piece, struct buf *out)
{
	struct text t = { file, piece };
	struct mbox *m = mbox_open(give, &t, kind, max);
	struct mbox_message x;
	struct err e;
	enum mbox_got got;
	buf_clear(out);
	while ((got = mbox_next(m, &x, &e)) == MBOX_MESSAGE || got == MBOX_LARGE) {
		if (got == MBOX_LARGE)
			buf_printf(out, "<large %llu>", (unsigned long long)x.octets);
		else
			buf_printf(out, "<%x %.*s>%.*s", x.flags, STRF(x.keywords), STRF(x.bytes));
	}
	if (got == MBOX_NONE)
		buf_addz(out, "<no mbox>");
	if (got == MBOX_END)
		assert_int_equal(mbox_at(m), file.n);
	mbox_close(m);
	return buf_str(out);
}

#define FROM "From a@b Sat Nov 21 10:00:00 2020\n"

static void test_kinds(void **state)
{
	static const struct {
		const char *what;
		enum mbox_kind kind;
		const char *file, *want;
	} rows[] = {
		{ "empty", MBOX_ANY, "", "" },
		{ "no mbox", MBOX_ANY, "Subject: x\n\nx\n", "<no mbox>" },
		{ "one", MBOX_ANY, FROM "A: b\n\nx\n\n", "<0 >A: b\r\n\r\nx\r\n" },
		{ "without the last blank line", MBOX_ANY, FROM "A: b\n\nx\n", "<0 >A: b\r\n\r\nx\r\n" },
		{ "without the last line end", MBOX_ANY, FROM "A: b\n\nx", "<0 >A: b\r\n\r\nx" },
		{ "two", MBOX_ANY, FROM "A: b\n\nx\n\n" FROM "C: d\n\ny\n\n",
		  "<0 >A: b\r\n\r\nx\r\n<0 >C: d\r\n\r\ny\r\n" },
		{ "no body", MBOX_ANY, FROM "A: b\n\n" FROM "C: d\n\n\n", "<0 >A: b\r\n\r\n<0 >C: d\r\n\r\n" },
		{ "blank lines of the body", MBOX_ANY, FROM "A: b\n\n\nx\n\n\n" FROM "C: d\n\ny\n",
		  "<0 >A: b\r\n\r\n\r\nx\r\n\r\n<0 >C: d\r\n\r\ny\r\n" },
		{ "from without a date is text", MBOX_ANY, FROM "A: b\n\nx\n\nFrom me to you\n\ny\n",
		  "<0 >A: b\r\n\r\nx\r\n\r\nFrom me to you\r\n\r\ny\r\n" },
		{ "from without a blank line is text", MBOX_ANY, FROM "A: b\n\nx\n" FROM "y\n",
		  "<0 >A: b\r\n\r\nx\r\nFrom a@b Sat Nov 21 10:00:00 2020\r\ny\r\n" },
		{ "rd: one mark off", MBOX_RD, FROM "A: b\n\n>From x\n>>From y\n> From z\n",
		  "<0 >A: b\r\n\r\nFrom x\r\n>From y\r\n> From z\r\n" },
		{ "o: only what was quoted by it", MBOX_O, FROM "A: b\n\n>From x\n>>From y\n",
		  "<0 >A: b\r\n\r\nFrom x\r\n>>From y\r\n" },
		{ "quotes in the header, too", MBOX_ANY, FROM "A: b\n>From c\n\nx\n",
		  "<0 >A: b\r\nFrom c\r\n\r\nx\r\n" },
		{ "cl2: counted", MBOX_ANY, FROM "Content-Length: 46\n\n\n" FROM ">From c\n\nx\n\n" FROM "C: d\n\ny\n",
		  "<0 >\r\n\r\nFrom a@b Sat Nov 21 10:00:00 2020\r\n>From c\r\n\r\nx\r\n<0 >C: d\r\n\r\ny\r\n" },
		{ "cl: counted and quoted", MBOX_ANY, FROM "Content-Length: 10\n\n>From c\nx\n\n" FROM "C: d\n\ny\n",
		  "<0 >\r\nFrom c\r\nx\r\n<0 >C: d\r\n\r\ny\r\n" },
		{ "cl2 by name is not quoted", MBOX_CL2, FROM "Content-Length: 10\n\n>From c\nx\n\n" FROM "C: d\n\ny\n",
		  "<0 >\r\n>From c\r\nx\r\n<0 >C: d\r\n\r\ny\r\n" },
		{ "a count that is no lie to the octet", MBOX_ANY, FROM "Content-Length: 1\n\nx\n\n" FROM "C: d\n\ny\n",
		  "<0 >\r\nx<0 >C: d\r\n\r\ny\r\n" },
		{ "a lie stays in the message", MBOX_ANY,
		  FROM "A: b\nContent-Length: 3\nC: d\n\nxyz123\n\n" FROM "E: f\n\ny\n",
		  "<0 >A: b\r\nContent-Length: 3\r\nC: d\r\n\r\nxyz123\r\n<0 >E: f\r\n\r\ny\r\n" },
		{ "a lie beyond the file", MBOX_ANY, FROM "Content-Length: 300\n\nx\n\n" FROM "E: f\n\ny\n",
		  "<0 >Content-Length: 300\r\n\r\nx\r\n<0 >E: f\r\n\r\ny\r\n" },
		{ "rd does not look at counts", MBOX_RD, FROM "Content-Length: 2\n\nx\n\n" FROM "E: f\n\ny\n",
		  "<0 >Content-Length: 2\r\n\r\nx\r\n<0 >E: f\r\n\r\ny\r\n" },
		{ "status", MBOX_ANY,
		  FROM "A: b\nStatus: RO\nX-Status: AFDT\nX-Keywords: a $b  c(\nX-UID: 12\nC: d\n\nx\n",
		  "<1f a $b>A: b\r\nC: d\r\n\r\nx\r\n" },
		{ "the first is the file's, folded or not", MBOX_ANY, FROM "Status: R\n O\nStatus: mine\n\nx\n",
		  "<1 >Status: mine\r\n\r\nx\r\n" },
		{ "mozilla", MBOX_ANY,
		  FROM
		  "X-Mozilla-Status: 1007\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1      \nA: b\n\nx\n",
		  "<7 $Forwarded $label1>A: b\r\n\r\nx\r\n" },
		{ "mozilla's expunged ones are gone", MBOX_ANY,
		  FROM "X-Mozilla-Status: 0009\nA: b\n\nx\n\n" FROM "C: d\n\ny\n", "<0 >C: d\r\n\r\ny\r\n" },
		{ "uw imap's own message", MBOX_ANY,
		  FROM "X-IMAP: 1 2\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nx\n\n" FROM
		       "C: d\n\ny\n",
		  "<0 >C: d\r\n\r\ny\r\n" },
		{ "crlf", MBOX_ANY,
		  "From a Sat Nov 21 10:00:00 2020\r\nA: b\r\n\r\nx\r\n\r\nFrom a Sat Nov 21 10:00:00 2020\r\nC: "
		  "d\r\n\r\ny\r\n",
		  "<0 >A: b\r\n\r\nx\r\n<0 >C: d\r\n\r\ny\r\n" },
	};
	struct buf out = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t piece = 0; piece < 4; piece++) { /* whole, and by one, two, three octets */
			struct str got = read_all(str_of(rows[i].file), rows[i].kind, 1000, piece, &out);
			if (!str_eq(got, str_of(rows[i].want)))
				fail_msg("%s (%zu):\ngot  %.*s\nwant %s", rows[i].what, piece, STRF(got), rows[i].want);
		}
	buf_free(&out);
}

static void test_from_lines(void **state)
{
	static const struct {
		const char *line;
		int64_t wall_ms; /* 0: no From_ line */
	} rows[] = {
		{ "From a@b Sat Nov 21 10:00:00 2020\n", 1605952800000 },
		{ "From a@b Sat Nov 21 10:00:00 2020\r\n", 1605952800000 },
		{ "From - Sat Nov 21 10:00:00 2020\n", 1605952800000 },
		{ "From MAILER-DAEMON Sun Jan  3 01:05:34 2021\n", 1609635934000 },
		{ "From a@b  Sat Nov 21 10:00 2020\n", 1605952800000 },
		{ "From a@b Sat Nov 21 11:00:00 +0100 2020\n", 1605952800000 }, /* Gmail's */
		{ "From a@b Sat Nov 21 11:00:00 2020 +0100\n", 1605952800000 },
		{ "From a@b Sat Nov 21 05:00:00 EST 2020\n", 1605952800000 },
		{ "From a@b Sat Nov 21 10:00:00 XYZ 2020\n", 1605952800000 }, /* a zone that nobody knows */
		{ "From a@b Sat, 21 Nov 2020 10:00:00\n", 0 },
		{ "From a@b Sat, 21 Nov 10:00:00 2020\n", 1605952800000 },
		{ "From \"a b\" c@d Sat Nov 21 10:00:00 2020\n", 1605952800000 },
		{ "From me to you\n", 0 },
		{ "From a@b Sat Nov 41 10:00:00 2020\n", 0 },
		{ "From a@b Sat Nov 21 25:00:00 2020\n", 0 },
		{ "From a@b Sat Nov 21\n", 0 },
		{ "From \n", 0 },
		{ "From: a@b Sat Nov 21 10:00:00 2020\n", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t wall_ms = 0;
		bool is = mbox_from_line(str_of(rows[i].line), &wall_ms);
		if (is != (rows[i].wall_ms != 0) || (is && wall_ms != rows[i].wall_ms))
			fail_msg("%s: %d %lld", rows[i].line, is, (long long)wall_ms);
	}
}

static void test_large(void **state)
{
	struct buf file = { 0 }, out = { 0 };
	(void)state;
	buf_addz(&file, FROM "A: b\n\n");
	for (int i = 0; i < 3000000; i++) /* one line, longer than any piece */
		buf_addc(&file, 'x');
	buf_addz(&file, "\n\n" FROM "C: d\n\ny\n");
	struct str got = read_all(buf_str(&file), MBOX_ANY, 100000, 0, &out);
	assert_strz(got, "<large 3000042><0 >C: d\r\n\r\ny\r\n");
	assert_int_equal(read_all(buf_str(&file), MBOX_ANY, 5000000, 0, &out).n, 3000000 + 29);
	buf_free(&file);
	buf_free(&out);
}

/* What is written comes back the same, whatever stands in it. */
static void test_round_trip(void **state)
{
	static const char *const messages[] = {
		"A: b\r\n\r\nx\r\n",
		"A: b\r\n\r\n",
		"A: b\r\n\r\n\r\n",
		"A: b\r\n\r\nx",                                     /* no last line end */
		"A: b\r\n\r\nx\r\n\r\n\r\n",                         /* blank lines at the end */
		"A: b\r\n\r\nFrom me\r\n>From you\r\n>>From us\r\n", /* all quoted */
		"A: b\r\n\r\nx\r\n\r\nFrom a Sat Nov 21 10:00:00 2020\r\nB: c\r\n\r\ny\r\n",
		"From a Sat Nov 21 10:00:00 2020\r\nA: b\r\n\r\nx\r\n", /* in the header, where it is no field */
		"Status: RO\r\nX-Status: F\r\nX-Keywords: mine\r\n\r\nx\r\n",
		"Content-Length: 7\r\nX-UID: 4\r\nX-IMAPbase: 1 2\r\nX-Mozilla-Status: 0009\r\nX-Mozilla-Status2: 1\r\n"
		"X-Mozilla-Keys: k\r\n\r\nx\r\n",
		"Status: O\r\nStatus: O\r\n\r\nx",
		"A: b\r\n\r\nbare\nline\r\n", /* kept in the wire's form */
		"A: b\r\n\r\nx\r\r\ny\r\n",
		"A: b\r\n\r\n\r\nx\ny",
	};
	struct buf file = { 0 }, out = { 0 }, want = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		mbox_write(&file, &(struct mbox_write){ .bytes = str_of(messages[i]),
							.flags = MSG_SEEN | MSG_FLAGGED,
							.keywords = STR("$a b"),
							.internal_wall_ms = 1605952800000,
							.uid = 5 });
		buf_printf(&want, "<5 $a b>%s", messages[i]);
	}
	assert_str(read_all(buf_str(&file), MBOX_ANY, 1000, 0, &out), buf_str(&want));
	/* What would be taken for the end of one of the file's fields: the octets stay, the flags do not. */
	buf_clear(&file);
	mbox_write(&file, &(struct mbox_write){ .bytes = STR(" x\r\nA: b\r\n\r\nx\r\n"), .flags = MSG_SEEN });
	assert_strz(read_all(buf_str(&file), MBOX_ANY, 1000, 0, &out), "<0 > x\r\nA: b\r\n\r\nx\r\n");
	buf_free(&file);
	buf_free(&out);
	buf_free(&want);
}

static void test_octets(void **state)
{
	static const struct {
		const char *file, *wire;
	} rows[] = {
		{ "a\nb\n", "a\r\nb\r\n" },
		{ "a\r\nb\n", "a\r\nb\n" }, /* in the wire's form: as it stands */
		{ "a\nb\r\nc", "a\r\nb\r\nc" },
		{ "", "" },
		{ "a", "a" },
		{ "\n", "\r\n" },
		{ "a\nb\r\r\nc\n", "a\r\nb\r\r\nc\r\n" },
	};
	struct buf b = { 0 };
	char nul[] = { 'a', 0, 'b', 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		octets_to_wire(&b, str_of(rows[i].file));
		assert_strz(buf_str(&b), rows[i].wire);
	}
	buf_clear(&b);
	octets_to_file(&b, STR("a\r\nb\r\n"));
	assert_strz(buf_str(&b), "a\nb\n");
	buf_clear(&b);
	octets_to_file(&b, STR("a\r\nb\n"));
	assert_strz(buf_str(&b), "a\r\nb\n");
	assert_int_equal(octets_no_nul(nul, sizeof nul), 2);
	assert_memory_equal(nul,
			    "a\x80"
			    "b\x80",
			    4);
	assert_int_equal(octets_date(STR("Received: by x;\r\n Sat, 21 Nov 2020 10:00:00 +0000\r\nReceived: y; Sun\r\n"
					 "Date: Sun, 22 Nov 2020 10:00:00 +0000\r\n\r\nx")),
			 1605952800000);
	assert_int_equal(octets_date(STR("Received: by x\r\nDate: Sat, 21 Nov 2020 10:00:00 +0000\r\n\r\n")),
			 1605952800000);
	assert_int_equal(octets_date(STR("Subject: x\r\n\r\nDate: Sat, 21 Nov 2020 10:00:00 +0000\r\n")), 0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),      cmocka_unit_test(test_from_lines), cmocka_unit_test(test_large),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_octets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
