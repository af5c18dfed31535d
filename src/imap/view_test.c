#include "base/test.h"
#include "imap/view.h"
#include "imap/walk.h"
#include <stdlib.h>

/* The map against the plain array it stands for. */
struct model {
	uint32_t uid[4096];
	uint32_t n;
};

static void check(const struct view *v, const struct model *m)
{
	assert_int_equal(v->count, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		assert_int_equal(view_uid(v, i + 1), m->uid[i]);
		assert_int_equal(view_seq(v, m->uid[i]), i + 1);
		uint32_t before = i ? m->uid[i - 1] : 0;
		for (uint32_t gap = before + 1; gap < m->uid[i] && gap < before + 3; gap++)
			assert_int_equal(view_seq(v, gap), 0);
	}
	assert_int_equal(view_last_uid(v), m->n ? m->uid[m->n - 1] : 0);
	assert_int_equal(view_seq(v, v->uidnext), 0);
	assert_int_equal(view_between(v, 0, UINT32_MAX), m->n);
}

static uint32_t model_between(const struct model *m, uint32_t from, uint32_t to)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n; i++)
		n += m->uid[i] >= from && m->uid[i] <= to;
	return n;
}

static bool runs_have(const struct uid_run *runs, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (uid >= runs[i].first && uid - runs[i].first < runs[i].count)
			return true;
	return false;
}

static void model_drop(struct model *m, const struct uid_run *gone, size_t n)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < m->n; i++)
		if (!runs_have(gone, n, m->uid[i]))
			m->uid[kept++] = m->uid[i];
	m->n = kept;
}

static uint32_t gone_count(const struct view *v)
{
	uint32_t count = 0;
	for (size_t i = 0; i < v->ngone; i++) {
		assert_true(i == 0 || v->gone[i].first > v->gone[i - 1].first + v->gone[i - 1].count);
		count += v->gone[i].count;
	}
	return count;
}

/* `rest` is what the runs name beside the map. */
static void check_without(const struct model *m, const struct uid_run *runs, size_t n, const struct uid_run *rest,
			  size_t nrest)
{
	uint32_t end = n ? runs[n - 1].first + runs[n - 1].count : 0;
	for (uint32_t uid = 1; uid <= end; uid++) {
		bool there = model_between(m, uid, uid) == 1;
		assert_int_equal(runs_have(rest, nrest, uid), runs_have(runs, n, uid) && !there);
	}
}

static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % below;
}

static void test_random(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed < 60; seed++) {
		struct view *v = view_new(1);
		struct model m = { .n = 0 };
		struct arena a = { 0 };
		uint32_t x = seed;
		for (int round = 0; round < 12; round++) {
			uint32_t first = v->uidnext + rnd(&x, 3), count = 1 + rnd(&x, 20);
			view_append(v, first, count);
			for (uint32_t i = 0; i < count; i++)
				m.uid[m.n++] = first + i;
			struct uid_run gone[64], *rest;
			size_t n = 0, nrest;
			for (uint32_t uid = 1 + rnd(&x, 9); uid < v->uidnext && n < 64;
			     uid += gone[n++].count + rnd(&x, 9))
				gone[n] = (struct uid_run){ uid, 1 + rnd(&x, 4) };
			view_note_gone(v, gone, n, &a);
			uint32_t noted = gone_count(v);
			view_note_gone(v, gone, n, &a);
			assert_int_equal(gone_count(v), noted); /* told twice, counted once */
			view_without(v, gone, n, &a, &rest, &nrest);
			check_without(&m, gone, n, rest, nrest);
			if (rnd(&x, 2)) {
				model_drop(&m, v->gone, v->ngone);
				view_drop_gone(v);
			}
			check(v, &m);
			uint32_t from = rnd(&x, v->uidnext + 2), to = from + rnd(&x, 30);
			assert_int_equal(view_between(v, from, to), model_between(&m, from, to));
		}
		arena_reset(&a);
		view_free(v);
	}
}

static void test_resolve(void **state)
{
	static const struct {
		const char *set;
		bool by_uid;
		const char *runs; /* NULL: refused */
	} rows[] = {
		{ "1:*", false, "10:12,20,30:31" },
		{ "1", false, "10" },
		{ "6", false, "31" },
		{ "7", false, NULL },
		{ "5:*,2", false, "11,30:31" },
		{ "*", true, "31" },
		{ "99:*", true, "31" },
		{ "1:9", true, "" },
		{ "11:20", true, "11:12,20" },
		{ "13:19,21:29", true, "" },
		{ "4:3", false, "12,20" },
		{ "7:*", false, "31" }, /* what clients ask for news */
		{ "1:4294967295", true, "10:12,20,30:31" },
	};
	(void)state;
	struct view *v = view_new(1);
	view_append(v, 10, 3);
	view_append(v, 20, 1);
	view_append(v, 30, 2);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct buf b = { 0 };
		struct set s;
		struct uid_run *runs;
		size_t n;
		struct parser p = parser_new(str_of(rows[i].set), &a, 0);
		assert_true(parse_set(&p, &s));
		bool ok = view_resolve(v, &s, rows[i].by_uid, &a, &runs, &n);
		if (ok != (rows[i].runs != NULL))
			fail_msg("row %zu: %s", i, rows[i].set);
		if (ok) {
			set_print(&b, runs, n);
			assert_strz(buf_str(&b), rows[i].runs);
		}
		buf_free(&b);
		arena_reset(&a);
	}
	view_free(v);
}

/* Every message of the set in exactly one window, no window with more than a page of messages. */
static void test_walk(void **state)
{
	(void)state;
	struct view *v = view_new(1);
	struct uid_run runs[3000];
	size_t n = 0;
	uint32_t x = 7, uid = 1, want = 0, got = 0, from, to;
	while (n < 3000) {
		uint32_t count = 1 + rnd(&x, n % 100 == 0 ? 700 : 3);
		view_append(v, uid, count);
		if (rnd(&x, 2)) {
			runs[n++] = (struct uid_run){ uid, count };
			want += count;
		}
		uid += count + rnd(&x, 3);
	}
	struct walk w = { .view = v, .runs = runs, .n = n };
	uint32_t last = 0;
	while (walk_next(&w, &from, &to)) {
		assert_true(from > last && to >= from);
		assert_true(view_between(v, from, to) <= MSG_PAGE);
		uint32_t here = 0;
		for (uint32_t u = from; u <= to; u++)
			here += walk_has(&w, u);
		assert_int_equal(here, walk_count(&w, from, to));
		got += here;
		last = to;
	}
	assert_int_equal(got, want);
	view_free(v);
}

static void test_keywords(void **state)
{
	(void)state;
	struct view *v = view_new(1);
	assert_false(view_knows(v, STR("$Junk")));
	view_learn(v, STR("$Junk"));
	view_learn(v, STR("todo"));
	assert_true(view_knows(v, STR("$junk")));
	assert_true(view_knows(v, STR("TODO")));
	assert_false(view_knows(v, STR("tod")));
	assert_string_equal(v->keywords, "$Junk todo");
	view_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_keywords),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
