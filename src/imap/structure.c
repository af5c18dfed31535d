#include "imap/structure.h"
#include "imap/say.h"
#include "mail/address.h"

/* An address without a domain would read as the beginning of a group: its host is empty, not NIL. */
static void say_address(struct buf *b, const struct mailaddr *x)
{
	bool box = x->kind == MAILADDR_BOX;
	buf_addc(b, '(');
	say_nstring(b, x->name, box && x->name.n > 0);
	buf_addc(b, ' ');
	say_nstring(b, x->route, box && x->route.n > 0);
	buf_addc(b, ' ');
	say_nstring(b, box ? x->local : x->name, x->kind != MAILADDR_END);
	buf_addc(b, ' ');
	say_nstring(b, x->domain, box);
	buf_addc(b, ')');
}

static void say_addresses(struct buf *b, struct str value, struct arena *a)
{
	struct mailaddr *all;
	size_t n = 0;
	bool more;
	if (value.n == 0 || !addresses_parse(value, a, &all, &n, &more) || n == 0) {
		buf_addz(b, "NIL");
		return;
	}
	buf_addc(b, '(');
	for (size_t i = 0; i < n; i++)
		say_address(b, &all[i]);
	buf_addc(b, ')');
}

enum {
	HAVE_DATE,
	HAVE_SUBJECT,
	HAVE_FROM,
	HAVE_SENDER,
	HAVE_REPLY_TO,
	HAVE_TO,
	HAVE_CC,
	HAVE_BCC,
	HAVE_IN_REPLY_TO,
	HAVE_ID
};

void say_envelope(struct buf *b, const struct envelope *e, struct arena *a)
{
	static const struct envelope none;
	if (!e)
		e = &none;
	/* Sender and Reply-To that are missing or empty are From (RFC 3501 7.4.2). */
	struct str sender = e->sender.n ? e->sender : e->from, reply_to = e->reply_to.n ? e->reply_to : e->from;
	struct str lists[] = { e->from, sender, reply_to, e->to, e->cc, e->bcc };
	buf_addc(b, '(');
	say_nstring(b, e->date, e->have & 1 << HAVE_DATE);
	buf_addc(b, ' ');
	say_nstring(b, e->subject, e->have & 1 << HAVE_SUBJECT);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		buf_addc(b, ' ');
		say_addresses(b, lists[i], a);
	}
	buf_addc(b, ' ');
	say_nstring(b, e->in_reply_to, e->have & 1 << HAVE_IN_REPLY_TO);
	buf_addc(b, ' ');
	say_nstring(b, e->message_id, e->have & 1 << HAVE_ID);
	buf_addc(b, ')');
}

static bool ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 || (unsigned char)s.p[i] < ' ')
			return false;
	return true;
}

/* Text beyond ASCII goes as RFC 2231 writes it: name*=utf-8''%C3%A4, as it may have come. */
static void say_param(struct buf *b, const struct param *p, struct arena *a)
{
	if (ascii(p->value)) {
		say_string(b, p->name);
		buf_addc(b, ' ');
		say_string(b, p->value);
		return;
	}
	struct buf v = { 0 };
	buf_addz(&v, "utf-8''");
	for (size_t i = 0; i < p->value.n; i++) {
		char c = p->value.p[i];
		if (ch_alnum(c) || c == '.' || c == '-' || c == '_')
			buf_addc(&v, c);
		else
			buf_printf(&v, "%%%02X", (unsigned char)c);
	}
	say_string(b, str_cat(a, p->name, STR("*")));
	buf_addc(b, ' ');
	say_string(b, buf_str(&v));
	buf_free(&v);
}

static void say_params(struct buf *b, const struct param *p, size_t n, struct arena *a)
{
	if (n == 0) {
		buf_addz(b, "NIL");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		buf_addc(b, i ? ' ' : '(');
		say_param(b, &p[i], a);
	}
	buf_addc(b, ')');
}

/* body-fld-dsp, body-fld-lang, body-fld-loc. */
static void say_extension(struct buf *b, const struct part *p, struct arena *a)
{
	if (p->disposition.n) {
		buf_addz(b, " (");
		say_string(b, p->disposition);
		buf_addc(b, ' ');
		say_params(b, p->disp_params, p->ndisp_params, a);
		buf_addc(b, ')');
	} else {
		buf_addz(b, " NIL");
	}
	buf_addz(b, p->nlanguages ? " (" : " NIL");
	for (size_t i = 0; i < p->nlanguages; i++) {
		if (i)
			buf_addc(b, ' ');
		say_string(b, p->languages[i]);
	}
	if (p->nlanguages)
		buf_addc(b, ')');
	buf_addc(b, ' ');
	say_nstring(b, p->location, p->location.n > 0);
}

static void say_multipart(struct buf *b, const struct part *p, bool extended, struct arena *a)
{
	for (const struct part *c = p->child; c; c = c->next)
		say_structure(b, c, extended, a);
	if (!p->child) /* the grammar wants at least one part */
		buf_addz(b, extended ? "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"
				     : "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
	buf_addc(b, ' ');
	say_string(b, p->subtype);
	if (!extended)
		return;
	buf_addc(b, ' ');
	say_params(b, p->params, p->nparams, a);
	say_extension(b, p, a);
}

static void say_leaf(struct buf *b, const struct part *p, bool extended, struct arena *a)
{
	/* Only MESSAGE/RFC822 has more fields in this grammar; what could not be opened (nested too deep) is octets. */
	bool message = p->message && p->child && str_eqi(p->subtype, STR("RFC822"));
	bool closed = !message && str_eqi(p->type, STR("MESSAGE")) && str_eqi(p->subtype, STR("RFC822"));
	say_string(b, closed ? STR("APPLICATION") : p->type);
	buf_addc(b, ' ');
	say_string(b, closed ? STR("OCTET-STREAM") : p->subtype);
	buf_addc(b, ' ');
	say_params(b, p->params, p->nparams, a);
	buf_addc(b, ' ');
	say_nstring(b, p->id, p->id.n > 0);
	buf_addc(b, ' ');
	say_nstring(b, p->description, p->description.n > 0);
	buf_addc(b, ' ');
	say_string(b, p->encoding.n ? p->encoding : STR("7BIT"));
	buf_printf(b, " %u", p->end - p->body_at);
	if (message) {
		buf_addc(b, ' ');
		say_envelope(b, p->child->envelope, a);
		buf_addc(b, ' ');
		say_structure(b, p->child, extended, a);
	}
	if (message || str_eqi(p->type, STR("TEXT")))
		buf_printf(b, " %u", p->lines);
	if (!extended)
		return;
	buf_addc(b, ' ');
	say_nstring(b, p->md5, p->md5.n > 0);
	say_extension(b, p, a);
}

void say_structure(struct buf *b, const struct part *p, bool extended, struct arena *a)
{
	buf_addc(b, '(');
	if (p->multipart)
		say_multipart(b, p, extended, a);
	else
		say_leaf(b, p, extended, a);
	buf_addc(b, ')');
}
