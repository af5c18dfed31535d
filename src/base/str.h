/* str.h - a borrowed view of bytes.
 *
 * Mail is bytes, sometimes NUL among them.  A `struct str` points at somebody
 * else's bytes: it is passed by value, is never freed, is not NUL-terminated,
 * and is never NULL (empty is {"", 0}).  Who holds one must know how long the
 * bytes behind it live; an arena (arena.h) is the usual answer.
 *
 * "ASCII case" here means A-Z only: protocols fold nothing else.
 * Pure functions, no allocation, safe in any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE ((struct str){ "", 0 })
#define STRF(s)  (int)(s).n, (s).p /* printf("%.*s", STRF(s)) */

/* The C string `z` as a slice; NULL gives the empty one. */
struct str str_of(const char *z);
bool str_eq(struct str a, struct str b);
bool str_eqi(struct str a, struct str b); /* ASCII case */
/* <0, 0, >0 as memcmp, a prefix sorts first; `cmpi` folds ASCII case. */
int str_cmp(struct str a, struct str b);
int str_cmpi(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_startsi(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_endsi(struct str s, struct str suffix);
/* Offset of the first `c` / `needle` in `s`, or s.n when there is none. */
size_t str_chr(struct str s, char c);
size_t str_find(struct str s, struct str needle);
size_t str_findi(struct str s, struct str needle);
/* s[from, to), both clamped to the slice. */
struct str str_sub(struct str s, size_t from, size_t to);
/* Cut `s` at the first `sep`: return what precedes it, leave what follows. */
struct str str_cut(struct str *s, char sep);
/* If `s` begins with `prefix` (ASCII case ignored) drop it and say true. */
bool str_skip(struct str *s, struct str prefix);
bool str_skipc(struct str *s, char c);
/* Take the bytes up to and including the next LF; at the end, all the rest. */
struct str str_line(struct str *s);
/* Without the CRLF (or lone LF) that ends it. */
struct str str_chomp(struct str s);
/* Without blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* ASCII only, whatever the locale says. */
static inline bool ch_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool ch_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool ch_alnum(char c)
{
	return ch_digit(c) || ch_alpha(c);
}
static inline bool ch_blank(char c)
{
	return c == ' ' || c == '\t';
}
static inline bool ch_space(char c)
{
	return ch_blank(c) || c == '\r' || c == '\n';
}
static inline char ch_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}
static inline char ch_upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}
/* 0..15, or -1. */
int ch_hex(char c);
