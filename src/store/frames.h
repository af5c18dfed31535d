/* frames.h - content as it is stored: zstd frames, each with its checksum.
 *
 * A content is one frame, or several one after the other (a legal .zst file):
 * so a slow sender needs no compressor of its own while it waits, only the
 * octets of the frame it is filling.  What does not shrink zstd itself keeps
 * as it is, a dozen octets longer, under the same checksum: one format, one reader.
 *
 * The contexts are kept in a small stack; safe in any thread.  Where frames begin is
 * remembered for those who read a content piece by piece, a command for each.
 */
#pragma once
#include <pthread.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/err.h"

#define FRAMES_KEPT  8
#define FRAMES_HINTS 64
#define FRAME_MAX    (4u << 20) /* octets in one frame; a stage packs no more than STAGE_SPILL */

/* Which octets of a content one frame of its file holds, and where it stands. */
struct frame {
	uint64_t at, packed; /* in the file */
	uint64_t from, size; /* of the content */
};
/* Where a frame of a content begins: contents never change, so what was true once is true for ever. */
struct frame_hint {
	int64_t content; /* 0: none */
	uint64_t at, from;
};

struct frames {
	pthread_mutex_t mu;
	ZSTD_CCtx *packers[FRAMES_KEPT]; /* guarded by mu, as all below */
	ZSTD_DCtx *unpackers[FRAMES_KEPT];
	unsigned npackers, nunpackers;
	struct frame_hint hints[FRAMES_HINTS]; /* the oldest is overwritten */
	unsigned next_hint;
};
void frames_init(struct frames *f);
void frames_free(struct frames *f);
/* Add `bytes` as one frame to `out`. */
bool frames_pack(struct frames *f, struct str bytes, struct buf *out, struct err *e);
/* Unpack into `to`, which must be exactly as large as what was packed. False: damaged. */
bool frames_unpack(struct frames *f, struct str packed, char *to, size_t size);
/* Unpack the beginning, at most `max`: the octets given (fewer when damaged). */
size_t frames_unpack_head(struct frames *f, struct str packed, char *to, size_t max);
/* Measure the frame that begins at f->at, by its headers alone. False: damaged, or the disk failed. */
bool frame_measure(int fd, struct frame *f, struct err *e);
/* Read it and unpack it, checksum verified: `packed` has room for f->packed octets, `to` for f->size. */
bool frame_unpack(struct frames *fs, int fd, const struct frame *f, char *packed, char *to, struct err *e);
/* A place of that content at or before `from`, as far on as is known; zero when nothing is. */
struct frame_hint frames_hint(struct frames *f, int64_t content, uint64_t from);
void frames_note(struct frames *f, struct frame_hint hint);
