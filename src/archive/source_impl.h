/* source_impl.h - what the kinds of source share. */
#pragma once
#include "archive/source.h"

#define BOXES_MAX 20000

struct source {
	const struct source_kind {
		enum source_got (*next)(struct source *s, struct source_message *m, struct err *e);
		void (*close)(struct source *s);
	} * kind;
	struct source_conf conf;
	struct arena life;
	struct source_box *boxes;
	size_t nboxes, cap;
	uint64_t done, total;
	bool octets;
};

/* Is the mailbox one of those that are wanted? */
bool source_wants(const struct source *s, struct str mailbox);
/* Note it down unless it is there.  False: too many. */
bool source_add_box(struct source *s, struct str name, enum special_use use, struct err *e);
/* The folder that both paths are in, or are. */
struct str source_common(struct str a, struct str b);
/* A date of before mail, or of the future, is none. */
int64_t source_date(const struct source *s, int64_t wall_ms);
/* For the end of source.c's source_next(): date and NULs of a message whose octets are `b`. */
void source_finish(const struct source *s, struct buf *b, struct source_message *m);
