/* account.h - who receives here: accounts, their addresses, aliases.
 *
 * Domains stand in the configuration (struct domain_rule, given by app);
 * accounts, addresses and aliases in mail.db.  Passwords are elsewhere
 * (verifier.h, auth.db).  An address row is (localpart, domain): the localpart
 * folded to lower case and without its detail unless the domain is case-sensitive,
 * the domain in lower-case A-label form.
 *
 * Lookup order: postmaster (bare, at our host name) ->
 * the configured postmaster account; domain must be ours; canonical localpart
 * (detail cut at the separator, case folded); exact; postmaster@domain if the domain names one;
 * catchall of the domain; postmaster@domain.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct store;
struct domain_rule {
	struct str name;   /* lower-case A-label */
	struct str detail; /* separators, each character one; empty = none */
	bool case_sensitive;
	struct str catchall;   /* account, or empty */
	struct str postmaster; /* account, or empty */
};
struct address_rules {
	struct str host;       /* our host name: postmaster@host */
	struct str postmaster; /* account for bare postmaster and postmaster@host; empty = first domain's */
	const struct domain_rule *domains;
	size_t ndomains;
};

/* What the account may hold in all its mailboxes, and what it holds. */
struct quota {
	uint64_t octets_max, messages_max; /* 0 = no limit */
	uint64_t octets, messages;
};
struct account {
	int64_t id;
	struct str name;
	bool disabled;
	int64_t created_wall_ms;
	struct quota quota;
};
enum found { FOUND, FOUND_ALIAS, NOT_OURS, NO_SUCH_USER, FOUND_ERROR };
struct found_address {
	struct account account;  /* FOUND */
	struct str mailbox;      /* where it goes; "INBOX" unless the address says otherwise */
	struct str address;      /* canonical, "local@domain" */
	struct account *members; /* FOUND_ALIAS: local accounts behind it */
	size_t nmembers;
};
/* `local` is the localpart unquoted (mail/address.h), `domain` may be empty (bare). */
enum found address_find(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
			struct arena *a, struct found_address *out, struct err *e);
/* May this account send as that address (MAIL FROM, From)? Own addresses incl. detail, its catchall domains, aliases
 * that allow it. */
bool address_belongs(struct store *st, const struct address_rules *rules, int64_t account_id, struct str local,
		     struct str domain, bool *belongs, struct err *e);

/* Names: 1-64 characters of a-z 0-9 . _ - ; wrong ones: ERR_PERM saying what is right. */
bool account_add(struct store *st, struct str name, int64_t *id,
		 struct err *e); /* makes INBOX Sent Archive Trash Drafts Junk */
bool account_find(struct store *st, struct str name, struct arena *a, struct account *out,
		  struct err *e); /* ERR_PERM: no such account */
bool account_get(struct store *st, int64_t id, struct arena *a, struct account *out, struct err *e);
bool account_list(struct store *st, struct arena *a, struct account **out, size_t *n, struct err *e);
/* Quota. Usage is kept in the account's row by every unit that adds or removes messages, so asking costs one row. */
bool account_quota(struct store *st, int64_t id, struct quota *out, struct err *e);
bool account_quota_set(struct store *st, struct str name, uint64_t octets_max, uint64_t messages_max, struct err *e);
/* Would one more message of so many octets fit?  ERR_QUOTA says what is full. Asked at RCPT and before APPEND's "+";
 * the commit asks again. */
bool account_room(struct store *st, int64_t id, uint64_t octets, struct err *e);
bool quota_room(const struct quota *q, uint64_t octets, struct err *e); /* the same, of what was read before */
/* Of one expression of the junk rules. What can take for ever is refused: \1, {n,m}, and + behind ) * + ? */
#define JUNK_RULE_OCTETS 500
/* When mail is delivered, moved or copied into a mailbox, its name decides on $Junk and $NotJunk: POSIX extended
 * regular expressions over the name in lower case, the first that matches in the order junk, neutral, notjunk; an empty
 * `notjunk` matches all that is left, the other two match nothing when empty. The mailbox with the special use \Junk is
 * junk by any name. One keyword comes, the other goes. Neutral: nothing comes, and only the keyword goes that the
 * mailbox it came from stands for by these rules; what a person has set stays. Off: never touched. */
struct junk_rules {
	bool on;
	struct str junk, neutral, notjunk; /* "^(junk|spam)", "^(inbox|neutral|postmaster|dmarc|tlsrpt|rejects)", "" */
};
bool account_junk_rules(struct store *st, int64_t id, struct arena *a, struct junk_rules *out, struct err *e);
bool account_junk_rules_set(struct store *st, struct str name, const struct junk_rules *rules,
			    struct err *e); /* ERR_PERM: which expression does not compile, and why */
bool account_remove(struct store *st, struct str name, struct err *e); /* and its mail, in a series of units */
bool account_disable(struct store *st, struct str name, bool disabled, struct err *e);

struct address_row {
	struct str local, domain, account, mailbox;
};
bool address_add(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
		 struct str account, struct str mailbox, struct err *e);
bool address_remove(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
		    struct err *e);
bool address_list(struct store *st, struct str account /* empty = all */, struct arena *a, struct address_row **out,
		  size_t *n, struct err *e);
struct alias_row {
	struct str local, domain;
	struct str *accounts;
	size_t n;
};
bool alias_add(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
	       const struct str *accounts, size_t n, struct err *e); /* adds members to one that exists */
bool alias_remove(struct store *st, const struct address_rules *rules, struct str local, struct str domain,
		  struct str account /* empty = all */, struct err *e);
bool alias_list(struct store *st, struct arena *a, struct alias_row **out, size_t *n, struct err *e);
