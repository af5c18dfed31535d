/* LOGIN and AUTHENTICATE against the real auth role on a unix socket. */
#include "auth/admin.h"
#include "imap/talk_test.h"
#include "net/listen.h"
#include <gsasl.h>
#include <pthread.h>

struct role {
	struct auth_conf conf;
	struct door door;
	struct pen *pen;
	pthread_t loop;
	char path[128];
};

static void *pen_main(void *pen)
{
	pen_run(pen);
	return NULL;
}

static void role_begin(struct role *r, struct world *w)
{
	struct err e = { 0 };
	struct pen_conf pc = { .workers = 4 };
	world_open(w);
	snprintf(r->path, sizeof r->path, "%s/auth.sock", w->dir);
	r->conf = (struct auth_conf){ .db = verifiers_open(w->dir, true, &e),
				      .host = STR("mail.example"),
				      .argon2_ops = 1,
				      .argon2_memory = 8192 };
	if (!r->conf.db || !auth_admin_passwd(r->conf.db, &r->conf, STR("you"), w->account, STR("testtest"), &e) ||
	    !auth_door(&r->conf, &r->door, &e))
		fail_msg("%s", e.text);
	r->pen = pen_new(&pc, &e);
	int fd = listen_unix(r->path, 0600, 16, &e);
	if (fd < 0 || !pen_listen(r->pen, fd, &r->door, &e))
		fail_msg("%s", e.text);
	pthread_create(&r->loop, NULL, pen_main, r->pen);
	w->conf.auth = auth_client_new(r->path);
	w->conf.preauth = STR_NONE;
	w->conf.auth_in_clear = true;
}

static void role_end(struct role *r, struct world *w)
{
	auth_client_free(w->conf.auth);
	pen_drain(r->pen, 2000);
	pthread_join(r->loop, NULL);
	pen_free(r->pen);
	auth_door_free(&r->door);
	verifiers_close(r->conf.db);
	world_close(w);
}

#define CAN "IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID ENABLE IDLE NAMESPACE ~"
#define IN  "a OK [CAPABILITY " CAN "] Logged in\r\n"
#define OUT "a NO [AUTHENTICATIONFAILED] Name or password is wrong\r\n"

static void begin(struct world *w, struct talk *t)
{
	talk_begin(t, &w->conf);
	buf_clear(&t->out);
}

static void test_login(struct world *w)
{
	struct talk t;
	talk_begin(&t, &w->conf);
	HEAR(&t, "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID ENABLE IDLE AUTH=~] mail.example Sluice "
		 "ready\r\n");
	SAY(&t, "a LOGIN you testtest\r\n", IN);
	SAY(&t, "a LOGIN you testtest\r\n", "a BAD Already logged in\r\n");
	talk_end(&t);
	begin(w, &t);
	SAY(&t, "a LOGIN \"you\" {8+}\r\ntesttest\r\n", IN);
	talk_end(&t);
}

/* The third failure is answered late, the tenth with BYE; success forgets them. */
static void test_failures(struct world *w)
{
	struct talk t;
	begin(w, &t);
	for (int i = 1; i <= 10; i++) {
		talk_feed(&t, i % 2 ? STR("a LOGIN you wrong\r\n") : STR("a LOGIN nobody testtest\r\n"));
		HEAR(&t, i < 10 ? OUT : "* BYE Too many failed logins\r\n" OUT);
		assert_int_equal(t.next.delay_ms, i < 3 ? 0 : i < 10 ? (i - 2) * 1000 : 10000);
	}
	assert_int_equal(t.next.want, WANT_CLOSE);
	talk_end(&t);
	begin(w, &t);
	for (int i = 0; i < 3; i++)
		SAY(&t, "a LOGIN you wrong\r\n", OUT);
	SAY(&t, "a LOGIN you testtest\r\n", IN);
	assert_int_equal(t.next.delay_ms, 0);
	talk_end(&t);
}

static void test_plain(struct world *w)
{
	struct talk t;
	begin(w, &t);
	SAY(&t, "a AUTHENTICATE PLAIN\r\n", "+ \r\n");
	SAY(&t, "AHlvdQB0ZXN0dGVzdA==\r\n", IN);
	talk_end(&t);
	begin(w, &t);
	SAY(&t, "a AUTHENTICATE plain AHlvdQB0ZXN0dGVzdA==\r\n", IN);
	talk_end(&t);
	begin(w, &t);
	SAY(&t, "a AUTHENTICATE PLAIN AHlvdQB3cm9uZw==\r\n", OUT);
	SAY(&t, "a AUTHENTICATE PLAIN =\r\n", OUT);
	SAY(&t, "a AUTHENTICATE PLAIN %%%\r\n", "a BAD The initial response is not base64\r\n");
	SAY(&t, "a AUTHENTICATE PLAIN\r\n", "+ \r\n");
	SAY(&t, "*\r\n", "a BAD Authentication cancelled\r\n");
	SAY(&t, "a AUTHENTICATE PLAIN\r\n", "+ \r\n");
	SAY(&t, "no base64\r\n", "a BAD The response is not base64\r\n");
	SAY(&t, "a AUTHENTICATE GSSAPI\r\n", "a NO No such mechanism here; CAPABILITY has the list\r\n");
	SAY(&t, "a NOOP\r\n", "a OK NOOP completed\r\n");
	talk_end(&t);
}

/* What the server says after "+ ", in base64 still. */
static char *challenge(struct talk *t)
{
	buf_addc(&t->out, '\0');
	if (strncmp(t->out.p, "+ ", 2) != 0)
		fail_msg("no challenge: %s", t->out.p);
	char *text = strndup(t->out.p + 2, strcspn(t->out.p + 2, "\r"));
	buf_clear(&t->out);
	return text;
}

static void scram(struct world *w, const char *mechanism, const char *password, bool right)
{
	struct talk t;
	Gsasl *lib;
	Gsasl_session *x;
	char *text = NULL, line[1024];
	assert_int_equal(gsasl_init(&lib), GSASL_OK);
	assert_int_equal(gsasl_client_start(lib, mechanism, &x), GSASL_OK);
	gsasl_property_set(x, GSASL_AUTHID, "you");
	gsasl_property_set(x, GSASL_PASSWORD, password);
	begin(w, &t);
	assert_int_equal(gsasl_step64(x, "", &text), GSASL_NEEDS_MORE);
	snprintf(line, sizeof line, "a AUTHENTICATE %s %s\r\n", mechanism, text);
	for (;;) {
		gsasl_free(text);
		talk_feed(&t, str_of(line));
		if (t.out.n == 0 || t.out.p[0] != '+')
			break;
		char *said = challenge(&t);
		int got = gsasl_step64(x, said, &text);
		free(said);
		assert_true(got == GSASL_OK || got == GSASL_NEEDS_MORE); /* the server proved itself, too */
		snprintf(line, sizeof line, "%s\r\n", text ? text : "");
	}
	HEAR(&t, right ? IN : OUT);
	gsasl_finish(x);
	gsasl_done(lib);
	talk_end(&t);
}

static void test_all(void **state)
{
	struct role r;
	struct world w;
	(void)state;
	role_begin(&r, &w);
	test_login(&w);
	test_failures(&w);
	test_plain(&w);
	scram(&w, "SCRAM-SHA-256", "testtest", true);
	scram(&w, "SCRAM-SHA-1", "testtest", true);
	scram(&w, "SCRAM-SHA-256", "wrong", false);
	role_end(&r, &w);
}

static void test_no_role(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	world_open(&w);
	w.conf.preauth = STR_NONE;
	w.conf.auth_in_clear = true;
	w.conf.auth = auth_client_new("/nonexistent/auth.sock");
	begin(&w, &t);
	SAY(&t, "a LOGIN you testtest\r\n",
	    "a NO [UNAVAILABLE] Cannot check passwords now, please try again later\r\n");
	talk_end(&t);
	auth_client_free(w.conf.auth);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all), cmocka_unit_test(test_no_role) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
