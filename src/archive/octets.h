/* octets.h - message octets between files and the wire.
 *
 * Files end lines with LF, the store and the wire with CRLF.  A file whose
 * first line ends with CRLF is in the wire's form already and is taken as it
 * stands, bare LFs and all; in every other each LF becomes CRLF, unless a CR is
 * there.  On the way out a message that would not come back the same by that
 * rule (a bare LF, or a CR before CRLF) is written in the wire's form.
 */
#pragma once
#include "base/buf.h"

/* Does the text say by its first line that it is in the wire's form? */
bool octets_wired(struct str text);
void octets_to_wire(struct buf *b, struct str text);
/* True when the LF form would lose nothing. */
bool octets_plain(struct str wire);
void octets_to_file(struct buf *b, struct str wire);
/* No client can be given a NUL in a literal (RFC 3501 9): each becomes 0x80, which is what other servers show.  How
 * many there were. */
size_t octets_no_nul(char *p, size_t n);
/* When a message says it was sent or received: its newest Received field, else Date.  0: it does not say. */
int64_t octets_date(struct str message);
