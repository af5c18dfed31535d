/* auth.h - ask the auth role who is at the door.
 *
 * The auth role does all password work; doors forward what the client says.
 * One line each way over the role's unix socket (src/auth/auth.c has the
 * protocol).  A call blocks its worker until the answer or AUTH_WAIT_MS.
 * An exchange that takes several steps (SCRAM, LOGIN) holds one connection.
 * auth_client is safe in any thread; an exchange belongs to one session.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "net/addr.h"

#define AUTH_WAIT_MS 30000

struct auth_client;
struct auth_client *auth_client_new(const char *socket_path);
void auth_client_free(struct auth_client *c);

enum auth_got { AUTH_OK, AUTH_MORE, AUTH_NO, AUTH_TEMP };
struct auth_who {
	const char *service; /* "smtp", "imap" */
	struct addr remote;
	bool tls;
	struct str exporter; /* channel binding: tls-exporter, 32 octets, or empty */
	struct str unique;   /* tls-unique, or empty */
};
struct auth_answer {
	enum auth_got got;
	int64_t account_id; /* AUTH_OK */
	struct str account, login;
	struct str data;   /* AUTH_MORE: the challenge (raw octets); AUTH_OK: final data, often empty */
	struct str reason; /* AUTH_NO: "password", "user", "disabled", "mechanism", "malformed", "cancelled" (too slow),
			    * "authzid", "binding": for the log, not for the peer; `login` is set when known */
};
/* Mechanisms to announce, blank-separated, strongest first. */
struct str auth_mechanisms(bool tls, bool plus, bool plain_ok, bool cram_md5, struct arena *a);
/* LOGIN command of IMAP, and PLAIN made simple. */
struct auth_answer auth_password(struct auth_client *c, const struct auth_who *who, struct str login,
				 struct str password, struct arena *a);

struct auth_exchange; /* heap; NULL when none */
/* Initial response: has_initial with raw octets (already unbase64'd). *x stays set only after AUTH_MORE. */
struct auth_answer auth_begin(struct auth_client *c, struct auth_exchange **x, const struct auth_who *who,
			      struct str mechanism, bool has_initial, struct str initial, struct arena *a);
struct auth_answer auth_step(struct auth_exchange **x, struct str response, struct arena *a);
void auth_cancel(struct auth_exchange **x);
