#include "app/cli/verb.h"
#include "base/file.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>

static void test_rows(void **state)
{
	(void)state;
	for (const struct verb *v = verbs; v->name; v++) {
		size_t n = strlen(v->line);
		assert_true(n > 0 && n <= 80);
		assert_true(v->line[n - 1] != '.'); /* the manual adds it */
		assert_non_null(v->run);
		assert_true(v->min <= v->max);
		assert_true((v->max > 0) == (*v->args != 0));
		for (const struct verb *w = verbs; w != v; w++)
			assert_string_not_equal(v->name, w->name);
	}
}

static void test_find(void **state)
{
	static const struct {
		const char *argv[3], *want;
		int used;
	} rows[] = {
		{ { "account", "add", "x" }, "account add", 2 },
		{ { "status", "account", "" }, "status", 1 },
		{ { "account", "x", "y" }, NULL, 0 },
		{ { "statu", "", "" }, NULL, 0 },
		{ { "config", "check", "f" }, "config check", 2 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int used;
		const struct verb *v = verb_find(verbs, 3, (char **)(uintptr_t)rows[i].argv, &used);
		assert_int_equal(used, rows[i].used);
		assert_true(rows[i].want ? v && strcmp(v->name, rows[i].want) == 0 : !v);
	}
}

static const struct verb toy = {
	.name = "toy",
	.args = "A [B]",
	.min = 1,
	.max = 2,
	.options = { { "json", 'j', NULL, "" }, { "dir", 0, "DIR", "" } },
};

static void test_parse(void **state)
{
	static const struct {
		const char *argv[6];
		int argc;
		const char *error; /* NULL: it parses */
		int left;
		const char *json, *dir, *config;
	} rows[] = {
		{ { "a" }, 1, NULL, 1, NULL, NULL, CONFIG_FILE },
		{ { "--json", "a", "b" }, 3, NULL, 2, "", NULL, CONFIG_FILE },
		{ { "a", "-j", "--dir=/x" }, 3, NULL, 1, "", "/x", CONFIG_FILE },
		{ { "a", "--dir", "/y", "-c", "f" }, 5, NULL, 1, NULL, "/y", "f" },
		{ { "-cf", "--", "--json", "-" }, 4, NULL, 2, NULL, NULL, "f" },
		{ { "a", "--dir" }, 2, "--dir needs a value: --dir DIR", 0, NULL, NULL, NULL },
		{ { "a", "--json=1" }, 2, "--json takes no value", 0, NULL, NULL, NULL },
		{ { "a", "--jsonx" }, 2, "no such option: --jsonx; see: sluice help toy", 0, NULL, NULL, NULL },
		{ { "a", "-x" }, 2, "no such option: -x; see: sluice help toy", 0, NULL, NULL, NULL },
		{ { "a", "b", "c" }, 3, "usage: sluice toy A [B]", 0, NULL, NULL, NULL },
		{ { NULL }, 0, "usage: sluice toy A [B]", 0, NULL, NULL, NULL },
	};
	(void)state;
	unsetenv("SLUICE_CONF");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *argv[6];
		struct call c;
		struct err e = { 0 };
		memcpy(argv, rows[i].argv, sizeof argv);
		bool ok = verb_parse(&toy, rows[i].argc, argv, &c, &e);
		if (rows[i].error) {
			assert_false(ok);
			assert_string_equal(e.text, rows[i].error);
			continue;
		}
		assert_true(ok);
		assert_int_equal(c.argc, rows[i].left);
		assert_strz(str_of(call_option(&c, "json")), rows[i].json ? rows[i].json : "");
		assert_int_equal(call_option(&c, "json") != NULL, rows[i].json != NULL);
		assert_strz(str_of(call_option(&c, "dir")), rows[i].dir ? rows[i].dir : "");
		assert_string_equal(c.config, rows[i].config);
	}
}

static void test_config_from_environment(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "a" };
	struct call c;
	struct err e;
	(void)state;
	setenv("SLUICE_CONF", "/x/y", 1);
	assert_true(verb_parse(&toy, 1, argv, &c, &e));
	assert_string_equal(c.config, "/x/y");
	unsetenv("SLUICE_CONF");
}

/* Every verb that is not our own use only is in all that is generated. */
static void test_generated(void **state)
{
	struct buf overview = { 0 }, manual = { 0 }, completion = { 0 };
	(void)state;
	verb_overview(verbs, &overview);
	verb_manual(verbs, &manual);
	verb_completion(verbs, &completion);
	for (const struct verb *v = verbs; v->name; v++) {
		char item[80], entry[80], line[80];
		snprintf(item, sizeof item, ".It Ic %s", v->name);
		snprintf(entry, sizeof entry, "\t\"%s\")\n", v->name);
		snprintf(line, sizeof line, "\n  %s ", v->name);
		assert_int_equal(str_find(buf_str(&manual), str_of(item)) < manual.n, !v->hidden);
		assert_int_equal(str_find(buf_str(&completion), str_of(entry)) < completion.n, !v->hidden);
		assert_int_equal(str_find(buf_str(&overview), str_of(line)) < overview.n, !v->hidden);
	}
	buf_free(&overview);
	buf_free(&manual);
	buf_free(&completion);
}

static void test_help(void **state)
{
	static const struct {
		const char *argv[2];
		int argc;
		const char *want; /* NULL: no such verb */
	} rows[] = {
		{ { "stop" }, 1, "sluice stop\n    Stop the server" },
		{ { "account", "passwd" }, 2, "sluice account passwd NAME\n" },
		{ { "queue" }, 1, "sluice queue list\n" },
		{ { "frob" }, 1, NULL },
		{ { "stop", "it" }, 2, NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		bool ok = verb_help(verbs, rows[i].argc, (char **)(uintptr_t)rows[i].argv, &b);
		assert_int_equal(ok, rows[i].want != NULL);
		if (rows[i].want)
			assert_true(str_starts(buf_str(&b), str_of(rows[i].want)));
		buf_free(&b);
	}
}

/* man/sluice.1 is what `sluice help --man` prints, man/sluice-mailbox.1 what `sluice help --man mailbox` does. */
static void expect_page(const char *name, struct str now)
{
	struct arena a = { 0 };
	struct str file;
	struct err e;
	const char *path = str_z(&a, str_fmt(&a, SLUICE_SOURCE "/man/sluice%s%s.1", *name ? "-" : "", name));
	assert_true(now.n > 0);
	if (!file_read(path, (size_t)1 << 20, &a, &file, &e))
		fail_msg("%s", e.text);
	if (!str_eq(file, now))
		fail_msg("it is old: sluice help --man %s > %s", name, path);
	arena_reset(&a);
}

static void test_manual_is_current(void **state)
{
	struct buf manual = { 0 };
	(void)state;
	verb_manual(verbs, &manual);
	expect_page("", buf_str(&manual));
	for (const char *const *page = verb_pages; *page; page++) {
		buf_clear(&manual);
		assert_true(verb_page(verbs, *page, &manual));
		expect_page(*page, buf_str(&manual));
	}
	assert_false(verb_page(verbs, "frob", &manual));
	buf_free(&manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_config_from_environment),
		cmocka_unit_test(test_generated),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_manual_is_current),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
