#include "net/tls_test.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "net/tls_impl.h"

/* Two ends that talk through memory; one thread. */
struct talk {
	SSL *server, *client;
};

static bool shake(struct talk *t)
{
	for (int i = 0; i < 20; i++) {
		int c = SSL_do_handshake(t->client), s = SSL_do_handshake(t->server);
		if (c == 1 && s == 1)
			return true;
		if ((c != 1 && SSL_get_error(t->client, c) != SSL_ERROR_WANT_READ) ||
		    (s != 1 && SSL_get_error(t->server, s) != SSL_ERROR_WANT_READ))
			return false;
	}
	return false;
}

static void join(struct talk *t, struct tls_server *server, SSL_CTX *client, const char *name)
{
	BIO *a, *b;
	t->server = tls_server_ssl(server);
	t->client = SSL_new(client);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(t->server, a, a);
	SSL_set_bio(t->client, b, b);
	SSL_set_accept_state(t->server);
	SSL_set_connect_state(t->client);
	if (name)
		SSL_set_tlsext_host_name(t->client, name);
}

static void part(struct talk *t)
{
	SSL_shutdown(t->client);
	SSL_free(t->client);
	SSL_free(t->server);
	ERR_clear_error();
}

/* An octet each way; the client thereby reads its ticket. */
static void chat(struct talk *t)
{
	char c = 0;
	assert_int_equal(SSL_write(t->server, "x", 1), 1);
	assert_int_equal(SSL_read(t->client, &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(SSL_write(t->client, "y", 1), 1);
	assert_int_equal(SSL_read(t->server, &c, 1), 1);
	assert_int_equal(c, 'y');
}

static void peer_name(struct talk *t, char out[64])
{
	X509 *x = SSL_get1_peer_certificate(t->client);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, 64);
	X509_free(x);
}

static void expect_name(struct tls_server *server, const char *sni, const char *want)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct talk t;
	char got[64];
	join(&t, server, client, sni);
	assert_true(shake(&t));
	peer_name(&t, got);
	assert_string_equal(got, want);
	chat(&t);
	part(&t);
	SSL_CTX_free(client);
}

static void test_sni(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct err e;
	struct tls_pem pems[] = { pem_new(&a, "a.example"), pem_new(&a, "*.b.example"), pem_new(&a, "c.example") };
	struct tls_server *s = tls_server_new(pems, 3, &e);
	assert_non_null(s);
	expect_name(s, "a.example", "a.example");
	expect_name(s, "mail.b.example", "*.b.example");
	expect_name(s, "x.y.b.example", "a.example");
	expect_name(s, "C.EXAMPLE", "c.example");
	expect_name(s, "unknown.example", "a.example");
	expect_name(s, NULL, "a.example");
	tls_server_free(s);
	arena_reset(&a);
}

/* The same certificate for another kind of key. */
static struct tls_pem twin_of(struct arena *a, struct tls_pem pem)
{
	EVP_PKEY *old, *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *in = BIO_new_mem_buf(pem.cert.p, (int)pem.cert.n), *in_key = BIO_new_mem_buf(pem.key.p, (int)pem.key.n);
	BIO *cert = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
	X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
	char *p;
	old = PEM_read_bio_PrivateKey(in_key, NULL, NULL, NULL);
	assert_true(x && key && old && X509_set_pubkey(x, key) == 1 && X509_sign(x, old, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(cert, x), 1);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL), 1);
	struct tls_pem twin;
	size_t n = (size_t)BIO_get_mem_data(cert, &p);
	twin.cert = str_dup(a, (struct str){ p, n });
	n = (size_t)BIO_get_mem_data(secret, &p);
	twin.key = str_dup(a, (struct str){ p, n });
	BIO_free(in);
	BIO_free(in_key);
	BIO_free(cert);
	BIO_free(secret);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(old);
	return twin;
}

/* Two kinds of keys for one name: each client gets what it can verify. */
static void test_twins(void **state)
{
	(void)state;
	static const char *kinds[] = { "ed25519", "ECDSA+SHA256" };
	static const int ids[] = { EVP_PKEY_ED25519, EVP_PKEY_EC };
	struct arena a = { 0 };
	struct err e;
	struct tls_pem first = pem_new(&a, "first.example"), b = pem_new(&a, "b.example");
	struct tls_pem pems[] = { first, b, twin_of(&a, b), twin_of(&a, first) };
	struct tls_server *s = tls_server_new(pems, 4, &e);
	for (int i = 0; i < 4; i++) {
		SSL_CTX *client = SSL_CTX_new(TLS_client_method());
		struct talk t;
		char name[64];
		assert_int_equal(SSL_CTX_set1_sigalgs_list(client, kinds[i % 2]), 1);
		join(&t, s, client, i < 2 ? "first.example" : "b.example");
		assert_true(shake(&t));
		peer_name(&t, name);
		assert_string_equal(name, i < 2 ? "first.example" : "b.example");
		X509 *x = SSL_get1_peer_certificate(t.client);
		assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(x)), ids[i % 2]);
		X509_free(x);
		part(&t);
		SSL_CTX_free(client);
	}
	tls_server_free(s);
	arena_reset(&a);
}

static void test_swap_while_connected(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct err e;
	struct tls_pem old[] = { pem_new(&a, "a.example"), pem_new(&a, "b.example") };
	struct tls_pem new = pem_new(&a, "new.example");
	struct tls_server *s = tls_server_new(old, 2, &e);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct talk up, half;
	char name[64];
	join(&up, s, client, "b.example");
	assert_true(shake(&up));
	join(&half, s, client, "b.example");
	SSL_do_handshake(half.client); /* its hello is under way */
	assert_true(tls_server_swap(s, &new, 1, &e));
	chat(&up);
	assert_true(shake(&half)); /* keeps what it began with */
	peer_name(&half, name);
	assert_string_equal(name, "b.example");
	expect_name(s, "b.example", "new.example");
	/* All or nothing. */
	struct tls_pem wrong[] = { old[0], { old[0].cert, new.key } };
	assert_false(tls_server_swap(s, wrong, 2, &e));
	assert_int_equal(e.kind, ERR_PERM);
	expect_name(s, NULL, "new.example");
	tls_server_free(s); /* connections outlive it */
	chat(&up);
	part(&up);
	part(&half);
	SSL_CTX_free(client);
	arena_reset(&a);
}

static void test_bad_pems(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct tls_pem good = pem_new(&a, "a.example"), other = pem_new(&a, "b.example");
	const struct {
		struct tls_pem pem;
		const char *says;
	} bad[] = {
		{ { STR(""), good.key }, "TLS certificate: " },
		{ { STR("rubbish"), good.key }, "TLS certificate: " },
		{ { good.key, good.key }, "TLS certificate: " },
		{ { str_sub(good.cert, 0, good.cert.n - 40), good.key }, "TLS certificate: " },
		{ { good.cert, STR("") }, "TLS key: " },
		{ { good.cert, STR("rubbish") }, "TLS key: " },
		{ { good.cert, other.key }, "TLS key" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = { 0 };
		assert_null(tls_server_new(&bad[i].pem, 1, &e));
		assert_int_equal(e.kind, ERR_PERM);
		if (!str_starts(str_of(e.text), str_of(bad[i].says)))
			fail_msg("%zu: %s", i, e.text);
	}
	struct err e;
	assert_null(tls_server_new(NULL, 0, &e));
	assert_null(tls_client_new("/nonexistent/ca.pem", true, &e));
	/* A chain: the leaf first, then its issuer. */
	struct tls_pem chain = { str_cat(&a, good.cert, other.cert), good.key };
	struct tls_server *s = tls_server_new(&chain, 1, &e);
	assert_non_null(s);
	expect_name(s, NULL, "a.example");
	tls_server_free(s);
	arena_reset(&a);
}

/* --- resumption --- */

static SSL_SESSION *saved; /* with the newest ticket */

/* Connect with what was saved, if anything; was it resumed? Saves the new ticket. */
static bool resumed(struct tls_server *server, SSL_CTX *client)
{
	struct talk t;
	join(&t, server, client, "a.example");
	if (saved)
		SSL_set_session(t.client, saved);
	assert_true(shake(&t));
	chat(&t);
	bool yes = SSL_session_reused(t.client) == 1;
	assert_int_equal(yes, SSL_session_reused(t.server) == 1);
	SSL_SESSION_free(saved);
	saved = SSL_get1_session(t.client);
	part(&t);
	return yes;
}

static void resumption(int version)
{
	struct arena a = { 0 };
	struct err e;
	struct tls_pem pem = pem_new(&a, "a.example");
	uint8_t keys[2][TLS_TICKET_KEY], next[1][TLS_TICKET_KEY];
	memset(keys[0], 1, sizeof keys[0]);
	memset(keys[1], 2, sizeof keys[1]);
	memset(next[0], 3, sizeof next[0]);
	/* Two servers, as two processes that were given the same keys. */
	struct tls_server *one = tls_server_new(&pem, 1, &e), *two = tls_server_new(&pem, 1, &e);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(client, version);
	assert_false(resumed(one, client));
	assert_true(resumed(one, client)); /* with a key of its own */
	assert_false(resumed(two, client));
	tls_server_tickets(one, keys, 2);
	tls_server_tickets(two, keys, 1);
	assert_false(resumed(one, client));
	assert_true(resumed(two, client));
	assert_true(tls_server_swap(two, &pem, 1, &e)); /* the keys stay */
	assert_true(resumed(two, client));
	/* The key of yesterday still opens, and the ticket is renewed under today's. */
	memcpy(keys[1], keys[0], sizeof keys[1]);
	memcpy(keys[0], next[0], sizeof keys[0]);
	tls_server_tickets(one, keys, 2);
	assert_true(resumed(one, client));
	tls_server_tickets(two, next, 1);
	assert_true(resumed(two, client));
	memset(keys[0], 9, sizeof keys[0]);
	tls_server_tickets(two, keys, 1);
	assert_false(resumed(two, client));
	SSL_SESSION_free(saved);
	saved = NULL;
	SSL_CTX_free(client);
	tls_server_free(one);
	tls_server_free(two);
	arena_reset(&a);
}

static void test_resumption(void **state)
{
	(void)state;
	resumption(TLS1_3_VERSION);
	resumption(TLS1_2_VERSION);
}

static void test_versions(void **state)
{
	(void)state;
	struct certs c = certs_new();
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct talk t;
	SSL_CTX_set_security_level(client, 0);
	SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION);
	join(&t, c.server, client, NULL);
	assert_false(shake(&t));
	part(&t);
	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	join(&t, c.server, client, NULL);
	assert_true(shake(&t));
	chat(&t);
	/* No renegotiation: the server refuses, the connection lives or ends, but nothing is negotiated anew. */
	SSL_renegotiate(t.client);
	assert_int_not_equal(SSL_do_handshake(t.client), 0);
	char b;
	assert_true(SSL_read(t.server, &b, 1) <= 0);
	assert_int_equal(SSL_num_renegotiations(t.server), 0);
	part(&t);
	SSL_CTX_free(client);
	certs_free(&c);
}

static void test_client_names(void **state)
{
	(void)state;
	struct certs c = certs_new();
	char big[300] = { 'a' };
	assert_null(tls_client_ssl(c.client, STR("")));
	assert_null(tls_client_ssl(c.client, (struct str){ big, sizeof big }));
	assert_null(tls_client_ssl(c.client, (struct str){ "a\0b", 3 }));
	SSL *ssl = tls_client_ssl(c.client, STR("127.0.0.1"));
	assert_non_null(ssl);
	assert_null(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	SSL_free(ssl);
	certs_free(&c);
}

/* Clients call us by a name or by an address, and each kind has its own place in the certificate (RFC 5280 4.2.1.6). */
static void test_self_signed(void **state)
{
	struct arena a = { 0 };
	struct err e;
	struct str cert, key;
	const struct str names[] = { STR("mail.sandbox.test"), STR("localhost"), STR("127.0.0.1"), STR("::1") };
	(void)state;
	assert_true(tls_self_signed(&a, STR("mail.sandbox.test"), names, 4, 2, &cert, &key, &e));
	BIO *bio = BIO_new_mem_buf(cert.p, (int)cert.n);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(x);
	assert_int_equal(X509_check_host(x, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "mail.sandbox.test", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(x, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(x, "::1", 0), 1);
	assert_int_equal(X509_check_ip_asc(x, "127.0.0.2", 0), 0);
	assert_int_equal(X509_check_host(x, "127.0.0.1", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ca(x), 0);
	X509_free(x);
	BIO_free(bio);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self_signed), cmocka_unit_test(test_sni),
		cmocka_unit_test(test_twins),       cmocka_unit_test(test_swap_while_connected),
		cmocka_unit_test(test_bad_pems),    cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_versions),    cmocka_unit_test(test_client_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
