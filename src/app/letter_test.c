#include "app/frame.h"
#include "app/letter.h"
#include "base/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct ends {
	struct post post;
	struct letters letters;
};

static int setup(void **state)
{
	static struct ends e;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	post_open(&e.post, pair[0]);
	letters_open(&e.letters, pair[1]);
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	struct ends *e = *state;
	if (e->post.sock >= 0)
		close(e->post.sock);
	close(e->letters.sock);
	letters_close(&e->letters);
	pthread_mutex_destroy(&e->post.mu);
	return 0;
}

static enum letter_got whole(struct ends *x, struct letter *l)
{
	struct err e;
	enum letter_got got;
	while ((got = letters_next(&x->letters, l, &e)) == LETTER_PARTIAL)
		;
	return got;
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, LETTER_PART - 1, LETTER_PART, LETTER_PART + 1, 3 * LETTER_PART };
	struct ends *x = *state;
	char *text = malloc(3 * LETTER_PART);
	for (size_t i = 0; i < 3 * LETTER_PART; i++)
		text[i] = (char)(i * 7);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct letter l;
		struct err e;
		struct str sent = { text, sizes[i] };
		assert_true(post_send(&x->post, LETTER_CONFIG, (uint32_t)i, sent, -1, &e));
		assert_int_equal(whole(x, &l), LETTER_GOT);
		assert_int_equal(l.kind, LETTER_CONFIG);
		assert_int_equal(l.id, i);
		assert_int_equal(l.fd, -1);
		assert_true(str_eq(l.text, sent));
	}
	free(text);
}

static void test_descriptor(void **state)
{
	struct ends *x = *state;
	struct letter l;
	struct err e;
	int pipes[2];
	char c = 0;
	assert_int_equal(pipe(pipes), 0);
	/* With the first of two parts. */
	char *text = calloc(1, LETTER_PART + 5);
	assert_true(post_send(&x->post, LETTER_LISTEN, 9, (struct str){ text, LETTER_PART + 5 }, pipes[1], &e));
	assert_int_equal(whole(x, &l), LETTER_GOT);
	assert_true(l.fd >= 0 && l.fd != pipes[1]);
	assert_true(fcntl(l.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(l.fd, "x", 1), 1);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(l.fd);
	close(pipes[0]);
	close(pipes[1]);
	free(text);
}

static void test_end_and_nonsense(void **state)
{
	struct ends *x = *state;
	struct letter l;
	struct err e;
	assert_int_equal(send(x->post.sock, "abc", 3, 0), 3);
	assert_int_equal(letters_next(&x->letters, &l, &e), LETTER_BAD);
	close(x->post.sock);
	x->post.sock = -1;
	assert_int_equal(letters_next(&x->letters, &l, &e), LETTER_END);
}

static void test_too_long(void **state)
{
	struct ends *x = *state;
	struct err e;
	struct str text = { "", (size_t)LETTER_MAX + 1 }; /* never read: refused by its length */
	assert_false(post_send(&x->post, LETTER_ANSWER, 1, text, -1, &e));
	assert_int_equal(e.kind, ERR_PERM);
}

/* --- frames of the control socket ------------------------------------------------- */

static void test_frames(void **state)
{
	struct buf b = { 0 };
	struct str frame;
	(void)state;
	frame_add(&b, STR("{}"));
	frame_add(&b, STR("{\"verb\":\"status\"}"));
	/* However it arrives. */
	for (size_t n = 0; n < 6; n++) {
		struct buf some = { .p = b.p, .n = n };
		assert_int_equal(frame_take(&some, 100, &frame), FRAME_NONE);
	}
	assert_int_equal(frame_take(&b, 100, &frame), FRAME_GOT);
	assert_strz(frame, "{}");
	buf_drop(&b, 4 + frame.n);
	assert_int_equal(frame_take(&b, 17, &frame), FRAME_GOT);
	assert_strz(frame, "{\"verb\":\"status\"}");
	assert_int_equal(frame_take(&b, 16, &frame), FRAME_BAD);
	buf_free(&b);
}

static void test_frames_over_socket(void **state)
{
	struct buf b = { 0 };
	struct err e;
	int pair[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(frame_send(pair[0], STR("hello"), -1, &e));
	assert_true(frame_recv(pair[1], 5, &b, &e));
	assert_strz(buf_str(&b), "hello");
	assert_true(frame_send(pair[0], STR("hello!"), -1, &e));
	assert_false(frame_recv(pair[1], 5, &b, &e)); /* longer than we take */
	close(pair[0]);
	assert_int_equal(read(pair[1], b.p, 6), 6);
	assert_false(frame_recv(pair[1], 5, &b, &e));
	assert_int_equal(e.kind, ERR_PEER);
	close(pair[1]);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_and_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_frames_over_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
