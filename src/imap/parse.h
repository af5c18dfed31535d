/* parse.h - the words of IMAP commands (RFC 3501 9).
 *
 * A parser stands over the bytes of one whole command: its lines joined by
 * CRLF, each literal's octets right behind the line that announced it.  Every
 * function takes one thing off the front and says true; or it says false and
 * notes what was expected where, for the tagged BAD.  What is returned points
 * into the command, or into the arena where quotes had to be undone.
 */
#pragma once
#include "base/arena.h"

struct parser {
	struct str all;
	size_t at;
	struct arena *arena;
	const char *expected; /* what the first failure wanted; NULL while all is well */
	size_t expected_at;
	bool pending;     /* failed because a literal's octets have not come yet */
	unsigned nesting; /* lists may be this deep */
	bool utf8;        /* mailbox names are UTF-8 as they stand, not modified UTF-7 (RFC 6855 3, RFC 9051 5.1) */
};

#define PARSE_KEYWORD_MAX  100 /* octets of one keyword (flag without backslash) */
#define PARSE_KEYWORDS_MAX 50  /* keywords in one command */

struct parser parser_new(struct str all, struct arena *a, unsigned nesting);
bool parse_fail(struct parser *p, const char *expected);
/* "expected a number at octet 12, found `x'". */
struct str parse_why(const struct parser *p);
bool parse_at_end(const struct parser *p);
bool parse_is(const struct parser *p, char c); /* looks, takes nothing */
bool parse_try(struct parser *p, char c);
bool parse_try_word(struct parser *p, struct str word); /* ASCII case; no failure noted */

bool parse_end(struct parser *p);
bool parse_space(struct parser *p);
bool parse_char(struct parser *p, char c, const char *what);
bool parse_tag(struct parser *p, struct str *out);
bool parse_atom(struct parser *p, struct str *out, const char *what);
bool parse_string(struct parser *p, struct str *out, const char *what);
bool parse_astring(struct parser *p, struct str *out, const char *what);
bool parse_nstring(struct parser *p, struct str *out, bool *nil, const char *what);
bool parse_number(struct parser *p, uint64_t max, uint64_t *out, const char *what);
/* A mailbox name as the store knows it: UTF-8, NFC, INBOX in capitals.  8-bit names are taken as UTF-8. */
bool parse_mailbox(struct parser *p, struct str *out);
/* The same, and in *given how it was spelt before it was brought to that form. */
bool parse_mailbox_as(struct parser *p, struct str *out, struct str *given);
/* list-mailbox: as astring with % and *. */
bool parse_pattern(struct parser *p, struct str *out);
/* "(\Seen word)", or without the brackets when they may be missing (STORE).  Keywords blank-separated. */
bool parse_flags(struct parser *p, bool bare, unsigned *flags, struct str *keywords);
bool parse_date_time(struct parser *p, int64_t *wall_ms); /* quoted */
bool parse_date(struct parser *p, int64_t *wall_ms);      /* the day's start in UTC */
/* Does this line announce a literal ("{12}", "{12+}")? */
bool parse_literal_mark(struct str line, uint64_t *octets, bool *plus);
