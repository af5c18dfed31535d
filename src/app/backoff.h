/* backoff.h - how long to wait before a role that died is started again.
 *
 * 100 ms, doubling to 30 s; one that lived for a minute starts from the
 * beginning.  A plain value; the time is passed in.
 */
#pragma once
#include <stdint.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  30000
#define BACKOFF_WELL_MS  60000 /* who lived this long was well */

struct backoff {
	int64_t wait_ms; /* the last wait; 0 = none yet */
};
/* It lived `lived_ms`: how long to wait now. */
int64_t backoff_next(struct backoff *b, int64_t lived_ms);
