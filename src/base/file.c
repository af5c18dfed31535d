#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void file_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

bool file_write(int fd, struct str data)
{
	while (data.n > 0) {
		ssize_t n = write(fd, data.p, data.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data = str_sub(data, (size_t)n, data.n);
	}
	return true;
}

bool file_read_fd(int fd, size_t max, struct arena *a, struct str *out, struct err *e)
{
	size_t cap = 0, n = 0;
	char *p = NULL;
	for (;;) {
		if (n > max)
			return err_set(e, ERR_PERM, "larger than %zu octets", max);
		p = arena_grow(a, p, &cap, n + 4096, 1);
		ssize_t got = read(fd, p + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "read", "file");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*out = (struct str){ p, n };
	return true;
}

bool file_read(const char *path, size_t max, struct arena *a, struct str *out, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open", path);
	if (!file_read_fd(fd, max, a, out, e))
		return err_add(e, "%s", path);
	return true;
}

bool file_commit(int dir, const char *name, struct str data, unsigned mode, struct err *e)
{
	char tmp[NAME_MAX + 1];
	if ((size_t)snprintf(tmp, sizeof tmp, "%s.new", name) >= sizeof tmp)
		return err_set(e, ERR_PERM, "create %s: name too long", name);
	unlinkat(dir, tmp, 0); /* left by a crash */
	AUTO_CLOSE int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(e, "create", name);
	/* fchmod: the mode is meant as said, whatever the umask. */
	if (fchmod(fd, mode) < 0 || !file_write(fd, data) || fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0 ||
	    fsync(dir) < 0) {
		err_sys(e, "commit", name);
		unlinkat(dir, tmp, 0);
		return false;
	}
	return true;
}

bool file_mkdirs(const char *path, unsigned mode, struct err *e)
{
	char at[PATH_MAX];
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof at)
		return err_set(e, ERR_PERM, "create folder %s: name too long or empty", path);
	memcpy(at, path, n + 1);
	for (char *p = at + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char was = *p;
		*p = '\0';
		if (mkdir(at, mode) < 0 && errno != EEXIST)
			return err_sys(e, "create folder", at);
		*p = was;
		if (was == '\0')
			return true;
	}
}
