#include "mail/address.h"

#include "mail/lex.h"
#include "mail/words.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>

#define PATH_MAX_OCTETS 256 /* with its "<" and ">": RFC 5321 4.5.3.1.3 */
#define LABEL_MAX       63

static bool ascii(struct str s)
{
	unsigned char all = 0;
	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

/* Quoted-string of RFC 5321 4.1.2: printable ASCII and blanks, "\" before any of them; UTF-8 by RFC 6531 3.3. */
static bool take_quoted_local(struct str *s, struct arena *a, struct str *local)
{
	struct str at = *s;
	struct str inside = lex_quoted(&at);
	if (inside.p + inside.n == s->p + s->n)
		return false; /* never closed */
	for (size_t i = 0; i < inside.n; i++)
		if ((unsigned char)inside.p[i] < ' ' || inside.p[i] == 0x7f)
			return false;
	char *p = arena_alloc(a, inside.n);
	*local = (struct str){ p, lex_unquote_to(p, inside) };
	*s = at;
	return true;
}

static bool atext_or_dot(char c)
{
	return c == '.' || lex_atext(c);
}

/* Dot-string. Dots at its ends or side by side are let through, as mobile addresses of NTT DOCOMO and au have them;
 * address_print() quotes such a localpart. */
static bool take_local(struct str *s, struct arena *a, struct str *local)
{
	if (s->n > 0 && s->p[0] == '"')
		return take_quoted_local(s, a, local);
	struct str run = lex_run(s, atext_or_dot);
	*local = str_dup(a, run);
	return run.n > 0;
}

static bool literal_valid(struct str text)
{
	char z[INET6_ADDRSTRLEN];
	unsigned char bin[16];
	bool six = str_skip(&text, STR("IPv6:"));
	if (text.n == 0 || text.n >= sizeof z || str_chr(text, '\0') < text.n)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	/* RFC 5321 4.1.3 allows further tags, but none was ever registered. */
	return inet_pton(six ? AF_INET6 : AF_INET, z, bin) == 1;
}

static bool domain_char(char c)
{
	return ch_alnum(c) || c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

static bool take_domain(struct str *s, struct arena *a, struct address *out)
{
	if (str_skipc(s, '[')) {
		size_t end = str_chr(*s, ']');
		struct str text = str_sub(*s, 0, end);
		if (end == s->n || !literal_valid(text))
			return false;
		*s = str_sub(*s, end + 1, s->n);
		out->literal = true;
		out->domain = str_dup(a, text);
		return true;
	}
	struct str run = lex_run(s, domain_char);
	out->domain = str_dup(a, run);
	return domain_valid(run);
}

/* Lengths, and UTF-8 only where it is allowed. */
static bool address_fits(struct address *x, bool smtputf8)
{
	x->utf8 = !ascii(x->local) || !ascii(x->domain);
	if (x->utf8 && (!smtputf8 || !utf8_valid(x->local) || !utf8_valid(x->domain)))
		return false;
	return x->local.n <= ADDRESS_LOCAL_MAX && x->domain.n <= ADDRESS_DOMAIN_MAX &&
	       x->local.n + x->domain.n + 3 <= PATH_MAX_OCTETS;
}

/* "@x,@y:" before the mailbox: taken and forgotten (RFC 5321 4.1.1.3, appendix C). */
static bool skip_route(struct str *s, struct arena *a)
{
	while (str_skipc(s, '@')) {
		struct address hop = { 0 };
		if (!take_domain(s, a, &hop))
			return false;
		if (str_skipc(s, ':'))
			return true;
		if (!str_skipc(s, ','))
			return false;
	}
	return false;
}

bool path_parse(struct str *s, bool smtputf8, struct arena *a, struct address *out, bool *null)
{
	struct str at = *s;
	*out = (struct address){ .local = STR_NONE, .domain = STR_NONE };
	*null = false;
	if (!str_skipc(&at, '<'))
		return false;
	if (str_skipc(&at, '>')) {
		*null = true;
		*s = at;
		return true;
	}
	if (at.n > 0 && at.p[0] == '@' && !skip_route(&at, a))
		return false;
	if (!take_local(&at, a, &out->local))
		return false;
	if (str_skipc(&at, '@') ? !take_domain(&at, a, out) : !str_eqi(out->local, STR("postmaster")))
		return false;
	if (!str_skipc(&at, '>') || !address_fits(out, smtputf8))
		return false;
	*s = at;
	return true;
}

bool address_parse(struct str s, struct arena *a, struct address *out)
{
	*out = (struct address){ .local = STR_NONE, .domain = STR_NONE };
	return take_local(&s, a, &out->local) && str_skipc(&s, '@') && take_domain(&s, a, out) && s.n == 0 &&
	       address_fits(out, true);
}

/* LDH, and U-labels whose deeper rules address_domain_key() asks the library for. */
static bool label_valid(struct str label, bool underscores)
{
	if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	if (!ascii(label))
		return utf8_valid(label);
	for (size_t i = 0; i < label.n; i++)
		if (!ch_alnum(label.p[i]) && label.p[i] != '-' && !(underscores && label.p[i] == '_'))
			return false;
	return label.n <= LABEL_MAX;
}

static bool labels_valid(struct str s, bool underscores)
{
	if (s.n == 0 || s.n > ADDRESS_DOMAIN_MAX)
		return false;
	bool more = true;
	while (more) {
		more = str_chr(s, '.') < s.n;
		if (!label_valid(str_cut(&s, '.'), underscores))
			return false;
	}
	return true;
}

bool domain_valid(struct str s)
{
	return labels_valid(s, false);
}

bool helo_valid(struct str s)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return literal_valid(str_sub(s, 1, s.n - 1));
	/* Windows machines say names with "_", some devices an absolute name with its last dot. */
	if (s.n > 1 && s.p[s.n - 1] == '.')
		s.n--;
	return labels_valid(s, true);
}

static bool dot_string(struct str s)
{
	char before = '.';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? before == '.' : !lex_atext(s.p[i]))
			return false;
		before = s.p[i];
	}
	return before != '.';
}

void address_print(struct buf *b, const struct address *x)
{
	if (x->local.n == 0 && x->domain.n == 0)
		return; /* the null path */
	if (dot_string(x->local)) {
		buf_add(b, x->local);
	} else {
		buf_addc(b, '"');
		for (size_t i = 0; i < x->local.n; i++) {
			if (x->local.p[i] == '"' || x->local.p[i] == '\\')
				buf_addc(b, '\\');
			buf_addc(b, x->local.p[i]);
		}
		buf_addc(b, '"');
	}
	if (x->domain.n == 0)
		return;
	buf_addz(b, x->literal ? "@[" : "@");
	buf_add(b, x->domain);
	if (x->literal)
		buf_addc(b, ']');
}

struct str address_text(struct arena *a, const struct address *x)
{
	struct buf b = { 0 };
	address_print(&b, x);
	struct str text = str_dup(a, buf_str(&b));
	buf_free(&b);
	return text;
}

bool address_domain_key(struct arena *a, struct str domain, struct str *key)
{
	if (domain.n > ADDRESS_DOMAIN_MAX || str_chr(domain, '\0') < domain.n)
		return false;
	*key = str_lower(a, domain);
	if (ascii(domain))
		return true;
	char *out = NULL;
	int rc = idn2_to_ascii_8z(str_z(a, domain), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK)
		return false;
	*key = str_lower(a, str_of(out));
	idn2_free(out);
	return key->n <= ADDRESS_DOMAIN_MAX;
}
