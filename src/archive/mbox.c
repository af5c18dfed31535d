#include "archive/mbox.h"

#include "archive/maildir.h"
#include "archive/octets.h"
#include "base/num.h"
#include "mail/date.h"
#include "store/mailbox.h"
#include <stdio.h>
#include <stdlib.h>

#define READ_PIECE       (256u << 10)
#define LINE_PIECE       (1u << 20)                           /* a longer line is handled in pieces */
#define INTERNAL_SUBJECT "Subject: DON'T DELETE THIS MESSAGE" /* UW IMAP's own message */
#define INTERNAL_HEAD    1000                                 /* octets in which it stands */
#define FROM_MAX         1000                                 /* octets of a From_ line */

struct mbox {
	mbox_read read;
	void *ctx;
	enum mbox_kind kind;
	size_t max;
	struct buf win;  /* of the file */
	size_t at;       /* in it */
	uint64_t before; /* octets of the file before it */
	bool eof, begun, unquoted;
	struct buf out;
	struct arena arena; /* of the message */
	/* of the message */
	bool wired, large, expunged, internal;
	uint64_t length; /* Content-Length; UINT64_MAX: none */
	struct str length_field;
	size_t length_at; /* where the field stood in `out` */
	unsigned seen;    /* file fields that have been taken */
};

struct mbox *mbox_open(mbox_read read, void *ctx, enum mbox_kind kind, size_t max)
{
	struct mbox *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	m->read = read;
	m->ctx = ctx;
	m->kind = kind;
	m->max = max;
	m->unquoted = kind == MBOX_CL2;
	return m;
}

void mbox_close(struct mbox *m)
{
	if (!m)
		return;
	buf_free(&m->win);
	buf_free(&m->out);
	arena_reset(&m->arena);
	free(m);
}

uint64_t mbox_at(const struct mbox *m)
{
	return m->before + m->at;
}

/* --- the window ------------------------------------------------------------------ */

/* Have `n` octets from `at` on in the window, or the end of the file. */
static bool fill(struct mbox *m, size_t n, struct err *e)
{
	if (m->at > m->win.n / 2 && m->win.n - m->at < n && m->at > 0) {
		m->before += m->at;
		buf_drop(&m->win, m->at);
		m->at = 0;
	}
	while (!m->eof && m->win.n - m->at < n) {
		size_t got;
		if (!m->read(m->ctx, buf_reserve(&m->win, READ_PIECE), READ_PIECE, &got, e))
			return false;
		m->win.n += got;
		m->eof = got == 0;
	}
	return true;
}

static struct str ahead(const struct mbox *m, size_t from)
{
	return str_sub(buf_str(&m->win), m->at + from, m->win.n);
}

/* The next line with its end, or a piece of a very long one.  Empty at the end of the file. */
static bool peek_line(struct mbox *m, struct str *line, struct err *e)
{
	for (size_t want = READ_PIECE;; want *= 2) {
		if (want > LINE_PIECE)
			want = LINE_PIECE;
		if (!fill(m, want, e))
			return false;
		struct str s = str_sub(ahead(m, 0), 0, LINE_PIECE);
		size_t lf = str_chr(s, '\n');
		if (lf < s.n || m->eof || s.n == LINE_PIECE) {
			*line = str_sub(s, 0, lf + 1);
			return true;
		}
	}
}

/* --- From_ lines ------------------------------------------------------------------- */

static bool two_digits(struct str s, unsigned max)
{
	uint64_t n;
	return s.n >= 1 && s.n <= 2 && num_parse(s, max, &n);
}

/* "10:00" or "10:00:00" */
static bool is_time(struct str s)
{
	struct str h = str_cut(&s, ':'), m = str_cut(&s, ':');
	return two_digits(h, 23) && m.n == 2 && two_digits(m, 59) && (s.n == 0 || two_digits(s, 60));
}

static bool is_month(struct str s)
{
	static const char months[] = "jan feb mar apr may jun jul aug sep oct nov dec ";
	return s.n == 3 && str_findi(str_of(months), s) < sizeof months - 1;
}

/* The words behind the sender: [weekday] month day time [zone] year [zone], or day before month. */
static bool words_date(const struct str *w, size_t n, int64_t *wall_ms)
{
	char text[80];
	uint64_t year;
	struct str zone = STR("+0000"); /* RFC 4155 says UTC */
	if (n < 4)
		return false;
	bool month_first = is_month(w[0]) && two_digits(w[1], 31);
	if ((!month_first && !(is_month(w[1]) && two_digits(w[0], 31))) || !is_time(w[2]))
		return false;
	size_t at = 3;
	if (at + 1 < n && !num_parse(w[at], 9999, &year))
		zone = w[at++]; /* "CET 2024", "+0100 2024" */
	if (w[at].n != 4 || !num_parse(w[at], 9999, &year))
		return false;
	if (at + 1 < n)
		zone = w[at + 1]; /* "2024 +0100" */
	struct str day = w[month_first], month = w[!month_first];
	for (int attempt = 0; attempt < 2; attempt++) {
		snprintf(text, sizeof text, "%.*s %.*s %.*s %.*s %.*s", STRF(day), STRF(month), STRF(w[at]), STRF(w[2]),
			 (int)(zone.n < 6 ? zone.n : 6), zone.p);
		if (date_parse(str_of(text), wall_ms, NULL))
			return true;
		zone = STR("+0000"); /* one that nobody knows */
	}
	return false;
}

static bool is_weekday(struct str s)
{
	static const char days[] = "mon tue wed thu fri sat sun ";
	return (s.n == 3 || (s.n == 4 && s.p[3] == ',')) && str_findi(str_of(days), str_sub(s, 0, 3)) < sizeof days - 1;
}

bool mbox_from_line(struct str line, int64_t *wall_ms)
{
	struct str words[24];
	size_t n = 0;
	if (line.n > FROM_MAX || !str_starts(line, STR("From ")))
		return false;
	line = str_chomp(str_sub(line, 5, line.n));
	while (line.n > 0 && n < sizeof words / sizeof *words) {
		struct str word = str_cut(&line, ' ');
		if (word.n > 0)
			words[n++] = word;
	}
	/* Senders may have blanks in them: the date is what begins with a weekday. */
	for (size_t i = 0; i + 1 < n; i++)
		if (is_weekday(words[i]) && words_date(words + i + 1, n - i - 1, wall_ms))
			return true;
	return false;
}

/* --- the file's own fields ----------------------------------------------------------- */

static const struct {
	char letter;
	unsigned flag;
} status_letters[] = {
	{ 'R', MSG_SEEN }, { 'A', MSG_ANSWERED }, { 'F', MSG_FLAGGED }, { 'D', MSG_DELETED }, { 'T', MSG_DRAFT },
};

static void take_status(struct mbox *m, struct mbox_message *out, struct str value)
{
	(void)m;
	for (size_t i = 0; i < value.n; i++)
		for (size_t k = 0; k < sizeof status_letters / sizeof *status_letters; k++)
			if (value.p[i] == status_letters[k].letter)
				out->flags |= status_letters[k].flag;
}

static void take_keywords(struct mbox *m, struct mbox_message *out, struct str value)
{
	struct buf b = { 0 };
	buf_add(&b, out->keywords);
	while (value.n > 0) {
		struct str word = str_trim(str_cut(&value, ' '));
		if (keyword_valid(word))
			buf_printf(&b, "%s%.*s", b.n ? " " : "", STRF(word));
	}
	out->keywords = str_dup(&m->arena, buf_str(&b));
	buf_free(&b);
}

static void take_length(struct mbox *m, struct mbox_message *out, struct str value)
{
	(void)out;
	if (!num_parse(value, INT64_MAX, &m->length))
		m->length = UINT64_MAX;
}

/* Hexadecimal bits: read, replied, marked, expunged, forwarded. */
static void take_mozilla(struct mbox *m, struct mbox_message *out, struct str value)
{
	unsigned bits = 0;
	for (size_t i = 0; i < value.n && i < 4; i++)
		bits = bits << 4 | (unsigned)(ch_hex(value.p[i]) & 15);
	out->flags |= (bits & 1 ? MSG_SEEN : 0) | (bits & 2 ? MSG_ANSWERED : 0) | (bits & 4 ? MSG_FLAGGED : 0);
	m->expunged |= (bits & 8) != 0;
	if (bits & 0x1000)
		take_keywords(m, out, STR(FORWARDED));
}

static void take_internal(struct mbox *m, struct mbox_message *out, struct str value)
{
	(void)out, (void)value;
	m->internal = true;
}

static void take_nothing(struct mbox *m, struct mbox_message *out, struct str value)
{
	(void)m, (void)out, (void)value;
}

static const struct field {
	const char *name;
	void (*take)(struct mbox *m, struct mbox_message *out, struct str value);
} fields[] = {
	{ "Status", take_status },
	{ "X-Status", take_status },
	{ "X-Keywords", take_keywords },
	{ "Content-Length", take_length },
	{ "X-UID", take_nothing },
	{ "X-IMAPbase", take_nothing },
	{ "X-IMAP", take_internal },
	{ "X-Mozilla-Status", take_mozilla },
	{ "X-Mozilla-Status2", take_nothing },
	{ "X-Mozilla-Keys", take_keywords },
};
#define FIELDS       (sizeof fields / sizeof *fields)
#define FIELD_LENGTH 3

/* The row of the field that `line` begins; FIELDS: none of the file's. */
static size_t field_of(struct str line)
{
	struct str name = str_cut(&line, ':');
	for (size_t i = 0; i < FIELDS; i++)
		if (str_eqi(name, str_of(fields[i].name)))
			return i;
	return FIELDS;
}

/* --- one message ---------------------------------------------------------------------- */

static void add_out(struct mbox *m, struct str bytes)
{
	m->large |= bytes.n > m->max - m->out.n;
	if (!m->large)
		buf_add(&m->out, bytes);
}

/* A line of the file, in the wire's form. */
static void add_line(struct mbox *m, struct str line)
{
	bool lf = str_ends(line, STR("\n")), crlf = lf && str_ends(line, STR("\r\n"));
	if (!lf || m->wired) {
		add_out(m, line);
		return;
	}
	add_out(m, str_sub(line, 0, line.n - 1 - crlf));
	add_out(m, STR("\r\n"));
}

static bool quoted(const struct mbox *m, struct str line)
{
	size_t marks = 0;
	while (marks < line.n && line.p[marks] == '>')
		marks++;
	if (m->unquoted || marks == 0 || !str_starts(str_sub(line, marks, line.n), STR("From ")))
		return false;
	return marks == 1 || (m->kind != MBOX_O && m->kind != MBOX_CL);
}

static void add_unquoted(struct mbox *m, struct str line)
{
	add_line(m, quoted(m, line) ? str_sub(line, 1, line.n) : line);
}

static bool is_blank(struct str line)
{
	return str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));
}

/* A field of the file, the first of its name: out of the message. */
static void take_field(struct mbox *m, struct mbox_message *out, size_t row, struct str line)
{
	struct str value = line;
	str_cut(&value, ':');
	m->seen |= 1u << row;
	fields[row].take(m, out, str_trim(value));
	if (row == FIELD_LENGTH) { /* it may prove to be a lie: then it belongs to the message */
		m->length_field = str_dup(&m->arena, line);
		m->length_at = m->out.n;
	}
}

/* Fields up to the blank line. */
static bool read_header(struct mbox *m, struct mbox_message *out, struct err *e)
{
	struct str line;
	bool first = true, dropped = false;
	for (;; first = false) {
		if (!peek_line(m, &line, e))
			return false;
		if (line.n == 0)
			return true;
		if (first)
			m->wired = str_ends(line, STR("\r\n"));
		size_t row = field_of(line);
		bool folded = ch_blank(*line.p);
		dropped = folded ? dropped : row < FIELDS && !(m->seen & 1u << row);
		if (dropped && !folded)
			take_field(m, out, row, line);
		else if (!dropped)
			add_unquoted(m, line);
		bool end = is_blank(line);
		m->at += line.n;
		if (end)
			return true;
	}
}

/* Does a message (or the end) begin `n` octets from here, behind at most two line ends?  *skip: what lies between. */
static bool message_follows(struct mbox *m, size_t n, size_t *skip, struct err *e, bool *failed)
{
	int64_t wall_ms;
	*failed = !fill(m, n + 4 + FROM_MAX + 1, e);
	if (*failed || m->win.n - m->at < n)
		return false;
	struct str s = ahead(m, n), whole = s;
	for (int i = 0; i < 2; i++)
		if (!str_skip(&s, STR("\r\n")))
			str_skip(&s, STR("\n"));
	*skip = whole.n - s.n;
	if (s.n == 0)
		return m->eof;
	return (*skip > 0 || (n > 0 && m->win.p[m->at + n - 1] == '\n')) && mbox_from_line(str_line(&s), &wall_ms);
}

/* The body is so long, says the file, and it is true. */
static void take_counted(struct mbox *m, size_t n, size_t skip)
{
	struct str body = str_sub(ahead(m, 0), 0, n);
	if (m->kind == MBOX_ANY && (str_starts(body, STR("From ")) || str_find(body, STR("\nFrom ")) < body.n))
		m->unquoted = true;
	while (body.n > 0)
		add_unquoted(m, str_line(&body));
	m->at += n + skip;
}

/* Up to the next From_ line.  The blank line before that is the file's. */
static bool read_body(struct mbox *m, struct err *e)
{
	struct str line, held = STR_NONE; /* a blank line that may be the last */
	char kept[2];
	bool begins = true, blank_before = true; /* the header's end, too, is a blank line */
	int64_t wall_ms;
	for (;;) {
		if (!peek_line(m, &line, e))
			return false;
		if (line.n == 0 || (begins && blank_before && mbox_from_line(line, &wall_ms)))
			return true;
		add_line(m, held);
		held = STR_NONE;
		blank_before = begins && is_blank(line);
		if (blank_before) {
			memcpy(kept, line.p, line.n);
			held = (struct str){ kept, line.n };
		} else if (begins) {
			add_unquoted(m, line);
		} else {
			add_line(m, line);
		}
		begins = str_ends(line, STR("\n"));
		m->at += line.n;
	}
}

static void put_back_length(struct mbox *m)
{
	struct str out = buf_str(&m->out);
	if (m->length_field.n == 0)
		return;
	struct str tail = str_dup(&m->arena, str_sub(out, m->length_at, out.n));
	m->out.n = m->length_at;
	add_line(m, m->length_field);
	add_out(m, tail);
}

static bool read_message(struct mbox *m, struct mbox_message *out, struct err *e)
{
	size_t skip = 0;
	bool failed = false;
	m->length = UINT64_MAX;
	m->length_field = STR_NONE;
	m->seen = 0;
	m->large = m->expunged = m->internal = false;
	if (!read_header(m, out, e))
		return false;
	bool counts = m->kind != MBOX_O && m->kind != MBOX_RD && m->length <= m->max;
	if (counts && message_follows(m, (size_t)m->length, &skip, e, &failed)) {
		take_counted(m, (size_t)m->length, skip);
		return true;
	}
	if (failed)
		return false;
	put_back_length(m);
	return read_body(m, e);
}

enum mbox_got mbox_next(struct mbox *m, struct mbox_message *out, struct err *e)
{
	struct str line;
	for (;;) {
		arena_reset(&m->arena);
		buf_clear(&m->out);
		*out = (struct mbox_message){ .keywords = STR_NONE, .at = mbox_at(m) };
		if (!peek_line(m, &line, e))
			return MBOX_ERROR;
		if (line.n == 0)
			return MBOX_END;
		/* The first line may be any "From "; later ones have been looked at before we came here. */
		if (!m->begun && !str_starts(line, STR("From ")))
			return MBOX_NONE;
		m->begun = true;
		if (!mbox_from_line(line, &out->from_wall_ms))
			out->from_wall_ms = 0;
		m->at += line.n;
		if (!read_message(m, out, e))
			return MBOX_ERROR;
		struct str bytes = buf_str(&m->out), head = str_sub(bytes, 0, INTERNAL_HEAD);
		bool own = m->internal && str_findi(head, STR(INTERNAL_SUBJECT)) < head.n;
		if (m->expunged || own)
			continue;
		out->bytes = bytes;
		out->octets = mbox_at(m) - out->at;
		return m->large ? MBOX_LARGE : MBOX_MESSAGE;
	}
}
