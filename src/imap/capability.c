/* What we say we can, and the commands that need no mailbox. */
#include "base/log.h"
#include "imap/command.h"

#define ID_PAIRS     30 /* RFC 2971 3.3 */
#define ID_VALUE_MAX 1024

/* Before login only what helps to log in, and what clients look for there. */
static const char always[] = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE";
static const char after[] =
    " NAMESPACE CHILDREN SPECIAL-USE UIDPLUS MOVE UNSELECT CONDSTORE"; /* RFC 2342 3348 6154 4315 6851 3691 7162 */

struct str capabilities(struct session *s, struct arena *a)
{
	if (s->state != BEFORE_LOGIN)
		return str_fmt(a, "%s%s", always, after);
	bool tls = io_is_tls(s->io);
	bool private = tls || s->conf->auth_in_clear || s->peer->unix_socket;
	struct str out = str_of(always);
	if (!tls && s->conf->tls)
		out = str_cat(a, out, STR(" STARTTLS"));
	if (!private)
		return str_cat(a, out, STR(" LOGINDISABLED"));
	uint8_t binding[32];
	struct str names = auth_mechanisms(tls, io_tls_exporter(s->io, binding), true, s->conf->cram_md5, a);
	while (names.n > 0) {
		struct str name = str_cut(&names, ' ');
		out = str_fmt(a, "%.*s AUTH=%.*s", STRF(out), STRF(name));
	}
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

struct reply cmd_enable(struct session *s, struct cmd *c)
{
	struct str name;
	bool condstore = false;
	do {
		if (!parse_atom(&c->in, &name, "a capability"))
			return reply_bad(c);
		condstore = condstore || str_eqi(name, STR("CONDSTORE"));
	} while (parse_try(&c->in, ' '));
	if (!parse_end(&c->in))
		return reply_bad(c);
	if (condstore)
		condstore_on(s);
	io_printf(s->io, "* ENABLED%s\r\n", condstore ? " CONDSTORE" : ""); /* RFC 5161 3.2: what was enabled now */
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
