/* A scripted server at the other end of a socket pair: what we say, to the letter, and what we make of the replies. */
#include "client/smtp.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"

#define END_OF_DATA "<data>" /* everything up to the line with the dot */

struct step {
	const char *expect; /* a line; NULL: the script is over, and so is the connection */
	const char *say;    /* lines with CRLF; NULL: nothing */
};
struct server {
	int fd;
	const struct step *steps;
	struct buf data; /* of all messages, as they came */
	char wrong[300];
	pthread_t thread;
};

static bool get_line(int fd, char *line, size_t room)
{
	size_t n = 0;
	while (n + 1 < room && read(fd, line + n, 1) == 1)
		if (line[n++] == '\n') {
			line[n - 2] = '\0';
			return true;
		}
	return false;
}

static void take_data(struct server *s)
{
	char line[5000];
	size_t n = 0;
	while (n + 1 < sizeof line && read(s->fd, line + n, 1) == 1) {
		if (line[n++] != '\n')
			continue;
		if (n == 3 && line[0] == '.')
			return;
		buf_add(&s->data, (struct str){ line, n });
		n = 0;
	}
}

static void take_chunk(struct server *s, const char *line)
{
	unsigned n = 0;
	char c;
	sscanf(line, "BDAT %u", &n);
	while (n-- > 0 && read(s->fd, &c, 1) == 1)
		buf_addc(&s->data, c);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	char line[5000];
	for (const struct step *k = s->steps; k->expect || k->say; k++) {
		if (k->expect && strcmp(k->expect, END_OF_DATA) == 0) {
			take_data(s);
		} else if (k->expect && *k->expect) {
			if (!get_line(s->fd, line, sizeof line) || strcmp(line, k->expect) != 0) {
				snprintf(s->wrong, sizeof s->wrong, "got \"%.100s\", not \"%.100s\"", line, k->expect);
				break;
			}
			if (strncmp(line, "BDAT", 4) == 0)
				take_chunk(s, line);
		}
		if (k->say)
			(void)!write(s->fd, k->say, strlen(k->say));
	}
	close(s->fd);
	return NULL;
}

static struct io *server_start(struct server *s, const struct step *steps)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*s = (struct server){ .fd = pair[1], .steps = steps };
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return io_socket(pair[0]);
}

static void server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	if (*s->wrong)
		fail_msg("%s", s->wrong);
	buf_free(&s->data);
}

struct text {
	struct str rest;
	size_t piece;
	bool fails;
};
static bool read_text(void *ctx, struct str *octets, struct err *e)
{
	struct text *t = ctx;
	if (t->fails && t->rest.n == 0)
		return err_set(e, ERR_TEMP, "the disk is gone");
	*octets = str_sub(t->rest, 0, t->piece);
	t->rest = str_sub(t->rest, octets->n, t->rest.n);
	return true;
}

static struct smtp_client *dial(struct server *s, const struct step *steps, struct smtp_client_conf conf,
				struct arena *a, struct smtp_said *said, struct err *e)
{
	bool tls_failed;
	conf.helo = STR("us.example");
	conf.host = STR("mx.example");
	return smtp_client_open(server_start(s, steps), &conf, a, said, &tls_failed, e);
}

#define HELLO                                                                                                          \
	{ NULL, "220 mx.example ESMTP\r\n" },                                                                          \
	{                                                                                                              \
		"EHLO us.example",                                                                                     \
		    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING\r\n" \
	}
#define QUIT                          \
	{                             \
		"QUIT", "221 bye\r\n" \
	}

static void test_pipelined(void **state)
{
	(void)state;
	static const struct step steps[] = {
		HELLO,
		{ "MAIL FROM:<a@here.example> SIZE=20 RET=HDRS ENVID=x1", NULL },
		{ "RCPT TO:<b@there.example> NOTIFY=FAILURE ORCPT=rfc822;b@there.example", NULL },
		{ "RCPT TO:<c@there.example>", NULL },
		{ "RCPT TO:<d@there.example>",
		  "250 2.1.0 ok\r\n250 2.1.5 ok\r\n550-5.1.1 no such\r\n550 5.1.1 user\r\n" },
		{ "", "452 4.2.2 full\r\n" },
		{ "DATA", "354 go\r\n" },
		{ END_OF_DATA, "250 2.0.0 taken as 1\r\n" },
		QUIT,
		{ NULL, NULL },
	};
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	struct smtp_client *c = dial(&s, steps, (struct smtp_client_conf){ 0 }, &a, &said, &e);
	assert_non_null(c);
	assert_int_equal(smtp_client_offers(c)->size, 1000);
	struct smtp_rcpt rcpts[] = {
		{ .address = STR("b@there.example"), .notify = STR("FAILURE"), .orcpt = STR("rfc822;b@there.example") },
		{ .address = STR("c@there.example") },
		{ .address = STR("d@there.example") }
	};
	struct text t = { STR(".dot\r\nbare\nlf\rcr\r\n..\r\nend"), 3, false };
	struct smtp_letter l = { .sender = STR("a@here.example"),
				 .envid = STR("x1"),
				 .ret = STR("HDRS"),
				 .size = 20,
				 .read = read_text,
				 .ctx = &t,
				 .rcpts = rcpts,
				 .n = 3 };
	assert_true(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(rcpts[0].outcome, SMTP_DONE);
	assert_strz(rcpts[0].said.text, "taken as 1");
	assert_string_equal(rcpts[0].said.status, "2.0.0");
	assert_int_equal(rcpts[1].outcome, SMTP_NEVER);
	assert_true(rcpts[1].refused);
	assert_strz(rcpts[1].said.text, "no such user");
	assert_int_equal(rcpts[2].outcome, SMTP_LATER);
	smtp_client_close(c);
	pthread_join(s.thread, NULL);
	assert_string_equal(s.wrong, "");
	assert_strz(buf_str(&s.data), "..dot\r\nbare\r\nlf\r\ncr\r\n...\r\nend\r\n");
	buf_free(&s.data);
	arena_reset(&a);
}

/* The offered extensions decide; without PIPELINING one waits for each reply. */
static void test_plain_old(void **state)
{
	(void)state;
	static const struct step steps[] = {
		{ NULL, "220-mx\r\n220 hello\r\n" },
		{ "EHLO us.example", "502 what?\r\n" },
		{ "HELO us.example", "250 mx\r\n" },
		{ "MAIL FROM:<>", "250 ok\r\n" },
		{ "RCPT TO:<b@there.example>", "551 gone\r\n" },
		{ "RSET", "250 ok\r\n" },
		{ "MAIL FROM:<>", "250 ok\r\n" },
		{ "RCPT TO:<b@there.example>", "250 ok\r\n" },
		{ "DATA", "554 no\r\n" },
		{ "MAIL FROM:<>", "421 4.3.2 closing\r\n" },
		{ NULL, NULL },
	};
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	struct smtp_client *c = dial(&s, steps, (struct smtp_client_conf){ 0 }, &a, &said, &e);
	assert_non_null(c);
	struct smtp_rcpt r = { .address = STR("b@there.example"), .notify = STR("NEVER") };
	struct text t = { STR("x\r\n"), 10, false };
	struct smtp_letter l = {
		.sender = STR_NONE, .ret = STR("FULL"), .size = 3, .read = read_text, .ctx = &t, .rcpts = &r, .n = 1
	};
	assert_true(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(r.outcome, SMTP_NEVER);
	assert_true(r.refused);
	assert_true(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(r.outcome, SMTP_NEVER);
	assert_false(r.refused);
	assert_false(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(r.outcome, SMTP_LATER);
	assert_int_equal(r.said.code, 421);
	assert_false(smtp_client_alive(c));
	smtp_client_close(c);
	server_end(&s);
	arena_reset(&a);
}

/* Lost before the dot: surely not taken.  Lost after it: unsure. */
static void test_lost(void **state)
{
	(void)state;
	static const struct step before[] = { HELLO,
					      { "MAIL FROM:<a@b>", NULL },
					      { "RCPT TO:<c@d>", "250 ok\r\n250 ok\r\n" },
					      { "DATA", NULL },
					      { NULL, NULL } };
	static const struct step after[] = { HELLO,
					     { "MAIL FROM:<a@b>", NULL },
					     { "RCPT TO:<c@d>", "250 ok\r\n250 ok\r\n" },
					     { "DATA", "354 go\r\n" },
					     { END_OF_DATA, NULL },
					     { NULL, NULL } };
	for (int i = 0; i < 2; i++) {
		struct arena a = { 0 };
		struct err e = { 0 };
		struct server s;
		struct smtp_said said;
		struct smtp_client *c = dial(&s, i ? after : before, (struct smtp_client_conf){ 0 }, &a, &said, &e);
		struct smtp_rcpt r = { .address = STR("c@d") };
		struct text t = { STR("x\r\n"), 10, false };
		struct smtp_letter l = { .sender = STR("a@b"), .read = read_text, .ctx = &t, .rcpts = &r, .n = 1 };
		assert_false(smtp_client_send(c, &l, &a, &e));
		assert_int_equal(r.outcome, SMTP_LATER);
		assert_int_equal(r.unsure, i);
		assert_int_equal(e.kind, ERR_PEER);
		smtp_client_close(c);
		server_end(&s);
		arena_reset(&a);
	}
}

/* A message that cannot be read to its end is never ended with a dot. */
static void test_unreadable(void **state)
{
	(void)state;
	static const struct step steps[] = { HELLO,
					     { "MAIL FROM:<a@b>", NULL },
					     { "RCPT TO:<c@d>", "250 ok\r\n250 ok\r\n" },
					     { "DATA", "354 go\r\n" },
					     { END_OF_DATA, NULL },
					     { NULL, NULL } };
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	struct smtp_client *c = dial(&s, steps, (struct smtp_client_conf){ 0 }, &a, &said, &e);
	struct smtp_rcpt r = { .address = STR("c@d") };
	struct text t = { STR("x\r\n"), 10, true };
	struct smtp_letter l = { .sender = STR("a@b"), .read = read_text, .ctx = &t, .rcpts = &r, .n = 1 };
	assert_false(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(r.outcome, SMTP_LATER);
	assert_false(r.unsure);
	assert_string_equal(e.text, "the disk is gone");
	smtp_client_close(c);
	server_end(&s);
	arena_reset(&a);
}

static void test_lmtp(void **state)
{
	(void)state;
	static const struct step steps[] = { { NULL, "220 hi\r\n" },
					     { "LHLO us.example", "250-mx\r\n250 PIPELINING\r\n" },
					     { "MAIL FROM:<a@b>", NULL },
					     { "RCPT TO:<c@d>", NULL },
					     { "RCPT TO:<e@f>", NULL },
					     { "RCPT TO:<g@h>", "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n" },
					     { "DATA", "354 go\r\n" },
					     { END_OF_DATA, "250 2.1.5 c\r\n452 4.2.2 g is full\r\n" },
					     QUIT,
					     { NULL, NULL } };
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	struct smtp_client *c = dial(&s, steps, (struct smtp_client_conf){ .lmtp = true }, &a, &said, &e);
	struct smtp_rcpt r[] = { { .address = STR("c@d") }, { .address = STR("e@f") }, { .address = STR("g@h") } };
	struct text t = { STR("x\r\n"), 10, false };
	struct smtp_letter l = { .sender = STR("a@b"), .read = read_text, .ctx = &t, .rcpts = r, .n = 3 };
	assert_true(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(r[0].outcome, SMTP_DONE);
	assert_int_equal(r[1].outcome, SMTP_NEVER);
	assert_int_equal(r[2].outcome, SMTP_LATER);
	assert_strz(r[2].said.text, "g is full");
	smtp_client_close(c);
	server_end(&s);
	arena_reset(&a);
}

static void test_chunking(void **state)
{
	(void)state;
	static const struct step steps[] = { HELLO,
					     { "MAIL FROM:<a@b>", NULL },
					     { "RCPT TO:<c@d>", "250 ok\r\n250 ok\r\n" },
					     { "BDAT 14 LAST", "250 taken\r\n" },
					     QUIT,
					     { NULL, NULL } };
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	struct smtp_client *c = dial(&s, steps, (struct smtp_client_conf){ .chunking = true }, &a, &said, &e);
	struct smtp_rcpt r = { .address = STR("c@d") };
	struct text t = { STR(".\r\n.two\nend"), 4, false };
	struct smtp_letter l = { .sender = STR("a@b"), .read = read_text, .ctx = &t, .rcpts = &r, .n = 1 };
	assert_true(smtp_client_send(c, &l, &a, &e));
	assert_int_equal(r.outcome, SMTP_DONE);
	smtp_client_close(c);
	pthread_join(s.thread, NULL);
	assert_string_equal(s.wrong, "");
	assert_strz(buf_str(&s.data), ".\r\n.two\r\nend\r\n");
	buf_free(&s.data);
	arena_reset(&a);
}

static void test_not_offered(void **state)
{
	(void)state;
	static const struct step steps[] = { HELLO, QUIT, { NULL, NULL } };
	static const struct {
		struct smtp_letter l;
		const char *status;
	} rows[] = {
		{ { .smtputf8 = true }, "5.6.7" },
		{ { .size = 1001 }, "5.3.4" },
	};
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	struct smtp_client *c = dial(&s, steps, (struct smtp_client_conf){ 0 }, &a, &said, &e);
	for (size_t i = 0; i < 2; i++) {
		struct smtp_rcpt r = { .address = STR("c@d") };
		struct smtp_letter l = rows[i].l;
		l.rcpts = &r;
		l.n = 1;
		assert_true(smtp_client_send(c, &l, &a, &e));
		assert_int_equal(r.outcome, SMTP_NEVER);
		assert_string_equal(r.said.status, rows[i].status);
	}
	smtp_client_close(c);
	server_end(&s);
	arena_reset(&a);
}

/* What a stranger may say instead of a greeting. */
static void test_bad_greetings(void **state)
{
	(void)state;
	static const struct {
		const char *greeting;
		enum err_kind kind;
	} rows[] = {
		{ "554 5.7.1 go away\r\n", ERR_PERM },
		{ "421 4.3.2 later\r\n", ERR_TEMP },
		{ "HTTP/1.1 400 Bad\r\n", ERR_PEER },
		{ "220-a\r\n250 b\r\n", ERR_PEER },
		{ "", ERR_PEER },
		{ "22\r\n", ERR_PEER },
		{ "999 x\r\n", ERR_PEER },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct step steps[] = { { NULL, rows[i].greeting }, { NULL, NULL } };
		struct arena a = { 0 };
		struct err e = { 0 };
		struct server s;
		struct smtp_said said;
		assert_null(dial(&s, steps, (struct smtp_client_conf){ 0 }, &a, &said, &e));
		assert_int_equal(e.kind, rows[i].kind);
		server_end(&s);
		arena_reset(&a);
	}
}

static void test_tls_asked_for(void **state)
{
	(void)state;
	static const struct step none[] = { HELLO, QUIT, { NULL, NULL } };
	struct arena a = { 0 };
	struct err e = { 0 };
	struct server s;
	struct smtp_said said;
	assert_null(dial(&s, none, (struct smtp_client_conf){ .tls = SMTP_TLS_REQUIRED }, &a, &said, &e));
	assert_int_equal(e.kind, ERR_TEMP);
	server_end(&s);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipelined),     cmocka_unit_test(test_plain_old),
		cmocka_unit_test(test_lost),          cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_lmtp),          cmocka_unit_test(test_chunking),
		cmocka_unit_test(test_not_offered),   cmocka_unit_test(test_bad_greetings),
		cmocka_unit_test(test_tls_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
