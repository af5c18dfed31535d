#include "auth/admin.h"

#include "base/test.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct desk {
	char dir[64];
	struct verifiers *db;
	struct auth_conf conf;
};

static int desk_open(void **state)
{
	struct desk *d = calloc(1, sizeof *d);
	struct err e = { 0 };
	assert_non_null(d);
	snprintf(d->dir, sizeof d->dir, "/tmp/sluice-admin-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	d->db = verifiers_open(d->dir, true, &e);
	assert_non_null(d->db);
	d->conf = (struct auth_conf){ .db = d->db, .argon2_ops = 1, .argon2_memory = crypto_pwhash_MEMLIMIT_MIN };
	*state = d;
	return sodium_init() < 0;
}

static int desk_close(void **state)
{
	struct desk *d = *state;
	const char *const names[] = { "auth.db", "auth.db-wal", "auth.db-shm" };
	char path[96];
	verifiers_close(d->db);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", d->dir, names[i]);
		unlink(path);
	}
	rmdir(d->dir);
	free(d);
	return 0;
}

static struct verifier *find(struct desk *d, const char *login, struct arena *a)
{
	struct verifier *v;
	struct err e;
	assert_true(verifier_find(d->db, str_of(login), a, &v, &e));
	return v;
}

static void test_passwd(void **state)
{
	struct desk *d = *state;
	struct arena a = { 0 };
	struct err e;
	assert_null(find(d, "alice", &a));
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("testtest"), &e));
	struct verifier *v = find(d, "alice", &a), *again;
	assert_strz(v->account, "alice");
	assert_int_equal(v->account_id, 7);
	assert_true(str_starts(v->argon2, STR("$argon2id$")));
	assert_int_equal(v->sha1.stored_key.n, 20);
	assert_int_equal(v->sha256.stored_key.n, 32);
	assert_int_equal(v->sha256.salt.n, 16);
	assert_int_equal(v->sha256.iterations, 4096);
	assert_int_equal(v->cram.n, 0);
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("testtest"), &e));
	again = find(d, "alice", &a);
	assert_false(str_eq(v->argon2, again->argon2)); /* new salts */
	assert_false(str_eq(v->sha256.salt, again->sha256.salt));
	assert_false(str_eq(v->sha1.salt, v->sha256.salt));
	/* Two forms of one password: OpaqueString's and SASLprep's. */
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("\u00BD"), &e));
	v = find(d, "alice", &a);
	assert_int_equal(v->sha1.stored_key.n, 40);
	assert_int_equal(v->sha256.server_key.n, 64);
	d->conf.cram_md5 = true;
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("a\u0301"), &e));
	assert_strz(find(d, "alice", &a)->cram, "\u00E1");
	arena_reset(&a);
}

static void test_passwd_refused(void **state)
{
	struct desk *d = *state;
	static char large[1001];
	struct err e;
	memset(large, 'x', sizeof large);
	const struct {
		struct str password;
		const char *says;
	} rows[] = {
		{ STR(""), "the password: must not be empty" },
		{ { large, sizeof large }, "the password: longer than 1000 octets" },
		{ STR("a\tb"), "the password: a character that is not allowed, a control character perhaps" },
		{ STR("\xFF"), "the password: not UTF-8" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		assert_false(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, rows[i].password, &e));
		assert_int_equal(e.kind, ERR_PERM);
		assert_string_equal(e.text, rows[i].says);
		assert_null(find(d, "alice", &a));
		arena_reset(&a);
	}
}

static void test_disabled(void **state)
{
	struct desk *d = *state;
	struct arena a = { 0 };
	struct err e;
	assert_false(auth_admin_disable(d->db, STR("alice"), true, &e));
	assert_int_equal(e.kind, ERR_PERM);
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("testtest"), &e));
	assert_true(auth_admin_disable(d->db, STR("alice"), true, &e));
	assert_true(find(d, "alice", &a)->disabled);
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("another"), &e));
	assert_true(find(d, "alice", &a)->disabled); /* a new password enables nobody */
	assert_true(auth_admin_disable(d->db, STR("alice"), false, &e));
	assert_false(find(d, "alice", &a)->disabled);
	assert_true(find(d, "alice", &a)->argon2.n > 0);
	arena_reset(&a);
}

static void test_import(void **state)
{
	struct desk *d = *state;
	struct arena a = { 0 };
	struct err e;
	static const char hash[] = "$2b$04$abcdefghijklmnopqrstuuqyyLLpuVYWbE8OVUceJbhiDEB0LEHDm";
	assert_false(auth_admin_import(d->db, STR("alice"), 7, STR("testtest"), &e));
	assert_int_equal(e.kind, ERR_PERM);
	assert_null(find(d, "alice", &a));
	if (!auth_admin_import(d->db, STR("alice"), 7, str_of(hash), &e))
		fail_msg("%s", e.text);
	struct verifier *v = find(d, "alice", &a);
	assert_strz(v->crypt, hash);
	assert_int_equal(v->argon2.n, 0);
	assert_int_equal(v->sha256.iterations, 0);
	/* A password set later takes the hash away. */
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("alice"), 7, STR("testtest"), &e));
	assert_int_equal(find(d, "alice", &a)->crypt.n, 0);
	arena_reset(&a);
}

static void test_logins(void **state)
{
	struct desk *d = *state;
	struct arena a = { 0 };
	struct str *logins;
	size_t n;
	struct err e;
	struct str alice = STR("alice");
	assert_true(auth_admin_passwd(d->db, &d->conf, alice, 7, STR("testtest"), &e));
	assert_true(auth_admin_passwd(d->db, &d->conf, STR("bob"), 8, STR("testtest"), &e));
	assert_true(auth_admin_login_add(d->db, alice, 7, STR("Alice@Example.ORG"), &e));
	assert_true(auth_admin_login_add(d->db, alice, 7, STR("alice@example.org"), &e));
	assert_false(auth_admin_login_add(d->db, STR("bob"), 8, STR("ALICE@example.org"), &e)); /* taken */
	assert_int_equal(e.kind, ERR_PERM);
	assert_false(auth_admin_login_add(d->db, alice, 7, STR("a b"), &e));
	assert_false(auth_admin_login_add(d->db, alice, 7, STR("@example.org"), &e));
	assert_false(auth_admin_login_add(d->db, alice, 7, STR("alice@"), &e));
	assert_true(auth_admin_logins(d->db, alice, &a, &logins, &n, &e));
	assert_int_equal(n, 2);
	assert_strz(logins[0], "alice");
	assert_strz(logins[1], "alice@example.org");
	assert_strz(find(d, "alice@example.org", &a)->account, "alice");

	assert_false(auth_admin_login_remove(d->db, alice, STR("Alice"), &e)); /* its own name */
	assert_false(auth_admin_login_remove(d->db, alice, STR("bob"), &e));   /* another's */
	assert_true(auth_admin_login_remove(d->db, alice, STR("ALICE@example.org"), &e));
	assert_false(auth_admin_login_remove(d->db, alice, STR("alice@example.org"), &e));
	assert_null(find(d, "alice@example.org", &a));

	assert_true(auth_admin_remove(d->db, alice, &e));
	assert_null(find(d, "alice", &a));
	assert_non_null(find(d, "bob", &a));
	arena_reset(&a);
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *typed, *want;
	} rows[] = {
		{ "Alice", "alice" },
		{ "Alice@Example.ORG", "alice@example.org" },
		{ "\"\"@mox.example", "\"\"@mox.example" },
		{ "\"A@b\"@Mox.example", "\"a@b\"@mox.example" },
		{ "m\u00FCller@B\u00DCCHER.example", "m\u00FCller@xn--bcher-kva.example" },
		{ "\u05D0@example.org", "\u05D0@example.org" }, /* the directions of name and domain do not mix */
		{ "alice\uFF20Example.org", "alice@example.org" },
		{ "alice@[192.0.2.1]", "alice@[192.0.2.1]" },
		{ "alice@[IPv6:2001:DB8::1]", "alice@[ipv6:2001:db8::1]" },
		{ "", NULL },
		{ "@", NULL },
		{ "a@", NULL },
		{ "@b", NULL },
		{ "a b@c", NULL },
		{ "a@b c", NULL },
		{ "a@\u00AD", NULL },
		{ "a@b..c", NULL },
		{ "a@[", NULL },
		{ "a@[]]", NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct str name;
		struct err e = { 0 };
		bool ok = auth_login_name(str_of(rows[i].typed), &a, &name, &e);
		if (ok != (rows[i].want != NULL))
			fail_msg("\"%s\": %s", rows[i].typed, ok ? "was taken" : e.text);
		if (ok)
			assert_strz(name, rows[i].want);
		else
			assert_int_equal(e.kind, ERR_PERM);
		arena_reset(&a);
	}
}

#define WITH_DESK(f) cmocka_unit_test_setup_teardown(f, desk_open, desk_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DESK(test_passwd), WITH_DESK(test_passwd_refused), WITH_DESK(test_disabled),
		WITH_DESK(test_import), WITH_DESK(test_logins),         cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
