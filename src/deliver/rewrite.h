/* rewrite.h - the filters of a drop: header fields changed by regular expressions (PCRE2), in order.
 *
 * A rule names a field (from, to, cc, subject, or any other) and a pattern; for address fields each address is given to
 * the rules alone, as "Display Name <local@domain>" as it is written, and what is left is put together again; so a
 * comma in a display name is no separator.  An address that becomes empty leaves its list; a From or To that was there
 * and is emptied discards the message.  Fields keep their place.  Patterns are compiled once, when the configuration is
 * read; matching has limits, and one that meets them leaves the field as it was and is told.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct rewrite_rule {
	struct str field;                /* lower case */
	struct str pattern, replacement; /* $1, ${name}, \1 are what was matched */
	bool any_case;
};
struct rewrite;
/* ERR_PERM with the offset in the pattern at the end of the text: "... at 7". */
bool rewrite_check(const struct rewrite_rule *rule, size_t *offset, struct err *e);
struct rewrite *rewrite_new(const struct rewrite_rule *rules, size_t n, struct err *e);
void rewrite_free(struct rewrite *r);
enum rewrite_got { REWRITE_SAME, REWRITE_CHANGED, REWRITE_DISCARD };
/* `header`: the header block with its blank line.  *out: the new one.  *why: what was discarded, or which limit was
 * met. */
enum rewrite_got rewrite_run(const struct rewrite *r, struct str header, struct arena *a, struct str *out,
			     struct str *why);
