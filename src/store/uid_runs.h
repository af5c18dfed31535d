/* uid_runs.h - sets of UIDs as runs, and walking along one piece by piece; for store/ only. */
#pragma once
#include "store/mailbox.h"

struct runs { /* grows in an arena; UIDs are added ascending */
	struct arena *a;
	struct uid_run *all;
	size_t n, cap;
};
static inline void runs_add_run(struct runs *r, struct uid_run run)
{
	struct uid_run *last = r->n > 0 ? &r->all[r->n - 1] : NULL;
	if (last && last->first + last->count == run.first) {
		last->count += run.count;
		return;
	}
	r->all = (struct uid_run *)arena_grow(r->a, r->all, &r->cap, r->n + 1, sizeof *r->all);
	r->all[r->n++] = run;
}
static inline void runs_add(struct runs *r, uint32_t uid)
{
	runs_add_run(r, (struct uid_run){ uid, 1 });
}

/* Where a series of units has come to in the runs that the caller gave. A unit asks for UNIT_ROWS of them at most:
 * there may be very many in which it finds nothing. */
struct walk {
	const struct uid_run *runs;
	size_t n, at;
	uint32_t from; /* not before this UID */
};
/* The range to go on with; false at the end. */
static inline bool walk_range(struct walk *w, uint32_t *from, uint32_t *to)
{
	for (; w->at < w->n; w->at++) {
		struct uid_run run = w->runs[w->at];
		uint64_t last = (uint64_t)run.first + run.count - 1;
		*from = run.first > w->from ? run.first : w->from;
		*to = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
		if (run.count > 0 && *from <= *to)
			return true;
	}
	return false;
}
/* All up to `uid` is done / the whole range is. */
static inline void walk_past(struct walk *w, uint32_t uid)
{
	if (uid == UINT32_MAX)
		w->at = w->n;
	else
		w->from = uid + 1;
}
