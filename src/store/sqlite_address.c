#include "store/account.h"

#include "store/mailbox_name.h"
#include "store/sqlite_account.h"
#include "store/sqlite_store.h"

#define ALIAS_MEMBERS 1000

struct lookup {
	const struct address_rules *rules;
	const struct domain_rule *rule; /* NULL: bare, or our host */
	struct str local, domain;
	struct arena *a;
	struct found_address *out;
	enum found found;
};

static const struct domain_rule *rule_for(const struct address_rules *rules, struct str domain)
{
	for (size_t i = 0; i < rules->ndomains; i++)
		if (str_eqi(rules->domains[i].name, domain))
			return &rules->domains[i];
	return NULL;
}

/* Where the detail begins; s.n when there is none. A separator in front separates nothing. */
static size_t detail_at(const struct domain_rule *rule, struct str local)
{
	for (size_t i = 1; i < local.n; i++)
		if (str_chr(rule->detail, local.p[i]) < rule->detail.n)
			return i;
	return local.n;
}

static bool canonical_local(const struct domain_rule *rule, struct str local, struct arena *a, struct str *out,
			    struct err *e)
{
	if (!rule->case_sensitive)
		return local_lower(local, a, out, e);
	*out = str_dup(a, local);
	return true;
}

static bool is_postmaster(struct str local)
{
	return str_eqi(local, STR("postmaster")); /* RFC 5321 4.5.1: in any case */
}

static struct str postmaster_of_all(const struct address_rules *rules)
{
	if (rules->postmaster.n > 0 || rules->ndomains == 0)
		return rules->postmaster;
	return rules->domains[0].postmaster;
}

/* --- lookup ------------------------------------------------------------------------- */

/* An account that the configuration names. That it is not there is the operator's mistake, not the sender's. */
static enum found to_account(struct tx *tx, struct lookup *l, struct str name, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.name = ?1", TEXT(name));
	bool there = row_next(&r);
	if (there)
		l->out->account = account_row(&r, l->a);
	l->out->mailbox = STR("INBOX");
	if (!rows_end(&r, e))
		return FOUND_ERROR;
	if (there)
		return FOUND;
	err_set(e, ERR_TEMP, "the configuration sends mail to account %.*s, which is not there", STRF(name));
	return FOUND_ERROR;
}

static enum found to_address(struct tx *tx, struct lookup *l, struct str local, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT " ACCOUNT_COLUMNS ", x.mailbox FROM address x"
				 " JOIN account a ON a.id = x.account_id WHERE x.domain = ?1 AND x.local = ?2",
				 TEXT(l->domain), TEXT(local));
	bool there = row_next(&r);
	if (there) {
		l->out->account = account_row(&r, l->a);
		l->out->mailbox = row_dup(&r, ACCOUNT_COLUMNS_N, l->a);
	}
	if (!rows_end(&r, e))
		return FOUND_ERROR;
	return there ? FOUND : NO_SUCH_USER;
}

static enum found to_alias(struct tx *tx, struct lookup *l, struct str local, struct err *e)
{
	size_t cap = 0;
	struct found_address *out = l->out;
	struct rows r = sql_rows(tx,
				 "SELECT " ACCOUNT_COLUMNS " FROM alias x"
				 " JOIN account a ON a.id = x.account_id WHERE x.domain = ?1 AND x.local = ?2"
				 " ORDER BY a.name",
				 TEXT(l->domain), TEXT(local));
	while (row_next(&r)) {
		out->members = arena_grow(l->a, out->members, &cap, out->nmembers + 1, sizeof *out->members);
		out->members[out->nmembers++] = account_row(&r, l->a);
	}
	out->mailbox = STR("INBOX");
	if (!rows_end(&r, e))
		return FOUND_ERROR;
	return out->nmembers > 0 ? FOUND_ALIAS : NO_SUCH_USER;
}

/* The order is the one of account.h. */
static enum found look(struct tx *tx, struct lookup *l, struct err *e)
{
	const struct domain_rule *rule = l->rule;
	struct str local;
	if (!rule)
		return to_account(tx, l, postmaster_of_all(l->rules), e);
	if (!canonical_local(rule, str_sub(l->local, 0, detail_at(rule, l->local)), l->a, &local, e))
		return NO_SUCH_USER; /* not UTF-8: nobody is called so */
	l->out->address = str_fmt(l->a, "%.*s@%.*s", STRF(local), STRF(rule->name));
	enum found f = to_address(tx, l, local, e);
	if (f == NO_SUCH_USER)
		f = to_alias(tx, l, local, e);
	if (f != NO_SUCH_USER)
		return f;
	/* A postmaster that the domain names is not anybody; the server's own is only better than nobody. */
	bool postmaster = is_postmaster(local);
	if (postmaster && rule->postmaster.n > 0)
		return to_account(tx, l, rule->postmaster, e);
	if (rule->catchall.n > 0)
		return to_account(tx, l, rule->catchall, e);
	if (postmaster && postmaster_of_all(l->rules).n > 0)
		return to_account(tx, l, postmaster_of_all(l->rules), e);
	return NO_SUCH_USER;
}

static bool unit_look(struct tx *tx, void *arg, struct err *e)
{
	struct lookup *l = arg;
	l->found = look(tx, l, e);
	return l->found != FOUND_ERROR;
}

enum found address_find(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
			struct arena *a, struct found_address *out, struct err *e)
{
	struct lookup l = { .rules = rules, .a = a, .out = out, .local = local };
	*out = (struct found_address){ .mailbox = STR_NONE, .address = STR_NONE };
	bool host = domain.n == 0 || str_eqi(domain, rules->host);
	l.rule = rule_for(rules, domain);
	if (host && is_postmaster(local) && postmaster_of_all(rules).n > 0) {
		l.rule = NULL;
		out->address = str_fmt(a, "postmaster@%.*s", STRF(rules->host));
	} else if (!l.rule) {
		return host ? NO_SUCH_USER : NOT_OURS;
	} else {
		l.domain = l.rule->name;
	}
	return store_read(st, unit_look, &l, e) ? l.found : FOUND_ERROR;
}

bool address_belongs(struct store *st, const struct address_rules *rules, int64_t account_id, struct str local,
		     struct str domain, bool *belongs, struct err *e)
{
	struct arena a = { 0 };
	struct found_address f;
	enum found found = address_find(st, rules, local, domain, &a, &f, e);
	*belongs = found == FOUND && f.account.id == account_id;
	for (size_t i = 0; found == FOUND_ALIAS && i < f.nmembers; i++)
		*belongs = *belongs || f.members[i].id == account_id;
	arena_reset(&a);
	return found != FOUND_ERROR;
}

/* --- addresses and aliases: change ---------------------------------------------------- */

struct address_unit {
	struct str local, domain, mailbox, account;
	const struct str *accounts;
	size_t naccounts;
	struct arena *a;
	void *rows;
	size_t n, cap;
};

/* What an address may be, brought to its canonical form. */
static bool address_right(const struct address_rules *rules, struct address_unit *u, struct err *e)
{
	const struct domain_rule *rule = rule_for(rules, u->domain);
	if (!rule)
		return err_set(e, ERR_PERM, "domain %.*s is not in the configuration", STRF(u->domain));
	if (u->local.n > 64)
		return err_set(e, ERR_PERM, "a localpart has at most 64 octets (RFC 5321 4.5.3.1.1)");
	size_t at = detail_at(rule, u->local);
	if (at < u->local.n)
		return err_set(e, ERR_PERM, "\"%c\" separates a detail in %.*s: add the address without it",
			       u->local.p[at], STRF(rule->name));
	u->domain = rule->name;
	return canonical_local(rule, u->local, u->a, &u->local, e);
}

static bool taken(struct tx *tx, struct address_unit *u, bool by_alias, bool *is, struct err *e)
{
	struct rows r = by_alias ? sql_rows(tx, "SELECT 1 FROM alias WHERE domain = ?1 AND local = ?2", TEXT(u->domain),
					    TEXT(u->local))
				 : sql_rows(tx, "SELECT 1 FROM address WHERE domain = ?1 AND local = ?2",
					    TEXT(u->domain), TEXT(u->local));
	*is = row_next(&r);
	return rows_end(&r, e);
}

static bool account_number(struct tx *tx, struct str name, int64_t *id, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT id FROM account WHERE name = ?1", TEXT(name));
	bool there = row_next(&r);
	*id = there ? row_num(&r, 0) : 0;
	return rows_end(&r, e) &&
	       (there || err_set(e, ERR_PERM, "no such account: %.*s", (int)(name.n < 64 ? name.n : 64), name.p));
}

static bool unit_address_add(struct tx *tx, void *arg, struct err *e)
{
	struct address_unit *u = arg;
	int64_t id;
	bool address, alias;
	if (!taken(tx, u, false, &address, e) || !taken(tx, u, true, &alias, e) ||
	    !account_number(tx, u->account, &id, e))
		return false;
	if (address || alias)
		return err_set(e, ERR_PERM, "%.*s@%.*s is %s already", STRF(u->local), STRF(u->domain),
			       alias ? "an alias" : "an address");
	return sql_run(tx, e, "INSERT INTO address (domain, local, account_id, mailbox) VALUES (?1, ?2, ?3, ?4)",
		       TEXT(u->domain), TEXT(u->local), NUM(id), TEXT(u->mailbox));
}

bool address_add(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
		 struct str account, struct str mailbox, struct err *e)
{
	struct arena a = { 0 };
	struct address_unit u = { .local = local, .domain = domain, .account = account, .a = &a };
	bool ok = address_right(rules, &u, e) && mailbox_name(mailbox.n ? mailbox : STR("INBOX"), &a, &u.mailbox, e) &&
		  store_do(st, unit_address_add, &u, e);
	arena_reset(&a);
	return ok;
}

static bool unit_address_remove(struct tx *tx, void *arg, struct err *e)
{
	struct address_unit *u = arg;
	if (!sql_run(tx, e, "DELETE FROM address WHERE domain = ?1 AND local = ?2", TEXT(u->domain), TEXT(u->local)))
		return false;
	return sqlite3_changes(tx->db) > 0 ||
	       err_set(e, ERR_PERM, "no such address: %.*s@%.*s", STRF(u->local), STRF(u->domain));
}

/* Also of a domain that is no longer configured: then the row is taken by its letters. */
static bool address_named(const struct address_rules *rules, struct address_unit *u, struct err *e)
{
	if (rule_for(rules, u->domain))
		return address_right(rules, u, e);
	u->domain = str_lower(u->a, u->domain);
	return local_lower(u->local, u->a, &u->local, e);
}

bool address_remove(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
		    struct err *e)
{
	struct arena a = { 0 };
	struct address_unit u = { .local = local, .domain = domain, .a = &a };
	bool ok = address_named(rules, &u, e) && store_do(st, unit_address_remove, &u, e);
	arena_reset(&a);
	return ok;
}

static bool unit_alias_add(struct tx *tx, void *arg, struct err *e)
{
	struct address_unit *u = arg;
	bool address;
	if (!taken(tx, u, false, &address, e))
		return false;
	if (address)
		return err_set(e, ERR_PERM, "%.*s@%.*s is an address already", STRF(u->local), STRF(u->domain));
	for (size_t i = 0; i < u->naccounts; i++) {
		int64_t id;
		if (!account_number(tx, u->accounts[i], &id, e) ||
		    !sql_run(tx, e, "INSERT OR IGNORE INTO alias (domain, local, account_id) VALUES (?1, ?2, ?3)",
			     TEXT(u->domain), TEXT(u->local), NUM(id)))
			return false;
	}
	struct rows r = sql_rows(tx, "SELECT count(*) FROM alias WHERE domain = ?1 AND local = ?2", TEXT(u->domain),
				 TEXT(u->local));
	int64_t n = row_next(&r) ? row_num(&r, 0) : 0;
	return rows_end(&r, e) &&
	       (n <= ALIAS_MEMBERS || err_set(e, ERR_PERM, "an alias has at most %d members", ALIAS_MEMBERS));
}

bool alias_add(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
	       const struct str *accounts, size_t n, struct err *e)
{
	struct arena a = { 0 };
	struct address_unit u = { .local = local, .domain = domain, .accounts = accounts, .naccounts = n, .a = &a };
	bool ok = (n > 0 || err_set(e, ERR_PERM, "an alias needs at least one account")) &&
		  address_right(rules, &u, e) && store_do(st, unit_alias_add, &u, e);
	arena_reset(&a);
	return ok;
}

static bool unit_alias_remove(struct tx *tx, void *arg, struct err *e)
{
	struct address_unit *u = arg;
	int64_t id = 0;
	if (u->account.n > 0 && !account_number(tx, u->account, &id, e))
		return false;
	if (!sql_run(tx, e, "DELETE FROM alias WHERE domain = ?1 AND local = ?2 AND (?3 = 0 OR account_id = ?3)",
		     TEXT(u->domain), TEXT(u->local), NUM(id)))
		return false;
	return sqlite3_changes(tx->db) > 0 ||
	       err_set(e, ERR_PERM, "no such alias: %.*s@%.*s", STRF(u->local), STRF(u->domain));
}

bool alias_remove(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
		  struct str account, struct err *e)
{
	struct arena a = { 0 };
	struct address_unit u = { .local = local, .domain = domain, .account = account, .a = &a };
	bool ok = address_named(rules, &u, e) && store_do(st, unit_alias_remove, &u, e);
	arena_reset(&a);
	return ok;
}

/* --- lists ------------------------------------------------------------------------------ */

static bool unit_address_list(struct tx *tx, void *arg, struct err *e)
{
	struct address_unit *u = arg;
	struct address_row *all = NULL;
	struct rows r = sql_rows(tx,
				 "SELECT x.local, x.domain, a.name, x.mailbox FROM address x"
				 " JOIN account a ON a.id = x.account_id WHERE ?1 = '' OR a.name = ?1"
				 " ORDER BY x.domain, x.local",
				 TEXT(u->account));
	while (row_next(&r)) {
		all = arena_grow(u->a, all, &u->cap, u->n + 1, sizeof *all);
		all[u->n++] = (struct address_row){ row_dup(&r, 0, u->a), row_dup(&r, 1, u->a), row_dup(&r, 2, u->a),
						    row_dup(&r, 3, u->a) };
	}
	u->rows = all;
	return rows_end(&r, e);
}

bool address_list(struct store *st, struct str account, struct arena *a, struct address_row **out, size_t *n,
		  struct err *e)
{
	struct address_unit u = { .account = account, .a = a };
	if (!store_read(st, unit_address_list, &u, e))
		return false;
	*out = u.rows;
	*n = u.n;
	return true;
}

static bool unit_alias_list(struct tx *tx, void *arg, struct err *e)
{
	struct address_unit *u = arg;
	struct alias_row *all = NULL;
	size_t members = 0;
	struct rows r = sql_rows(tx, "SELECT x.local, x.domain, a.name FROM alias x JOIN account a"
				     " ON a.id = x.account_id ORDER BY x.domain, x.local, a.name");
	while (row_next(&r)) {
		struct alias_row *last = u->n > 0 ? &all[u->n - 1] : NULL;
		if (!last || !str_eq(last->local, row_str(&r, 0)) || !str_eq(last->domain, row_str(&r, 1))) {
			all = arena_grow(u->a, all, &u->cap, u->n + 1, sizeof *all);
			last = &all[u->n++];
			*last = (struct alias_row){ .local = row_dup(&r, 0, u->a), .domain = row_dup(&r, 1, u->a) };
			members = 0;
		}
		last->accounts = arena_grow(u->a, last->accounts, &members, last->n + 1, sizeof *last->accounts);
		last->accounts[last->n++] = row_dup(&r, 2, u->a);
	}
	u->rows = all;
	return rows_end(&r, e);
}

bool alias_list(struct store *st, struct arena *a, struct alias_row **out, size_t *n, struct err *e)
{
	struct address_unit u = { .a = a };
	if (!store_read(st, unit_alias_list, &u, e))
		return false;
	*out = u.rows;
	*n = u.n;
	return true;
}
