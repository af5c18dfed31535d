#include "mail/mime.h"

#include "base/num.h"
#include "mail/lex.h"
#include "mail/words.h"

/* One "name*section*=value" as it stands (RFC 2231). */
struct piece {
	struct str name, value;
	int section;   /* -1: none */
	bool extended; /* %-encoded, the first with charset'language' */
	bool used;
};
#define SECTION_MAX 999

/* "name*0*" into its three meanings; what does not read so is a name. */
static void split_name(struct piece *p)
{
	struct str name = p->name;
	uint64_t section;
	p->section = -1;
	if (name.n > 1 && name.p[name.n - 1] == '*') {
		p->extended = true;
		name.n--;
	}
	size_t star = str_chr(name, '*');
	if (star > 0 && star < name.n && num_parse(str_sub(name, star + 1, name.n), SECTION_MAX, &section)) {
		p->section = (int)section;
		name.n = star;
	}
	p->name = name;
}

/* Quoted, or up to the next ";" or comment: names with blanks are often left unquoted. */
static struct str take_value(struct str *s, struct arena *a)
{
	lex_cfws(s, NULL);
	if (s->n > 0 && s->p[0] == '"')
		return lex_unquote(a, lex_quoted(s));
	size_t end = str_chr(*s, ';');
	end = str_chr(str_sub(*s, 0, end), '(');
	struct str value = str_trim(str_sub(*s, 0, end));
	*s = str_sub(*s, end, s->n);
	return value;
}

/* To after the next ";" that stands outside of quotes and comments. */
static void next_param(struct str *s)
{
	while (s->n > 0 && !str_skipc(s, ';')) {
		if (s->p[0] == '"')
			lex_quoted(s);
		else if (s->p[0] == '(')
			lex_comment(s);
		else
			*s = str_sub(*s, 1, s->n);
	}
}

static bool take_piece(struct str *s, struct arena *a, struct piece *p)
{
	*p = (struct piece){ 0 };
	lex_cfws(s, NULL);
	p->name = lex_run(s, lex_token);
	lex_cfws(s, NULL);
	if (p->name.n == 0 || !str_skipc(s, '='))
		return false;
	p->value = take_value(s, a);
	split_name(p);
	return true;
}

static void add_percent(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int high = -1, low = -1;
		if (s.p[i] == '%' && i + 2 < s.n) {
			high = ch_hex(s.p[i + 1]);
			low = ch_hex(s.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(b, (char)(high << 4 | low));
			i += 2;
		} else {
			buf_addc(b, s.p[i]);
		}
	}
}

/* A value being joined. */
struct joined {
	struct buf octets;
	struct str charset;
};

static void join(struct joined *j, struct piece *p)
{
	struct str value = p->value;
	p->used = true;
	if (!p->extended) {
		buf_add(&j->octets, value);
		return;
	}
	size_t quote = str_chr(value, '\'');
	if (p->section <= 0 && quote < value.n) {
		j->charset = str_cut(&value, '\'');
		if (str_chr(value, '\'') < value.n)
			str_cut(&value, '\''); /* the language */
	}
	add_percent(&j->octets, value);
}

static struct piece *find_piece(struct piece *list, size_t n, struct str name, int section)
{
	struct piece *found = NULL;
	for (size_t i = 0; i < n; i++) {
		if (list[i].section != section || !str_eqi(list[i].name, name))
			continue;
		list[i].used = true;
		if (!found || (list[i].extended && !found->extended))
			found = &list[i]; /* "name*" is meant for who understands it */
	}
	return found;
}

static struct str piece_value(struct piece *list, size_t n, struct str name, struct arena *a)
{
	struct piece *whole = find_piece(list, n, name, -1);
	struct piece *first = find_piece(list, n, name, 0);
	struct joined j = { .charset = STR_NONE };
	if (whole && !whole->extended && (!first || !first->extended)) {
		bool octets = str_eqi(name, STR("boundary")) || utf8_valid(whole->value);
		if (octets)
			return whole->value;
		join(&j, whole);
	} else if (whole && whole->extended) {
		join(&j, whole);
	} else {
		for (int section = 0; first; first = find_piece(list, n, name, ++section))
			join(&j, first);
	}
	struct buf utf8 = { 0 };
	charset_utf8(&utf8, j.charset, buf_str(&j.octets));
	struct str value = str_dup(a, buf_str(&utf8));
	buf_free(&utf8);
	buf_free(&j.octets);
	return value;
}

bool mime_params(struct str rest, struct arena *a, struct param **out, size_t *n)
{
	struct piece pieces[MIME_PARAMS];
	size_t count = 0;
	*out = NULL;
	*n = 0;
	next_param(&rest);
	for (; count < MIME_PARAMS && rest.n > 0; next_param(&rest))
		count += take_piece(&rest, a, &pieces[count]);
	for (size_t i = 0; i < count; i++) {
		if (pieces[i].used)
			continue;
		struct piece *head = &pieces[i];
		/* A later section whose first is missing has no value to be part of. */
		if (head->section > 0 && !find_piece(pieces, count, head->name, 0) &&
		    !find_piece(pieces, count, head->name, -1))
			continue;
		if (!*out)
			*out = ARENA_ARRAY(a, struct param, count);
		(*out)[*n].name = str_lower(a, head->name);
		(*out)[(*n)++].value = piece_value(pieces, count, head->name, a);
		for (size_t k = i; k < count; k++)
			pieces[k].used |= str_eqi(pieces[k].name, head->name);
	}
	lex_cfws(&rest, NULL);
	return rest.n == 0;
}

struct str mime_param(const struct param *params, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eqi(params[i].name, name))
			return params[i].value;
	return STR_NONE;
}

void mime_2231(struct buf *b, struct str utf8)
{
	buf_addz(b, "utf-8''");
	for (size_t i = 0; i < utf8.n; i++)
		if (ch_alnum(utf8.p[i]) || utf8.p[i] == '.' || utf8.p[i] == '-' || utf8.p[i] == '_')
			buf_addc(b, utf8.p[i]);
		else
			buf_printf(b, "%%%02X", (unsigned)(unsigned char)utf8.p[i]);
}
