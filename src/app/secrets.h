/* secrets.h - what only the parent reads: private keys, and the ticket keys it draws.
 *
 * Kept in memory that is not swapped, not dumped and wiped when it goes.  A
 * role gets what its row in roles.h names, over the socket it is born with.
 */
#pragma once
#include "app/load.h"
#include "net/tls.h"

#define TICKETS_KEPT   3 /* today's, and two days' that may still be shown */
#define TICKETS_DAY_MS ((int64_t)24 * 3600 * 1000)

struct pem_pair {
	size_t listener; /* in settings.listens */
	uint8_t index;   /* in its certificates */
	struct tls_pem pem;
};
struct secrets {
	struct pem_pair *pairs;
	size_t n;
};
/* Read all certificates and keys that `l` names, and try that they go together. */
bool secrets_read(const struct loaded *l, struct secrets *out, struct err *e);
void secrets_free(struct secrets *s);

struct tickets {
	uint8_t (*keys)[TLS_TICKET_KEY]; /* TICKETS_KEPT, newest first */
	size_t n;
	int64_t drawn_mono_ms;
};
void tickets_draw(struct tickets *t, int64_t mono_ms); /* a new first key; the oldest goes */
void tickets_free(struct tickets *t);
