/* mime.h - the structure of a message, by byte offsets (RFC 2045, 2046).
 *
 * mime_parse() reads a message once and gives the tree of its parts: where
 * each one's header and body begin and end, how many lines, and the fields
 * that IMAP asks for.  Nothing is copied that can be pointed at.  Limits:
 * depth MIME_DEPTH, MIME_PARTS, boundary 256 octets, 64 parameters; what lies beyond is one opaque
 * leaf (application/octet-stream) and `cut` is set, at the root too.  Never fails: any bytes are a message.
 *
 * What is broken is read so that somebody sees the text: a multipart without a
 * usable boundary is TEXT/PLAIN; one in which no delimiter comes has one TEXT/PLAIN
 * child, all of its body; a missing last delimiter ends where the next outer one or the
 * message does.  A delimiter is the boundary on a line of its own, blanks may follow;
 * where boundaries are prefixes of each other this is the only reading that holds.  So a
 * multipart always has a child, and a message part exactly one, which IMAP's grammar needs.
 *
 * mime_index_write() turns the tree into a blob that is stored beside the
 * message at delivery; mime_index_read() gives the tree back without the
 * message.  The blob has a version octet; an unknown one, or a damaged blob, reads as NULL (then parse again).
 * Version 2 has the preview too, when root has one; version 1 has none.
 * Both trees are views: of the message, or of the blob, which must live as long.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#define MIME_DEPTH  50
#define MIME_PARTS  2000
#define MIME_PARAMS 64

struct param {
	struct str name, value; /* RFC 2231 already joined and decoded to UTF-8; name lower-case */
};
struct envelope { /* values unfolded; raw otherwise (encoded words kept): IMAP wants them so */
	struct str date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id;
	uint16_t have; /* bit i: the i-th of the above is present (NIL otherwise) */
	/* For threads (RFC 5256), not in IMAP's ENVELOPE. Not known: a blob that was written before this was kept. */
	struct str references;
	bool know_references;
};
struct part {
	struct str type, subtype; /* as sent; "TEXT"/"PLAIN" when absent; multipart/digest children: MESSAGE/RFC822 */
	struct param *params;
	size_t nparams;
	struct str id, description, encoding, md5, location; /* empty = absent; encoding "7BIT" when absent */
	struct str disposition;                              /* empty = absent */
	struct param *disp_params;
	size_t ndisp_params;
	struct str *languages;
	size_t nlanguages;
	uint32_t header_at, body_at, end; /* offsets in the message; header_at == body_at: no header */
	uint32_t lines;                   /* line ends in the body, for TEXT and MESSAGE/RFC822 */
	bool multipart, message;          /* message: MESSAGE/RFC822 or GLOBAL with one child, its content */
	bool cut;
	struct str preview; /* of the root, when it has one (preview.h) */
	bool have_preview;
	struct envelope *envelope; /* of the message that this part *is*: root, and the child of a message part */
	struct part *child, *next;
};
/* Offsets are uint32_t: messages are bounded far below 4 GiB. */
struct part *mime_parse(struct str message, struct arena *a);
void mime_index_write(struct buf *b, const struct part *root);
struct part *mime_index_read(struct str blob, struct arena *a); /* NULL: not ours, parse the message */

/* The part numbered as IMAP does ("1.2.3"; path of n numbers); NULL: no such part. n == 0: root. */
struct part *mime_find(struct part *root, const uint32_t *path, size_t n);
/* Decode base64 or quoted-printable leniently into b (bounded by b->max). False: unknown encoding. */
bool mime_decode(struct buf *b, struct str encoding, struct str body);
/* Content-Type and Content-Disposition: "text/plain; charset=utf-8". What stands before the first ";" is passed over.
 * False when there were more than MIME_PARAMS. A boundary is left as it stands, whatever its charset. */
bool mime_params(struct str rest, struct arena *a, struct param **out, size_t *n);
/* The same for bodies that come in pieces; what must wait for the next piece is held, MIME_HELD octets at most. */
#define MIME_HELD (64u << 10)
struct mime_decoder {
	enum { MIME_PLAIN, MIME_BASE64, MIME_QP } code;
	unsigned bits, have;
	struct buf line;
};
bool mime_decoder_init(struct mime_decoder *d, struct str encoding); /* false: unknown encoding */
void mime_decoder_add(struct mime_decoder *d, struct str piece, struct buf *b);
void mime_decoder_end(struct mime_decoder *d, struct buf *b); /* what was held; the decoder is free again */
/* The value of a parameter; empty when there is none. */
struct str mime_param(const struct param *params, size_t n, struct str name);
/* "utf-8''%E2%82%AC": the value of `name*` (RFC 2231 4), for who must send a name that is not ASCII. */
void mime_2231(struct buf *b, struct str utf8);
