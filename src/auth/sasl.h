/* sasl.h - one SASL exchange, the server's side (RFC 4422).
 *
 * SCRAM and CRAM-MD5 are spoken by libgsasl.  PLAIN (RFC 4616) and LOGIN, which
 * carry the password itself, are read here: libgsasl would prepare the
 * password by SASLprep, so that some that OpaqueString tells apart were one, and
 * leave copies of it in freed memory.
 *
 * An exchange is used by one thread at a time; many may run at once over one keeper.
 */
#pragma once
#include "auth/ask.h"
#include "auth/password.h"

struct Gsasl; /* libgsasl's, one for all exchanges */

enum sasl_got { SASL_MORE, SASL_OK, SASL_NO, SASL_TEMP };
struct sasl_answer {
	enum sasl_got got;
	struct str data;    /* challenge, or the server's last word with SASL_OK */
	const char *reason; /* SASL_NO: auth_answer.reason of client/auth.h */
	struct str login;   /* SASL_OK, SASL_NO when known */
	struct str account;
	int64_t account_id;
};
struct sasl;
struct Gsasl *sasl_new(void); /* aborts when there is no memory */
void sasl_free(struct Gsasl *lib);

/* What the password's own question (ASK_PASSWORD) comes to. */
struct sasl_answer sasl_password(struct keeper *k, struct str login, struct str authzid, struct str password,
				 struct arena *a);
/* *x is set when the answer is SASL_MORE; its strings live until the next step. */
struct sasl_answer sasl_begin(struct Gsasl *lib, struct keeper *k, const struct ask *ask, struct sasl **x,
			      struct arena *a);
struct sasl_answer sasl_step(struct sasl *x, struct str response, struct arena *a);
void sasl_end(struct sasl *x); /* NULL is fine */
