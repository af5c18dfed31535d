/* lex.h - the small words that structured fields are made of (RFC 5322 3.2, RFC 2045 5.1).
 *
 * Blanks, comments (nested, "\" escapes), quoted strings and the two classes
 * of plain characters: atext of addresses and token of MIME.  Every function
 * moves forward over its input and stops at its end, so a parser built on
 * them takes time in proportion to what it reads; what is never closed ends
 * where the field ends.  Octets above 127 count as atext (RFC 6532 3.2).
 */
#pragma once
#include "base/arena.h"

bool lex_atext(char c);
bool lex_token(char c);
/* Skip blanks, line ends and comments. `comment` (may be NULL) gets the inside of the last comment, if there was one.
 */
void lex_cfws(struct str *s, struct str *comment);
/* At a '(': take the comment, return its inside with quoted pairs as they stand. */
struct str lex_comment(struct str *s);
/* At a '"': take the quoted string, return its inside as it stands. */
struct str lex_quoted(struct str *s);
/* Take the longest run of characters for which `is` holds. */
struct str lex_run(struct str *s, bool (*is)(char));
/* Quoted pairs and line ends removed; points into `inside` when there is none. */
struct str lex_unquote(struct arena *a, struct str inside);
/* The same into `to`, which has room for inside.n octets; returns how many. */
size_t lex_unquote_to(char *to, struct str inside);
