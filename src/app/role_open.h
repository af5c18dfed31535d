/* role_open.h - what a role is made of, and building it from its birth letters.
 *
 * Used by role.c alone.  Everything here is set before the first thread
 * starts and immutable after, but for the certificates that wait to be swapped in
 * and the log descriptor, which the thread that reads letters owns.
 */
#pragma once
#include "app/admin.h"
#include "app/fence.h"
#include "app/gate.h"
#include "app/letter.h"
#include "imap/index.h"
#include "net/pen.h"

#define CERTS_MAX   64 /* certificates of all listeners together */
#define TICKETS_MAX 4

struct cert {
	uint32_t id;           /* role_rank() << 8 | index */
	struct str chain, key; /* heap; the key in memory that is not dumped */
};
struct birth {
	struct str config;
	struct {
		uint32_t place;
		int fd;
	} listeners[PLACES_MAX + 1];
	size_t nlisteners;
	struct cert certs[CERTS_MAX];
	size_t ncerts;
	uint8_t tickets[TICKETS_MAX][TLS_TICKET_KEY];
	size_t ntickets;
	struct buf levels; /* set while running, one a line; they come after the configured ones */
	char *folder;      /* LETTER_FOLDER */
	int shared_fd, lock_fd, log_fd;
	uint32_t generation;
};
#define PLACE_AUTH PLACES_MAX /* the auth role's door, beside the configured places */

struct role {
	const struct role_row *row;
	struct loaded loaded;
	struct birth birth;
	struct post post;
	struct letters letters;
	struct store *store;
	struct search_index *search; /* imap's; NULL: none */
	struct indexer *indexer;
	struct verifiers *verifiers;
	struct auth_conf auth;
	struct auth_client *auth_client;
	struct tls_server **tls; /* by listener; NULL: none */
	struct door *doors;      /* by place, PLACE_AUTH's last */
	struct app_gate *gate;
	struct pen *pen;
	struct fence_report fence;
};

/* Put a letter's content where it belongs (before LETTER_GO, or certificates and tickets later). */
bool birth_take(struct birth *b, struct letter *l, struct err *e);
/* Forget the certificates and their keys. */
void birth_wipe_certs(struct birth *b);
/* Parse, log, TLS: all that may fail because of the configuration. */
bool role_prepare(struct role *r, struct err *e);
/* "MODULE LEVEL", "*" being all. */
void role_level(struct str text);
/* Certificates that came by letter go into use. All or nothing for each listener. */
bool role_swap(struct role *r, struct err *e);
void role_tickets(struct role *r);
/* Fence, then store, doors and pen. */
bool role_open(struct role *r, struct err *e);
void role_close(struct role *r);
