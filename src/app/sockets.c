#include "app/sockets.h"

#include "app/roles.h"
#include "base/log.h"
#include "net/listen.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024

static const struct bound *find(const struct sockets *s, const struct bound *like)
{
	for (size_t i = 0; s && i < s->n; i++) {
		const struct bound *b = &s->bound[i];
		bool same = b->path || like->path ? b->path && like->path && strcmp(b->path, like->path) == 0
						  : addr_eq(b->at.addr, like->at.addr) && b->at.port == like->at.port;
		if (same && b->fd >= 0)
			return b;
	}
	return NULL;
}

static bool own(const struct bound *b, struct err *e)
{
	bool given = b->uid != (uid_t)-1 || b->gid != (gid_t)-1;
	if (given && lchown(b->path, b->uid, b->gid) < 0)
		return err_sys(e, "chown", b->path);
	return chmod(b->path, b->mode) == 0 || err_sys(e, "chmod", b->path);
}

static bool borrow(struct bound *b, const struct sockets *before)
{
	const struct bound *old = find(before, b);
	if (!old)
		return false;
	b->fd = old->fd;
	b->borrowed = true;
	return true;
}

/* A socket file belongs to the server's user, and to the group that is named. */
static bool bind_unix(struct bound *b, const struct user *u, struct str group, unsigned mode,
		      const struct sockets *before, struct err *e)
{
	b->mode = mode;
	b->uid = u->root ? u->uid : (uid_t)-1;
	b->gid = u->root ? u->gid : (gid_t)-1;
	if (group.n > 0 && !user_group(group, &b->gid, e))
		return false;
	if (borrow(b, before))
		return true; /* sockets_retire() sees to its owner, when this set is taken */
	/* Nobody may come in before the owner is right. */
	b->fd = listen_unix(b->path, mode & 0600, BACKLOG, e);
	return b->fd >= 0 && own(b, e);
}

static bool bind_place(struct bound *b, const struct place *p, const struct user *u, const struct sockets *before,
		       struct err *e)
{
	if (b->path)
		return bind_unix(b, u, p->group, p->mode, before, e) || err_add(e, "%s", p->where);
	if (borrow(b, before))
		return true;
	b->fd = listen_tcp(b->at, BACKLOG, e);
	return b->fd >= 0 || err_add(e, "%s: %s port %u", p->where, service_name(p->service), (unsigned)b->at.port);
}

static char *path_copy(struct str s)
{
	char *p = strndup(s.p, s.n);
	if (!p)
		abort();
	return p;
}

bool sockets_open(struct sockets *s, struct loaded *l, const struct user *u, const struct sockets *before,
		  struct err *e)
{
	bool ok = true;
	s->n = l->nplaces + 2;
	s->bound = calloc(s->n, sizeof *s->bound);
	if (!s->bound)
		abort();
	for (size_t i = 0; i < s->n; i++)
		s->bound[i].fd = -1;
	for (size_t i = 0; i < l->nplaces && ok; i++) {
		s->bound[i].at = l->places[i].at;
		if (l->places[i].unix_socket)
			s->bound[i].path = path_copy(l->places[i].path);
		ok = bind_place(&s->bound[i], &l->places[i], u, before, e);
	}
	struct bound *ours = s->bound + l->nplaces;
	ours[0].path = path_copy(str_of(load_run_path(l, NAME_AUTH)));
	ours[1].path = path_copy(str_of(load_run_path(l, NAME_CONTROL)));
	ok = ok && bind_unix(&ours[0], u, STR_NONE, 0600, before, e) &&
	     bind_unix(&ours[1], u, STR_NONE, 0660, before, e);
	if (!ok)
		sockets_close(s);
	return ok;
}

int sockets_place(const struct sockets *s, size_t place)
{
	return s->bound[place].fd;
}

int sockets_auth(const struct sockets *s)
{
	return s->bound[s->n - 2].fd;
}

int sockets_control(const struct sockets *s)
{
	return s->bound[s->n - 1].fd;
}

static void release(struct bound *b, bool shut)
{
	if (shut && b->fd >= 0 && !b->borrowed) {
		if (b->path)
			unlink(b->path);
		close(b->fd);
	}
	free(b->path);
	*b = (struct bound){ .fd = -1 };
}

/* A socket that was there already is given its new owner and mode; it serves on in any case. */
static void hand_over(const struct bound *was, const struct bound *b)
{
	struct err e;
	bool same = was->mode == b->mode && was->uid == b->uid && was->gid == b->gid;
	if (b->path && !same && !own(b, &e))
		log_error("serve.socket", KVZ("error", e.text));
}

void sockets_retire(struct sockets *before, const struct sockets *now)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct bound *taken = find(now, &before->bound[i]);
		if (taken)
			hand_over(&before->bound[i], taken);
		before->bound[i].borrowed = false; /* only the newest set holds */
		release(&before->bound[i], !taken);
	}
	for (size_t i = 0; i < now->n; i++)
		now->bound[i].borrowed = false;
	free(before->bound);
	*before = (struct sockets){ 0 };
}

void sockets_close(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		release(&s->bound[i], true);
	free(s->bound);
	*s = (struct sockets){ 0 };
}
