/* content.h - message bytes on their way in, and out again.
 *
 * A message is a prefix (per recipient, in its row) and a content (shared,
 * immutable, its id never reused, zstd with checksum).  Small contents stand
 * in the database; what was spilled stands in a file of its own, synced
 * before the commit that names it.  No reference counter: what no row names
 * is garbage.
 *
 * A stage receives a message as it comes (it is a pen sink): up to
 * STAGE_SPILL octets in memory, beyond that, or above 16 KiB when more than
 * half of the role's staging budget is used, in an unnamed file, already
 * compressed.  Used by one thread at a time.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/pen.h" /* struct sink */

#define STAGE_SPILL (256u << 10)

struct store;
struct stage {
	struct sink sink; /* give &stage->sink to the pen */
	uint64_t size;    /* octets so far */
	uint64_t max;     /* octets allowed; past it add() says false and err is ERR_PERM "too large" */
	bool tight;       /* as if memory were: above 16 KiB in a file. To be said before the first octet */
	struct err err;   /* why add() said false: ERR_PERM too large, ERR_FULL, ERR_TEMP */
	/* what follows is content.c's */
	struct store *st;
	struct stage_impl *impl;
};
void stage_open(struct stage *s, struct store *st, uint64_t max);
bool stage_add(struct stage *s, struct str bytes);
/* The first octets, at most STAGE_HEAD (the header block fits): kept in memory whatever is spilled. */
#define STAGE_HEAD (256u << 10)
struct str stage_head(const struct stage *s);
/* All octets, for parsing: in memory as they are; spilled ones are mapped or read back into `a`. */
bool stage_all(struct stage *s, struct arena *a, struct str *all, struct err *e);
/* Compress now (outside the writer). Called by deliver if nobody did. */
bool stage_seal(struct stage *s, struct err *e);
/* Undo: whatever was not committed is gone. Safe on a zeroed stage and after a commit. */
void stage_drop(struct stage *s);

/* All octets of a stored content, checksum verified.  ERR_TEMP when damaged (the log names it). */
bool content_read(struct store *st, int64_t content_id, struct arena *a, struct str *bytes, struct err *e);
/* The same in pieces, so that a large one need not be in memory: a reader belongs to one thread, and holds one frame.
 * What it has opened it can read to the end, whatever is expunged meanwhile. NULL: `e` says why. */
struct content_reader;
struct content_reader *content_open(struct store *st, int64_t content_id, struct err *e);
/* The octets from `from` on that stand in one frame with it, checksum verified; empty at the end; valid until the next
 * piece. */
bool content_piece(struct content_reader *r, uint64_t from, struct str *bytes, struct err *e);
/* Do all frames up to octet `to` stand in the file, as far as their headers and its length say? Octets are neither read
 * nor verified: it costs a few system calls for each frame, so that most damage shows before the first octet is given
 * away. From the last piece on. */
bool content_there(struct content_reader *r, uint64_t to, struct err *e);
void content_close(struct content_reader *r); /* NULL is fine */
/* Octets [from, to) of it, clamped.  Of a content in a file only the frames that hold them are read: what a client
 * fetches in pieces costs no more than fetching it whole. */
bool content_range(struct store *st, int64_t content_id, uint64_t from, uint64_t to, struct arena *a, struct str *bytes,
		   struct err *e);
/* Only the MIME index that was given at delivery (mail/mime.h wrote it). */
bool content_index(struct store *st, int64_t content_id, struct arena *a, struct str *index, struct err *e);
