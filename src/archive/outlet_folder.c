/* outlet_folder.c - packed files as files of a folder. */
#include "archive/pack_impl.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_FDS 16

struct folder_outlet {
	struct outlet outlet;
	char *dest, *partial;
	int top, file; /* -1: none */
	bool done;
};

static bool folder_folder(struct outlet *outlet, const char *path, struct err *e)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	return mkdirat(o->top, path, 0700) == 0 || errno == EEXIST || err_sys(e, "create folder", path);
}

static bool folder_file(struct outlet *outlet, const char *path, struct str bytes, int64_t mtime_wall_ms, struct err *e)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	int64_t ms = mtime_wall_ms > 0 ? mtime_wall_ms : 0;
	struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = ms % 1000 * 1000000 };
	AUTO_CLOSE int fd = openat(o->top, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return (fd >= 0 && file_write(fd, bytes) && futimens(fd, (struct timespec[]){ t, t }) == 0) ||
	       err_sys(e, "write", path);
}

static bool folder_begin(struct outlet *outlet, const char *path, struct err *e)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	o->file = openat(o->top, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return o->file >= 0 || err_sys(e, "create", path);
}

static bool folder_more(struct outlet *outlet, struct str bytes, struct err *e)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	return file_write(o->file, bytes) || err_sys(e, "write in", o->partial);
}

static bool folder_end(struct outlet *outlet, struct err *e)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	int fd = o->file;
	o->file = -1;
	return close(fd) == 0 || err_sys(e, "write in", o->partial);
}

/* The folder that `path` stands in. */
static bool sync_parent(const char *path, struct err *e)
{
	struct arena a = { 0 };
	struct str s = str_of(path);
	while (s.n > 0 && s.p[s.n - 1] != '/')
		s.n--;
	AUTO_CLOSE int dir = open(s.n > 0 ? str_z(&a, s) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	arena_reset(&a);
	return (dir >= 0 && fsync(dir) == 0) || err_sys(e, "sync the folder of", path);
}

static bool folder_done(struct outlet *outlet, struct err *e)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	/* One sync for all files: one each would take minutes. */
	if (syncfs(o->top) < 0)
		return err_sys(e, "sync", o->partial);
	/* Over an empty folder at most: rename(2) refuses any other. */
	if (rename(o->partial, o->dest) < 0)
		return err_sys(e, "rename to", o->dest);
	o->done = true;
	return sync_parent(o->dest, e);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static void folder_close(struct outlet *outlet)
{
	struct folder_outlet *o = (struct folder_outlet *)outlet;
	if (o->file >= 0)
		close(o->file);
	if (o->top >= 0) {
		close(o->top);
		if (!o->done)
			nftw(o->partial, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
	}
	free(o->dest);
	free(o->partial);
	free(o);
}

static const struct outlet_kind kind = { folder_folder, folder_file, folder_begin, folder_more,
					 folder_end,    folder_done, folder_close };

/* Nothing there, or an empty folder. */
static bool is_free(const char *dest, struct err *e)
{
	struct stat st;
	if (lstat(dest, &st) < 0)
		return errno == ENOENT || err_sys(e, "look at", dest);
	/* An empty folder can be removed and is then made again: the surest way to know. */
	if (S_ISDIR(st.st_mode) && rmdir(dest) == 0)
		return true;
	return err_set(e, ERR_PERM, "%s is there already; nothing is overwritten", dest);
}

struct outlet *outlet_folder(const char *dest, struct err *e)
{
	struct folder_outlet *o = calloc(1, sizeof *o);
	if (!o || !(o->dest = strdup(dest)))
		abort();
	for (size_t n = strlen(o->dest); n > 1 && o->dest[n - 1] == '/'; n--)
		o->dest[n - 1] = 0;
	if (asprintf(&o->partial, "%s%s", o->dest, PARTIAL) < 0)
		abort();
	o->outlet.kind = &kind;
	o->top = o->file = -1;
	if (is_free(o->dest, e)) {
		if (mkdir(o->partial, 0700) == 0)
			o->top = open(o->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (o->top >= 0)
			return &o->outlet;
		if (errno == EEXIST)
			err_set(e, ERR_PERM, "%s is left of an export that was interrupted; remove it first",
				o->partial);
		else
			err_sys(e, "create folder", o->partial);
	}
	folder_close(&o->outlet);
	return NULL;
}
