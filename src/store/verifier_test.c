#include "store/verifier.h"

#include "store/test_store.h"

static struct verifiers *v;

static int setup_v(void **state)
{
	(void)state;
	folder_new();
	v = verifiers_open(dir, true, &e);
	return v ? 0 : -1;
}

static int teardown_v(void **state)
{
	(void)state;
	verifiers_close(v);
	folder_remove(dir);
	arena_reset(&a);
	return 0;
}

static const struct verifier you = {
	.account = STR("you"),
	.account_id = 7,
	.argon2 = STR("$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA"),
	.crypt = STR_NONE,
	.sha1 = { 4096, STR("salt\0\1"), STR("stored"), STR("server\xff") },
	.sha256 = { 8192, STR("salt2"), STR("stored2"), STR("server2") },
	.cram = STR_NONE,
};

static void test_round_trip(void **state)
{
	(void)state;
	struct verifier *w;
	must(login_add(v, STR("you"), STR("you"), 7, &e));
	must(login_add(v, STR("you@example.org"), STR("you"), 7, &e));
	must(verifier_find(v, STR("you"), &a, &w, &e));
	assert_null(w); /* a login without a password yet */
	must(verifier_set(v, &you, &e));
	verifiers_close(v);
	v = verifiers_open(dir, false, &e);
	assert_non_null(v);
	must(verifier_find(v, STR("you@example.org"), &a, &w, &e));
	assert_non_null(w);
	assert_str(w->account, you.account);
	assert_int_equal(w->account_id, 7);
	assert_str(w->argon2, you.argon2);
	assert_int_equal(w->crypt.n + w->cram.n, 0);
	assert_int_equal(w->sha1.iterations, 4096);
	assert_str(w->sha1.salt, you.sha1.salt);
	assert_str(w->sha1.server_key, you.sha1.server_key);
	assert_str(w->sha256.stored_key, you.sha256.stored_key);
	assert_false(w->disabled);
	struct verifier off = { .account = STR("you"), .account_id = 7, .disabled = true };
	must(verifier_set(v, &off, &e));
	must(verifier_find(v, STR("you"), &a, &w, &e));
	assert_true(w->disabled && w->sha1.iterations == 0 && w->argon2.n == 0);
	must(verifier_find(v, STR("nobody"), &a, &w, &e));
	assert_null(w);
}

static void test_logins(void **state)
{
	(void)state;
	struct str *all;
	struct verifier *w;
	size_t n;
	must(verifier_set(v, &you, &e));
	must(login_add(v, STR("b@example.org"), STR("you"), 7, &e));
	must(login_add(v, STR("a@example.org"), STR("you"), 7, &e));
	must(login_add(v, STR("a@example.org"), STR("you"), 7, &e));
	must_fail(login_add(v, STR("a@example.org"), STR("friend"), 8, &e), ERR_PERM);
	must(login_list(v, STR("you"), &a, &all, &n, &e));
	assert_int_equal(n, 2);
	assert_strz(all[0], "a@example.org");
	must(login_remove(v, STR("a@example.org"), &e));
	must_fail(login_remove(v, STR("a@example.org"), &e), ERR_PERM);
	must(verifier_remove(v, STR("you"), &e));
	must(verifier_find(v, STR("b@example.org"), &a, &w, &e));
	assert_null(w);
	must(login_list(v, STR("you"), &a, &all, &n, &e));
	assert_int_equal(n, 0);
}

static void test_secret(void **state)
{
	(void)state;
	uint8_t one[32], two[32], three[32];
	char copy[100];
	must(verifiers_secret(v, one, &e));
	verifiers_close(v);
	v = verifiers_open(dir, false, &e);
	must(verifiers_secret(v, two, &e));
	assert_memory_equal(one, two, 32);
	snprintf(copy, sizeof copy, "%s/copy", dir);
	assert_int_equal(mkdir(copy, 0700), 0);
	must(verifiers_backup(v, copy, &e));
	struct verifiers *w = verifiers_open(copy, false, &e);
	assert_non_null(w);
	must(verifiers_secret(w, three, &e));
	assert_memory_equal(one, three, 32);
	verifiers_close(w);
	assert_null(verifiers_open("/nonexistent/folder", false, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup_v, teardown_v),
		cmocka_unit_test_setup_teardown(test_logins, setup_v, teardown_v),
		cmocka_unit_test_setup_teardown(test_secret, setup_v, teardown_v),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
