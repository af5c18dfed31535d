#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
	struct arena_block *older;
	size_t cap, n; /* of `bytes` */
	_Alignas(max_align_t) char bytes[];
};

#define ALIGN       _Alignof(max_align_t)
#define FIRST_BLOCK 256u        /* a waiting session often needs no more */
#define GROWN_BLOCK (64u << 10) /* blocks double up to this */

static void block_add(struct arena *a, size_t need)
{
	size_t cap = a->head ? a->head->cap * 2 : FIRST_BLOCK;
	if (cap > GROWN_BLOCK)
		cap = GROWN_BLOCK;
	if (cap < need)
		cap = need;
	struct arena_block *b = malloc(sizeof *b + cap);
	if (!b)
		abort(); /* truly out of memory: the parent starts us anew */
	b->older = a->head;
	b->cap = cap;
	b->n = 0;
	a->head = b;
	a->used += cap;
}

/* Room for `n` octets, not zeroed: for bytes that are written at once. */
static void *take(struct arena *a, size_t n)
{
	if (n > SIZE_MAX / 2)
		abort();
	size_t want = (n + ALIGN - 1) & ~(ALIGN - 1);
	if (!a->head || a->head->cap - a->head->n < want)
		block_add(a, want);
	void *p = a->head->bytes + a->head->n;
	a->head->n += want;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(take(a, n), 0, n);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n))
		abort();
	return arena_alloc(a, n);
}

void *arena_grow(struct arena *a, void *old, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return old;
	size_t grown = *cap ? *cap * 2 : 8;
	if (grown < need)
		grown = need;
	void *p = arena_array(a, grown, size);
	if (*cap)
		memcpy(p, old, *cap * size);
	*cap = grown;
	return p;
}

bool arena_full(const struct arena *a)
{
	return a->used > (a->ceiling ? a->ceiling : ARENA_CEILING);
}

void arena_reset(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;
		a->head = b->older;
		free(b);
	}
	a->used = 0;
}

struct str str_dup(struct arena *a, struct str s)
{
	if (s.n == 0)
		return STR_NONE;
	return (struct str){ memcpy(take(a, s.n), s.p, s.n), s.n };
}

struct str str_lower(struct arena *a, struct str s)
{
	char *p = take(a, s.n + 1);
	for (size_t i = 0; i < s.n; i++)
		p[i] = ch_lower(s.p[i]);
	return (struct str){ p, s.n };
}

struct str str_cat(struct arena *a, struct str x, struct str y)
{
	char *p = take(a, x.n + y.n + 1);
	memcpy(p, x.p, x.n);
	memcpy(p + x.n, y.p, y.n);
	return (struct str){ p, x.n + y.n };
}

char *str_z(struct arena *a, struct str s)
{
	char *p = take(a, s.n + 1);
	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str str_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort(); /* only a broken format does that */
	char *p = take(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return (struct str){ p, (size_t)n };
}
