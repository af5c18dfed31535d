/* The blob: a version octet, in version 2 the preview, then the parts in the order of the message, each a number of
 * bits that say what is there, offsets as distances from the part before (so they are small), and what is not as usual:
 *
 *   bits  header_at body_at end [lines] [type subtype] [encoding] [params] [id] [description] [md5] [location]
 *   [disposition params] [languages] [envelope: have, strings]  then the children, then (NEXT) the next sibling
 *
 * Numbers are varints, strings a length and octets.  Whether there are children is said by MULTIPART and MESSAGE.
 */
#include "mail/mime.h"

#include "mail/mime_fields.h"

#define VERSION_PLAIN   1
#define VERSION_PREVIEW 2

enum {
	MULTIPART = 1 << 0,
	MESSAGE = 1 << 1,
	NEXT = 1 << 2,
	LINES = 1 << 3,
	PARAMS = 1 << 4,
	ENCODING = 1 << 5,
	TYPE = 1 << 6,
	ENVELOPE = 1 << 7,
	DISPOSITION = 1 << 8,
	ID = 1 << 9,
	DESCRIPTION = 1 << 10,
	LANGUAGES = 1 << 11,
	CUT = 1 << 12,
	MD5 = 1 << 13,
	LOCATION = 1 << 14,
	ALL = (1 << 15) - 1,
};

static void put_str(struct buf *b, struct str s)
{
	buf_varint(b, s.n);
	buf_add(b, s);
}

static void put_params(struct buf *b, const struct param *params, size_t n)
{
	buf_varint(b, n);
	for (size_t i = 0; i < n; i++) {
		put_str(b, params[i].name);
		put_str(b, params[i].value);
	}
}

/* Above the bits of `have`: References stands behind the others; and it is said whether there is one. */
enum { REFERENCES = 1u << ENVELOPE_FIELDS, KNOW_REFERENCES = 2u << ENVELOPE_FIELDS };

static void put_envelope(struct buf *b, struct envelope *e)
{
	buf_varint(b, e->have | (e->references.n ? REFERENCES : 0u) | (e->know_references ? KNOW_REFERENCES : 0u));
	for (size_t i = 0; i < ENVELOPE_FIELDS; i++)
		if (e->have & 1u << i)
			put_str(b, *envelope_slot(e, i));
	if (e->references.n)
		put_str(b, e->references);
}

static unsigned part_bits(const struct part *p)
{
	bool plain = str_eq(p->type, STR("TEXT")) && str_eq(p->subtype, STR("PLAIN"));
	return (p->multipart ? MULTIPART : 0u) | (p->message ? MESSAGE : 0u) | (p->next ? NEXT : 0u) |
	       (p->lines ? LINES : 0u) | (p->nparams ? PARAMS : 0u) |
	       (str_eq(p->encoding, STR("7BIT")) ? 0u : ENCODING) | (plain ? 0u : TYPE) |
	       (p->envelope ? ENVELOPE : 0u) | (p->disposition.n ? DISPOSITION : 0u) | (p->id.n ? ID : 0u) |
	       (p->description.n ? DESCRIPTION : 0u) | (p->nlanguages ? LANGUAGES : 0u) | (p->cut ? CUT : 0u) |
	       (p->md5.n ? MD5 : 0u) | (p->location.n ? LOCATION : 0u);
}

static void put_part(struct buf *b, const struct part *p, uint32_t from)
{
	unsigned bits = part_bits(p);
	buf_varint(b, bits);
	buf_varint(b, p->header_at - from);
	buf_varint(b, p->body_at - p->header_at);
	buf_varint(b, p->end - p->body_at);
	if (bits & LINES)
		buf_varint(b, p->lines);
	if (bits & TYPE) {
		put_str(b, p->type);
		put_str(b, p->subtype);
	}
	if (bits & ENCODING)
		put_str(b, p->encoding);
	if (bits & PARAMS)
		put_params(b, p->params, p->nparams);
	if (bits & ID)
		put_str(b, p->id);
	if (bits & DESCRIPTION)
		put_str(b, p->description);
	if (bits & MD5)
		put_str(b, p->md5);
	if (bits & LOCATION)
		put_str(b, p->location);
	if (bits & DISPOSITION) {
		put_str(b, p->disposition);
		put_params(b, p->disp_params, p->ndisp_params);
	}
	if (bits & LANGUAGES) {
		buf_varint(b, p->nlanguages);
		for (size_t i = 0; i < p->nlanguages; i++)
			put_str(b, p->languages[i]);
	}
	if (bits & ENVELOPE)
		put_envelope(b, p->envelope);
	from = p->body_at;
	for (const struct part *child = p->child; child; child = child->next) {
		put_part(b, child, from);
		from = child->end;
	}
}

void mime_index_write(struct buf *b, const struct part *root)
{
	buf_addc(b, root->have_preview ? VERSION_PREVIEW : VERSION_PLAIN);
	if (root->have_preview)
		put_str(b, root->preview);
	put_part(b, root, 0);
}

/* A blob being read; the first thing that does not hold makes it `bad`, and all later reads empty. */
struct reader {
	struct str rest;
	struct arena *a;
	size_t parts;
	bool bad;
};

static uint64_t get_number(struct reader *r, uint64_t max)
{
	uint64_t v = 0;
	if (r->bad || !varint_take(&r->rest, &v) || v > max) {
		r->bad = true;
		return 0;
	}
	return v;
}

static struct str get_str(struct reader *r)
{
	size_t n = (size_t)get_number(r, r->rest.n);
	if (n > r->rest.n)
		r->bad = true;
	if (r->bad)
		return STR_NONE;
	struct str s = str_sub(r->rest, 0, n);
	r->rest = str_sub(r->rest, n, r->rest.n);
	return s;
}

static struct param *get_params(struct reader *r, size_t *n)
{
	*n = (size_t)get_number(r, MIME_PARAMS);
	struct param *list = *n ? ARENA_ARRAY(r->a, struct param, *n) : NULL;
	for (size_t i = 0; i < *n; i++) {
		list[i].name = get_str(r);
		list[i].value = get_str(r);
	}
	return list;
}

static struct str *get_languages(struct reader *r, size_t *n)
{
	*n = (size_t)get_number(r, MIME_PARAMS);
	struct str *list = *n ? ARENA_ARRAY(r->a, struct str, *n) : NULL;
	for (size_t i = 0; i < *n; i++)
		list[i] = get_str(r);
	return list;
}

static struct envelope *get_envelope(struct reader *r)
{
	struct envelope *e = ARENA_NEW(r->a, struct envelope);
	unsigned have = (unsigned)get_number(r, (4u << ENVELOPE_FIELDS) - 1);
	e->have = (uint16_t)(have & ((1u << ENVELOPE_FIELDS) - 1));
	for (size_t i = 0; i < ENVELOPE_FIELDS; i++)
		*envelope_slot(e, i) = e->have & 1u << i ? get_str(r) : STR_NONE;
	e->references = have & REFERENCES ? get_str(r) : STR_NONE;
	e->know_references = have & KNOW_REFERENCES;
	return e;
}

static void get_fields(struct reader *r, struct part *p, unsigned bits)
{
	if (bits & TYPE) {
		p->type = get_str(r);
		p->subtype = get_str(r);
	}
	if (bits & ENCODING)
		p->encoding = get_str(r);
	if (bits & PARAMS)
		p->params = get_params(r, &p->nparams);
	if (bits & ID)
		p->id = get_str(r);
	if (bits & DESCRIPTION)
		p->description = get_str(r);
	if (bits & MD5)
		p->md5 = get_str(r);
	if (bits & LOCATION)
		p->location = get_str(r);
	if (bits & DISPOSITION) {
		p->disposition = get_str(r);
		p->disp_params = get_params(r, &p->ndisp_params);
	}
	if (bits & LANGUAGES)
		p->languages = get_languages(r, &p->nlanguages);
	if (bits & ENVELOPE)
		p->envelope = get_envelope(r);
}

static void get_children(struct reader *r, struct part *p, unsigned level);

/* One part that lies in [from, to); `more`: a sibling follows it. */
static struct part *get_part(struct reader *r, uint32_t from, uint32_t to, unsigned level, bool *more)
{
	struct part *p = ARENA_NEW(r->a, struct part);
	part_clear(p);
	unsigned bits = (unsigned)get_number(r, ALL);
	*more = bits & NEXT;
	p->multipart = bits & MULTIPART;
	p->message = bits & MESSAGE;
	p->cut = bits & CUT;
	p->header_at = from + (uint32_t)get_number(r, to - from);
	p->body_at = p->header_at + (uint32_t)get_number(r, to - p->header_at);
	p->end = p->body_at + (uint32_t)get_number(r, to - p->body_at);
	if (bits & LINES)
		p->lines = (uint32_t)get_number(r, UINT32_MAX);
	get_fields(r, p, bits);
	if (++r->parts > MIME_PARTS || level > MIME_DEPTH + 1 || (p->multipart && p->message))
		r->bad = true;
	if (!r->bad && (p->multipart || p->message))
		get_children(r, p, level);
	return p;
}

static void get_children(struct reader *r, struct part *p, unsigned level)
{
	uint32_t from = p->body_at;
	struct part **tail = &p->child;
	for (bool more = true; more && !r->bad; tail = &(*tail)->next) {
		*tail = get_part(r, from, p->end, level + 1, &more);
		from = (*tail)->end;
	}
	/* A message part holds one message, and says what is in its envelope. */
	if (p->message && (p->child->next || !p->child->envelope))
		r->bad = true;
}

struct part *mime_index_read(struct str blob, struct arena *a)
{
	struct reader r = { .rest = blob, .a = a };
	bool more = false, have_preview = str_skipc(&r.rest, VERSION_PREVIEW);
	if (!have_preview && !str_skipc(&r.rest, VERSION_PLAIN))
		return NULL;
	struct str preview = have_preview ? get_str(&r) : STR_NONE;
	struct part *root = get_part(&r, 0, UINT32_MAX, 1, &more);
	root->preview = preview;
	root->have_preview = have_preview;
	return r.bad || more || r.rest.n > 0 || !root->envelope ? NULL : root;
}
