#include "app/sendmail/message.h"
#include "app/sendmail/options.h"

#include <sysexits.h>

#include "base/test.h"

static const struct who ann = { STR("ann"), STR("Ann Example"), STR("host.example"), 1795255200000,
				"01234567890123456789" };

static bool make(const char *const *argv, const char *input, struct arena *a, struct sendmail_message *m,
		 struct buf *why)
{
	struct sendmail_options o;
	int argc = 0, code = 0;
	while (argv[argc])
		argc++;
	if (!sendmail_options(argc, (char **)(uintptr_t)argv, &o, why))
		return false;
	return message_make(&o, &ann, str_of(input), a, m, &code, why);
}

#define ADDED(from) \
	"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n" from "Message-ID: <01234567890123456789@host.example>\r\n"
#define ANN "From: Ann Example <ann@host.example>\r\n"

static void test_messages(void **state)
{
	(void)state;
	static const struct {
		const char *argv[8];
		const char *input, *rcpts, *sender, *text;
	} rows[] = {
		/* cron: no recipients, a To */
		{ { "sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", NULL },
		  "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> x\n\noutput\n.\nmore\n",
		  "root@host.example",
		  "ann@host.example",
		  "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <01234567890123456789@host.example>\r\n"
		  "From: root (Cron Daemon)\r\nTo: root\r\nSubject: Cron <root@host> "
		  "x\r\n\r\noutput\r\n.\r\nmore\r\n" },
		/* cronie: neither -t nor recipients */
		{ { "sendmail", "-i", NULL },
		  "To: bob@there.example\n\nx",
		  "bob@there.example",
		  "ann@host.example",
		  ADDED(ANN) "To: bob@there.example\r\n\r\nx\r\n" },
		/* PHP: -t -i -f */
		{ { "/usr/sbin/sendmail", "-t", "-i", "-fweb@site.example", NULL },
		  "To: a@b.example, Bob <c@d.example>\r\nCc: a@b.example\r\nBcc: e@f.example\r\nSubject: "
		  "x\r\n\r\ntext\r\n",
		  "a@b.example c@d.example e@f.example",
		  "web@site.example",
		  ADDED("From: Ann Example <web@site.example>\r\n") "To: a@b.example, Bob <c@d.example>\r\nCc: "
								    "a@b.example\r\nSubject: x\r\n\r\ntext\r\n" },
		/* No header at all, and a dot that ends it. */
		{ { "sendmail", "root", "bob@there.example", NULL },
		  "just text\n.\nnot this\n",
		  "root@host.example bob@there.example",
		  "ann@host.example",
		  ADDED(ANN) "To: root@host.example, bob@there.example\r\n\r\njust text\r\n" },
		{ { "sendmail", "--subject=Hello", "-f", "<>", "a@b.example", NULL },
		  "Subject: other\nX: y\n\n",
		  "a@b.example",
		  "",
		  ADDED(ANN) "Subject: Hello\r\nTo: a@b.example\r\nX: y\r\n\r\n" },
		/* Only Bcc: who gets it sees nobody. */
		{ { "sendmail", "-t", NULL },
		  "Bcc: a@b.example\n\nx\n",
		  "a@b.example",
		  "ann@host.example",
		  ADDED(ANN) "To: undisclosed-recipients:;\r\n\r\nx\r\n" },
		{ { "sendmail", "a@b.example", NULL },
		  "",
		  "a@b.example",
		  "ann@host.example",
		  ADDED(ANN) "To: a@b.example\r\n\r\n" },
		{ { "sendmail", "-oi", "--", "-odd@b.example", NULL },
		  "X: y\n\n.\n",
		  "-odd@b.example",
		  "ann@host.example",
		  ADDED(ANN) "To: -odd@b.example\r\nX: y\r\n\r\n.\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct sendmail_message m;
		struct buf why = { 0 }, rcpts = { 0 };
		if (!make(rows[i].argv, rows[i].input, &a, &m, &why))
			fail_msg("row %zu: %.*s", i, STRF(buf_str(&why)));
		for (size_t k = 0; k < m.nrcpts; k++)
			buf_printf(&rcpts, "%s%.*s", k ? " " : "", STRF(m.rcpts[k]));
		assert_strz(buf_str(&rcpts), rows[i].rcpts);
		assert_strz(m.sender, rows[i].sender);
		assert_strz(buf_str(&m.text), rows[i].text);
		message_free(&m);
		buf_free(&rcpts);
		arena_reset(&a);
	}
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *argv[6];
		const char *input, *why;
	} rows[] = {
		{ { "sendmail", "-t", NULL }, "Subject: x\n\n", "no recipients" },
		{ { "sendmail", NULL }, "text\n", "no recipients" },
		{ { "sendmail", "-bd", NULL }, "", "-bd is not offered" },
		{ { "sendmail", "-f", NULL }, "", "-f needs a value" },
		{ { "sendmail", "--wrong", NULL }, "", "no option --wrong" },
		{ { "sendmail", "-K", NULL }, "", "no option -K" },
		{ { "sendmail", "-f", "a@b, c@d", "x@y", NULL }, "", "-f needs one address" },
		{ { "sendmail", "a@b@c <", NULL }, "", "cannot be read as addresses" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct sendmail_message m = { .nrcpts = 0 };
		struct buf why = { 0 };
		assert_false(make(rows[i].argv, rows[i].input, &a, &m, &why));
		if (str_find(buf_str(&why), str_of(rows[i].why)) == why.n)
			fail_msg("\"%.*s\" is not about %s", STRF(buf_str(&why)), rows[i].why);
		message_free(&m);
		buf_free(&why);
		arena_reset(&a);
	}
}

static void test_modes(void **state)
{
	(void)state;
	static const struct {
		const char *argv[4];
		enum sendmail_mode mode;
	} rows[] = {
		{ { "mailq", NULL }, MODE_QUEUE },
		{ { "/usr/bin/newaliases", NULL }, MODE_ALIASES },
		{ { "sendmail", "-bp", NULL }, MODE_QUEUE },
		{ { "sendmail", "-bs", NULL }, MODE_SMTP },
		{ { "sendmail", "-q", NULL }, MODE_ALIASES },
		{ { "sendmail", "--help", NULL }, MODE_HELP },
		{ { "sendmail", "-bm", "x", NULL }, MODE_DELIVER },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sendmail_options o;
		struct buf why = { 0 };
		int argc = 0;
		while (rows[i].argv[argc])
			argc++;
		assert_true(sendmail_options(argc, (char **)(uintptr_t)rows[i].argv, &o, &why));
		assert_int_equal(o.mode, rows[i].mode);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
