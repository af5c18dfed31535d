#include "app/gate.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/test.h"

#include <pthread.h>
#include <stdlib.h>

static const struct door smtp = { .name = "smtp" }, imap = { .name = "imap" };
static const struct door imaps = { .name = "imaps", .tls = (struct tls_server *)(uintptr_t)1 };

static struct addr ip(const char *text)
{
	struct addr a;
	assert_true(addr_parse(str_of(text), &a));
	return a;
}

static bool admit(struct app_gate *g, const struct door *d, const char *from, const char **why)
{
	struct gate gate = gate_for_pen(g);
	*why = NULL;
	return gate.admit(gate.ctx, d, ip(from), why);
}

static void left(struct app_gate *g, const char *from)
{
	struct gate gate = gate_for_pen(g);
	gate.left(gate.ctx, &smtp, ip(from));
}

static void test_limits(void **state)
{
	struct gate_conf conf = {
		.address_open = 2, .network_open = 3, .connections = 100, .host = STR("mail.example")
	};
	struct app_gate *g = gate_new(&conf);
	struct gate_stat st;
	const char *why;
	(void)state;
	assert_true(admit(g, &smtp, "192.0.2.1", &why));
	assert_true(admit(g, &smtp, "192.0.2.1", &why));
	assert_false(admit(g, &smtp, "192.0.2.1", &why));
	assert_string_equal(
	    why, "421 4.7.0 mail.example Too many connections from your address, please try again later\r\n");
	assert_true(admit(g, &smtp, "192.0.2.62", &why)); /* same /26 */
	assert_false(admit(g, &imap, "192.0.2.63", &why));
	assert_true(str_starts(str_of(why), STR("* BYE ")));
	assert_false(admit(g, &imaps, "192.0.2.63", &why));
	assert_string_equal(why, "");                     /* a handshake is awaited, not words */
	assert_true(admit(g, &smtp, "192.0.2.64", &why)); /* the next /26 */
	left(g, "192.0.2.1");
	assert_true(admit(g, &smtp, "192.0.2.1", &why));
	gate_stat(g, &st);
	assert_int_equal(st.refused, 3);
	gate_free(g);
}

static void test_ipv6(void **state)
{
	struct gate_conf conf = { .address_open = 1, .network_open = 2, .connections = 10, .host = STR("h") };
	struct app_gate *g = gate_new(&conf);
	const char *why;
	(void)state;
	assert_true(admit(g, &smtp, "2001:db8::1", &why));
	assert_false(admit(g, &smtp, "2001:db8::2", &why)); /* same /64 */
	assert_true(admit(g, &smtp, "2001:db8:0:1::1", &why));
	assert_false(admit(g, &smtp, "2001:db8:0:2::1", &why)); /* third of the /48 */
	assert_true(admit(g, &smtp, "2001:db8:1::1", &why));
	gate_free(g);
}

static void test_spared(void **state)
{
	struct gate_conf conf = { .address_open = 1, .network_open = 1, .connections = 10, .host = STR("h") };
	struct app_gate *g = gate_new(&conf);
	struct gate gate = gate_for_pen(g);
	const char *why;
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(gate.admit(gate.ctx, &smtp, (struct addr){ 0 }, &why)); /* a unix socket */
	assert_true(admit(g, &smtp, "127.0.0.1", &why));
	assert_false(admit(g, &smtp, "127.0.0.1", &why)); /* loopback is somebody */
	gate_free(g);
	conf.spare_loopback = true;
	g = gate_new(&conf);
	for (int i = 0; i < 5; i++)
		assert_true(admit(g, &smtp, "127.0.0.1", &why));
	left(g, "127.0.0.1");
	gate_free(g);
}

/* Against plain arrays, until many places have been taken and given back. */
static void test_model(void **state)
{
	enum { HOSTS = 300, STEPS = 100000 };
	struct gate_conf conf = { .address_open = 5, .network_open = 40, .connections = 400, .host = STR("h") };
	struct app_gate *g = gate_new(&conf);
	struct gate gate = gate_for_pen(g);
	static unsigned open[HOSTS], networks[HOSTS / 64 + 1];
	unsigned all = 0;
	(void)state;
	log_level_set(STR_NONE, LOG_ERROR);
	srandom(42);
	for (int i = 0; i < STEPS; i++) {
		unsigned h = (unsigned)random() % HOSTS;
		struct addr a = ip("10.0.0.0");
		const char *why;
		a.b[14] = (uint8_t)(h >> 8);
		a.b[15] = (uint8_t)h;
		if (random() % 2) {
			bool want = open[h] < 5 && networks[h / 64] < 40;
			if (all == conf.connections)
				continue;
			assert_int_equal(gate.admit(gate.ctx, &smtp, a, &why), want);
			open[h] += want;
			networks[h / 64] += want;
			all += want;
		} else if (open[h] > 0) {
			gate.left(gate.ctx, &smtp, a);
			open[h]--;
			networks[h / 64]--;
			all--;
		}
	}
	log_level_set(STR_NONE, LOG_INFO);
	gate_free(g);
}

static void *come_and_go(void *arg)
{
	struct gate gate = gate_for_pen(arg);
	struct addr a = ip("198.51.100.7");
	for (int i = 0; i < 2000; i++) {
		const char *why;
		if (gate.admit(gate.ctx, &smtp, a, &why))
			gate.left(gate.ctx, &smtp, a);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct gate_conf conf = { .address_open = 2, .network_open = 2, .connections = 10, .host = STR("h") };
	struct app_gate *g = gate_new(&conf);
	pthread_t threads[4];
	const char *why;
	(void)state;
	log_level_set(STR_NONE, LOG_ERROR);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, g), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_level_set(STR_NONE, LOG_INFO);
	assert_true(admit(g, &smtp, "198.51.100.7", &why)); /* nothing was left behind */
	assert_true(admit(g, &smtp, "198.51.100.7", &why));
	assert_false(admit(g, &smtp, "198.51.100.7", &why));
	gate_free(g);
}

int main(void)
{
	hash_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits), cmocka_unit_test(test_ipv6),    cmocka_unit_test(test_spared),
		cmocka_unit_test(test_model),  cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
