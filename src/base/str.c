#include "base/str.h"

struct str str_of(const char *z)
{
	return z ? (struct str){ z, strlen(z) } : STR_NONE;
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static int fold_cmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)ch_lower(a[i]), y = (unsigned char)ch_lower(b[i]);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

bool str_eqi(struct str a, struct str b)
{
	return a.n == b.n && fold_cmp(a.p, b.p, a.n) == 0;
}

static int by_length(struct str a, struct str b)
{
	return a.n < b.n ? -1 : a.n > b.n;
}

int str_cmp(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : by_length(a, b);
}

int str_cmpi(struct str a, struct str b)
{
	int c = fold_cmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : by_length(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

bool str_startsi(struct str s, struct str prefix)
{
	return s.n >= prefix.n && fold_cmp(s.p, prefix.p, prefix.n) == 0;
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

bool str_endsi(struct str s, struct str suffix)
{
	return s.n >= suffix.n && fold_cmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

size_t str_chr(struct str s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
	return hit ? (size_t)(hit - s.p) : s.n;
}

size_t str_find(struct str s, struct str needle)
{
	const char *hit = memmem(s.p, s.n, needle.p, needle.n);
	return hit ? (size_t)(hit - s.p) : s.n;
}

size_t str_findi(struct str s, struct str needle)
{
	for (size_t i = 0; i + needle.n <= s.n; i++)
		if (fold_cmp(s.p + i, needle.p, needle.n) == 0)
			return i;
	return s.n;
}

struct str str_sub(struct str s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return (struct str){ s.p + from, to - from };
}

struct str str_cut(struct str *s, char sep)
{
	size_t at = str_chr(*s, sep);
	struct str head = { s->p, at };
	*s = str_sub(*s, at + (at < s->n), s->n);
	return head;
}

bool str_skip(struct str *s, struct str prefix)
{
	if (!str_startsi(*s, prefix))
		return false;
	*s = str_sub(*s, prefix.n, s->n);
	return true;
}

bool str_skipc(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

struct str str_line(struct str *s)
{
	size_t at = str_chr(*s, '\n');
	struct str line = str_sub(*s, 0, at + 1);
	*s = str_sub(*s, at + 1, s->n);
	return line;
}

struct str str_chomp(struct str s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n') {
		s.n--;
		if (s.n > 0 && s.p[s.n - 1] == '\r')
			s.n--;
	}
	return s;
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && ch_space(s.p[0]))
		s = str_sub(s, 1, s.n);
	while (s.n > 0 && ch_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

int ch_hex(char c)
{
	if (ch_digit(c))
		return c - '0';
	c = ch_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
