/* The COMPRESS half of io.h: raw deflate (RFC 1951) both ways, between an io's octets and its socket or TLS.
 *
 * What waits for the peer stays in io->out as it was written, until the compressed form of it has gone; so "is
 * something left to write?" and "how much?" have one answer, whatever lies below.  Every piece that is compressed
 * ends with a sync flush: the peer can read all we said, and a fresh deflater may continue the stream.
 *
 * At work a session has a deflater (268 KB) and an inflater (40 KB).  io_park() leaves the dictionary of the
 * inflater, which is as long as what the peer has said so far, at most 32 KiB; and where the peer stopped between
 * two octets' worth of bits, those bits.
 */
#include "net/io_impl.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#define DEFLATE_LEVEL 4           /* of 9: more costs much CPU for little */
#define DEFLATE_PIECE (32u << 10) /* octets that are compressed at once */
#define INFLATE_READ  (8u << 10)  /* octets read from the wire at once */
#define INFLATE_VAIN  (64u << 10) /* octets read that inflate to nothing, before others have their turn */
#define AT_BLOCK      128         /* in data_type: between two blocks (zlib.h, inflate) */
#define LAST_BLOCK    64

struct squeeze {
	z_stream *in, *out; /* NULL while parked */
	size_t lead;        /* octets at the head of io->out that were written before: they go as they are */
	struct buf go;      /* compressed, on its way out ... */
	size_t stands_for;  /* ... for so many octets at the head of io->out */
	struct buf come;    /* compressed, from `at` on not inflated yet */
	size_t at;
	bool more;    /* the inflater may have more to give without further input */
	bool garbled; /* what came is no deflate stream ... */
	bool told;    /* ... and the reader has been told that there is no more */
	bool ended;   /* the peer has ended its stream */
	uint8_t last; /* the last octet that was inflated: some of its bits may not be used up */
	uint8_t bits; /* parked: how many */
	size_t nwords;
	uint8_t *words; /* parked: the dictionary */
};

bool io_is_compressed(const struct io *io)
{
	return io->squeeze != NULL;
}

bool io_garbled(const struct io *io)
{
	return io->squeeze && io->squeeze->garbled;
}

void io_compress(struct io *io)
{
	struct squeeze *z = io->squeeze;
	if (z)
		return;
	z = io->squeeze = calloc(1, sizeof *z);
	if (!z)
		abort();
	z->lead = io->out.n;
	/* Clients: what was read ahead is compressed already. */
	buf_add(&z->come, str_sub(buf_str(&io->in), io->at, io->in.n));
	buf_free(&io->in);
	io->at = 0;
}

static z_stream *stream_new(void)
{
	z_stream *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	return s;
}

static void deflater_drop(struct squeeze *z)
{
	if (z->out)
		deflateEnd(z->out);
	free(z->out);
	z->out = NULL;
}

static void inflater_drop(struct squeeze *z)
{
	if (z->in)
		inflateEnd(z->in);
	free(z->in);
	z->in = NULL;
}

void io_deflate_free(struct io *io)
{
	struct squeeze *z = io->squeeze;
	if (!z)
		return;
	deflater_drop(z);
	inflater_drop(z);
	buf_free(&z->go);
	buf_free(&z->come);
	free(z->words);
	free(z);
	io->squeeze = NULL;
}

/* --- writing --- */

static void compress_piece(struct squeeze *z, struct str s)
{
	if (!z->out) {
		z->out = stream_new();
		if (deflateInit2(z->out, DEFLATE_LEVEL, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL - 1,
				 Z_DEFAULT_STRATEGY) != Z_OK)
			abort(); /* only memory can be short */
	}
	z_stream *d = z->out;
	d->next_in = (const Bytef *)s.p;
	d->avail_in = (uInt)s.n;
	do {
		size_t room = deflateBound(d, d->avail_in) + 16;
		d->next_out = (Bytef *)buf_reserve(&z->go, room);
		d->avail_out = (uInt)room;
		deflate(d, Z_SYNC_FLUSH);
		z->go.n += room - d->avail_out;
	} while (d->avail_out == 0);
	z->stands_for = s.n;
}

enum io_try io_deflate_write(struct io *io, struct str s, size_t *n, size_t *wire)
{
	struct squeeze *z = io->squeeze;
	*n = 0;
	if (z->lead > 0) {
		enum io_try got = io_wire_write(io, str_sub(s, 0, z->lead), n);
		z->lead -= *n;
		*wire += *n;
		return got;
	}
	if (z->go.n == 0)
		compress_piece(z, str_sub(s, 0, DEFLATE_PIECE));
	size_t went = 0;
	enum io_try got = io_wire_write(io, buf_str(&z->go), &went);
	buf_drop(&z->go, went);
	*wire += went;
	if (z->go.n == 0)
		*n = z->stands_for;
	return got;
}

/* --- reading --- */

bool io_inflate_pending(const struct io *io)
{
	const struct squeeze *z = io->squeeze;
	return z && (z->more || z->at < z->come.n);
}

/* From where the parked one stopped. */
static z_stream *inflater(struct squeeze *z)
{
	if (z->in)
		return z->in;
	z->in = stream_new();
	if (inflateInit2(z->in, -MAX_WBITS) != Z_OK ||
	    (z->bits > 0 && inflatePrime(z->in, z->bits, z->last >> (8 - z->bits)) != Z_OK) ||
	    (z->nwords > 0 && inflateSetDictionary(z->in, z->words, (uInt)z->nwords) != Z_OK))
		abort();
	free(z->words);
	z->words = NULL;
	z->nwords = z->bits = 0;
	return z->in;
}

static enum io_try the_end(struct squeeze *z)
{
	z->told = z->garbled;
	z->more = false;
	z->at = z->come.n = 0;
	return IO_EOF;
}

/* Inflate what is here, no more than `room`. IO_AGAIN_READ: it is not enough for a single octet. */
static enum io_try inflate_some(struct squeeze *z, void *p, size_t room, size_t *n)
{
	z_stream *d = inflater(z);
	size_t had = z->come.n - z->at;
	d->next_in = (const Bytef *)buf_str(&z->come).p + z->at;
	d->avail_in = (uInt)had;
	d->next_out = p;
	d->avail_out = room < UINT32_MAX ? (uInt)room : UINT32_MAX;
	int rc = inflate(d, Z_SYNC_FLUSH);
	if (rc == Z_MEM_ERROR)
		abort();
	size_t took = had - d->avail_in;
	z->at += took;
	if (took > 0)
		z->last = (uint8_t)z->come.p[z->at - 1];
	if (z->at == z->come.n)
		z->at = z->come.n = 0;
	*n = (size_t)((char *)d->next_out - (char *)p);
	z->more = d->avail_out == 0;
	z->ended = rc == Z_STREAM_END;
	z->garbled = rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END;
	if (*n > 0)
		return IO_DONE;
	return z->ended || z->garbled ? the_end(z) : IO_AGAIN_READ;
}

enum io_try io_inflate(struct io *io, void *p, size_t room, int64_t ms, size_t *n)
{
	struct squeeze *z = io->squeeze;
	for (size_t read = 0; read < INFLATE_VAIN;) {
		size_t had = 0;
		enum io_try got = IO_AGAIN_READ;
		if (z->told) /* who reads on throws it away */
			return io_wire_read(io, p, room, ms, n);
		if (z->ended || z->garbled)
			return the_end(z);
		if (io_inflate_pending(io))
			got = inflate_some(z, p, room, n);
		if (got != IO_AGAIN_READ)
			return got;
		got = io_wire_read(io, buf_reserve(&z->come, INFLATE_READ), INFLATE_READ, ms, &had);
		if (got != IO_DONE)
			return got;
		z->come.n += had;
		read += had;
		ms = 0; /* who had something to say need not be waited for again */
	}
	return IO_AGAIN_READ;
}

/* --- waiting --- */

/* The inflater as its dictionary; whole when it stopped elsewhere than between two blocks, as after a partial flush. */
static void inflater_park(struct squeeze *z)
{
	uInt n = 0;
	if (!z->in || (z->in->data_type & AT_BLOCK) == 0 || (z->in->data_type & LAST_BLOCK) != 0 ||
	    (z->in->data_type & (LAST_BLOCK - 1)) > 7)
		return;
	if (inflateGetDictionary(z->in, NULL, &n) != Z_OK)
		return;
	z->words = malloc(n ? n : 1);
	if (!z->words)
		abort();
	inflateGetDictionary(z->in, z->words, &n);
	z->nwords = n;
	z->bits = (uint8_t)(z->in->data_type & 7);
	inflater_drop(z);
}

void io_park(struct io *io)
{
	struct squeeze *z = io->squeeze;
	if (io->out.n == 0)
		buf_free(&io->out);
	if (!z)
		return;
	deflater_drop(z);
	if (z->go.n == 0)
		buf_free(&z->go);
	if (io_inflate_pending(io))
		return;
	buf_free(&z->come);
	inflater_park(z);
}
