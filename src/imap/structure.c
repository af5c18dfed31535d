#include "imap/structure.h"
#include "mail/address.h"
#include "mail/words.h"

#define QUOTED_MAX 1000 /* a longer string is a literal: some clients read lines into fixed room */

void say_number(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;
	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	buf_add(b, (struct str){ digits + at, sizeof digits - at });
}

enum quotes { AS_IT_IS, WITH_ESCAPES, NOT_QUOTED };

static enum quotes look_at(struct str s, enum say_utf8 utf8)
{
	bool high = false, escapes = false;
	if (s.n > QUOTED_MAX)
		return NOT_QUOTED;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\0' || c == '\r' || c == '\n')
			return NOT_QUOTED;
		high |= (unsigned char)c >= 0x80;
		escapes |= c == '"' || c == '\\';
	}
	if (high && (utf8 == SAY_ASCII || !utf8_valid(s)))
		return NOT_QUOTED;
	return escapes ? WITH_ESCAPES : AS_IT_IS;
}

void say_text(struct buf *b, struct str s, enum say_utf8 utf8)
{
	enum quotes how = look_at(s, utf8);
	if (how == NOT_QUOTED) {
		buf_addc(b, '{');
		say_number(b, s.n);
		buf_add(b, STR("}\r\n"));
		buf_add(b, s);
		return;
	}
	char *p = buf_reserve(b, 2 * s.n + 2);
	size_t n = 0;
	p[n++] = '"';
	if (how == AS_IT_IS) {
		memcpy(p + n, s.p, s.n);
		n += s.n;
	}
	for (size_t i = 0; how == WITH_ESCAPES && i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			p[n++] = '\\';
		p[n++] = s.p[i];
	}
	p[n++] = '"';
	b->n += n;
}

static void say_or_nil(struct buf *b, struct str s, bool present, enum say_utf8 utf8)
{
	if (present)
		say_text(b, s, utf8);
	else
		buf_add(b, STR("NIL"));
}

/* An address without a domain would read as the beginning of a group: its host is empty, not NIL. */
static void say_address(struct buf *b, const struct mailaddr *x, enum say_utf8 utf8)
{
	bool box = x->kind == MAILADDR_BOX;
	buf_addc(b, '(');
	say_or_nil(b, x->name, box && x->name.n > 0, utf8);
	buf_addc(b, ' ');
	say_or_nil(b, x->route, box && x->route.n > 0, utf8);
	buf_addc(b, ' ');
	say_or_nil(b, box ? x->local : x->name, x->kind != MAILADDR_END, utf8);
	buf_addc(b, ' ');
	say_or_nil(b, x->domain, box, utf8);
	buf_addc(b, ')');
}

/* What does not parse is left out; false when nothing is left, and nothing was said. */
static bool say_addresses(struct buf *b, struct str value, enum say_utf8 utf8, struct arena *a)
{
	struct mailaddr *all;
	size_t n = 0;
	bool more;
	if (value.n == 0)
		return false;
	addresses_parse(value, a, &all, &n, &more);
	if (n == 0)
		return false;
	buf_addc(b, '(');
	for (size_t i = 0; i < n; i++)
		say_address(b, &all[i], utf8);
	buf_addc(b, ')');
	return true;
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

/* What has been said in [from, to) of the buffer, again. */
static void say_again(struct buf *b, size_t from, size_t to)
{
	char *p = buf_reserve(b, to - from);
	memcpy(p, b->p + from, to - from);
	b->n += to - from;
}

void say_envelope(struct buf *b, const struct envelope *e, enum say_utf8 utf8, struct arena *a)
{
	static const struct envelope none;
	if (!e)
		e = &none;
	buf_addc(b, '(');
	say_or_nil(b, e->date, e->have & 1 << HAVE_DATE, utf8);
	buf_addc(b, ' ');
	say_or_nil(b, e->subject, e->have & 1 << HAVE_SUBJECT, utf8);
	buf_addc(b, ' ');
	size_t from = b->n;
	if (!say_addresses(b, e->from, utf8, a))
		buf_add(b, STR("NIL"));
	size_t to = b->n;
	struct str lists[] = { e->sender, e->reply_to, e->to, e->cc, e->bcc };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		buf_addc(b, ' ');
		if (say_addresses(b, lists[i], utf8, a))
			continue;
		if (i < 2) /* Sender and Reply-To that are missing or empty are From (RFC 3501 7.4.2) */
			say_again(b, from, to);
		else
			buf_add(b, STR("NIL"));
	}
	buf_addc(b, ' ');
	say_or_nil(b, e->in_reply_to, e->have & 1 << HAVE_IN_REPLY_TO, utf8);
	buf_addc(b, ' ');
	say_or_nil(b, e->message_id, e->have & 1 << HAVE_ID, utf8);
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
static void say_param(struct buf *b, const struct param *p, enum say_utf8 utf8, struct arena *a)
{
	if (ascii(p->value) || (utf8 == SAY_UTF8 && utf8_valid(p->value))) {
		say_text(b, p->name, utf8);
		buf_addc(b, ' ');
		say_text(b, p->value, utf8);
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
	say_text(b, str_cat(a, p->name, STR("*")), utf8);
	buf_addc(b, ' ');
	say_text(b, buf_str(&v), utf8);
	buf_free(&v);
}

static void say_params(struct buf *b, const struct param *p, size_t n, enum say_utf8 utf8, struct arena *a)
{
	if (n == 0) {
		buf_add(b, STR("NIL"));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		buf_addc(b, i ? ' ' : '(');
		say_param(b, &p[i], utf8, a);
	}
	buf_addc(b, ')');
}

/* body-fld-dsp, body-fld-lang, body-fld-loc. */
static void say_extension(struct buf *b, const struct part *p, enum say_utf8 utf8, struct arena *a)
{
	if (p->disposition.n) {
		buf_add(b, STR(" ("));
		say_text(b, p->disposition, utf8);
		buf_addc(b, ' ');
		say_params(b, p->disp_params, p->ndisp_params, utf8, a);
		buf_addc(b, ')');
	} else {
		buf_add(b, STR(" NIL"));
	}
	buf_addz(b, p->nlanguages ? " (" : " NIL");
	for (size_t i = 0; i < p->nlanguages; i++) {
		if (i)
			buf_addc(b, ' ');
		say_text(b, p->languages[i], utf8);
	}
	if (p->nlanguages)
		buf_addc(b, ')');
	buf_addc(b, ' ');
	say_or_nil(b, p->location, p->location.n > 0, utf8);
}

static void say_multipart(struct buf *b, const struct part *p, bool extended, enum say_utf8 utf8, struct arena *a)
{
	for (const struct part *c = p->child; c; c = c->next)
		say_structure(b, c, extended, utf8, a);
	if (!p->child) /* the grammar wants at least one part */
		buf_addz(b, extended ? "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"
				     : "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
	buf_addc(b, ' ');
	say_text(b, p->subtype, utf8);
	if (!extended)
		return;
	buf_addc(b, ' ');
	say_params(b, p->params, p->nparams, utf8, a);
	say_extension(b, p, utf8, a);
}

static void say_leaf(struct buf *b, const struct part *p, bool extended, enum say_utf8 utf8, struct arena *a)
{
	/* MESSAGE/RFC822 has more fields in the grammar, and GLOBAL for those who read UTF-8 (RFC 9051 9); what could
	 * not be opened (nested too deep) is octets. */
	bool inside = str_eqi(p->type, STR("MESSAGE")) &&
		      (str_eqi(p->subtype, STR("RFC822")) || (utf8 != SAY_ASCII && str_eqi(p->subtype, STR("GLOBAL"))));
	bool message = inside && p->message && p->child, closed = inside && !message;
	say_text(b, closed ? STR("APPLICATION") : p->type, utf8);
	buf_addc(b, ' ');
	say_text(b, closed ? STR("OCTET-STREAM") : p->subtype, utf8);
	buf_addc(b, ' ');
	say_params(b, p->params, p->nparams, utf8, a);
	buf_addc(b, ' ');
	say_or_nil(b, p->id, p->id.n > 0, utf8);
	buf_addc(b, ' ');
	say_or_nil(b, p->description, p->description.n > 0, utf8);
	buf_addc(b, ' ');
	say_text(b, p->encoding.n ? p->encoding : STR("7BIT"), utf8);
	buf_addc(b, ' ');
	say_number(b, p->end - p->body_at);
	if (message) {
		buf_addc(b, ' ');
		say_envelope(b, p->child->envelope, utf8, a);
		buf_addc(b, ' ');
		say_structure(b, p->child, extended, utf8, a);
	}
	if (message || str_eqi(p->type, STR("TEXT"))) {
		buf_addc(b, ' ');
		say_number(b, p->lines);
	}
	if (!extended)
		return;
	buf_addc(b, ' ');
	say_or_nil(b, p->md5, p->md5.n > 0, utf8);
	say_extension(b, p, utf8, a);
}

void say_structure(struct buf *b, const struct part *p, bool extended, enum say_utf8 utf8, struct arena *a)
{
	buf_addc(b, '(');
	if (p->multipart)
		say_multipart(b, p, extended, utf8, a);
	else
		say_leaf(b, p, extended, utf8, a);
	buf_addc(b, ')');
}
