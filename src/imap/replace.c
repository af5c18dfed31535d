/* REPLACE (RFC 8508): a message comes, and the one it replaces goes, in one commit. */
#include "imap/append.h"

uint32_t replace_target(struct session *s, struct parser *p, bool uid, struct reply *refusal)
{
	uint64_t n = 0;
	bool last = parse_try(p, '*');
	if ((!last && !parse_number(p, UINT32_MAX, &n, "the number of a message or '*'")) || !parse_space(p))
		return 0;
	struct view *v = s->view;
	if (s->state != SELECTED || !v) {
		*refusal = BAD("Select a mailbox first");
		return 0;
	}
	if (!uid && s->uidonly) { /* RFC 9586 3 */
		*refusal = BAD_CODE("UIDREQUIRED",
				    "Message numbers are not used after ENABLE UIDONLY; use UID REPLACE");
		return 0;
	}
	if (v->readonly) {
		*refusal = NO_CODE("READ-ONLY", "The mailbox is selected read-only");
		return 0;
	}
	uint32_t at = last ? view_last_uid(v) : (uint32_t)n;
	if (!last && !uid)
		at = n > 0 && n <= v->count ? view_uid(v, (uint32_t)n) : 0;
	if (at == 0 || view_seq(v, at) == 0) {
		*refusal = uid ? NO_CODE("NONEXISTENT", "There is no message of that UID")
			       : BAD("There is no message of that number");
		return 0;
	}
	return at;
}

struct reply cmd_replace(struct session *s, struct cmd *c)
{
	struct reply refusal = { 0 };
	struct str code;
	uint32_t target = replace_target(s, &c->in, c->uid, &refusal);
	if (target == 0)
		return refusal.kind == REPLY_NONE ? reply_bad(c) : refusal;
	if (!append_all(s, c, target, &code, &refusal))
		return refusal;
	io_printf(s->io, "* OK [%.*s] Replacement is here\r\n", STRF(code)); /* RFC 8508 3.3: before the EXPUNGE */
	return OK("REPLACE completed");
}
