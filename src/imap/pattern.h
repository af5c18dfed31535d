/* pattern.h - LIST patterns: "*" is anything, "%" anything but "/" (RFC 3501 6.3.8).
 *
 * All positions a match could be at are carried along together, so the time is
 * pattern x name whatever the pattern; no backtracking to be aimed at.  Pure.
 */
#pragma once
#include "base/str.h"

#define PATTERN_MAX 1000
/* INBOX matches in any case.  Patterns over PATTERN_MAX match nothing. */
bool pattern_matches(struct str pattern, struct str name);
