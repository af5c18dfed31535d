#include "mail/lex.h"

/* Non-alphanumeric members of each class. */
static const char atext_marks[] = "!#$%&'*+-/=?^_`{|}~";
static const char token_marks[] = "!#$%&'*+-.^_`{|}~";

bool lex_atext(char c)
{
	return ch_alnum(c) || (unsigned char)c >= 0x80 || (c && strchr(atext_marks, c));
}

bool lex_token(char c)
{
	return ch_alnum(c) || (c && strchr(token_marks, c));
}

/* Up to the `close` that ends what began before `s`; comments nest, quoted strings do not. */
static struct str take_enclosed(struct str *s, char open, char close)
{
	size_t depth = 1, i = 0;
	for (; i < s->n; i++) {
		char c = s->p[i];
		if (c == '\\')
			i++;
		else if (c == close && --depth == 0)
			break;
		else if (c == open)
			depth++;
	}
	struct str inside = str_sub(*s, 0, i);
	*s = str_sub(*s, i + 1, s->n);
	return inside;
}

struct str lex_comment(struct str *s)
{
	*s = str_sub(*s, 1, s->n);
	return take_enclosed(s, '(', ')');
}

struct str lex_quoted(struct str *s)
{
	*s = str_sub(*s, 1, s->n);
	return take_enclosed(s, '"', '"');
}

void lex_cfws(struct str *s, struct str *comment)
{
	for (;;) {
		size_t i = 0;
		while (i < s->n && ch_space(s->p[i]))
			i++;
		*s = str_sub(*s, i, s->n);
		if (s->n == 0 || s->p[0] != '(')
			return;
		struct str inside = lex_comment(s);
		if (comment)
			*comment = inside;
	}
}

struct str lex_run(struct str *s, bool (*is)(char))
{
	size_t i = 0;
	while (i < s->n && is(s->p[i]))
		i++;
	struct str run = str_sub(*s, 0, i);
	*s = str_sub(*s, i, s->n);
	return run;
}

size_t lex_unquote_to(char *to, struct str inside)
{
	size_t n = 0;
	for (size_t i = 0; i < inside.n; i++) {
		char c = inside.p[i];
		if (c == '\\' && i + 1 < inside.n)
			c = inside.p[++i];
		if (c != '\r' && c != '\n')
			to[n++] = c;
	}
	return n;
}

struct str lex_unquote(struct arena *a, struct str inside)
{
	if (str_chr(inside, '\\') == inside.n && str_chr(inside, '\n') == inside.n && str_chr(inside, '\r') == inside.n)
		return inside;
	char *p = arena_alloc(a, inside.n);
	return (struct str){ p, lex_unquote_to(p, inside) };
}
