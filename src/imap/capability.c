/* What we say we can, and the commands that need no mailbox. */
#include "base/log.h"
#include "imap/command.h"

#define ID_PAIRS     30 /* RFC 2971 3.3 */
#define ID_VALUE_MAX 1024

/* Before login only what helps to log in, and what clients look for there. */
enum when { EARLY = 1, LATER = 2, BOTH = EARLY | LATER };

static bool tls_to_come(const struct session *s)
{
	return !io_is_tls(s->io) && s->conf->tls;
}

static bool login_is_private(const struct session *s)
{
	return io_is_tls(s->io) || s->conf->auth_in_clear || s->peer->unix_socket;
}

static bool login_is_not_private(const struct session *s)
{
	return !login_is_private(s);
}

static bool may_compress(const struct session *s)
{
	return s->conf->limits.compress && !io_is_compressed(s->io);
}

static uint64_t append_limit(const struct session *s)
{
	return s->conf->limits.append;
}

/* A word, or the name of a value that is put behind it: "APPENDLIMIT=35651584". */
static const struct capability {
	const char *word;
	enum when when;
	bool (*has)(const struct session *s); /* NULL: always */
	uint64_t (*value)(const struct session *s);
} table[] = {
	{ "IMAP4rev1", BOTH, NULL, NULL }, /* RFC 3501 */
	{ "IMAP4rev2", BOTH, NULL, NULL }, /* RFC 9051 */
	{ "LITERAL-", BOTH, NULL, NULL },  /* RFC 7888 */
	{ "SASL-IR", BOTH, NULL, NULL },   /* RFC 4959 */
	{ "ID", BOTH, NULL, NULL },        /* RFC 2971 */
	{ "ENABLE", BOTH, NULL, NULL },    /* RFC 5161 */
	{ "IDLE", BOTH, NULL, NULL },      /* RFC 2177 */
	{ "STARTTLS", EARLY, tls_to_come, NULL },
	{ "LOGINDISABLED", EARLY, login_is_not_private, NULL },
	{ "NAMESPACE", LATER, NULL, NULL },                /* RFC 2342 */
	{ "CHILDREN", LATER, NULL, NULL },                 /* RFC 3348 */
	{ "SPECIAL-USE", LATER, NULL, NULL },              /* RFC 6154 */
	{ "UIDPLUS", LATER, NULL, NULL },                  /* RFC 4315 */
	{ "MOVE", LATER, NULL, NULL },                     /* RFC 6851 */
	{ "UNSELECT", LATER, NULL, NULL },                 /* RFC 3691 */
	{ "ESEARCH", LATER, NULL, NULL },                  /* RFC 4731 */
	{ "SEARCHRES", LATER, NULL, NULL },                /* RFC 5182 */
	{ "WITHIN", LATER, NULL, NULL },                   /* RFC 5032 */
	{ "SORT", LATER, NULL, NULL },                     /* RFC 5256 */
	{ "SORT=DISPLAY", LATER, NULL, NULL },             /* RFC 5957 */
	{ "ESORT", LATER, NULL, NULL },                    /* RFC 5267 */
	{ "THREAD=ORDEREDSUBJECT", LATER, NULL, NULL },    /* RFC 5256 */
	{ "THREAD=REFERENCES", LATER, NULL, NULL },        /* RFC 5256 */
	{ "PARTIAL", LATER, NULL, NULL },                  /* RFC 9394 */
	{ "INPROGRESS", LATER, NULL, NULL },               /* RFC 9585 */
	{ "CONDSTORE", LATER, NULL, NULL },                /* RFC 7162 */
	{ "QRESYNC", LATER, NULL, NULL },                  /* RFC 7162 */
	{ "UTF8=ACCEPT", LATER, NULL, NULL },              /* RFC 6855 */
	{ "UIDONLY", LATER, NULL, NULL },                  /* RFC 9586 */
	{ "NOTIFY", LATER, NULL, NULL },                   /* RFC 5465 */
	{ "LIST-EXTENDED", LATER, NULL, NULL },            /* RFC 5258 */
	{ "LIST-STATUS", LATER, NULL, NULL },              /* RFC 5819 */
	{ "LIST-METADATA", LATER, NULL, NULL },            /* RFC 9590 */
	{ "CREATE-SPECIAL-USE", LATER, NULL, NULL },       /* RFC 6154 */
	{ "STATUS=SIZE", LATER, NULL, NULL },              /* RFC 8438 */
	{ "METADATA", LATER, NULL, NULL },                 /* RFC 5464 */
	{ "QUOTA", LATER, NULL, NULL },                    /* RFC 9208 */
	{ "QUOTA=RES-STORAGE", LATER, NULL, NULL },        /* RFC 9208 */
	{ "QUOTA=RES-MESSAGE", LATER, NULL, NULL },        /* RFC 9208 */
	{ "BINARY", LATER, NULL, NULL },                   /* RFC 3516 */
	{ "MULTIAPPEND", LATER, NULL, NULL },              /* RFC 3502 */
	{ "APPENDLIMIT=", LATER, NULL, append_limit },     /* RFC 7889 */
	{ "REPLACE", LATER, NULL, NULL },                  /* RFC 8508 */
	{ "PREVIEW", LATER, NULL, NULL },                  /* RFC 8970 */
	{ "SAVEDATE", LATER, NULL, NULL },                 /* RFC 8514 */
	{ "OBJECTID", LATER, NULL, NULL },                 /* RFC 8474 */
	{ "COMPRESS=DEFLATE", LATER, may_compress, NULL }, /* RFC 4978 */
};

static void say_capability(const struct session *s, const struct capability *x, struct buf *b)
{
	enum when now = s->state == BEFORE_LOGIN ? EARLY : LATER;
	if (!(x->when & now) || (x->has && !x->has(s)))
		return;
	buf_printf(b, "%s%s", b->n ? " " : "", x->word);
	if (x->value)
		buf_printf(b, "%llu", (unsigned long long)x->value(s));
}

static void say_mechanisms(const struct session *s, struct buf *b)
{
	uint8_t binding[32];
	struct arena a = { 0 };
	bool bound = io_tls_exporter(s->io, binding);
	struct str names = auth_mechanisms(io_is_tls(s->io), bound, true, s->conf->cram_md5, &a);
	while (names.n > 0) {
		struct str name = str_cut(&names, ' ');
		buf_printf(b, " AUTH=%.*s", STRF(name));
	}
	arena_reset(&a);
}

struct str capabilities(struct session *s, struct arena *a)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		say_capability(s, &table[i], &b);
	if (s->state == BEFORE_LOGIN && login_is_private(s))
		say_mechanisms(s, &b);
	struct str out = str_dup(a, buf_str(&b));
	buf_free(&b);
	return out;
}

struct reply cmd_capability(struct session *s, struct cmd *c)
{
	if (!parse_end(&c->in))
		return reply_bad(c);
	struct str can = capabilities(s, c->a);
	io_printf(s->io, "* CAPABILITY %.*s\r\n", STRF(can));
	return OK("CAPABILITY completed");
}

/* NOOP and CHECK: what they are for happens after every command. */
struct reply cmd_noop(struct session *s, struct cmd *c)
{
	(void)s;
	if (!parse_end(&c->in))
		return reply_bad(c);
	return (struct reply){ REPLY_OK, STR_NONE, str_fmt(c->a, "%.*s completed", STRF(c->command->name)) };
}

struct reply cmd_logout(struct session *s, struct cmd *c)
{
	if (!parse_end(&c->in))
		return reply_bad(c);
	c->next = say_bye(s, "Goodbye");
	return OK("LOGOUT completed");
}

struct reply cmd_starttls(struct session *s, struct cmd *c)
{
	if (!parse_end(&c->in))
		return reply_bad(c);
	if (io_is_tls(s->io))
		return BAD("TLS is active already");
	if (!s->conf->tls)
		return NO("No certificate here");
	s->expects = EXPECT_TLS;
	c->next = (struct next){ .want = WANT_TLS, .tls = s->conf->tls };
	return OK("Begin TLS negotiation now");
}

struct reply cmd_namespace(struct session *s, struct cmd *c)
{
	if (!parse_end(&c->in))
		return reply_bad(c);
	io_add(s->io, STR("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	return OK("NAMESPACE completed");
}

enum { ENABLE_CONDSTORE, ENABLE_QRESYNC, ENABLE_UTF8, ENABLE_REV2, ENABLE_UIDONLY, ENABLINGS };
static const char *const enablings[ENABLINGS] = { "CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2", "UIDONLY" };

/* Words we do not know are passed over (RFC 5161 3.1). */
static bool parse_enable(struct parser *p, bool asked[ENABLINGS])
{
	struct str name;
	do {
		if (!parse_atom(p, &name, "a capability"))
			return false;
		for (size_t i = 0; i < ENABLINGS; i++)
			asked[i] = asked[i] || str_eqi(name, str_of(enablings[i]));
	} while (parse_try(p, ' '));
	return parse_end(p);
}

/* RFC 5161; what is enabled stays so until the end of the connection. */
struct reply cmd_enable(struct session *s, struct cmd *c)
{
	bool asked[ENABLINGS] = { false };
	bool *const on[ENABLINGS] = { &s->condstore, &s->qresync, &s->utf8, &s->rev2, &s->uidonly };
	if (!parse_enable(&c->in, asked))
		return reply_bad(c);
	if (asked[ENABLE_UIDONLY] && !s->uidonly && s->view) /* the client may hold message numbers (RFC 9586 3) */
		return BAD("UIDONLY can be enabled only while no mailbox is selected");
	struct buf b = { 0 };
	buf_addz(&b, "* ENABLED"); /* what is new, and also when nothing is (RFC 5161 3.2) */
	for (size_t i = 0; i < ENABLINGS; i++) {
		if (!asked[i] || *on[i])
			continue;
		buf_printf(&b, " %s", enablings[i]);
		if (i == ENABLE_CONDSTORE || i == ENABLE_QRESYNC) /* one brings the other (RFC 7162 3.2.3) */
			condstore_on(s);
		*on[i] = true;
	}
	if (s->rev2 && s->view)
		s->view->recent_from = UINT32_MAX;
	buf_addz(&b, "\r\n");
	io_add(s->io, buf_str(&b));
	buf_free(&b);
	return OK("ENABLE completed");
}

/* ("name" "value" ...) or NIL; what clients say of themselves helps whoever reads the log. */
static bool parse_id(struct parser *p, struct str *name, struct str *version)
{
	struct str key, value;
	bool nil;
	unsigned pairs = 0;
	*name = *version = STR_NONE;
	if (parse_try_word(p, STR("NIL")))
		return parse_end(p);
	if (!parse_char(p, '(', "'(' or NIL"))
		return false;
	while (!parse_is(p, ')')) {
		if (pairs > 0 && !parse_space(p))
			return false;
		if (++pairs > ID_PAIRS)
			return parse_fail(p, "at most 30 pairs");
		if (!parse_string(p, &key, "a quoted name") || !parse_space(p) ||
		    !parse_nstring(p, &value, &nil, "a quoted value or NIL"))
			return false;
		if (value.n > ID_VALUE_MAX)
			return parse_fail(p, "a value of at most 1024 octets");
		if (str_eqi(key, STR("name")))
			*name = value;
		if (str_eqi(key, STR("version")))
			*version = value;
	}
	return parse_char(p, ')', "')'") && parse_end(p);
}

struct reply cmd_id(struct session *s, struct cmd *c)
{
	struct str name, version;
	char ip[ADDR_TEXT];
	if (!parse_id(&c->in, &name, &version))
		return reply_bad(c);
	log_info("imap.id", KVZ("ip", addr_text(s->peer->remote.addr, ip)), KV("account", s->account_name),
		 KV("name", name), KV("version", version));
	io_add(s->io, STR("* ID (\"name\" \"Sluice\" \"version\" \"" SLUICE_VERSION "\")\r\n"));
	return OK("ID completed");
}
