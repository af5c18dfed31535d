#include "auth/scram.h"

#include "base/buf.h"
#include "base/test.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* The conversations that the RFCs print; user "user", password "pencil", 4096 iterations. */
static const struct example {
	enum scram_hash hash;
	const char *salt, *message, *proof, *signature; /* base64, but for the message */
} examples[] = {
	{ SCRAM_SHA1, "QSXCR+Q6sek8bf92", /* RFC 5802 5 */
	  "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	  "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ SCRAM_SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==", /* RFC 7677 3 */
	  "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

static struct str raw(struct arena *a, const char *base64)
{
	struct buf b = { 0 };
	assert_true(buf_unbase64(&b, str_of(base64)));
	struct str s = str_dup(a, buf_str(&b));
	buf_free(&b);
	return s;
}

/* ServerSignature = HMAC(ServerKey, AuthMessage) */
static struct str signature(struct arena *a, const struct example *x, struct str server_key)
{
	unsigned char out[SCRAM_KEY_MAX];
	unsigned n = 0;
	struct str m = str_of(x->message);
	HMAC(x->hash == SCRAM_SHA1 ? EVP_sha1() : EVP_sha256(), server_key.p, (int)server_key.n,
	     (const unsigned char *)m.p, m.n, out, &n);
	return str_dup(a, (struct str){ (char *)out, n });
}

static struct scram_keys keys_of(const struct example *x, struct str password, struct arena *a)
{
	struct scram_keys k = { .iterations = 4096, .salt = raw(a, x->salt), STR_NONE, STR_NONE };
	struct err e;
	assert_true(scram_add_keys(x->hash, password, a, &k, &e));
	return k;
}

static void test_examples(void **state)
{
	(void)state;
	struct arena a = { 0 };
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		const struct example *x = &examples[i];
		unsigned which = 9;
		struct scram_keys k = keys_of(x, STR("pencil"), &a);
		assert_int_equal(k.stored_key.n, scram_key_size(x->hash));
		assert_true(scram_proof(x->hash, &k, str_of(x->message), raw(&a, x->proof), &which));
		assert_int_equal(which, 0);
		assert_str(signature(&a, x, k.server_key), raw(&a, x->signature));

		struct scram_keys other = keys_of(x, STR("Pencil"), &a);
		assert_false(scram_proof(x->hash, &other, str_of(x->message), raw(&a, x->proof), &which));
		assert_false(scram_proof(x->hash, &k, STR("n=user,r=x"), raw(&a, x->proof), &which));
		assert_false(scram_proof(x->hash, &k, str_of(x->message), STR_NONE, &which));
	}
	arena_reset(&a);
}

static void test_two_forms(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct err e;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		const struct example *x = &examples[i];
		unsigned which = 9;
		struct scram_keys k = keys_of(x, STR("something else"), &a);
		assert_true(scram_add_keys(x->hash, STR("pencil"), &a, &k, &e));
		assert_true(scram_proof(x->hash, &k, str_of(x->message), raw(&a, x->proof), &which));
		assert_int_equal(which, 1);
		/* Nothing the store could hand back is trusted to have the right size. */
		k.stored_key.n--;
		assert_false(scram_proof(x->hash, &k, str_of(x->message), raw(&a, x->proof), &which));
		k.stored_key = STR_NONE;
		assert_false(scram_proof(x->hash, &k, str_of(x->message), raw(&a, x->proof), &which));
	}
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_two_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
