/* sockets.h - the listening sockets that the parent holds for its roles.
 *
 * Bound once and kept over reloads: a new generation gets the very sockets of
 * the old one, so no connection is refused in between.  The set for a new
 * configuration is made beside the present one; only when all of it
 * stands does it take its place.
 */
#pragma once
#include "app/load.h"
#include "app/user.h"

struct bound {
	struct addrport at; /* TCP */
	char *path;         /* unix; NULL for TCP */
	int fd;
	bool borrowed; /* from the set before: not ours to close on failure */
	unsigned mode; /* of `path`, and its owner */
	uid_t uid;
	gid_t gid;
};
struct sockets {
	struct bound *bound; /* by place; the last two: auth.sock, control.sock */
	size_t n;
};
/* Bind what `l` names, taking over from `before` what is there already. */
bool sockets_open(struct sockets *s, struct loaded *l, const struct user *u, const struct sockets *before,
		  struct err *e);
int sockets_place(const struct sockets *s, size_t place);
int sockets_auth(const struct sockets *s);
int sockets_control(const struct sockets *s);
/* `now` takes over from `before`: close and unlink what is only in `before`, and let socket files that stay belong to
 * whom `now` says. */
void sockets_retire(struct sockets *before, const struct sockets *now);
/* Close all and remove socket files. */
void sockets_close(struct sockets *s);
