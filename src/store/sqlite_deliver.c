#include "store/bell.h"
#include "store/mailbox_name.h"
#include "store/queue.h"
#include "store/sqlite_box.h"
#include "store/sqlite_content.h"
#include "store/sqlite_store.h"

struct deliver_unit {
	struct delivery *d;
	struct packed packed;
	int64_t now_wall_ms, content_id;
	struct arena temp; /* of one run */
};

/* The mailbox that the target names; made when it may be. */
static bool target_box(struct tx *tx, const struct target *t, struct arena *temp, struct box *b, struct err *e)
{
	/* What most mail is for needs no look at its name. */
	struct str name = STR("INBOX");
	if (!str_eq(t->mailbox, name) && !mailbox_name(t->mailbox, temp, &name, e))
		return false;
	enum box_found f = box_find(tx, t->account, name, b, e);
	if (f == BOX_NONE && t->must_exist)
		return err_set(e, ERR_PERM, "TRYCREATE the mailbox is not there");
	if (f == BOX_NONE)
		f = box_create(tx, t->account, name, USE_NONE, true, e) ? box_find(tx, t->account, name, b, e)
									: BOX_ERROR;
	return f == BOX_FOUND;
}

/* What a client can get wrong is asked before anything is written: then the failure costs the others of the batch
 * nothing. */
static bool targets_there(struct tx *tx, struct deliver_unit *u, struct err *e)
{
	struct box b;
	for (size_t i = 0; i < u->d->n; i++)
		if (u->d->targets[i].must_exist && !target_box(tx, &u->d->targets[i], &u->temp, &b, e))
			return false;
	return true;
}

static bool to_mailbox(struct tx *tx, struct deliver_unit *u, struct target *t, struct err *e)
{
	struct box b;
	struct str keywords = STR_NONE;
	uint64_t size = u->packed.size + t->prefix.n;
	if (!target_box(tx, t, &u->temp, &b, e) || !box_uid(&b, &t->uid, e) ||
	    (t->keywords.n > 0 && !keywords_known(tx, b.id, t->keywords, true, &u->temp, &keywords, e)))
		return false;
	t->uidvalidity = b.uidvalidity;
	box_count(&b, t->flags, size, +1);
	return sql_run(
		   tx, e,
		   "INSERT INTO msg (key, mailbox_id, modseq, arrived, flags, content_id, size, internal_ms, saved_ms,"
		   " keywords, prefix) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
		   NUM(MSG_KEY(b.id, t->uid)), NUM(b.id), NUM(box_modseq(&b)), NUM(t->flags), NUM(u->content_id),
		   NUM(size), NUM(u->d->internal_wall_ms ? u->d->internal_wall_ms : u->now_wall_ms),
		   NUM(u->now_wall_ms), TEXT_OR_NULL(keywords), BLOB_OR_NULL(t->prefix)) &&
	       box_save(tx, &b, e);
}

static bool to_queue(struct tx *tx, struct deliver_unit *u, struct target *t, struct err *e)
{
	if (!sql_run(tx, e,
		     "INSERT INTO queue (content_id, sender, recipient, dsn, state, created_ms, due_ms, attempts, size,"
		     " prefix) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9)",
		     NUM(u->content_id), TEXT(t->sender), TEXT(t->recipient), TEXT(t->dsn), NUM(QUEUE_WAITING),
		     NUM(u->now_wall_ms), NUM(t->due_wall_ms ? t->due_wall_ms : u->now_wall_ms),
		     NUM(u->packed.size + t->prefix.n), BLOB_OR_NULL(t->prefix)))
		return false;
	t->queue_id = sqlite3_last_insert_rowid(tx->db);
	return true;
}

static bool unit_deliver(struct tx *tx, void *arg, struct err *e)
{
	struct deliver_unit *u = arg;
	arena_reset(&u->temp);
	if (!targets_there(tx, u, e) || !content_insert(tx, &u->packed, u->d->index, &u->content_id, e))
		return false;
	for (size_t i = 0; i < u->d->n; i++) {
		struct target *t = &u->d->targets[i];
		if (!(t->account ? to_mailbox(tx, u, t, e) : to_queue(tx, u, t, e)))
			return false;
	}
	return true;
}

bool deliver(struct store *st, struct delivery *d, struct err *e)
{
	struct deliver_unit u = { .d = d, .now_wall_ms = store_now(st) };
	bool queued = false;
	if (d->n == 0)
		return err_set(e, ERR_PERM, "a delivery without a target");
	if (!stage_seal(d->stage, e))
		return false;
	u.packed = stage_packed(d->stage);
	bool ok = store_do(st, unit_deliver, &u, e);
	arena_reset(&u.temp);
	if (!ok)
		return false;
	stage_keep(d->stage);
	for (size_t i = 0; i < d->n; i++) {
		if (d->targets[i].account)
			bell_ring(st, bell_slot(d->targets[i].account));
		queued = queued || !d->targets[i].account;
	}
	if (queued)
		bell_ring(st, BELL_QUEUE);
	return true;
}
