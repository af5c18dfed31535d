#include "store/sqlite_content.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "store/sqlite_store.h"

/* Nothing is compressed for less than it costs to unpack: content is at most this much larger than its frames. */
#define CONTENT_MAX ((uint64_t)4 << 30)

bool content_path(struct str file, struct content_path *p)
{
	uint64_t incarnation, n;
	struct str rest = file;
	if (file.n >= CONTENT_NAME || !num_take(&rest, UINT32_MAX, &incarnation) || !str_skipc(&rest, '-') ||
	    !num_take(&rest, UINT32_MAX, &n) || rest.n > 0)
		return false;
	snprintf(p->folder, sizeof p->folder, "%02x", (unsigned)(n & 0xff));
	snprintf(p->name, sizeof p->name, "%.*s.zst", STRF(file));
	return true;
}

static bool file_open(struct store *st, struct str file, int *fd, struct err *e)
{
	struct content_path path;
	char whole[sizeof path.folder + sizeof path.name + 1];
	if (!content_path(file, &path))
		return err_set(e, ERR_TEMP, "content has a wrong name \"%.*s\"", (int)(file.n < 64 ? file.n : 64),
			       file.p);
	snprintf(whole, sizeof whole, "%s/%s", path.folder, path.name);
	*fd = openat(st->content_dir, whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *fd >= 0 || err_sys(e, "open content", whole);
}

bool content_map(struct store *st, struct str file, struct str *bytes, struct err *e)
{
	struct stat sb;
	AUTO_CLOSE int fd = -1;
	if (!file_open(st, file, &fd, e))
		return false;
	if (fstat(fd, &sb) < 0)
		return err_sys(e, "look at", "content");
	*bytes = STR_NONE;
	if (sb.st_size == 0)
		return true;
	void *p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, "map", "content");
	*bytes = (struct str){ p, (size_t)sb.st_size };
	return true;
}

void content_unmap(struct str bytes)
{
	if (bytes.n > 0)
		munmap((void *)bytes.p, bytes.n);
}

bool content_insert(struct tx *tx, const struct packed *p, struct str index, int64_t *id, struct err *e)
{
	if (!sql_run(tx, e, "INSERT INTO content (size, file, dead, idx, data) VALUES (?1, ?2, 0, ?3, ?4)",
		     NUM(p->size), TEXT_OR_NULL(p->file), BLOB_OR_NULL(index), BLOB_OR_NULL(p->data)))
		return false;
	*id = sqlite3_last_insert_rowid(tx->db);
	return true;
}

/* `what` may be the text that is in `e`. */
static bool damaged(struct store *st, int64_t id, const char *what, struct err *e)
{
	struct err why;
	snprintf(why.text, sizeof why.text, "%s", what);
	log_error("store.content_damaged", KVN("content", id), KVZ("why", why.text), KVZ("dir", st->dir),
		  KVZ("do", "run `sluice store check`; restore the content from a backup"));
	return err_set(e, ERR_TEMP, "content %lld is damaged: %s", (long long)id, why.text);
}

static bool unpack(struct tx *tx, int64_t id, struct str packed, uint64_t size, struct arena *a, struct str *bytes,
		   struct err *e)
{
	if (size > CONTENT_MAX)
		return damaged(tx->st, id, "its size cannot be", e);
	char *p = arena_alloc(a, (size_t)size);
	if (!frames_unpack(&tx->st->frames, packed, p, (size_t)size))
		return damaged(tx->st, id, "its checksum or size is wrong", e);
	*bytes = (struct str){ p, (size_t)size };
	return true;
}

/* --- reading in pieces --------------------------------------------------------------------- */

struct content_reader {
	struct store *st;
	int64_t id;
	uint64_t size;
	int fd;             /* -1: `octets` has all of it */
	struct frame frame; /* the one that `octets` has; size 0: none yet */
	char *octets, *packed;
	size_t octets_cap, packed_cap;
};

static char *room(char **p, size_t *cap, size_t need)
{
	if (need <= *cap && *p)
		return *p;
	free(*p);
	*p = malloc(need + 1);
	if (!*p)
		abort();
	*cap = need;
	return *p;
}

static bool reader_row(struct content_reader *r, struct rows *row, struct err *e)
{
	r->size = (uint64_t)row_num(row, 0);
	if (row_num(row, 2))
		return err_set(e, ERR_TEMP, "content %lld was removed", (long long)r->id);
	if (r->size > CONTENT_MAX)
		return damaged(r->st, r->id, "its size cannot be", e);
	if (!row_null(row, 1)) /* opened while the row stands: what is open stays readable */
		return file_open(r->st, row_str(row, 1), &r->fd, e) || damaged(r->st, r->id, e->text, e);
	r->frame.size = r->size;
	if (frames_unpack(&r->st->frames, row_str(row, 3), room(&r->octets, &r->octets_cap, (size_t)r->size),
			  (size_t)r->size))
		return true;
	return damaged(r->st, r->id, "its checksum or size is wrong", e);
}

static bool unit_open(struct tx *tx, void *arg, struct err *e)
{
	struct content_reader *r = arg;
	struct rows rows = sql_rows(tx, "SELECT size, file, dead, data FROM content WHERE id = ?1", NUM(r->id));
	bool found = row_next(&rows);
	bool ok = found && reader_row(r, &rows, e);
	if (found && !ok) {
		struct err ignored; /* the first error is the one to tell */
		rows_end(&rows, &ignored);
		return false;
	}
	return rows_end(&rows, e) && (ok || err_set(e, ERR_TEMP, "content %lld is not there", (long long)r->id));
}

static struct content_reader *reader_new(struct store *st, int64_t id)
{
	struct content_reader *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	r->st = st;
	r->id = id;
	r->fd = -1;
	return r;
}

struct content_reader *content_open(struct store *st, int64_t content_id, struct err *e)
{
	struct content_reader *r = reader_new(st, content_id);
	if (store_read(st, unit_open, r, e))
		return r;
	content_close(r);
	return NULL;
}

void content_close(struct content_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0) {
		if (r->frame.size > 0)
			frames_note(&r->st->frames, (struct frame_hint){ r->id, r->frame.at, r->frame.from });
		close(r->fd);
	}
	free(r->octets);
	free(r->packed);
	free(r);
}

/* Go to the frame that holds `from`: on from here, or from the last place that somebody was at. */
static bool reader_seek(struct content_reader *r, uint64_t from, struct err *e)
{
	struct frame f = r->frame;
	struct frame_hint h = frames_hint(&r->st->frames, r->id, from);
	if (f.size == 0 || from < f.from || h.from > f.from) {
		f = (struct frame){ .at = h.at, .from = h.from };
		if (!frame_measure(r->fd, &f, e))
			return false;
	}
	while (from >= f.from + f.size && f.from + f.size < r->size) {
		f = (struct frame){ .at = f.at + f.packed, .from = f.from + f.size };
		if (!frame_measure(r->fd, &f, e))
			return false;
	}
	if (from >= f.from + f.size || f.from + f.size > r->size)
		return err_set(e, ERR_TEMP, "its frames hold other than the %llu octets of its row",
			       (unsigned long long)r->size);
	r->frame = (struct frame){ 0 };
	if (!frame_unpack(&r->st->frames, r->fd, &f, room(&r->packed, &r->packed_cap, (size_t)f.packed),
			  room(&r->octets, &r->octets_cap, (size_t)f.size), e))
		return false;
	r->frame = f;
	return true;
}

bool content_piece(struct content_reader *r, uint64_t from, struct str *bytes, struct err *e)
{
	*bytes = STR_NONE;
	if (from >= r->size)
		return true;
	bool here = r->frame.size > 0 && from >= r->frame.from && from - r->frame.from < r->frame.size;
	if (!here && (r->fd < 0 || !reader_seek(r, from, e)))
		return damaged(r->st, r->id, r->fd < 0 ? "it is shorter than its row says" : e->text, e);
	size_t at = (size_t)(from - r->frame.from), n = (size_t)r->frame.size - at;
	if (n > r->size - from)
		n = (size_t)(r->size - from);
	*bytes = (struct str){ r->octets + at, n };
	return true;
}

/* In the last frame nothing shows but where it ends, and that may be behind the end of the file. */
static bool frames_there(const struct content_reader *r, uint64_t to, struct err *e)
{
	struct frame f = r->frame;
	struct stat sb;
	while (f.from + f.size < to) {
		f = (struct frame){ .at = f.at + f.packed, .from = f.from + f.size };
		if (!frame_measure(r->fd, &f, e))
			return false;
	}
	if (fstat(r->fd, &sb) < 0)
		return err_sys(e, "look at", "content");
	return f.at + f.packed <= (uint64_t)sb.st_size ||
	       err_set(e, ERR_TEMP, "its file ends after %llu octets", (unsigned long long)sb.st_size);
}

bool content_there(struct content_reader *r, uint64_t to, struct err *e)
{
	bool ok = to <= r->size || err_set(e, ERR_TEMP, "it is shorter than its row says");
	ok = ok && (r->fd < 0 || frames_there(r, to, e));
	return ok || damaged(r->st, r->id, e->text, e);
}

static bool reader_copy(struct content_reader *r, uint64_t from, uint64_t to, struct arena *a, struct str *bytes,
			struct err *e)
{
	struct str piece;
	to = to < r->size ? to : r->size;
	*bytes = STR_NONE;
	if (from >= to)
		return true;
	char *p = arena_alloc(a, (size_t)(to - from));
	*bytes = (struct str){ p, (size_t)(to - from) };
	for (; from < to; from += piece.n, p += piece.n) {
		if (!content_piece(r, from, &piece, e))
			return false;
		piece = str_sub(piece, 0, (size_t)(to - from));
		memcpy(p, piece.p, piece.n);
	}
	return true;
}

bool content_range(struct store *st, int64_t content_id, uint64_t from, uint64_t to, struct arena *a, struct str *bytes,
		   struct err *e)
{
	struct content_reader *r = content_open(st, content_id, e);
	bool ok = r && reader_copy(r, from, to, a, bytes, e);
	content_close(r);
	return ok;
}

/* --- reading whole --------------------------------------------------------------------------- */

static bool load_file(struct tx *tx, int64_t id, struct str file, uint64_t size, struct arena *a, struct str *bytes,
		      struct err *e)
{
	struct content_reader *r = reader_new(tx->st, id);
	r->size = size;
	bool ok = file_open(tx->st, file, &r->fd, e) || damaged(tx->st, id, e->text, e);
	if (ok && size > CONTENT_MAX)
		ok = damaged(tx->st, id, "its size cannot be", e);
	ok = ok && reader_copy(r, 0, size, a, bytes, e);
	content_close(r);
	return ok;
}

static bool load_row(struct rows *r, int64_t id, struct arena *a, struct str *bytes, struct err *e)
{
	uint64_t size = (uint64_t)row_num(r, 0);
	if (row_num(r, 2))
		return err_set(e, ERR_TEMP, "content %lld was removed", (long long)id);
	if (row_null(r, 1))
		return unpack(r->tx, id, row_str(r, 3), size, a, bytes, e);
	return load_file(r->tx, id, row_str(r, 1), size, a, bytes, e);
}

bool content_load(struct tx *tx, int64_t id, struct arena *a, struct str *bytes, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT size, file, dead, data FROM content WHERE id = ?1", NUM(id));
	bool found = row_next(&r);
	bool ok = found && load_row(&r, id, a, bytes, e);
	if (found && !ok) {
		struct err ignored; /* the first error is the one to tell */
		rows_end(&r, &ignored);
		return false;
	}
	return rows_end(&r, e) && (ok || err_set(e, ERR_TEMP, "content %lld is not there", (long long)id));
}

struct read_content {
	int64_t id;
	struct arena *a;
	struct str out;
};

static bool unit_content(struct tx *tx, void *arg, struct err *e)
{
	struct read_content *rc = arg;
	return content_load(tx, rc->id, rc->a, &rc->out, e);
}

bool content_read(struct store *st, int64_t content_id, struct arena *a, struct str *bytes, struct err *e)
{
	struct read_content rc = { content_id, a, STR_NONE };
	if (!store_read(st, unit_content, &rc, e))
		return false;
	*bytes = rc.out;
	return true;
}

static bool unit_index(struct tx *tx, void *arg, struct err *e)
{
	struct read_content *rc = arg;
	struct rows r = sql_rows(tx, "SELECT idx FROM content WHERE id = ?1", NUM(rc->id));
	bool found = row_next(&r);
	if (found)
		rc->out = row_dup(&r, 0, rc->a);
	return rows_end(&r, e) && (found || err_set(e, ERR_TEMP, "content %lld is not there", (long long)rc->id));
}

bool content_index(struct store *st, int64_t content_id, struct arena *a, struct str *index, struct err *e)
{
	struct read_content rc = { content_id, a, STR_NONE };
	if (!store_read(st, unit_index, &rc, e))
		return false;
	*index = rc.out;
	return true;
}
