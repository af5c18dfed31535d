#include "base/test.h"
#include "client/imap.h"

#include <stdio.h>

/* The server's half of each conversation is written down beforehand; what we said is compared afterwards. */

#define GREETING "* OK [CAPABILITY IMAP4rev1 LITERAL- UIDPLUS SPECIAL-USE LIST-EXTENDED NAMESPACE] hello\r\n"

static struct buf output;

static struct imap_client *open_over(const char *server)
{
	struct err e = { 0 };
	buf_free(&output);
	struct imap_client *c = imap_over(io_strings(str_of(server), &output), &e);
	if (!c)
		fail_msg("%s", e.text);
	return c;
}

static void said(const char *want)
{
	assert_strz(buf_str(&output), want);
}

static void test_greetings(void **state)
{
	static const struct {
		const char *server, *error; /* NULL: let in */
	} rows[] = {
		{ "* OK [CAPABILITY IMAP4rev1] hi\r\n", NULL },
		{ "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", NULL },
		{ "* OK hi\r\n* CAPABILITY IMAP4rev1 IDLE\r\ns1 OK done\r\n", NULL },
		{ "* BYE too many\r\n", "the server wants no conversation: too many" },
		{ "220 mail ESMTP\r\n", "the server's answer does not follow IMAP: expected the answer to our command "
					"at \"220 mail ESMTP\"" },
		{ "+ go\r\n", "the server's answer does not follow IMAP: expected a greeting at \"go\"" },
		{ "* FLAGS ()\r\n", "the server's answer does not follow IMAP: expected a greeting at \" ()\"" },
		{ "", "the other side closed the connection" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		buf_free(&output);
		struct imap_client *c = imap_over(io_strings(str_of(rows[i].server), &output), &e);
		if (!c)
			assert_strz(str_of(e.text), rows[i].error ? rows[i].error : "let in");
		else
			assert_null(rows[i].error);
		imap_close(c);
	}
}

static void test_login(void **state)
{
	struct err e = { 0 };
	(void)state;
	struct imap_client *c = open_over("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\ns1 OK in\r\n"
					  "* CAPABILITY IMAP4rev1 MOVE\r\ns2 OK done\r\n* BYE\r\ns3 OK bye\r\n");
	assert_true(imap_login(c, STR("tim"), STR("tanstaaftanstaaf"), NULL, &e));
	assert_strz(str_of(imap_mechanism(c)), "PLAIN");
	assert_true(imap_can(c, "move"));
	assert_false(imap_can(c, "AUTH=PLAIN"));
	imap_close(c);
	said("s1 AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\ns2 CAPABILITY\r\ns3 LOGOUT\r\n"); /* RFC 4616 4 */
}

static void test_login_cram(void **state)
{
	struct err e = { 0 };
	(void)state;
	/* RFC 2195 2 */
	struct imap_client *c = open_over("* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-MD5 AUTH=PLAIN] hi\r\n"
					  "+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\ns1 OK in\r\n"
					  "* CAPABILITY IMAP4rev1\r\ns2 OK done\r\n");
	assert_true(imap_login(c, STR("tim"), STR("tanstaaftanstaaf"), NULL, &e));
	imap_close(c);
	said("s1 AUTHENTICATE CRAM-MD5\r\ndGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\ns2 CAPABILITY\r\ns3 "
	     "LOGOUT\r\n");
}

static void test_login_refused(void **state)
{
	static const struct {
		const char *server;
		enum err_kind kind;
		const char *error;
	} rows[] = {
		{ "* OK [CAPABILITY IMAP4rev1] hi\r\ns1 NO [AUTHENTICATIONFAILED] wrong\r\n", ERR_PERM,
		  "login: the server says NO: [AUTHENTICATIONFAILED] wrong" },
		{ "* OK [CAPABILITY IMAP4rev1] hi\r\ns1 NO [UNAVAILABLE] later\r\n", ERR_TEMP,
		  "login: the server says NO: [UNAVAILABLE] later" },
		{ "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n", ERR_PERM,
		  "the server takes no password here (LOGINDISABLED); over TLS it may" },
		/* A server that lets us in without having proved that it knows the password is not to be trusted. */
		{ "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hi\r\ns1 OK in\r\n", ERR_PEER,
		  "the server's answer does not follow IMAP: expected a proof that the server knows the password at "
		  "\"\"" },
		{ "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hi\r\n+ !!!\r\ns1 BAD cancelled\r\n",
		  ERR_PERM, "SCRAM-SHA-256: Base 64 coding error in SASL library" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		struct imap_client *c = open_over(rows[i].server);
		assert_false(imap_login(c, STR("me"), STR("pass\"word"), NULL, &e));
		assert_strz(str_of(e.text), rows[i].error);
		assert_int_equal(e.kind, rows[i].kind);
		imap_close(c);
	}
}

static void test_list(void **state)
{
	struct err e = { 0 };
	struct arena a = { 0 };
	struct imap_box *boxes;
	size_t n;
	(void)state;
	struct imap_client *c = open_over(
	    GREETING "* NAMESPACE ((\"INBOX.\" \".\" \"X-PARAM\" (\"a\"))) ((\"user.\" \".\")) NIL\r\ns1 OK done\r\n"
		     "* LIST (\\HasChildren) \".\" INBOX\r\n"
		     "* LIST (\\HasNoChildren \\Sent) \".\" \"INBOX.Gesendet\"\r\n"
		     "* LIST () \".\" {16}\r\nINBOX.M&APw-ll/x\r\n"
		     "* LIST (\\Noselect) \".\" \"user\"\r\n"
		     "* LIST () \".\" \"user.b\\\"ob\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
		     "s2 OK done\r\n");
	assert_true(imap_list(c, &a, &boxes, &n, &e));
	assert_int_equal(n, 5);
	assert_strz(boxes[0].name, "INBOX");
	assert_strz(boxes[1].name, "Gesendet");
	assert_int_equal(boxes[1].use, USE_SENT);
	assert_strz(boxes[2].wire, "INBOX.M&APw-ll/x");
	assert_strz(boxes[2].name, "M\xc3\xbcll_x");
	assert_false(boxes[3].selectable);
	assert_true(boxes[3].foreign);
	assert_strz(boxes[4].wire, "user.b\"ob");
	assert_true(boxes[4].foreign);
	assert_strz(imap_wire(c, STR("A/\xc3\xbc"), &a), "INBOX.A.&APw-");
	assert_strz(imap_wire(c, STR("INBOX"), &a), "INBOX");
	imap_close(c);
	arena_reset(&a);
}

struct gather {
	struct sink sink;
	struct buf b;
	size_t max;
};

static bool gather_add(struct sink *s, struct str bytes)
{
	struct gather *g = (struct gather *)s;
	buf_add(&g->b, bytes);
	return g->b.n <= g->max;
}

static void test_fetch(void **state)
{
	struct err e = { 0 };
	struct gather g = { .sink = { gather_add }, .max = 100 };
	struct imap_message m;
	struct imap_selected s;
	(void)state;
	struct imap_client *c = open_over(
	    GREETING
	    "* FLAGS (\\Seen $Forwarded)\r\n* 4 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 40] n\r\n"
	    "s1 OK [READ-ONLY] done\r\n"
	    "* 1 FETCH (UID 10 FLAGS (\\Seen \\Recent $Forwarded x) INTERNALDATE \"01-Feb-2024 10:00:00 +0100\""
	    " BODY[] {5}\r\nab)\r\n RFC822.SIZE 5 X-GM-LABELS (a \"b c\" {1}\r\n) (())))\r\n"
	    "* 9 EXISTS\r\n"
	    "* 2 FETCH (FLAGS ())\r\n"
	    "* 3 FETCH (BODY[] ~{9}\r\n123456789 UID 12)\r\n"
	    "* 4 FETCH (BODY[] NIL UID 13 BODYSTRUCTURE (\"a\" NIL) BODY[HEADER.FIELDS (A B)] \"x\")\r\n"
	    "s2 OK done\r\n");
	assert_true(imap_select(c, STR("A \"b\""), true, &s, &e));
	assert_int_equal(s.exists, 4);
	assert_int_equal(s.uidvalidity, 7);
	assert_int_equal(s.uidnext, 40);
	assert_true(s.read_only);
	assert_true(imap_fetch(c, true, STR("10:13"), "(UID FLAGS INTERNALDATE BODY.PEEK[])", &e));
	assert_int_equal(imap_fetch_next(c, &g.sink, 8, &m, &e), IMAP_FETCH_MESSAGE);
	assert_int_equal(m.uid, 10);
	assert_int_equal(m.flags, MSG_SEEN);
	assert_strz(m.keywords, "$Forwarded x");
	assert_int_equal(m.internal_wall_ms, 1706778000000);
	assert_int_equal(m.size, 5);
	assert_true(m.has_body && !m.body_skipped);
	assert_strz(buf_str(&g.b), "ab)\r\n");
	assert_int_equal(imap_fetch_next(c, &g.sink, 8, &m, &e), IMAP_FETCH_MESSAGE);
	assert_false(m.has_body);
	buf_clear(&g.b);
	assert_int_equal(imap_fetch_next(c, &g.sink, 8, &m, &e), IMAP_FETCH_MESSAGE);
	assert_true(m.body_skipped); /* nine octets */
	assert_int_equal(m.body_octets, 9);
	assert_int_equal(g.b.n, 0);
	assert_int_equal(imap_fetch_next(c, &g.sink, 8, &m, &e), IMAP_FETCH_MESSAGE);
	assert_int_equal(m.uid, 13);
	assert_int_equal(imap_fetch_next(c, &g.sink, 8, &m, &e), IMAP_FETCH_END);
	imap_close(c);
	buf_free(&g.b);
	said("s1 EXAMINE \"A \\\"b\\\"\"\r\ns2 UID FETCH 10:13 (UID FLAGS INTERNALDATE BODY.PEEK[])\r\ns3 LOGOUT\r\n");
}

/* Whatever breaks the grammar ends the conversation, with words. */
static void test_broken(void **state)
{
	static const struct {
		const char *server, *error;
	} rows[] = {
		{ "* 1 FETCH (UID x)\r\n", "expected a number at \"x)\"" },
		{ "* 1 FETCH (BODY[] {5000000000000000000000}\r\n",
		  "expected the size of a literal at the end of the line" },
		{ "* 1 FETCH (BODY[] {5} x)\r\n", "expected the size of a literal at the end of the line" },
		{ "* 1 FETCH (BODY[] {50}\r\nabc", "the other side closed the connection" },
		{ "* 1 FETCH (FLAGS (a\r\n", "expected a word at \"\"" },
		{ "* 1 FETCH (X {70000}\r\n", "the other side closed the connection" },
		{ "* 1 FETCH (X ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((\r\n",
		  "expected less nesting" },
		{ "s9 OK not ours\r\n", "expected the answer to our command" },
		{ "+ more\r\n", "expected no wish for more" },
		{ "* BYE shutting down\r\n", "the server ended the conversation: shutting down" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		struct imap_message m;
		char server[500];
		enum imap_fetched got;
		snprintf(server, sizeof server, "%s%s", GREETING, rows[i].server);
		struct imap_client *c = open_over(server);
		assert_true(imap_fetch(c, false, STR("1"), "ALL", &e));
		while ((got = imap_fetch_next(c, NULL, 100, &m, &e)) == IMAP_FETCH_MESSAGE)
			;
		assert_int_equal(got, IMAP_FETCH_ERROR);
		if (!strstr(e.text, rows[i].error))
			fail_msg("%s: got \"%s\"", rows[i].server, e.text);
		assert_int_equal(e.kind, ERR_PEER);
		imap_close(c);
	}
}

static void test_append(void **state)
{
	struct err e = { 0 };
	struct imap_appended at;
	struct str parts[] = { STR("Subject: x\r\n"), STR("\r\nbody\r\n") };
	(void)state;
	struct imap_client *c = open_over(GREETING "* 3 EXISTS\r\ns1 OK [APPENDUID 7 41] done\r\n"
						   "s2 NO [TRYCREATE] no\r\ns3 NO [OVERQUOTA] full\r\n");
	assert_true(
	    imap_append(c, STR("Drafts"), MSG_SEEN | MSG_DRAFT, STR("$Forwarded"), 1706778000000, parts, 2, &at, &e));
	assert_int_equal(at.uidvalidity, 7);
	assert_int_equal(at.uid, 41);
	assert_false(imap_append(c, STR("No"), 0, STR_NONE, 0, parts, 1, &at, &e));
	assert_int_equal(e.kind, ERR_PERM);
	assert_false(imap_append(c, STR("No"), 0, STR_NONE, 0, parts, 1, &at, &e));
	assert_int_equal(e.kind, ERR_QUOTA);
	assert_false(imap_append(c, STR("a\nb"), 0, STR_NONE, 0, parts, 1, &at, &e));
	imap_close(c);
	said("s1 APPEND \"Drafts\" (\\Seen \\Draft $Forwarded) \" 1-Feb-2024 09:00:00 +0000\" {20+}\r\nSubject: "
	     "x\r\n\r\nbody\r\n"
	     "\r\ns2 APPEND \"No\" () {12+}\r\nSubject: x\r\n\r\ns3 APPEND \"No\" () {12+}\r\nSubject: x\r\n\r\ns4 "
	     "LOGOUT\r\n");
}

/* A server without LITERAL+ is asked before the message goes, and may say no. */
static void test_append_waits(void **state)
{
	struct err e = { 0 };
	struct imap_appended at;
	struct str part = STR("x\r\n");
	(void)state;
	struct imap_client *c = open_over(
	    "* OK [CAPABILITY IMAP4rev1] hi\r\n* 1 EXISTS\r\n+ go\r\ns1 OK done\r\ns2 NO never\r\n");
	assert_true(imap_append(c, STR("A"), 0, STR_NONE, 0, &part, 1, &at, &e));
	assert_int_equal(at.uid, 0);
	assert_false(imap_append(c, STR("A"), 0, STR_NONE, 0, &part, 1, &at, &e));
	imap_close(c);
	said("s1 APPEND \"A\" () {3}\r\nx\r\n\r\ns2 APPEND \"A\" () {3}\r\ns3 LOGOUT\r\n");
}

static void test_search_store(void **state)
{
	struct err e = { 0 };
	struct arena a = { 0 };
	uint32_t *uids;
	size_t n;
	(void)state;
	struct imap_client *c = open_over(GREETING
					  "* SEARCH 5 3 9 (MODSEQ 12)\r\ns1 OK done\r\n* SEARCH\r\ns2 OK done\r\n"
					  "* 2 FETCH (FLAGS (\\Seen))\r\ns3 OK done\r\ns4 BAD what\r\n");
	assert_true(imap_search(c, "UNSEEN", &a, &uids, &n, &e));
	assert_int_equal(n, 3);
	assert_int_equal(uids[0], 3);
	assert_int_equal(uids[2], 9);
	assert_true(imap_search(c, "ALL", &a, &uids, &n, &e));
	assert_int_equal(n, 0);
	assert_true(imap_store(c, STR("3,5"), '+', MSG_SEEN, STR("$Junk"), &e));
	assert_false(imap_create(c, STR("x"), &e));
	assert_strz(str_of(e.text), "CREATE: the server says BAD: what");
	imap_close(c);
	arena_reset(&a);
	said("s1 UID SEARCH UNSEEN\r\ns2 UID SEARCH ALL\r\ns3 UID STORE 3,5 +FLAGS.SILENT (\\Seen $Junk)\r\n"
	     "s4 CREATE \"x\"\r\ns5 LOGOUT\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greetings),    cmocka_unit_test(test_login),
		cmocka_unit_test(test_login_cram),   cmocka_unit_test(test_login_refused),
		cmocka_unit_test(test_list),         cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_broken),       cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_waits), cmocka_unit_test(test_search_store),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&output);
	return failed;
}
