/* io.h - one stream type: a socket, TLS, or (in tests) two strings.
 *
 * Errors stick: after the first failure reads report the end, writes are
 * dropped, and io_error() remembers why; check once, where it matters.  The
 * io owns the deadline: one budget for all that follows until it is set anew,
 * not per read(2), or a byte a minute would hold a thread for ever.  Reading
 * flushes what was written, so pipelining (RFC 2920) works with nobody
 * thinking about it.
 *
 * Two users.  Our own clients (outgoing SMTP, IMAP) call the blocking half.
 * The pen (pen.h) owns server connections and uses the non-blocking half;
 * sessions only write: io_add/io_printf append to the output buffer, and when
 * it is past IO_OUT they wait for the peer, with the write deadline and the
 * minimum rate of the io (a slow reader ends in a sticky error, not in a held
 * worker).  A parked io holds no input buffer and, once flushed, no output
 * buffer.  One thread at a time.
 *
 * With compression (io_compress) a slow reader's rate is counted in octets of the
 * wire, since those it must really take.  Reading gives inflated octets, and
 * the pen counts those: they are how far a unit has come.  Wire octets that
 * inflate to nothing are no progress.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/addr.h"
#include "net/tls.h"

#define IO_OUT (64u << 10) /* octets of output kept before a writer waits */

#define IO_PATIENCE (5 * 60 * 1000)
#define IO_GRACE_MS 30000 /* a minimum rate is not asked before */

struct io;
enum io_got { IO_END, IO_LINE, IO_LONG };

struct io *io_socket(int fd); /* owns fd; sets it non-blocking, TCP_NODELAY */
/* Tests: `input` is borrowed and read to its end; what is written gathers in `*output`. */
struct io *io_strings(struct str input, struct buf *output);
/* Within `ms` from now; on success they go on as the io's deadline. */
bool io_connect(struct io **out, struct addrport to, int64_t ms, struct err *e);
void io_free(struct io *io); /* closes without ceremony; NULL is fine */

/* Writing (server sessions and clients). */
void io_add(struct io *io, struct str s);
__attribute__((format(printf, 2, 3))) void io_printf(struct io *io, const char *fmt, ...);
/* The pen's limits for slow readers: longest stand-still, and octets/s after the first 30 s (0 = no limit). */
void io_write_limits(struct io *io, int64_t write_ms, uint32_t min_rate);
/* When output that waits now has waited too long (mono). */
int64_t io_write_by(const struct io *io);
/* What waits to be written. A session may look; the pen drains it. */
struct buf *io_out(struct io *io);
/* Blocking: all out before the deadline, or a sticky error. */
bool io_flush(struct io *io);

/* Blocking reading (clients, tests). */
void io_deadline(struct io *io, int64_t ms); /* from now, for all that follows; a new io has IO_PATIENCE */
/* IO_LONG: longer than `max`; *line has its first octets, the rest is skipped. */
enum io_got io_line(struct io *io, struct str *line, size_t max); /* without CRLF; valid until next read */
bool io_exactly(struct io *io, size_t n, struct buf *into);
bool io_tls_connect(struct io *io, struct tls_client *t, struct str name, struct err *e); /* drops unread plaintext */

const struct err *io_error(const struct io *io); /* kind ERR_NONE while all is well */
void io_fail(struct io *io, enum err_kind kind, const char *why);

/* From here on raw deflate both ways (RFC 4978); what stands in the output by now still goes as it is. Over strings
 * it is only noted. */
void io_compress(struct io *io);
bool io_is_compressed(const struct io *io);
bool io_garbled(const struct io *io); /* reading ended because what came is no deflate stream; writing still works */

/* TLS facts, for Received and for SCRAM channel binding. Empty when in the clear. */
bool io_is_tls(const struct io *io);
struct str io_tls_text(const struct io *io, struct arena *a); /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
struct str io_tls_sni(const struct io *io, struct arena *a);
/* "tls-exporter" (RFC 9266) material, 32 octets; tls-unique for TLS 1.2 with EMS when asked. */
bool io_tls_exporter(struct io *io, uint8_t out[32]);
bool io_tls_unique(struct io *io, uint8_t *out, size_t *n); /* *n: room in, length out */
/* SHA-256 of the peer's certificate, for who knows which it must be. False: it has shown none. */
bool io_tls_peer_sha256(const struct io *io, uint8_t out[32]);
int io_fd(const struct io *io); /* -1 for strings */

/* The non-blocking half: the pen's. */
enum io_try { IO_DONE, IO_AGAIN_READ, IO_AGAIN_WRITE, IO_EOF, IO_ERR };
enum io_try io_read_some(struct io *io, void *p, size_t room, size_t *n);
/* The same, but waits up to `ms` (> 0, the same each time) for the first octets. */
enum io_try io_read_soon(struct io *io, void *p, size_t room, int64_t ms, size_t *n);
enum io_try io_write_some(struct io *io);                       /* as much of io_out as goes now */
enum io_try io_write_first(struct io *io, size_t n);            /* no more than its first n octets */
enum io_try io_tls_accept(struct io *io, struct tls_server *t); /* first call drops unread plaintext */
bool io_pending(const struct io *io);                           /* decrypted or inflated bytes wait inside */
void io_park(struct io *io);            /* it will wait: give back all memory that can be made again */
enum io_try io_shutdown(struct io *io); /* close_notify, then half close */
