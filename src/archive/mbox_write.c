/* mbox_write.c - messages into an mboxrd file, so that mbox.c makes the same of them again. */
#include "archive/mbox.h"

#include "archive/octets.h"
#include "mail/header.h"
#include "store/mailbox.h"
#include <time.h>

static void add_from_line(struct buf *b, int64_t wall_ms)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t s = (time_t)(wall_ms / 1000);
	struct tm t = { 0 };
	gmtime_r(&s, &t);
	buf_printf(b, "From MAILER-DAEMON %s %s %2d %02d:%02d:%02d %04d\n", days[t.tm_wday], months[t.tm_mon],
		   t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_year + 1900);
}

/* The file's fields stand in front, each that has something to say; and each whose name the message uses itself, so
 * that the reader takes ours out and leaves that one. */
static void add_field(struct buf *b, struct str header, const char *name, struct str value, const char *end)
{
	if (value.n > 0 || header_count(header, str_of(name)) > 0)
		buf_printf(b, "%s: %.*s%s", name, STRF(value), end);
}

static bool needs_quote(struct str line)
{
	while (str_skipc(&line, '>'))
		;
	return str_starts(line, STR("From "));
}

static void add_quoted(struct buf *b, struct str body)
{
	while (body.n > 0) {
		struct str line = str_line(&body);
		if (needs_quote(line))
			buf_addc(b, '>');
		buf_add(b, line);
	}
}

static struct str status_of(unsigned flags, char out[5])
{
	size_t n = 0;
	for (size_t i = 0; i < 4; i++)
		if (flags & (const unsigned[]){ MSG_ANSWERED, MSG_FLAGGED, MSG_DELETED, MSG_DRAFT }[i])
			out[n++] = "AFDT"[i];
	return (struct str){ out, n };
}

static void add_fields(struct buf *b, const struct mbox_write *m, struct str header, size_t body_octets, bool counted,
		       const char *end)
{
	struct arena a = { 0 };
	char letters[5];
	struct str number = str_fmt(&a, "%zu", body_octets), uid = str_fmt(&a, "%u", m->uid);
	bool has_length = header_count(header, STR("Content-Length")) > 0;
	add_field(b, header, "Status", m->flags & MSG_SEEN ? STR("RO") : STR("O"), end);
	add_field(b, header, "X-Status", status_of(m->flags, letters), end);
	add_field(b, header, "X-Keywords", m->keywords, end);
	add_field(b, header, "Content-Length", counted || has_length ? number : STR_NONE, end);
	add_field(b, header, "X-UID", header_count(header, STR("X-UID")) ? uid : STR_NONE, end);
	for (size_t i = 0; i < 2; i++)
		add_field(b, header, (const char *const[]){ "X-IMAPbase", "X-IMAP" }[i], STR_NONE, end);
	if (header_count(header, STR("X-Mozilla-Status")) > 0)
		add_field(b, header, "X-Mozilla-Status", STR("0000"), end);
	if (header_count(header, STR("X-Mozilla-Status2")) > 0)
		add_field(b, header, "X-Mozilla-Status2", STR("00000000"), end);
	add_field(b, header, "X-Mozilla-Keys", STR_NONE, end);
	arena_reset(&a);
}

void mbox_write(struct buf *b, const struct mbox_write *m)
{
	struct buf text = { 0 }, body = { 0 };
	octets_to_file(&text, m->bytes);
	struct str all = buf_str(&text), header = header_block(all);
	bool wired = octets_wired(all);
	add_quoted(&body, str_sub(all, header.n, all.n)); /* the header, too: not every reader waits for a blank line */
	/* Without a last line end, the one that must come would be taken for the message's. */
	bool ended = body.n == 0 || body.p[body.n - 1] == '\n';
	add_from_line(b, m->internal_wall_ms);
	/* A message that begins with a folded line would be taken for the end of a field of ours. */
	if (header.n == 0 || !ch_blank(*header.p))
		add_fields(b, m, header, body.n, !ended, wired ? "\r\n" : "\n");
	add_quoted(b, header);
	/* A header that nothing ends would take the next From_ line in. */
	if (header.n > 0 && header.p[header.n - 1] != '\n')
		buf_addc(b, '\n');
	if (header.n == all.n && !str_ends(header, STR("\n\n")) && !str_ends(header, STR("\n\r\n")))
		buf_addc(b, '\n');
	buf_add(b, buf_str(&body));
	buf_addz(b, ended ? "\n" : "\n\n");
	buf_free(&text);
	buf_free(&body);
}
