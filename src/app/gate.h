/* gate.h - how many connections an address and its network may have open.
 *
 * The pen asks for each connection; what is counted dies with the process,
 * so a role that is killed leaves no count behind.  An address is one IPv4
 * address or an IPv6 /64; a network is an IPv4 /26 or an IPv6 /48.  The table is
 * as large as the connections the pen may hold need it, and never grows.
 * Unix sockets are never counted; loopback is unless `spare_loopback`.
 *
 * Safe in any thread; one lock, held for a few comparisons.
 */
#pragma once
#include "net/pen.h"

struct gate_conf {
	unsigned address_open, network_open; /* most at once; 0 = no limit */
	unsigned connections;                /* the pen's bound */
	bool spare_loopback;
	struct str host; /* for the refusal's text */
};
struct gate_stat {
	uint64_t refused, misbehaved;
};
struct app_gate;
struct app_gate *gate_new(const struct gate_conf *conf);
struct gate gate_for_pen(struct app_gate *g);
void gate_stat(struct app_gate *g, struct gate_stat *out);
void gate_free(struct app_gate *g);
