/* ENVELOPE, BODY and BODYSTRUCTURE of any message, read back by the letter of the grammar (RFC 3501 9, RFC 9051 9).
 *
 * A client's parser that meets what it does not expect gives up on the whole
 * mailbox, so whatever a stranger sends must come out as the grammar has it. */
#include "imap/structure.h"
#include "mail/preview.h"
#include "mail/words.h"

#include <assert.h>

struct reader {
	struct str s;
	bool quoted_utf8;
	bool extended;
};

static void want(struct reader *r, char c)
{
	assert(str_skipc(&r->s, c));
}

static bool nil(struct reader *r)
{
	return str_starts(r->s, STR("NIL")) && str_skip(&r->s, STR("NIL"));
}

static uint64_t number(struct reader *r)
{
	uint64_t n = 0;
	assert(r->s.n > 0 && ch_digit(r->s.p[0]));
	assert(r->s.p[0] != '0' || r->s.n < 2 || !ch_digit(r->s.p[1]));
	while (r->s.n > 0 && ch_digit(r->s.p[0])) {
		n = n * 10 + (uint64_t)(r->s.p[0] - '0');
		assert(n <= UINT32_MAX);
		r->s = str_sub(r->s, 1, r->s.n);
	}
	return n;
}

static struct str quoted(struct reader *r)
{
	size_t n = 0;
	for (; n < r->s.n && r->s.p[n] != '"'; n++) {
		char c = r->s.p[n];
		assert(c != '\0' && c != '\r' && c != '\n');
		if (c != '\\')
			continue;
		n++;
		assert(n < r->s.n && (r->s.p[n] == '"' || r->s.p[n] == '\\'));
	}
	struct str inside = str_sub(r->s, 0, n);
	r->s = str_sub(r->s, n, r->s.n);
	want(r, '"');
	for (size_t i = 0; i < n; i++)
		assert(r->quoted_utf8 || (unsigned char)inside.p[i] < 0x80);
	assert(utf8_valid(inside));
	return inside;
}

static struct str string(struct reader *r)
{
	if (str_skipc(&r->s, '"'))
		return quoted(r);
	want(r, '{');
	size_t n = (size_t)number(r);
	want(r, '}');
	want(r, '\r');
	want(r, '\n');
	assert(r->s.n >= n && !memchr(r->s.p, 0, n));
	struct str octets = str_sub(r->s, 0, n);
	r->s = str_sub(r->s, n, r->s.n);
	return octets;
}

static void nstring(struct reader *r)
{
	if (!nil(r))
		string(r);
}

/* Four strings; a NIL host opens a group (with a mailbox) or ends it. */
static void address(struct reader *r, bool *group)
{
	want(r, '(');
	nstring(r);
	want(r, ' ');
	nstring(r);
	want(r, ' ');
	bool no_mailbox = nil(r);
	if (!no_mailbox)
		string(r);
	want(r, ' ');
	bool no_host = nil(r);
	if (!no_host)
		string(r);
	want(r, ')');
	assert(no_host || !no_mailbox);
	if (no_host) {
		assert(*group == no_mailbox);
		*group = !no_mailbox;
	}
}

static void addresses(struct reader *r)
{
	bool group = false;
	if (nil(r))
		return;
	want(r, '(');
	do
		address(r, &group);
	while (!str_skipc(&r->s, ')'));
	assert(!group);
}

static void envelope(struct reader *r)
{
	want(r, '(');
	nstring(r);
	want(r, ' ');
	nstring(r);
	for (int i = 0; i < 6; i++) {
		want(r, ' ');
		addresses(r);
	}
	want(r, ' ');
	nstring(r);
	want(r, ' ');
	nstring(r);
	want(r, ')');
}

static void params(struct reader *r)
{
	if (nil(r))
		return;
	want(r, '(');
	do {
		assert(string(r).n > 0);
		want(r, ' ');
		string(r);
	} while (str_skipc(&r->s, ' '));
	want(r, ')');
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void extension(struct reader *r)
{
	want(r, ' ');
	if (!nil(r)) {
		want(r, '(');
		string(r);
		want(r, ' ');
		params(r);
		want(r, ')');
	}
	want(r, ' ');
	if (str_skipc(&r->s, '(')) {
		do
			string(r);
		while (str_skipc(&r->s, ' '));
		want(r, ')');
	} else {
		nstring(r);
	}
	want(r, ' ');
	nstring(r);
}

static void body(struct reader *r);

static void multipart(struct reader *r)
{
	do
		body(r);
	while (str_starts(r->s, STR("(")));
	want(r, ' ');
	string(r);
	if (!r->extended)
		return;
	want(r, ' ');
	params(r);
	extension(r);
}

static void one_part(struct reader *r)
{
	struct str type = string(r);
	want(r, ' ');
	struct str subtype = string(r);
	want(r, ' ');
	params(r);
	for (int i = 0; i < 2; i++) {
		want(r, ' ');
		nstring(r);
	}
	want(r, ' ');
	assert(string(r).n > 0);
	want(r, ' ');
	number(r);
	bool global = r->quoted_utf8 && str_eqi(subtype, STR("GLOBAL"));
	bool message = str_eqi(type, STR("MESSAGE")) && (global || str_eqi(subtype, STR("RFC822")));
	if (message) {
		want(r, ' ');
		envelope(r);
		want(r, ' ');
		body(r);
	}
	if (message || str_eqi(type, STR("TEXT"))) {
		want(r, ' ');
		number(r);
	}
	if (!r->extended)
		return;
	want(r, ' ');
	nstring(r);
	extension(r);
}

static void body(struct reader *r)
{
	want(r, '(');
	if (str_starts(r->s, STR("(")))
		multipart(r);
	else
		one_part(r);
	want(r, ')');
}

static void check(const struct part *root, enum say_utf8 utf8, struct arena *a)
{
	struct buf b = { 0 };
	for (int extended = 0; extended < 2; extended++) {
		buf_clear(&b);
		say_structure(&b, root, extended, utf8, a);
		struct reader r = { buf_str(&b), utf8 != SAY_ASCII, extended };
		body(&r);
		assert(r.s.n == 0);
	}
	buf_clear(&b);
	say_envelope(&b, root->envelope, utf8, a);
	struct reader r = { buf_str(&b), utf8 != SAY_ASCII, false };
	envelope(&r);
	assert(r.s.n == 0);
	buf_free(&b);
}

/* NUL is refused wherever mail comes in. */
static struct str without_nul(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i])
			p[n++] = s.p[i];
	return (struct str){ p, n };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = { 0 };
	struct buf blob = { 0 };
	struct str message = without_nul((struct str){ (const char *)data, n }, &a);
	static bool warm;
	if (!warm)
		charset_warm();
	warm = true;
	struct part *root = mime_parse(message, &a);
	preview_make(root, message, &a);
	assert(utf8_valid(root->preview) && root->preview.n <= 4 * PREVIEW_CHARS);
	mime_index_write(&blob, root);
	root = mime_index_read(buf_str(&blob), &a);
	assert(root && root->have_preview);
	check(root, SAY_ASCII, &a);
	check(root, SAY_REV2, &a);
	check(root, SAY_UTF8, &a);
	buf_free(&blob);
	arena_reset(&a);
	return 0;
}
