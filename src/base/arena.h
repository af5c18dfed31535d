/* arena.h - memory with one lifetime, given back in one move.
 *
 * A function that allocates takes an arena, so its signature says how long
 * the result lives.  Allocation never returns NULL: protocol limits bound
 * what strangers can ask for, and a process truly out of memory aborts and is
 * restarted.  A zeroed arena is empty and ready; its first block is as small
 * as the first request allows, so a waiting session stays small.
 *
 * Each arena has a ceiling (0 = ARENA_CEILING).  It is soft: past it
 * allocation goes on, but arena_full() says true.  Loops that grow with what
 * a peer sent ask it and stop; the unit is then answered 451 or NO instead of
 * the process dying with everybody's sessions.
 *
 * An arena belongs to one thread at a time.
 */
#pragma once
#include "base/str.h"

#define ARENA_CEILING ((size_t)32 << 20)

struct arena_block;
struct arena {
	struct arena_block *head; /* newest first */
	size_t used;              /* bytes in all blocks, for the ceiling */
	size_t ceiling;           /* 0 = ARENA_CEILING */
};

/* Zeroed, aligned for any type. `n` may be 0. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t count, size_t size); /* aborts on overflow */
#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))
/* Grow an array from `*cap` to at least `need` elements, doubling; copies the old ones. */
void *arena_grow(struct arena *a, void *old, size_t *cap, size_t need, size_t size);
bool arena_full(const struct arena *a);
/* Give everything back.  The arena is empty and usable again. */
void arena_reset(struct arena *a);

struct str str_dup(struct arena *a, struct str s);
struct str str_lower(struct arena *a, struct str s); /* ASCII case */
struct str str_cat(struct arena *a, struct str x, struct str y);
/* NUL-terminated copy, for system calls.  A NUL inside cuts it short. */
char *str_z(struct arena *a, struct str s);
__attribute__((format(printf, 2, 3))) struct str str_fmt(struct arena *a, const char *fmt, ...);
