#include "mail/mime.h"

#include "base/test.h"

#define TEXT_HEADER                                                                                              \
	"Return-Path: <alice@example.org>\r\n"                                                                   \
	"Received: from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.net; Fri, 21 Nov 1997\r\n" \
	"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"                                                              \
	"From: Alice Example <alice@example.org>\r\n"                                                            \
	"To: Bob Example <bob@example.net>, Carol Example <carol@example.net>\r\n"                               \
	"Subject: The minutes of our last meeting, and what comes next\r\n"                                      \
	"Message-ID: <0123456789abcdef.0123456789@mail.example.org>\r\n"                                         \
	"In-Reply-To: <fedcba9876543210.9876543210@mx.example.net>\r\n"                                          \
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"                                       \
	"Content-Transfer-Encoding: 8bit\r\n\r\n"

#define NESTED                                                                                                     \
	"Subject: out\r\nFrom:\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n\r\none\r\n" \
	"--a\r\nContent-Type: message/rfc822\r\nContent-ID: <i>\r\nContent-Description: d\r\nContent-MD5: m\r\n"   \
	"Content-Location: l\r\nContent-Language: de, en\r\n"                                                      \
	"Content-Disposition: attachment; filename*=utf-8''%e2%82%ac; size=3\r\n\r\nSubject: in\r\n"               \
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n" \
	"Content-Transfer-Encoding: base64\r\n\r\ntwo\r\n--b\r\n\r\n--b--\r\n--a--\r\n"

static void same(const struct part *x, const struct part *y)
{
	assert_str(x->type, y->type);
	assert_str(x->subtype, y->subtype);
	assert_str(x->encoding, y->encoding);
	assert_str(x->id, y->id);
	assert_str(x->description, y->description);
	assert_str(x->md5, y->md5);
	assert_str(x->location, y->location);
	assert_str(x->disposition, y->disposition);
	assert_int_equal(x->nparams, y->nparams);
	for (size_t i = 0; i < x->nparams; i++) {
		assert_str(x->params[i].name, y->params[i].name);
		assert_str(x->params[i].value, y->params[i].value);
	}
	assert_int_equal(x->ndisp_params, y->ndisp_params);
	for (size_t i = 0; i < x->ndisp_params; i++)
		assert_str(x->disp_params[i].value, y->disp_params[i].value);
	assert_int_equal(x->nlanguages, y->nlanguages);
	for (size_t i = 0; i < x->nlanguages; i++)
		assert_str(x->languages[i], y->languages[i]);
	assert_int_equal(x->header_at, y->header_at);
	assert_int_equal(x->body_at, y->body_at);
	assert_int_equal(x->end, y->end);
	assert_int_equal(x->lines, y->lines);
	assert_true(x->multipart == y->multipart && x->message == y->message && x->cut == y->cut);
	assert_int_equal(x->envelope != NULL, y->envelope != NULL);
	if (x->envelope) {
		assert_int_equal(x->envelope->have, y->envelope->have);
		assert_str(x->envelope->subject, y->envelope->subject);
		assert_str(x->envelope->message_id, y->envelope->message_id);
		assert_str(x->envelope->from, y->envelope->from);
		assert_str(x->envelope->references, y->envelope->references);
		assert_int_equal(x->envelope->know_references, y->envelope->know_references);
	}
	assert_int_equal(x->child != NULL, y->child != NULL);
	if (x->child)
		same(x->child, y->child);
	assert_int_equal(x->next != NULL, y->next != NULL);
	if (x->next)
		same(x->next, y->next);
}

static void test_round(void **state)
{
	(void)state;
	static const char *const messages[] = { "", "x", TEXT_HEADER "body\r\n", NESTED,
						"References: <a@x>\r\n <b@y>\r\n\r\n" };
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		struct arena a = { 0 };
		struct buf blob = { 0 }, again = { 0 };
		struct part *root = mime_parse(str_of(messages[i]), &a);
		mime_index_write(&blob, root);
		struct part *back = mime_index_read(buf_str(&blob), &a);
		assert_non_null(back);
		same(root, back);
		mime_index_write(&again, back);
		assert_str(buf_str(&again), buf_str(&blob));
		buf_free(&blob);
		buf_free(&again);
		arena_reset(&a);
	}
}

/* Blobs from before References was kept do not say that there is none. */
static void test_references(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct part *p = mime_index_read(STR("\1\x80\1\0\2\0\0"), &a);
	assert_non_null(p);
	assert_false(p->envelope->know_references);
	p = mime_parse(STR("References: <a@x>\r\n <b@y>\r\nReferences: <c@z>\r\n\r\n"), &a);
	assert_true(p->envelope->know_references);
	assert_strz(p->envelope->references, "<a@x> <b@y>");
	p = mime_parse(STR("Subject: x\r\n\r\n"), &a);
	assert_true(p->envelope->know_references);
	assert_strz(p->envelope->references, "");
	arena_reset(&a);
}

static void test_size(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf blob = { 0 };
	mime_index_write(&blob, mime_parse(STR(TEXT_HEADER "body\r\n"), &a));
	assert_in_range(blob.n, 1, 399);
	buf_clear(&blob);
	mime_index_write(&blob, mime_parse(STR("\r\n"), &a));
	assert_in_range(blob.n, 1, 8);
	buf_free(&blob);
	arena_reset(&a);
}

/* A blob cut anywhere, or with any octet changed, reads as nothing or as a tree that holds together. */
static void test_damage(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf blob = { 0 };
	mime_index_write(&blob, mime_parse(STR(NESTED), &a));
	for (size_t i = 0; i < blob.n; i++) {
		struct arena small = { 0 };
		char *copy = arena_alloc(&small, i ? i : 1); /* of its own, so that the sanitizer sees its end */
		memcpy(copy, blob.p, i);
		assert_null(mime_index_read((struct str){ copy, i }, &small));
		arena_reset(&small);
		for (int flip = 1; flip < 256; flip++) {
			char was = blob.p[i];
			blob.p[i] = (char)(was ^ flip);
			struct part *p = mime_index_read(buf_str(&blob), &small);
			if (p) {
				struct buf again = { 0 };
				mime_index_write(&again, p);
				assert_non_null(mime_index_read(buf_str(&again), &small));
				buf_free(&again);
			}
			blob.p[i] = was;
			arena_reset(&small);
		}
	}
	buf_addc(&blob, 0);
	assert_null(mime_index_read(buf_str(&blob), &a));
	blob.n--;
	blob.p[0]++; /* another version */
	assert_null(mime_index_read(buf_str(&blob), &a));
	assert_null(mime_index_read(STR_NONE, &a));
	buf_free(&blob);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
