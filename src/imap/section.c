#include "imap/section.h"
#include "imap/say.h"
#include "mail/header.h"

#define DECODE_WHOLE (1u << 20) /* octets of a body that are decoded in memory */
#define RANGE_WHOLE  (1u << 20) /* octets of a large content that are read before they are announced */

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
	*x = (struct section){ .what = SECTION_BODY, .label = "BODY" };
	return parse_char(p, '[', "'['") && parse_path(p, x) && parse_text(p, x) && parse_char(p, ']', "']'") &&
	       parse_partial(p, x);
}

bool parse_section_binary(struct parser *p, bool partial, struct section *x)
{
	*x = (struct section){ .what = SECTION_BODY, .label = partial ? "BINARY" : "BINARY.SIZE", .binary = true };
	return parse_char(p, '[', "'['") && parse_path(p, x) && parse_char(p, ']', "a part number or ']'") &&
	       (!partial || parse_partial(p, x));
}

void say_section(struct buf *b, const struct section *x)
{
	static const char *const names[] = { "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME" };
	buf_addz(b, x->label);
	if (x->bare)
		return;
	buf_addc(b, '[');
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

bool section_needs_index(const struct section *x)
{
	return x->npath > 0 || x->what != SECTION_BODY;
}

/* --- where it is ------------------------------------------------------------------------------ */

static struct octets from_content(struct str head, uint64_t from, uint64_t to)
{
	return (struct octets){ .head = head, .from = from, .to = to };
}

static struct octets locate(const struct section *x, const struct message *m, const struct part *p)
{
	struct octets nil = { .nil = true };
	struct str prefix = p == m->root && m->row->prefix.n ? m->row->prefix : STR_NONE;
	if (x->what == SECTION_BODY && x->npath > 0)
		return from_content(STR_NONE, p->body_at, p->end);
	if (x->what == SECTION_MIME)
		return from_content(prefix, p->header_at, p->body_at);
	if (x->npath > 0) { /* HEADER and TEXT are those of the message inside */
		if (!p->message || !p->child)
			return nil;
		p = p->child;
		prefix = STR_NONE;
	}
	if (x->what == SECTION_TEXT)
		return from_content(STR_NONE, p->body_at, p->end);
	return from_content(prefix, p->header_at, p->body_at);
}

static bool named(const struct section *x, struct str name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (str_eqi(x->fields[i], name))
			return true;
	return false;
}

/* The fields asked for and the blank line, which belongs to every subset (RFC 3501 6.4.5). */
static bool pick_fields(const struct section *x, struct message *m, struct octets *o, struct err *e)
{
	struct buf b = { 0 };
	struct header h;
	struct str block;
	if (!message_range(m, o->from, o->to, &block, e))
		return false;
	struct str blocks[] = { o->head, block };
	for (size_t i = 0; i < 2; i++)
		while (header_next(&blocks[i], &h))
			if (named(x, h.name) == (x->what == SECTION_FIELDS))
				buf_add(&b, h.whole);
	buf_addz(&b, "\r\n");
	*o = from_content(str_dup(m->a, buf_str(&b)), 0, 0);
	buf_free(&b);
	return true;
}

/* --- without the encoding for transfer (RFC 3516 4.2) -------------------------------------------- */

/* Decode [from, to) of the content into `add`. */
static bool decode(const struct part *p, uint64_t from, uint64_t to, struct message *m,
		   void (*add)(void *ctx, struct str bytes), void *ctx, struct err *e)
{
	struct mime_decoder d;
	struct buf out = { 0 };
	struct str piece;
	bool ok = true;
	mime_decoder_init(&d, p->encoding);
	for (; ok && from < to; from += piece.n) {
		ok = message_piece(m, from, &piece, e) &&
		     (piece.n > 0 || err_set(e, ERR_TEMP, "the content is shorter than its structure"));
		piece = str_sub(piece, 0, ok ? (size_t)(to - from) : 0);
		mime_decoder_add(&d, piece, &out);
		add(ctx, buf_str(&out));
		buf_clear(&out);
	}
	mime_decoder_end(&d, &out);
	add(ctx, buf_str(&out));
	buf_free(&out);
	return ok;
}

static void count(void *ctx, struct str bytes)
{
	struct octets *o = ctx;
	o->size += bytes.n;
	o->nul = o->nul || memchr(bytes.p, 0, bytes.n);
}

static bool undo_encoding(const struct part *p, struct message *m, struct octets *o, struct err *e)
{
	struct mime_decoder d;
	struct str body;
	o->unknown = !mime_decoder_init(&d, p->encoding);
	if (o->unknown || d.code == MIME_PLAIN || p->multipart || p->message)
		return true; /* the parts inside have encodings, not what holds them */
	if (o->to - o->from > DECODE_WHOLE) {
		o->decode = p;
		return decode(p, o->from, o->to, m, count, o, e);
	}
	if (!message_range(m, o->from, o->to, &body, e))
		return false;
	struct buf b = { 0 };
	mime_decode(&b, p->encoding, body);
	*o = from_content(str_dup(m->a, buf_str(&b)), 0, 0);
	o->nul = memchr(o->head.p, 0, o->head.n);
	buf_free(&b);
	return true;
}

/* --- all of it, or a piece ---------------------------------------------------------------------- */

static uint64_t least(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

static void cut(struct octets *o, uint64_t from, uint64_t count)
{
	uint64_t left = from < o->size ? o->size - from : 0, size = least(count, left);
	if (o->decode) {
		o->skip = from;
	} else {
		uint64_t passed = least(from, o->head.n);
		o->head = str_sub(o->head, (size_t)passed, (size_t)least(passed + size, o->head.n));
		o->from = least(o->from + from - passed, o->to);
		o->to = least(o->from + size - o->head.n, o->to);
	}
	o->size = size;
}

/* Most messages, and what clients fetch larger ones by: all of it is read now, so that damage is a NO, not half a
 * literal. */
static bool read_range(struct octets *o, struct message *m, struct err *e)
{
	struct str range;
	if (!message_range(m, o->from, o->to, &range, e))
		return false;
	if (range.n < o->to - o->from)
		return err_set(e, ERR_TEMP, "the content is shorter than its row says");
	o->head = o->head.n ? str_cat(m->a, o->head, range) : range;
	o->from = o->to = 0;
	return true;
}

bool section_find(const struct section *x, struct message *m, struct octets *o, struct err *e)
{
	bool index = section_needs_index(x);
	struct str first;
	if (index && !message_index(m, e))
		return false;
	const struct part *p = index ? mime_find(m->root, x->path, x->npath) : NULL;
	if (!index)
		*o = from_content(m->row->prefix.n ? m->row->prefix : STR_NONE, 0, message_size(m));
	else if (p)
		*o = locate(x, m, p);
	else
		*o = (struct octets){ .nil = true };
	if (o->nil)
		return true;
	if (message_size(m) <= MESSAGE_WHOLE && !message_content(m, e))
		return false;
	/* A damaged index, or a row, must not lead outside. */
	o->to = least(o->to, m->have_content ? m->content.n : message_size(m));
	o->from = least(o->from, o->to);
	if ((x->what == SECTION_FIELDS || x->what == SECTION_FIELDS_NOT) && !pick_fields(x, m, o, e))
		return false;
	if (x->binary && p && !undo_encoding(p, m, o, e))
		return false;
	if (!o->decode)
		o->size = o->head.n + (o->to - o->from);
	if (x->partial)
		cut(o, x->from, x->count);
	if (o->decode || o->from == o->to)
		return true;
	if (m->have_content || o->to - o->from > RANGE_WHOLE)
		return message_piece(m, o->from, &first, e) && message_there(m, o->to, e);
	return read_range(o, m, e);
}

/* What has been decoded, without what the partial leaves out. */
struct window {
	uint64_t skip, left;
	void (*add)(void *ctx, struct str bytes);
	void *ctx;
};

static void add_window(void *ctx, struct str bytes)
{
	struct window *w = ctx;
	size_t skip = (size_t)least(w->skip, bytes.n);
	bytes = str_sub(bytes, skip, skip + (size_t)least(w->left, bytes.n - skip));
	w->skip -= skip;
	w->left -= bytes.n;
	if (bytes.n > 0)
		w->add(w->ctx, bytes);
}

bool section_octets(const struct octets *o, struct message *m, void (*add)(void *ctx, struct str bytes), void *ctx,
		    struct err *e)
{
	struct str piece;
	if (o->decode) {
		struct window w = { o->skip, o->size, add, ctx };
		return decode(o->decode, o->from, o->to, m, add_window, &w, e);
	}
	if (o->head.n > 0)
		add(ctx, o->head);
	for (uint64_t from = o->from; from < o->to; from += piece.n) {
		if (!message_piece(m, from, &piece, e))
			return false;
		if (piece.n == 0)
			return err_set(e, ERR_TEMP, "the content is shorter than its row says");
		piece = str_sub(piece, 0, (size_t)(o->to - from));
		add(ctx, piece);
	}
	return true;
}
