#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 64u

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->cap - b->n >= n)
		return b->p + b->n;
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	while (cap - b->n < n)
		if (__builtin_mul_overflow(cap, 2, &cap))
			abort();
	char *p = realloc(b->p, cap);
	if (!p)
		abort(); /* truly out of memory: the parent starts us anew */
	b->p = p;
	b->cap = cap;
	return b->p + b->n;
}

void buf_add_grow(struct buf *b, struct str s)
{
	if (b->max && s.n > b->max - b->n) {
		b->full = true;
		s.n = b->max - b->n;
	}
	if (s.n == 0)
		return;
	memcpy(buf_reserve(b, s.n), s.p, s.n);
	b->n += s.n;
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	if (n < 0)
		abort(); /* only a broken format does that */
	if ((size_t)n < sizeof small) {
		buf_add(b, (struct str){ small, (size_t)n });
	} else {
		char *large = malloc((size_t)n + 1);
		if (!large)
			abort();
		vsnprintf(large, (size_t)n + 1, fmt, again);
		buf_add(b, (struct str){ large, (size_t)n });
		free(large);
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

/* Length of the UTF-8 sequence at `s` (RFC 3629 4), 0 when malformed. */
static size_t utf8_len(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	if (n == 0 || n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
	unsigned char d = n > 1 ? (unsigned char)s.p[1] : 0;
	if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
		return 0;
	return n;
}

void buf_json(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	while (s.n > 0) {
		unsigned char c = (unsigned char)s.p[0];
		size_t n = utf8_len(s);
		if (n == 0) {
			buf_addz(b, "\xef\xbf\xbd"); /* U+FFFD */
			n = 1;
		} else if (c == '"' || c == '\\') {
			buf_addc(b, '\\');
			buf_addc(b, (char)c);
		} else if (c == '\n') {
			buf_addz(b, "\\n");
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(b, "\\u%04x", c);
		} else {
			buf_add(b, str_sub(s, 0, n));
		}
		s = str_sub(s, n, s.n);
	}
	buf_addc(b, '"');
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_base64(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;
		if (left > 1)
			v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)s.p[i + 2];
		char four[4] = { base64_digits[v >> 18], base64_digits[v >> 12 & 63],
				 left > 1 ? base64_digits[v >> 6 & 63] : '=', left > 2 ? base64_digits[v & 63] : '=' };
		buf_add(b, (struct str){ four, 4 });
	}
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ch_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool buf_unbase64(struct buf *b, struct str s)
{
	size_t before = b->n;
	if (s.n % 4)
		return false;
	for (size_t i = 0; i < s.n; i += 4) {
		bool last = i + 4 == s.n;
		size_t pad = last && s.p[i + 3] == '=' ? (s.p[i + 2] == '=' ? 2 : 1) : 0;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = k < 4 - pad ? base64_value(s.p[i + k]) : 0;
			if (d < 0) {
				b->n = before;
				return false;
			}
			v = v << 6 | (uint32_t)d;
		}
		/* Bits that pad must be zero, or one octet string would have several spellings. */
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff))) {
			b->n = before;
			return false;
		}
		char three[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };
		buf_add(b, (struct str){ three, 3 - pad });
	}
	return true;
}

void buf_u32(struct buf *b, uint32_t v)
{
	char four[4] = { (char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24) };
	buf_add(b, (struct str){ four, 4 });
}

void buf_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_addc(b, (char)(v | 0x80));
	buf_addc(b, (char)v);
}

bool varint_take(struct str *s, uint64_t *v)
{
	uint64_t out = 0;
	for (size_t i = 0; i < s->n && i < 10; i++) {
		uint64_t seven = (unsigned char)s->p[i] & 0x7f;
		if (i == 9 && seven > 1)
			return false;
		out |= seven << (7 * i);
		if (((unsigned char)s->p[i] & 0x80) == 0) {
			*s = str_sub(*s, i + 1, s->n);
			*v = out;
			return true;
		}
	}
	return false;
}
