#include "app/children.h"
#include "base/test.h"

#include <stdio.h>

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
	struct slot *s = g->slots[ROLE_SMTP];
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
	before->slots[ROLE_QUEUE]->state = SLOT_READY;
	generation_want(next, before, NULL);
	assert_ptr_equal(next->slots[ROLE_QUEUE]->after, before->slots[ROLE_QUEUE]);
	assert_true(generation_ready(next)); /* it is not waited for */
	assert_int_equal(slots_tick(next, &nest, 1000), INT64_MAX);
	assert_int_equal(next->slots[ROLE_QUEUE]->state, SLOT_WAITING);
	generation_free(next);
	generation_free(before);
}

/* --- reload ------------------------------------------------------------------ */

static struct generation *make_generation(unsigned number, const char *more)
{
	struct conf_errors errors = { 0 };
	struct buf blob = { 0 };
	struct loaded l;
	char text[1000];
	snprintf(text, sizeof text,
		 "host mail.a.test\nstore /tmp/s\nrun /tmp/r\n"
		 "listen x { address 127.0.0.1; smtp 2525; imap 2143; auth-in-clear yes }\n%s",
		 more);
	conf_pack(&blob, &(struct conf_text){ STR("test.conf"), str_of(text) }, 1);
	if (!load_blob(buf_str(&blob), &l, &errors))
		fail_msg("%.*s", STRF(buf_str(&errors.text)));
	buf_free(&blob);
	buf_free(&errors.text);
	return generation_new(number, &l);
}

/* A process that nobody can send to, of an id that no process has. */
static void pretend(struct generation *g, enum role_id role, enum slot_state state)
{
	struct slot *s = g->slots[role];
	s->pid = INT32_MAX - (pid_t)role;
	s->post.sock = -1;
	s->born = g->number;
	s->state = state;
	s->wanted = state != SLOT_LEAVING;
}

static void end(struct slot *s)
{
	s->pid = 0;
	s->wanted = false;
	s->state = SLOT_GONE;
}

static void end_all(struct generation *g)
{
	for (size_t i = 0; i < ROLES; i++)
		end(g->slots[i]);
	generation_free(g);
}

/* Only who would live differently is replaced; the others move, and are the same slots. */
static void test_inherit(void **state)
{
	struct generation *before = make_generation(1, ""), *next = make_generation(2, "imap { nesting 60 }\n");
	static const enum role_id alive[] = { ROLE_SMTP, ROLE_IMAP, ROLE_QUEUE, ROLE_AUTH, ROLE_BACKUP, ROLE_IMPORT };
	(void)state;
	for (size_t i = 0; i < sizeof alive / sizeof *alive; i++)
		pretend(before, alive[i], SLOT_READY);
	before->slots[ROLE_BACKUP]->wanted = before->slots[ROLE_IMPORT]->wanted = false; /* at work for a verb */
	struct slot *smtp = before->slots[ROLE_SMTP], *imap = before->slots[ROLE_IMAP];
	generation_want(next, before, NULL);
	for (size_t i = 0; i < ROLES; i++) {
		assert_int_equal(next->keeps[i], i != ROLE_IMAP);
		assert_int_equal(next->slots[i]->wanted, i == ROLE_IMAP);
	}
	assert_false(generation_ready(next));
	pretend(next, ROLE_IMAP, SLOT_READY);
	assert_true(generation_ready(next));
	generation_inherit(next, before);
	assert_ptr_equal(next->slots[ROLE_SMTP], smtp);
	assert_ptr_equal(smtp->gen, next);
	assert_int_equal(smtp->born, 1);
	assert_ptr_equal(before->slots[ROLE_IMAP], imap);
	assert_int_equal(next->slots[ROLE_IMAP]->born, 2);
	for (size_t i = 0; i < ROLES; i++)
		assert_int_equal(slot_alive(before->slots[i]), i == ROLE_IMAP);
	end_all(next);
	end_all(before);
}

/* A third process of a role waits for the first to be gone; a role whose first still finishes is not disturbed. */
static void test_two_of_each(void **state)
{
	struct generation *oldest = make_generation(1, ""), *before = make_generation(2, "imap { nesting 60 }\n"),
			  *next = make_generation(3, "imap { nesting 60 }\nmx { message 1MiB }\n");
	struct nest nest = { .shared_fd = -1, .lock_fd = -1 };
	(void)state;
	pretend(oldest, ROLE_IMAP, SLOT_LEAVING);
	pretend(oldest, ROLE_SMTP, SLOT_LEAVING);
	pretend(before, ROLE_IMAP, SLOT_READY);
	pretend(before, ROLE_SMTP, SLOT_READY);
	struct slot *old_imap = oldest->slots[ROLE_IMAP];
	generation_want(next, before, oldest);
	assert_true(next->keeps[ROLE_IMAP]);
	assert_ptr_equal(next->slots[ROLE_SMTP]->after, oldest->slots[ROLE_SMTP]);
	next->slots[ROLE_QUEUE]->wanted = next->slots[ROLE_AUTH]->wanted = false;
	next->slots[ROLE_QUEUE]->state = next->slots[ROLE_AUTH]->state = SLOT_IDLE;
	assert_int_equal(slots_tick(next, &nest, 1000), INT64_MAX);
	assert_false(generation_ready(next)); /* this wait is part of the reload */
	end(oldest->slots[ROLE_SMTP]);
	pretend(next, ROLE_SMTP, SLOT_READY);
	slots_tick(next, &nest, 1000);
	assert_true(generation_ready(next));
	generation_inherit(next, before);
	generation_merge(before, oldest);
	assert_ptr_equal(before->slots[ROLE_IMAP], old_imap);
	assert_ptr_equal(old_imap->gen, before);
	assert_true(slot_alive(before->slots[ROLE_SMTP]));
	assert_true(generation_gone(oldest));
	end_all(next);
	end_all(before);
	end_all(oldest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_roles_and_services),
		cmocka_unit_test(test_slot_life),
		cmocka_unit_test(test_checkpointer_waits),
		cmocka_unit_test(test_inherit),
		cmocka_unit_test(test_two_of_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
