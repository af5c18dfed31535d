#include "mail/compose.h"

#include "base/test.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/words.h"

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "Hello", "Subject: Hello\r\n" },
		{ "", "Subject: \r\n" },
		{ " Hello \r\n", "Subject: Hello\r\n" },
		{ "x\r\nBcc: all@example.org", "Subject: x  Bcc: all@example.org\r\n" },
		{ "x\n\nbody", "Subject: x  body\r\n" },
		{ "J\xc3\xbcrgen", "Subject: =?utf-8?q?J=C3=BCrgen?=\r\n" },
		{ "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
		  "Subject: one two three four five six seven eight nine ten eleven twelve\r\n thirteen fourteen\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		compose_text(&b, "Subject", str_of(rows[i].in));
		assert_strz(buf_str(&b), rows[i].out);
		buf_free(&b);
	}
}

static void test_raw(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "1.0", "X: 1.0\r\n" },
		{ "a\r\nB: c", "X: a  B: c\r\n" },
		{ "a\r\n\r\nb", "X: a    b\r\n" },
		{ "", "X: \r\n" },
		{ "from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.net with ESMTP id 0123456789",
		  "X: from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.net with\r\n"
		  " ESMTP id 0123456789\r\n" },
		{ "a                                                                                         b",
		  "X: a        b\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		compose_raw(&b, "X", str_of(rows[i].in));
		assert_strz(buf_str(&b), rows[i].out);
		buf_free(&b);
	}
	struct buf b = { 0 };
	compose_raw(&b, "X", (struct str){ "a\0b", 3 });
	assert_strz(buf_str(&b), "X: a b\r\n");
	buf_free(&b);
}

static void test_address(void **state)
{
	(void)state;
	static const struct {
		const char *name, *address, *out;
	} rows[] = {
		{ "", "a@b.example", "From: <a@b.example>\r\n" },
		{ "Ann Example", "a@b.example", "From: Ann Example <a@b.example>\r\n" },
		{ "Example, Ann", "a@b.example", "From: \"Example, Ann\" <a@b.example>\r\n" },
		{ "x\r\nBcc: y", "a@b.example", "From: \"x  Bcc: y\" <a@b.example>\r\n" },
		{ "J\xc3\xbcrgen", "a@b.example", "From: =?utf-8?q?J=C3=BCrgen?= <a@b.example>\r\n" },
		{ "Somebody with quite a long name indeed to be said", "somebody@a-long-name.example",
		  "From: Somebody with quite a long name indeed to be said\r\n <somebody@a-long-name.example>\r\n" },
		{ "", "\"a b\"@[192.0.2.1]", "From: <\"a b\"@[192.0.2.1]>\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct address x;
		assert_true(address_parse(str_of(rows[i].address), &a, &x));
		compose_address(&b, "From", str_of(rows[i].name), &x);
		assert_strz(buf_str(&b), rows[i].out);
		buf_free(&b);
		arena_reset(&a);
	}
}

static void test_date(void **state)
{
	(void)state;
	struct buf b = { 0 };
	compose_date(&b, "Date", 880127706000);
	assert_strz(buf_str(&b), "Date: Fri, 21 Nov 1997 15:55:06 +0000\r\n");
	buf_free(&b);
}

static void test_body(void **state)
{
	(void)state;
	static const struct {
		const char *in, *charset, *body;
	} rows[] = {
		{ "hello", "us-ascii", "hello\r\n" },
		{ "", "us-ascii", "" },
		{ "a\nb\r\nc\rd\r\n", "us-ascii", "a\r\nb\r\nc\r\nd\r\n" },
		{ "\n\n", "us-ascii", "\r\n\r\n" },
		{ ".\r\n", "us-ascii", ".\r\n" },
		{ "J\xc3\xbcrgen = x ", "utf-8", "J=C3=BCrgen =3D x=20\r\n" },
		{ "a\x01", "utf-8", "a=01\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		compose_body(&b, str_of(rows[i].in));
		struct part *p = mime_parse(buf_str(&b), &a);
		assert_strz(mime_param(p->params, p->nparams, STR("charset")), rows[i].charset);
		assert_strz(str_sub(buf_str(&b), p->body_at, p->end), rows[i].body);
		buf_free(&b);
		arena_reset(&a);
	}
}

/* Whatever the value: one field, no line over 998 octets, none of them blank; and it reads back. */
static void expect_one_field(struct str text)
{
	struct str rest = text;
	struct header h;
	assert_true(header_next(&rest, &h));
	assert_int_equal(rest.n, 0);
	assert_true(str_ends(text, STR("\r\n")));
	while (text.n > 0) {
		struct str line = str_chomp(str_line(&text));
		assert_true(line.n <= 998);
		assert_true(str_trim(line).n > 0);
		assert_int_equal(str_chr(line, '\r'), line.n);
		assert_int_equal(str_chr(line, '\0'), line.n);
	}
}

static void test_long(void **state)
{
	(void)state;
	static const struct str pieces[] = {
		{ "x", 1 }, { "x ", 2 }, { "\xc3\xa4", 2 }, { "\r\n", 2 },  { "\xff", 1 },
		{ " ", 1 }, { "\0", 1 }, { "\"", 1 },       { "a.b, ", 5 },
	};
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct buf in = { 0 }, b = { 0 };
		while (in.n < 5000)
			buf_add(&in, pieces[i]);
		buf_addc(&in, '.');
		compose_text(&b, "Subject", buf_str(&in));
		expect_one_field(buf_str(&b));
		buf_clear(&b);
		compose_raw(&b, "Received", buf_str(&in));
		expect_one_field(buf_str(&b));
		buf_clear(&b);
		compose_address(&b, "From", buf_str(&in), &(struct address){ .local = STR("a"), .domain = STR("b") });
		expect_one_field(buf_str(&b));
		buf_clear(&b);
		compose_body(&b, buf_str(&in));
		for (struct str rest = buf_str(&b); rest.n > 0;)
			assert_true(str_chomp(str_line(&rest)).n <= 998);
		buf_free(&b);
		buf_free(&in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_raw),  cmocka_unit_test(test_address),
		cmocka_unit_test(test_date), cmocka_unit_test(test_body), cmocka_unit_test(test_long),
	};
	charset_warm();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
