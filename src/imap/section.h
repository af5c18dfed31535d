/* section.h - BODY[...]: which octets of a message, and where they are (RFC 3501 6.4.5). */
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
	const char *label; /* RFC822 and its sisters; NULL: BODY[...] */
	bool partial;
	uint32_t from, count; /* of a partial */
};
/* Two pieces that follow each other; nil: there is no such part. */
struct octets {
	struct str first, second;
	bool nil;
};

/* What follows "BODY" or "BODY.PEEK": "[...]" and perhaps "<0.2048>". */
bool parse_section(struct parser *p, struct section *out);
/* "BODY[1.HEADER.FIELDS (TO)]<0>", as it is named in the response. */
void say_section(struct buf *b, const struct section *x);
/* The message is read as far as needed. */
bool section_find(const struct section *x, struct message *m, struct octets *out, struct err *e);
/* Does it show the top-level header, and so need the row's prefix? */
bool section_needs_prefix(const struct section *x);
