#include "store/account.h"

#include "store/bell.h"
#include "store/mailbox_name.h"
#include "store/sqlite_account.h"
#include "store/sqlite_box.h"
#include "store/sqlite_store.h"

#define ACCOUNTS "SELECT " ACCOUNT_COLUMNS " FROM account a "

static bool name_right(struct str name, struct err *e)
{
	bool right = name.n >= 1 && name.n <= 64;
	for (size_t i = 0; right && i < name.n; i++) {
		char c = name.p[i];
		right = (c >= 'a' && c <= 'z') || ch_digit(c) || (c != '\0' && strchr("._-", c));
	}
	return right || err_set(e, ERR_PERM, "an account's name is 1 to 64 characters of a-z 0-9 . _ -");
}

struct account account_row(const struct rows *r, struct arena *a)
{
	return (struct account){
		.id = row_num(r, 0),
		.name = row_dup(r, 1, a),
		.disabled = row_num(r, 2) != 0,
		.created_wall_ms = row_num(r, 3),
		.quota = { (uint64_t)row_num(r, 4), (uint64_t)row_num(r, 5), (uint64_t)row_num(r, 6),
			   (uint64_t)row_num(r, 7) },
	};
}

struct account_unit {
	struct str name;
	int64_t id;
	bool disabled;
	struct arena *a;
	struct account one, *all;
	size_t n, cap;
};

static bool none_such(struct str name, struct err *e)
{
	return err_set(e, ERR_PERM, "no such account: %.*s", (int)(name.n < 64 ? name.n : 64), name.p);
}

/* --- add ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum special_use use;
} at_first[] = {
	{ "INBOX", USE_NONE },  { "Sent", USE_SENT },     { "Archive", USE_ARCHIVE },
	{ "Trash", USE_TRASH }, { "Drafts", USE_DRAFTS }, { "Junk", USE_JUNK },
};

static bool unit_add(struct tx *tx, void *arg, struct err *e)
{
	struct account_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT 1 FROM account WHERE name = ?1", TEXT(u->name));
	bool there = row_next(&r);
	if (!rows_end(&r, e))
		return false;
	if (there)
		return err_set(e, ERR_PERM, "account %.*s is there already", STRF(u->name));
	if (!sql_run(tx, e, "INSERT INTO account (name, disabled, created_ms, modseq) VALUES (?1, 0, ?2, 1)",
		     TEXT(u->name), NUM(store_now(tx->st))))
		return false;
	u->id = sqlite3_last_insert_rowid(tx->db);
	for (size_t i = 0; i < sizeof at_first / sizeof *at_first; i++)
		if (!box_create(tx, u->id, str_of(at_first[i].name), at_first[i].use, true, e))
			return false;
	return true;
}

bool account_add(struct store *st, struct str name, int64_t *id, struct err *e)
{
	struct account_unit u = { .name = name };
	if (!name_right(name, e) || !store_do(st, unit_add, &u, e))
		return false;
	if (id)
		*id = u.id;
	return true;
}

/* --- look ------------------------------------------------------------------------ */

static bool unit_find(struct tx *tx, void *arg, struct err *e)
{
	struct account_unit *u = arg;
	struct rows r = u->name.n ? sql_rows(tx, ACCOUNTS "WHERE a.name = ?1", TEXT(u->name))
				  : sql_rows(tx, ACCOUNTS "WHERE a.id = ?1", NUM(u->id));
	u->n = row_next(&r);
	if (u->n)
		u->one = account_row(&r, u->a);
	return rows_end(&r, e);
}

bool account_find(struct store *st, struct str name, struct arena *a, struct account *out, struct err *e)
{
	struct account_unit u = { .name = name, .a = a };
	if (name.n == 0)
		return none_such(name, e);
	if (!store_read(st, unit_find, &u, e))
		return false;
	*out = u.one;
	return u.n > 0 || none_such(name, e);
}

bool account_get(struct store *st, int64_t id, struct arena *a, struct account *out, struct err *e)
{
	struct account_unit u = { .id = id, .a = a };
	if (!store_read(st, unit_find, &u, e))
		return false;
	*out = u.one;
	return u.n > 0 || err_set(e, ERR_PERM, "no such account: number %lld", (long long)id);
}

static bool unit_list(struct tx *tx, void *arg, struct err *e)
{
	struct account_unit *u = arg;
	struct rows r = sql_rows(tx, ACCOUNTS "ORDER BY a.name");
	while (row_next(&r)) {
		u->all = arena_grow(u->a, u->all, &u->cap, u->n + 1, sizeof *u->all);
		u->all[u->n++] = account_row(&r, u->a);
	}
	return rows_end(&r, e);
}

bool account_list(struct store *st, struct arena *a, struct account **out, size_t *n, struct err *e)
{
	struct account_unit u = { .a = a };
	if (!store_read(st, unit_list, &u, e))
		return false;
	*out = u.all;
	*n = u.n;
	return true;
}

/* --- change ---------------------------------------------------------------------- */

static bool unit_disable(struct tx *tx, void *arg, struct err *e)
{
	struct account_unit *u = arg;
	if (!sql_run(tx, e, "UPDATE account SET disabled = ?2 WHERE name = ?1", TEXT(u->name), NUM(u->disabled)))
		return false;
	return sqlite3_changes(tx->db) > 0 || none_such(u->name, e);
}

bool account_disable(struct store *st, struct str name, bool disabled, struct err *e)
{
	struct account_unit u = { .name = name, .disabled = disabled };
	return store_do(st, unit_disable, &u, e);
}

/* First what leads to it and the account itself, in one unit; then its mail, which nothing leads to any more. */
static bool unit_remove(struct tx *tx, void *arg, struct err *e)
{
	struct account_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT id FROM account WHERE name = ?1", TEXT(u->name));
	bool there = row_next(&r);
	u->id = there ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e))
		return false;
	if (!there)
		return none_such(u->name, e);
	return sql_run(tx, e, "DELETE FROM address WHERE account_id = ?1", NUM(u->id)) &&
	       sql_run(tx, e, "DELETE FROM alias WHERE account_id = ?1", NUM(u->id)) &&
	       sql_run(tx, e, "DELETE FROM subscription WHERE account_id = ?1", NUM(u->id)) &&
	       sql_run(tx, e, "DELETE FROM annotation WHERE account_id = ?1", NUM(u->id)) &&
	       sql_run(tx, e, "DELETE FROM suppress WHERE account_id = ?1", NUM(u->id)) &&
	       sql_run(tx, e, "UPDATE mailbox SET account_id = 0, name = 'dropped/' || id WHERE account_id = ?1",
		       NUM(u->id)) &&
	       sql_run(tx, e, "DELETE FROM account WHERE id = ?1", NUM(u->id));
}

bool account_remove(struct store *st, struct str name, struct err *e)
{
	struct account_unit u = { .name = name };
	struct err later;
	if (!store_do(st, unit_remove, &u, e))
		return false;
	bell_ring(st, bell_slot(u.id));
	purge_dropped(st, &later); /* what it leaves the collector takes */
	return true;
}
