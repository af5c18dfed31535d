/* Against a small name server of the test's own, on loopback: what it answers is exactly known. */
#include "net/dns.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/test.h"

static struct {
	int fd;
	uint16_t port;
	pthread_t thread;
	atomic_uint asked;
} server;

static const struct record {
	const char *name; /* as on the wire, but for the first octets' lengths: dotted */
	uint16_t type;
	const char *data;
	size_t n;
} records[] = {
	{ "example.test", DNS_MX, "\0\012\3mx1\7example\4test", 19 },
	{ "example.test", DNS_MX, "\0\005\3mx0\7example\4test", 19 },
	{ "example.test", DNS_MX, "\0\012\3mx2\7example\4test", 19 },
	{ "null.test", DNS_MX, "\0\0\0", 3 },
	{ "odd.test", DNS_MX, "\0\1\3a b\4test", 11 },
	{ "mx0.example.test", DNS_A, "\300\0\2\1", 4 },
	{ "mx0.example.test", DNS_AAAA, " \1\r\270\0\0\0\0\0\0\0\0\0\0\0\1", 16 },
	{ "alias.test", DNS_CNAME, "\3mx0\7example\4test", 17 },
	{ "text.test", DNS_TXT, "\5first\6second", 13 },
	{ "text.test", DNS_TXT, "\3one", 4 },
};
#define RECORDS (sizeof records / sizeof *records)

static struct str question_name(const unsigned char *q, size_t n, char text[256], size_t *end)
{
	size_t at = 12, out = 0;
	while (at < n && q[at] != 0) {
		if (out > 0)
			text[out++] = '.';
		for (size_t i = 0; i < q[at]; i++)
			text[out++] = ch_lower((char)q[at + 1 + i]);
		at += q[at] + 1u;
	}
	*end = at + 5;
	return (struct str){ text, out };
}

static void put16(struct buf *b, unsigned v)
{
	buf_addc(b, (char)(v >> 8));
	buf_addc(b, (char)v);
}

static unsigned put_answers(struct buf *b, struct str name, uint16_t type)
{
	unsigned n = 0;
	for (size_t i = 0; i < RECORDS; i++) {
		const struct record *r = &records[i];
		if (!str_eqi(name, str_of(r->name)) || (r->type != type && r->type != DNS_CNAME))
			continue;
		put16(b, 0xc00c);
		put16(b, r->type);
		put16(b, 1);
		put16(b, 0);
		put16(b, 60);
		/* rdata of names lacks its last, empty label: a string constant cannot end in one and show its length
		 */
		bool named = (r->type == DNS_MX || r->type == DNS_CNAME) && r->n > 3;
		put16(b, (unsigned)r->n + named);
		buf_add(b, (struct str){ r->data, r->n });
		if (named)
			buf_addc(b, 0);
		n++;
	}
	return n;
}

static bool known(struct str name)
{
	for (size_t i = 0; i < RECORDS; i++)
		if (str_ends(str_of(records[i].name), name))
			return true;
	return false;
}

static void *serve(void *arg)
{
	unsigned char q[512];
	struct sockaddr_in from;
	(void)arg;
	for (;;) {
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(server.fd, q, sizeof q, 0, (struct sockaddr *)&from, &len);
		if (n <= 0)
			return NULL;
		char text[256];
		size_t end;
		struct str name = question_name(q, (size_t)n, text, &end);
		if (name.n == 0 && n == 12)
			return NULL;
		atomic_fetch_add(&server.asked, 1);
		if (str_ends(name, STR("silent.test")))
			continue;
		struct buf b = { 0 }, answers = { 0 };
		unsigned count = put_answers(&answers, name, (uint16_t)(q[end - 4] << 8 | q[end - 3]));
		unsigned rcode = str_ends(name, STR("broken.test")) ? 2 : known(name) ? 0 : 3;
		buf_add(&b, (struct str){ (char *)q, 2 });
		put16(&b, 0x8580 | rcode);
		put16(&b, 1);
		put16(&b, count);
		put16(&b, 0);
		put16(&b, 0);
		buf_add(&b, (struct str){ (char *)q + 12, end - 12 });
		buf_add(&b, buf_str(&answers));
		sendto(server.fd, b.p, b.n, 0, (struct sockaddr *)&from, len);
		buf_free(&b);
		buf_free(&answers);
	}
}

static int server_start(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	(void)state;
	hash_init();
	server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (struct sockaddr *)&at, sizeof at) < 0 ||
	    getsockname(server.fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	server.port = ntohs(at.sin_port);
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int server_stop(void **state)
{
	(void)state;
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	return close(server.fd);
}

static struct dns *open_with(const char *anchors, bool cache)
{
	struct addrport at = { .port = server.port };
	struct err e = { 0 };
	addr_parse(STR("127.0.0.1"), &at.addr);
	struct dns_conf conf = { .servers = &at, .nservers = 1, .anchors = anchors, .cache = cache };
	struct dns *d = dns_open(&conf, &e);
	if (!d)
		fail_msg("%s", e.text);
	return d;
}

static void test_mx(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct dns *d = open_with(NULL, false);
	struct dns_answer answer;
	struct dns_mx *mx;
	size_t n, first = 0;
	for (int i = 0; i < 40; i++) {
		dns_mx(d, STR("Example.test"), 5000, &a, &answer, &mx, &n);
		assert_int_equal(answer.got, DNS_FOUND);
		assert_false(answer.secure);
		assert_int_equal(n, 3);
		assert_strz(mx[0].host, "mx0.example.test");
		assert_int_equal(mx[0].preference, 5);
		first += str_eq(mx[1].host, STR("mx1.example.test"));
	}
	assert_in_range(first, 1, 39); /* equal ones take turns; wrong once in 2^39 */
	dns_mx(d, STR("null.test"), 5000, &a, &answer, &mx, &n);
	assert_int_equal(n, 1);
	assert_strz(mx[0].host, "");
	dns_mx(d, STR("odd.test"), 5000, &a, &answer, &mx, &n); /* a blank in a host name: nothing to connect to */
	assert_int_equal(n, 0);
	dns_close(d);
	arena_reset(&a);
}

static void test_addresses(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct dns *d = open_with(NULL, false);
	struct dns_answer answer;
	struct addr *list;
	size_t n;
	char text[ADDR_TEXT];
	dns_addresses(d, STR("mx0.example.test"), true, true, 5000, &a, &answer, &list, &n);
	assert_int_equal(answer.got, DNS_FOUND);
	assert_int_equal(n, 2);
	assert_string_equal(addr_text(list[0], text), "2001:db8::1");
	assert_string_equal(addr_text(list[1], text), "192.0.2.1");
	dns_addresses(d, STR("mx0.example.test"), false, true, 5000, &a, &answer, &list, &n);
	assert_int_equal(n, 1);
	dns_addresses(d, STR("alias.test"), false, true, 5000, &a, &answer, &list, &n);
	assert_int_equal(n, 1);
	assert_strz(answer.name, "mx0.example.test");
	dns_addresses(d, STR("nobody.test"), true, true, 5000, &a, &answer, &list, &n);
	assert_int_equal(answer.got, DNS_NONE);
	assert_true(answer.nxdomain);
	assert_int_equal(n, 0);
	dns_addresses(d, STR("text.test"), true, true, 5000, &a, &answer, &list, &n);
	assert_int_equal(answer.got, DNS_NONE);
	assert_false(answer.nxdomain);
	dns_close(d);
	arena_reset(&a);
}

static void test_txt(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct dns *d = open_with(NULL, false);
	struct dns_answer answer;
	struct str *texts;
	size_t n;
	dns_txt(d, STR("text.test"), 5000, &a, &answer, &texts, &n);
	assert_int_equal(n, 2);
	bool swapped = texts[0].n == 3;
	assert_strz(texts[swapped], "firstsecond");
	assert_strz(texts[!swapped], "one");
	dns_close(d);
	arena_reset(&a);
}

static void test_failures(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct dns *d = open_with(NULL, false);
	struct dns_answer answer;
	dns_ask(d, STR("broken.test"), DNS_A, 5000, &a, &answer);
	assert_int_equal(answer.got, DNS_TEMP);
	assert_true(answer.why[0]);
	int64_t begun = clock_mono_ms();
	dns_ask(d, STR("silent.test"), DNS_A, 300, &a, &answer);
	assert_int_equal(answer.got, DNS_TEMP);
	assert_string_equal(answer.why, "no answer in time");
	assert_in_range(clock_mono_ms() - begun, 250, 4000);
	dns_ask(d, STR(""), DNS_A, 5000, &a, &answer);
	assert_int_equal(answer.got, DNS_NONE);
	dns_close(d);
	/* An anchor that this server signs nothing with: what it says is not believed. */
	d = open_with("test. IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true);
	dns_ask(d, STR("mx0.example.test"), DNS_A, 5000, &a, &answer);
	assert_true(answer.got == DNS_BOGUS || answer.got == DNS_TEMP);
	dns_close(d);
	arena_reset(&a);
}

static void test_cache_and_offline(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct dns *d = open_with(NULL, true);
	struct dns_answer answer;
	dns_ask(d, STR("mx0.example.test"), DNS_A, 5000, &a, &answer);
	unsigned before = atomic_load(&server.asked);
	dns_ask(d, STR("mx0.example.test"), DNS_A, 5000, &a, &answer);
	assert_int_equal(answer.got, DNS_FOUND);
	assert_int_equal(atomic_load(&server.asked), before);
	dns_close(d);
	struct err e = { 0 };
	d = dns_open(&(struct dns_conf){ .offline = true }, &e);
	assert_non_null(d);
	dns_ask(d, STR("mx0.example.test"), DNS_A, 5000, &a, &answer);
	assert_int_equal(answer.got, DNS_NONE);
	assert_true(answer.nxdomain);
	assert_int_equal(atomic_load(&server.asked), before);
	dns_close(d);
	struct dns_conf wrong = { .anchors = "this is no anchor" };
	assert_null(dns_open(&wrong, &e));
	assert_int_equal(e.kind, ERR_PERM);
	arena_reset(&a);
}

static void *ask_many(void *arg)
{
	struct dns *d = arg;
	static const struct str names[] = { STR("mx0.example.test"), STR("silent.test"), STR("nobody.test"),
					    STR("alias.test") };
	for (int i = 0; i < 20; i++) {
		struct arena a = { 0 };
		struct dns_answer answer;
		dns_ask(d, names[i % 4], DNS_A, i % 4 == 1 ? 20 : 5000, &a, &answer);
		assert_int_equal(answer.got, i % 4 == 1 ? DNS_TEMP : i % 4 == 2 ? DNS_NONE : DNS_FOUND);
		arena_reset(&a);
	}
	return NULL;
}

static void test_many_at_once(void **state)
{
	(void)state;
	pthread_t threads[16];
	struct dns *d = open_with(NULL, true);
	for (size_t i = 0; i < 16; i++)
		pthread_create(&threads[i], NULL, ask_many, d);
	for (size_t i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
	dns_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mx),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_txt),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_cache_and_offline),
		cmocka_unit_test(test_many_at_once),
	};
	return cmocka_run_group_tests(tests, server_start, server_stop);
}
