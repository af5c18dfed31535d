/* ask.h - a line that another role sends to the auth role (auth.h has the protocol).
 *
 * The octets that the line carries in base64 are decoded into `raw`, which the
 * caller wipes and frees: a password is in one place, and that place is known.
 * Strict: a line that is not exactly one of the three is refused.
 */
#pragma once
#include "base/buf.h"

enum ask_kind { ASK_PASSWORD, ASK_BEGIN, ASK_STEP };
struct ask {
	enum ask_kind kind;
	struct str service, ip, mechanism; /* slices of the line */
	bool tls, has_octets;
	struct str exporter, unique; /* slices of `raw`, as the rest */
	struct str login;
	struct str octets; /* the password, the initial response (if has_octets), or the response */
};
bool ask_parse(struct str line, struct buf *raw, struct ask *out);
