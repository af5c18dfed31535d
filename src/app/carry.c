#include "app/carry.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEAD       5 /* kind, then the length in network order */
#define READ_PIECE (256u << 10)
#define TICK_MS    200 /* how soon a wish to stop is seen */
#define KEEP       (1u << 20)

void carry_open(struct carry *c, int fd, const atomic_bool *stop)
{
	*c = (struct carry){ .fd = fd, .stop = stop, .max = UINT32_MAX };
	pthread_mutex_init(&c->mu, NULL);
}

void carry_close(struct carry *c)
{
	pthread_mutex_destroy(&c->mu);
	buf_free(&c->in);
}

/* --- parcels ----------------------------------------------------------------- */

static bool write_all(int fd, struct iovec *v, int n, struct err *e)
{
	while (n > 0) {
		struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)n };
		ssize_t done = sendmsg(fd, &m, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_set(e, ERR_PEER, "the other side has left");
		while (n > 0 && (size_t)done >= v->iov_len) {
			done -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= (size_t)done;
		}
	}
	return true;
}

bool carry_send(struct carry *c, enum carry_kind kind, struct str head, struct str body, struct err *e)
{
	uint64_t n = (uint64_t)head.n + body.n;
	char front[HEAD] = { (char)kind };
	if (n > UINT32_MAX)
		return err_set(e, ERR_PERM, "a parcel of %llu octets", (unsigned long long)n);
	for (int i = 0; i < 4; i++)
		front[1 + i] = (char)(n >> (24 - 8 * i) & 0xff);
	struct iovec v[] = { { front, HEAD },
			     { (void *)(uintptr_t)head.p, head.n },
			     { (void *)(uintptr_t)body.p, body.n } };
	pthread_mutex_lock(&c->mu);
	bool ok = write_all(c->fd, v, 3, e);
	pthread_mutex_unlock(&c->mu);
	return ok;
}

/* One parcel, if the front of the buffer holds it. */
static bool whole(const struct carry *c, enum carry_kind *kind, struct str *payload, uint64_t *need)
{
	struct str s = str_sub(buf_str(&c->in), c->at, c->in.n);
	*need = HEAD;
	if (s.n < HEAD)
		return false;
	uint64_t n = 0;
	for (size_t i = 1; i < HEAD; i++)
		n = n << 8 | (unsigned char)s.p[i];
	*need = HEAD + n;
	*kind = (enum carry_kind)s.p[0];
	*payload = str_sub(s, HEAD, HEAD + (size_t)n);
	return s.n >= *need;
}

/* Wait until there is something to read. */
static enum carry_got wait_for(struct carry *c, int wait_ms, struct err *e)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	for (int waited = 0;; waited += TICK_MS) {
		int n = poll(&p, 1, wait_ms >= 0 && wait_ms < TICK_MS ? wait_ms : TICK_MS);
		if (n > 0)
			return CARRY_GOT;
		if (c->stop && atomic_load(c->stop)) {
			err_set(e, ERR_TEMP, "the server is stopping");
			return CARRY_BROKEN;
		}
		if (wait_ms >= 0 && waited + TICK_MS >= wait_ms)
			return CARRY_NOTHING;
	}
}

static bool read_some(struct carry *c, size_t room, struct err *e)
{
	ssize_t n;
	do
		n = recv(c->fd, buf_reserve(&c->in, room), room, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_set(e, ERR_PEER, "the other side has left");
	c->in.n += (size_t)n;
	return true;
}

enum carry_got carry_recv(struct carry *c, int wait_ms, enum carry_kind *kind, struct str *payload, struct err *e)
{
	uint64_t need;
	if (c->at == c->in.n) {
		/* What one large message needed is not kept for the small ones. */
		if (c->in.cap > KEEP)
			buf_free(&c->in);
		buf_clear(&c->in);
		c->at = 0;
	}
	while (!whole(c, kind, payload, &need)) {
		if (need > c->max + CARRY_HEAD_MAX) {
			err_set(e, ERR_PEER, "a parcel of %llu octets", (unsigned long long)need);
			return CARRY_BROKEN;
		}
		enum carry_got got = wait_for(c, wait_ms, e);
		if (got != CARRY_GOT)
			return got;
		if (c->at > 0) {
			buf_drop(&c->in, c->at);
			c->at = 0;
		}
		size_t missing = need > c->in.n ? (size_t)need - c->in.n : 0;
		if (!read_some(c, missing > READ_PIECE ? missing : READ_PIECE, e))
			return CARRY_BROKEN;
	}
	c->at += HEAD + payload->n;
	return CARRY_GOT;
}

/* --- what is in them ------------------------------------------------------------ */

void carry_add(struct buf *b, struct str text)
{
	buf_varint(b, text.n);
	buf_add(b, text);
}

bool carry_text(struct str *s, struct str *text)
{
	uint64_t n;
	if (!varint_take(s, &n) || n > s->n)
		return false;
	*text = str_sub(*s, 0, (size_t)n);
	*s = str_sub(*s, (size_t)n, s->n);
	return true;
}

bool carry_number(struct str *s, uint64_t max, uint64_t *n)
{
	return varint_take(s, n) && *n <= max;
}

void carry_add_box(struct buf *b, const struct carry_box *x)
{
	carry_add(b, x->name);
	buf_varint(b, x->use);
	buf_varint(b, x->how);
	buf_varint(b, x->uidvalidity);
	buf_varint(b, x->uid);
	buf_varint(b, x->messages);
}

bool carry_get_box(struct str s, struct carry_box *x)
{
	uint64_t use, how, uidvalidity, uid;
	if (!carry_text(&s, &x->name) || x->name.n > CARRY_MAILBOX_MAX || !carry_number(&s, 100, &use) ||
	    !carry_number(&s, 3, &how) || !carry_number(&s, UINT32_MAX, &uidvalidity) ||
	    !carry_number(&s, UINT32_MAX, &uid) || !carry_number(&s, UINT64_MAX, &x->messages))
		return false;
	x->use = (unsigned)use;
	x->how = (unsigned)how;
	x->uidvalidity = (uint32_t)uidvalidity;
	x->uid = (uint32_t)uid;
	return true;
}

void carry_add_opened(struct buf *b, const struct carry_opened *x)
{
	carry_add(b, x->name);
	buf_varint(b, x->uidvalidity);
	buf_varint(b, x->last_uid);
	carry_add(b, x->error);
}

bool carry_get_opened(struct str s, struct carry_opened *x)
{
	uint64_t uidvalidity, uid;
	if (!carry_text(&s, &x->name) || !carry_number(&s, UINT32_MAX, &uidvalidity) ||
	    !carry_number(&s, UINT32_MAX, &uid) || !carry_text(&s, &x->error))
		return false;
	x->uidvalidity = (uint32_t)uidvalidity;
	x->last_uid = (uint32_t)uid;
	return true;
}

void carry_add_message(struct buf *b, const struct carry_message *x)
{
	buf_varint(b, x->box);
	buf_varint(b, x->flags);
	buf_varint(b, (uint64_t)x->internal_wall_ms);
	buf_varint(b, x->uid);
	carry_add(b, x->keywords);
}

bool carry_get_message(struct str s, struct carry_message *x)
{
	uint64_t flags, date, uid;
	if (!carry_number(&s, CARRY_BOXES_MAX, &x->box) || !carry_number(&s, 31, &flags) ||
	    !carry_number(&s, UINT64_MAX, &date) || !carry_number(&s, UINT32_MAX, &uid) ||
	    !carry_text(&s, &x->keywords))
		return false;
	x->flags = (unsigned)flags;
	x->internal_wall_ms = (int64_t)date;
	x->uid = (uint32_t)uid;
	x->bytes = s;
	return true;
}

void carry_add_taken(struct buf *b, const struct carry_taken *x)
{
	buf_varint(b, x->fate);
	buf_varint(b, x->uid);
	if (x->fate == CARRY_REFUSED)
		carry_add(b, x->why);
}

bool carry_get_taken(struct str *s, struct carry_taken *x)
{
	uint64_t fate, uid;
	x->why = STR_NONE;
	if (!carry_number(s, CARRY_REFUSED, &fate) || !carry_number(s, UINT32_MAX, &uid) ||
	    (fate == CARRY_REFUSED && !carry_text(s, &x->why)))
		return false;
	x->fate = (enum carry_fate)fate;
	x->uid = (uint32_t)uid;
	return true;
}
