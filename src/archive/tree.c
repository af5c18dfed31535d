#include "archive/tree_impl.h"

#include "archive/larchive.h"
#include "base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_PIECE (64u << 10)

struct level { /* a folder that is being walked */
	int dir;
	size_t path_n; /* of its own path */
	struct arena names;
	struct entry {
		const char *name;
		bool folder;
	} * entries;
	size_t n, cap, at;
};
struct folder_tree {
	struct tree tree;
	int top;
	int file; /* -1: none is open */
	struct level levels[TREE_DEPTH];
	size_t depth;
	struct buf path;
	const char *name; /* of what came last */
	char *shown;      /* the top, for errors */
	bool done;        /* the top is a file and has come */
};

static int by_kind_and_name(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	if (a->folder != b->folder)
		return a->folder ? 1 : -1;
	return strverscmp(a->name, b->name);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* A file or a folder?  False: neither (a link, a socket), or gone. */
static bool take_kind(int dir, const struct dirent *d, bool *folder)
{
	struct stat st;
	if (d->d_type == DT_UNKNOWN) {
		if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		*folder = S_ISDIR(st.st_mode);
		return *folder || S_ISREG(st.st_mode);
	}
	*folder = d->d_type == DT_DIR;
	return *folder || d->d_type == DT_REG;
}

static bool read_names(struct level *l, struct err *e)
{
	int copy = dup(l->dir);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	bool folder, ok = true;
	if (!d) {
		if (copy >= 0)
			close(copy);
		return err_sys(e, "list", "folder");
	}
	l->names.ceiling = SIZE_MAX;
	for (struct dirent *f; ok && (f = readdir(d));) {
		if (is_dots(f->d_name) || !take_kind(l->dir, f, &folder))
			continue;
		if (l->n == l->cap) {
			l->cap = l->cap ? l->cap * 2 : 64;
			l->entries = reallocarray(l->entries, l->cap, sizeof *l->entries);
			if (!l->entries)
				abort();
		}
		l->entries[l->n++] = (struct entry){ str_z(&l->names, str_of(f->d_name)), folder };
		ok = l->n < TREE_ENTRIES || err_set(e, ERR_PERM, "a folder has more than %d files", TREE_ENTRIES);
	}
	closedir(d);
	if (l->n > 0)
		qsort(l->entries, l->n, sizeof *l->entries, by_kind_and_name);
	return ok;
}

static void level_close(struct level *l)
{
	close(l->dir);
	arena_reset(&l->names);
	free(l->entries);
	*l = (struct level){ 0 };
}

/* Go into `dir`, whose path is what t->path holds now. */
static bool enter(struct folder_tree *t, int dir, struct err *e)
{
	if (t->depth == TREE_DEPTH) {
		close(dir);
		return err_set(e, ERR_PERM, "%s: more than %d folders within one another", t->shown, TREE_DEPTH);
	}
	struct level *l = &t->levels[t->depth++];
	*l = (struct level){ .dir = dir, .path_n = t->path.n };
	return read_names(l, e) || err_add(e, "%s/%.*s", t->shown, STRF(buf_str(&t->path)));
}

static void file_end(struct folder_tree *t)
{
	if (t->file >= 0)
		close(t->file);
	t->file = -1;
}

static enum tree_got folder_next(struct tree *tree, struct file *f, struct err *e)
{
	struct folder_tree *t = (struct folder_tree *)tree;
	file_end(t);
	if (t->tree.is_file) {
		if (t->done)
			return TREE_END;
		t->done = true;
		*f = (struct file){ .path = STR_NONE };
		return TREE_ENTRY;
	}
	while (t->depth > 0) {
		struct level *l = &t->levels[t->depth - 1];
		t->path.n = l->path_n;
		if (l->at == l->n) {
			level_close(l);
			t->depth--;
			continue;
		}
		const struct entry *x = &l->entries[l->at++];
		if (t->path.n > 0)
			buf_addc(&t->path, '/');
		buf_addz(&t->path, x->name);
		t->name = x->name;
		if (x->folder) {
			int dir = openat(l->dir, x->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (dir < 0 && errno == ENOENT)
				continue;
			if (dir < 0) {
				err_sys(e, "open folder", x->name);
				err_add(e, "%s", t->shown);
				return TREE_ERROR;
			}
			if (!enter(t, dir, e))
				return TREE_ERROR;
		}
		*f = (struct file){ .path = buf_str(&t->path), .folder = x->folder };
		return TREE_ENTRY;
	}
	return TREE_END;
}

static enum tree_got folder_file(struct tree *tree, struct file *f, struct err *e)
{
	struct folder_tree *t = (struct folder_tree *)tree;
	struct stat st;
	if (t->tree.is_file)
		t->file = dup(t->top);
	else if (!f->folder)
		/* Not blocking, in case it has become a pipe meanwhile. */
		t->file = openat(t->levels[t->depth - 1].dir, t->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (t->file < 0 && (errno == ENOENT || errno == ELOOP))
		return TREE_END;
	if (t->file < 0 || fstat(t->file, &st) < 0) {
		char *name = strndup(f->path.p, f->path.n);
		err_sys(e, "open", name ? name : "file");
		free(name);
		return TREE_ERROR;
	}
	if (!S_ISREG(st.st_mode))
		return TREE_END;
	f->size = (uint64_t)st.st_size;
	f->mtime_wall_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return TREE_ENTRY;
}

static bool folder_read(struct tree *tree, void *p, size_t room, size_t *n, struct err *e)
{
	struct folder_tree *t = (struct folder_tree *)tree;
	ssize_t got;
	do
		got = read(t->file, p, room);
	while (got < 0 && errno == EINTR);
	*n = got > 0 ? (size_t)got : 0;
	return got >= 0 || err_sys(e, "read from", t->shown);
}

static bool folder_rewind(struct tree *tree, struct err *e)
{
	struct folder_tree *t = (struct folder_tree *)tree;
	file_end(t);
	while (t->depth > 0)
		level_close(&t->levels[--t->depth]);
	buf_clear(&t->path);
	t->done = false;
	if (t->tree.is_file)
		return lseek(t->top, 0, SEEK_SET) == 0 || err_sys(e, "go back in", t->shown);
	int dir = openat(t->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(e, "open", t->shown) : enter(t, dir, e);
}

static void folder_close(struct tree *tree)
{
	struct folder_tree *t = (struct folder_tree *)tree;
	file_end(t);
	while (t->depth > 0)
		level_close(&t->levels[--t->depth]);
	if (t->top >= 0)
		close(t->top);
	buf_free(&t->path);
	free(t->shown);
	free(t);
}

static const struct tree_kind kind = { folder_next, folder_file, folder_read, folder_rewind, folder_close };

static struct tree *tree_folder(const char *path, struct err *e)
{
	struct stat st;
	struct folder_tree *t = calloc(1, sizeof *t);
	if (!t || !(t->shown = strdup(path)))
		abort();
	t->tree.kind = &kind;
	t->file = -1;
	t->top = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = (t->top >= 0 && fstat(t->top, &st) == 0) || err_sys(e, "open", path);
	if (ok && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		ok = err_set(e, ERR_PERM, "%s is neither a folder nor a file", path);
	t->tree.is_file = ok && S_ISREG(st.st_mode);
	if (ok && folder_rewind(&t->tree, e))
		return &t->tree;
	folder_close(&t->tree);
	return NULL;
}

struct tree *tree_open(const char *path, struct err *e)
{
	struct stat st;
	if (packing_of(path) != PACKING_NONE && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return tree_packed(path, e);
	return tree_folder(path, e);
}

bool tree_is_file(const struct tree *t)
{
	return t->is_file;
}

enum tree_got tree_next(struct tree *t, struct file *f, struct err *e)
{
	return t->kind->next(t, f, e);
}

enum tree_got tree_file(struct tree *t, struct file *f, struct err *e)
{
	return t->kind->file(t, f, e);
}

bool tree_read(struct tree *t, void *p, size_t room, size_t *n, struct err *e)
{
	return t->kind->read(t, p, room, n, e);
}

bool tree_read_all(struct tree *t, size_t max, struct buf *b, bool *fits, struct err *e)
{
	*fits = true;
	for (;;) {
		size_t n;
		if (!tree_read(t, buf_reserve(b, READ_PIECE), READ_PIECE, &n, e))
			return false;
		b->n += n;
		*fits = b->n <= max;
		if (n == 0 || !*fits)
			return true;
	}
}

bool tree_rewind(struct tree *t, struct err *e)
{
	return t->kind->rewind(t, e);
}

void tree_close(struct tree *t)
{
	if (t)
		t->kind->close(t);
}
