#include "imap/text.h"
#include "mail/header.h"
#include "mail/words.h"
#include <pthread.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* How much of it is ASCII, from the front. */
static size_t ascii_span(struct str s)
{
	size_t i = 0;
	for (uint64_t eight; i + sizeof eight <= s.n; i += sizeof eight) {
		memcpy(&eight, s.p + i, sizeof eight);
		if (eight & 0x8080808080808080u)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

/* --- folding ------------------------------------------------------------------------
 *
 * The library folds a whole text at the price of many messages.  What it does to a
 * character changes nothing else, but that marks behind one letter are put in order
 * (NFKD); so characters that are no marks, with none behind them, are folded one by
 * one: those of two octets by a table, the common ideographs not at all.  The rest goes to the library. */

#define TABLE_FROM 0x80u
#define TABLE_TO   0x800u

static struct folded {
	unsigned char n; /* 0: ask the library */
	char p[11];
} table[TABLE_TO - TABLE_FROM];

static void fold_table(void)
{
	for (uint32_t c = TABLE_FROM; c < TABLE_TO; c++) {
		struct folded *f = &table[c - TABLE_FROM];
		uint8_t utf8[2] = { (uint8_t)(0xc0 | c >> 6), (uint8_t)(0x80 | (c & 0x3f)) };
		size_t n = 0;
		uint8_t *folded = u8_casefold(utf8, sizeof utf8, NULL, UNINORM_NFKD, NULL, &n);
		ucs4_t first = 0;
		if (folded && n <= sizeof f->p && u8_mbtouc(&first, folded, n) > 0 && uc_combining_class(c) == 0 &&
		    uc_combining_class(first) == 0) {
			memcpy(f->p, folded, n);
			f->n = (unsigned char)n;
		}
		free(folded);
	}
}

/* The character in front, when it can be folded by itself: its octets, and what it becomes. */
static size_t fold_one(struct str s, struct str *to)
{
	unsigned char c = (unsigned char)s.p[0];
	if (c < 0xe0) {
		const struct folded *f = &table[((c & 0x1fu) << 6 | ((unsigned char)s.p[1] & 0x3fu)) - TABLE_FROM];
		*to = (struct str){ f->p, f->n };
		return f->n ? 2 : 0;
	}
	*to = str_sub(s, 0, 3);
	return c >= 0xe5 && c <= 0xe8 ? 3 : 0; /* U+5000..U+8FFF: ideographs, all of them */
}

static size_t fold_slowly(struct buf *b, struct str s)
{
	size_t n = 0, length = 0;
	struct str ignored;
	do
		n += (size_t)u8_mblen((const uint8_t *)s.p + n, s.n - n);
	while (n < s.n && (unsigned char)s.p[n] >= 0x80 && fold_one(str_sub(s, n, s.n), &ignored) == 0);
	uint8_t *folded = u8_casefold((const uint8_t *)s.p, n, NULL, UNINORM_NFKD, NULL, &length);
	if (!folded)
		abort(); /* valid UTF-8 can be folded */
	buf_add(b, (struct str){ (const char *)folded, length });
	free(folded);
	return n;
}

static size_t fold_ascii(struct buf *b, struct str s)
{
	size_t n = ascii_span(s);
	char *to = buf_reserve(b, n);
	for (size_t i = 0; i < n; i++)
		to[i] = ch_lower(s.p[i]);
	b->n += n;
	return n;
}

/* Valid UTF-8. */
static void fold(struct buf *b, struct str s)
{
	while (s.n > 0) {
		struct str to, ignored;
		size_t n = (unsigned char)s.p[0] < 0x80 ? 0 : fold_one(s, &to);
		struct str next = str_sub(s, n, s.n);
		if ((unsigned char)s.p[0] < 0x80)
			n = fold_ascii(b, s);
		else if (n > 0 && (next.n == 0 || (unsigned char)next.p[0] < 0x80 || fold_one(next, &ignored) > 0))
			buf_add(b, to);
		else
			n = fold_slowly(b, s);
		s = str_sub(s, n, s.n);
	}
}

struct str text_fold(struct str utf8, struct arena *a)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct buf b = { 0 };
	if (ascii_span(utf8) == utf8.n || !utf8_valid(utf8))
		return str_lower(a, utf8);
	pthread_once(&once, fold_table);
	fold(&b, utf8);
	struct str out = str_dup(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static bool has(struct str folded, struct str needle)
{
	return needle.n == 0 || str_find(folded, needle) < folded.n;
}

bool text_has(struct str utf8, struct str needle, struct arena *a)
{
	return needle.n == 0 || has(text_fold(utf8, a), needle);
}

/* What it takes is given back at once: a thousand keys may look into one long field. */
bool text_has_value(struct str value, struct str needle)
{
	struct arena a = { 0 };
	bool is = needle.n == 0 || text_has(words_decode(&a, header_unfold(&a, value)), needle, &a);
	arena_reset(&a);
	return is;
}

/* The header, as much of it as is searched. Lives in the arena, or where the message's content lies. */
static bool read_header(struct message *m, const struct part *p, struct arena *a, struct str *block, struct err *e)
{
	uint64_t from = p->header_at, to = p->body_at - from > TEXT_PART_MAX ? from + TEXT_PART_MAX : p->body_at;
	if (message_size(m) <= MESSAGE_WHOLE && !message_content(m, e))
		return false;
	struct message own = *m; /* of a large one nothing is kept but its reader */
	own.a = a;
	bool ok = message_range(&own, from, to, block, e);
	m->reader = own.reader;
	return ok;
}

/* Large parts that are no text are not read at all. */
struct gathering {
	struct message *m;
	struct text_piece *first, **last;
	size_t octets;
	struct err *e;
};

static void add_piece(struct gathering *g, struct str utf8)
{
	if (utf8.n == 0 || g->octets >= TEXT_MESSAGE_MAX)
		return;
	struct text_piece *t = ARENA_NEW(g->m->a, struct text_piece);
	t->folded = text_fold(utf8, g->m->a);
	g->octets += utf8.n;
	*g->last = t;
	g->last = &t->next;
}

static bool add_leaf(struct gathering *g, const struct part *p)
{
	struct buf raw = { .max = TEXT_PART_MAX }, utf8 = { .max = TEXT_PART_MAX };
	struct str body;
	uint64_t to = p->end - p->body_at > 2 * TEXT_PART_MAX ? p->body_at + 2 * TEXT_PART_MAX : p->end;
	if (!message_range(g->m, p->body_at, to, &body, g->e))
		return false;
	if (!mime_decode(&raw, p->encoding, body)) {
		buf_clear(&raw);
		buf_add(&raw, str_sub(body, 0, TEXT_PART_MAX));
	}
	charset_utf8(&utf8, part_param(p, STR("charset")), buf_str(&raw));
	add_piece(g, buf_str(&utf8));
	buf_free(&raw);
	buf_free(&utf8);
	return true;
}

static bool add_header(struct gathering *g, const struct part *p)
{
	struct str block;
	struct header h;
	if (!read_header(g->m, p, g->m->a, &block, g->e))
		return false;
	while (header_next(&block, &h))
		add_piece(g, words_decode(g->m->a, header_unfold(g->m->a, h.whole)));
	return true;
}

static bool add_part(struct gathering *g, const struct part *p)
{
	if (g->octets >= TEXT_MESSAGE_MAX)
		return true;
	if (p->message && p->child)
		return add_header(g, p->child) && add_part(g, p->child);
	for (const struct part *c = p->multipart ? p->child : NULL; c; c = c->next)
		if (!add_part(g, c))
			return false;
	return p->multipart || !str_eqi(p->type, STR("TEXT")) || add_leaf(g, p);
}

bool text_of_body(struct message *m, struct text_piece **out, struct err *e)
{
	struct gathering g = { .m = m, .e = e };
	if (!message_index(m, e))
		return false;
	g.last = &g.first;
	bool ok = add_part(&g, m->root);
	message_close(m);
	*out = g.first;
	return ok;
}

static bool block_has(struct str block, struct str field, struct str needle)
{
	struct header h;
	while (header_next(&block, &h))
		if (field.n == 0 ? text_has_value(h.whole, needle)
				 : str_eqi(h.name, field) && text_has_value(h.value, needle))
			return true;
	return false;
}

bool text_header_has(struct message *m, struct str field, struct str needle, bool *found, struct err *e)
{
	struct str block;
	struct arena a = { 0 };
	bool ok = message_index(m, e) && read_header(m, m->root, &a, &block, e);
	message_close(m);
	*found = ok && (block_has(m->row->prefix.n ? m->row->prefix : STR_NONE, field, needle) ||
			block_has(block, field, needle));
	arena_reset(&a);
	return ok;
}

/* --- for the index ------------------------------------------------------------------- */

/* A piece, and what no needle can cross.  False: there was no room for all of it. */
static bool index_piece(struct buf *b, struct str folded)
{
	struct str some = str_sub(folded, 0, b->n < TEXT_INDEX_MAX ? TEXT_INDEX_MAX - b->n : 0);
	buf_add(b, some);
	buf_addc(b, TEXT_END);
	return some.n == folded.n;
}

/* Of a field whose words are decoded, the value may read otherwise by itself than behind its name: who asks for the one
 * must not be told by the other. */
static bool index_field(struct message *m, const struct header *h, struct buf *head)
{
	struct str whole = text_fold(words_decode(m->a, header_unfold(m->a, h->whole)), m->a);
	bool all = index_piece(head, whole);
	if (ascii_span(h->whole) == h->whole.n && str_find(h->whole, STR("=?")) == h->whole.n)
		return all;
	struct str value = text_fold(words_decode(m->a, header_unfold(m->a, h->value)), m->a);
	return has(whole, value) && all;
}

bool text_index(struct message *m, struct buf *head, struct buf *body, bool *all, struct err *e)
{
	struct text_piece *pieces;
	struct header h;
	struct str block;
	*all = true;
	if (!text_of_body(m, &pieces, e) || !read_header(m, m->root, m->a, &block, e))
		return false;
	message_close(m);
	while (header_next(&block, &h))
		*all = index_field(m, &h, head) && *all;
	for (; pieces; pieces = pieces->next)
		*all = index_piece(body, pieces->folded) && *all;
	return true;
}
