/* Rows with what FETCH says of them, in one read: a statement for each message would cost more than the message. */
#include "store/mailbox.h"
#include "store/sqlite_box.h"
#include "store/sqlite_content.h"
#include "store/sqlite_store.h"

struct page {
	int64_t mailbox;
	uint32_t from, to;
	unsigned with;
	struct arena *a;
	struct msg *msgs;
	size_t n, octets;
	bool more;
};

#define PAGE_COLUMNS                                                                                    \
	"SELECT m.key, m.modseq, m.flags, m.content_id, m.size, m.internal_ms, m.saved_ms, m.keywords," \
	" length(m.prefix), CASE WHEN ?3 & 1 THEN m.prefix END"
#define PAGE_RANGE " WHERE m.key BETWEEN ?1 AND ?2 ORDER BY m.key"
static const char rows_sql[] = PAGE_COLUMNS ", NULL FROM msg AS m" PAGE_RANGE;
/* Columns that are not asked for are not read.  LEFT JOIN: a row whose content is lost is still a message. */
static const char contents_sql[] = PAGE_COLUMNS
    ", CASE WHEN ?3 & 2 THEN c.idx END,"
    " CASE WHEN ?3 & 4 AND c.file IS NULL AND c.dead = 0 THEN c.size END,"
    " CASE WHEN ?3 & 4 AND c.file IS NULL AND c.dead = 0 THEN c.data END"
    " FROM msg AS m LEFT JOIN content AS c ON c.id = m.content_id" PAGE_RANGE;

/* A damaged one is left out: who asks for it alone is told what is wrong with it. */
static void take_content(struct rows *r, struct page *p, struct msg *m)
{
	struct str packed = row_str(r, 12);
	size_t size = (size_t)row_num(r, 11);
	if (packed.n == 0 || size > STAGE_SPILL)
		return;
	char *to = arena_alloc(p->a, size);
	m->have_content = frames_unpack(&r->tx->st->frames, packed, to, size);
	m->content = m->have_content ? (struct str){ to, size } : STR_NONE;
}

static void take_row(struct rows *r, struct page *p)
{
	struct msg *m = &p->msgs[p->n++];
	*m = (struct msg){
		.uid = KEY_UID(row_num(r, 0)),
		.modseq = (uint64_t)row_num(r, 1),
		.flags = (unsigned)row_num(r, 2),
		.content_id = row_num(r, 3),
		.size = (uint64_t)row_num(r, 4),
		.internal_wall_ms = row_num(r, 5),
		.saved_wall_ms = row_num(r, 6),
		.keywords = row_dup(r, 7, p->a),
		.prefix_size = (uint32_t)row_num(r, 8),
		.prefix = row_dup(r, 9, p->a),
		.index = row_dup(r, 10, p->a),
		.content = STR_NONE,
	};
	if (p->with & WITH_CONTENT)
		take_content(r, p, m);
	p->octets += m->prefix.n + m->index.n + m->content.n;
}

static bool unit_page(struct tx *tx, void *arg, struct err *e)
{
	struct page *p = arg;
	const char *sql = p->with & (WITH_INDEX | WITH_CONTENT) ? contents_sql : rows_sql;
	struct rows r = sql_rows_(
	    tx, sql, SQL_ARGS(NUM(MSG_KEY(p->mailbox, p->from)), NUM(MSG_KEY(p->mailbox, p->to)), NUM(p->with)));
	size_t room = p->to - p->from < MSG_PAGE ? p->to - p->from + 1 : MSG_PAGE; /* most often one is asked for */
	p->msgs = ARENA_ARRAY(p->a, struct msg, room);
	while (p->n < room && p->octets < MSG_PAGE_OCTETS && row_next(&r))
		take_row(&r, p);
	p->more = p->n == MSG_PAGE || p->octets >= MSG_PAGE_OCTETS;
	return rows_end(&r, e);
}

bool msg_page_with(struct store *st, int64_t mailbox, uint32_t from, uint32_t to, unsigned with, struct arena *a,
		   struct msg **out, size_t *n, bool *more, struct err *e)
{
	struct page p = { .mailbox = mailbox, .from = from, .to = to, .with = with, .a = a };
	*out = NULL;
	*n = 0;
	*more = false;
	if (from <= to && !store_read(st, unit_page, &p, e))
		return false;
	*out = p.msgs;
	*n = p.n;
	*more = p.more;
	return true;
}
