/* tls_impl.h - TLS objects for io_tls.c; they never leave net/. */
#pragma once
#include "net/tls.h"

#include <openssl/ssl.h>

/* A connection's SSL of the certificates of now; they live as long as it does. */
SSL *tls_server_ssl(struct tls_server *t);
/* Ready to verify `name` (a domain or an address) if the client verifies. NULL: out of memory or a bad name. */
SSL *tls_client_ssl(struct tls_client *t, struct str name);
/* OpenSSL's oldest waiting reason, in words; empties its queue. */
const char *tls_reason(void);
