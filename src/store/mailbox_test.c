#include "store/mailbox.h"

#include "store/bell.h"
#include "store/test_store.h"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static struct str names_now(void)
{
	struct mailbox *all;
	size_t n;
	struct str out = STR_NONE;
	must(mailbox_list(st, account, &a, &all, &n, &e));
	for (size_t i = 0; i < n; i++)
		out = str_fmt(&a, "%.*s%s%.*s", STRF(out), i ? " " : "", STRF(all[i].name));
	return out;
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name, *why;
	} wrong[] = {
		{ "", "empty" },           { "/", "empty" },
		{ "a//b", "empty level" }, { "/a", "empty level" },
		{ "a\r\nb", "control" },   { "a\xc2\x85", "control" },
		{ "a\xff", "UTF-8" },      { "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21", "levels" },
		{ "INBOX", "already" },    { "inbox", "already" },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		must_fail(mailbox_create(st, account, str_of(wrong[i].name), USE_NONE, &e), ERR_PERM);
		assert_non_null(strstr(e.text, wrong[i].why));
	}
	char octets[502];
	memset(octets, 'a', sizeof octets);
	must_fail(mailbox_create(st, account, (struct str){ octets, 501 }, USE_NONE, &e), ERR_PERM);
	must(mailbox_create(st, account, (struct str){ octets, 500 }, USE_NONE, &e));
	must(mailbox_delete(st, account, (struct str){ octets, 500 }, &e));
	/* a + combining diaeresis and the one letter are one name */
	must(mailbox_create(st, account, STR("Entwu\xcc\x88rfe"), USE_NONE, &e));
	must_fail(mailbox_create(st, account, STR("Entw\xc3\xbcrfe"), USE_NONE, &e), ERR_PERM);
	assert_int_equal(box_id(account, "Entw\xc3\xbcrfe"), box_id(account, "Entwu\xcc\x88rfe"));
	assert_strz(box_now(box_id(account, "Entwu\xcc\x88rfe")).name, "Entw\xc3\xbcrfe");
	must(mailbox_create(st, account, STR("inBox/x"), USE_NONE, &e));
	box_id(account, "INBOX/x");
}

static void test_tree(void **state)
{
	(void)state;
	assert_strz(names_now(), "Archive Drafts INBOX Junk Sent Trash");
	must(mailbox_create(st, account, STR("a/b/c"), USE_NONE, &e));
	must(mailbox_create(st, account, STR("a0"), USE_NONE, &e));
	must(mailbox_create(st, account, STR("a-b/"), USE_NONE, &e));
	int64_t c = box_id(account, "a/b/c");
	uint32_t uidvalidity = box_now(c).uidvalidity;
	put(account, "a/b/c", "hello");
	must_fail(mailbox_rename(st, account, STR("a"), STR("a/z"), &e), ERR_PERM);
	must_fail(mailbox_rename(st, account, STR("a"), STR("Sent"), &e), ERR_PERM);
	must_fail(mailbox_rename(st, account, STR("none"), STR("x"), &e), ERR_PERM);
	must(mailbox_rename(st, account, STR("a"), STR("x/y"), &e));
	assert_strz(names_now(), "Archive Drafts INBOX Junk Sent Trash a-b a0 x x/y x/y/b x/y/b/c");
	assert_int_equal(box_id(account, "x/y/b/c"), c);
	/* a name that comes back does not get a value it had */
	must(mailbox_create(st, account, STR("a/b/c"), USE_NONE, &e));
	assert_int_not_equal(box_now(box_id(account, "a/b/c")).uidvalidity, uidvalidity);
	/* children stay */
	must(mailbox_delete(st, account, STR("x/y"), &e));
	assert_int_equal(box_id(account, "x/y/b/c"), c);
	must_fail(mailbox_delete(st, account, STR("x/y"), &e), ERR_PERM);
	must_fail(mailbox_delete(st, account, STR("INBOX"), &e), ERR_PERM);
	must(mailbox_delete(st, account, STR("x/y/b/c"), &e));
	struct msg_changes ch;
	must(msg_changes(st, c, 0, &a, &ch, &e));
	assert_true(ch.deleted);
	check_clean();
}

/* What is inside comes along, or nothing does. */
static void test_rename_inside(void **state)
{
	(void)state;
	must(mailbox_create(st, account, STR("r/k"), USE_NONE, &e));
	must(mailbox_create(st, account, STR("p/k"), USE_NONE, &e));
	must(mailbox_delete(st, account, STR("p"), &e));
	must_fail(mailbox_rename(st, account, STR("r"), STR("p"), &e), ERR_PERM);
	assert_non_null(strstr(e.text, "p/k is there already"));
	must(mailbox_create(st, account, STR("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20"), USE_NONE, &e));
	must_fail(mailbox_rename(st, account, STR("1"), STR("0/1"), &e), ERR_PERM);
	assert_non_null(strstr(e.text, "inside: a mailbox name may have 20 levels"));
	assert_strz(box_now(box_id(account, "1/2")).name, "1/2");
	/* upwards: names that others inside have until they move themselves */
	must(mailbox_create(st, account, STR("u/v/v/v"), USE_NONE, &e));
	must(mailbox_delete(st, account, STR("u"), &e));
	must(mailbox_rename(st, account, STR("u/v"), STR("u"), &e));
	box_id(account, "u/v/v");
	check_clean();
}

/* A list of names that a client could make grow by renaming there and back. */
static void test_rename_subscriptions(void **state)
{
	struct str *names;
	size_t n;
	(void)state;
	for (int i = 0; i < 40; i++) {
		must(mailbox_create(st, account, str_fmt(&a, "t/%d", i), USE_NONE, &e));
		must(mailbox_subscribe(st, account, str_fmt(&a, "t/%d", i), true, &e));
	}
	for (int i = 0; i < 260; i++)
		must(mailbox_rename(st, account, i ? str_fmt(&a, "t%d", i) : STR("t"), str_fmt(&a, "t%d", i + 1), &e));
	must(mailbox_subscriptions(st, account, &a, &names, &n, &e));
	assert_int_equal(n, 10000);
	check_clean();
}

static void test_uses_and_subscriptions(void **state)
{
	(void)state;
	struct mailbox *m;
	struct str *names;
	size_t n;
	must(mailbox_find(st, account, STR("Sent"), &a, &m, &e));
	assert_int_equal(m->use, USE_SENT);
	assert_true(m->subscribed);
	must_fail(mailbox_create(st, account, STR("Sent 2"), USE_SENT, &e), ERR_PERM);
	must(mailbox_create(st, account, STR("All"), USE_ALL, &e));
	must_fail(mailbox_set_use(st, account, STR("All"), USE_SENT, &e), ERR_PERM);
	must_fail(mailbox_set_use(st, account, STR("none"), USE_SENT, &e), ERR_PERM);
	must(mailbox_set_use(st, account, STR("All"), USE_ALL, &e));
	must(mailbox_set_use(st, account, STR("Sent"), USE_NONE, &e));
	must(mailbox_set_use(st, account, STR("All"), USE_SENT, &e));
	assert_int_equal(box_now(box_id(account, "All")).use, USE_SENT);
	must(mailbox_set_use(st, account, STR("All"), USE_NONE, &e));
	must(mailbox_set_use(st, account, STR("Sent"), USE_SENT, &e));
	must(mailbox_subscribe(st, account, STR("not there"), true, &e));
	must(mailbox_subscribe(st, account, STR("not there"), true, &e));
	must(mailbox_subscribe(st, account, STR("inbox"), false, &e));
	must(mailbox_subscriptions(st, account, &a, &names, &n, &e));
	assert_int_equal(n, 6);
	assert_strz(names[5], "not there");
	must(mailbox_find(st, account, STR("none"), &a, &m, &e));
	assert_null(m);
}

static void test_inbox_rename(void **state)
{
	(void)state;
	put(account, "INBOX", "one");
	put(account, "INBOX", "two");
	must(mailbox_rename(st, account, STR("INBOX"), STR("old/mail"), &e));
	assert_int_equal(box_now(inbox).messages, 0);
	assert_int_equal(box_now(box_id(account, "old/mail")).messages, 2);
	assert_int_equal(put(account, "INBOX", "three"), 3);
	check_clean();
}

static void test_deliver(void **state)
{
	(void)state;
	int64_t friend = account_new("friend");
	struct stage s;
	struct str none = STR_NONE, bytes;
	struct target t[] = {
		{ .account = account,
		  .mailbox = STR("INBOX"),
		  .prefix = STR("Delivered-To: you\r\n"),
		  .flags = MSG_FLAGGED,
		  .keywords = STR("$Work zebra alpha"),
		  .sender = none,
		  .recipient = none,
		  .dsn = none },
		{ .account = friend,
		  .mailbox = STR("Lists/c"),
		  .prefix = none,
		  .keywords = none,
		  .sender = none,
		  .recipient = none,
		  .dsn = none },
		{ .mailbox = none,
		  .prefix = none,
		  .keywords = none,
		  .sender = STR("you@a.example"),
		  .recipient = STR("x@b.example"),
		  .dsn = STR("NOTIFY=NEVER") },
	};
	struct delivery d = { .stage = &s, .index = STR("\1index"), .internal_wall_ms = 12345, .targets = t, .n = 3 };
	uint32_t rang = bell_seq(st, bell_slot(account)), queue = bell_seq(st, BELL_QUEUE);
	stage_open(&s, st, 1000);
	must(s.sink.add(&s.sink, STR("Subject: x\r\n\r\nbody\r\n")));
	must(deliver(st, &d, &e));
	stage_drop(&s);
	assert_true(bell_seq(st, bell_slot(account)) != rang && bell_seq(st, BELL_QUEUE) != queue);
	struct msg *m;
	size_t n;
	must(msg_page(st, inbox, 1, UINT32_MAX, true, &a, &m, &n, &e));
	assert_int_equal(n, 1);
	assert_true(m->uid == 1 && t[0].uid == 1 && m->flags == MSG_FLAGGED && m->internal_wall_ms == 12345);
	assert_true(m->size == 20 + 19 && m->prefix_size == 19);
	assert_strz(m->keywords, "$Work alpha zebra");
	assert_strz(m->prefix, "Delivered-To: you\r\n");
	must(content_read(st, m->content_id, &a, &bytes, &e));
	assert_strz(bytes, "Subject: x\r\n\r\nbody\r\n");
	must(content_index(st, m->content_id, &a, &bytes, &e));
	assert_strz(bytes, "\1index");
	assert_int_equal(box_now(box_id(friend, "Lists/c")).messages, 1);
	/* one target that cannot be: none of them */
	t[1].mailbox = STR("not there");
	t[1].must_exist = true;
	stage_open(&s, st, 1000);
	must(stage_add(&s, STR("again")));
	must_fail(deliver(st, &d, &e), ERR_PERM);
	assert_true(str_starts(str_of(e.text), STR("TRYCREATE")));
	stage_drop(&s);
	assert_int_equal(box_now(inbox).messages, 1);
	check_clean();
}

static struct uid_run *runs_of(uint32_t first, uint32_t count)
{
	struct uid_run *r = ARENA_NEW(&a, struct uid_run);
	*r = (struct uid_run){ first, count };
	return r;
}

static void flags(uint32_t first, uint32_t count, enum flag_op op, unsigned f, const char *keywords, uint64_t since,
		  size_t failed)
{
	struct uid_run *newer;
	size_t n;
	must(msg_store_flags(st, inbox, runs_of(first, count), 1, op, f, str_of(keywords), since, &a, &newer, &n, &e));
	assert_int_equal(n, failed);
}

static struct msg msg_now(uint32_t uid)
{
	struct msg *m;
	size_t n;
	must(msg_page(st, inbox, uid, uid, false, &a, &m, &n, &e));
	assert_int_equal(n, 1);
	return *m;
}

static void test_flags(void **state)
{
	(void)state;
	uint32_t unseen;
	struct str *words;
	size_t n;
	for (int i = 0; i < 1203; i++) /* more than two units */
		put(account, "INBOX", "x");
	must(mailbox_first_unseen(st, inbox, &unseen, &e));
	assert_int_equal(unseen, 1);
	flags(1, 1202, FLAGS_ADD, MSG_SEEN, "Work", 0, 0);
	assert_int_equal(box_now(inbox).unseen, 1);
	must(mailbox_first_unseen(st, inbox, &unseen, &e));
	assert_int_equal(unseen, 1203);
	uint64_t modseq = box_now(inbox).modseq;
	flags(1, 1202, FLAGS_ADD, MSG_SEEN, "work", 0, 0); /* changes nothing */
	assert_int_equal(box_now(inbox).modseq, modseq);
	assert_strz(msg_now(700).keywords, "Work"); /* as first spelt */
	flags(2, 1, FLAGS_REMOVE, MSG_SEEN, "WORK", 0, 0);
	assert_true(msg_now(2).flags == 0 && msg_now(2).keywords.n == 0);
	flags(1, 3, FLAGS_SET, MSG_DELETED, "b a B", modseq, 1); /* 2 is newer */
	assert_true(msg_now(1).flags == MSG_DELETED && msg_now(2).flags == 0);
	assert_strz(msg_now(1).keywords, "a b");
	assert_int_equal(box_now(inbox).deleted, 2);
	must(mailbox_keywords(st, inbox, &a, &words, &n, &e));
	assert_int_equal(n, 3);
	flags(5000, 10, FLAGS_SET, 0, "", 0, 0); /* none of them exist */
	check_clean();
}

static void test_expunge(void **state)
{
	(void)state;
	for (int i = 0; i < 1100; i++)
		put(account, "INBOX", "x");
	flags(3, 1, FLAGS_ADD, MSG_DELETED, "", 0, 0);
	flags(1000, 101, FLAGS_ADD, MSG_DELETED, "", 0, 0);
	must(msg_expunge(st, inbox, runs_of(1, 10), 1, true, &e));
	assert_int_equal(box_now(inbox).messages, 1099);
	must(msg_expunge(st, inbox, NULL, 0, true, &e));
	assert_int_equal(box_now(inbox).messages, 998);
	struct uid_run *runs;
	size_t n;
	struct mailbox at;
	must(mailbox_uids(st, inbox, &a, &runs, &n, &at, &e));
	assert_int_equal(n, 2);
	assert_true(runs[0].first == 1 && runs[0].count == 2 && runs[1].first == 4 && runs[1].count == 996);
	/* the last UID is not given again, also not by the next process */
	assert_int_equal(put(account, "INBOX", "y"), 1101);
	must(msg_expunge(st, inbox, runs_of(1101, 1), 1, false, &e));
	reopen();
	assert_int_equal(put(account, "INBOX", "z"), 1102);
	must(msg_expunge(st, inbox, NULL, 0, false, &e));
	assert_int_equal(box_now(inbox).messages, 0);
	assert_int_equal(put(account, "INBOX", "z"), 1103);
	check_clean();
}

static void test_copy(void **state)
{
	(void)state;
	int64_t sent = box_id(account, "Sent"), other = account_new("other");
	struct copied c;
	for (int i = 0; i < 1010; i++)
		put(account, "INBOX", "x");
	flags(5, 1, FLAGS_SET, MSG_SEEN, "Word", 0, 0);
	must(msg_expunge(st, inbox, runs_of(3, 1), 1, false, &e));
	must(msg_copy(st, inbox, runs_of(1, 5), 1, sent, false, &a, &c, &e));
	assert_true(c.n == 2 && c.from[0].count == 2 && c.into[0].first == 1 && c.from[1].first == 4 &&
		    c.into[1].first == 3 && c.uidvalidity == box_now(sent).uidvalidity);
	struct msg *m;
	size_t n;
	must(msg_page(st, sent, 4, 4, true, &a, &m, &n, &e));
	assert_true(n == 1 && m->flags == MSG_SEEN);
	assert_strz(m->keywords, "$NotJunk Word"); /* Sent: by the junk rules */
	assert_strz(m->prefix, "Return-Path: <>\r\n");
	must(msg_copy(st, inbox, runs_of(1, 2000), 1, box_id(other, "INBOX"), true, &a, &c, &e));
	assert_int_equal(box_now(inbox).messages, 0);
	assert_int_equal(box_now(box_id(other, "INBOX")).messages, 1009);
	/* into itself */
	must(msg_copy(st, sent, runs_of(1, 4), 1, sent, false, &a, &c, &e));
	assert_int_equal(box_now(sent).messages, 8);
	must(msg_copy(st, sent, runs_of(1, 2), 1, sent, true, &a, &c, &e));
	assert_int_equal(box_now(sent).messages, 8);
	must_fail(msg_copy(st, sent, runs_of(3, 1), 1, 999, false, &a, &c, &e), ERR_PERM);
	assert_true(str_starts(str_of(e.text), STR("TRYCREATE")));
	check_clean();
}

static void test_recent(void **state)
{
	(void)state;
	uint32_t from;
	put(account, "INBOX", "x");
	must(mailbox_claim_recent(st, inbox, &from, &e));
	assert_int_equal(from, 1);
	put(account, "INBOX", "x");
	must(mailbox_claim_recent(st, inbox, &from, &e));
	assert_int_equal(from, 2);
	must(mailbox_claim_recent(st, inbox, &from, &e));
	assert_int_equal(from, 3);
}

/* --- changes: a client that only asks for them must see what is there ------------------------ */

#define UIDS 3000
struct view { /* 0 = not there, else 1 + flags */
	unsigned char at[UIDS];
	uint64_t modseq;
};

static void view_follow(struct view *v, int64_t mailbox)
{
	struct msg_changes c;
	do {
		must(msg_changes(st, mailbox, v->modseq, &a, &c, &e));
		uint64_t last = v->modseq;
		for (size_t i = 0; i < c.nmsgs; i++) {
			assert_true(c.msgs[i].modseq > last); /* ascending, none twice */
			last = c.msgs[i].modseq;
			v->at[c.msgs[i].uid] = (unsigned char)(1 + c.msgs[i].flags);
		}
		for (size_t i = 0; i < c.ngone; i++) {
			assert_true(i == 0 || c.gone[i].first > c.gone[i - 1].first + c.gone[i - 1].count);
			for (uint32_t k = 0; k < c.gone[i].count; k++)
				v->at[c.gone[i].first + k] = 0;
		}
		v->modseq = c.more ? last : c.now.modseq;
	} while (c.more);
}

static void view_read(struct view *v, int64_t mailbox)
{
	struct msg *m;
	size_t n;
	memset(v->at, 0, sizeof v->at);
	for (uint32_t from = 1;; from = m[n - 1].uid + 1) {
		must(msg_page(st, mailbox, from, UINT32_MAX, false, &a, &m, &n, &e));
		for (size_t i = 0; i < n; i++)
			v->at[m[i].uid] = (unsigned char)(1 + m[i].flags);
		if (n < MSG_PAGE)
			return;
	}
}

static void test_changes(void **state)
{
	(void)state;
	static struct view often, seldom, now;
	struct uid_run *newer;
	struct copied c;
	size_t n;
	unsigned seed = 20;
	for (int i = 0; i < 600; i++) {
		uint32_t uidnext = box_now(inbox).uidnext, uid = (uint32_t)rand_r(&seed) % uidnext + 1;
		struct uid_run *r = runs_of(uid, (uint32_t)rand_r(&seed) % 8 + 1);
		switch (rand_r(&seed) % 6) {
		case 0:
			must(msg_expunge(st, inbox, r, 1, false, &e));
			break;
		case 1:
			must(msg_copy(st, inbox, r, 1, inbox, rand_r(&seed) % 2, &a, &c, &e));
			break;
		case 2:
		case 3:
			must(msg_store_flags(st, inbox, r, 1, (enum flag_op)(rand_r(&seed) % 3),
					     (unsigned)rand_r(&seed) % 16, STR_NONE, 0, &a, &newer, &n, &e));
			break;
		default:
			put(account, "INBOX", "x");
			put(account, "Sent", "x"); /* takes modseqs between */
		}
		if (i % 7 == 0)
			view_follow(&often, inbox);
		if (i % 300 == 299)
			view_follow(&seldom, inbox); /* several pages */
		arena_reset(&a);
	}
	view_follow(&often, inbox);
	view_follow(&seldom, inbox);
	view_read(&now, inbox);
	assert_memory_equal(often.at, now.at, sizeof now.at);
	assert_memory_equal(seldom.at, now.at, sizeof now.at);
	struct msg_changes none;
	must(msg_changes(st, inbox, often.modseq, &a, &none, &e));
	assert_true(none.nmsgs == 0 && none.ngone == 0 && !none.more);
	check_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_tree, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_rename_inside, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_rename_subscriptions, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_uses_and_subscriptions, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_inbox_rename, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_deliver, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_expunge, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_recent, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup_account, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
