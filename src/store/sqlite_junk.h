/* sqlite_junk.h - what a mailbox's name says about $Junk and $NotJunk; for store/ only.
 *
 * Used inside units, so by the writer's thread alone, which owns the compiled expressions.
 */
#pragma once
#include "store/sqlite_box.h"

enum junk_says { JUNK_NOTHING, JUNK_NEUTRAL, JUNK_YES, JUNK_NO }; /* NOTHING: the rules are off */
/* By the rules of the mailbox's account. `name` in its one spelling. */
bool junk_says(struct tx *tx, const struct box *b, struct str name, enum junk_says *out, struct err *e);
bool junk_says_by_id(struct tx *tx, const struct box *b, enum junk_says *out, struct err *e);

/* What coming from one mailbox (NOTHING: from outside) into another means for a message: keywords, or empty. */
struct junk_change {
	struct str add, remove;
};
struct junk_change junk_change(enum junk_says from, enum junk_says to);
/* Write the keyword to be added down for the mailbox; where no more fit it is dropped: mail is not refused for it. */
bool junk_ready(struct tx *tx, int64_t mailbox, struct junk_change *c, struct err *e);
struct str junk_apply(const struct junk_change *c, struct str keywords, struct arena *a);

struct junk_cache;
void junk_cache_free(struct junk_cache *c);
