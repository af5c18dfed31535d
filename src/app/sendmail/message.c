#include "app/sendmail/message.h"

#include <sysexits.h>

#include "app/sendmail/options.h"
#include "mail/address.h"
#include "mail/compose.h"
#include "mail/header.h"

struct making {
	const struct sendmail_options *o;
	const struct who *who;
	struct arena *a;
	struct sendmail_message *m;
	size_t cap;
	struct buf *why;
	int *code;
};

size_t message_dot(struct str input)
{
	for (size_t at = 0; at < input.n;) {
		struct str rest = str_sub(input, at, input.n), line = str_line(&rest);
		if (str_eq(str_chomp(line), STR(".")))
			return at;
		at += line.n;
	}
	return input.n;
}

static bool wrong(struct making *k, int code, const char *what, struct str which)
{
	*k->code = code;
	buf_printf(k->why, "%s%s%.*s", what, which.n ? ": " : "", STRF(str_sub(which, 0, 200)));
	return false;
}

/* --- recipients ---------------------------------------------------------------- */

/* With the host's name, where there is no domain. */
static bool full_address(struct making *k, struct str local, struct str domain, struct str *out)
{
	struct address x = { .local = local, .domain = domain.n ? domain : k->who->host }, check;
	*out = address_text(k->a, &x);
	return local.n > 0 && address_parse(*out, k->a, &check);
}

static bool add_rcpt(struct making *k, struct str local, struct str domain, struct str given)
{
	struct str address;
	if (!full_address(k, local, domain, &address))
		return wrong(k, EX_USAGE, "no address that mail could be sent to", given);
	for (size_t i = 0; i < k->m->nrcpts; i++)
		if (str_eqi(k->m->rcpts[i], address))
			return true;
	if (k->m->nrcpts == SENDMAIL_RCPTS)
		return wrong(k, EX_USAGE, "too many recipients", STR_NONE);
	if (k->m->nrcpts == k->cap)
		k->m->rcpts = arena_grow(k->a, k->m->rcpts, &k->cap, k->cap + 1, sizeof *k->m->rcpts);
	k->m->rcpts[k->m->nrcpts++] = address;
	return true;
}

/* "a@b, Ann <c@d>": from a header, or an argument, where mailx puts several into one. */
static bool add_list(struct making *k, struct str value)
{
	struct mailaddr *list;
	size_t n;
	bool more;
	if (!addresses_parse(value, k->a, &list, &n, &more))
		return wrong(k, EX_USAGE, "cannot be read as addresses", str_trim(value));
	for (size_t i = 0; i < n; i++)
		if (list[i].kind == MAILADDR_BOX &&
		    !add_rcpt(k, list[i].local.n ? list[i].local : list[i].name, list[i].domain, str_trim(value)))
			return false;
	return true;
}

static bool add_field(struct making *k, struct str block, const char *name)
{
	struct header h;
	while (header_next(&block, &h))
		if (str_eqi(h.name, str_of(name)) && !add_list(k, header_unfold(k->a, h.value)))
			return false;
	return true;
}

static bool recipients(struct making *k, struct str block)
{
	/* No -t and no recipients, but a To: that is cronie, and it means -t. */
	bool fields = k->o->from_header || k->o->nrcpts == 0;
	for (size_t i = 0; i < k->o->nrcpts; i++)
		if (!add_list(k, str_of(k->o->rcpts[i])))
			return false;
	if (fields && (!add_field(k, block, "To") || !add_field(k, block, "Cc") || !add_field(k, block, "Bcc")))
		return false;
	return k->m->nrcpts > 0 ||
	       wrong(k, EX_USAGE, "no recipients: name them on the command line, or use -t and a To field", STR_NONE);
}

/* --- the header ------------------------------------------------------------------- */

static bool is_header_line(struct str line)
{
	size_t colon = str_chr(line, ':');
	for (size_t i = 0; i < colon; i++)
		if (line.p[i] <= ' ' || (unsigned char)line.p[i] >= 0x7f)
			return false;
	return colon > 0 && colon < line.n;
}

/* Where the body begins: after the blank line, or at the first line that is no field (a program without a header). */
static size_t header_end(struct str input, size_t *body)
{
	size_t at = 0;
	while (at < input.n) {
		struct str rest = str_sub(input, at, input.n), line = str_line(&rest), text = str_chomp(line);
		if (text.n == 0) {
			*body = at + line.n;
			return at;
		}
		if (!is_header_line(text) && !(at > 0 && ch_blank(text.p[0])))
			break;
		at += line.n;
	}
	*body = at;
	return at;
}

/* CRLF at each line's end; one at the very end. */
static void add_lines(struct buf *b, struct str text)
{
	while (text.n > 0) {
		struct str line = str_line(&text);
		buf_add(b, str_chomp(line));
		buf_addz(b, "\r\n");
	}
}

static void add_from(struct making *k)
{
	struct address x = { .local = k->who->login, .domain = k->who->host }, given;
	struct str name = k->o->name ? str_of(k->o->name) : k->who->name;
	if (k->m->sender.n > 0 && address_parse(k->m->sender, k->a, &given))
		x = given;
	compose_address(&k->m->text, "From", name, &x);
}

static void add_missing(struct making *k, struct str block)
{
	struct header h;
	struct buf *b = &k->m->text;
	if (!header_find(block, STR("Date"), &h))
		compose_date(b, "Date", k->who->now_wall_ms);
	if (!header_find(block, STR("From"), &h))
		add_from(k);
	if (!header_find(block, STR("Message-ID"), &h))
		buf_printf(b, "Message-ID: <%s@%.*s>\r\n", k->who->id, STRF(k->who->host));
	if (k->o->subject)
		compose_text(b, "Subject", str_of(k->o->subject));
	if (header_find(block, STR("To"), &h) || header_find(block, STR("Cc"), &h))
		return;
	if (k->o->nrcpts == 0 || k->o->from_header) { /* all were in Bcc: nobody is to be seen */
		buf_addz(b, "To: undisclosed-recipients:;\r\n");
		return;
	}
	struct buf to = { 0 };
	for (size_t i = 0; i < k->m->nrcpts; i++)
		buf_printf(&to, "%s%.*s", i ? ", " : "", STRF(k->m->rcpts[i]));
	compose_raw(b, "To", buf_str(&to));
	buf_free(&to);
}

static void add_header(struct making *k, struct str block)
{
	struct str rest = block;
	struct header h;
	add_missing(k, block);
	while (header_next(&rest, &h)) {
		if (str_eqi(h.name, STR("Bcc")) || str_eqi(h.name, STR("Resent-Bcc")) ||
		    (k->o->subject && str_eqi(h.name, STR("Subject"))))
			continue;
		add_lines(&k->m->text, h.whole);
	}
	buf_addz(&k->m->text, "\r\n");
}

static bool find_sender(struct making *k)
{
	struct mailaddr *list;
	size_t n;
	bool more;
	if (!k->o->sender)
		return full_address(k, k->who->login, STR_NONE, &k->m->sender) ||
		       wrong(k, EX_NOUSER, "your login name makes no address; use -f", k->who->login);
	struct str given = str_trim(str_of(k->o->sender));
	k->m->sender = STR_NONE;
	if (given.n == 0 || str_eq(given, STR("<>")))
		return true;
	if (!addresses_parse(given, k->a, &list, &n, &more) || n != 1 ||
	    !full_address(k, list[0].local.n ? list[0].local : list[0].name, list[0].domain, &k->m->sender))
		return wrong(k, EX_USAGE, "-f needs one address", given);
	return true;
}

static bool beyond_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}

bool message_make(const struct sendmail_options *o, const struct who *who, struct str input, struct arena *a,
		  struct sendmail_message *out, int *code, struct buf *why)
{
	struct making k = { .o = o, .who = who, .a = a, .m = out, .why = why, .code = code };
	size_t body, end;
	*out = (struct sendmail_message){ .sender = STR_NONE };
	if (!o->dots)
		input = str_sub(input, 0, message_dot(input));
	if (str_starts(input, STR("From "))) /* an mbox's line, as some programs write it */
		str_line(&input);
	end = header_end(input, &body);
	struct str block = str_sub(input, 0, end);
	if (!find_sender(&k) || !recipients(&k, block))
		return false;
	add_header(&k, block);
	out->smtputf8 = beyond_ascii(buf_str(&out->text)) || beyond_ascii(out->sender);
	for (size_t i = 0; i < out->nrcpts; i++)
		out->smtputf8 = out->smtputf8 || beyond_ascii(out->rcpts[i]);
	add_lines(&out->text, str_sub(input, body, input.n));
	out->eight_bit = beyond_ascii(buf_str(&out->text));
	return true;
}

void message_free(struct sendmail_message *m)
{
	buf_free(&m->text);
}
