#include "app/conf.h"

#define LONGEST 48 /* nobody's typing mistake is longer */

static size_t least(size_t x, size_t y)
{
	return x < y ? x : y;
}

/* Edits from one to the other: a letter more, less or other, or two swapped, is one. */
static size_t edits(struct str x, struct str y)
{
	size_t rows[3][LONGEST + 1];
	size_t *older = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= y.n; j++)
		above[j] = j;
	for (size_t i = 1; i <= x.n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= y.n; j++) {
			char c = ch_lower(x.p[i - 1]), d = ch_lower(y.p[j - 1]);
			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (c != d));
			if (i > 1 && j > 1 && c == ch_lower(y.p[j - 2]) && ch_lower(x.p[i - 2]) == d)
				row[j] = least(row[j], older[j - 2] + 1);
		}
		size_t *free_row = older;
		older = above;
		above = row;
		row = free_row;
	}
	return above[y.n];
}

struct str did_you_mean(struct str word, const struct str *from, size_t n)
{
	struct str best = STR_NONE;
	if (word.n == 0 || word.n > LONGEST)
		return best;
	/* Of a short word two edits leave nothing. */
	size_t most = word.n <= 3 ? 1 : word.n < 9 ? 2 : word.n / 3;
	for (size_t i = 0; i < n; i++) {
		if (from[i].n == 0 || from[i].n > LONGEST)
			continue;
		size_t d = edits(word, from[i]);
		if (d > most || d >= from[i].n)
			continue;
		best = from[i];
		if (d == 0)
			break;
		most = d - 1; /* only a better one from here on */
	}
	return best;
}
