/* frame.h - the control socket's framing: four octets of length (network order), then that much JSON.
 *
 * The CLI uses the blocking half; the parent, which must wait for nobody, takes
 * frames from what has arrived.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define FRAME_ASK_MAX    (1u << 20)  /* a question */
#define FRAME_ANSWER_MAX (64u << 20) /* an answer */

void frame_add(struct buf *out, struct str json);
enum frame_got { FRAME_NONE, FRAME_GOT, FRAME_BAD }; /* BAD: longer than `max` */
/* The first whole frame at the front of `in`; the caller drops 4 + frame->n octets when done with it. */
enum frame_got frame_take(const struct buf *in, size_t max, struct str *frame);

/* pass_fd -1: no descriptor goes with it. */
bool frame_send(int fd, struct str json, int pass_fd, struct err *e);
/* Into `b` (emptied first). False at the end, too. */
bool frame_recv(int fd, size_t max, struct buf *b, struct err *e);
