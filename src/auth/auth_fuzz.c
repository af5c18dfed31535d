/* The lines of the auth role's protocol; and what every word of them is prepared by. */
#include "auth/ask.h"
#include "auth/auth.h"
#include "auth/precis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A slice of the line or of the decoded octets, never anything else. */
static void inside(struct str s, struct str line, const struct buf *raw)
{
	if (s.n == 0)
		return;
	bool of_line = s.p >= line.p && s.p + s.n <= line.p + line.n;
	bool of_raw = raw->p && s.p >= raw->p && s.p + s.n <= raw->p + raw->n;
	if (!of_line && !of_raw)
		__builtin_trap();
}

static void prepare(struct str s)
{
	struct arena a = { 0 };
	struct precis p, again;
	struct str name, twice;
	struct err e;
	if (precis_opaque(s, &p, &e) && p.n <= PRECIS_TYPED) {
		struct str once = { p.p, p.n };
		if (!precis_opaque(once, &again, &e) || !str_eq((struct str){ again.p, again.n }, once))
			__builtin_trap();
	}
	if (auth_login_name(s, &a, &name, &e) && name.n <= PRECIS_TYPED &&
	    (!auth_login_name(name, &a, &twice, &e) || !str_eq(name, twice)))
		__builtin_trap();
	arena_reset(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = { (const char *)data, size };
	struct buf raw = { 0 };
	struct ask ask;
	if (size == 0 || size > AUTH_LINE)
		return 0;
	if (ask_parse(line, &raw, &ask)) {
		const struct str all[] = { ask.service, ask.ip,    ask.mechanism, ask.exporter,
					   ask.unique,  ask.login, ask.octets };
		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			inside(all[i], line, &raw);
		prepare(ask.login);
		prepare(ask.octets);
	}
	prepare(line);
	buf_free(&raw);
	return 0;
}
