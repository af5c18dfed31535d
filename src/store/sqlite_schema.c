#include "store/sqlite_store.h"
#include <stdio.h>

/* Why the tables look as they do:
 *
 * - msg.key = mailbox_id << 32 | uid is the rowid: a mailbox is one range, a delivery appends to it, and no
 *   second index is written for it.
 * - modseq > arrived once a message was changed.  New ones are found by UID (arrival order is modseq order
 *   within a mailbox), so only changed ones stand in an index.
 * - content: idx before data, so that reading the one does not walk the pages of the other.  The highest id is
 *   never deleted (the collector empties it), so max + 1 was never given before.
 * - garbage: contents that lost a row and may be without any now.
 * - a mailbox with account_id 0 was deleted; its messages go in a series of units.
 * - account.octets, .messages: all its mailboxes together, kept by every unit that adds or removes messages.
 *   junk, neutral, notjunk: NULL means the default, so that a better default reaches those who never chose.
 * - expunged: each record its modseq, the newest EXPUNGED_MAX; mailbox.expunged counts them, mailbox.forgotten is
 *   the highest modseq that is no longer among them.  forgotten: what the older ones named, without modseq and with
 *   neighbours made one, so it never has more rows than the mailbox has gaps between messages.  Both together name
 *   every UID below uidnext that is not there: the UIDs that are there are known without reading a message.
 * - mailbox.unseen_from: all messages below this UID have \Seen.
 * - queue.account_id: whose mail it is.  .mailbox: not empty when it waits for room in this mailbox of his.
 * - queue: a row with state 0 waits; ripe once it is due, then it has a place `ord` in its lane.  The partial indexes
 *   hold no row that is not asked for: queue_due those whose time has not come, queue_lane and queue_party those that
 *   may go now, queue_lease those that somebody has.  party: who takes turns.  lane '': written by an earlier version
 *   and not yet due.  flags: enum queue_flag.  Columns that were added stand behind the prefix, which is short.
 * - lane: those with ripe rows, and no others; `at`: the place served last; `served`: they take turns by it.
 * - pace: the slots of "1 per T"; pace_used: how many went in the eighths of T (since 1970) that still count.
 * - suppress.account_id: 0 for all.
 */
static const char mail_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " disabled INTEGER NOT NULL, created_ms INTEGER NOT NULL, modseq INTEGER NOT NULL) STRICT;"
    "CREATE TABLE address (domain TEXT NOT NULL, local TEXT NOT NULL, account_id INTEGER NOT NULL,"
    " mailbox TEXT NOT NULL, PRIMARY KEY (domain, local)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX address_account ON address (account_id);"
    "CREATE TABLE alias (domain TEXT NOT NULL, local TEXT NOT NULL, account_id INTEGER NOT NULL,"
    " PRIMARY KEY (domain, local, account_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX alias_account ON alias (account_id);"
    "CREATE TABLE mailbox (id INTEGER PRIMARY KEY AUTOINCREMENT, account_id INTEGER NOT NULL, name TEXT NOT NULL,"
    " uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL, use INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " recent_uid INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX mailbox_name ON mailbox (account_id, name);"
    "CREATE TABLE subscription (account_id INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (account_id, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE keyword (mailbox_id INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE,"
    " PRIMARY KEY (mailbox_id, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE msg (key INTEGER PRIMARY KEY, mailbox_id INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " arrived INTEGER NOT NULL, flags INTEGER NOT NULL, content_id INTEGER NOT NULL, size INTEGER NOT NULL,"
    " internal_ms INTEGER NOT NULL, saved_ms INTEGER NOT NULL, keywords TEXT, prefix BLOB) STRICT;"
    "CREATE INDEX msg_changed ON msg (mailbox_id, modseq) WHERE modseq > arrived;"
    "CREATE INDEX msg_deleted ON msg (mailbox_id) WHERE (flags & 8) <> 0;"
    "CREATE INDEX msg_content ON msg (content_id);"
    "CREATE TABLE expunged (mailbox_id INTEGER NOT NULL, modseq INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " count INTEGER NOT NULL, PRIMARY KEY (mailbox_id, modseq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE content (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, file TEXT, dead INTEGER NOT NULL,"
    " idx BLOB, data BLOB) STRICT;"
    "CREATE UNIQUE INDEX content_file ON content (file) WHERE file IS NOT NULL;"
    "CREATE INDEX content_dead ON content (dead) WHERE dead <> 0;"
    "CREATE TABLE garbage (content_id INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, content_id INTEGER NOT NULL, sender TEXT NOT NULL,"
    " recipient TEXT NOT NULL, dsn TEXT NOT NULL, state INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, size INTEGER NOT NULL, prefix BLOB) STRICT;"
    "CREATE INDEX queue_content ON queue (content_id);"
    "INSERT INTO meta VALUES ('incarnation', 0), ('uidvalidity', 0);";

static const char mail_2[] =
    "ALTER TABLE account ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN octets_max INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN messages_max INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN junk_rules INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE account ADD COLUMN junk TEXT;"
    "ALTER TABLE account ADD COLUMN neutral TEXT;"
    "ALTER TABLE account ADD COLUMN notjunk TEXT;"
    "UPDATE account SET (octets, messages) = (SELECT coalesce(sum(octets), 0), coalesce(sum(messages), 0)"
    " FROM mailbox WHERE account_id = account.id);"
    "ALTER TABLE mailbox ADD COLUMN expunged INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN unseen_from INTEGER NOT NULL DEFAULT 1;"
    "UPDATE mailbox SET expunged = (SELECT count(*) FROM expunged WHERE mailbox_id = mailbox.id);"
    "CREATE TABLE forgotten (mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (mailbox_id, uid)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE annotation (account_id INTEGER NOT NULL, mailbox_id INTEGER NOT NULL, name TEXT NOT NULL,"
    " value BLOB NOT NULL, PRIMARY KEY (account_id, mailbox_id, name)) STRICT, WITHOUT ROWID;"
    "ALTER TABLE queue ADD COLUMN account_id INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN mailbox TEXT NOT NULL DEFAULT '';";

static const char mail_3[] =
    "ALTER TABLE queue ADD COLUMN drop_name TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE queue ADD COLUMN route TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE queue ADD COLUMN lane TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE queue ADD COLUMN party TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE queue ADD COLUMN ripe INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN ord INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN tried_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN why TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX queue_due ON queue (due_ms) WHERE state = 0 AND ripe = 0;"
    "CREATE INDEX queue_lane ON queue (lane, ord) WHERE state = 0 AND ripe = 1;"
    "CREATE INDEX queue_party ON queue (lane, party, ord) WHERE state = 0 AND ripe = 1;"
    "CREATE INDEX queue_lease ON queue (lease) WHERE state = 2;"
    "CREATE TABLE lane (name TEXT PRIMARY KEY, ripe INTEGER NOT NULL, at INTEGER NOT NULL, served INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX lane_served ON lane (served);"
    "CREATE TABLE pace (name TEXT PRIMARY KEY, per_ms INTEGER NOT NULL, t0_ms INTEGER NOT NULL, slot INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE pace_used (name TEXT NOT NULL, per_ms INTEGER NOT NULL, eighth INTEGER NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY (name, per_ms, eighth)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE suppress (id INTEGER PRIMARY KEY AUTOINCREMENT, account_id INTEGER NOT NULL, address TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL, why TEXT NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX suppress_address ON suppress (address, account_id);"
    "CREATE INDEX suppress_until ON suppress (until_ms);"
    "CREATE TABLE hold_rule (id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, recipient TEXT NOT NULL,"
    " domain TEXT NOT NULL) STRICT;";

static const char auth_1[] =
    "CREATE TABLE verifier (account TEXT PRIMARY KEY, account_id INTEGER NOT NULL, argon2 TEXT, crypt TEXT,"
    " sha1_iterations INTEGER NOT NULL, sha1_salt BLOB, sha1_stored BLOB, sha1_server BLOB,"
    " sha256_iterations INTEGER NOT NULL, sha256_salt BLOB, sha256_stored BLOB, sha256_server BLOB,"
    " cram TEXT, disabled INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE login (login TEXT PRIMARY KEY, account TEXT NOT NULL, account_id INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX login_account ON login (account);"
    "CREATE TABLE secret (value BLOB NOT NULL) STRICT;"
    "INSERT INTO secret VALUES (randomblob(32));";

/* steps[i] leads from version i to i + 1.  A step that was published is never changed: add one. */
static const char *const mail_steps[] = { mail_1, mail_2, mail_3 };
static const char *const auth_steps[] = { auth_1 };

static bool version_read(struct tx *tx, int64_t *version, struct err *e)
{
	struct rows r = sql_rows(tx, "PRAGMA user_version");
	*version = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

static bool step_run(struct tx *tx, const char *step, int64_t to, struct err *e)
{
	char mark[64];
	snprintf(mark, sizeof mark, "PRAGMA user_version=%lld", (long long)to);
	if (sql_script(tx, step, e) && sql_script(tx, mark, e) && sql_script(tx, "COMMIT", e))
		return true;
	if (!sqlite3_get_autocommit(tx->db))
		sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
	return err_add(e, "migration to version %lld", (long long)to);
}

static bool migrate(struct tx *tx, const char *const *steps, int64_t n, struct err *e)
{
	int64_t version;
	do {
		/* IMMEDIATE before reading: another process may be migrating, too. */
		if (!sql_script(tx, "BEGIN IMMEDIATE", e))
			return false;
		bool ok = version_read(tx, &version, e);
		if (ok && version > n)
			ok = err_set(e, ERR_PERM,
				     "the store has version %lld, this program knows %lld: use a newer Sluice",
				     (long long)version, (long long)n);
		if (!ok || version == n)
			sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
		if (!ok || (version < n && !step_run(tx, steps[version], version + 1, e)))
			return false;
	} while (version < n);
	return true;
}

bool schema_migrate(struct tx *tx, struct err *e)
{
	return migrate(tx, mail_steps, sizeof mail_steps / sizeof *mail_steps, e);
}

bool schema_migrate_auth(struct tx *tx, struct err *e)
{
	return migrate(tx, auth_steps, sizeof auth_steps / sizeof *auth_steps, e);
}

bool meta_next(struct tx *tx, struct str key, int64_t least, int64_t *value, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT value FROM meta WHERE key = ?1", TEXT(key));
	*value = row_next(&r) ? row_num(&r, 0) + 1 : 1;
	if (!rows_end(&r, e))
		return false;
	if (*value < least)
		*value = least;
	return sql_run(tx, e, "UPDATE meta SET value = ?2 WHERE key = ?1", TEXT(key), NUM(*value));
}
