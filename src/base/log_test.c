#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"

static char path[64];

static struct str logged(struct arena *a)
{
	struct err e;
	struct str s;
	assert_true(file_read(path, 1 << 20, a, &s, &e));
	assert_int_equal(truncate(path, 0), 0);
	return s;
}

static void open_log(bool json)
{
	struct err e;
	struct log_conf conf = { .to = LOG_FILE, .file = path, .json = json, .level = LOG_INFO, .role = "smtp" };
	assert_true(log_open(&conf, &e));
}

static void test_text(void **state)
{
	(void)state;
	struct arena a = { 0 };
	open_log(false);
	log_info("smtp.accepted", KVZ("id", "c3k9"), KVN("size", 4096));
	struct str s = logged(&a);
	assert_strz(str_sub(s, 24, s.n), " info smtp.accepted id=c3k9 size=4096 role=smtp\n");
	/* A stranger's value cannot end the line or look like another key. */
	log_info("smtp.helo", KVZ("name", "x\nerror fake.event a=b"));
	s = logged(&a);
	assert_strz(str_sub(s, 24, s.n), " info smtp.helo name=\"x\\nerror fake.event a=b\" role=smtp\n");
	log_notice("auth-failed", KVZ("ip", "192.0.2.7"), KVQ("user", STR("x")));
	s = logged(&a);
	assert_strz(str_sub(s, 24, s.n), " notice auth-failed ip=192.0.2.7 user=\"x\" role=smtp\n");
	arena_reset(&a);
}

static void test_json(void **state)
{
	(void)state;
	struct arena a = { 0 };
	open_log(true);
	log_warn("smtp.x", KVZ("why", "a\"b"));
	struct str s = logged(&a);
	assert_true(
	    str_ends(s, STR(",\"level\":\"warn\",\"event\":\"smtp.x\",\"role\":\"smtp\",\"why\":\"a\\\"b\"}\n")));
	arena_reset(&a);
}

static void test_levels(void **state)
{
	(void)state;
	open_log(false);
	assert_false(log_wants(LOG_DEBUG, "imap.fetch"));
	assert_true(log_level_set(STR("imap"), LOG_DEBUG));
	assert_true(log_wants(LOG_DEBUG, "imap.fetch"));
	assert_false(log_wants(LOG_DEBUG, "imapx.fetch") || log_wants(LOG_DEBUG, "smtp.x"));
	assert_true(log_level_set(STR_NONE, LOG_ERROR));
	assert_false(log_wants(LOG_WARN, "imap.fetch"));
	enum log_level level;
	assert_true(log_level_parse(STR("Notice"), &level) && level == LOG_NOTICE);
	assert_false(log_level_parse(STR("loud"), &level));
	assert_true(log_level_set(STR_NONE, LOG_INFO));
}

static void test_reopen(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct err e;
	char old[80];
	open_log(false);
	snprintf(old, sizeof old, "%s.1", path);
	log_info("a.one", KVN("n", 1));
	assert_int_equal(rename(path, old), 0);
	log_info("a.two", KVN("n", 2)); /* still into the renamed file */
	assert_true(log_reopen(&e));
	log_info("a.three", KVN("n", 3));
	assert_true(str_find(logged(&a), STR("a.three")) < 40);
	assert_int_equal(unlink(old), 0);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_reopen),
	};
	snprintf(path, sizeof path, "/tmp/sluice-log-test-%d", (int)getpid());
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
