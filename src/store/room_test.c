/* What an account holds and may hold; several messages in one commit. */
#include <pthread.h>

#include "store/queue.h"
#include "store/sqlite_store.h"
#include "store/test_store.h"

#define PREFIX "Return-Path: <>\r\n"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static struct quota quota_now(int64_t id)
{
	struct quota q;
	must(account_quota(st, id, &q, &e));
	return q;
}

static void holds(uint64_t messages, uint64_t octets)
{
	struct quota q = quota_now(account);
	assert_int_equal(q.messages, messages);
	assert_int_equal(q.octets, octets);
	check_clean();
}

static void limit(uint64_t octets, uint64_t messages)
{
	must(account_quota_set(st, STR("you"), octets, messages, &e));
}

static struct uid_run *one(uint32_t uid)
{
	struct uid_run *r = ARENA_NEW(&a, struct uid_run);
	*r = (struct uid_run){ uid, 1 };
	return r;
}

static void test_totals(void **state)
{
	(void)state;
	const uint64_t size = 5 + sizeof PREFIX - 1;
	struct copied c;
	struct uid_run *newer;
	size_t n;
	int64_t other = account_new("other"), sent = box_id(account, "Sent");
	holds(0, 0);
	for (int i = 0; i < 5; i++)
		put(account, "INBOX", "hello");
	put(account, "a/new/one", "hello");
	holds(6, 6 * size);
	must(msg_store_flags(st, inbox, one(1), 1, FLAGS_SET, MSG_SEEN | MSG_DELETED, STR_NONE, 0, &a, &newer, &n, &e));
	holds(6, 6 * size);
	must(msg_copy(st, inbox, one(1), 1, sent, false, &a, &c, &e));
	must(msg_copy(st, inbox, one(1), 1, inbox, false, &a, &c, &e));
	holds(8, 8 * size);
	must(msg_copy(st, inbox, one(2), 1, sent, true, &a, &c, &e));
	must(msg_copy(st, inbox, one(3), 1, inbox, true, &a, &c, &e));
	holds(8, 8 * size);
	must(msg_copy(st, inbox, one(4), 1, box_id(other, "INBOX"), true, &a, &c, &e));
	holds(7, 7 * size);
	assert_int_equal(quota_now(other).messages, 1);
	must(msg_expunge(st, inbox, one(1), 1, true, &e));
	holds(6, 6 * size);
	must(mailbox_delete(st, account, STR("Sent"), &e));
	holds(4, 4 * size);
	must(mailbox_rename(st, account, STR("INBOX"), STR("old"), &e));
	holds(4, 4 * size);
	must(account_remove(st, STR("other"), &e));
	struct quota q;
	must_fail(account_quota(st, other, &q, &e), ERR_PERM);
	must_fail(account_quota_set(st, STR("other"), 1, 1, &e), ERR_PERM);
	reopen();
	holds(4, 4 * size);
}

static uint32_t append(struct target t, const char *text)
{
	struct stage s;
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = &t, .n = 1 };
	t.account = account;
	if (t.mailbox.n == 0)
		t.mailbox = STR("INBOX");
	t.prefix = t.keywords = t.sender = t.recipient = t.dsn = STR_NONE;
	stage_open(&s, st, 1000000);
	must(stage_add(&s, str_of(text)));
	bool ok = deliver(st, &d, &e);
	stage_drop(&s);
	assert_true(ok || !t.over_quota || e.kind == ERR_QUOTA);
	return ok ? t.uid : 0;
}

static void test_limits(void **state)
{
	(void)state;
	struct copied c;
	struct uid_run both = { 1, 2 };
	limit(10, 0);
	must(account_room(st, account, 10, &e));
	must_fail(account_room(st, account, 11, &e), ERR_QUOTA);
	must_fail(account_room(st, account, UINT64_MAX, &e), ERR_QUOTA);
	must_fail(account_room(st, 999, 1, &e), ERR_PERM);
	assert_int_equal(append((struct target){ 0 }, "12345"), 1);
	assert_int_equal(append((struct target){ 0 }, "123456"), 0);
	assert_int_equal(e.kind, ERR_QUOTA);
	assert_non_null(strstr(e.text, "5 of 10 octets"));
	/* what is not there yet is not made, either */
	assert_int_equal(append((struct target){ .mailbox = STR("new") }, "123456"), 0);
	struct mailbox *m;
	must(mailbox_find(st, account, STR("new"), &a, &m, &e));
	assert_null(m);
	assert_int_equal(append((struct target){ 0 }, "12345"), 2);
	must_fail(account_room(st, account, 1, &e), ERR_QUOTA);
	assert_int_equal(append((struct target){ .beyond_quota = true }, "12345"), 3);
	holds(3, 15);
	must_fail(msg_copy(st, inbox, &both, 1, box_id(account, "Sent"), false, &a, &c, &e), ERR_QUOTA);
	must(msg_copy(st, inbox, &both, 1, box_id(account, "Sent"), true, &a, &c, &e));
	holds(3, 15);
	/* to another account even a move counts */
	int64_t other = account_new("other");
	must(account_quota_set(st, STR("other"), 0, 1, &e));
	must_fail(msg_copy(st, box_id(account, "Sent"), &both, 1, box_id(other, "INBOX"), true, &a, &c, &e), ERR_QUOTA);
	must(msg_copy(st, box_id(account, "Sent"), one(2), 1, box_id(other, "INBOX"), true, &a, &c, &e));
	assert_int_equal(quota_now(other).messages, 1);
	assert_int_equal(append((struct target){ .beyond_quota = true }, "12345"), 4);
	limit(0, 4);
	assert_int_equal(append((struct target){ 0 }, "12345"), 5);
	assert_int_equal(append((struct target){ 0 }, ""), 0);
	assert_non_null(strstr(e.text, "4 of 4 messages"));
	must(msg_expunge(st, inbox, one(5), 1, false, &e));
	assert_int_equal(append((struct target){ 0 }, ""), 6);
	limit(0, 0);
	assert_int_equal(append((struct target){ 0 }, "more"), 7);
	must_fail(account_quota_set(st, STR("you"), UINT64_MAX, 0, &e), ERR_PERM);
	holds(5, 19);
}

/* A COPY of more than a unit that meets its limit half way leaves nothing. */
static void test_copy_limit(void **state)
{
	(void)state;
	struct copied c;
	struct uid_run all = { 1, 1200 };
	for (int i = 0; i < 600; i++)
		put(account, "INBOX", "x");
	limit(0, 1150);
	must_fail(msg_copy(st, inbox, &all, 1, box_id(account, "Sent"), false, &a, &c, &e), ERR_QUOTA);
	assert_int_equal(quota_now(account).messages, 600);
	assert_int_equal(box_now(box_id(account, "Sent")).messages, 0);
	check_clean();
}

/* --- at the limit at once --------------------------------------------------------------------- */

#define RACERS 16
static _Atomic unsigned stored, refused;

static void *race(void *arg)
{
	struct err err = { 0 };
	(void)arg;
	for (int i = 0; i < 20; i++)
		if (put_err(account, "INBOX", STR("x"), 0, &err))
			atomic_fetch_add(&stored, 1);
		else if (err.kind == ERR_QUOTA)
			atomic_fetch_add(&refused, 1);
	return NULL;
}

static bool unit_slow(struct tx *tx, void *arg, struct err *err)
{
	(void)tx;
	(void)err;
	usleep(50000); /* what comes meanwhile is one batch */
	*(bool *)arg = true;
	return true;
}

static void *hold(void *arg)
{
	struct err err;
	store_do(st, unit_slow, arg, &err);
	return NULL;
}

static void test_race(void **state)
{
	(void)state;
	pthread_t t[RACERS], holder;
	bool held = false;
	struct store_stat before, after;
	atomic_store(&stored, 0);
	atomic_store(&refused, 0);
	limit(0, 100);
	store_stat(st, &before);
	pthread_create(&holder, NULL, hold, &held);
	for (size_t i = 0; i < RACERS; i++)
		pthread_create(&t[i], NULL, race, NULL);
	for (size_t i = 0; i < RACERS; i++)
		pthread_join(t[i], NULL);
	pthread_join(holder, NULL);
	store_stat(st, &after);
	assert_int_equal(atomic_load(&stored), 100);
	assert_int_equal(atomic_load(&refused), RACERS * 20 - 100);
	assert_int_equal(after.alone, before.alone); /* nobody's batch was run again for it */
	assert_int_equal(quota_now(account).messages, 100);
	check_clean();
}

/* --- several targets ---------------------------------------------------------------------------- */

static struct target to(int64_t id, const char *mailbox)
{
	return (struct target){ .account = id,
				.mailbox = str_of(mailbox),
				.prefix = STR_NONE,
				.keywords = STR_NONE,
				.sender = STR_NONE,
				.recipient = STR("x@a.example"),
				.dsn = STR_NONE };
}

static void test_who_is_full(void **state)
{
	(void)state;
	int64_t full = account_new("full"), fine = account_new("fine");
	struct stage s;
	struct queue_row *rows;
	size_t n;
	struct target t[] = { to(full, "INBOX"), to(fine, "INBOX"), to(account, "INBOX"), to(account, "Twice"),
			      to(account, "Thrice") };
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = t, .n = 5 };
	must(account_quota_set(st, STR("full"), 1, 0, &e));
	limit(0, 2);
	stage_open(&s, st, 1000);
	must(stage_add(&s, STR("hello")));
	must_fail(deliver(st, &d, &e), ERR_QUOTA);
	assert_true(t[0].over_quota && !t[1].over_quota && !t[2].over_quota && !t[3].over_quota && t[4].over_quota);
	assert_int_equal(quota_now(fine).messages + quota_now(account).messages, 0);
	t[0].waits = t[4].waits = true;
	must(deliver(st, &d, &e));
	stage_drop(&s);
	assert_int_equal(quota_now(full).messages, 0);
	assert_int_equal(quota_now(fine).messages, 1);
	holds(2, 10);
	must(queue_list(st, NULL, 0, 10, &a, &rows, &n, &e));
	assert_int_equal(n, 2);
	assert_true(rows[0].account == full && rows[1].account == account && rows[0].content_id == rows[1].content_id);
	assert_strz(rows[1].mailbox, "Thrice");
}

/* --- several messages ---------------------------------------------------------------------------- */

struct many {
	struct stage stages[DELIVER_MAX + 1];
	struct target targets[DELIVER_MAX + 1];
	struct delivery deliveries[DELIVER_MAX + 1];
	struct delivery *all[DELIVER_MAX + 1];
};

static void many_open(struct many *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		m->targets[i] = to(account, "INBOX");
		m->targets[i].must_exist = m->targets[i].as_given = true;
		m->deliveries[i] = (struct delivery){
			.stage = &m->stages[i], .index = STR_NONE, .targets = &m->targets[i], .n = 1
		};
		m->all[i] = &m->deliveries[i];
		stage_open(&m->stages[i], st, 1000000);
		must(stage_add(&m->stages[i], STR("hello")));
	}
}

static void many_drop(struct many *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stage_drop(&m->stages[i]);
}

static void test_all_or_none(void **state)
{
	(void)state;
	static struct many m;
	struct store_stat before, after;
	many_open(&m, DELIVER_MAX + 1);
	must_fail(deliver_all(st, m.all, DELIVER_MAX + 1, &e), ERR_PERM);
	must(deliver_all(st, m.all, 0, &e));
	m.targets[7].mailbox = STR("none");
	must_fail(deliver_all(st, m.all, 10, &e), ERR_PERM);
	assert_true(str_starts(str_of(e.text), STR("TRYCREATE")));
	m.targets[7].mailbox = STR("INBOX");
	limit(9 * 5, 0);
	must_fail(deliver_all(st, m.all, 10, &e), ERR_QUOTA);
	assert_true(m.targets[9].over_quota && !m.targets[8].over_quota);
	m.targets[6].keywords = STR(
	    "a-keyword-that-is-longer-than-a-hundred-octets-and-so-is-refused-when-much-has-been-"
	    "written-already-in-this-unit");
	limit(0, 0);
	must_fail(deliver_all(st, m.all, 10, &e), ERR_PERM);
	holds(0, 0);
	m.targets[6].keywords = STR_NONE;
	store_stat(st, &before);
	must(deliver_all(st, m.all, DELIVER_MAX, &e));
	store_stat(st, &after);
	assert_int_equal(after.commits, before.commits + 1);
	for (uint32_t i = 0; i < DELIVER_MAX; i++)
		assert_int_equal(m.targets[i].uid, i + 1);
	many_drop(&m, DELIVER_MAX + 1);
	holds(DELIVER_MAX, DELIVER_MAX * 5);
}

static void test_rows_of_a_unit(void **state)
{
	(void)state;
	static struct many m;
	static struct target many_targets[300];
	many_open(&m, 2);
	for (size_t i = 0; i < 300; i++)
		many_targets[i] = to(account, "INBOX");
	for (size_t i = 0; i < 2; i++) {
		m.deliveries[i].targets = many_targets;
		m.deliveries[i].n = 300;
	}
	must_fail(deliver_all(st, m.all, 2, &e), ERR_PERM);
	m.deliveries[1].n = 198;
	must(deliver_all(st, m.all, 2, &e)); /* 500 exactly */
	many_drop(&m, 2);
	holds(498, 498 * 5);
}

/* --- one in place of another ------------------------------------------------------------------------ */

static bool replace(int64_t mailbox, uint32_t uid, const char *into, const char *text, uint32_t *now)
{
	struct stage s;
	struct target t = to(account, into);
	struct delivery d = {
		.stage = &s, .index = STR_NONE, .targets = &t, .n = 1, .replaces_mailbox = mailbox, .replaces_uid = uid
	};
	t.must_exist = true;
	stage_open(&s, st, 1000);
	must(stage_add(&s, str_of(text)));
	bool ok = deliver(st, &d, &e);
	stage_drop(&s);
	*now = t.uid;
	return ok;
}

static void test_replace(void **state)
{
	(void)state;
	uint32_t uid;
	struct msg_changes ch;
	int64_t drafts = box_id(account, "Drafts");
	assert_int_equal(append((struct target){ .mailbox = STR("Drafts") }, "12345"), 1);
	uint64_t modseq = box_now(drafts).modseq;
	struct store_stat before, behind;
	store_stat(st, &before);
	must(replace(drafts, 1, "Drafts", "1234567", &uid));
	assert_int_equal(uid, 2);
	store_stat(st, &behind);
	assert_int_equal(behind.units, before.units + 1); /* who saves a draft each minute pays for one commit */
	holds(1, 7);
	must(msg_changes(st, drafts, modseq, &a, &ch, &e));
	assert_true(ch.nmsgs == 1 && ch.msgs[0].uid == 2 && ch.msgs[0].modseq == modseq + 1);
	assert_true(ch.ngone == 1 && ch.gone[0].first == 1 && ch.gone[0].count == 1 && ch.now.modseq == modseq + 2);
	/* into another mailbox */
	must(replace(drafts, 2, "Sent", "sent", &uid));
	assert_int_equal(box_now(drafts).messages, 0);
	holds(1, 4);
	/* the old one is gone, or its mailbox: what was written is kept */
	must(replace(drafts, 2, "Drafts", "again", &uid));
	must(replace(12345, 2, "Drafts", "again", &uid));
	holds(3, 14);
	/* all or none, and only the net counts */
	must_fail(replace(drafts, 3, "none", "x", &uid), ERR_PERM);
	limit(14, 3);
	must_fail(replace(drafts, 3, "Drafts", "123456", &uid), ERR_QUOTA);
	must(replace(drafts, 3, "Drafts", "12345", &uid));
	must_fail(replace(drafts, 999, "Drafts", "", &uid), ERR_QUOTA);
	holds(3, 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_totals, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_copy_limit, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_who_is_full, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_all_or_none, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_rows_of_a_unit, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_replace, setup_account, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
