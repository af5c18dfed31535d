/* frames.h - content as it is stored: zstd frames, each with its checksum.
 *
 * A content is one frame, or several one after the other (a legal .zst file):
 * so a slow sender needs no compressor of its own while it waits, only the
 * octets of the frame it is filling.  What does not shrink zstd itself keeps
 * as it is, a dozen octets longer, under the same checksum: one format, one reader.
 *
 * The contexts are kept in a small stack; safe in any thread.
 */
#pragma once
#include <pthread.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/err.h"

#define FRAMES_KEPT 8

struct frames {
	pthread_mutex_t mu;
	ZSTD_CCtx *packers[FRAMES_KEPT]; /* guarded by mu, as all below */
	ZSTD_DCtx *unpackers[FRAMES_KEPT];
	unsigned npackers, nunpackers;
};
void frames_init(struct frames *f);
void frames_free(struct frames *f);
/* Add `bytes` as one frame to `out`. */
bool frames_pack(struct frames *f, struct str bytes, struct buf *out, struct err *e);
/* Unpack into `to`, which must be exactly as large as what was packed. False: damaged. */
bool frames_unpack(struct frames *f, struct str packed, char *to, size_t size);
/* Unpack the beginning, at most `max`: the octets given (fewer when damaged). */
size_t frames_unpack_head(struct frames *f, struct str packed, char *to, size_t max);
