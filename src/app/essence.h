/* essence.h - what of a configuration a role lives by.
 *
 * A reload replaces the roles that would behave differently, and no others: a
 * role's essence is the text of all that its process has been built from, so
 * two configurations with the same essence need no new process.  Made
 * of the keys that its row in roles.h names, and of the listeners it serves.
 *
 * Not in it: what travels as a message (log levels, certificates), and what only
 * the parent does (owner and mode of a socket file, ports of other roles).
 */
#pragma once
#include "app/roles.h"

/* Does a role with this row see the key, or one in its block? */
bool role_sees(const struct role_row *r, struct str path);
void role_essence(const struct role_row *r, const struct loaded *l, struct buf *b);
bool role_same(const struct role_row *r, const struct loaded *x, const struct loaded *y);
