#include "imap/view.h"
#include <assert.h>
#include <stdlib.h>

struct view *view_new(int64_t mailbox)
{
	struct view *v = calloc(1, sizeof *v);
	if (!v)
		abort();
	v->mailbox = mailbox;
	v->uidnext = 1;
	return v;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	free(v->runs);
	free(v->gone);
	free(v->keywords);
	free(v);
}

static void *grown(void *old, size_t count, size_t size)
{
	void *p = realloc(old, count * size);
	if (!p)
		abort();
	return p;
}

void view_append(struct view *v, uint32_t first, uint32_t count)
{
	assert(count > 0 && first >= v->uidnext);
	bool joins = v->nruns > 0 && first == view_last_uid(v) + 1;
	if (!joins) {
		if (v->nruns == v->cap) {
			v->cap = v->cap ? v->cap * 2 : 4;
			v->runs = grown(v->runs, v->cap, sizeof *v->runs);
		}
		v->runs[v->nruns++] = (struct view_run){ first, v->count + 1 };
	}
	v->count += count;
	v->uidnext = first + count;
}

/* The first number after run `i`. */
static uint32_t run_end(const struct view *v, size_t i)
{
	return i + 1 < v->nruns ? v->runs[i + 1].seq : v->count + 1;
}

static uint32_t run_last_uid(const struct view *v, size_t i)
{
	return v->runs[i].uid + (run_end(v, i) - v->runs[i].seq) - 1;
}

/* The last run that begins at or before the number / the UID; nruns when there is none. */
static size_t run_by_seq(const struct view *v, uint32_t seq)
{
	size_t low = 0, high = v->nruns;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (v->runs[mid].seq <= seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : v->nruns;
}

static size_t run_by_uid(const struct view *v, uint32_t uid)
{
	size_t low = 0, high = v->nruns;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (v->runs[mid].uid <= uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : v->nruns;
}

uint32_t view_uid(const struct view *v, uint32_t seq)
{
	assert(seq >= 1 && seq <= v->count);
	const struct view_run *r = &v->runs[run_by_seq(v, seq)];
	return r->uid + (seq - r->seq);
}

uint32_t view_seq(const struct view *v, uint32_t uid)
{
	size_t i = run_by_uid(v, uid);
	if (i == v->nruns || uid > run_last_uid(v, i))
		return 0;
	return v->runs[i].seq + (uid - v->runs[i].uid);
}

uint32_t view_last_uid(const struct view *v)
{
	return v->count ? run_last_uid(v, v->nruns - 1) : 0;
}

/* How many messages have a UID up to this one. */
static uint32_t view_upto(const struct view *v, uint32_t uid)
{
	size_t i = run_by_uid(v, uid);
	if (i == v->nruns)
		return 0;
	uint32_t last = run_last_uid(v, i);
	return v->runs[i].seq + ((uid < last ? uid : last) - v->runs[i].uid);
}

uint32_t view_between(const struct view *v, uint32_t from, uint32_t to)
{
	if (from > to)
		return 0;
	return view_upto(v, to) - (from > 0 ? view_upto(v, from - 1) : 0);
}

uint32_t view_recent(const struct view *v)
{
	return view_between(v, v->recent_from, UINT32_MAX);
}

/* One past the last UID of a run. */
static uint64_t run_past(const struct uid_run *r)
{
	return (uint64_t)r->first + r->count;
}

struct runs {
	struct uid_run *p;
	size_t n, cap;
};

static void runs_add(struct runs *r, struct arena *a, uint32_t first, uint32_t count)
{
	if (r->n > 0 && r->p[r->n - 1].first + r->p[r->n - 1].count == first) {
		r->p[r->n - 1].count += count;
		return;
	}
	if (r->n == r->cap)
		r->p = arena_grow(a, r->p, &r->cap, r->n + 1, sizeof *r->p);
	r->p[r->n++] = (struct uid_run){ first, count };
}

/* The first run of the map that ends at or behind the UID; nruns when there is none. */
static size_t run_from(const struct view *v, uint32_t uid)
{
	size_t i = run_by_uid(v, uid);
	if (i == v->nruns)
		return 0;
	return run_last_uid(v, i) >= uid ? i : i + 1;
}

/* The part of the map that the runs name. */
static struct runs in_map(const struct view *v, const struct uid_run *uids, size_t n, struct arena *a)
{
	struct runs out = { 0 };
	for (size_t k = 0; k < n; k++) {
		uint64_t past = run_past(&uids[k]);
		for (size_t i = run_from(v, uids[k].first); i < v->nruns && v->runs[i].uid < past; i++) {
			uint64_t end = (uint64_t)run_last_uid(v, i) + 1;
			uint32_t from = v->runs[i].uid > uids[k].first ? v->runs[i].uid : uids[k].first;
			runs_add(&out, a, from, (uint32_t)((end < past ? end : past) - from));
		}
	}
	return out;
}

void view_without(const struct view *v, const struct uid_run *uids, size_t n, struct arena *a, struct uid_run **out,
		  size_t *nout)
{
	struct runs rest = { 0 };
	for (size_t k = 0; k < n; k++) {
		uint64_t from = uids[k].first, past = run_past(&uids[k]);
		for (size_t i = run_from(v, uids[k].first); i < v->nruns && v->runs[i].uid < past; i++) {
			if (v->runs[i].uid > from)
				runs_add(&rest, a, (uint32_t)from, (uint32_t)(v->runs[i].uid - from));
			from = (uint64_t)run_last_uid(v, i) + 1;
		}
		if (from < past)
			runs_add(&rest, a, (uint32_t)from, (uint32_t)(past - from));
	}
	*out = rest.p;
	*nout = rest.n;
}

/* Both lists ascending; what stands in both is there once. */
static struct runs joined(const struct uid_run *x, size_t nx, const struct uid_run *y, size_t ny, struct arena *a)
{
	struct runs out = { 0 };
	uint64_t done = 0;
	for (size_t i = 0, k = 0; i < nx || k < ny;) {
		const struct uid_run *next = k == ny || (i < nx && x[i].first <= y[k].first) ? &x[i++] : &y[k++];
		uint64_t from = next->first > done ? next->first : done, past = run_past(next);
		if (from < past)
			runs_add(&out, a, (uint32_t)from, (uint32_t)(past - from));
		done = past > done ? past : done;
	}
	return out;
}

void view_note_gone(struct view *v, const struct uid_run *uids, size_t n, struct arena *a)
{
	struct runs known = in_map(v, uids, n, a);
	if (known.n == 0)
		return;
	struct runs all = joined(v->gone, v->ngone, known.p, known.n, a);
	v->gone = grown(v->gone, all.n, sizeof *v->gone);
	memcpy(v->gone, all.p, all.n * sizeof *all.p);
	v->ngone = all.n;
}

void view_drop_gone(struct view *v)
{
	struct view_run *old = v->runs;
	size_t nold = v->nruns, g = 0;
	uint32_t oldcount = v->count, uidnext = v->uidnext;
	if (v->ngone == 0)
		return;
	v->runs = NULL;
	v->nruns = v->cap = 0;
	v->count = 0;
	v->uidnext = 1;
	for (size_t i = 0; i < nold; i++) {
		uint32_t uid = old[i].uid;
		uint32_t end = uid + ((i + 1 < nold ? old[i + 1].seq : oldcount + 1) - old[i].seq);
		for (; g < v->ngone && v->gone[g].first < end;
		     g++) { /* runs of the map never touch: a gone one lies in one */
			if (v->gone[g].first > uid)
				view_append(v, uid, v->gone[g].first - uid);
			uid = v->gone[g].first + v->gone[g].count;
		}
		if (uid < end)
			view_append(v, uid, end - uid);
	}
	v->uidnext = uidnext; /* also when the last ones went: their UIDs never come back */
	free(old);
	free(v->gone);
	v->gone = NULL;
	v->ngone = 0;
}

/* Runs of the map that lie between two sequence numbers. */
static void add_between(const struct view *v, uint32_t from, uint32_t to, struct arena *a, struct runs *out)
{
	for (size_t i = run_by_seq(v, from); i < v->nruns && v->runs[i].seq <= to; i++) {
		uint32_t start = v->runs[i].seq > from ? v->runs[i].seq : from;
		uint32_t end = run_end(v, i) - 1 < to ? run_end(v, i) - 1 : to;
		runs_add(out, a, v->runs[i].uid + (start - v->runs[i].seq), end - start + 1);
	}
}

bool view_resolve(const struct view *v, const struct set *s, bool by_uid, struct arena *a, struct uid_run **runs,
		  size_t *n)
{
	struct runs out = { 0 };
	*runs = NULL;
	*n = 0;
	if (!by_uid && set_largest(s) > v->count && v->count > 0)
		return false;
	struct set sorted = set_resolve(s, by_uid ? view_last_uid(v) : v->count, a);
	for (size_t i = 0; i < sorted.n && v->count > 0; i++) {
		struct range r = sorted.ranges[i];
		uint32_t from = by_uid ? view_upto(v, r.from - 1) + 1 : r.from;
		uint32_t to = by_uid ? view_upto(v, r.to) : r.to;
		if (from <= to)
			add_between(v, from, to, a, &out);
	}
	*runs = out.p;
	*n = out.n;
	return by_uid || v->count > 0 || set_largest(s) == 0 || set_largest(s) == 1;
}

bool view_knows(const struct view *v, struct str keyword)
{
	struct str all = str_of(v->keywords);
	while (all.n > 0)
		if (str_eqi(str_cut(&all, ' '), keyword))
			return true;
	return false;
}

void view_learn(struct view *v, struct str keyword)
{
	size_t old = v->keywords ? strlen(v->keywords) : 0;
	v->keywords = grown(v->keywords, old + keyword.n + 2, 1);
	if (old > 0)
		v->keywords[old++] = ' ';
	memcpy(v->keywords + old, keyword.p, keyword.n);
	v->keywords[old + keyword.n] = '\0';
}
