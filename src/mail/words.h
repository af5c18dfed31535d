/* words.h - encoded words (RFC 2047) and charsets.
 *
 * charset_warm() opens the fixed list of charsets once (iconv loads modules
 * by name, so a stranger's name must never reach it later, and the fence
 * closes after); charset_utf8() knows only those. Call it before threads and before fencing.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

void charset_warm(void);
/* To UTF-8; undecodable bytes become U+FFFD; an unknown charset is read as UTF-8 if valid, else Windows-1252, and says
 * false. */
bool charset_utf8(struct buf *b, struct str charset, struct str bytes);
bool utf8_valid(struct str s);
/* "=?utf-8?q?...?=" to UTF-8; CR, LF and NUL out of a word become blanks; whitespace between two words dropped;
 * anything else passes through (raw 8-bit as above). */
struct str words_decode(struct arena *a, struct str value);
/* The reverse: ASCII as it is, else encoded words of at most 75 octets, folded. */
void words_encode(struct buf *b, struct str utf8, size_t column);
/* A display name: atoms as they are, else a quoted string, else encoded words (RFC 5322 3.4, RFC 2047 5 (3)). */
void words_phrase(struct buf *b, struct str utf8, size_t column);
