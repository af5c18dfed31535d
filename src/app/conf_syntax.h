/* conf_syntax.h - what a key takes, from the text in its row.
 *
 * "<socket> [mode <mode>] | <port>" becomes alternatives; each is a few values
 * in order, then options in any order (an option is a word and the values behind it).
 * Matching a statement gives its words their types, or the best account of what
 * is wrong: that of the alternative which got furthest.
 */
#pragma once
#include "app/conf_tree.h"
#include "app/conf_type.h"

#define SYNTAX_VALUES       3
#define SYNTAX_OPTIONS      4
#define SYNTAX_ALTERNATIVES 4

struct syntax_value {
	const struct conf_type *type;
	bool optional, list;
};
struct syntax_option {
	struct str word;
	struct syntax_value values[SYNTAX_VALUES];
	size_t nvalues;
	bool optional;
};
struct syntax {
	struct syntax_value values[SYNTAX_VALUES];
	size_t nvalues;
	struct syntax_option options[SYNTAX_OPTIONS];
	size_t noptions;
};
/* False: the row is written wrongly (a test sees that none is). */
bool syntax_parse(const char *takes, struct syntax out[SYNTAX_ALTERNATIVES], size_t *n);
/* Match; a mistake is told and marks the node. */
void syntax_check(struct conf_node *node, struct conf_errors *errors);
