/* utf7.h - mailbox names: modified UTF-7 on the wire (RFC 3501 5.1.3), UTF-8 in the store. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* To UTF-8 in NFC, INBOX in capitals.  False: not modified UTF-7, a NUL or CR or LF inside, or invalid 8-bit text. */
bool utf7_decode(struct str wire, struct arena *a, struct str *utf8);
/* The same; with `plain` the name stands as UTF-8 (RFC 6855 3, RFC 9051 5.1), "&" being like any other.
 * *given: in UTF-8, but as it was spelt. */
bool mailbox_decode(struct str wire, bool plain, struct arena *a, struct str *given, struct str *name);
void utf7_encode(struct buf *b, struct str utf8);
