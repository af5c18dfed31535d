#include "mail/address.h"

#include "mail/lex.h"

/* A list while it is read. */
struct list {
	struct str rest;
	struct arena *a;
	struct mailaddr *out;
	size_t n, cap;
	bool in_group, more, clean;
};

static void list_put(struct list *l, struct mailaddr m)
{
	l->out = arena_grow(l->a, l->out, &l->cap, l->n + 1, sizeof *l->out);
	l->out[l->n++] = m;
}

static void group_end(struct list *l)
{
	if (l->in_group)
		list_put(l, (struct mailaddr){ STR_NONE, STR_NONE, STR_NONE, STR_NONE, MAILADDR_END });
	l->in_group = false;
}

static bool word_char(char c)
{
	/* "." is in obs-phrase: "John Q. Public" (RFC 5322 4.1). */
	return c == '.' || lex_atext(c);
}

/* Over words, blanks and comments; returns what was passed, trimmed in front. */
static struct str take_phrase(struct str *s, struct str *comment)
{
	lex_cfws(s, comment);
	const char *begin = s->p;
	const char *end = begin;
	while (s->n > 0) {
		if (s->p[0] == '"')
			lex_quoted(s);
		else if (lex_run(s, word_char).n == 0)
			break;
		end = s->p;
		lex_cfws(s, comment);
	}
	return (struct str){ begin, (size_t)(end - begin) };
}

/* The text of a phrase: words joined by one blank where any stood between them, quotes removed. */
static struct str phrase_text(struct arena *a, struct str raw, bool blanks)
{
	struct str s = raw;
	if (lex_run(&s, word_char).n == raw.n)
		return raw; /* one plain word, or none */
	char *p = arena_alloc(a, raw.n);
	size_t n = 0;
	for (s = raw; s.n > 0;) {
		if (s.p[0] == '"') {
			n += lex_unquote_to(p + n, lex_quoted(&s));
		} else {
			struct str run = lex_run(&s, word_char);
			memcpy(p + n, run.p, run.n);
			n += run.n;
		}
		size_t before = s.n;
		lex_cfws(&s, NULL);
		if (blanks && s.n > 0 && s.n < before)
			p[n++] = ' ';
	}
	return (struct str){ p, n };
}

/* Words of a localpart are joined by dots; "John Smith@x" is no address. */
static bool local_words(struct str raw)
{
	bool dot = true;
	while (raw.n > 0) {
		size_t before = raw.n;
		if (raw.p[0] == '"') {
			if (!dot)
				return false;
			lex_quoted(&raw);
			dot = false;
		} else {
			struct str run = lex_run(&raw, word_char);
			if (!dot && run.p[0] != '.')
				return false;
			dot = run.p[run.n - 1] == '.';
		}
		if (raw.n == before)
			return false;
		lex_cfws(&raw, NULL);
	}
	return true;
}

/* Atoms and dots with blanks between (obs-domain), or a literal, kept with its brackets. */
static struct str take_header_domain(struct list *l, struct str *s, struct str *comment)
{
	lex_cfws(s, comment);
	if (s->n > 0 && s->p[0] == '[') {
		size_t end = str_chr(*s, ']');
		struct str literal = str_sub(*s, 0, end + 1);
		*s = str_sub(*s, end + 1, s->n);
		return lex_unquote(l->a, literal);
	}
	const char *begin = s->p;
	const char *end = begin;
	while (s->n > 0) {
		struct str run = lex_run(s, word_char);
		if (run.n == 0)
			break;
		end = s->p;
		lex_cfws(s, comment);
		/* A blank goes on only across a dot, or "a@b c" would make one domain of two words. */
		if (run.p[run.n - 1] != '.' && s->n > 0 && s->p[0] != '.')
			break;
	}
	return phrase_text(l->a, (struct str){ begin, (size_t)(end - begin) }, false);
}

/* What stands in "<...>", after the "<". */
static bool take_angle(struct list *l, struct mailaddr *m)
{
	struct str *s = &l->rest;
	lex_cfws(s, NULL);
	if (s->n > 0 && (s->p[0] == '@' || s->p[0] == ',')) { /* obs-route = obs-domain-list ":" */
		size_t end = str_chr(*s, ':');
		if (end == s->n || str_chr(*s, '>') < end)
			return false;
		m->route = str_trim(str_sub(*s, 0, end));
		*s = str_sub(*s, end + 1, s->n);
	}
	struct str raw = take_phrase(s, NULL);
	m->local = phrase_text(l->a, raw, false);
	if (str_skipc(s, '@'))
		m->domain = take_header_domain(l, s, NULL);
	lex_cfws(s, NULL);
	return str_skipc(s, '>') && local_words(raw);
}

/* One mailbox or the head of a group; false: not understood, the caller goes to the next comma. */
static bool take_one(struct list *l)
{
	struct mailaddr m = { STR_NONE, STR_NONE, STR_NONE, STR_NONE, MAILADDR_BOX };
	struct str comment = STR_NONE;
	struct str *s = &l->rest;
	struct str phrase = take_phrase(s, &comment);
	if (str_skipc(s, ':')) {
		group_end(l); /* groups do not nest */
		m.name = phrase_text(l->a, phrase, true);
		m.kind = MAILADDR_GROUP;
		list_put(l, m);
		return l->in_group = true;
	}
	if (str_skipc(s, '<')) {
		m.name = phrase_text(l->a, phrase, true);
		if (!take_angle(l, &m))
			return false;
	} else {
		m.local = phrase_text(l->a, phrase, false);
		if (phrase.n == 0 || !local_words(phrase))
			return false;
		if (str_skipc(s, '@'))
			m.domain = take_header_domain(l, s, &comment);
	}
	lex_cfws(s, &comment);
	if (m.name.n == 0) /* "ned@x (Ned Freed)", as RFC 822 wrote names */
		m.name = str_trim(lex_unquote(l->a, comment));
	if (s->n > 0 && s->p[0] != ',' && s->p[0] != ';')
		return false;
	list_put(l, m);
	return true;
}

/* To the next comma, or `stop` before it. */
static void skip_to(struct str *s, char stop)
{
	while (s->n > 0 && s->p[0] != ',' && s->p[0] != ';' && s->p[0] != stop) {
		if (s->p[0] == '"')
			lex_quoted(s);
		else if (s->p[0] == '(')
			lex_comment(s);
		else
			*s = str_sub(*s, 1, s->n);
	}
}

/* "me@work [office] <a@b>": many programs forget the quotes around such a name. */
static bool take_loose(struct list *l)
{
	struct mailaddr m = { STR_NONE, STR_NONE, STR_NONE, STR_NONE, MAILADDR_BOX };
	struct str name = l->rest;
	skip_to(&l->rest, '<');
	name.n -= l->rest.n;
	if (!str_skipc(&l->rest, '<') || !take_angle(l, &m))
		return false;
	m.name = lex_unquote(l->a, str_trim(name));
	list_put(l, m);
	return true;
}

bool addresses_parse(struct str value, struct arena *a, struct mailaddr **out, size_t *n, bool *more)
{
	struct list l = { .rest = value, .a = a, .clean = true };
	for (;;) {
		lex_cfws(&l.rest, NULL);
		if (l.rest.n == 0)
			break;
		if (str_skipc(&l.rest, ','))
			continue; /* empty members are obsolete syntax (RFC 5322 4.4) */
		if (str_skipc(&l.rest, ';')) {
			group_end(&l);
			continue;
		}
		/* Room is kept for one END, and a group's head may bring another. */
		if (l.n + 3 > ADDRESSES_MAX || arena_full(a)) {
			l.more = true;
			break;
		}
		struct str begin = l.rest;
		if (take_one(&l))
			continue;
		l.clean = false;
		l.rest = begin;
		if (!take_loose(&l))
			skip_to(&l.rest, ',');
	}
	group_end(&l);
	*out = l.out;
	*n = l.n;
	*more = l.more;
	return l.clean;
}
