/* compose.h - write messages: fields folded at 78, never over 998, values never able to end a field.
 *
 * Every value goes through here: CR, LF and NUL in it become blanks, non-ASCII
 * becomes encoded words, so no stranger's value can add a header.
 */
#pragma once
#include "base/buf.h"
#include "mail/address.h"

void compose_text(struct buf *b, const char *name, struct str utf8); /* unstructured: Subject */
void compose_raw(struct buf *b, const char *name,
		 struct str value); /* structured, ASCII, already right; folded at blanks */
void compose_address(struct buf *b, const char *name, struct str display, const struct address *x);
void compose_date(struct buf *b, const char *name, int64_t wall_ms);
/* A text/plain body in UTF-8: content headers, quoted-printable where needed, then the text. */
void compose_body(struct buf *b, struct str utf8);
