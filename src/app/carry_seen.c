#include "app/carry_seen.h"

#include <sodium.h>
#include <stdlib.h>

void seen_hash(struct str prefix, struct str bytes, uint8_t out[SEEN_HASH])
{
	crypto_generichash_state st;
	crypto_generichash_init(&st, NULL, 0, SEEN_HASH);
	crypto_generichash_update(&st, (const uint8_t *)prefix.p, prefix.n);
	crypto_generichash_update(&st, (const uint8_t *)bytes.p, bytes.n);
	crypto_generichash_final(&st, out, SEEN_HASH);
}

/* Its slot, or the free one where it would be. There is always a free one. */
static struct seen_slot *find(const struct seen *s, const uint8_t hash[SEEN_HASH])
{
	size_t i;
	memcpy(&i, hash, sizeof i); /* a hash is as random as its place has to be */
	for (i &= s->cap - 1; s->slots[i].times > 0 && memcmp(s->slots[i].hash, hash, SEEN_HASH) != 0;)
		i = (i + 1) & (s->cap - 1);
	return &s->slots[i];
}

#define GONE UINT32_MAX /* taken as often as it was there: the chain behind it goes on */

static void grow(struct seen *s)
{
	struct seen old = *s;
	s->cap = old.cap ? old.cap * 2 : 256;
	s->slots = calloc(s->cap, sizeof *s->slots);
	if (!s->slots)
		abort();
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].times > 0)
			*find(s, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}

void seen_add(struct seen *s, const uint8_t hash[SEEN_HASH])
{
	if (s->n >= s->cap / 2)
		grow(s);
	struct seen_slot *x = find(s, hash);
	if (x->times == 0) {
		memcpy(x->hash, hash, SEEN_HASH);
		s->n++;
	}
	x->times = x->times == GONE ? 1 : x->times + 1;
}

uint32_t seen_times(const struct seen *s, const uint8_t hash[SEEN_HASH])
{
	uint32_t times = s->cap ? find(s, hash)->times : 0;
	return times == GONE ? 0 : times;
}

bool seen_has(const struct seen *s, const uint8_t hash[SEEN_HASH])
{
	return seen_times(s, hash) > 0;
}

bool seen_take(struct seen *s, const uint8_t hash[SEEN_HASH])
{
	if (!seen_has(s, hash))
		return false;
	struct seen_slot *x = find(s, hash);
	x->times = x->times == 1 ? GONE : x->times - 1;
	return true;
}

void seen_free(struct seen *s)
{
	free(s->slots);
	*s = (struct seen){ 0 };
}
