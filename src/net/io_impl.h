/* io_impl.h - what io.c and io_tls.c share: the inside of an io. */
#pragma once
#include "net/io.h"

#include <openssl/ssl.h>

struct squeeze; /* io_deflate.c */

struct io {
	int fd;                  /* -1: strings */
	SSL *ssl;                /* NULL in the clear */
	struct squeeze *squeeze; /* NULL: not compressed */
	bool shaking;            /* the handshake is not done: nothing can be written */
	bool skipping;           /* io_line: the rest of a line that was too long is still to come */
	uint32_t min_rate;
	struct err *err; /* NULL while all is well: most never need the room */
	struct buf out;  /* waits to be written */
	struct buf in;   /* blocking half: read, and taken up to `at` */
	size_t at;
	struct str input;   /* strings */
	struct buf *output; /* strings */
	int64_t by_ms;      /* blocking half: when patience ends (mono) */
	int64_t write_ms;   /* the pen's: longest stand-still of output; 0 = by_ms holds for writing too */
	int64_t stuck_ms;   /* since when output waits for the peer (mono), 0 = it does not */
	int64_t patient_ms; /* a plain recv() on fd waits so long; 0: fd is non-blocking */
	int64_t moved_ms;   /* when it last took some */
	uint64_t moved;     /* octets it took since stuck_ms */
};

/* Remember the first error; `why` is for the log. */
enum io_try io_broken(struct io *io, const char *why);
/* Wait until `events` (poll's) or `by_ms`; false: the io has failed. */
bool io_wait(struct io *io, short events, int64_t by_ms);

/* Make the descriptor non-blocking again, for who calls read(2) on it. */
void io_hurry(struct io *io);

/* io.c: octets as they are on the wire below deflate, by TLS or without. Waits up to `ms` for the first; 0: not at all.
 */
enum io_try io_wire_read(struct io *io, void *p, size_t room, int64_t ms, size_t *n);
enum io_try io_wire_write(struct io *io, struct str s, size_t *n);

/* io_deflate.c, when io->squeeze is there. As io_read_some; waits up to `ms` for the first octets of the wire. */
enum io_try io_inflate(struct io *io, void *p, size_t room, int64_t ms, size_t *n);
bool io_inflate_pending(const struct io *io);
/* Of `s`, the head of io->out, *n octets have gone; *wire grows by what the peer took. */
enum io_try io_deflate_write(struct io *io, struct str s, size_t *n, size_t *wire);
void io_deflate_free(struct io *io);

enum io_try io_tls_read(struct io *io, void *p, size_t room, size_t *n);
enum io_try io_tls_write(struct io *io, struct str s, size_t *n);
