#include "app/children.h"
#include "base/test.h"

static void test_backoff(void **state)
{
	static const struct {
		int64_t lived_ms, want;
	} rows[] = {
		{ 5, 100 },   { 5, 200 },   { 5, 400 },   { 59999, 800 }, { 0, 1600 },    { 0, 3200 }, { 0, 6400 },
		{ 0, 12800 }, { 0, 25600 }, { 0, 30000 }, { 0, 30000 },   { 60000, 100 }, { 0, 200 },
	};
	struct backoff b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(backoff_next(&b, rows[i].lived_ms), rows[i].want);
}

static void services(struct settings *s, struct listen_conf *l, struct listen_service *list, size_t n)
{
	*l = (struct listen_conf){ .services = list, .nservices = n };
	s->listens = l;
	s->nlistens = 1;
}

static void test_needed(void **state)
{
	struct listen_service mx[] = { { .service = SERVICE_SMTP }, { .service = SERVICE_LMTP } };
	struct listen_service imap[] = { { .service = SERVICE_IMAPS } };
	struct settings s = { 0 };
	struct listen_conf l;
	(void)state;
	services(&s, &l, mx, 2);
	assert_true(role_needed(&roles[ROLE_SMTP], &s));
	assert_false(role_needed(&roles[ROLE_IMAP], &s));
	assert_false(role_needed(&roles[ROLE_AUTH], &s)); /* nobody logs in */
	assert_true(role_needed(&roles[ROLE_QUEUE], &s));
	assert_false(role_needed(&roles[ROLE_BACKUP], &s));
	services(&s, &l, imap, 1);
	assert_false(role_needed(&roles[ROLE_SMTP], &s));
	assert_true(role_needed(&roles[ROLE_IMAP], &s));
	assert_true(role_needed(&roles[ROLE_AUTH], &s));
}

/* Every service has exactly one role, and only who serves it gets keys. */
static void test_roles_and_services(void **state)
{
	(void)state;
	for (unsigned s = SERVICE_SMTP; s <= SERVICE_LMTP; s++) {
		unsigned n = 0;
		for (size_t i = 0; i < ROLES; i++)
			n += role_serves(&roles[i], (enum service)s);
		assert_int_equal(n, 1);
	}
	for (size_t i = 0; i < ROLES; i++) {
		assert_int_equal((roles[i].has & HAS_TLS) != 0, roles[i].services != 0);
		/* Verifiers and strangers never meet in one process. */
		assert_false(roles[i].services && roles[i].has & HAS_VERIFIERS);
	}
}

static void test_slot_life(void **state)
{
	struct loaded none = { 0 };
	struct generation *g = generation_new(1, &none);
	struct slot *s = &g->slots[ROLE_SMTP];
	(void)state;
	s->wanted = true;
	s->state = SLOT_READY;
	s->born_mono_ms = 1000;
	slot_died(s, 2000);
	assert_int_equal(s->state, SLOT_WAITING);
	assert_int_equal(s->due_mono_ms, 2100);
	assert_int_equal(s->restarts, 1);
	slot_leave(s, 1000, 2050); /* told to leave while it waits */
	assert_int_equal(s->state, SLOT_GONE);
	slot_died(s, 3000);
	assert_int_equal(s->state, SLOT_IDLE); /* not started again */
	assert_true(generation_gone(g));
	generation_free(g);
}

/* The next generation's checkpointer waits for the one before. */
static void test_checkpointer_waits(void **state)
{
	struct loaded none = { 0 }, none2 = { 0 };
	struct generation *before = generation_new(1, &none), *next = generation_new(2, &none2);
	struct nest nest = { .shared_fd = -1, .lock_fd = -1 };
	(void)state;
	before->slots[ROLE_QUEUE].state = SLOT_READY;
	generation_want(next, before);
	assert_ptr_equal(next->slots[ROLE_QUEUE].after, &before->slots[ROLE_QUEUE]);
	assert_true(generation_ready(next)); /* it is not waited for */
	assert_int_equal(slots_tick(next, &nest, 1000), INT64_MAX);
	assert_int_equal(next->slots[ROLE_QUEUE].state, SLOT_WAITING);
	generation_free(next);
	generation_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_roles_and_services),
		cmocka_unit_test(test_slot_life),
		cmocka_unit_test(test_checkpointer_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
