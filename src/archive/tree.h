/* tree.h - the files below a folder, or within an archive: one walk for both.
 *
 * What is walked may be a stranger's while root walks: links are not followed
 * below the top, and only regular files are opened.  Names are octets, with
 * "/" between folders and no "." or ".." in them.  In a folder what a folder
 * holds comes in natural order (9 before 10), files before folders; in an
 * archive as it was packed.  One thread.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define TREE_DEPTH   32
#define TREE_ENTRIES 4000000 /* names of one folder */

struct file {
	struct str path; /* below the top; "" when the top is itself a file. Valid until the next tree_next() */
	bool folder;
	uint64_t size;         /* of a file that is open */
	int64_t mtime_wall_ms; /* the same */
};
struct tree;
/* A folder, a file, or an archive by its name (larchive.h). */
struct tree *tree_open(const char *path, struct err *e);
bool tree_is_file(const struct tree *t); /* the top is a file, and no archive */
enum tree_got { TREE_ENTRY, TREE_END, TREE_ERROR };
enum tree_got tree_next(struct tree *t, struct file *f, struct err *e);
/* Open what came last. TREE_END: it is gone, or is no regular file. */
enum tree_got tree_file(struct tree *t, struct file *f, struct err *e);
/* *n 0: its end. */
bool tree_read(struct tree *t, void *p, size_t room, size_t *n, struct err *e);
/* All of it, at most `max` octets: *fits false when there are more. */
bool tree_read_all(struct tree *t, size_t max, struct buf *b, bool *fits, struct err *e);
bool tree_rewind(struct tree *t, struct err *e);
void tree_close(struct tree *t);
