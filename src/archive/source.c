#include "archive/source_impl.h"

#include "archive/octets.h"

#define EPOCH_MS ((int64_t)315532800 * 1000) /* 1980: before it there was hardly any mail */
#define AHEAD_MS ((int64_t)48 * 3600 * 1000) /* clocks and zones differ */

/* One of the wanted names: itself, or "A/" + "*" for what is below. */
static bool wanted(struct str one, struct str mailbox)
{
	if (str_ends(one, STR("*")))
		return str_starts(mailbox, str_sub(one, 0, one.n - 1));
	return str_eq(one, mailbox) || (str_eqi(one, STR("INBOX")) && str_eqi(mailbox, one));
}

bool source_wants(const struct source *s, struct str mailbox)
{
	struct str rest = s->conf.only;
	if (rest.n == 0)
		return true;
	while (rest.n > 0)
		if (wanted(str_trim(str_cut(&rest, ',')), mailbox))
			return true;
	return false;
}

bool source_add_box(struct source *s, struct str name, enum special_use use, struct err *e)
{
	for (size_t i = 0; i < s->nboxes; i++)
		if (str_eq(s->boxes[i].name, name))
			return true;
	if (s->nboxes == BOXES_MAX)
		return err_set(e, ERR_PERM, "more than %d mailboxes", BOXES_MAX);
	s->boxes = arena_grow(&s->life, s->boxes, &s->cap, s->nboxes + 1, sizeof *s->boxes);
	s->boxes[s->nboxes++] = (struct source_box){ str_dup(&s->life, name), use };
	return true;
}

int64_t source_date(const struct source *s, int64_t wall_ms)
{
	return wall_ms < EPOCH_MS || wall_ms > s->conf.now_wall_ms + AHEAD_MS ? 0 : wall_ms;
}

void source_finish(const struct source *s, struct buf *b, struct source_message *m)
{
	m->nuls = b->n > 0 && octets_no_nul(b->p, b->n) > 0;
	m->bytes = buf_str(b);
	m->internal_wall_ms = source_date(s, m->internal_wall_ms);
	if (!m->internal_wall_ms)
		m->internal_wall_ms = source_date(s, octets_date(m->bytes));
}

struct str source_common(struct str a, struct str b)
{
	size_t n = 0;
	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	if ((n == a.n && (n == b.n || b.p[n] == '/')) || (n == b.n && a.p[n] == '/'))
		return str_sub(a, 0, n);
	while (n > 0 && a.p[n - 1] != '/')
		n--;
	return str_sub(a, 0, n ? n - 1 : 0);
}

void source_limit(struct source *s, size_t max)
{
	s->conf.max = max;
}

const struct source_box *source_boxes(const struct source *s, size_t *n)
{
	*n = s->nboxes;
	return s->boxes;
}

enum source_got source_next(struct source *s, struct source_message *m, struct err *e)
{
	*m = (struct source_message){ .mailbox = STR_NONE, .where = STR_NONE, .key = STR_NONE, .keywords = STR_NONE };
	return s->kind->next(s, m, e);
}

void source_progress(const struct source *s, uint64_t *done, uint64_t *total, bool *octets)
{
	*done = s->done;
	*total = s->total;
	*octets = s->octets;
}

void source_close(struct source *s)
{
	if (s)
		s->kind->close(s);
}
