#include "mail/mime.h"

#include "mail/mime_fields.h"

/* One walk over the message, a line at a time.  Every open multipart waits for its delimiter; the line that is one
 * ends all parts inside, and each of them learns from `hit` whether it was meant. */
struct scan {
	const char *p;
	size_t n, at;
	size_t lines; /* line ends before `at` */
	struct arena *a;
	size_t parts;
	bool cut;
	struct str open[MIME_DEPTH]; /* boundaries, the innermost last */
	size_t depth;
	size_t hit; /* open[hit - 1] has met its delimiter; 0: the message has ended */
	bool closing;
	size_t hit_at, hit_lines; /* where that line begins */
};

static bool delimiter(struct scan *s, struct str line)
{
	line = str_sub(line, 2, line.n);
	while (line.n > 0 && ch_space(line.p[line.n - 1])) /* RFC 2046 5.1.1: transport-padding */
		line.n--;
	for (size_t i = s->depth; i > 0; i--) {
		struct str boundary = s->open[i - 1];
		bool closing = line.n == boundary.n + 2;
		if (!closing && line.n != boundary.n)
			continue;
		if (memcmp(line.p, boundary.p, boundary.n) != 0)
			continue;
		if (closing && (line.p[boundary.n] != '-' || line.p[boundary.n + 1] != '-'))
			continue;
		s->hit = i;
		s->closing = closing;
		return true;
	}
	return false;
}

/* Pass one line. False at the end, and when the line was a delimiter (it is passed, too). */
static bool pass_line(struct scan *s)
{
	size_t begin = s->at;
	s->hit_at = begin;
	s->hit_lines = s->lines;
	if (begin == s->n) {
		s->hit = 0;
		return false;
	}
	const char *lf = memchr(s->p + begin, '\n', s->n - begin);
	s->at = lf ? (size_t)(lf - s->p) + 1 : s->n;
	s->lines += lf != NULL;
	if (s->depth == 0 || s->at - begin < 3 || s->p[begin] != '-' || s->p[begin + 1] != '-')
		return true;
	return !delimiter(s, (struct str){ s->p + begin, s->at - begin });
}

static void pass_all(struct scan *s)
{
	while (pass_line(s))
		;
}

/* Through the blank line; false when the end or a delimiter came first. */
static bool pass_header(struct scan *s)
{
	for (;;) {
		size_t begin = s->at;
		if (!pass_line(s))
			return false;
		size_t n = s->at - begin;
		if (s->p[begin] == '\n' || (n == 2 && s->p[begin] == '\r' && s->p[begin + 1] == '\n'))
			return true;
	}
}

static struct part *part_new(struct scan *s)
{
	struct part *p = ARENA_NEW(s->a, struct part);
	part_clear(p);
	s->parts++;
	return p;
}

/* The body ends before the line end that belongs to the delimiter (RFC 2046 5.1.1), but never before its children,
 * one of which may be nothing but that line end. */
static void part_end(struct scan *s, struct part *p, size_t lines_before, size_t children_end)
{
	size_t end = s->hit_at, lines = s->hit_lines - lines_before;
	if (s->hit && end > p->body_at) {
		size_t cut = end - 1;
		if (cut > p->body_at && s->p[cut - 1] == '\r')
			cut--;
		if (cut >= children_end) {
			end = cut;
			lines--;
		}
	}
	p->end = (uint32_t)end;
	if (p->message || str_eqi(p->type, STR("text")))
		p->lines = (uint32_t)lines;
	if (!p->multipart || p->child)
		return;
	p->child = part_new(s); /* no delimiter came: all of it is text */
	p->child->header_at = p->child->body_at = p->body_at;
	p->child->end = p->end;
	p->child->lines = (uint32_t)lines;
}

static size_t parse_entity(struct scan *s, struct part *p, unsigned level, bool digest);

/* The last part that there may be: all that is left. */
static size_t parse_rest(struct scan *s, struct part *p)
{
	part_opaque(p);
	s->cut = true;
	p->header_at = p->body_at = (uint32_t)s->at;
	s->depth = 0;
	pass_all(s);
	p->end = (uint32_t)s->hit_at;
	return p->end;
}

static size_t parse_multipart(struct scan *s, struct part *p, unsigned level)
{
	bool digest = str_eqi(p->subtype, STR("digest"));
	struct part **tail = &p->child;
	size_t end = p->body_at;
	s->open[s->depth++] = str_trim(mime_param(p->params, p->nparams, STR("boundary")));
	size_t mine = s->depth;
	pass_all(s); /* the preamble */
	while (s->hit == mine && !s->closing) {
		struct part *child = *tail = part_new(s);
		tail = &child->next;
		if (s->parts >= MIME_PARTS || arena_full(s->a))
			end = parse_rest(s, child);
		else
			end = parse_entity(s, child, level + 1, digest);
	}
	s->depth = mine - 1;
	if (s->hit == mine)
		pass_all(s); /* the epilogue */
	return end;
}

static size_t parse_message(struct scan *s, struct part *p, unsigned level)
{
	p->child = part_new(s);
	p->child->envelope = ARENA_NEW(s->a, struct envelope);
	for (size_t i = 0; i < ENVELOPE_FIELDS; i++)
		*envelope_slot(p->child->envelope, i) = STR_NONE;
	return parse_entity(s, p->child, level + 1, false);
}

/* From the first octet of a part's header to the delimiter that ends it. Returns p->end. */
static size_t parse_entity(struct scan *s, struct part *p, unsigned level, bool digest)
{
	p->header_at = (uint32_t)s->at;
	bool body = pass_header(s);
	p->body_at = (uint32_t)(body ? s->at : s->hit_at);
	size_t lines = body ? s->lines : s->hit_lines;
	part_fields(p, (struct str){ s->p + p->header_at, p->body_at - p->header_at }, digest, s->a);
	bool holds = p->multipart || p->message;
	if (holds && (level >= MIME_DEPTH || s->parts >= MIME_PARTS || arena_full(s->a)))
		part_opaque(p);
	s->cut |= p->cut;
	size_t children_end = p->body_at;
	if (p->message) {
		if (!body) { /* its child is empty, and meets the same end */
			s->at = s->hit_at;
			s->lines = s->hit_lines;
		}
		children_end = parse_message(s, p, level);
	} else if (body && p->multipart) {
		children_end = parse_multipart(s, p, level);
	} else if (body) {
		pass_all(s);
	}
	part_end(s, p, lines, children_end);
	return p->end;
}

struct part *mime_parse(struct str message, struct arena *a)
{
	struct scan s = { .p = message.p, .n = message.n, .a = a };
	struct part whole;
	if (s.n > UINT32_MAX)
		s.n = UINT32_MAX;
	part_clear(&whole);
	parse_message(&s, &whole, 0);
	whole.child->cut |= s.cut;
	return whole.child;
}

struct part *mime_find(struct part *root, const uint32_t *path, size_t n)
{
	struct part *at = root;
	for (size_t i = 0; i < n; i++) {
		bool message = i == 0 || at->message;
		struct part *holder = i > 0 && at->message ? at->child : at;
		uint32_t k = path[i];
		if (!holder->multipart && (!message || k != 1))
			return NULL;
		at = holder;
		if (!holder->multipart)
			continue;
		if (k == 0)
			return NULL;
		for (at = holder->child; at && --k > 0;)
			at = at->next;
		if (!at)
			return NULL;
	}
	return at;
}
