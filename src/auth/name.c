/* Login names: who signs in as "Alice@Example.ORG" is alice@example.org. */
#include "auth/auth.h"
#include "auth/precis.h"
#include "mail/address.h"

/* The last @ parts it, so that a localpart may have one. */
static size_t at_sign(struct str s)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == '@')
			return i - 1;
	return s.n;
}

/* "[192.0.2.1]": what stands inside is compared as it is. */
static bool literal(struct str s)
{
	return s.n > 2 && s.p[0] == '[' && str_chr(s, ']') == s.n - 1 && str_chr(s, ' ') == s.n;
}

/* RFC 8265 3.3 for the name; A-labels for the domain (RFC 5890 2.3.2.1), as addresses are compared. */
bool auth_login_name(struct str typed, struct arena *a, struct str *out, struct err *e)
{
	struct precis p;
	struct str key;
	size_t at = at_sign(typed);
	if (at == 0 || at + 1 == typed.n)
		return err_set(e, ERR_PERM, "a login name is NAME or NAME@DOMAIN");
	if (!precis_username(str_sub(typed, 0, at), &p, e))
		return err_add(e, "the login name");
	struct str name = { p.p, p.n };
	if (at == typed.n) /* a full-width @ has become one only now */
		return at_sign(name) < name.n ? auth_login_name(name, a, out, e) : (*out = str_dup(a, name), true);
	if (!address_domain_key(a, str_sub(typed, at + 1, typed.n), &key) || !(domain_valid(key) || literal(key)))
		return err_set(e, ERR_PERM, "the login name: a domain that cannot be");
	*out = str_fmt(a, "%.*s@%.*s", STRF(name), STRF(key));
	return true;
}
