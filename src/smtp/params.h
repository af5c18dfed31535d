/* params.h - the parameters of MAIL and RCPT (RFC 5321 4.1.1.11), by one table.
 *
 *	MAIL  SIZE (1870)  BODY (6152)  SMTPUTF8 (6531)  RET ENVID (3461)  AUTH (4954)
 *	RCPT  NOTIFY ORCPT (3461)
 *
 * Parsed strictly: what is unknown is 555, what is malformed or said twice 501.
 * Values point into the line that was given.
 */
#pragma once
#include "base/buf.h"
#include "smtp/reply.h"

struct mail_params {
	uint64_t size; /* 0: not said */
	bool smtputf8, eight_bit;
	struct str envid, ret; /* as sent; empty: not said */
};
struct rcpt_params {
	struct str notify, orcpt;
};
/* `s`: what follows the path. False: `why` answers. */
bool mail_params_parse(struct str s, struct mail_params *out, struct reply *why);
bool rcpt_params_parse(struct str s, bool smtputf8, struct rcpt_params *out, struct reply *why);
/* "ENVID=x RET=HDRS NOTIFY=NEVER ORCPT=rfc822;a@b", as the queue keeps it. */
struct str params_dsn(struct arena *a, const struct mail_params *m, const struct rcpt_params *r);
