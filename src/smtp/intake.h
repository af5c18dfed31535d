/* intake.h - a sink before the stage: counts what the pen does not, and repairs.
 *
 * Octets of BDAT come unexamined (the pen only looks at DATA), so they are
 * counted here: NUL, bare CR, bare LF, the longest line; what is bare is bare
 * even when its neighbour comes with the next chunk.  With `repair` each
 * bare CR or LF becomes CRLF on its way.  The intake takes all it is given, so
 * that a chunk is always read to its end; what the stage refused is remembered.
 */
#pragma once
#include "store/content.h"

/* What was seen in a message; numbers saturate. */
struct counts {
	unsigned bare_cr, bare_lf, nuls;
	uint32_t longest; /* line, without its CRLF */
};
struct intake {
	struct sink sink; /* give &intake->sink to the pen */
	struct stage *stage;
	bool repair;
	bool failed; /* the stage would not take it: stage->err */
	bool any;
	char last; /* the octet before the next one */
	uint32_t column;
	struct counts seen;
};
void intake_open(struct intake *in, struct stage *stage, bool repair);
/* All octets are here: judge a last CR, end the last line if nothing did. */
void intake_end(struct intake *in);
