#include "app/essence.h"

#include "app/keys.h"
#include "base/test.h"

#define S (1u << ROLE_SMTP)
#define I (1u << ROLE_IMAP)
#define Q (1u << ROLE_QUEUE)
#define A (1u << ROLE_AUTH)

static void read_it(const char *text, struct loaded *l)
{
	struct conf_errors errors = { 0 };
	struct buf blob = { 0 };
	conf_pack(&blob, &(struct conf_text){ STR("test.conf"), str_of(text) }, 1);
	if (!load_blob(buf_str(&blob), l, &errors))
		fail_msg("%s: %.*s", text, STRF(buf_str(&errors.text)));
	buf_free(&blob);
	buf_free(&errors.text);
}

#define HEAD   "host mail.a.test\nstore /tmp/s\nrun /tmp/r\n"
#define MX     "listen mx { address 127.0.0.1; smtp 2525; local unix:/tmp/l.sock mode 0600 }\n"
#define BOX    "listen box { address 127.0.0.1; imap 2143; submission 2587; tls cert /c secret /k }\n"
#define A_TEST "domain a.test\n"

/* Which roles does a change replace? */
static void test_replaced(void **state)
{
	static const struct {
		const char *text;
		unsigned replaced;
	} rows[] = {
		{ HEAD MX BOX A_TEST, 0 },
		{ HEAD MX BOX A_TEST "# a comment\n", 0 },
		{ A_TEST BOX HEAD MX, S }, /* the order of listeners is what certificates go by */
		{ HEAD MX BOX A_TEST "log { level debug }\n", 0 },
		{ HEAD MX BOX A_TEST "log { level smtp debug }\n", 0 },
		{ HEAD MX BOX A_TEST "log { level info; format json }\n", S | I | Q | A },
		{ HEAD MX BOX A_TEST "domain b.test\n", S | Q },
		{ HEAD MX BOX "domain a.test { detail + }\n", S | Q },
		{ HEAD MX BOX A_TEST "mx { message 1MiB }\n", S },
		{ HEAD MX BOX A_TEST "submission { hide-client no }\n", S },
		{ HEAD MX BOX A_TEST "imap { nesting 60 }\n", I },
		{ HEAD MX BOX A_TEST "imap { nesting 50 }\n", 0 }, /* the default */
		{ HEAD MX BOX A_TEST "times { stop 3s }\n", S | I },
		{ HEAD MX BOX A_TEST "pen { linger 0ms }\n", S | I | A },
		{ HEAD MX BOX A_TEST "auth { workers 3 }\n", A },
		{ HEAD MX BOX A_TEST "auth { cram-md5 yes }\n", S | I | A },
		{ HEAD MX BOX A_TEST "admin x@a.test\n", I },
		{ HEAD MX BOX A_TEST "sandbox yes\n", S | I },
		{ "host mail.a.test\nstore /tmp/s { readers 9 }\nrun /tmp/r\n" MX BOX A_TEST, S | I | Q },
		/* listeners */
		{ HEAD MX A_TEST
		  "listen box { address 127.0.0.1; imap 2144; submission 2587; tls cert /c secret /k }\n",
		  I },
		{ HEAD MX A_TEST
		  "listen box { address 127.0.0.1; imap 2143; submission 2588; tls cert /c secret /k }\n",
		  S },
		{ HEAD MX A_TEST
		  "listen box { address 127.0.0.1; imap 2143; submission 2587; tls cert /d secret /k }\n",
		  0 },
		{ HEAD MX A_TEST "listen box { address 127.0.0.1; imap 2143; submission 2587; tls cert /c secret /k; "
				 "tls cert /d secret /l }\n",
		  0 },
		{ HEAD MX A_TEST "listen box { address 127.0.0.1; imap 2143; submission 2587; auth-in-clear yes }\n",
		  S | I },
		{ HEAD "listen mx { address 127.0.0.1; smtp 2525; local unix:/tmp/l.sock mode 0660 }\n" BOX A_TEST, 0 },
		{ HEAD "listen mx { address 127.0.0.1, ::1; smtp 2525; local unix:/tmp/l.sock }\n" BOX A_TEST, S },
		{ HEAD "listen new { address 127.0.0.1; lmtp 2424 }\n" MX BOX A_TEST, S }, /* others' do not count */
	};
	struct loaded was, is;
	(void)state;
	read_it(HEAD MX BOX A_TEST, &was);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned replaced = 0;
		read_it(rows[i].text, &is);
		for (size_t r = 0; r < ROLES; r++)
			replaced |= (unsigned)!role_same(&roles[r], &was, &is) << r;
		if (replaced != rows[i].replaced)
			fail_msg("%s: replaced %x, not %x", rows[i].text, replaced, rows[i].replaced);
		load_free(&is);
	}
	load_free(&was);
}

/* A key that nobody names would never take effect on reload. */
static void test_every_key_is_seen(void **state)
{
	/* The parent's own; listeners are compared as values. */
	static const char *const others[] = { "user", "run", "include", "log.level", "listen" };
	(void)state;
	for (size_t i = 0; i < conf_key_count; i++) {
		struct str path = str_of(conf_key_table[i].path), first = path;
		bool seen = false;
		first = str_cut(&first, '.');
		for (size_t r = 0; r < ROLES; r++)
			seen |= role_sees(&roles[r], path);
		for (size_t k = 0; k < sizeof others / sizeof *others; k++)
			seen |= str_eq(path, str_of(others[k])) || str_eq(first, str_of(others[k]));
		if (!seen)
			fail_msg("no role lives by %.*s: see roles.c", STRF(path));
	}
	/* And a name in the table that is no key would hide a mistake. */
	for (size_t r = 0; r < ROLES; r++) {
		struct str rest = str_of(roles[r].keys);
		while (rest.n > 0) {
			struct str key = str_cut(&rest, ' ');
			if (!key_by_path(key))
				fail_msg("%s: no such key: %.*s", roles[r].name, STRF(key));
		}
	}
}

/* Parent and role name a listener by the number it has among those that the role serves. */
static void test_rank(void **state)
{
	struct loaded l;
	(void)state;
	read_it(HEAD MX BOX A_TEST "listen more { address ::1; imap 2143; auth-in-clear yes }\n", &l);
	assert_int_equal(role_rank(&roles[ROLE_SMTP], &l.settings, 0), 0);
	assert_int_equal(role_rank(&roles[ROLE_SMTP], &l.settings, 1), 1);
	assert_int_equal(role_rank(&roles[ROLE_IMAP], &l.settings, 1), 0);
	assert_int_equal(role_rank(&roles[ROLE_IMAP], &l.settings, 2), 1);
	assert_false(role_serves_listener(&roles[ROLE_IMAP], &l.settings.listens[0]));
	assert_false(role_serves_listener(&roles[ROLE_AUTH], &l.settings.listens[1]));
	load_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_every_key_is_seen),
		cmocka_unit_test(test_rank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
