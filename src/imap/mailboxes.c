/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3.3 - 6.3.7), with the uses of RFC 6154. */
#include "imap/list.h"
#include "imap/say.h"
#include "imap/status.h"

static bool parse_only_mailbox(struct cmd *c, struct str *name)
{
	return parse_mailbox(&c->in, name) && parse_end(&c->in);
}

/* "/" at the end only says that there will be mailboxes inside (RFC 3501 6.3.3). */
static struct str without_slash(struct str name)
{
	return str_ends(name, STR("/")) ? str_sub(name, 0, name.n - 1) : name;
}

/* LIST could not name it: no new mailbox is called so, nor subscribed to. The rest the store checks. */
static bool name_new(struct str name, struct reply *r)
{
	if (str_chr(name, '*') == name.n && str_chr(name, '%') == name.n)
		return true;
	*r = NO_CODE("CANNOT", "A mailbox name may not have * or % in it");
	return false;
}

static bool is_there(struct session *s, struct cmd *c, struct str name, struct mailbox **m, struct reply *r)
{
	struct err e = { 0 };
	if (mailbox_find(s->conf->store, s->account, name, c->a, m, &e))
		return true;
	*r = reply_err(c, &e);
	return false;
}

/* --- CREATE --------------------------------------------------------------------------------- */

static const struct {
	struct str name;
	enum special_use use;
} uses[] = {
	{ { "\\Sent", 5 }, USE_SENT },     { { "\\Archive", 8 }, USE_ARCHIVE }, { { "\\Trash", 6 }, USE_TRASH },
	{ { "\\Drafts", 7 }, USE_DRAFTS }, { { "\\Junk", 5 }, USE_JUNK },
};

struct creation {
	struct str name, given;
	enum special_use use;
	bool strange; /* a use that we have not, or more than one */
};

static bool parse_use(struct parser *p, struct creation *x)
{
	struct str word;
	size_t at = p->at;
	if (!parse_char(p, '\\', "a use like \\Sent") || !parse_atom(p, &word, "a use like \\Sent"))
		return false;
	struct str whole = str_sub(p->all, at, p->at);
	enum special_use use = USE_NONE;
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
		if (str_eqi(whole, uses[i].name))
			use = uses[i].use;
	x->strange = x->strange || use == USE_NONE || (x->use != USE_NONE && x->use != use);
	x->use = use;
	return true;
}

/* name [SP "(USE (\Sent))"] */
static bool parse_creation(struct parser *p, struct creation *x)
{
	*x = (struct creation){ 0 };
	if (!parse_mailbox_as(p, &x->name, &x->given))
		return false;
	x->name = without_slash(x->name);
	x->given = without_slash(x->given);
	if (!parse_try(p, ' '))
		return parse_end(p);
	if (!parse_char(p, '(', "'(' before USE"))
		return false;
	if (!parse_try_word(p, STR("USE (")))
		return parse_fail(p, "USE (");
	while (!parse_is(p, ')')) {
		if ((x->use != USE_NONE || x->strange) && !parse_space(p))
			return false;
		if (!parse_use(p, x))
			return false;
	}
	return parse_char(p, ')', "')' after uses") && parse_char(p, ')', "')' after USE") && parse_end(p);
}

/* RFC 6154 3: one mailbox of each use. */
static bool use_free(struct session *s, struct cmd *c, enum special_use use, struct reply *r)
{
	struct mailbox *all;
	struct err e = { 0 };
	size_t n;
	if (use == USE_NONE)
		return true;
	if (!mailbox_list(s->conf->store, s->account, c->a, &all, &n, &e)) {
		*r = reply_err(c, &e);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (all[i].use == use) {
			*r = NO_CODE("USEATTR", "Another mailbox has that use");
			return false;
		}
	return true;
}

static struct reply created(struct session *s, struct cmd *c, const struct creation *x)
{
	struct mailbox *m;
	struct reply r = OK("CREATE completed");
	struct buf b = { 0 };
	if (!is_there(s, c, x->name, &m, &r) || !m)
		return OK("CREATE completed"); /* and gone again, or cannot be asked just now */
	if (s->rev2)
		say_renamed(s, c, x->name, x->given);
	say_mailboxid(&b, m->id);
	r.code = str_dup(c->a, buf_str(&b));
	buf_free(&b);
	return r;
}

struct reply cmd_create(struct session *s, struct cmd *c)
{
	struct creation x;
	struct mailbox *m;
	struct reply r;
	struct err e = { 0 };
	if (!parse_creation(&c->in, &x))
		return reply_bad(c);
	if (!name_new(x.name, &r) || !is_there(s, c, x.name, &m, &r))
		return r;
	if (m)
		return NO_CODE("ALREADYEXISTS", "There is a mailbox of that name");
	if (x.strange)
		return NO_CODE("USEATTR", "A mailbox has one of \\Sent, \\Archive, \\Trash, \\Drafts and \\Junk");
	if (!use_free(s, c, x.use, &r))
		return r;
	if (!mailbox_create(s->conf->store, s->account, x.name, x.use, &e))
		return reply_err(c, &e);
	return created(s, c, &x);
}

/* --- DELETE, RENAME --------------------------------------------------------------------------- */

/* There is no such mailbox; but perhaps there are some below it, and LIST shows the name. */
static struct reply nonexistent(struct session *s, struct cmd *c, struct str name, struct reply has_children)
{
	struct mailbox *all;
	struct err e = { 0 };
	size_t n;
	struct str below = str_cat(c->a, name, STR("/"));
	if (name.n == 0 || !mailbox_list(s->conf->store, s->account, c->a, &all, &n, &e))
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (str_starts(all[i].name, below))
			return has_children;
	return NO_CODE("NONEXISTENT", "No such mailbox");
}

struct reply cmd_delete(struct session *s, struct cmd *c)
{
	struct str name;
	struct mailbox *m;
	struct reply r;
	struct err e = { 0 };
	if (!parse_only_mailbox(c, &name))
		return reply_bad(c);
	if (str_eq(name, STR("INBOX")))
		return NO_CODE("CANNOT", "INBOX cannot be deleted");
	if (!is_there(s, c, name, &m, &r))
		return r;
	if (!m)
		return nonexistent(s, c, name,
				   NO_CODE("HASCHILDREN", "It is there for those inside only: delete them"));
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
	struct str from, to, given;
	struct mailbox *m;
	struct reply r;
	struct err e = { 0 };
	if (!parse_mailbox(&c->in, &from) || !parse_space(&c->in) || !parse_mailbox_as(&c->in, &to, &given) ||
	    !parse_end(&c->in))
		return reply_bad(c);
	from = without_slash(from);
	to = without_slash(to);
	if (!name_new(to, &r) || !is_there(s, c, to, &m, &r))
		return r;
	if (m)
		return NO_CODE("ALREADYEXISTS", "There is a mailbox of the new name");
	if (!is_there(s, c, from, &m, &r))
		return r;
	if (!m)
		return nonexistent(s, c, from,
				   NO_CODE("NONEXISTENT", "No such mailbox, though there are some inside it: "
							  "create it, then rename it with them"));
	if (!mailbox_rename(s->conf->store, s->account, from, to, &e))
		return reply_err(c, &e);
	if (s->rev2)
		say_renamed(s, c, to, without_slash(given));
	return OK("RENAME completed");
}

/* --- subscriptions ------------------------------------------------------------------------------ */

static struct reply subscribe(struct session *s, struct cmd *c, bool on)
{
	struct str name;
	struct reply r;
	struct err e = { 0 };
	if (!parse_only_mailbox(c, &name))
		return reply_bad(c);
	name = without_slash(name);
	if (on && !name_new(name, &r))
		return r;
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
