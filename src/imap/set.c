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
	if (parse_try(p, '$')) {
		out->saved = true;
		return true;
	}
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
	struct set out = { .ranges = ARENA_ARRAY(a, struct range, s->n) };
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

static bool parse_position(struct parser *p, bool last, uint32_t *out)
{
	uint64_t n;
	size_t at = p->at;
	if (last && !parse_char(p, '-', "'-' before both numbers of a range from the end"))
		return false;
	if (!parse_number(p, UINT32_MAX, &n, "a range like 1:500 or -1:-500"))
		return false;
	*out = (uint32_t)n;
	if (n > 0)
		return true;
	p->at = at;
	return parse_fail(p, "a number above 0");
}

bool parse_partial_range(struct parser *p, struct partial *out)
{
	*out = (struct partial){ .last = parse_is(p, '-') };
	return parse_position(p, out->last, &out->from) && parse_char(p, ':', "':' in a range") &&
	       parse_position(p, out->last, &out->to);
}

void partial_print(struct buf *b, const struct partial *x)
{
	const char *sign = x->last ? "-" : "";
	buf_printf(b, "%s%u:%s%u", sign, x->from, sign, x->to);
}

uint32_t partial_reach(const struct partial *x)
{
	return x->from > x->to ? x->from : x->to;
}

void partial_cut(const struct partial *x, struct uid_run *runs, size_t *n)
{
	uint64_t low = x->from < x->to ? x->from : x->to, high = partial_reach(x), total = 0, before = 0;
	size_t kept = 0;
	for (size_t i = 0; i < *n; i++)
		total += runs[i].count;
	if (x->last) { /* the same positions, counted from the first */
		uint64_t end = low <= total ? total - low + 1 : 0;
		low = high <= total ? total - high + 1 : 1;
		high = end;
	}
	for (size_t i = 0; i < *n; i++) {
		struct uid_run r = runs[i];
		uint64_t first = low > before + 1 ? low : before + 1;
		uint64_t end = before + r.count < high ? before + r.count : high;
		if (first <= end)
			runs[kept++] = (struct uid_run){ r.first + (uint32_t)(first - before - 1),
							 (uint32_t)(end - first + 1) };
		before += r.count;
	}
	*n = kept;
}
