/* user.h - whose rights the roles and the offline verbs have.
 *
 * Started as root, everything that touches the store runs as the configured
 * user; started by anybody else, as that caller.  Nothing creates users.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include <sys/types.h>

#define LOCK_WAIT_MS 1000 /* for another verb of the CLI to end */

struct user {
	bool root; /* we are root: there is something to give up */
	uid_t uid;
	gid_t gid;
	char name[64];
};
/* Whom we would become. ERR_PERM when there is no such user: says how to make it. */
bool user_find(struct str name, struct user *out, struct err *e);
/* Give up root for good: groups, gid, uid.  Nothing when we are not root. */
bool user_become(const struct user *u, struct err *e);
/* The gid of a group by name. ERR_PERM: no such group. */
bool user_group(struct str name, gid_t *gid, struct err *e);
/* A folder that belongs to `u`: made if it is not there. */
bool user_mkdir(const struct user *u, const char *path, mode_t mode, struct err *e);
/* Could the user come to `path` and use it (`how`: R_OK, W_OK, X_OK of access(2))?  ERR_PERM: which folder is in the
 * way, or that it is not the user's.  Only for a process of one thread: it asks in a child.  Always true when we are
 * not root: nothing will be given up. */
bool user_reaches(const struct user *u, const char *path, int how, struct err *e);
/* An exclusive flock on the folder: one server, or one verb without a server. -1: ERR_TEMP when somebody has it
 * and keeps it for `wait_ms`. */
int user_lock_folder(const char *path, int64_t wait_ms, struct err *e);
