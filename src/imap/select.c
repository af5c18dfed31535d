/* SELECT, EXAMINE, CLOSE, UNSELECT: one client's view of one mailbox begins and ends. */
#include "base/log.h"
#include "imap/say.h"
#include "imap/session.h"
#include "store/bell.h"

/* Messages that arrived while we were there have been shown as \Recent: no later session may (RFC 3501 2.3.2).
 * Claimed at the end and not at each arrival, which would cost a commit for every message and session. */
void session_unselect(struct session *s)
{
	struct view *v = s->view;
	struct err e = { 0 };
	uint32_t from;
	if (!v)
		return;
	if (v->arrived && !v->readonly && !v->deleted && !mailbox_claim_recent(s->conf->store, v->mailbox, &from, &e))
		log_warn("imap.recent", KV("account", s->account_name), KVZ("error", e.text));
	view_free(v);
	s->view = NULL;
	s->state = LOGGED_IN;
}

/* Fill the view from one snapshot. */
static bool view_fill(struct session *s, struct view *v, struct mailbox *at, struct arena *a, struct err *e)
{
	struct uid_run *runs;
	struct str *words;
	size_t n, nwords;
	v->bell = bell_seq(s->conf->store, bell_slot(s->account));
	if (!mailbox_uids(s->conf->store, v->mailbox, a, &runs, &n, at, e) ||
	    !mailbox_keywords(s->conf->store, v->mailbox, a, &words, &nwords, e))
		return false;
	for (size_t i = 0; i < n; i++)
		view_append(v, runs[i].first, runs[i].count);
	for (size_t i = 0; i < nwords; i++)
		if (!view_knows(v, words[i]))
			view_learn(v, words[i]);
	v->uidvalidity = at->uidvalidity;
	v->uidnext = at->uidnext;
	v->modseq = at->modseq;
	v->recent_from = at->recent_uid;
	if (v->readonly || at->recent_uid >= at->uidnext)
		return true;
	return mailbox_claim_recent(s->conf->store, v->mailbox, &v->recent_from, e);
}

static bool say_selected(struct session *s, const struct view *v, struct err *e)
{
	struct buf b = { 0 };
	unsigned all = MSG_SEEN | MSG_ANSWERED | MSG_FLAGGED | MSG_DELETED | MSG_DRAFT;
	uint32_t unseen;
	if (!mailbox_first_unseen(s->conf->store, v->mailbox, &unseen, e))
		return false;
	uint32_t seq = unseen ? view_seq(v, unseen) : 0;
	buf_addz(&b, "* FLAGS ");
	say_flags(&b, all, false, str_of(v->keywords));
	buf_printf(&b, "\r\n* %u EXISTS\r\n* %u RECENT\r\n", v->count, view_recent(v));
	if (seq)
		buf_printf(&b, "* OK [UNSEEN %u] First unseen\r\n", seq);
	buf_addz(&b, "* OK [PERMANENTFLAGS ");
	if (v->readonly) {
		buf_addz(&b, "()");
	} else {
		say_flags(&b, all, false, str_of(v->keywords));
		b.n--; /* before the bracket: new keywords are welcome */
		buf_addz(&b, " \\*)");
	}
	buf_printf(&b, "] Flags kept\r\n* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] Next UID\r\n",
		   v->uidvalidity, v->uidnext);
	buf_printf(&b, "* OK [HIGHESTMODSEQ %llu] Highest\r\n", (unsigned long long)v->modseq);
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	return true;
}

static bool select_view(struct session *s, struct cmd *c, struct view *v, struct err *e)
{
	struct mailbox at;
	return view_fill(s, v, &at, c->a, e) && say_selected(s, v, e);
}

/* "(CONDSTORE)" after the name (RFC 7162 3.1.8). */
static bool parse_select(struct session *s, struct parser *p, struct str *name)
{
	if (!parse_mailbox(p, name))
		return false;
	if (!parse_try(p, ' '))
		return parse_end(p);
	if (!parse_char(p, '(', "'('"))
		return false;
	if (!parse_try_word(p, STR("CONDSTORE")))
		return parse_fail(p, "CONDSTORE");
	if (!parse_char(p, ')', "')'") || !parse_end(p))
		return false;
	s->condstore = true;
	return true;
}

static struct reply select_mailbox(struct session *s, struct cmd *c, bool readonly)
{
	struct str name;
	struct mailbox *m;
	struct err e = { 0 };
	if (!parse_select(s, &c->in, &name))
		return reply_bad(c);
	if (s->view) {
		session_unselect(s); /* also when the new one fails (RFC 3501 6.3.1) */
		io_add(s->io, STR("* OK [CLOSED] Previous mailbox closed\r\n"));
	}
	if (!mailbox_find(s->conf->store, s->account, name, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("NONEXISTENT", "No such mailbox");
	struct view *v = view_new(m->id);
	v->readonly = readonly;
	if (!select_view(s, c, v, &e)) {
		view_free(v);
		return reply_err(c, &e);
	}
	s->view = v;
	s->state = SELECTED;
	return (struct reply){ REPLY_OK, readonly ? STR("READ-ONLY") : STR("READ-WRITE"),
			       readonly ? STR("EXAMINE completed") : STR("SELECT completed") };
}

struct reply cmd_select(struct session *s, struct cmd *c)
{
	return select_mailbox(s, c, false);
}

struct reply cmd_examine(struct session *s, struct cmd *c)
{
	return select_mailbox(s, c, true);
}

struct reply cmd_close(struct session *s, struct cmd *c)
{
	struct err e = { 0 };
	if (!parse_end(&c->in))
		return reply_bad(c);
	if (!s->view->readonly && !msg_expunge(s->conf->store, s->view->mailbox, NULL, 0, true, &e))
		return reply_err(c, &e);
	session_unselect(s);
	return OK("CLOSE completed");
}

struct reply cmd_unselect(struct session *s, struct cmd *c)
{
	if (!parse_end(&c->in))
		return reply_bad(c);
	session_unselect(s);
	return OK("UNSELECT completed");
}
