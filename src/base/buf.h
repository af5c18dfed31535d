/* buf.h - build text.
 *
 * A growing run of bytes on the heap.  A zeroed buf is empty and ready;
 * buf_free() gives it back (and makes it empty and ready again).  Growing
 * never fails (out of memory aborts), so callers bound what they add; a buf
 * with `max` set stops adding there and remembers it in `full`.
 * Belongs to one thread at a time.
 */
#pragma once
#include "base/str.h"
#include <stdarg.h>

struct buf {
	char *p;
	size_t n, cap;
	size_t max; /* 0 = no bound */
	bool full;  /* something did not fit under `max` */
};

void buf_add_grow(struct buf *b, struct str s); /* buf_add where there is no room, or a bound */
static inline void buf_add(struct buf *b, struct str s)
{
	if (b->max || s.n > b->cap - b->n || s.n == 0) {
		buf_add_grow(b, s);
		return;
	}
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}
static inline void buf_addz(struct buf *b, const char *z)
{
	buf_add(b, (struct str){ z, strlen(z) });
}
static inline void buf_addc(struct buf *b, char c)
{
	buf_add(b, (struct str){ &c, 1 });
}
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Room for `n` more bytes at the end; the caller writes and adds to b->n. */
char *buf_reserve(struct buf *b, size_t n);
/* Drop the first `n` bytes. */
void buf_drop(struct buf *b, size_t n);
/* Empty it, keep the memory / give the memory back. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
static inline struct str buf_str(const struct buf *b)
{
	return b->n ? (struct str){ b->p, b->n } : (struct str){ "", 0 };
}

/* Writers of notations.  JSON: a quoted string, invalid UTF-8 as U+FFFD. */
void buf_json(struct buf *b, struct str s);
void buf_base64(struct buf *b, struct str s); /* one line, RFC 4648 4 */
/* Decode strictly (RFC 4648 4; no blanks).  False and nothing added when malformed. */
bool buf_unbase64(struct buf *b, struct str s);
/* Fixed-width little-endian and varint, for our own stored blobs. */
void buf_u32(struct buf *b, uint32_t v);
void buf_varint(struct buf *b, uint64_t v);
bool varint_take(struct str *s, uint64_t *v);
