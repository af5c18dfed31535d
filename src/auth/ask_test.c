#include "auth/ask.h"

#include "base/test.h"

static void test_password(void **state)
{
	(void)state;
	struct buf raw = { 0 };
	struct ask q;
	assert_true(ask_parse(STR("PASSWORD\timap\t192.0.2.7\t1\tYWxpY2U=\tdGVzdHRlc3Q="), &raw, &q));
	assert_int_equal(q.kind, ASK_PASSWORD);
	assert_strz(q.service, "imap");
	assert_strz(q.ip, "192.0.2.7");
	assert_true(q.tls);
	assert_strz(q.login, "alice");
	assert_strz(q.octets, "testtest");
	buf_free(&raw);
}

static void test_begin(void **state)
{
	(void)state;
	struct buf raw = { 0 };
	struct ask q;
	assert_true(ask_parse(STR("BEGIN\tsmtp\t2001:db8::1\t0\tZQ==\tdQ==\tPLAIN\tAAA="), &raw, &q));
	assert_int_equal(q.kind, ASK_BEGIN);
	assert_false(q.tls);
	assert_strz(q.exporter, "e");
	assert_strz(q.unique, "u");
	assert_strz(q.mechanism, "PLAIN");
	assert_true(q.has_octets);
	assert_int_equal(q.octets.n, 2);
	buf_free(&raw);
	assert_true(ask_parse(STR("BEGIN\tsmtp\tlocal\t0\t\t\tLOGIN\t-"), &raw, &q));
	assert_false(q.has_octets);
	assert_int_equal(q.exporter.n, 0);
	buf_free(&raw);
	assert_true(ask_parse(STR("BEGIN\tsmtp\tlocal\t0\t\t\tLOGIN\t"), &raw, &q));
	assert_true(q.has_octets);
	buf_free(&raw);
	assert_true(ask_parse(STR("STEP\tYQ=="), &raw, &q));
	assert_int_equal(q.kind, ASK_STEP);
	assert_strz(q.octets, "a");
	buf_free(&raw);
	assert_true(ask_parse(STR("STEP\t"), &raw, &q));
	buf_free(&raw);
}

static const char *const refused[] = {
	"",
	"STEP",
	"STEP\tYQ==\t",
	"step\tYQ==",
	"STEP YQ==",
	"STEP\tYQ=",
	"STEP\t Y Q = =",
	"HELP\tYQ==",
	"PASSWORD\timap\t192.0.2.7\t1\tYWxpY2U=",
	"PASSWORD\timap\t192.0.2.7\t2\tYWxpY2U=\tdGVzdHRlc3Q=",
	"PASSWORD\timap\t192.0.2.7\t\tYWxpY2U=\tdGVzdHRlc3Q=",
	"PASSWORD\t\t192.0.2.7\t1\tYWxpY2U=\tdGVzdHRlc3Q=",
	"PASSWORD\timap\t192.0.2.7\t1\tYWxpY2U=\t-",
	"PASSWORD\tim ap\t192.0.2.7\t1\tYWxpY2U=\tdGVzdHRlc3Q=",
	"PASSWORD\timap\t192.0.2.7\t1\tYWxpY2U=\tdGVzdHRlc3Q=\tx",
	"BEGIN\tsmtp\tlocal\t0\t\t\t\t-",
	"BEGIN\tsmtp\tlocal\t0\t-\t\tPLAIN\t-",
	"BEGIN\tsmtp\tlocal\t0\t\t\tPLAIN\t--",
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct buf raw = { 0 };
		struct ask q;
		if (ask_parse(str_of(refused[i]), &raw, &q))
			fail_msg("taken: %s", refused[i]);
		buf_free(&raw);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
