/* disk_fault.c - preloaded into a server under test: a disk that fails when the test says so.
 *
 * The file named by DISK_FAULT holds one int, which all processes share: 0, all is
 * well; EROFS, the file system has become read-only; EIO, syncs fail.  A real remount
 * is refused by the kernel while files are open for writing, so it cannot be had
 * under a running server.  Logs (O_APPEND) are spared: they are thought to be elsewhere.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const volatile int *fault;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("DISK_FAULT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof *fault, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	fault = p == MAP_FAILED ? NULL : p;
	if (fd >= 0)
		close(fd);
}

static int is(int wanted)
{
	if (!fault || *fault != wanted)
		return 0;
	errno = wanted;
	return 1;
}

static int refuses(int fd, int wanted)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && !(flags & O_APPEND) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is(wanted);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *p, size_t n)
{
	return refuses(fd, EROFS) ? -1 : NEXT(write)(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return refuses(fd, EROFS) ? -1 : NEXT(pwrite)(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return refuses(fd, EROFS) ? -1 : NEXT(pwrite64)(fd, p, n, at);
}

int ftruncate(int fd, off_t n)
{
	return refuses(fd, EROFS) ? -1 : NEXT(ftruncate)(fd, n);
}

int ftruncate64(int fd, off64_t n)
{
	return refuses(fd, EROFS) ? -1 : NEXT(ftruncate64)(fd, n);
}

int fsync(int fd)
{
	return refuses(fd, EIO) ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
	return refuses(fd, EIO) ? -1 : NEXT(fdatasync)(fd);
}

int unlink(const char *path)
{
	return is(EROFS) ? -1 : NEXT(unlink)(path);
}

int unlinkat(int dir, const char *path, int flags)
{
	return is(EROFS) ? -1 : NEXT(unlinkat)(dir, path, flags);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	return is(EROFS) ? -1 : NEXT(mkdirat)(dir, path, mode);
}

static int opens(int flags)
{
	int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
	return writes && !(flags & O_APPEND) && is(EROFS);
}

#define OPEN(name)                                                        \
	int name(const char *path, int flags, ...)                        \
	{                                                                 \
		va_list ap;                                               \
		va_start(ap, flags);                                      \
		mode_t mode = va_arg(ap, mode_t);                         \
		va_end(ap);                                               \
		return opens(flags) ? -1 : NEXT(name)(path, flags, mode); \
	}
#define OPENAT(name)                                                           \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		mode_t mode = va_arg(ap, mode_t);                              \
		va_end(ap);                                                    \
		return opens(flags) ? -1 : NEXT(name)(dir, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
