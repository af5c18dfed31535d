#include "imap/text.h"
#include "mail/header.h"
#include "mail/words.h"
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

static bool ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

struct str text_fold(struct str utf8, struct arena *a)
{
	if (ascii(utf8))
		return str_lower(a, utf8);
	size_t n = 0;
	uint8_t *folded = u8_casefold((const uint8_t *)utf8.p, utf8.n, NULL, UNINORM_NFKD, NULL, &n);
	if (!folded) /* not UTF-8 after all */
		return str_lower(a, utf8);
	struct str out = str_dup(a, (struct str){ (const char *)folded, n });
	free(folded);
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

bool text_has_value(struct str value, struct str needle, struct arena *a)
{
	return needle.n == 0 || text_has(words_decode(a, header_unfold(a, value)), needle, a);
}

struct gathering {
	struct message *m;
	struct text_piece *first, **last;
	size_t octets;
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

static void add_leaf(struct gathering *g, const struct part *p)
{
	struct buf raw = { .max = TEXT_PART_MAX }, utf8 = { .max = TEXT_PART_MAX };
	struct str body = str_sub(message_octets(g->m, p->body_at, p->end), 0, 2 * TEXT_PART_MAX);
	if (!mime_decode(&raw, p->encoding, body)) {
		buf_clear(&raw);
		buf_add(&raw, str_sub(body, 0, TEXT_PART_MAX));
	}
	charset_utf8(&utf8, part_param(p, STR("charset")), buf_str(&raw));
	add_piece(g, buf_str(&utf8));
	buf_free(&raw);
	buf_free(&utf8);
}

static void add_header(struct gathering *g, const struct part *p)
{
	struct str block = message_octets(g->m, p->header_at, p->body_at);
	struct header h;
	while (header_next(&block, &h))
		add_piece(g, words_decode(g->m->a, header_unfold(g->m->a, h.whole)));
}

static void add_part(struct gathering *g, const struct part *p)
{
	if (p->message && p->child) {
		add_header(g, p->child);
		add_part(g, p->child);
	} else if (p->multipart) {
		for (const struct part *c = p->child; c; c = c->next)
			add_part(g, c);
	} else if (str_eqi(p->type, STR("TEXT"))) {
		add_leaf(g, p);
	}
}

bool text_of_body(struct message *m, struct text_piece **out, struct err *e)
{
	struct gathering g = { .m = m };
	if (!message_index(m, e) || !message_content(m, e))
		return false;
	g.last = &g.first;
	add_part(&g, m->root);
	*out = g.first;
	return true;
}

bool text_header_has(struct message *m, struct str field, struct str needle, bool *found, struct err *e)
{
	struct header h;
	*found = false;
	if (!message_index(m, e) || !message_content(m, e))
		return false;
	struct str blocks[] = { m->row->prefix.n ? m->row->prefix : STR_NONE,
				message_octets(m, m->root->header_at, m->root->body_at) };
	for (size_t i = 0; i < 2; i++)
		while (!*found && header_next(&blocks[i], &h)) {
			if (field.n == 0)
				*found = text_has_value(h.whole, needle, m->a);
			else if (str_eqi(h.name, field))
				*found = text_has_value(h.value, needle, m->a);
		}
	return true;
}
