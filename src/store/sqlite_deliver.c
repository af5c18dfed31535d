/* One unit, and so one transaction: "all targets or none" and "one durable commit" leave no other way.  A message
 * to 1,000 recipients is therefore over the 500 rows that a unit should have at most; it takes some 15 ms of the
 * writer's time, and the doors' bound on recipients is what keeps it there. */
#include "store/sqlite_deliver.h"

#include "store/bell.h"
#include "store/mailbox_name.h"
#include "store/sqlite_expunge.h"
#include "store/sqlite_junk.h"
#include "store/sqlite_store.h"

static bool is_mail(const struct target *t)
{
	return t->account != 0 && !t->waits;
}

size_t deliver_rows(const struct deliver_unit *u)
{
	size_t rows = u->n;
	for (size_t i = 0; i < u->n; i++)
		rows += u->all[i]->n + (u->all[i]->replaces_mailbox != 0);
	return rows;
}

/* The mailbox's one spelling. What most mail is for needs no look at its name. */
static bool target_name(const struct target *t, struct arena *temp, struct str *name, struct err *e)
{
	*name = STR("INBOX");
	return str_eq(t->mailbox, *name) || mailbox_name(t->mailbox, temp, name, e);
}

/* --- before anything is written ----------------------------------------------------------- */

/* What a client can get wrong, and an account that is full, are found before anything is written: then the failure
 * costs the others of the batch nothing. */
static bool target_there(struct tx *tx, struct deliver_unit *u, const struct target *t, struct box *b, struct err *e)
{
	struct str name;
	if (!target_name(t, &u->temp, &name, e))
		return false;
	enum box_found f = box_find(tx, t->account, name, b, e);
	if (f == BOX_NONE && t->must_exist)
		return err_set(e, ERR_PERM, "TRYCREATE the mailbox is not there");
	u->one_found = f == BOX_FOUND;
	b->owner = &b->own;
	return f == BOX_FOUND || (f == BOX_NONE && box_owner_load(tx, t->account, &b->own, e));
}

/* What goes with a REPLACE makes room (RFC 8508 3.4: the net). */
static bool replaced_find(struct tx *tx, const struct delivery *d, struct box *b, struct gone_row *row, bool *there,
			  struct err *e)
{
	*there = false;
	if (d->replaces_mailbox == 0)
		return true;
	enum box_found f = box_load(tx, d->replaces_mailbox, b, e);
	if (f != BOX_FOUND)
		return f == BOX_NONE;
	struct rows r = sql_rows(tx, "SELECT key, content_id, flags, size FROM msg WHERE key = ?1",
				 NUM(MSG_KEY(d->replaces_mailbox, d->replaces_uid)));
	*there = row_next(&r);
	if (*there)
		*row = (struct gone_row){ row_num(&r, 0), row_num(&r, 1), (unsigned)row_num(&r, 2),
					  (uint64_t)row_num(&r, 3) };
	return rows_end(&r, e);
}

static bool replaced_freed(struct tx *tx, const struct deliver_unit *u, struct box_owner *o, struct err *e)
{
	for (size_t i = 0; i < u->n; i++) {
		struct box b;
		struct gone_row row;
		bool there;
		if (!replaced_find(tx, u->all[i], &b, &row, &there, e))
			return false;
		if (!there || b.owner->id != o->id)
			continue;
		o->quota.octets -= row.size < o->quota.octets ? row.size : o->quota.octets;
		o->quota.messages -= o->quota.messages > 0;
	}
	return true;
}

/* All targets of one account with limits, in order: who comes after the last that fits is marked. */
static bool account_fits(struct tx *tx, struct deliver_unit *u, struct box_owner *o, struct err *e)
{
	bool fits = true;
	if (!replaced_freed(tx, u, o, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		for (size_t k = 0; k < u->all[i]->n; k++) {
			struct target *t = &u->all[i]->targets[k];
			uint64_t size = u->packed[i].size + t->prefix.n;
			if (t->account != o->id || !is_mail(t) || t->beyond_quota)
				continue;
			t->over_quota = !quota_room(&o->quota, size, e);
			fits = fits && !t->over_quota;
			if (t->over_quota)
				continue;
			o->quota.octets += size;
			o->quota.messages++;
		}
	return fits;
}

static bool limited(const struct box_owner *o)
{
	return o->quota.octets_max > 0 || o->quota.messages_max > 0;
}

/* Every account is asked, so that all targets without room are marked. */
static bool all_there(struct tx *tx, struct deliver_unit *u, struct err *e)
{
	struct err full = { 0 };
	for (size_t i = 0; i < u->n; i++)
		for (size_t k = 0; k < u->all[i]->n; k++)
			u->all[i]->targets[k].over_quota = false;
	for (size_t i = 0; i < u->n; i++)
		for (size_t k = 0; k < u->all[i]->n; k++) {
			struct target *t = &u->all[i]->targets[k];
			if (!is_mail(t) || t->over_quota)
				continue;
			if (!target_there(tx, u, t, &u->one, e))
				return false;
			struct box_owner o = u->one.own;
			if (limited(&o) && !t->beyond_quota && !account_fits(tx, u, &o, e)) {
				if (e->kind != ERR_QUOTA)
					return false;
				full = *e;
			}
		}
	if (full.kind != ERR_NONE)
		*e = full;
	return full.kind == ERR_NONE;
}

/* --- writing --------------------------------------------------------------------------------- */

static bool target_box(struct tx *tx, struct deliver_unit *u, const struct target *t, struct str name, struct box *b,
		       struct err *e)
{
	if (u->n == 1 && u->all[0]->n == 1 && u->one_found) {
		*b = u->one;
		b->owner = &b->own;
		return true;
	}
	enum box_found f = box_find(tx, t->account, name, b, e);
	if (f == BOX_NONE)
		f = box_create(tx, t->account, name, USE_NONE, true, e) ? box_find(tx, t->account, name, b, e)
									: BOX_ERROR;
	return f == BOX_FOUND;
}

static bool target_keywords(struct tx *tx, struct deliver_unit *u, const struct target *t, const struct box *b,
			    struct str name, struct str *out, struct err *e)
{
	struct str given = t->keywords;
	enum junk_says says = JUNK_NOTHING;
	*out = STR_NONE;
	if (!t->as_given && !junk_says(tx, b, name, &says, e))
		return false;
	struct junk_change change = junk_change(JUNK_NOTHING, says);
	if (!junk_ready(tx, b->id, &change, e))
		return false;
	given = junk_apply(&change, given, &u->temp);
	return given.n == 0 || keywords_known(tx, b->id, given, true, &u->temp, out, e);
}

static bool to_mailbox(struct tx *tx, struct deliver_unit *u, const struct delivery *d, uint64_t octets,
		       int64_t content_id, struct target *t, struct err *e)
{
	struct box b;
	struct str name, keywords;
	uint64_t size = octets + t->prefix.n;
	if (!target_name(t, &u->temp, &name, e) || !target_box(tx, u, t, name, &b, e) || !box_uid(&b, &t->uid, e) ||
	    !target_keywords(tx, u, t, &b, name, &keywords, e))
		return false;
	t->uidvalidity = b.uidvalidity;
	box_count(&b, t->flags, size, +1);
	return sql_run(
		   tx, e,
		   "INSERT INTO msg (key, mailbox_id, modseq, arrived, flags, content_id, size, internal_ms, saved_ms,"
		   " keywords, prefix) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
		   NUM(MSG_KEY(b.id, t->uid)), NUM(b.id), NUM(box_modseq(&b)), NUM(t->flags), NUM(content_id),
		   NUM(size), NUM(d->internal_wall_ms ? d->internal_wall_ms : u->now_wall_ms), NUM(u->now_wall_ms),
		   TEXT_OR_NULL(keywords), BLOB_OR_NULL(t->prefix)) &&
	       box_save(tx, &b, e);
}

static struct str kept(struct str s)
{
	return s.n > 0 ? s : STR_NONE;
}

/* What waits for room in a mailbox of ours does not leave us: no rule holds it. */
static bool to_queue(struct tx *tx, struct deliver_unit *u, uint64_t octets, int64_t content_id, struct target *t,
		     struct err *e)
{
	struct queue_new q = {
		.content_id = content_id,
		.account = t->account ? t->account : t->owner,
		.created_wall_ms = u->now_wall_ms,
		.due_wall_ms = t->due_wall_ms ? t->due_wall_ms : u->now_wall_ms,
		.size = octets + t->prefix.n,
		.mailbox = t->account ? t->mailbox : STR_NONE,
		.sender = kept(t->sender),
		.recipient = kept(t->recipient),
		.dsn = kept(t->dsn),
		.drop = kept(t->drop),
		.route = kept(t->route),
		.prefix = t->prefix,
		.hold = kept(t->hold),
		.smtputf8 = t->smtputf8,
		.eight_bit = t->eight_bit,
	};
	if (t->account == 0 && q.hold.n == 0 && !hold_asked(tx, &u->holds, q.sender, q.recipient, &u->temp, &q.hold, e))
		return false;
	return queue_insert(tx, &q, u->now_wall_ms, &u->temp, &t->queue_id, e);
}

/* After the new message, so that who looks meanwhile never sees neither, and with a later modseq. */
static bool replaced_go(struct tx *tx, struct deliver_unit *u, const struct delivery *d, struct err *e)
{
	struct box b;
	struct gone_row row;
	bool there;
	if (!replaced_find(tx, d, &b, &row, &there, e))
		return false;
	if (!there)
		return true;
	if (!rows_expunge(tx, &b, &row, 1, e) || !box_save(tx, &b, e))
		return false;
	if (b.expunged > EXPUNGED_MAX)
		u->many_in = d->replaces_mailbox;
	return true;
}

static bool deliver_one(struct tx *tx, struct deliver_unit *u, size_t i, struct err *e)
{
	const struct delivery *d = u->all[i];
	uint64_t octets = u->packed[i].size;
	int64_t content_id = d->content_id;
	if (d->stage && !content_insert(tx, &u->packed[i], d->index, &content_id, e))
		return false;
	for (size_t k = 0; k < d->n; k++) {
		struct target *t = &d->targets[k];
		if (!(is_mail(t) ? to_mailbox(tx, u, d, octets, content_id, t, e)
				 : to_queue(tx, u, octets, content_id, t, e)))
			return false;
	}
	return replaced_go(tx, u, d, e);
}

/* Contents that are stored already.  What the collector has marked has no row and gets none. */
static bool contents_there(struct tx *tx, struct deliver_unit *u, struct err *e)
{
	for (size_t i = 0; i < u->n; i++) {
		if (u->all[i]->stage)
			continue;
		struct rows r = sql_rows(tx, "SELECT size FROM content WHERE id = ?1 AND dead = 0",
					 NUM(u->all[i]->content_id));
		bool there = row_next(&r);
		u->packed[i] = (struct packed){ .size = there ? (uint64_t)row_num(&r, 0) : 0 };
		if (!rows_end(&r, e))
			return false;
		if (!there)
			return err_set(e, ERR_PERM, "the content %lld is not there", (long long)u->all[i]->content_id);
	}
	return true;
}

bool deliver_in(struct tx *tx, struct deliver_unit *u, struct err *e)
{
	arena_reset(&u->temp);
	u->many_in = 0;
	u->holds = (struct hold_rules){ 0 };
	if (!contents_there(tx, u, e) || !all_there(tx, u, e))
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (!deliver_one(tx, u, i, e))
			return false;
	return true;
}

static bool unit_deliver(struct tx *tx, void *arg, struct err *e)
{
	return deliver_in(tx, arg, e);
}

/* --- from outside ------------------------------------------------------------------------------ */

static void ring(struct store *st, const struct delivery *d)
{
	bool queued = false;
	for (size_t i = 0; i < d->n; i++) {
		if (is_mail(&d->targets[i]))
			bell_ring(st, bell_slot(d->targets[i].account));
		queued = queued || !is_mail(&d->targets[i]);
	}
	if (queued)
		bell_ring(st, BELL_QUEUE);
}

bool deliver_ready(struct deliver_unit *u, struct err *e)
{
	for (size_t i = 0; i < u->n; i++) {
		if (u->all[i]->n == 0)
			return err_set(e, ERR_PERM, "a delivery without a target");
		if (!u->all[i]->stage)
			continue;
		if (!stage_seal(u->all[i]->stage, e))
			return false;
		u->packed[i] = stage_packed(u->all[i]->stage);
	}
	return true;
}

void deliver_done(struct store *st, struct deliver_unit *u, bool committed)
{
	arena_reset(&u->temp);
	for (size_t i = 0; committed && i < u->n; i++) {
		if (u->all[i]->stage)
			stage_keep(u->all[i]->stage);
		ring(st, u->all[i]);
	}
	if (committed && u->many_in)
		expunged_trim(st, u->many_in);
}

static bool run(struct store *st, struct deliver_unit *u, struct err *e)
{
	bool ok = deliver_ready(u, e) && store_do(st, unit_deliver, u, e);
	deliver_done(st, u, ok);
	return ok;
}

bool deliver(struct store *st, struct delivery *d, struct err *e)
{
	struct packed packed;
	struct deliver_unit u = { .all = &d, .n = 1, .packed = &packed, .now_wall_ms = store_now(st) };
	return run(st, &u, e);
}

bool deliver_all(struct store *st, struct delivery *const *all, size_t n, struct err *e)
{
	struct packed packed[DELIVER_MAX];
	struct deliver_unit u = { .all = all, .n = n, .packed = packed, .now_wall_ms = store_now(st) };
	if (n > DELIVER_MAX)
		return err_set(e, ERR_PERM, "at most %d messages at once", DELIVER_MAX);
	if (deliver_rows(&u) > UNIT_ROWS)
		return err_set(e, ERR_PERM, "too many messages and recipients at once: at most %d together", UNIT_ROWS);
	return n == 0 || run(st, &u, e);
}
