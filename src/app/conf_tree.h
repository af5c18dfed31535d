/* conf_tree.h - the configuration as a tree of statements with places; for conf_*.c and settings*.c only.
 *
 * The parser (conf_parse.c) makes it, includes already in their places; the
 * checker (conf_check.c) gives each statement its row of the table, each word its type,
 * and marks what is wrong, so that later passes can go on with the rest and
 * all mistakes come out in one run.  Words point into the texts or the arena.
 */
#pragma once
#include "app/conf.h"
#include "app/keys.h"

struct conf_place {
	struct str file;
	unsigned line, column; /* from 1; columns count characters, not octets */
};
struct conf_word {
	struct str text;
	struct conf_place at;
	bool quoted;
	const struct conf_type *type; /* of a value; NULL: the keyword or an option's word */
};
struct conf_node {
	const struct conf_key *key; /* NULL: no such key */
	struct conf_word *words;    /* words[0] is the key's */
	size_t nwords;
	bool block; /* it has { } */
	bool bad;   /* said to be wrong already: it means nothing */
	struct conf_node *first, *last, *next;
};
struct conf {
	struct conf_node root;
	struct str name; /* of the main file */
};

__attribute__((format(printf, 3, 4))) void conf_fail(struct conf_errors *errors, struct conf_place at, const char *fmt,
						     ...);
/* Texts to tree. False: the braces do not match, so that checking would only tell nonsense. */
bool conf_tree(const struct conf_text *texts, size_t n, struct arena *a, struct conf *out, struct conf_errors *errors);
/* Hold the tree against the table. */
void conf_check(struct conf *c, struct conf_errors *errors);

/* Next child of `node` with this key, after `prev` (NULL: the first); wrong ones are passed over. */
const struct conf_node *conf_next(const struct conf_node *node, const struct conf_key *key,
				  const struct conf_node *prev);
/* The n-th value that is not an option's, from 0; NULL when absent. */
const struct conf_word *conf_value(const struct conf_node *node, size_t n);
/* The word `option` itself, and its value (words[1] of what is returned); NULL when absent. */
const struct conf_word *conf_option(const struct conf_node *node, const char *option);
/* conf_print() with defaults, of the keys alone that are wanted. */
void conf_print_some(const struct conf *c, struct buf *b, bool (*wanted)(void *ctx, const struct conf_key *k),
		     void *ctx);
/* Write a word so that it reads back the same. */
void conf_word_print(struct buf *b, struct str word);

/* --- how includes are found (conf_parse.c), given to conf_read.c ---------- */

/* Called for each include before it is looked up among the texts: may add to them. */
struct conf_texts {
	struct conf_text *text;
	size_t n, cap, octets;
};
struct conf_include {
	struct str path; /* joined with the folder of the file that says so; a pattern: that folder escaped */
	bool pattern;
	struct conf_place at;
};
struct conf_reader {
	void *ctx;
	void (*include)(void *ctx, struct conf_texts *texts, const struct conf_include *inc);
};
/* As conf_tree(), with a reader that brings the texts. */
bool conf_tree_read(struct conf_texts *texts, const struct conf_reader *reader, struct arena *a, struct conf *out,
		    struct conf_errors *errors);
