/* What is remembered of messages that are gone, and forgotten; which UIDs are there; where the unseen begin. */
#include "store/sqlite_store.h"
#include "store/test_store.h"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static bool unit_sql(struct tx *tx, void *arg, struct err *err)
{
	return sql_script(tx, arg, err);
}

static void sql(const char *text)
{
	must(store_do(st, unit_sql, (void *)text, &e));
}

static bool unit_count(struct tx *tx, void *arg, struct err *err)
{
	int64_t *n = arg;
	struct rows r = sql_rows(tx, "SELECT (SELECT count(*) FROM expunged), (SELECT count(*) FROM forgotten)");
	for (int i = 0; i < 2; i++)
		n[i] = i > 0 || row_next(&r) ? row_num(&r, i) : 0;
	return rows_end(&r, err);
}

static int64_t kept(void)
{
	int64_t n[2];
	must(store_read(st, unit_count, n, &e));
	return n[0];
}

static int64_t forgotten(void)
{
	int64_t n[2];
	must(store_read(st, unit_count, n, &e));
	return n[1];
}

/* As many as that, all of one content: delivering them one by one would take the test too long. */
static void fill(unsigned n)
{
	put(account, "INBOX", "x");
	sql(str_z(&a,
		  str_fmt(&a,
			  "INSERT INTO msg WITH RECURSIVE n(i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE"
			  " i < %u) SELECT m.key - 1 + i, m.mailbox_id, m.modseq - 1 + i, m.arrived - 1 + i, m.flags,"
			  " m.content_id, m.size, m.internal_ms, m.saved_ms, m.keywords, m.prefix FROM msg m, n;"
			  "UPDATE mailbox SET messages = %u, unseen = %u, uidnext = %u, octets = octets * %u,"
			  " modseq = modseq + %u WHERE name = 'INBOX';"
			  "UPDATE account SET messages = %u, octets = octets * %u, modseq = modseq + %u",
			  n, n, n, n + 1, n, n - 1, n, n, n - 1)));
}

/* Every `step`th of [from, to]. */
static struct uid_run *every(uint32_t from, uint32_t to, uint32_t step, size_t *n)
{
	struct uid_run *r = ARENA_ARRAY(&a, struct uid_run, (to - from) / step + 1);
	*n = 0;
	for (uint32_t uid = from; uid <= to; uid += step)
		r[(*n)++] = (struct uid_run){ uid, 1 };
	return r;
}

static void expunge_every(uint32_t from, uint32_t to, uint32_t step)
{
	size_t n;
	struct uid_run *r = every(from, to, step, &n);
	must(msg_expunge(st, inbox, r, n, false, &e));
}

static uint32_t sum(const struct uid_run *r, size_t n)
{
	uint32_t all = 0;
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || r[i].first > r[i - 1].first + r[i - 1].count);
		all += r[i].count;
	}
	return all;
}

/* What mailbox_uids() says, held against the messages themselves. */
static void uids_right(void)
{
	struct uid_run *runs;
	struct msg *m;
	struct mailbox at;
	size_t n, got = 0, i = 0;
	uint32_t uid = 0, next = 1;
	must(mailbox_uids(st, inbox, &a, &runs, &n, &at, &e));
	assert_int_equal(sum(runs, n), at.messages);
	for (size_t k = 0; k < n; k++)
		for (uint32_t u = runs[k].first; u < runs[k].first + runs[k].count; u++) {
			if (i == got) {
				must(msg_page(st, inbox, next, UINT32_MAX, false, &a, &m, &got, &e));
				i = 0;
			}
			assert_true(i < got);
			uid = m[i++].uid;
			next = uid + 1;
			assert_int_equal(uid, u);
		}
	must(msg_page(st, inbox, next, UINT32_MAX, false, &a, &m, &got, &e));
	assert_int_equal(got, 0);
	arena_reset(&a);
}

static struct msg_changes changes(uint64_t since)
{
	struct msg_changes c;
	must(msg_changes(st, inbox, since, &a, &c, &e));
	return c;
}

static void test_trim(void **state)
{
	(void)state;
	const uint32_t n = 2 * EXPUNGED_MAX + 2000;
	fill(n);
	uids_right();
	uint64_t begun = box_now(inbox).modseq;
	expunge_every(1, n - 2000, 2); /* EXPUNGED_MAX records exactly */
	assert_true(kept() == EXPUNGED_MAX && forgotten() == 0);
	uint64_t full = box_now(inbox).modseq;
	struct msg_changes c = changes(begun);
	assert_int_equal(sum(c.gone, c.ngone), EXPUNGED_MAX);
	c = changes(full - 3);
	assert_int_equal(sum(c.gone, c.ngone), 3);
	uids_right();
	expunge_every(n - 1, n - 1, 1);
	assert_true(kept() <= EXPUNGED_MAX && kept() > EXPUNGED_MAX / 2 && forgotten() > 0);
	assert_int_equal(kept() + forgotten(), EXPUNGED_MAX + 1);
	/* who asks for what is remembered is told that; for what is not: all that is not there */
	c = changes(full);
	assert_true(c.ngone == 1 && c.gone[0].first == n - 1 && c.gone[0].count == 1);
	c = changes(begun);
	assert_int_equal(sum(c.gone, c.ngone), EXPUNGED_MAX + 1);
	c = changes(1);
	assert_int_equal(sum(c.gone, c.ngone), EXPUNGED_MAX + 1);
	uids_right();
	check_clean();
	/* what lies between goes, too: the forgotten become one */
	must(msg_expunge(st, inbox, &(struct uid_run){ 1, n - 2000 }, 1, false, &e));
	expunge_every(n - 1999, n, 2);
	assert_true(kept() <= EXPUNGED_MAX);
	sql("UPDATE mailbox SET expunged = 20000 WHERE name = 'INBOX'"); /* as if there were more: all are forgotten */
	expunge_every(n, n, 1);
	assert_true(kept() == 0 && forgotten() == 1000);
	c = changes(begun);
	assert_int_equal(sum(c.gone, c.ngone) + box_now(inbox).messages, n);
	uids_right();
	check_clean();
	reopen();
	uids_right();
}

static uint64_t units(void)
{
	struct store_stat now;
	store_stat(st, &now);
	return now.units;
}

/* However many runs are asked for in vain, no unit asks for all of them: others want to write. */
static void test_in_vain(void **state)
{
	(void)state;
	size_t n;
	struct uid_run *there, *not_there, *newer;
	struct copied c;
	fill(2000);
	there = every(1, 2000, 1, &n);
	uint64_t before = units();
	must(msg_expunge(st, inbox, there, n, true, &e)); /* none has \Deleted */
	assert_true(units() - before >= 4);
	not_there = every(2001, 6000, 2, &n);
	before = units();
	must(msg_store_flags(st, inbox, not_there, n, FLAGS_ADD, MSG_SEEN, STR_NONE, 0, &a, &newer, &n, &e));
	assert_true(units() - before >= 4);
	not_there = every(2001, 6000, 2, &n);
	before = units();
	must(msg_copy(st, inbox, not_there, n, inbox, false, &a, &c, &e));
	assert_true(units() - before >= 4 && c.n == 0);
	check_clean();
}

/* At random, with little kept: everybody's view must come out right. */
static void test_random(void **state)
{
	(void)state;
	unsigned seed = 7;
	struct copied moved;
	fill(3000);
	for (int i = 0; i < 300; i++) {
		uint32_t uidnext = box_now(inbox).uidnext, uid = (uint32_t)rand_r(&seed) % uidnext + 1;
		struct uid_run run = { uid, (uint32_t)rand_r(&seed) % 30 + 1 };
		uint64_t before = box_now(inbox).modseq;
		if (i % 9 == 0)
			sql("UPDATE mailbox SET expunged = expunged + 9900"); /* the next forgets */
		if (i % 5 == 0)
			put(account, "INBOX", "x");
		if (i % 3 == 0)
			must(msg_copy(st, inbox, &run, 1, inbox, true, &a, &moved, &e));
		else
			must(msg_expunge(st, inbox, &run, 1, false, &e));
		if (i % 9 == 0)
			sql("UPDATE mailbox SET expunged = (SELECT count(*) FROM expunged WHERE mailbox_id = id)");
		struct msg_changes c = changes(before), all = changes(1);
		assert_true(sum(all.gone, all.ngone) + all.now.messages + 1 == all.now.uidnext);
		assert_true(c.ngone <= all.ngone);
		uids_right();
	}
	assert_true(forgotten() > 0 && kept() > 0);
	check_clean();
	must(mailbox_create(st, account, STR("x"), USE_NONE, &e));
	must(mailbox_rename(st, account, STR("INBOX"), STR("y"), &e));
	must(mailbox_delete(st, account, STR("y"), &e));
	check_clean();
}

/* Rows lost by damage: what is there is still told, and the check mends the records. */
static void test_damaged(void **state)
{
	(void)state;
	struct check_report r;
	fill(100);
	sql("DELETE FROM msg WHERE key & 4294967295 IN (5, 6, 70);"
	    "UPDATE mailbox SET messages = messages - 3, unseen = unseen - 3, octets = octets - 3 * (SELECT size FROM "
	    "msg)"
	    " WHERE name = 'INBOX';"
	    "UPDATE account SET messages = messages - 3, octets = octets - 3 * (SELECT size FROM msg)");
	uids_right();
	struct msg_changes c = changes(1);
	assert_int_equal(sum(c.gone, c.ngone), 0); /* nobody expunged them ... */
	uint64_t before = box_now(inbox).modseq;
	must(store_check(st, false, true, NULL, NULL, &r, &e));
	assert_true(r.problems == 1 && r.repaired == 1);
	buf_free(&r.text);
	c = changes(1);
	assert_int_equal(sum(c.gone, c.ngone), 3); /* ... but now who asks is told that they are gone */
	c = changes(before);                       /* also who had seen all there was */
	assert_int_equal(sum(c.gone, c.ngone), 3);
	check_clean();
	sql("INSERT INTO forgotten VALUES (777, 1, 1); INSERT INTO expunged VALUES (777, 1, 1, 1);"
	    "INSERT INTO annotation VALUES (1, 777, '/private/comment', x'78'), (777, 0, '/private/comment', x'78')");
	must(store_check(st, false, true, NULL, NULL, &r, &e));
	assert_true(r.problems == 1 && r.repaired == 1);
	buf_free(&r.text);
	sql("UPDATE account SET octets = octets + 1");
	must(store_check(st, false, true, NULL, NULL, &r, &e));
	assert_true(r.problems == 1 && r.repaired == 1);
	buf_free(&r.text);
	sql("UPDATE mailbox SET expunged = 5, unseen_from = 50 WHERE name = 'INBOX'");
	must(store_check(st, false, true, NULL, NULL, &r, &e));
	assert_true(r.problems == 1 && r.repaired == 1);
	buf_free(&r.text);
	check_clean();
}

/* --- the first unseen ----------------------------------------------------------------------------- */

static uint32_t unseen(void)
{
	uint32_t uid;
	must(mailbox_first_unseen(st, inbox, &uid, &e));
	return uid;
}

static void seen(uint32_t from, uint32_t to, enum flag_op op)
{
	struct uid_run run = { from, to - from + 1 }, *newer;
	size_t n;
	must(msg_store_flags(st, inbox, &run, 1, op, MSG_SEEN, STR_NONE, 0, &a, &newer, &n, &e));
}

static void test_unseen(void **state)
{
	(void)state;
	struct copied c;
	assert_int_equal(unseen(), 0);
	fill(5000);
	assert_int_equal(unseen(), 1);
	seen(1, 4000, FLAGS_ADD);
	for (int i = 0; i < 3; i++)
		assert_int_equal(unseen(), 4001);
	seen(10, 20, FLAGS_REMOVE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(unseen(), 10);
	seen(1, 5000, FLAGS_ADD);
	assert_int_equal(unseen(), 0);
	seen(4990, 4990, FLAGS_REMOVE);
	assert_int_equal(unseen(), 4990);
	must(msg_expunge(st, inbox, &(struct uid_run){ 4990, 1 }, 1, false, &e));
	assert_int_equal(unseen(), 0);
	put(account, "INBOX", "x");
	assert_int_equal(unseen(), 5001);
	assert_int_equal(unseen(), 5001);
	seen(3, 3, FLAGS_REMOVE);
	must(msg_copy(st, inbox, &(struct uid_run){ 3, 1 }, 1, inbox, true, &a, &c, &e));
	assert_int_equal(unseen(), 5001);
	check_clean();
	reopen();
	assert_int_equal(unseen(), 5001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_trim, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_in_vain, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_unseen, setup_account, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
