#include "imap/parse.h"
#include "base/buf.h"
#include "base/num.h"
#include "mail/date.h"
#include "mail/utf7.h"
#include "store/mailbox.h"

struct parser parser_new(struct str all, struct arena *a, unsigned nesting)
{
	return (struct parser){ .all = all, .arena = a, .nesting = nesting };
}

static struct str rest(const struct parser *p)
{
	return (struct str){ p->all.p + p->at, p->all.n - p->at };
}

/* Only the first failure is kept: it names what stood nearest to the mistake. */
bool parse_fail(struct parser *p, const char *expected)
{
	if (!p->expected) {
		p->expected = expected;
		p->expected_at = p->at;
	}
	return false;
}

struct str parse_why(const struct parser *p)
{
	size_t at = p->expected_at;
	if (at >= p->all.n)
		return str_fmt(p->arena, "Expected %s at the end", p->expected);
	char c = p->all.p[at];
	if (c == ' ')
		return str_fmt(p->arena, "Expected %s at octet %zu, found a space", p->expected, at + 1);
	if (c > ' ' && c < 0x7f)
		return str_fmt(p->arena, "Expected %s at octet %zu, found '%c'", p->expected, at + 1, c);
	return str_fmt(p->arena, "Expected %s at octet %zu, found octet 0x%02x", p->expected, at + 1, (unsigned char)c);
}

bool parse_at_end(const struct parser *p)
{
	return p->at >= p->all.n;
}

bool parse_is(const struct parser *p, char c)
{
	return p->at < p->all.n && p->all.p[p->at] == c;
}

bool parse_try(struct parser *p, char c)
{
	bool is = parse_is(p, c);
	p->at += is;
	return is;
}

bool parse_try_word(struct parser *p, struct str word)
{
	bool is = str_startsi(rest(p), word);
	p->at += is ? word.n : 0;
	return is;
}

bool parse_end(struct parser *p)
{
	return parse_at_end(p) || parse_fail(p, "the end of the command");
}

bool parse_space(struct parser *p)
{
	return parse_try(p, ' ') || parse_fail(p, "a space");
}

bool parse_char(struct parser *p, char c, const char *what)
{
	return parse_try(p, c) || parse_fail(p, what);
}

/* RFC 3501 9: atom-specials, without the list-wildcards and "]", which differ by rule. */
static bool atom_special(char c)
{
	return c <= ' ' || c >= 0x7f || c == '(' || c == ')' || c == '{' || c == '"' || c == '\\';
}

static bool take_while(struct parser *p, bool (*is)(char), struct str *out)
{
	size_t from = p->at;
	while (p->at < p->all.n && is(p->all.p[p->at]))
		p->at++;
	*out = str_sub(p->all, from, p->at);
	return out->n > 0;
}

static bool tag_char(char c)
{
	return !atom_special(c) && c != '%' && c != '*' && c != '+';
}

static bool atom_char(char c)
{
	return !atom_special(c) && c != '%' && c != '*' && c != ']';
}

/* 8-bit is not in the grammar; clients that send raw UTF-8 names mean it plainly. */
static bool astring_char(char c)
{
	return (!atom_special(c) && c != '%' && c != '*') || (unsigned char)c >= 0x80;
}

static bool list_char(char c)
{
	return astring_char(c) || c == '%' || c == '*';
}

bool parse_tag(struct parser *p, struct str *out)
{
	return take_while(p, tag_char, out) || parse_fail(p, "a tag");
}

bool parse_atom(struct parser *p, struct str *out, const char *what)
{
	return take_while(p, atom_char, out) || parse_fail(p, what);
}

static bool parse_quoted(struct parser *p, struct str *out, const char *what)
{
	size_t from = ++p->at, escapes = 0;
	for (; p->at < p->all.n && p->all.p[p->at] != '"'; p->at++) {
		char c = p->all.p[p->at];
		if (c == '\r' || c == '\n' || c == '\0')
			return parse_fail(p, "no CR, LF or NUL inside quotes");
		if (c != '\\')
			continue;
		if (++p->at >= p->all.n || (p->all.p[p->at] != '"' && p->all.p[p->at] != '\\'))
			return parse_fail(p, "a quote or a backslash after a backslash");
		escapes++;
	}
	*out = str_sub(p->all, from, p->at);
	if (!parse_char(p, '"', "a closing quote"))
		return false;
	if (!escapes)
		return true;
	char *plain = arena_alloc(p->arena, out->n);
	size_t n = 0;
	for (size_t i = 0; i < out->n; i++) {
		i += out->p[i] == '\\';
		plain[n++] = out->p[i];
	}
	*out = (struct str){ plain, n };
	(void)what;
	return true;
}

/* "{12}" CRLF and twelve octets; the octets may still be on their way (pending). */
static bool parse_literal(struct parser *p, struct str *out)
{
	struct str s = str_sub(p->all, p->at + 1, p->all.n);
	uint64_t n;
	if (!num_take(&s, UINT32_MAX, &n))
		return parse_fail(p, "the size of a literal");
	str_skipc(&s, '+');
	if (!str_skipc(&s, '}'))
		return parse_fail(p, "'}' after the size of a literal");
	if (s.n == 0) {
		p->pending = true;
		return parse_fail(p, "the octets of a literal");
	}
	if (!str_skip(&s, STR("\r\n")) || s.n < n)
		return parse_fail(p, "a line end after the size of a literal");
	*out = str_sub(s, 0, (size_t)n);
	if (memchr(out->p, 0, out->n))
		return parse_fail(p, "no NUL in a literal");
	p->at = p->all.n - (s.n - (size_t)n);
	return true;
}

bool parse_string(struct parser *p, struct str *out, const char *what)
{
	if (parse_is(p, '"'))
		return parse_quoted(p, out, what);
	if (parse_is(p, '{'))
		return parse_literal(p, out);
	return parse_fail(p, what);
}

bool parse_astring(struct parser *p, struct str *out, const char *what)
{
	if (parse_is(p, '"') || parse_is(p, '{'))
		return parse_string(p, out, what);
	return take_while(p, astring_char, out) || parse_fail(p, what);
}

bool parse_nstring(struct parser *p, struct str *out, bool *nil, const char *what)
{
	*nil = parse_try_word(p, STR("NIL"));
	*out = STR_NONE;
	return *nil || parse_string(p, out, what);
}

bool parse_number(struct parser *p, uint64_t max, uint64_t *out, const char *what)
{
	struct str s = rest(p);
	if (!num_take(&s, max, out))
		return parse_fail(p, what);
	p->at = p->all.n - s.n;
	return true;
}

bool parse_mailbox_as(struct parser *p, struct str *out, struct str *given)
{
	struct str wire;
	size_t at = p->at;
	if (!parse_astring(p, &wire, "a mailbox name"))
		return false;
	if (mailbox_decode(wire, p->utf8, p->arena, given, out))
		return true;
	p->at = at;
	return parse_fail(p, p->utf8 ? "a mailbox name in UTF-8" : "a mailbox name in modified UTF-7");
}

bool parse_mailbox(struct parser *p, struct str *out)
{
	struct str given;
	return parse_mailbox_as(p, out, &given);
}

bool parse_pattern(struct parser *p, struct str *out)
{
	struct str wire, given;
	size_t at = p->at;
	if (parse_is(p, '"') || parse_is(p, '{')) {
		if (!parse_string(p, &wire, "a mailbox pattern"))
			return false;
	} else if (!take_while(p, list_char, &wire)) {
		return parse_fail(p, "a mailbox pattern");
	}
	if (mailbox_decode(wire, p->utf8, p->arena, &given, out))
		return true;
	p->at = at;
	return parse_fail(p, p->utf8 ? "a mailbox pattern in UTF-8" : "a mailbox pattern in modified UTF-7");
}

static const struct {
	struct str name;
	unsigned bit;
} system_flags[] = {
	{ { "\\Seen", 5 }, MSG_SEEN },       { { "\\Answered", 9 }, MSG_ANSWERED }, { { "\\Flagged", 8 }, MSG_FLAGGED },
	{ { "\\Deleted", 8 }, MSG_DELETED }, { { "\\Draft", 6 }, MSG_DRAFT },       { { "\\Recent", 7 }, 0 },
};

/* \Recent is taken and ignored: clients copy flags as they got them, and only the server sets it (RFC 3501 2.3.2). */
static bool parse_flag(struct parser *p, unsigned *flags, struct str *keyword)
{
	size_t at = p->at;
	*keyword = STR_NONE;
	bool system = parse_try(p, '\\');
	if (!parse_atom(p, keyword, system ? "a flag" : "a flag or keyword"))
		return false;
	if (!system && keyword->n > PARSE_KEYWORD_MAX) {
		p->at = at;
		return parse_fail(p, "a keyword of at most 100 octets");
	}
	if (!system)
		return true;
	struct str whole = str_sub(p->all, at, p->at);
	for (size_t i = 0; i < sizeof system_flags / sizeof *system_flags; i++)
		if (str_eqi(whole, system_flags[i].name)) {
			*flags |= system_flags[i].bit;
			*keyword = STR_NONE;
			return true;
		}
	p->at = at;
	return parse_fail(p, "\\Seen, \\Answered, \\Flagged, \\Deleted, \\Draft or a keyword");
}

bool parse_flags(struct parser *p, bool bare, unsigned *flags, struct str *keywords)
{
	struct str one;
	size_t count = 0;
	bool listed = parse_try(p, '(');
	*flags = 0;
	*keywords = STR_NONE;
	if (!listed && !bare)
		return parse_fail(p, "'(' before flags");
	if (listed && parse_try(p, ')'))
		return true;
	do {
		if (!parse_flag(p, flags, &one))
			return false;
		if (one.n == 0)
			continue;
		if (++count > PARSE_KEYWORDS_MAX)
			return parse_fail(p, "at most 50 keywords");
		*keywords = keywords->n ? str_fmt(p->arena, "%.*s %.*s", STRF(*keywords), STRF(one)) : one;
	} while (parse_try(p, ' '));
	return !listed || parse_char(p, ')', "')' after flags");
}

bool parse_date_time(struct parser *p, int64_t *wall_ms)
{
	struct str s;
	size_t at = p->at;
	if (!parse_is(p, '"') || !parse_quoted(p, &s, "a date"))
		return parse_fail(p, "a quoted date and time");
	if (date_parse_imap(s, wall_ms))
		return true;
	p->at = at;
	return parse_fail(p, "a date like \"17-Jul-1996 02:44:25 -0700\"");
}

bool parse_date(struct parser *p, int64_t *wall_ms)
{
	struct str s;
	size_t at = p->at;
	if (!parse_astring(p, &s, "a date like 1-Feb-1994"))
		return false;
	if (date_parse_imap_day(s, wall_ms))
		return true;
	p->at = at;
	return parse_fail(p, "a date like 1-Feb-1994");
}

bool parse_literal_mark(struct str line, uint64_t *octets, bool *plus)
{
	if (!str_ends(line, STR("}")))
		return false;
	size_t end = line.n - 1;
	*plus = end > 0 && line.p[end - 1] == '+';
	end -= *plus;
	size_t from = end;
	while (from > 0 && ch_digit(line.p[from - 1]))
		from--;
	if (from == 0 || line.p[from - 1] != '{')
		return false;
	return num_parse(str_sub(line, from, end), UINT64_MAX >> 1, octets);
}
