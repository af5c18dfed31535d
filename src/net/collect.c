#include "net/collect.h"

#include <limits.h>

void collect_begin(struct collect *c, const struct next *next, size_t line_max)
{
	size_t max = next->max ? next->max : line_max ? line_max : PEN_LINE;
	*c = (struct collect){
		.want = next->want,
		.max = max < PEN_LINE_MAX ? max : PEN_LINE_MAX,
		.left = next->octets,
		.sink = next->sink,
	};
	static const enum unit_kind kinds[] = {
		[WANT_LINE] = UNIT_LINE, [WANT_DATA] = UNIT_DATA, [WANT_OCTETS] = UNIT_OCTETS
	};
	if (next->want <= WANT_OCTETS)
		c->unit.kind = kinds[next->want];
}

bool collect_begun(const struct collect *c)
{
	return c->scanned > 0 || c->unit.octets > 0 || c->at == DATA_DOT || c->at == DATA_DOT_CR;
}

static void give(struct collect *c, struct str s)
{
	if (s.n == 0)
		return;
	c->unit.octets += s.n;
	if (c->sink && !c->unit.sink_failed && !c->sink->add(c->sink, s))
		c->unit.sink_failed = true;
}

static void count(unsigned *n)
{
	*n += *n < UINT_MAX;
}

/* --- a line --- */

static enum collected feed_line(struct collect *c, struct str in, size_t *taken)
{
	size_t most = c->max + 2; /* CRLF */
	struct str look = str_sub(in, c->scanned, most);
	size_t lf = str_chr(look, '\n');
	if (lf == look.n) {
		c->scanned += look.n;
		return in.n >= most ? COLLECT_LONG : COLLECT_MORE;
	}
	struct str line = { in.p, c->scanned + lf };
	*taken = line.n + 1;
	c->unit.bare_lf = line.n == 0 || line.p[line.n - 1] != '\r';
	line.n -= !c->unit.bare_lf;
	c->unit.line = line;
	return line.n > c->max ? COLLECT_LONG : COLLECT_UNIT;
}

/* --- DATA --- */

static void line_grow(struct collect *c, size_t n)
{
	c->line = n < UINT32_MAX - c->line ? c->line + (uint32_t)n : UINT32_MAX;
}

/* A line has ended by CRLF; its CR was counted. */
static void line_end(struct collect *c)
{
	uint32_t n = c->line - 1;
	if (n > c->unit.longest)
		c->unit.longest = n;
	c->line = 0;
	c->at = DATA_START;
}

/* Inside a line, up to and with the next LF: what was it worth? Says how far it went. */
static size_t feed_mid(struct collect *c, struct str in, size_t i)
{
	const char *lf = memchr(in.p + i, '\n', in.n - i);
	size_t end = lf ? (size_t)(lf - in.p) : in.n;
	bool cr = end > i && in.p[end - 1] == '\r';
	/* A CR at the very end may be half of a CRLF; each one before it is bare. */
	const char *stop = in.p + end - cr;
	for (const char *p = in.p + i; p < stop && (p = memchr(p, '\r', (size_t)(stop - p))); p++)
		count(&c->unit.bare_cr);
	line_grow(c, end - i);
	if (!lf) {
		c->at = cr ? DATA_CR : DATA_MID;
		return end;
	}
	if (cr) {
		line_end(c);
	} else {
		count(&c->unit.bare_lfs); /* ends no line */
		line_grow(c, 1);
	}
	return end + 1;
}

/* Octets [*run, i) are to be given; a dot that is unstuffed, or the end, cuts the run. */
static size_t feed_byte(struct collect *c, struct str in, size_t i, size_t *run, bool *done)
{
	char ch = in.p[i];
	switch (c->at) {
	case DATA_START:
		if (ch != '.') {
			c->at = DATA_MID;
			return i;
		}
		give(c, str_sub(in, *run, i));
		c->at = DATA_DOT;
		return *run = i + 1;
	case DATA_DOT: /* dropped, whatever follows (RFC 5321 4.5.2) */
		c->at = ch == '\r' ? DATA_DOT_CR : DATA_MID;
		return *run = i + (ch == '\r');
	case DATA_DOT_CR:
		if (ch == '\n') {
			*done = true;
			return *run = i + 1;
		}
		give(c, STR("\r")); /* it was held back as part of the end, and is none */
		count(&c->unit.bare_cr);
		line_grow(c, 1);
		c->at = DATA_MID;
		return i;
	case DATA_CR:
		if (ch == '\n') {
			line_end(c);
			return i + 1;
		}
		count(&c->unit.bare_cr);
		c->at = DATA_MID;
		return i;
	case DATA_MID:
		break;
	}
	return feed_mid(c, in, i);
}

static enum collected feed_data(struct collect *c, struct str in, size_t *taken)
{
	size_t i = 0, run = 0;
	bool done = false;
	while (i < in.n && !done)
		i = feed_byte(c, in, i, &run, &done);
	const char *end = in.p + i;
	for (const char *p = in.p; p < end && (p = memchr(p, '\0', (size_t)(end - p))); p++)
		count(&c->unit.nuls);
	give(c, str_sub(in, run, i));
	*taken = i;
	return done ? COLLECT_UNIT : COLLECT_MORE;
}

/* --- octets --- */

static enum collected feed_octets(struct collect *c, struct str in, size_t *taken)
{
	*taken = in.n < c->left ? in.n : (size_t)c->left;
	c->left -= *taken;
	give(c, str_sub(in, 0, *taken));
	return c->left == 0 ? COLLECT_UNIT : COLLECT_MORE;
}

enum collected collect_feed(struct collect *c, struct str in, size_t *taken)
{
	*taken = 0;
	switch (c->want) {
	case WANT_LINE:
		return feed_line(c, in, taken);
	case WANT_DATA:
		return feed_data(c, in, taken);
	case WANT_OCTETS:
		return feed_octets(c, in, taken);
	default:
		return COLLECT_MORE; /* the others want nothing of the peer */
	}
}
