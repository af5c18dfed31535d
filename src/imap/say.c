#include "imap/say.h"
#include "mail/utf7.h"

#define QUOTED_MAX 1000 /* a longer string is a literal: some clients read lines into fixed room */

static bool quotable(struct str s)
{
	if (s.n > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 || s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
	return true;
}

static void say_quoted(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

void say_string(struct buf *b, struct str s)
{
	if (!quotable(s)) {
		buf_printf(b, "{%zu}\r\n", s.n);
		buf_add(b, s);
		return;
	}
	say_quoted(b, s);
}

void say_nstring(struct buf *b, struct str s, bool present)
{
	if (present)
		say_string(b, s);
	else
		buf_addz(b, "NIL");
}

void say_astring(struct buf *b, struct str s)
{
	bool atom = s.n > 0 && !str_eqi(s, STR("NIL"));
	for (size_t i = 0; atom && i < s.n; i++)
		atom = s.p[i] > ' ' && s.p[i] < 0x7f && !memchr("(){%*\"\\]", s.p[i], 8);
	if (atom)
		buf_add(b, s);
	else
		say_string(b, s);
}

void say_mailbox(struct buf *b, struct str utf8)
{
	struct buf wire = { 0 };
	utf7_encode(&wire, utf8);
	say_astring(b, buf_str(&wire));
	buf_free(&wire);
}

void say_mailbox_as(struct buf *b, struct str utf8, bool plain)
{
	bool ascii = true;
	for (size_t i = 0; i < utf8.n; i++)
		ascii = ascii && (unsigned char)utf8.p[i] < 0x80;
	if (!plain)
		say_mailbox(b, utf8);
	else if (ascii)
		say_astring(b, utf8);
	else
		say_quoted(b, utf8);
}

void say_flags(struct buf *b, unsigned flags, bool recent, struct str keywords)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
	const char *space = "";
	buf_addc(b, '(');
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (flags & 1u << i) {
			buf_printf(b, "%s%s", space, names[i]);
			space = " ";
		}
	if (recent) {
		buf_printf(b, "%s\\Recent", space);
		space = " ";
	}
	if (keywords.n > 0) {
		buf_addz(b, space);
		buf_add(b, keywords);
	}
	buf_addc(b, ')');
}
