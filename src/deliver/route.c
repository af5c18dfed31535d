#include "deliver/route.h"

#include "mail/header.h"

/* The whole address, or its domain, by what the pattern is. */
static bool fits_address(struct str pattern, struct str address)
{
	const char *at = memrchr(address.p, '@', address.n);
	size_t local = at ? (size_t)(at - address.p) : address.n;
	struct str domain = str_sub(address, local + 1, address.n);
	if (pattern.n == 0 || str_eq(pattern, STR("*")))
		return true;
	if (address.n == 0)
		return str_eq(pattern, STR("<>"));
	if (str_skip(&pattern, STR("*@")) || str_chr(pattern, '@') == pattern.n) {
		if (!str_starts(pattern, STR(".")))
			return str_eqi(pattern, domain);
		return str_endsi(domain, pattern) || str_eqi(str_sub(pattern, 1, pattern.n), domain);
	}
	return str_eqi(pattern, address);
}

static bool fits_header(struct str want, struct str block)
{
	struct header h;
	struct str value = want, name = str_trim(str_cut(&value, ':'));
	value = str_trim(value);
	if (want.n == 0)
		return true;
	while (header_next(&block, &h))
		if (str_eqi(h.name, name) && (value.n == 0 || str_findi(h.value, value) < h.value.n))
			return true;
	return false;
}

/* What does not fit; NULL: all does. */
static const char *misfit(const struct route *r, const struct route_ask *a)
{
	if (!fits_address(r->from, a->from))
		return "another sender";
	if (!fits_address(r->to, a->to))
		return "another recipient";
	if (a->attempt < r->from_attempt)
		return "an earlier attempt";
	if (r->larger > 0 && a->size <= r->larger)
		return "a smaller message";
	if (r->door.n > 0 && !str_eqi(r->door, a->door))
		return "it came by another door";
	if (!fits_header(r->header, a->header))
		return "no such header field";
	return NULL;
}

const struct route *route_find(const struct route_list *lists, size_t n, const struct route_ask *ask, struct buf *why)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < lists[i].n; j++) {
			const struct route *r = &lists[i].routes[j];
			const char *not = misfit(r, ask);
			if (why)
				buf_printf(why, "%s, rule %zu (%.*s) via %.*s: %s\n", lists[i].name, j + 1,
					   STRF(r->where), STRF(r->via), not ? not : "fits");
			if (!not )
				return r;
		}
	}
	return NULL;
}

const char *route_pattern_wrong(struct str p)
{
	size_t ats = 0, stars = 0;
	for (size_t i = 0; i < p.n; i++) {
		ats += p.p[i] == '@';
		stars += p.p[i] == '*';
		if (p.p[i] <= ' ')
			return "blanks cannot be in an address";
	}
	if (str_eq(p, STR("*")) || str_eq(p, STR("<>")))
		return NULL;
	if (stars > 0 && !(stars == 1 && str_starts(p, STR("*@"))))
		return "a * stands for all, or before the @ for all of a domain";
	if (ats > 1)
		return "an address has one @";
	if (p.n == 0 || str_ends(p, STR("@")) || str_ends(p, STR(".")))
		return "the domain is missing";
	return NULL;
}
