#include "store/sqlite_junk.h"

#include <regex.h>
#include <stdlib.h>

#include "store/mailbox_name.h"
#include "store/sqlite_store.h"

#define CACHED 32 /* sets of rules with their expressions compiled */

static const char *const defaults[] = { "^(junk|spam)", "^(inbox|neutral|postmaster|dmarc|tlsrpt|rejects)", "" };
static const char *const kinds[] = { "junk", "neutral", "notjunk" };
#define KINDS 3

/* --- compiled expressions -------------------------------------------------------------- */

struct compiled {
	struct arena texts;
	struct str text[KINDS];
	regex_t re[KINDS];
	bool ok[KINDS]; /* compiled; an empty text has none */
	uint64_t used;
};
/* Found by the text of the rules, not by account: what another process changed is seen at once, and the accounts
 * without rules of their own share one. */
struct junk_cache {
	struct compiled sets[CACHED];
	size_t n;
	uint64_t clock;
};

static void compiled_free(struct compiled *c)
{
	for (size_t i = 0; i < KINDS; i++)
		if (c->ok[i])
			regfree(&c->re[i]);
	arena_reset(&c->texts);
	*c = (struct compiled){ 0 };
}

void junk_cache_free(struct junk_cache *c)
{
	for (size_t i = 0; c && i < c->n; i++)
		compiled_free(&c->sets[i]);
	free(c);
}

static bool same_texts(const struct compiled *c, const struct str *text)
{
	for (size_t i = 0; i < KINDS; i++)
		if (!str_eq(c->text[i], text[i]))
			return false;
	return true;
}

/* An expression that no longer compiles (another machine's regcomp wrote it) matches nothing. */
static void compile(struct compiled *c, const struct str *text)
{
	for (size_t i = 0; i < KINDS; i++) {
		c->text[i] = str_dup(&c->texts, text[i]);
		c->ok[i] = text[i].n > 0 &&
			   regcomp(&c->re[i], str_z(&c->texts, text[i]), REG_EXTENDED | REG_NOSUB) == 0;
	}
}

static struct compiled *compiled_for(struct store *st, const struct str *text)
{
	struct junk_cache *cache = st->junk;
	if (!cache && !(cache = st->junk = calloc(1, sizeof *cache)))
		abort();
	struct compiled *oldest = &cache->sets[0];
	for (size_t i = 0; i < cache->n; i++) {
		if (same_texts(&cache->sets[i], text)) {
			cache->sets[i].used = ++cache->clock;
			return &cache->sets[i];
		}
		if (cache->sets[i].used < oldest->used)
			oldest = &cache->sets[i];
	}
	if (cache->n < CACHED)
		oldest = &cache->sets[cache->n++];
	else
		compiled_free(oldest);
	compile(oldest, text);
	oldest->used = ++cache->clock;
	return oldest;
}

/* --- the rules' answer --------------------------------------------------------------------- */

static bool matches(const struct compiled *c, size_t kind, const char *name)
{
	return c->ok[kind] && regexec(&c->re[kind], name, 0, NULL, 0) == 0;
}

static enum junk_says answer(const struct compiled *c, const char *name)
{
	if (matches(c, 0, name))
		return JUNK_YES;
	if (matches(c, 1, name))
		return JUNK_NEUTRAL;
	return c->text[2].n == 0 || matches(c, 2, name) ? JUNK_NO : JUNK_NEUTRAL;
}

static void texts_default(struct str *text)
{
	for (size_t i = 0; i < KINDS; i++)
		text[i] = str_of(defaults[i]);
}

static bool texts_load(struct tx *tx, int64_t account, struct arena *a, struct str *text, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT junk, neutral, notjunk FROM account WHERE id = ?1 AND junk IS NOT NULL",
				 NUM(account));
	texts_default(text);
	if (row_next(&r))
		for (size_t i = 0; i < KINDS; i++)
			text[i] = row_dup(&r, (int)i, a);
	return rows_end(&r, e);
}

bool junk_says(struct tx *tx, const struct box *b, struct str name, enum junk_says *out, struct err *e)
{
	const struct box_owner *o = b->owner;
	struct arena a = { 0 };
	struct str text[KINDS], lower;
	*out = JUNK_NOTHING;
	if (!o->junk_on)
		return true;
	*out = JUNK_YES;
	if (b->use == USE_JUNK)
		return true;
	*out = JUNK_NEUTRAL;
	if (!o->junk_own && str_eq(name, STR("INBOX"))) /* nearly all mail */
		return true;
	bool ok = local_lower(name, &a, &lower, e);
	if (o->junk_own)
		ok = ok && texts_load(tx, o->id, &a, text, e);
	else
		texts_default(text);
	if (ok)
		*out = answer(compiled_for(tx->st, text), str_z(&a, lower));
	arena_reset(&a);
	return ok;
}

bool junk_says_by_id(struct tx *tx, const struct box *b, enum junk_says *out, struct err *e)
{
	struct arena a = { 0 };
	*out = JUNK_NOTHING;
	if (!b->owner->junk_on)
		return true;
	struct rows r = sql_rows(tx, "SELECT name FROM mailbox WHERE id = ?1", NUM(b->id));
	struct str name = row_next(&r) ? row_dup(&r, 0, &a) : STR_NONE;
	bool ok = rows_end(&r, e) && junk_says(tx, b, name, out, e);
	arena_reset(&a);
	return ok;
}

/* --- what follows for a message ---------------------------------------------------------------- */

struct junk_change junk_change(enum junk_says from, enum junk_says to)
{
	const struct str junk = STR("$Junk"), notjunk = STR("$NotJunk"), none = STR_NONE;
	if (to == JUNK_YES)
		return (struct junk_change){ junk, notjunk };
	if (to == JUNK_NO)
		return (struct junk_change){ notjunk, junk };
	if (to == JUNK_NEUTRAL && from == JUNK_YES)
		return (struct junk_change){ none, junk };
	if (to == JUNK_NEUTRAL && from == JUNK_NO)
		return (struct junk_change){ none, notjunk };
	return (struct junk_change){ none, none };
}

bool junk_ready(struct tx *tx, int64_t mailbox, struct junk_change *c, struct err *e)
{
	struct arena a = { 0 };
	struct str known;
	bool ok = c->add.n == 0 || keywords_known(tx, mailbox, c->add, true, &a, &known, e);
	if (!ok && e->kind == ERR_PERM) {
		c->add = STR_NONE;
		ok = true;
	}
	arena_reset(&a);
	return ok;
}

struct str junk_apply(const struct junk_change *c, struct str keywords, struct arena *a)
{
	return keywords_apply(FLAGS_ADD, keywords_apply(FLAGS_REMOVE, keywords, c->remove, a), c->add, a);
}

/* --- the rules themselves ---------------------------------------------------------------------- */

struct rules_unit {
	int64_t id;
	struct str name;
	bool there, on, own;
	struct str text[KINDS];
	struct arena *a;
};

static bool unit_rules(struct tx *tx, void *arg, struct err *e)
{
	struct rules_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT junk_rules FROM account WHERE id = ?1", NUM(u->id));
	u->there = row_next(&r);
	u->on = u->there && row_num(&r, 0) != 0;
	return rows_end(&r, e) && texts_load(tx, u->id, u->a, u->text, e);
}

bool account_junk_rules(struct store *st, int64_t id, struct arena *a, struct junk_rules *out, struct err *e)
{
	struct rules_unit u = { .id = id, .a = a };
	if (!store_read(st, unit_rules, &u, e))
		return false;
	*out = (struct junk_rules){ u.on, u.text[0], u.text[1], u.text[2] };
	return u.there || err_set(e, ERR_PERM, "no such account: number %lld", (long long)id);
}

/* Behind a bracket expression that begins at `i`: "[]a]", "[^]a]", "[[:alpha:]]". */
static size_t bracket_end(struct str s, size_t i)
{
	i += i + 1 < s.n && s.p[i + 1] == '^' ? 2 : 1;
	for (size_t first = i; i < s.n && (s.p[i] != ']' || i == first); i++) {
		if (s.p[i] != '[' || i + 1 >= s.n || !strchr(".:=", s.p[i + 1]))
			continue;
		char class = s.p[i + 1];
		for (i += 2; i + 1 < s.n && (s.p[i] != class || s.p[i + 1] != ']'); i++)
			;
		i++;
	}
	return i;
}

/* What can make a short expression run for ever, or take all memory to compile. */
static const char *dangerous(struct str s)
{
	bool group = false; /* before `i` ends what may be long, or is repeated already */
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '+' && group) /* "x+" is compiled as "xx*": nested, each doubles what is inside */
			return "+ is taken behind a character or [ ] only: write (x)(x)* for (x)+";
		group = strchr(")*+?", s.p[i]) != NULL;
		if (s.p[i] == '\\') {
			i++;
			if (i < s.n && ch_digit(s.p[i]))
				return "back-references are not taken";
		} else if (s.p[i] == '[') {
			i = bracket_end(s, i);
		} else if (s.p[i] == '{') {
			return "counts in { } are not taken: write \\{ for the character";
		}
	}
	return NULL;
}

static bool text_right(struct str text, const char *kind, struct err *e)
{
	struct arena a = { 0 };
	regex_t re;
	char why[100];
	if (text.n > JUNK_RULE_OCTETS)
		return err_set(e, ERR_PERM, "the expression for %s has over %d octets", kind, JUNK_RULE_OCTETS);
	if (str_chr(text, '\0') < text.n)
		return err_set(e, ERR_PERM, "the expression for %s has a NUL octet", kind);
	const char *danger = dangerous(text);
	if (danger)
		return err_set(e, ERR_PERM, "the expression for %s: %s", kind, danger);
	if (text.n == 0)
		return true;
	int rc = regcomp(&re, str_z(&a, text), REG_EXTENDED | REG_NOSUB);
	arena_reset(&a);
	if (rc == 0) {
		regfree(&re);
		return true;
	}
	regerror(rc, NULL, why, sizeof why);
	return err_set(e, ERR_PERM, "the expression for %s, \"%.*s\": %s", kind, (int)(text.n < 80 ? text.n : 80),
		       text.p, why);
}

#define OWN_TEXT(u, i) ((u)->own ? TEXT((u)->text[i]) : (struct sql_arg){ SQL_NULL, 0, { 0 } })

static bool unit_rules_set(struct tx *tx, void *arg, struct err *e)
{
	struct rules_unit *u = arg;
	if (!sql_run(tx, e, "UPDATE account SET junk_rules = ?2, junk = ?3, neutral = ?4, notjunk = ?5 WHERE name = ?1",
		     TEXT(u->name), NUM(u->on), OWN_TEXT(u, 0), OWN_TEXT(u, 1), OWN_TEXT(u, 2)))
		return false;
	return sqlite3_changes(tx->db) > 0 ||
	       err_set(e, ERR_PERM, "no such account: %.*s", (int)(u->name.n < 64 ? u->name.n : 64), u->name.p);
}

bool account_junk_rules_set(struct store *st, struct str name, const struct junk_rules *rules, struct err *e)
{
	struct rules_unit u = { .name = name,
				.on = rules->on,
				.text = { rules->junk, rules->neutral, rules->notjunk } };
	for (size_t i = 0; i < KINDS; i++) {
		if (!text_right(u.text[i], kinds[i], e))
			return false;
		u.own = u.own || !str_eq(u.text[i], str_of(defaults[i]));
	}
	return store_do(st, unit_rules_set, &u, e);
}
