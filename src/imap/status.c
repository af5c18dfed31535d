#include "imap/status.h"
#include "imap/say.h"

enum status_item {
	S_MESSAGES,
	S_RECENT,
	S_UIDNEXT,
	S_UIDVALIDITY,
	S_UNSEEN,
	S_DELETED,
	S_SIZE,
	S_HIGHESTMODSEQ,
	S_APPENDLIMIT,
	S_MAILBOXID,
	S_DELETED_STORAGE,
	S_ITEMS
};
static const char *const names[S_ITEMS] = {
	"MESSAGES",
	"RECENT",
	"UIDNEXT",
	"UIDVALIDITY",
	"UNSEEN",
	"DELETED",         /* RFC 9051 6.3.11 */
	"SIZE",            /* RFC 8438 */
	"HIGHESTMODSEQ",   /* RFC 7162 3.1 */
	"APPENDLIMIT",     /* RFC 7889 */
	"MAILBOXID",       /* RFC 8474 */
	"DELETED-STORAGE", /* RFC 9208 */
};
#define BIT(item) (1u << (item))

bool parse_status_items(struct parser *p, unsigned *items)
{
	*items = 0;
	if (!parse_char(p, '(', "'(' before status items"))
		return false;
	do {
		struct str word;
		unsigned i = 0;
		size_t at = p->at;
		if (!parse_atom(p, &word, "a status item"))
			return false;
		while (i < S_ITEMS && !str_eqi(word, str_of(names[i])))
			i++;
		if (i == S_ITEMS) {
			p->at = at;
			return parse_fail(p, "MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE, "
					     "HIGHESTMODSEQ, APPENDLIMIT, MAILBOXID or DELETED-STORAGE");
		}
		*items |= BIT(i);
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after status items");
}

void status_asked(struct session *s, unsigned items)
{
	if (items & BIT(S_HIGHESTMODSEQ))
		condstore_on(s);
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

void say_mailboxid(struct buf *b, int64_t mailbox)
{
	buf_printf(b, "MAILBOXID (F%lld)", (long long)mailbox);
}

/* What is not in the row. */
static bool look_up(struct session *s, struct cmd *c, const struct mailbox *m, unsigned items, uint64_t *values,
		    struct err *e)
{
	if (items & BIT(S_RECENT) && !count_recent(s, c, m, &values[S_RECENT], e))
		return false;
	return !(items & BIT(S_DELETED_STORAGE)) || m->deleted == 0 ||
	       mailbox_deleted_octets(s->conf->store, m->id, &values[S_DELETED_STORAGE], e);
}

bool say_status(struct session *s, struct cmd *c, const struct mailbox *m, unsigned items, struct err *e)
{
	uint64_t values[S_ITEMS] = {
		[S_MESSAGES] = m->messages,       [S_UIDNEXT] = m->uidnext,
		[S_UIDVALIDITY] = m->uidvalidity, [S_UNSEEN] = m->unseen,
		[S_DELETED] = m->deleted,         [S_SIZE] = m->octets,
		[S_HIGHESTMODSEQ] = m->modseq,    [S_APPENDLIMIT] = s->conf->limits.append,
	};
	struct buf b = { 0 };
	const char *space = "";
	if (!look_up(s, c, m, items, values, e))
		return false;
	buf_addz(&b, "* STATUS ");
	say_mailbox_as(&b, m->name, c->utf8);
	buf_addz(&b, " (");
	for (unsigned i = 0; i < S_ITEMS; i++) {
		if (!(items & BIT(i)))
			continue;
		buf_addz(&b, space);
		space = " ";
		if (i == S_MAILBOXID)
			say_mailboxid(&b, m->id);
		else
			buf_printf(&b, "%s %llu", names[i], (unsigned long long)values[i]);
	}
	buf_addz(&b, ")\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	return true;
}

struct reply cmd_status(struct session *s, struct cmd *c)
{
	struct str name;
	struct mailbox *m;
	unsigned items;
	struct err e = { 0 };
	if (!parse_mailbox(&c->in, &name) || !parse_space(&c->in) || !parse_status_items(&c->in, &items) ||
	    !parse_end(&c->in))
		return reply_bad(c);
	status_asked(s, items);
	if (!mailbox_find(s->conf->store, s->account, name, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("NONEXISTENT", "No such mailbox");
	if (!say_status(s, c, m, items, &e))
		return reply_err(c, &e);
	return OK("STATUS completed");
}
