#include "base/hash.h"

#include <sodium.h>
#include <stdlib.h>

static uint8_t key[crypto_shorthash_KEYBYTES];

void hash_init(void)
{
	if (sodium_init() < 0)
		abort(); /* no randomness: nothing here would be safe */
	randombytes_buf(key, sizeof key);
}

void hash_init_key(const uint8_t k[16])
{
	if (sodium_init() < 0)
		abort();
	memcpy(key, k, sizeof key);
}

uint64_t hash_str(struct str s)
{
	uint64_t out;
	crypto_shorthash((unsigned char *)&out, (const unsigned char *)s.p, s.n, key);
	return out;
}

uint64_t hash_stri(struct str s)
{
	char small[256];
	char *p = s.n <= sizeof small ? small : malloc(s.n);
	if (!p)
		abort();
	for (size_t i = 0; i < s.n; i++)
		p[i] = ch_lower(s.p[i]);
	uint64_t out = hash_str((struct str){ p, s.n });
	if (p != small)
		free(p);
	return out;
}

void random_bytes(void *p, size_t n)
{
	randombytes_buf(p, n);
}

void random_id(char *out, size_t n)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	random_bytes(out, n);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[(unsigned char)out[i] & 31];
	out[n] = '\0';
}
