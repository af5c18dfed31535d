/* address.h - addresses of the envelope (RFC 5321, 6531) and of header fields (RFC 5322, 6532).
 *
 * A parser consumes from the front of a `str *` and is the only way to make
 * its type: who holds a struct address need not check it again.  Localparts
 * are held unquoted (`"a b"@x` has local `a b`, `""@x` an empty one) and
 * printed with the quotes they need.  Domains are held as sent; address_domain_key()
 * gives the lower-case A-label form for comparing (libidn2).
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct address {
	struct str local;  /* unquoted octets; UTF-8 when utf8 */
	struct str domain; /* as sent; "" for a bare local part; for a literal the text inside [] */
	bool literal;      /* domain is an address literal */
	bool utf8;         /* non-ASCII somewhere: needs SMTPUTF8 */
};
/* Local part 64 octets, domain 255, path 256 (RFC 5321 4.5.3.1). */
#define ADDRESS_LOCAL_MAX  64
#define ADDRESS_DOMAIN_MAX 255

/* What these two give is copied into the arena: it outlives the line it came from.
 * "<a@b>", "<>" (null: local and domain empty, *null true), source routes "<@x,@y:a@b>" are dropped; "<postmaster>"
 * bare. Takes through the ">". utf8 allowed only when `smtputf8`. */
bool path_parse(struct str *s, bool smtputf8, struct arena *a, struct address *out, bool *null);
/* A whole "local@domain" (config, CLI, login names); false when anything is left. */
bool address_parse(struct str s, struct arena *a, struct address *out);
/* EHLO argument: Domain or address-literal (RFC 5321 4.1.1.1). Lenient: underscores and a bare hostname pass. */
bool helo_valid(struct str s);
bool domain_valid(struct str s); /* LDH or U-labels */
/* "local@domain" with quotes where needed. */
void address_print(struct buf *b, const struct address *x);
struct str address_text(struct arena *a, const struct address *x);
/* Lower-case A-labels; false when IDNA says no. */
bool address_domain_key(struct arena *a, struct str domain, struct str *key);

/* Header address lists: mailboxes and groups, comments and folding handled, encoded words left in names. */
struct mailaddr {
	struct str name;  /* display name, unquoted, not yet decoded (words.h) */
	struct str local; /* unquoted; for a group start/end see below */
	struct str domain;
	struct str route;                                         /* obs-route without <>, usually empty */
	enum { MAILADDR_BOX, MAILADDR_GROUP, MAILADDR_END } kind; /* GROUP: name = group's name */
};
/* At most ADDRESSES_MAX; past it, or when the arena is full, *n stops and `more` is set. Lenient: what does not parse
 * is skipped to the next comma; then false is returned, though *out has all the rest. Each GROUP has its END. A name
 * alone
 * ("root") has no domain. Plain words point into `value`; a literal keeps its brackets. */
#define ADDRESSES_MAX 2000
bool addresses_parse(struct str value, struct arena *a, struct mailaddr **out, size_t *n, bool *more);
