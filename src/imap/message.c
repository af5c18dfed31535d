#include "imap/message.h"
#include "base/log.h"
#include "store/content.h"

bool message_content(struct message *m, struct err *e)
{
	if (!m->have_content && !content_read(m->st, m->row->content_id, m->a, &m->content, e))
		return false;
	m->have_content = true;
	return true;
}

bool message_index(struct message *m, struct err *e)
{
	struct str blob;
	struct err why = { 0 };
	if (m->root)
		return true;
	if (content_index(m->st, m->row->content_id, m->a, &blob, &why))
		m->root = mime_index_read(blob, m->a);
	if (m->root)
		return true;
	log_warn("imap.index-unreadable", KVN("content", m->row->content_id), KVZ("error", why.text));
	if (!message_content(m, e))
		return false;
	m->root = mime_parse(m->content, m->a);
	return true;
}

struct str message_octets(const struct message *m, uint32_t from, uint32_t to)
{
	return str_sub(m->content, from, to);
}

struct str part_param(const struct part *p, struct str name)
{
	for (size_t i = 0; i < p->nparams; i++)
		if (str_eqi(p->params[i].name, name))
			return p->params[i].value;
	return STR_NONE;
}
