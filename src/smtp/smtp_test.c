#include "smtp/smtp.h"

#include "smtp/session.h"
#include "smtp/test_talk.h"

static void test_greeting(void **state)
{
	struct world *w = *state;
	expect_talk(w, "QUIT\r\n", R_GREET R_BYE);
	expect_talk(w, "helo c.example\r\nquit\r\n", R_GREET "250 mx.mox.example\r\n" R_BYE);
	expect_talk(w, HELO "QUIT  \r\n", R_GREET R_HELO R_BYE);
	w->conf.greeting = STR("hello there");
	expect_talk(w, "QUIT\r\n", "220 mx.mox.example hello there\r\n" R_BYE);
}

static void test_sequence(void **state)
{
	struct world *w = *state;
	expect_talk(w, RCPT HELO RCPT "DATA\r\n" MAIL MAIL "DATA\r\nBDAT 1\r\nxRSET\r\n" RCPT "QUIT\r\n",
		    R_GREET R_SEQ R_HELO R_SEQ R_SEQ R_MAIL R_SEQ "554 5.5.1 No valid recipients\r\n"
								  "503 5.5.1 MAIL and RCPT come before BDAT\r\n"
								  "250 2.0.0 Forgotten\r\n" R_SEQ R_BYE);
	expect_talk(w, MAIL "QUIT\r\n", R_GREET R_SEQ R_BYE);
	/* EHLO anew forgets the transaction */
	expect_talk(w, HELO MAIL HELO RCPT "QUIT\r\n", R_GREET R_HELO R_MAIL R_HELO R_SEQ R_BYE);
	/* once BDAT has begun only BDAT goes on */
	expect_talk(w, HELO MAIL RCPT "BDAT 2\r\na\r" RCPT "DATA\r\n" MAIL "RSET\r\nBDAT 0 LAST\r\nQUIT\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT
		    "250 2.0.0 2 octets so far\r\n" R_SEQ R_SEQ R_SEQ
		    "250 2.0.0 Forgotten\r\n503 5.5.1 MAIL and RCPT come before BDAT\r\n" R_BYE);
}

/* Each after EHLO; the last reply before 221. */
static void test_commands(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "NOOP", "250 2.0.0 Done" },
		{ "noop with words", "250 2.0.0 Done" },
		{ "RSET", "250 2.0.0 Forgotten" },
		{ "RSET x", "501 5.5.4 RSET takes no parameters" },
		{ "DATA x", "503 5.5.1 Bad sequence of commands" },
		{ "QUIT x", "501 5.5.4 QUIT takes no parameters" },
		{ "VRFY mjl", "252 2.5.0 Not told; send mail and see" },
		{ "VRFY", "501 5.5.4 An address is missing" },
		{ "EXPN team", "252 2.5.0 Not told; send mail and see" },
		{ "HELP mail", "214 2.0.0 MAIL FROM:<address> [parameters]" },
		{ "HELP", "214 2.0.0 RFC 5321 says it all" },
		{ "BOGUS", "500 5.5.1 Command not known here" },
		{ "", "500 5.5.1 Command not known here" },
		{ " NOOP", "500 5.5.1 Command not known here" },
		{ "LHLO c", "500 5.5.1 Command not known here" },
		{ "EHLO", "501 5.5.4 A host name or [address] is missing or malformed" },
		{ "EHLO two words", "501 5.5.4 A host name or [address] is missing or malformed" },
		{ "EHLO a..b", "501 5.5.4 A host name or [address] is missing or malformed" },
		{ "EHLO [192.0.2.1]", "250 HELP" },
		{ "EHLO [IPv6:2001:db8::1]", "250 HELP" },
		{ "EHLO my_machine", "250 HELP" },
		{ "STARTTLS", "502 5.5.1 No TLS here" },
		{ "AUTH PLAIN", "503 5.5.1 No logins here" },
		{ "MAIL", "501 5.1.7 Syntax: MAIL FROM:<address>" },
		{ "MAIL FROM:r@x.example", "501 5.1.7 Syntax: MAIL FROM:<address>" },
		{ "MAIL FROM:<r@x.example", "501 5.1.7 Syntax: MAIL FROM:<address>" },
		{ "MAIL FROM:<r@x@x.example>", "501 5.1.7 Syntax: MAIL FROM:<address>" },
		{ "MAIL FROM:<>", "250 2.1.0 Sender accepted" },
		{ "MAIL FROM: <r@x.example>", "250 2.1.0 Sender accepted" },
		{ "mail from:<r@[192.0.2.1]>", "250 2.1.0 Sender accepted" },
		{ "MAIL FROM:<@hop.example:r@x.example>", "250 2.1.0 Sender accepted" },
		{ "MAIL FROM:<\"\"@other.example>", "250 2.1.0 Sender accepted" },
		{ "MAIL FROM:<r@x.example> SIZE=104857600", "250 2.1.0 Sender accepted" },
		{ "MAIL FROM:<r@x.example> SIZE=104857601", "552 5.3.4 At most 104857600 octets are taken here" },
		{ "MAIL FROM:<r@x.example> BODY=BINARYMIME", "501 5.5.4 Parameter BODY is malformed" },
		{ "MAIL FROM:<r@x.example> X=y", "555 5.5.4 A parameter is not known here" },
		{ "MAIL FROM:<r@x.example>SIZE=1", "501 5.5.4 A blank must follow the address" },
		{ "MAIL FROM:<r@x.example> RET=FULL RET=FULL", "501 5.5.4 Parameter RET is there twice" },
		{ "MAIL FROM:<r\xc3\xa9@x.example>", "553 5.6.7 This sender needs SMTPUTF8" },
		{ "MAIL FROM:<r\xc3\xa9@x.example> SMTPUTF8", "250 2.1.0 Sender accepted" },
		{ "MAIL FROM:<r\xc3@x.example> SMTPUTF8", "501 5.1.7 Syntax: MAIL FROM:<address>" },
		{ "BDAT", "501 5.5.4 Syntax: BDAT octets [LAST]" },
		{ "BDAT x", "501 5.5.4 Syntax: BDAT octets [LAST]" },
		{ "BDAT 1 FIRST", "501 5.5.4 Syntax: BDAT octets [LAST]" },
		{ "BDAT 99999999999", "552 5.3.4 Far too large, goodbye" },
	};
	struct world *w = *state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_strz(last_line(w, str_fmt(&w->a, HELO "%s\r\n", rows[i].in)), rows[i].want);
}

/* Each after EHLO and MAIL. */
static void test_recipients(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "<mjl@mox.example>", R_RCPT },
		{ "<MJL+Test@MOX.example>", R_RCPT },
		{ "<\"mjl\"@mox.example>", R_RCPT },
		{ "<\"\"@mox.example>", R_RCPT },
		{ "<@hop.example:mjl@mox.example>", R_RCPT },
		{ "<team@mox.example>", R_RCPT },
		{ "<anybody@caught.example>", R_RCPT },
		{ "<postmaster>", R_RCPT },
		{ "<Postmaster@mx.mox.example>", R_RCPT },
		{ "<postmaster@mox.example>", R_RCPT },
		{ "<postmaster@unknown.example>", R_RELAY },
		{ "<unknown@mox.example>", R_USER },
		{ "<sleeper@mox.example>", "550 5.2.1 This mailbox takes no mail\r\n" },
		{ "<mjl@test.example>", R_RELAY },
		{ "<mjl@[127.0.0.10]>", R_RELAY },
		{ "<a%b@mox.example>", R_USER },
		{ "<a@b@mox.example>", "501 5.1.3 Syntax: RCPT TO:<address>\r\n" },
		{ "<>", "501 5.1.3 Syntax: RCPT TO:<address>\r\n" },
		{ "mjl@mox.example", "501 5.1.3 Syntax: RCPT TO:<address>\r\n" },
		{ "<mjl>", "501 5.1.3 Syntax: RCPT TO:<address>\r\n" },
		{ "<mjl@mox.example> NOTIFY=NEVER", R_RCPT },
		{ "<mjl@mox.example> NOTIFY=NEVER,DELAY", "501 5.5.4 Parameter NOTIFY is malformed\r\n" },
		{ "<mjl@mox.example> SIZE=1", "555 5.5.4 A parameter is not known here\r\n" },
		{ "<j\xc3\xb6@mox.example>", "553 5.6.7 This recipient needs SMTPUTF8\r\n" },
	};
	struct world *w = *state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_str(last_line(w, str_fmt(&w->a, HELO MAIL "RCPT TO:%s\r\n", rows[i].in)),
			   str_chomp(str_of(rows[i].want)));
}

static void test_delivery(void **state)
{
	struct world *w = *state;
	expect_talk(w, HELO MAIL RCPT "DATA\r\n" BODY "..dot\r\n.\r\nQUIT\r\n", R_BEGIN R_ACCEPTED R_BYE);
	assert_int_equal(world_count(w, w->mjl), 1);
	struct str m = world_last(w, w->mjl);
	assert_true(str_starts(
	    m, STR("Return-Path: <r@x.example>\r\nDelivered-To: mjl@mox.example\r\n"
		   "Received: from c.example ([192.0.2.7])\r\n\tby mx.mox.example (Sluice) with ESMTP\r\n\tid ")));
	assert_true(str_find(m, STR(" for <mjl@mox.example>;\r\n\t")) < m.n);
	assert_true(str_ends(m, STR(" +0000\r\n" BODY ".dot\r\n")));
	/* The next transaction of the session is a new one. */
	expect_talk(w, BEGIN BODY ".\r\n" RCPT MAIL RCPT "DATA\r\n.\r\nQUIT\r\n",
		    R_BEGIN R_ACCEPTED R_SEQ R_MAIL R_RCPT R_DATA R_ACCEPTED R_BYE);
	assert_int_equal(world_count(w, w->mjl), 3);
	m = world_last(w, w->mjl);
	assert_true(str_ends(m, STR(" +0000\r\n"))); /* an empty message is one, too */
	/* HELO is plain SMTP */
	expect_talk(w, "HELO [192.0.2.9]\r\nMAIL FROM:<>\r\n" RCPT "DATA\r\n" BODY ".\r\n",
		    R_GREET "250 mx.mox.example\r\n" R_MAIL R_RCPT R_DATA R_ACCEPTED);
	m = world_last(w, w->mjl);
	assert_true(str_starts(m, STR("Return-Path: <>\r\n")));
	assert_true(str_find(m, STR("Received: from [192.0.2.9] ([192.0.2.7])")) < m.n);
	assert_true(str_find(m, STR(" with SMTP\r\n")) < m.n);
	/* A peer that leaves in the middle leaves nothing. */
	expect_talk(w, BEGIN BODY, R_BEGIN);
	assert_int_equal(world_count(w, w->mjl), 4);
}

static void test_several(void **state)
{
	struct world *w = *state;
	expect_talk(w,
		    HELO MAIL RCPT RCPT "RCPT TO:<MJL@MOX.EXAMPLE>\r\nRCPT TO:<mjl+a@mox.example>\r\n"
					"RCPT TO:<team@mox.example>\r\nRCPT TO:<nobody@mox.example>\r\nDATA\r\n" BODY
					".\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT R_RCPT R_RCPT R_RCPT R_RCPT R_USER R_DATA R_ACCEPTED);
	/* mjl, mjl+a and team */
	assert_int_equal(world_count(w, w->mjl), 3);
	assert_int_equal(world_count(w, w->catcher), 1);
	struct str m = world_last(w, w->catcher);
	assert_true(str_find(m, STR("Delivered-To: team@mox.example\r\n")) < m.n);
	assert_true(str_find(m, STR(" for <")) == m.n);
}

static void test_catchall(void **state)
{
	struct world *w = *state;
	expect_talk(w, HELO MAIL "RCPT TO:<who@caught.example>\r\nDATA\r\n" BODY ".\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT R_DATA R_ACCEPTED);
	assert_int_equal(world_count(w, w->catcher), 1);
	assert_int_equal(world_count(w, w->mjl), 0);
}

static void test_smtputf8(void **state)
{
	struct world *w = *state;
	expect_talk(w,
		    HELO "MAIL FROM:<r\xc3\xa9@x.example> SMTPUTF8 BODY=8BITMIME\r\n" RCPT
			 "DATA\r\nSubject: \xc3\xa9\r\n\r\n\r\n.\r\n",
		    R_BEGIN R_ACCEPTED);
	struct str m = world_last(w, w->mjl);
	assert_true(str_starts(m, STR("Return-Path: <r\xc3\xa9@x.example>\r\n")));
	assert_true(str_find(m, STR(" with UTF8SMTP\r\n")) < m.n);
}

/* Octets that another server could take for the end of a message, or of a line. None may end ours; all are refused. */
static void test_smuggling(void **state)
{
	static const struct str ends[] = {
		{ "\n.\n", 3 },       { "\n.\r\n", 4 },     { "\r.\r", 3 },       { "\r.\r\n", 4 },
		{ "\r\n.\n", 4 },     { "\r\n.\r", 4 },     { "\r\n\n.\r\n", 6 }, { "\r\r\n.\r\n", 6 },
		{ "\n\n.\n\n", 5 },   { "\r\n.\r\r\n", 6 }, { "\r\n.\n\r\n", 6 }, { "\r\n\r.\r\n", 6 },
		{ "\r\n.\0\r\n", 6 }, { "\r\n\0.\r\n", 6 }, { "\0\r\n", 3 },      { "\n", 1 },
		{ "\r", 1 },
	};
	struct world *w = *state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct buf b = { 0 };
		buf_addz(&b, BEGIN "Subject: a\r\n\r\nfirst");
		buf_add(&b, ends[i]);
		buf_addz(&b, MAIL RCPT "DATA\r\nSubject: smuggled\r\n\r\nsecond\r\n.\r\nQUIT\r\n");
		bool nul = str_chr(ends[i], '\0') < ends[i].n;
		struct str whole = nul ? STR(R_BEGIN "550 5.6.0 The message has NUL octets\r\n" R_BYE)
				       : STR(R_BEGIN
					     "550 5.6.11 The message has a CR or LF that stands alone\r\n" R_BYE);
		struct str got = world_talk(w, buf_str(&b));
		/* Some of these hold a true CRLF.CRLF behind what is bare: then that one ends the message, refused all
		 * the same. */
		struct str first = str_sub(whole, 0, whole.n - sizeof R_BYE + 1);
		if (!str_starts(got, first))
			fail_msg("row %zu: %.*s", i, STRF(got));
		if (str_find(buf_str(&b), STR("\r\n.\r\n")) > str_find(buf_str(&b), STR("smuggled")))
			assert_str(got, whole);
		buf_free(&b);
	}
	assert_true(world_count(w, w->mjl) <= 3);
}

/* A command line with a bare end is not a command, and nothing follows from its rest. */
static void test_bare_lines(void **state)
{
	struct world *w = *state;
	const char *bad = "500 5.5.2 A command ends with CR LF and has neither inside, nor NUL\r\n";
	expect_talk(w, HELO "NOOP\nQUIT\r\n", str_z(&w->a, str_fmt(&w->a, "%s%s%s", R_GREET R_HELO, bad, R_BYE)));
	expect_talk(w, HELO "NOOP\rNOOP\r\nQUIT\r\n",
		    str_z(&w->a, str_fmt(&w->a, "%s%s%s", R_GREET R_HELO, bad, R_BYE)));
	expect_talk(w, HELO "NOOP\0\r\nQUIT\r\n", str_z(&w->a, str_fmt(&w->a, "%s%s%s", R_GREET R_HELO, bad, R_BYE)));
}

static void test_repair(void **state)
{
	struct world *w = *state;
	w->conf.kind = SMTP_LOCAL;
	w->conf.repair_bare = true;
	smtp_limits_default(&w->conf.limits, SMTP_LOCAL);
	struct str in = STR(BEGIN "From: <mjl@mox.example>\nDate: d\nMessage-Id: <m>\n\na\n.\nb\rc\n\r\n.\r\nQUIT\r\n");
	assert_true(str_ends(world_talk(w, in), STR(R_DATA R_ACCEPTED R_BYE)));
	struct str m = world_last(w, w->mjl);
	assert_true(
	    str_ends(m, STR("From: <mjl@mox.example>\r\nDate: d\r\nMessage-Id: <m>\r\n\r\na\r\n.\r\nb\r\nc\r\n\r\n")));
}

static void test_not_smtp(void **state)
{
	struct world *w = *state;
	expect_talk(w, "bogus\r\n" HELO, R_GREET "500 5.5.2 This is an SMTP server, goodbye\r\n");
	expect_talk(w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n" HELO,
		    R_GREET "500 5.5.2 This is an SMTP server, goodbye\r\n");
	expect_talk(w, "POST /\r\n" HELO, R_GREET "500 5.5.2 This is an SMTP server, goodbye\r\n");
	expect_talk(w, "\x16\x03\x01\x02\x01\x01\r\n" HELO, R_GREET);
	expect_talk(w, "EHLO c.example\n" HELO, R_GREET "500 5.5.2 This is an SMTP server, goodbye\r\n");
	/* later mistakes go on */
	expect_talk(w, "NOOP\r\nbogus\r\nNOOP\r\n",
		    R_GREET "250 2.0.0 Done\r\n500 5.5.1 Command not known here\r\n250 2.0.0 Done\r\n");
}

static void test_bad_commands(void **state)
{
	struct world *w = *state;
	w->conf.limits.bad_commands = 3;
	expect_talk(w, HELO "x\r\nRSET x\r\nx\r\nNOOP\r\n",
		    R_GREET R_HELO "500 5.5.1 Command not known here\r\n501 5.5.4 RSET takes no parameters\r\n"
				   "421 4.7.0 Too many bad commands, goodbye\r\n");
	/* pipelining behind a refused MAIL is nobody's fault */
	expect_talk(w, HELO RCPT RCPT RCPT RCPT "QUIT\r\n", R_GREET R_HELO R_SEQ R_SEQ R_SEQ R_SEQ R_BYE);
	w->conf.limits.bad_recipients = 2;
	expect_talk(w, HELO MAIL "RCPT TO:<a@mox.example>\r\nRCPT TO:<b@mox.example>\r\n" RCPT,
		    R_GREET R_HELO R_MAIL R_USER "421 4.7.0 Too many refused recipients, goodbye\r\n");
}

static void test_line_limit(void **state)
{
	struct world *w = *state;
	struct buf b = { 0 };
	for (unsigned n = 2047; n <= 2049; n++) {
		buf_clear(&b);
		buf_addz(&b, HELO);
		buf_printf(&b, "NOOP %*s\r\nQUIT\r\n", (int)n - 5, "x");
		const char *want = n <= 2048 ? R_GREET R_HELO "250 2.0.0 Done\r\n" R_BYE
					     : R_GREET R_HELO "500 5.5.2 Line too long\r\n";
		assert_strz(world_talk(w, buf_str(&b)), want);
		/* where AUTH may be longer, others may not */
		static struct auth_client auth;
		auth.w = w;
		w->conf.auth = &auth;
		w->conf.auth_in_clear = true;
		assert_true(
		    str_ends(world_talk(w, buf_str(&b)), n <= 2048 ? STR(R_BYE) : STR("500 5.5.2 Line too long\r\n")));
		w->conf.auth = NULL;
	}
	buf_free(&b);
}

static void test_limits(void **state)
{
	struct world *w = *state;
	w->conf.limits.recipients = 2;
	assert_strz(last_line(w, STR(HELO MAIL RCPT RCPT RCPT)),
		    "452 4.5.3 Too many recipients, send the rest separately");
	w->conf.limits.recipients = 100;
	w->conf.limits.targets = 2;
	assert_strz(last_line(w, STR(HELO MAIL RCPT "RCPT TO:<team@mox.example>\r\n")),
		    "452 4.5.3 Too many recipients, send the rest separately");
	w->conf.limits.mails = 1;
	assert_strz(last_line(w, STR(HELO MAIL "RSET\r\n" MAIL "NOOP\r\n")),
		    "421 4.5.3 Too many messages in one session, please connect again");
}

static void test_size(void **state)
{
	struct world *w = *state;
	w->conf.limits.message = 60;
	/* read to its end, and the session goes on */
	expect_talk(w, "HELO c\r\n" MAIL RCPT "DATA\r\n" BODY "012345678901234567890123456789\r\n.\r\nNOOP\r\n",
		    R_GREET "250 mx.mox.example\r\n" R_MAIL R_RCPT R_DATA
			    "552 5.3.4 At most 60 octets are taken here\r\n"
			    "250 2.0.0 Done\r\n");
	expect_talk(w,
		    "HELO c\r\n" MAIL RCPT
		    "BDAT 61 LAST\r\n0123456789012345678901234567890123456789012345678901234567890NOOP\r\n",
		    R_GREET "250 mx.mox.example\r\n" R_MAIL R_RCPT
			    "552 5.3.4 The chunks are more than is taken here\r\n"
			    "250 2.0.0 Done\r\n");
	expect_talk(w,
		    "HELO c\r\n" MAIL RCPT
		    "BDAT 40\r\n0123456789012345678901234567890123456789BDAT 21 LAST\r\n012345678901234567890NOOP\r\n",
		    R_GREET "250 mx.mox.example\r\n" R_MAIL R_RCPT
			    "250 2.0.0 40 octets so far\r\n552 5.3.4 The chunks are more than is taken here\r\n"
			    "250 2.0.0 Done\r\n");
	assert_int_equal(world_count(w, w->mjl), 0);
	expect_talk(w, "HELO c\r\n" MAIL RCPT "DATA\r\n" BODY ".\r\n",
		    R_GREET "250 mx.mox.example\r\n" R_MAIL R_RCPT R_DATA R_ACCEPTED);
}

static void test_loop(void **state)
{
	struct world *w = *state;
	struct buf b = { 0 };
	buf_addz(&b, BEGIN);
	for (int i = 0; i < 99; i++)
		buf_addz(&b, "Received: by x.example;\r\n\tFri, 21 Nov 1997 09:55:06 -0600\r\n");
	size_t n = b.n;
	buf_addz(&b, "\r\n.\r\n");
	assert_strz(last_line(w, buf_str(&b)), "250 2.0.0 Accepted as ID");
	b.n = n;
	buf_addz(&b, "RECEIVED: by x.example\r\n\r\n.\r\n");
	assert_strz(last_line(w, buf_str(&b)), "554 5.4.6 Too many Received fields: the message goes round in circles");
	buf_free(&b);
}

static void test_header(void **state)
{
	struct world *w = *state;
	const char *large = "552 5.3.4 The header of the message is too large, goodbye";
	struct buf b = { 0 };
	w->conf.limits.header = 1000;
	buf_addz(&b, BEGIN);
	buf_printf(&b, "Subject: %*s\r\n\r\nbody\r\n.\r\nQUIT\r\n", 900, "x");
	assert_strz(last_line(w, buf_str(&b)), "221 2.0.0 Goodbye");
	buf_clear(&b);
	buf_addz(&b, BEGIN);
	buf_printf(&b, "Subject: %*s\r\n\r\nbody\r\n.\r\nQUIT\r\n", 1000, "x");
	assert_strz(last_line(w, buf_str(&b)), large); /* and closed */
	w->conf.limits.header = 256u << 10;
	w->conf.limits.header_fields = 3;
	assert_strz(last_line(w, STR(BEGIN "A:\r\nB:\r\nC:\r\n\r\n.\r\n")), "250 2.0.0 Accepted as ID");
	assert_strz(last_line(w, STR(BEGIN "A:\r\nB:\r\nC:\r\nD:\r\n\r\n.\r\nNOOP\r\n")), large);
	w->conf.limits.header_fields = 100000;
	buf_clear(&b);
	buf_addz(&b, BEGIN);
	while (b.n < 300u << 10)
		buf_addz(&b, "X: a field among many\r\n");
	buf_addz(&b, "\r\n.\r\nNOOP\r\n");
	assert_strz(last_line(w, buf_str(&b)), large);
	buf_free(&b);
	/* two From fields are seen differently by different readers */
	assert_strz(last_line(w, STR(BEGIN "From: <a@x.example>\r\nFrom: <b@x.example>\r\n\r\n.\r\n")),
		    "550 5.6.0 A message has one From field, not several");
	w->conf.limits.body_line = 10;
	assert_strz(last_line(w, STR(BEGIN "\r\n01234567890\r\n.\r\n")),
		    "550 5.6.0 A line of the message is longer than 10 octets");
}

/* What has no header gets a blank line, so that its first lines do not stand among our fields. */
static void test_headless(void **state)
{
	static const char *const firsts[] = { "just a line\r\nFrom: <a@x.example>\r\n", " folded: onto ours\r\n",
					      ": x\r\n", "From nobody Mon\r\n" };
	struct world *w = *state;
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
		struct str first = str_of(firsts[i]);
		assert_strz(last_line(w, str_fmt(&w->a, BEGIN "%.*s\r\nmore\r\n.\r\n", STRF(first))),
			    "250 2.0.0 Accepted as ID");
		assert_true(
		    str_ends(world_last(w, w->mjl), str_fmt(&w->a, " +0000\r\n\r\n%.*s\r\nmore\r\n", STRF(first))));
	}
}

static void test_chunking(void **state)
{
	struct world *w = *state;
	expect_talk(w, HELO MAIL RCPT "BDAT 22\r\nSubject: chunked\r\n\r\nabBDAT 0\r\nBDAT 5 LAST\r\n\r\n.\r\nNOOP\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT
		    "250 2.0.0 22 octets so far\r\n250 2.0.0 22 octets so far\r\n" R_ACCEPTED "250 2.0.0 Done\r\n");
	/* dots are themselves in chunks */
	assert_true(str_ends(world_last(w, w->mjl), STR("Subject: chunked\r\n\r\nab\r\n.\r\n")));
	/* a last line without its end gets one */
	expect_talk(w, HELO MAIL RCPT "BDAT 23 LAST\r\nSubject: s\r\n\r\nQUIT\r\nendNOOP\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT R_ACCEPTED "250 2.0.0 Done\r\n");
	assert_true(str_ends(world_last(w, w->mjl), STR("Subject: s\r\n\r\nQUIT\r\nend\r\n")));
	/* CR LF in two chunks is one line end; a CR at the very end stands alone */
	expect_talk(w, HELO MAIL RCPT "BDAT 6\r\nA: b\r\rBDAT 1 LAST\r\n\nNOOP\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT
		    "250 2.0.0 6 octets so far\r\n"
		    "550 5.6.11 The message has a CR or LF that stands alone\r\n250 2.0.0 Done\r\n");
	expect_talk(w, HELO MAIL RCPT "BDAT 5\r\nA: b\rBDAT 3 LAST\r\n\n\r\nNOOP\r\n",
		    R_GREET R_HELO R_MAIL R_RCPT "250 2.0.0 5 octets so far\r\n" R_ACCEPTED "250 2.0.0 Done\r\n");
	assert_strz(last_line(w, STR(HELO MAIL RCPT "BDAT 5 LAST\r\nA: b\r")),
		    "550 5.6.11 The message has a CR or LF that stands alone");
	assert_strz(last_line(w, STR(HELO MAIL RCPT "BDAT 4 LAST\r\na\0\r\n")), "550 5.6.0 The message has NUL octets");
	/* refused chunks are read to their end */
	expect_talk(w, HELO MAIL "BDAT 6\r\nQUIT\r\nRSET\r\n",
		    R_GREET R_HELO R_MAIL "503 5.5.1 MAIL and RCPT come before BDAT\r\n250 2.0.0 Forgotten\r\n");
}

static void test_lmtp(void **state)
{
	struct world *w = *state;
	w->conf.kind = SMTP_LMTP;
#define LMTP R_GREET
	expect_talk(w, "EHLO c\r\n", "220 mx.mox.example LMTP Sluice\r\n500 5.5.2 This is an SMTP server, goodbye\r\n");
	struct str out = world_talk(w, STR("LHLO c\r\n" MAIL "DATA\r\n" RCPT
					   "RCPT TO:<x@mox.example>\r\nRCPT TO:<team@mox.example>\r\n" RCPT
					   "DATA\r\n" BODY ".\r\nQUIT\r\n"));
	assert_true(str_ends(out, STR("250 HELP\r\n" R_MAIL "503 5.5.1 No valid recipients\r\n" R_RCPT R_USER R_RCPT
					  R_RCPT R_DATA R_ACCEPTED R_ACCEPTED R_ACCEPTED R_BYE)));
	assert_int_equal(world_count(w, w->mjl), 2);
	struct str m = world_last(w, w->mjl);
	assert_true(str_find(m, STR(" with LMTP\r\n")) < m.n);
	out = world_talk(w, STR("LHLO c\r\n" MAIL RCPT RCPT "DATA\r\na\nb\r\n.\r\nQUIT\r\n"));
	assert_true(str_ends(out, STR(R_DATA "550 5.6.11 The message has a CR or LF that stands alone\r\n"
					     "550 5.6.11 The message has a CR or LF that stands alone\r\n" R_BYE)));
	out = world_talk(w, STR("LHLO c\r\n" MAIL RCPT RCPT "BDAT 2\r\na:BDAT 2 LAST\r\n\r\nQUIT\r\n"));
	assert_true(str_ends(out, STR("250 2.0.0 2 octets so far\r\n" R_ACCEPTED R_ACCEPTED R_BYE)));
	assert_true(str_ends(world_talk(w, STR("LHLO c\r\n" MAIL "RCPT TO:<a@x.example>\r\n")), STR(R_RELAY)));
}

/* The sandbox's addresses, at each place. */
static void test_sandbox(void **state)
{
	static const struct {
		const char *from, *to;
		const char *want;
	} rows[] = {
		{ "a", "temperror", "451 4.0.0 The sandbox answers 451, as the address asked" },
		{ "a", "x-permerror", "550 5.0.0 The sandbox answers 550, as the address asked" },
		{ "a", "x452", "452 4.0.0 The sandbox answers 452, as the address asked" },
		{ "a", "x599", "599 5.0.0 The sandbox answers 599, as the address asked" },
		{ "a", "x600", "250 2.0.0 Accepted as ID" },
		{ "a", "timeout", "250 2.0.0 Accepted as ID" },
		{ "a", "rcpttotimeout", "250 2.0.0 Accepted as ID" },
		{ "x421", "a", "421 4.0.0 The sandbox answers 421, as the address asked" },
		{ "timeout", "a", "250 2.0.0 Accepted as ID" },
	};
	struct world *w = *state;
	w->conf.sandbox = true;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_strz(
		    last_line(w, str_fmt(&w->a,
					 HELO "MAIL FROM:<%s@y.example>\r\nRCPT TO:<%s@x.example>\r\nDATA\r\n\r\n.\r\n",
					 rows[i].from, rows[i].to)),
		    rows[i].want);
	assert_strz(last_line(w, STR(HELO "MAIL FROM:<mailfrom-temperror@x.example>\r\n")),
		    "451 4.0.0 The sandbox answers 451, as the address asked");
	assert_strz(last_line(w, STR(HELO MAIL "RCPT TO:<rcptto554@x.example>\r\n")),
		    "554 5.0.0 The sandbox answers 554, as the address asked");
	assert_int_equal(world_count(w, w->catcher), 4);
	/* in LMTP each recipient has his own */
	w->conf.kind = SMTP_LMTP;
	struct str out = world_talk(
	    w, STR("LHLO c\r\n" MAIL
		   "RCPT TO:<a@caught.example>\r\nRCPT TO:<temperror@caught.example>\r\nDATA\r\n\r\n.\r\n"));
	assert_true(
	    str_ends(out, STR(R_DATA R_ACCEPTED "451 4.0.0 The sandbox answers 451, as the address asked\r\n")));
	assert_int_equal(world_count(w, w->catcher), 5);
	out = world_talk(w, STR("LHLO c\r\n" MAIL "RCPT TO:<temperror@caught.example>\r\nDATA\r\n\r\n.\r\n"));
	assert_true(str_ends(out, STR(R_DATA "451 4.0.0 The sandbox answers 451, as the address asked\r\n")));
	assert_int_equal(world_count(w, w->catcher), 5);
}

static void test_local(void **state)
{
	struct world *w = *state;
	struct queue_row *rows;
	size_t n;
	struct err e;
	w->conf.kind = SMTP_LOCAL;
	w->remote = (struct addr){ { 0 } }; /* a unix socket has none */
	assert_true(str_ends(
	    world_talk(w, STR("EHLO host's-name\r\nMAIL FROM:<root@mox.example> ENVID=e1\r\n" RCPT
			      "RCPT TO:<far@away.example> NOTIFY=DELAY\r\nDATA\r\nSubject: cron\r\n\r\n.\r\n")),
	    STR(R_RCPT R_RCPT R_DATA R_ACCEPTED)));
	struct str m = world_last(w, w->mjl);
	assert_true(str_find(m, STR("Received: from unknown (uid 0)\r\n\tby mx.mox.example (Sluice) with ESMTP")) <
		    m.n);
	size_t id = str_find(m, STR("\r\nMessage-Id: <")), date = str_find(m, STR("\r\nDate: ")),
	       subject = str_find(m, STR("\r\nSubject: cron\r\n\r\n"));
	assert_true(id < date && date < subject && subject < m.n);
	assert_true(queue_list(w->store, NULL, 0, 10, &w->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_strz(rows[0].sender, "root@mox.example");
	assert_strz(rows[0].recipient, "far@away.example");
	assert_strz(rows[0].dsn, "ENVID=e1 NOTIFY=DELAY");
}

static void test_full(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	store_close(w->store);
	struct store_conf sc = { .dir = w->dir, .role = "test", .shared_fd = -1, .reserve = UINT64_MAX / 4 };
	w->store = w->conf.store = store_open(&sc, &e);
	assert_non_null(w->store);
	assert_strz(last_line(w, STR(HELO MAIL)), "452 4.3.1 No room for mail now, please try again later");
}

/* Ten thousand that wait must cost next to nothing: past EHLO a session is itself and one arena block. */
static void test_session_size(void **state)
{
	(void)state;
	assert_true(sizeof(struct session) <= 300);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		with_world(test_greeting),
		with_world(test_sequence),
		with_world(test_commands),
		with_world(test_recipients),
		with_world(test_delivery),
		with_world(test_several),
		with_world(test_catchall),
		with_world(test_smtputf8),
		with_world(test_smuggling),
		with_world(test_bare_lines),
		with_world(test_repair),
		with_world(test_not_smtp),
		with_world(test_bad_commands),
		with_world(test_line_limit),
		with_world(test_limits),
		with_world(test_size),
		with_world(test_loop),
		with_world(test_header),
		with_world(test_headless),
		with_world(test_chunking),
		with_world(test_lmtp),
		with_world(test_sandbox),
		with_world(test_local),
		with_world(test_full),
		cmocka_unit_test(test_session_size),
	};
	hash_init();
	charset_warm();
	log_level_set(STR_NONE, LOG_ERROR);
	return cmocka_run_group_tests(all, NULL, NULL);
}
