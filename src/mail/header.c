#include "mail/header.h"

#include "mail/lex.h"

/* Where the field that begins at `s` ends: after the first line end that no blank follows. */
static size_t field_length(struct str s)
{
	size_t at = 0;
	while (at < s.n) {
		const char *lf = memchr(s.p + at, '\n', s.n - at);
		if (!lf)
			return s.n;
		at = (size_t)(lf - s.p) + 1;
		if (at < s.n && !ch_blank(s.p[at]))
			return at;
	}
	return s.n;
}

/* Take the blank line, if one is next. */
static bool take_blank_line(struct str *rest)
{
	return str_skip(rest, STR("\r\n")) || str_skipc(rest, '\n');
}

/* ftext: RFC 5322 3.6.8 */
static bool name_char(char c)
{
	return c > ' ' && c < 0x7f && c != ':';
}

/* "Name :" - blanks before the colon are obsolete syntax (RFC 5322 4.5). */
static void split(struct header *h)
{
	struct str rest = h->whole;
	struct str name = lex_run(&rest, name_char);
	while (rest.n > 0 && ch_blank(rest.p[0]))
		rest = str_sub(rest, 1, rest.n);
	bool field = name.n > 0 && str_skipc(&rest, ':');
	h->name = field ? name : STR_NONE;
	h->value = str_chomp(field ? rest : h->whole);
}

bool header_next(struct str *rest, struct header *h)
{
	if (rest->n == 0 || take_blank_line(rest))
		return false;
	size_t n = field_length(*rest);
	h->whole = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	split(h);
	return true;
}

struct str header_block(struct str message)
{
	struct str rest = message;
	while (rest.n > 0 && !take_blank_line(&rest))
		str_line(&rest);
	return str_sub(message, 0, message.n - rest.n);
}

bool header_find(struct str block, struct str name, struct header *h)
{
	while (header_next(&block, h))
		if (str_eqi(h->name, name))
			return true;
	return false;
}

size_t header_count(struct str block, struct str name)
{
	struct header h;
	size_t n = 0;
	while (header_next(&block, &h))
		n += str_eqi(h.name, name);
	return n;
}

struct str header_unfold(struct arena *a, struct str value)
{
	value = str_trim(value);
	if (str_chr(value, '\n') == value.n)
		return value;
	char *p = arena_alloc(a, value.n);
	size_t n = 0;
	while (value.n > 0) {
		struct str line = str_chomp(str_line(&value));
		memcpy(p + n, line.p, line.n);
		n += line.n;
	}
	return (struct str){ p, n };
}

struct str header_uncomment(struct arena *a, struct str value)
{
	char *p = arena_alloc(a, value.n);
	size_t n = 0;
	while (value.n > 0) {
		struct str at = value;
		lex_cfws(&value, NULL);
		if (value.n < at.n && n > 0 && value.n > 0)
			p[n++] = ' ';
		if (value.n == 0)
			break;
		at = value;
		if (value.p[0] == '"')
			lex_quoted(&value);
		else
			value = str_sub(value, 1, value.n);
		for (size_t i = 0; i < at.n - value.n; i++)
			if (at.p[i] != '\r' && at.p[i] != '\n')
				p[n++] = at.p[i];
	}
	return (struct str){ p, n };
}
