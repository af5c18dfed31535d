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
	say_structure(&b, root, extended, SAY_ASCII, &a);
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
	say_envelope(&b, mime_parse(str_of(simple), &a)->envelope, SAY_ASCII, &a);
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
	say_envelope(&b, NULL, SAY_ASCII, &a);
	assert_strz(buf_str(&b), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	buf_free(&b);
	say_envelope(&b, mime_parse(STR("From: a@x.example\r\nReply-To: ,\r\nTo: ,\r\n\r\n"), &a)->envelope, SAY_ASCII,
		     &a);
	assert_strz(buf_str(&b), "(NIL NIL ((NIL NIL \"a\" \"x.example\")) ((NIL NIL \"a\" \"x.example\")) "
				 "((NIL NIL \"a\" \"x.example\")) NIL NIL NIL NIL NIL)");
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
	{ "[2.TEXT]<0.11>", "BODY[2.TEXT]<0>", "--in\r\n\r\npla" },
	{ "[2.HEADER.FIELDS.NOT (subject)]", "BODY[2.HEADER.FIELDS.NOT (subject)]",
	  "Content-Type: multipart/alternative; boundary=in\r\n\r\n" },
	{ "[2.MIME]", "BODY[2.MIME]",
	  "Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename*=utf-8''%C3%A4.eml\r\n\r\n" },
	{ "[2.2.MIME]<0.12>", "BODY[2.2.MIME]<0>", "Content-Type" },
	{ "[2.2.TEXT]", "BODY[2.2.TEXT]", NULL },
	{ "[2.3]", "BODY[2.3]", NULL },
	{ "[2.1.1]", "BODY[2.1.1]", NULL },
	{ "[HEADER]<0.13>", "BODY[HEADER]<0>", "Return-Path: " },
	{ "[HEADER]<28.5>", "BODY[HEADER]<28>", "From:" },
	{ "[HEADER.FIELDS (from)]<26.7>", "BODY[HEADER.FIELDS (from)]<26>", "" },
};

static void add_bytes(void *ctx, struct str bytes)
{
	buf_add(ctx, bytes);
}

/* What a section of that message is; false: NIL. */
static bool find(const struct section *x, struct str message, struct buf *got, struct octets *o)
{
	struct arena a = { 0 };
	struct msg row = { .prefix = STR(PREFIX), .prefix_size = sizeof PREFIX - 1 };
	struct message m = { .a = &a, .row = &row, .content = message, .have_content = true };
	struct err e = { 0 };
	row.size = row.prefix_size + message.n;
	m.root = mime_parse(message, &a);
	assert_true(section_find(x, &m, o, &e));
	if (!o->nil && !o->unknown) {
		assert_true(section_octets(o, &m, add_bytes, got, &e));
		assert_int_equal(got->n, o->size);
	}
	arena_reset(&a);
	return !o->nil;
}

static void test_sections(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		struct arena a = { 0 };
		struct section x;
		struct octets o;
		struct buf label = { 0 }, got = { 0 };
		struct parser p = parser_new(str_of(sections[i].section), &a, 0);
		if (!parse_section(&p, &x) || !parse_end(&p))
			fail_msg("%s: %.*s", sections[i].section, STRF(parse_why(&p)));
		say_section(&label, &x);
		assert_strz(buf_str(&label), sections[i].label);
		if (find(&x, str_of(nested), &got, &o) != (sections[i].want != NULL))
			fail_msg("%s", sections[i].section);
		if (sections[i].want)
			assert_strz(buf_str(&got), sections[i].want);
		buf_free(&label);
		buf_free(&got);
		arena_reset(&a);
	}
}

/* Every partial of every section is that piece of the whole, however it is cut: prefix, content, what is decoded. */
static void test_partials(void **state)
{
	static const char *const whole[] = {
		"[]", "[HEADER]", "[TEXT]", "[2]", "[2.HEADER]", "[HEADER.FIELDS (FROM)]"
	};
	(void)state;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
		struct arena a = { 0 };
		struct section x;
		struct octets o;
		struct buf all = { 0 }, got = { 0 };
		struct parser p = parser_new(str_of(whole[i]), &a, 0);
		assert_true(parse_section(&p, &x));
		assert_true(find(&x, str_of(nested), &all, &o));
		x.partial = true;
		for (x.from = 0; x.from < all.n + 3; x.from++)
			for (x.count = 1; x.count < all.n + 3; x.count += 1 + x.count / 3) {
				buf_clear(&got);
				assert_true(find(&x, str_of(nested), &got, &o));
				assert_str(buf_str(&got), str_sub(buf_str(&all), x.from, (size_t)x.from + x.count));
			}
		buf_free(&all);
		buf_free(&got);
		arena_reset(&a);
	}
}

static const char encoded[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			      "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\nAwQ=\r\n"
			      "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 =\r\nau lait\r\n"
			      "--b\r\nContent-Transfer-Encoding: x-zip\r\n\r\nabc\r\n"
			      "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n"
			      "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n"
			      "--b--\r\n";
static const struct {
	const char *section;
	struct str want;
	bool nil, unknown, nul;
} binaries[] = {
	{ "[1]", { "\0\1\2\3\4", 5 }, false, false, true },
	{ "[1]<1.2>", { "\1\2", 2 }, false, false, true },
	{ "[1]<5.2>", { "", 0 }, false, false, true },
	{ "[2]", { "caf\xc3\xa9 au lait", 13 }, false, false, false },
	{ "[3]", { "", 0 }, false, true, false },
	{ "[4]", { "Subject: s\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=", 57 }, false, false, false },
	{ "[4.1]", { "Hello", 5 }, false, false, false },
	{ "[5]", { "", 0 }, true, false, false },
	{ "[]<0.30>", { PREFIX "Co", 30 }, false, false, false },
};

static void test_binary(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) {
		struct arena a = { 0 };
		struct section x;
		struct octets o;
		struct buf got = { 0 };
		struct parser p = parser_new(str_of(binaries[i].section), &a, 0);
		assert_true(parse_section_binary(&p, true, &x) && parse_end(&p));
		assert_int_equal(!find(&x, str_of(encoded), &got, &o), binaries[i].nil);
		assert_int_equal(o.unknown, binaries[i].unknown);
		assert_int_equal(o.nul, binaries[i].nul);
		assert_str(buf_str(&got), binaries[i].want);
		buf_free(&got);
		arena_reset(&a);
	}
	static const char *const wrong[] = { "[HEADER]", "[1.MIME]", "[1.]", "", "[1]<1>" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct arena a = { 0 };
		struct section x;
		struct parser p = parser_new(str_of(wrong[i]), &a, 0);
		assert_false(parse_section_binary(&p, true, &x) && parse_end(&p));
		arena_reset(&a);
	}
}

/* A large part is decoded as it goes, twice: to say how much it is, then to say it. */
static void test_large_binary(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf message = { 0 }, plain = { 0 }, got = { 0 };
	struct section x = { .binary = true, .path = ARENA_ARRAY(&a, uint32_t, 1), .npath = 1 };
	struct octets o;
	x.path[0] = 1;
	buf_addz(&message, "Content-Transfer-Encoding: base64\r\n\r\n");
	for (unsigned i = 0; i < 40000; i++) {
		struct buf line = { 0 };
		for (unsigned k = 0; k < 57; k++)
			buf_addc(&line, (char)('a' + (i * 31 + k) % 26));
		buf_add(&plain, buf_str(&line));
		buf_base64(&message, buf_str(&line));
		buf_addz(&message, "\r\n");
		buf_free(&line);
	}
	assert_true(find(&x, buf_str(&message), &got, &o) && o.decode && !o.nul);
	assert_str(buf_str(&got), buf_str(&plain));
	x.partial = true;
	x.from = 1000003;
	x.count = 70001;
	buf_clear(&got);
	assert_true(find(&x, buf_str(&message), &got, &o));
	assert_str(buf_str(&got), str_sub(buf_str(&plain), x.from, x.from + x.count));
	x.from = 40000 * 57 - 5;
	buf_clear(&got);
	assert_true(find(&x, buf_str(&message), &got, &o));
	assert_int_equal(got.n, 5);
	buf_free(&message);
	buf_free(&plain);
	buf_free(&got);
	arena_reset(&a);
}

static void test_utf8(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct part *root = mime_parse(STR("Subject: caf\xc3\xa9 \"x\"\r\nFrom: \xff <a@b.example>\r\n"
					   "Content-Type: text/plain; name*=utf-8''%C3%A4\r\n\r\nx\r\n"),
				       &a);
	say_envelope(&b, root->envelope, SAY_UTF8, &a);
	assert_true(str_find(buf_str(&b), STR("\"caf\xc3\xa9 \\\"x\\\"\"")) < b.n);
	assert_true(str_find(buf_str(&b), STR("{1}\r\n\xff")) < b.n); /* no UTF-8: never between quotes */
	buf_clear(&b);
	say_envelope(&b, root->envelope, SAY_ASCII, &a);
	assert_true(str_find(buf_str(&b), STR("{9}\r\ncaf\xc3\xa9 \"x\"")) < b.n);
	static const struct {
		enum say_utf8 utf8;
		const char *want;
	} rows[] = { { SAY_ASCII, "(\"name*\" \"utf-8''%C3%A4\")" },
		     { SAY_REV2, "(\"name*\" \"utf-8''%C3%A4\")" },
		     { SAY_UTF8, "(\"name\" \"\xc3\xa4\")" } };
	for (size_t i = 0; i < 3; i++) {
		buf_clear(&b);
		say_structure(&b, root, true, rows[i].utf8, &a);
		assert_true(str_find(buf_str(&b), str_of(rows[i].want)) < b.n);
	}
	root = mime_parse(STR("Content-Type: message/global\r\n\r\nSubject: \xc3\xa4\r\n\r\nx\r\n"), &a);
	buf_clear(&b);
	say_structure(&b, root, false, SAY_UTF8, &a);
	assert_strz(buf_str(&b),
		    "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 18 (NIL \"\xc3\xa4\" NIL NIL NIL NIL NIL "
		    "NIL NIL NIL) (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3 1) 3)");
	buf_clear(&b);
	say_structure(&b, root, false, SAY_ASCII, &a);
	assert_strz(buf_str(&b), "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 18)");
	buf_free(&b);
	arena_reset(&a);
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
		cmocka_unit_test(test_body),           cmocka_unit_test(test_bodystructure),
		cmocka_unit_test(test_envelope),       cmocka_unit_test(test_sections),
		cmocka_unit_test(test_partials),       cmocka_unit_test(test_binary),
		cmocka_unit_test(test_large_binary),   cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_wrong_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
