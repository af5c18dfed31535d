/* carry_out.c - account.export: from the store into the socket. */
#include "app/carry.h"
#include "app/carry_in.h"
#include "store/content.h"
#include "store/mailbox.h"

struct export
{
	struct admin *ad;
	struct carry carry;
	struct buf head;
	uint64_t sent;
};

/* "A,B*": as an import chooses, and by names as they are here. */
static bool is_wanted(struct str only, struct str name)
{
	if (only.n == 0)
		return true;
	while (only.n > 0) {
		struct str one = str_trim(str_cut(&only, ','));
		if (str_ends(one, STR("*")) ? str_starts(name, str_sub(one, 0, one.n - 1)) : str_eq(one, name))
			return true;
	}
	return false;
}

static bool send_message(struct export *x, uint64_t box, const struct msg *m, struct err *e)
{
	struct arena a = { 0 };
	struct str bytes = m->content;
	bool ok = m->have_content || content_read(x->ad->store, m->content_id, &a, &bytes, e);
	if (ok) {
		buf_clear(&x->head);
		carry_add_message(&x->head, &(struct carry_message){ .box = box,
								     .flags = m->flags,
								     .keywords = m->keywords,
								     .internal_wall_ms = m->internal_wall_ms,
								     .uid = m->uid });
		buf_add(&x->head, m->prefix);
		ok = carry_send(&x->carry, CARRY_MESSAGE, buf_str(&x->head), bytes, e);
		x->sent++;
	} else {
		err_add(e, "UID %u", m->uid);
	}
	arena_reset(&a);
	return ok;
}

static bool send_messages(struct export *x, uint64_t box, const struct mailbox *b, struct err *e)
{
	bool ok = true, more = true;
	for (uint32_t from = 1; ok && more && from > 0;) {
		struct arena a = { 0 };
		struct msg *msgs;
		size_t n;
		if (x->ad->stop && atomic_load(x->ad->stop))
			return err_set(e, ERR_TEMP, "the server is stopping");
		ok = msg_page_with(x->ad->store, b->id, from, UINT32_MAX, WITH_PREFIX | WITH_CONTENT, &a, &msgs, &n,
				   &more, e);
		for (size_t i = 0; ok && i < n; i++)
			ok = send_message(x, box, &msgs[i], e);
		if (ok && n > 0)
			from = msgs[n - 1].uid + 1;
		more = ok && n > 0;
		arena_reset(&a);
	}
	return ok;
}

static bool send_box(struct export *x, uint64_t box, const struct mailbox *b, struct err *e)
{
	buf_clear(&x->head);
	carry_add_box(&x->head, &(struct carry_box){ .name = b->name,
						     .use = b->use,
						     .uidvalidity = b->uidvalidity,
						     .uid = b->uidnext,
						     .messages = b->messages });
	if (!carry_send(&x->carry, CARRY_BOX, buf_str(&x->head), STR_NONE, e))
		return false;
	return send_messages(x, box, b, e) || err_add(e, "%.*s", STRF(b->name));
}

static bool hello(struct export *x, const struct account *account, uint64_t messages, struct err *e)
{
	buf_clear(&x->head);
	buf_varint(&x->head, CARRY_VERSION);
	buf_varint(&x->head, carry_identity(account));
	buf_varint(&x->head, 0);
	buf_varint(&x->head, messages);
	return carry_send(&x->carry, CARRY_HELLO, buf_str(&x->head), STR_NONE, e);
}

static bool send_all(struct export *x, const struct account *account, struct str only, struct arena *a, struct err *e)
{
	struct mailbox *boxes;
	size_t n, wanted = 0;
	uint64_t messages = 0, at = 0;
	if (!mailbox_list(x->ad->store, account->id, a, &boxes, &n, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool yes = is_wanted(only, boxes[i].name);
		wanted += yes;
		messages += yes ? boxes[i].messages : 0;
	}
	if (wanted == 0)
		return err_set(e, ERR_PERM, "account %.*s has no such mailbox", STRF(account->name));
	if (!hello(x, account, messages, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (is_wanted(only, boxes[i].name) && !send_box(x, at++, &boxes[i], e))
			return false;
	return carry_send(&x->carry, CARRY_DONE, STR_NONE, STR_NONE, e);
}

bool admin_account_export(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account account;
	struct err ignored;
	struct export x = { .ad = ad };
	if (ad->fd < 0)
		return err_set(e, ERR_PERM, "account.export needs a socket for the messages");
	if (!account_find(ad->store, admin_str(args, "account"), a, &account, e))
		return false;
	carry_open(&x.carry, ad->fd, ad->stop);
	bool ok = send_all(&x, &account, admin_str(args, "only"), a, e);
	if (!ok)
		(void)carry_send(&x.carry, CARRY_FAILED, str_of(e->text), STR_NONE, &ignored);
	carry_close(&x.carry);
	buf_free(&x.head);
	json_object_set_new(out, "messages", json_integer((json_int_t)x.sent));
	return ok;
}
