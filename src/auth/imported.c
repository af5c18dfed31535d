#include "auth/imported.h"
#include "base/num.h"

#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>

/* One check costs at most about a second and 256 MiB. */
#define ROUNDS_MAX    1000000 /* $5$, $6$ */
#define BCRYPT_MAX    14      /* 2^14 */
#define ARGON2_KIB    262144
#define ARGON2_PASSES 10

static bool any_cost(struct str rest)
{
	(void)rest;
	return true;
}

/* "$6$rounds=5000$salt$..." */
static bool rounds_ok(struct str rest)
{
	uint64_t n;
	if (!str_skip(&rest, STR("rounds=")))
		return true;
	return num_take(&rest, ROUNDS_MAX, &n) && str_skipc(&rest, '$');
}

/* "$2b$10$..." */
static bool bcrypt_ok(struct str rest)
{
	uint64_t n;
	return num_take(&rest, BCRYPT_MAX, &n) && str_skipc(&rest, '$');
}

/* "$y$j9T$...": flavour, then log2(N) - 1 and r - 1, each a digit of base 64; here at most 2^15 and 32, 128 MiB. */
static bool yescrypt_ok(struct str rest)
{
	struct str cost = str_cut(&rest, '$');
	struct str sizes = STR("./0123456789ABC"), blocks = STR("./0123456789ABCDEFGHIJKLMNOPQRST");
	return cost.n == 3 && cost.p[0] == 'j' && str_chr(sizes, cost.p[1]) < sizes.n &&
	       str_chr(blocks, cost.p[2]) < blocks.n;
}

/* "$argon2id$v=19$m=65536,t=2,p=1$..." */
static bool argon2_ok(struct str rest)
{
	uint64_t n;
	return str_skip(&rest, STR("v=19$m=")) && num_take(&rest, ARGON2_KIB, &n) && str_skip(&rest, STR(",t=")) &&
	       num_take(&rest, ARGON2_PASSES, &n) && str_skip(&rest, STR(",p=1$"));
}

static const struct scheme {
	struct str prefix;
	bool (*cost_ok)(struct str rest);
	enum imported kind;
} schemes[] = {
	{ STR("$y$"), yescrypt_ok, IMPORTED_CRYPT },       { STR("$gy$"), yescrypt_ok, IMPORTED_CRYPT },
	{ STR("$2a$"), bcrypt_ok, IMPORTED_CRYPT },        { STR("$2b$"), bcrypt_ok, IMPORTED_CRYPT },
	{ STR("$2y$"), bcrypt_ok, IMPORTED_CRYPT },        { STR("$6$"), rounds_ok, IMPORTED_CRYPT },
	{ STR("$5$"), rounds_ok, IMPORTED_CRYPT },         { STR("$1$"), any_cost, IMPORTED_CRYPT },
	{ STR("$argon2id$"), argon2_ok, IMPORTED_ARGON2 }, { STR("$argon2i$"), argon2_ok, IMPORTED_ARGON2 },
};

static const struct scheme *find(struct str *hash)
{
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (str_starts(*hash, schemes[i].prefix)) {
			*hash = str_sub(*hash, schemes[i].prefix.n, hash->n);
			return &schemes[i];
		}
	return NULL;
}

/* What crypt(3) makes of `typed` with that hash as its setting; false when it knows no such setting. */
static bool computed(struct str hash, struct str typed, char out[IMPORTED_MAX + 1])
{
	char setting[IMPORTED_MAX + 1], phrase[CRYPT_MAX_PASSPHRASE_SIZE + 1];
	bool ok = false;
	struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB: no room for it on a worker's stack */
	if (!data)
		abort();
	if (hash.n <= IMPORTED_MAX && typed.n <= CRYPT_MAX_PASSPHRASE_SIZE && !memchr(typed.p, 0, typed.n)) {
		memcpy(setting, hash.p, hash.n);
		setting[hash.n] = '\0';
		memcpy(phrase, typed.p, typed.n);
		phrase[typed.n] = '\0';
		char *r = crypt_rn(phrase, setting, data, sizeof *data);
		size_t n = r ? strlen(r) : 0;
		ok = n > 0 && n <= IMPORTED_MAX;
		if (ok)
			memcpy(out, r, n + 1);
	}
	sodium_memzero(phrase, sizeof phrase);
	sodium_memzero(data, sizeof *data);
	free(data);
	return ok;
}

bool imported_read(struct str *hash, enum imported *kind, struct err *e)
{
	char out[IMPORTED_MAX + 1];
	struct str whole = str_trim(*hash);
	if (str_starts(whole, STR("{")))
		str_cut(&whole, '}');
	struct str rest = whole;
	const struct scheme *s = whole.n <= IMPORTED_MAX ? find(&rest) : NULL;
	if (!s)
		return err_set(e, ERR_PERM,
			       "a hash begins with $y$, $gy$, $2a$, $2b$, $2y$, $6$, $5$, $1$, $argon2id$ "
			       "or $argon2i$; this one does not");
	if (!s->cost_ok(rest))
		return err_set(e, ERR_PERM, "the cost in the hash is malformed or more than a login may take");
	/* Only a whole hash has the length of what it makes. */
	if (s->kind == IMPORTED_CRYPT && (!computed(whole, STR_NONE, out) || strlen(out) != whole.n))
		return err_set(e, ERR_PERM, "the hash is malformed or not whole");
	if (s->kind == IMPORTED_ARGON2 && (whole.n >= crypto_pwhash_STRBYTES || memchr(whole.p, 0, whole.n)))
		return err_set(e, ERR_PERM, "the hash is malformed: too long");
	*hash = whole;
	*kind = s->kind;
	return true;
}

bool imported_crypt_verify(struct str hash, struct str typed)
{
	char out[IMPORTED_MAX + 1];
	if (!computed(hash, typed, out) || strlen(out) != hash.n)
		return false;
	return sodium_memcmp(out, hash.p, hash.n) == 0;
}

bool imported_argon2_verify(struct str hash, struct str typed)
{
	char text[crypto_pwhash_STRBYTES] = { 0 };
	if (hash.n >= sizeof text)
		return false;
	memcpy(text, hash.p, hash.n);
	return crypto_pwhash_str_verify(text, typed.p, typed.n) == 0;
}
