#include "base/test.h"
#include "imap/section.h"
#include "imap/structure.h"

static const char simple[] = "From: Frank <frank@example.org>, \"A, B\" <a.b@x.example>\r\n"
			     "To: undisclosed:;\r\n"
			     "Cc: friends: one@x.example, two@x.example;, bare\r\n"
			     "Subject: =?utf-8?q?caf=C3=A9?=\r\n"
			     " again \"quoted\"\r\n"
			     "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
			     "Message-ID: <1@example.org>\r\n"
			     "\r\n"
			     "one\r\ntwo\r\n";

static const char nested[] = "From: a@x.example\r\n"
			     "Content-Type: multipart/mixed; boundary=out\r\n"
			     "\r\n"
			     "preamble\r\n"
			     "--out\r\n"
			     "Content-Type: text/plain; charset=\"utf-8\"\r\n"
			     "Content-Transfer-Encoding: quoted-printable\r\n"
			     "\r\n"
			     "caf=C3=A9\r\n"
			     "--out\r\n"
			     "Content-Type: message/rfc822\r\n"
			     "Content-Disposition: attachment; filename*=utf-8''%C3%A4.eml\r\n"
			     "\r\n"
			     "Subject: inner\r\n"
			     "Content-Type: multipart/alternative; boundary=in\r\n"
			     "\r\n"
			     "--in\r\n"
			     "\r\n"
			     "plain\r\n"
			     "--in\r\n"
			     "Content-Type: text/html\r\n"
			     "Content-ID: <x@y>\r\n"
			     "Content-Language: de, en\r\n"
			     "\r\n"
			     "<b>html</b>\r\n"
			     "--in--\r\n"
			     "--out\r\n"
			     "Content-Type: image/png; name=a.png\r\n"
			     "Content-Transfer-Encoding: base64\r\n"
			     "\r\n"
			     "iVBORw0KGgo=\r\n"
			     "--out--\r\n"
			     "epilogue\r\n";

static void expect_structure(const char *message, bool extended, const char *want)
{
	struct arena a = { 0 };
	struct buf b = { 0 }, index = { 0 };
	mime_index_write(&index, mime_parse(str_of(message), &a));
	struct part *root = mime_index_read(buf_str(&index), &a);
	assert_non_null(root);
	say_structure(&b, root, extended, &a);
	assert_strz(buf_str(&b), want);
	buf_free(&b);
	buf_free(&index);
	arena_reset(&a);
}

static void test_body(void **state)
{
	(void)state;
	expect_structure(simple, false, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 10 2)");
	expect_structure("", false, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
	expect_structure("Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing\r\n", false,
			 "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 9 1) \"mixed\")");
	expect_structure(nested, false,
			 "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 9 0)"
			 "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 180 "
			 "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
			 "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 0)"
			 "(\"text\" \"html\" NIL \"<x@y>\" NIL \"7BIT\" 11 0) \"alternative\") 12)"
			 "(\"image\" \"png\" (\"name\" \"a.png\") NIL NIL \"base64\" 12) \"mixed\")");
}

static void test_bodystructure(void **state)
{
	(void)state;
	expect_structure(simple, true, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 10 2 NIL NIL NIL NIL)");
	expect_structure(
	    nested, true,
	    "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 9 0 NIL NIL NIL NIL)"
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 180 "
	    "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 0 NIL NIL NIL NIL)"
	    "(\"text\" \"html\" NIL \"<x@y>\" NIL \"7BIT\" 11 0 NIL NIL (\"de\" \"en\") NIL)"
	    " \"alternative\" (\"boundary\" \"in\") NIL NIL NIL) 12"
	    " NIL (\"attachment\" (\"filename*\" \"utf-8''%C3%A4.eml\")) NIL NIL)"
	    "(\"image\" \"png\" (\"name\" \"a.png\") NIL NIL \"base64\" 12 NIL NIL NIL NIL)"
	    " \"mixed\" (\"boundary\" \"out\") NIL NIL NIL)");
}

static void test_envelope(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	say_envelope(&b, mime_parse(str_of(simple), &a)->envelope, &a);
	assert_strz(
	    buf_str(&b),
	    "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"=?utf-8?q?caf=C3=A9?= again \\\"quoted\\\"\" "
	    "((\"Frank\" NIL \"frank\" \"example.org\")(\"A, B\" NIL \"a.b\" \"x.example\")) "
	    "((\"Frank\" NIL \"frank\" \"example.org\")(\"A, B\" NIL \"a.b\" \"x.example\")) "
	    "((\"Frank\" NIL \"frank\" \"example.org\")(\"A, B\" NIL \"a.b\" \"x.example\")) "
	    "((NIL NIL \"undisclosed\" NIL)(NIL NIL NIL NIL)) "
	    "((NIL NIL \"friends\" NIL)(NIL NIL \"one\" \"x.example\")(NIL NIL \"two\" \"x.example\")(NIL NIL NIL NIL)"
	    "(NIL NIL \"bare\" \"\")) NIL NIL \"<1@example.org>\")");
	buf_free(&b);
	say_envelope(&b, NULL, &a);
	assert_strz(buf_str(&b), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	buf_free(&b);
	arena_reset(&a);
}

#define INNER                                                                                                     \
	"Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\nplain\r\n--in\r\n" \
	"Content-Type: text/html\r\nContent-ID: <x@y>\r\nContent-Language: de, en\r\n\r\n<b>html</b>\r\n--in--"
#define PREFIX "Return-Path: <z@x.example>\r\n"

static const struct {
	const char *section;
	const char *label; /* as it is named in the answer */
	const char *want;  /* NULL: nil */
} sections[] = {
	{ "[HEADER]", "BODY[HEADER]",
	  PREFIX "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n" },
	{ "[header.fields (\"FROM\" return-path none)]", "BODY[HEADER.FIELDS (FROM return-path none)]",
	  PREFIX "From: a@x.example\r\n\r\n" },
	{ "[HEADER.FIELDS.NOT (Content-Type)]", "BODY[HEADER.FIELDS.NOT (Content-Type)]",
	  PREFIX "From: a@x.example\r\n\r\n" },
	{ "[1]", "BODY[1]", "caf=C3=A9" },
	{ "[1.MIME]", "BODY[1.MIME]",
	  "Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" },
	{ "[1.HEADER]", "BODY[1.HEADER]", NULL },
	{ "[2]", "BODY[2]", INNER },
	{ "[2.HEADER]", "BODY[2.HEADER]",
	  "Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n" },
	{ "[2.HEADER.FIELDS (subject)]", "BODY[2.HEADER.FIELDS (subject)]", "Subject: inner\r\n\r\n" },
	{ "[2.1]", "BODY[2.1]", "plain" },
	{ "[2.1.MIME]", "BODY[2.1.MIME]", "\r\n" },
	{ "[2.2]<3.4>", "BODY[2.2]<3>", "html" },
	{ "[2.2]<99.4>", "BODY[2.2]<99>", "" },
	{ "[3]", "BODY[3]", "iVBORw0KGgo=" },
	{ "[4]", "BODY[4]", NULL },
	{ "[1.1]", "BODY[1.1]", NULL },
	{ "[]<0.20>", "BODY[]<0>", "Return-Path: <z@x.ex" },
	{ "[]<24.12>", "BODY[]<24>", "e>\r\nFrom: a@" },
	{ "[TEXT]<0.10>", "BODY[TEXT]<0>", "preamble\r\n" },
};

static void test_sections(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		struct arena a = { 0 };
		struct msg row = { .prefix = STR(PREFIX), .prefix_size = sizeof PREFIX - 1 };
		struct message m = { .a = &a, .row = &row, .content = str_of(nested), .have_content = true };
		struct section x;
		struct octets o;
		struct err e = { 0 };
		struct buf label = { 0 };
		struct parser p = parser_new(str_of(sections[i].section), &a, 0);
		m.root = mime_parse(m.content, &a);
		if (!parse_section(&p, &x) || !parse_end(&p))
			fail_msg("%s: %.*s", sections[i].section, STRF(parse_why(&p)));
		assert_true(section_find(&x, &m, &o, &e));
		say_section(&label, &x);
		assert_strz(buf_str(&label), sections[i].label);
		if (o.nil != (sections[i].want == NULL))
			fail_msg("%s", sections[i].section);
		if (!o.nil)
			assert_strz(str_cat(&a, o.first, o.second), sections[i].want);
		buf_free(&label);
		arena_reset(&a);
	}
}

static void test_wrong_sections(void **state)
{
	static const char *const wrong[] = { "[",
					     "[1",
					     "[0]",
					     "[1.]",
					     "[.1]",
					     "[MIME]",
					     "[X]",
					     "[]<1>",
					     "[]<1.0>",
					     "[1HEADER]",
					     "[HEADER.FIELDS]",
					     "[HEADER.FIELDS ()]" };
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct arena a = { 0 };
		struct section x;
		struct parser p = parser_new(str_of(wrong[i]), &a, 0);
		if (parse_section(&p, &x) && parse_end(&p))
			fail_msg("%s was taken", wrong[i]);
		assert_non_null(p.expected);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body),     cmocka_unit_test(test_bodystructure),  cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_sections), cmocka_unit_test(test_wrong_sections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
