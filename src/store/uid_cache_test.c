#include "store/uid_cache.h"

#include <pthread.h>

#include "store/sqlite_store.h"
#include "store/test_store.h"

/* `n` runs of one UID each, from `first` on. */
static struct runs some(uint32_t first, size_t n)
{
	struct runs r = { .a = &a };
	for (size_t i = 0; i < n; i++)
		runs_add_run(&r, (struct uid_run){ first + 2 * (uint32_t)i, 1 });
	return r;
}

static size_t got(struct uid_cache *c, int64_t mailbox, uint64_t least, uint64_t most, uint32_t *first)
{
	struct runs r = { .a = &a };
	uint64_t modseq = 0;
	if (!uid_cache_get(c, mailbox, least, most, &r, &modseq))
		return 0;
	assert_true(modseq >= least && modseq <= most);
	*first = r.all[0].first;
	return r.n;
}

static void test_entries(void **state)
{
	(void)state;
	struct uid_cache *c = uid_cache_new();
	struct runs few = some(1, UID_CACHE_LEAST - 1), enough = some(1, UID_CACHE_LEAST), later = some(3, 400);
	uint32_t first = 0;
	uid_cache_put(c, 1, 10, &few);
	assert_int_equal(got(c, 1, 0, 100, &first), 0);
	uid_cache_put(c, 1, 10, &enough);
	assert_int_equal(got(c, 1, 10, 10, &first), enough.n);
	assert_int_equal(got(c, 1, 11, 20, &first), 0);
	assert_int_equal(got(c, 1, 0, 9, &first), 0);
	assert_int_equal(got(c, 2, 0, 20, &first), 0);
	uid_cache_put(c, 1, 12, &later);
	uid_cache_put(c, 1, 11, &enough); /* older: the newer stays */
	assert_true(got(c, 1, 0, 20, &first) == 400 && first == 3);
	uid_cache_free(c);
	arena_reset(&a);
}

static void test_bounds(void **state)
{
	(void)state;
	struct uid_cache *c = uid_cache_new();
	struct runs r = some(1, UID_CACHE_LEAST), large = some(1, UID_CACHE_OCTETS / 4 / sizeof(struct uid_run)),
		    larger = some(1, large.n + 1);
	uint32_t first;
	for (int64_t i = 1; i <= UID_CACHE_ENTRIES; i++)
		uid_cache_put(c, i, 1, &r);
	assert_int_equal(got(c, 1, 0, 9, &first), r.n); /* used again: the next that goes is 2 */
	uid_cache_put(c, 1000, 1, &r);
	assert_true(got(c, 1, 0, 9, &first) && !got(c, 2, 0, 9, &first) && got(c, 3, 0, 9, &first));
	for (int64_t i = 2000; i < 2004; i++)
		uid_cache_put(c, i, 1, &large); /* full to the octet */
	assert_true(got(c, 2000, 0, 9, &first) && got(c, 2003, 0, 9, &first) && !got(c, 3, 0, 9, &first));
	uid_cache_put(c, 2004, 1, &larger);
	assert_int_equal(got(c, 2004, 0, 9, &first), 0);
	uid_cache_put(c, 7, 1, &r);
	assert_true(got(c, 7, 0, 9, &first) && !got(c, 2001, 0, 9, &first));
	uid_cache_put(c, 2003, 2, &large); /* in its own place */
	assert_true(got(c, 7, 0, 9, &first) && got(c, 2000, 0, 9, &first));
	uid_cache_free(c);
	arena_reset(&a);
}

/* --- over a store: several sessions look while the mailbox changes ------------------------------ */

#define LOOKERS 3
static int64_t inbox;
static atomic_bool enough;

static void *look(void *arg)
{
	struct arena mine = { 0 };
	(void)arg;
	while (!atomic_load(&enough)) {
		struct uid_run *runs;
		struct mailbox at;
		struct err err = { 0 };
		size_t n;
		uint64_t sum = 0;
		if (!mailbox_uids(st, inbox, &mine, &runs, &n, &at, &err))
			fail_msg("%s", err.text);
		for (size_t i = 0; i < n; i++) {
			assert_true(i == 0 || runs[i].first > runs[i - 1].first + runs[i - 1].count);
			sum += runs[i].count;
		}
		assert_int_equal(sum, at.messages);
		assert_true(n == 0 || runs[n - 1].first + runs[n - 1].count <= at.uidnext);
		arena_reset(&mine);
	}
	return NULL;
}

static bool unit_forget(struct tx *tx, void *arg, struct err *err)
{
	(void)arg;
	return sql_script(tx, "UPDATE mailbox SET expunged = 20000 WHERE name = 'INBOX'", err);
}

static void test_looked_at(void **state)
{
	(void)state;
	pthread_t t[LOOKERS];
	int64_t account = account_new("you");
	inbox = box_id(account, "INBOX");
	for (int i = 0; i < 1200; i++)
		put(account, "INBOX", "x");
	for (uint32_t uid = 1; uid < 700; uid += 2)
		must(msg_expunge(st, inbox, &(struct uid_run){ uid, 1 }, 1, false, &e));
	atomic_store(&enough, false);
	for (size_t i = 0; i < LOOKERS; i++)
		pthread_create(&t[i], NULL, look, NULL);
	for (uint32_t uid = 701; uid < 1200; uid += 2) {
		must(msg_expunge(st, inbox, &(struct uid_run){ uid, 1 }, 1, false, &e));
		if (uid % 3 == 0)
			put(account, "INBOX", "y");
		if (uid % 101 == 0)
			must(store_do(st, unit_forget, NULL, &e));
	}
	atomic_store(&enough, true);
	for (size_t i = 0; i < LOOKERS; i++)
		pthread_join(t[i], NULL);
	check_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test_setup_teardown(test_looked_at, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
