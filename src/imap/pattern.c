#include "imap/pattern.h"

/* `at[i]`: the first i octets of the pattern may have been used up.  Wildcards may stand for nothing. */
static void skip_wildcards(struct str pattern, bool *at)
{
	for (size_t i = 0; i < pattern.n; i++)
		if (at[i] && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			at[i + 1] = true;
}

static bool matches(struct str pattern, struct str name)
{
	bool now[PATTERN_MAX + 1] = { true }, then[PATTERN_MAX + 1];
	skip_wildcards(pattern, now);
	for (size_t k = 0; k < name.n; k++) {
		char c = name.p[k];
		memset(then, 0, pattern.n + 1);
		for (size_t i = 0; i < pattern.n; i++) {
			char w = pattern.p[i];
			if (!now[i])
				continue;
			if (w == '*' || (w == '%' && c != '/'))
				then[i] = true;
			else if (w == c && w != '%')
				then[i + 1] = true;
		}
		skip_wildcards(pattern, then);
		memcpy(now, then, pattern.n + 1);
	}
	return now[pattern.n];
}

bool pattern_matches(struct str pattern, struct str name)
{
	char folded[PATTERN_MAX];
	if (pattern.n > PATTERN_MAX)
		return false;
	if (matches(pattern, name))
		return true;
	if (!str_eq(name, STR("INBOX")))
		return false;
	for (size_t i = 0; i < pattern.n; i++)
		folded[i] = ch_upper(pattern.p[i]);
	return matches((struct str){ folded, pattern.n }, name);
}
