/* A stage fills `mem`.  Past its limit the octets are packed into a frame and
 * written to a file that has no name yet; a crash leaves nothing.  Sealing
 * packs the rest, syncs and names it: <incarnation>-<n>, so that what a dead
 * process named but never committed can be told from what a living one is about to commit.
 *
 * The limit follows the role's budget: what a stage may hold shrinks as the
 * memory of all stages grows, so slow senders cannot fill it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/sqlite_content.h"
#include "store/sqlite_store.h"

#define SPILL_TIGHT (16u << 10) /* past half of the budget */
#define SPILL_OVER  (4u << 10)  /* past all of it */
#define SPILL_FRAME (64u << 10) /* once spilled, gathered up to this */

struct stage_impl {
	struct buf mem;     /* octets not yet in the file */
	struct buf packed;  /* sealed without a file: the frame */
	uint64_t accounted; /* what of st->staged is ours */
	uint64_t sealed_at; /* the size it was sealed at */
	int fd, folder;     /* -1: not spilled */
	struct content_path path;
	char file[CONTENT_NAME];
	bool named, sealed, kept;
	struct str head, all; /* read back from the file */
};

static bool sink_add(struct sink *sink, struct str bytes)
{
	return stage_add((struct stage *)sink, bytes); /* its first member */
}

void stage_open(struct stage *s, struct store *st, uint64_t max)
{
	*s = (struct stage){ .sink.add = sink_add, .max = max, .st = st };
}

static void account(struct stage *s)
{
	struct stage_impl *im = s->impl;
	uint64_t now = im->mem.cap + im->packed.cap + im->head.n;
	atomic_fetch_add(&s->st->staged, now - im->accounted);
	im->accounted = now;
}

static size_t limit_now(const struct stage *s)
{
	uint64_t staged = atomic_load(&s->st->staged), budget = s->st->conf.staging;
	if (staged > budget)
		return SPILL_OVER;
	if (staged > budget / 2 || (s->tight && s->impl->fd < 0))
		return SPILL_TIGHT;
	return s->impl->fd >= 0 ? SPILL_FRAME : STAGE_SPILL;
}

/* --- the file --------------------------------------------------------------- */

static int folder_open(struct store *st, const char *folder)
{
	int fd = openat(st->content_dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if ((mkdirat(st->content_dir, folder, 0700) < 0 && errno != EEXIST) || fsync(st->content_dir) < 0)
		return -1;
	return openat(st->content_dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool file_begin(struct stage *s)
{
	struct stage_impl *im = s->impl;
	if (!store_room(s->st, STAGE_SPILL, &s->err))
		return false;
	snprintf(im->file, sizeof im->file, "%u-%u", s->st->incarnation, atomic_fetch_add(&s->st->files, 1) + 1);
	if (!content_path(str_of(im->file), &im->path))
		return err_set(&s->err, ERR_TEMP, "content name %s", im->file);
	im->folder = folder_open(s->st, im->path.folder);
	if (im->folder < 0)
		return err_sys(&s->err, "open content folder", im->path.folder);
	im->fd = openat(im->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (im->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* this file system has none: name it now */
		im->fd = openat(im->folder, im->path.name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		im->named = im->fd >= 0;
	}
	return im->fd >= 0 || err_sys(&s->err, "create", im->path.name);
}

static bool spill(struct stage *s)
{
	struct stage_impl *im = s->impl;
	if (im->fd < 0 && !file_begin(s))
		return false;
	struct buf frame = { 0 };
	bool ok = frames_pack(&s->st->frames, buf_str(&im->mem), &frame, &s->err) &&
		  (file_write(im->fd, buf_str(&frame)) || err_sys(&s->err, "write", im->path.name));
	buf_free(&frame);
	buf_free(&im->mem);
	account(s);
	return ok;
}

/* Content, then name, then folder: the row that names it comes after all of them. A failed sync means that the disk
 * lies. */
static bool file_finish(struct stage *s)
{
	struct stage_impl *im = s->impl;
	char self[32];
	bool synced = fdatasync(im->fd) == 0;
	if (synced && !im->named) {
		snprintf(self, sizeof self, "/proc/self/fd/%d", im->fd);
		if (linkat(AT_FDCWD, self, im->folder, im->path.name, AT_SYMLINK_FOLLOW) < 0)
			return err_sys(&s->err, "name", im->path.name);
		im->named = true;
	}
	if (synced && fsync(im->folder) == 0)
		return true;
	bool full = errno == ENOSPC || errno == EDQUOT;
	err_sys(&s->err, "sync", im->path.name);
	if (!full)
		store_break(s->st, s->err.text);
	return false;
}

/* --- octets in --------------------------------------------------------------- */

bool stage_add(struct stage *s, struct str bytes)
{
	if (s->err.kind != ERR_NONE)
		return false;
	if (bytes.n > s->max - s->size || s->size > s->max)
		return err_set(&s->err, ERR_PERM, "too large: over %llu octets", (unsigned long long)s->max);
	if (!s->impl) {
		s->impl = calloc(1, sizeof *s->impl);
		if (!s->impl)
			abort();
		s->impl->fd = s->impl->folder = -1;
	}
	while (bytes.n > 0) {
		size_t limit = limit_now(s), have = s->impl->mem.n;
		size_t take = have < limit ? limit - have : 0;
		if (take > bytes.n)
			take = bytes.n;
		buf_add(&s->impl->mem, str_sub(bytes, 0, take));
		account(s);
		s->size += take;
		bytes = str_sub(bytes, take, bytes.n);
		if (bytes.n > 0 && !spill(s))
			return false;
	}
	return true;
}

bool stage_seal(struct stage *s, struct err *e)
{
	struct stage_impl *im = s->impl;
	if (s->err.kind == ERR_NONE && !im) { /* an empty message is one, too */
		stage_add(s, STR_NONE);
		im = s->impl;
	}
	if (s->err.kind == ERR_NONE && !im->sealed) {
		if (im->fd < 0)
			im->sealed = frames_pack(&s->st->frames, buf_str(&im->mem), &im->packed, &s->err);
		else
			im->sealed = (im->mem.n == 0 || spill(s)) && file_finish(s);
		im->sealed_at = s->size;
		account(s);
	}
	if (s->err.kind != ERR_NONE)
		*e = s->err;
	return s->err.kind == ERR_NONE;
}

/* --- octets out ---------------------------------------------------------------- */

static struct str file_map(int fd)
{
	struct stat sb;
	if (fstat(fd, &sb) < 0 || sb.st_size == 0)
		return STR_NONE;
	void *p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? STR_NONE : (struct str){ p, (size_t)sb.st_size };
}

struct str stage_head(const struct stage *s)
{
	struct stage_impl *im = s->impl;
	if (!im)
		return STR_NONE;
	if (im->fd < 0)
		return str_sub(buf_str(&im->mem), 0, STAGE_HEAD);
	if (im->head.n > 0)
		return im->head;
	size_t max = s->size < STAGE_HEAD ? (size_t)s->size : STAGE_HEAD;
	char *p = malloc(max + 1);
	if (!p)
		abort();
	struct str packed = file_map(im->fd);
	size_t n = frames_unpack_head(&s->st->frames, packed, p, max);
	content_unmap(packed);
	/* The rest may still be in memory. */
	struct str rest = str_sub(buf_str(&im->mem), 0, max - n);
	memcpy(p + n, rest.p, rest.n);
	im->head = (struct str){ p, n + rest.n };
	return im->head;
}

/* Unpacked into a nameless file and mapped: the kernel may write it out, which it cannot do with our heap. */
static bool unpack_mapped(struct stage *s, struct err *e)
{
	struct stage_impl *im = s->impl;
	size_t filed = (size_t)s->size - im->mem.n;
	AUTO_CLOSE int fd = openat(s->st->content_dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("sluice-stage", MFD_CLOEXEC);
	if (fd < 0 || (errno = posix_fallocate(fd, 0, (off_t)s->size)) != 0)
		return err_sys(e, "unpack", im->path.name);
	char *p = mmap(NULL, (size_t)s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, "map", im->path.name);
	struct str packed = file_map(im->fd);
	bool ok = frames_unpack(&s->st->frames, packed, p, filed);
	content_unmap(packed);
	if (im->mem.n)
		memcpy(p + filed, im->mem.p, im->mem.n);
	im->all = (struct str){ p, (size_t)s->size };
	return ok || err_set(e, ERR_TEMP, "staged octets in %s came back damaged", im->path.name);
}

bool stage_all(struct stage *s, struct arena *a, struct str *all, struct err *e)
{
	struct stage_impl *im = s->impl;
	(void)a; /* mapped, not copied: it lives until the stage is dropped or grows */
	if (s->err.kind != ERR_NONE) {
		*e = s->err;
		return false;
	}
	*all = STR_NONE;
	if (!im)
		return true;
	if (im->fd < 0) {
		*all = buf_str(&im->mem);
		return true;
	}
	if (im->all.n != s->size) {
		content_unmap(im->all);
		im->all = STR_NONE;
		if (!unpack_mapped(s, e))
			return false;
	}
	*all = im->all;
	return true;
}

/* --- the end ------------------------------------------------------------------- */

struct packed stage_packed(const struct stage *s)
{
	const struct stage_impl *im = s->impl;
	bool filed = im->fd >= 0;
	return (struct packed){ .size = s->size,
				.file = filed ? str_of(im->file) : STR_NONE,
				.data = filed ? STR_NONE : buf_str(&im->packed) };
}

void stage_keep(struct stage *s)
{
	s->impl->kept = true;
}

void stage_drop(struct stage *s)
{
	struct stage_impl *im = s->impl;
	struct store *st = s->st;
	if (!im)
		return;
	/* After a failed sync the commit may stand or not: then the file stays for the collector to judge. */
	if (im->named && !im->kept && !atomic_load(&st->broken))
		unlinkat(im->folder, im->path.name, 0);
	content_unmap(im->all);
	free(im->head.n ? (char *)im->head.p : NULL);
	buf_free(&im->mem);
	buf_free(&im->packed);
	atomic_fetch_sub(&st->staged, im->accounted);
	if (im->fd >= 0)
		close(im->fd);
	if (im->folder >= 0)
		close(im->folder);
	free(im);
	s->impl = NULL;
}
