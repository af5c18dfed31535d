/* addr.h - IP addresses and prefixes as plain values.
 *
 * An address is always 16 bytes; IPv4 is stored mapped (::ffff:a.b.c.d), and
 * an IPv4-mapped IPv6 address *is* that IPv4 address, so one peer has one name.
 * A unix socket's peer is the zero value (addr_none). No DNS here.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <sys/socket.h>

struct addr {
	uint8_t b[16];
};
struct addrport {
	struct addr addr;
	uint16_t port;
};
/* bits count from the front of the 16 bytes: 10.0.0.0/8 has 104. */
struct prefix {
	struct addr addr;
	uint8_t bits;
};

bool addr_is_none(struct addr a);
bool addr_is4(struct addr a);
bool addr_eq(struct addr a, struct addr b);
bool addr_loopback(struct addr a);
/* Strict: "192.0.2.1" (no leading zeros), "2001:db8::1"; no brackets, no zone. */
bool addr_parse(struct str s, struct addr *out);
/* "192.0.2.1:25", "[2001:db8::1]:25", "192.0.2.1@25"; port required. */
bool addrport_parse(struct str s, struct addrport *out);
#define ADDR_TEXT 46
const char *addr_text(struct addr a, char out[ADDR_TEXT]);
/* As RFC 5321 4.1.3 writes it: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
void addr_literal(struct buf *b, struct addr a);
bool addr_from_sockaddr(const struct sockaddr_storage *ss, struct addrport *out);
socklen_t addr_to_sockaddr(struct addrport ap, struct sockaddr_storage *ss);

/* "10.0.0.0/8", "2001:db8::/32", a bare address = one host. Host bits set: false. */
bool prefix_parse(struct str s, struct prefix *out);
/* The prefix around `a`: bits4 of 32 for IPv4, bits6 of 128 for IPv6. */
struct prefix prefix_of(struct addr a, unsigned bits4, unsigned bits6);
bool prefix_has(struct prefix p, struct addr a);
bool prefix_eq(struct prefix a, struct prefix b);
const char *prefix_text(struct prefix p, char out[ADDR_TEXT + 4]);
