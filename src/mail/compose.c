#include "mail/compose.h"

#include "mail/date.h"
#include "mail/words.h"

#define FOLD_AT    78  /* RFC 5322 2.1.1: should */
#define LINE_MAX   990 /* must be below 998; the rest is for what a caller adds */
#define WORD_MAX   900
#define BLANKS_MAX 8
#define QP_MAX     76 /* RFC 2045 6.7 (5) */

static size_t begin(struct buf *b, const char *name)
{
	size_t from = b->n;
	buf_printf(b, "%s: ", name);
	return b->n - from;
}

void compose_text(struct buf *b, const char *name, struct str utf8)
{
	size_t column = begin(b, name);
	words_encode(b, str_trim(utf8), column);
	buf_addz(b, "\r\n");
}

static char harmless(char c)
{
	return c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

static bool blank_at(struct str s, size_t i)
{
	return i < s.n && ch_space(harmless(s.p[i]));
}

/* Fold before a blank that a word follows, so that no line is blank. A run of many blanks means no more than a few;
 * a word that no line can hold is cut. */
static void add_folded(struct buf *b, struct str s, size_t column)
{
	for (;;) {
		size_t blanks = 0;
		while (blank_at(s, blanks))
			blanks++;
		s = str_sub(s, blanks, s.n);
		size_t n = 0;
		while (n < s.n && !blank_at(s, n) && n < WORD_MAX)
			n++;
		if (n == 0)
			return;
		if (blanks > BLANKS_MAX)
			blanks = BLANKS_MAX;
		if (column + blanks + n > FOLD_AT && (blanks > 0 || column + n > LINE_MAX)) {
			buf_addz(b, "\r\n");
			column = 0;
			blanks += blanks == 0;
		}
		buf_printf(b, "%*s", (int)blanks, "");
		buf_add(b, str_sub(s, 0, n));
		column += blanks + n;
		s = str_sub(s, n, s.n);
	}
}

void compose_raw(struct buf *b, const char *name, struct str value)
{
	size_t column = begin(b, name);
	add_folded(b, str_trim(value), column);
	buf_addz(b, "\r\n");
}

void compose_address(struct buf *b, const char *name, struct str display, const struct address *x)
{
	size_t from = b->n;
	size_t column = begin(b, name);
	display = str_trim(display);
	struct buf address = { 0 };
	address_print(&address, x);
	if (display.n > 0) {
		words_phrase(b, display, column);
		struct str written = str_sub(buf_str(b), from, b->n);
		const char *lf = memrchr(written.p, '\n', written.n);
		column = lf ? (size_t)(written.p + written.n - lf) - 1 : written.n;
		buf_addz(b, column + address.n + 3 > FOLD_AT ? "\r\n " : " ");
	}
	buf_addc(b, '<');
	for (size_t i = 0; i < address.n; i++)
		buf_addc(b, harmless(address.p[i]));
	buf_addz(b, ">\r\n");
	buf_free(&address);
}

void compose_date(struct buf *b, const char *name, int64_t wall_ms)
{
	begin(b, name);
	date_print(b, wall_ms);
	buf_addz(b, "\r\n");
}

/* The next line of a text, whichever way it ends. */
static struct str take_line(struct str *s)
{
	size_t n = 0;
	while (n < s->n && s->p[n] != '\r' && s->p[n] != '\n')
		n++;
	struct str line = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	if (!str_skip(s, STR("\r\n")) && !str_skipc(s, '\n'))
		str_skipc(s, '\r');
	return line;
}

static bool needs_qp(struct str text)
{
	while (text.n > 0) {
		struct str line = take_line(&text);
		if (line.n > LINE_MAX)
			return true;
		for (size_t i = 0; i < line.n; i++)
			if ((line.p[i] < ' ' && line.p[i] != '\t') || (unsigned char)line.p[i] >= 0x7f)
				return true;
	}
	return false;
}

static void add_qp_line(struct buf *b, struct str line)
{
	size_t column = 0;
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		bool last = i + 1 == line.n;
		bool plain = c == ' ' || c == '\t' ? !last : c > ' ' && c < 0x7f && c != '=';
		size_t cost = plain ? 1 : 3;
		if (column + cost > QP_MAX - (last ? 0 : 1)) {
			buf_addz(b, "=\r\n");
			column = 0;
		}
		if (plain)
			buf_addc(b, c);
		else
			buf_printf(b, "=%02X", (unsigned)(unsigned char)c);
		column += cost;
	}
}

void compose_body(struct buf *b, struct str utf8)
{
	bool qp = needs_qp(utf8);
	buf_printf(b,
		   "MIME-Version: 1.0\r\n"
		   "Content-Type: text/plain; charset=%s\r\n"
		   "Content-Transfer-Encoding: %s\r\n"
		   "\r\n",
		   qp ? "utf-8" : "us-ascii", qp ? "quoted-printable" : "7bit");
	while (utf8.n > 0) {
		struct str line = take_line(&utf8);
		if (qp)
			add_qp_line(b, line);
		else
			buf_add(b, line);
		buf_addz(b, "\r\n");
	}
}
