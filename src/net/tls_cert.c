/* Self-signed certificates, for the sandbox and a server's first hour. */
#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/arena.h"
#include "net/addr.h"
#include "net/tls_impl.h"

static bool add_name(GENERAL_NAMES *list, struct str name)
{
	struct addr a;
	bool ip = addr_parse(name, &a);
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *text = g ? ASN1_STRING_type_new(ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING) : NULL;
	const void *octets = !ip ? (const void *)name.p : addr_is4(a) ? a.b + 12 : a.b;
	size_t n = !ip ? name.n : addr_is4(a) ? 4 : 16;
	if (!text || ASN1_STRING_set(text, octets, (int)n) != 1) {
		ASN1_STRING_free(text);
		GENERAL_NAME_free(g);
		return false;
	}
	GENERAL_NAME_set0_value(g, ip ? GEN_IPADD : GEN_DNS, text);
	if (sk_GENERAL_NAME_push(list, g) > 0)
		return true;
	GENERAL_NAME_free(g);
	return false;
}

/* subjectAltName (RFC 5280 4.2.1.6): what clients look at; the common name is for people. */
static bool set_names(X509 *x, struct str cn, const struct str *names, size_t n)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	X509_NAME *subject = X509_NAME_new();
	bool ok = list && subject;
	for (size_t i = 0; i < n && ok; i++)
		ok = add_name(list, names[i]);
	if (ok && n == 0)
		ok = add_name(list, cn);
	ok = ok &&
	     X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)cn.p, (int)cn.n, -1, 0) ==
		 1 &&
	     X509_set_subject_name(x, subject) == 1 && X509_set_issuer_name(x, subject) == 1 &&
	     X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, 0) == 1;
	X509_NAME_free(subject);
	GENERAL_NAMES_free(list);
	return ok;
}

static bool set_serial(X509 *x)
{
	uint64_t serial;
	return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1;
}

/* A host's certificate, not an authority's: a client that is told to trust this file trusts this host by it, and
 * whoever got the key could make no others.  Some (mbsync) compare such a one as a whole, whatever name they called. */
static bool set_host_only(X509 *x)
{
	BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
	if (!bc)
		return false;
	bc->ca = 0;
	bool ok = X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, 0) == 1;
	BASIC_CONSTRAINTS_free(bc);
	return ok;
}

static bool bio_text(BIO *bio, struct arena *a, struct str *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	if (n <= 0)
		return false;
	*out = str_dup(a, (struct str){ p, (size_t)n });
	return true;
}

bool tls_self_signed(struct arena *a, struct str cn, const struct str *names, size_t nnames, int days,
		     struct str *cert_pem, struct str *key_pem, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *cert = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
	bool ok = key && x && cert && secret && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
		  X509_gmtime_adj(X509_getm_notBefore(x), -3600) && /* clocks differ */
		  X509_time_adj_ex(X509_getm_notAfter(x), days, 0, NULL) && X509_set_pubkey(x, key) == 1 &&
		  set_names(x, cn, names, nnames) && set_host_only(x) && X509_sign(x, key, EVP_sha256()) > 0 &&
		  PEM_write_bio_X509(cert, x) == 1 &&
		  PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		  bio_text(cert, a, cert_pem) && bio_text(secret, a, key_pem);
	BIO_free(cert);
	BIO_free(secret);
	X509_free(x);
	EVP_PKEY_free(key);
	return ok || err_set(e, ERR_TEMP, "making a certificate: %s", tls_reason());
}
