/* bell.h - how one process tells another that something is new.
 *
 * Shared memory holds a sequence for each of BELL_SLOTS account slots, one for
 * the queue, and one for all (a futex).  Ringing is an increment and a wake;
 * nothing can overflow.  A listener waits on the futex, compares sequences
 * and asks the database only for what rang.  A missed ring delays by a second
 * at most: the waiter looks again by itself.
 *
 * Any thread may ring; a bell is waited for by one thread of a role.
 */
#pragma once
#include <stdint.h>

#define BELL_SLOTS 4096
#define BELL_QUEUE BELL_SLOTS /* the queue's own slot */

struct store;
unsigned bell_slot(int64_t account_id);
void bell_ring(struct store *st, unsigned slot);
/* The slot's sequence now; a session remembers it to know whether to look. */
uint32_t bell_seq(struct store *st, unsigned slot);
/* Wait until anything rings after `*all`, at most `ms`; updates *all. */
void bell_wait(struct store *st, uint32_t *all, int64_t ms);
/* Wake the waiter (to let it end). */
void bell_nudge(struct store *st);
