#include "app/cli/table.h"
#include "app/sandbox_log.h"
#include "base/test.h"

static void gather(void *ctx, struct str text)
{
	buf_printf(ctx, "%.*s|", STRF(text));
}

static void test_lines(void **state)
{
	static const char text[] =
	    "2026-11-21T11:24:56.618Z info smtp.accepted role=smtp id=hq3oza from=s@x.example rcpts=1 size=264 "
	    "secs=0.001 to=you@sandbox.test ip=127.0.0.1 user=\"\"\n"
	    "2026-11-21T11:24:57.000Z info imap.login account=you\n"
	    "2026-11-21T11:24:58.000Z info smtp.accepted id=x from=\"\" rcpts=2 size=1\n"
	    "2026-11-21T11:24:59.000Z error store.broken error=\"disk\"\n"
	    "no line of ours\n";
	static const char want[] = "11:24:56  message from s@x.example to you@sandbox.test, 264 octets (id hq3oza)|"
				   "11:24:58  message from <> to 2 recipients, 1 octets (id x)|"
				   "2026-11-21T11:24:59.000Z error store.broken error=\"disk\"|";
	(void)state;
	/* However the pipe cuts it. */
	for (size_t step = 1; step < sizeof text; step += 7) {
		struct buf said = { 0 };
		struct sandbox_log l = { .file = -1, .say = gather, .ctx = &said };
		for (size_t at = 0; at < sizeof text - 1; at += step)
			sandbox_log_take(&l, str_sub(str_of(text), at, at + step));
		assert_strz(buf_str(&said), want);
		sandbox_log_free(&l);
		buf_free(&said);
	}
}

static void test_values(void **state)
{
	static const struct {
		const char *line, *key, *want; /* NULL: not there */
	} rows[] = {
		{ "t i e from=a to=b", "to", "b" },
		{ "t i e from=\"x to=evil\" to=b", "to", "b" },
		{ "t i e from=\"q\\\" to=evil\" to=b", "to", "b" },
		{ "t i e from=\"a b\\n\" to=b", "from", "a b\n" },
		{ "t i e tofu=1", "to", NULL },
		{ "t i e to=", "to", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		bool ok = sandbox_log_value(str_of(rows[i].line), str_of(rows[i].key), &b);
		assert_int_equal(ok, rows[i].want != NULL);
		assert_strz(buf_str(&b), rows[i].want ? rows[i].want : "");
		buf_free(&b);
	}
}

static void test_table(void **state)
{
	struct table t;
	struct buf b = { 0 };
	(void)state;
	table_open(&t, (const char *const[]){ "NAME", ">SIZE", "WHAT", NULL });
	table_cell(&t, STR("m\xc3\xbcller"));
	table_cellf(&t, "%d", 7);
	table_cell(&t, STR("a\x1b[31m"));
	table_cell(&t, STR("x"));
	table_cell(&t, STR("12345"));
	table_cell(&t, STR_NONE);
	table_print(&t, &b);
	assert_strz(buf_str(&b), "NAME     SIZE  WHAT\nm\xc3\xbcller      7  a?[31m\nx       12345  \n");
	buf_free(&b);
}

static void test_units(void **state)
{
	struct arena a = { 0 };
	(void)state;
	assert_strz(table_duration(&a, 999), "999 ms");
	assert_strz(table_duration(&a, 61000), "1 m 1 s");
	assert_strz(table_duration(&a, 3600000), "1 h 0 m");
	assert_strz(table_duration(&a, 90000000), "1 d 1 h");
	assert_strz(table_size(&a, 1023), "1023 B");
	assert_strz(table_size(&a, 1536), "1.5 KiB");
	assert_strz(table_size(&a, (uint64_t)5 << 30), "5.0 GiB");
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_units),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
