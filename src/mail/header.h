/* header.h - the header block: fields in their order, still folded (RFC 5322 2.2). */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#define HEADER_FIELDS_MAX 1000
#define HEADER_BYTES_MAX  (256u << 10)

struct header {
	struct str name;  /* without colon and blanks before it */
	struct str value; /* after the colon, folded, with its CRLFs inside, without the last one */
	struct str whole; /* the field as it stands, with its CRLF */
};
/* Take the next field off `rest`.  False at the blank line (which is consumed), or at the end. A line that is no field
 * (no colon) is returned with an empty name so that nothing is lost. LF-only lines are understood (stored mail of
 * others). */
bool header_next(struct str *rest, struct header *h);
/* The header block of a message including the blank line; the rest is the body. */
struct str header_block(struct str message);
/* First field of that name in `block`; false when there is none. `count` how many there are. */
bool header_find(struct str block, struct str name, struct header *h);
size_t header_count(struct str block, struct str name);
/* Unfolded (CRLF before blank removed), trimmed. */
struct str header_unfold(struct arena *a, struct str value);
/* Without comments, for structured fields: "a (b) c" -> "a c". Quoted strings kept. */
struct str header_uncomment(struct arena *a, struct str value);
