/* conf_type.h - what values a key may take, and how to say what would be right.
 *
 * A type knows whether a word is one of its values and what it expected
 * instead.  Numbers of all kinds (number, size, duration, percent) have a range
 * in their key's row.  Pure; the table of types is also a chapter of sluice.conf(5).
 */
#pragma once
#include "app/keys.h"
#include "base/arena.h"
#include "base/buf.h"

static inline bool ch_among(char c, struct str set)
{
	return str_chr(set, c) < set.n;
}

struct conf_type {
	const char *name;   /* "duration", in <> in the table of keys */
	const char *expect; /* "a duration such as 30s, 5m or 2h" */
	const char *text;   /* what the manual adds, or NULL */
	/* Is it one?  If not, `why` may get what is wrong with it ("has no unit"). */
	bool (*check)(struct str word, struct buf *why);
	/* Of types that are numbers. */
	bool (*number)(struct str word, uint64_t *out);
	const char *const *choices; /* of types that are one of some words; ends with NULL */
};
extern const struct conf_type conf_types[];
extern const size_t conf_type_count;
const struct conf_type *conf_type(struct str name);

/* Is `word` a value of the type, within the key's range?  If not, `why` gets the whole message. */
bool conf_type_check(const struct conf_type *t, const struct conf_key *k, struct str word, struct buf *why);
/* "a size such as 64KiB, 100MiB or 1GiB from 512 to 64KiB". */
void conf_expect(const struct conf_type *t, const struct conf_key *k, struct buf *b);
/* A word as messages repeat it: in quotes, on one line, not too long. */
void conf_show(struct buf *b, struct str word);
/* The ends of "1s..1h". */
bool conf_range(const struct conf_type *t, const char *range, uint64_t *least, uint64_t *most);
/* "error, warn or info" with last " or ". */
void conf_list_words(struct buf *b, const struct str *words, size_t n, const char *last);

/* Values that settings.c reads. The word has been checked. */
uint64_t conf_number(const struct conf_type *t, struct str word);
bool conf_socket_path(struct str word, struct str *path); /* "unix:/x" */
