/* walk.h - many messages by pages: windows of UIDs that hold at most MSG_PAGE messages.
 *
 * Runs that lie close together share a window, so a scattered set costs one
 * read a page, not one a message.  Rows that are in the window but not in the
 * set are passed over by the caller (walk_has).
 */
#pragma once
#include "imap/view.h"

struct walk {
	const struct view *view;
	const struct uid_run *runs;
	size_t n, i;
	uint32_t at; /* next UID of run i; 0 = its first */
};
bool walk_next(struct walk *w, uint32_t *from, uint32_t *to);
bool walk_has(const struct walk *w, uint32_t uid);
/* How many messages of the set lie in a window. */
uint32_t walk_count(const struct walk *w, uint32_t from, uint32_t to);
