/* carrier.h - the other end of carry.h: the server's role, or without a server a child of ours.
 *
 * The verb that carries messages keeps its caller's rights, since it reads and
 * writes the caller's files; who has the store open has the server's.  So a
 * child asks the verb of the server and hands it its end of the socket; when
 * none runs, the child takes the lock, becomes the server's user, opens the
 * store and does the verb itself.  To be started before any thread.
 */
#pragma once
#include "app/carry.h"
#include <jansson.h>
#include <sys/types.h>

struct carrier {
	struct carry carry;
	int fd;
	pid_t child;
	uint64_t account;  /* carry_identity() */
	uint64_t max;      /* octets that a message may have */
	uint64_t messages; /* export: that will come */
};
/* Takes `args`.  EX_OK when the other end has said hello, else a code; the reason has been said. */
int carrier_open(struct carrier *c, const char *config, const char *verb, json_t *args);
/* The conversation is over: how it went for the child, which has said what went wrong there. */
int carrier_close(struct carrier *c);
