/* tree_packed.c - the tree within an archive. */
#include "archive/larchive.h"
#include "archive/tree_impl.h"

#include <stdlib.h>
#include <sys/stat.h>

#define BLOCK (64u << 10)

struct packed_tree {
	struct tree tree;
	const struct larchive *lib;
	struct archive *a;
	struct archive_entry *entry;
	struct arena name;
	char *path;
};

static bool wrong(struct packed_tree *t, struct err *e)
{
	const char *why = t->lib->archive_error_string(t->a);
	return err_set(e, ERR_PERM, "%s: %s", t->path, why ? why : "this is no archive that can be read");
}

static bool begin(struct packed_tree *t, struct err *e)
{
	const struct larchive *l = t->lib;
	t->a = l->archive_read_new();
	if (!t->a)
		abort();
	l->archive_read_support_filter_all(t->a);
	l->archive_read_support_format_tar(t->a);
	l->archive_read_support_format_zip(t->a);
	return l->archive_read_open_filename(t->a, t->path, BLOCK) == ARCHIVE_OK || wrong(t, e);
}

/* Without "./" and "/" in front; empty when it would lead out of the archive. */
static struct str clean(struct str path)
{
	struct str rest;
	while (str_skip(&path, STR("./")) || str_skipc(&path, '/'))
		;
	while (str_ends(path, STR("/")))
		path.n--;
	for (rest = path; rest.n > 0;)
		if (str_eq(str_cut(&rest, '/'), STR("..")))
			return STR_NONE;
	return str_eq(path, STR(".")) ? STR_NONE : path;
}

static enum tree_got packed_next(struct tree *tree, struct file *f, struct err *e)
{
	struct packed_tree *t = (struct packed_tree *)tree;
	for (;;) {
		int rc = t->lib->archive_read_next_header(t->a, &t->entry);
		if (rc == ARCHIVE_EOF)
			return TREE_END;
		if (rc == ARCHIVE_RETRY)
			continue;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
			wrong(t, e);
			return TREE_ERROR;
		}
		unsigned type = t->lib->archive_entry_filetype(t->entry);
		/* A name in another charset than ours comes by one of the two. */
		const char *name = t->lib->archive_entry_pathname_utf8(t->entry);
		if (!name)
			name = t->lib->archive_entry_pathname(t->entry);
		arena_reset(&t->name);
		struct str path = str_dup(&t->name, clean(str_of(name)));
		if (path.n == 0 || (type != AE_IFREG && type != AE_IFDIR))
			continue;
		*f = (struct file){ .path = path, .folder = type == AE_IFDIR };
		return TREE_ENTRY;
	}
}

static enum tree_got packed_file(struct tree *tree, struct file *f, struct err *e)
{
	struct packed_tree *t = (struct packed_tree *)tree;
	int64_t size = t->lib->archive_entry_size(t->entry);
	(void)e;
	f->size = size > 0 ? (uint64_t)size : 0;
	f->mtime_wall_ms = (int64_t)t->lib->archive_entry_mtime(t->entry) * 1000;
	return TREE_ENTRY;
}

static bool packed_read(struct tree *tree, void *p, size_t room, size_t *n, struct err *e)
{
	struct packed_tree *t = (struct packed_tree *)tree;
	for (;;) {
		ssize_t got = t->lib->archive_read_data(t->a, p, room);
		if (got == ARCHIVE_RETRY)
			continue;
		*n = got > 0 ? (size_t)got : 0;
		return got >= 0 || wrong(t, e);
	}
}

static bool packed_rewind(struct tree *tree, struct err *e)
{
	struct packed_tree *t = (struct packed_tree *)tree;
	t->lib->archive_read_free(t->a);
	return begin(t, e);
}

static void packed_close(struct tree *tree)
{
	struct packed_tree *t = (struct packed_tree *)tree;
	if (t->a)
		t->lib->archive_read_free(t->a);
	arena_reset(&t->name);
	free(t->path);
	free(t);
}

static const struct tree_kind kind = { packed_next, packed_file, packed_read, packed_rewind, packed_close };

struct tree *tree_packed(const char *path, struct err *e)
{
	const struct larchive *lib = larchive(e);
	struct packed_tree *t = lib ? calloc(1, sizeof *t) : NULL;
	if (!lib)
		return NULL;
	if (!t || !(t->path = strdup(path)))
		abort();
	t->tree.kind = &kind;
	t->lib = lib;
	if (begin(t, e))
		return &t->tree;
	packed_close(&t->tree);
	return NULL;
}
