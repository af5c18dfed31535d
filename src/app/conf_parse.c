#include "app/conf_tree.h"
#include "app/conf_type.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <unistr.h>

enum token_kind { TOKEN_WORD, TOKEN_COMMA, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END, TOKEN_FILE_END };
struct token {
	enum token_kind kind;
	struct conf_place at;
	struct str text; /* TOKEN_WORD */
	bool quoted;
};
struct lexer {
	struct str rest;
	struct conf_place at; /* of rest */
	struct token again;   /* given back by the parser */
	bool has_again;
	bool broken; /* a word of this statement was said to be wrong */
};
struct parser {
	struct arena *arena;
	struct conf_errors *errors;
	struct conf_texts *texts;
	const struct conf_reader *reader;
	unsigned includes; /* how deep */
	bool *used;        /* texts that stand in the tree; of CONF_FILES_MAX */
	bool unbalanced;
};

/* --- words ----------------------------------------------------------------- */

static void advance(struct lexer *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)l->rest.p[i];
		if (c == '\n') {
			l->at.line++;
			l->at.column = 1;
		} else if ((c & 0xc0) != 0x80) { /* continuation octets of UTF-8 take no column */
			l->at.column++;
		}
	}
	l->rest = str_sub(l->rest, n, l->rest.n);
}

static bool is_bare(char c)
{
	return !ch_space(c) && !ch_among(c, STR("{};,#\"'"));
}

static void skip_blanks(struct lexer *l, bool newlines)
{
	for (;;) {
		size_t n = 0;
		while (n < l->rest.n && ch_space(l->rest.p[n]) && (newlines || l->rest.p[n] != '\n'))
			n++;
		if (n < l->rest.n && l->rest.p[n] == '#')
			while (n < l->rest.n && l->rest.p[n] != '\n')
				n++;
		if (n == 0)
			return;
		advance(l, n);
	}
}

/* What stands in "...", its escapes undone; a wrong one is told and taken as it is. */
static struct str unescape(struct parser *p, struct lexer *l, struct conf_place at, struct str raw)
{
	char *out = arena_alloc(p->arena, raw.n);
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];
		if (c == '\\') {
			c = raw.p[++i]; /* the closing quote was not escaped, so there is one */
			if (c == 'n') {
				c = '\n';
			} else if (c != '"' && c != '\\') {
				conf_fail(p->errors, at,
					  "\\%c means nothing in \"...\": expected \\\", \\\\ or \\n; in '...' a "
					  "backslash is itself",
					  c);
				l->broken = true;
			}
		}
		out[n++] = c;
	}
	return (struct str){ out, n };
}

static struct token quoted_word(struct parser *p, struct lexer *l)
{
	struct token t = { .kind = TOKEN_WORD, .at = l->at, .quoted = true };
	char quote = l->rest.p[0];
	size_t n = 1;
	while (n < l->rest.n && l->rest.p[n] != quote && l->rest.p[n] != '\n') {
		if (quote == '"' && l->rest.p[n] == '\\' && n + 1 < l->rest.n && l->rest.p[n + 1] != '\n')
			n++;
		n++;
	}
	struct str raw = str_sub(l->rest, 1, n);
	if (n >= l->rest.n || l->rest.p[n] != quote) {
		conf_fail(p->errors, t.at, "this %c is never closed: a quoted word ends on the line where it begins",
			  quote);
		l->broken = true;
		advance(l, n < l->rest.n ? n : l->rest.n);
		return t;
	}
	t.text = quote == '"' && str_chr(raw, '\\') < raw.n ? unescape(p, l, t.at, raw) : raw;
	advance(l, n + 1);
	if (l->rest.n > 0 && (is_bare(l->rest.p[0]) || l->rest.p[0] == '"' || l->rest.p[0] == '\'')) {
		conf_fail(p->errors, l->at, "a blank is missing after the closing %c", quote);
		l->broken = true;
	}
	return t;
}

static struct token bare_word(struct parser *p, struct lexer *l)
{
	struct token t = { .kind = TOKEN_WORD, .at = l->at };
	size_t n = 0;
	while (n < l->rest.n && is_bare(l->rest.p[n]))
		n++;
	t.text = str_sub(l->rest, 0, n);
	advance(l, n);
	if (l->rest.n > 0 && (l->rest.p[0] == '"' || l->rest.p[0] == '\'')) {
		conf_fail(p->errors, l->at,
			  "a blank is missing before this %c; a word with a quote in it is written in quotes",
			  l->rest.p[0]);
		l->broken = true;
	}
	return t;
}

static struct token token_next(struct parser *p, struct lexer *l)
{
	static const struct {
		char c;
		enum token_kind kind;
	} marks[] = {
		{ '{', TOKEN_OPEN }, { '}', TOKEN_CLOSE }, { ',', TOKEN_COMMA }, { ';', TOKEN_END }, { '\n', TOKEN_END }
	};
	if (l->has_again) {
		l->has_again = false;
		return l->again;
	}
	skip_blanks(l, false);
	struct token t = { .kind = TOKEN_FILE_END, .at = l->at };
	if (l->rest.n == 0)
		return t;
	char c = l->rest.p[0];
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (c == marks[i].c) {
			t.kind = marks[i].kind;
			advance(l, 1);
			return t;
		}
	return c == '"' || c == '\'' ? quoted_word(p, l) : bare_word(p, l);
}

static void token_back(struct lexer *l, struct token t)
{
	l->again = t;
	l->has_again = true;
}

/* --- statements -------------------------------------------------------------- */

static void parse_block(struct parser *p, struct lexer *l, struct conf_node *parent, unsigned depth,
			struct conf_place open);

static void add_child(struct conf_node *parent, struct conf_node *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

static void give_up(struct parser *p, struct lexer *l)
{
	p->unbalanced = true;
	l->rest = STR_NONE;
	l->has_again = false;
}

/* From behind the "{" to behind the "}". */
static void enter_block(struct parser *p, struct lexer *l, struct conf_node *node, unsigned depth,
			struct conf_place open)
{
	node->block = true;
	if (depth + 1 > CONF_BLOCK_DEPTH) {
		conf_fail(p->errors, open, "blocks stand in blocks more than %d deep", CONF_BLOCK_DEPTH);
		give_up(p, l);
		return;
	}
	parse_block(p, l, node, depth + 1, open);
	struct token t = token_next(p, l);
	if (t.kind == TOKEN_WORD || t.kind == TOKEN_COMMA || t.kind == TOKEN_OPEN) {
		conf_fail(p->errors, t.at, "expected a new line or ; after the closing }");
		if (t.kind == TOKEN_COMMA)
			return;
	}
	token_back(l, t);
}

/* After a comma: the next word may stand on a later line. False: none came. */
static bool after_comma(struct parser *p, struct lexer *l, struct conf_place comma, struct token *t)
{
	skip_blanks(l, true);
	*t = token_next(p, l);
	if (t->kind == TOKEN_WORD)
		return true;
	conf_fail(p->errors, comma, "a word is missing after this comma");
	l->broken = true;
	return false;
}

/* A statement whose first word is `t`. */
static struct conf_node *parse_statement(struct parser *p, struct lexer *l, struct token t, unsigned depth)
{
	struct conf_node *node = ARENA_NEW(p->arena, struct conf_node);
	size_t cap = 0;
	bool broken = l->broken;
	for (;;) {
		l->broken = false;
		if (t.kind == TOKEN_COMMA && !after_comma(p, l, t.at, &t))
			broken = true;
		if (t.kind != TOKEN_WORD)
			break;
		node->words = arena_grow(p->arena, node->words, &cap, node->nwords + 1, sizeof *node->words);
		node->words[node->nwords++] = (struct conf_word){ t.text, t.at, t.quoted, NULL };
		t = token_next(p, l);
		broken |= l->broken;
	}
	l->broken = false;
	if (t.kind == TOKEN_OPEN)
		enter_block(p, l, node, depth, t.at);
	else
		token_back(l, t);
	node->bad = broken;
	return node;
}

static void parse_include(struct parser *p, const struct conf_node *node, struct conf_node *root);

static void parse_block(struct parser *p, struct lexer *l, struct conf_node *parent, unsigned depth,
			struct conf_place open)
{
	for (;;) {
		l->broken = false;
		struct token t = token_next(p, l);
		struct conf_node *node;
		switch (t.kind) {
		case TOKEN_END:
			break;
		case TOKEN_FILE_END:
			if (depth > 0 && !p->unbalanced)
				conf_fail(p->errors, open, "this { is never closed");
			p->unbalanced |= depth > 0;
			return;
		case TOKEN_CLOSE:
			if (depth > 0)
				return;
			conf_fail(p->errors, t.at, "this } closes nothing");
			p->unbalanced = true;
			break;
		case TOKEN_OPEN:
			conf_fail(p->errors, t.at, "a { stands on the line of the word that it belongs to");
			node = ARENA_NEW(p->arena, struct conf_node);
			enter_block(p, l, node, depth, t.at); /* to keep count of the braces */
			p->unbalanced = true;
			break;
		case TOKEN_COMMA:
			conf_fail(p->errors, t.at, "a statement cannot begin with a comma");
			break;
		case TOKEN_WORD:
			node = parse_statement(p, l, t, depth);
			if (depth == 0 && str_eq(node->words[0].text, STR("include")))
				parse_include(p, node, parent);
			else
				add_child(parent, node);
			break;
		}
	}
}

/* --- files ------------------------------------------------------------------- */

/* Only text: the place of the first octet that is none. */
static bool is_text(struct str s, size_t *where)
{
	const uint8_t *bad = s.n ? u8_check((const uint8_t *)s.p, s.n) : NULL;
	size_t n = bad ? (size_t)((const char *)bad - s.p) : s.n;
	for (*where = 0; *where < n; ++*where) {
		unsigned char c = (unsigned char)s.p[*where];
		bool line_end = c == '\r' && *where + 1 < s.n && s.p[*where + 1] == '\n';
		if ((c < 0x20 && c != '\t' && c != '\n' && !line_end) || c == 0x7f)
			return false;
	}
	return !bad;
}

static void parse_text(struct parser *p, size_t i, struct conf_node *root)
{
	struct conf_text text = p->texts->text[i];
	struct lexer l = { .rest = text.text, .at = { text.name, 1, 1 } };
	size_t where;
	p->used[i] = true;
	if (!is_text(l.rest, &where)) {
		unsigned octet = (unsigned char)l.rest.p[where];
		advance(&l, where);
		conf_fail(p->errors, l.at,
			  octet < 0x80 ? "a control character (0x%02x) stands here"
				       : "this octet (0x%02x) is not UTF-8",
			  octet);
		p->unbalanced = true;
		return;
	}
	str_skip(&l.rest, STR("\xef\xbb\xbf")); /* the mark that some editors put before UTF-8 */
	parse_block(p, &l, root, 0, l.at);
}

/* `name` as it is seen from the folder of `file`; in a pattern that folder is escaped. */
static struct str join(struct arena *a, struct str file, struct str name, bool pattern)
{
	size_t slash = file.n;
	while (slash > 0 && file.p[slash - 1] != '/')
		slash--;
	if (slash == 0 || str_starts(name, STR("/")))
		return name;
	char *dir = arena_alloc(a, 2 * slash);
	size_t n = 0;
	for (size_t i = 0; i < slash; i++) {
		if (pattern && ch_among(file.p[i], STR("*?[\\")))
			dir[n++] = '\\';
		dir[n++] = file.p[i];
	}
	return str_cat(a, (struct str){ dir, n }, name);
}

static bool include_matches(struct arena *a, const struct conf_include *inc, struct str name)
{
	if (!inc->pattern)
		return str_eq(inc->path, name);
	return fnmatch(str_z(a, inc->path), str_z(a, name), FNM_PATHNAME | FNM_PERIOD) == 0;
}

struct match {
	struct str name;
	size_t text;
};

static int match_cmp(const void *x, const void *y)
{
	return str_cmp(((const struct match *)x)->name, ((const struct match *)y)->name);
}

/* The texts that are meant, in the order of their names.  What could not be read is not among them: conf_read()
 * has said so. */
static void include_texts(struct parser *p, const struct conf_include *inc, struct conf_node *root)
{
	struct match found[CONF_FILES_MAX];
	size_t n = 0;
	for (size_t i = 0; i < p->texts->n; i++)
		if (include_matches(p->arena, inc, p->texts->text[i].name))
			found[n++] = (struct match){ p->texts->text[i].name, i };
	qsort(found, n, sizeof *found, match_cmp);
	for (size_t i = 0; i < n; i++) {
		if (p->used[found[i].text]) {
			conf_fail(p->errors, inc->at, "%.*s is part of the configuration already", STRF(found[i].name));
			continue;
		}
		parse_text(p, found[i].text, root);
	}
}

static void parse_include(struct parser *p, const struct conf_node *node, struct conf_node *root)
{
	if (node->bad)
		return;
	struct conf_place at = node->words[0].at;
	if (node->nwords != 2 || node->block || node->words[1].text.n == 0) {
		conf_fail(p->errors, at,
			  "expected include and one file name or pattern, such as include conf.d/*.conf");
		return;
	}
	if (p->includes == CONF_INCLUDE_DEPTH) {
		conf_fail(p->errors, at, "files include files more than %d deep", CONF_INCLUDE_DEPTH);
		return;
	}
	struct str name = node->words[1].text;
	struct conf_include inc = { .at = node->words[1].at };
	for (size_t i = 0; i < name.n; i++)
		inc.pattern |= ch_among(name.p[i], STR("*?["));
	inc.path = join(p->arena, at.file, name, inc.pattern);
	p->includes++;
	if (p->reader)
		p->reader->include(p->reader->ctx, p->texts, &inc);
	include_texts(p, &inc, root);
	p->includes--;
}

bool conf_tree_read(struct conf_texts *texts, const struct conf_reader *reader, struct arena *a, struct conf *out,
		    struct conf_errors *errors)
{
	bool used[CONF_FILES_MAX] = { 0 };
	struct parser p = { .arena = a, .errors = errors, .texts = texts, .reader = reader, .used = used };
	*out = (struct conf){ .name = texts->n ? texts->text[0].name : STR_NONE };
	if (texts->n > 0 && texts->n <= CONF_FILES_MAX)
		parse_text(&p, 0, &out->root);
	return !p.unbalanced;
}

bool conf_tree(const struct conf_text *texts, size_t n, struct arena *a, struct conf *out, struct conf_errors *errors)
{
	struct conf_texts list = { .text = ARENA_ARRAY(a, struct conf_text, n), .n = n, .cap = n };
	if (n > 0)
		memcpy(list.text, texts, n * sizeof *texts);
	return conf_tree_read(&list, NULL, a, out, errors);
}

struct conf *conf_parse(const struct conf_text *texts, size_t n, struct arena *a, struct conf_errors *errors)
{
	struct conf *c = ARENA_NEW(a, struct conf);
	size_t before = errors->n;
	if (!conf_tree(texts, n, a, c, errors))
		return NULL;
	conf_check(c, errors);
	if (errors->n == before)
		return c;
	/* Mistakes that need the whole are told in the same run. */
	struct settings unused;
	settings_from(c, a, &unused, errors);
	return NULL;
}

void conf_fail(struct conf_errors *errors, struct conf_place at, const char *fmt, ...)
{
	if (errors->n++ > CONF_ERRORS_MAX)
		return;
	if (errors->n > CONF_ERRORS_MAX) {
		buf_addz(&errors->text, "and more: mend these first\n");
		return;
	}
	buf_printf(&errors->text, "%.*s:%u:%u: ", STRF(at.file), at.line, at.column);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&errors->text, fmt, ap);
	va_end(ap);
	buf_addc(&errors->text, '\n');
}
