#include "imap/message.h"
#include "base/log.h"
#include "mail/preview.h"
#include "store/content.h"
#include <stdio.h>

void message_close(struct message *m)
{
	content_close(m->reader);
	m->reader = NULL;
}

uint64_t message_size(const struct message *m)
{
	return m->row->size > m->row->prefix_size ? m->row->size - m->row->prefix_size : 0;
}

bool message_content(struct message *m, struct err *e)
{
	if (m->have_content)
		return true;
	if (m->row->have_content)
		m->content = m->row->content;
	else if (!content_read(m->st, m->row->content_id, m->a, &m->content, e))
		return false;
	m->have_content = true;
	return true;
}

bool message_index(struct message *m, struct err *e)
{
	struct str blob = m->row->index.n > 0 ? m->row->index : STR_NONE;
	struct err why = { 0 };
	if (m->root)
		return true;
	if (blob.n > 0 || content_index(m->st, m->row->content_id, m->a, &blob, &why))
		m->root = mime_index_read(blob, m->a);
	if (m->root)
		return true;
	log_warn("imap.index-unreadable", KVN("content", m->row->content_id), KVZ("error", why.text));
	if (!message_content(m, e))
		return false;
	m->root = mime_parse(m->content, m->a);
	return true;
}

bool message_piece(struct message *m, uint64_t from, struct str *bytes, struct err *e)
{
	if (m->have_content || message_size(m) <= MESSAGE_WHOLE) {
		if (!message_content(m, e))
			return false;
		*bytes = str_sub(m->content, (size_t)from, m->content.n);
		return true;
	}
	if (!m->reader)
		m->reader = content_open(m->st, m->row->content_id, e);
	return m->reader && content_piece(m->reader, from, bytes, e);
}

bool message_there(struct message *m, uint64_t to, struct err *e)
{
	if (m->reader)
		return content_there(m->reader, to, e);
	return !m->have_content || to <= m->content.n ||
	       err_set(e, ERR_TEMP, "the content is shorter than its row says");
}

bool message_range(struct message *m, uint64_t from, uint64_t to, struct str *bytes, struct err *e)
{
	struct str piece;
	*bytes = STR_NONE;
	to = to < message_size(m) ? to : message_size(m);
	if (from >= to)
		return true;
	if (!message_piece(m, from, &piece, e))
		return false;
	if (piece.n >= to - from) {
		*bytes = str_sub(piece, 0, (size_t)(to - from));
		if (m->reader)
			*bytes = str_dup(m->a, *bytes);
		return true;
	}
	char *p = arena_alloc(m->a, (size_t)(to - from));
	while (from < to && piece.n > 0) {
		piece = str_sub(piece, 0, (size_t)(to - from));
		memcpy(p + bytes->n, piece.p, piece.n);
		*bytes = (struct str){ p, bytes->n + piece.n };
		from += piece.n;
		if (from < to && !message_piece(m, from, &piece, e))
			return false;
	}
	return true;
}

struct str message_octets(const struct message *m, uint32_t from, uint32_t to)
{
	return str_sub(m->content, from, to);
}

bool message_preview(struct message *m, bool now, struct str *preview, bool *made, struct err *e)
{
	struct str body;
	if (!message_index(m, e))
		return false;
	*made = m->root->have_preview || now;
	*preview = m->root->preview;
	if (m->root->have_preview || !now)
		return true;
	const struct part *p = preview_part(m->root);
	*preview = STR_NONE;
	if (!p)
		return true;
	uint64_t end = p->end - p->body_at > PREVIEW_READ ? p->body_at + PREVIEW_READ : p->end;
	if (!message_range(m, p->body_at, end, &body, e))
		return false;
	struct buf b = { 0 };
	preview_text(p, body, &b);
	*preview = str_dup(m->a, buf_str(&b));
	buf_free(&b);
	return true;
}

/* Numbers of neighbours look unlike each other: how much mail comes between two is nobody's business. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The content's number is never reused; the same content came to several with prefixes and dates of their own. */
void message_email_id(const struct msg *row, char id[EMAIL_ID_SIZE])
{
	uint64_t first = mix((uint64_t)row->content_id * 0x9e3779b97f4a7c15u);
	uint64_t second = mix(first ^ (uint64_t)row->internal_wall_ms ^ (uint64_t)row->prefix_size << 48);
	snprintf(id, EMAIL_ID_SIZE, "M%016llx%016llx", (unsigned long long)first, (unsigned long long)second);
}

struct str part_param(const struct part *p, struct str name)
{
	for (size_t i = 0; i < p->nparams; i++)
		if (str_eqi(p->params[i].name, name))
			return p->params[i].value;
	return STR_NONE;
}
