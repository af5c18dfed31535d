#include "auth/sasl.h"
#include "base/hash.h"
#include "base/log.h"

#include <gsasl.h>
#include <stdlib.h>

typedef struct sasl_answer step_fn(struct sasl *x, bool has, struct str in, struct arena *a);
static step_fn step_plain, step_login, step_cram, step_scram;

static const struct mechanism {
	const char *name;
	step_fn *step;
	enum scram_hash hash;
	bool library, plus;
} mechanisms[] = {
	{ "SCRAM-SHA-256-PLUS", step_scram, SCRAM_SHA256, true, true },
	{ "SCRAM-SHA-256", step_scram, SCRAM_SHA256, true, false },
	{ "SCRAM-SHA-1-PLUS", step_scram, SCRAM_SHA1, true, true },
	{ "SCRAM-SHA-1", step_scram, SCRAM_SHA1, true, false },
	{ "CRAM-MD5", step_cram, 0, true, false },
	{ "PLAIN", step_plain, 0, false, false },
	{ "LOGIN", step_login, 0, false, false },
};

struct sasl {
	struct keeper *keeper;
	const struct mechanism *mech;
	Gsasl_session *session; /* mech->library */
	struct arena life;
	unsigned step;
	struct str exporter, unique;
	struct claimed claimed; /* once a name has been said */
	struct str user;        /* LOGIN: as typed */
	bool failed;            /* the store did */
	struct scram_keys keys;
	struct str client_first; /* without its header: RFC 5802 5.1 */
	struct str server_first;
};

static struct sasl_answer answer(enum sasl_got got)
{
	return (struct sasl_answer){ got, STR_NONE, "", STR_NONE, STR_NONE, 0 };
}

static struct sasl_answer refuse(const char *reason, struct str login)
{
	struct sasl_answer r = answer(SASL_NO);
	r.reason = reason;
	r.login = login;
	return r;
}

static struct sasl_answer challenge(struct str data)
{
	struct sasl_answer r = answer(SASL_MORE);
	r.data = data;
	return r;
}

/* The end, when the password or the proof has been found `right` or not. */
static struct sasl_answer conclude(const struct claimed *c, struct str authzid, bool right, struct arena *a)
{
	const char *reason = claimed_refuse(c, authzid, right, a);
	if (*reason)
		return refuse(reason, str_dup(a, c->login));
	struct sasl_answer r = answer(SASL_OK);
	r.login = str_dup(a, c->login);
	r.account = str_dup(a, c->keys->account);
	r.account_id = c->keys->account_id;
	return r;
}

/* The store failed: nobody is told no for that. */
static bool find(struct keeper *k, struct str typed, struct arena *a, struct claimed *out)
{
	struct err e = { 0 };
	if (claimed_find(k, typed, a, out, &e))
		return true;
	log_error("auth.store", KVZ("error", e.text));
	return false;
}

struct sasl_answer sasl_password(struct keeper *k, struct str login, struct str authzid, struct str password,
				 struct arena *a)
{
	struct claimed c;
	if (!find(k, login, a, &c))
		return answer(SASL_TEMP);
	bool right = password_right(k, &c, password);
	struct sasl_answer r = conclude(&c, authzid, right, a);
	if (r.got == SASL_OK)
		password_renew(k, &c, password);
	if (c.keys)
		verifier_wipe(c.keys);
	return r;
}

/* [authzid] NUL authcid NUL passwd: RFC 4616 2 */
static struct sasl_answer step_plain(struct sasl *x, bool has, struct str in, struct arena *a)
{
	if (!has && x->step == 0)
		return challenge(STR_NONE);
	if (str_chr(in, '\0') == in.n)
		return refuse("malformed", STR_NONE);
	struct str authzid = str_cut(&in, '\0');
	if (str_chr(in, '\0') == in.n)
		return refuse("malformed", STR_NONE);
	struct str login = str_cut(&in, '\0');
	if (str_chr(in, '\0') < in.n)
		return refuse("malformed", STR_NONE);
	return sasl_password(x->keeper, login, authzid, in, a);
}

/* Never standardised; clients look for these very words.  An initial response is the name. */
static struct sasl_answer step_login(struct sasl *x, bool has, struct str in, struct arena *a)
{
	if (!has && x->step == 0)
		return challenge(STR("Username:"));
	if (x->user.n > 0)
		return sasl_password(x->keeper, x->user, STR_NONE, in, a);
	if (in.n == 0)
		return refuse("malformed", STR_NONE);
	x->user = str_dup(&x->life, in);
	return challenge(STR("Password:"));
}

/* --- by libgsasl ---------------------------------------------------------- */

static void property_base64(struct sasl *x, Gsasl_property p, struct str octets)
{
	struct buf b = { 0 };
	buf_base64(&b, octets);
	if (gsasl_property_set_raw(x->session, p, buf_str(&b).p, b.n) != GSASL_OK)
		abort();
	buf_free(&b);
}

static const char *property(struct sasl *x, Gsasl_property p)
{
	const char *z = gsasl_property_fast(x->session, p);
	return z ? z : "";
}

/* A name has been said: SCRAM wants to know its salt. */
static int give_salt(struct sasl *x)
{
	char count[16];
	if (!find(x->keeper, str_of(property(x, GSASL_AUTHID)), &x->life, &x->claimed))
		x->failed = true;
	password_scram(x->keeper, &x->claimed, x->mech->hash, &x->life, &x->keys);
	snprintf(count, sizeof count, "%u", x->keys.iterations);
	property_base64(x, GSASL_SCRAM_SALT, x->keys.salt);
	return gsasl_property_set(x->session, GSASL_SCRAM_ITER, count);
}

/* CRAM-MD5: the plain password, or one that nobody has. */
static int give_password(struct sasl *x)
{
	char nobody[33];
	if (!find(x->keeper, str_of(property(x, GSASL_AUTHID)), &x->life, &x->claimed))
		x->failed = true;
	random_id(nobody, sizeof nobody - 1);
	const struct verifier *v = x->claimed.keys;
	struct str plain = v && v->cram.n > 0 ? v->cram : str_of(nobody);
	return gsasl_property_set_raw(x->session, GSASL_PASSWORD, plain.p, plain.n);
}

static int asked(Gsasl *lib, Gsasl_session *session, Gsasl_property p)
{
	struct sasl *x = gsasl_session_hook_get(session);
	(void)lib;
	if (x && p == GSASL_SCRAM_ITER)
		return give_salt(x);
	if (x && p == GSASL_PASSWORD && x->mech->step == step_cram)
		return give_password(x);
	return GSASL_NO_CALLBACK;
}

struct Gsasl *sasl_new(void)
{
	Gsasl *lib = NULL;
	if (gsasl_init(&lib) != GSASL_OK)
		abort();
	gsasl_callback_set(lib, asked);
	return lib;
}

void sasl_free(struct Gsasl *lib)
{
	gsasl_done(lib);
}

/* One step of libgsasl; what it says goes to `a`. */
static int library_step(struct sasl *x, struct str in, struct arena *a, struct str *out)
{
	char *p = NULL;
	size_t n = 0;
	int rc = gsasl_step(x->session, in.p, in.n, &p, &n);
	*out = p ? str_dup(a, (struct str){ p, n }) : STR_NONE;
	gsasl_free(p);
	return rc;
}

/* What libgsasl found wrong, when it was not the password. */
static struct sasl_answer library_refused(struct sasl *x, int rc, struct arena *a)
{
	switch (rc) {
	case GSASL_AUTHENTICATION_ERROR:
		return conclude(&x->claimed, STR_NONE, false, a);
	case GSASL_MALLOC_ERROR:
	case GSASL_CRYPTO_ERROR:
		log_error("auth.sasl", KVZ("error", gsasl_strerror(rc)));
		return answer(SASL_TEMP);
	default:
		return refuse("malformed", str_dup(a, x->claimed.login));
	}
}

/* RFC 2195: the server begins, the client answers once. */
static struct sasl_answer step_cram(struct sasl *x, bool has, struct str in, struct arena *a)
{
	struct str out;
	if (x->step == 0) {
		if (has)
			return refuse("malformed", STR_NONE);
		int begun = library_step(x, STR_NONE, a, &out);
		return begun == GSASL_NEEDS_MORE ? challenge(out) : library_refused(x, begun, a);
	}
	if (in.n == 0)
		return refuse("malformed", STR_NONE);
	int rc = library_step(x, in, a, &out);
	char *copy = (char *)property(x, GSASL_PASSWORD);
	sodium_memzero(copy, strlen(copy));
	if (x->failed)
		return answer(SASL_TEMP);
	if (rc != GSASL_OK)
		return library_refused(x, rc, a);
	return conclude(&x->claimed, STR_NONE, x->claimed.keys && x->claimed.keys->cram.n > 0, a);
}

/* The header of the client's first message says what it binds to (RFC 5802 6). */
static const char *binding_wrong(const struct sasl *x, struct str first)
{
	if (x->mech->plus && str_starts(first, STR("p=tls-exporter,")))
		return x->exporter.n > 0 ? NULL : "binding";
	if (x->mech->plus && str_starts(first, STR("p=tls-unique,")))
		return x->unique.n > 0 ? NULL : "binding";
	if (x->mech->plus || str_starts(first, STR("p=")))
		return "binding";
	/* "You cannot do it", says the client; but we said that we can: somebody stands between. */
	if (str_starts(first, STR("y,")) && (x->exporter.n > 0 || x->unique.n > 0))
		return "binding";
	return NULL;
}

static struct sasl_answer scram_first(struct sasl *x, struct str in, struct arena *a)
{
	struct str bare = in, out;
	const char *wrong = binding_wrong(x, in);
	if (wrong)
		return refuse(wrong, STR_NONE);
	str_cut(&bare, ',');
	str_cut(&bare, ',');
	x->client_first = str_dup(&x->life, bare);
	int rc = library_step(x, in, a, &out);
	if (x->failed)
		return answer(SASL_TEMP);
	if (rc != GSASL_NEEDS_MORE)
		return rc == GSASL_AUTHENTICATION_ERROR ? refuse("malformed", STR_NONE) : library_refused(x, rc, a);
	x->server_first = str_dup(&x->life, out);
	return challenge(out);
}

/* The last ",p=": what precedes it is signed. */
static bool split_proof(struct str in, struct str *without, struct buf *proof)
{
	for (size_t i = in.n; i >= 3; i--)
		if (memcmp(in.p + i - 3, ",p=", 3) == 0) {
			*without = str_sub(in, 0, i - 3);
			return buf_unbase64(proof, str_sub(in, i, in.n));
		}
	return false;
}

/* libgsasl is given the keys of the form that proved right, and otherwise keys that tell nothing. */
static bool scram_prove(struct sasl *x, struct str in, struct arena *a)
{
	size_t n = scram_key_size(x->mech->hash);
	struct buf proof = { 0 };
	struct str without = STR_NONE;
	unsigned which = 0;
	char *nothing = arena_alloc(a, n);
	random_bytes(nothing, n);
	atomic_fetch_add(&x->keeper->count.scram, 1);
	bool right = split_proof(in, &without, &proof);
	if (right) {
		struct str message = str_fmt(a, "%.*s,%.*s,%.*s", STRF(x->client_first), STRF(x->server_first),
					     STRF(without));
		right = scram_proof(x->mech->hash, &x->keys, message, buf_str(&proof), &which);
	}
	buf_free(&proof);
	struct str none = { nothing, n };
	property_base64(x, GSASL_SCRAM_STOREDKEY,
			right ? str_sub(x->keys.stored_key, which * n, (which + 1) * n) : none);
	property_base64(x, GSASL_SCRAM_SERVERKEY,
			right ? str_sub(x->keys.server_key, which * n, (which + 1) * n) : none);
	return right;
}

static struct sasl_answer scram_final(struct sasl *x, struct str in, struct arena *a)
{
	struct str out;
	bool right = scram_prove(x, in, a);
	int rc = library_step(x, in, a, &out);
	if (rc == GSASL_AUTHENTICATION_ERROR && right) /* the password is; the nonce or the binding is not */
		return refuse("binding", str_dup(a, x->claimed.login));
	if (rc != GSASL_OK)
		return library_refused(x, rc, a);
	struct sasl_answer r = conclude(&x->claimed, str_of(property(x, GSASL_AUTHZID)), right, a);
	if (r.got == SASL_OK)
		r.data = out;
	return r;
}

static struct sasl_answer step_scram(struct sasl *x, bool has, struct str in, struct arena *a)
{
	if (!has && x->step == 0)
		return challenge(STR_NONE);
	if (in.n == 0 || memchr(in.p, 0, in.n))
		return refuse("malformed", x->claimed.login);
	return x->client_first.n == 0 ? scram_first(x, in, a) : scram_final(x, in, a);
}

/* --- exchanges ------------------------------------------------------------ */

static const struct mechanism *mechanism_find(const struct ask *ask, const struct keeper *k)
{
	for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
		const struct mechanism *m = &mechanisms[i];
		if (!str_eqi(ask->mechanism, str_of(m->name)))
			continue;
		if (m->plus && ask->exporter.n == 0 && ask->unique.n == 0)
			return NULL;
		return m->step == step_cram && !k->conf->cram_md5 ? NULL : m;
	}
	return NULL;
}

static struct sasl *exchange_new(struct Gsasl *lib, struct keeper *k, const struct mechanism *m, const struct ask *ask)
{
	struct sasl *x = calloc(1, sizeof *x);
	if (!x)
		abort();
	*x = (struct sasl){ .keeper = k,
			    .mech = m,
			    .user = STR_NONE,
			    .claimed.login = STR_NONE,
			    .client_first = STR_NONE,
			    .server_first = STR_NONE };
	x->exporter = str_dup(&x->life, ask->exporter);
	x->unique = str_dup(&x->life, ask->unique);
	if (!m->library)
		return x;
	if (gsasl_server_start(lib, m->name, &x->session) != GSASL_OK)
		abort(); /* only when there is no memory or no randomness */
	gsasl_session_hook_set(x->session, x);
	if (k->conf->host.n > 0 &&
	    gsasl_property_set_raw(x->session, GSASL_HOSTNAME, k->conf->host.p, k->conf->host.n) != GSASL_OK)
		abort();
	if (x->exporter.n > 0)
		property_base64(x, GSASL_CB_TLS_EXPORTER, x->exporter);
	if (x->unique.n > 0)
		property_base64(x, GSASL_CB_TLS_UNIQUE, x->unique);
	return x;
}

struct sasl_answer sasl_begin(struct Gsasl *lib, struct keeper *k, const struct ask *ask, struct sasl **x,
			      struct arena *a)
{
	const struct mechanism *m = mechanism_find(ask, k);
	*x = NULL;
	if (!m)
		return refuse("mechanism", STR_NONE);
	*x = exchange_new(lib, k, m, ask);
	struct sasl_answer r = m->step(*x, ask->has_octets, ask->octets, a);
	(*x)->step++;
	if (r.got != SASL_MORE) {
		r.login = str_dup(a, r.login);
		sasl_end(*x);
		*x = NULL;
	}
	return r;
}

struct sasl_answer sasl_step(struct sasl *x, struct str response, struct arena *a)
{
	struct sasl_answer r = x->mech->step(x, true, response, a);
	x->step++;
	return r;
}

void sasl_end(struct sasl *x)
{
	if (!x)
		return;
	if (x->session)
		gsasl_finish(x->session);
	if (x->claimed.keys)
		verifier_wipe(x->claimed.keys);
	arena_reset(&x->life);
	free(x);
}
