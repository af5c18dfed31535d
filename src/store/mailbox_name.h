/* mailbox_name.h - what a mailbox may be called; for store/ only.
 *
 * Names are UTF-8 in NFC with "/" between levels, so that one name is one
 * run of octets.  The first level INBOX is the same in any case (RFC 3501 5.1).
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define MAILBOX_NAME_OCTETS 500
#define MAILBOX_NAME_LEVELS 20

/* Bring to the one spelling, or say why not (ERR_PERM). */
bool mailbox_name(struct str name, struct arena *a, struct str *out, struct err *e);
/* "a/b/c" -> "a/b"; empty at the top. */
struct str mailbox_parent(struct str name);

/* Localparts: ASCII and Unicode lower case, NFC. */
bool local_lower(struct str local, struct arena *a, struct str *out, struct err *e);
