#include "store/bell.h"
#include "store/sqlite_box.h"
#include "store/sqlite_store.h"
#include "store/uid_runs.h"

/* A series of units: each does at most UNIT_ROWS messages and remembers where it came to. */
struct flag_row {
	int64_t key;
	unsigned flags;
	struct str keywords;
};
struct flags_unit {
	int64_t mailbox, account;
	enum flag_op op;
	unsigned flags;
	struct str given;
	uint64_t unchanged_since;
	struct walk begin, end; /* before and after this unit */
	bool changed;
	struct arena temp; /* of one run of the unit */
	uint32_t failed[UNIT_ROWS];
	size_t nfailed;
};

static unsigned flags_apply(enum flag_op op, unsigned have, unsigned given)
{
	switch (op) {
	case FLAGS_SET:
		return given;
	case FLAGS_ADD:
		return have | given;
	case FLAGS_REMOVE:
		return have & ~given;
	}
	return have;
}

/* Read first, then write: a statement that is being read must not find what is written under it. */
static bool rows_collect(struct tx *tx, struct flags_unit *u, struct flag_row *rows, size_t *n, struct err *e)
{
	uint32_t from, to;
	size_t seen = 0;
	for (size_t looks = 0; seen < UNIT_ROWS && looks < UNIT_ROWS && walk_range(&u->end, &from, &to); looks++) {
		struct rows r = sql_rows(
		    tx, "SELECT key, modseq, flags, keywords FROM msg WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
		    NUM(MSG_KEY(u->mailbox, from)), NUM(MSG_KEY(u->mailbox, to)));
		bool more = true;
		for (; seen < UNIT_ROWS && (more = row_next(&r)); seen++) {
			int64_t key = row_num(&r, 0);
			walk_past(&u->end, KEY_UID(key));
			if (u->unchanged_since && (uint64_t)row_num(&r, 1) > u->unchanged_since)
				u->failed[u->nfailed++] = KEY_UID(key);
			else
				rows[(*n)++] = (struct flag_row){ key, (unsigned)row_num(&r, 2),
								  row_dup(&r, 3, &u->temp) };
		}
		if (!rows_end(&r, e))
			return false;
		if (!more)
			walk_past(&u->end, to);
	}
	return true;
}

static bool row_write(struct tx *tx, struct box *b, const struct flag_row *row, unsigned flags, struct str keywords,
		      struct err *e)
{
	box_count(b, row->flags, 0, -1);
	box_count(b, flags, 0, +1);
	if (!(flags & MSG_SEEN) && KEY_UID(row->key) < b->unseen_from)
		b->unseen_from = KEY_UID(row->key);
	return sql_run(tx, e, "UPDATE msg SET modseq = ?2, flags = ?3, keywords = ?4 WHERE key = ?1", NUM(row->key),
		       NUM(box_modseq(b)), NUM(flags), TEXT_OR_NULL(keywords));
}

static bool unit_flags(struct tx *tx, void *arg, struct err *e)
{
	struct flags_unit *u = arg;
	struct flag_row rows[UNIT_ROWS];
	struct str given;
	struct box b;
	size_t n = 0;
	u->end = u->begin;
	u->nfailed = 0;
	u->changed = false;
	arena_reset(&u->temp);
	if (!box_must(tx, u->mailbox, &b, e) || !rows_collect(tx, u, rows, &n, e))
		return false;
	if (n == 0)
		return true;
	u->account = b.owner->id;
	if (!keywords_known(tx, u->mailbox, u->given, u->op != FLAGS_REMOVE, &u->temp, &given, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned flags = flags_apply(u->op, rows[i].flags, u->flags);
		struct str keywords = keywords_apply(u->op, rows[i].keywords, given, &u->temp);
		/* RFC 7162 3.1: what changes nothing takes no modseq. */
		if (flags == rows[i].flags && str_eq(keywords, rows[i].keywords))
			continue;
		u->changed = true;
		if (!row_write(tx, &b, &rows[i], flags, keywords, e))
			return false;
	}
	return !u->changed || box_save(tx, &b, e);
}

bool msg_store_flags(struct store *st, int64_t mailbox, const struct uid_run *runs, size_t n, enum flag_op op,
		     unsigned flags, struct str keywords, uint64_t unchanged_since, struct arena *a,
		     struct uid_run **failed, size_t *nfailed, struct err *e)
{
	struct flags_unit u = { .mailbox = mailbox,
				.op = op,
				.flags = flags,
				.given = keywords,
				.unchanged_since = unchanged_since,
				.begin = { runs, n, 0, 0 } };
	struct runs newer = { .a = a };
	uint32_t from, to;
	bool ok = true, rang = false;
	while (ok && walk_range(&u.begin, &from, &to)) {
		ok = store_do(st, unit_flags, &u, e);
		for (size_t i = 0; ok && i < u.nfailed; i++)
			runs_add(&newer, u.failed[i]);
		rang = rang || (ok && u.changed);
		u.begin = u.end;
	}
	arena_reset(&u.temp);
	if (rang)
		bell_ring(st, bell_slot(u.account));
	*failed = newer.all;
	*nfailed = newer.n;
	return ok;
}
