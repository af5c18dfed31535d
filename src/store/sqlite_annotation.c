#include "store/mailbox.h"
#include "store/sqlite_box.h"
#include "store/sqlite_store.h"

struct annotation_unit {
	int64_t account, mailbox;
	const struct annotation *values;
	struct annotation *all;
	size_t n, cap;
	struct arena *a;
};

static bool unit_list(struct tx *tx, void *arg, struct err *e)
{
	struct annotation_unit *u = arg;
	struct rows r = sql_rows(
	    tx, "SELECT name, value FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2 ORDER BY name",
	    NUM(u->account), NUM(u->mailbox));
	while (row_next(&r)) {
		u->all = arena_grow(u->a, u->all, &u->cap, u->n + 1, sizeof *u->all);
		u->all[u->n].name = row_dup(&r, 0, u->a);
		u->all[u->n++].value = row_dup(&r, 1, u->a);
	}
	return rows_end(&r, e);
}

bool annotation_list(struct store *st, int64_t account, int64_t mailbox, struct arena *a, struct annotation **out,
		     size_t *n, struct err *e)
{
	struct annotation_unit u = { .account = account, .mailbox = mailbox, .a = a };
	if (!store_read(st, unit_list, &u, e))
		return false;
	*out = u.all;
	*n = u.n;
	return true;
}

/* Asked before anything is written: a refusal then costs the others of the batch nothing. */
static bool place_there(struct tx *tx, const struct annotation_unit *u, struct err *e)
{
	struct box_owner o;
	struct box b;
	if (u->mailbox == 0)
		return box_owner_load(tx, u->account, &o, e);
	return box_must(tx, u->mailbox, &b, e) &&
	       (b.owner->id == u->account || err_set(e, ERR_PERM, "the mailbox is not the account's"));
}

static bool octets_few(const struct annotation_unit *u, struct err *e)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct annotation *v = &u->values[i];
		if (v->name.n == 0 || v->name.n > ANNOTATION_NAME)
			return err_set(e, ERR_PERM, "an annotation's name has 1 to %d octets", ANNOTATION_NAME);
		if (v->value.n > ANNOTATION_OCTETS)
			return err_set(e, ERR_PERM, "an annotation has at most %u octets", ANNOTATION_OCTETS);
	}
	return true;
}

static bool write_one(struct tx *tx, const struct annotation_unit *u, const struct annotation *v, struct err *e)
{
	if (v->nil)
		return sql_run(tx, e, "DELETE FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2 AND name = ?3",
			       NUM(u->account), NUM(u->mailbox), TEXT(v->name));
	return sql_run(
	    tx, e, "INSERT OR REPLACE INTO annotation (account_id, mailbox_id, name, value) VALUES (?1, ?2, ?3, ?4)",
	    NUM(u->account), NUM(u->mailbox), TEXT(v->name), BLOB(v->value));
}

/* Of the mailbox, and of the account with all its mailboxes: there may be thousands of those. */
struct sums {
	int64_t here, all, octets;
};

static bool sums_read(struct tx *tx, const struct annotation_unit *u, struct sums *s, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT count(*) FILTER (WHERE mailbox_id = ?2), count(*),"
				 " coalesce(sum(length(value)), 0) FROM annotation WHERE account_id = ?1",
				 NUM(u->account), NUM(u->mailbox));
	*s = row_next(&r) ? (struct sums){ row_num(&r, 0), row_num(&r, 1), row_num(&r, 2) } : (struct sums){ 0 };
	return rows_end(&r, e);
}

/* What writing `v` will make of them. */
static bool sums_change(struct tx *tx, const struct annotation_unit *u, const struct annotation *v, struct sums *s,
			struct err *e)
{
	struct rows r = sql_rows(
	    tx, "SELECT length(value) FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2 AND name = ?3",
	    NUM(u->account), NUM(u->mailbox), TEXT(v->name));
	bool there = row_next(&r);
	int64_t octets = there ? row_num(&r, 0) : 0, more = !v->nil - there;
	s->here += more;
	s->all += more;
	s->octets += (v->nil ? 0 : (int64_t)v->value.n) - octets;
	return rows_end(&r, e);
}

static bool sums_right(const struct sums *s, struct err *e)
{
	if (s->here > ANNOTATIONS_MAX)
		return err_set(e, ERR_PERM, "at most %d annotations of one mailbox or account", ANNOTATIONS_MAX);
	if (s->all > ANNOTATIONS_ALL)
		return err_set(e, ERR_PERM, "at most %d annotations in all mailboxes together", ANNOTATIONS_ALL);
	return s->octets <= ANNOTATIONS_ALL_OCTETS ||
	       err_set(e, ERR_PERM, "at most %d octets of annotations in all mailboxes together",
		       ANNOTATIONS_ALL_OCTETS);
}

/* Who is named twice is what the last says. */
static bool named_again(const struct annotation_unit *u, size_t i)
{
	for (size_t k = i + 1; k < u->n; k++)
		if (str_eq(u->values[k].name, u->values[i].name))
			return true;
	return false;
}

static bool unit_set(struct tx *tx, void *arg, struct err *e)
{
	struct annotation_unit *u = arg;
	struct sums s;
	if (!place_there(tx, u, e) || !sums_read(tx, u, &s, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (!named_again(u, i) && !sums_change(tx, u, &u->values[i], &s, e))
			return false;
	if (!sums_right(&s, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (!write_one(tx, u, &u->values[i], e))
			return false;
	return true;
}

bool annotation_set(struct store *st, int64_t account, int64_t mailbox, const struct annotation *values, size_t n,
		    struct err *e)
{
	struct annotation_unit u = { .account = account, .mailbox = mailbox, .values = values, .n = n };
	if (n > UNIT_ROWS)
		return err_set(e, ERR_PERM, "at most %d annotations at once", UNIT_ROWS);
	return n == 0 || (octets_few(&u, e) && store_do(st, unit_set, &u, e));
}
