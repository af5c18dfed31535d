#include "net/addr.h"

#include "base/test.h"

static const struct {
	const char *in, *out; /* out NULL: refused */
	bool loop;
} addrs[] = {
	{ "192.0.2.1", "192.0.2.1", false },
	{ "127.0.0.1", "127.0.0.1", true },
	{ "127.255.3.4", "127.255.3.4", true },
	{ "0.0.0.0", "0.0.0.0", false },
	{ "255.255.255.255", "255.255.255.255", false },
	{ "2001:db8::1", "2001:db8::1", false },
	{ "2001:DB8:0:0::0:1", "2001:db8::1", false },
	{ "::1", "::1", true },
	{ "::ffff:192.0.2.1", "192.0.2.1", false },
	{ "::ffff:127.0.0.1", "127.0.0.1", true },
	{ "::", "::", false },
	{ "", NULL, false },
	{ "192.0.2", NULL, false },
	{ "192.0.2.01", NULL, false },
	{ "192.0.2.256", NULL, false },
	{ "0x7f.0.0.1", NULL, false },
	{ "2130706433", NULL, false },
	{ "192.0.2.1 ", NULL, false },
	{ " 192.0.2.1", NULL, false },
	{ "[::1]", NULL, false },
	{ "fe80::1%eth0", NULL, false },
	{ "2001:db8:::1", NULL, false },
	{ "1:2:3:4:5:6:7:8:9", NULL, false },
	{ "example.org", NULL, false },
	{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", NULL, false },
};

static void test_addr(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof addrs / sizeof *addrs; i++) {
		struct addr a;
		char text[ADDR_TEXT];
		bool ok = addr_parse(str_of(addrs[i].in), &a);
		if (ok != (addrs[i].out != NULL))
			fail_msg("%s", addrs[i].in);
		if (!ok)
			continue;
		assert_string_equal(addr_text(a, text), addrs[i].out);
		assert_int_equal(addr_loopback(a), addrs[i].loop);
	}
	struct addr a;
	assert_false(addr_parse((struct str){ "10.0.0.1\0", 9 }, &a));
	assert_false(addr_parse((struct str){ "10.0.0\0.1", 9 }, &a));
}

static const struct {
	const char *in, *addr;
	unsigned port; /* 0: refused */
} ports[] = {
	{ "192.0.2.1:25", "192.0.2.1", 25 },
	{ "192.0.2.1@25", "192.0.2.1", 25 },
	{ "[2001:db8::1]:25", "2001:db8::1", 25 },
	{ "[2001:db8::1]@25", "2001:db8::1", 25 },
	{ "2001:db8::1@25", "2001:db8::1", 25 },
	{ "192.0.2.1:65535", "192.0.2.1", 65535 },
	{ "192.0.2.1:65536", "", 0 },
	{ "192.0.2.1:0", "", 0 },
	{ "192.0.2.1:025", "", 0 },
	{ "192.0.2.1:", "", 0 },
	{ "192.0.2.1", "", 0 },
	{ "[192.0.2.1]:25", "", 0 },
	{ "2001:db8::1:25", "", 0 },
	{ "[2001:db8::1]", "", 0 },
	{ "[]:25", "", 0 },
	{ ":25", "", 0 },
	{ "@25", "", 0 },
	{ "", "", 0 },
	{ "192.0.2.1:-1", "", 0 },
	{ "192.0.2.1:2 5", "", 0 },
};

static void test_addrport(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
		struct addrport ap;
		char text[ADDR_TEXT];
		bool ok = addrport_parse(str_of(ports[i].in), &ap);
		if (ok != (ports[i].port != 0))
			fail_msg("%s", ports[i].in);
		if (!ok)
			continue;
		assert_string_equal(addr_text(ap.addr, text), ports[i].addr);
		assert_int_equal(ap.port, ports[i].port);
		struct sockaddr_storage ss;
		struct addrport back;
		addr_to_sockaddr(ap, &ss);
		assert_true(addr_from_sockaddr(&ss, &back));
		assert_true(addr_eq(ap.addr, back.addr) && ap.port == back.port);
	}
	struct addrport none;
	assert_false(addr_from_sockaddr(&(struct sockaddr_storage){ .ss_family = AF_UNIX }, &none));
	assert_true(addr_is_none(none.addr));
}

static void test_literal(void **state)
{
	(void)state;
	struct buf b = { 0 };
	struct addr a;
	assert_true(addr_parse(STR("192.0.2.1"), &a));
	addr_literal(&b, a);
	assert_true(addr_parse(STR("2001:db8::1"), &a));
	addr_literal(&b, a);
	assert_strz(buf_str(&b), "[192.0.2.1][IPv6:2001:db8::1]");
	buf_free(&b);
}

static const struct {
	const char *in, *out; /* out NULL: refused */
	const char *has, *has_not;
} prefixes[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
	{ "192.0.2.128/25", "192.0.2.128/25", "192.0.2.200", "192.0.2.127" },
	{ "192.0.2.1", "192.0.2.1/32", "192.0.2.1", "192.0.2.2" },
	{ "0.0.0.0/0", "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
	{ "::/0", "::/0", "2001:db8::1", "203.0.113.9" },
	{ "2001:db8::/32", "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
	{ "2001:db8::1", "2001:db8::1/128", "2001:db8::1", "2001:db8::2" },
	{ "::ffff:10.0.0.0/104", "10.0.0.0/8", "10.1.2.3", "11.1.2.3" },
	{ "10.0.0.1/8", NULL, "", "" },
	{ "10.0.0.0/33", NULL, "", "" },
	{ "10.0.0.0/", NULL, "", "" },
	{ "10.0.0.0/08", NULL, "", "" },
	{ "10.0.0.0/8 ", NULL, "", "" },
	{ "10.0.0.0/-1", NULL, "", "" },
	{ "10/8", NULL, "", "" },
	{ "2001:db8::/129", NULL, "", "" },
	{ "2001:db8::1/64", NULL, "", "" },
	{ "", NULL, "", "" },
	{ "/8", NULL, "", "" },
};

static void test_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		struct prefix p;
		struct addr a;
		char text[ADDR_TEXT + 4];
		bool ok = prefix_parse(str_of(prefixes[i].in), &p);
		if (ok != (prefixes[i].out != NULL))
			fail_msg("%s", prefixes[i].in);
		if (!ok)
			continue;
		assert_string_equal(prefix_text(p, text), prefixes[i].out);
		assert_true(addr_parse(str_of(prefixes[i].has), &a));
		assert_true(prefix_has(p, a));
		assert_true(addr_parse(str_of(prefixes[i].has_not), &a));
		assert_false(prefix_has(p, a));
	}
}

static void test_prefix_of(void **state)
{
	(void)state;
	struct addr a;
	char text[ADDR_TEXT + 4];
	assert_true(addr_parse(STR("203.0.113.77"), &a));
	assert_string_equal(prefix_text(prefix_of(a, 26, 48), text), "203.0.113.64/26");
	assert_string_equal(prefix_text(prefix_of(a, 0, 48), text), "0.0.0.0/0");
	assert_string_equal(prefix_text(prefix_of(a, 32, 48), text), "203.0.113.77/32");
	assert_true(addr_parse(STR("2001:db8:1:2:3:4:5:6"), &a));
	assert_string_equal(prefix_text(prefix_of(a, 24, 48), text), "2001:db8:1::/48");
	assert_string_equal(prefix_text(prefix_of(a, 24, 128), text), "2001:db8:1:2:3:4:5:6/128");
	assert_true(prefix_eq(prefix_of(a, 24, 48), prefix_of(a, 1, 48)));
	assert_false(prefix_eq(prefix_of(a, 24, 48), prefix_of(a, 24, 47)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr),   cmocka_unit_test(test_addrport),  cmocka_unit_test(test_literal),
		cmocka_unit_test(test_prefix), cmocka_unit_test(test_prefix_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
