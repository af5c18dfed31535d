/* set.h - sequence sets: "2,4:7,9,12:*" (RFC 3501 9).
 *
 * A set is held as ranges, sorted and merged, so that a huge or a silly one
 * costs no more than what it names.  "*" is the largest number in use; it is
 * only known to who asks, so it stays SET_STAR until set_resolve().
 */
#pragma once
#include "base/buf.h"
#include "imap/parse.h"

#define SET_STAR 0 /* no number is 0 */

struct range {
	uint32_t from, to; /* from <= to once resolved */
};
struct set {
	struct range *ranges;
	size_t n;
	bool saved; /* "$", the messages that the last SEARCH saved (RFC 5182): no ranges, see session_resolve() */
};

bool parse_set(struct parser *p, struct set *out);
/* "*" becomes `largest`; reversed ranges are turned, then all are sorted and merged.  Largest 0: nothing is left of
 * "*". */
struct set set_resolve(const struct set *s, uint32_t largest, struct arena *a);
/* The largest number that is written out; 0 when there is none.  A range up to "*" may begin anywhere. */
uint32_t set_largest(const struct set *s);
bool set_has(const struct set *resolved, uint32_t n);
/* Runs as a set is written: "1:4,7". */
struct uid_run;
void set_print(struct buf *b, const struct uid_run *runs, size_t n);

/* "1:500": positions among messages, the first is 1; "-1:-100": counted back from the last (RFC 9394). */
struct partial {
	bool last;
	uint32_t from, to; /* as given: either may be the larger */
};
bool parse_partial_range(struct parser *p, struct partial *out);
void partial_print(struct buf *b, const struct partial *x);
/* How many messages at that end of a list must be known to answer. */
uint32_t partial_reach(const struct partial *x);
/* Leave of the runs what stands at those positions; what is beyond the end is nothing. */
void partial_cut(const struct partial *x, struct uid_run *runs, size_t *n);
