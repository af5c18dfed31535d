/* The arguments of SEARCH: RETURN (...), CHARSET, and the keys. */
#include "imap/search.h"
#include "imap/text.h"
#include "mail/words.h"
#include "store/mailbox.h"

enum takes {
	NOTHING,
	A_FLAG_WORD,
	A_TEXT,
	A_FIELD,
	A_DATE,
	A_SIZE,
	SECONDS,
	A_UID_SET,
	A_KEY,
	TWO_KEYS,
	A_MODSEQ,
	AN_OBJECT_ID,
};

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
	{ W("MODSEQ"),	   KEY_MODSEQ,	   A_MODSEQ, 0, true },		/* RFC 7162 3.1.5 */
	{ W("OLDER"),	   KEY_OLDER,	   SECONDS, 0, true },		/* RFC 5032 */
	{ W("YOUNGER"),	   KEY_YOUNGER,	   SECONDS, 0, true },
	{ W("SAVEDBEFORE"), KEY_SAVED_BEFORE, A_DATE, 0, true },	/* RFC 8514 4.3 */
	{ W("SAVEDON"),	   KEY_SAVED_ON,   A_DATE, 0, true },
	{ W("SAVEDSINCE"), KEY_SAVED_SINCE, A_DATE, 0, true },
	{ W("SAVEDATESUPPORTED"), KEY_EVERY, NOTHING, 0, true },
	{ W("EMAILID"),	   KEY_EMAIL_ID,	   AN_OBJECT_ID, 0, true },	/* RFC 8474 6 */
	{ W("THREADID"),   KEY_NONE,	   AN_OBJECT_ID, 0, true },	/* FETCH says NIL for every message */
#undef W
};
/* clang-format on */

struct parsing {
	struct parser *p;
	struct search *s;
	unsigned depth, keys;
};
static bool parse_key(struct parsing *x, struct key **out);

/* Text is what CHARSET says; without CHARSET it is taken as UTF-8, which clients mean. */
static bool parse_text(struct parsing *x, struct str *folded)
{
	struct parser *p = x->p;
	struct str s;
	size_t at = p->at;
	if (!parse_astring(p, &s, "a string to search for"))
		return false;
	if (x->s->charset.n > 0) {
		struct buf utf8 = { 0 };
		charset_utf8(&utf8, x->s->charset, s);
		s = str_dup(p->arena, buf_str(&utf8));
		buf_free(&utf8);
	} else if (!utf8_valid(s)) {
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

static bool parse_seconds(struct parser *p, uint64_t *out)
{
	size_t at = p->at;
	if (!parse_number(p, UINT32_MAX, out, "a number of seconds"))
		return false;
	if (*out > 0)
		return true;
	p->at = at;
	return parse_fail(p, "a number of seconds above 0");
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
		return parse_text(x, &k->text);
	case A_FIELD:
		return parse_astring(p, &k->field, "a header field") && parse_space(p) && parse_text(x, &k->text);
	case A_DATE:
		if (!parse_date(p, &day))
			return false;
		k->number = (uint64_t)day;
		return true;
	case A_SIZE:
		return parse_number(p, INT64_MAX, &k->number, "a number of octets");
	case SECONDS:
		return parse_seconds(p, &k->number);
	case A_UID_SET:
		return parse_set(p, &k->set);
	case A_KEY:
		return parse_key(x, &k->child);
	case TWO_KEYS:
		return parse_key(x, &k->child) && parse_space(p) && parse_key(x, &k->child->next);
	case A_MODSEQ:
		return parse_modseq(x, k);
	case AN_OBJECT_ID:
		return parse_atom(p, &k->text, "an object identifier");
	}
	return false;
}

/* What is true for a key costs at least this much to find out. */
static int cost(const struct key *k)
{
	int most = k->found ? 1 : k->kind >= KEY_HEADER ? (int)k->kind : k->kind >= KEY_SENTBEFORE ? 2 : 0;
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

void search_order(struct key *k)
{
	struct key *rest = k->child;
	k->child = NULL;
	while (rest) {
		struct key *c = rest;
		rest = c->next;
		c->next = NULL;
		search_order(c);
		add_child(k, c);
	}
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
	if (parse_is(p, '*') || parse_is(p, '$') || (!parse_at_end(p) && ch_digit(p->all.p[p->at]))) {
		k->kind = KEY_SEQ;
		x->s->numbers = x->s->numbers || !parse_is(p, '$');
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

/* "CHARSET name ", or just "name ".  A charset that we do not know is noted: the answer is NO, not BAD. */
static bool parse_charset(struct parser *p, enum charset_rule rule, struct search *s)
{
	struct str name;
	struct buf nothing = { 0 };
	bool there = rule == CHARSET_FIRST || parse_try_word(p, STR("CHARSET "));
	if (!there)
		return true;
	if (rule == CHARSET_NOT) /* RFC 6855 3 */
		return parse_fail(p, "no CHARSET: UTF8=ACCEPT is enabled");
	if (!parse_astring(p, &name, "a charset") || !parse_space(p))
		return false;
	if (str_eqi(name, STR("UTF-8")) || str_eqi(name, STR("US-ASCII")))
		return true;
	s->charset = name;
	if (!charset_utf8(&nothing, name, STR_NONE))
		s->bad_charset = name;
	buf_free(&nothing);
	return true;
}

bool parse_search(struct parser *p, enum charset_rule rule, struct search *s)
{
	struct parsing x = { .p = p, .s = s };
	*s = (struct search){ .root = ARENA_NEW(p->arena, struct key), .charset = STR_NONE, .bad_charset = STR_NONE };
	s->root->kind = KEY_ALL_OF;
	return parse_charset(p, rule, s) && (s->bad_charset.n > 0 || (parse_keys(&x, s->root) && parse_end(p)));
}

static const struct {
	struct str name;
	enum search_return what;
} options[] = { { { "MIN", 3 }, RETURN_MIN },        { { "MAX", 3 }, RETURN_MAX },   { { "ALL", 3 }, RETURN_ALL },
		{ { "COUNT", 5 }, RETURN_COUNT },    { { "SAVE", 4 }, RETURN_SAVE }, /* RFC 4731 3.1, RFC 5182 2.1 */
		{ { "PARTIAL", 7 }, RETURN_PARTIAL } /* RFC 9394 3.1 */ };

static bool parse_option(struct parser *p, struct returns *out)
{
	struct str name;
	size_t at = p->at;
	unsigned what = 0;
	if (!parse_atom(p, &name, "a result option"))
		return false;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		what |= str_eqi(name, options[i].name) ? options[i].what : 0u;
	bool twice = what == RETURN_PARTIAL && out->what & RETURN_PARTIAL;
	out->what |= what;
	if (what == 0 || twice || (out->what & RETURN_PARTIAL && out->what & RETURN_ALL)) {
		p->at = at;
		return parse_fail(p, what == 0 ? "MIN, MAX, ALL, COUNT, SAVE or PARTIAL"
					       : "one PARTIAL, and no ALL beside it");
	}
	return what != RETURN_PARTIAL || (parse_space(p) && parse_partial_range(p, &out->partial));
}

bool parse_returns(struct parser *p, struct returns *out)
{
	*out = (struct returns){ 0 };
	if (!parse_try_word(p, STR("RETURN ")))
		return true;
	out->given = true;
	if (!parse_char(p, '(', "'(' before result options"))
		return false;
	if (!parse_is(p, ')'))
		do {
			if (!parse_option(p, out))
				return false;
		} while (parse_try(p, ' '));
	if (out->what == 0) /* RFC 4731 3.1: "RETURN ()" */
		out->what = RETURN_ALL;
	return parse_char(p, ')', "')' after result options") && parse_space(p);
}
