#include "smtp/reply.h"

#include "base/log.h"
#include <stdio.h>

struct reply reply_make(unsigned code, const char *status, const char *fmt, ...)
{
	struct reply r = { .code = code, .status = status };
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r.text, sizeof r.text, fmt, ap);
	va_end(ap);
	return r;
}

struct reply reply_trouble(const char *what, const char *id, const struct err *e)
{
	if (e->kind == ERR_QUOTA) { /* no trouble of ours */
		log_info("smtp.full", KVZ("at", what), KVZ("id", id), KVZ("why", e->text));
		return (struct reply){ 452, "4.2.2", "Mailbox full, please try again later" };
	}
	log_error("smtp.trouble", KVZ("at", what), KVZ("id", id), KVZ("error", e->text));
	if (e->kind == ERR_FULL)
		return (struct reply){ 452, "4.3.1", "No room for mail now, please try again later" };
	return (struct reply){ 451, "4.3.0", "Local trouble, please try again later" };
}

/* Without printf: a transaction has five of these. */
void reply_write(struct io *io, const struct reply *r)
{
	const char code[] = { (char)('0' + r->code / 100 % 10), (char)('0' + r->code / 10 % 10),
			      (char)('0' + r->code % 10), ' ' };
	if (r->code == 0)
		return;
	io_add(io, (struct str){ code, sizeof code });
	if (*r->status) {
		io_add(io, str_of(r->status));
		io_add(io, STR(" "));
	}
	io_add(io, str_of(r->text));
	io_add(io, STR("\r\n"));
}
