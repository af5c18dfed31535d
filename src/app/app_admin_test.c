#include "app/admin.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct world {
	char dir[64], mail[80], auth[80];
	struct admin admin;
	struct auth_conf conf;
	struct loaded loaded;
	struct domain_rule domain;
};

static void open_world(struct world *w)
{
	struct err e = { 0 };
	struct store_conf conf = { .dir = w->mail, .create = true, .role = "test", .shared_fd = -1 };
	w->admin.store = store_open(&conf, &e);
	w->admin.verifiers = verifiers_open(w->auth, true, &e);
	if (!w->admin.store || !w->admin.verifiers)
		fail_msg("%s", e.text);
	w->conf = (struct auth_conf){ .db = w->admin.verifiers, .host = STR("mail.a.test"), .scram_iterations = 4096 };
	w->admin.auth = &w->conf;
}

static void close_world(struct world *w)
{
	verifiers_close(w->admin.verifiers);
	store_close(w->admin.store);
}

static int setup(void **state)
{
	static struct world w;
	w = (struct world){ .dir = "/tmp/sluice-admin-XXXXXX" };
	if (!mkdtemp(w.dir))
		return -1;
	snprintf(w.mail, sizeof w.mail, "%s/mail", w.dir);
	snprintf(w.auth, sizeof w.auth, "%s/auth", w.dir);
	mkdir(w.mail, 0700);
	mkdir(w.auth, 0700);
	w.domain = (struct domain_rule){ .name = STR("a.test"), .detail = STR("+") };
	w.loaded.settings.rules = (struct address_rules){ .host = STR("mail.a.test"),
							  .domains = &w.domain,
							  .ndomains = 1 };
	w.admin.loaded = &w.loaded;
	open_world(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[100];
	close_world(w);
	snprintf(command, sizeof command, "rm -r %s", w->dir);
	return system(command);
}

/* Run a verb; the reply as text. */
static char *talk(struct world *w, const char *verb, const char *args)
{
	const struct admin_row *row = admin_find(str_of(verb));
	json_t *a = json_loads(args, 0, NULL);
	assert_non_null(row);
	assert_non_null(a);
	json_t *reply = admin_run(row, &w->admin, a);
	char *text = json_dumps(reply, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(reply);
	json_decref(a);
	return text;
}

static void expect(struct world *w, const char *verb, const char *args, const char *part)
{
	char *got = talk(w, verb, args);
	if (!strstr(got, part))
		fail_msg("%s %s\ngot  %s\nwant %s", verb, args, got, part);
	free(got);
}

static void test_accounts(void **state)
{
	struct world *w = *state;
	expect(w, "account.add", "{\"name\":\"bob\"}", "\"ok\":true");
	expect(w, "account.add", "{\"name\":\"bob\"}", "\"code\":65");
	expect(w, "account.add", "{\"name\":\"B b\"}", "\"code\":65");
	expect(w, "account.add", "{}", "argument \\\"name\\\" is missing");
	expect(w, "account.add", "{\"name\":7}", "argument \\\"name\\\" is missing");
	expect(w, "account.get", "{\"name\":\"bob\"}", "\"disabled\":false");
	expect(w, "account.disable", "{\"name\":\"bob\",\"disabled\":true}", "\"ok\":true");
	expect(w, "account.list", "{}", "\"disabled\":true");
	expect(w, "mailbox.list", "{\"account\":\"bob\"}", "\"INBOX\"");
	expect(w, "mailbox.list", "{\"account\":\"eve\"}", "no such account");
	expect(w, "account.rm", "{\"name\":\"bob\"}", "\"ok\":true");
	expect(w, "account.list", "{}", "\"list\":[]");
}

static void test_mailboxes(void **state)
{
	static const struct {
		const char *verb, *args, *want;
	} rows[] = {
		{ "account.add", "{\"name\":\"bob\"}", "\"ok\":true" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"a/b\"}", "\"ok\":true" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"a/b\"}", "bob has a mailbox a/b already" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"inbox\"}", "bob has a mailbox inbox already" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"a*\"}", "may not have * or %" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"a//b\"}", "empty level" },
		{ "mailbox.create", "{\"account\":\"bob\"}", "argument \\\"name\\\" is missing" },
		{ "mailbox.create", "{\"account\":\"eve\",\"name\":\"a\"}", "no such account" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"x\",\"use\":\"junk\"}", "special use" },
		{ "mailbox.create", "{\"account\":\"bob\",\"name\":\"x\",\"use\":\"all\"}", "is no use" },
		{ "mailbox.use", "{\"account\":\"bob\",\"name\":\"Junk\",\"use\":\"none\"}", "\"ok\":true" },
		{ "mailbox.use", "{\"account\":\"bob\",\"name\":\"a/b\",\"use\":\"junk\"}", "\"ok\":true" },
		{ "mailbox.use", "{\"account\":\"bob\",\"name\":\"nope\",\"use\":\"sent\"}", "has no mailbox nope" },
		{ "mailbox.list", "{\"account\":\"bob\"}", "\"name\":\"a/b\",\"octets\":0,\"subscribed\":false" },
		{ "mailbox.subscribe", "{\"account\":\"bob\",\"name\":\"a/b\",\"on\":true}", "\"ok\":true" },
		{ "mailbox.list", "{\"account\":\"bob\"}", "\"subscribed\":true,\"unseen\":0,\"use\":\"junk\"" },
		{ "mailbox.subscribe", "{\"account\":\"bob\",\"name\":\"a/b\",\"on\":false}", "\"ok\":true" },
		{ "mailbox.subscribe", "{\"account\":\"bob\",\"name\":\"50%\",\"on\":true}", "may not have" },
		{ "mailbox.rename", "{\"account\":\"bob\",\"name\":\"a\",\"to\":\"a/c\"}", "into itself" },
		{ "mailbox.rename", "{\"account\":\"bob\",\"name\":\"a\",\"to\":\"Sent\"}", "Sent already" },
		{ "mailbox.rename", "{\"account\":\"bob\",\"name\":\"nope\",\"to\":\"x\"}", "has no mailbox nope" },
		{ "mailbox.rename", "{\"account\":\"bob\",\"name\":\"a\",\"to\":\"z\"}", "\"ok\":true" },
		{ "mailbox.list", "{\"account\":\"bob\"}", "\"name\":\"z/b\"" },
		{ "mailbox.rm", "{\"account\":\"bob\",\"name\":\"z/b\"}", "\"ok\":true" },
		{ "mailbox.rm", "{\"account\":\"bob\",\"name\":\"z/b\"}", "has no mailbox z/b" },
		{ "mailbox.rm", "{\"account\":\"bob\",\"name\":\"INBOX\"}", "INBOX cannot be deleted" },
	};
	struct world *w = *state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		expect(w, rows[i].verb, rows[i].args, rows[i].want);
}

static void test_quota_and_junk(void **state)
{
	static const struct {
		const char *verb, *args, *want;
	} rows[] = {
		{ "account.add", "{\"name\":\"bob\"}", "\"ok\":true" },
		{ "account.quota", "{\"account\":\"bob\"}",
		  "\"messages\":0,\"messages_max\":0,\"octets\":0,\"octets_max\":0" },
		{ "account.quota", "{\"account\":\"bob\",\"octets_max\":1000}",
		  "\"messages_max\":0,\"octets\":0,\"octets_max\":1000" },
		{ "account.quota", "{\"account\":\"bob\",\"messages_max\":5}",
		  "\"messages_max\":5,\"octets\":0,\"octets_max\":1000" },
		{ "account.quota", "{\"account\":\"bob\",\"messages_max\":0,\"octets_max\":0}",
		  "\"messages_max\":0,\"octets\":0,\"octets_max\":0" },
		{ "account.quota", "{\"account\":\"eve\"}", "no such account" },
		{ "account.junk", "{\"account\":\"bob\"}", "\"junk\":\"^(junk|spam)\"" },
		{ "account.junk", "{\"account\":\"bob\",\"on\":true,\"notjunk\":\"^inbox$\"}",
		  "\"notjunk\":\"^inbox$\",\"ok\":true,\"on\":true" },
		{ "account.junk", "{\"account\":\"bob\",\"junk\":\"(\"}", "\"ok\":false" },
		{ "account.junk", "{\"account\":\"bob\",\"on\":false}",
		  "\"notjunk\":\"^inbox$\",\"ok\":true,\"on\":false" },
	};
	struct world *w = *state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		expect(w, rows[i].verb, rows[i].args, rows[i].want);
}

static void test_addresses(void **state)
{
	struct world *w = *state;
	expect(w, "account.add", "{\"name\":\"bob\"}", "\"ok\":true");
	expect(w, "account.add", "{\"name\":\"eve\"}", "\"ok\":true");
	expect(w, "address.add", "{\"address\":\"Bob@A.test\",\"account\":\"bob\"}", "\"ok\":true");
	expect(w, "address.list", "{}", "{\"account\":\"bob\",\"address\":\"bob@a.test\",\"mailbox\":\"INBOX\"}");
	expect(w, "account.list", "{}", "\"addresses\":[\"bob@a.test\"]");
	expect(w, "address.add", "{\"address\":\"bob@a.test\",\"account\":\"eve\"}", "\"code\":65");
	expect(w, "address.add", "{\"address\":\"bob@b.test\",\"account\":\"bob\"}", "\"code\":65");
	expect(w, "address.add", "{\"address\":\"bob\",\"account\":\"bob\"}", "is no address");
	expect(w, "address.add", "{\"address\":\"bob@[192.0.2.1]\",\"account\":\"bob\"}", "is no address");
	expect(w, "alias.add", "{\"address\":\"all@a.test\",\"accounts\":[\"bob\",\"eve\"]}", "\"ok\":true");
	expect(w, "alias.add", "{\"address\":\"all@a.test\",\"accounts\":[]}", "an alias needs 1 to");
	expect(w, "alias.add", "{\"address\":\"all@a.test\",\"accounts\":[3]}", "\"ok\":false");
	expect(w, "alias.list", "{}", "\"address\":\"all@a.test\"");
	expect(w, "alias.rm", "{\"address\":\"all@a.test\",\"account\":\"eve\"}", "\"ok\":true");
	expect(w, "alias.list", "{}", "\"accounts\":[\"bob\"]");
	expect(w, "alias.rm", "{\"address\":\"all@a.test\"}", "\"ok\":true");
	expect(w, "alias.list", "{}", "\"list\":[]");
	expect(w, "address.rm", "{\"address\":\"bob@a.test\"}", "\"address\":\"bob@a.test\"");
	expect(w, "address.rm", "{\"address\":\"bob@a.test\"}", "\"code\":65");
}

static void test_passwords(void **state)
{
	struct world *w = *state;
	expect(w, "auth.passwd", "{\"account\":\"bob\",\"id\":1,\"password\":\"correct horse\"}", "\"ok\":true");
	expect(w, "auth.passwd", "{\"account\":\"bob\",\"id\":1,\"password\":\"\"}", "\"code\":65");
	expect(w, "auth.passwd", "{\"account\":\"bob\",\"password\":\"x\"}", "argument \\\"id\\\" is missing");
	expect(w, "auth.login.add", "{\"account\":\"bob\",\"id\":1,\"login\":\"bob@a.test\"}", "\"ok\":true");
	expect(w, "auth.login.list", "{\"account\":\"bob\"}", "[\"bob\",\"bob@a.test\"]");
	expect(w, "auth.disable", "{\"account\":\"bob\",\"disabled\":true}", "\"ok\":true");
	expect(w, "auth.login.rm", "{\"account\":\"bob\",\"login\":\"bob@a.test\"}", "\"ok\":true");
	expect(w, "auth.import", "{\"account\":\"eve\",\"id\":2,\"hash\":\"plain\"}", "\"code\":65");
	expect(w, "auth.rm", "{\"account\":\"bob\"}", "\"ok\":true");
	expect(w, "auth.login.list", "{\"account\":\"bob\"}", "\"list\":[]");
}

static void test_queue_and_check(void **state)
{
	struct world *w = *state;
	expect(w, "queue.list", "{}", "\"list\":[],\"more\":false");
	expect(w, "queue.rm", "{\"id\":4711}", "\"code\":65");
	expect(w, "store.check", "{}", "\"problems\":0");
}

static void test_backup_and_restore(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char args[120], dir[80], to[80];
	snprintf(dir, sizeof dir, "%s/backup", w->dir);
	snprintf(to, sizeof to, "%s/new", w->dir);
	snprintf(args, sizeof args, "{\"dir\":\"%s\"}", dir);
	expect(w, "account.add", "{\"name\":\"bob\"}", "\"ok\":true");
	expect(w, "auth.passwd", "{\"account\":\"bob\",\"id\":1,\"password\":\"correct horse\"}", "\"ok\":true");
	expect(w, "auth.login.add", "{\"account\":\"bob\",\"id\":1,\"login\":\"bob@a.test\"}", "\"ok\":true");
	expect(w, "store.backup", "{\"dir\":\"relative\"}", "absolute");
	expect(w, "store.backup", args, "\"ok\":true");
	expect(w, "store.backup", args, "is not empty");
	assert_false(admin_restore(dir, w->dir, NULL, NULL, &e)); /* a store is there */
	assert_false(admin_restore(w->mail, to, NULL, NULL, &e)); /* that is no backup */
	assert_int_equal(mkdir(to, 0700), 0);
	if (!admin_restore(dir, to, NULL, NULL, &e))
		fail_msg("%s", e.text);
	close_world(w);
	snprintf(w->mail, sizeof w->mail, "%s/mail", to);
	snprintf(w->auth, sizeof w->auth, "%s/auth", to);
	open_world(w);
	expect(w, "account.get", "{\"name\":\"bob\"}", "\"ok\":true");
	expect(w, "auth.login.list", "{\"account\":\"bob\"}", "[\"bob\",\"bob@a.test\"]");
}

static void test_replies(void **state)
{
	static const struct {
		enum err_kind kind;
		int code;
	} rows[] = { { ERR_TEMP, EX_TEMPFAIL },
		     { ERR_FULL, EX_TEMPFAIL },
		     { ERR_PERM, EX_DATAERR },
		     { ERR_PEER, EX_UNAVAILABLE } };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e;
		err_set(&e, rows[i].kind, "why");
		assert_int_equal(admin_code(&e), rows[i].code);
	}
	json_t *j = admin_text((struct str){ "a\xff"
					     "b",
					     3 });
	assert_string_equal(json_string_value(j), "a?b");
	json_decref(j);
	assert_null(admin_find(STR("role.status")));
	assert_null(admin_find(STR("")));
}

int main(void)
{
	hash_init();
	log_level_set(STR_NONE, LOG_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mailboxes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quota_and_junk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_passwords, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_and_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backup_and_restore, setup, teardown),
		cmocka_unit_test(test_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
