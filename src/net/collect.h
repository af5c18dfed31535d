/* collect.h - collectors: where one unit of input ends.
 *
 * The only code of a connection that can be interrupted at any octet: it is
 * fed what has come, however it was cut, and says when a line, a message up to
 * its final dot, or n octets are whole.  How the input was cut never changes
 * what comes out.  A line is not copied: until it is whole nothing of it is
 * taken, and the caller feeds it again with more behind it.  DATA and OCTETS
 * are taken as they come and go to the sink in runs as long as the input allows.
 *
 * The end of DATA is CRLF.CRLF and nothing else (RFC 5321 4.1.1.4, 2.3.8): a
 * lone CR or LF ends no line, so a dot after one is an octet like any other,
 * and nobody can hide a second message in the first.  No sockets, no clock.
 */
#pragma once
#include "net/pen.h"

enum data_at { DATA_START, DATA_MID, DATA_CR, DATA_DOT, DATA_DOT_CR };

struct collect {
	enum want want;
	enum data_at at;
	uint32_t line;  /* DATA: octets of the line so far */
	size_t max;     /* LINE */
	size_t scanned; /* LINE: octets known to hold no LF */
	uint64_t left;  /* OCTETS */
	struct sink *sink;
	struct unit unit; /* what is known of the unit so far */
};

enum collected { COLLECT_MORE, COLLECT_UNIT, COLLECT_LONG };

void collect_begin(struct collect *c, const struct next *next, size_t line_max);
/* Feed `in`; *taken of it are used up. COLLECT_UNIT: c->unit is whole (a line points into `in`).
 * COLLECT_LONG: the line is longer than it may be. */
enum collected collect_feed(struct collect *c, struct str in, size_t *taken);
/* Part of a unit has come (of a line: was fed). */
bool collect_begun(const struct collect *c);
