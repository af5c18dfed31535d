#include "app/conf_syntax.h"

/* Where a key that is unknown here would be known. */
static bool say_elsewhere(struct str word, struct buf *b)
{
	struct str places[8];
	size_t n = 0;
	bool top = false;
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *k = &conf_key_table[i];
		struct str path = str_of(k->path), last = key_word(k);
		if (!str_eq(last, word))
			continue;
		top |= path.n == last.n;
		if (path.n > last.n && n < sizeof places / sizeof *places)
			places[n++] = str_sub(path, 0, path.n - last.n - 1);
	}
	if (top) {
		buf_addz(b, ": it stands outside of all blocks");
	} else if (n > 0) {
		buf_addz(b, ": it stands in ");
		conf_list_words(b, places, n, " and ");
	}
	return top || n > 0;
}

static void say_what_there_is(const struct conf_key *in, const struct str *words, size_t n, struct buf *b)
{
	if (in)
		buf_printf(b, ": in %s stand ", in->path);
	else
		buf_addz(b, ": there are ");
	conf_list_words(b, words, n, " and ");
}

static void unknown_key(const struct conf_node *node, const struct conf_key *in, struct conf_errors *errors)
{
	struct str word = node->words[0].text, words[KEYS_MAX];
	struct buf b = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], in))
			words[n++] = key_word(&conf_key_table[i]);
	buf_addz(&b, "unknown key ");
	conf_show(&b, word);
	bool later = false;
	for (size_t i = 0; i < conf_later_count; i++) {
		struct str path = str_of(conf_later_keys[i]);
		if (in)
			later |= str_skip(&path, str_of(in->path)) && str_skipc(&path, '.') && str_eq(path, word);
		else
			later |= str_eq(path, word);
	}
	struct str meant = did_you_mean(word, words, n);
	if (later)
		buf_addz(&b, ": this version of Sluice does not have it yet");
	else if (meant.n > 0)
		buf_printf(&b, ", did you mean \"%.*s\"?", STRF(meant));
	else if (!say_elsewhere(word, &b))
		say_what_there_is(in, words, n, &b);
	conf_fail(errors, node->words[0].at, "%.*s", STRF(buf_str(&b)));
	buf_free(&b);
}

static void check_braces(struct conf_node *node, struct conf_errors *errors)
{
	struct str word = key_word(node->key);
	if (node->block && node->key->block == KEY_LINE) {
		conf_fail(errors, node->words[0].at, "%.*s takes no block: expected %.*s%s%s", STRF(word), STRF(word),
			  *node->key->takes ? " " : "", node->key->takes);
		node->bad = true;
	}
	if (!node->block && node->key->block == KEY_BLOCK) {
		conf_fail(errors, node->words[0].at, "%.*s needs a block: expected %.*s%s%s { ... }", STRF(word),
			  STRF(word), *node->key->takes ? " " : "", node->key->takes);
		node->bad = true;
	}
}

static void check_block(struct conf_node *parent, const struct conf_key *in, struct conf_errors *errors)
{
	const struct conf_node *seen[KEYS_MAX] = { 0 };
	for (struct conf_node *n = parent->first; n; n = n->next) {
		n->key = key_in(in, n->words[0].text);
		if (!n->key) {
			unknown_key(n, in, errors);
			n->bad = true;
			continue;
		}
		const struct conf_node **first = &seen[key_index(n->key)];
		if (*first && !n->key->many) {
			struct conf_place at = (*first)->words[0].at;
			conf_fail(errors, n->words[0].at, "%.*s stands here twice: first at %.*s:%u",
				  STRF(n->words[0].text), STRF(at.file), at.line);
			n->bad = true;
		}
		if (!*first)
			*first = n;
		check_braces(n, errors);
		if (!n->bad)
			syntax_check(n, errors);
		if (n->key->block != KEY_LINE)
			check_block(n, n->key, errors);
	}
}

void conf_check(struct conf *c, struct conf_errors *errors)
{
	check_block(&c->root, NULL, errors);
}

/* --- reading the tree ----------------------------------------------------------- */

const struct conf_node *conf_next(const struct conf_node *node, const struct conf_key *key,
				  const struct conf_node *prev)
{
	const struct conf_node *n = prev ? prev->next : node->first;
	while (n && (n->bad || n->key != key))
		n = n->next;
	return n;
}

const struct conf_word *conf_value(const struct conf_node *node, size_t n)
{
	for (size_t i = 1; i < node->nwords && node->words[i].type; i++)
		if (i == n + 1)
			return &node->words[i];
	return NULL;
}

const struct conf_word *conf_option(const struct conf_node *node, const char *option)
{
	for (size_t i = 1; i < node->nwords; i++)
		if (!node->words[i].type && str_eq(node->words[i].text, str_of(option)))
			return &node->words[i];
	return NULL;
}
