/* table.h - lists for people: columns as wide as what stands in them. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#define TABLE_COLUMNS 8

struct table {
	struct arena arena;
	struct str *cells;
	size_t n, cap, columns;
};
/* `heads` ends with NULL; one that begins with '>' is flush right. */
void table_open(struct table *t, const char *const *heads);
void table_cell(struct table *t, struct str text); /* the next one, left to right */
__attribute__((format(printf, 2, 3))) void table_cellf(struct table *t, const char *fmt, ...);
/* All rows into `b`; frees the table. */
void table_print(struct table *t, struct buf *b);

/* "3 d 4 h", "5 m 2 s", "120 ms" */
struct str table_duration(struct arena *a, int64_t ms);
/* "2026-11-21 10:00:00" in local time */
struct str table_time(struct arena *a, int64_t wall_ms);
/* "4.0 KiB" */
struct str table_size(struct arena *a, uint64_t octets);
