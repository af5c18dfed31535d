/* Mail that leaves: its way through the states, who comes first, what people may do with it. */
#include "store/sqlite_store.h"
#include "store/test_queue.h"

static const char here[] = "ann@here.example";

static size_t lanes_now(struct queue_lane **lanes)
{
	size_t n;
	must(queue_lanes(st, now_ms, NULL, 0, 100, &a, lanes, &n, &e));
	return n;
}

static size_t rows_left(void)
{
	uint64_t n;
	must(queue_count(st, &n, &e));
	return n;
}

static void test_way(void **state)
{
	(void)state;
	struct target t[2] = { away(here, "Bob@Other.Example", 0), away(here, "eve@other.example", now_ms + 5000) };
	int64_t due;
	t[0].prefix = STR("Received: x\r\n");
	t[0].dsn = STR("RET=HDRS");
	t[0].smtputf8 = t[1].eight_bit = true;
	leave(st, t, 2);
	must(queue_next_due(st, &due, &e));
	assert_int_equal(due, now_ms + 5000);
	struct queue_claim c = claim_from(st, "mx:other.example", 10);
	assert_int_equal(c.n, 1);
	struct queue_row *row = &c.rows[0];
	assert_true(row->id == t[0].queue_id && row->state == QUEUE_LEASED && row->attempts == 1 && row->smtputf8 &&
		    !row->eight_bit && row->tried_wall_ms == now_ms && row->created_wall_ms == now_ms);
	assert_strz(row->recipient, "Bob@Other.Example");
	assert_strz(row->sender, here);
	assert_strz(row->dsn, "RET=HDRS");
	assert_strz(row->prefix, "Received: x\r\n");
	assert_int_equal(claim_from(st, "mx:other.example", 10).n, 0);
	struct queue_result later = { .id = row->id,
				      .outcome = QUEUE_LATER,
				      .why = STR("451 later"),
				      .due_wall_ms = now_ms + 9000,
				      .warned = true };
	must(queue_finish(st, &later, 1, NULL, 0, &e));
	struct queue_row now = row_of(row->id);
	assert_true(now.state == QUEUE_WAITING && now.due_wall_ms == now_ms + 9000 && now.warned && now.smtputf8);
	assert_strz(now.why, "451 later");
	assert_int_equal(claim_from(st, "mx:other.example", 10).n, 0);
	now_ms += 9000;
	c = claim_from(st, "mx:other.example", 10);
	assert_int_equal(c.n, 2);
	assert_true(c.rows[0].id == t[1].queue_id && c.rows[0].eight_bit); /* it was due before */
	assert_int_equal(c.rows[1].attempts, 2);
	finish_one(st, t[0].queue_id, QUEUE_DONE, 0);
	finish_one(st, t[1].queue_id, QUEUE_NEVER, 0);
	assert_int_equal(rows_left(), 0);
	must(queue_next_due(st, &due, &e));
	assert_true(due == INT64_MAX);
	uint64_t contents, files;
	must(store_collect(st, &contents, &files, &e));
	assert_int_equal(contents, 1);
	check_clean();
}

static void test_lane_names(void **state)
{
	(void)state;
	int64_t account = account_new("ann");
	struct target t[] = {
		away(here, "\"x@y\"@B\303\274cher.example", 0),
		away(here, "root", 0),
		away(here, "a@[192.0.2.1]", 0),
		away(here, "a@d.example", 0),
		away(here, "a@d.example", 0),
		{ .account = account, .mailbox = STR("INBOX"), .waits = true, .recipient = STR("ann@d") }
	};
	static const char *const lanes[] = {
		"mx:xn--bcher-kva.example", "mx:", "mx:[192.0.2.1]", "mx:d.example", "drop:cron/2", "box"
	};
	t[4].drop = STR("cron/2");
	leave(st, t, 6);
	for (size_t i = 0; i < 6; i++)
		assert_strz(row_of(t[i].queue_id).lane, lanes[i]);
	struct queue_row box = row_of(t[5].queue_id);
	assert_int_equal(box.account, account);
	assert_strz(box.mailbox, "INBOX");
	check_clean();
}

/* A thousand of one, one of another: he is among the first two.  An account is one, whatever it writes from. */
static void test_fair(void **state)
{
	(void)state;
	struct target t[500];
	int64_t account = account_new("list");
	char from[500][40];
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 500; i++) {
			snprintf(from[i], sizeof from[i], "bounces+%zu@list.example", i);
			t[i] = away(from[i], "all@d.example", 0);
			t[i].owner = account;
		}
		leave(st, t, 500);
	}
	for (int i = 0; i < 20; i++)
		claim_from(st, "mx:d.example", 1);
	int64_t one = leave_one(here, "bob@d.example");
	struct queue_claim c = claim_from(st, "mx:d.example", 1), d = claim_from(st, "mx:d.example", 1);
	assert_true(c.rows[0].id == one || d.rows[0].id == one);
	check_clean();
}

static void test_turns_of_lanes(void **state)
{
	(void)state;
	struct queue_lane *lanes;
	struct str skip[] = { STR("mx:b.example"), STR("mx:none.example") };
	size_t n;
	for (int i = 0; i < 3; i++)
		for (const char *const *to = (const char *const[]){ "x@a.example", "x@b.example", "x@c.example", NULL };
		     *to; to++)
			leave_one(here, *to);
	assert_int_equal(lanes_now(&lanes), 3);
	assert_strz(lanes[0].name, "mx:a.example");
	assert_true(lanes[0].waiting == 3 && lanes[0].due_wall_ms == now_ms);
	claim_from(st, "mx:a.example", 1);
	assert_int_equal(lanes_now(&lanes), 3);
	assert_strz(lanes[0].name, "mx:b.example");
	assert_strz(lanes[2].name, "mx:a.example");
	assert_int_equal(lanes[2].waiting, 2);
	must(queue_lanes(st, now_ms, skip, 2, 1, &a, &lanes, &n, &e));
	assert_int_equal(n, 1);
	assert_strz(lanes[0].name, "mx:c.example");
	assert_int_equal(claim_from(st, "mx:c.example", 10).n, 3);
	assert_int_equal(lanes_now(&lanes), 2);
}

static void test_same_message(void **state)
{
	(void)state;
	struct target t[6];
	leave_one("zoe@z.example", "first@d.example");
	for (size_t i = 0; i < 6; i++)
		t[i] = away(here, i == 5 ? "x@other.example" : "x@d.example", 0);
	t[3].prefix = STR("Delivered-To: another\r\n");
	leave(st, t, 6);
	leave_one(here, "x@d.example");
	struct queue_claim c = { .lane = STR("mx:d.example"), .max = 10, .same_message = true };
	must(queue_claim(st, now_ms, &c, &a, &e));
	assert_int_equal(c.n, 1);
	c.max = 3;
	must(queue_claim(st, now_ms, &c, &a, &e));
	assert_true(c.n == 3 && c.rows[0].id == t[0].queue_id && c.rows[2].id == t[2].queue_id);
	must(queue_claim(st, now_ms, &c, &a, &e));
	assert_true(c.n == 1 && c.rows[0].id == t[3].queue_id); /* its octets differ */
	must(queue_claim(st, now_ms, &c, &a, &e));
	assert_true(c.n == 1 && c.rows[0].id == t[4].queue_id);
	check_clean();
}

/* --- finishing ------------------------------------------------------------------------------------ */

static bool finish_noted(int64_t id, int64_t account, bool beyond)
{
	struct stage s;
	struct target t = { .account = account, .mailbox = STR("INBOX"), .prefix = STR_NONE, .keywords = STR_NONE };
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = &t, .n = 1 }, *notes[] = { &d };
	struct queue_result r = { .id = id,
				  .outcome = QUEUE_NEVER,
				  .why = STR("550 5.1.1 who?"),
				  .suppress = STR("Bob@D.example"),
				  .suppress_until_wall_ms = now_ms + 1000 };
	t.beyond_quota = beyond;
	stage_open(&s, st, 1000);
	must(stage_add(&s, STR("Subject: Undelivered\r\n\r\n")));
	bool ok = queue_finish(st, &r, 1, notes, 1, &e);
	stage_drop(&s);
	return ok;
}

static void test_notes(void **state)
{
	(void)state;
	int64_t account = account_new("ann"), inbox = box_id(account, "INBOX");
	struct target t = away(here, "bob@d.example", 0);
	struct suppressed s;
	bool is;
	t.owner = account;
	leave(st, &t, 1);
	claim_from(st, "mx:d.example", 1);
	must(account_quota_set(st, STR("ann"), 1, 0, &e));
	assert_false(finish_noted(t.queue_id, account, false));
	assert_int_equal(e.kind, ERR_QUOTA);
	assert_int_equal(row_of(t.queue_id).state, QUEUE_LEASED);
	must(finish_noted(t.queue_id, account, true));
	must(finish_noted(t.queue_id, account, true)); /* that was all */
	assert_int_equal(box_now(inbox).messages, 1);
	assert_int_equal(rows_left(), 0);
	must(suppress_find(st, account, STR("bob@d.EXAMPLE"), now_ms, &is, &a, &s, &e));
	assert_true(is && s.until_wall_ms == now_ms + 1000);
	assert_strz(s.account, "ann");
	assert_strz(s.why, "550 5.1.1 who?");
	must(suppress_find(st, account, STR("bob@d.example"), now_ms + 1000, &is, &a, &s, &e));
	assert_false(is);
	must(suppress_find(st, account + 1, STR("bob@d.example"), now_ms, &is, &a, &s, &e));
	assert_false(is);
	check_clean();
}

/* What waited for room goes into its mailbox in the commit that ends the row: there once, and nothing is copied. */
static void test_into_mailbox(void **state)
{
	(void)state;
	int64_t account = account_new("ann"), inbox = box_id(account, "INBOX");
	struct target t = { .account = account,
			    .mailbox = STR("INBOX"),
			    .waits = true,
			    .recipient = STR("ann@d"),
			    .sender = STR_NONE,
			    .dsn = STR_NONE,
			    .prefix = STR("Delivered-To: ann@d\r\n") };
	struct msg *m;
	struct str text;
	size_t n;
	leave(st, &t, 1);
	struct queue_claim c = claim_from(st, "box", 1);
	assert_int_equal(c.n, 1);
	struct target to = { .account = c.rows[0].account,
			     .mailbox = c.rows[0].mailbox,
			     .prefix = c.rows[0].prefix,
			     .keywords = STR_NONE };
	struct delivery d = { .content_id = c.rows[0].content_id, .targets = &to, .n = 1 }, *notes[] = { &d };
	struct queue_result r = { .id = c.rows[0].id, .outcome = QUEUE_DONE };
	must(queue_finish(st, &r, 1, notes, 1, &e));
	must(queue_finish(st, &r, 1, notes, 1, &e));
	assert_int_equal(rows_left(), 0);
	uint64_t contents, files;
	must(store_collect(st, &contents, &files, &e));
	must(msg_page(st, inbox, 1, UINT32_MAX, true, &a, &m, &n, &e));
	assert_true(n == 1 && m[0].content_id == d.content_id);
	assert_strz(m[0].prefix, "Delivered-To: ann@d\r\n");
	must(content_read(st, m[0].content_id, &a, &text, &e));
	assert_int_equal(m[0].size, m[0].prefix.n + text.n);
	d.content_id += 1;
	must_fail(deliver(st, &d, &e), ERR_PERM);
	check_clean();
}

static void test_outcomes(void **state)
{
	(void)state;
	int64_t id = leave_one(here, "bob@d.example");
	struct queue_result twice[2] = { { .id = id, .outcome = QUEUE_MOVE, .lane = STR("pace:isp") },
					 { .id = id, .outcome = QUEUE_MOVE, .lane = STR("pace:isp") } };
	claim_from(st, "mx:d.example", 1);
	must(queue_finish(st, twice, 2, NULL, 0, &e));
	assert_int_equal(row_of(id).attempts, 0);
	struct queue_claim c = claim_from(st, "pace:isp", 1);
	assert_true(c.n == 1 && c.rows[0].attempts == 1);
	must(queue_finish(st, &(struct queue_result){ .id = id, .outcome = QUEUE_MOVE }, 1, NULL, 0, &e));
	assert_strz(row_of(id).lane, "mx:d.example");
	claim_from(st, "mx:d.example", 1);
	struct queue_result ours = { .id = id, .outcome = QUEUE_LATER, .due_wall_ms = now_ms, .uncounted = true };
	must(queue_finish(st, &ours, 1, NULL, 0, &e));
	assert_int_equal(row_of(id).attempts, 0);
	claim_from(st, "mx:d.example", 1);
	finish_one(st, id, QUEUE_HOLD, 0);
	assert_int_equal(row_of(id).state, QUEUE_HELD);
	assert_strz(row_of(id).why, "told");
	finish_one(st, id, QUEUE_DONE, 0); /* no longer ours */
	finish_one(st, id + 1, QUEUE_DONE, 0);
	assert_int_equal(rows_left(), 1);
	struct queue_result many[UNIT_ROWS + 1] = { { 0 } };
	must_fail(queue_finish(st, many, UNIT_ROWS + 1, NULL, 0, &e), ERR_PERM);
	check_clean();
}

static void test_crashes(void **state)
{
	(void)state;
	uint64_t n, changed;
	int64_t id = leave_one(here, "bob@d.example");
	for (uint32_t i = 0; i < QUEUE_CRASHES; i++) {
		assert_int_equal(claim_from(st, "mx:d.example", 1).n, 1);
		must(queue_recover(st, &n, &e)); /* we live */
		assert_int_equal(n, 0);
		store_close(st);
		open_queue(-1);
		finish_one(st, id, QUEUE_DONE, 0); /* of who was before us */
		must(queue_recover(st, &n, &e));
		assert_int_equal(n, 1);
		assert_true(row_of(id).crashes == i + 1 && row_of(id).attempts == i + 1);
	}
	assert_int_equal(row_of(id).state, QUEUE_HELD);
	assert_strz(row_of(id).why, "crashes");
	assert_int_equal(claim_from(st, "mx:d.example", 1).n, 0);
	must(queue_change(st, NULL, QUEUE_RELEASE, STR_NONE, &changed, &e));
	assert_true(changed == 1 && row_of(id).crashes == 0);
	assert_int_equal(claim_from(st, "mx:d.example", 1).n, 1);
	check_clean();
}

/* --- by hand --------------------------------------------------------------------------------------- */

static size_t listed(struct queue_filter f)
{
	struct queue_row *rows;
	size_t n;
	must(queue_list(st, &f, 0, QUEUE_PAGE, &a, &rows, &n, &e));
	return n;
}

static void test_filters(void **state)
{
	(void)state;
	int64_t account = account_new("ann");
	struct target t[] = { away(here, "bob@d.example", 0), away(here, "bob@sub.d.example", 0),
			      away("", "postmaster@bd.example", 0), away(here, "root", 0), away(here, "root", 0) };
	t[0].owner = account;
	t[3].drop = STR("cron/1");
	t[4].drop = STR("cronic/1");
	leave(st, t, 5);
	now_ms += 1000;
	leave_one("zoe@z.example", "bob@d.example");
	claim_from(st, "drop:cron/1", 1);
	int64_t ids[] = { t[4].queue_id, 4711, t[0].queue_id, t[4].queue_id };
	assert_int_equal(listed((struct queue_filter){ .state = -1 }), 6);
	assert_int_equal(listed((struct queue_filter){ .state = QUEUE_LEASED }), 1);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .sender = STR("ANN@") }), 4);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .recipient = STR("Bob") }), 3);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .domain = STR("D.example") }), 2);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .domain = STR(".d.example") }), 3);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .drop = STR("cron") }), 1);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .drop = STR("cron/1") }), 1);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .lane = STR("mx:d.example") }), 2);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .account = STR("ann") }), 1);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .older_than_wall_ms = now_ms }), 5);
	assert_int_equal(listed((struct queue_filter){ .state = -1, .ids = ids, .nids = 4 }), 2);
	struct queue_filter nobody = { .state = -1, .account = STR("nobody") };
	struct queue_row *rows;
	size_t n;
	must_fail(queue_list(st, &nobody, 0, 10, &a, &rows, &n, &e), ERR_PERM);
}

static uint64_t change(enum queue_change what, const char *value, const char *domain)
{
	struct queue_filter f = { .state = -1, .domain = str_of(domain) };
	uint64_t n;
	must(queue_change(st, &f, what, str_of(value), &n, &e));
	return n;
}

/* More than a page, and more than one read looks at. */
static void test_changes(void **state)
{
	(void)state;
	struct target t[300];
	struct queue_row *rows;
	size_t n;
	for (size_t k = 0; k < 15; k++) {
		for (size_t i = 0; i < 300; i++)
			t[i] = away(here, "x@a.example", now_ms + 1000);
		leave(st, t, 300);
	}
	for (size_t i = 0; i < 300; i++)
		t[i] = away(here, "x@b.example", now_ms + 1000);
	leave(st, t, 300);
	assert_int_equal(change(QUEUE_HOLD_ROWS, "operator", "b.example"), 300);
	assert_int_equal(change(QUEUE_RETRY, "", "b.example"), 0);
	assert_int_equal(change(QUEUE_ROUTE, "isp", "b.example"), 300);
	assert_int_equal(change(QUEUE_RELEASE, "", "b.example"), 300);
	struct queue_claim c = claim_from(st, "mx:b.example", 5);
	assert_int_equal(c.n, 5);
	assert_strz(c.rows[0].route, "isp");
	assert_int_equal(change(QUEUE_RETRY, "", "a.example"), 4500);
	assert_int_equal(change(QUEUE_RETRY, "", "a.example"), 0);               /* they are due */
	assert_int_equal(change(QUEUE_HOLD_ROWS, "operator", "b.example"), 295); /* not what is on its way */
	struct queue_filter held = { .state = QUEUE_HELD };
	must(queue_list(st, &held, 0, 1, &a, &rows, &n, &e));
	assert_strz(rows[0].why, "operator");
	assert_int_equal(change(QUEUE_REMOVE, "", "b.example"), 300);
	finish_one(st, c.rows[0].id, QUEUE_LATER, now_ms);
	assert_int_equal(rows_left(), 4500);
	check_clean();
	assert_int_equal(change(QUEUE_REMOVE, "", ""), 4500);
	check_clean();
}

/* --- rules ------------------------------------------------------------------------------------------- */

static void test_hold_rules(void **state)
{
	(void)state;
	static const struct {
		const char *sender, *recipient, *domain, *to;
		bool held;
	} rows[] = {
		{ "", "", "d.example", "x@D.Example", true },
		{ "", "", "d.example", "x@sub.d.example", false },
		{ "", "", "*.example", "x@sub.d.example", true },
		{ "ann@*", "", "", "x@y.example", true },
		{ "bob@*", "", "", "x@y.example", false },
		{ "*@here.*le", "x*y*z@*", "", "xaybz@c.example", true },
		{ "", "x*y*z@*", "", "xayb@c.example", false },
		{ "", "*", "", "root", true },
		{ "", "", "xn--bcher-kva.*", "x@b\303\274cher.example", true },
		{ "", "", "b\303\274cher.*", "x@b\303\274cher.example", true },
		{ "", "", "*a*a*a*b", "x@aaaaaaaaaaaaaaaa", false },
	};
	struct hold_rule *list;
	int64_t rule;
	size_t n;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hold_rule r = { .sender = str_of(rows[i].sender),
				       .recipient = str_of(rows[i].recipient),
				       .domain = str_of(rows[i].domain) };
		char why[40];
		must(hold_add(st, &r, &rule, &e));
		must(hold_list(st, &a, &list, &n, &e));
		assert_true(n == 1 && list[0].id == rule);
		struct queue_row row = row_of(leave_one(here, rows[i].to));
		snprintf(why, sizeof why, "rule %lld", (long long)rule);
		assert_int_equal(row.state, rows[i].held ? QUEUE_HELD : QUEUE_WAITING);
		assert_strz(row.why, rows[i].held ? why : "");
		must(hold_remove(st, rule, &e));
	}
	must_fail(hold_remove(st, rule, &e), ERR_PERM);
	must_fail(hold_add(st, &(struct hold_rule){ 0 }, &rule, &e), ERR_PERM);
	for (int i = 0; i < HOLD_RULES_MAX; i++)
		must(hold_add(st, &(struct hold_rule){ .sender = STR("zoe@*") }, &rule, &e));
	must_fail(hold_add(st, &(struct hold_rule){ .sender = STR("zoe@*") }, &rule, &e), ERR_PERM);
	struct target t = away(here, "x@y.example", 0);
	t.hold = STR("virus");
	leave(st, &t, 1);
	assert_strz(row_of(t.queue_id).why, "virus");
	check_clean();
}

static void test_suppression(void **state)
{
	(void)state;
	int64_t account = account_new("ann");
	struct suppressed s = { .address = STR("Bob@B\303\274cher.example"), .until_wall_ms = now_ms + 5 }, *list, got;
	bool is;
	size_t n;
	must(suppress_add(st, &s, &e));
	s.account = STR("ann");
	s.until_wall_ms = now_ms + 9;
	must(suppress_add(st, &s, &e));
	must(suppress_add(st, &s, &e));
	must(suppress_find(st, account, STR("bob@xn--bcher-kva.example"), now_ms, &is, &a, &got, &e));
	assert_true(is && got.until_wall_ms == now_ms + 9);
	must(suppress_find(st, 0, STR("bob@xn--bcher-kva.example"), now_ms, &is, &a, &got, &e));
	assert_true(is && got.until_wall_ms == now_ms + 5);
	must(suppress_list(st, 0, &a, &list, &n, &e));
	assert_int_equal(n, 2);
	assert_strz(list[0].account, "");
	assert_strz(list[1].account, "ann");
	must(suppress_list(st, list[0].id, &a, &list, &n, &e));
	assert_int_equal(n, 1);
	now_ms += 5;
	s.address = STR("eve@d.example");
	must(suppress_add(st, &s, &e)); /* what has ended goes */
	must(suppress_list(st, 0, &a, &list, &n, &e));
	assert_int_equal(n, 2);
	must(suppress_remove(st, STR("BOB@b\303\274cher.example"), &is, &e));
	assert_true(is);
	must(suppress_remove(st, STR("bob@b\303\274cher.example"), &is, &e));
	assert_false(is);
	must(account_remove(st, STR("ann"), &e));
	must(suppress_list(st, 0, &a, &list, &n, &e));
	assert_int_equal(n, 0);
	must_fail(suppress_add(st, &s, &e), ERR_PERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_way, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_lane_names, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_fair, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_turns_of_lanes, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_same_message, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_notes, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_into_mailbox, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_outcomes, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_crashes, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_filters, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_hold_rules, setup_queue, teardown),
		cmocka_unit_test_setup_teardown(test_suppression, setup_queue, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
