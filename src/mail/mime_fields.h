/* mime_fields.h - from a header block to the fields of a struct part; private to mime*.c. */
#pragma once
#include "mail/mime.h"

#define BOUNDARY_MAX 256

enum { ENVELOPE_FIELDS = 10 }; /* Date ... Message-Id, in the order of IMAP and of `have` */
struct str *envelope_slot(struct envelope *e, size_t i);

/* A part of which nothing is known yet: TEXT/PLAIN, 7BIT, no string NULL. */
void part_clear(struct part *p);
/* Read the fields of `block` into `p` (and into p->envelope, when it has one). The first field of a name counts;
 * one past the header limits does not, and sets p->cut. `digest`: what has no type is MESSAGE/RFC822 (RFC 2046 5.1.5).
 */
void part_fields(struct part *p, struct str block, bool digest, struct arena *a);
/* Make it an opaque leaf. */
void part_opaque(struct part *p);
