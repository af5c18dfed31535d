/* Who logs in, and what he may then say he is. */
#include "smtp/smtp.h"

#include "smtp/test_talk.h"

/* "\0mjl@mox.example\0testtest", with a wrong password, of somebody else */
#define PLAIN_RIGHT "AG1qbEBtb3guZXhhbXBsZQB0ZXN0dGVzdA=="
#define PLAIN_WRONG "AG1qbEBtb3guZXhhbXBsZQB0ZXN0"
#define PLAIN_OTHER "AHdobwB0ZXN0"
#define R_WRONG     "535 5.7.8 Name or password is wrong\r\n"
#define R_IN        "235 2.7.0 Logged in\r\n"

static struct auth_client submission_auth;
static int open_submission(void **state)
{
	open_world(state);
	struct world *w = *state;
	submission_auth = (struct auth_client){ .w = w };
	w->conf.kind = SMTP_SUBMISSION;
	w->conf.auth = &submission_auth;
	w->conf.auth_in_clear = true;
	smtp_limits_default(&w->conf.limits, SMTP_SUBMISSION);
	return 0;
}

static void test_auth(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *in, *want; /* after EHLO */
	} rows[] = {
		{ "AUTH PLAIN " PLAIN_RIGHT "\r\n", R_IN },
		{ "auth plain " PLAIN_RIGHT "\r\nAUTH PLAIN " PLAIN_RIGHT "\r\n", R_IN R_SEQ },
		{ "AUTH PLAIN " PLAIN_WRONG "\r\nAUTH PLAIN " PLAIN_OTHER "\r\n", R_WRONG R_WRONG },
		{ "AUTH PLAIN\r\n" PLAIN_RIGHT "\r\n", "334 \r\n" R_IN },
		{ "AUTH PLAIN\r\n*\r\nNOOP\r\n", "334 \r\n501 5.7.0 Login cancelled\r\n250 2.0.0 Done\r\n" },
		{ "AUTH PLAIN\r\nnot base64!\r\n", "334 \r\n501 5.5.2 Malformed response\r\n" },
		{ "AUTH PLAIN =\r\n", R_WRONG },
		{ "AUTH PLAIN x\r\n", "501 5.5.2 The initial response is not base64\r\n" },
		{ "AUTH\r\n", "501 5.5.4 Syntax: AUTH mechanism [initial response]\r\n" },
		{ "AUTH NTLM\r\n", "504 5.5.4 This mechanism is not offered\r\n" },
		{ "AUTH STEPS\r\nMQ==\r\nMg==\r\n\r\n", "334 b25lPw==\r\n334 dHdvPw==\r\n334 Ynll\r\n" R_IN },
		{ "AUTH STEPS\r\nMQ==\r\nMg==\r\n*\r\n",
		  "334 b25lPw==\r\n334 dHdvPw==\r\n334 Ynll\r\n501 5.7.0 Login cancelled\r\n" },
		{ "AUTH STEPS\r\nMQ==\r\nMg==\r\nNOOP\r\n",
		  "334 b25lPw==\r\n334 dHdvPw==\r\n334 Ynll\r\n501 5.5.2 Malformed response\r\n" },
		{ "AUTH STEPS\r\nMQ==\r\nMw==\r\n", "334 b25lPw==\r\n334 dHdvPw==\r\n" R_WRONG },
		{ "AUTH STEPS\r\nMQ==\r\n", "334 b25lPw==\r\n334 dHdvPw==\r\n" }, /* left in the middle */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str out = world_talk(w, str_fmt(&w->a, HELO "%s", rows[i].in));
		struct str want = str_fmt(
		    &w->a,
		    "250-AUTH STEPS PLAIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
		    "250-CHUNKING\r\n250-DSN\r\n250-LIMITS RCPTMAX=1000 MAILMAX=100000\r\n250 HELP\r\n%s",
		    rows[i].want);
		if (!str_ends(out, want))
			fail_msg("%s: %.*s", rows[i].in, STRF(out));
	}
	assert_strz(last_line(w, STR("HELO c\r\nAUTH PLAIN " PLAIN_RIGHT "\r\n")),
		    "503 5.5.1 Bad sequence of commands");
	submission_auth.down = true;
	assert_strz(last_line(w, STR(HELO "AUTH PLAIN " PLAIN_RIGHT "\r\n")),
		    "454 4.7.0 Passwords cannot be checked now, please try again later");
}

static void test_auth_limits(void **state)
{
	struct world *w = *state;
	struct buf b = { 0 };
	buf_addz(&b, HELO);
	for (int i = 0; i < 9; i++)
		buf_addz(&b, "AUTH PLAIN " PLAIN_WRONG "\r\n");
	assert_true(str_ends(world_talk(w, buf_str(&b)), STR(R_WRONG)));
	buf_addz(&b, "AUTH PLAIN " PLAIN_WRONG "\r\nAUTH PLAIN " PLAIN_RIGHT "\r\n");
	assert_strz(last_line(w, buf_str(&b)), "421 4.7.0 Too many failed logins, goodbye");
	buf_clear(&b);
	buf_addz(&b, HELO "AUTH PLAIN\r\n");
	for (int i = 0; i < 13000; i++)
		buf_addc(&b, 'A');
	buf_addz(&b, "\r\nNOOP\r\n");
	assert_strz(last_line(w, buf_str(&b)), "500 5.5.6 Line too long");
	buf_free(&b);
}

/* The clear: no login, no mail. */
static void test_clear(void **state)
{
	struct world *w = *state;
	w->conf.auth_in_clear = false;
	struct str out = world_talk(w, STR(HELO));
	assert_true(str_find(out, STR("AUTH")) == out.n);
	assert_strz(last_line(w, STR(HELO MAIL)), "530 5.7.0 Must issue STARTTLS first");
	assert_strz(last_line(w, STR(HELO "AUTH PLAIN " PLAIN_RIGHT "\r\n")), "530 5.7.0 Must issue STARTTLS first");
	w->conf.kind = SMTP_MX;
	assert_strz(last_line(w, STR(HELO "AUTH PLAIN " PLAIN_RIGHT "\r\n")),
		    "538 5.7.11 Logins are taken under TLS only");
	assert_strz(last_line(w, STR(HELO MAIL)), "250 2.1.0 Sender accepted");
}

#define LOGIN  HELO "AUTH PLAIN " PLAIN_RIGHT "\r\n"
#define SUBMIT LOGIN "MAIL FROM:<mjl@mox.example>\r\n" RCPT "DATA\r\n"

static void test_submission(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ HELO MAIL, "530 5.7.0 Log in first" },
		{ LOGIN "MAIL FROM:<mjl@mox.example>\r\n", "250 2.1.0 Sender accepted" },
		{ LOGIN "MAIL FROM:<Mjl+x@MOX.example>\r\n", "250 2.1.0 Sender accepted" },
		{ LOGIN "MAIL FROM:<team@mox.example>\r\n", "250 2.1.0 Sender accepted" },
		{ LOGIN "MAIL FROM:<>\r\n", "250 2.1.0 Sender accepted" },
		{ LOGIN "MAIL FROM:<x@caught.example>\r\n", "550 5.7.1 The sender's address is not one of yours" },
		{ LOGIN "MAIL FROM:<sleeper@mox.example>\r\n", "550 5.7.1 The sender's address is not one of yours" },
		{ LOGIN "MAIL FROM:<r@x.example>\r\n", "550 5.7.1 The sender's address is not one of yours" },
		{ LOGIN "MAIL FROM:<mjl@[192.0.2.1]>\r\n", "550 5.7.1 The sender's address is not one of yours" },
		{ LOGIN "MAIL FROM:<mjl@mox.example>\r\nRCPT TO:<no@mox.example>\r\n", "550 5.1.1 No such user here" },
		{ LOGIN "MAIL FROM:<mjl@mox.example>\r\nRCPT TO:<far@away.example>\r\n",
		  "250 2.1.5 Recipient accepted" },
		{ SUBMIT "From: M <mjl@mox.example>\r\n\r\n.\r\n", "250 2.0.0 Accepted as ID" },
		{ SUBMIT "From: \"a, b\" <mjl@mox.example>, (c, d) mjl+x@mox.example\r\n\r\n.\r\n",
		  "250 2.0.0 Accepted as ID" },
		{ SUBMIT "Subject: x\r\n\r\n.\r\n", "550 5.6.0 The From field is missing" },
		{ SUBMIT ".\r\n", "550 5.6.0 The From field is missing" },
		{ SUBMIT "From: mjl@mox.example\r\nfrom: mjl@mox.example\r\n\r\n.\r\n",
		  "550 5.6.0 A message has one From field, not several" },
		{ SUBMIT "From: <r@x.example>\r\n\r\n.\r\n",
		  "550 5.7.1 The From field has an address that is not yours, or is malformed" },
		{ SUBMIT "From: <mjl@mox.example>, <r@x.example>\r\n\r\n.\r\n",
		  "550 5.7.1 The From field has an address that is not yours, or is malformed" },
		{ SUBMIT "From: boss@x.example@, <mjl@mox.example>\r\n\r\n.\r\n",
		  "550 5.7.1 The From field has an address that is not yours, or is malformed" },
		{ SUBMIT "From: mjl\r\n\r\n.\r\n",
		  "550 5.7.1 The From field has an address that is not yours, or is malformed" },
		{ SUBMIT "From: us: mjl@mox.example;\r\n\r\n.\r\n",
		  "550 5.7.1 The From field has an address that is not yours, or is malformed" },
		{ SUBMIT "From:\r\n\r\n.\r\n",
		  "550 5.7.1 The From field has an address that is not yours, or is malformed" },
		{ SUBMIT "From: mjl@mox.example\r\nno field\r\n\r\n.\r\n",
		  "550 5.6.0 A line of the header is not a field" },
		{ SUBMIT "Return-Path: <x@y>\r\nFrom: mjl@mox.example\r\n\r\n.\r\n",
		  "550 5.6.0 Return-Path is not for senders to write" },
	};
	struct world *w = *state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str got = last_line(w, str_of(rows[i].in));
		if (!str_eq(got, str_of(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].in, STRF(got));
	}
	assert_int_equal(world_count(w, w->mjl), 2);
}

static void test_submitted(void **state)
{
	struct world *w = *state;
	w->conf.hide_client = true;
	assert_strz(last_line(w, STR(SUBMIT "From: mjl@mox.example\r\nBcc: x\r\n\r\nb\r\n.\r\n")),
		    "250 2.0.0 Accepted as ID");
	struct str m = world_last(w, w->mjl);
	assert_true(str_find(m, STR("\r\nReceived: by mx.mox.example (Sluice) with ESMTPA\r\n\tid ")) < m.n);
	assert_true(str_find(m, STR("192.0.2.7")) == m.n);
	assert_true(str_find(m, STR("\r\nMessage-Id: <")) < str_find(m, STR("\r\nDate: ")));
	assert_true(str_ends(m, STR("\r\nFrom: mjl@mox.example\r\nBcc: x\r\n\r\nb\r\n")));
	/* what is there stays as it is */
	assert_strz(last_line(w, STR(SUBMIT "Date: d\r\nMESSAGE-ID: <m>\r\nFrom: mjl@mox.example\r\n\r\n.\r\n")),
		    "250 2.0.0 Accepted as ID");
	assert_true(str_ends(world_last(w, w->mjl),
			     STR(" +0000\r\nDate: d\r\nMESSAGE-ID: <m>\r\nFrom: mjl@mox.example\r\n\r\n")));
}

#define with_submission(f) cmocka_unit_test_setup_teardown(f, open_submission, close_world)

int main(void)
{
	const struct CMUnitTest all[] = {
		with_submission(test_auth),       with_submission(test_auth_limits), with_submission(test_clear),
		with_submission(test_submission), with_submission(test_submitted),
	};
	hash_init();
	charset_warm();
	log_level_set(STR_NONE, LOG_ERROR);
	return cmocka_run_group_tests(all, NULL, NULL);
}
