#include "mail/mime_fields.h"

#include "mail/header.h"
#include "mail/lex.h"

struct str *envelope_slot(struct envelope *e, size_t i)
{
	struct str *const slots[ENVELOPE_FIELDS] = { &e->date, &e->subject, &e->from, &e->sender,      &e->reply_to,
						     &e->to,   &e->cc,      &e->bcc,  &e->in_reply_to, &e->message_id };
	return slots[i];
}

void part_clear(struct part *p)
{
	*p = (struct part){
		.type = STR("TEXT"),
		.subtype = STR("PLAIN"),
		.encoding = STR("7BIT"),
		.id = STR_NONE,
		.description = STR_NONE,
		.md5 = STR_NONE,
		.location = STR_NONE,
		.disposition = STR_NONE,
		.preview = STR_NONE,
	};
}

void part_opaque(struct part *p)
{
	p->type = STR("APPLICATION");
	p->subtype = STR("OCTET-STREAM");
	p->params = NULL;
	p->nparams = 0;
	p->multipart = p->message = false;
	p->cut = true;
}

/* "type/subtype"; what is malformed counts as not there (RFC 2045 5.2). */
static void set_type(struct part *p, struct str value, struct arena *a)
{
	struct str at = value;
	lex_cfws(&at, NULL);
	struct str type = lex_run(&at, lex_token);
	lex_cfws(&at, NULL);
	bool slash = str_skipc(&at, '/');
	lex_cfws(&at, NULL);
	struct str subtype = lex_run(&at, lex_token);
	if (slash && type.n > 0 && subtype.n > 0) {
		p->type = type;
		p->subtype = subtype;
	}
	if (!mime_params(value, a, &p->params, &p->nparams))
		p->cut = true;
}

static void set_disposition(struct part *p, struct str value, struct arena *a)
{
	struct str at = value;
	lex_cfws(&at, NULL);
	p->disposition = lex_run(&at, lex_token);
	if (p->disposition.n == 0 && at.n > 0)
		p->disposition = STR("attachment"); /* as an unknown one is to be read: RFC 2183 2.8 */
	if (!mime_params(value, a, &p->disp_params, &p->ndisp_params))
		p->cut = true;
}

static void set_encoding(struct part *p, struct str value, struct arena *a)
{
	(void)a;
	lex_cfws(&value, NULL);
	struct str token = lex_run(&value, lex_token);
	if (token.n > 0)
		p->encoding = token;
}

static void set_languages(struct part *p, struct str value, struct arena *a)
{
	size_t cap = 0;
	while (p->nlanguages < MIME_PARAMS && value.n > 0) {
		lex_cfws(&value, NULL);
		struct str tag = lex_run(&value, lex_token);
		str_cut(&value, ',');
		if (tag.n == 0)
			continue;
		p->languages = arena_grow(a, p->languages, &cap, p->nlanguages + 1, sizeof *p->languages);
		p->languages[p->nlanguages++] = tag;
	}
}

static void set_id(struct part *p, struct str value, struct arena *a)
{
	p->id = header_unfold(a, value);
}

static void set_description(struct part *p, struct str value, struct arena *a)
{
	p->description = header_unfold(a, value);
}

static void set_md5(struct part *p, struct str value, struct arena *a)
{
	p->md5 = header_uncomment(a, value);
}

static void set_location(struct part *p, struct str value, struct arena *a)
{
	p->location = header_unfold(a, value);
}

static const struct {
	struct str name;
	void (*set)(struct part *, struct str, struct arena *);
} content_fields[] = {
/* clang-format off */
#define FIELD(name, set) { { name, sizeof(name) - 1 }, set }
	FIELD("Content-Type", set_type),		/* RFC 2045 5 */
	FIELD("Content-Transfer-Encoding", set_encoding), /* RFC 2045 6 */
	FIELD("Content-Disposition", set_disposition),	/* RFC 2183 */
	FIELD("Content-ID", set_id),			/* RFC 2045 7 */
	FIELD("Content-Description", set_description),	/* RFC 2045 8 */
	FIELD("Content-Language", set_languages),	/* RFC 3282 */
	FIELD("Content-MD5", set_md5),			/* RFC 1864 */
	FIELD("Content-Location", set_location),	/* RFC 2557 */
#undef FIELD
	/* clang-format on */
};
#define CONTENT_FIELDS (sizeof content_fields / sizeof *content_fields)

static const struct str envelope_fields[ENVELOPE_FIELDS] = {
#define NAME(name)                     \
	{                              \
		name, sizeof(name) - 1 \
	}
	NAME("Date"), NAME("Subject"), NAME("From"), NAME("Sender"),      NAME("Reply-To"),
	NAME("To"),   NAME("Cc"),      NAME("Bcc"),  NAME("In-Reply-To"), NAME("Message-ID"),
#undef NAME
};

static void content_field(struct part *p, const struct header *h, unsigned *seen, struct arena *a)
{
	for (size_t i = 0; i < CONTENT_FIELDS; i++) {
		if (!str_eqi(h->name, content_fields[i].name))
			continue;
		if (!(*seen & 1u << i))
			content_fields[i].set(p, h->value, a);
		*seen |= 1u << i;
		return;
	}
}

static void envelope_field(struct envelope *e, const struct header *h, struct arena *a)
{
	for (size_t i = 0; i < ENVELOPE_FIELDS; i++) {
		if (!str_eqi(h->name, envelope_fields[i]))
			continue;
		if (!(e->have & 1u << i))
			*envelope_slot(e, i) = header_unfold(a, h->value);
		e->have = (uint16_t)(e->have | 1u << i);
		return;
	}
	if (e->references.n == 0 && str_eqi(h->name, STR("References")))
		e->references = header_unfold(a, h->value);
}

static bool type_is(const struct part *p, const char *type, const char *subtype)
{
	return str_eqi(p->type, str_of(type)) && str_eqi(p->subtype, str_of(subtype));
}

static void classify(struct part *p)
{
	p->message = type_is(p, "message", "rfc822") || type_is(p, "message", "global");
	p->multipart = str_eqi(p->type, STR("multipart"));
	if (!p->multipart)
		return;
	size_t boundary = str_trim(mime_param(p->params, p->nparams, STR("boundary"))).n;
	if (boundary > BOUNDARY_MAX) {
		part_opaque(p);
	} else if (boundary == 0) {
		p->type = STR("TEXT");
		p->subtype = STR("PLAIN");
		p->multipart = false;
	}
}

void part_fields(struct part *p, struct str block, bool digest, struct arena *a)
{
	struct header h;
	struct str rest = block;
	unsigned seen = 0;
	if (digest) {
		p->type = STR("MESSAGE");
		p->subtype = STR("RFC822");
	}
	if (p->envelope) {
		p->envelope->references = STR_NONE;
		p->envelope->know_references = true;
	}
	for (size_t n = 0; header_next(&rest, &h); n++) {
		if (n == HEADER_FIELDS_MAX || block.n - rest.n > HEADER_BYTES_MAX) {
			p->cut = true;
			break;
		}
		if (h.name.n > 8 && str_startsi(h.name, STR("content-")))
			content_field(p, &h, &seen, a);
		else if (p->envelope && h.name.n > 0)
			envelope_field(p->envelope, &h, a);
	}
	classify(p);
}
