#include "app/conf_tree.h"
#include "app/conf_type.h"

struct printer {
	struct buf *out;
	bool all;
	bool (*wanted)(void *ctx, const struct conf_key *k); /* NULL: all keys are */
	void *ctx;
};

/* Bare when it can be. */
void conf_word_print(struct buf *b, struct str word)
{
	bool bare = word.n > 0;
	for (size_t i = 0; i < word.n && bare; i++)
		bare = !ch_space(word.p[i]) && !ch_among(word.p[i], STR("{};,#\"'\\"));
	if (bare) {
		buf_add(b, word);
		return;
	}
	buf_addc(b, '"');
	for (size_t i = 0; i < word.n; i++) {
		char c = word.p[i];
		if (c == '"' || c == '\\')
			buf_addc(b, '\\');
		if (c == '\n')
			buf_addz(b, "\\n");
		else
			buf_addc(b, c);
	}
	buf_addc(b, '"');
}

static void indent(struct printer *p, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buf_addc(p->out, '\t');
}

static void print_block(struct printer *p, const struct conf_node *node, const struct conf_key *in, unsigned depth);

/* Has a block of this key anything to say: something set, or defaults that are to be shown? */
static bool has_inside(const struct printer *p, const struct conf_node *node, const struct conf_key *k)
{
	if (node && node->first)
		return true;
	for (size_t i = 0; p->all && i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], k) && conf_key_table[i].preset)
			return true;
	return false;
}

static void print_inside(struct printer *p, const struct conf_node *node, const struct conf_key *k, unsigned depth)
{
	if (k->block != KEY_LINE && has_inside(p, node, k)) {
		buf_addz(p->out, " {\n");
		print_block(p, node, k, depth + 1);
		indent(p, depth);
		buf_addc(p->out, '}');
	} else if (k->block == KEY_BLOCK) {
		buf_addz(p->out, " { }");
	}
	buf_addc(p->out, '\n');
}

static void print_node(struct printer *p, const struct conf_node *n, unsigned depth)
{
	indent(p, depth);
	for (size_t i = 0; i < n->nwords; i++) {
		/* Values of a list follow each other; options follow a blank. */
		if (i > 0)
			buf_addz(p->out, i > 1 && n->words[i].type && n->words[i - 1].type &&
						 n->words[i].type == n->words[i - 1].type
					     ? ", "
					     : " ");
		conf_word_print(p->out, n->words[i].text);
	}
	print_inside(p, n, n->key, depth);
}

static void print_absent(struct printer *p, const struct conf_key *k, unsigned depth)
{
	bool block = k->block != KEY_LINE && !key_named(k) && has_inside(p, NULL, k);
	if (!p->all || (!k->preset && !block))
		return;
	struct str word = key_word(k);
	indent(p, depth);
	buf_add(p->out, word);
	if (k->preset)
		buf_printf(p->out, " %s", k->preset);
	print_inside(p, NULL, k, depth);
}

/* In the order of the table, so that two files that mean the same print the same. `node` NULL: only defaults. */
static void print_block(struct printer *p, const struct conf_node *node, const struct conf_key *in, unsigned depth)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *k = &conf_key_table[i];
		if (!key_is_in(k, in) || (p->wanted && !p->wanted(p->ctx, k)))
			continue;
		const struct conf_node *n = node ? conf_next(node, k, NULL) : NULL;
		if (!n)
			print_absent(p, k, depth);
		for (; n; n = conf_next(node, k, n))
			print_node(p, n, depth);
	}
}

void conf_print(const struct conf *c, struct buf *b, bool all)
{
	struct printer p = { .out = b, .all = all };
	print_block(&p, &c->root, NULL, 0);
}

void conf_print_some(const struct conf *c, struct buf *b, bool (*wanted)(void *ctx, const struct conf_key *k),
		     void *ctx)
{
	struct printer p = { b, true, wanted, ctx };
	print_block(&p, &c->root, NULL, 0);
}
