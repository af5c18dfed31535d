#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"

static void test_commit(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct err e = { 0 };
	struct str got;
	char dir[] = "/tmp/sluice-file-XXXXXX";
	assert_non_null(mkdtemp(dir));
	const char *deep = str_z(&a, str_fmt(&a, "%s/a/b", dir));
	assert_true(file_mkdirs(deep, 0700, &e) && file_mkdirs(deep, 0700, &e));
	int fd = open(deep, O_RDONLY | O_DIRECTORY);
	assert_true(file_commit(fd, "x", STR("one"), 0640, &e));
	assert_true(file_commit(fd, "x", STR("two"), 0600, &e)); /* replaces */
	const char *x = str_z(&a, str_fmt(&a, "%s/x", deep));
	assert_true(file_read(x, 100, &a, &got, &e));
	assert_strz(got, "two");
	struct stat st;
	assert_int_equal(stat(x, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(file_read(x, 2, &a, &got, &e));
	assert_int_equal(e.kind, ERR_PERM);
	assert_false(file_read("/nonexistent/x", 2, &a, &got, &e));
	assert_string_equal(e.text, "open /nonexistent/x: No such file or directory");
	assert_false(file_commit(-1, "x", STR("y"), 0600, &e));
	close(fd);
	unlink(x);
	rmdir(deep);
	rmdir(str_z(&a, str_fmt(&a, "%s/a", dir)));
	assert_int_equal(rmdir(dir), 0); /* nothing else was left */
	arena_reset(&a);
}

static void test_err(void **state)
{
	(void)state;
	struct err e;
	assert_false(err_set(&e, ERR_PERM, "no such %s", "key"));
	assert_false(err_add(&e, "file %d", 3));
	assert_string_equal(e.text, "file 3: no such key");
	assert_int_equal(e.kind, ERR_PERM);
	char longer[400];
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = 0;
	err_add(&e, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_commit), cmocka_unit_test(test_err) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
