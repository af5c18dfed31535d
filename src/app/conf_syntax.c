#include "app/conf_syntax.h"

/* --- the row's text --------------------------------------------------------------- */

/* "<size>", "<address>...", "[<port>]": its type; the brackets are the caller's. */
static bool value_parse(struct str s, struct syntax_value *v)
{
	v->list = str_ends(s, STR("..."));
	if (v->list)
		s = str_sub(s, 0, s.n - 3);
	if (!str_skipc(&s, '<') || !str_ends(s, STR(">")))
		return false;
	v->type = conf_type(str_sub(s, 0, s.n - 1));
	return v->type != NULL;
}

static bool alternative_parse(struct str s, struct syntax *x)
{
	bool inside = false;
	*x = (struct syntax){ 0 };
	while (s.n > 0) {
		struct str word = str_cut(&s, ' ');
		struct syntax_value v = { 0 };
		if (word.n == 0)
			continue;
		if (str_skipc(&word, '['))
			inside = true;
		bool close = str_ends(word, STR("]"));
		if (close)
			word = str_sub(word, 0, word.n - 1);
		if (word.n > 0 && ch_alpha(word.p[0])) {
			if (x->noptions == SYNTAX_OPTIONS)
				return false;
			x->options[x->noptions++] = (struct syntax_option){ .word = word, .optional = inside };
		} else {
			struct syntax_option *o = x->noptions ? &x->options[x->noptions - 1] : NULL;
			size_t *n = o ? &o->nvalues : &x->nvalues;
			if (!value_parse(word, &v) || *n == SYNTAX_VALUES)
				return false;
			v.optional = inside && !o;
			(o ? o->values : x->values)[(*n)++] = v;
		}
		inside &= !close;
	}
	return !inside;
}

bool syntax_parse(const char *takes, struct syntax out[SYNTAX_ALTERNATIVES], size_t *n)
{
	struct str rest = str_of(takes);
	*n = 0;
	do {
		if (*n == SYNTAX_ALTERNATIVES || !alternative_parse(str_cut(&rest, '|'), &out[(*n)++]))
			return false;
	} while (rest.n > 0);
	return true;
}

/* --- matching ----------------------------------------------------------------------- */

struct verdict {
	bool ok, missing;
	int score; /* how much of the statement fitted; an option's word says more about what was meant than a value */
	size_t at; /* the word that the message is about */
	struct buf why;
};
struct matcher {
	const struct conf_node *node;
	const struct syntax *syntax;
	bool seen[SYNTAX_OPTIONS];
	size_t next; /* word */
	struct verdict *v;
};

static struct conf_word *word_at(const struct matcher *m)
{
	return m->next < m->node->nwords ? &m->node->words[m->next] : NULL;
}

static const struct syntax_option *option_at(const struct matcher *m, size_t *index)
{
	const struct conf_word *w = word_at(m);
	for (size_t i = 0; w && !w->quoted && i < m->syntax->noptions; i++)
		if (str_eq(w->text, m->syntax->options[i].word)) {
			*index = i;
			return &m->syntax->options[i];
		}
	return NULL;
}

static void say_missing(struct matcher *m, const struct conf_type *t)
{
	buf_addz(&m->v->why, "nothing follows ");
	conf_show(&m->v->why, m->node->words[m->next - 1].text);
	buf_addz(&m->v->why, ": expected ");
	conf_expect(t, m->node->key, &m->v->why);
	m->v->at = m->next - 1;
	m->v->missing = true;
	m->v->score--;
}

static bool take_value(struct matcher *m, const struct syntax_value *value)
{
	size_t unused;
	bool any = false;
	for (;;) {
		struct conf_word *w = word_at(m);
		if (!w || option_at(m, &unused)) {
			if (!any && !value->optional)
				say_missing(m, value->type);
			return any || value->optional;
		}
		if (!conf_type_check(value->type, m->node->key, w->text, &m->v->why)) {
			m->v->at = m->next;
			return false;
		}
		w->type = value->type;
		m->v->score++;
		m->next++;
		any = true;
		if (!value->list)
			return true;
	}
}

static void add_takes(const struct conf_node *node, struct buf *b)
{
	struct str word = key_word(node->key);
	buf_printf(b, "%.*s takes %s", STRF(word), *node->key->takes ? node->key->takes : "nothing");
}

/* Neither a value nor an option's word. */
static bool say_unknown(struct matcher *m, const struct conf_word *w)
{
	struct str words[SYNTAX_OPTIONS];
	for (size_t i = 0; i < m->syntax->noptions; i++)
		words[i] = m->syntax->options[i].word;
	struct str meant = did_you_mean(w->text, words, m->syntax->noptions);
	conf_show(&m->v->why, w->text);
	if (meant.n > 0)
		buf_printf(&m->v->why, " is unknown here, did you mean \"%.*s\"? ", STRF(meant));
	else
		buf_addz(&m->v->why, m->syntax->noptions ? " is unknown here: " : " is too much: ");
	add_takes(m->node, &m->v->why);
	m->v->at = m->next;
	return false;
}

static bool take_options(struct matcher *m)
{
	const struct conf_word *w;
	while ((w = word_at(m))) {
		size_t i = 0;
		const struct syntax_option *o = option_at(m, &i);
		if (!o)
			return say_unknown(m, w);
		if (m->seen[i]) {
			buf_printf(&m->v->why, "\"%.*s\" stands here twice", STRF(w->text));
			m->v->at = m->next;
			return false;
		}
		m->seen[i] = true;
		m->v->score += 3;
		m->next++;
		for (size_t j = 0; j < o->nvalues; j++)
			if (!take_value(m, &o->values[j]))
				return false;
	}
	for (size_t i = 0; i < m->syntax->noptions; i++)
		if (!m->seen[i] && !m->syntax->options[i].optional) {
			buf_printf(&m->v->why, "\"%.*s\" is missing: ", STRF(m->syntax->options[i].word));
			add_takes(m->node, &m->v->why);
			return false;
		}
	return true;
}

static void match(struct conf_node *node, const struct syntax *x, struct verdict *v)
{
	struct matcher m = { .node = node, .syntax = x, .next = 1, .v = v };
	for (size_t i = 0; i < node->nwords; i++)
		node->words[i].type = NULL;
	v->ok = true;
	for (size_t i = 0; i < x->nvalues && v->ok; i++)
		v->ok = take_value(&m, &x->values[i]);
	v->ok = v->ok && take_options(&m);
}

/* Several alternatives failed at the same word: say what each of them would begin with. */
static void say_alternatives(const struct conf_node *node, const struct syntax *x, size_t n, struct buf *b)
{
	struct str words[SYNTAX_ALTERNATIVES], options[SYNTAX_ALTERNATIVES];
	struct buf texts[SYNTAX_ALTERNATIVES] = { 0 };
	size_t noptions = 0;
	for (size_t i = 0; i < n; i++) {
		if (x[i].nvalues > 0)
			conf_expect(x[i].values[0].type, node->key, &texts[i]);
		else
			buf_add(&texts[i], options[noptions++] = x[i].options[0].word);
		words[i] = buf_str(&texts[i]);
	}
	struct str meant = node->nwords > 1 ? did_you_mean(node->words[1].text, options, noptions) : STR_NONE;
	if (node->nwords > 1) {
		conf_show(b, node->words[1].text);
		if (meant.n > 0)
			buf_printf(b, " is unknown here, did you mean \"%.*s\"?", STRF(meant));
		else
			buf_addc(b, ':');
		buf_addz(b, " expected ");
	} else {
		buf_printf(b, "nothing follows \"%.*s\": expected ", STRF(node->words[0].text));
	}
	conf_list_words(b, words, n, " or ");
	for (size_t i = 0; i < n; i++)
		buf_free(&texts[i]);
}

void syntax_check(struct conf_node *node, struct conf_errors *errors)
{
	struct syntax x[SYNTAX_ALTERNATIVES];
	struct verdict v[SYNTAX_ALTERNATIVES] = { 0 };
	size_t n, best = 0;
	bool ok = false, all_first = true;
	struct buf why = { 0 };
	if (!syntax_parse(node->key->takes, x, &n))
		return;
	for (size_t i = 0; i < n && !ok; i++) {
		match(node, &x[i], &v[i]);
		ok = v[i].ok;
		all_first &= node->nwords == 1 || (v[i].score == 0 && !v[i].missing);
		if (v[i].score > v[best].score)
			best = i;
	}
	if (!ok) {
		if (n > 1 && all_first) {
			say_alternatives(node, x, n, &why);
			v[best].at = node->nwords > 1;
		} else {
			buf_add(&why, buf_str(&v[best].why));
		}
		conf_fail(errors, node->words[v[best].at].at, "%.*s", STRF(buf_str(&why)));
		node->bad = true;
	}
	buf_free(&why);
	for (size_t i = 0; i < n; i++)
		buf_free(&v[i].why);
}
