#include "archive/octets.h"

#include "mail/date.h"
#include "mail/header.h"

bool octets_wired(struct str text)
{
	size_t lf = str_chr(text, '\n');
	return lf < text.n && lf > 0 && text.p[lf - 1] == '\r';
}

void octets_to_wire(struct buf *b, struct str text)
{
	if (octets_wired(text)) {
		buf_add(b, text);
		return;
	}
	while (text.n > 0) {
		struct str line = str_line(&text);
		bool lf = line.p[line.n - 1] == '\n', crlf = lf && line.n > 1 && line.p[line.n - 2] == '\r';
		buf_add(b, lf ? str_sub(line, 0, line.n - 1 - crlf) : line);
		if (lf)
			buf_add(b, STR("\r\n"));
	}
}

bool octets_plain(struct str wire)
{
	for (size_t i = 0; i < wire.n; i++) {
		const char *lf = memchr(wire.p + i, '\n', wire.n - i);
		if (!lf)
			return true;
		i = (size_t)(lf - wire.p);
		if (i == 0 || wire.p[i - 1] != '\r' || (i > 1 && wire.p[i - 2] == '\r'))
			return false;
	}
	return true;
}

void octets_to_file(struct buf *b, struct str wire)
{
	if (!octets_plain(wire)) {
		buf_add(b, wire);
		return;
	}
	while (wire.n > 0) {
		struct str line = str_line(&wire);
		bool lf = line.p[line.n - 1] == '\n';
		buf_add(b, lf ? str_sub(line, 0, line.n - 2) : line);
		if (lf)
			buf_addc(b, '\n');
	}
}

size_t octets_no_nul(char *p, size_t n)
{
	size_t found = 0;
	for (char *at = p; (at = memchr(at, 0, (size_t)(p + n - at))); found++)
		*at = (char)0x80;
	return found;
}

int64_t octets_date(struct str message)
{
	struct str block = header_block(str_sub(message, 0, HEADER_BYTES_MAX));
	struct header h;
	int64_t wall_ms;
	if (header_find(block, STR("Received"), &h)) {
		/* The date stands behind the last semicolon (RFC 5321 4.4). */
		struct str date = h.value;
		for (size_t at; (at = str_chr(date, ';')) < date.n;)
			date = str_sub(date, at + 1, date.n);
		if (date_parse(str_trim(date), &wall_ms, NULL))
			return wall_ms;
	}
	return header_find(block, STR("Date"), &h) && date_parse(str_trim(h.value), &wall_ms, NULL) ? wall_ms : 0;
}
