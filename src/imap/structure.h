/* structure.h - ENVELOPE, BODY and BODYSTRUCTURE out of the index (RFC 3501 7.4.2).  The arena is scratch. */
#pragma once
#include "base/buf.h"
#include "mail/mime.h"

void say_envelope(struct buf *b, const struct envelope *e, struct arena *a);
/* extended: BODYSTRUCTURE, else BODY. */
void say_structure(struct buf *b, const struct part *p, bool extended, struct arena *a);
