#include "mail/preview.h"

#include <stdlib.h>

#include "mail/words.h"

#define FIRST_LOOK 512u /* octets that mostly suffice */

/* --- which part --------------------------------------------------------------- */

static bool shown(const struct part *p, struct str subtype)
{
	return str_eqi(p->type, STR("TEXT")) && str_eqi(p->subtype, subtype) && p->end > p->body_at &&
	       !str_eqi(p->disposition, STR("attachment"));
}

static const struct part *find(const struct part *p, struct str subtype)
{
	if (!p->multipart)
		return shown(p, subtype) ? p : NULL;
	const struct part *found = NULL;
	for (const struct part *c = p->child; c && !found; c = c->next)
		found = find(c, subtype);
	return found;
}

const struct part *preview_part(const struct part *root)
{
	const struct part *plain = find(root, STR("PLAIN"));
	return plain ? plain : find(root, STR("HTML"));
}

/* --- words out of text -------------------------------------------------------- */

/* What is written, with one blank where there were some. */
struct writer {
	char text[4 * PREVIEW_CHARS];
	size_t n, chars;
	bool blank; /* one is due before the next character */
};

static bool full(const struct writer *w)
{
	return w->chars >= PREVIEW_CHARS;
}

static size_t sequence(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Blanks of other lengths, and what senders pad their hidden first lines with: zero width, soft hyphen, joiners. */
static bool invisible(struct str c, bool *blank)
{
	static const char *const nothing[] = { "\xc2\xad",     "\xcd\x8f",     "\xe2\x80\x8b",
					       "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e",
					       "\xe2\x80\x8f", "\xe2\x81\xa0", "\xef\xbb\xbf" };
	*blank = str_eq(c, STR("\xc2\xa0")) || str_eq(c, STR("\xe2\x80\x87")) || str_eq(c, STR("\xe2\x80\xaf"));
	for (size_t i = 0; !*blank && i < sizeof nothing / sizeof *nothing; i++)
		if (str_eq(c, str_of(nothing[i])))
			return true;
	return *blank;
}

static void put_octets(struct writer *w, struct str c)
{
	if (full(w))
		return;
	memcpy(w->text + w->n, c.p, c.n);
	w->n += c.n;
	w->chars++;
}

/* One character. */
static void put(struct writer *w, struct str c)
{
	bool blank = c.n == 1 && ((unsigned char)c.p[0] <= ' ' || c.p[0] == 0x7f);
	if (c.n > 1 && invisible(c, &blank) && !blank)
		return;
	if (blank) {
		w->blank = w->chars > 0;
		return;
	}
	if (w->blank)
		put_octets(w, STR(" "));
	w->blank = false;
	put_octets(w, c);
}

static void put_text(struct writer *w, struct str s)
{
	while (s.n > 0 && !full(w)) {
		size_t n = sequence((unsigned char)s.p[0]);
		put(w, str_sub(s, 0, n));
		s = str_sub(s, n, s.n);
	}
}

/* Without the lines that quote somebody else, unless there is nothing but those to the last. */
static void put_plain(struct writer *w, struct str s, bool last)
{
	struct str rest = s;
	while (rest.n > 0 && !full(w)) {
		struct str line = str_line(&rest);
		if (!str_starts(line, STR(">")))
			put_text(w, line);
	}
	if (w->chars == 0 && last)
		put_text(w, s);
}

/* --- words out of HTML ---------------------------------------------------------- */

static const struct entity {
	const char *name, *utf8;
} entities[] = {
	{ "amp", "&" },
	{ "lt", "<" },
	{ "gt", ">" },
	{ "quot", "\"" },
	{ "apos", "'" },
	{ "nbsp", " " },
	{ "zwnj", "" },
	{ "zwj", "" },
	{ "shy", "" },
	{ "hellip", "\xe2\x80\xa6" },
	{ "ndash", "\xe2\x80\x93" },
	{ "mdash", "\xe2\x80\x94" },
	{ "lsquo", "\xe2\x80\x98" },
	{ "rsquo", "\xe2\x80\x99" },
	{ "ldquo", "\xe2\x80\x9c" },
	{ "rdquo", "\xe2\x80\x9d" },
	{ "bdquo", "\xe2\x80\x9e" },
	{ "laquo", "\xc2\xab" },
	{ "raquo", "\xc2\xbb" },
	{ "euro", "\xe2\x82\xac" },
	{ "copy", "\xc2\xa9" },
	{ "reg", "\xc2\xae" },
	{ "bull", "\xe2\x80\xa2" },
	{ "middot", "\xc2\xb7" },
	{ "auml", "\xc3\xa4" },
	{ "ouml", "\xc3\xb6" },
	{ "uuml", "\xc3\xbc" },
	{ "Auml", "\xc3\x84" },
	{ "Ouml", "\xc3\x96" },
	{ "Uuml", "\xc3\x9c" },
	{ "szlig", "\xc3\x9f" },
	{ "eacute", "\xc3\xa9" },
	{ "egrave", "\xc3\xa8" },
	{ "agrave", "\xc3\xa0" },
	{ "ccedil", "\xc3\xa7" },
	{ "ntilde", "\xc3\xb1" },
};

static void put_codepoint(struct writer *w, uint32_t c)
{
	char p[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return;
	for (size_t i = n; i-- > 1; c >>= 6)
		p[i] = (char)(0x80 | (c & 0x3f));
	p[0] = (char)(lead[n] | c);
	put(w, (struct str){ p, n });
}

static bool number(struct str s, uint32_t *c)
{
	bool hex = str_skip(&s, STR("x"));
	*c = 0;
	for (size_t i = 0; i < s.n; i++) {
		int digit = ch_hex(s.p[i]);
		if (digit < 0 || (!hex && digit > 9) || *c > 0x10ffff)
			return false;
		*c = *c * (hex ? 16 : 10) + (uint32_t)digit;
	}
	return s.n > 0;
}

/* "&name;" off the front; what is none is an ampersand. */
static void take_entity(struct writer *w, struct str *s)
{
	size_t end = str_chr(str_sub(*s, 0, 12), ';');
	struct str name = str_sub(*s, 1, end);
	uint32_t c;
	if (end < s->n && end < 12) {
		if (name.n > 1 && name.p[0] == '#' && number(str_sub(name, 1, name.n), &c)) {
			put_codepoint(w, c);
			*s = str_sub(*s, end + 1, s->n);
			return;
		}
		for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
			if (str_eq(name, str_of(entities[i].name))) {
				put_text(w, str_of(entities[i].utf8));
				*s = str_sub(*s, end + 1, s->n);
				return;
			}
	}
	put(w, STR("&"));
	*s = str_sub(*s, 1, s->n);
}

/* What is between these is not shown. */
static struct str hidden_until(struct str tag)
{
	static const struct {
		struct str open, close;
	} hidden[] = { { { "<style", 6 }, { "</style", 7 } },
		       { { "<script", 7 }, { "</script", 8 } },
		       { { "<head", 5 }, { "</head", 6 } },
		       { { "<title", 6 }, { "</title", 7 } } };
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
		if (str_startsi(tag, hidden[i].open) && tag.n > hidden[i].open.n && !ch_alnum(tag.p[hidden[i].open.n]))
			return hidden[i].close;
	return STR_NONE;
}

/* Tags that stand inside a word. */
static bool within_words(struct str tag)
{
	static const char *const names[] = {
		"a", "b", "i", "u", "em", "strong", "span", "font", "sup", "sub", "small"
	};
	tag = str_sub(tag, 1, tag.n);
	str_skipc(&tag, '/');
	size_t n = 0;
	while (n < tag.n && ch_alnum(tag.p[n]))
		n++;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (str_eqi(str_sub(tag, 0, n), str_of(names[i])))
			return true;
	return false;
}

/* "<...>" off the front, and what it hides. */
static void take_tag(struct writer *w, struct str *s)
{
	if (str_starts(*s, STR("<!--"))) {
		size_t end = str_find(*s, STR("-->"));
		*s = str_sub(*s, end + 3, s->n);
		return;
	}
	struct str until = hidden_until(*s);
	if (until.n > 0)
		*s = str_sub(*s, str_findi(*s, until), s->n);
	else if (!within_words(*s))
		put(w, STR(" "));
	*s = str_sub(*s, str_chr(*s, '>') + 1, s->n);
}

static void put_html(struct writer *w, struct str s)
{
	while (s.n > 0 && !full(w)) {
		if (s.p[0] == '<') {
			take_tag(w, &s);
		} else if (s.p[0] == '&') {
			take_entity(w, &s);
		} else {
			size_t n = sequence((unsigned char)s.p[0]);
			put(w, str_sub(s, 0, n));
			s = str_sub(s, n, s.n);
		}
	}
}

/* --- both --------------------------------------------------------------------- */

/* Without a character at the end that was cut in two: it would make all the rest look like no UTF-8. */
static struct str whole_characters(struct str s)
{
	for (size_t k = 1; k <= 3 && k <= s.n; k++) {
		unsigned char c = (unsigned char)s.p[s.n - k];
		if (c >= 0xc0)
			return sequence(c) > k ? str_sub(s, 0, s.n - k) : s;
	}
	return s;
}

/* cut: there is more in the part. */
static size_t make(const struct part *p, struct str body, bool cut, bool last, struct buf *out)
{
	struct buf raw = { 0 }, utf8 = { 0 };
	struct writer w;
	w.n = w.chars = 0;
	w.blank = false;
	if (!mime_decode(&raw, p->encoding, body))
		buf_add(&raw, body);
	struct str text = cut ? whole_characters(buf_str(&raw)) : buf_str(&raw);
	charset_utf8(&utf8, mime_param(p->params, p->nparams, STR("charset")), text);
	if (str_eqi(p->subtype, STR("HTML")))
		put_html(&w, buf_str(&utf8));
	else
		put_plain(&w, buf_str(&utf8), last);
	buf_add(out, (struct str){ w.text, w.n });
	buf_free(&raw);
	buf_free(&utf8);
	return w.chars;
}

void preview_text(const struct part *p, struct str body, struct buf *out)
{
	size_t before = out->n;
	body = str_sub(body, 0, p->end - p->body_at);
	bool first_is_all = body.n <= FIRST_LOOK;
	if (make(p, str_sub(body, 0, FIRST_LOOK), !first_is_all, first_is_all, out) >= PREVIEW_CHARS || first_is_all)
		return;
	out->n = before;
	make(p, str_sub(body, 0, PREVIEW_READ), p->end - p->body_at > PREVIEW_READ, true, out);
}

void preview_make(struct part *root, struct str message, struct arena *a)
{
	struct buf b = { 0 };
	const struct part *p = preview_part(root);
	if (p)
		preview_text(p, str_sub(message, p->body_at, p->end), &b);
	root->preview = str_dup(a, buf_str(&b));
	root->have_preview = true;
	buf_free(&b);
}
