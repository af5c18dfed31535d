/* text.h - finding words in messages: decoded, and without regard to case in any script.
 *
 * Both sides are folded (Unicode case folding over NFKD, near to RFC 5051), so
 * "strasse" finds "Straße" and "cafe" finds "café".  Text that is ASCII alone
 * takes a short way.  The body's text is decoded once for a message, however
 * many keys look into it.
 */
#pragma once
#include "imap/message.h"

#define TEXT_PART_MAX    (4u << 20)  /* octets of one part, or of one header, that are searched */
#define TEXT_MESSAGE_MAX (16u << 20) /* of all parts of a message */

struct str text_fold(struct str utf8, struct arena *a);
/* `needle` folded already; the empty one is everywhere. */
bool text_has(struct str utf8, struct str needle, struct arena *a);
/* A header value with folding and encoded words undone. */
bool text_has_value(struct str value, struct str needle);

/* What BODY looks into: text parts, and the headers of messages inside; folded. */
struct text_piece {
	struct str folded;
	struct text_piece *next;
};
bool text_of_body(struct message *m, struct text_piece **out, struct err *e);
/* The top-level header, prefix and all. */
bool text_header_has(struct message *m, struct str field /* empty: any */, struct str needle, bool *has, struct err *e);

/* What the full-text index is given: the header without the prefix, field by field, and the body, piece by piece, each
 * followed by TEXT_END, which no valid UTF-8 has. So a needle is in one of them exactly where the functions above find
 * it. At most TEXT_INDEX_MAX octets of each are added; *all: that was all of it. */
#define TEXT_INDEX_MAX (1u << 20)
#define TEXT_END       '\xff'
bool text_index(struct message *m, struct buf *head, struct buf *body, bool *all, struct err *e);
