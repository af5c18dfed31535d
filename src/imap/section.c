#include "imap/section.h"
#include "imap/say.h"
#include "mail/header.h"

static bool parse_fields(struct parser *p, struct section *x)
{
	size_t cap = 0;
	if (!parse_space(p) || !parse_char(p, '(', "'(' before header fields"))
		return false;
	do {
		struct str name;
		if (!parse_astring(p, &name, "a header field"))
			return false;
		if (x->nfields == cap)
			x->fields = arena_grow(p->arena, x->fields, &cap, cap + 1, sizeof *x->fields);
		x->fields[x->nfields++] = name;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after header fields");
}

/* "1.2.": the dot behind is taken when something follows it. */
static bool parse_path(struct parser *p, struct section *x)
{
	size_t cap = 0;
	uint64_t n;
	while (p->at < p->all.n && ch_digit(p->all.p[p->at])) {
		if (x->npath == SECTION_PATH_MAX)
			return parse_fail(p, "a part number that is not so deep");
		if (!parse_number(p, UINT32_MAX, &n, "a part number") || n == 0)
			return parse_fail(p, "a part number above 0");
		if (x->npath == cap)
			x->path = arena_grow(p->arena, x->path, &cap, cap + 1, sizeof *x->path);
		x->path[x->npath++] = (uint32_t)n;
		if (!parse_try(p, '.'))
			return true;
		if (parse_is(p, ']'))
			return parse_fail(p, "a part number or HEADER, TEXT or MIME after '.'");
	}
	return true;
}

static bool parse_text(struct parser *p, struct section *x)
{
	bool fields = false;
	if (parse_is(p, ']'))
		return true;
	if (x->npath > 0 && p->all.p[p->at - 1] != '.')
		return parse_fail(p, "'.' or ']'");
	if (parse_try_word(p, STR("HEADER.FIELDS.NOT"))) {
		x->what = SECTION_FIELDS_NOT;
		fields = true;
	} else if (parse_try_word(p, STR("HEADER.FIELDS"))) {
		x->what = SECTION_FIELDS;
		fields = true;
	} else if (parse_try_word(p, STR("HEADER"))) {
		x->what = SECTION_HEADER;
	} else if (parse_try_word(p, STR("TEXT"))) {
		x->what = SECTION_TEXT;
	} else if (x->npath > 0 && parse_try_word(p, STR("MIME"))) {
		x->what = SECTION_MIME;
	} else {
		return parse_fail(p,
				  x->npath ? "HEADER, TEXT, MIME or a part number" : "HEADER, TEXT or a part number");
	}
	return !fields || parse_fields(p, x);
}

static bool parse_partial(struct parser *p, struct section *x)
{
	uint64_t from, count;
	if (!parse_try(p, '<'))
		return true;
	if (!parse_number(p, UINT32_MAX, &from, "an offset") || !parse_char(p, '.', "'.' in a partial"))
		return false;
	if (!parse_number(p, UINT32_MAX, &count, "a number of octets") || count == 0)
		return parse_fail(p, "a number of octets above 0");
	x->partial = true;
	x->from = (uint32_t)from;
	x->count = (uint32_t)count;
	return parse_char(p, '>', "'>' after a partial");
}

bool parse_section(struct parser *p, struct section *x)
{
	*x = (struct section){ .what = SECTION_BODY };
	return parse_char(p, '[', "'['") && parse_path(p, x) && parse_text(p, x) && parse_char(p, ']', "']'") &&
	       parse_partial(p, x);
}

void say_section(struct buf *b, const struct section *x)
{
	static const char *const names[] = { "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME" };
	if (x->label) {
		buf_addz(b, x->label);
		return;
	}
	buf_addz(b, "BODY[");
	for (size_t i = 0; i < x->npath; i++)
		buf_printf(b, "%s%u", i ? "." : "", x->path[i]);
	if (x->npath > 0 && x->what != SECTION_BODY)
		buf_addc(b, '.');
	buf_addz(b, names[x->what]);
	for (size_t i = 0; i < x->nfields; i++) {
		buf_addz(b, i ? " " : " (");
		say_astring(b, x->fields[i]);
	}
	if (x->nfields > 0)
		buf_addc(b, ')');
	buf_addc(b, ']');
	if (x->partial)
		buf_printf(b, "<%u>", x->from);
}

bool section_needs_prefix(const struct section *x)
{
	return x->npath == 0 ? x->what != SECTION_TEXT : x->what == SECTION_MIME;
}

static bool named(const struct section *x, struct str name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (str_eqi(x->fields[i], name))
			return true;
	return false;
}

/* The fields asked for and the blank line, which belongs to every subset (RFC 3501 6.4.5). */
static struct str pick_fields(const struct section *x, struct octets header, struct arena *a)
{
	struct buf b = { 0 };
	struct header h;
	struct str blocks[] = { header.first, header.second };
	for (size_t i = 0; i < 2; i++)
		while (header_next(&blocks[i], &h))
			if (named(x, h.name) == (x->what == SECTION_FIELDS))
				buf_add(&b, h.whole);
	buf_addz(&b, "\r\n");
	struct str out = str_dup(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static struct octets cut(struct octets o, const struct section *x)
{
	size_t to = (size_t)x->from + x->count, n = o.first.n;
	struct str second = str_sub(o.second, x->from > n ? x->from - n : 0, to > n ? to - n : 0);
	return (struct octets){ str_sub(o.first, x->from, to), second, o.nil };
}

static struct octets find_octets(const struct section *x, const struct message *m, const struct part *p)
{
	bool top = p == m->root;
	struct octets nil = { STR_NONE, STR_NONE, true };
	struct str prefix = top && m->row->prefix.n ? m->row->prefix : STR_NONE;
	if (x->what == SECTION_BODY)
		return (struct octets){ message_octets(m, p->body_at, p->end), STR_NONE, false };
	if (x->what == SECTION_MIME)
		return (struct octets){ prefix, message_octets(m, p->header_at, p->body_at), false };
	if (x->npath > 0) { /* HEADER and TEXT are those of the message inside */
		if (!p->message || !p->child)
			return nil;
		p = p->child;
		prefix = STR_NONE;
	}
	if (x->what == SECTION_TEXT)
		return (struct octets){ message_octets(m, p->body_at, p->end), STR_NONE, false };
	return (struct octets){ prefix, message_octets(m, p->header_at, p->body_at), false };
}

bool section_find(const struct section *x, struct message *m, struct octets *out, struct err *e)
{
	bool whole = x->npath == 0 && x->what == SECTION_BODY; /* needs no structure */
	if (!message_content(m, e) || (!whole && !message_index(m, e)))
		return false;
	const struct part *p = whole ? NULL : mime_find(m->root, x->path, x->npath);
	*out = (struct octets){ STR_NONE, STR_NONE, true };
	if (whole)
		*out = (struct octets){ m->row->prefix.n ? m->row->prefix : STR_NONE, m->content, false };
	else if (p)
		*out = find_octets(x, m, p);
	if (!out->nil && (x->what == SECTION_FIELDS || x->what == SECTION_FIELDS_NOT))
		*out = (struct octets){ pick_fields(x, *out, m->a), STR_NONE, false };
	if (x->partial)
		*out = cut(*out, x);
	return true;
}
