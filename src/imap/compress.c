/* COMPRESS (RFC 4978). Off unless the configuration says otherwise: it costs memory, and what a stranger can make us
 * send beside a secret of the user's tells him of it by its length. */
#include "imap/session.h"

struct reply cmd_compress(struct session *s, struct cmd *c)
{
	struct str mechanism;
	if (!parse_atom(&c->in, &mechanism, "a mechanism") || !parse_end(&c->in))
		return reply_bad(c);
	if (!s->conf->limits.compress)
		return NO_CODE("CANNOT", "Compression is off here");
	if (!str_eqi(mechanism, STR("DEFLATE")))
		return NO_CODE("CANNOT", "DEFLATE is the only mechanism here");
	if (io_is_compressed(s->io))
		return NO_CODE("COMPRESSIONACTIVE", "DEFLATE is active already");
	/* The answer itself is the last that is not compressed, so it cannot wait until this returns. */
	struct reply ok = OK("DEFLATE active from here on");
	reply_send(s, c->tag, &ok);
	io_compress(s->io);
	return (struct reply){ 0 };
}
