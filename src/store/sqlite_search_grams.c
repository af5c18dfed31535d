/* The tokenizer of the full-text index: every run of three octets, so that a phrase of them is a substring.
 *
 * Octets and not characters: what is valid UTF-8 is found as such all the
 * same, and what is not needs no rule.  FTS5 finds a token in memory by a hash
 * of its octets that knows only a few thousand values for three lower-case
 * letters; two octets more, made of the three, spread them (that halves the cost of a
 * message).  No octet of a token may be NUL.
 */
#include "store/sqlite_search.h"

#define GRAM 3

typedef int (*token_fn)(void *ctx, int flags, const char *token, int n, int from, int to);

static int grams_new(void *ctx, const char **args, int n, Fts5Tokenizer **out)
{
	static char something; /* no state: any pointer will do */
	(void)ctx, (void)args, (void)n;
	*out = (Fts5Tokenizer *)&something;
	return SQLITE_OK;
}

static void grams_free(Fts5Tokenizer *t)
{
	(void)t;
}

static void gram(const unsigned char *p, char token[GRAM + 2])
{
	uint32_t v = 0;
	for (int i = 0; i < GRAM; i++) {
		unsigned char c = p[i] ? p[i] : (unsigned char)SEARCH_END; /* no needle has either */
		token[i] = (char)c;
		v = v << 8 | c;
	}
	v *= 2654435761u; /* Knuth's multiplier */
	v ^= v >> 15;
	token[GRAM] = (char)(v >> 24 | 1);
	token[GRAM + 1] = (char)(v >> 12 | 1);
}

static int grams_run(Fts5Tokenizer *t, void *ctx, int why, const char *text, int n, token_fn add)
{
	int rc = SQLITE_OK;
	(void)t, (void)why;
	for (int i = 0; i + GRAM <= n && rc == SQLITE_OK; i++) {
		char token[GRAM + 2];
		gram((const unsigned char *)text + i, token);
		rc = add(ctx, 0, token, sizeof token, i, i + GRAM);
	}
	return rc;
}

bool search_grams(sqlite3 *db)
{
	fts5_tokenizer grams = { grams_new, grams_free, grams_run };
	fts5_api *api = NULL;
	sqlite3_stmt *s = NULL;
	if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &s, NULL) == SQLITE_OK) {
		sqlite3_bind_pointer(s, 1, (void *)&api, "fts5_api_ptr", NULL);
		sqlite3_step(s);
	}
	sqlite3_finalize(s);
	return api && api->xCreateTokenizer(api, "grams", NULL, &grams, NULL) == SQLITE_OK;
}
