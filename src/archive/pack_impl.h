/* pack_impl.h - where packed files go: the two kinds of destination. */
#pragma once
#include "archive/pack.h"

struct outlet {
	const struct outlet_kind {
		bool (*folder)(struct outlet *o, const char *path, struct err *e);
		/* A whole file. */
		bool (*file)(struct outlet *o, const char *path, struct str bytes, int64_t mtime_wall_ms,
			     struct err *e);
		/* A file that grows: one at a time. */
		bool (*begin)(struct outlet *o, const char *path, struct err *e);
		bool (*more)(struct outlet *o, struct str bytes, struct err *e);
		bool (*end)(struct outlet *o, struct err *e);
		bool (*done)(struct outlet *o, struct err *e);
		void (*close)(struct outlet *o); /* what is not done goes */
	} * kind;
};
struct outlet *outlet_folder(const char *dest, struct err *e);
struct outlet *outlet_archive(const char *dest, int64_t now_wall_ms, struct err *e);
#define PARTIAL ".partial"
