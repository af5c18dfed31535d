/* What is not to be tried: addresses that bounced hard, and mail that the operator wants to see first. */
#include "mail/address.h"
#include "store/sqlite_queue.h"
#include "store/sqlite_store.h"

#define PATTERN_MAX 500 /* octets */

/* --- suppression ---------------------------------------------------------------------------------- */

struct suppress_unit {
	int64_t account, after, now_wall_ms;
	struct str address;
	const struct suppressed *add;
	struct arena *a, temp;
	struct suppressed *rows;
	size_t n;
	bool found;
};

/* Hosts that tell "Ann" from "ann" are rarer than people who write it both ways. */
static struct str address_key(struct str address, struct arena *a)
{
	struct str domain = recipient_domain(address), key;
	if (!address_domain_key(a, domain, &key))
		key = str_lower(a, domain);
	return str_cat(a, str_lower(a, str_sub(address, 0, address.n - domain.n)), key);
}

bool suppress_put(struct tx *tx, int64_t account, struct str address, struct str why, int64_t until_wall_ms,
		  struct arena *temp, struct err *e)
{
	return sql_run(tx, e,
		       "INSERT INTO suppress (account_id, address, until_ms, why) VALUES (?1, ?2, ?3, ?4)"
		       " ON CONFLICT (address, account_id) DO UPDATE SET until_ms = ?3, why = ?4",
		       NUM(account), TEXT(address_key(address, temp)), NUM(until_wall_ms), TEXT(why));
}

static bool unit_suppress_find(struct tx *tx, void *arg, struct err *e)
{
	struct suppress_unit *u = arg;
	struct rows r = sql_rows(tx,
				 "SELECT s.id, coalesce(a.name, ''), s.address, s.why, s.until_ms FROM suppress s"
				 " LEFT JOIN account a ON a.id = s.account_id WHERE s.address = ?1"
				 " AND s.account_id IN (0, ?2) AND s.until_ms > ?3 ORDER BY s.until_ms DESC LIMIT 1",
				 TEXT(u->address), NUM(u->account), NUM(u->now_wall_ms));
	u->found = row_next(&r);
	if (u->found)
		*u->rows = (struct suppressed){ row_num(&r, 0), row_dup(&r, 1, u->a), row_dup(&r, 2, u->a),
						row_dup(&r, 3, u->a), row_num(&r, 4) };
	return rows_end(&r, e);
}

bool suppress_find(struct store *st, int64_t account, struct str address, int64_t now_wall_ms, bool *is,
		   struct arena *a, struct suppressed *out, struct err *e)
{
	struct suppress_unit u = {
		.account = account, .address = address_key(address, a), .now_wall_ms = now_wall_ms, .a = a, .rows = out
	};
	bool ok = store_read(st, unit_suppress_find, &u, e);
	*is = ok && u.found;
	return ok;
}

static bool unit_suppress_list(struct tx *tx, void *arg, struct err *e)
{
	struct suppress_unit *u = arg;
	struct rows r = sql_rows(tx,
				 "SELECT s.id, coalesce(a.name, ''), s.address, s.why, s.until_ms FROM suppress s"
				 " LEFT JOIN account a ON a.id = s.account_id WHERE s.id > ?1 ORDER BY s.id LIMIT ?2",
				 NUM(u->after), NUM(QUEUE_PAGE));
	u->rows = ARENA_ARRAY(u->a, struct suppressed, QUEUE_PAGE);
	while (u->n < QUEUE_PAGE && row_next(&r))
		u->rows[u->n++] = (struct suppressed){ row_num(&r, 0), row_dup(&r, 1, u->a), row_dup(&r, 2, u->a),
						       row_dup(&r, 3, u->a), row_num(&r, 4) };
	return rows_end(&r, e);
}

bool suppress_list(struct store *st, int64_t after_id, struct arena *a, struct suppressed **out, size_t *n,
		   struct err *e)
{
	struct suppress_unit u = { .after = after_id, .a = a };
	if (!store_read(st, unit_suppress_list, &u, e))
		return false;
	*out = u.rows;
	*n = u.n;
	return true;
}

static bool unit_suppress_add(struct tx *tx, void *arg, struct err *e)
{
	struct suppress_unit *u = arg;
	const struct suppressed *s = u->add;
	arena_reset(&u->temp);
	u->account = 0;
	if (s->account.n > 0) {
		struct rows r = sql_rows(tx, "SELECT id FROM account WHERE name = ?1", TEXT(s->account));
		u->account = row_next(&r) ? row_num(&r, 0) : 0;
		if (!rows_end(&r, e))
			return false;
		if (u->account == 0)
			return err_set(e, ERR_PERM, "no such account: %.*s", STRF(s->account));
	}
	return suppress_put(tx, u->account, s->address, s->why.n ? s->why : STR_NONE, s->until_wall_ms, &u->temp, e) &&
	       sql_run(tx, e,
		       "DELETE FROM suppress WHERE id IN"
		       " (SELECT id FROM suppress INDEXED BY suppress_until WHERE until_ms <= ?1 LIMIT 100)",
		       NUM(u->now_wall_ms));
}

bool suppress_add(struct store *st, const struct suppressed *s, struct err *e)
{
	struct suppress_unit u = { .add = s, .now_wall_ms = store_now(st) };
	bool ok = store_do(st, unit_suppress_add, &u, e);
	arena_reset(&u.temp);
	return ok;
}

static bool unit_suppress_remove(struct tx *tx, void *arg, struct err *e)
{
	struct suppress_unit *u = arg;
	bool ok = sql_run(tx, e, "DELETE FROM suppress WHERE address = ?1", TEXT(u->address));
	u->found = ok && sqlite3_changes(tx->db) > 0;
	return ok;
}

bool suppress_remove(struct store *st, struct str address, bool *was, struct err *e)
{
	struct arena a = { 0 };
	struct suppress_unit u = { .address = address_key(address, &a) };
	bool ok = store_do(st, unit_suppress_remove, &u, e);
	*was = ok && u.found;
	arena_reset(&a);
	return ok;
}

/* --- hold rules ---------------------------------------------------------------------------------------- */

struct hold_unit {
	const struct hold_rule *add;
	int64_t id;
	struct arena *a;
	struct hold_rules rules;
};

static bool rules_read(struct tx *tx, struct hold_rules *h, struct arena *a, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT id, sender, recipient, domain FROM hold_rule ORDER BY id");
	h->rules = NULL;
	h->n = 0;
	while (h->n < HOLD_RULES_MAX && row_next(&r)) {
		if (h->n == 0)
			h->rules = ARENA_ARRAY(a, struct hold_rule, HOLD_RULES_MAX);
		h->rules[h->n++] = (struct hold_rule){ row_num(&r, 0), row_dup(&r, 1, a), row_dup(&r, 2, a),
						       row_dup(&r, 3, a) };
	}
	h->read = true;
	return rows_end(&r, e);
}

/* "*" is any octets.  The last star is the only one that is ever gone back to, so time is at most the product. */
static bool like(struct str text, struct str pattern)
{
	size_t t = 0, p = 0, star = SIZE_MAX, from = 0;
	if (pattern.n == 0)
		return true;
	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			from = t;
		} else if (p < pattern.n && ch_lower(pattern.p[p]) == ch_lower(text.p[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool hold_asked(struct tx *tx, struct hold_rules *h, struct str sender, struct str recipient, struct arena *temp,
		struct str *why, struct err *e)
{
	*why = STR_NONE;
	if (!h->read && !rules_read(tx, h, temp, e))
		return false;
	if (h->n == 0)
		return true;
	struct str domain = recipient_domain(recipient), key;
	if (!address_domain_key(temp, domain, &key))
		key = domain;
	for (size_t i = 0; i < h->n && why->n == 0; i++) {
		const struct hold_rule *rule = &h->rules[i];
		if (like(sender, rule->sender) && like(recipient, rule->recipient) &&
		    (like(domain, rule->domain) || like(key, rule->domain)))
			*why = str_fmt(temp, "rule %lld", (long long)rule->id);
	}
	return true;
}

static bool unit_hold_list(struct tx *tx, void *arg, struct err *e)
{
	struct hold_unit *u = arg;
	return rules_read(tx, &u->rules, u->a, e);
}

bool hold_list(struct store *st, struct arena *a, struct hold_rule **out, size_t *n, struct err *e)
{
	struct hold_unit u = { .a = a };
	if (!store_read(st, unit_hold_list, &u, e))
		return false;
	*out = u.rules.rules;
	*n = u.rules.n;
	return true;
}

static bool unit_hold_add(struct tx *tx, void *arg, struct err *e)
{
	struct hold_unit *u = arg;
	const struct hold_rule *h = u->add;
	struct rows r = sql_rows(tx, "SELECT count(*) FROM hold_rule");
	bool room = row_next(&r) && row_num(&r, 0) < HOLD_RULES_MAX;
	if (!rows_end(&r, e))
		return false;
	if (!room)
		return err_set(e, ERR_PERM, "there are %d hold rules already", HOLD_RULES_MAX);
	if (!sql_run(tx, e, "INSERT INTO hold_rule (sender, recipient, domain) VALUES (?1, ?2, ?3)",
		     TEXT(h->sender.n ? h->sender : STR_NONE), TEXT(h->recipient.n ? h->recipient : STR_NONE),
		     TEXT(h->domain.n ? h->domain : STR_NONE)))
		return false;
	u->id = sqlite3_last_insert_rowid(tx->db);
	return true;
}

bool hold_add(struct store *st, const struct hold_rule *r, int64_t *id, struct err *e)
{
	struct hold_unit u = { .add = r };
	if (r->sender.n == 0 && r->recipient.n == 0 && r->domain.n == 0)
		return err_set(e, ERR_PERM, "a hold rule without a pattern would hold everything: \"*\" says so");
	if (r->sender.n > PATTERN_MAX || r->recipient.n > PATTERN_MAX || r->domain.n > PATTERN_MAX)
		return err_set(e, ERR_PERM, "a pattern has at most %d octets", PATTERN_MAX);
	bool ok = store_do(st, unit_hold_add, &u, e);
	*id = u.id;
	return ok;
}

static bool unit_hold_remove(struct tx *tx, void *arg, struct err *e)
{
	struct hold_unit *u = arg;
	return sql_run(tx, e, "DELETE FROM hold_rule WHERE id = ?1", NUM(u->id)) &&
	       (sqlite3_changes(tx->db) > 0 || err_set(e, ERR_PERM, "no such hold rule: %lld", (long long)u->id));
}

bool hold_remove(struct store *st, int64_t id, struct err *e)
{
	struct hold_unit u = { .id = id };
	return store_do(st, unit_hold_remove, &u, e);
}
