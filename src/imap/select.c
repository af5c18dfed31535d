/* SELECT, EXAMINE, CLOSE, UNSELECT: one client's view of one mailbox begins and ends. */
#include "base/log.h"
#include "imap/list.h"
#include "imap/say.h"
#include "imap/session.h"
#include "imap/set.h"
#include "imap/status.h"
#include "store/bell.h"
#include <stdlib.h>

/* Messages that arrived while we were there have been shown as \Recent: no later session may (RFC 3501 2.3.2).
 * Claimed at the end and not at each arrival, which would cost a commit for every message and session.
 * IMAP4rev2 knows no \Recent, so it claims nothing. */
static void claim_shown(struct session *s)
{
	struct view *v = s->view;
	struct err e = { 0 };
	uint32_t from;
	if (s->rev2 || !v->arrived || v->readonly || v->deleted)
		return;
	if (!mailbox_claim_recent(s->conf->store, v->mailbox, &from, &e))
		log_warn("imap.recent", KV("account", s->account_name), KVZ("error", e.text));
}

void session_unselect(struct session *s)
{
	if (!s->view)
		return;
	claim_shown(s);
	view_free(s->view);
	free(s->saved);
	s->view = NULL;
	s->saved = NULL;
	s->nsaved = 0;
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
	v->recent_from = s->rev2 ? UINT32_MAX : at->recent_uid;
	if (v->readonly || v->recent_from >= at->uidnext)
		return true;
	return mailbox_claim_recent(s->conf->store, v->mailbox, &v->recent_from, e);
}

/* What IMAP4rev2 has no more: messages told for the first time, and the first unseen one, which costs a search. */
static bool say_rev1(struct session *s, const struct view *v, struct buf *b, struct err *e)
{
	uint32_t unseen;
	if (!mailbox_first_unseen(s->conf->store, v->mailbox, &unseen, e))
		return false;
	uint32_t seq = unseen ? view_seq(v, unseen) : 0;
	buf_printf(b, "* %u RECENT\r\n", view_recent(v));
	if (seq)
		buf_printf(b, "* OK [UNSEEN %u] First unseen\r\n", seq);
	return true;
}

static bool say_selected(struct session *s, const struct view *v, struct err *e)
{
	struct buf b = { 0 };
	unsigned all = MSG_SEEN | MSG_ANSWERED | MSG_FLAGGED | MSG_DELETED | MSG_DRAFT;
	buf_addz(&b, "* FLAGS ");
	say_flags(&b, all, false, str_of(v->keywords));
	buf_printf(&b, "\r\n* %u EXISTS\r\n", v->count);
	bool ok = s->rev2 || say_rev1(s, v, &b, e);
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
	buf_printf(&b, "* OK [HIGHESTMODSEQ %llu] Highest\r\n* OK [", (unsigned long long)v->modseq);
	say_mailboxid(&b, v->mailbox);
	buf_addz(&b, "] Mailbox ID\r\n");
	if (ok)
		io_add(s->io, buf_str(&b));
	buf_free(&b);
	return ok;
}

/* What a client with QRESYNC knows from an earlier session (RFC 7162 3.2.5). */
struct known {
	bool given;
	uint64_t uidvalidity, modseq;
	bool only; /* it knows no other UIDs than these */
	struct set uids;
	bool pairs; /* messages that had these numbers and these UIDs */
	struct set match_seqs, match_uids;
};
struct selecting {
	struct str name, as_given;
	bool condstore;
	struct known known;
};

static bool parse_known_set(struct parser *p, struct set *out)
{
	return parse_set(p, out) && (!out->saved || parse_fail(p, "UIDs"));
}

/* "(uidvalidity modseq [known-uids] [(numbers uids)])" */
static bool parse_known(struct parser *p, struct known *k)
{
	k->given = true;
	if (!parse_space(p) || !parse_char(p, '(', "'(' after QRESYNC") ||
	    !parse_number(p, UINT32_MAX, &k->uidvalidity, "a UIDVALIDITY") || !parse_space(p) ||
	    !parse_number(p, INT64_MAX, &k->modseq, "a modseq"))
		return false;
	bool more = parse_try(p, ' ');
	if (more && !parse_is(p, '(')) {
		k->only = true;
		if (!parse_known_set(p, &k->uids))
			return false;
		more = parse_try(p, ' ');
	}
	if (more) {
		k->pairs = true;
		if (!parse_char(p, '(', "'(' before message numbers") || !parse_known_set(p, &k->match_seqs) ||
		    !parse_space(p) || !parse_known_set(p, &k->match_uids) || !parse_char(p, ')', "')' after UIDs"))
			return false;
	}
	return parse_char(p, ')', "')' after what QRESYNC says");
}

/* "(CONDSTORE)" or "(QRESYNC (...))" after the name (RFC 7162 3.1.8, 3.2.5). */
static bool parse_select(struct parser *p, struct selecting *x)
{
	if (!parse_mailbox_as(p, &x->name, &x->as_given))
		return false;
	if (!parse_try(p, ' '))
		return parse_end(p);
	if (!parse_char(p, '(', "'('"))
		return false;
	do {
		if (parse_try_word(p, STR("CONDSTORE")))
			x->condstore = true;
		else if (!parse_try_word(p, STR("QRESYNC")))
			return parse_fail(p, "CONDSTORE or QRESYNC");
		else if (!parse_known(p, &x->known))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')'") && parse_end(p);
}

/* The last UID of which the client's number is still the message's: nothing went below it (RFC 7162 3.2.5.2). */
static uint32_t last_match(const struct view *v, const struct known *k, struct arena *a)
{
	struct set seqs = set_resolve(&k->match_seqs, v->count, a);
	struct set uids = set_resolve(&k->match_uids, v->uidnext - 1, a);
	uint32_t last = 0, seq = seqs.n ? seqs.ranges[0].from : 0, uid = uids.n ? uids.ranges[0].from : 0;
	for (size_t i = 0, j = 0; i < seqs.n && j < uids.n;) {
		if (seq > v->count || view_uid(v, seq) != uid)
			return last;
		last = uid;
		if (seq++ == seqs.ranges[i].to && ++i < seqs.n)
			seq = seqs.ranges[i].from;
		if (uid++ == uids.ranges[j].to && ++j < uids.n)
			uid = uids.ranges[j].from;
	}
	return last;
}

/* The UIDs of which the client may know something that is no longer so. */
static struct set doubtful(const struct view *v, const struct known *k, struct arena *a)
{
	static const struct range every = { 1, SET_STAR };
	struct set all = { .ranges = ARENA_ARRAY(a, struct range, 1), .n = 1 };
	all.ranges[0] = every;
	return set_resolve(k->only ? &k->uids : &all, v->uidnext - 1, a);
}

/* RFC 9051 6.3.2: the name as we have it, and as it was given when that is another. */
static void say_name(struct session *s, struct cmd *c, const struct selecting *x)
{
	if (str_eqi(x->name, x->as_given))
		say_listed(s, c->utf8, STR_NONE, x->name, STR_NONE);
	else
		say_renamed(s, c, x->name, x->as_given);
}

/* The session's view is new and empty. */
static bool select_view(struct session *s, struct cmd *c, const struct selecting *x, struct err *e)
{
	struct mailbox at;
	struct view *v = s->view;
	if (!view_fill(s, v, &at, c->a, e) || !say_selected(s, v, e))
		return false;
	if (s->rev2)
		say_name(s, c, x);
	if (!x->known.given || x->known.uidvalidity != v->uidvalidity)
		return true;
	struct set known = doubtful(v, &x->known, c->a);
	uint32_t kept = x->known.pairs ? last_match(v, &x->known, c->a) : 0;
	return say_resync(s, c, &known, kept, x->known.modseq, e);
}

static struct reply select_mailbox(struct session *s, struct cmd *c, bool readonly)
{
	struct selecting x = { 0 };
	struct mailbox *m;
	struct err e = { 0 };
	if (!parse_select(&c->in, &x))
		return reply_bad(c);
	if (x.known.given && !s->qresync)
		return BAD("ENABLE QRESYNC first");
	if (x.known.pairs && s->uidonly)
		return BAD_CODE("UIDREQUIRED", "Message numbers are not used after ENABLE UIDONLY");
	s->condstore = s->condstore || x.condstore;
	if (s->view) {
		session_unselect(s); /* also when the new one fails (RFC 3501 6.3.1) */
		io_add(s->io, STR("* OK [CLOSED] Previous mailbox closed\r\n"));
	}
	if (!mailbox_find(s->conf->store, s->account, x.name, c->a, &m, &e))
		return reply_err(c, &e);
	if (!m)
		return NO_CODE("NONEXISTENT", "No such mailbox");
	s->view = view_new(m->id);
	s->view->readonly = readonly;
	s->state = SELECTED;
	if (!select_view(s, c, &x, &e)) {
		session_unselect(s);
		return reply_err(c, &e);
	}
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
