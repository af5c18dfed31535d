/* "$": the messages that the last SEARCH with SAVE found (RFC 5182).
 *
 * Kept as UIDs, and looked up in the view whenever it is used: a message that
 * was expunged is not in the view any more, so it leaves "$" by itself.
 */
#include "imap/search_run.h"
#include <stdlib.h>

bool session_save(struct session *s, const struct uid_run *runs, size_t n)
{
	bool fits = n <= SAVED_RUNS_MAX;
	free(s->saved);
	s->saved = NULL;
	s->nsaved = fits ? n : 0;
	if (s->nsaved == 0)
		return fits;
	s->saved = calloc(n, sizeof *s->saved);
	if (!s->saved)
		abort();
	memcpy(s->saved, runs, n * sizeof *runs);
	return true;
}

bool session_resolve(struct session *s, const struct set *set, bool by_uid, struct arena *a, struct uid_run **runs,
		     size_t *n)
{
	if (!set->saved)
		return view_resolve(s->view, set, by_uid, a, runs, n);
	struct set uids = { .ranges = ARENA_ARRAY(a, struct range, s->nsaved), .n = s->nsaved };
	for (size_t i = 0; i < s->nsaved; i++)
		uids.ranges[i] = (struct range){ s->saved[i].first, s->saved[i].first + s->saved[i].count - 1 };
	return view_resolve(s->view, &uids, true, a, runs, n);
}
