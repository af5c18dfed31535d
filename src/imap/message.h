/* message.h - one stored message, read as far as somebody asks.
 *
 * The row is there; the MIME index and the octets come from the store when
 * they are first wanted.  A message on the wire is prefix + content; all
 * offsets of the index count the content alone.  Lives in the arena given.
 */
#pragma once
#include "base/err.h"
#include "mail/mime.h"
#include "store/mailbox.h"

struct message {
	struct store *st;
	struct arena *a;
	const struct msg *row;
	struct part *root;
	struct str content;
	bool have_content;
};
/* The index as it was made at delivery; when that cannot be read, the message is parsed. */
bool message_index(struct message *m, struct err *e);
bool message_content(struct message *m, struct err *e);
/* Octets [from, to) of the content, clamped: a damaged index must not lead outside. */
struct str message_octets(const struct message *m, uint32_t from, uint32_t to);
/* "UTF-8" or "" from a part's parameters. */
struct str part_param(const struct part *p, struct str name);
