#include "imap/set.h"
#include "store/mailbox.h"
#include <stdlib.h>

static bool parse_seq_number(struct parser *p, uint32_t *out)
{
	uint64_t n;
	if (parse_try(p, '*')) {
		*out = SET_STAR;
		return true;
	}
	size_t at = p->at;
	if (!parse_number(p, UINT32_MAX, &n, "a number or '*'"))
		return false;
	*out = (uint32_t)n;
	if (n > 0)
		return true;
	p->at = at;
	return parse_fail(p, "a number above 0");
}

bool parse_set(struct parser *p, struct set *out)
{
	size_t cap = 0;
	*out = (struct set){ 0 };
	do {
		struct range r;
		if (!parse_seq_number(p, &r.from))
			return false;
		r.to = r.from;
		if (parse_try(p, ':') && !parse_seq_number(p, &r.to))
			return false;
		if (out->n == cap)
			out->ranges = arena_grow(p->arena, out->ranges, &cap, out->n + 1, sizeof *out->ranges);
		out->ranges[out->n++] = r;
	} while (parse_try(p, ','));
	return true;
}

static int range_cmp(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return x->from < y->from ? -1 : x->from > y->from;
}

struct set set_resolve(const struct set *s, uint32_t largest, struct arena *a)
{
	struct set out = { ARENA_ARRAY(a, struct range, s->n), 0 };
	for (size_t i = 0; i < s->n; i++) {
		struct range r = s->ranges[i];
		r.from = r.from == SET_STAR ? largest : r.from;
		r.to = r.to == SET_STAR ? largest : r.to;
		if (r.from == 0 || r.to == 0)
			continue;
		if (r.from > r.to) /* RFC 3501 9: 4:2 is 2:4, and 15:* always holds the last */
			r = (struct range){ r.to, r.from };
		out.ranges[out.n++] = r;
	}
	if (out.n == 0)
		return out;
	qsort(out.ranges, out.n, sizeof *out.ranges, range_cmp);
	size_t last = 0;
	for (size_t i = 1; i < out.n; i++) {
		struct range r = out.ranges[i], *l = &out.ranges[last];
		if (r.from <= l->to || r.from - 1 == l->to)
			l->to = r.to > l->to ? r.to : l->to;
		else
			out.ranges[++last] = r;
	}
	out.n = last + 1;
	return out;
}

uint32_t set_largest(const struct set *s)
{
	uint32_t largest = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct range r = s->ranges[i];
		if (r.from == SET_STAR || r.to == SET_STAR)
			continue;
		largest = r.from > largest ? r.from : largest;
		largest = r.to > largest ? r.to : largest;
	}
	return largest;
}

bool set_has(const struct set *s, uint32_t n)
{
	size_t low = 0, high = s->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->ranges[mid].to < n)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->ranges[low].from <= n;
}

void set_print(struct buf *b, const struct uid_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t last = runs[i].first + runs[i].count - 1;
		buf_printf(b, "%s%u", i ? "," : "", runs[i].first);
		if (last > runs[i].first)
			buf_printf(b, ":%u", last);
	}
}
