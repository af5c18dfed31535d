#include "auth/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

static const EVP_MD *digest(enum scram_hash h)
{
	return h == SCRAM_SHA1 ? EVP_sha1() : EVP_sha256();
}

size_t scram_key_size(enum scram_hash h)
{
	return h == SCRAM_SHA1 ? 20 : 32;
}

static bool hmac(enum scram_hash h, const void *key, struct str text, uint8_t *out)
{
	return HMAC(digest(h), key, (int)scram_key_size(h), (const unsigned char *)text.p, text.n, out, NULL) != NULL;
}

static bool hash(enum scram_hash h, const uint8_t *in, uint8_t *out)
{
	return EVP_Digest(in, scram_key_size(h), out, NULL, digest(h), NULL) == 1;
}

bool scram_add_keys(enum scram_hash h, struct str password, struct arena *a, struct scram_keys *out, struct err *e)
{
	size_t n = scram_key_size(h);
	uint8_t salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX], stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
	bool ok = PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)out->salt.p, (int)out->salt.n,
				    (int)out->iterations, digest(h), (int)n, salted) == 1 &&
		  hmac(h, salted, STR("Client Key"), client) && hash(h, client, stored) &&
		  hmac(h, salted, STR("Server Key"), server);
	sodium_memzero(salted, sizeof salted);
	sodium_memzero(client, sizeof client);
	if (!ok)
		return err_set(e, ERR_TEMP, "SCRAM keys could not be computed");
	out->stored_key = str_cat(a, out->stored_key, (struct str){ (char *)stored, n });
	out->server_key = str_cat(a, out->server_key, (struct str){ (char *)server, n });
	return true;
}

bool scram_proof(enum scram_hash h, const struct scram_keys *keys, struct str auth_message, struct str proof,
		 unsigned *which)
{
	size_t n = scram_key_size(h), forms = keys->stored_key.n / n;
	bool right = false;
	if (proof.n != n || keys->stored_key.n % n != 0 || forms > SCRAM_FORMS)
		return false;
	for (size_t form = 0; form < forms; form++) {
		const char *stored = keys->stored_key.p + form * n;
		uint8_t key[SCRAM_KEY_MAX], again[SCRAM_KEY_MAX];
		if (!hmac(h, stored, auth_message, key))
			return false;
		for (size_t i = 0; i < n; i++) /* ClientKey = ClientProof XOR ClientSignature */
			key[i] ^= (uint8_t)proof.p[i];
		if (!hash(h, key, again))
			return false;
		bool same = sodium_memcmp(again, stored, n) == 0;
		*which = same ? (unsigned)form : *which;
		right |= same;
		sodium_memzero(key, sizeof key);
	}
	return right;
}
