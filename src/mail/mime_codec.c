#include "mail/mime.h"

/* 0..63, or 64 for what is skipped, 65 for "=". */
static const unsigned char sextets[128] = {
	/* clang-format off */
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64, 64, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 65, 64, 64,
	64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 64,
	64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
	/* clang-format on */
};

static unsigned sextet(char c)
{
	return (unsigned char)c < sizeof sextets ? sextets[(unsigned char)c] : 64;
}

/* What is no base64 is passed over (RFC 2045 6.8). Padding in the middle, from bodies glued together, begins anew. */
static void decode_base64(struct mime_decoder *d, struct str s, struct buf *b)
{
	char out[3072];
	size_t n = 0;
	unsigned bits = d->bits, have = d->have;
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
	d->bits = bits;
	d->have = have;
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

static void decode_qp(struct str s, struct buf *b)
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

/* Whole lines are decoded; of one that is longer than anybody writes, all but its end, which may be half an escape. */
static void decode_qp_piece(struct mime_decoder *d, struct str s, struct buf *b)
{
	while (s.n > 0 && !b->full) {
		size_t room = MIME_HELD - d->line.n, lf = str_chr(str_sub(s, 0, room), '\n');
		struct str take = str_sub(s, 0, lf < room ? lf + 1 : room);
		buf_add(&d->line, take);
		s = str_sub(s, take.n, s.n);
		struct str line = buf_str(&d->line);
		if (lf < take.n) {
			decode_qp(line, b);
			buf_clear(&d->line);
		} else if (line.n == MIME_HELD) {
			size_t cut = line.n - 2;
			while (cut > 1 &&
			       (line.p[cut - 1] == '=' || line.p[cut - 2] == '=' || ch_blank(line.p[cut - 1])))
				cut--;
			cut = cut > 1 ? cut : line.n; /* nothing but blanks and "=" */
			decode_qp_line(b, str_sub(line, 0, cut));
			buf_drop(&d->line, cut);
		}
	}
}

bool mime_decoder_init(struct mime_decoder *d, struct str encoding)
{
	*d = (struct mime_decoder){ .code = MIME_PLAIN };
	if (str_eqi(encoding, STR("base64")))
		d->code = MIME_BASE64;
	else if (str_eqi(encoding, STR("quoted-printable")))
		d->code = MIME_QP;
	else
		return encoding.n == 0 || str_eqi(encoding, STR("7bit")) || str_eqi(encoding, STR("8bit")) ||
		       str_eqi(encoding, STR("binary"));
	return true;
}

void mime_decoder_add(struct mime_decoder *d, struct str piece, struct buf *b)
{
	switch (d->code) {
	case MIME_PLAIN:
		buf_add(b, piece);
		break;
	case MIME_BASE64:
		decode_base64(d, piece, b);
		break;
	case MIME_QP:
		decode_qp_piece(d, piece, b);
		break;
	}
}

void mime_decoder_end(struct mime_decoder *d, struct buf *b)
{
	if (d->code == MIME_QP)
		decode_qp(buf_str(&d->line), b);
	buf_free(&d->line);
}

bool mime_decode(struct buf *b, struct str encoding, struct str body)
{
	struct mime_decoder d;
	if (!mime_decoder_init(&d, encoding))
		return false;
	if (d.code == MIME_QP) /* all of it is here: no need to hold lines */
		decode_qp(body, b);
	else
		mime_decoder_add(&d, body, b);
	return true;
}
