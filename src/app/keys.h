/* keys.h - the one table of what a configuration may say.
 *
 * A row says where a key stands (path "listen.smtp": in a listen block), what
 * follows its word, the default, the range, and two texts for people.  Checker, values,
 * `config print|explain|example`, sluice.conf(5) and completion all read the row.
 *
 * What it takes is written as people read it:
 *
 *	<size>                          one value of that type (conf_type.h)
 *	[<port>]                        may be left out
 *	<address>...                    one or more
 *	<socket> [mode <mode>]          a value, then an option: its word and its value
 *	cert <path> secret <secret>     options that must be there, in any order
 *	<level> | <module> <level>      either
 *
 * A key is never reused with a new meaning.
 */
#pragma once
#include "base/str.h"

enum key_block { KEY_LINE, KEY_MAY_BLOCK, KEY_BLOCK }; /* has it { }? */

struct conf_key {
	const char *path;
	const char *takes;
	const char *preset;    /* the default, as one would write it; NULL: none */
	const char *otherwise; /* what holds when it is not set, for keys without preset */
	const char *range;     /* "1s..1h", of its number, size, duration or percentage */
	const char *since;
	const char *line;    /* one sentence */
	const char *text;    /* more, or NULL */
	const char *example; /* what conf_example() writes after the word; NULL: the preset */
	bool shown;          /* in the example not as a comment */
	bool many;           /* may be said more than once */
	enum key_block block;
	struct {
		size_t at, size; /* in struct settings; size 0: settings.c sees to it */
	} field;
};
extern const struct conf_key conf_key_table[];
extern const size_t conf_key_count;
#define KEYS_MAX 256 /* rows, for arrays beside the table */

/* Not a key yet, but it will be one: people meet it in the documentation of later versions. */
extern const char *const conf_later_keys[];
extern const size_t conf_later_count;

static inline size_t key_index(const struct conf_key *k)
{
	return (size_t)(k - conf_key_table);
}
const struct conf_key *key_by_path(struct str path);
/* The key `word` in the block of `in` (NULL: the top). */
const struct conf_key *key_in(const struct conf_key *in, struct str word);
/* Does `k` stand directly in the block of `in`? */
bool key_is_in(const struct conf_key *k, const struct conf_key *in);
/* The last word of the path: what stands in the file. */
struct str key_word(const struct conf_key *k);
/* Does a block of this key bear a name (listen NAME), so that there may be many or none? */
bool key_named(const struct conf_key *k);
