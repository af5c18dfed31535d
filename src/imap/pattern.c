#include "imap/pattern.h"

#define WORDS ((PATTERN_MAX + 1 + 63) / 64)

/* A set of positions: bit i says that the first i octets of the pattern may have been used up. */
struct positions {
	uint64_t word[WORDS];
};
struct machine {
	size_t n; /* octets of the pattern, runs of wildcards drawn together */
	size_t words;
	size_t letters;                   /* octets that are no wildcards: a shorter name cannot match */
	uint64_t *at[256];                /* where the pattern has this octet; NULL: nowhere */
	uint64_t star[WORDS], any[WORDS]; /* "*"; "*" and "%" */
};
struct pattern {
	struct machine as_is, folded; /* folded: in capitals, for INBOX */
};

static void set_bit(uint64_t *word, size_t i)
{
	word[i / 64] |= (uint64_t)1 << i % 64;
}

/* "**", "*%" and "%*" are "*"; "%%" is "%". So there are never two wildcards in a row. */
static size_t draw_together(struct str text, bool fold, char out[PATTERN_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < text.n && i < PATTERN_MAX; i++) {
		char c = fold ? ch_upper(text.p[i]) : text.p[i];
		bool wild = c == '*' || c == '%';
		if (!wild || n == 0 || (out[n - 1] != '*' && out[n - 1] != '%'))
			out[n++] = c;
		else if (c == '*')
			out[n - 1] = c;
	}
	return n;
}

static void machine_make(struct machine *m, struct str text, bool fold, struct arena *a)
{
	char drawn[PATTERN_MAX];
	m->n = draw_together(text, fold, drawn);
	m->words = m->n / 64 + 1;
	for (size_t i = 0; i < m->n; i++) {
		unsigned char c = (unsigned char)drawn[i];
		if (c == '*')
			set_bit(m->star, i);
		if (c == '*' || c == '%') {
			set_bit(m->any, i);
			continue;
		}
		m->letters++;
		if (!m->at[c])
			m->at[c] = ARENA_ARRAY(a, uint64_t, m->words);
		set_bit(m->at[c], i);
	}
}

const struct pattern *pattern_new(struct str text, struct arena *a)
{
	struct pattern *p = ARENA_NEW(a, struct pattern);
	machine_make(&p->as_is, text, false, a);
	machine_make(&p->folded, text, true, a);
	return p;
}

/* A wildcard may stand for nothing. */
static void skip_wildcards(const struct machine *m, struct positions *s)
{
	uint64_t carry = 0;
	for (size_t w = 0; w < m->words; w++) {
		uint64_t wild = s->word[w] & m->any[w];
		s->word[w] |= wild << 1 | carry;
		carry = wild >> 63;
	}
}

/* Use up one octet of the name. False: no position is left. */
static bool advance(const struct machine *m, struct positions *s, char c)
{
	const uint64_t *at = m->at[(unsigned char)c], *wild = c == '/' ? m->star : m->any;
	uint64_t carry = 0, left = 0;
	for (size_t w = 0; w < m->words; w++) {
		uint64_t hits = at ? s->word[w] & at[w] : 0;
		uint64_t stays = s->word[w] & wild[w];
		s->word[w] = hits << 1 | carry | stays;
		carry = hits >> 63;
		left |= s->word[w];
	}
	skip_wildcards(m, s);
	return left != 0;
}

static bool matches(const struct machine *m, struct str name)
{
	struct positions s = { { 1 } };
	if (name.n < m->letters)
		return false;
	skip_wildcards(m, &s);
	for (size_t i = 0; i < name.n; i++)
		if (!advance(m, &s, name.p[i]))
			return false;
	return s.word[m->n / 64] >> m->n % 64 & 1;
}

bool pattern_matches(const struct pattern *p, struct str name)
{
	return matches(&p->as_is, name) || (str_eq(name, STR("INBOX")) && matches(&p->folded, name));
}
