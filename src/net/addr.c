#include "net/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/num.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool addr_is_none(struct addr a)
{
	return addr_eq(a, (struct addr){ 0 });
}

bool addr_is4(struct addr a)
{
	return memcmp(a.b, mapped, sizeof mapped) == 0;
}

bool addr_eq(struct addr a, struct addr b)
{
	return memcmp(a.b, b.b, sizeof a.b) == 0;
}

bool addr_loopback(struct addr a)
{
	static const struct addr one6 = { { [15] = 1 } };
	return (addr_is4(a) && a.b[12] == 127) || addr_eq(a, one6);
}

static struct addr from4(const void *four)
{
	struct addr a;
	memcpy(a.b, mapped, sizeof mapped);
	memcpy(a.b + 12, four, 4);
	return a;
}

bool addr_parse(struct str s, struct addr *out)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t four[4];
	if (s.n == 0 || s.n >= sizeof z || memchr(s.p, '\0', s.n))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	if (inet_pton(AF_INET, z, four) == 1) {
		*out = from4(four);
		return true;
	}
	return inet_pton(AF_INET6, z, out->b) == 1;
}

/* Cut "host SEP port" at the last SEP. */
static bool cut_last(struct str s, char sep, struct str *host, struct str *port)
{
	const char *hit = memrchr(s.p, sep, s.n);
	if (!hit)
		return false;
	*host = (struct str){ s.p, (size_t)(hit - s.p) };
	*port = str_sub(s, host->n + 1, s.n);
	return true;
}

bool addrport_parse(struct str s, struct addrport *out)
{
	struct str host, port;
	uint64_t n;
	bool at = cut_last(s, '@', &host, &port);
	if (!at && !cut_last(s, ':', &host, &port))
		return false;
	bool brackets = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (brackets)
		host = str_sub(host, 1, host.n - 1);
	/* Brackets are for IPv6 only, and with ":" it needs them, or "2001:db8::1:25" would be a guess. */
	bool six = str_chr(host, ':') < host.n;
	if ((brackets && !six) || (six && !brackets && !at))
		return false;
	if (!num_parse(port, 65535, &n) || n == 0 || port.p[0] == '0' || !addr_parse(host, &out->addr))
		return false;
	out->port = (uint16_t)n;
	return true;
}

const char *addr_text(struct addr a, char out[ADDR_TEXT])
{
	bool four = addr_is4(a);
	const char *text = inet_ntop(four ? AF_INET : AF_INET6, four ? a.b + 12 : a.b, out, ADDR_TEXT);
	assert(text); /* ADDR_TEXT holds the longest */
	return text;
}

void addr_literal(struct buf *b, struct addr a)
{
	char text[ADDR_TEXT];
	buf_addz(b, addr_is4(a) ? "[" : "[IPv6:");
	buf_addz(b, addr_text(a, text));
	buf_addc(b, ']');
}

bool addr_from_sockaddr(const struct sockaddr_storage *ss, struct addrport *out)
{
	*out = (struct addrport){ 0 };
	if (ss->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, ss, sizeof in);
		out->addr = from4(&in.sin_addr);
		out->port = ntohs(in.sin_port);
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, ss, sizeof in6);
		memcpy(out->addr.b, &in6.sin6_addr, sizeof out->addr.b);
		out->port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}

socklen_t addr_to_sockaddr(struct addrport ap, struct sockaddr_storage *ss)
{
	*ss = (struct sockaddr_storage){ 0 };
	if (addr_is4(ap.addr)) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(ap.port) };
		memcpy(&in.sin_addr, ap.addr.b + 12, 4);
		memcpy(ss, &in, sizeof in);
		return sizeof in;
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(ap.port) };
	memcpy(&in6.sin6_addr, ap.addr.b, sizeof ap.addr.b);
	memcpy(ss, &in6, sizeof in6);
	return sizeof in6;
}

/* `a` with all bits after the first `bits` zero. */
static struct addr addr_mask(struct addr a, unsigned bits)
{
	for (unsigned i = 0; i < sizeof a.b; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
		if (keep < 8)
			a.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	return a;
}

bool prefix_parse(struct str s, struct prefix *out)
{
	size_t slash = str_chr(s, '/');
	struct str host = str_sub(s, 0, slash), len = str_sub(s, slash + 1, s.n);
	bool six = str_chr(host, ':') < host.n;
	uint64_t n = six ? 128 : 32;
	if (!addr_parse(host, &out->addr))
		return false;
	if (slash < s.n && (!num_parse(len, n, &n) || (len.n > 1 && len.p[0] == '0')))
		return false;
	out->bits = (uint8_t)(six ? n : n + 96);
	return addr_eq(out->addr, addr_mask(out->addr, out->bits));
}

struct prefix prefix_of(struct addr a, unsigned bits4, unsigned bits6)
{
	unsigned bits = addr_is4(a) ? 96 + bits4 : bits6;
	assert(bits <= 128);
	return (struct prefix){ addr_mask(a, bits), (uint8_t)bits };
}

bool prefix_has(struct prefix p, struct addr a)
{
	/* Whoever writes ::/0 means all of IPv6, not the IPv4 that our notation maps into it. */
	if (addr_is4(a) && p.bits < 96)
		return false;
	return addr_eq(p.addr, addr_mask(a, p.bits));
}

bool prefix_eq(struct prefix a, struct prefix b)
{
	return a.bits == b.bits && addr_eq(a.addr, b.addr);
}

const char *prefix_text(struct prefix p, char out[ADDR_TEXT + 4])
{
	char text[ADDR_TEXT];
	bool four = addr_is4(p.addr) && p.bits >= 96;
	snprintf(out, ADDR_TEXT + 4, "%s/%d", addr_text(p.addr, text), four ? p.bits - 96 : p.bits);
	return out;
}
