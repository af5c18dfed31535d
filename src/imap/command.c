#include "imap/command.h"
#include "base/log.h"
#include "imap/notify.h"

#define ANY  (BEFORE_LOGIN | LOGGED_IN | SELECTED)
#define AUTH (LOGGED_IN | SELECTED)
#define NAME(z)                  \
	{                        \
		z, sizeof(z) - 1 \
	}

/* clang-format off */
static const struct command commands[] = { /* RFC 3501 unless said otherwise */
	{ NAME("CAPABILITY"),	ANY,	      0,			      cmd_capability },	  /* 6.1.1 */
	{ NAME("NOOP"),		ANY,	      LOOK_ALWAYS,		      cmd_noop },	  /* 6.1.2 */
	{ NAME("LOGOUT"),	ANY,	      TELL_NOTHING,		      cmd_logout },	  /* 6.1.3 */
	{ NAME("ID"),		ANY,	      WITH_ARGS,		      cmd_id },		  /* RFC 2971 */
	{ NAME("STARTTLS"),	BEFORE_LOGIN, TELL_NOTHING,		      cmd_starttls },	  /* 6.2.1 */
	{ NAME("AUTHENTICATE"),	BEFORE_LOGIN, WITH_ARGS,		      cmd_authenticate }, /* 6.2.2, RFC 4959 */
	{ NAME("LOGIN"),	BEFORE_LOGIN, WITH_ARGS,		      cmd_login },	  /* 6.2.3 */
	{ NAME("ENABLE"),	AUTH,	      WITH_ARGS,		      cmd_enable },	  /* RFC 5161 */
	{ NAME("SELECT"),	AUTH,	      WITH_ARGS | TELL_NOTHING,	      cmd_select },	  /* 6.3.1 */
	{ NAME("EXAMINE"),	AUTH,	      WITH_ARGS | TELL_NOTHING,	      cmd_examine },	  /* 6.3.2 */
	{ NAME("CREATE"),	AUTH,	      WITH_ARGS,		      cmd_create },	  /* 6.3.3 */
	{ NAME("DELETE"),	AUTH,	      WITH_ARGS,		      cmd_delete },	  /* 6.3.4 */
	{ NAME("RENAME"),	AUTH,	      WITH_ARGS,		      cmd_rename },	  /* 6.3.5 */
	{ NAME("SUBSCRIBE"),	AUTH,	      WITH_ARGS,		      cmd_subscribe },	  /* 6.3.6 */
	{ NAME("UNSUBSCRIBE"),	AUTH,	      WITH_ARGS,		      cmd_unsubscribe },  /* 6.3.7 */
	{ NAME("LIST"),		AUTH,	      WITH_ARGS,		      cmd_list },	  /* 6.3.8 */
	{ NAME("LSUB"),		AUTH,	      WITH_ARGS,		      cmd_lsub },	  /* 6.3.9 */
	{ NAME("STATUS"),	AUTH,	      WITH_ARGS,		      cmd_status },	  /* 6.3.10 */
	{ NAME("APPEND"),	AUTH,	      WITH_ARGS,		      cmd_append },	  /* 6.3.11 */
	{ NAME("NAMESPACE"),	AUTH,	      0,			      cmd_namespace },	  /* RFC 2342 */
	{ NAME("IDLE"),		AUTH,	      TELL_NOTHING,		      cmd_idle },	  /* RFC 2177 */
	{ NAME("CHECK"),	SELECTED,     LOOK_ALWAYS,		      cmd_noop },	  /* 6.4.1 */
	{ NAME("CLOSE"),	SELECTED,     TELL_NOTHING,		      cmd_close },	  /* 6.4.2 */
	{ NAME("UNSELECT"),	SELECTED,     TELL_NOTHING,		      cmd_unselect },	  /* RFC 3691 */
	{ NAME("EXPUNGE"),	SELECTED,     UID_FORM | UID_ARGS,	      cmd_expunge },	  /* 6.4.3, RFC 4315 2.1 */
	{ NAME("SEARCH"),	SELECTED,     WITH_ARGS | UID_FORM | KEEP_NUMBERS, cmd_search },  /* 6.4.4 */
	{ NAME("FETCH"),	SELECTED,     WITH_ARGS | UID_FORM | KEEP_NUMBERS, cmd_fetch },	  /* 6.4.5 */
	{ NAME("STORE"),	SELECTED,     WITH_ARGS | UID_FORM | KEEP_NUMBERS, cmd_store },	  /* 6.4.6 */
	{ NAME("COPY"),		SELECTED,     WITH_ARGS | UID_FORM,	      cmd_copy },	  /* 6.4.7 */
	{ NAME("MOVE"),		SELECTED,     WITH_ARGS | UID_FORM,	      cmd_move },	  /* RFC 6851 */
	{ NAME("SORT"),		SELECTED,     WITH_ARGS | UID_FORM | KEEP_NUMBERS, cmd_sort },	  /* RFC 5256 */
	{ NAME("THREAD"),	SELECTED,     WITH_ARGS | UID_FORM | KEEP_NUMBERS, cmd_thread },  /* RFC 5256 */
	{ NAME("REPLACE"),	SELECTED,     WITH_ARGS | UID_FORM,	      cmd_replace },	  /* RFC 8508 */
	{ NAME("COMPRESS"),	AUTH,	      WITH_ARGS | TELL_NOTHING,	      cmd_compress },	  /* RFC 4978 */
	{ NAME("GETQUOTA"),	AUTH,	      WITH_ARGS,		      cmd_getquota },	  /* RFC 9208 */
	{ NAME("GETQUOTAROOT"),	AUTH,	      WITH_ARGS,		      cmd_getquotaroot }, /* RFC 9208 */
	{ NAME("SETQUOTA"),	AUTH,	      WITH_ARGS,		      cmd_setquota },	  /* RFC 9208 */
	{ NAME("GETMETADATA"),	AUTH,	      WITH_ARGS,		      cmd_getmetadata },  /* RFC 5464 */
	{ NAME("SETMETADATA"),	AUTH,	      WITH_ARGS,		      cmd_setmetadata },  /* RFC 5464 */
	{ NAME("NOTIFY"),	AUTH,	      WITH_ARGS,		      cmd_notify },	  /* RFC 5465 */
};
/* clang-format on */

const struct command *command_find(struct str name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (str_eqi(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static struct str clean(struct arena *a, struct str text)
{
	char *p = arena_alloc(a, text.n);
	for (size_t i = 0; i < text.n; i++)
		p[i] = (char)(text.p[i] < ' ' || text.p[i] >= 0x7f ? '?' : text.p[i]); /* resp-text is ASCII */
	return (struct str){ p, text.n };
}

void reply_send(struct session *s, struct str tag, const struct reply *r)
{
	static const char *const words[] = { "", "OK", "NO", "BAD" };
	struct arena a = { 0 };
	struct buf b = { 0 };
	buf_add(&b, tag);
	buf_printf(&b, " %s ", words[r->kind]);
	if (r->code.n > 0) {
		buf_addc(&b, '[');
		buf_add(&b, r->code);
		buf_addz(&b, "] ");
	}
	buf_add(&b, clean(&a, r->text));
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	arena_reset(&a);
}

/* RFC 5530 3 has the codes. */
struct reply reply_err(struct cmd *c, const struct err *e)
{
	struct str text = str_dup(c->a, str_of(e->text));
	switch (e->kind) {
	case ERR_PERM:
		return (struct reply){ REPLY_NO, STR("CANNOT"), text };
	case ERR_QUOTA:
		return (struct reply){ REPLY_NO, STR("OVERQUOTA"), text };
	case ERR_FULL:
		return (struct reply){ REPLY_NO, STR("LIMIT"), text };
	default:
		return (struct reply){ REPLY_NO, STR("UNAVAILABLE"), text };
	}
}

struct reply reply_bad(struct cmd *c)
{
	return (struct reply){ REPLY_BAD, STR_NONE, parse_why(&c->in) };
}

void cmd_told(struct cmd *c, uint32_t uid, uint64_t modseq)
{
	if (c->ntold == c->told_cap)
		c->told = arena_grow(c->a, c->told, &c->told_cap, c->ntold + 1, sizeof *c->told);
	c->told[c->ntold++] = (struct told){ uid, modseq };
}

/* The client is to know where it stands from now on. */
void condstore_on(struct session *s)
{
	if (!s->condstore && s->view)
		io_printf(s->io, "* OK [HIGHESTMODSEQ %llu] Highest\r\n", (unsigned long long)s->view->modseq);
	s->condstore = true;
}

struct next want_line(struct session *s)
{
	const struct imap_limits *l = &s->conf->limits;
	bool before = s->state == BEFORE_LOGIN;
	int64_t ms = before ? l->idle_before_ms : l->idle_ms;
	return (
	    struct next){ .want = WANT_LINE, .max = before ? l->line_before : l->line, .unit_ms = ms, .idle_ms = ms };
}

struct next say_bye(struct session *s, const char *text)
{
	io_printf(s->io, "* BYE %s\r\n", text);
	return (struct next){ .want = WANT_CLOSE };
}

/* "tag NAME" or "tag UID NAME"; what follows is left. */
static bool take_name(struct cmd *c, struct str *name)
{
	if (!parse_tag(&c->in, &c->tag) || !parse_space(&c->in) || !parse_atom(&c->in, name, "a command"))
		return false;
	if (!str_eqi(*name, STR("UID")))
		return true;
	c->uid = true;
	return parse_space(&c->in) && parse_atom(&c->in, name, "a command after UID");
}

bool command_looks_right(struct str line)
{
	struct arena a = { 0 };
	struct cmd c = { .a = &a, .in = parser_new(line, &a, 0) };
	struct str name;
	bool right = take_name(&c, &name) && command_find(name);
	arena_reset(&a);
	return right;
}

static struct reply wrong_state(const struct session *s, const struct command *k)
{
	if (s->state == BEFORE_LOGIN)
		return BAD("Log in first");
	if (k->states == BEFORE_LOGIN)
		return BAD("Already logged in");
	return BAD("Select a mailbox first");
}

static struct reply command_do(struct session *s, struct cmd *c)
{
	struct str name;
	bool named = take_name(c, &name);
	if (c->tag.n == 0)
		c->tag = STR("*");
	if (!named)
		return reply_bad(c);
	if (c->tag.n > IMAP_TAG_MAX) {
		c->tag = STR("*");
		return BAD("A tag has at most 64 octets");
	}
	const struct command *k = command_find(name);
	if (!k || (c->uid && !(k->flags & UID_FORM)))
		return (struct reply){ REPLY_BAD, STR_NONE,
				       str_fmt(c->a, "Unknown command %.*s", STRF(str_sub(name, 0, 40))) };
	c->command = k;
	if (!(k->states & s->state))
		return wrong_state(s, k);
	if (s->uidonly && !c->uid && k->flags & UID_FORM && !(k->flags & UID_ARGS)) /* RFC 9586 3 */
		return BAD_CODE("UIDREQUIRED",
				"Message numbers are not used after ENABLE UIDONLY; put UID before the command");
	if ((k->flags & WITH_ARGS || (k->flags & UID_ARGS && c->uid)) && !parse_space(&c->in))
		return reply_bad(c);
	return k->run(s, c);
}

/* What others did meanwhile stands before the tagged line, so that the client knows it when the command ends. */
static void tell_after(struct session *s, struct cmd *c, const struct reply *r)
{
	struct err e = { 0 };
	unsigned flags = c->command ? c->command->flags : TELL_NOTHING;
	if (flags & TELL_NOTHING || r->kind == REPLY_NONE || r->kind == REPLY_BAD)
		return;
	/* Who wants no news of the selected mailbox (RFC 5465 3.1) hears them when he asks, or has expunged himself. */
	bool asks = flags & LOOK_ALWAYS || (flags & UID_FORM && !(flags & KEEP_NUMBERS));
	bool keep = flags & KEEP_NUMBERS && !c->uid;
	notify_tell(s, c);
	if (!s->view || (!asks && notify_of_selected(s) == 0))
		return;
	if (!tell(s, c, keep ? TELL_NO_EXPUNGE : TELL_ALL, flags & LOOK_ALWAYS, &e))
		log_warn("imap.tell", KV("account", s->account_name), KVZ("error", e.text));
}

struct next command_answer(struct session *s, struct cmd *c, const struct reply *r)
{
	tell_after(s, c, r);
	if (r->kind != REPLY_NONE)
		reply_send(s, c->tag, r);
	if (s->view && s->view->deleted && r->kind != REPLY_NONE)
		return say_bye(s, "The selected mailbox has been deleted");
	if (r->kind == REPLY_BAD && ++s->bad >= s->conf->limits.bad_commands) {
		log_notice("imap.bad-commands", KV("account", s->account_name), KVN("count", s->bad));
		return say_bye(s, "Too many bad commands");
	}
	return c->next;
}

/* Something that does not speak IMAP: one line in the log, and no conversation. */
static struct next first_garbage(struct session *s)
{
	char ip[ADDR_TEXT];
	log_notice("imap.garbage", KVZ("ip", addr_text(s->peer->remote.addr, ip)));
	pen_misbehaved(s->peer, "first command is not IMAP");
	return say_bye(s, "This is an IMAP server; that was no IMAP command");
}

struct next command_run(struct session *s, struct str whole)
{
	if (!s->greeted && !command_looks_right(whole))
		return first_garbage(s);
	s->greeted = true;
	struct arena a = { 0 };
	struct cmd c = { .a = &a,
			 .in = parser_new(whole, &a, s->conf->limits.nesting),
			 .utf8 = s->utf8 || s->rev2,
			 .next = want_line(s) };
	c.in.utf8 = c.utf8;
	enum state before = s->state;
	struct reply r = command_do(s, &c);
	if (before != s->state && c.next.want == WANT_LINE && s->expects == EXPECT_COMMAND) {
		int64_t delay_ms = c.next.delay_ms;
		c.next = want_line(s); /* other limits hold in the new state */
		c.next.delay_ms = delay_ms;
	}
	struct next next = command_answer(s, &c, &r);
	gather_drop(s);
	arena_reset(&a);
	return next;
}
