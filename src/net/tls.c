#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "net/tls_impl.h"

#define TICKET_KEYS 4

/* Forward secrecy only; what Postfix, Exchange and mail programs of this decade speak. TLS 1.3 has its own list. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!eNULL:!DSS:!MD5"

/* Shared by all contexts of a server, old and new; the last of them frees it. */
struct tickets {
	atomic_uint refs;
	pthread_rwlock_t lock;
	uint8_t key[TICKET_KEYS][TLS_TICKET_KEY]; /* guarded by lock; each: name 16, HMAC 32, AES 32 */
	size_t n;                                 /* guarded by lock */
};

/* The certificates beside the default one. They hang on the default's SSL_CTX, so that a connection,
 * which holds that, keeps all it began with while the server is given others. */
struct others {
	size_t n;
	SSL_CTX *ctx[];
};

struct tls_server {
	pthread_mutex_t mu;
	SSL_CTX *ctx; /* guarded by mu: the default certificate's */
	struct tickets *tickets;
};
struct tls_client {
	SSL_CTX *ctx;
	bool verify;
};

static int tickets_slot, others_slot; /* places in an SSL_CTX's extra data */

static void tickets_drop(struct tickets *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	pthread_rwlock_destroy(&t->lock);
	OPENSSL_cleanse(t->key, sizeof t->key);
	free(t);
}

static void free_tickets(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	tickets_drop(ptr);
}

static void free_others(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	struct others *o = ptr;
	for (size_t i = 0; o && i < o->n; i++)
		SSL_CTX_free(o->ctx[i]);
	free(o);
}

static void init_once(void)
{
	tickets_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
	others_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_others);
	/* OpenSSL writes by write(2), which has no MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
}

static void init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_once);
}

const char *tls_reason(void)
{
	unsigned long code = ERR_get_error();
	ERR_clear_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;
	return why ? why : "TLS failed";
}

/* --- tickets --- */

/* Put a key into the cipher and the MAC of a ticket (RFC 5077 4: AES-256-CBC, HMAC-SHA-256). */
static bool ticket_use(const uint8_t *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(key + 16), 32),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + 48, iv, encrypt) == 1;
}

/* OpenSSL's callback: -1 error, 0 unknown key (a full handshake follows), 1 good, 2 good but renew the ticket. */
static int ticket_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		      int encrypt)
{
	struct tickets *t = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_slot);
	int answer = encrypt ? -1 : 0;
	/* A TLS 1.3 client uses a ticket once, lest it be followed (RFC 8446 C.4): so it needs another. */
	bool renew = SSL_version(ssl) >= TLS1_3_VERSION;
	pthread_rwlock_rdlock(&t->lock);
	if (encrypt) {
		memcpy(name, t->key[0], 16);
		if (RAND_bytes(iv, 16) == 1 && ticket_use(t->key[0], iv, cipher, mac, 1))
			answer = 1;
	}
	for (size_t i = 0; i < t->n && !encrypt && !answer; i++)
		if (memcmp(name, t->key[i], 16) == 0)
			answer = !ticket_use(t->key[i], iv, cipher, mac, 0) ? -1 : i == 0 && !renew ? 1 : 2;
	pthread_rwlock_unlock(&t->lock);
	return answer;
}

void tls_server_tickets(struct tls_server *t, const uint8_t (*keys)[TLS_TICKET_KEY], size_t n)
{
	if (n == 0)
		return;
	n = n < TICKET_KEYS ? n : TICKET_KEYS;
	pthread_rwlock_wrlock(&t->tickets->lock);
	memcpy(t->tickets->key, keys, n * TLS_TICKET_KEY);
	t->tickets->n = n;
	pthread_rwlock_unlock(&t->tickets->lock);
}

static struct tickets *tickets_new(void)
{
	struct tickets *t = calloc(1, sizeof *t);
	if (!t || RAND_bytes(t->key[0], TLS_TICKET_KEY) != 1)
		abort(); /* out of memory, or no randomness */
	atomic_init(&t->refs, 1);
	pthread_rwlock_init(&t->lock, NULL);
	t->n = 1;
	return t;
}

/* --- server --- */

/* SNI (RFC 6066 3): the first certificate that is for this name, else the default. */
static int choose(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *main = SSL_get_SSL_CTX(ssl);
	const struct others *o = SSL_CTX_get_ex_data(main, others_slot);
	if (!name || !o || X509_check_host(SSL_CTX_get0_certificate(main), name, 0, 0, NULL) == 1)
		return SSL_TLSEXT_ERR_OK;
	for (size_t i = 0; i < o->n; i++)
		if (X509_check_host(SSL_CTX_get0_certificate(o->ctx[i]), name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, o->ctx[i]);
			break;
		}
	return SSL_TLSEXT_ERR_OK;
}

static void both_sides(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, CIPHERS);
	/* Many a mail program closes without a close_notify; what matters ends by its own marks. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* Read the chain, leaf first, into `ctx`. */
static bool use_chain(SSL_CTX *ctx, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;
	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		ok = SSL_CTX_add1_chain_cert(ctx, cert) == 1;
		X509_free(cert);
	}
	/* The end of the text is no error; anything else is. */
	if (ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	BIO_free(bio);
	return ok && ERR_peek_error() == 0;
}

/* A key with a pass phrase is an error, not a question on the terminal. */
static int no_passphrase(char *p, int n, int rw, void *arg)
{
	(void)p, (void)n, (void)rw, (void)arg;
	return -1;
}

static bool use_key(SSL_CTX *ctx, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

static bool load(SSL_CTX *ctx, const struct tls_pem *pem, struct err *e)
{
	ERR_clear_error();
	if (!use_chain(ctx, pem->cert))
		return err_set(e, ERR_PERM, "TLS certificate: %s", tls_reason());
	if (!use_key(ctx, pem->key))
		return err_set(e, ERR_PERM, "TLS key: %s", tls_reason());
	if (SSL_CTX_check_private_key(ctx) != 1)
		return err_set(e, ERR_PERM, "TLS key is not the certificate's: %s", tls_reason());
	return true;
}

static SSL_CTX *server_ctx(const struct tls_pem *pem, struct tickets *tickets, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		abort();
	both_sides(ctx);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_dh_auto(ctx, 1);
	/* Tickets only: nothing is kept here for a session that is away. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"sluice", 6);
	SSL_CTX_set_num_tickets(ctx, 1);
	atomic_fetch_add(&tickets->refs, 1);
	SSL_CTX_set_ex_data(ctx, tickets_slot, tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key);
	if (load(ctx, pem, e))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static const ASN1_OCTET_STRING *names_of(const X509 *x)
{
	int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
	return at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(x, at));
}

/* The same names under another kind of key (RSA beside ECDSA, for old clients): one context serves both. */
static bool twins(SSL_CTX *a, SSL_CTX *b)
{
	const X509 *x = SSL_CTX_get0_certificate(a), *y = SSL_CTX_get0_certificate(b);
	const ASN1_OCTET_STRING *of_x = names_of(x), *of_y = names_of(y);
	return of_x && of_y && ASN1_OCTET_STRING_cmp(of_x, of_y) == 0 &&
	       EVP_PKEY_get_base_id(X509_get0_pubkey(x)) != EVP_PKEY_get_base_id(X509_get0_pubkey(y));
}

/* Give `pem` to a twin among those that are there, else to a context of its own. */
static bool add_pem(SSL_CTX *main, struct others *o, const struct tls_pem *pem, struct tickets *tickets, struct err *e)
{
	SSL_CTX *ctx = server_ctx(pem, tickets, e), *twin = NULL;
	if (!ctx)
		return false;
	if (twins(main, ctx))
		twin = main;
	for (size_t i = 0; i < o->n && !twin; i++)
		if (twins(o->ctx[i], ctx))
			twin = o->ctx[i];
	if (!twin) {
		o->ctx[o->n++] = ctx;
		return true;
	}
	SSL_CTX_free(ctx);
	return load(twin, pem, e);
}

/* The default's context with the others hanging on it. */
static SSL_CTX *server_all(const struct tls_pem *pems, size_t n, struct tickets *tickets, struct err *e)
{
	if (n == 0) {
		err_set(e, ERR_PERM, "TLS: no certificate given");
		return NULL;
	}
	SSL_CTX *main = server_ctx(&pems[0], tickets, e);
	if (!main)
		return NULL;
	struct others *o = calloc(1, sizeof *o + (n - 1) * sizeof(void *));
	if (!o)
		abort();
	SSL_CTX_set_ex_data(main, others_slot, o);
	SSL_CTX_set_tlsext_servername_callback(main, choose);
	for (size_t i = 1; i < n; i++) {
		if (!add_pem(main, o, &pems[i], tickets, e)) {
			SSL_CTX_free(main);
			return NULL;
		}
	}
	return main;
}

struct tls_server *tls_server_new(const struct tls_pem *pems, size_t n, struct err *e)
{
	init();
	struct tickets *tickets = tickets_new();
	SSL_CTX *ctx = server_all(pems, n, tickets, e);
	if (!ctx) {
		tickets_drop(tickets);
		return NULL;
	}
	struct tls_server *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	pthread_mutex_init(&t->mu, NULL);
	t->ctx = ctx;
	t->tickets = tickets;
	return t;
}

bool tls_server_swap(struct tls_server *t, const struct tls_pem *pems, size_t n, struct err *e)
{
	SSL_CTX *ctx = server_all(pems, n, t->tickets, e);
	if (!ctx)
		return false;
	pthread_mutex_lock(&t->mu);
	SSL_CTX *old = t->ctx;
	t->ctx = ctx;
	pthread_mutex_unlock(&t->mu);
	SSL_CTX_free(old);
	return true;
}

SSL *tls_server_ssl(struct tls_server *t)
{
	pthread_mutex_lock(&t->mu);
	SSL *ssl = SSL_new(t->ctx);
	pthread_mutex_unlock(&t->mu);
	return ssl;
}

void tls_server_free(struct tls_server *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	tickets_drop(t->tickets);
	pthread_mutex_destroy(&t->mu);
	free(t);
}

/* --- client --- */

struct tls_client *tls_client_new(const char *ca_file, bool verify, struct err *e)
{
	init();
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		abort();
	both_sides(ctx);
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	bool ok = ca_file ? SSL_CTX_load_verify_file(ctx, ca_file) == 1 : SSL_CTX_set_default_verify_paths(ctx) == 1;
	if (!ok && verify) {
		err_set(e, ERR_TEMP, "TLS authorities %s: %s", ca_file ? ca_file : "of the system", tls_reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	struct tls_client *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	*t = (struct tls_client){ ctx, verify };
	return t;
}

void tls_client_free(struct tls_client *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

SSL *tls_client_ssl(struct tls_client *t, struct str name)
{
	char z[256];
	if (name.n == 0 || name.n >= sizeof z || memchr(name.p, '\0', name.n))
		return NULL;
	memcpy(z, name.p, name.n);
	z[name.n] = '\0';
	SSL *ssl = SSL_new(t->ctx);
	if (!ssl)
		return NULL;
	/* An address is no name for SNI (RFC 6066 3), and stands elsewhere in a certificate. */
	bool address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), z) == 1;
	bool ok = address || (SSL_set_tlsext_host_name(ssl, z) == 1 && (!t->verify || SSL_set1_host(ssl, z) == 1));
	ERR_clear_error();
	if (ok)
		return ssl;
	SSL_free(ssl);
	return NULL;
}
