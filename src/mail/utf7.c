#include "mail/utf7.h"
#include "mail/words.h"
#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int sextet(char c)
{
	const char *hit = c ? memchr(alphabet, c, 64) : NULL;
	return hit ? (int)(hit - alphabet) : -1;
}

static void add_char(struct buf *b, uint32_t c)
{
	uint8_t out[6];
	int n = u8_uctomb(out, c, sizeof out);
	if (n > 0)
		buf_add(b, (struct str){ (const char *)out, (size_t)n });
}

/* One UTF-16 unit; a surrogate waits in *high for its other half. */
static bool add_unit(struct buf *b, uint32_t unit, uint32_t *high)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;
	if (low != (*high != 0))
		return false;
	if (low) {
		add_char(b, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
	} else if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
	} else if (unit >= 0x20 && unit < 0x7f && unit != '&') {
		return false; /* printable ASCII must stand for itself: one spelling for each name */
	} else {
		add_char(b, unit);
	}
	return true;
}

/* What stands between '&' and '-'. */
static bool decode_shifted(struct str in, struct buf *b)
{
	uint32_t bits = 0, have = 0, high = 0;
	for (size_t i = 0; i < in.n; i++) {
		int v = sextet(in.p[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 16)
			continue;
		have -= 16;
		if (!add_unit(b, bits >> have & 0xffff, &high))
			return false;
		bits &= (1u << have) - 1;
	}
	return have < 6 && bits == 0 && high == 0;
}

static bool decode_wire(struct str wire, struct buf *b)
{
	while (wire.n > 0) {
		if (!str_skipc(&wire, '&')) {
			buf_addc(b, *wire.p);
			wire = str_sub(wire, 1, wire.n);
			continue;
		}
		size_t end = str_chr(wire, '-');
		if (end == wire.n)
			return false;
		if (end == 0)
			buf_addc(b, '&');
		else if (!decode_shifted(str_sub(wire, 0, end), b))
			return false;
		wire = str_sub(wire, end + 1, wire.n);
	}
	return true;
}

static bool eight_bit(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}

/* INBOX, and the first level of INBOX/x, in any case are the same (RFC 3501 5.1). */
static struct str inbox_fold(struct str name, struct arena *a)
{
	if (!str_startsi(name, STR("INBOX")) || (name.n > 5 && name.p[5] != '/'))
		return name;
	return name.n == 5 ? STR("INBOX") : str_cat(a, STR("INBOX"), str_sub(name, 5, name.n));
}

static bool to_utf8(struct str wire, bool plain, struct arena *a, struct str *given)
{
	*given = wire;
	for (size_t i = 0; i < wire.n; i++)
		if (wire.p[i] == '\0' || wire.p[i] == '\r' || wire.p[i] == '\n')
			return false;
	if (eight_bit(wire))
		return utf8_valid(wire);
	if (plain || str_chr(wire, '&') == wire.n)
		return true;
	struct buf b = { 0 };
	bool ok = decode_wire(wire, &b);
	*given = str_dup(a, buf_str(&b));
	buf_free(&b);
	return ok;
}

bool mailbox_decode(struct str wire, bool plain, struct arena *a, struct str *given, struct str *name)
{
	if (!to_utf8(wire, plain, a, given))
		return false;
	*name = *given;
	if (eight_bit(*given)) {
		size_t n = 0;
		uint8_t *nfc = u8_normalize(UNINORM_NFC, (const uint8_t *)given->p, given->n, NULL, &n);
		if (!nfc)
			return false;
		*name = str_dup(a, (struct str){ (const char *)nfc, n });
		free(nfc);
	}
	*name = inbox_fold(*name, a);
	return true;
}

bool utf7_decode(struct str wire, struct arena *a, struct str *utf8)
{
	struct str given;
	return mailbox_decode(wire, false, a, &given, utf8);
}

/* A run of characters that need the shift, as UTF-16 in base64 without padding. */
static void encode_run(struct buf *b, struct str run)
{
	uint32_t bits = 0, have = 0;
	buf_addc(b, '&');
	while (run.n > 0) {
		ucs4_t c = 0xfffd;
		int took = u8_mbtouc(&c, (const uint8_t *)run.p, run.n);
		run = str_sub(run, took > 0 ? (size_t)took : 1, run.n);
		uint32_t units[2] = { (uint32_t)c, 0 };
		int n = 1;
		if (c >= 0x10000) {
			units[0] = 0xd800 + (((uint32_t)c - 0x10000) >> 10);
			units[1] = 0xdc00 + (((uint32_t)c - 0x10000) & 0x3ff);
			n = 2;
		}
		for (int i = 0; i < n; i++) {
			bits = bits << 16 | units[i];
			for (have += 16; have >= 6; have -= 6)
				buf_addc(b, alphabet[bits >> (have - 6) & 63]);
			bits &= (1u << have) - 1;
		}
	}
	if (have > 0)
		buf_addc(b, alphabet[bits << (6 - have) & 63]);
	buf_addc(b, '-');
}

static bool direct(char c)
{
	return c >= 0x20 && c < 0x7f;
}

void utf7_encode(struct buf *b, struct str utf8)
{
	for (size_t i = 0; i < utf8.n;) {
		if (direct(utf8.p[i])) {
			buf_addc(b, utf8.p[i]);
			if (utf8.p[i++] == '&')
				buf_addc(b, '-');
			continue;
		}
		size_t from = i;
		while (i < utf8.n && !direct(utf8.p[i]))
			i++;
		encode_run(b, str_sub(utf8, from, i));
	}
}
