#include "auth/password.h"
#include "auth/imported.h"
#include "auth/precis.h"
#include "base/hash.h"
#include "base/log.h"

#include <gsasl.h>
#include <pthread.h>

static pthread_mutex_t change = PTHREAD_MUTEX_INITIALIZER; /* over auth.db: read, then write */

void password_lock(void)
{
	pthread_mutex_lock(&change);
}

void password_unlock(void)
{
	pthread_mutex_unlock(&change);
}

static uint32_t iterations(const struct auth_conf *c)
{
	return c->scram_iterations ? c->scram_iterations : SCRAM_ITERATIONS;
}

static unsigned long long ops(const struct auth_conf *c)
{
	return c->argon2_ops ? c->argon2_ops : crypto_pwhash_OPSLIMIT_INTERACTIVE;
}

static size_t memory(const struct auth_conf *c)
{
	return c->argon2_memory ? (size_t)c->argon2_memory : crypto_pwhash_MEMLIMIT_INTERACTIVE;
}

static bool argon2(const struct auth_conf *c, struct str password, char out[crypto_pwhash_STRBYTES], struct err *e)
{
	if (crypto_pwhash_str(out, password.p, password.n, ops(c), memory(c)) != 0)
		return err_set(e, ERR_TEMP, "Argon2id: not enough memory for %zu KiB", memory(c) / 1024);
	return true;
}

bool keeper_init(struct keeper *k, const struct auth_conf *conf, struct err *e)
{
	char nobody[32];
	*k = (struct keeper){ .conf = conf };
	if (sodium_init() < 0)
		return err_set(e, ERR_TEMP, "libsodium does not start");
	random_bytes(nobody, sizeof nobody);
	return verifiers_secret(conf->db, k->secret, e) &&
	       argon2(conf, (struct str){ nobody, sizeof nobody }, k->dummy, e);
}

void verifier_wipe(struct verifier *v)
{
	const struct str secrets[] = { v->cram,
				       v->argon2,
				       v->crypt,
				       v->sha1.stored_key,
				       v->sha1.server_key,
				       v->sha256.stored_key,
				       v->sha256.server_key };
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
		sodium_memzero((char *)secrets[i].p, secrets[i].n); /* all in the arena of the lookup */
}

/* --- making --------------------------------------------------------------- */

/* The form that RFC 5802 2.2 wants, when it exists and is another one. */
static bool saslprep(const struct precis *p, struct precis *out)
{
	char *z = NULL;
	if (gsasl_saslprep(p->p, GSASL_ALLOW_UNASSIGNED, &z, NULL) != GSASL_OK)
		return false;
	size_t n = strlen(z);
	bool other = n > 0 && n <= PRECIS_MAX && (n != p->n || memcmp(z, p->p, n) != 0);
	if (other) {
		memcpy(out->p, z, n + 1);
		out->n = n;
	}
	sodium_memzero(z, n);
	gsasl_free(z);
	return other;
}

static bool make_scram(const struct auth_conf *conf, enum scram_hash h, const struct precis *forms, size_t n,
		       struct arena *a, struct scram_keys *out, struct err *e)
{
	char salt[SCRAM_SALT];
	random_bytes(salt, sizeof salt);
	*out = (struct scram_keys){ iterations(conf), str_dup(a, (struct str){ salt, sizeof salt }), STR_NONE,
				    STR_NONE };
	for (size_t i = 0; i < n; i++)
		if (!scram_add_keys(h, (struct str){ forms[i].p, forms[i].n }, a, out, e))
			return false;
	return true;
}

bool auth_make(const struct auth_conf *conf, struct str password, struct arena *a, struct verifier *out, struct err *e)
{
	struct precis forms[SCRAM_FORMS];
	char hash[crypto_pwhash_STRBYTES];
	if (!precis_opaque(password, &forms[0], e))
		return err_add(e, "the password");
	size_t n = saslprep(&forms[0], &forms[1]) ? 2 : 1;
	struct str plain = { forms[0].p, forms[0].n };
	*out = (struct verifier){ .account = STR_NONE, .argon2 = STR_NONE, .crypt = STR_NONE, .cram = STR_NONE };
	bool ok = argon2(conf, plain, hash, e) && make_scram(conf, SCRAM_SHA1, forms, n, a, &out->sha1, e) &&
		  make_scram(conf, SCRAM_SHA256, forms, n, a, &out->sha256, e);
	if (ok) {
		out->argon2 = str_dup(a, str_of(hash));
		out->cram = conf->cram_md5 ? str_dup(a, plain) : STR_NONE;
	}
	for (size_t i = 0; i < n; i++)
		precis_wipe(&forms[i]);
	return ok;
}

/* --- asking --------------------------------------------------------------- */

bool claimed_find(struct keeper *k, struct str typed, struct arena *a, struct claimed *out, struct err *e)
{
	struct err unfit;
	*out = (struct claimed){ str_dup(a, typed), NULL };
	if (!auth_login_name(typed, a, &out->login, &unfit)) {
		out->login = str_dup(a, typed);
		return true;
	}
	return verifier_find(k->conf->db, out->login, a, &out->keys, e);
}

const char *claimed_refuse(const struct claimed *c, struct str authzid, bool right, struct arena *a)
{
	struct str as;
	struct err e;
	if (!c->keys)
		return "user";
	if (c->keys->disabled)
		return "disabled";
	if (!right)
		return "password";
	if (authzid.n == 0)
		return "";
	if (!auth_login_name(authzid, a, &as, &e))
		return "authzid";
	return str_eq(as, c->login) || str_eq(as, c->keys->account) ? "" : "authzid";
}

/* Keys of ours come with SCRAM; an imported hash was made of the octets as they were typed. */
static bool ours(const struct verifier *v)
{
	return v->sha256.iterations > 0;
}

/* The same steps for everybody, those included whom nobody is looked up for. */
bool password_right(struct keeper *k, const struct claimed *c, struct str typed)
{
	const struct verifier *v = c->keys;
	struct precis p;
	struct err e;
	bool known = v && v->argon2.n > 0, prepared = precis_opaque(typed, &p, &e);
	struct str plain = prepared ? (struct str){ p.p, p.n } : STR_NONE;
	if (known && !ours(v))
		plain = typed;
	atomic_fetch_add(&k->count.argon2, 1);
	bool right = imported_argon2_verify(known ? v->argon2 : str_of(k->dummy), plain) && known;
	right = right && (prepared || !ours(v));
	if (v && v->crypt.n > 0) {
		atomic_fetch_add(&k->count.crypt, 1);
		right |= imported_crypt_verify(v->crypt, typed);
	}
	precis_wipe(&p);
	return right;
}

/* libsodium wants its text NUL-terminated. */
static bool old_argon2(const struct auth_conf *c, struct str hash)
{
	char text[crypto_pwhash_STRBYTES] = { 0 };
	if (hash.n == 0 || hash.n >= sizeof text)
		return true;
	memcpy(text, hash.p, hash.n);
	return crypto_pwhash_str_needs_rehash(text, ops(c), memory(c)) != 0;
}

static bool old(const struct auth_conf *c, const struct verifier *v)
{
	return v->crypt.n > 0 || old_argon2(c, v->argon2) || v->sha1.iterations != iterations(c) ||
	       v->sha256.iterations != iterations(c) || c->cram_md5 != (v->cram.n > 0);
}

/* Put `now` in the place of `was`, unless somebody has been quicker. */
static bool replace(struct verifiers *db, struct str login, const struct verifier *was, struct verifier *now,
		    struct arena *a, struct err *e)
{
	struct verifier *is = NULL;
	password_lock();
	bool ok = verifier_find(db, login, a, &is, e);
	if (ok && is && str_eq(is->argon2, was->argon2) && str_eq(is->crypt, was->crypt)) {
		now->disabled = is->disabled;
		ok = verifier_set(db, now, e);
	}
	password_unlock();
	if (is)
		verifier_wipe(is);
	return ok;
}

void password_renew(struct keeper *k, const struct claimed *c, struct str typed)
{
	struct arena a = { 0 };
	struct verifier now;
	struct err e = { 0 };
	if (!old(k->conf, c->keys))
		return;
	atomic_fetch_add(&k->count.made, 1);
	bool ok = auth_make(k->conf, typed, &a, &now, &e);
	if (ok) {
		now.account = c->keys->account;
		now.account_id = c->keys->account_id;
		ok = replace(k->conf->db, c->login, c->keys, &now, &a, &e);
		verifier_wipe(&now);
	}
	if (ok)
		log_info("auth.renewed", KV("account", c->keys->account));
	else
		log_warn("auth.not-renewed", KV("account", c->keys->account), KVZ("error", e.text));
	arena_reset(&a);
}

/* A login that has no keys for SCRAM looks like one that has. */
static void invent(struct keeper *k, struct str login, enum scram_hash h, struct arena *a, struct scram_keys *out)
{
	uint8_t salt[crypto_auth_hmacsha256_BYTES];
	size_t n = scram_key_size(h);
	crypto_auth_hmacsha256_state st;
	crypto_auth_hmacsha256_init(&st, k->secret, sizeof k->secret);
	crypto_auth_hmacsha256_update(&st, (const unsigned char[]){ (unsigned char)h }, 1);
	crypto_auth_hmacsha256_update(&st, (const unsigned char *)login.p, login.n);
	crypto_auth_hmacsha256_final(&st, salt);
	char *keys = arena_alloc(a, 2 * n);
	random_bytes(keys, 2 * n);
	*out = (struct scram_keys){
		iterations(k->conf), str_dup(a, (struct str){ (char *)salt, SCRAM_SALT }), { keys, n }, { keys + n, n }
	};
}

void password_scram(struct keeper *k, const struct claimed *c, enum scram_hash h, struct arena *a,
		    struct scram_keys *out)
{
	const struct scram_keys *keys = NULL;
	if (c->keys)
		keys = h == SCRAM_SHA1 ? &c->keys->sha1 : &c->keys->sha256;
	if (keys && keys->iterations > 0 && keys->salt.n > 0 && keys->stored_key.n > 0 &&
	    keys->stored_key.n == keys->server_key.n)
		*out = *keys;
	else
		invent(k, c->login, h, a, out);
}
