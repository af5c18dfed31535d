/* The doors in a pen over real sockets: STARTTLS, logins by the real auth role, many at once, peers that leave. */
#include "auth/admin.h"
#include "base/test.h"
#include "net/listen.h"
#include "smtp/test_world.h"
#include <gsasl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>

/* A pen of its own thread with one door. */
struct role {
	struct pen *pen;
	pthread_t thread;
	struct door door;
};
struct site {
	struct world w;
	struct role smtp, auth;
	struct tls_server *tls;
	struct tls_client *client_tls;
	struct verifiers *db;
	struct auth_conf auth_conf;
	char auth_path[96];
	struct addrport at;
};

static void *run(void *pen)
{
	pen_run(pen);
	return NULL;
}

static void role_start(struct role *r, int fd)
{
	struct err e = { 0 };
	r->pen = pen_new(&(struct pen_conf){ .workers = 8, .connections = 64 }, &e);
	if (!r->pen || fd < 0 || !pen_listen(r->pen, fd, &r->door, &e))
		fail_msg("%s", e.text);
	assert_int_equal(pthread_create(&r->thread, NULL, run, r->pen), 0);
}

static void role_stop(struct role *r)
{
	pen_drain(r->pen, 5000);
	pthread_join(r->thread, NULL);
	pen_free(r->pen);
}

static void auth_start(struct site *s)
{
	struct err e = { 0 };
	s->db = verifiers_open(s->w.dir, true, &e);
	if (!s->db)
		fail_msg("%s", e.text);
	s->auth_conf = (struct auth_conf){ .db = s->db,
					   .host = s->w.conf.host,
					   .cram_md5 = true,
					   .argon2_ops = 1,
					   .argon2_memory = crypto_pwhash_MEMLIMIT_MIN };
	if (!auth_door(&s->auth_conf, &s->auth.door, &e) ||
	    !auth_admin_passwd(s->db, &s->auth_conf, STR("mjl"), s->w.mjl, STR("testtest"), &e) ||
	    !auth_admin_login_add(s->db, STR("mjl"), s->w.mjl, STR("mjl@mox.example"), &e))
		fail_msg("%s", e.text);
	snprintf(s->auth_path, sizeof s->auth_path, "%s/auth.sock", s->w.dir);
	role_start(&s->auth, listen_unix(s->auth_path, 0600, 64, &e));
	s->w.conf.auth = auth_client_new(s->auth_path);
}

static void tls_start(struct site *s)
{
	struct err e = { 0 };
	struct tls_pem pem;
	struct str name = STR("mx.mox.example");
	if (!tls_self_signed(&s->w.a, name, &name, 1, 1, &pem.cert, &pem.key, &e))
		fail_msg("%s", e.text);
	s->tls = s->w.conf.tls = tls_server_new(&pem, 1, &e);
	s->client_tls = tls_client_new(NULL, false, &e);
	assert_true(s->tls && s->client_tls);
}

static int site_open(void **state)
{
	struct site *s = calloc(1, sizeof *s);
	struct err e = { 0 };
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	world_open(&s->w, "/tmp");
	tls_start(s);
	auth_start(s);
	s->w.conf.kind = SMTP_SUBMISSION;
	s->w.conf.cram_md5 = true;
	smtp_limits_default(&s->w.conf.limits, SMTP_SUBMISSION);
	s->smtp.door = smtp_door(&s->w.conf, NULL);
	assert_true(addr_parse(STR("127.0.0.1"), &s->at.addr));
	int fd = listen_tcp(s->at, 64, &e);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	assert_true(addr_from_sockaddr(&ss, &s->at));
	role_start(&s->smtp, fd);
	*state = s;
	return 0;
}

static int site_close(void **state)
{
	struct site *s = *state;
	role_stop(&s->smtp);
	auth_client_free(s->w.conf.auth);
	role_stop(&s->auth);
	auth_door_free(&s->auth.door);
	verifiers_close(s->db);
	tls_server_free(s->tls);
	tls_client_free(s->client_tls);
	world_close(&s->w);
	free(s);
	return 0;
}

/* --- a client ---------------------------------------------------------------------- */

static struct io *dial(struct site *s)
{
	struct io *io;
	struct err e = { 0 };
	if (!io_connect(&io, s->at, 10000, &e))
		fail_msg("%s", e.text);
	io_deadline(io, 20000);
	return io;
}

/* The last line of the next reply. */
static struct str reply(struct io *io)
{
	struct str line;
	do {
		if (io_line(io, &line, 4096) != IO_LINE)
			fail_msg("no reply: %s", io_error(io)->text);
	} while (line.n > 3 && line.p[3] == '-');
	return line;
}

#define expect(io, want)    assert_strz(reply(io), (want))
#define say(io, line, want) (io_add((io), STR(line "\r\n")), expect((io), (want)))

/* Up to EHLO under TLS. */
static struct io *dial_tls(struct site *s)
{
	struct io *io = dial(s);
	struct err e = { 0 };
	expect(io, "220 mx.mox.example ESMTP Sluice");
	say(io, "EHLO c.example", "250 HELP");
	say(io, "STARTTLS", "220 2.0.0 Go ahead");
	if (!io_tls_connect(io, s->client_tls, STR("mx.mox.example"), &e))
		fail_msg("%s", e.text);
	say(io, "EHLO c.example", "250 HELP");
	return io;
}

/* --- STARTTLS ------------------------------------------------------------------------ */

/* What somebody in between put behind STARTTLS is not said by the client, and what came before counts no more. */
static void test_starttls(void **state)
{
	struct site *s = *state;
	struct io *io = dial(s);
	struct err e = { 0 };
	expect(io, "220 mx.mox.example ESMTP Sluice");
	say(io, "EHLO c.example", "250 HELP");
	say(io, "MAIL FROM:<mjl@mox.example>", "530 5.7.0 Must issue STARTTLS first");
	say(io, "STARTTLS x", "501 5.5.4 STARTTLS takes no parameters");
	io_add(io, STR("STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<injected@x.example>\r\n"));
	expect(io, "220 2.0.0 Go ahead");
	if (!io_tls_connect(io, s->client_tls, STR("mx.mox.example"), &e))
		fail_msg("%s", e.text);
	say(io, "NOOP", "250 2.0.0 Done"); /* the next reply is to this */
	say(io, "MAIL FROM:<mjl@mox.example>", "503 5.5.1 Bad sequence of commands");
	io_add(io, STR("EHLO c.example\r\n"));
	struct str line = STR_NONE;
	bool starttls = false, plus = false;
	do {
		assert_int_equal(io_line(io, &line, 4096), IO_LINE);
		starttls |= str_find(line, STR("STARTTLS")) < line.n;
		plus |= str_starts(line, STR("250-AUTH SCRAM-SHA-256-PLUS "));
	} while (line.p[3] == '-');
	assert_true(plus && !starttls);
	say(io, "STARTTLS", "503 5.5.1 Bad sequence of commands");
	io_free(io);
}

/* Not a handshake behind STARTTLS: the connection ends, and that is all. */
static void test_no_handshake(void **state)
{
	struct site *s = *state;
	struct io *io = dial(s);
	struct str line;
	expect(io, "220 mx.mox.example ESMTP Sluice");
	say(io, "EHLO c.example", "250 HELP");
	say(io, "STARTTLS", "220 2.0.0 Go ahead");
	io_add(io, STR("EHLO c.example\r\n"));
	io_flush(io);
	while (io_line(io, &line, 4096) == IO_LINE)
		assert_false(str_starts(line, STR("250")));
	io_free(io);
}

/* --- logins ---------------------------------------------------------------------------- */

static int sasl_ask(Gsasl *ctx, Gsasl_session *x, Gsasl_property want)
{
	(void)ctx;
	struct io *io = gsasl_session_hook_get(x);
	uint8_t exporter[32];
	struct buf b = { 0 };
	if (want != GSASL_CB_TLS_EXPORTER || !strstr(gsasl_mechanism_name(x), "-PLUS") ||
	    !io_tls_exporter(io, exporter))
		return GSASL_NO_CALLBACK;
	buf_base64(&b, (struct str){ (char *)exporter, sizeof exporter });
	buf_addc(&b, '\0');
	gsasl_property_set(x, GSASL_CB_TLS_EXPORTER, b.p);
	buf_free(&b);
	return GSASL_OK;
}

/* A login as a client does it; the last reply. */
static struct str login(struct io *io, const char *mechanism, const char *password, struct arena *a)
{
	Gsasl *ctx;
	Gsasl_session *x;
	char *word = NULL;
	assert_int_equal(gsasl_init(&ctx), GSASL_OK);
	gsasl_callback_set(ctx, sasl_ask);
	assert_int_equal(gsasl_client_start(ctx, mechanism, &x), GSASL_OK);
	gsasl_session_hook_set(x, io);
	gsasl_property_set(x, GSASL_AUTHID, "mjl@mox.example");
	gsasl_property_set(x, GSASL_PASSWORD, password);
	io_printf(io, "AUTH %s\r\n", mechanism);
	struct str line = reply(io);
	while (str_skip(&line, STR("334 "))) {
		int rc = gsasl_step64(x, str_z(a, line), &word);
		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
			fail_msg("%s: %s", mechanism, gsasl_strerror(rc));
		io_printf(io, "%s\r\n", word);
		gsasl_free(word);
		line = reply(io);
	}
	line = str_dup(a, line);
	gsasl_finish(x);
	gsasl_done(ctx);
	return line;
}

static void test_login(void **state)
{
	static const char *const mechanisms[] = {
		"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"
	};
	struct site *s = *state;
	for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
		struct io *io = dial_tls(s);
		say(io, "MAIL FROM:<mjl@mox.example>", "530 5.7.0 Log in first");
		assert_strz(login(io, mechanisms[i], "test", &s->w.a), "535 5.7.8 Name or password is wrong");
		assert_strz(login(io, mechanisms[i], "testtesttest", &s->w.a), "535 5.7.8 Name or password is wrong");
		io_free(io);
		io = dial_tls(s);
		assert_strz(login(io, mechanisms[i], "testtest", &s->w.a), "235 2.7.0 Logged in");
		say(io, "MAIL FROM:<mjl@mox.example>", "250 2.1.0 Sender accepted");
		io_free(io);
	}
}

static void test_submission(void **state)
{
	struct site *s = *state;
	struct io *io = dial_tls(s);
	assert_strz(login(io, "SCRAM-SHA-256-PLUS", "testtest", &s->w.a), "235 2.7.0 Logged in");
	say(io, "MAIL FROM:<mjl@mox.example>", "250 2.1.0 Sender accepted");
	say(io, "RCPT TO:<anybody@caught.example>", "250 2.1.5 Recipient accepted");
	say(io, "DATA", "354 Go ahead, and end with CRLF.CRLF");
	io_add(io, STR("From: <mjl@mox.example>\r\n\r\nhello\r\n.\r\n"));
	assert_true(str_starts(reply(io), STR("250 2.0.0 Accepted as ")));
	say(io, "QUIT", "221 2.0.0 Goodbye");
	io_free(io);
	struct str m = world_last(&s->w, s->w.catcher);
	assert_true(
	    str_find(
		m,
		STR("Received: from c.example ([127.0.0.1])\r\n\tby mx.mox.example (Sluice) with ESMTPSA (TLSv1.3 ")) <
	    m.n);
}

/* --- peers and accounts that leave --------------------------------------------------------- */

static void test_removed(void **state)
{
	struct site *s = *state;
	struct err e;
	s->w.conf.kind = SMTP_LMTP;
	struct io *io = dial(s);
	world_account(&s->w, "brief");
	world_address(&s->w, "brief", "mox.example", "brief");
	expect(io, "220 mx.mox.example LMTP Sluice");
	say(io, "LHLO c.example", "250 HELP");
	say(io, "MAIL FROM:<>", "250 2.1.0 Sender accepted");
	say(io, "RCPT TO:<brief@mox.example>", "250 2.1.5 Recipient accepted");
	say(io, "RCPT TO:<mjl@mox.example>", "250 2.1.5 Recipient accepted");
	say(io, "DATA", "354 Go ahead, and end with CRLF.CRLF");
	assert_true(account_remove(s->w.store, STR("brief"), &e));
	io_add(io, STR("Subject: s\r\n\r\n.\r\n"));
	expect(io, "550 5.1.1 No such user here");
	assert_true(str_starts(reply(io), STR("250 2.0.0 Accepted as ")));
	assert_int_equal(world_count(&s->w, s->w.mjl), 1);
	io_free(io);
}

/* A message whose answer is held back is committed at its end; who leaves before has sent nothing. */
static void test_hold(void **state)
{
	struct site *s = *state;
	s->w.conf.kind = SMTP_MX;
	s->w.conf.sandbox = true;
	struct io *io = dial(s);
	expect(io, "220 mx.mox.example ESMTP Sluice");
	say(io, "EHLO c.example", "250 HELP");
	say(io, "MAIL FROM:<>", "250 2.1.0 Sender accepted");
	say(io, "RCPT TO:<timeout@caught.example>", "250 2.1.5 Recipient accepted");
	say(io, "DATA", "354 Go ahead, and end with CRLF.CRLF");
	io_add(io, STR("Subject: s\r\n\r\n.\r\n"));
	io_flush(io);
	io_free(io);
	/* The pen sees that nobody waits; a second session proves that it goes on. */
	io = dial(s);
	expect(io, "220 mx.mox.example ESMTP Sluice");
	say(io, "NOOP", "250 2.0.0 Done");
	io_free(io);
	assert_int_equal(world_count(&s->w, s->w.catcher), 0);
}

/* --- many at once -------------------------------------------------------------------------- */

#define SENDERS 8
#define MAILS   10

static void *sender(void *arg)
{
	struct site *s = arg;
	struct io *io = dial(s);
	expect(io, "220 mx.mox.example ESMTP Sluice");
	say(io, "EHLO c.example", "250 HELP");
	for (int i = 0; i < MAILS; i++) {
		io_add(io, STR("MAIL FROM:<r@x.example>\r\nRCPT TO:<mjl@mox.example>\r\nRCPT "
			       "TO:<x@caught.example>\r\nDATA\r\n"));
		for (int k = 0; k < 3; k++)
			assert_true(str_starts(reply(io), STR("250 ")));
		expect(io, "354 Go ahead, and end with CRLF.CRLF");
		io_add(io, STR("Subject: one of many\r\n\r\nhello\r\n.\r\n"));
		assert_true(str_starts(reply(io), STR("250 2.0.0 Accepted as ")));
	}
	io_free(io);
	return NULL;
}

static void test_many(void **state)
{
	struct site *s = *state;
	pthread_t threads[SENDERS];
	s->w.conf.kind = SMTP_MX;
	for (int i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sender, s), 0);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(world_count(&s->w, s->w.mjl), SENDERS * MAILS);
	assert_int_equal(world_count(&s->w, s->w.catcher), SENDERS * MAILS);
}

#define with_site(f) cmocka_unit_test_setup_teardown(f, site_open, site_close)

int main(void)
{
	const struct CMUnitTest all[] = {
		with_site(test_starttls),   with_site(test_no_handshake), with_site(test_login),
		with_site(test_submission), with_site(test_removed),      with_site(test_hold),
		with_site(test_many),
	};
	hash_init();
	charset_warm();
	log_level_set(STR_NONE, LOG_ERROR);
	return cmocka_run_group_tests(all, NULL, NULL);
}
