/* imap_read.c - responses, as the server sends them: one pass, bounded, no second chance. */
#include "client/imap_impl.h"

#include "base/num.h"
#include <stdio.h>

#define BODY_PIECE (64u << 10)
#define FLAGS_MAX  200

bool imap_broken(struct imap_client *c, struct err *e, const char *expected)
{
	const struct err *why = io_error(c->io);
	if (c->said.kind == ERR_NONE && why->kind != ERR_NONE)
		err_set(&c->said, ERR_PEER, "%s", why->text);
	if (c->said.kind == ERR_NONE)
		err_set(&c->said, ERR_PEER, "the server's answer does not follow IMAP: expected %s at \"%.*s\"",
			expected, (int)(c->rest.n < 40 ? c->rest.n : 40), c->rest.p);
	io_fail(c->io, ERR_PEER, c->said.text);
	*e = c->said;
	return false;
}

static bool next_line(struct imap_client *c, struct err *e)
{
	struct str line;
	enum io_got got = io_line(c->io, &line, IMAP_CLIENT_LINE);
	buf_clear(&c->line);
	c->rest = STR_NONE;
	if (got == IO_LONG)
		return imap_broken(c, e, "a shorter line");
	if (got != IO_LINE)
		return imap_broken(c, e, "an answer");
	buf_add(&c->line, line);
	c->rest = buf_str(&c->line);
	return true;
}

/* --- words ------------------------------------------------------------------ */

bool imap_try(struct imap_client *c, char want)
{
	return str_skipc(&c->rest, want);
}

bool imap_char(struct imap_client *c, char want, struct err *e)
{
	char what[] = { '"', want, '"', 0 };
	return imap_try(c, want) || imap_broken(c, e, what);
}

/* Brackets belong to a word: BODY[], BODY[HEADER.FIELDS (DATE)] but for what stands in the parentheses. */
static bool ends_word(char ch)
{
	return ch == ' ' || ch == '(' || ch == ')' || ch == '"' || ch == '{' || (unsigned char)ch < 0x20;
}

bool imap_word(struct imap_client *c, struct str *out, struct err *e)
{
	size_t n = 0;
	while (n < c->rest.n && !ends_word(c->rest.p[n]))
		n++;
	*out = str_sub(c->rest, 0, n);
	c->rest = str_sub(c->rest, n, c->rest.n);
	return n > 0 || imap_broken(c, e, "a word");
}

bool imap_number(struct imap_client *c, uint64_t max, uint64_t *out, struct err *e)
{
	return num_take(&c->rest, max, out) || imap_broken(c, e, "a number");
}

/* --- strings ------------------------------------------------------------------ */

/* "{n}" or "~{n}" at the end of the line: how many octets follow. *is says whether it is one. */
static bool literal_mark(struct imap_client *c, bool *is, uint64_t *octets, struct err *e)
{
	struct str s = c->rest;
	str_skipc(&s, '~'); /* literal8: RFC 3516 */
	*is = str_skipc(&s, '{');
	if (!*is)
		return true;
	/* A server has no reason to send "{n+}", but none to be cut off for it either. */
	if (!num_take(&s, UINT64_MAX >> 1, octets) || (str_skipc(&s, '+'), !str_skipc(&s, '}')) || s.n > 0)
		return imap_broken(c, e, "the size of a literal at the end of the line");
	c->rest = STR_NONE;
	return true;
}

/* `octets` of a literal, piece by piece, to `to` as long as it wants them. */
static bool literal_to(struct imap_client *c, uint64_t octets, struct sink *to, bool *refused, struct err *e)
{
	struct buf piece = { 0 };
	bool ok = true;
	while (octets > 0 && ok) {
		size_t n = octets < BODY_PIECE ? (size_t)octets : BODY_PIECE;
		io_deadline(c->io, c->wait_ms);
		buf_clear(&piece);
		ok = io_exactly(c->io, n, &piece);
		if (ok && to && !*refused)
			*refused = !to->add(to, buf_str(&piece));
		octets -= n;
	}
	buf_free(&piece);
	return (ok || imap_broken(c, e, "a literal")) && next_line(c, e);
}

static bool literal_text(struct imap_client *c, uint64_t octets, struct str *out, struct err *e)
{
	struct buf b = { 0 };
	if (octets > IMAP_CLIENT_LITERAL)
		return imap_broken(c, e, "a shorter literal");
	if (!io_exactly(c->io, (size_t)octets, &b)) {
		buf_free(&b);
		return imap_broken(c, e, "a literal");
	}
	*out = str_dup(&c->arena, buf_str(&b));
	buf_free(&b);
	return next_line(c, e);
}

/* Behind the opening quote: how many octets until the closing one, or more than there are. */
static size_t quoted_end(struct str s)
{
	size_t i = 0;
	while (i < s.n && s.p[i] != '"')
		i += s.p[i] == '\\' ? 2 : 1;
	return i;
}

static bool quoted(struct imap_client *c, struct arena *a, struct str *out, struct err *e)
{
	size_t end = quoted_end(c->rest), n = 0;
	if (end >= c->rest.n)
		return imap_broken(c, e, "the end of a quoted string");
	if (a) {
		char *to = arena_alloc(a, end);
		for (size_t i = 0; i < end; i++) {
			i += c->rest.p[i] == '\\';
			to[n++] = c->rest.p[i];
		}
		*out = (struct str){ to, n };
	}
	c->rest = str_sub(c->rest, end + 1, c->rest.n);
	return true;
}

bool imap_text(struct imap_client *c, struct str *out, bool *nil, struct err *e)
{
	bool literal;
	uint64_t octets;
	*nil = false;
	*out = STR_NONE;
	if (imap_try(c, '"'))
		return quoted(c, &c->arena, out, e);
	if (!literal_mark(c, &literal, &octets, e))
		return false;
	if (literal)
		return literal_text(c, octets, out, e);
	if (!imap_word(c, out, e))
		return false;
	*nil = str_eqi(*out, STR("NIL"));
	*out = *nil ? STR_NONE : str_dup(&c->arena, *out);
	return true;
}

bool imap_body(struct imap_client *c, struct sink *to, uint64_t max, uint64_t *octets, bool *skipped, struct err *e)
{
	bool literal, nil;
	struct str text;
	*octets = 0;
	*skipped = false;
	if (!literal_mark(c, &literal, octets, e))
		return false;
	if (literal) {
		*skipped = *octets > max;
		return literal_to(c, *octets, *skipped ? NULL : to, skipped, e);
	}
	if (!imap_text(c, &text, &nil, e))
		return false;
	*octets = text.n;
	*skipped = text.n > max || (to && text.n > 0 && !to->add(to, text));
	return true;
}

/* --- values nobody asked for ---------------------------------------------------- */

static bool pass_string(struct imap_client *c, struct err *e)
{
	struct str word;
	bool literal, refused = true;
	uint64_t octets;
	if (imap_try(c, '"'))
		return quoted(c, NULL, NULL, e);
	if (!literal_mark(c, &literal, &octets, e))
		return false;
	return literal ? literal_to(c, octets, NULL, &refused, e) : imap_word(c, &word, e);
}

bool imap_value(struct imap_client *c, struct err *e)
{
	unsigned depth = 0;
	do {
		while (depth > 0 && imap_try(c, ' '))
			;
		if (imap_try(c, '(')) {
			if (++depth > IMAP_CLIENT_NEST)
				return imap_broken(c, e, "less nesting");
		} else if (depth > 0 && imap_try(c, ')')) {
			depth--;
		} else if (!pass_string(c, e)) {
			return false;
		}
	} while (depth > 0);
	return true;
}

bool imap_skip(struct imap_client *c, struct err *e)
{
	/* Extensions may put anything here that is made of values; a lone parenthesis is none of our business. */
	while (c->rest.n > 0)
		if (!imap_try(c, ' ') && !imap_try(c, ')') && !imap_value(c, e))
			return false;
	return true;
}

/* --- flags -------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned flag;
} system_flags[] = {
	{ "\\Seen", MSG_SEEN },       { "\\Answered", MSG_ANSWERED }, { "\\Flagged", MSG_FLAGGED },
	{ "\\Deleted", MSG_DELETED }, { "\\Draft", MSG_DRAFT },
};

static bool system_flag(struct str word, unsigned *flags)
{
	for (size_t i = 0; i < sizeof system_flags / sizeof *system_flags; i++) {
		if (str_eqi(word, str_of(system_flags[i].name))) {
			*flags |= system_flags[i].flag;
			return true;
		}
	}
	return word.n > 0 && *word.p == '\\'; /* \Recent, and what others invent */
}

bool imap_flags(struct imap_client *c, unsigned *flags, struct str *keywords, struct err *e)
{
	struct buf b = { 0 };
	bool ok = imap_char(c, '(', e);
	unsigned n = 0;
	*flags = 0;
	while (ok && !imap_try(c, ')')) {
		struct str word;
		if (imap_try(c, ' '))
			continue;
		ok = imap_word(c, &word, e);
		if (ok && !system_flag(word, flags) && n++ < FLAGS_MAX)
			buf_printf(&b, "%s%.*s", b.n ? " " : "", STRF(word));
	}
	*keywords = str_dup(&c->arena, buf_str(&b));
	buf_free(&b);
	return ok;
}

/* --- responses ------------------------------------------------------------------ */

void imap_status(struct imap_client *c, struct status *st)
{
	imap_try(c, ' ');
	st->code = STR_NONE;
	if (imap_try(c, '[')) {
		st->code = str_dup(&c->arena, str_cut(&c->rest, ']'));
		imap_try(c, ' ');
	}
	st->text = str_dup(&c->arena, c->rest);
	c->rest = STR_NONE;
	struct str words = st->code;
	if (str_eqi(str_cut(&words, ' '), STR("CAPABILITY")))
		imap_capabilities(c, words);
}

static bool answer_of(struct str word, enum answer *out)
{
	static const char *const words[] = { [ANSWER_OK] = "OK", [ANSWER_NO] = "NO", [ANSWER_BAD] = "BAD" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		*out = (enum answer)i;
		if (str_eqi(word, str_of(words[i])))
			return true;
	}
	return false;
}

enum response imap_response(struct imap_client *c, struct status *st, struct err *e)
{
	struct str word;
	char tag[16];
	arena_reset(&c->arena);
	if (!next_line(c, e))
		return RESPONSE_END;
	if (imap_try(c, '+')) {
		imap_try(c, ' ');
		return RESPONSE_MORE;
	}
	if (imap_try(c, '*'))
		return imap_char(c, ' ', e) ? RESPONSE_DATA : RESPONSE_END;
	snprintf(tag, sizeof tag, "s%u ", c->tag);
	if (!str_skip(&c->rest, str_of(tag)) || !imap_word(c, &word, e) || !answer_of(word, &st->answer)) {
		imap_broken(c, e, "the answer to our command");
		return RESPONSE_END;
	}
	imap_status(c, st);
	return RESPONSE_DONE;
}
