#include "client/imap_impl.h"

#include "base/num.h"
#include "mail/date.h"
#include "mail/utf7.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS 30000
#define WAIT_MS    (5 * 60 * 1000)
#define CLOSE_MS   2000

/* --- commands ------------------------------------------------------------------- */

bool imap_send(struct imap_client *c, struct str text, struct err *e)
{
	io_deadline(c->io, c->wait_ms);
	io_add(c->io, text);
	return io_flush(c->io) || imap_broken(c, e, "a server that listens");
}

/* What is data of no command in particular. */
static bool take_any(struct imap_client *c, struct str word, struct err *e)
{
	struct status st;
	if (str_eqi(word, STR("CAPABILITY"))) {
		imap_capabilities(c, c->rest);
		c->rest = STR_NONE;
	} else if (str_eqi(word, STR("OK")) || str_eqi(word, STR("NO")) || str_eqi(word, STR("BAD"))) {
		imap_status(c, &st);
	} else if (str_eqi(word, STR("BYE"))) {
		imap_status(c, &st);
		if (c->said.kind == ERR_NONE)
			err_set(&c->said, ERR_PEER, "the server ended the conversation: %.*s",
				(int)(st.text.n < 150 ? st.text.n : 150), st.text.p);
	}
	return imap_skip(c, e);
}

/* "* 12 EXISTS": the word, and the number before it. */
static bool data_word(struct imap_client *c, struct str *word, uint64_t *number, struct err *e)
{
	struct str found;
	*number = 0;
	if (num_take(&c->rest, UINT32_MAX, number) && !imap_char(c, ' ', e))
		return false;
	if (!imap_word(c, &found, e))
		return false;
	*word = str_dup(&c->arena, found);
	return true;
}

static bool take_data(struct imap_client *c, imap_take take, void *ctx, struct err *e)
{
	struct str word;
	uint64_t number;
	return data_word(c, &word, &number, e) && (!take || take(c, word, number, ctx, e)) && take_any(c, word, e);
}

/* What is in `b`, with a tag in front. */
static bool command_send(struct imap_client *c, struct buf *b, struct err *e)
{
	char tag[16];
	if (c->fetching)
		return err_set(e, ERR_TEMP, "a FETCH is not at its end");
	snprintf(tag, sizeof tag, "s%u ", ++c->tag);
	io_add(c->io, str_of(tag));
	buf_addz(b, "\r\n");
	return imap_send(c, buf_str(b), e);
}

static bool command_end(struct imap_client *c, imap_take take, void *ctx, struct status *st, struct err *e)
{
	for (;;) {
		switch (imap_response(c, st, e)) {
		case RESPONSE_DATA:
			if (!take_data(c, take, ctx, e))
				return false;
			break;
		case RESPONSE_DONE:
			return true;
		case RESPONSE_MORE:
			return imap_broken(c, e, "no wish for more");
		case RESPONSE_END:
			return false;
		}
	}
}

bool imap_command(struct imap_client *c, struct buf *b, imap_take take, void *ctx, struct status *st, struct err *e)
{
	bool ok = command_send(c, b, e) && command_end(c, take, ctx, st, e);
	buf_free(b);
	return ok;
}

static enum err_kind kind_of(struct str code)
{
	static const struct {
		const char *code;
		enum err_kind kind;
	} kinds[] = { { "OVERQUOTA", ERR_QUOTA },
		      { "UNAVAILABLE", ERR_TEMP },
		      { "INUSE", ERR_TEMP },
		      { "SERVERBUG", ERR_TEMP },
		      { "CONTACTADMIN", ERR_TEMP } };
	struct str word = str_cut(&code, ' ');
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (str_eqi(word, str_of(kinds[i].code)))
			return kinds[i].kind;
	return ERR_PERM;
}

bool imap_answered(const struct status *st, const char *what, struct err *e)
{
	if (st->answer == ANSWER_OK)
		return true;
	return err_set(e, kind_of(st->code), "%s: the server says %s: %s%.*s%s%.*s", what,
		       st->answer == ANSWER_NO ? "NO" : "BAD", st->code.n ? "[" : "",
		       (int)(st->code.n < 40 ? st->code.n : 40), st->code.p, st->code.n ? "] " : "",
		       (int)(st->text.n < 120 ? st->text.n : 120), st->text.p);
}

/* A command of words alone. */
static bool simple(struct imap_client *c, const char *words, imap_take take, void *ctx, struct err *e)
{
	struct buf b = { 0 };
	struct status st;
	buf_addz(&b, words);
	return imap_command(c, &b, take, ctx, &st, e) && imap_answered(&st, words, e);
}

/* A mailbox as an argument: names come from the server or from imap_wire(), so they are 7-bit but for servers that
 * break that rule; those take it quoted too. */
static bool add_name(struct buf *b, struct str wire, struct err *e)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < wire.n; i++) {
		char ch = wire.p[i];
		if (ch == '\r' || ch == '\n' || ch == 0) {
			buf_free(b);
			return err_set(e, ERR_PERM, "a mailbox's name has a line end in it");
		}
		if (ch == '"' || ch == '\\')
			buf_addc(b, '\\');
		buf_addc(b, ch);
	}
	buf_addc(b, '"');
	return true;
}

/* --- capabilities --------------------------------------------------------------- */

void imap_capabilities(struct imap_client *c, struct str words)
{
	buf_clear(&c->capabilities);
	c->capabilities.max = CAPABILITIES_MAX;
	buf_add(&c->capabilities, words);
}

bool imap_can(const struct imap_client *c, const char *capability)
{
	struct str rest = buf_str(&c->capabilities), want = str_of(capability);
	while (rest.n > 0)
		if (str_eqi(str_cut(&rest, ' '), want))
			return true;
	return false;
}

const char *imap_mechanism(const struct imap_client *c)
{
	return c->mechanism;
}

/* --- connecting ------------------------------------------------------------------- */

static struct imap_client *client_new(struct io *io, int64_t wait_ms)
{
	struct imap_client *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->io = io;
	c->wait_ms = wait_ms ? wait_ms : WAIT_MS;
	return c;
}

static void client_free(struct imap_client *c)
{
	io_free(c->io);
	buf_free(&c->line);
	buf_free(&c->capabilities);
	arena_reset(&c->arena);
	arena_reset(&c->life);
	free(c);
}

void imap_close(struct imap_client *c)
{
	struct buf b = { 0 };
	struct status st;
	struct err e;
	if (!c)
		return;
	if (io_error(c->io)->kind == ERR_NONE && !c->fetching) {
		c->wait_ms = CLOSE_MS;
		buf_addz(&b, "LOGOUT");
		(void)imap_command(c, &b, NULL, NULL, &st, &e);
	}
	client_free(c);
}

static bool greeted(struct imap_client *c, struct err *e)
{
	struct status st = { 0 };
	struct str word;
	enum response got = imap_response(c, &st, e);
	if (got == RESPONSE_END)
		return false;
	if (got != RESPONSE_DATA || !imap_word(c, &word, e))
		return imap_broken(c, e, "a greeting");
	bool ok = str_eqi(word, STR("OK"));
	c->preauth = str_eqi(word, STR("PREAUTH"));
	if (ok || c->preauth) {
		imap_status(c, &st);
		return true;
	}
	if (!str_eqi(word, STR("BYE")))
		return imap_broken(c, e, "a greeting");
	imap_status(c, &st);
	return err_set(e, ERR_TEMP, "the server wants no conversation: %.*s", (int)(st.text.n < 150 ? st.text.n : 150),
		       st.text.p);
}

static bool pinned(struct imap_client *c, const uint8_t *pin, struct err *e)
{
	uint8_t got[32];
	char hex[65];
	if (!pin)
		return true;
	if (!io_tls_peer_sha256(c->io, got))
		return err_set(e, ERR_PERM, "the server has shown no certificate");
	if (CRYPTO_memcmp(got, pin, sizeof got) == 0)
		return true;
	for (size_t i = 0; i < sizeof got; i++)
		snprintf(hex + 2 * i, 3, "%02x", got[i]);
	return err_set(e, ERR_PERM, "the server's certificate is not the pinned one; its SHA-256 is %s", hex);
}

static bool secure(struct imap_client *c, const struct imap_to *to, struct err *e)
{
	return io_tls_connect(c->io, to->tls, to->host, e) && pinned(c, to->pin, e);
}

static bool start_tls(struct imap_client *c, const struct imap_to *to, struct err *e)
{
	if (c->preauth)
		return err_set(e, ERR_PERM, "the server lets us in before STARTTLS: somebody may stand between");
	if (c->capabilities.n == 0 && !simple(c, "CAPABILITY", NULL, NULL, e))
		return false;
	if (!imap_can(c, "STARTTLS"))
		return err_set(e, ERR_PERM, "the server has no STARTTLS on this port");
	if (!simple(c, "STARTTLS", NULL, NULL, e))
		return false;
	buf_clear(&c->capabilities); /* said in the clear: RFC 9051 6.2.1 */
	return secure(c, to, e);
}

static bool open_up(struct imap_client *c, const struct imap_to *to, struct err *e)
{
	if (to && to->secure == IMAP_SECURE_TLS && !secure(c, to, e))
		return false;
	if (!greeted(c, e) || (to && to->secure == IMAP_SECURE_STARTTLS && !start_tls(c, to, e)))
		return false;
	return c->capabilities.n > 0 || simple(c, "CAPABILITY", NULL, NULL, e);
}

struct imap_client *imap_connect(const struct imap_to *to, struct err *e)
{
	int64_t connect_ms = to->connect_ms ? to->connect_ms : CONNECT_MS;
	struct io *io = NULL;
	err_set(e, ERR_TEMP, "%.*s has no address", STRF(to->host));
	for (size_t i = 0; i < to->nat && !io; i++)
		if (!io_connect(&io, to->at[i], connect_ms, e))
			io = NULL;
	if (!io)
		return NULL;
	struct imap_client *c = client_new(io, connect_ms);
	if (!open_up(c, to, e)) {
		client_free(c);
		return NULL;
	}
	c->wait_ms = to->wait_ms ? to->wait_ms : WAIT_MS;
	return c;
}

struct imap_client *imap_over(struct io *io, struct err *e)
{
	struct imap_client *c = client_new(io, 0);
	if (open_up(c, NULL, e))
		return c;
	client_free(c);
	return NULL;
}

/* --- mailboxes -------------------------------------------------------------------- */

/* One namespace of three: NIL, or (("prefix" "/" ...) ...). */
static bool take_spaces(struct imap_client *c, bool personal, struct err *e)
{
	struct str prefix, delimiter;
	bool nil, first = true;
	if (!imap_try(c, '('))
		return imap_text(c, &prefix, &nil, e) && (nil || imap_broken(c, e, "a namespace or NIL"));
	while (!imap_try(c, ')')) {
		if (imap_try(c, ' '))
			continue;
		if (!imap_char(c, '(', e) || !imap_text(c, &prefix, &nil, e) || !imap_char(c, ' ', e) ||
		    !imap_text(c, &delimiter, &nil, e))
			return false;
		while (imap_try(c, ' '))
			if (!imap_value(c, e)) /* extensions */
				return false;
		if (!imap_char(c, ')', e))
			return false;
		if (personal && first) {
			c->personal = str_dup(&c->life, prefix);
			c->delimiter = delimiter.n > 0 ? *delimiter.p : 0;
		} else if (!personal && prefix.n > 0 && c->nforeign < NAMESPACES_MAX) {
			c->foreign[c->nforeign++] = str_dup(&c->life, prefix);
		}
		first = false;
	}
	return true;
}

static bool take_namespace(struct imap_client *c, struct str word, uint64_t number, void *ctx, struct err *e)
{
	(void)number, (void)ctx;
	if (!str_eqi(word, STR("NAMESPACE")))
		return true;
	for (int i = 0; i < 3; i++)
		if (!imap_char(c, ' ', e) || !take_spaces(c, i == 0, e))
			return false;
	return true;
}

static bool take_delimiter(struct imap_client *c, struct str word, uint64_t number, void *ctx, struct err *e)
{
	struct str s;
	unsigned flags;
	bool nil;
	(void)number, (void)ctx;
	if (!str_eqi(word, STR("LIST")))
		return true;
	if (!imap_char(c, ' ', e) || !imap_flags(c, &flags, &s, e) || !imap_char(c, ' ', e) ||
	    !imap_text(c, &s, &nil, e))
		return false;
	c->delimiter = s.n > 0 ? *s.p : 0;
	return true;
}

/* Once: how names are made here. */
static bool know_spaces(struct imap_client *c, struct err *e)
{
	if (c->spaces_known)
		return true;
	c->personal = STR_NONE;
	c->spaces_known = imap_can(c, "NAMESPACE") ? simple(c, "NAMESPACE", take_namespace, NULL, e)
						   : simple(c, "LIST \"\" \"\"", take_delimiter, NULL, e);
	return c->spaces_known;
}

static const struct {
	const char *attribute;
	enum special_use use;
} uses[] = {
	{ "\\Sent", USE_SENT }, { "\\Archive", USE_ARCHIVE }, { "\\Trash", USE_TRASH },     { "\\Drafts", USE_DRAFTS },
	{ "\\Junk", USE_JUNK }, { "\\All", USE_ALL },         { "\\Flagged", USE_FLAGGED },
};

static bool take_attributes(struct imap_client *c, struct imap_box *b, struct err *e)
{
	struct str word;
	b->selectable = true;
	if (!imap_char(c, '(', e))
		return false;
	while (!imap_try(c, ')')) {
		if (imap_try(c, ' '))
			continue;
		if (!imap_word(c, &word, e))
			return false;
		if (str_eqi(word, STR("\\Noselect")) || str_eqi(word, STR("\\NonExistent")))
			b->selectable = false;
		for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
			if (str_eqi(word, str_of(uses[i].attribute)))
				b->use = uses[i].use;
	}
	return true;
}

/* Ours from theirs: without the prefix, "/" for the delimiter; a "/" that stands in a level becomes "_". */
static struct str name_of(const struct imap_client *c, struct str wire, char delimiter, struct arena *a)
{
	struct str utf8, rest = wire;
	if (c->personal.n > 0 && str_starts(wire, c->personal))
		rest = str_sub(wire, c->personal.n, wire.n);
	if (rest.n == 0 || !utf7_decode(rest, a, &utf8))
		utf8 = rest.n == 0 ? wire : rest; /* a server that breaks the rule; the store says if it is no name */
	char *p = arena_alloc(a, utf8.n);
	for (size_t i = 0; i < utf8.n; i++) {
		char ch = utf8.p[i];
		p[i] = delimiter && ch == delimiter ? '/' : ch == '/' ? '_' : ch;
	}
	/* "INBOX" in any case and its children. */
	if (utf8.n >= 5 && str_startsi(utf8, STR("INBOX")) && (utf8.n == 5 || p[5] == '/'))
		memcpy(p, "INBOX", 5);
	return (struct str){ p, utf8.n };
}

struct listing {
	struct arena *a;
	struct imap_box *boxes;
	size_t n, cap;
};

static bool is_foreign(const struct imap_client *c, struct str wire)
{
	for (size_t i = 0; i < c->nforeign; i++) {
		struct str prefix = c->foreign[i];
		/* "user/" itself is listed without its delimiter. */
		if (str_starts(wire, prefix) || str_eq(wire, str_sub(prefix, 0, prefix.n - 1)))
			return true;
	}
	return false;
}

static bool take_list(struct imap_client *c, struct str word, uint64_t number, void *ctx, struct err *e)
{
	struct listing *l = ctx;
	struct imap_box b = { 0 };
	struct str delimiter, wire;
	bool nil;
	(void)number;
	if (!str_eqi(word, STR("LIST")))
		return true;
	if (!imap_char(c, ' ', e) || !take_attributes(c, &b, e) || !imap_char(c, ' ', e) ||
	    !imap_text(c, &delimiter, &nil, e) || !imap_char(c, ' ', e) || !imap_text(c, &wire, &nil, e))
		return false;
	if (l->n == IMAP_CLIENT_LIST)
		return imap_broken(c, e, "fewer mailboxes");
	b.wire = str_dup(l->a, wire);
	b.name = name_of(c, b.wire, delimiter.n > 0 ? *delimiter.p : 0, l->a);
	b.foreign = is_foreign(c, wire);
	l->boxes = arena_grow(l->a, l->boxes, &l->cap, l->n + 1, sizeof *l->boxes);
	l->boxes[l->n++] = b;
	return true;
}

bool imap_list(struct imap_client *c, struct arena *a, struct imap_box **out, size_t *n, struct err *e)
{
	struct listing l = { .a = a };
	bool said = imap_can(c, "SPECIAL-USE") && imap_can(c, "LIST-EXTENDED");
	if (!know_spaces(c, e) ||
	    !simple(c, said ? "LIST \"\" \"*\" RETURN (SPECIAL-USE)" : "LIST \"\" \"*\"", take_list, &l, e))
		return false;
	*out = l.boxes;
	*n = l.n;
	return true;
}

struct str imap_wire(struct imap_client *c, struct str name, struct arena *a)
{
	struct err ignored;
	struct buf b = { 0 };
	bool inbox = str_eqi(name, STR("INBOX"));
	(void)know_spaces(c, &ignored); /* without it: no prefix, no delimiter */
	char *p = arena_alloc(a, name.n);
	for (size_t i = 0; i < name.n; i++)
		p[i] = name.p[i] == '/' && c->delimiter ? c->delimiter : name.p[i];
	utf7_encode(&b, (struct str){ p, name.n });
	struct str wire = str_cat(a, inbox ? STR_NONE : c->personal, buf_str(&b));
	buf_free(&b);
	return wire;
}

bool imap_create(struct imap_client *c, struct str wire, struct err *e)
{
	struct buf b = { 0 };
	struct status st;
	buf_addz(&b, "CREATE ");
	return add_name(&b, wire, e) && imap_command(c, &b, NULL, NULL, &st, e) && imap_answered(&st, "CREATE", e);
}

/* "* OK [UIDVALIDITY 12]", "* 5 EXISTS" */
static bool take_selected(struct imap_client *c, struct str word, uint64_t number, void *ctx, struct err *e)
{
	struct imap_selected *s = ctx;
	struct status st;
	uint64_t n;
	(void)e;
	if (str_eqi(word, STR("EXISTS")))
		s->exists = (uint32_t)number;
	if (!str_eqi(word, STR("OK")))
		return true;
	imap_status(c, &st);
	struct str rest = st.code, key = str_cut(&rest, ' ');
	if (!num_parse(rest, UINT32_MAX, &n))
		return true;
	if (str_eqi(key, STR("UIDVALIDITY")))
		s->uidvalidity = (uint32_t)n;
	if (str_eqi(key, STR("UIDNEXT")))
		s->uidnext = (uint32_t)n;
	return true;
}

bool imap_select(struct imap_client *c, struct str wire, bool look, struct imap_selected *out, struct err *e)
{
	struct buf b = { 0 };
	struct status st;
	*out = (struct imap_selected){ 0 };
	buf_addz(&b, look ? "EXAMINE " : "SELECT ");
	if (!add_name(&b, wire, e) || !imap_command(c, &b, take_selected, out, &st, e) ||
	    !imap_answered(&st, look ? "EXAMINE" : "SELECT", e))
		return false;
	out->read_only = str_eqi(st.code, STR("READ-ONLY"));
	return true;
}

/* --- messages ---------------------------------------------------------------------- */

bool imap_fetch(struct imap_client *c, bool uids, struct str set, const char *items, struct err *e)
{
	struct buf b = { 0 };
	buf_printf(&b, "%sFETCH %.*s %s", uids ? "UID " : "", STRF(set), items);
	c->fetching = false;
	bool ok = command_send(c, &b, e);
	buf_free(&b);
	c->fetching = ok;
	return ok;
}

/* BODY[HEADER.FIELDS (DATE)]: the part of the name behind the parenthesis. */
static bool end_section(struct imap_client *c, struct str word, struct err *e)
{
	if (str_chr(word, '[') == word.n || str_chr(word, ']') < word.n)
		return true;
	size_t end = str_chr(c->rest, ']');
	if (end == c->rest.n)
		return imap_broken(c, e, "the end of a section");
	c->rest = str_sub(c->rest, end + 1, c->rest.n);
	return true;
}

static bool take_item(struct imap_client *c, struct sink *body, uint64_t body_max, struct imap_message *m,
		      struct err *e)
{
	struct str word, text;
	uint64_t n;
	bool nil;
	if (!imap_word(c, &word, e))
		return false;
	bool whole = str_eqi(word, STR("BODY[]")), flags = str_eqi(word, STR("FLAGS")), uid = str_eqi(word, STR("UID"));
	bool size = str_eqi(word, STR("RFC822.SIZE")), date = str_eqi(word, STR("INTERNALDATE"));
	if (!end_section(c, word, e) || !imap_char(c, ' ', e))
		return false;
	if (uid || size) {
		if (!imap_number(c, uid ? UINT32_MAX : INT64_MAX, &n, e))
			return false;
		if (uid)
			m->uid = (uint32_t)n;
		else
			m->size = n;
		return true;
	}
	if (flags)
		return (m->has_flags = true) && imap_flags(c, &m->flags, &m->keywords, e);
	if (date)
		/* A date that is none is no reason to lose the message. */
		return imap_text(c, &text, &nil, e) &&
		       (date_parse_imap(text, &m->internal_wall_ms) || (m->internal_wall_ms = 0, true));
	if (whole && !m->has_body)
		return (m->has_body = true) && imap_body(c, body, body_max, &m->body_octets, &m->body_skipped, e);
	return imap_value(c, e);
}

static bool take_message(struct imap_client *c, struct sink *body, uint64_t body_max, struct imap_message *m,
			 struct err *e)
{
	if (!imap_char(c, ' ', e) || !imap_char(c, '(', e))
		return false;
	while (!imap_try(c, ')'))
		if (!imap_try(c, ' ') && !take_item(c, body, body_max, m, e))
			return false;
	return imap_skip(c, e);
}

enum imap_fetched imap_fetch_next(struct imap_client *c, struct sink *body, uint64_t body_max, struct imap_message *m,
				  struct err *e)
{
	struct status st;
	struct str word;
	uint64_t number;
	for (;;) {
		io_deadline(c->io, c->wait_ms);
		enum response got = imap_response(c, &st, e);
		if (got == RESPONSE_DONE) {
			c->fetching = false;
			return imap_answered(&st, "FETCH", e) ? IMAP_FETCH_END : IMAP_FETCH_ERROR;
		}
		if (got == RESPONSE_MORE)
			imap_broken(c, e, "no wish for more");
		if (got != RESPONSE_DATA || !data_word(c, &word, &number, e))
			return IMAP_FETCH_ERROR;
		if (str_eqi(word, STR("FETCH"))) {
			*m = (struct imap_message){ .seq = (uint32_t)number, .keywords = STR_NONE };
			return take_message(c, body, body_max, m, e) ? IMAP_FETCH_MESSAGE : IMAP_FETCH_ERROR;
		}
		if (!take_any(c, word, e))
			return IMAP_FETCH_ERROR;
	}
}

struct found {
	struct arena *a;
	uint32_t *uids;
	size_t n, cap;
};

static bool take_found(struct imap_client *c, struct str word, uint64_t number, void *ctx, struct err *e)
{
	struct found *f = ctx;
	uint64_t uid;
	(void)number;
	if (!str_eqi(word, STR("SEARCH")))
		return true;
	while (imap_try(c, ' ') && c->rest.n > 0 && *c->rest.p != '(') { /* "(MODSEQ n)" may end it: RFC 7162 */
		if (!imap_number(c, UINT32_MAX, &uid, e))
			return false;
		f->uids = arena_grow(f->a, f->uids, &f->cap, f->n + 1, sizeof *f->uids);
		f->uids[f->n++] = (uint32_t)uid;
	}
	return true;
}

static int by_uid(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	return a < b ? -1 : a > b;
}

bool imap_search(struct imap_client *c, const char *keys, struct arena *a, uint32_t **uids, size_t *n, struct err *e)
{
	struct found f = { .a = a };
	struct buf b = { 0 };
	struct status st;
	buf_printf(&b, "UID SEARCH %s", keys);
	if (!imap_command(c, &b, take_found, &f, &st, e) || !imap_answered(&st, "SEARCH", e))
		return false;
	if (f.n > 0)
		qsort(f.uids, f.n, sizeof *f.uids, by_uid);
	*uids = f.uids;
	*n = f.n;
	return true;
}

static void add_flags(struct buf *b, unsigned flags, struct str keywords)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
	const char *between = "";
	buf_addc(b, '(');
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (flags & 1u << i) {
			buf_printf(b, "%s%s", between, names[i]);
			between = " ";
		}
	if (keywords.n > 0)
		buf_printf(b, "%s%.*s", between, STRF(keywords));
	buf_addc(b, ')');
}

bool imap_store(struct imap_client *c, struct str set, char op, unsigned flags, struct str keywords, struct err *e)
{
	struct buf b = { 0 };
	struct status st;
	const char sign[] = { op == '=' ? 0 : op, 0 };
	buf_printf(&b, "UID STORE %.*s %sFLAGS.SILENT ", STRF(set), sign);
	add_flags(&b, flags, keywords);
	return imap_command(c, &b, NULL, NULL, &st, e) && imap_answered(&st, "STORE", e);
}

/* The literal: at once where the server takes that (RFC 7888), else when it asks for it. */
static bool append_literal(struct imap_client *c, struct buf *b, uint64_t octets, struct status *st, bool *refused,
			   struct err *e)
{
	bool at_once = imap_can(c, "LITERAL+") ||
		       (octets <= 4096 && (imap_can(c, "LITERAL-") || imap_can(c, "IMAP4rev2")));
	buf_printf(b, "{%llu%s}", (unsigned long long)octets, at_once ? "+" : "");
	if (!command_send(c, b, e))
		return false;
	while (!at_once) {
		enum response got = imap_response(c, st, e);
		if (got == RESPONSE_END || (got == RESPONSE_DATA && !take_data(c, NULL, NULL, e)))
			return false;
		*refused = got == RESPONSE_DONE;
		if (got == RESPONSE_MORE || got == RESPONSE_DONE)
			break;
	}
	return !*refused || st->answer != ANSWER_OK || imap_broken(c, e, "a refusal, or a wish for the message");
}

bool imap_append(struct imap_client *c, struct str wire, unsigned flags, struct str keywords, int64_t internal_wall_ms,
		 const struct str *parts, size_t nparts, struct imap_appended *out, struct err *e)
{
	struct buf b = { 0 };
	struct status st = { 0 };
	uint64_t octets = 0, n;
	bool refused = false;
	*out = (struct imap_appended){ 0 };
	for (size_t i = 0; i < nparts; i++)
		octets += parts[i].n;
	buf_addz(&b, "APPEND ");
	if (!add_name(&b, wire, e))
		return false;
	buf_addc(&b, ' ');
	add_flags(&b, flags, keywords);
	buf_addc(&b, ' ');
	if (internal_wall_ms) {
		buf_addc(&b, '"');
		date_print_imap(&b, internal_wall_ms);
		buf_addz(&b, "\" ");
	}
	bool ok = append_literal(c, &b, octets, &st, &refused, e);
	buf_free(&b);
	for (size_t i = 0; i < nparts && ok && !refused; i++)
		ok = imap_send(c, parts[i], e);
	if (ok && !refused)
		ok = imap_send(c, STR("\r\n"), e) && command_end(c, NULL, NULL, &st, e);
	if (!ok || !imap_answered(&st, "APPEND", e))
		return false;
	struct str rest = st.code;
	if (str_eqi(str_cut(&rest, ' '), STR("APPENDUID")) && num_parse(str_cut(&rest, ' '), UINT32_MAX, &n)) {
		out->uidvalidity = (uint32_t)n;
		if (num_parse(rest, UINT32_MAX, &n))
			out->uid = (uint32_t)n;
	}
	return true;
}
