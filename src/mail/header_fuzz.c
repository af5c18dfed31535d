/* Header and MIME: no field is lost, the tree holds together, its index gives the same tree back. */
#include "mail/header.h"

#include "mail/address.h"
#include "mail/date.h"
#include "mail/mime.h"
#include "mail/words.h"

#include <assert.h>

static void check_header(struct str message, struct arena *a)
{
	struct str block = header_block(message), rest = message;
	struct header h;
	size_t whole = 0;
	int64_t ms;
	while (header_next(&rest, &h)) {
		whole += h.whole.n;
		assert(header_unfold(a, h.value).n <= h.value.n);
		assert(header_uncomment(a, h.value).n <= h.value.n);
		date_parse(h.value, &ms, NULL);
		date_parse_imap(h.value, &ms);
		words_decode(a, h.value);
	}
	assert(message.n - rest.n == block.n && block.n - whole <= 2);
}

static size_t check_part(const struct part *p, size_t end, bool whole, unsigned level, struct str message)
{
	size_t n = 1, from = p->body_at;
	assert(p->header_at <= p->body_at && p->body_at <= p->end && p->end <= end);
	assert(p->type.n > 0 && p->subtype.n > 0 && p->encoding.n > 0);
	assert((p->envelope != NULL) == whole && (p->child != NULL) == (p->multipart || p->message));
	assert(!(p->message && (p->multipart || p->child->next)) && level <= MIME_DEPTH + 1);
	assert(p->nparams <= MIME_PARAMS && p->ndisp_params <= MIME_PARAMS && p->nlanguages <= MIME_PARAMS);
	if (p->lines) {
		size_t lines = 0;
		for (size_t i = p->body_at; i < p->end; i++)
			lines += message.p[i] == '\n';
		assert(lines == p->lines);
	}
	if (!p->child) {
		struct buf b = { .max = 4096 };
		mime_decode(&b, p->encoding, str_sub(message, p->body_at, p->end));
		buf_free(&b);
	}
	for (const struct part *c = p->child; c; c = c->next) {
		assert(c->header_at >= from);
		n += check_part(c, p->end, p->message, level + 1, message);
		from = c->end;
	}
	return n;
}

static void check_index(struct part *root, struct arena *a)
{
	struct buf blob = { 0 }, again = { 0 };
	mime_index_write(&blob, root);
	struct part *back = mime_index_read(buf_str(&blob), a);
	assert(back);
	mime_index_write(&again, back); /* the blob holds all of the tree, so equal blobs are equal trees */
	assert(str_eq(buf_str(&blob), buf_str(&again)));
	assert(back->end == root->end && back->envelope->have == root->envelope->have);
	assert(str_eq(back->envelope->from, root->envelope->from));
	buf_free(&blob);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool warm;
	struct arena a = { 0 };
	struct str message = { (const char *)data, n };
	if (!warm)
		charset_warm();
	warm = true;
	check_header(message, &a);
	struct part *root = mime_parse(message, &a);
	assert(root->header_at == 0 && root->body_at == header_block(message).n && root->end <= n);
	assert(check_part(root, n, true, 1, message) <= MIME_PARTS);
	check_index(root, &a);
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < 3; k++)
			mime_find(root, (uint32_t[]){ i, k }, 2);
	arena_reset(&a);
	return 0;
}
