/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).
 *
 * One root for all mailboxes of an account, with the account's name; an account without limits has none.  Limits are
 * the administrator's (sluice account quota), so QUOTASET is not offered.
 */
#include "imap/say.h"
#include "imap/session.h"
#include "store/account.h"

#define QUOTA_RESOURCES_MAX 10 /* of one SETQUOTA */

static uint64_t kib(uint64_t octets)
{
	return octets / 1024 + (octets % 1024 != 0);
}

/* "* QUOTA you (STORAGE 10 512 MESSAGE 3 1000)": STORAGE in units of 1,024 octets (RFC 9208 5.1). */
static void say_quota(struct session *s, const struct quota *q)
{
	struct buf b = { 0 };
	buf_addz(&b, "* QUOTA ");
	say_astring(&b, s->account_name);
	buf_addz(&b, " (");
	if (q->octets_max)
		buf_printf(&b, "STORAGE %llu %llu", (unsigned long long)kib(q->octets),
			   (unsigned long long)(q->octets_max / 1024));
	if (q->messages_max)
		buf_printf(&b, "%sMESSAGE %llu %llu", q->octets_max ? " " : "", (unsigned long long)q->messages,
			   (unsigned long long)q->messages_max);
	buf_addz(&b, ")\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
}

static bool limited(const struct quota *q)
{
	return q->octets_max > 0 || q->messages_max > 0;
}

struct reply cmd_getquota(struct session *s, struct cmd *c)
{
	struct str root;
	struct quota q;
	struct err e = { 0 };
	if (!parse_astring(&c->in, &root, "a quota root") || !parse_end(&c->in))
		return reply_bad(c);
	if (!account_quota(s->conf->store, s->account, &q, &e))
		return reply_err(c, &e);
	if (!str_eq(root, s->account_name) || !limited(&q))
		return NO_CODE("NONEXISTENT", "No such quota root; GETQUOTAROOT INBOX names yours, if you have one");
	say_quota(s, &q);
	return OK("GETQUOTA completed");
}

/* Also of names that do not exist yet (RFC 9208 4.1.2). */
struct reply cmd_getquotaroot(struct session *s, struct cmd *c)
{
	struct str name;
	struct quota q;
	struct err e = { 0 };
	struct buf b = { 0 };
	if (!parse_mailbox(&c->in, &name) || !parse_end(&c->in))
		return reply_bad(c);
	if (!account_quota(s->conf->store, s->account, &q, &e))
		return reply_err(c, &e);
	buf_addz(&b, "* QUOTAROOT ");
	say_mailbox_as(&b, name, c->utf8);
	if (limited(&q)) {
		buf_addc(&b, ' ');
		say_astring(&b, s->account_name);
	}
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	if (limited(&q))
		say_quota(s, &q);
	return OK("GETQUOTAROOT completed");
}

static bool parse_limits(struct parser *p)
{
	struct str resource;
	uint64_t limit;
	unsigned n = 0;
	if (!parse_char(p, '(', "'(' before limits"))
		return false;
	if (parse_try(p, ')'))
		return true;
	do {
		if (++n > QUOTA_RESOURCES_MAX)
			return parse_fail(p, "at most 10 limits");
		if (!parse_atom(p, &resource, "STORAGE or MESSAGE") || !parse_space(p) ||
		    !parse_number(p, INT64_MAX, &limit, "a limit"))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after limits");
}

struct reply cmd_setquota(struct session *s, struct cmd *c)
{
	struct str root;
	(void)s;
	if (!parse_astring(&c->in, &root, "a quota root") || !parse_space(&c->in) || !parse_limits(&c->in) ||
	    !parse_end(&c->in))
		return reply_bad(c);
	return NO_CODE("NOPERM", "Only the administrator sets quotas");
}
