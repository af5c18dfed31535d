#include "app/user.h"

#include "base/clock.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOCK_POLL_MS 20

bool user_find(struct str name, struct user *out, struct err *e)
{
	*out = (struct user){ .uid = getuid(), .gid = getgid() };
	if (geteuid() != 0) {
		snprintf(out->name, sizeof out->name, "uid %u", (unsigned)out->uid);
		return true;
	}
	if (name.n >= sizeof out->name)
		return err_set(e, ERR_PERM, "user name too long: %.*s", STRF(name));
	memcpy(out->name, name.p, name.n);
	errno = 0;
	const struct passwd *p = getpwnam(out->name);
	if (!p && errno != 0)
		return err_sys(e, "look up user", out->name);
	if (!p)
		return err_set(e, ERR_PERM,
			       "there is no user \"%s\" to run as; make it: useradd --system --user-group --home-dir "
			       "/var/lib/%s --shell /usr/sbin/nologin %s",
			       out->name, out->name, out->name);
	if (p->pw_uid == 0)
		return err_set(e, ERR_PERM, "user \"%s\" is root; choose one with fewer rights", out->name);
	out->root = true;
	out->uid = p->pw_uid;
	out->gid = p->pw_gid;
	return true;
}

bool user_become(const struct user *u, struct err *e)
{
	if (!u->root)
		return true;
	if (initgroups(u->name, u->gid) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(e, "become user", u->name);
	if (setuid(0) == 0)
		return err_set(e, ERR_TEMP, "could take back root after giving it up");
	return true;
}

bool user_group(struct str name, gid_t *gid, struct err *e)
{
	char z[64];
	if (name.n >= sizeof z)
		return err_set(e, ERR_PERM, "group name too long: %.*s", STRF(name));
	memcpy(z, name.p, name.n);
	z[name.n] = 0;
	const struct group *g = getgrnam(z);
	if (!g)
		return err_set(e, ERR_PERM, "there is no group \"%s\"", z);
	*gid = g->gr_gid;
	return true;
}

bool user_mkdir(const struct user *u, const char *path, mode_t mode, struct err *e)
{
	struct stat st;
	if (lstat(path, &st) == 0)
		return S_ISDIR(st.st_mode) || err_set(e, ERR_PERM, "%s is not a folder", path);
	if (!file_mkdirs(path, mode, e))
		return false;
	/* Whoever could swap the folder for a link owns its parent, and that is root or ourselves. */
	if (chmod(path, mode) < 0 || (u->root && lchown(path, u->uid, u->gid) < 0))
		return err_sys(e, "give away", path);
	return true;
}

/* As the user: how much of `path` can be come to?  Its whole length, if all; else that of the folder in the way. */
static size_t reach(const struct user *u, const char *path, int how)
{
	struct err e;
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n >= sizeof part || !user_become(u, &e))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (access(part, X_OK) < 0)
			return i;
	}
	return access(path, how) == 0 ? n + 1 : n;
}

bool user_reaches(const struct user *u, const char *path, int how, struct err *e)
{
	int pair[2];
	size_t n = strlen(path), come = 0;
	struct stat st;
	struct statvfs fs;
	if (!u->root)
		return true;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, "pipe for", path);
	pid_t pid = fork();
	if (pid == 0) {
		come = reach(u, path, how);
		(void)!write(pair[1], &come, sizeof come);
		_exit(0);
	}
	close(pair[1]);
	bool answered = pid > 0 && read(pair[0], &come, sizeof come) == sizeof come;
	close(pair[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!answered || come == 0)
		return err_set(e, ERR_TEMP, "cannot try as user %s whether %s can be used", u->name, path);
	if (come > n)
		return true;
	char *part = strndup(path, come);
	bool there = part && stat(part, &st) == 0;
	if (come < n)
		err_set(e, ERR_PERM,
			"the folder %s (mode %04o) lets user %s, as whom the server works, not through to %s: choose "
			"another "
			"place, or open the folder with: chmod o+x %s",
			part, there ? st.st_mode & 07777 : 0, u->name, path, part);
	else if ((how & W_OK) && statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY))
		err_set(e, ERR_TEMP, "%s is on a read-only file system", path);
	else
		err_set(e, ERR_PERM, "user %s, as whom the server works, may not use %s (of uid %u, mode %04o)",
			u->name, path, there ? (unsigned)st.st_uid : 0, there ? st.st_mode & 07777 : 0);
	free(part);
	return false;
}

int user_lock_folder(const char *path, int64_t wait_ms, struct err *e)
{
	int64_t until_mono_ms = clock_mono_ms() + wait_ms;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, "open", path);
		return -1;
	}
	int rc;
	while ((rc = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EWOULDBLOCK && clock_mono_ms() < until_mono_ms)
		poll(NULL, 0, LOCK_POLL_MS);
	if (rc == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_TEMP, "%s is in use by another server or verb", path);
	else
		err_sys(e, "lock", path);
	close(fd);
	return -1;
}
