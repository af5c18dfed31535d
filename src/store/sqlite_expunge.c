#include "store/sqlite_expunge.h"

#include "base/log.h"
#include "store/bell.h"
#include "store/sqlite_store.h"
#include "store/sqlite_uids.h"
#include "store/uid_runs.h"

struct expunge_unit {
	int64_t mailbox, account;
	bool only_deleted;
	struct walk begin, end;
	size_t n;
	bool many; /* records are kept: some are to be forgotten */
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
	b->expunged++;
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

/* --- forgetting ------------------------------------------------------------------------ */

#define TRIM_ROWS 200 /* records in a unit: each is deleted here, and joined to its neighbours there */
/* So much more than needed: who expunges one by one has one more unit in so many. */
#define TRIM_TO (EXPUNGED_MAX - TRIM_ROWS)

struct trim_unit {
	int64_t mailbox;
	bool more;
};

static bool forget_oldest(struct tx *tx, int64_t mailbox, size_t n, int64_t *floor, struct err *e)
{
	struct uid_run gone[TRIM_ROWS];
	size_t got = 0;
	struct rows r = sql_rows(
	    tx, "SELECT modseq, uid, count FROM expunged WHERE mailbox_id = ?1 ORDER BY modseq LIMIT ?2", NUM(mailbox),
	    NUM(n));
	while (got < n && row_next(&r)) {
		*floor = row_num(&r, 0);
		gone[got++] = (struct uid_run){ (uint32_t)row_num(&r, 1), (uint32_t)row_num(&r, 2) };
	}
	if (!rows_end(&r, e))
		return false;
	for (size_t i = 0; i < got; i++)
		if (!forgotten_add(tx, mailbox, gone[i], e))
			return false;
	return sql_run(tx, e, "DELETE FROM expunged WHERE mailbox_id = ?1 AND modseq <= ?2", NUM(mailbox), NUM(*floor));
}

static bool unit_trim(struct tx *tx, void *arg, struct err *e)
{
	struct trim_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT expunged FROM mailbox WHERE id = ?1", NUM(u->mailbox));
	int64_t kept = row_next(&r) ? row_num(&r, 0) : 0, floor = 0;
	if (!rows_end(&r, e))
		return false;
	u->more = false;
	if (kept <= TRIM_TO)
		return true;
	int64_t n = kept - TRIM_TO < TRIM_ROWS ? kept - TRIM_TO : TRIM_ROWS;
	if (!forget_oldest(tx, u->mailbox, (size_t)n, &floor, e))
		return false;
	int64_t done = sqlite3_changes(tx->db);
	kept = done < n ? 0 : kept - done; /* fewer than were counted: now there are none */
	u->more = kept > TRIM_TO;
	return sql_run(tx, e, "UPDATE mailbox SET expunged = ?2, forgotten = max(forgotten, ?3) WHERE id = ?1",
		       NUM(u->mailbox), NUM(kept), NUM(floor));
}

void expunged_trim(struct store *st, int64_t mailbox)
{
	struct trim_unit u = { .mailbox = mailbox, .more = true };
	struct err e;
	while (u.more)
		if (!store_do(st, unit_trim, &u, &e)) {
			log_notice("store.not_trimmed", KVN("mailbox", mailbox), KVZ("why", e.text));
			return;
		}
}

/* --- expunging --------------------------------------------------------------------------- */

static bool collect(struct tx *tx, struct expunge_unit *u, struct gone_row *rows, struct err *e)
{
	uint32_t from, to;
	for (size_t looks = 0; u->n < UNIT_ROWS && looks < UNIT_ROWS && walk_range(&u->end, &from, &to); looks++) {
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
	u->account = b.owner->id;
	if (u->n > 0 && (!rows_expunge(tx, &b, rows, u->n, e) || !box_save(tx, &b, e)))
		return false;
	u->many = b.expunged > EXPUNGED_MAX;
	return true;
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
		if (ok && u.many)
			expunged_trim(st, mailbox);
		u.begin = u.end;
	}
	if (rang)
		bell_ring(st, bell_slot(u.account));
	return ok;
}
