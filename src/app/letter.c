#include "app/letter.h"

#include "net/listen.h"
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SEND_WAIT_S 5

struct head { /* before each part; both ends are one binary, so it goes as it is in memory */
	uint32_t id;
	uint8_t kind, last, spare[2];
};

void post_open(struct post *p, int sock)
{
	struct timeval wait = { .tv_sec = SEND_WAIT_S };
	p->sock = sock;
	pthread_mutex_init(&p->mu, NULL);
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

static bool send_parts(struct post *p, struct head *h, struct str text, int fd, struct err *e)
{
	char part[sizeof *h + LETTER_PART];
	bool first = true;
	do {
		size_t n = text.n < LETTER_PART ? text.n : LETTER_PART;
		h->last = n == text.n;
		memcpy(part, h, sizeof *h);
		memcpy(part + sizeof *h, text.p, n);
		struct str whole = { part, sizeof *h + n };
		if (!fdpass_send(p->sock, whole, &fd, first && fd >= 0 ? 1 : 0, e))
			return false;
		text = str_sub(text, n, text.n);
		first = false;
	} while (!h->last);
	return true;
}

bool post_send(struct post *p, enum letter_kind kind, uint32_t id, struct str text, int fd, struct err *e)
{
	struct head h = { .id = id, .kind = (uint8_t)kind };
	if (text.n > LETTER_MAX)
		return err_set(e, ERR_PERM, "answer too long: %zu octets, at most %u", text.n, LETTER_MAX);
	pthread_mutex_lock(&p->mu);
	bool ok = send_parts(p, &h, text, fd, e);
	pthread_mutex_unlock(&p->mu);
	return ok;
}

void letters_open(struct letters *l, int sock)
{
	*l = (struct letters){ .sock = sock, .fd = -1, .part = { .max = LETTER_MAX } };
}

void letters_close(struct letters *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->part.cap > 0)
		explicit_bzero(l->part.p, l->part.cap); /* keys pass through here */
	buf_free(&l->part);
	l->fd = -1;
}

static enum letter_got bad(struct err *e, const char *why)
{
	err_set(e, ERR_PEER, "%s", why);
	return LETTER_BAD;
}

enum letter_got letters_next(struct letters *l, struct letter *out, struct err *e)
{
	char part[sizeof(struct head) + LETTER_PART];
	struct head h;
	size_t n = 0, nfds = LETTER_FDS;
	int fds[LETTER_FDS];
	if (!fdpass_recv(l->sock, part, sizeof part, &n, fds, &nfds, e))
		return LETTER_BAD;
	for (size_t i = 0; i < nfds; i++) {
		if (l->fd < 0)
			l->fd = fds[i];
		else
			close(fds[i]);
	}
	if (n == 0)
		return LETTER_END;
	if (n < sizeof h)
		return bad(e, "letter without a head");
	memcpy(&h, part, sizeof h);
	buf_add(&l->part, (struct str){ part + sizeof h, n - sizeof h });
	explicit_bzero(part, n); /* it may have been a key */
	if (l->part.full)
		return bad(e, "letter too long");
	if (!h.last)
		return LETTER_PARTIAL;
	*out = (struct letter){ .kind = (enum letter_kind)h.kind, .id = h.id, .text = buf_str(&l->part), .fd = l->fd };
	l->fd = -1;
	buf_clear(&l->part); /* empties it, keeps the octets where `out` sees them */
	return LETTER_GOT;
}
