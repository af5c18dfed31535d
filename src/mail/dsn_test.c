#include "mail/dsn.h"

#include "base/test.h"
#include "mail/header.h"
#include "mail/mime.h"

#define ORIGINAL "Received: from there\r\nFrom: Ann <ann@here.example>\r\nSubject: Hello\r\n there\r\n\r\nThe text.\r\n"

static struct dsn report(const struct dsn_rcpt *rcpts, size_t n)
{
	return (struct dsn){ .host = STR("mail.here.example"),
			     .to = STR("ann@here.example"),
			     .envid = STR("QQ314159"),
			     .message_id = STR("d1@mail.here.example"),
			     .now_wall_ms = 1795255200000,
			     .arrived_wall_ms = 1795251600000,
			     .rcpts = rcpts,
			     .n = n,
			     .original = STR(ORIGINAL) };
}

static struct str body(struct str message, const struct part *p)
{
	return str_sub(message, p->body_at, p->end);
}

static struct part *parts(struct str message, struct arena *a)
{
	struct part *root = mime_parse(message, a);
	assert_strz(root->subtype, "report");
	assert_strz(mime_param(root->params, root->nparams, STR("report-type")), "delivery-status");
	assert_non_null(root->child->next->next);
	assert_null(root->child->next->next->next);
	return root;
}

static void has(struct str text, const char *what)
{
	if (str_find(text, str_of(what)) == text.n)
		fail_msg("\"%s\" is not in:\n%.*s", what, STRF(text));
}

static void test_failed(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct dsn_rcpt r = { .recipient = STR("bob@there.example"),
			      .original = STR("rfc822;b+2Bob@there.example"),
			      .action = DSN_FAILED,
			      .status = STR("5.1.1"),
			      .diagnostic = STR("550 5.1.1 No such user"),
			      .remote = STR("mx.there.example"),
			      .tried_wall_ms = 1795255100000,
			      .words = STR("There is no such address.") };
	struct dsn d = report(&r, 1);
	dsn_write(&b, &d);
	struct str m = buf_str(&b);
	struct part *root = parts(m, &a), *words = root->child, *status = words->next, *original = status->next;
	has(body(m, words), "bob@there.example");
	has(body(m, words), "mx.there.example said: 550 5.1.1 No such user");
	has(body(m, words), "Its subject: Hello");
	assert_strz(status->subtype, "delivery-status");
	assert_strz(body(m, status), "Original-Envelope-Id: QQ314159\r\n"
				     "Reporting-MTA: dns; mail.here.example\r\n"
				     "Arrival-Date: Sat, 21 Nov 2026 09:00:00 +0000\r\n"
				     "\r\n"
				     "Original-Recipient: rfc822; b+ob@there.example\r\n"
				     "Final-Recipient: rfc822; bob@there.example\r\n"
				     "Action: failed\r\n"
				     "Status: 5.1.1\r\n"
				     "Remote-MTA: dns; mx.there.example\r\n"
				     "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
				     "Last-Attempt-Date: Sat, 21 Nov 2026 09:58:20 +0000\r\n");
	assert_strz(original->subtype, "rfc822-headers");
	has(body(m, original), "Subject: Hello\r\n there\r\n");
	assert_int_equal(str_find(m, STR("The text.")), m.n);
	/* Nobody's vacation answers it, and nobody can bounce it by what it says. */
	has(header_block(m), "Auto-Submitted: auto-replied\r\n");
	has(header_block(m), "To: <ann@here.example>\r\n");
	buf_free(&b);
	arena_reset(&a);
}

static void test_delayed(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct dsn_rcpt r[] = {
		{ .recipient = STR("bob@there.example"),
		  .action = DSN_DELAYED,
		  .next_wall_ms = 1795258800000,
		  .until_wall_ms = 1795687200000 },
		{ .recipient = STR("eve@there.example"), .action = DSN_DELAYED, .status = STR("4.4.1") }
	};
	struct dsn d = report(r, 2);
	d.full = true;
	dsn_write(&b, &d);
	struct str m = buf_str(&b);
	struct part *root = parts(m, &a), *status = root->child->next;
	has(body(m, root->child), "tried next on Sat, 21 Nov 2026 11:00:00 +0000");
	has(body(m, root->child), "given up on Thu, 26 Nov 2026 10:00:00 +0000");
	has(body(m, status),
	    "Status: 4.0.0\r\nWill-Retry-Until: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\nFinal-Recipient: rfc822; "
	    "eve@there.example\r\n");
	assert_true(status->next->message);
	assert_strz(body(m, status->next), ORIGINAL);
	buf_free(&b);
	arena_reset(&a);
}

/* Values of strangers end no field, and an original that holds our boundary ends no part. */
static void test_hostile(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct dsn_rcpt r = { .recipient = STR("b\r\nX: y@there.example"),
			      .diagnostic = STR(
				  "550 no\r\nFinal-Recipient: rfc822; other@there.example\r\n\r\nAction: x"),
			      .remote = STR("mx\r\nY: z") };
	struct dsn d = report(&r, 1);
	d.original = STR("Subject: x\r\n\r\n--=_d1\r\n--=_d1--\r\n--=_d1_--\r\n");
	d.full = true;
	dsn_write(&b, &d);
	struct str m = buf_str(&b);
	struct part *root = parts(m, &a), *status = root->child->next;
	assert_int_equal(header_count(header_block(m), STR("X")), 0);
	struct str fields = body(m, status);
	struct header h;
	size_t groups = 0, finals = 0;
	while (fields.n > 0) {
		if (!header_next(&fields, &h)) {
			groups++;
			continue;
		}
		finals += str_eqi(h.name, STR("Final-Recipient"));
		assert_false(str_eqi(h.name, STR("X")) || str_eqi(h.name, STR("Y")));
	}
	assert_int_equal(groups, 1);
	assert_int_equal(finals, 1);
	assert_strz(body(m, status->next), "Subject: x\r\n\r\n--=_d1\r\n--=_d1--\r\n--=_d1_--\r\n");
	buf_free(&b);
	arena_reset(&a);
}

static void test_utf8(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct dsn_rcpt r = { .recipient = STR("j\xc3\xbcrgen@there.example"), .action = DSN_FAILED };
	struct dsn d = report(&r, 1);
	dsn_write(&b, &d);
	has(buf_str(&b), "Final-Recipient: rfc822; j??rgen@there.example\r\n");
	buf_clear(&b);
	d.utf8 = true;
	dsn_write(&b, &d);
	struct str m = buf_str(&b);
	struct part *root = parts(m, &a), *status = root->child->next;
	assert_strz(status->subtype, "global-delivery-status");
	has(body(m, status), "Final-Recipient: utf-8; j\xc3\xbcrgen@there.example\r\n");
	buf_free(&b);
	arena_reset(&a);
}

static void test_wanted(void **state)
{
	(void)state;
	static const struct {
		const char *words, *sender;
		bool failed, delayed, delivered;
	} rows[] = {
		{ "", "a@b", true, true, false },
		{ "", "", false, false, false },
		{ "NOTIFY=NEVER", "a@b", false, false, false },
		{ "RET=HDRS NOTIFY=SUCCESS,FAILURE ENVID=x", "a@b", true, false, true },
		{ "NOTIFY=delay", "a@b", false, true, false },
		{ "NOTIFY=SUCCESS,FAILURE,DELAY", "", false, false, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str w = str_of(rows[i].words), s = str_of(rows[i].sender);
		assert_int_equal(dsn_wanted(w, s, DSN_FAILED), rows[i].failed);
		assert_int_equal(dsn_wanted(w, s, DSN_DELAYED), rows[i].delayed);
		assert_int_equal(dsn_wanted(w, s, DSN_DELIVERED), rows[i].delivered);
	}
	assert_strz(dsn_word(STR("RET=HDRS ENVID=x"), STR("ENVID")), "x");
	assert_strz(dsn_word(STR("XRET=HDRS"), STR("RET")), "");
}

static void test_orcpt(void **state)
{
	(void)state;
	static const struct {
		const char *in, *type, *address;
	} rows[] = {
		{ "rfc822;a@b", "rfc822", "a@b" },
		{ "rfc822;a+2Bb+3D@c", "rfc822", "a+b=@c" },
		{ "x-net;foo;bar", "x-net", "foo;bar" },
		{ "rfc822;a+2", NULL, NULL },
		{ "rfc822;a+zz", NULL, NULL },
		{ ";a", NULL, NULL },
		{ "rfc822", NULL, NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		struct str type;
		assert_int_equal(dsn_orcpt(str_of(rows[i].in), &type, &b), rows[i].type != NULL);
		if (rows[i].type) {
			assert_strz(type, rows[i].type);
			assert_strz(buf_str(&b), rows[i].address);
		}
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failed), cmocka_unit_test(test_delayed), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_utf8),   cmocka_unit_test(test_wanted),  cmocka_unit_test(test_orcpt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
