/* mbox.h - mailboxes in one file, in the four kinds that there are.
 *
 * A message begins with a line "From SENDER DATE" behind a blank line (or at
 * the start), lines that would look so are quoted with ">":
 *
 *	mboxo	 "From " becomes ">From "; ">From " stays, so what was there cannot be told
 *	mboxrd	 ">*From " gets one ">" more: exact
 *	mboxcl	 as mboxo, and Content-Length says how many octets the body has
 *	mboxcl2	 Content-Length, and nothing is quoted
 *
 * MBOX_ANY reads them all: Content-Length is believed where it is true (there
 * the file ends or a From_ line follows), one ">" is taken off, and not any more
 * once a body has shown that it is not quoted.  Fields that belong to the file
 * and not to the message (Status, X-Status, X-Keywords, Content-Length, X-UID, X-IMAPbase,
 * and Mozilla's) are taken out, the first of each.  What Mozilla marked as
 * expunged, and the message that UW IMAP keeps for itself, are passed over.
 *
 * Reading holds one message and a window of the file; both are bounded by `max`.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum mbox_kind { MBOX_ANY, MBOX_O, MBOX_RD, MBOX_CL, MBOX_CL2 };

/* *n 0: the end. */
typedef bool (*mbox_read)(void *ctx, void *p, size_t room, size_t *n, struct err *e);
struct mbox;
struct mbox_message {
	struct str bytes; /* CRLF; valid until the next call */
	unsigned flags;
	struct str keywords;
	int64_t from_wall_ms; /* the From_ line's date; 0: it has none */
	uint64_t at;          /* where the From_ line stands in the file */
	uint64_t octets;      /* with MBOX_LARGE: how many it has at least */
};
struct mbox *mbox_open(mbox_read read, void *ctx, enum mbox_kind kind, size_t max);
enum mbox_got {
	MBOX_MESSAGE,
	MBOX_LARGE, /* longer than `max`: passed over */
	MBOX_END,
	MBOX_NONE, /* the file does not begin with a From_ line: it is no mbox */
	MBOX_ERROR
};
enum mbox_got mbox_next(struct mbox *m, struct mbox_message *out, struct err *e);
uint64_t mbox_at(const struct mbox *m); /* how far it has come in the file */
void mbox_close(struct mbox *m);

/* "From - Sat Jan  3 01:05:34 1996" and its variants; false: not a From_ line. */
bool mbox_from_line(struct str line, int64_t *wall_ms);

/* Write one, as mboxrd: From_ line, the file's fields, the quoted message, a blank line.  What could not come back the
 * same has a Content-Length too. */
struct mbox_write {
	struct str bytes; /* the message, CRLF */
	unsigned flags;
	struct str keywords;
	int64_t internal_wall_ms;
	uint32_t uid;
};
void mbox_write(struct buf *b, const struct mbox_write *m);
