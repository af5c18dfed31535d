/* precis.h - names and passwords as people type them, made comparable (RFC 8264, 8265).
 *
 * Two profiles: UsernameCaseMapped for login names (full-width letters become
 * plain ones, capitals small ones; blanks, symbols and look-alike ligatures
 * are refused) and OpaqueString for passwords (any letter, blank or symbol;
 * only the kinds of blank are made one, and composed and decomposed accents
 * are made the same).  Tables are libunistring's; the rules are here.
 *
 * What is typed may be a password: nothing is put on the heap, the scratch
 * space is wiped, and the result goes where the caller says.  Pure functions,
 * safe in any thread.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define PRECIS_TYPED 1000               /* octets taken */
#define PRECIS_MAX   (3 * PRECIS_TYPED) /* octets given: normal form C grows UTF-8 threefold at most */

struct precis {
	size_t n;
	char p[PRECIS_MAX + 1]; /* NUL-terminated; UTF-8 */
};
/* False: ERR_PERM, and what is wrong with it, never quoting it. */
bool precis_username(struct str typed, struct precis *out, struct err *e);
bool precis_opaque(struct str typed, struct precis *out, struct err *e);
void precis_wipe(struct precis *p);
