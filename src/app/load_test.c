#include "app/load.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static void put(const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/sluice-load-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static const char base[] = "host mail.a.test\nstore /tmp/s\nrun /tmp/r\n"
			   "listen x { address 127.0.0.1, ::1; smtp 2525; local unix:/tmp/l.sock mode 0600 }\n"
			   "domain a.test\n";

static void read_it(const char *text, struct loaded *l)
{
	struct conf_errors errors = { 0 };
	put(text);
	if (!load_file(path, l, &errors))
		fail_msg("%.*s", STRF(buf_str(&errors.text)));
	buf_free(&errors.text);
}

/* Parent and role see the same places, or descriptors would be mixed up. */
static void test_places(void **state)
{
	struct loaded file, role;
	struct conf_errors errors = { 0 };
	struct buf blob = { 0 };
	(void)state;
	read_it(base, &file);
	conf_pack(&blob, file.texts, file.ntexts);
	assert_true(load_blob(buf_str(&blob), &role, &errors));
	assert_int_equal(file.nplaces, 3);
	assert_int_equal(role.nplaces, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(file.places[i].service, role.places[i].service);
		assert_true(addr_eq(file.places[i].at.addr, role.places[i].at.addr));
		assert_true(str_eq(file.places[i].path, role.places[i].path));
	}
	assert_int_equal(file.places[1].at.port, 2525);
	assert_true(file.places[2].unix_socket);
	assert_int_equal(file.places[2].mode, 0600);
	assert_string_equal(load_run_path(&role, NAME_CONTROL), "/tmp/r/control.sock");
	load_free(&file);
	load_free(&role);
	buf_free(&blob);
	blob = (struct buf){ 0 };
	buf_addz(&blob, "nonsense");
	assert_false(load_blob(buf_str(&blob), &role, &errors));
	buf_free(&blob);
	buf_free(&errors.text);
}

/* A server must be reachable through a file that somebody broke. */
static void test_run_dir(void **state)
{
	static const char *const rows[][2] = {
		{ "run /a/b\n", "/a/b" },
		{ "frob { x }\nrun \"/a b\"\n", "/a b" },
		{ "listen x {\n  run /no\n}\n", "/run/sluice" },
		{ "", "/run/sluice" },
	};
	struct err e;
	struct loaded l;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		put(rows[i][0]);
		assert_true(load_run_dir(path, &l, &e));
		assert_strz(l.settings.run_dir, rows[i][1]);
		load_free(&l);
	}
	assert_false(load_run_dir("/nonexistent/file", &l, &e));
	load_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_dir, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
