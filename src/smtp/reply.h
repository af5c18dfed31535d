/* reply.h - one answer: code, enhanced status code (RFC 3463, 2034), text.
 *
 * A plain value with room for its text, so that a handler returns it without
 * owning anything.  The status is empty where RFC 2034 4 wants none: in the
 * greeting, after EHLO, 334 and 354.
 */
#pragma once
#include "base/err.h"
#include "net/io.h"

struct reply {
	unsigned code; /* 0: everything has been said already */
	const char *status;
	char text[200];
};
#define REPLY_SENT ((struct reply){ 0 })

__attribute__((format(printf, 3, 4))) struct reply reply_make(unsigned code, const char *status, const char *fmt, ...);
/* A failure of ours: 452 when there is no room, else 451; never a bounce.  It is logged here, with what we were at. */
struct reply reply_trouble(const char *what, const char *id, const struct err *e);
void reply_write(struct io *io, const struct reply *r);
