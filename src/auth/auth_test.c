/* The door over a real socket and pen, asked by the real client, with libgsasl's client side as the peer. */
#include "auth/auth.h"

#include "auth/admin.h"
#include "base/hash.h"
#include "base/test.h"
#include "client/auth.h"
#include "net/listen.h"

#include <crypt.h>
#include <gsasl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- a role ---------------------------------------------------------------- */

struct role {
	char dir[64], path[96];
	struct verifiers *db;
	struct auth_conf conf;
	struct door door;
	struct pen *pen;
	pthread_t thread;
	struct auth_client *client;
	Gsasl *peer; /* the client side */
};

static void *role_run(void *pen)
{
	pen_run(pen);
	return NULL;
}

static int role_start(void **state)
{
	struct role *r = calloc(1, sizeof *r);
	struct err e = { 0 };
	assert_non_null(r);
	snprintf(r->dir, sizeof r->dir, "/tmp/sluice-auth-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof r->path, "%s/auth.sock", r->dir);
	r->db = verifiers_open(r->dir, true, &e);
	if (!r->db)
		fail_msg("%s", e.text);
	r->conf = (struct auth_conf){ .db = r->db,
				      .host = STR("mail.example.org"),
				      .cram_md5 = true,
				      .argon2_ops = 1,
				      .argon2_memory = crypto_pwhash_MEMLIMIT_MIN };
	assert_true(auth_door(&r->conf, &r->door, &e));
	r->pen = pen_new(&(struct pen_conf){ .workers = 2, .connections = 64 }, &e);
	assert_non_null(r->pen);
	int fd = listen_unix(r->path, 0600, 64, &e);
	if (fd < 0 || !pen_listen(r->pen, fd, &r->door, &e))
		fail_msg("%s", e.text);
	assert_int_equal(pthread_create(&r->thread, NULL, role_run, r->pen), 0);
	r->client = auth_client_new(r->path);
	assert_int_equal(gsasl_init(&r->peer), GSASL_OK);
	*state = r;
	return 0;
}

static void sweep(const struct role *r)
{
	const char *const names[] = { "auth.sock", "auth.db", "auth.db-wal", "auth.db-shm" };
	char path[128];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", r->dir, names[i]);
		unlink(path);
	}
	rmdir(r->dir);
}

static int role_stop(void **state)
{
	struct role *r = *state;
	pen_drain(r->pen, 1000);
	pthread_join(r->thread, NULL);
	pen_free(r->pen);
	auth_door_free(&r->door);
	auth_client_free(r->client);
	verifiers_close(r->db);
	gsasl_done(r->peer);
	sweep(r);
	free(r);
	return 0;
}

static void account(struct role *r, const char *name, int64_t id, const char *password)
{
	struct err e = { 0 };
	if (!auth_admin_passwd(r->db, &r->conf, str_of(name), id, str_of(password), &e))
		fail_msg("%s: %s", name, e.text);
}

static struct auth_stat stat_of(struct role *r)
{
	struct auth_stat s;
	auth_stat(&r->door, &s);
	return s;
}

/* --- a peer ---------------------------------------------------------------- */

#define EXPORTER "0123456789abcdef0123456789abcdef"
#define UNIQUE   "unique-twelv"

struct peer_says {
	const char *mechanism, *login, *password, *authzid;
	const char *exporter, *unique; /* what the peer believes */
	const char *server_exporter, *server_unique;
	bool initial;
};

static void set(Gsasl_session *s, Gsasl_property p, const char *z)
{
	if (z)
		assert_int_equal(gsasl_property_set(s, p, z), GSASL_OK);
}

static void set_base64(Gsasl_session *s, Gsasl_property p, const char *z)
{
	char *out;
	if (!z)
		return;
	assert_int_equal(gsasl_base64_to(z, strlen(z), &out, NULL), GSASL_OK);
	set(s, p, out);
	gsasl_free(out);
}

static Gsasl_session *peer_begin(struct role *r, const struct peer_says *p)
{
	Gsasl_session *s;
	assert_int_equal(gsasl_client_start(r->peer, p->mechanism, &s), GSASL_OK);
	set(s, GSASL_AUTHID, p->login);
	set(s, GSASL_PASSWORD, p->password);
	set(s, GSASL_AUTHZID, p->authzid);
	set_base64(s, GSASL_CB_TLS_EXPORTER, p->exporter);
	set_base64(s, GSASL_CB_TLS_UNIQUE, p->unique);
	return s;
}

/* One whole exchange.  *peer_ok: does the peer hold us for genuine? */
static struct auth_answer exchange(struct role *r, const struct peer_says *p, struct arena *a, bool *peer_ok)
{
	struct auth_exchange *x = NULL;
	struct auth_who who = { .service = "smtp",
				.tls = true,
				.exporter = str_of(p->server_exporter),
				.unique = str_of(p->server_unique) };
	Gsasl_session *s = peer_begin(r, p);
	char *out = NULL;
	size_t n = 0;
	int rc = p->initial ? gsasl_step(s, NULL, 0, &out, &n) : GSASL_NEEDS_MORE;
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
		fail_msg("%s, the peer: %s", p->mechanism, gsasl_strerror(rc));
	struct auth_answer got = auth_begin(r->client, &x, &who, str_of(p->mechanism), p->initial,
					    p->initial ? (struct str){ out, n } : STR_NONE, a);
	gsasl_free(out);
	while (got.got == AUTH_MORE) {
		out = NULL;
		n = 0;
		rc = gsasl_step(s, got.data.p, got.data.n, &out, &n);
		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
			auth_cancel(&x);
			break;
		}
		got = auth_step(&x, n ? (struct str){ out, n } : STR_NONE, a);
		gsasl_free(out);
	}
	assert_null(x);
	if (got.got == AUTH_OK && got.data.n > 0) { /* the server's signature */
		out = NULL;
		rc = gsasl_step(s, got.data.p, got.data.n, &out, &n);
		gsasl_free(out);
	}
	*peer_ok = rc == GSASL_OK;
	gsasl_finish(s);
	return got;
}

static void expect_no(struct role *r, const struct peer_says *p, const char *reason)
{
	struct arena a = { 0 };
	bool peer_ok;
	struct auth_answer got = exchange(r, p, &a, &peer_ok);
	if (got.got != AUTH_NO || !str_eq(got.reason, str_of(reason)))
		fail_msg("%s %s/%s: got %d %.*s, not NO %s", p->mechanism, p->login, p->password, got.got,
			 STRF(got.reason), reason);
	arena_reset(&a);
}

static void expect_ok(struct role *r, const struct peer_says *p, const char *name, int64_t id)
{
	struct arena a = { 0 };
	bool peer_ok;
	struct auth_answer got = exchange(r, p, &a, &peer_ok);
	if (got.got != AUTH_OK)
		fail_msg("%s %s/%s: got %d %.*s", p->mechanism, p->login, p->password, got.got, STRF(got.reason));
	assert_true(peer_ok);
	assert_strz(got.account, name);
	assert_int_equal(got.account_id, id);
	arena_reset(&a);
}

static const char *const mechanisms[] = {
	"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"
};

/* A peer that knows its channel when the mechanism is to bind to it. */
static struct peer_says says(const char *mechanism, const char *login, const char *password)
{
	bool plus = str_ends(str_of(mechanism), STR("-PLUS"));
	return (struct peer_says){
		.mechanism = mechanism,
		.login = login,
		.password = password,
		.exporter = plus ? EXPORTER : NULL,
		.server_exporter = plus ? EXPORTER : NULL,
		.initial = strcmp(mechanism, "CRAM-MD5") != 0 && strcmp(mechanism, "LOGIN") != 0,
	};
}

/* --- tests ----------------------------------------------------------------- */

static void test_mechanisms(void **state)
{
	struct role *r = *state;
	struct err e;
	account(r, "mjl", 7, "testtest");
	account(r, "gone", 8, "testtest");
	assert_true(auth_admin_disable(r->db, STR("gone"), true, &e));
	assert_true(auth_admin_login_add(r->db, STR("mjl"), 7, STR("MJL@Mox.Example"), &e));
	static const struct {
		const char *login, *password, *reason; /* NULL: signed in */
	} rows[] = {
		{ "mjl", "testtest", NULL },
		{ "mjl@mox.example", "testtest", NULL },
		{ "Mjl@MOX.example", "testtest", NULL },
		{ "mjl", "test", "password" },
		{ "mjl", "testtesttest", "password" },
		{ "mjl@mox.example", "Testtest", "password" },
		{ "nobody", "testtest", "user" },
		{ "mjl@other.example", "testtest", "user" },
		{ "gone", "testtest", "disabled" },
		{ "gone", "test", "disabled" },
	};
	for (size_t m = 0; m < sizeof mechanisms / sizeof *mechanisms; m++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct peer_says p = says(mechanisms[m], rows[i].login, rows[i].password);
			if (rows[i].reason) {
				expect_no(r, &p, rows[i].reason);
				continue;
			}
			expect_ok(r, &p, "mjl", 7);
			if (p.initial) {
				p.initial = false;
				expect_ok(r, &p, "mjl", 7);
			}
		}
}

static void test_password(void **state)
{
	struct role *r = *state;
	struct arena a = { 0 };
	struct auth_who who = { .service = "imap", .exporter = STR_NONE, .unique = STR_NONE };
	account(r, "mjl", 7, "testtest");
	struct auth_answer got = auth_password(r->client, &who, STR("MJL"), STR("testtest"), &a);
	assert_int_equal(got.got, AUTH_OK);
	assert_strz(got.account, "mjl");
	assert_strz(got.login, "mjl");
	static const struct {
		const char *login, *password, *reason;
	} rows[] = {
		{ "mjl", "test", "password" },  { "mjl", "", "password" },         { "mjl", "test\xFF", "password" },
		{ "", "testtest", "user" },     { "nobody", "test", "user" },      { "a b", "testtest", "user" },
		{ "mjl@", "testtest", "user" }, { "m\xFFjl", "testtest", "user" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		got = auth_password(r->client, &who, str_of(rows[i].login), str_of(rows[i].password), &a);
		assert_int_equal(got.got, AUTH_NO);
		assert_strz(got.reason, rows[i].reason);
		assert_strz(got.login, rows[i].login);
	}
	arena_reset(&a);
}

/* Whoever is refused, and why ever: the same work is done. */
static void test_equal_work(void **state)
{
	struct role *r = *state;
	struct err e;
	account(r, "mjl", 7, "testtest");
	account(r, "gone", 8, "testtest");
	assert_true(auth_admin_disable(r->db, STR("gone"), true, &e));
	assert_true(auth_admin_login_add(r->db, STR("bare"), 9, STR("bare"), &e)); /* a login without a password */
	static const char *const logins[] = { "mjl", "nobody", "gone", "bare", "no such name", "" };
	for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
		struct arena a = { 0 };
		struct auth_who who = { .service = "imap", .exporter = STR_NONE, .unique = STR_NONE };
		struct auth_stat before = stat_of(r);
		assert_int_equal(auth_password(r->client, &who, str_of(logins[i]), STR("wrong"), &a).got, AUTH_NO);
		struct auth_stat after = stat_of(r);
		assert_int_equal(after.argon2 - before.argon2, 1);
		assert_int_equal(after.crypt, before.crypt);
		assert_int_equal(after.made, before.made);
		arena_reset(&a);
	}
	struct auth_stat before = stat_of(r);
	for (size_t i = 0; i < 4; i++) {
		struct peer_says p = says("SCRAM-SHA-256", logins[i], "wrong");
		static const char *const reasons[] = { "password", "user", "disabled", "user" };
		expect_no(r, &p, reasons[i]);
		assert_int_equal(stat_of(r).scram - before.scram, i + 1);
	}
	assert_int_equal(stat_of(r).argon2, before.argon2);
}

/* The first challenge of SCRAM tells nobody who exists. */
static struct str first_challenge(struct role *r, const char *mechanism, const char *login, struct arena *a)
{
	struct auth_exchange *x = NULL;
	struct auth_who who = { .service = "smtp", .exporter = STR_NONE, .unique = STR_NONE };
	struct str initial = str_fmt(a, "n,,n=%s,r=clientnonce", login);
	struct auth_answer got = auth_begin(r->client, &x, &who, str_of(mechanism), true, initial, a);
	assert_int_equal(got.got, AUTH_MORE);
	auth_cancel(&x);
	assert_true(str_starts(got.data, STR("r=clientnonce")));
	return str_sub(got.data, str_find(got.data, STR(",s=")), got.data.n);
}

static void test_unknown_looks_known(void **state)
{
	struct role *r = *state;
	struct arena a = { 0 };
	account(r, "mjl", 7, "testtest");
	struct str known = first_challenge(r, "SCRAM-SHA-256", "mjl", &a);
	struct str one = first_challenge(r, "SCRAM-SHA-256", "nobody", &a);
	struct str other = first_challenge(r, "SCRAM-SHA-256", "nobody2", &a);
	assert_int_equal(known.n, one.n);
	assert_true(str_ends(known, STR(",i=4096")));
	assert_true(str_ends(one, STR(",i=4096")));
	assert_str(first_challenge(r, "SCRAM-SHA-256", "mjl", &a), known);
	assert_str(first_challenge(r, "SCRAM-SHA-256", "NOBODY", &a), one); /* case does not tell either */
	assert_false(str_eq(one, other));
	assert_false(str_eq(one, first_challenge(r, "SCRAM-SHA-1", "nobody", &a)));
	arena_reset(&a);
}

static void test_binding(void **state)
{
	struct role *r = *state;
	account(r, "mjl", 7, "testtest");
	static const struct {
		const char *mechanism, *exporter, *unique, *server_exporter, *server_unique, *reason;
	} rows[] = {
		{ "SCRAM-SHA-256-PLUS", EXPORTER, NULL, EXPORTER, NULL, NULL },
		{ "SCRAM-SHA-256-PLUS", EXPORTER, NULL, EXPORTER, UNIQUE, NULL },
		{ "SCRAM-SHA-256-PLUS", NULL, UNIQUE, NULL, UNIQUE, NULL },
		{ "SCRAM-SHA-1-PLUS", NULL, UNIQUE, EXPORTER, UNIQUE, NULL },
		{ "SCRAM-SHA-256-PLUS", "another channel's exporter......", NULL, EXPORTER, NULL, "binding" },
		{ "SCRAM-SHA-1-PLUS", NULL, "another's...", NULL, UNIQUE, "binding" },
		{ "SCRAM-SHA-1-PLUS", NULL, UNIQUE, EXPORTER, NULL, "binding" },
		{ "SCRAM-SHA-256-PLUS", EXPORTER, NULL, NULL, UNIQUE, "binding" },
		{ "SCRAM-SHA-256-PLUS", EXPORTER, NULL, NULL, NULL, "mechanism" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct peer_says p = { rows[i].mechanism,
				       "mjl",
				       "testtest",
				       NULL,
				       rows[i].exporter,
				       rows[i].unique,
				       rows[i].server_exporter,
				       rows[i].server_unique,
				       true };
		if (rows[i].reason)
			expect_no(r, &p, rows[i].reason);
		else
			expect_ok(r, &p, "mjl", 7);
	}
	/* Without -PLUS: nobody may have taken it out of our list on the way. */
	struct peer_says p = { "SCRAM-SHA-256", "mjl", "testtest", NULL, NULL, NULL, EXPORTER, UNIQUE, true };
	expect_ok(r, &p, "mjl", 7); /* "n": a client that cannot bind */
	/* "y": one that can, and thinks that we cannot.  libgsasl's client never says so. */
	struct arena a = { 0 };
	struct auth_exchange *x = NULL;
	struct auth_who who = { .service = "smtp", .tls = true, .exporter = STR(EXPORTER), .unique = STR_NONE };
	struct str y = STR("y,,n=mjl,r=x");
	assert_strz(auth_begin(r->client, &x, &who, STR("SCRAM-SHA-256"), true, y, &a).reason, "binding");
	who.exporter = STR_NONE;
	assert_int_equal(auth_begin(r->client, &x, &who, STR("SCRAM-SHA-256"), true, y, &a).got, AUTH_MORE);
	auth_cancel(&x);
	arena_reset(&a);
}

static void test_authzid(void **state)
{
	struct role *r = *state;
	struct err e;
	account(r, "mjl", 7, "testtest");
	account(r, "other", 8, "testtest");
	assert_true(auth_admin_login_add(r->db, STR("mjl"), 7, STR("mjl@mox.example"), &e));
	static const char *const names[] = { "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct peer_says p = says(names[i], "mjl@mox.example", "testtest");
		p.authzid = "MJL";
		expect_ok(r, &p, "mjl", 7);
		p.authzid = "mjl@mox.example";
		expect_ok(r, &p, "mjl", 7);
		p.authzid = "other";
		expect_no(r, &p, "authzid");
		p.authzid = "a b";
		expect_no(r, &p, "authzid");
		p.password = "test";
		expect_no(r, &p, "password");
	}
}

/* Raw initial responses and what becomes of them. */
static void test_malformed(void **state)
{
	struct role *r = *state;
	account(r, "mjl", 7, "testtest");
	static const struct {
		struct str mechanism, initial;
		const char *reason;
	} rows[] = {
		{ STR("PLAIN"), STR(""), "malformed" },
		{ STR("PLAIN"), STR("mjl"), "malformed" },
		{ STR("PLAIN"), STR("\0mjl"), "malformed" },
		{ STR("PLAIN"), STR("\0mjl\0testtest\0"), "malformed" },
		{ STR("PLAIN"), STR("\0\0"), "user" },
		{ STR("PLAIN"), STR("\0mjl\0"), "password" },
		{ STR("plain"), STR("\0mjl\0test"), "password" },
		{ STR("LOGIN"), STR(""), "malformed" },
		{ STR("CRAM-MD5"), STR("mjl 0123"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR(""), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=,r=x"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,m=ext,n=mjl,r=x"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x\0"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("x,,n=mjl,r=x"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("p=tls-exporter,,n=mjl,r=x"), "binding" },
		{ STR("GSSAPI"), STR("x"), "mechanism" },
		{ STR("EXTERNAL"), STR("mjl"), "mechanism" },
		{ STR("SCRAM-SHA-1-PLUS"), STR("p=tls-exporter,,n=mjl,r=x"), "mechanism" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct auth_exchange *x = NULL;
		struct auth_who who = { .service = "smtp", .exporter = STR_NONE, .unique = STR_NONE };
		struct auth_answer got = auth_begin(r->client, &x, &who, rows[i].mechanism, true, rows[i].initial, &a);
		if (got.got != AUTH_NO || !str_eq(got.reason, str_of(rows[i].reason)))
			fail_msg("row %zu: got %d %.*s", i, got.got, STRF(got.reason));
		assert_null(x);
		arena_reset(&a);
	}
}

/* What follows the first challenge, wrong in every way. */
static void test_malformed_final(void **state)
{
	struct role *r = *state;
	account(r, "mjl", 7, "testtest");
	static const struct {
		struct str mechanism, initial, response;
		const char *reason;
	} rows[] = {
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR(""), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR("\0"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR("p="), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR("c=biws,r=x"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR("c=biws,r=x,p=!"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR("c=biws,r=x,p=AAAA"), "malformed" },
		{ STR("SCRAM-SHA-1"), STR("n,,n=mjl,r=x"), STR("c=biws,r=x,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
		  "password" },
		{ STR("LOGIN"), STR("mjl"), STR(""), "password" },
		{ STR("LOGIN"), STR("mjl"), STR("a\0b"), "password" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct auth_exchange *x = NULL;
		struct auth_who who = { .service = "smtp", .exporter = STR_NONE, .unique = STR_NONE };
		struct auth_answer got = auth_begin(r->client, &x, &who, rows[i].mechanism, true, rows[i].initial, &a);
		assert_int_equal(got.got, AUTH_MORE);
		got = auth_step(&x, rows[i].response, &a);
		if (got.got != AUTH_NO || !str_eq(got.reason, str_of(rows[i].reason)))
			fail_msg("row %zu: got %d %.*s", i, got.got, STRF(got.reason));
		assert_null(x);
		arena_reset(&a);
	}
}

static void test_cancelled(void **state)
{
	struct role *r = *state;
	struct arena a = { 0 };
	struct auth_who who = { .service = "smtp", .exporter = STR_NONE, .unique = STR_NONE };
	account(r, "mjl", 7, "testtest");
	for (size_t i = 0; i < 5; i++) { /* the last two only bind, which this client cannot */
		struct auth_exchange *x = NULL;
		struct auth_answer got = auth_begin(r->client, &x, &who, str_of(mechanisms[i]), false, STR_NONE, &a);
		assert_int_equal(got.got, AUTH_MORE);
		assert_non_null(x);
		auth_cancel(&x);
	}
	for (int tries = 0; stat_of(r).open > 0 && tries < 5000; tries++)
		usleep(1000); /* until the pen has seen them go */
	assert_int_equal(stat_of(r).open, 0);
	assert_int_equal(auth_password(r->client, &who, STR("mjl"), STR("testtest"), &a).got, AUTH_OK);
	arena_reset(&a);
}

/* Straight to the socket: what no client of ours says. */
static void say_raw(struct role *r, struct str text, const char *want)
{
	struct err e;
	char got[256];
	size_t n = 0;
	int fd = connect_unix(r->path, &e);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, text.p, text.n, MSG_NOSIGNAL), (ssize_t)text.n);
	shutdown(fd, SHUT_WR);
	ssize_t m;
	while (n < sizeof got && (m = recv(fd, got + n, sizeof got - n, 0)) > 0)
		n += (size_t)m;
	close(fd);
	assert_strz(((struct str){ got, n }), want);
}

static void test_protocol(void **state)
{
	struct role *r = *state;
	static char large[AUTH_LINE + 100];
	account(r, "mjl", 7, "testtest");
	say_raw(r, STR("HELO\r\n"), "NO\tmalformed\t\r\n");
	say_raw(r, STR("\r\n"), "NO\tmalformed\t\r\n");
	say_raw(r, STR("STEP\tAAAA\r\n"), "NO\tmalformed\t\r\n");
	say_raw(r, STR("PASSWORD\timap\tlocal\t1\tbWps\tdGVzdHRlc3Q=\n"), "OK\t7\tbWps\tbWps\t\r\n");
	/* One question only. */
	say_raw(r, STR("PASSWORD\timap\tlocal\t1\tbWps\tdGVzdA==\r\nPASSWORD\timap\tlocal\t1\tbWps\tdGVzdHRlc3Q=\r\n"),
		"NO\tpassword\tbWps\r\n");
	say_raw(r, STR("BEGIN\tsmtp\tlocal\t1\t\t\tPLAIN\t-\r\nBEGIN\tsmtp\tlocal\t1\t\t\tPLAIN\t-\r\n"),
		"MORE\t\r\nNO\tmalformed\t\r\n");
	memset(large, 'A', sizeof large - 1);
	large[sizeof large - 1] = '\n';
	say_raw(r, (struct str){ large, sizeof large }, "NO\tmalformed\t\r\n");
}

/* What other systems hashed signs in once, and is then ours. */
static void test_imported(void **state)
{
	struct role *r = *state;
	static const char *const settings[] = { "$6$rounds=1000$saltsalt$", "$y$j75$salt",
						"$2b$04$abcdefghijklmnopqrstuu", "$1$saltsalt$", "argon2" };
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		struct arena a = { 0 };
		struct crypt_data *d = calloc(1, sizeof *d);
		struct verifier *v;
		struct err e = { 0 };
		char argon2[crypto_pwhash_STRBYTES];
		const char *hash = argon2;
		if (settings[i][0] == '$')
			hash = crypt_rn("testtest", settings[i], d, sizeof *d);
		else
			assert_int_equal(crypto_pwhash_str(argon2, "testtest", 8, 2, crypto_pwhash_MEMLIMIT_MIN), 0);
		if (!auth_admin_import(r->db, STR("mjl"), 7, str_of(hash), &e))
			fail_msg("%s", e.text);
		struct peer_says scram = says("SCRAM-SHA-256", "mjl", "testtest"), plain = says("PLAIN", "mjl", "test");
		struct auth_stat before = stat_of(r);
		expect_no(r, &scram, "password"); /* not yet: there is no key */
		expect_no(r, &plain, "password");
		assert_int_equal(stat_of(r).made, before.made);
		assert_int_equal(stat_of(r).argon2, before.argon2 + 1);
		plain.password = "testtest";
		expect_ok(r, &plain, "mjl", 7);
		assert_int_equal(stat_of(r).made, before.made + 1);
		assert_true(verifier_find(r->db, STR("mjl"), &a, &v, &e));
		assert_int_equal(v->crypt.n, 0);
		assert_true(str_starts(v->argon2, STR("$argon2id$v=19$m=8,t=1,")));
		expect_ok(r, &scram, "mjl", 7);
		expect_ok(r, &plain, "mjl", 7);
		assert_int_equal(stat_of(r).made, before.made + 1); /* once */
		free(d);
		arena_reset(&a);
	}
}

/* Settings that changed are caught up with at the next login by password. */
static void test_renewed(void **state)
{
	struct role *r = *state;
	struct arena a = { 0 };
	struct verifier *v;
	struct err e;
	struct peer_says plain = says("PLAIN", "mjl", "testtest");
	account(r, "mjl", 7, "testtest");
	r->conf.scram_iterations = 5000;
	r->conf.cram_md5 = false;
	expect_ok(r, &plain, "mjl", 7);
	assert_true(verifier_find(r->db, STR("mjl"), &a, &v, &e));
	assert_int_equal(v->sha1.iterations, 5000);
	assert_int_equal(v->sha256.iterations, 5000);
	assert_int_equal(v->cram.n, 0);
	struct peer_says scram = says("SCRAM-SHA-1", "mjl", "testtest"), cram = says("CRAM-MD5", "mjl", "testtest");
	expect_ok(r, &scram, "mjl", 7);
	expect_no(r, &cram, "mechanism");
	arena_reset(&a);
}

/* Letters that look or are typed alike, and letters that only look so. */
static void test_unicode(void **state)
{
	struct role *r = *state;
	struct err e;
	account(r, "alice", 7, "\uFB01sh \u00C5ngstr\u00F6m"); /* with a ligature, which SASLprep resolves */
	assert_true(auth_admin_login_add(r->db, STR("alice"), 7, STR("\u00C9ric@B\u00FCcher.example"), &e));
	static const struct {
		const char *login, *password, *reason;
	} rows[] = {
		{ "alice", "\uFB01sh \u00C5ngstr\u00F6m", NULL },
		{ "\uFF21lice", "\uFB01sh \u212Bngstro\u0308m", NULL },
		{ "\u00E9ric@b\u00FCcher.example", "\uFB01sh \u00C5ngstr\u00F6m", NULL },
		{ "e\u0301ric@xn--bcher-kva.example", "\uFB01sh\u3000\u00C5ngstr\u00F6m", NULL },
		{ "\u0430lice", "\uFB01sh \u00C5ngstr\u00F6m", "user" },
		{ "alice", "fish \u00C5ngstr\u00F6m", "password" },
		{ "alice", "\uFB01sh Angstr\u00F6m", "password" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct auth_who who = { .service = "imap", .exporter = STR_NONE, .unique = STR_NONE };
		struct auth_answer got = auth_password(r->client, &who, str_of(rows[i].login), str_of(rows[i].password),
						       &a);
		if ((got.got == AUTH_OK) != (rows[i].reason == NULL))
			fail_msg("row %zu: %.*s", i, STRF(got.reason));
		if (got.got == AUTH_NO)
			assert_strz(got.reason, rows[i].reason);
		arena_reset(&a);
	}
	/* libgsasl's client prepares by SASLprep: the same password in its other form. */
	struct peer_says scram = says("SCRAM-SHA-256", "alice", "\uFB01sh \u00C5ngstr\u00F6m");
	expect_ok(r, &scram, "alice", 7);
	scram.mechanism = "SCRAM-SHA-1";
	expect_ok(r, &scram, "alice", 7);
	scram.password = "fish Angstrom";
	expect_no(r, &scram, "password");
}

/* Many at once, one of whom changes the password under the others. */
struct guest {
	struct role *r;
	pthread_t thread;
	unsigned number, ok, no;
};

static void *guest_run(void *arg)
{
	struct guest *g = arg;
	struct auth_who who = { .service = "imap", .exporter = STR_NONE, .unique = STR_NONE };
	for (unsigned i = 0; i < 20; i++) {
		struct arena a = { 0 };
		bool peer_ok;
		struct peer_says p = says(mechanisms[(g->number + i) % 7], "mjl", i % 2 ? "testtest" : "nothing");
		struct auth_answer got = i % 3 ? exchange(g->r, &p, &a, &peer_ok)
					       : auth_password(g->r->client, &who, str_of(p.login), str_of(p.password),
							       &a);
		g->ok += got.got == AUTH_OK;
		g->no += got.got == AUTH_NO;
		arena_reset(&a);
	}
	return NULL;
}

static void test_many(void **state)
{
	struct role *r = *state;
	struct guest guests[8] = { 0 };
	account(r, "mjl", 7, "testtest");
	for (unsigned i = 0; i < 8; i++) {
		guests[i].r = r;
		guests[i].number = i;
		assert_int_equal(pthread_create(&guests[i].thread, NULL, guest_run, &guests[i]), 0);
	}
	for (unsigned i = 0; i < 10; i++)
		account(r, "mjl", 7, "testtest");
	for (unsigned i = 0; i < 8; i++)
		pthread_join(guests[i].thread, NULL);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(guests[i].no + guests[i].ok, 20);
		assert_true(guests[i].no >= 10); /* a SCRAM that began before the change may fail after it */
		assert_true(guests[i].ok > 0);
	}
}

#define WITH_ROLE(f) cmocka_unit_test_setup_teardown(f, role_start, role_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ROLE(test_mechanisms), WITH_ROLE(test_password),
		WITH_ROLE(test_equal_work), WITH_ROLE(test_unknown_looks_known),
		WITH_ROLE(test_binding),    WITH_ROLE(test_authzid),
		WITH_ROLE(test_malformed),  WITH_ROLE(test_malformed_final),
		WITH_ROLE(test_cancelled),  WITH_ROLE(test_protocol),
		WITH_ROLE(test_imported),   WITH_ROLE(test_renewed),
		WITH_ROLE(test_unicode),    WITH_ROLE(test_many),
	};
	hash_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
