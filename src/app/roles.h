/* roles.h - who does what: one row per role.
 *
 * A role is a process.  Its row says which services it serves, which secrets
 * it is given, what of the store it may touch, and when it runs at all.  The
 * parent spawns by this table, the role builds itself by it, the fence is put
 * up by it, and a reload replaces by it: what a row does not name, that role
 * does not have, and a change of it is none of its concern.
 */
#pragma once
#include "app/load.h"

enum role_id { ROLE_SMTP, ROLE_IMAP, ROLE_QUEUE, ROLE_AUTH, ROLE_BACKUP, ROLE_IMPORT, ROLES };

enum role_has {
	HAS_TLS = 1,          /* certificates with their keys, and ticket keys, of the listeners it serves */
	HAS_MAIL = 2,         /* mail.db and the contents: NAME_MAIL_DIR */
	HAS_VERIFIERS = 4,    /* auth.db: NAME_AUTH_DIR */
	HAS_AUTH_DOOR = 8,    /* listens on auth.sock */
	HAS_AUTH_CLIENT = 16, /* asks at auth.sock */
	HAS_CHECKPOINT = 32,  /* the one that checkpoints and collects */
	HAS_FOLDER = 64,      /* one folder outside the store, named when it is started */
};
enum role_when {
	WHEN_SERVICE, /* one of its services is configured */
	WHEN_LOGIN,   /* a service that takes logins is configured; else when a verb asks for it */
	WHEN_ALWAYS,
	WHEN_ASKED, /* a verb asks for it; it ends with its answer */
};
struct role_row {
	const char *name;
	unsigned services; /* 1u << enum service */
	unsigned has;
	enum role_when when;
	/* The keys it lives by, blocks standing for all in them; beside the listeners it serves. See essence.h. */
	const char *keys;
};
extern const struct role_row roles[ROLES];

bool role_serves(const struct role_row *r, enum service s);
bool role_serves_listener(const struct role_row *r, const struct listen_conf *l);
/* How many listeners that `r` serves stand before this one: by that number parent and role name it to each other, so
 * that it stays the same when others' listeners come and go. */
unsigned role_rank(const struct role_row *r, const struct settings *s, size_t listener);
bool role_needed(const struct role_row *r, const struct settings *s);
/* TLS right at the start: submissions, imaps. */
bool service_implicit_tls(enum service s);
bool service_takes_logins(enum service s);
const char *service_name(enum service s);
