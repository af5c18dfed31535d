/* tree_impl.h - the two kinds of tree. */
#pragma once
#include "archive/tree.h"

struct tree {
	const struct tree_kind {
		enum tree_got (*next)(struct tree *t, struct file *f, struct err *e);
		enum tree_got (*file)(struct tree *t, struct file *f, struct err *e);
		bool (*read)(struct tree *t, void *p, size_t room, size_t *n, struct err *e);
		bool (*rewind)(struct tree *t, struct err *e);
		void (*close)(struct tree *t);
	} * kind;
	bool is_file;
};
struct tree *tree_packed(const char *path, struct err *e);
