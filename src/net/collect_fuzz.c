/* However input is cut, the same units come out.
 *
 * Octets 0-1 choose what is wanted and how it is cut; the rest is the input, taken
 * as one unit after the other, once whole and once in pieces. */
#include "net/collect.h"

#include <assert.h>

struct note {
	struct sink sink;
	struct buf *log;
};

static bool note_add(struct sink *s, struct str bytes)
{
	buf_add(((struct note *)s)->log, bytes);
	return true;
}

/* Feed all, whole or cut by `seed`; what came out is written to `log`. */
static void run(enum want want, struct str in, bool cut, unsigned seed, struct buf *log)
{
	struct note note = { { note_add }, log };
	struct next next = { .want = want, .max = 40, .octets = 7, .sink = &note.sink };
	struct collect c;
	size_t at = 0, seen = 0;
	collect_begin(&c, &next, 0);
	while (seen < in.n) {
		seed = seed * 1103515245 + 12345;
		size_t piece = 1 + (seed >> 16) % 11;
		seen = cut && piece < in.n - seen ? seen + piece : in.n;
		for (;;) {
			size_t taken;
			enum collected got = collect_feed(&c, str_sub(in, at, seen), &taken);
			at += taken;
			assert(at <= seen);
			if (got == COLLECT_MORE)
				break;
			if (got == COLLECT_LONG) {
				buf_addz(log, "<long>");
				return;
			}
			const struct unit *u = &c.unit;
			buf_printf(log, "<%.*s|%d %lu %u %u %u %u>", STRF(u->line), u->bare_lf,
				   (unsigned long)u->octets, u->bare_cr, u->bare_lfs, u->nuls, u->longest);
			collect_begin(&c, &next, 0);
		}
	}
	buf_printf(log, "<%lu %u %u>", (unsigned long)c.unit.octets, c.unit.bare_lfs, c.unit.nuls);
}

/* The end is CRLF.CRLF at a line's start and nothing else: where would a plain search find it? */
static size_t plain_end(struct str in)
{
	if (str_starts(in, STR(".\r\n")))
		return 3;
	size_t i = str_find(in, STR("\r\n.\r\n"));
	return i < in.n ? i + 5 : SIZE_MAX;
}

static void check_end(struct str in)
{
	struct collect c;
	size_t taken;
	collect_begin(&c, &(struct next){ .want = WANT_DATA }, 0);
	bool ended = collect_feed(&c, in, &taken) == COLLECT_UNIT;
	assert((ended ? taken : SIZE_MAX) == plain_end(in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum want wants[] = { WANT_LINE, WANT_DATA, WANT_OCTETS };
	struct buf whole = { 0 }, cut = { 0 };
	if (n < 2)
		return 0;
	struct str in = { (const char *)data + 2, n - 2 };
	enum want want = wants[data[0] % 3];
	run(want, in, false, 0, &whole);
	run(want, in, true, data[1], &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	check_end(in);
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
