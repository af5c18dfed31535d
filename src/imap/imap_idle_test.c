/* IDLE and NOTIFY over a real pen, woken by the bell of another thread's delivery. */
#include "imap/talk_test.h"
#include <pthread.h>
#include <sys/socket.h>

#define SESSIONS 8
#define LETTERS  20

static void *pen_main(void *pen)
{
	pen_run(pen);
	return NULL;
}

static void expect_line(struct io *io, const char *want)
{
	struct str line;
	if (io_line(io, &line, 4096) != IO_LINE)
		fail_msg("no line, wanted %s", want);
	char *got = strndup(line.p, line.n);
	if (!talk_match(want, got))
		fail_msg("got %s, wanted %s", got, want);
	free(got);
}

static struct io *idle_begin(struct pen *pen, const struct door *door, bool notify)
{
	int fds[2];
	struct err e;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_true(pen_adopt(pen, fds[0], door, &e));
	struct io *io = io_socket(fds[1]);
	io_deadline(io, 30000);
	expect_line(io, "* PREAUTH ~");
	io_add(io, notify ? STR("a SELECT INBOX\r\nb NOTIFY SET (selected (MessageNew MessageExpunge))\r\n")
			  : STR("a SELECT INBOX\r\nb IDLE\r\n"));
	for (int i = 0; i < 8; i++)
		expect_line(io,
			    "* ~"); /* FLAGS EXISTS RECENT PERMANENTFLAGS UIDVALIDITY UIDNEXT HIGHESTMODSEQ MAILBOXID */
	expect_line(io, "a OK [READ-WRITE] SELECT completed");
	expect_line(io, notify ? "b OK NOTIFY completed" : "+ idling");
	return io;
}

/* Several letters may be told at once: only the last count is certain. */
static void hear_all(struct io *io)
{
	for (unsigned long last = 0; last < LETTERS;) {
		struct str line;
		if (io_line(io, &line, 4096) != IO_LINE)
			fail_msg("the session ended");
		if (str_ends(line, STR(" EXISTS")))
			last = strtoul(line.p + 2, NULL, 10);
	}
}

static void test_wake(void **state)
{
	struct world w;
	struct err e = { 0 };
	struct io *io[SESSIONS];
	pthread_t loop;
	(void)state;
	world_open(&w);
	struct door door = imap_door(&w.conf, NULL);
	struct pen_conf pc = { 0 };
	struct pen *pen = pen_new(&pc, &e);
	assert_non_null(pen);
	assert_true(imap_bell_start(w.st, &e));
	pthread_create(&loop, NULL, pen_main, pen);
	for (int i = 0; i < SESSIONS; i++)
		io[i] = idle_begin(pen, &door, i % 4 >= 2);
	for (int i = 0; i < LETTERS; i++)
		world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	for (int i = 0; i < SESSIONS; i++) {
		hear_all(io[i]);
		if (i % 2) { /* some leave politely, some just go */
			io_add(io[i], i % 4 >= 2 ? STR("c LOGOUT\r\n") : STR("DONE\r\nc LOGOUT\r\n"));
			struct str line;
			while (io_line(io[i], &line, 4096) == IO_LINE)
				;
		}
		io_free(io[i]);
	}
	pen_drain(pen, 5000);
	pthread_join(loop, NULL);
	imap_bell_stop(w.st);
	pen_free(pen);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_wake) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
