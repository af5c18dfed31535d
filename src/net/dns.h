/* dns.h - asking the DNS, through libunbound: validating, cached, with a deadline.
 *
 * One resolver per role; safe in any thread.  A question blocks its worker until the answer, `ms`, or dns_close(); it
 * is cancelled at the deadline (ub_resolve itself has none).  CNAMEs are followed; the answer says whether DNSSEC
 * vouches for it. `offline`: the resolver answers "no such name" itself and sends nothing (the sandbox).
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "net/addr.h"

struct dns_conf {
	const struct addrport *servers; /* none: those of /etc/resolv.conf, read by the parent */
	size_t nservers;
	const char *anchors; /* trust anchors as text, DS or DNSKEY records; NULL: nothing validates */
	struct dns_stub {
		struct str zone;
		struct addrport at;
	} const *stubs;
	size_t nstubs;
	bool cache, offline;
	unsigned waiting; /* questions at once; default 256 */
};
struct dns;
struct dns *dns_open(const struct dns_conf *conf, struct err *e);
void dns_close(struct dns *d);

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};
enum dns_got {
	DNS_FOUND,
	DNS_NONE,  /* the name is there, or not, but has no such record; see `nxdomain` */
	DNS_TEMP,  /* SERVFAIL, no answer in time */
	DNS_BOGUS, /* a signature that is wrong: treat as temporary, and say it */
};
struct dns_answer {
	enum dns_got got;
	bool nxdomain, secure; /* secure: validated; for DNS_NONE too */
	struct str name;       /* after CNAMEs, lower case, without the last dot */
	struct str *data;      /* rdata, as on the wire */
	size_t n;
	uint32_t ttl;
	char why[120]; /* TEMP, BOGUS */
};
void dns_ask(struct dns *d, struct str name, enum dns_type type, int64_t ms, struct arena *a, struct dns_answer *out);

/* Common questions. */
struct dns_mx {
	uint16_t preference;
	struct str host;
};
/* Sorted by preference, equal ones shuffled.  Null MX (RFC 7505): n = 1 and an empty host. */
void dns_mx(struct dns *d, struct str domain, int64_t ms, struct arena *a, struct dns_answer *answer,
	    struct dns_mx **out, size_t *n);
/* IPv6 and IPv4 addresses; either may be left out. */
void dns_addresses(struct dns *d, struct str host, bool v6, bool v4, int64_t ms, struct arena *a,
		   struct dns_answer *answer, struct addr **out, size_t *n);
/* Strings of each TXT record joined. */
void dns_txt(struct dns *d, struct str name, int64_t ms, struct arena *a, struct dns_answer *answer, struct str **out,
	     size_t *n);
