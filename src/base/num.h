/* num.h - numbers that a peer sent: checked, or not taken. */
#pragma once
#include "base/str.h"

/* size-value = 1*20DIGIT (RFC 1870 3).  False if absent, malformed or above `max`. */
bool num_parse(struct str s, uint64_t max, uint64_t *out);
/* Take the digits at the front of `s`; false (and `s` untouched) when there is none, or above `max`. */
bool num_take(struct str *s, uint64_t max, uint64_t *out);
/* "300", "64KiB", "100MiB", "1GiB", "4k": octets. "30s", "5m", "2h", "7d", "500ms": milliseconds. */
bool num_parse_size(struct str s, uint64_t *octets);
bool num_parse_duration(struct str s, int64_t *ms);
