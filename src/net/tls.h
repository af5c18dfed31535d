/* tls.h - TLS by OpenSSL 3: what a server offers and what a client asks.
 *
 * A tls_server holds one or more certificates chosen by SNI (the first is the
 * default), TLS 1.2 and newer, session tickets whose keys are given from
 * outside (they come from the parent, so that roles and generations share
 * them).  tls_server_swap() replaces certificates while connections live: each
 * connection keeps what it began with.  All functions are safe in any thread.
 *
 * Connections themselves are struct io (io.h); SSL objects never leave net/.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct tls_server;
struct tls_client;
struct tls_pem {
	struct str cert; /* PEM chain, leaf first */
	struct str key;  /* PEM private key */
};
#define TLS_TICKET_KEY 80 /* octets, of which OpenSSL's callback needs 16 name + 32 HMAC + 32 AES */

/* The PEM text is copied (keys into OpenSSL's own memory). */
struct tls_server *tls_server_new(const struct tls_pem *pems, size_t n, struct err *e);
/* All or nothing: on failure the old certificates stay. */
bool tls_server_swap(struct tls_server *t, const struct tls_pem *pems, size_t n, struct err *e);
/* First key encrypts, the others still decrypt. At most 4. */
void tls_server_tickets(struct tls_server *t, const uint8_t (*keys)[TLS_TICKET_KEY], size_t n);
void tls_server_free(struct tls_server *t);

/* ca_file NULL: the system's. verify false: opportunistic (RFC 7435). */
struct tls_client *tls_client_new(const char *ca_file, bool verify, struct err *e);
void tls_client_free(struct tls_client *t);

/* Self-signed certificate (EC P-256, `days` valid) for the sandbox and quickstart; the caller's arena. */
struct arena;
bool tls_self_signed(struct arena *a, struct str cn, const struct str *names, size_t nnames, int days,
		     struct str *cert_pem, struct str *key_pem, struct err *e);
