/* pattern.h - LIST patterns: "*" is anything, "%" anything but "/" (RFC 3501 6.3.8).
 *
 * All positions a match could be at are carried along together, as bits, so the
 * time is pattern x name / 64 whatever the pattern; there is no backtracking to be
 * aimed at.  INBOX matches in any case.  Pure; what is made lives in the arena.
 */
#pragma once
#include "base/arena.h"

#define PATTERN_MAX     1000 /* octets of one pattern */
#define PATTERNS_MAX    64   /* patterns of one command ... */
#define PATTERNS_OCTETS 4000 /* ... and their octets together */

struct pattern;
/* `text` has at most PATTERN_MAX octets. */
const struct pattern *pattern_new(struct str text, struct arena *a);
bool pattern_matches(const struct pattern *p, struct str name);
