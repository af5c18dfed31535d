/* The asking side against a role that says what the test wants; the real one is tested in auth/. */
#include "client/auth.h"

#include "base/buf.h"
#include "base/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A role of one connection: for each line that comes it says the next answer, then closes. */
struct role {
	char path[64];
	int listener;
	pthread_t thread;
	const char *answers[4]; /* NULL ends */
	struct buf heard;       /* all lines, once joined */
};

static void *role_run(void *arg)
{
	struct role *r = arg;
	int fd = accept(r->listener, NULL, NULL);
	for (size_t i = 0; fd >= 0 && r->answers[i]; i++) {
		char c = 0;
		while (c != '\n' && read(fd, &c, 1) == 1)
			buf_addc(&r->heard, c);
		if (c != '\n')
			break;
		/* In two pieces, as sockets do. */
		size_t n = strlen(r->answers[i]);
		if (write(fd, r->answers[i], n / 2) < 0 || write(fd, r->answers[i] + n / 2, n - n / 2) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static struct auth_client *role_start(struct role *r)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(r->path, sizeof r->path, "/tmp/sluice-auth-%d.sock", (int)getpid());
	unlink(r->path);
	memcpy(at.sun_path, r->path, sizeof r->path);
	r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(r->listener >= 0);
	assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(r->listener, 4), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, role_run, r), 0);
	return auth_client_new(r->path);
}

static void role_stop(struct role *r, struct auth_client *c, const char *heard)
{
	pthread_join(r->thread, NULL);
	close(r->listener);
	unlink(r->path);
	if (heard)
		assert_strz(buf_str(&r->heard), heard);
	buf_free(&r->heard);
	auth_client_free(c);
}

static const struct auth_who who = { .service = "imap", .exporter = STR("e"), .unique = { "", 0 }, .tls = true };

static void test_password(void **state)
{
	(void)state;
	static const struct {
		const char *says;
		enum auth_got got;
		const char *account, *login, *reason;
	} rows[] = {
		{ "OK\t7\tYWxpY2U=\tYUBi\t\r\n", AUTH_OK, "alice", "a@b", "" },
		{ "OK\t7\tYWxpY2U=\tYUBi\t\n", AUTH_OK, "alice", "a@b", "" },
		{ "NO\tpassword\tYUBi\r\n", AUTH_NO, "", "a@b", "password" },
		{ "NO\tuser\t\r\n", AUTH_NO, "", "", "user" },
		{ "TEMP\r\n", AUTH_TEMP, "", "", "" },
		{ "MORE\t\r\n", AUTH_TEMP, "", "", "" },
		{ "OK\tx\tYWxpY2U=\tYUBi\t\r\n", AUTH_TEMP, "", "", "" },
		{ "garbage\r\n", AUTH_TEMP, "", "", "" },
		{ "OK\t7", AUTH_TEMP, "", "", "" },
		{ "", AUTH_TEMP, "", "", "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct role r = { .answers = { rows[i].says } };
		struct arena a = { 0 };
		struct auth_client *c = role_start(&r);
		struct auth_answer got = auth_password(c, &who, STR("alice"), STR("testtest"), &a);
		role_stop(&r, c, "PASSWORD\timap\tlocal\t1\tYWxpY2U=\tdGVzdHRlc3Q=\r\n");
		assert_int_equal(got.got, rows[i].got);
		if (got.got == AUTH_OK)
			assert_int_equal(got.account_id, 7);
		if (got.got != AUTH_TEMP) {
			assert_strz(got.account, rows[i].account);
			assert_strz(got.login, rows[i].login);
			assert_strz(got.reason, rows[i].reason);
		}
		arena_reset(&a);
	}
}

static void test_exchange(void **state)
{
	(void)state;
	struct role r = { .answers = { "MORE\tYw==\r\n", "MORE\t\r\n", "OK\t7\tYQ==\tYg==\tZA==\r\n" } };
	struct arena a = { 0 };
	struct auth_exchange *x;
	struct auth_client *c = role_start(&r);
	struct auth_answer got = auth_begin(c, &x, &who, STR("SCRAM-SHA-1"), true, STR("i"), &a);
	assert_int_equal(got.got, AUTH_MORE);
	assert_strz(got.data, "c");
	got = auth_step(&x, STR("s"), &a);
	assert_int_equal(got.got, AUTH_MORE);
	got = auth_step(&x, STR_NONE, &a);
	assert_int_equal(got.got, AUTH_OK);
	assert_null(x);
	assert_strz(got.data, "d");
	role_stop(&r, c, "BEGIN\timap\tlocal\t1\tZQ==\t\tSCRAM-SHA-1\taQ==\r\nSTEP\tcw==\r\nSTEP\t\r\n");
	arena_reset(&a);
}

static void test_cancel(void **state)
{
	(void)state;
	struct role r = { .answers = { "MORE\t\r\n", "never" } };
	struct arena a = { 0 };
	struct auth_exchange *x;
	struct auth_client *c = role_start(&r);
	assert_int_equal(auth_begin(c, &x, &who, STR("PLAIN"), false, STR_NONE, &a).got, AUTH_MORE);
	auth_cancel(&x);
	assert_null(x);
	auth_cancel(&x);
	role_stop(&r, c, "BEGIN\timap\tlocal\t1\tZQ==\t\tPLAIN\t-\r\n");
	arena_reset(&a);
}

/* The role goes away in the middle. */
static void test_away(void **state)
{
	(void)state;
	struct role r = { .answers = { "MORE\t\r\n" } };
	struct arena a = { 0 };
	struct auth_exchange *x;
	struct auth_client *c = role_start(&r);
	assert_int_equal(auth_begin(c, &x, &who, STR("PLAIN"), false, STR_NONE, &a).got, AUTH_MORE);
	pthread_join(r.thread, NULL);
	assert_int_equal(auth_step(&x, STR("x"), &a).got, AUTH_TEMP);
	assert_null(x);
	close(r.listener);
	assert_int_equal(auth_password(c, &who, STR("a"), STR("b"), &a).got, AUTH_TEMP);
	unlink(r.path);
	assert_int_equal(auth_password(c, &who, STR("a"), STR("b"), &a).got, AUTH_TEMP);
	auth_client_free(c);
	buf_free(&r.heard);
	char path[300];
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	c = auth_client_new(path);
	assert_int_equal(auth_password(c, &who, STR("a"), STR("b"), &a).got, AUTH_TEMP);
	auth_client_free(c);
	arena_reset(&a);
}

/* What cannot be right is not even asked. */
static void test_not_asked(void **state)
{
	(void)state;
	static char large[20000];
	struct arena a = { 0 };
	struct auth_exchange *x;
	struct auth_client *c = auth_client_new("/nonexistent/auth.sock");
	memset(large, 'x', sizeof large);
	struct str much = { large, sizeof large };
	assert_strz(auth_password(c, &who, much, STR("b"), &a).reason, "malformed");
	assert_strz(auth_begin(c, &x, &who, STR("PLAIN"), true, much, &a).reason, "malformed");
	static const struct str names[] = { STR(""), STR("PLAIN\tx"), STR("A NAME THAT IS TOO LONG"),
					    STR("X\r\nSTEP") };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_strz(auth_begin(c, &x, &who, names[i], false, STR_NONE, &a).reason, "mechanism");
	auth_client_free(c);
	arena_reset(&a);
}

static void test_mechanisms(void **state)
{
	(void)state;
	struct arena a = { 0 };
	assert_strz(auth_mechanisms(true, true, true, false, &a),
		    "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN");
	assert_strz(auth_mechanisms(false, true, false, true, &a), "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
	assert_strz(auth_mechanisms(true, false, true, true, &a), "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN");
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password), cmocka_unit_test(test_exchange),  cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_away),     cmocka_unit_test(test_not_asked), cmocka_unit_test(test_mechanisms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
