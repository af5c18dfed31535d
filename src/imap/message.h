/* message.h - one stored message, read as far as somebody asks.
 *
 * The row is there; the MIME index and the octets come from the store when
 * they are first wanted, unless they came with the row (msg_page_with).  A
 * message on the wire is prefix + content; all offsets of the index count the
 * content alone.  Lives in the arena given; message_close() when done.
 *
 * A small content is read whole; of one above MESSAGE_WHOLE only the frames
 * that are asked for, one in memory at a time.
 */
#pragma once
#include "base/err.h"
#include "mail/mime.h"
#include "store/mailbox.h"

#define MESSAGE_WHOLE (256u << 10)

struct content_reader;
struct message {
	struct store *st;
	struct arena *a;
	const struct msg *row;
	struct part *root;
	struct str content;
	bool have_content;
	struct content_reader *reader; /* of a large one */
};
void message_close(struct message *m);
/* The index as it was made at delivery; when that cannot be read, the message is parsed. */
bool message_index(struct message *m, struct err *e);
/* All of it, however large it is. */
bool message_content(struct message *m, struct err *e);
/* Octets of the content. */
uint64_t message_size(const struct message *m);
/* Octets from `from` on, as many as are at hand; empty at the end; valid until the next piece. */
bool message_piece(struct message *m, uint64_t from, struct str *bytes, struct err *e);
/* Before the first octet is given away: is all up to `to` there, as far as can be seen without unpacking it? */
bool message_there(struct message *m, uint64_t to, struct err *e);
/* [from, to), clamped, in one: for what is known to be small. */
bool message_range(struct message *m, uint64_t from, uint64_t to, struct str *bytes, struct err *e);
/* Octets [from, to) of the content that message_content() has read, clamped: a damaged index must not lead outside. */
struct str message_octets(const struct message *m, uint32_t from, uint32_t to);
/* The first words (RFC 8970). *made: they were kept at delivery, or `now` asks to make them. */
bool message_preview(struct message *m, bool now, struct str *preview, bool *made, struct err *e);
/* What is the same for the same octets, and says nothing else (RFC 8474 5.1). NUL-terminated. */
#define EMAIL_ID_SIZE 34
void message_email_id(const struct msg *row, char id[EMAIL_ID_SIZE]);
/* "UTF-8" or "" from a part's parameters. */
struct str part_param(const struct part *p, struct str name);
