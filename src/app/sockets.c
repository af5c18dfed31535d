#include "app/sockets.h"

#include "app/roles.h"
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

/* A socket file belongs to the server's user, and to the group that is named. */
static bool own(const struct bound *b, const struct user *u, struct str group, unsigned mode, struct err *e)
{
	gid_t gid = u->gid;
	if (group.n > 0 && !user_group(group, &gid, e))
		return false;
	if ((u->root || group.n > 0) && lchown(b->path, u->root ? u->uid : (uid_t)-1, gid) < 0)
		return err_sys(e, "chown", b->path);
	return chmod(b->path, mode) == 0 || err_sys(e, "chmod", b->path);
}

static bool bind_unix(struct bound *b, const struct user *u, struct str group, unsigned mode, struct err *e)
{
	/* Nobody may come in before the owner is right. */
	b->fd = listen_unix(b->path, mode & 0600, BACKLOG, e);
	return b->fd >= 0 && own(b, u, group, mode, e);
}

static bool bind_place(struct bound *b, const struct place *p, const struct user *u, const struct sockets *before,
		       struct err *e)
{
	const struct bound *old = find(before, b);
	if (old) {
		b->fd = old->fd;
		b->borrowed = true;
		return true;
	}
	if (b->path)
		return bind_unix(b, u, p->group, p->mode, e) || err_add(e, "%s", p->where);
	b->fd = listen_tcp(b->at, BACKLOG, e);
	return b->fd >= 0 || err_add(e, "%s: %s port %u", p->where, service_name(p->service), (unsigned)b->at.port);
}

static bool bind_ours(struct bound *b, unsigned mode, const struct user *u, const struct sockets *before, struct err *e)
{
	const struct bound *old = find(before, b);
	if (!old)
		return bind_unix(b, u, STR_NONE, mode, e);
	b->fd = old->fd;
	b->borrowed = true;
	return true;
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
	ok = ok && bind_ours(&ours[0], 0600, u, before, e) && bind_ours(&ours[1], 0660, u, before, e);
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

void sockets_retire(struct sockets *before, const struct sockets *now)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct bound *taken = find(now, &before->bound[i]);
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
