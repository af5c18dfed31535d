/* The index reader, given any blob at all; and parameters, given any value. */
#include "mail/mime.h"

#include <assert.h>

static void walk(const struct part *p, size_t end, unsigned level)
{
	assert(p->type.p && p->subtype.p && p->encoding.p && p->id.p && p->location.p && p->disposition.p);
	assert(p->header_at <= p->body_at && p->body_at <= p->end && p->end <= end && level <= MIME_DEPTH + 1);
	assert((p->child != NULL) == (p->multipart || p->message));
	for (size_t i = 0; i < p->nparams; i++)
		assert(p->params[i].name.p && p->params[i].value.p);
	for (const struct part *c = p->child; c; c = c->next)
		walk(c, p->end, level + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = { 0 };
	struct str in = { (const char *)data, n };
	struct param *params;
	size_t count;
	struct part *root = mime_index_read(in, &a);
	if (root) {
		struct buf blob = { 0 }, again = { 0 };
		walk(root, UINT32_MAX, 1);
		mime_index_write(&blob, root);
		root = mime_index_read(buf_str(&blob), &a);
		assert(root);
		mime_index_write(&again, root);
		assert(str_eq(buf_str(&blob), buf_str(&again)));
		buf_free(&blob);
		buf_free(&again);
	}
	mime_params(in, &a, &params, &count);
	assert(count <= MIME_PARAMS);
	for (size_t i = 0; i < count; i++)
		assert(params[i].name.n > 0 && params[i].value.p);
	arena_reset(&a);
	return 0;
}
