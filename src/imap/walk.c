#include "imap/walk.h"

static uint32_t run_last(const struct uid_run *r)
{
	return r->first + r->count - 1;
}

bool walk_next(struct walk *w, uint32_t *from, uint32_t *to)
{
	if (w->i >= w->n)
		return false;
	const struct uid_run *r = &w->runs[w->i];
	*from = w->at ? w->at : r->first;
	if (run_last(r) - *from >= MSG_PAGE) {
		*to = *from + MSG_PAGE - 1;
		w->at = *to + 1;
		return true;
	}
	*to = run_last(r);
	w->at = 0;
	while (++w->i < w->n && view_between(w->view, *from, run_last(&w->runs[w->i])) <= MSG_PAGE)
		*to = run_last(&w->runs[w->i]);
	return true;
}

/* The last run that begins at or before the UID; n when there is none. */
static size_t run_at(const struct walk *w, uint32_t uid)
{
	size_t low = 0, high = w->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (w->runs[mid].first <= uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : w->n;
}

bool walk_has(const struct walk *w, uint32_t uid)
{
	size_t i = run_at(w, uid);
	return i < w->n && uid <= run_last(&w->runs[i]);
}

uint32_t walk_count(const struct walk *w, uint32_t from, uint32_t to)
{
	uint32_t count = 0;
	size_t i = run_at(w, from);
	for (i = i == w->n ? 0 : i; i < w->n && w->runs[i].first <= to; i++) {
		uint32_t first = w->runs[i].first > from ? w->runs[i].first : from;
		uint32_t last = run_last(&w->runs[i]) < to ? run_last(&w->runs[i]) : to;
		count += last >= first ? last - first + 1 : 0;
	}
	return count;
}
