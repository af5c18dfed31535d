/* structure.h - ENVELOPE, BODY and BODYSTRUCTURE out of the index (RFC 3501 7.4.2).  The arena is scratch. */
#pragma once
#include "base/buf.h"
#include "mail/mime.h"

/* Which strings may be said in UTF-8 between quotes: none but ASCII (RFC 3501); those that have it anyway (RFC 9051);
 * those, and parameters that else are written as RFC 2231 has it (RFC 6855). */
enum say_utf8 { SAY_ASCII, SAY_REV2, SAY_UTF8 };
void say_text(struct buf *b, struct str s, enum say_utf8 utf8);
void say_number(struct buf *b, uint64_t n);

void say_envelope(struct buf *b, const struct envelope *e, enum say_utf8 utf8, struct arena *a);
/* extended: BODYSTRUCTURE, else BODY. */
void say_structure(struct buf *b, const struct part *p, bool extended, enum say_utf8 utf8, struct arena *a);
