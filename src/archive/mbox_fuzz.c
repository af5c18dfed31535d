/* Any octets as an mbox of any kind: no crash, no endless loop; and each message that was read is written and read
 * again the same. */
#include "archive/mbox.h"

#include "mail/header.h"
#include <assert.h>

static bool give(void *ctx, void *p, size_t room, size_t *n, struct err *e)
{
	struct str *rest = ctx, s = str_sub(*rest, 0, room);
	(void)e;
	memcpy(p, s.p, s.n);
	*n = s.n;
	*rest = str_sub(*rest, s.n, rest->n);
	return true;
}

/* A message with a header that ends: what mbox can hold exactly. */
static bool exact(struct str bytes)
{
	struct str header = header_block(bytes);
	return str_ends(header, STR("\n\r\n")) && header.n >= 3 && str_starts(bytes, STR("A:"));
}

static void again(const struct mbox_message *x)
{
	struct buf file = { 0 };
	struct mbox_message y;
	struct err e;
	mbox_write(&file,
		   &(struct mbox_write){ .bytes = x->bytes, .flags = x->flags, .keywords = x->keywords, .uid = 1 });
	struct str rest = buf_str(&file);
	struct mbox *m = mbox_open(give, &rest, MBOX_ANY, 1 << 20);
	enum mbox_got got = mbox_next(m, &y, &e);
	assert(got == MBOX_MESSAGE);
	assert(!exact(x->bytes) || (str_eq(x->bytes, y.bytes) && x->flags == y.flags));
	mbox_close(m);
	buf_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct str rest = { (const char *)data + 1, size - 1 };
	struct mbox *m = mbox_open(give, &rest, (enum mbox_kind)(data[0] % (MBOX_CL2 + 1)), 4096);
	struct mbox_message x;
	struct err e;
	enum mbox_got got;
	while ((got = mbox_next(m, &x, &e)) == MBOX_MESSAGE || got == MBOX_LARGE)
		if (got == MBOX_MESSAGE)
			again(&x);
	mbox_close(m);
	return 0;
}
