#include "store/sqlite_expunge.h"

#include "store/bell.h"
#include "store/sqlite_store.h"
#include "store/uid_runs.h"

struct expunge_unit {
	int64_t mailbox, account;
	bool only_deleted;
	struct walk begin, end;
	size_t n;
};

bool rows_purge(struct tx *tx, const struct gone_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!sql_run(tx, e, "DELETE FROM msg WHERE key = ?1", NUM(rows[i].key)) ||
		    !sql_run(tx, e, "INSERT OR IGNORE INTO garbage (content_id) VALUES (?1)", NUM(rows[i].content_id)))
			return false;
	return true;
}

static bool remember(struct tx *tx, struct box *b, uint32_t uid, uint32_t count, struct err *e)
{
	return sql_run(tx, e, "INSERT INTO expunged (mailbox_id, modseq, uid, count) VALUES (?1, ?2, ?3, ?4)",
		       NUM(b->id), NUM(box_modseq(b)), NUM(uid), NUM(count));
}

bool rows_expunge(struct tx *tx, struct box *b, const struct gone_row *rows, size_t n, struct err *e)
{
	if (!rows_purge(tx, rows, n, e))
		return false;
	for (size_t i = 0, from = 0; i < n; i++) {
		box_count(b, rows[i].flags, rows[i].size, -1);
		if (i + 1 < n && rows[i + 1].key == rows[i].key + 1)
			continue;
		if (!remember(tx, b, KEY_UID(rows[from].key), (uint32_t)(i + 1 - from), e))
			return false;
		from = i + 1;
	}
	return true;
}

static bool collect(struct tx *tx, struct expunge_unit *u, struct gone_row *rows, struct err *e)
{
	uint32_t from, to;
	while (u->n < UNIT_ROWS && walk_range(&u->end, &from, &to)) {
		struct sql_arg mailbox = NUM(u->mailbox), low = NUM(MSG_KEY(u->mailbox, from)),
			       high = NUM(MSG_KEY(u->mailbox, to));
		struct rows r = u->only_deleted
				    ? sql_rows(tx,
					       "SELECT key, content_id, flags, size FROM msg INDEXED BY msg_deleted "
					       "WHERE mailbox_id = ?1"
					       " AND key BETWEEN ?2 AND ?3 AND (flags & 8) <> 0 ORDER BY key",
					       mailbox, low, high)
				    : sql_rows(
					  tx,
					  "SELECT key, content_id, flags, size FROM msg WHERE key BETWEEN ?2 AND ?3 AND"
					  " mailbox_id = ?1 ORDER BY key",
					  mailbox, low, high);
		bool more = true;
		for (; u->n < UNIT_ROWS && (more = row_next(&r)); u->n++) {
			rows[u->n] = (struct gone_row){ row_num(&r, 0), row_num(&r, 1), (unsigned)row_num(&r, 2),
							(uint64_t)row_num(&r, 3) };
			walk_past(&u->end, KEY_UID(rows[u->n].key));
		}
		if (!rows_end(&r, e))
			return false;
		if (!more)
			walk_past(&u->end, to);
	}
	return true;
}

static bool unit_expunge(struct tx *tx, void *arg, struct err *e)
{
	struct expunge_unit *u = arg;
	struct gone_row rows[UNIT_ROWS];
	struct box b;
	u->end = u->begin;
	u->n = 0;
	if (!box_must(tx, u->mailbox, &b, e) || !collect(tx, u, rows, e))
		return false;
	u->account = b.seq->account;
	return u->n == 0 || (rows_expunge(tx, &b, rows, u->n, e) && box_save(tx, &b, e));
}

bool msg_expunge(struct store *st, int64_t mailbox, const struct uid_run *runs, size_t n, bool only_deleted,
		 struct err *e)
{
	static const struct uid_run whole = { 1, UINT32_MAX };
	struct expunge_unit u = { .mailbox = mailbox, .only_deleted = only_deleted, .begin = { runs, n, 0, 0 } };
	uint32_t from, to;
	bool ok = true, rang = false;
	if (!runs)
		u.begin = (struct walk){ &whole, 1, 0, 0 };
	while (ok && walk_range(&u.begin, &from, &to)) {
		ok = store_do(st, unit_expunge, &u, e);
		rang = rang || (ok && u.n > 0);
		u.begin = u.end;
	}
	if (rang)
		bell_ring(st, bell_slot(u.account));
	return ok;
}
