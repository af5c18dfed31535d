/* date.h - dates of mail: RFC 5322 3.3 (with the obsolete zones), IMAP's date-time, RFC 3339. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* "Fri, 21 Nov 1997 09:55:06 -0600"; lenient as RFC 5322 4.3. `zone_minutes` may be NULL. */
bool date_parse(struct str s, int64_t *wall_ms, int *zone_minutes);
/* "Sat, 21 Nov 2026 10:00:00 +0000" in UTC. */
void date_print(struct buf *b, int64_t wall_ms);
/* IMAP "21-Nov-2026 10:00:00 +0000", with or without quotes; and SEARCH dates "1-Feb-1994" to the day's start in UTC.
 */
bool date_parse_imap(struct str s, int64_t *wall_ms);
bool date_parse_imap_day(struct str s, int64_t *wall_ms);
void date_print_imap(struct buf *b, int64_t wall_ms);
void date_print_3339(struct buf *b, int64_t wall_ms); /* milliseconds, Z */
