#include "mail/words.h"

#include "base/arena.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>

#define REPLACEMENT STR("\xef\xbf\xbd")

/* Every charset that there is for us: what iconv calls it, and the other names that mail uses for it. The three without
 * an iconv name are done here. Each opened handle stays open, so that its module stays loaded; a handle is used by one
 * thread at a time. */
static struct charset {
	const char *iconv, *names;
	iconv_t cd; /* guarded by mu once charset_warm() has run */
	bool open;
	pthread_mutex_t mu;
} charsets[] = {
/* clang-format off */
#define CHARSET(iconv, names) { iconv, names, NULL, false, PTHREAD_MUTEX_INITIALIZER }
	CHARSET(NULL, "utf-8 utf8 us-ascii ascii ansi_x3.4-1968 iso646-us 646 unknown-8bit unicode-1-1-utf-8"),
	CHARSET(NULL, "windows-1252 cp1252 x-cp1252 x-ansi"),
	CHARSET(NULL, "iso-8859-1 iso8859-1 iso_8859-1 latin1 l1 cp819 ibm819 8859-1"),
	CHARSET("ISO-8859-2", "iso-8859-2 iso8859-2 iso_8859-2 latin2 l2"),
	CHARSET("ISO-8859-3", "iso-8859-3 iso8859-3 latin3"),
	CHARSET("ISO-8859-4", "iso-8859-4 iso8859-4 latin4"),
	CHARSET("ISO-8859-5", "iso-8859-5 iso8859-5 cyrillic"),
	CHARSET("ISO-8859-6", "iso-8859-6 iso8859-6 iso-8859-6-i iso-8859-6-e arabic"),
	CHARSET("ISO-8859-7", "iso-8859-7 iso8859-7 greek"),
	CHARSET("ISO-8859-8", "iso-8859-8 iso8859-8 iso-8859-8-i iso-8859-8-e hebrew"),
	CHARSET("ISO-8859-9", "iso-8859-9 iso8859-9 latin5"),
	CHARSET("ISO-8859-10", "iso-8859-10 iso8859-10 latin6"),
	CHARSET("ISO-8859-11", "iso-8859-11 iso8859-11"),
	CHARSET("ISO-8859-13", "iso-8859-13 iso8859-13 latin7"),
	CHARSET("ISO-8859-14", "iso-8859-14 iso8859-14 latin8"),
	CHARSET("ISO-8859-15", "iso-8859-15 iso8859-15 latin9 latin-9"),
	CHARSET("ISO-8859-16", "iso-8859-16 iso8859-16 latin10"),
	CHARSET("CP1250", "windows-1250 cp1250"),
	CHARSET("CP1251", "windows-1251 cp1251 win-1251"),
	CHARSET("CP1253", "windows-1253 cp1253"),
	CHARSET("CP1254", "windows-1254 cp1254"),
	CHARSET("CP1255", "windows-1255 cp1255"),
	CHARSET("CP1256", "windows-1256 cp1256"),
	CHARSET("CP1257", "windows-1257 cp1257"),
	CHARSET("CP1258", "windows-1258 cp1258"),
	CHARSET("CP874", "windows-874 cp874 tis-620"),
	CHARSET("CP437", "ibm437 cp437"),
	CHARSET("CP850", "ibm850 cp850"),
	CHARSET("CP866", "ibm866 cp866"),
	CHARSET("MACINTOSH", "macintosh mac x-mac-roman macroman"),
	CHARSET("KOI8-R", "koi8-r koi8r koi8"),
	CHARSET("KOI8-U", "koi8-u"),
	/* The supersets that senders mean by these names: GB18030 for GB2312, CP932 for Shift_JIS, CP949 for KS C 5601. */
	CHARSET("GB18030", "gb18030 gbk gb2312 x-gbk cp936 euc-cn gb_2312-80 csgb2312"),
	CHARSET("BIG5-HKSCS", "big5 big5-hkscs x-big5 cn-big5 csbig5"),
	CHARSET("EUC-TW", "euc-tw x-euc-tw"),
	CHARSET("ISO-2022-JP-2", "iso-2022-jp iso-2022-jp-2 csiso2022jp"),
	CHARSET("CP932", "shift_jis shift-jis sjis x-sjis cp932 windows-31j ms_kanji"),
	CHARSET("EUC-JP", "euc-jp eucjp x-euc-jp"),
	CHARSET("UHC", "euc-kr ks_c_5601-1987 ks_c_5601 ksc5601 uhc cp949 windows-949 x-windows-949"),
	CHARSET("ISO-2022-KR", "iso-2022-kr"),
	CHARSET("UTF-7", "utf-7 unicode-1-1-utf-7"),
	CHARSET("UTF-16", "utf-16 ucs-2 iso-10646-ucs-2"),
	CHARSET("UTF-16LE", "utf-16le"),
	CHARSET("UTF-16BE", "utf-16be"),
	CHARSET("UTF-32", "utf-32 ucs-4 iso-10646-ucs-4"),
#undef CHARSET
	/* clang-format on */
};
#define CHARSETS     (sizeof charsets / sizeof *charsets)
#define UTF8         (&charsets[0])
#define WINDOWS_1252 (&charsets[1])

void charset_warm(void)
{
	for (struct charset *c = charsets; c < charsets + CHARSETS; c++) {
		char out[8], *to = out;
		char in[4] = "a", *from = in;
		size_t left = 1, room = sizeof out;
		if (!c->iconv || c->open)
			continue;
		c->cd = iconv_open("UTF-8", c->iconv);
		c->open = c->cd != (iconv_t)-1; /* a C library without it: its text reads as unknown */
		if (c->open)
			iconv(c->cd, &from, &left, &to, &room); /* the first use may load more */
	}
}

static struct charset *charset_find(struct str name)
{
	for (struct charset *c = charsets; c < charsets + CHARSETS; c++)
		for (struct str names = str_of(c->names); names.n > 0;)
			if (str_eqi(str_cut(&names, ' '), name))
				return c->iconv && !c->open ? NULL : c;
	return NULL;
}

/* The length of the UTF-8 character at the front of `s` (RFC 3629 4), or 0. */
static size_t utf8_char(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char low = 0x80, high = 0xbf;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	if (n < 2)
		return n;
	if (p[0] == 0xe0)
		low = 0xa0; /* else overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f; /* past U+10FFFF */
	if (s.n < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* How much of `s` is valid from its start. */
static size_t utf8_span(struct str s)
{
	size_t i = 0;
	while (i < s.n) {
		uint64_t eight;
		if (s.n - i >= sizeof eight) {
			memcpy(&eight, s.p + i, sizeof eight);
			if (!(eight & 0x8080808080808080u)) {
				i += sizeof eight;
				continue;
			}
		}
		size_t n = utf8_char(str_sub(s, i, s.n));
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

bool utf8_valid(struct str s)
{
	return utf8_span(s) == s.n;
}

static void add_utf8(struct buf *b, struct str s)
{
	while (s.n > 0 && !b->full) {
		size_t n = utf8_span(s);
		buf_add(b, str_sub(s, 0, n));
		if (n < s.n) {
			buf_add(b, REPLACEMENT);
			n++;
		}
		s = str_sub(s, n, s.n);
	}
}

/* 0x80-0x9f of Windows-1252; 0: not assigned. */
static const uint16_t cp1252_high[32] = {
	0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

/* Latin-1 is read as Windows-1252 too: nobody sends C1 controls on purpose. */
static void add_1252(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n && !b->full; i++) {
		unsigned c = (unsigned char)s.p[i];
		if (c >= 0x80 && c < 0xa0)
			c = cp1252_high[c - 0x80] ? cp1252_high[c - 0x80] : 0xfffd;
		if (c < 0x80)
			buf_addc(b, (char)c);
		else if (c < 0x800)
			buf_add(b, (struct str){ (char[]){ (char)(0xc0 | c >> 6), (char)(0x80 | (c & 63)) }, 2 });
		else
			buf_add(b, (struct str){ (char[]){ (char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
							   (char)(0x80 | (c & 63)) },
						 3 });
	}
}

static void add_iconv(struct charset *c, struct buf *b, struct str s)
{
	char *from = (char *)(uintptr_t)s.p; /* iconv only reads it */
	size_t left = s.n;
	pthread_mutex_lock(&c->mu);
	iconv(c->cd, NULL, NULL, NULL, NULL);
	while (left > 0 && !b->full) {
		char out[2048], *to = out;
		size_t room = sizeof out;
		size_t rc = iconv(c->cd, &from, &left, &to, &room);
		int why = errno;
		buf_add(b, (struct str){ out, sizeof out - room });
		if (rc != (size_t)-1 || why == E2BIG)
			continue;
		buf_add(b, REPLACEMENT);
		if (why != EILSEQ)
			break; /* cut off in the middle of a character */
		from++;
		left--;
	}
	char last[64], *to = last; /* what a stateful charset still holds */
	size_t room = sizeof last;
	iconv(c->cd, NULL, NULL, &to, &room);
	buf_add(b, (struct str){ last, sizeof last - room });
	pthread_mutex_unlock(&c->mu);
}

bool charset_utf8(struct buf *b, struct str charset, struct str bytes)
{
	struct charset *c = charset_find(charset);
	bool known = c != NULL;
	if (!c)
		c = utf8_valid(bytes) ? UTF8 : WINDOWS_1252;
	if (c->iconv)
		add_iconv(c, b, bytes);
	else if (c == UTF8)
		add_utf8(b, bytes);
	else
		add_1252(b, bytes);
	return known;
}
