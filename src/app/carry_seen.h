/* carry_seen.h - which octets a mailbox holds: a table of hashes, each with how often.
 *
 * Not locked; one thread.
 */
#pragma once
#include "base/str.h"

#define SEEN_HASH 16 /* octets of BLAKE2b */

struct seen_slot {
	uint8_t hash[SEEN_HASH];
	uint32_t times;
};
struct seen {
	struct seen_slot *slots;
	size_t n, cap;
};
void seen_hash(struct str prefix, struct str bytes, uint8_t out[SEEN_HASH]);
void seen_add(struct seen *s, const uint8_t hash[SEEN_HASH]);
bool seen_has(const struct seen *s, const uint8_t hash[SEEN_HASH]);
uint32_t seen_times(const struct seen *s, const uint8_t hash[SEEN_HASH]);
bool seen_take(struct seen *s, const uint8_t hash[SEEN_HASH]); /* once less; false: it is not there */
void seen_free(struct seen *s);
