/* section.h - BODY[...] and BINARY[...]: which octets of a message, and where they are (RFC 3501 6.4.5, RFC 3516). */
#pragma once
#include "imap/message.h"
#include "imap/parse.h"

#define SECTION_PATH_MAX (2 * MIME_DEPTH) /* numbers in "1.2.3" */

enum section_what { SECTION_BODY, SECTION_HEADER, SECTION_FIELDS, SECTION_FIELDS_NOT, SECTION_TEXT, SECTION_MIME };
struct section {
	enum section_what what;
	uint32_t *path;
	size_t npath;
	struct str *fields;
	size_t nfields;
	const char *label; /* "BODY", "BINARY"; RFC822 and its sisters stand without brackets */
	bool bare;         /* without brackets */
	bool binary;       /* without the encoding for transfer */
	bool partial;
	uint32_t from, count; /* of a partial */
};
/* What the section is: `head`, then [from, to) of the content.  Or, when `decode` is set (BINARY of a large part), what
 * comes of decoding that range: `size` octets of it after the first `skip`. */
struct octets {
	struct str head;
	uint64_t from, to;
	const struct part *decode;
	uint64_t skip, size;
	bool nil;     /* there is no such part */
	bool unknown; /* it is there, but not how its encoding is undone */
	bool nul;     /* with NUL in it: to be said as literal8 */
};

/* What follows "BODY" or "BODY.PEEK": "[...]" and perhaps "<0.2048>". */
bool parse_section(struct parser *p, struct section *out);
/* What follows "BINARY", "BINARY.PEEK" or "BINARY.SIZE": numbers only; no partial of a size. */
bool parse_section_binary(struct parser *p, bool partial, struct section *out);
/* "BODY[1.HEADER.FIELDS (TO)]<0>", as it is named in the response. */
void say_section(struct buf *b, const struct section *x);
/* The message is read as far as needed, and what is too large for that is looked over: what cannot be read shows now,
 * but for octets that were changed in the middle of a large one. */
bool section_find(const struct section *x, struct message *m, struct octets *out, struct err *e);
/* Give the octets that section_find() found to `add`, piece by piece. */
bool section_octets(const struct octets *o, struct message *m, void (*add)(void *ctx, struct str bytes), void *ctx,
		    struct err *e);
/* Does it show the top-level header, and so need the row's prefix?  Does it need the structure? */
bool section_needs_prefix(const struct section *x);
bool section_needs_index(const struct section *x);
