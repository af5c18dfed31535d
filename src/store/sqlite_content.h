/* sqlite_content.h - how a content comes into the database; for store/ only.
 *
 * content_insert() runs inside a unit: it only binds what stage_seal() has
 * already packed.  After the commit stage_keep() makes the stage's file permanent.
 */
#pragma once
#include "store/content.h"
#include "store/sqlite_tx.h"

struct packed { /* a sealed stage, as the row has it */
	uint64_t size;
	struct str file; /* empty: `data` holds it */
	struct str data;
};
struct packed stage_packed(const struct stage *s);
void stage_keep(struct stage *s);
bool content_insert(struct tx *tx, const struct packed *p, struct str index, int64_t *id, struct err *e);

/* "12-345" -> "content/a7/12-345.zst" below the data folder; the two hex digits are the second number's last octet. */
#define CONTENT_NAME 32
struct content_path {
	char folder[4];
	char name[CONTENT_NAME + 8];
};
bool content_path(struct str file, struct content_path *p);
/* The file's octets, for reading and checking. Caller frees with content_unmap. */
bool content_map(struct store *st, struct str file, struct str *bytes, struct err *e);
void content_unmap(struct str bytes);
/* One row, unpacked and verified. */
bool content_load(struct tx *tx, int64_t id, struct arena *a, struct str *bytes, struct err *e);
