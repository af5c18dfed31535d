#include "mail/words.h"

#include "mail/lex.h"
#include "mail/mime.h"

#define WORD_MAX   75  /* an encoded word: RFC 2047 2 */
#define LINE_MAX   76  /* a line that has one */
#define FOLD_AT    78  /* any other line: RFC 5322 2.1.1 */
#define ASCII_MAX  900 /* a word that long could pass 998 with its field's name: encode it */
#define PHRASE_MAX 60  /* a display name that long is encoded, as encoded words fold */

struct word {
	struct str charset, text;
	char encoding;
};

/* "=?charset[*language]?encoding?text?=" at the front of `s`.  Longer than 75 octets, and blanks in the text,
 * are let through: Outlook and Lotus wrote such. */
static bool take_word(struct str *s, struct word *w)
{
	struct str at = *s;
	if (!str_skip(&at, STR("=?")))
		return false;
	size_t q = str_chr(str_sub(at, 0, 80), '?');
	if (q == 0 || at.n < q + 4 || at.p[q] != '?' || at.p[q + 2] != '?')
		return false;
	struct str charset = str_sub(at, 0, q);
	w->charset = str_cut(&charset, '*');
	w->encoding = ch_lower(at.p[q + 1]);
	at = str_sub(at, q + 3, at.n);
	size_t end = str_chr(at, '?');
	if (end + 1 >= at.n || at.p[end + 1] != '=' || (w->encoding != 'q' && w->encoding != 'b'))
		return false;
	w->text = str_sub(at, 0, end);
	*s = str_sub(at, end + 2, at.n);
	return true;
}

static void decode_q(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int high = -1, low = -1;
		if (s.p[i] == '=' && i + 2 < s.n) {
			high = ch_hex(s.p[i + 1]);
			low = ch_hex(s.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(b, (char)(high << 4 | low));
			i += 2;
		} else {
			buf_addc(b, s.p[i] == '_' ? ' ' : s.p[i]);
		}
	}
}

/* Words and plain text become `out`; the octets of neighbouring words of one charset are put together
 * first, as many senders cut in the middle of a character. */
struct decoder {
	struct buf out, octets;
	struct str charset; /* of `octets` */
};

static void flush_words(struct decoder *d)
{
	size_t from = d->out.n;
	charset_utf8(&d->out, d->charset, buf_str(&d->octets));
	for (size_t i = from; i < d->out.n; i++) /* a word is a piece of a line: it cannot bring a second one */
		if (d->out.p[i] == '\r' || d->out.p[i] == '\n' || d->out.p[i] == '\0')
			d->out.p[i] = ' ';
	buf_clear(&d->octets);
}

static void add_word(struct decoder *d, struct word w)
{
	if (d->octets.n > 0 && !str_eqi(d->charset, w.charset))
		flush_words(d);
	d->charset = w.charset;
	if (w.encoding == 'q')
		decode_q(&d->octets, w.text);
	else
		mime_decode(&d->octets, STR("base64"), w.text);
}

static void add_plain(struct decoder *d, struct str s)
{
	if (d->octets.n > 0)
		flush_words(d);
	if (s.n > 0)
		charset_utf8(&d->out, STR_NONE, s);
}

struct str words_decode(struct arena *a, struct str value)
{
	if (str_find(value, STR("=?")) == value.n && utf8_valid(value))
		return value;
	struct decoder d = { .charset = STR_NONE };
	struct str plain = str_sub(value, 0, 0), rest = value;
	bool after_word = false;
	while (rest.n > 0) {
		size_t at = str_find(rest, STR("=?"));
		struct word w;
		plain.n += at;
		rest = str_sub(rest, at, rest.n);
		if (rest.n == 0)
			break;
		if (!take_word(&rest, &w)) {
			plain.n++;
			rest = str_sub(rest, 1, rest.n);
			continue;
		}
		if (!after_word || str_trim(plain).n > 0)
			add_plain(&d, plain);
		add_word(&d, w);
		plain = str_sub(rest, 0, 0);
		after_word = true;
	}
	add_plain(&d, plain);
	struct str text = str_dup(a, buf_str(&d.out));
	buf_free(&d.out);
	buf_free(&d.octets);
	return text;
}

/* May `s` stand as it is? Words short enough to fold between, blanks only one or two at a time and not at the ends. */
static bool plain_enough(struct str s)
{
	size_t word = 0, blanks = 0;
	if (s.n > 0 && (ch_blank(s.p[0]) || ch_blank(s.p[s.n - 1])))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool blank = s.p[i] == ' ';
		if (!blank && (s.p[i] <= ' ' || s.p[i] >= 0x7f))
			return false;
		word = blank ? 0 : word + 1;
		blanks = blank ? blanks + 1 : 0;
		if (word > ASCII_MAX || blanks > 8)
			return false;
	}
	return str_find(s, STR("=?")) == s.n;
}

static void add_folded(struct buf *b, struct str s, size_t column)
{
	while (s.n > 0) {
		size_t n = 0;
		while (n < s.n && s.p[n] == ' ')
			n++;
		while (n < s.n && s.p[n] != ' ')
			n++;
		if (s.p[0] == ' ' && column + n > FOLD_AT) {
			buf_addz(b, "\r\n");
			column = 0;
		}
		buf_add(b, str_sub(s, 0, n));
		column += n;
		s = str_sub(s, n, s.n);
	}
}

/* Safe in every place where a word may stand: RFC 2047 5 (3). */
static bool q_plain(char c)
{
	return ch_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t char_length(struct str s)
{
	size_t n = 1;
	while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static void add_q(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ' ')
			buf_addc(b, '_');
		else if (q_plain(s.p[i]))
			buf_addc(b, s.p[i]);
		else
			buf_printf(b, "=%02X", (unsigned)(unsigned char)s.p[i]);
}

static size_t q_cost(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == ' ' || q_plain(s.p[i]) ? 1 : 3;
	return n;
}

static size_t word_cost(bool q, struct str s)
{
	return q ? q_cost(s) : (s.n + 2) / 3 * 4;
}

/* As many whole characters as fit into `room` octets of encoded text; at least one. */
static size_t word_fit(bool q, struct str s, size_t room)
{
	size_t n = 0;
	while (n < s.n) {
		size_t next = n + char_length(str_sub(s, n, s.n));
		if (n > 0 && word_cost(q, str_sub(s, 0, next)) > room)
			break;
		n = next;
	}
	return n;
}

static void add_words(struct buf *b, struct str s, size_t column)
{
	static const size_t frame = sizeof "=?utf-8?q?"
					   "?=" -
				    1;
	bool q = q_cost(s) <= word_cost(false, s);
	for (bool first = true; s.n > 0; first = false) {
		if (!first || column + frame + 12 > LINE_MAX) { /* 12: any one character */
			buf_addz(b, "\r\n ");
			column = 1;
		}
		size_t room = LINE_MAX - column < WORD_MAX ? LINE_MAX - column : WORD_MAX;
		size_t n = word_fit(q, s, room - frame);
		buf_addz(b, q ? "=?utf-8?q?" : "=?utf-8?b?");
		if (q)
			add_q(b, str_sub(s, 0, n));
		else
			buf_base64(b, str_sub(s, 0, n));
		buf_addz(b, "?=");
		s = str_sub(s, n, s.n);
	}
}

/* Valid UTF-8 on one line. */
static void clean_up(struct buf *clean, struct str utf8)
{
	charset_utf8(clean, STR("utf-8"), utf8);
	for (size_t i = 0; i < clean->n; i++)
		if (clean->p[i] == '\r' || clean->p[i] == '\n' || clean->p[i] == '\0' || clean->p[i] == '\t')
			clean->p[i] = ' ';
}

void words_encode(struct buf *b, struct str utf8, size_t column)
{
	struct buf clean = { 0 };
	clean_up(&clean, utf8);
	if (plain_enough(buf_str(&clean)))
		add_folded(b, buf_str(&clean), column);
	else
		add_words(b, buf_str(&clean), column);
	buf_free(&clean);
}

static void add_quoted(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

void words_phrase(struct buf *b, struct str utf8, size_t column)
{
	struct buf clean = { 0 };
	clean_up(&clean, utf8);
	struct str s = buf_str(&clean);
	bool atoms = s.n > 0;
	for (size_t i = 0; i < s.n; i++)
		atoms &= s.p[i] == ' ' || lex_atext(s.p[i]);
	if (s.n > PHRASE_MAX || !plain_enough(s))
		add_words(b, s, column);
	else if (atoms)
		buf_add(b, s);
	else
		add_quoted(b, s);
	buf_free(&clean);
}
