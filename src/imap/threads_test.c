#include "base/hash.h"
#include "base/test.h"
#include "imap/threads.h"
#include <stdio.h>
#include <stdlib.h>

/* A message in a table: its number is its place from 1 on, unless `number` says another. */
struct row {
	const char *id, *references, *subject;
	int day;
	bool reply;
	uint32_t number;
};
#define ROWS_MAX 12

static struct str forest(enum thread_by by, const struct row *rows, size_t n, struct arena *a)
{
	struct threads *t = threads_new(by, n, a);
	struct buf b = { 0 };
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		size_t nids;
		struct threaded m = { .number = r->number ? r->number : (uint32_t)i + 1,
				      .date_ms = r->day,
				      .subject = str_of(r->subject),
				      .reply = r->reply };
		struct str *ids = message_ids(str_of(r->id), a, &nids);
		m.id = nids ? ids[0] : STR_NONE;
		m.references = message_ids(str_of(r->references), a, &m.nreferences);
		threads_add(t, &m);
	}
	threads_print(t, &b);
	struct str out = str_dup(a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* clang-format off */
static const struct {
	const char *what, *want;
	struct row rows[ROWS_MAX];
} references[] = {
	{ "nothing", "", { { 0 } } },
	{ "one", "(1)", { { "<a@x>", "", "a", 1, 0, 0 } } },
	{ "RFC 5256 4", "(2)(3 6 (4 23)(44 7 96))",
	  { { "<2@x>", "", "", 1, 0, 2 }, { "<3@x>", "", "", 2, 0, 3 },
	    { "<4@x>", "<3@x> <6@x>", "", 4, 0, 4 }, { "<6@x>", "<3@x>", "", 3, 0, 6 },
	    { "<7@x>", "<3@x> <6@x> <44@x>", "", 6, 0, 7 }, { "<23@x>", "<4@x>", "", 7, 0, 23 },
	    { "<44@x>", "<3@x> <6@x>", "", 5, 0, 44 }, { "<96@x>", "<44@x> <7@x>", "", 8, 0, 96 } } },
	{ "a parent that is not there", "((1)(2))",
	  { { "<a@x>", "<gone@x>", "", 1, 0, 0 }, { "<b@x>", "<gone@x>", "", 2, 0, 0 } } },
	{ "one child of what is not there", "(1)(2)",
	  { { "<a@x>", "<gone@x>", "", 1, 0, 0 }, { "<b@x>", "<lost@x>", "", 2, 0, 0 } } },
	{ "one below several that are not there", "(1 2)",
	  { { "<a@x>", "<p@x> <q@x> <r@x>", "", 1, 0, 0 }, { "<b@x>", "<a@x>", "", 2, 0, 0 } } },
	{ "dummies within are left out", "(1 (2)(3))",
	  { { "<a@x>", "", "", 1, 0, 0 }, { "<b@x>", "<a@x> <gone@x>", "", 2, 0, 0 },
	    { "<c@x>", "<a@x> <gone@x>", "", 3, 0, 0 } } },
	{ "by the date, not by the place", "(3 2 1)",
	  { { "<c@x>", "<a@x> <b@x>", "", 3, 0, 0 }, { "<b@x>", "<a@x>", "", 2, 0, 0 }, { "<a@x>", "", "", 1, 0, 0 } } },
	{ "siblings by date, then by place", "(1 (4)(2)(3))",
	  { { "<a@x>", "", "", 1, 0, 0 }, { "<b@x>", "<a@x>", "", 5, 0, 0 }, { "<c@x>", "<a@x>", "", 5, 0, 0 },
	    { "<d@x>", "<a@x>", "", 2, 0, 0 } } },
	{ "twice the same id", "(1 3)(2)",
	  { { "<a@x>", "", "", 1, 0, 0 }, { "<a@x>", "", "", 2, 0, 0 }, { "<b@x>", "<a@x>", "", 3, 0, 0 } } },
	{ "no id at all", "(1)(2)", { { "", "", "", 1, 0, 0 }, { "none", "", "", 2, 0, 0 } } },
	{ "itself", "(1)", { { "<a@x>", "<a@x>", "", 1, 0, 0 } } },
	{ "a circle", "(2 1)", { { "<a@x>", "<b@x>", "", 1, 0, 0 }, { "<b@x>", "<a@x>", "", 2, 0, 0 } } },
	{ "a circle in one field", "(1)", { { "<a@x>", "<b@x> <c@x> <b@x> <a@x>", "", 1, 0, 0 } } },
	{ "others do not move it", "(1 3 4)(2)",
	  { { "<a@x>", "", "", 1, 0, 0 }, { "<b@x>", "", "", 2, 0, 0 }, { "<c@x>", "<a@x>", "", 3, 0, 0 },
	    { "<d@x>", "<b@x> <c@x>", "", 4, 0, 0 } } },
	{ "its own header does", "(1 3 2 4)",
	  { { "<a@x>", "", "", 1, 0, 0 }, { "<d@x>", "<b@x> <c@x>", "", 2, 0, 0 }, { "<c@x>", "<a@x>", "", 3, 0, 0 },
	    { "<e@x>", "<d@x>", "", 4, 0, 0 } } },
	{ "same subject, a reply", "(1 2)", { { "<a@x>", "", "s", 1, 0, 0 }, { "<b@x>", "", "s", 2, 1, 0 } } },
	{ "same subject, the reply is older", "(2 1)", { { "<a@x>", "", "s", 1, 1, 0 }, { "<b@x>", "", "s", 2, 0, 0 } } },
	{ "same subject, no reply", "((1)(2))", { { "<a@x>", "", "s", 1, 0, 0 }, { "<b@x>", "", "s", 2, 0, 0 } } },
	{ "same subject, replies both", "((1)(2))", { { "<a@x>", "", "s", 1, 1, 0 }, { "<b@x>", "", "s", 2, 1, 0 } } },
	{ "same subject, three", "((1)(2)(3))",
	  { { "<a@x>", "", "s", 1, 0, 0 }, { "<b@x>", "", "s", 2, 0, 0 }, { "<c@x>", "", "s", 3, 0, 0 } } },
	{ "no subject is no subject", "(1)(2)", { { "<a@x>", "", "", 1, 0, 0 }, { "<b@x>", "", "", 2, 1, 0 } } },
	{ "same subject, two dummies", "((1)(2)(3)(4))",
	  { { "<a@x>", "<p@x>", "s", 1, 1, 0 }, { "<b@x>", "<p@x>", "t", 2, 1, 0 }, { "<c@x>", "<q@x>", "s", 3, 1, 0 },
	    { "<d@x>", "<q@x>", "u", 4, 1, 0 } } },
	{ "and a third thread of that subject after them", "((1)(2)(3)(4)(5))",
	  { { "<a@x>", "<p@x>", "s", 1, 1, 0 }, { "<b@x>", "<p@x>", "t", 2, 1, 0 }, { "<c@x>", "<q@x>", "s", 3, 1, 0 },
	    { "<d@x>", "<q@x>", "u", 4, 1, 0 }, { "<e@x>", "", "s", 5, 0, 0 } } },
	{ "a dummy and a message", "((1)(2)(3))",
	  { { "<a@x>", "<p@x>", "s", 1, 1, 0 }, { "<b@x>", "<p@x>", "s", 2, 1, 0 }, { "<c@x>", "", "s", 3, 0, 0 } } },
};
/* clang-format on */

static void test_references(void **state)
{
	(void)state;
	struct arena a = { 0 };
	for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
		size_t n = 0;
		while (n < ROWS_MAX && references[i].rows[n].id)
			n++;
		struct str got = forest(THREAD_BY_REFERENCES, references[i].rows, n, &a);
		if (!str_eq(got, str_of(references[i].want)))
			fail_msg("%s: %.*s, not %s", references[i].what, STRF(got), references[i].want);
	}
	arena_reset(&a);
}

static void test_subjects(void **state)
{
	(void)state;
	struct arena a = { 0 };
	static const struct row rows[] = {
		{ "", "", "B", 9, 0, 0 }, { "", "", "A", 4, 0, 0 }, { "", "", "B", 2, 0, 0 },
		{ "", "", "C", 3, 0, 0 }, { "", "", "B", 5, 0, 0 }, { "", "", "A", 6, 0, 0 }
	};
	assert_strz(forest(THREAD_BY_SUBJECT, rows, 6, &a), "(3 (5)(1))(4)(2 6)");
	assert_strz(forest(THREAD_BY_SUBJECT, rows, 0, &a), "");
	arena_reset(&a);
}

static void test_ids(void **state)
{
	static const struct {
		const char *value, *ids;
	} rows[] = {
		{ "", "" },
		{ "<a@x>", "a@x " },
		{ "<a@x><b@y>\t<c@z>", "a@x b@y c@z " },
		{ "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", "01KF8JCEOCBS0045PS@xxx.yyy.com " }, /* RFC 5256 3 */
		{ "<\"a b\\\"c\"@x>", "a b\"c@x " },
		{ "Your message of Monday <a@x>", "a@x " },
		{ "<a @ x>", "a@x " },
		{ "a@x", "" },
		{ "<>", "" },
		{ "<a>", "" },
		{ "<@x>", "" },
		{ "<a@>", "" },
		{ "<a@x", "" },
		{ "<a@x <b@y>", "b@y " },
		{ "<a\"b@x> <c@y>", "a\"b@x c@y " },
		{ "<A@x> <a@x>", "A@x a@x " },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		size_t n;
		struct str *ids = message_ids(str_of(rows[i].value), &a, &n);
		for (size_t k = 0; k < n; k++)
			buf_printf(&b, "%.*s ", STRF(ids[k]));
		assert_strz(buf_str(&b), rows[i].ids);
		buf_free(&b);
		arena_reset(&a);
	}
}

/* Of many references the first and the last ones count. */
static void test_many_ids(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf b = { 0 };
	size_t n;
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "<%d@x> ", i);
	struct str *ids = message_ids(buf_str(&b), &a, &n);
	assert_int_equal(n, THREAD_REFERENCES_MAX);
	assert_strz(ids[0], "0@x");
	assert_strz(ids[1], "901@x");
	assert_strz(ids[n - 1], "999@x");
	buf_free(&b);
	arena_reset(&a);
}

/* A thread as long as the mailbox, in both directions, is no deeper than its text. */
static void test_long(void **state)
{
	(void)state;
	enum { N = 30000 };
	for (int turned = 0; turned < 2; turned++) {
		struct arena a = { .ceiling = (size_t)1 << 30 };
		struct buf b = { 0 };
		struct threads *t = threads_new(THREAD_BY_REFERENCES, N, &a);
		for (int i = 0; i < N; i++) {
			int k = turned ? N - 1 - i : i;
			struct str before = str_fmt(&a, "%d@x", k - 1);
			struct threaded m = { .number = (uint32_t)i + 1,
					      .date_ms = k,
					      .subject = STR_NONE,
					      .id = str_fmt(&a, "%d@x", k),
					      .references = &before,
					      .nreferences = k > 0 };
			threads_add(t, &m);
		}
		threads_print(t, &b);
		assert_true(str_starts(buf_str(&b), turned ? STR("(30000 29999 29998") : STR("(1 2 3 4 ")));
		assert_true(str_chr(str_sub(buf_str(&b), 1, b.n), '(') == b.n - 1);
		buf_free(&b);
		arena_reset(&a);
	}
}

/* A hundred thousand ids, each the answer to the one before, none of them here; and below the last a crowd.  Who moves
 * all of it up past each of them does not come to an end. */
static void test_deep_dummies(void **state)
{
	enum { CHAIN = 1000, CROWD = 20000 };
	struct arena a = { .ceiling = (size_t)256 << 20 };
	struct buf b = { 0 };
	struct threads *t = threads_new(THREAD_BY_REFERENCES, CHAIN + CROWD, &a);
	struct str ids[THREAD_REFERENCES_MAX];
	uint32_t number = 0;
	(void)state;
	for (long i = 0, id = 0; i < CHAIN + CROWD; i++) {
		size_t n = i < CHAIN ? THREAD_REFERENCES_MAX : 1;
		for (size_t k = 0; k < n; k++) /* a field begins where the one before ended */
			ids[k] = str_fmt(&a, "%ld@x", i < CHAIN && k > 0 ? ++id : id);
		threads_add(t, &(struct threaded){ .number = ++number,
						   .date_ms = i,
						   .subject = STR_NONE,
						   .id = STR_NONE,
						   .references = ids,
						   .nreferences = n });
	}
	threads_print(t, &b);
	assert_true(str_starts(buf_str(&b), STR("((1)(2)(3)(4)(5)")));
	assert_true(str_ends(buf_str(&b), STR("(20999)(21000))")));
	buf_free(&b);
	arena_reset(&a);
}

/* Whatever the headers say: every message is there once, and brackets match. */
static void test_random(void **state)
{
	(void)state;
	srandom(5256);
	for (int round = 0; round < 3000; round++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		uint32_t n = 1 + (uint32_t)random() % 12, seen = 0;
		struct threads *t = threads_new(round % 8 ? THREAD_BY_REFERENCES : THREAD_BY_SUBJECT, n, &a);
		for (uint32_t i = 0; i < n; i++) {
			struct str ids[4];
			for (int k = 0; k < 4; k++)
				ids[k] = str_fmt(&a, "%ld@x", random() % 10);
			struct threaded m = { .number = i + 1,
					      .date_ms = random() % 5,
					      .subject = str_fmt(&a, "%.*s", (int)(random() % 2), "s"),
					      .reply = random() % 2,
					      .id = ids[3],
					      .references = ids,
					      .nreferences = (size_t)random() % 4 };
			threads_add(t, &m);
		}
		threads_print(t, &b);
		int depth = 0;
		struct str s = buf_str(&b);
		for (size_t i = 0; i < s.n; i++) {
			depth += (s.p[i] == '(') - (s.p[i] == ')');
			assert_true(depth > 0 || s.p[i] == ')');
			assert_true(i == 0 || s.p[i] != ')' || (s.p[i - 1] != '(' && s.p[i - 1] != ' '));
			if (ch_digit(s.p[i]) && !ch_digit(s.p[i - 1]))
				seen |= 1u << atol(s.p + i);
		}
		assert_int_equal(depth, 0);
		assert_int_equal(seen, ((1u << n) - 1) << 1);
		buf_free(&b);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_references), cmocka_unit_test(test_subjects),
					    cmocka_unit_test(test_ids),        cmocka_unit_test(test_many_ids),
					    cmocka_unit_test(test_long),       cmocka_unit_test(test_deep_dummies),
					    cmocka_unit_test(test_random) };
	hash_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
