#include "base/num.h"

bool num_parse(struct str s, uint64_t max, uint64_t *out)
{
	return s.n <= 20 && num_take(&s, max, out) && s.n == 0;
}

bool num_take(struct str *s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	size_t i = 0;
	for (; i < s->n && ch_digit(s->p[i]); i++) {
		unsigned digit = (unsigned)(s->p[i] - '0');
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n) || n > max)
			return false;
	}
	if (i == 0)
		return false;
	*s = str_sub(*s, i, s->n);
	*out = n;
	return true;
}

struct unit_word {
	const char *word;
	uint64_t times;
};

static bool scaled(struct str s, const struct unit_word *units, size_t n, uint64_t *out)
{
	uint64_t v;
	if (!num_take(&s, UINT64_MAX, &v))
		return false;
	for (size_t i = 0; i < n; i++)
		if (str_eqi(s, str_of(units[i].word)))
			return !__builtin_mul_overflow(v, units[i].times, out);
	return false;
}

bool num_parse_size(struct str s, uint64_t *octets)
{
	static const struct unit_word units[] = {
		{ "", 1 },           { "k", 1u << 10 }, { "KiB", 1u << 10 }, { "m", 1u << 20 },
		{ "MiB", 1u << 20 }, { "g", 1u << 30 }, { "GiB", 1u << 30 }, { "TiB", (uint64_t)1 << 40 },
	};
	return scaled(s, units, sizeof units / sizeof *units, octets);
}

bool num_parse_duration(struct str s, int64_t *ms)
{
	static const struct unit_word units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 },
	};
	uint64_t v;
	if (str_eq(s, STR("0"))) {
		*ms = 0;
		return true;
	}
	if (!scaled(s, units, sizeof units / sizeof *units, &v) || v > INT64_MAX)
		return false;
	*ms = (int64_t)v;
	return true;
}
