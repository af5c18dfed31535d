#include "mail/mime.h"

#include "base/test.h"
#include "mail/header.h"

/* type/subtype:lines[body], containers with their children in braces, "!" where it was cut. */
static void show(struct buf *b, struct str message, const struct part *p)
{
	buf_printf(b, "%.*s/%.*s%s", STRF(p->type), STRF(p->subtype), p->cut ? "!" : "");
	if (p->lines > 0)
		buf_printf(b, ":%u", p->lines);
	if (!p->child) {
		buf_addc(b, '[');
		buf_add(b, str_sub(message, p->body_at, p->end));
		buf_addc(b, ']');
		return;
	}
	buf_addc(b, '{');
	for (const struct part *c = p->child; c; c = c->next) {
		show(b, message, c);
		if (c->next)
			buf_addc(b, ' ');
	}
	buf_addc(b, '}');
}

/* What holds of every tree. */
static void check(const struct part *p, size_t end, bool whole)
{
	assert_true(p->header_at <= p->body_at && p->body_at <= p->end && p->end <= end);
	assert_int_equal(p->envelope != NULL, whole);
	assert_int_equal(p->child != NULL, p->multipart || p->message);
	assert_false(p->multipart && p->message);
	assert_false(p->message && p->child->next);
	size_t from = p->body_at;
	for (const struct part *c = p->child; c; c = c->next) {
		assert_true(c->header_at >= from);
		check(c, p->end, p->message);
		from = c->end;
	}
}

static void expect(const char *in, const char *want)
{
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct str message = str_of(in);
	struct part *root = mime_parse(message, &a);
	check(root, message.n, true);
	assert_int_equal(root->body_at, header_block(message).n);
	show(&b, message, root);
	if (!str_eq(buf_str(&b), str_of(want)))
		fail_msg("%s\n--- got\n%.*s\n--- want\n%s", in, STRF(buf_str(&b)), want);
	buf_free(&b);
	arena_reset(&a);
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=\"" b "\"\r\n"
#define HTML     "Content-Type: text/html\r\n"
#define RFC822   "Content-Type: message/rfc822\r\n"
#define TYPE(t)  "Content-Type: " t "\r\n"

static const struct {
	const char *in, *want;
} rows[] = {
	/* clang-format off */
	{ "", "TEXT/PLAIN[]" },
	{ "Subject: x\r\n", "TEXT/PLAIN[]" },
	{ "Subject: x\r\n\r\n", "TEXT/PLAIN[]" },
	{ "Subject: x\r\n\r\none\r\ntwo\r\n", "TEXT/PLAIN:2[one\r\ntwo\r\n]" },
	{ "Subject: x\n\none\ntwo", "TEXT/PLAIN:1[one\ntwo]" },
	{ "\r\nno header", "TEXT/PLAIN[no header]" },
	{ "\n", "TEXT/PLAIN[]" },
	{ TYPE("image/png") "\r\na\r\n", "image/png[a\r\n]" },
	/* types that say nothing: RFC 2045 5.2 */
	{ TYPE("text") "\r\na", "TEXT/PLAIN[a]" },
	{ TYPE("") "\r\na", "TEXT/PLAIN[a]" },
	{ TYPE("/html") "\r\na", "TEXT/PLAIN[a]" },
	{ TYPE("text/") "\r\na", "TEXT/PLAIN[a]" },
	{ TYPE(" (c) text (d) / (e) x-y (f)") "\r\na", "text/x-y[a]" },
	{ TYPE("t\xc3\xa4xt/plain") "\r\na", "TEXT/PLAIN[a]" },
	{ TYPE("text/html") TYPE("image/png") "\r\na", "text/html[a]" }, /* the first */
	/* RFC 2046 5.1.1 */
	{ "Subject: Sample message\r\nMIME-Version: 1.0\r\n" MIXED("simple boundary") "\r\n"
	  "This is the preamble.\r\n"
	  "--simple boundary\r\n\r\n"
	  "This is implicitly typed.\r\nIt does NOT end with a linebreak.\r\n"
	  "--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\n"
	  "This is explicitly typed.\r\nIt DOES end with a linebreak.\r\n\r\n"
	  "--simple boundary--\r\n\r\nThis is the epilogue.\r\n",
	  "multipart/mixed{TEXT/PLAIN:1[This is implicitly typed.\r\nIt does NOT end with a linebreak.] "
	  "text/plain:2[This is explicitly typed.\r\nIt DOES end with a linebreak.\r\n]}" },
	{ "Content-Type: multipart/mixed;\n boundary=a\n\n--a\n\none\n--a\n\ntwo\n\n--a--\n",
	  "multipart/mixed{TEXT/PLAIN[one] TEXT/PLAIN:1[two\n]}" },
	{ MIXED("a") "\r\n--a \t \r\n\r\none\r\n--a  \r\n\r\ntwo\r\n--a-- \t\r\n", /* transport-padding */
	  "multipart/mixed{TEXT/PLAIN[one] TEXT/PLAIN[two]}" },
	{ MIXED("a ") "\r\n--a\r\n\r\none\r\n--a--\r\n", "multipart/mixed{TEXT/PLAIN[one]}" },
	{ MIXED("a") "\r\n--a\r\n\r\none\r\n--a--", "multipart/mixed{TEXT/PLAIN[one]}" },
	/* empty bodies and empty parts */
	{ MIXED("a") "\r\n--a\r\n\r\n--a--\r\n", "multipart/mixed{TEXT/PLAIN[]}" },
	{ MIXED("a") "\r\n--a\r\n\r\n\r\n--a--\r\n", "multipart/mixed{TEXT/PLAIN[]}" },
	{ MIXED("a") "\r\n--a\r\n\r\n\r\n\r\n--a--\r\n", "multipart/mixed{TEXT/PLAIN:1[\r\n]}" },
	{ MIXED("a") "\r\n--a\r\n" HTML "--a--\r\n", "multipart/mixed{text/html[]}" },
	{ MIXED("a") "\r\n--a\r\n--a\r\n--a--\r\n", "multipart/mixed{TEXT/PLAIN[] TEXT/PLAIN[]}" },
	{ MIXED("a") "\r\n--a\r\n", "multipart/mixed{TEXT/PLAIN[]}" },
	{ MIXED("a") "\r\n--a", "multipart/mixed{TEXT/PLAIN[]}" },
	/* no delimiter at all: the text is shown */
	{ MIXED("a") "\r\ntext\r\n", "multipart/mixed{TEXT/PLAIN:1[text\r\n]}" },
	{ MIXED("a") "\r\n--b\r\ntext", "multipart/mixed{TEXT/PLAIN:1[--b\r\ntext]}" },
	{ MIXED("a") "\r\n", "multipart/mixed{TEXT/PLAIN[]}" },
	{ MIXED("a"), "multipart/mixed{TEXT/PLAIN[]}" },
	{ MIXED("a") "\r\n--a--\r\nx", "multipart/mixed{TEXT/PLAIN:1[--a--\r\nx]}" },
	{ TYPE("multipart/mixed") "\r\n--a\r\n\r\nx", "TEXT/PLAIN:2[--a\r\n\r\nx]" },
	{ TYPE("multipart/mixed; boundary=\"\"") "\r\n--\r\n\r\nx", "TEXT/PLAIN:2[--\r\n\r\nx]" },
	/* the last delimiter is missing */
	{ MIXED("a") "\r\n--a\r\n\r\none\r\n--a\r\n\r\ntwo\r\n", "multipart/mixed{TEXT/PLAIN[one] TEXT/PLAIN:1[two\r\n]}" },
	{ MIXED("a") "\r\n--a\r\n" MIXED("b") "\r\n--b\r\n\r\none\r\n--a\r\n\r\ntwo\r\n--a--\r\n",
	  "multipart/mixed{multipart/mixed{TEXT/PLAIN[one]} TEXT/PLAIN[two]}" },
	{ MIXED("a") "\r\n--a\r\n" MIXED("b") "\r\n--b\r\n--a--\r\n",
	  "multipart/mixed{multipart/mixed{TEXT/PLAIN[]}}" },
	{ MIXED("a") "\r\n--a\r\n" MIXED("b") "\r\n--a--\r\n", "multipart/mixed{multipart/mixed{TEXT/PLAIN[]}}" },
	{ MIXED("a") "\r\n--a\r\n" MIXED("b") "--a--\r\n", "multipart/mixed{multipart/mixed{TEXT/PLAIN[]}}" },
	/* boundaries that are prefixes of each other, or the same, or look like a closing one */
	{ MIXED("ab") "\r\n--ab\r\n" MIXED("abc") "\r\n--abc\r\n\r\none\r\n--abc--\r\n--ab\r\n\r\ntwo\r\n--ab--\r\n",
	  "multipart/mixed{multipart/mixed{TEXT/PLAIN[one]} TEXT/PLAIN[two]}" },
	{ MIXED("abc") "\r\n--abc\r\n" MIXED("ab") "\r\n--ab\r\n\r\none\r\n--abc\r\n\r\ntwo\r\n--abc--\r\n",
	  "multipart/mixed{multipart/mixed{TEXT/PLAIN[one]} TEXT/PLAIN[two]}" },
	{ MIXED("a") "\r\n--a\r\n" MIXED("a--") "\r\n--a--\r\n\r\none\r\n--a----\r\n--a--\r\n",
	  "multipart/mixed{multipart/mixed{TEXT/PLAIN[one]}}" },
	{ MIXED("a") "\r\n--a\r\n" MIXED("a") "\r\n--a\r\n\r\none\r\n--a--\r\n--a\r\n\r\ntwo\r\n--a--\r\n",
	  "multipart/mixed{multipart/mixed{TEXT/PLAIN[one]} TEXT/PLAIN[two]}" },
	{ MIXED("a") "\r\n--a\r\n\r\n--ab\r\n --a\r\n--a-\r\n--a--x\r\n-a\r\n---a\r\n--A\r\n--a--\r\n",
	  "multipart/mixed{TEXT/PLAIN:6[--ab\r\n --a\r\n--a-\r\n--a--x\r\n-a\r\n---a\r\n--A]}" },
	{ MIXED("a") "\r\n--a\r\n\r\none\r\n--a--\r\n--a\r\n\r\ntwo\r\n--a--\r\n", /* after the end is epilogue */
	  "multipart/mixed{TEXT/PLAIN[one]}" },
	{ MIXED("-") "\r\n---\r\n\r\none\r\n-----\r\n", "multipart/mixed{TEXT/PLAIN[one]}" },
	{ MIXED("a") "\r\n--a\r\n\r\none\r--a\rtwo\r\n--a--\r\n", /* CR alone ends no line */
	  "multipart/mixed{TEXT/PLAIN[one\r--a\rtwo]}" },
	{ MIXED("a") "\r\n--a\r\n\r\none\n--a\n\ntwo\r\n--a--\r\n", "multipart/mixed{TEXT/PLAIN[one] TEXT/PLAIN[two]}" },
	{ TYPE("multipart/mixed; boundary=a/b:c") "\r\n--a/b:c\r\n\r\none\r\n--a/b:c--", "multipart/mixed{TEXT/PLAIN[one]}" },
	{ TYPE("multipart/mixed; boundary*0=\"a\"; boundary*1=b") "\r\n--ab\r\n\r\none\r\n--ab--", "multipart/mixed{TEXT/PLAIN[one]}" },
	/* a boundary in a header is one, too */
	{ MIXED("a") "\r\n--a\r\nSubject: x\r\n--a\r\n" HTML "\r\ntwo\r\n--a--\r\n",
	  "multipart/mixed{TEXT/PLAIN[] text/html[two]}" },
	/* messages in messages */
	{ RFC822 "\r\nSubject: in\r\n\r\nbody\r\n", "message/rfc822:3{TEXT/PLAIN:1[body\r\n]}" },
	{ RFC822 "\r\n", "message/rfc822{TEXT/PLAIN[]}" },
	{ RFC822, "message/rfc822{TEXT/PLAIN[]}" },
	{ TYPE("message/global") "\r\nSubject: in\r\n\r\nbody", "message/global:2{TEXT/PLAIN[body]}" },
	{ TYPE("message/partial; id=x") "\r\nSubject: in\r\n\r\nbody", "message/partial[Subject: in\r\n\r\nbody]" },
	{ TYPE("message/delivery-status") "\r\nReporting-MTA: x\r\n", "message/delivery-status[Reporting-MTA: x\r\n]" },
	{ MIXED("a") "\r\n--a\r\n" RFC822 "\r\n" MIXED("b") "\r\n--b\r\n" HTML "\r\none\r\n--b--\r\n--a--\r\n",
	  "multipart/mixed{message/rfc822:6{multipart/mixed{text/html[one]}}}" },
	{ MIXED("a") "\r\n--a\r\n" RFC822 "\r\nSubject: in\r\n\r\nbody\r\n--a\r\n\r\ntwo\r\n--a--\r\n",
	  "multipart/mixed{message/rfc822:2{TEXT/PLAIN[body]} TEXT/PLAIN[two]}" },
	{ MIXED("a") "\r\n--a\r\n" RFC822 "\r\n--a--\r\n", "multipart/mixed{message/rfc822{TEXT/PLAIN[]}}" },
	{ MIXED("a") "\r\n--a\r\n" RFC822 "--a--\r\n", "multipart/mixed{message/rfc822{TEXT/PLAIN[]}}" },
	{ MIXED("a") "\r\n--a\r\n" RFC822 "\r\nSubject: in\r\n--a--\r\n",
	  "multipart/mixed{message/rfc822:1{TEXT/PLAIN[]}}" },
	{ MIXED("a") "\r\n--a\r\n" RFC822 "\r\n" RFC822 "\r\nSubject: in\r\n\r\nx\r\n--a--\r\n",
	  "multipart/mixed{message/rfc822:4{message/rfc822:2{TEXT/PLAIN[x]}}}" },
	/* digests: RFC 2046 5.1.5 */
	{ TYPE("multipart/digest; boundary=a") "\r\n--a\r\n\r\nSubject: one\r\n\r\nx\r\n--a\r\n" HTML "\r\ny\r\n"
	  "--a\r\n\r\nSubject: two\r\n\r\nz\r\n--a--\r\n",
	  "multipart/digest{MESSAGE/RFC822:2{TEXT/PLAIN[x]} text/html[y] MESSAGE/RFC822:2{TEXT/PLAIN[z]}}" },
	{ TYPE("multipart/digest; boundary=a") "\r\nnothing", "multipart/digest{TEXT/PLAIN[nothing]}" },
	/* clang-format on */
};

static void test_structure(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		expect(rows[i].in, rows[i].want);
}

static struct part *find(struct part *root, const char *path)
{
	uint32_t numbers[16];
	size_t n = 0;
	for (const char *p = path; *p; p++)
		if (ch_digit(*p))
			numbers[n++] = (uint32_t)(*p - '0');
	return mime_find(root, numbers, n);
}

/* The message of RFC 3501 6.4.5, with its part numbers. */
#define TEXTPART(text) "Content-Type: text/plain\r\nContent-Description: " text "\r\n\r\n" text "\r\n"
#define RFC3501                                                                                                                                                                            \
	"From: a@b\r\n" MIXED(                                                                                                                                                             \
	    "1") "\r\n"                                                                                                                                                                    \
		 "--1\r\n" TEXTPART(                                                                                                                                                       \
		     "one") "--1\r\nContent-Type: application/octet-stream\r\n\r\ntwo\r\n"                                                                                                 \
			    "--1\r\n" RFC822 "X-Mime: 3\r\n\r\n"                                                                                                                           \
			    "Subject: three\r\n" MIXED(                                                                                                                                    \
				"3") "\r\n"                                                                                                                                                \
				     "--3\r\n" TEXTPART(                                                                                                                                   \
					 "three.one") "--3\r\nContent-Type: "                                                                                                              \
						      "application/"                                                                                                                       \
						      "octet-stream\r\n\r\nthree.two\r\n--3--\r\n"                                                                                         \
						      "--1\r\n" MIXED(                                                                                                                     \
							  "4") "\r\n"                                                                                                                      \
							       "--4\r\nContent-Type: "                                                                                                     \
							       "image/gif\r\n\r\nfour.one\r\n"                                                                                             \
							       "--4\r\n" RFC822 "\r\nSubject: four.two\r\n" MIXED(                                                                         \
								   "42") "\r\n"                                                                                                            \
									 "--42\r\n" TEXTPART(                                                                                              \
									     "four."                                                                                                       \
									     "two.one") "--42\r\n" TYPE("multipart/"                                                                       \
													"alternative;"                                                                     \
													" "                                                                                \
													"boundary="                                                                        \
													"422") "\r\n"                                                                      \
													       "--"                                                                        \
													       "422\r"                                                                     \
													       "\n" TEXTPART(                                                              \
														   "f"                                                                     \
														   "o"                                                                     \
														   "u"                                                                     \
														   "r"                                                                     \
														   "."                                                                     \
														   "t"                                                                     \
														   "w"                                                                     \
														   "o"                                                                     \
														   "."                                                                     \
														   "t"                                                                     \
														   "w"                                                                     \
														   "o"                                                                     \
														   "."                                                                     \
														   "o"                                                                     \
														   "n"                                                                     \
														   "e") "--422\r\nContent-Type: text/richtext\r\n\r\nfour.two.two.two\r\n" \
															"--422--\r\n--42--\r\n--4--\r\n"                                   \
															"--1\r\n" RFC822                                                   \
															"\r\nSubject: five\r\n\r\nfive.one\r\n--1--\r\n"

static void test_find(void **state)
{
	(void)state;
	static const struct {
		const char *path, *type, *body; /* type NULL: no such part; body NULL: not compared */
	} want[] = {
		{ "", "multipart/mixed", NULL },
		{ "1", "text/plain", "one" },
		{ "2", "application/octet-stream", "two" },
		{ "3", "message/rfc822", NULL },
		{ "3.1", "text/plain", "three.one" },
		{ "3.2", "application/octet-stream", "three.two" },
		{ "4", "multipart/mixed", NULL },
		{ "4.1", "image/gif", "four.one" },
		{ "4.2", "message/rfc822", NULL },
		{ "4.2.1", "text/plain", "four.two.one" },
		{ "4.2.2", "multipart/alternative", NULL },
		{ "4.2.2.1", "text/plain", "four.two.two.one" },
		{ "4.2.2.2", "text/richtext", "four.two.two.two" },
		{ "5", "message/rfc822", "Subject: five\r\n\r\nfive.one" },
		{ "5.1", "TEXT/PLAIN", "five.one" },
		{ "0", NULL, NULL },
		{ "6", NULL, NULL },
		{ "1.1", NULL, NULL },
		{ "3.3", NULL, NULL },
		{ "3.0", NULL, NULL },
		{ "5.2", NULL, NULL },
		{ "5.1.1", NULL, NULL },
	};
	struct arena a = { 0 };
	struct str message = STR(RFC3501);
	struct part *root = mime_parse(message, &a);
	check(root, message.n, true);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct part *p = find(root, want[i].path);
		if ((p != NULL) != (want[i].type != NULL))
			fail_msg("%s: %s", want[i].path, p ? "found" : "missing");
		if (!p)
			continue;
		assert_strz(str_fmt(&a, "%.*s/%.*s", STRF(p->type), STRF(p->subtype)), want[i].type);
		if (want[i].body)
			assert_strz(str_sub(message, p->body_at, p->end), want[i].body);
	}
	/* BODY[3.MIME], BODY[3.HEADER], BODY[3.1.MIME] */
	struct part *p = find(root, "3");
	assert_strz(str_sub(message, p->header_at, p->body_at), RFC822 "X-Mime: 3\r\n\r\n");
	assert_strz(str_sub(message, p->child->header_at, p->child->body_at), "Subject: three\r\n" MIXED("3") "\r\n");
	assert_strz(p->child->envelope->subject, "three");
	assert_int_equal(p->child->end, p->end);
	p = find(root, "3.1");
	assert_strz(str_sub(message, p->header_at, p->body_at),
		    "Content-Type: text/plain\r\nContent-Description: three.one\r\n\r\n");
	arena_reset(&a);

	/* A message of one part has part 1, itself. */
	message = STR("Subject: x\r\n\r\nbody");
	root = mime_parse(message, &a);
	assert_ptr_equal(find(root, "1"), root);
	assert_null(find(root, "1.1"));
	assert_null(find(root, "2"));
	message = STR(RFC822 "\r\n" RFC822 "\r\nSubject: x\r\n\r\nbody");
	root = mime_parse(message, &a);
	assert_ptr_equal(find(root, "1"), root);
	assert_ptr_equal(find(root, "1.1"), root->child);
	assert_ptr_equal(find(root, "1.1.1"), root->child->child);
	assert_null(find(root, "1.1.1.1"));
	arena_reset(&a);
}

static void test_fields(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct part *p = mime_parse(STR("date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
					"SUBJECT: =?utf-8?q?a?=\r\n b\r\n"
					"Subject: second\r\n"
					"From: a@b\r\nReply-To:\r\nTo: c@d,\r\n\te@f\r\n"
					"Message-ID: <1@x> \r\nIn-Reply-To: <0@x>\r\n"
					"Content-Type: Text/HTML; Charset=\"utf-8\"; name=x\r\n"
					"Content-Transfer-Encoding: (c) Quoted-Printable ; junk\r\n"
					"Content-Disposition: Inline; filename*=utf-8''%e2%82%ac; size=3\r\n"
					"Content-ID: <id@x>\r\nContent-Description: some\r\n text\r\n"
					"Content-Language: de, en-US (x),, fr\r\nContent-MD5: Q2hl (c)\r\n"
					"Content-Location: http://x/\r\n\r\n"),
				    &a);
	struct envelope *e = p->envelope;
	assert_strz(e->date, "Fri, 21 Nov 1997 09:55:06 -0600");
	assert_strz(e->subject, "=?utf-8?q?a?= b");
	assert_strz(e->from, "a@b");
	assert_strz(e->to, "c@d,\te@f");
	assert_strz(e->message_id, "<1@x>");
	assert_strz(e->in_reply_to, "<0@x>");
	assert_strz(e->reply_to, "");
	assert_int_equal(e->have, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9);
	assert_strz(p->type, "Text");
	assert_strz(p->subtype, "HTML");
	assert_int_equal(p->nparams, 2);
	assert_strz(p->params[0].name, "charset");
	assert_strz(mime_param(p->params, p->nparams, STR("CHARSET")), "utf-8");
	assert_strz(p->encoding, "Quoted-Printable");
	assert_strz(p->disposition, "Inline");
	assert_strz(mime_param(p->disp_params, p->ndisp_params, STR("filename")), "\xe2\x82\xac");
	assert_strz(p->id, "<id@x>");
	assert_strz(p->description, "some text");
	assert_int_equal(p->nlanguages, 3);
	assert_strz(p->languages[1], "en-US");
	assert_strz(p->languages[2], "fr");
	assert_strz(p->md5, "Q2hl");
	assert_strz(p->location, "http://x/");
	p = mime_parse(STR("Content-Disposition: ; filename=x\r\n\r\n"), &a);
	assert_strz(p->disposition, "attachment");
	assert_strz(p->encoding, "7BIT");
	assert_int_equal(p->nparams, 0);
	p = mime_parse(STR("Content-Disposition:\r\nContent-Transfer-Encoding:\r\n\r\n"), &a);
	assert_strz(p->disposition, "");
	assert_strz(p->encoding, "7BIT");
	arena_reset(&a);
}

static size_t count(const struct part *p, unsigned level, unsigned *deepest)
{
	size_t n = 1;
	if (level > *deepest)
		*deepest = level;
	for (const struct part *c = p->child; c; c = c->next)
		n += count(c, level + 1, deepest);
	return n;
}

static void test_depth(void **state)
{
	(void)state;
	struct buf b = { 0 }, messages = { 0 };
	for (int i = 0; i < 200; i++) {
		buf_printf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
		buf_addz(&messages, RFC822 "\r\n");
	}
	struct str both[2] = { buf_str(&b), buf_str(&messages) };
	for (size_t i = 0; i < 2; i++) {
		struct arena a = { 0 };
		unsigned deepest = 0;
		struct part *root = mime_parse(both[i], &a);
		check(root, both[i].n, true);
		assert_int_equal(count(root, 1, &deepest), MIME_DEPTH);
		assert_int_equal(deepest, MIME_DEPTH);
		assert_true(root->cut);
		for (; root->child; root = root->child)
			;
		assert_true(root->cut);
		assert_strz(root->subtype, "OCTET-STREAM");
		assert_int_equal(root->end, both[i].n);
		arena_reset(&a);
	}
	buf_free(&b);
	buf_free(&messages);
}

static void test_parts(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	unsigned deepest = 0;
	buf_addz(&b, MIXED("a") "\r\n--a\r\n" MIXED("b") "\r\n");
	for (int i = 0; i < MIME_PARTS * 3; i++)
		buf_addz(&b, "--b\r\n\r\nx\r\n");
	buf_addz(&b, "--b--\r\n--a\r\n\r\nlast\r\n--a--\r\n");
	struct part *root = mime_parse(buf_str(&b), &a);
	check(root, b.n, true);
	assert_int_equal(count(root, 1, &deepest), MIME_PARTS);
	assert_true(root->cut && !root->child->next);
	struct part *last = root->child->child;
	while (last->next)
		last = last->next;
	assert_true(last->cut);
	assert_int_equal(last->end, b.n);
	arena_reset(&a);

	a.ceiling = 20000; /* an arena that is full ends it sooner */
	root = mime_parse(buf_str(&b), &a);
	check(root, b.n, true);
	assert_true(root->cut && count(root, 1, &deepest) < 200);
	arena_reset(&a);

	buf_clear(&b); /* a message part needs a child, so the last part cannot be one */
	buf_addz(&b, TYPE("multipart/digest; boundary=a") "\r\n");
	for (int i = 0; i < MIME_PARTS; i++)
		buf_addz(&b, "--a\r\n\r\nSubject: x\r\n\r\nx\r\n");
	root = mime_parse(buf_str(&b), &a);
	check(root, b.n, true);
	assert_true(count(root, 1, &deepest) <= MIME_PARTS);
	buf_free(&b);
	arena_reset(&a);
}

static void test_header_limits(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	for (int i = 0; i < HEADER_FIELDS_MAX; i++)
		buf_addz(&b, "X: y\r\n");
	buf_addz(&b, "Subject: late\r\n\r\nbody");
	struct part *p = mime_parse(buf_str(&b), &a);
	assert_true(p->cut && p->envelope->have == 0);
	assert_strz(str_sub(buf_str(&b), p->body_at, p->end), "body");
	buf_clear(&b);
	buf_addz(&b, "X:");
	for (size_t i = 0; i < HEADER_BYTES_MAX / 4; i++)
		buf_addz(&b, " y\r\n");
	buf_addz(&b, "Subject: late\r\n\r\nbody");
	p = mime_parse(buf_str(&b), &a);
	assert_true(p->cut && p->envelope->have == 0);
	buf_clear(&b);
	buf_addz(&b, "Content-Type: multipart/mixed; boundary=");
	for (int i = 0; i < 257; i++)
		buf_addc(&b, 'b');
	buf_addz(&b, "\r\n\r\nbody");
	p = mime_parse(buf_str(&b), &a);
	assert_true(p->cut && !p->multipart);
	assert_strz(p->subtype, "OCTET-STREAM");
	buf_clear(&b);
	buf_addz(&b, "Content-Type: text/plain");
	for (int i = 0; i <= MIME_PARAMS; i++)
		buf_printf(&b, "; p%d=x", i);
	buf_addz(&b, "\r\n\r\nbody");
	p = mime_parse(buf_str(&b), &a);
	assert_true(p->cut);
	assert_int_equal(p->nparams, MIME_PARAMS);
	buf_free(&b);
	arena_reset(&a);
}

static void test_decode(void **state)
{
	(void)state;
	static const struct {
		const char *encoding, *in, *out; /* NULL: unknown */
	} decoded[] = {
		/* clang-format off */
		{ "7BIT", "a=3D", "a=3D" }, { "8bit", "\xe4", "\xe4" }, { "Binary", "a", "a" }, { "", "a", "a" },
		{ "x-uuencode", "a", NULL }, { "base 64", "a", NULL },
		{ "Base64", "aGVsbG8=", "hello" },
		{ "base64", "aGVs\r\nbG8=\r\n", "hello" },
		{ "base64", "aGVsbG8", "hello" },
		{ "base64", "a G*V\nsb.G8=", "hello" },
		{ "base64", "aGVsbG8=aGVsbG8=", "hellohello" },
		{ "base64", "aGVsbG8=\r\n-- \r\nxx", "hello\xc7" },
		{ "base64", "a", "" }, { "base64", "====", "" }, { "base64", "", "" },
		{ "quoted-printable", "a=3Db", "a=b" },
		{ "quoted-printable", "a=3db", "a=b" },
		{ "quoted-printable", "soft =\r\nbreak", "soft break" },
		{ "quoted-printable", "soft =  \t\r\nbreak", "soft break" },
		{ "quoted-printable", "soft =\nbreak\n", "soft break\n" },
		{ "quoted-printable", "blanks \t \r\nx  ", "blanks\r\nx" },
		{ "quoted-printable", "a=20\r\nb", "a \r\nb" },
		{ "quoted-printable", "=zz =4", "=zz =4" },
		{ "quoted-printable", "=4 =3D=", "=4 =" },
		{ "quoted-printable", "=", "" },
		{ "quoted-printable", "==3D", "==" },
		{ "quoted-printable", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
		{ "QUOTED-PRINTABLE", "\xe4=E4", "\xe4\xe4" },
		/* clang-format on */
	};
	for (size_t i = 0; i < sizeof decoded / sizeof *decoded; i++) {
		struct buf b = { 0 };
		bool ok = mime_decode(&b, str_of(decoded[i].encoding), str_of(decoded[i].in));
		assert_int_equal(ok, decoded[i].out != NULL);
		assert_strz(buf_str(&b), decoded[i].out ? decoded[i].out : "");
		buf_free(&b);
	}
	struct buf big = { 0 };
	for (int i = 0; i < 5000; i++)
		buf_addz(&big, "QUJD");
	static const char names[][20] = { "base64", "quoted-printable", "8bit" };
	for (size_t i = 0; i < 3; i++) {
		struct buf b = { .max = 1000 };
		assert_true(mime_decode(&b, str_of(names[i]), buf_str(&big)));
		assert_true(b.n == 1000 && b.full);
		buf_free(&b);
	}
	buf_free(&big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_find),  cmocka_unit_test(test_fields),
		cmocka_unit_test(test_depth),     cmocka_unit_test(test_parts), cmocka_unit_test(test_header_limits),
		cmocka_unit_test(test_decode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
