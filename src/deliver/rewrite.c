/* Fields are looked at as a person reads them: unfolded, encoded words undone; a field that no rule changes stays as it
 * was, octet for octet.  What a rule made is written anew by mail/compose, so no replacement can add a field. */
#include "deliver/rewrite.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/num.h"
#include "mail/address.h"
#include "mail/compose.h"
#include "mail/header.h"
#include "mail/words.h"

#define MATCH_LIMIT 100000 /* backtracks of one match */
#define HEAP_KIB    4096   /* memory of one match */
#define VALUE_MAX   65536  /* octets that a rule may make of a value */

struct rule {
	struct str field, replacement; /* heap; replacement in PCRE2's notation */
	pcre2_code *code;
};
struct rewrite {
	struct rule *rules;
	size_t n;
	pcre2_match_context *limits;
};

/* --- compiling -------------------------------------------------------------- */

/* \1 and \g<1> are ${1}; a dollar that names nothing stays one. */
static void add_replacement(struct buf *b, struct str r)
{
	while (r.n > 0) {
		char c = r.p[0], next = r.n > 1 ? r.p[1] : 0;
		size_t end = str_chr(r, '>');
		size_t used = 1;
		if (c == '\\' && ch_digit(next)) {
			buf_printf(b, "${%c}", next);
			used = 2;
		} else if (c == '\\' && str_starts(r, STR("\\g<")) && end < r.n) {
			buf_printf(b, "${%.*s}", STRF(str_sub(r, 3, end)));
			used = end + 1;
		} else if (c == '\\' && next == '\\') {
			buf_addc(b, '\\');
			used = 2;
		} else if (c == '$' && !ch_alnum(next) && next != '{' && next != '$') {
			buf_addz(b, "$$");
		} else if (c == '$' && next == '$') {
			buf_addz(b, "$$");
			used = 2;
		} else {
			buf_addc(b, c);
		}
		r = str_sub(r, used, r.n);
	}
}

static struct str keep(struct str s)
{
	char *p = malloc(s.n + 1);
	if (!p)
		abort();
	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct str){ p, s.n };
}

static pcre2_code *compile(const struct rewrite_rule *r, size_t *offset, struct err *e)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
			   (r->any_case ? PCRE2_CASELESS : 0);
	int why;
	PCRE2_SIZE at = 0;
	unsigned char text[160];
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)r->pattern.p, r->pattern.n, options, &why, &at, NULL);
	if (code)
		return code;
	pcre2_get_error_message(why, text, sizeof text);
	*offset = at;
	err_set(e, ERR_PERM, "the pattern does not compile: %s, at %zu", (const char *)text, at);
	return NULL;
}

static pcre2_match_context *limits_new(void)
{
	pcre2_match_context *m = pcre2_match_context_create(NULL);
	if (!m)
		abort();
	pcre2_set_match_limit(m, MATCH_LIMIT);
	pcre2_set_heap_limit(m, HEAP_KIB);
	return m;
}

enum got { SAME, CHANGED, TOO_MUCH };

/* One rule over one value. */
static enum got substitute(const struct rule *r, pcre2_match_context *limits, struct str in, char to[VALUE_MAX],
			   struct str *out)
{
	PCRE2_SIZE n = VALUE_MAX;
	uint32_t options = PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_UNSET_EMPTY;
	int rc = pcre2_substitute(r->code, (PCRE2_SPTR)in.p, in.n, 0, options, NULL, limits,
				  (PCRE2_SPTR)r->replacement.p, r->replacement.n, (PCRE2_UCHAR *)to, &n);
	if (rc < 0)
		return TOO_MUCH;
	*out = (struct str){ to, n };
	return rc == 0 || str_eq(in, *out) ? SAME : CHANGED;
}

/* "$12", "${12}", "${name}", "$name": what is named, and the rest. */
static struct str take_group(struct str *rest)
{
	size_t n = 0;
	if (str_skipc(rest, '{'))
		return str_cut(rest, '}');
	while (n < rest->n && (ch_alnum(rest->p[n]) || rest->p[n] == '_'))
		n++;
	struct str name = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	return name;
}

static bool group_there(const pcre2_code *code, struct str name)
{
	char z[64];
	uint64_t number;
	uint32_t groups = 0;
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (num_parse(name, UINT32_MAX, &number))
		return number <= groups;
	if (name.n == 0 || name.n >= sizeof z)
		return false;
	memcpy(z, name.p, name.n);
	z[name.n] = '\0';
	return pcre2_substring_number_from_name(code, (PCRE2_SPTR)z) > 0;
}

static bool replacement_fits(const struct rule *r, struct err *e)
{
	struct str rest = r->replacement;
	for (;;) {
		size_t at = str_chr(rest, '$');
		if (at == rest.n)
			return true;
		rest = str_sub(rest, at + 1, rest.n);
		if (str_skipc(&rest, '$'))
			continue;
		struct str name = take_group(&rest);
		if (!group_there(r->code, name))
			return err_set(e, ERR_PERM,
				       "the replacement names group \"%.*s\", which the pattern does not have",
				       STRF(name));
	}
}

static bool rule_new(const struct rewrite_rule *given, struct rule *r, size_t *offset, struct err *e)
{
	struct buf b = { 0 };
	*r = (struct rule){ .field = STR_NONE, .replacement = STR_NONE };
	r->code = compile(given, offset, e);
	if (!r->code)
		return false;
	add_replacement(&b, given->replacement);
	r->replacement = keep(buf_str(&b));
	r->field = keep(given->field);
	buf_free(&b);
	return replacement_fits(r, e);
}

static void rule_free(struct rule *r)
{
	if (!r->code)
		return;
	pcre2_code_free(r->code);
	free((char *)(uintptr_t)r->field.p);
	free((char *)(uintptr_t)r->replacement.p);
}

bool rewrite_check(const struct rewrite_rule *rule, size_t *offset, struct err *e)
{
	struct rule r;
	*offset = 0;
	bool ok = rule_new(rule, &r, offset, e);
	rule_free(&r);
	return ok;
}

struct rewrite *rewrite_new(const struct rewrite_rule *rules, size_t n, struct err *e)
{
	struct rewrite *r = calloc(1, sizeof *r);
	size_t offset;
	if (!r || !(r->rules = calloc(n + 1, sizeof *r->rules)))
		abort();
	r->limits = limits_new();
	for (r->n = 0; r->n < n; r->n++) {
		if (rule_new(&rules[r->n], &r->rules[r->n], &offset, e))
			continue;
		r->n++;
		rewrite_free(r);
		return NULL;
	}
	return r;
}

void rewrite_free(struct rewrite *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		rule_free(&r->rules[i]);
	pcre2_match_context_free(r->limits);
	free(r->rules);
	free(r);
}

/* --- a header at work ----------------------------------------------------------- */

struct work {
	const struct rewrite *r;
	struct arena *a;
	struct buf out;
	char *scratch;  /* VALUE_MAX octets, once a rule was tried */
	struct str why; /* a limit that was met */
	bool changed, discard;
};

/* All rules of a field, one after the other. */
static bool run_rules(struct work *w, struct str field, struct str *value)
{
	bool changed = false;
	for (size_t i = 0; i < w->r->n; i++) {
		const struct rule *r = &w->r->rules[i];
		struct str now;
		if (!str_eqi(r->field, field))
			continue;
		if (!w->scratch && !(w->scratch = malloc(VALUE_MAX)))
			abort();
		enum got got = substitute(r, w->r->limits, *value, w->scratch, &now);
		if (got == TOO_MUCH)
			w->why = str_fmt(w->a, "rule %zu (%.*s) met its limits and was passed over", i + 1,
					 STRF(field));
		if (got != CHANGED)
			continue;
		*value = str_dup(w->a, now);
		changed = true;
	}
	return changed;
}

static bool has_rules(const struct rewrite *r, struct str field)
{
	for (size_t i = 0; i < r->n; i++)
		if (str_eqi(r->rules[i].field, field))
			return true;
	return false;
}

static bool is_addresses(struct str field)
{
	static const struct str names[] = { STR("from"),      STR("to"),         STR("cc"),           STR("bcc"),
					    STR("reply-to"),  STR("sender"),     STR("resent-from"),  STR("resent-to"),
					    STR("resent-cc"), STR("resent-bcc"), STR("resent-sender") };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (str_eqi(field, names[i]))
			return true;
	return false;
}

/* Up to the next comma that parts two addresses: not one in quotes, comments, angle brackets or a group. */
static struct str take_piece(struct str *rest)
{
	unsigned comment = 0;
	bool quoted = false, angle = false, group = false;
	size_t i = 0;
	for (; i < rest->n; i++) {
		char c = rest->p[i];
		if (c == '\\' && (quoted || comment))
			i++;
		else if (quoted)
			quoted = c != '"';
		else if (c == '(')
			comment++;
		else if (comment)
			comment -= c == ')';
		else if (c == '"')
			quoted = true;
		else if (c == '<' || c == '>')
			angle = c == '<';
		else if (c == ':' && !angle)
			group = true;
		else if (c == ';')
			group = false;
		else if (c == ',' && !angle && !group)
			break;
	}
	i = i < rest->n ? i : rest->n;
	struct str piece = str_trim(str_sub(*rest, 0, i));
	*rest = str_sub(*rest, i + 1, rest->n);
	return piece;
}

static bool ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 || (unsigned char)s.p[i] < ' ')
			return false;
	return true;
}

/* What a rule made of an address, as it may stand in a field. */
static struct str written(struct work *w, struct str piece)
{
	struct mailaddr *list;
	size_t n;
	bool more;
	struct buf b = { 0 };
	if (ascii(piece))
		return piece;
	if (addresses_parse(piece, w->a, &list, &n, &more) && n == 1 && ascii(list[0].local) && list[0].local.n > 0) {
		struct address x = { .local = list[0].local, .domain = list[0].domain };
		words_phrase(&b, list[0].name, 20);
		buf_addz(&b, " <");
		address_print(&b, &x);
		buf_addc(&b, '>');
	} else {
		words_encode(&b, piece, 20);
	}
	struct str out = str_dup(w->a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* The field's value anew; false: no rule changed anything. */
static bool rewrite_addresses(struct work *w, struct str field, struct str value, struct buf *out)
{
	struct str rest = header_unfold(w->a, value);
	bool changed = false;
	while (rest.n > 0) {
		struct str raw = take_piece(&rest), piece = words_decode(w->a, raw);
		if (raw.n == 0)
			continue;
		if (run_rules(w, field, &piece)) {
			changed = true;
			raw = written(w, str_trim(piece));
		}
		if (raw.n == 0)
			continue;
		buf_addz(out, out->n > 0 ? ", " : "");
		buf_add(out, raw);
	}
	return changed;
}

static bool may_discard(struct str field)
{
	return str_eqi(field, STR("from")) || str_eqi(field, STR("to")) || str_eqi(field, STR("subject"));
}

static void rewrite_field(struct work *w, const struct header *h)
{
	struct buf value = { 0 };
	bool addresses = is_addresses(h->name), changed;
	if (addresses) {
		changed = rewrite_addresses(w, h->name, h->value, &value);
	} else {
		struct str text = words_decode(w->a, header_unfold(w->a, h->value));
		changed = run_rules(w, h->name, &text);
		buf_add(&value, str_trim(text));
	}
	if (!changed) {
		buf_add(&w->out, h->whole);
	} else if (value.n == 0) {
		w->changed = true; /* the field goes */
		if (may_discard(h->name)) {
			w->discard = true;
			w->why = str_fmt(w->a, "its %.*s was emptied by the rules", STRF(h->name));
		}
	} else {
		w->changed = true;
		(addresses ? compose_raw : compose_text)(&w->out, str_z(w->a, h->name), buf_str(&value));
	}
	buf_free(&value);
}

enum rewrite_got rewrite_run(const struct rewrite *r, struct str header, struct arena *a, struct str *out,
			     struct str *why)
{
	struct work w = { .r = r, .a = a, .why = STR_NONE };
	struct str rest = header;
	struct header h;
	while (header_next(&rest, &h)) {
		if (h.name.n > 0 && has_rules(r, h.name))
			rewrite_field(&w, &h);
		else
			buf_add(&w.out, h.whole);
	}
	buf_addz(&w.out, "\r\n");
	*out = w.changed ? str_dup(a, buf_str(&w.out)) : header;
	*why = w.why;
	buf_free(&w.out);
	free(w.scratch);
	return w.discard ? REWRITE_DISCARD : w.changed ? REWRITE_CHANGED : REWRITE_SAME;
}
