/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS (RFC 3501 6.3.3 - 6.3.10). */
#include "imap/say.h"
#include "imap/session.h"

static bool parse_only_mailbox(struct cmd *c, struct str *name)
{
	return parse_mailbox(&c->in, name) && parse_end(&c->in);
}

struct reply cmd_create(struct session *s, struct cmd *c)
{
	struct str name;
	struct mailbox *m;
	struct err e = { 0 };
	if (!parse_only_mailbox(c, &name))
		return reply_bad(c);
	if (str_ends(name, STR("/"))) /* only says that there will be children (RFC 3501 6.3.3) */
		name = str_sub(name, 0, name.n - 1);
	if (!mailbox_find(s->conf->store, s->account, name, c->a, &m, &e))
		return reply_err(c, &e);
	if (m)
		return NO_CODE("ALREADYEXISTS", "There is a mailbox of that name");
	if (!mailbox_create(s->conf->store, s->account, name, USE_NONE, &e))
		return reply_err(c, &e);
	return OK("CREATE completed");
}

struct reply cmd_delete(struct session *s, struct cmd *c)
{
	struct str name;
	struct mailbox *m;
	struct err e = { 0 };
	if (!parse_only_mailbox(c, &name))
		return reply_bad(c);
	if (str_eq(name, STR("INBOX")))
		return NO_CODE("CANNOT", "INBOX cannot be deleted");
	if (!mailbox_find(s->conf->store, s->account, name, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("NONEXISTENT", "No such mailbox");
	if (!mailbox_delete(s->conf->store, s->account, name, &e))
		return reply_err(c, &e);
	if (s->view && s->view->mailbox == m->id) {
		s->view->deleted = true;
		session_unselect(s);
		io_add(s->io, STR("* OK [CLOSED] The selected mailbox is deleted\r\n"));
	}
	return OK("DELETE completed");
}

struct reply cmd_rename(struct session *s, struct cmd *c)
{
	struct str from, to;
	struct mailbox *m;
	struct err e = { 0 };
	if (!parse_mailbox(&c->in, &from) || !parse_space(&c->in) || !parse_only_mailbox(c, &to))
		return reply_bad(c);
	if (!mailbox_find(s->conf->store, s->account, to, c->a, &m, &e))
		return reply_err(c, &e);
	if (m)
		return NO_CODE("ALREADYEXISTS", "There is a mailbox of the new name");
	if (!mailbox_find(s->conf->store, s->account, from, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("NONEXISTENT", "No such mailbox");
	if (!mailbox_rename(s->conf->store, s->account, from, to, &e))
		return reply_err(c, &e);
	return OK("RENAME completed");
}

static struct reply subscribe(struct session *s, struct cmd *c, bool on)
{
	struct str name;
	struct err e = { 0 };
	if (!parse_only_mailbox(c, &name))
		return reply_bad(c);
	if (!mailbox_subscribe(s->conf->store, s->account, name, on, &e))
		return reply_err(c, &e);
	return on ? OK("SUBSCRIBE completed") : OK("UNSUBSCRIBE completed");
}

struct reply cmd_subscribe(struct session *s, struct cmd *c)
{
	return subscribe(s, c, true);
}

struct reply cmd_unsubscribe(struct session *s, struct cmd *c)
{
	return subscribe(s, c, false);
}

enum status_item {
	S_MESSAGES,
	S_RECENT,
	S_UIDNEXT,
	S_UIDVALIDITY,
	S_UNSEEN,
	S_DELETED,
	S_SIZE,
	S_HIGHESTMODSEQ,
	S_ITEMS
};
static const char *const status_names[S_ITEMS] = { "MESSAGES", "RECENT",  "UIDNEXT", "UIDVALIDITY",
						   "UNSEEN",   "DELETED", "SIZE",    "HIGHESTMODSEQ" };

static bool parse_status(struct parser *p, struct str *name, unsigned *items)
{
	*items = 0;
	if (!parse_mailbox(p, name) || !parse_space(p) || !parse_char(p, '(', "'(' before status items"))
		return false;
	do {
		struct str word;
		unsigned i = 0;
		if (!parse_atom(p, &word, "a status item"))
			return false;
		while (i < S_ITEMS && !str_eqi(word, str_of(status_names[i])))
			i++;
		if (i == S_ITEMS)
			return parse_fail(
			    p, "MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE or HIGHESTMODSEQ");
		*items |= 1u << i;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after status items") && parse_end(p);
}

/* Messages nobody has been told of yet. */
static bool count_recent(struct session *s, struct cmd *c, const struct mailbox *m, uint64_t *recent, struct err *e)
{
	struct uid_run *runs;
	struct mailbox at;
	size_t n;
	*recent = 0;
	if (s->view && s->view->mailbox == m->id) {
		*recent = view_recent(s->view);
		return true;
	}
	if (m->recent_uid >= m->uidnext)
		return true;
	if (!mailbox_uids(s->conf->store, m->id, c->a, &runs, &n, &at, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint32_t end = runs[i].first + runs[i].count;
		uint32_t from = runs[i].first > m->recent_uid ? runs[i].first : m->recent_uid;
		*recent += end > from ? end - from : 0;
	}
	return true;
}

struct reply cmd_status(struct session *s, struct cmd *c)
{
	struct str name;
	struct mailbox *m;
	unsigned items;
	struct err e = { 0 };
	uint64_t recent = 0;
	if (!parse_status(&c->in, &name, &items))
		return reply_bad(c);
	if (items & 1u << S_HIGHESTMODSEQ)
		condstore_on(s);
	if (!mailbox_find(s->conf->store, s->account, name, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("NONEXISTENT", "No such mailbox");
	if (items & 1u << S_RECENT && !count_recent(s, c, m, &recent, &e))
		return reply_err(c, &e);
	uint64_t values[S_ITEMS] = { m->messages, recent,     m->uidnext, m->uidvalidity,
				     m->unseen,   m->deleted, m->octets,  m->modseq };
	struct buf b = { 0 };
	const char *space = "";
	buf_addz(&b, "* STATUS ");
	say_mailbox(&b, name);
	buf_addz(&b, " (");
	for (unsigned i = 0; i < S_ITEMS; i++)
		if (items & 1u << i) {
			buf_printf(&b, "%s%s %llu", space, status_names[i], (unsigned long long)values[i]);
			space = " ";
		}
	buf_addz(&b, ")\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	return OK("STATUS completed");
}
