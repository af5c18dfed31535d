#include "store/sqlite_content.h"

#include <fcntl.h>
#include <stdio.h>
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

bool content_map(struct store *st, struct str file, struct str *bytes, struct err *e)
{
	struct content_path path;
	char whole[sizeof path.folder + sizeof path.name + 1];
	struct stat sb;
	if (!content_path(file, &path))
		return err_set(e, ERR_TEMP, "content has a wrong name \"%.*s\"", (int)(file.n < 64 ? file.n : 64),
			       file.p);
	snprintf(whole, sizeof whole, "%s/%s", path.folder, path.name);
	AUTO_CLOSE int fd = openat(st->content_dir, whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &sb) < 0)
		return err_sys(e, "open content", whole);
	*bytes = STR_NONE;
	if (sb.st_size == 0)
		return true;
	void *p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, "map content", whole);
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

static bool damaged(struct store *st, int64_t id, const char *what, struct err *e)
{
	log_error("store.content_damaged", KVN("content", id), KVZ("why", what), KVZ("dir", st->dir),
		  KVZ("do", "run `sluice store check`; restore the content from a backup"));
	return err_set(e, ERR_TEMP, "content %lld is damaged: %s", (long long)id, what);
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

static bool load_row(struct rows *r, int64_t id, struct arena *a, struct str *bytes, struct err *e)
{
	uint64_t size = (uint64_t)row_num(r, 0);
	struct str file;
	if (row_num(r, 2))
		return err_set(e, ERR_TEMP, "content %lld was removed", (long long)id);
	if (row_null(r, 1))
		return unpack(r->tx, id, row_str(r, 3), size, a, bytes, e);
	if (!content_map(r->tx->st, row_str(r, 1), &file, e))
		return damaged(r->tx->st, id, e->text, e);
	bool ok = unpack(r->tx, id, file, size, a, bytes, e);
	content_unmap(file);
	return ok;
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
