/* Whole files: fifty that are broken, each with every message it must give (tests/conf/broken/NN-name.conf and
 * .expected), and good ones, which must read back the same when they are printed. */
#include "app/conf.h"
#include "base/file.h"
#include "base/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What `sluice config check` says, but for the files that are named. */
static struct conf *load(const char *name, struct arena *a, struct settings *s, struct conf_errors *errors)
{
	struct conf_text *texts;
	size_t n;
	struct conf *c = NULL;
	if (conf_read(name, a, &texts, &n, errors))
		c = conf_parse(texts, n, a, errors);
	return c && settings_from(c, a, s, errors) ? c : NULL;
}

static int is_conf(const struct dirent *d)
{
	return str_ends(str_of(d->d_name), STR(".conf"));
}

/* Every *.conf of the folder, which is made the working directory so that messages bear short names. */
static int each(const char *folder, bool (*check)(const char *name))
{
	struct dirent **names;
	assert_int_equal(chdir(folder), 0);
	int n = scandir(".", &names, is_conf, alphasort), wrong = 0;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		wrong += !check(names[i]->d_name);
		free(names[i]);
	}
	free(names);
	assert_int_equal(wrong, 0);
	return n;
}

static bool check_broken(const char *name)
{
	struct arena a = { 0 };
	struct conf_errors errors = { 0 };
	struct settings s;
	struct str expected;
	struct err e;
	struct str stem = str_sub(str_of(name), 0, strlen(name) - strlen(".conf"));
	bool taken = load(name, &a, &s, &errors) != NULL;
	if (!file_read(str_z(&a, str_cat(&a, stem, STR(".expected"))), 1 << 16, &a, &expected, &e))
		expected = STR_NONE;
	bool right = !taken && errors.n > 0 && str_eq(buf_str(&errors.text), expected);
	if (!right)
		print_error("%s: %s\n-- got\n%.*s-- expected\n%.*s", name, taken ? "was taken" : "other messages",
			    STRF(buf_str(&errors.text)), STRF(expected));
	buf_free(&errors.text);
	arena_reset(&a);
	return right;
}

static void test_broken(void **state)
{
	(void)state;
	assert_true(each(SLUICE_SOURCE "/tests/conf/broken", check_broken) >= 50);
}

static bool check_good(const char *name)
{
	struct arena a = { 0 };
	struct conf_errors errors = { 0 };
	struct settings s;
	struct buf once[2] = { 0 }, twice[2] = { 0 };
	bool right = true;
	struct conf *c = load(name, &a, &s, &errors);
	for (int all = 0; c && all < 2; all++) {
		conf_print(c, &once[all], all);
		struct conf_text text = { STR("printed"), buf_str(&once[all]) };
		struct conf *again = conf_parse(&text, 1, &a, &errors);
		if (again)
			conf_print(again, &twice[all], true);
	}
	/* Printed with defaults it is complete; printed without, it means the same. */
	right = c && errors.n == 0 && str_eq(buf_str(&twice[0]), buf_str(&twice[1])) &&
		str_eq(buf_str(&once[1]), buf_str(&twice[1]));
	if (!right)
		print_error("%s\n%.*s-- printed\n%.*s-- again\n%.*s", name, STRF(buf_str(&errors.text)),
			    STRF(buf_str(&once[1])), STRF(buf_str(&twice[1])));
	for (int i = 0; i < 2; i++) {
		buf_free(&once[i]);
		buf_free(&twice[i]);
	}
	buf_free(&errors.text);
	arena_reset(&a);
	return right;
}

static void test_good(void **state)
{
	(void)state;
	each(SLUICE_SOURCE "/tests/conf/good", check_good);
}

/* The page in man/ is what the program prints; `sluice config manual > man/sluice.conf.5` mends it. */
static void test_manual_is_fresh(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct str page;
	struct err e;
	assert_true(file_read(SLUICE_SOURCE "/man/sluice.conf.5", 1 << 20, &a, &page, &e));
	conf_manual(&b);
	assert_str(page, buf_str(&b));
	buf_free(&b);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_manual_is_fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
