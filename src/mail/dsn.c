#include "mail/dsn.h"

#include "base/num.h"
#include "mail/compose.h"
#include "mail/date.h"
#include "mail/header.h"

/* What each action is called, and how a person is told. */
static const struct action_row {
	const char *name, *subject, *first;
} actions[] = {
	[DSN_FAILED] = { "failed", "Undelivered: your message could not be delivered",
			 "Your message could not be delivered to the following recipient(s). It will not be tried "
			 "again." },
	[DSN_DELAYED] = { "delayed", "Delayed: your message is still on its way",
			  "Your message has not been delivered yet to the following recipient(s). You need not send it "
			  "again." },
	[DSN_DELIVERED] = { "delivered", "Delivered: your message has arrived",
			    "Your message was delivered to the following recipient(s), as you asked to be told." },
	[DSN_RELAYED] = { "relayed", "Relayed: your message was passed on",
			  "Your message was passed on to a system that does not report its delivery." },
	[DSN_EXPANDED] = { "expanded", "Expanded: your message was passed on to a list",
			   "Your message was delivered to a list of recipients, who do not report its delivery." },
};

static bool ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* --- for the person ------------------------------------------------------- */

static void say_when(struct buf *b, const char *what, int64_t wall_ms)
{
	if (wall_ms <= 0)
		return;
	buf_printf(b, "    %s ", what);
	date_print(b, wall_ms);
	buf_addz(b, "\n");
}

static void say_rcpt(struct buf *text, const struct dsn_rcpt *r)
{
	buf_printf(text, "\n  <%.*s>\n", STRF(r->recipient));
	if (r->words.n > 0)
		buf_printf(text, "    %.*s\n", STRF(r->words));
	if (r->diagnostic.n > 0 && r->remote.n > 0)
		buf_printf(text, "    %.*s said: %.*s\n", STRF(r->remote), STRF(r->diagnostic));
	else if (r->diagnostic.n > 0)
		buf_printf(text, "    The reason: %.*s\n", STRF(r->diagnostic));
	if (r->action != DSN_DELAYED)
		return;
	say_when(text, "It will be tried next on", r->next_wall_ms);
	say_when(text, "It will be given up on", r->until_wall_ms);
}

static void write_words(struct buf *b, const struct dsn *d)
{
	struct buf text = { 0 };
	struct header subject;
	const struct action_row *a = &actions[d->rcpts[0].action];
	buf_printf(&text, "This is the mail server at %.*s.\n\n%s\n", STRF(d->host), a->first);
	for (size_t i = 0; i < d->n; i++)
		say_rcpt(&text, &d->rcpts[i]);
	buf_addz(&text, "\nThe message arrived here on ");
	date_print(&text, d->arrived_wall_ms);
	buf_addz(&text, ".");
	if (header_find(header_block(d->original), STR("Subject"), &subject))
		buf_printf(&text, "\nIts subject: %.*s", STRF(str_trim(subject.value)));
	buf_addz(&text, "\n");
	compose_body(b, buf_str(&text));
	buf_free(&text);
}

/* --- for programs (RFC 3464 2) ---------------------------------------------- */

static void field(struct buf *b, const char *name, const char *type, struct str value)
{
	struct buf whole = { 0 };
	buf_printf(&whole, "%s%.*s", type, STRF(value));
	compose_raw(b, name, buf_str(&whole));
	buf_free(&whole);
}

/* RFC 6533 3: an address that is not ASCII, where the report may say it. */
static void address_field(struct buf *b, const char *name, struct str address, bool utf8)
{
	struct buf plain = { 0 };
	if (utf8 && !ascii(address)) {
		field(b, name, "utf-8; ", address);
		return;
	}
	for (size_t i = 0; i < address.n; i++) /* without SMTPUTF8 nothing better can be said */
		buf_addc(&plain, (unsigned char)address.p[i] < 0x80 ? address.p[i] : '?');
	field(b, name, "rfc822; ", buf_str(&plain));
	buf_free(&plain);
}

static void original_field(struct buf *b, struct str orcpt, bool utf8)
{
	struct buf address = { 0 };
	struct str type;
	if (orcpt.n > 0 && dsn_orcpt(orcpt, &type, &address)) {
		if (str_eqi(type, STR("rfc822")) || str_eqi(type, STR("utf-8"))) {
			address_field(b, "Original-Recipient", buf_str(&address), utf8);
		} else {
			struct buf whole = { 0 };
			buf_printf(&whole, "%.*s; %.*s", STRF(type), STRF(buf_str(&address)));
			compose_raw(b, "Original-Recipient", buf_str(&whole));
			buf_free(&whole);
		}
	}
	buf_free(&address);
}

static void write_rcpt(struct buf *b, const struct dsn_rcpt *r, bool utf8)
{
	buf_addz(b, "\r\n");
	original_field(b, r->original, utf8);
	address_field(b, "Final-Recipient", r->recipient, utf8);
	compose_raw(b, "Action", str_of(actions[r->action].name));
	compose_raw(b, "Status", r->status.n ? r->status : r->action == DSN_FAILED ? STR("5.0.0") : STR("4.0.0"));
	if (r->remote.n > 0)
		field(b, "Remote-MTA", "dns; ", r->remote);
	if (r->diagnostic.n > 0)
		field(b, "Diagnostic-Code", r->remote.n > 0 ? "smtp; " : "x-sluice; ", r->diagnostic);
	if (r->tried_wall_ms > 0)
		compose_date(b, "Last-Attempt-Date", r->tried_wall_ms);
	if (r->action == DSN_DELAYED && r->until_wall_ms > 0)
		compose_date(b, "Will-Retry-Until", r->until_wall_ms);
}

static void write_status(struct buf *b, const struct dsn *d)
{
	buf_printf(b, "Content-Type: message/%sdelivery-status\r\n", d->utf8 ? "global-" : "");
	if (d->utf8)
		buf_addz(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_addz(b, "\r\n");
	if (d->envid.n > 0)
		compose_raw(b, "Original-Envelope-Id", d->envid);
	field(b, "Reporting-MTA", "dns; ", d->host);
	compose_date(b, "Arrival-Date", d->arrived_wall_ms);
	for (size_t i = 0; i < d->n; i++)
		write_rcpt(b, &d->rcpts[i], d->utf8);
}

static void write_original(struct buf *b, const struct dsn *d)
{
	struct str all = d->full ? d->original : header_block(d->original);
	bool eight = !ascii(all);
	const char *kind = d->full            ? (d->utf8 && eight ? "message/global" : "message/rfc822")
			   : eight && d->utf8 ? "message/global-headers"
					      : "text/rfc822-headers";
	buf_printf(b, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", kind, eight ? "8bit" : "7bit");
	buf_add(b, all);
}

/* --- the whole ----------------------------------------------------------------- */

static void write_header(struct buf *b, const struct dsn *d, struct str boundary)
{
	struct arena a = { 0 };
	struct address from = { .local = STR("mailer-daemon"), .domain = d->host }, to;
	const struct action_row *row = &actions[d->rcpts[0].action];
	compose_address(b, "From", STR("Mail Delivery System"), &from);
	if (address_parse(d->to, &a, &to))
		compose_address(b, "To", STR_NONE, &to);
	else
		compose_raw(b, "To", d->to);
	compose_text(b, "Subject", str_of(row->subject));
	compose_date(b, "Date", d->now_wall_ms);
	buf_printf(b, "Message-ID: <%.*s>\r\n", STRF(d->message_id));
	buf_addz(b, "Auto-Submitted: auto-replied\r\n"); /* RFC 3834 5: nobody's vacation answers it */
	buf_addz(b, "MIME-Version: 1.0\r\n");
	buf_printf(b, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%.*s\"\r\n\r\n",
		   STRF(boundary));
	arena_reset(&a);
}

/* The line end before a delimiter is the delimiter's (RFC 2046 5.1.1), so that a part is octet for octet what was put
 * in. */
static void part_begin(struct buf *b, struct str boundary)
{
	buf_printf(b, "\r\n--%.*s\r\n", STRF(boundary));
}

void dsn_write(struct buf *b, const struct dsn *d)
{
	struct buf mark = { 0 };
	/* No line of the original is this: the id is new, and no part of it is anybody's choice. */
	buf_printf(&mark, "=_%.*s", STRF(str_sub(d->message_id, 0, str_chr(d->message_id, '@'))));
	while (str_find(d->original, buf_str(&mark)) < d->original.n)
		buf_addc(&mark, '_');
	struct str boundary = buf_str(&mark);
	write_header(b, d, boundary);
	part_begin(b, boundary);
	write_words(b, d);
	part_begin(b, boundary);
	write_status(b, d);
	part_begin(b, boundary);
	write_original(b, d);
	buf_printf(b, "\r\n--%.*s--\r\n", STRF(boundary));
	buf_free(&mark);
}

/* --- what was asked (RFC 3461 4) -------------------------------------------------- */

struct str dsn_word(struct str words, struct str key)
{
	while (words.n > 0) {
		struct str word = str_cut(&words, ' ');
		if (str_skip(&word, key) && str_skipc(&word, '='))
			return word;
	}
	return STR_NONE;
}

bool dsn_wanted(struct str words, struct str sender, enum dsn_action action)
{
	struct str notify = dsn_word(words, STR("NOTIFY"));
	static const struct str names[] = { [DSN_FAILED] = STR("FAILURE"),
					    [DSN_DELAYED] = STR("DELAY"),
					    [DSN_DELIVERED] = STR("SUCCESS"),
					    [DSN_RELAYED] = STR("SUCCESS"),
					    [DSN_EXPANDED] = STR("SUCCESS") };
	if (sender.n == 0)
		return false;
	if (notify.n == 0)
		return action == DSN_FAILED || action == DSN_DELAYED;
	while (notify.n > 0)
		if (str_eqi(str_cut(&notify, ','), names[action]))
			return true;
	return false;
}

bool dsn_orcpt(struct str orcpt, struct str *type, struct buf *address)
{
	size_t at = str_chr(orcpt, ';');
	*type = str_sub(orcpt, 0, at);
	if (at == orcpt.n || at == 0)
		return false;
	struct str x = str_sub(orcpt, at + 1, orcpt.n);
	while (x.n > 0) {
		char c = x.p[0];
		size_t n = 1;
		if (c == '+') {
			if (x.n < 3 || ch_hex(x.p[1]) < 0 || ch_hex(x.p[2]) < 0)
				return false;
			c = (char)(ch_hex(x.p[1]) << 4 | ch_hex(x.p[2]));
			n = 3;
		}
		buf_addc(address, c);
		x = str_sub(x, n, x.n);
	}
	return true;
}
