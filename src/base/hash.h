/* hash.h - hashes of what strangers name.
 *
 * Every table whose keys a stranger chooses is keyed with a secret drawn at
 * start (SipHash-2-4, libsodium), so that collisions cannot be aimed.
 * hash_init() once per process before threads; then safe in any thread.
 */
#pragma once
#include "base/str.h"

void hash_init(void);                      /* draws the key; aborts without randomness */
void hash_init_key(const uint8_t key[16]); /* tests, and tables shared by several processes */
uint64_t hash_str(struct str s);
uint64_t hash_stri(struct str s); /* ASCII case folded */
void random_bytes(void *p, size_t n);
/* `n` characters of a-z 2-7 and a terminating NUL: ids and file names. */
void random_id(char *out, size_t n);
