#include "app/conf.h"
#include "app/conf_syntax.h"

#define WIDTH 78

/* `text` in lines of at most WIDTH, each after `before`. */
static void add_wrapped(struct buf *b, struct str text, const char *before)
{
	size_t column = 0;
	while (text.n > 0) {
		struct str word = str_cut(&text, ' ');
		if (column > 0 && column + 1 + word.n > WIDTH) {
			buf_addc(b, '\n');
			column = 0;
		}
		buf_addz(b, column ? " " : before);
		buf_add(b, word);
		column += word.n + (column ? 1 : strlen(before));
	}
	buf_addc(b, '\n');
}

static void add_statement(struct buf *b, const struct conf_key *k, const char *rest)
{
	struct str word = key_word(k);
	buf_add(b, word);
	if (*rest)
		buf_printf(b, " %s", rest);
}

/* --- explain -------------------------------------------------------------------- */

static bool takes_type(const struct conf_key *k, const struct conf_type *t)
{
	struct buf name = { 0 };
	buf_printf(&name, "<%s>", t->name);
	bool takes = str_find(str_of(k->takes), buf_str(&name)) < strlen(k->takes);
	buf_free(&name);
	return takes;
}

static void explain_key(const struct conf_key *k, struct buf *b)
{
	buf_printf(b, "%s\n    ", k->path);
	add_statement(b, k, k->takes);
	buf_addz(b, k->block == KEY_BLOCK ? " { ... }\n\n" : k->block == KEY_MAY_BLOCK ? " [{ ... }]\n\n" : "\n\n");
	add_wrapped(b, str_of(k->line), "    ");
	if (k->text)
		add_wrapped(b, str_of(k->text), "    ");
	buf_addc(b, '\n');
	for (size_t i = 0; i < conf_type_count; i++)
		if (takes_type(k, &conf_types[i])) {
			buf_printf(b, "    <%s> is ", conf_types[i].name);
			conf_expect(&conf_types[i], k, b);
			buf_addz(b, ".\n");
		}
	if (k->preset || k->otherwise)
		buf_printf(b, "    Default: %s.\n", k->preset ? k->preset : k->otherwise);
	if (k->many)
		buf_addz(b, "    May be said more than once.\n");
	buf_printf(b, "    Since %s.\n", k->since);
	bool first = true;
	for (size_t i = 0; i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], k)) {
			buf_printf(b, "%s    %-32s %s\n", first ? "\n" : "", conf_key_table[i].path,
				   conf_key_table[i].line);
			first = false;
		}
}

/* Paths that end with this word. False: there is none. */
static bool add_ends(struct str word, struct buf *b)
{
	bool any = false;
	for (size_t i = 0; i < conf_key_count; i++) {
		if (!str_eqi(key_word(&conf_key_table[i]), word))
			continue;
		buf_printf(b, "%s%s", any ? ", " : "", conf_key_table[i].path);
		any = true;
	}
	return any;
}

/* What may have been meant: the word in other blocks, else the nearest path, else the nearest word. */
static void suggest(struct str path, struct buf *b)
{
	struct str paths[KEYS_MAX], words[KEYS_MAX], last = path, rest = path;
	while (rest.n > 0)
		last = str_cut(&rest, '.');
	for (size_t i = 0; i < conf_key_count; i++) {
		paths[i] = str_of(conf_key_table[i].path);
		words[i] = key_word(&conf_key_table[i]);
	}
	if (add_ends(last, b))
		return;
	struct str meant = did_you_mean(path, paths, conf_key_count);
	if (meant.n > 0)
		buf_add(b, meant);
	else
		add_ends(did_you_mean(last, words, conf_key_count), b);
}

bool conf_explain(struct str path, struct buf *b)
{
	const struct conf_key *k = key_by_path(path);
	if (k)
		explain_key(k, b);
	else if (path.n > 0)
		suggest(path, b);
	for (size_t i = 0; path.n == 0 && i < conf_key_count; i++)
		buf_printf(b, "%-32s %s\n", conf_key_table[i].path, conf_key_table[i].line);
	return k || path.n == 0;
}

void conf_keys(struct buf *b)
{
	for (size_t i = 0; i < conf_key_count; i++)
		buf_printf(b, "%s\n", conf_key_table[i].path);
}

/* --- example --------------------------------------------------------------------- */

static const char intro[] = "# sluice.conf - what this mail server does. sluice.conf(5) says it all; `sluice\n"
			    "# config explain KEY` says one thing, `sluice config check` finds mistakes.\n"
			    "#\n"
			    "# A statement is a word and what follows it, up to the end of the line or a ;\n"
			    "# Statements that begin with # show the default, or what is possible.\n";

static void example_key(const struct conf_key *k, struct buf *b, unsigned depth, bool live);

static void example_inside(const struct conf_key *in, struct buf *b, unsigned depth, bool live)
{
	for (size_t i = 0; i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], in))
			example_key(&conf_key_table[i], b, depth, live);
}

/* `live`: the block that it stands in is no comment. A statement that is one has no blank after its #. */
static void example_key(const struct conf_key *k, struct buf *b, unsigned depth, bool live)
{
	char tabs[16], comment[20];
	memset(tabs, '\t', depth);
	tabs[depth] = 0;
	memcpy(comment, tabs, depth);
	memcpy(comment + depth, "# ", 3);
	const char *off = k->shown && live ? "" : "#";
	if (depth == 0)
		buf_addc(b, '\n');
	add_wrapped(b, str_of(k->line), comment);
	buf_printf(b, "%s%s", tabs, off);
	add_statement(b, k, k->example ? k->example : k->preset ? k->preset : "");
	if (k->block == KEY_LINE) {
		buf_addc(b, '\n');
		return;
	}
	buf_addz(b, " {\n");
	example_inside(k, b, depth + 1, !*off);
	buf_printf(b, "%s%s}\n", tabs, off);
}

bool conf_example(struct str topic, struct buf *b)
{
	const struct conf_key *k = key_by_path(topic);
	if (topic.n == 0) {
		buf_addz(b, intro);
		example_inside(NULL, b, 0, true);
		return true;
	}
	if (k && key_is_in(k, NULL)) {
		struct buf all = { 0 };
		example_key(k, &all, 0, true);
		buf_add(b, str_sub(buf_str(&all), 1, all.n)); /* without the empty line before it */
		buf_free(&all);
		return true;
	}
	struct str words[KEYS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], NULL))
			words[n++] = key_word(&conf_key_table[i]);
	conf_list_words(b, words, n, " or ");
	return false;
}
