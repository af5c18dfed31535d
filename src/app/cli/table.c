#include "app/cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80; /* UTF-8 */
}

/* Characters, not octets: names may be UTF-8. */
static size_t width(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += !continues(s.p[i]);
	return n;
}

void table_open(struct table *t, const char *const *heads)
{
	*t = (struct table){ 0 };
	while (heads[t->columns])
		t->columns++;
	for (size_t i = 0; i < t->columns; i++)
		table_cell(t, str_of(heads[i]));
}

void table_cell(struct table *t, struct str text)
{
	char *p = (char *)(uintptr_t)str_dup(&t->arena, text).p;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			p[i] = '?'; /* no escape sequences of a stranger's on our terminal */
	t->cells = arena_grow(&t->arena, t->cells, &t->cap, t->n + 1, sizeof *t->cells);
	t->cells[t->n++] = (struct str){ p, text.n };
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	table_cell(t, buf_str(&b));
	buf_free(&b);
}

void table_print(struct table *t, struct buf *b)
{
	size_t widths[TABLE_COLUMNS] = { 0 };
	bool right[TABLE_COLUMNS] = { 0 };
	for (size_t i = 0; i < t->columns; i++)
		right[i] = str_skipc(&t->cells[i], '>');
	for (size_t i = 0; i < t->n; i++) {
		size_t w = width(t->cells[i]);
		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t c = i % t->columns, pad = widths[c] - width(t->cells[i]);
		bool last = c + 1 == t->columns;
		buf_printf(b, "%*s%.*s%*s", right[c] ? (int)pad : 0, "", STRF(t->cells[i]),
			   right[c] || last ? 0 : (int)pad, "");
		buf_addz(b, last ? "\n" : "  ");
	}
	arena_reset(&t->arena);
}

struct str table_duration(struct arena *a, int64_t ms)
{
	int64_t s = ms / 1000;
	if (ms < 1000)
		return str_fmt(a, "%lld ms", (long long)ms);
	if (s < 60)
		return str_fmt(a, "%lld s", (long long)s);
	if (s < 3600)
		return str_fmt(a, "%lld m %lld s", (long long)(s / 60), (long long)(s % 60));
	if (s < 86400)
		return str_fmt(a, "%lld h %lld m", (long long)(s / 3600), (long long)(s / 60 % 60));
	return str_fmt(a, "%lld d %lld h", (long long)(s / 86400), (long long)(s / 3600 % 24));
}

struct str table_time(struct arena *a, int64_t wall_ms)
{
	char text[40];
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t n = localtime_r(&s, &tm) ? strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) : 0;
	return str_dup(a, (struct str){ text, n });
}

struct str table_size(struct arena *a, uint64_t octets)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double x = (double)octets / 1024;
	size_t u = 0;
	if (octets < 1024)
		return str_fmt(a, "%llu B", (unsigned long long)octets);
	for (; x >= 1024 && u + 1 < sizeof units / sizeof *units; u++)
		x /= 1024;
	return str_fmt(a, "%.1f %s", x, units[u]);
}
