/* Encoded words: decoding gives UTF-8, encoding gives one field that decodes to what went in. */
#include "mail/words.h"

#include "mail/compose.h"
#include "mail/header.h"
#include "mail/mime.h"

#include <assert.h>

static void check_field(struct str text)
{
	struct str rest = text;
	struct header h;
	assert(header_next(&rest, &h) && rest.n == 0);
	while (text.n > 0)
		assert(str_chomp(str_line(&text)).n <= 998);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool warm;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct str in = { (const char *)data, n };
	if (!warm)
		charset_warm();
	warm = true;
	struct str text = words_decode(&a, in);
	assert(utf8_valid(text));

	struct str blanks = str_dup(&a, text);
	for (size_t i = 0; i < blanks.n; i++)
		if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0' || text.p[i] == '\t')
			((char *)(uintptr_t)blanks.p)[i] = ' ';
	words_encode(&b, blanks, 10);
	assert(str_eq(words_decode(&a, header_unfold(&a, buf_str(&b))), blanks));

	struct str names = text;
	struct str name = str_cut(&names, '\n');
	buf_clear(&b);
	charset_utf8(&b, name, names);
	assert(utf8_valid(buf_str(&b)));

	buf_clear(&b);
	compose_text(&b, "Subject", in);
	check_field(buf_str(&b));
	buf_clear(&b);
	compose_raw(&b, "Subject", in);
	check_field(buf_str(&b));
	buf_clear(&b);
	compose_address(&b, "From", in, &(struct address){ .local = STR("a"), .domain = STR("b") });
	check_field(buf_str(&b));
	buf_clear(&b);
	compose_body(&b, text);
	struct part *p = mime_parse(buf_str(&b), &a);
	struct buf body = { 0 };
	assert(mime_decode(&body, p->encoding, str_sub(buf_str(&b), p->body_at, p->end)));
	assert(body.n >= text.n || str_chr(text, '\r') < text.n);
	buf_free(&body);
	buf_free(&b);
	arena_reset(&a);
	return 0;
}
