/* Whatever a server says: no crash, no endless loop, bounded memory. */
#include "client/imap.h"

static bool sink_add(struct sink *s, struct str bytes)
{
	(void)s;
	return bytes.n < 1000;
}

static void use(struct imap_client *c)
{
	struct arena a = { 0 };
	struct err e = { 0 };
	struct imap_box *boxes;
	struct imap_selected at;
	struct imap_message m;
	struct imap_appended done;
	struct sink sink = { sink_add };
	struct str part = STR("Subject: x\r\n\r\nx\r\n");
	uint32_t *uids;
	size_t n;
	(void)imap_login(c, STR("user"), STR("pencil"), NULL, &e);
	if (imap_list(c, &a, &boxes, &n, &e) && n > 0)
		(void)imap_select(c, boxes[0].wire, true, &at, &e);
	(void)imap_wire(c, STR("A/b"), &a);
	if (imap_fetch(c, true, STR("1:*"), "(UID FLAGS BODY.PEEK[])", &e))
		while (imap_fetch_next(c, &sink, 100000, &m, &e) == IMAP_FETCH_MESSAGE)
			;
	(void)imap_search(c, "ALL", &a, &uids, &n, &e);
	(void)imap_store(c, STR("1"), '+', MSG_SEEN, STR_NONE, &e);
	(void)imap_append(c, STR("A"), 0, STR_NONE, 0, &part, 1, &done, &e);
	arena_reset(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = { 0 };
	struct err e = { 0 };
	struct imap_client *c = imap_over(io_strings((struct str){ (const char *)data, size }, &out), &e);
	if (c)
		use(c);
	imap_close(c);
	buf_free(&out);
	return 0;
}
