/* The sandbox's addresses that fail on purpose, so that a program's error handling can be tried. */
#include "smtp/session.h"

unsigned smtp_sandbox_code(const struct session *s, struct str local)
{
	if (!s->conf->sandbox)
		return 0;
	if (str_endsi(local, STR("temperror")))
		return 451;
	if (str_endsi(local, STR("permerror")))
		return 550;
	if (str_endsi(local, STR("timeout")))
		return SANDBOX_HOLD;
	if (local.n < 3)
		return 0;
	struct str last = str_sub(local, local.n - 3, local.n);
	if ((last.p[0] != '4' && last.p[0] != '5') || !ch_digit(last.p[1]) || !ch_digit(last.p[2]))
		return 0;
	return (unsigned)(last.p[0] - '0') * 100 + (unsigned)(last.p[1] - '0') * 10 + (unsigned)(last.p[2] - '0');
}

struct reply smtp_sandbox_reply(unsigned code)
{
	return reply_make(code, code < 500 ? "4.0.0" : "5.0.0", "The sandbox answers %u, as the address asked", code);
}
