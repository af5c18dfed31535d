#include <inttypes.h>

#include "store/account.h"
#include "store/sqlite_store.h"

struct quota_unit {
	struct str name;
	int64_t id;
	struct quota quota;
	bool there;
};

bool quota_room(const struct quota *q, uint64_t octets, struct err *e)
{
	uint64_t sum;
	if (q->messages_max > 0 && q->messages >= q->messages_max)
		return err_set(e, ERR_QUOTA, "the quota is used up: %" PRIu64 " of %" PRIu64 " messages", q->messages,
			       q->messages_max);
	if (q->octets_max > 0 && (__builtin_add_overflow(q->octets, octets, &sum) || sum > q->octets_max))
		return err_set(e, ERR_QUOTA,
			       "the quota is used up: %" PRIu64 " of %" PRIu64 " octets, and %" PRIu64
			       " more are wanted",
			       q->octets, q->octets_max, octets);
	return true;
}

static bool unit_quota(struct tx *tx, void *arg, struct err *e)
{
	struct quota_unit *u = arg;
	struct rows r = sql_rows(tx, "SELECT octets_max, messages_max, octets, messages FROM account WHERE id = ?1",
				 NUM(u->id));
	u->there = row_next(&r);
	if (u->there)
		u->quota = (struct quota){ (uint64_t)row_num(&r, 0), (uint64_t)row_num(&r, 1), (uint64_t)row_num(&r, 2),
					   (uint64_t)row_num(&r, 3) };
	return rows_end(&r, e);
}

bool account_quota(struct store *st, int64_t id, struct quota *out, struct err *e)
{
	struct quota_unit u = { .id = id };
	if (!store_read(st, unit_quota, &u, e))
		return false;
	*out = u.quota;
	return u.there || err_set(e, ERR_PERM, "no such account: number %" PRId64, id);
}

bool account_room(struct store *st, int64_t id, uint64_t octets, struct err *e)
{
	struct quota q;
	return account_quota(st, id, &q, e) && quota_room(&q, octets, e);
}

static bool unit_quota_set(struct tx *tx, void *arg, struct err *e)
{
	struct quota_unit *u = arg;
	if (!sql_run(tx, e, "UPDATE account SET octets_max = ?2, messages_max = ?3 WHERE name = ?1", TEXT(u->name),
		     NUM(u->quota.octets_max), NUM(u->quota.messages_max)))
		return false;
	return sqlite3_changes(tx->db) > 0 ||
	       err_set(e, ERR_PERM, "no such account: %.*s", (int)(u->name.n < 64 ? u->name.n : 64), u->name.p);
}

/* What is over the new limits stays: only nothing more comes in. */
bool account_quota_set(struct store *st, struct str name, uint64_t octets_max, uint64_t messages_max, struct err *e)
{
	struct quota_unit u = { .name = name, .quota = { .octets_max = octets_max, .messages_max = messages_max } };
	if (octets_max > INT64_MAX || messages_max > INT64_MAX)
		return err_set(e, ERR_PERM, "a quota is at most %" PRId64, INT64_MAX);
	return store_do(st, unit_quota_set, &u, e);
}
