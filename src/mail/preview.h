/* preview.h - the first words of a message, as a list of messages shows them (RFC 8970).
 *
 * The text is that of the first part that somebody would read: text/plain, or
 * else text/html without its tags; not an attachment, not a message inside.
 * Decoded, in UTF-8, blanks made one, quoted lines left out, at most
 * PREVIEW_CHARS characters.  A message without such a part has the empty one.
 *
 * Made once at delivery and kept in the MIME index (mime.h); for messages
 * whose index is older, preview_part() says which octets are needed.
 */
#pragma once
#include "mail/mime.h"

#define PREVIEW_CHARS 200         /* RFC 8970 3.2: at most 200 are wanted */
#define PREVIEW_READ  (16u << 10) /* octets of the part that are looked at */

/* The part to read; NULL: there is none, the preview is empty. */
const struct part *preview_part(const struct part *root);
/* `body`: what the part holds, its first PREVIEW_READ octets suffice. */
void preview_text(const struct part *p, struct str body, struct buf *out);
/* Note it in root->preview, for mime_index_write(). */
void preview_make(struct part *root, struct str message, struct arena *a);
