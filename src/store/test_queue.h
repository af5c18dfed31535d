/* test_queue.h - what the tests of the queue share: mail that leaves, and a clock that is set by hand. */
#pragma once
#include "store/queue.h"
#include "store/test_store.h"

static int64_t now_ms = 1700000000000;

__attribute__((unused)) static int64_t now_here(void)
{
	return now_ms;
}

__attribute__((unused)) static void open_queue(int shared)
{
	open_conf((struct store_conf){ .wall_ms = now_here, .shared_fd = shared });
}

__attribute__((unused)) static int setup_queue(void **state)
{
	(void)state;
	folder_new();
	open_queue(-1);
	return 0;
}

static struct target away(const char *sender, const char *recipient, int64_t due_wall_ms)
{
	return (struct target){ .sender = str_of(sender), .recipient = str_of(recipient), .due_wall_ms = due_wall_ms };
}

/* One message; their queue ids are in the targets. */
__attribute__((unused)) static void leave(struct store *to, struct target *t, size_t n)
{
	struct stage s;
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = t, .n = n };
	for (size_t i = 0; i < n; i++) {
		t[i].prefix = t[i].prefix.p ? t[i].prefix : STR_NONE;
		t[i].mailbox = t[i].mailbox.p ? t[i].mailbox : STR_NONE;
		t[i].keywords = STR_NONE;
	}
	stage_open(&s, to, 1000);
	must(stage_add(&s, STR("Subject: hello\r\n\r\nhello\r\n")));
	must(deliver(to, &d, &e));
	stage_drop(&s);
}

__attribute__((unused)) static int64_t leave_one(const char *sender, const char *recipient)
{
	struct target t = away(sender, recipient, 0);
	leave(st, &t, 1);
	return t.queue_id;
}

/* The row, or one with id 0 when there is none. */
__attribute__((unused)) static struct queue_row row_of(int64_t id)
{
	struct queue_filter f = { .state = -1, .ids = &id, .nids = 1 };
	struct queue_row *rows;
	size_t n;
	must(queue_list(st, &f, 0, 1, &a, &rows, &n, &e));
	return n ? rows[0] : (struct queue_row){ 0 };
}

__attribute__((unused)) static struct queue_claim claim_from(struct store *by, const char *lane, size_t max)
{
	struct queue_claim c = { .lane = str_of(lane), .max = max };
	must(queue_claim(by, now_ms, &c, &a, &e));
	return c;
}

__attribute__((unused)) static void finish_one(struct store *by, int64_t id, enum queue_outcome outcome,
					       int64_t due_wall_ms)
{
	struct queue_result r = { .id = id, .outcome = outcome, .why = STR("told"), .due_wall_ms = due_wall_ms };
	must(queue_finish(by, &r, 1, NULL, 0, &e));
}
