#include "store/mailbox.h"

#include "base/log.h"
#include "store/bell.h"
#include "store/mailbox_name.h"
#include "store/sqlite_box.h"
#include "store/sqlite_mailbox.h"
#include "store/sqlite_store.h"

#define SUBSCRIPTIONS_MAX 10000

struct mailbox_unit {
	int64_t account, id;
	struct str name, to;
	struct str *names;
	enum special_use use;
	bool on;
	uint32_t uid;
	uint64_t octets;
	struct arena *a;
	struct mailbox *all;
	size_t n, cap;
	int64_t subscriptions;
	struct box from_box;
};

#define MAILBOX_COLUMNS                                                                             \
	"SELECT m.id, m.account_id, m.name, m.uidvalidity, m.uidnext, m.modseq, m.use, m.messages," \
	" m.unseen, m.deleted, m.octets, m.recent_uid, s.name IS NOT NULL FROM mailbox m"           \
	" LEFT JOIN subscription s ON s.account_id = m.account_id AND s.name = m.name "

static struct mailbox mailbox_row(const struct rows *r, struct arena *a)
{
	return (struct mailbox){
		.id = row_num(r, 0),
		.account_id = row_num(r, 1),
		.name = row_dup(r, 2, a),
		.uidvalidity = (uint32_t)row_num(r, 3),
		.uidnext = (uint32_t)row_num(r, 4),
		.modseq = (uint64_t)row_num(r, 5),
		.use = (enum special_use)row_num(r, 6),
		.messages = (uint32_t)row_num(r, 7),
		.unseen = (uint32_t)row_num(r, 8),
		.deleted = (uint32_t)row_num(r, 9),
		.octets = (uint64_t)row_num(r, 10),
		.recent_uid = (uint32_t)row_num(r, 11),
		.subscribed = row_num(r, 12) != 0,
	};
}

static bool rows_mailboxes(struct rows *r, struct mailbox_unit *u, struct err *e)
{
	u->all = NULL;
	u->n = u->cap = 0;
	while (row_next(r)) {
		u->all = arena_grow(u->a, u->all, &u->cap, u->n + 1, sizeof *u->all);
		u->all[u->n++] = mailbox_row(r, u->a);
	}
	return rows_end(r, e);
}

enum box_found mailbox_at(struct tx *tx, int64_t id, struct arena *a, struct mailbox *out, struct err *e)
{
	struct rows r = sql_rows(tx, MAILBOX_COLUMNS "WHERE m.id = ?1 AND m.account_id <> 0", NUM(id));
	bool there = row_next(&r);
	if (there)
		*out = mailbox_row(&r, a);
	if (!rows_end(&r, e))
		return BOX_ERROR;
	return there ? BOX_FOUND : BOX_NONE;
}

/* --- look ------------------------------------------------------------------------ */

static bool unit_list(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(tx, MAILBOX_COLUMNS "WHERE m.account_id = ?1 ORDER BY m.name", NUM(u->account));
	return rows_mailboxes(&r, u, e);
}

bool mailbox_list(struct store *st, int64_t account, struct arena *a, struct mailbox **out, size_t *n, struct err *e)
{
	struct mailbox_unit u = { .account = account, .a = a };
	if (!store_read(st, unit_list, &u, e))
		return false;
	*out = u.all;
	*n = u.n;
	return true;
}

static bool unit_find(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(tx, MAILBOX_COLUMNS "WHERE m.account_id = ?1 AND m.name = ?2", NUM(u->account),
				 TEXT(u->name));
	return rows_mailboxes(&r, u, e);
}

bool mailbox_find(struct store *st, int64_t account, struct str name, struct arena *a, struct mailbox **out,
		  struct err *e)
{
	struct mailbox_unit u = { .account = account, .a = a };
	struct err wrong;
	*out = NULL;
	if (!mailbox_name(name, a, &u.name, &wrong))
		return true; /* nothing can be called so */
	if (!store_read(st, unit_find, &u, e))
		return false;
	*out = u.all;
	return true;
}

static bool unit_get(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(tx, MAILBOX_COLUMNS "WHERE m.id = ?1 AND m.account_id <> 0", NUM(u->id));
	return rows_mailboxes(&r, u, e);
}

bool mailbox_get(struct store *st, int64_t id, struct arena *a, struct mailbox **out, struct err *e)
{
	struct mailbox_unit u = { .id = id, .a = a };
	if (!store_read(st, unit_get, &u, e))
		return false;
	*out = u.all;
	return true;
}

/* --- create ----------------------------------------------------------------------- */

static bool must_be_new(struct tx *tx, int64_t account, struct str name, struct err *e)
{
	struct box b;
	enum box_found f = box_find(tx, account, name, &b, e);
	if (f == BOX_FOUND)
		err_set(e, ERR_PERM, "mailbox %.*s is there already", (int)(name.n < 100 ? name.n : 100), name.p);
	return f == BOX_NONE;
}

static bool none_such(struct str name, struct err *e)
{
	return err_set(e, ERR_PERM, "no such mailbox: %.*s", (int)(name.n < 100 ? name.n : 100), name.p);
}

/* RFC 6154 3: a use that another mailbox has is refused. */
static bool use_free(struct tx *tx, struct mailbox_unit *u, struct err *e)
{
	if (u->use == USE_NONE)
		return true;
	struct rows r = sql_rows(tx, "SELECT 1 FROM mailbox WHERE account_id = ?1 AND use = ?2", NUM(u->account),
				 NUM(u->use));
	bool there = row_next(&r);
	return rows_end(&r, e) && (!there || err_set(e, ERR_PERM, "another mailbox has that special use"));
}

static bool unit_create(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	return must_be_new(tx, u->account, u->name, e) && use_free(tx, u, e) &&
	       box_create(tx, u->account, u->name, u->use, false, e);
}

bool mailbox_create(struct store *st, int64_t account, struct str name, enum special_use use, struct err *e)
{
	struct arena a = { 0 };
	struct mailbox_unit u = { .account = account, .use = use, .a = &a };
	if (str_ends(name, STR("/"))) /* RFC 3501 6.3.3: the client says that it will have children */
		name.n--;
	bool ok = mailbox_name(name, &a, &u.name, e) && store_do(st, unit_create, &u, e);
	arena_reset(&a);
	if (ok)
		bell_ring(st, bell_slot(account));
	return ok;
}

static bool unit_use(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct box b;
	enum box_found f = box_find(tx, u->account, u->name, &b, e);
	if (f != BOX_FOUND)
		return f == BOX_NONE ? none_such(u->name, e) : false;
	if (b.use == u->use)
		return true;
	return use_free(tx, u, e) &&
	       sql_run(tx, e, "UPDATE mailbox SET use = ?2 WHERE id = ?1", NUM(b.id), NUM(u->use));
}

bool mailbox_set_use(struct store *st, int64_t account, struct str name, enum special_use use, struct err *e)
{
	struct arena a = { 0 };
	struct mailbox_unit u = { .account = account, .use = use, .a = &a };
	bool ok = mailbox_name(name, &a, &u.name, e) && store_do(st, unit_use, &u, e);
	arena_reset(&a);
	if (ok)
		bell_ring(st, bell_slot(account));
	return ok;
}

/* --- delete ------------------------------------------------------------------------ */

/* The row leaves its account at once; its messages go in a series of units. */
static bool unit_delete(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct box b;
	enum box_found f = box_find(tx, u->account, u->name, &b, e);
	if (f != BOX_FOUND)
		return f == BOX_NONE ? none_such(u->name, e) : false;
	return sql_run(
		   tx, e,
		   "UPDATE account SET octets = max(octets - ?2, 0), messages = max(messages - ?3, 0) WHERE id = ?1",
		   NUM(u->account), NUM(b.octets), NUM(b.messages)) &&
	       sql_run(tx, e, "DELETE FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2", NUM(u->account),
		       NUM(b.id)) &&
	       sql_run(tx, e, "UPDATE mailbox SET account_id = 0, name = 'dropped/' || id WHERE id = ?1", NUM(b.id));
}

bool mailbox_delete(struct store *st, int64_t account, struct str name, struct err *e)
{
	struct arena a = { 0 };
	struct mailbox_unit u = { .account = account, .a = &a };
	struct err later;
	bool ok = mailbox_name(name, &a, &u.name, e);
	if (ok && str_eq(u.name, STR("INBOX")))
		ok = err_set(e, ERR_PERM, "INBOX cannot be deleted");
	ok = ok && store_do(st, unit_delete, &u, e);
	arena_reset(&a);
	if (!ok)
		return false;
	bell_ring(st, bell_slot(account));
	purge_dropped(st, &later); /* what it leaves the collector takes */
	return true;
}

/* --- rename ------------------------------------------------------------------------- */

static bool subscriptions_count(struct tx *tx, int64_t account, int64_t *n, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT count(*) FROM subscription WHERE account_id = ?1", NUM(account));
	*n = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

/* The new name is subscribed to as the old one is, which stays in the list (RFC 3501 6.3.7); as long as there is room.
 */
static bool rename_one(struct tx *tx, struct mailbox_unit *u, const struct mailbox *m, struct err *e)
{
	struct str name = str_cat(u->a, u->to, str_sub(m->name, u->name.n, m->name.n)), to;
	struct err why;
	if (!mailbox_name(name, u->a, &to, &why))
		return err_set(e, ERR_PERM, "of a mailbox inside: %s", why.text);
	if (!must_be_new(tx, u->account, to, e) ||
	    !sql_run(tx, e, "UPDATE mailbox SET name = ?2 WHERE id = ?1", NUM(m->id), TEXT(to)))
		return false;
	return !m->subscribed || u->subscriptions++ >= SUBSCRIPTIONS_MAX ||
	       sql_run(tx, e, "INSERT OR IGNORE INTO subscription (account_id, name) VALUES (?1, ?2)", NUM(u->account),
		       TEXT(to));
}

/* The parents of the new name, made where they are missing. */
static bool parents_make(struct tx *tx, struct mailbox_unit *u, struct err *e)
{
	struct str parent = mailbox_parent(u->to);
	struct box b;
	if (parent.n == 0)
		return true;
	enum box_found f = box_find(tx, u->account, parent, &b, e);
	return f == BOX_FOUND || (f == BOX_NONE && box_create(tx, u->account, parent, USE_NONE, false, e));
}

static bool unit_rename(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	/* Children are the names from "from/" up to "from0": "0" follows "/". */
	struct rows r = sql_rows(tx,
				 MAILBOX_COLUMNS "WHERE m.account_id = ?1 AND (m.name = ?2 OR (m.name > ?2 || '/' AND"
						 " m.name < ?2 || '0')) ORDER BY m.name",
				 NUM(u->account), TEXT(u->name));
	if (!rows_mailboxes(&r, u, e))
		return false;
	if (u->n == 0 || !str_eq(u->all[0].name, u->name))
		return none_such(u->name, e);
	if (!must_be_new(tx, u->account, u->to, e) || !parents_make(tx, u, e) ||
	    !subscriptions_count(tx, u->account, &u->subscriptions, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (!rename_one(tx, u, &u->all[i], e))
			return false;
	return true;
}

/* RFC 3501 6.3.5: INBOX stays, its messages move to the new mailbox. */
static bool inbox_rename(struct store *st, int64_t account, struct str to, struct arena *a, struct err *e)
{
	struct mailbox *inbox, *made;
	struct copied moved;
	struct uid_run all = { 1, UINT32_MAX - 1 };
	return mailbox_create(st, account, to, USE_NONE, e) && mailbox_find(st, account, STR("INBOX"), a, &inbox, e) &&
	       mailbox_find(st, account, to, a, &made, e) && (inbox && made ? true : none_such(to, e)) &&
	       msg_copy(st, inbox->id, &all, 1, made->id, true, a, &moved, e);
}

bool mailbox_rename(struct store *st, int64_t account, struct str from, struct str to, struct err *e)
{
	struct arena a = { 0 };
	struct mailbox_unit u = { .account = account, .a = &a };
	bool ok = mailbox_name(from, &a, &u.name, e) && mailbox_name(to, &a, &u.to, e);
	if (ok && str_eq(u.name, STR("INBOX")))
		ok = inbox_rename(st, account, u.to, &a, e);
	else if (ok && str_starts(u.to, str_cat(&a, u.name, STR("/"))))
		ok = err_set(e, ERR_PERM, "a mailbox cannot be moved into itself");
	else
		ok = ok && store_do(st, unit_rename, &u, e);
	arena_reset(&a);
	if (ok)
		bell_ring(st, bell_slot(account));
	return ok;
}

/* --- subscriptions -------------------------------------------------------------------- */

static bool subscriptions_few(struct tx *tx, int64_t account, struct err *e)
{
	int64_t n;
	return subscriptions_count(tx, account, &n, e) &&
	       (n < SUBSCRIPTIONS_MAX ||
		err_set(e, ERR_PERM, "the account has %d subscriptions: no more", SUBSCRIPTIONS_MAX));
}

static bool unit_subscribe(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	if (!u->on)
		return sql_run(tx, e, "DELETE FROM subscription WHERE account_id = ?1 AND name = ?2", NUM(u->account),
			       TEXT(u->name));
	return subscriptions_few(tx, u->account, e) &&
	       sql_run(tx, e, "INSERT OR IGNORE INTO subscription (account_id, name) VALUES (?1, ?2)", NUM(u->account),
		       TEXT(u->name));
}

bool mailbox_subscribe(struct store *st, int64_t account, struct str name, bool on, struct err *e)
{
	struct arena a = { 0 };
	struct mailbox_unit u = { .account = account, .on = on, .a = &a };
	bool ok = mailbox_name(name, &a, &u.name, e) && store_do(st, unit_subscribe, &u, e);
	if (ok)
		bell_ring(st, bell_slot(account));
	arena_reset(&a);
	return ok;
}

static bool rows_names(struct rows *r, struct mailbox_unit *u, struct err *e)
{
	while (row_next(r)) {
		u->names = arena_grow(u->a, u->names, &u->cap, u->n + 1, sizeof *u->names);
		u->names[u->n++] = row_dup(r, 0, u->a);
	}
	return rows_end(r, e);
}

static bool unit_subscriptions(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT name FROM subscription WHERE account_id = ?1 ORDER BY name",
				 NUM(u->account));
	return rows_names(&r, u, e);
}

bool mailbox_subscriptions(struct store *st, int64_t account, struct arena *a, struct str **names, size_t *n,
			   struct err *e)
{
	struct mailbox_unit u = { .account = account, .a = a };
	if (!store_read(st, unit_subscriptions, &u, e))
		return false;
	*names = u.names;
	*n = u.n;
	return true;
}

static bool unit_keywords(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT name FROM keyword WHERE mailbox_id = ?1 ORDER BY name", NUM(u->id));
	return rows_names(&r, u, e);
}

bool mailbox_keywords(struct store *st, int64_t mailbox, struct arena *a, struct str **out, size_t *n, struct err *e)
{
	struct mailbox_unit u = { .id = mailbox, .a = a };
	if (!store_read(st, unit_keywords, &u, e))
		return false;
	*out = u.names;
	*n = u.n;
	return true;
}

static bool unit_deleted_octets(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(
	    tx, "SELECT coalesce(sum(size), 0) FROM msg WHERE mailbox_id = ?1 AND (flags & 8) <> 0", NUM(u->id));
	u->octets = row_next(&r) ? (uint64_t)row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

bool mailbox_deleted_octets(struct store *st, int64_t mailbox, uint64_t *octets, struct err *e)
{
	struct mailbox_unit u = { .id = mailbox };
	if (!store_read(st, unit_deleted_octets, &u, e))
		return false;
	*octets = u.octets;
	return true;
}

/* --- \Recent ---------------------------------------------------------------------------- */

static bool unit_recent(struct tx *tx, void *arg, struct err *e)
{
	struct mailbox_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT recent_uid, uidnext FROM mailbox WHERE id = ?1 AND account_id <> 0",
				 NUM(u->id));
	bool there = row_next(&r);
	u->uid = there ? (uint32_t)row_num(&r, 0) : 0;
	bool claim = there && row_num(&r, 1) != row_num(&r, 0);
	if (!rows_end(&r, e))
		return false;
	if (!there)
		return err_set(e, ERR_PERM, "the mailbox was deleted");
	return !claim || sql_run(tx, e, "UPDATE mailbox SET recent_uid = uidnext WHERE id = ?1", NUM(u->id));
}

bool mailbox_claim_recent(struct store *st, int64_t mailbox, uint32_t *from, struct err *e)
{
	struct mailbox_unit u = { .id = mailbox };
	if (!store_do(st, unit_recent, &u, e))
		return false;
	*from = u.uid;
	return true;
}
