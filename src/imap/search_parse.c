#include "imap/search.h"
#include "imap/text.h"
#include "mail/words.h"
#include "store/mailbox.h"

enum takes { NOTHING, A_FLAG_WORD, A_TEXT, A_FIELD, A_DATE, A_SIZE, A_UID_SET, A_KEY, TWO_KEYS, A_MODSEQ };

/* clang-format off */
static const struct word {
	struct str name;
	enum key_kind kind;
	enum takes takes;
	unsigned bit;
	bool want;
} words[] = {
#define W(z) { z, sizeof(z) - 1 }
	{ W("ALL"),	   KEY_EVERY,	   NOTHING, 0, true },
	{ W("ANSWERED"),   KEY_FLAG,	   NOTHING, MSG_ANSWERED, true },
	{ W("DELETED"),	   KEY_FLAG,	   NOTHING, MSG_DELETED, true },
	{ W("DRAFT"),	   KEY_FLAG,	   NOTHING, MSG_DRAFT, true },
	{ W("FLAGGED"),	   KEY_FLAG,	   NOTHING, MSG_FLAGGED, true },
	{ W("SEEN"),	   KEY_FLAG,	   NOTHING, MSG_SEEN, true },
	{ W("UNANSWERED"), KEY_FLAG,	   NOTHING, MSG_ANSWERED, false },
	{ W("UNDELETED"),  KEY_FLAG,	   NOTHING, MSG_DELETED, false },
	{ W("UNDRAFT"),	   KEY_FLAG,	   NOTHING, MSG_DRAFT, false },
	{ W("UNFLAGGED"),  KEY_FLAG,	   NOTHING, MSG_FLAGGED, false },
	{ W("UNSEEN"),	   KEY_FLAG,	   NOTHING, MSG_SEEN, false },
	{ W("RECENT"),	   KEY_RECENT,	   NOTHING, 0, true },
	{ W("OLD"),	   KEY_RECENT,	   NOTHING, 0, false },
	{ W("NEW"),	   KEY_NEW,	   NOTHING, 0, true },
	{ W("KEYWORD"),	   KEY_KEYWORD,	   A_FLAG_WORD, 0, true },
	{ W("UNKEYWORD"),  KEY_KEYWORD,	   A_FLAG_WORD, 0, false },
	{ W("BEFORE"),	   KEY_BEFORE,	   A_DATE, 0, true },
	{ W("ON"),	   KEY_ON,	   A_DATE, 0, true },
	{ W("SINCE"),	   KEY_SINCE,	   A_DATE, 0, true },
	{ W("SENTBEFORE"), KEY_SENTBEFORE, A_DATE, 0, true },
	{ W("SENTON"),	   KEY_SENTON,	   A_DATE, 0, true },
	{ W("SENTSINCE"),  KEY_SENTSINCE,  A_DATE, 0, true },
	{ W("LARGER"),	   KEY_LARGER,	   A_SIZE, 0, true },
	{ W("SMALLER"),	   KEY_SMALLER,	   A_SIZE, 0, true },
	{ W("UID"),	   KEY_UID,	   A_UID_SET, 0, true },
	{ W("SUBJECT"),	   KEY_ENVELOPE,   A_TEXT, ENVELOPE_SUBJECT, true },
	{ W("FROM"),	   KEY_ENVELOPE,   A_TEXT, ENVELOPE_FROM, true },
	{ W("TO"),	   KEY_ENVELOPE,   A_TEXT, ENVELOPE_TO, true },
	{ W("CC"),	   KEY_ENVELOPE,   A_TEXT, ENVELOPE_CC, true },
	{ W("BCC"),	   KEY_ENVELOPE,   A_TEXT, ENVELOPE_BCC, true },
	{ W("HEADER"),	   KEY_HEADER,	   A_FIELD, 0, true },
	{ W("BODY"),	   KEY_BODY,	   A_TEXT, 0, true },
	{ W("TEXT"),	   KEY_TEXT,	   A_TEXT, 0, true },
	{ W("NOT"),	   KEY_NOT,	   A_KEY, 0, true },
	{ W("OR"),	   KEY_ONE_OF,	   TWO_KEYS, 0, true },
	{ W("MODSEQ"),	   KEY_MODSEQ,	   A_MODSEQ, 0, true },
#undef W
};
/* clang-format on */

struct parsing {
	struct parser *p;
	struct search *s;
	unsigned depth, keys;
};
static bool parse_key(struct parsing *x, struct key **out);

/* 8-bit text must be what CHARSET says; without CHARSET it is taken as UTF-8, which clients mean. */
static bool parse_text(struct parser *p, struct str *folded)
{
	struct str s;
	size_t at = p->at;
	if (!parse_astring(p, &s, "a string to search for"))
		return false;
	if (!utf8_valid(s)) {
		p->at = at;
		return parse_fail(p, "text in UTF-8");
	}
	*folded = text_fold(s, p->arena);
	return true;
}

/* MODSEQ ["entry" priv|shared|all] n (RFC 7162 3.1.5): flags are one thing here, so the entry changes nothing. */
static bool parse_modseq(struct parsing *x, struct key *k)
{
	struct parser *p = x->p;
	struct str entry;
	if (parse_is(p, '"')) {
		if (!parse_string(p, &entry, "an entry") || !parse_space(p))
			return false;
		if (!parse_try_word(p, STR("priv")) && !parse_try_word(p, STR("shared")) &&
		    !parse_try_word(p, STR("all")))
			return parse_fail(p, "priv, shared or all");
		if (!parse_space(p))
			return false;
	}
	x->s->modseq = true;
	return parse_number(p, INT64_MAX, &k->number, "a modseq");
}

static bool parse_argument(struct parsing *x, enum takes takes, struct key *k)
{
	struct parser *p = x->p;
	int64_t day;
	if (takes != NOTHING && !parse_space(p))
		return false;
	switch (takes) {
	case NOTHING:
		return true;
	case A_FLAG_WORD:
		return parse_atom(p, &k->text, "a keyword");
	case A_TEXT:
		return parse_text(p, &k->text);
	case A_FIELD:
		return parse_astring(p, &k->field, "a header field") && parse_space(p) && parse_text(p, &k->text);
	case A_DATE:
		if (!parse_date(p, &day))
			return false;
		k->number = (uint64_t)day;
		return true;
	case A_SIZE:
		return parse_number(p, UINT32_MAX, &k->number, "a number of octets");
	case A_UID_SET:
		return parse_set(p, &k->set);
	case A_KEY:
		return parse_key(x, &k->child);
	case TWO_KEYS:
		return parse_key(x, &k->child) && parse_space(p) && parse_key(x, &k->child->next);
	case A_MODSEQ:
		return parse_modseq(x, k);
	}
	return false;
}

/* What is true for a key costs at least this much to find out. */
static int cost(const struct key *k)
{
	int most = k->kind >= KEY_HEADER ? (int)k->kind : k->kind >= KEY_SENTBEFORE ? 1 : 0;
	for (const struct key *c = k->child; c; c = c->next)
		most = cost(c) > most ? cost(c) : most;
	return most;
}

/* Put in by cost, behind those that cost the same. */
static void add_child(struct key *parent, struct key *k)
{
	struct key **at = &parent->child;
	int mine = cost(k);
	while (*at && cost(*at) <= mine)
		at = &(*at)->next;
	k->next = *at;
	*at = k;
}

static bool parse_keys(struct parsing *x, struct key *parent)
{
	do {
		struct key *k;
		if (!parse_key(x, &k))
			return false;
		add_child(parent, k);
	} while (parse_try(x->p, ' '));
	return true;
}

static bool parse_word_key(struct parsing *x, struct key *k)
{
	struct parser *p = x->p;
	struct str name;
	size_t at = p->at;
	if (!parse_atom(p, &name, "a search key"))
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const struct word *w = &words[i];
		if (!str_eqi(name, w->name))
			continue;
		k->kind = w->kind;
		k->bit = w->bit;
		k->want = w->want;
		x->s->prefix = x->s->prefix || w->kind == KEY_HEADER || w->kind == KEY_TEXT;
		return parse_argument(x, w->takes, k);
	}
	p->at = at;
	return parse_fail(p, "a search key");
}

static bool parse_one(struct parsing *x, struct key *k)
{
	struct parser *p = x->p;
	if (parse_try(p, '(')) {
		k->kind = KEY_ALL_OF;
		return parse_keys(x, k) && parse_char(p, ')', "')' after search keys");
	}
	if (parse_is(p, '*') || (!parse_at_end(p) && ch_digit(p->all.p[p->at]))) {
		k->kind = KEY_SEQ;
		return parse_set(p, &k->set);
	}
	return parse_word_key(x, k);
}

static bool parse_key(struct parsing *x, struct key **out)
{
	struct key *k = ARENA_NEW(x->p->arena, struct key);
	if (x->depth >= x->p->nesting)
		return parse_fail(x->p, "keys that are not nested so deep");
	if (++x->keys > SEARCH_KEYS_MAX)
		return parse_fail(x->p, "at most 1000 search keys");
	x->depth++;
	bool ok = parse_one(x, k);
	x->depth--;
	*out = k;
	return ok;
}

bool parse_search(struct parser *p, struct search *s)
{
	struct parsing x = { .p = p, .s = s };
	*s = (struct search){ .root = ARENA_NEW(p->arena, struct key) };
	if (parse_try_word(p, STR("CHARSET "))) {
		struct str name;
		if (!parse_astring(p, &name, "a charset") || !parse_space(p))
			return false;
		if (!str_eqi(name, STR("UTF-8")) && !str_eqi(name, STR("US-ASCII"))) {
			s->bad_charset = name;
			return true;
		}
	}
	s->root->kind = KEY_ALL_OF;
	return parse_keys(&x, s->root) && parse_end(p);
}
