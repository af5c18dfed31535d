#include "smtp/intake.h"

static void count(unsigned *n)
{
	*n += *n < UINT32_MAX;
}

static void put(struct intake *in, struct str bytes)
{
	if (bytes.n > 0 && !in->failed && !stage_add(in->stage, bytes))
		in->failed = true;
}

/* A CR or LF that stands alone: counted, or made a whole line end. */
static void bare(struct intake *in, unsigned *n)
{
	if (in->repair)
		put(in, STR("\r\n"));
	else
		count(n);
}

static void line_ends(struct intake *in)
{
	if (in->column > in->seen.longest)
		in->seen.longest = in->column;
	in->column = 0;
}

/* One CR or LF, or whatever follows a CR. With `repair` line ends are written when they are complete. */
static void look(struct intake *in, char c)
{
	if (in->last == '\r' && c != '\n')
		bare(in, &in->seen.bare_cr);
	if (c == '\n') {
		if (in->last != '\r')
			bare(in, &in->seen.bare_lf);
		else if (in->repair)
			put(in, STR("\r\n"));
		line_ends(in);
	} else if (c == '\r' && in->repair) {
		line_ends(in);
	}
	in->last = c;
}

static void run(struct intake *in, struct str plain)
{
	if (plain.n == 0)
		return;
	look(in, plain.p[0]);
	for (const char *p = plain.p; (p = memchr(p, '\0', (size_t)(plain.p + plain.n - p))); p++)
		count(&in->seen.nuls);
	in->column += (uint32_t)plain.n;
	in->last = plain.p[plain.n - 1];
	if (in->repair)
		put(in, plain);
}

/* Octets before the next CR or LF. */
static size_t plain_length(struct str s)
{
	size_t lf = str_chr(s, '\n');
	return str_chr(str_sub(s, 0, lf), '\r');
}

static bool add(struct sink *sink, struct str bytes)
{
	struct intake *in = (struct intake *)sink;
	struct str all = bytes;
	in->any |= bytes.n > 0;
	while (bytes.n > 0) {
		size_t n = plain_length(bytes);
		run(in, str_sub(bytes, 0, n));
		if (n < bytes.n)
			look(in, bytes.p[n]);
		bytes = str_sub(bytes, n + 1, bytes.n);
	}
	if (!in->repair)
		put(in, all);
	return true;
}

void intake_open(struct intake *in, struct stage *stage, bool repair)
{
	*in = (struct intake){ .sink = { add }, .stage = stage, .repair = repair };
}

void intake_end(struct intake *in)
{
	if (in->last == '\r')
		bare(in, &in->seen.bare_cr);
	else if (in->any && in->last != '\n')
		put(in, STR("\r\n"));
	line_ends(in);
	in->last = '\n';
}
