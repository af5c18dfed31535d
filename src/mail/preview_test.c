#include "mail/preview.h"

#include "base/hash.h"
#include "base/test.h"
#include "mail/words.h"

static struct arena a;

static struct str preview(const char *message)
{
	struct part *root = mime_parse(str_of(message), &a);
	preview_make(root, str_of(message), &a);
	assert_true(root->have_preview);
	return root->preview;
}

static void test_words(void **state)
{
	(void)state;
	static const struct {
		const char *message, *want;
	} rows[] = {
		{ "", "" },
		{ "Subject: x\r\n\r\n", "" },
		{ "Subject: x\r\n\r\nHello  there,\r\n\r\n\tFrank\r\n", "Hello there, Frank" },
		{ "\r\n> quoted\r\n> more\r\nanswer\r\n", "answer" },
		{ "\r\n> only quoted\r\n", "> only quoted" },
		{ "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
		  "Gr=FC=DFe=\r\n!\r\n",
		  "Gr\xc3\xbc\xc3\x9f"
		  "e!" },
		{ "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n", "Hello" },
		{ "Content-Transfer-Encoding: x-what\r\n\r\nas it is\r\n", "as it is" },
		{ "\r\n\xef\xbb\xbfzero\xe2\x80\x8b width\xc2\xa0gone\x01\x7f!\r\n", "zero width gone !" },
		{ "Content-Type: text/html\r\n\r\n<html><head><title>No</title><style>p{}</style></head><!-- no -->"
		  "<body><p>One<br>two</p><p>th<b>r</b>ee &amp; &euro;&#52;&#x35; &nope; &<script>x()</script> end",
		  "One two three & \xe2\x82\xac"
		  "45 &nope; & end" },
		{ "Content-Type: text/html\r\n\r\n<p", "" },
		{ "Content-Type: text/html\r\n\r\n<style>never closed", "" },
		{ "Content-Type: text/html\r\n\r\n&#xd800;&#0;&#1114112;&#;&#xZ;x", "&#;&#xZ;x" },
		{ "Content-Type: image/png\r\n\r\nxx", "" },
		{ "Content-Disposition: attachment\r\n\r\nnot me", "" },
		{ "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: "
		  "text/html\r\n\r\n<b>h</b>"
		  "\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nplain\r\n--c--\r\n--b--\r\n",
		  "plain" },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
		  "Subject: s\r\n\r\ninside\r\n--b--\r\n",
		  "" },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\r\n--b\r\nContent-Type: "
		  "text/html\r\n\r\n"
		  "html\r\n--b--\r\n",
		  "html" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_str(preview(rows[i].message), str_of(rows[i].want));
}

static size_t chars(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void test_length(void **state)
{
	(void)state;
	struct buf b = { 0 };
	buf_addz(&b, "\r\n");
	for (int i = 0; i < 30; i++) /* nothing to see for longer than the first look */
		buf_addz(&b, "> quoted quoted quoted quoted quoted quoted quoted\r\n");
	for (int i = 0; i < 20000; i++)
		buf_addz(&b, i % 10 ? "\xc3\xa4" : " ");
	buf_addc(&b, '\0');
	struct str got = preview(b.p);
	assert_int_equal(chars(got), PREVIEW_CHARS);
	assert_true(utf8_valid(got) && str_starts(got, STR("\xc3\xa4")));
	buf_clear(&b);
	buf_addz(&b, "\r\n");
	for (unsigned i = 0; i < PREVIEW_READ + 100; i++) /* what is looked at ends within a character */
		buf_addz(&b, i ? " " : "");
	memcpy(b.p + 2 + PREVIEW_READ - 2, "\xe2\x82\xac", 3);
	b.p[20] = 'x';
	buf_addc(&b, '\0');
	assert_str(preview(b.p), STR("x"));
	buf_free(&b);
}

/* Through the blob of the index and back; blobs of the version before have none. */
static void test_index(void **state)
{
	(void)state;
	struct buf with = { 0 }, without = { 0 };
	struct str message = STR("Subject: x\r\n\r\nHello\r\n");
	struct part *root = mime_parse(message, &a);
	mime_index_write(&without, root);
	preview_make(root, message, &a);
	mime_index_write(&with, root);
	struct part *back = mime_index_read(buf_str(&with), &a);
	assert_true(back && back->have_preview);
	assert_str(back->preview, STR("Hello"));
	back = mime_index_read(buf_str(&without), &a);
	assert_true(back && !back->have_preview);
	for (size_t n = 0; n < with.n; n++)
		assert_null(mime_index_read(str_sub(buf_str(&with), 0, n), &a));
	buf_free(&with);
	buf_free(&without);
}

/* In pieces of any size as in one. */
static void test_decoder(void **state)
{
	(void)state;
	struct buf body = { 0 };
	for (int i = 0; i < 300; i++)
		buf_addz(&body, i % 7 ? "ab=3D=C3=\r\n =20 \t\r\nQUJD=\n== =4 " : "\r\n\r\n=E2=82=AC  \r\n");
	for (unsigned i = 0; i < 3 * MIME_HELD; i++) /* a line that never ends */
		buf_addz(&body, i % 5 ? "=41" : " ");
	static const char *const encodings[] = { "7bit", "base64", "quoted-printable", "" };
	static const size_t sizes[] = { 1, 2, 3, 57, 1000, MIME_HELD, 1 << 20 };
	for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
			struct buf whole = { 0 }, pieces = { 0 };
			struct mime_decoder d;
			assert_true(mime_decode(&whole, str_of(encodings[i]), buf_str(&body)));
			assert_true(mime_decoder_init(&d, str_of(encodings[i])));
			for (size_t at = 0; at < body.n; at += sizes[k]) {
				mime_decoder_add(&d, str_sub(buf_str(&body), at, at + sizes[k]), &pieces);
				assert_true(d.line.n <= MIME_HELD);
			}
			mime_decoder_end(&d, &pieces);
			assert_str(buf_str(&pieces), buf_str(&whole));
			buf_free(&whole);
			buf_free(&pieces);
		}
	struct mime_decoder d;
	assert_false(mime_decoder_init(&d, STR("x-uuencode")));
	buf_free(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_decoder),
	};
	hash_init();
	charset_warm();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_reset(&a);
	return failed;
}
