/* Over quota: at RCPT, at the commit, for one of several, behind an alias, in LMTP. */
#include "smtp/test_talk.h"
#include "store/account.h"

#define R_FULL "452 4.2.2 Mailbox full, please try again later\r\n"
#define CATCH  "RCPT TO:<x@caught.example>\r\n"
#define TEAM   "RCPT TO:<team@mox.example>\r\n"
#define SEND   "DATA\r\n" BODY ".\r\n"

static void limit(struct world *w, const char *account, uint64_t octets, uint64_t messages)
{
	struct err e = { 0 };
	world_must(account_quota_set(w->store, str_of(account), octets, messages, &e), e.text);
}

static struct queue_row *queued(struct world *w, size_t *n)
{
	struct queue_row *rows;
	struct err e = { 0 };
	world_must(queue_list(w->store, NULL, 0, 100, &w->a, &rows, n, &e), e.text);
	return rows;
}

static void test_at_rcpt(void **state)
{
	struct world *w = *state;
	size_t n;
	limit(w, "mjl", 1000, 0);
	expect_talk(w, HELO "MAIL FROM:<r@x.example> SIZE=1001\r\n" RCPT CATCH SEND,
		    R_GREET R_HELO R_MAIL R_FULL R_RCPT R_DATA R_ACCEPTED);
	expect_talk(w, HELO "MAIL FROM:<r@x.example> SIZE=1000\r\n" RCPT, R_GREET R_HELO R_MAIL R_RCPT);
	limit(w, "mjl", 0, 1);
	expect_talk(w, HELO MAIL RCPT SEND MAIL RCPT SEND,
		    R_GREET R_HELO R_MAIL R_RCPT R_DATA R_ACCEPTED R_MAIL R_FULL
		    "554 5.5.1 No valid recipients\r\n"
		    "500 5.5.1 Command not known here\r\n"
		    "500 5.5.1 Command not known here\r\n"
		    "500 5.5.1 Command not known here\r\n"
		    "500 5.5.1 Command not known here\r\n"
		    "500 5.5.1 Command not known here\r\n");
	assert_int_equal(world_count(w, w->mjl), 1);
	queued(w, &n);
	assert_int_equal(n, 0);
}

/* Nobody said how much would come. */
static void test_at_commit(void **state)
{
	struct world *w = *state;
	size_t n;
	limit(w, "mjl", 10, 0);
	expect_talk(w, HELO MAIL RCPT SEND, R_GREET R_HELO R_MAIL R_RCPT R_DATA R_FULL);
	assert_int_equal(world_count(w, w->mjl), 0);
	/* the other has it now, and who is full has it in the queue */
	expect_talk(w, HELO MAIL "RCPT TO:<mjl@mox.example> NOTIFY=NEVER\r\n" CATCH SEND,
		    R_GREET R_HELO R_MAIL R_RCPT R_RCPT R_DATA R_ACCEPTED);
	assert_int_equal(world_count(w, w->mjl), 0);
	assert_int_equal(world_count(w, w->catcher), 1);
	struct queue_row *rows = queued(w, &n);
	assert_true(n == 1 && rows[0].account == w->mjl);
	assert_strz(rows[0].mailbox, "INBOX");
	assert_strz(rows[0].sender, "r@x.example");
	assert_strz(rows[0].recipient, "mjl@mox.example");
	assert_strz(rows[0].dsn, "NOTIFY=NEVER");
	limit(w, "catcher", 300, 0);
	expect_talk(w, HELO MAIL RCPT CATCH SEND, R_GREET R_HELO R_MAIL R_RCPT R_RCPT R_DATA R_FULL);
	queued(w, &n);
	assert_int_equal(n, 1);
}

/* Two addresses, one account, room for one. */
static void test_room_for_one(void **state)
{
	struct world *w = *state;
	size_t n;
	limit(w, "mjl", 0, 1);
	expect_talk(w, HELO MAIL RCPT "RCPT TO:<mjl+a@mox.example>\r\n" SEND,
		    R_GREET R_HELO R_MAIL R_RCPT R_RCPT R_DATA R_ACCEPTED);
	assert_int_equal(world_count(w, w->mjl), 1);
	struct queue_row *rows = queued(w, &n);
	assert_int_equal(n, 1);
	assert_strz(rows[0].recipient, "mjl+a@mox.example");
}

static void test_alias(void **state)
{
	struct world *w = *state;
	size_t n;
	limit(w, "mjl", 0, 1);
	expect_talk(w, HELO MAIL RCPT SEND MAIL TEAM SEND,
		    R_GREET R_HELO R_MAIL R_RCPT R_DATA R_ACCEPTED R_MAIL R_RCPT R_DATA R_ACCEPTED);
	assert_int_equal(world_count(w, w->mjl), 1);
	assert_int_equal(world_count(w, w->catcher), 1);
	struct queue_row *rows = queued(w, &n);
	assert_true(n == 1 && rows[0].account == w->mjl);
	limit(w, "catcher", 0, 1);
	expect_talk(w, HELO MAIL TEAM, R_GREET R_HELO R_MAIL R_FULL);
}

static void test_lmtp(void **state)
{
	struct world *w = *state;
	size_t n;
	w->conf.kind = SMTP_LMTP;
	limit(w, "mjl", 10, 0);
	struct str out = world_talk(w, STR("LHLO c\r\n" MAIL CATCH RCPT RCPT TEAM SEND));
	assert_true(str_ends(out, STR(R_RCPT R_RCPT R_RCPT R_RCPT R_DATA R_ACCEPTED R_FULL R_FULL R_ACCEPTED)));
	assert_int_equal(world_count(w, w->mjl), 0);
	assert_int_equal(world_count(w, w->catcher), 2);
	struct queue_row *rows = queued(w, &n);
	assert_true(n == 1 && rows[0].account == w->mjl); /* one of the team */
	assert_strz(rows[0].recipient, "team@mox.example");
	out = world_talk(w, STR("LHLO c\r\n" MAIL RCPT SEND));
	assert_true(str_ends(out, STR(R_MAIL R_RCPT R_DATA R_FULL)));
	limit(w, "mjl", 0, 0);
	out = world_talk(w, STR("LHLO c\r\n" MAIL RCPT SEND));
	assert_true(str_ends(out, STR(R_DATA R_ACCEPTED)));
}

int main(void)
{
	const struct CMUnitTest all[] = { with_world(test_at_rcpt), with_world(test_at_commit),
					  with_world(test_room_for_one), with_world(test_alias),
					  with_world(test_lmtp) };
	return cmocka_run_group_tests(all, NULL, NULL);
}
