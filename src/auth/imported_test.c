#include "auth/imported.h"

#include "base/test.h"

#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>

/* Made by crypt(3) on the spot: the setting says all. */
static void made(const char *password, const char *setting, char out[IMPORTED_MAX + 1])
{
	struct crypt_data *d = calloc(1, sizeof *d);
	assert_non_null(d);
	const char *r = crypt_rn(password, setting, d, sizeof *d);
	assert_non_null(r);
	memcpy(out, r, strlen(r) + 1);
	free(d);
}

static const char *const settings[] = {
	"$1$saltsalt$",
	"$5$rounds=1000$saltsalt$",
	"$6$rounds=1000$saltsalt$",
	"$6$saltsalt$",
	"$y$j75$salt",
	"$gy$j75$salt",
	"$2b$04$abcdefghijklmnopqrstuu",
	"$2y$04$abcdefghijklmnopqrstuu",
	"$2a$04$abcdefghijklmnopqrstuu",
};

static void test_crypt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		char text[IMPORTED_MAX + 1], braced[IMPORTED_MAX + 16];
		enum imported kind;
		struct err e;
		made("testtest", settings[i], text);
		struct str hash = str_of(text);
		if (!imported_read(&hash, &kind, &e))
			fail_msg("%s: %s", text, e.text);
		assert_int_equal(kind, IMPORTED_CRYPT);
		assert_true(imported_crypt_verify(hash, STR("testtest")));
		assert_false(imported_crypt_verify(hash, STR("test")));
		assert_false(imported_crypt_verify(hash, STR("testtesttest")));
		assert_false(imported_crypt_verify(hash, STR_NONE));
		assert_false(imported_crypt_verify(hash, (struct str){ "testtest\0", 9 }));
		/* As it stands in Dovecot's and shadow's files. */
		snprintf(braced, sizeof braced, "{CRYPT}%s\n", text);
		struct str line = str_of(braced);
		assert_true(imported_read(&line, &kind, &e));
		assert_strz(line, text);
		/* Not whole. */
		struct str cut = str_sub(hash, 0, hash.n - 1), setting = str_of(settings[i]);
		assert_false(imported_read(&cut, &kind, &e));
		assert_int_equal(e.kind, ERR_PERM);
		assert_false(imported_read(&setting, &kind, &e));
	}
}

static void test_argon2(void **state)
{
	(void)state;
	char text[crypto_pwhash_STRBYTES];
	enum imported kind;
	struct err e;
	assert_int_equal(crypto_pwhash_str(text, "testtest", 8, 1, crypto_pwhash_MEMLIMIT_MIN), 0);
	struct str hash = str_of(text);
	assert_true(imported_read(&hash, &kind, &e));
	assert_int_equal(kind, IMPORTED_ARGON2);
	assert_true(imported_argon2_verify(hash, STR("testtest")));
	assert_false(imported_argon2_verify(hash, STR("test")));
	assert_false(imported_argon2_verify(STR("$argon2id$v=19$m=8,t=1,p=1$x"), STR("test")));
}

/* What would cost every guess too much, and what is no hash at all. */
static const char *const refused[] = {
	"",
	"testtest",
	"{PLAIN}testtest",
	"{",
	"*",
	"!$6$saltsalt$x",
	"$apr1$saltsalt$2mbjJCdvL0vxNHwVOmUFR/",
	"$3$$8846f7eaee8fb117ad06bdd830b7586c",
	"$6$rounds=999999999$saltsalt$x",
	"$6$rounds=$x",
	"$2b$31$abcdefghijklmnopqrstuuO9vQyPCBXHpDLPhZoIL1PKJTrCcJMRm",
	"$2b$xx$abcdefghijklmnopqrstuu",
	"$y$jFT$salt$x",
	"$y$j9z$salt$x",
	"$y$j9T3$salt$x",
	"$y$$$",
	"$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$x",
	"$argon2id$v=19$m=65536,t=99,p=1$c2FsdHNhbHQ$x",
	"$argon2id$v=19$m=65536,t=2,p=9$c2FsdHNhbHQ$x",
};

static void test_refused(void **state)
{
	(void)state;
	static char huge[5000];
	enum imported kind;
	struct err e;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct str hash = str_of(refused[i]);
		if (imported_read(&hash, &kind, &e))
			fail_msg("taken: %s", refused[i]);
		assert_int_equal(e.kind, ERR_PERM);
	}
	memset(huge, 'x', sizeof huge);
	memcpy(huge, "$6$", 3);
	struct str hash = { huge, sizeof huge };
	assert_false(imported_read(&hash, &kind, &e));
	assert_false(imported_crypt_verify(hash, STR("testtest")));
	assert_false(imported_argon2_verify(hash, STR("testtest")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crypt),
		cmocka_unit_test(test_argon2),
		cmocka_unit_test(test_refused),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
