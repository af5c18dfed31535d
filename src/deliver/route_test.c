#include "deliver/route.h"

#include "base/test.h"

static void test_patterns(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *address;
		bool fits;
	} rows[] = {
		{ "*", "a@b.example", true },
		{ "", "a@b.example", true },
		{ "*", "", true },
		{ "b.example", "a@b.example", true },
		{ "*@b.example", "a@B.Example", true },
		{ "b.example", "a@x.b.example", false },
		{ ".b.example", "a@x.b.example", true },
		{ ".b.example", "a@b.example", true },
		{ ".b.example", "a@xb.example", false },
		{ "*@.b.example", "a@x.b.example", true },
		{ "a@b.example", "A@b.example", true },
		{ "a@b.example", "c@b.example", false },
		{ "b.example", "", false },
		{ "<>", "", true },
		{ "<>", "a@b.example", false },
		{ "b.example", "\"x@y\"@b.example", true },
		{ "root", "root", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct route r = { .to = str_of(rows[i].pattern), .via = STR("x") };
		struct route_list l = { "configuration", &r, 1 };
		struct route_ask a = { .to = str_of(rows[i].address), .attempt = 1 };
		if ((route_find(&l, 1, &a, NULL) != NULL) != rows[i].fits)
			fail_msg("%s and %s", rows[i].pattern, rows[i].address);
	}
}

/* Account before domain before configuration; in each the first that fits. */
static void test_order(void **state)
{
	(void)state;
	const struct route account[] = { { .to = STR("far.example"), .via = STR("a") } };
	const struct route domain[] = { { .to = STR("far.example"), .via = STR("b") },
					{ .to = STR("near.example"), .via = STR("c") } };
	const struct route all[] = {
		{ .to = STR("big.example"), .from_attempt = 4, .via = STR("isp") },
		{ .larger = 1000, .via = STR("slow") },
		{ .header = STR("X-Kind: bulk"), .via = STR("bulk") },
		{ .door = STR("form"), .via = STR("isp") },
		{ .to = STR("*"), .via = STR("direct") },
	};
	const struct route_list lists[] = { { "account ann", account, 1 },
					    { "domain x", domain, 2 },
					    { "configuration", all, 5 } };
	const struct {
		struct route_ask ask;
		const char *via;
	} rows[] = {
		{ { .to = STR("x@far.example"), .attempt = 1 }, "a" },
		{ { .to = STR("x@near.example"), .attempt = 1 }, "c" },
		{ { .to = STR("x@big.example"), .attempt = 3 }, "direct" },
		{ { .to = STR("x@big.example"), .attempt = 4 }, "isp" },
		{ { .to = STR("x@y.example"), .attempt = 1, .size = 1001 }, "slow" },
		{ { .to = STR("x@y.example"), .attempt = 1, .header = STR("A: b\r\nx-kind: in BULK mode\r\n\r\n") },
		  "bulk" },
		{ { .to = STR("x@y.example"), .attempt = 1, .header = STR("A: bulk\r\n\r\n") }, "direct" },
		{ { .to = STR("x@y.example"), .attempt = 1, .door = STR("form") }, "isp" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct route *r = route_find(lists, 3, &rows[i].ask, NULL);
		assert_non_null(r);
		assert_strz(r->via, rows[i].via);
	}
	struct buf why = { 0 };
	struct route_ask ask = { .to = STR("x@big.example"), .attempt = 1 };
	assert_null(route_find(lists, 2, &ask, &why));
	assert_strz(buf_str(&why), "account ann, rule 1 () via a: another recipient\n"
				   "domain x, rule 1 () via b: another recipient\n"
				   "domain x, rule 2 () via c: another recipient\n");
	buf_free(&why);
}

static void test_wrong(void **state)
{
	(void)state;
	static const char *const good[] = { "*",           "<>",           "b.example",  ".b.example",
					    "*@b.example", "*@.b.example", "a@b.example" };
	static const char *const bad[] = { "", "a@", "a@b@c", "a*@b.example", "*.example", "a b@c", "b.example." };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_null(route_pattern_wrong(str_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(route_pattern_wrong(str_of(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
