/* tls_test.h - certificates for tests: a server that is a.example (and 127.0.0.1), and a client that trusts only it. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/test.h"
#include "net/tls.h"

struct certs {
	struct arena a;
	struct tls_pem pem; /* a.example */
	struct tls_server *server;
	struct tls_client *client;
};

static inline struct tls_pem pem_new(struct arena *a, const char *name)
{
	struct err e;
	struct tls_pem pem;
	struct str names[] = { str_of(name), STR("127.0.0.1") };
	assert_true(tls_self_signed(a, str_of(name), names, 2, 2, &pem.cert, &pem.key, &e));
	return pem;
}

static inline struct tls_client *client_of(struct str cert)
{
	struct err e;
	char path[] = "/tmp/net-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && file_write(fd, cert));
	struct tls_client *t = tls_client_new(path, true, &e);
	assert_non_null(t);
	close(fd);
	unlink(path);
	return t;
}

static inline struct certs certs_new(void)
{
	struct err e;
	struct certs c = { 0 };
	c.pem = pem_new(&c.a, "a.example");
	c.server = tls_server_new(&c.pem, 1, &e);
	assert_non_null(c.server);
	c.client = client_of(c.pem.cert);
	return c;
}

static inline void certs_free(struct certs *c)
{
	tls_server_free(c->server);
	tls_client_free(c->client);
	arena_reset(&c->a);
}
