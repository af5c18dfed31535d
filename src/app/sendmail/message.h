/* message.h - what sendmail makes of its input: recipients, a header that is complete, a body with right line ends.
 *
 * Pure.  Bcc leaves; Date, From and Message-ID are added when missing; To is, when there is no recipient's field at
 * all; addresses without a domain get the host's name.  Everything else stays as the program wrote it.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct who {
	struct str login, name, host; /* of the caller: login name, full name, and the host's mail name */
	int64_t now_wall_ms;
	const char *id; /* 20 characters, for Message-ID */
};
struct sendmail_options;
struct sendmail_message {
	struct str *rcpts; /* addresses, without <> */
	size_t nrcpts;
	struct str sender;
	struct buf text; /* CRLF, header first */
	bool eight_bit, smtputf8;
};
/* The end of the input that a line with a single dot makes; input.n: there is none. */
size_t message_dot(struct str input);
/* False: `why` says what is wrong; *code is of sysexits(3). */
bool message_make(const struct sendmail_options *o, const struct who *who, struct str input, struct arena *a,
		  struct sendmail_message *out, int *code, struct buf *why);
void message_free(struct sendmail_message *m);
