/* The queue as people see it: lists by filters, and changes by hand.
 *
 * Filters look at every row, in reads that are bounded in rows whether they match or not; changes are made in units
 * that name their rows and ask each again whether the change still fits.
 */
#include <stdlib.h>

#include "mail/address.h"
#include "store/bell.h"
#include "store/sqlite_queue.h"
#include "store/sqlite_store.h"

#define SCAN_ROWS 4096 /* looked at in one read */

struct list_unit {
	const struct queue_filter *f; /* NULL: all */
	int64_t account;              /* of the filter; 0: any */
	struct str domain;            /* its key */
	int64_t *ids;                 /* the filter's, ascending */
	int64_t after;
	size_t max;
	struct arena *a;
	struct queue_row *rows;
	size_t n;
	bool end;
};

/* --- filters ------------------------------------------------------------------------------------- */

static bool has(struct str text, struct str part)
{
	return part.n == 0 || str_findi(text, part) < text.n;
}

static bool in_domain(struct str recipient, struct str domain, struct arena *temp)
{
	struct str of = recipient_domain(recipient), key;
	if (!address_domain_key(temp, of, &key))
		key = str_lower(temp, of);
	if (str_starts(domain, STR(".")))
		return str_ends(key, domain) || str_eq(key, str_sub(domain, 1, domain.n));
	return str_eq(key, domain);
}

/* "cron" is all of "cron/1", "cron/2". */
static bool of_drop(struct str row, struct str drop)
{
	return str_starts(row, drop) && (row.n == drop.n || row.p[drop.n] == '/');
}

static bool matches(const struct list_unit *u, const struct queue_row *row, struct arena *temp)
{
	const struct queue_filter *f = u->f;
	return !f ||
	       ((f->state < 0 || (int)row->state == f->state) && has(row->sender, f->sender) &&
		has(row->recipient, f->recipient) && (f->drop.n == 0 || of_drop(row->drop, f->drop)) &&
		(f->lane.n == 0 || str_eq(row->lane, f->lane)) && (u->account == 0 || row->account == u->account) &&
		(f->older_than_wall_ms == 0 || row->created_wall_ms < f->older_than_wall_ms) &&
		(u->domain.n == 0 || in_domain(row->recipient, u->domain, temp)));
}

/* --- reading --------------------------------------------------------------------------------------- */

/* `row` points into the answer; what matches is copied. */
static void take_if(struct list_unit *u, const struct rows *r, struct arena *temp)
{
	struct queue_row row = queue_row_read(r, NULL);
	u->after = row.id;
	if (matches(u, &row, temp))
		u->rows[u->n++] = queue_row_read(r, u->a);
	arena_reset(temp);
}

static bool unit_scan(struct tx *tx, void *arg, struct err *e)
{
	struct list_unit *u = arg;
	struct arena temp = { 0 };
	size_t seen = 0;
	struct rows r = sql_rows(tx, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.id > ?1 ORDER BY q.id LIMIT ?2",
				 NUM(u->after), NUM(SCAN_ROWS));
	for (; u->n < u->max && row_next(&r); seen++)
		take_if(u, &r, &temp);
	u->end = u->n == u->max || seen < SCAN_ROWS;
	return rows_end(&r, e);
}

static bool unit_ids(struct tx *tx, void *arg, struct err *e)
{
	struct list_unit *u = arg;
	struct arena temp = { 0 };
	size_t seen = 0, i = 0;
	while (i < u->f->nids && u->ids[i] <= u->after)
		i++;
	for (; i < u->f->nids && u->n < u->max && seen < SCAN_ROWS; i++, seen++) {
		struct rows r = sql_rows(tx, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.id = ?1", NUM(u->ids[i]));
		if (u->ids[i] > u->after && row_next(&r)) /* one may be named twice */
			take_if(u, &r, &temp);
		u->after = u->ids[i];
		if (!rows_end(&r, e))
			return false;
	}
	u->end = u->n == u->max || i == u->f->nids;
	return true;
}

static int by_number(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return (a > b) - (a < b);
}

static bool unit_account(struct tx *tx, void *arg, struct err *e)
{
	struct list_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT id FROM account WHERE name = ?1", TEXT(u->f->account));
	u->account = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

static bool filter_ready(struct store *st, struct list_unit *u, struct err *e)
{
	if (!u->f)
		return true;
	if (u->f->nids > 0) {
		u->ids = ARENA_ARRAY(u->a, int64_t, u->f->nids);
		memcpy(u->ids, u->f->ids, u->f->nids * sizeof *u->ids);
		qsort(u->ids, u->f->nids, sizeof *u->ids, by_number);
	}
	u->domain = u->f->domain.n > 0 ? str_lower(u->a, u->f->domain) : STR_NONE;
	if (u->domain.n > 0 && u->domain.p[0] != '.' && !address_domain_key(u->a, u->f->domain, &u->domain))
		return err_set(e, ERR_PERM, "no domain: %.*s", STRF(u->f->domain));
	if (u->f->account.n == 0)
		return true;
	return store_read(st, unit_account, u, e) &&
	       (u->account != 0 || err_set(e, ERR_PERM, "no such account: %.*s", STRF(u->f->account)));
}

static bool list_page(struct store *st, struct list_unit *u, struct err *e)
{
	u->n = 0;
	u->rows = ARENA_ARRAY(u->a, struct queue_row, u->max);
	do {
		if (!store_read(st, u->ids ? unit_ids : unit_scan, u, e))
			return false;
	} while (!u->end);
	return true;
}

bool queue_list(struct store *st, const struct queue_filter *f, int64_t after_id, size_t max, struct arena *a,
		struct queue_row **out, size_t *n, struct err *e)
{
	struct list_unit u = { .f = f, .after = after_id, .max = max < QUEUE_PAGE ? max : QUEUE_PAGE, .a = a };
	if (!filter_ready(st, &u, e) || !list_page(st, &u, e))
		return false;
	*out = u.rows;
	*n = u.n;
	return true;
}

static bool unit_count(struct tx *tx, void *arg, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT count(*) FROM queue");
	*(uint64_t *)arg = row_next(&r) ? (uint64_t)row_num(&r, 0) : 0;
	return rows_end(&r, e);
}

bool queue_count(struct store *st, uint64_t *n, struct err *e)
{
	return store_read(st, unit_count, n, e);
}

/* --- changes by hand ---------------------------------------------------------------------------------- */

struct change_unit {
	enum queue_change what;
	struct str value;
	const struct queue_row *rows;
	size_t n;
	uint64_t changed;
	int64_t now_wall_ms;
	struct arena temp;
};

static bool fits(enum queue_change what, const struct queue_at *at)
{
	switch (what) {
	case QUEUE_RETRY:
		return at->state == QUEUE_WAITING && !at->ripe;
	case QUEUE_HOLD_ROWS:
		return at->state == QUEUE_WAITING;
	case QUEUE_RELEASE:
		return at->state == QUEUE_HELD;
	case QUEUE_ROUTE:
		return at->state != QUEUE_LEASED;
	case QUEUE_REMOVE:
		return true;
	}
	return false;
}

/* Another way may have another pace: back into the lane of its destination, behind those who wait there. */
static bool route(struct tx *tx, struct change_unit *u, const struct queue_at *at, struct err *e)
{
	struct str lane;
	if (!sql_run(tx, e, "UPDATE queue SET route = ?2 WHERE id = ?1", NUM(at->id), TEXT(u->value)) ||
	    !queue_home(tx, at->id, &u->temp, &lane, e))
		return false;
	if (str_eq(lane, at->lane))
		return true;
	return at->ripe ? queue_wait(tx, at, lane, u->now_wall_ms, u->now_wall_ms, e)
			: sql_run(tx, e, "UPDATE queue SET lane = ?2 WHERE id = ?1", NUM(at->id), TEXT(lane));
}

static bool change_one(struct tx *tx, struct change_unit *u, const struct queue_at *at, struct err *e)
{
	switch (u->what) {
	case QUEUE_RETRY:
		return queue_wait(tx, at, at->lane, u->now_wall_ms, u->now_wall_ms, e);
	case QUEUE_HOLD_ROWS:
		return queue_hold(tx, at, u->value, e);
	case QUEUE_RELEASE:
		return sql_run(tx, e, "UPDATE queue SET crashes = 0, why = '' WHERE id = ?1", NUM(at->id)) &&
		       queue_wait(tx, at, at->lane, u->now_wall_ms, u->now_wall_ms, e);
	case QUEUE_ROUTE:
		return route(tx, u, at, e);
	case QUEUE_REMOVE:
		return queue_drop(tx, at, e);
	}
	return err_set(e, ERR_PERM, "no such change: %d", (int)u->what);
}

static bool unit_change(struct tx *tx, void *arg, struct err *e)
{
	struct change_unit *u = arg;
	arena_reset(&u->temp);
	u->changed = 0;
	for (size_t i = 0; i < u->n; i++) {
		struct queue_at at;
		bool there;
		if (!queue_at(tx, u->rows[i].id, &u->temp, &at, &there, e))
			return false;
		if (!there || !fits(u->what, &at))
			continue;
		if (!change_one(tx, u, &at, e))
			return false;
		u->changed++;
	}
	return true;
}

static bool change_page(struct store *st, struct list_unit *l, struct change_unit *u, struct err *e)
{
	if (!list_page(st, l, e))
		return false;
	u->rows = l->rows;
	u->n = l->n;
	return u->n == 0 || store_do(st, unit_change, u, e);
}

bool queue_change(struct store *st, const struct queue_filter *f, enum queue_change what, struct str value,
		  uint64_t *changed, struct err *e)
{
	struct arena filter = { 0 }, page = { 0 };
	struct list_unit l = { .f = f, .max = QUEUE_PAGE, .a = &filter };
	struct change_unit u = { .what = what, .value = value.n ? value : STR_NONE, .now_wall_ms = store_now(st) };
	*changed = 0;
	bool ok = filter_ready(st, &l, e);
	l.a = &page;
	do {
		ok = ok && change_page(st, &l, &u, e);
		*changed += ok ? u.changed : 0;
		arena_reset(&page);
		u.changed = 0;
	} while (ok && u.n == QUEUE_PAGE);
	arena_reset(&filter);
	arena_reset(&u.temp);
	if (*changed > 0)
		bell_ring(st, BELL_QUEUE);
	return ok;
}
