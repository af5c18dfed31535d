#include "mail/mime.h"

/* 0..63, or 64 for what is skipped, 65 for "=". */
static unsigned sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (ch_digit(c))
		return (unsigned)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 65 : 64;
}

/* What is no base64 is passed over (RFC 2045 6.8). Padding in the middle, from bodies glued together, begins anew. */
static void decode_base64(struct buf *b, struct str s)
{
	char out[3072];
	size_t n = 0;
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < s.n && !b->full; i++) {
		unsigned v = sextet(s.p[i]);
		if (v == 65)
			have = 0;
		if (v >= 64)
			continue;
		bits = bits << 6 | v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[n++] = (char)(bits >> have & 255);
		if (n == sizeof out) {
			buf_add(b, (struct str){ out, n });
			n = 0;
		}
	}
	buf_add(b, (struct str){ out, n });
}

/* One line without its end; true when a "=" at its end joins the next to it. */
static bool decode_qp_line(struct buf *b, struct str line)
{
	while (line.n > 0) {
		size_t at = str_chr(line, '=');
		buf_add(b, str_sub(line, 0, at));
		line = str_sub(line, at, line.n);
		if (line.n == 1)
			return true;
		int high = line.n > 2 ? ch_hex(line.p[1]) : -1;
		int low = line.n > 2 ? ch_hex(line.p[2]) : -1;
		if (high >= 0 && low >= 0)
			buf_addc(b, (char)(high << 4 | low));
		else if (line.n > 0) /* not by the rules: leave it in sight (RFC 2045 6.7) */
			buf_add(b, str_sub(line, 0, 1));
		line = str_sub(line, high >= 0 && low >= 0 ? 3 : 1, line.n);
	}
	return false;
}

static void decode_qp(struct buf *b, struct str s)
{
	while (s.n > 0 && !b->full) {
		struct str whole = str_line(&s);
		struct str line = str_chomp(whole);
		struct str end = str_sub(whole, line.n, whole.n);
		while (line.n > 0 && ch_blank(line.p[line.n - 1])) /* added on the way: RFC 2045 6.7 (3) */
			line.n--;
		if (!decode_qp_line(b, line))
			buf_add(b, end);
	}
}

bool mime_decode(struct buf *b, struct str encoding, struct str body)
{
	if (str_eqi(encoding, STR("base64")))
		decode_base64(b, body);
	else if (str_eqi(encoding, STR("quoted-printable")))
		decode_qp(b, body);
	else if (encoding.n == 0 || str_eqi(encoding, STR("7bit")) || str_eqi(encoding, STR("8bit")) ||
		 str_eqi(encoding, STR("binary")))
		buf_add(b, body);
	else
		return false;
	return true;
}
