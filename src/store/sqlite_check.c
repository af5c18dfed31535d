#include "store/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "store/sqlite_box.h"
#include "store/sqlite_content.h"
#include "store/sqlite_mailbox.h"
#include "store/sqlite_queue.h"
#include "store/sqlite_store.h"
#include "store/sqlite_uids.h"

#define LINES_MAX     1000 /* problems shown; all are counted */
#define CONTENTS_READ 64   /* in one read */

struct check {
	struct store *st;
	bool quick, repair;
	progress_fn progress;
	void *ctx;
	struct check_report *out;
	struct arena a; /* of one step */
	/* where a step has come to */
	int64_t after;
	bool more;
	struct str file;
	bool found;
};

__attribute__((format(printf, 3, 4))) static void problem(struct check *c, bool repaired, const char *fmt, ...)
{
	va_list ap;
	c->out->repaired += repaired;
	if (c->out->problems++ == LINES_MAX)
		buf_addz(&c->out->text, "more problems follow, which are counted but not shown\n");
	if (c->out->problems > LINES_MAX)
		return;
	va_start(ap, fmt);
	buf_vprintf(&c->out->text, fmt, ap);
	va_end(ap);
	buf_addz(&c->out->text, repaired ? ": repaired\n" : "\n");
}

static void tell(struct check *c, const char *what, uint64_t done, uint64_t total)
{
	if (c->progress)
		c->progress(c->ctx, what, done, total);
}

/* A step that the damage itself stops is a problem to report, not a reason to stop looking. */
static void step(struct check *c, unit_fn fn, const char *what)
{
	struct err e = { 0 };
	c->after = 0;
	c->more = true;
	while (c->more) {
		c->more = false;
		tell(c, what, (uint64_t)c->after, 0);
		if (!store_read(c->st, fn, c, &e))
			problem(c, false, "%s: %s", what, e.text);
		arena_reset(&c->a);
	}
}

/* --- the database itself --------------------------------------------------------------- */

static bool unit_reindex(struct tx *tx, void *arg, struct err *e)
{
	(void)arg;
	return sql_run(tx, e, "REINDEX");
}

static bool unit_integrity(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	/* Every index is held against every row: that wants more of them in memory than a session does. */
	if (!sql_script(tx, "PRAGMA cache_size=-65536", e))
		return false;
	struct rows r = c->quick ? sql_rows(tx, "PRAGMA quick_check(100)")
				 : sql_rows(tx, "PRAGMA integrity_check(100)");
	while (row_next(&r)) {
		struct str line = row_str(&r, 0);
		if (str_eq(line, STR("ok")))
			continue;
		c->found = c->found || str_findi(line, STR("index")) < line.n;
		problem(c, false, "database: %.*s", STRF(line));
	}
	return rows_end(&r, e) && sql_script(tx, "PRAGMA cache_size=-2048", e);
}

/* Indexes can be made anew from the rows; a damaged page of rows cannot. */
static void check_database(struct check *c)
{
	struct err e;
	step(c, unit_integrity, "database");
	if (!c->found || !c->repair || c->out->problems == 0)
		return;
	if (!store_do(c->st, unit_reindex, NULL, &e)) {
		problem(c, false, "indexes could not be made anew: %s", e.text);
		return;
	}
	uint64_t before = c->out->problems;
	step(c, unit_integrity, "database");
	if (c->out->problems == before)
		c->out->repaired += before;
}

static bool unit_totals(struct tx *tx, void *arg, struct err *e)
{
	struct check_report *out = ((struct check *)arg)->out;
	struct rows r = sql_rows(
	    tx, "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM mailbox WHERE account_id"
		" <> 0), (SELECT count(*) FROM msg), (SELECT count(*) FROM content WHERE dead = 0),"
		" (SELECT count(*) FROM content WHERE file IS NOT NULL), (SELECT count(*) FROM queue)");
	if (row_next(&r)) {
		out->accounts = (uint64_t)row_num(&r, 0);
		out->mailboxes = (uint64_t)row_num(&r, 1);
		out->messages = (uint64_t)row_num(&r, 2);
		out->contents = (uint64_t)row_num(&r, 3);
		out->files = (uint64_t)row_num(&r, 4);
		out->queue = (uint64_t)row_num(&r, 5);
	}
	return rows_end(&r, e);
}

/* --- counters ------------------------------------------------------------------------------ */

#define COUNTS                                                                                                \
	"SELECT count(*), count(*) FILTER (WHERE (flags & 1) = 0), count(*) FILTER (WHERE (flags & 8) <> 0)," \
	" coalesce(sum(size), 0), coalesce(max(key), 0) & 4294967295, coalesce(max(modseq), 0),"              \
	" coalesce(min(key) FILTER (WHERE (flags & 1) = 0), 4294967295) & 4294967295,"                        \
	" (SELECT count(*) FROM expunged WHERE mailbox_id = ?3) FROM msg WHERE key BETWEEN ?1 AND ?2"

/* What the rows say; `b` as it should be. True in `wrong` when it differs from what is stored. */
static bool recount(struct tx *tx, struct box *b, bool *wrong, struct err *e)
{
	struct box is = *b;
	struct rows r = sql_rows(tx, COUNTS, NUM(MSG_KEY(b->id, 0)), NUM(MSG_KEY(b->id, UINT32_MAX)), NUM(b->id));
	if (row_next(&r)) {
		b->messages = row_num(&r, 0);
		b->unseen = row_num(&r, 1);
		b->deleted = row_num(&r, 2);
		b->octets = row_num(&r, 3);
		if ((uint32_t)row_num(&r, 4) >= b->uidnext)
			b->uidnext = (uint32_t)row_num(&r, 4) + 1;
		if ((uint64_t)row_num(&r, 5) > b->modseq)
			b->modseq = (uint64_t)row_num(&r, 5);
		if ((uint32_t)row_num(&r, 6) < b->unseen_from)
			b->unseen_from = (uint32_t)row_num(&r, 6);
		b->expunged = row_num(&r, 7);
	}
	if (!rows_end(&r, e))
		return false;
	if (b->unseen_from > b->uidnext)
		b->unseen_from = b->uidnext;
	if (b->modseq > b->owner->modseq)
		b->owner->modseq = b->modseq;
	*wrong = is.messages != b->messages || is.unseen != b->unseen || is.deleted != b->deleted ||
		 is.octets != b->octets || is.uidnext != b->uidnext || is.modseq != b->modseq ||
		 is.unseen_from != b->unseen_from || is.expunged != b->expunged || is.own.modseq != b->own.modseq;
	return true;
}

static bool unit_recount(struct tx *tx, void *arg, struct err *e)
{
	struct box b;
	bool wrong;
	return box_must(tx, *(int64_t *)arg, &b, e) && recount(tx, &b, &wrong, e) && (!wrong || box_save(tx, &b, e));
}

static bool unit_counters(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct box b;
	bool wrong;
	struct rows r = sql_rows(tx, "SELECT id FROM mailbox WHERE id > ?1 AND account_id <> 0 ORDER BY id LIMIT 1",
				 NUM(c->after));
	c->more = row_next(&r);
	c->after = c->more ? row_num(&r, 0) : 0;
	c->found = false;
	if (!rows_end(&r, e) || !c->more)
		return !c->more;
	if (!box_must(tx, c->after, &b, e) || !recount(tx, &b, &wrong, e))
		return false;
	c->found = wrong;
	return true;
}

/* Is what was expunged written down, so that the UIDs that are there are known without reading messages? */
static bool unit_records(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct mailbox m;
	bool right = true;
	enum box_found f = mailbox_at(tx, c->after, &c->a, &m, e);
	bool ok = f == BOX_NONE || (f == BOX_FOUND && uids_checked(tx, &m, &right, e));
	c->found = !right;
	arena_reset(&c->a);
	return ok;
}

/* One unit, however long: a store that is mended has time. */
static bool unit_rerecord(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct mailbox m;
	enum box_found f = mailbox_at(tx, c->after, &c->a, &m, e);
	bool ok = f == BOX_NONE || (f == BOX_FOUND && uids_rerecord(tx, &m, e));
	arena_reset(&c->a);
	return ok;
}

static void check_records(struct check *c)
{
	struct err e = { 0 };
	if (!store_read(c->st, unit_records, c, &e))
		problem(c, false, "mailbox %lld: %s", (long long)c->after, e.text);
	else if (c->found)
		problem(c, c->repair && store_do(c->st, unit_rerecord, c, &e),
			"mailbox %lld: its record of expunged messages differs from its messages", (long long)c->after);
}

static void check_counters(struct check *c)
{
	struct err e = { 0 };
	c->after = 0;
	do {
		c->more = false;
		if (!store_read(c->st, unit_counters, c, &e)) {
			problem(c, false, "mailbox %lld: %s", (long long)c->after, e.text);
			return;
		}
		bool mended = c->more && c->found && c->repair && store_do(c->st, unit_recount, &c->after, &e);
		if (c->more && c->found)
			problem(c, mended, "mailbox %lld: its counters differ from its messages", (long long)c->after);
		if (c->more && (mended || !c->found)) /* with wrong counters nothing could be said */
			check_records(c);
		tell(c, "counters", (uint64_t)c->after, 0);
	} while (c->more);
}

/* --- accounts ------------------------------------------------------------------------------- */

#define ACCOUNT_SUMS                                                                                          \
	"SELECT count(m.key), coalesce(sum(m.size), 0) FROM mailbox b JOIN msg m ON m.key BETWEEN b.id << 32" \
	" AND b.id << 32 | 4294967295 WHERE b.account_id = ?1"

struct totals {
	int64_t account;
	struct quota is, should;
};

static bool totals_read(struct tx *tx, struct totals *t, struct err *e)
{
	struct box_owner o = { 0 };
	if (!box_owner_load(tx, t->account, &o, e))
		return false;
	t->is = t->should = o.quota;
	struct rows r = sql_rows(tx, ACCOUNT_SUMS, NUM(t->account));
	if (row_next(&r)) {
		t->should.messages = (uint64_t)row_num(&r, 0);
		t->should.octets = (uint64_t)row_num(&r, 1);
	}
	return rows_end(&r, e);
}

static bool unit_account(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct totals t;
	struct rows r = sql_rows(tx, "SELECT id FROM account WHERE id > ?1 ORDER BY id LIMIT 1", NUM(c->after));
	c->more = row_next(&r);
	c->after = c->more ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e) || !c->more)
		return !c->more;
	t.account = c->after;
	if (!totals_read(tx, &t, e))
		return false;
	c->found = t.is.octets != t.should.octets || t.is.messages != t.should.messages;
	return true;
}

static bool unit_total(struct tx *tx, void *arg, struct err *e)
{
	struct totals t = { .account = *(int64_t *)arg };
	return totals_read(tx, &t, e) && sql_run(tx, e, "UPDATE account SET octets = ?2, messages = ?3 WHERE id = ?1",
						 NUM(t.account), NUM(t.should.octets), NUM(t.should.messages));
}

static void check_accounts(struct check *c)
{
	struct err e = { 0 };
	c->after = 0;
	do {
		c->more = c->found = false;
		if (!store_read(c->st, unit_account, c, &e)) {
			problem(c, false, "account %lld: %s", (long long)c->after, e.text);
			return;
		}
		if (c->more && c->found)
			problem(c, c->repair && store_do(c->st, unit_total, &c->after, &e),
				"account %lld: its totals differ from its messages", (long long)c->after);
		tell(c, "accounts", (uint64_t)c->after, 0);
	} while (c->more);
}

/* --- what belongs to nobody -------------------------------------------------------------------- */

#define NO_MAILBOX "NOT EXISTS (SELECT 1 FROM mailbox WHERE id = mailbox_id)"
#define NO_ANNOTATED                                                                                  \
	"NOT EXISTS (SELECT 1 FROM account WHERE id = annotation.account_id) OR (mailbox_id <> 0 AND" \
	" NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.id = mailbox_id AND b.account_id = annotation.account_id))"

static bool unit_stray(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct rows r = sql_rows(tx, "SELECT (SELECT count(*) FROM annotation WHERE " NO_ANNOTATED
				     ") + (SELECT count(*) FROM expunged WHERE " NO_MAILBOX
				     ") + (SELECT count(*) FROM forgotten WHERE " NO_MAILBOX ")");
	c->after = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

static bool unit_stray_remove(struct tx *tx, void *arg, struct err *e)
{
	(void)arg;
	return sql_run(tx, e, "DELETE FROM annotation WHERE " NO_ANNOTATED) &&
	       sql_run(tx, e, "DELETE FROM expunged WHERE " NO_MAILBOX) &&
	       sql_run(tx, e, "DELETE FROM forgotten WHERE " NO_MAILBOX);
}

static void check_stray(struct check *c)
{
	struct err e;
	step(c, unit_stray, "annotations and records");
	if (c->after > 0)
		problem(c, c->repair && store_do(c->st, unit_stray_remove, c, &e),
			"%lld annotations or records belong to no mailbox", (long long)c->after);
}

static bool unit_lanes(struct tx *tx, void *arg, struct err *e)
{
	return lanes_wrong(tx, &((struct check *)arg)->after, e);
}

static bool unit_lanes_recount(struct tx *tx, void *arg, struct err *e)
{
	(void)arg;
	return lanes_recount(tx, e);
}

static void check_lanes(struct check *c)
{
	struct err e;
	step(c, unit_lanes, "lanes of the queue");
	if (c->after > 0)
		problem(c, c->repair && store_do(c->st, unit_lanes_recount, c, &e),
			"lanes of the queue: their counts differ from its rows");
}

/* --- rows and contents ---------------------------------------------------------------------- */

static bool unit_missing(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct rows r = sql_rows(tx,
				 "SELECT m.mailbox_id, m.key & 4294967295, m.content_id FROM msg m LEFT JOIN content c"
				 " ON c.id = m.content_id WHERE c.id IS NULL OR c.dead <> 0");
	while (row_next(&r))
		problem(c, false, "mailbox %lld UID %lld: its content %lld is not there", (long long)row_num(&r, 0),
			(long long)row_num(&r, 1), (long long)row_num(&r, 2));
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(tx, "SELECT q.id, q.content_id FROM queue q LEFT JOIN content c ON c.id = q.content_id"
			 " WHERE c.id IS NULL OR c.dead <> 0");
	while (row_next(&r))
		problem(c, false, "queue %lld: its content %lld is not there", (long long)row_num(&r, 0),
			(long long)row_num(&r, 1));
	if (!rows_end(&r, e))
		return false;
	r = sql_rows(tx, "SELECT key FROM msg WHERE mailbox_id <> key >> 32 OR NOT EXISTS"
			 " (SELECT 1 FROM mailbox WHERE id = mailbox_id)");
	while (row_next(&r))
		problem(c, false, "message %lld belongs to no mailbox", (long long)row_num(&r, 0));
	return rows_end(&r, e);
}

#define UNNAMED                                                                                    \
	"FROM content c WHERE dead = 0 AND NOT EXISTS (SELECT 1 FROM msg WHERE content_id = c.id)" \
	" AND NOT EXISTS (SELECT 1 FROM queue WHERE content_id = c.id)"                            \
	" AND NOT EXISTS (SELECT 1 FROM garbage WHERE content_id = c.id)"

static bool unit_unnamed(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct rows r = sql_rows(tx, "SELECT count(*) " UNNAMED);
	c->after = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

static bool unit_give_up(struct tx *tx, void *arg, struct err *e)
{
	(void)arg;
	return sql_run(tx, e, "INSERT INTO garbage (content_id) SELECT c.id " UNNAMED);
}

static void check_unnamed(struct check *c)
{
	struct err e;
	step(c, unit_unnamed, "contents without a row");
	if (c->after > 0)
		problem(c, c->repair && store_do(c->st, unit_give_up, c, &e),
			"%lld contents belong to no message and the collector does not know", (long long)c->after);
}

static bool unit_contents(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	int64_t ids[CONTENTS_READ];
	size_t n = 0;
	struct rows r = sql_rows(tx, "SELECT id FROM content WHERE id > ?1 AND dead = 0 ORDER BY id LIMIT 64",
				 NUM(c->after));
	while (n < CONTENTS_READ && row_next(&r))
		ids[n++] = row_num(&r, 0);
	if (!rows_end(&r, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct str bytes;
		struct err why;
		if (!content_load(tx, ids[i], &c->a, &bytes, &why))
			problem(c, false, "%s", why.text);
		arena_reset(&c->a);
	}
	c->more = n > 0;
	c->after = n > 0 ? ids[n - 1] : 0;
	return true;
}

/* Only that the files are there: the quick look. */
static bool unit_files(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct rows r = sql_rows(tx, "SELECT id, file FROM content WHERE file IS NOT NULL AND dead = 0");
	while (row_next(&r)) {
		struct str bytes;
		struct err why;
		if (content_map(c->st, row_str(&r, 1), &bytes, &why))
			content_unmap(bytes);
		else
			problem(c, false, "content %lld: %s", (long long)row_num(&r, 0), why.text);
	}
	return rows_end(&r, e);
}

/* --- files without a row -------------------------------------------------------------------- */

static bool unit_named(struct tx *tx, void *arg, struct err *e)
{
	struct check *c = arg;
	struct rows r = sql_rows(tx, "SELECT 1 FROM content WHERE file = ?1", TEXT(c->file));
	c->found = row_next(&r);
	return rows_end(&r, e);
}

static void check_file(struct check *c, int folder, const char *name)
{
	uint64_t incarnation;
	struct err e;
	struct str file = str_of(name), rest = file;
	if (str_eq(file, STR(".")) || str_eq(file, STR("..")))
		return;
	if (!str_ends(file, STR(".zst")) || !num_take(&rest, UINT32_MAX, &incarnation) || !str_starts(rest, STR("-"))) {
		problem(c, false, "content/../%s: not a file of the store", name);
		return;
	}
	c->file = str_sub(file, 0, file.n - 4);
	if (incarnation_alive(c->st->shared, (uint32_t)incarnation) || !store_read(c->st, unit_named, c, &e) ||
	    c->found)
		return;
	problem(c, c->repair && unlinkat(folder, name, 0) == 0, "content file %s belongs to no content", name);
}

static void check_files(struct check *c)
{
	for (unsigned i = 0; i < 256; i++) {
		char folder[4];
		snprintf(folder, sizeof folder, "%02x", i);
		int fd = openat(c->st->content_dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
		if (!d && fd >= 0)
			close(fd);
		for (struct dirent *de; d && (de = readdir(d));)
			check_file(c, fd, de->d_name);
		if (d)
			closedir(d);
		tell(c, "content folders", i + 1, 256);
	}
}

bool store_check(struct store *st, bool quick, bool repair, progress_fn progress, void *ctx, struct check_report *out,
		 struct err *e)
{
	struct check c = { .st = st, .quick = quick, .repair = repair, .progress = progress, .ctx = ctx, .out = out };
	*out = (struct check_report){ 0 };
	if (store_broken(st, e))
		return false;
	/* No collector meanwhile: it would be caught between its steps. */
	if (!collecting_take(st->shared, TURN_MS))
		return err_set(e, ERR_TEMP, "the collector or a backup is at work: try again");
	check_database(&c);
	step(&c, unit_totals, "totals");
	check_counters(&c);
	check_accounts(&c);
	check_stray(&c);
	check_lanes(&c);
	step(&c, unit_missing, "messages without content");
	check_unnamed(&c);
	if (quick)
		step(&c, unit_files, "content files");
	else
		step(&c, unit_contents, "contents");
	check_files(&c);
	collecting_give(st->shared);
	arena_reset(&c.a);
	return true;
}
