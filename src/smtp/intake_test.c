#include "smtp/intake.h"

#include "base/test.h"

/* The stage behind it is ours here: what comes is gathered, up to `room`. */
static struct buf got;
static size_t room;

bool stage_add(struct stage *s, struct str bytes)
{
	(void)s;
	if (got.n + bytes.n > room)
		return false;
	buf_add(&got, bytes);
	return true;
}

static struct intake feed(struct str in, size_t piece, bool repair)
{
	static struct stage stage;
	struct intake t;
	buf_clear(&got);
	room = 1000;
	intake_open(&t, &stage, repair);
	for (size_t at = 0; at < in.n; at += piece)
		assert_true(t.sink.add(&t.sink, str_sub(in, at, at + piece)));
	intake_end(&t);
	return t;
}

static void test_table(void **state)
{
	static const struct {
		struct str in;
		const char *plain, *repaired;
		unsigned cr, lf, nul;
		uint32_t longest;
	} rows[] = {
		{ { "", 0 }, "", "", 0, 0, 0, 0 },
		{ { "a\r\nbcd\r\n", 8 }, "a\r\nbcd\r\n", "a\r\nbcd\r\n", 0, 0, 0, 3 },
		{ { "abc", 3 }, "abc\r\n", "abc\r\n", 0, 0, 0, 3 },
		{ { "a\nb\n", 4 }, "a\nb\n", "a\r\nb\r\n", 0, 2, 0, 1 },
		{ { "a\rb\r\n", 5 }, "a\rb\r\n", "a\r\nb\r\n", 1, 0, 0, 2 },
		{ { "a\r", 2 }, "a\r", "a\r\n", 1, 0, 0, 1 },
		{ { "\r\r\n", 3 }, "\r\r\n", "\r\n\r\n", 1, 0, 0, 0 },
		{ { "\n\r\n", 3 }, "\n\r\n", "\r\n\r\n", 0, 1, 0, 0 },
		{ { "\n.\n", 3 }, "\n.\n", "\r\n.\r\n", 0, 2, 0, 1 },
		{ { "a\0b\0\r\n", 6 }, NULL, NULL, 0, 0, 2, 4 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t piece = 1; piece <= 9; piece++) {
			struct intake t = feed(rows[i].in, piece, false);
			if (rows[i].plain)
				assert_strz(buf_str(&got), rows[i].plain);
			assert_int_equal(t.seen.bare_cr, rows[i].cr);
			assert_int_equal(t.seen.bare_lf, rows[i].lf);
			assert_int_equal(t.seen.nuls, rows[i].nul);
			assert_int_equal(t.seen.longest, rows[i].longest);
			t = feed(rows[i].in, piece, true);
			if (rows[i].repaired)
				assert_strz(buf_str(&got), rows[i].repaired);
			assert_int_equal(t.seen.bare_cr + t.seen.bare_lf, 0);
			assert_int_equal(t.seen.nuls, rows[i].nul);
		}
	}
	buf_free(&got);
}

static void test_full(void **state)
{
	static struct stage stage;
	struct intake t;
	(void)state;
	room = 4;
	intake_open(&t, &stage, false);
	assert_true(t.sink.add(&t.sink, STR("abc")));
	assert_false(t.failed);
	assert_true(t.sink.add(&t.sink, STR("de")));
	assert_true(t.failed);
	assert_true(t.sink.add(&t.sink, STR("f"))); /* read to its end */
	assert_strz(buf_str(&got), "abc");
	buf_free(&got);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_full),
	};
	return cmocka_run_group_tests(all, NULL, NULL);
}
