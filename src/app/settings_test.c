#include "app/conf.h"
#include "app/keys.h"
#include "base/file.h"
#include "base/test.h"
#include "net/tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	struct arena arena;
	struct conf_errors errors;
	struct settings s;
	char dir[64];
};

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){ .dir = "/tmp/sluice-settings-XXXXXX" };
	*state = &f;
	return mkdtemp(f.dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	arena_reset(&f->arena);
	buf_free(&f->errors.text);
	char command[100];
	snprintf(command, sizeof command, "rm -r %s", f->dir);
	return system(command);
}

static bool load(struct fixture *f, const char *text)
{
	struct conf_text one = { STR("t"), str_of(text) };
	struct conf *c = conf_parse(&one, 1, &f->arena, &f->errors);
	return c && settings_from(c, &f->arena, &f->s, &f->errors);
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;
	assert_true(load(f, "host Mail.Example.org\n"));
	const struct settings *s = &f->s;
	assert_strz(s->host, "Mail.Example.org");
	assert_strz(s->rules.host, "mail.example.org");
	assert_strz(s->admin, "postmaster@Mail.Example.org");
	assert_strz(s->user, "sluice");
	assert_strz(s->store_dir, "/var/lib/sluice");
	assert_strz(s->run_dir, "/run/sluice");
	assert_int_equal(s->log.to, LOG_STDERR);
	assert_int_equal(s->log.level, LOG_INFO);
	assert_int_equal(s->nlistens + s->rules.ndomains, 0);
	assert_int_equal(s->pen.workers, PEN_WORKERS);
	assert_int_equal(s->pen.connections, PEN_CONNECTIONS);
	assert_int_equal(s->pen.network_share, 25);
	assert_int_equal(s->pen.linger_ms, 5);
	assert_int_equal(s->pen.address_open, 30);
	assert_int_equal(s->store.reserve, 128 << 20);
	assert_int_equal(s->store.wal_max, 1 << 30);
	assert_int_equal(s->times.min_rate, 128);
	assert_int_equal(s->times.stop_ms, 30000);
	assert_int_equal(s->auth_workers, 2);
	assert_true(s->hide_client && !s->repair_bare && !s->cram_md5 && !s->sandbox);
}

/* The table's defaults are the doors' own. */
static void test_limits_agree(void **state)
{
	struct fixture *f = *state;
	struct settings own = { 0 };
	size_t n = 0;
	smtp_limits_default(&own.mx, SMTP_MX);
	smtp_limits_default(&own.submission, SMTP_SUBMISSION);
	smtp_limits_default(&own.local, SMTP_LOCAL);
	imap_limits_default(&own.imap);
	assert_true(load(f, "host mail.example.org\n"));
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *k = &conf_key_table[i];
		if (k->field.at < offsetof(struct settings, mx) ||
		    k->field.at >= offsetof(struct settings, imap) + sizeof own.imap)
			continue;
		print_message("%s\n", k->path);
		assert_memory_equal((char *)&f->s + k->field.at, (char *)&own + k->field.at, k->field.size);
		n++;
	}
	assert_true(n > 3 * 15);
}

static void test_values(void **state)
{
	struct fixture *f = *state;
	assert_true(load(f, "host m.example; admin joe@example.org; user nobody; postmaster joe; sandbox yes; run /r\n"
			    "store /data { reserve 2GiB; readers 3 }\n"
			    "log { to file /l; format json; level warn; level smtp debug; level tls error }\n"
			    "mx { message 4GiB; recipients 7; body-line 998; idle 1m }\n"
			    "submission { hide-client no }\nlocal { repair-bare yes; unit 10s }\n"
			    "imap { idle 31m; nesting 5; append 5MiB }\ntimes { min-rate 0; stop 0s }\n"
			    "pen { network-share 100%; network-open off; linger 0ms }\nauth { cram-md5 yes; "
			    "scram-iterations 10000 }\n"));
	const struct settings *s = &f->s;
	assert_strz(s->admin, "joe@example.org");
	assert_strz(s->user, "nobody");
	assert_strz(s->rules.postmaster, "joe");
	assert_strz(s->run_dir, "/r");
	assert_strz(s->store_dir, "/data");
	assert_true(s->store.reserve == (uint64_t)2 << 30 && s->store.readers == 3);
	assert_true(s->log.to == LOG_FILE && s->log.json && s->log.level == LOG_WARN);
	assert_string_equal(s->log.file, "/l");
	assert_string_equal(s->log_where, "t:3:15");
	assert_int_equal(s->nlog_modules, 2);
	assert_strz(s->log_modules[0].module, "smtp");
	assert_int_equal(s->log_modules[0].level, LOG_DEBUG);
	assert_true(s->mx.message == (uint64_t)4 << 30 && s->mx.recipients == 7 && s->mx.body_line == 998 &&
		    s->mx.idle_ms == 60000);
	assert_true(s->submission.recipients == 1000 && !s->hide_client);
	assert_true(s->repair_bare && s->local.unit_ms == 10000);
	assert_true(s->imap.idle_ms == 31 * 60000 && s->imap.nesting == 5 && s->imap.append == 5 << 20);
	assert_true(s->times.min_rate == 0 && s->times.stop_ms == 0);
	assert_true(s->pen.network_share == 100 && s->pen.network_open == 0 && s->pen.linger_ms == 0);
	assert_true(s->cram_md5 && s->scram_iterations == 10000 && s->sandbox);
}

static void test_listeners(void **state)
{
	struct fixture *f = *state;
	char text[ADDR_TEXT];
	assert_true(load(
	    f, "host m.example\n"
	       "listen out { address 192.0.2.1, 2001:db8::1; address 192.0.2.2\n smtp; smtp 2525; imaps\n"
	       "tls cert /c secret /k; tls secret cred:key cert /d }\n"
	       "listen in {\n local unix:/l mode 600 group mail; lmtp unix:/m; lmtp 24; address ::1; submission 587\n"
	       " auth-in-clear yes }\n"));
	assert_int_equal(f->s.nlistens, 2);
	const struct listen_conf *c = &f->s.listens[0];
	assert_strz(c->name, "out");
	assert_string_equal(c->where, "t:2:1");
	assert_int_equal(c->naddresses, 3);
	assert_string_equal(addr_text(c->addresses[2], text), "192.0.2.2");
	assert_int_equal(c->nservices, 3);
	assert_true(c->services[0].service == SERVICE_SMTP && c->services[0].port == 25);
	assert_true(c->services[1].service == SERVICE_SMTP && c->services[1].port == 2525);
	assert_true(c->services[2].service == SERVICE_IMAPS && c->services[2].port == 993);
	assert_int_equal(c->ntls, 2);
	assert_strz(c->tls[1].cert, "/d");
	assert_strz(c->tls[1].key.path, "cred:key");
	assert_string_equal(c->tls[0].key.where, "t:4:13");
	assert_false(c->auth_in_clear);
	c++;
	assert_true(c->auth_in_clear && c->nservices == 4);
	assert_true(c->services[0].service == SERVICE_LOCAL && c->services[0].port == 0 && c->services[0].mode == 0600);
	assert_strz(c->services[0].path, "/l");
	assert_strz(c->services[0].group, "mail");
	assert_true(c->services[1].service == SERVICE_LMTP && c->services[1].mode == 0660 &&
		    c->services[1].group.n == 0);
	assert_true(c->services[2].port == 24 && c->services[2].path.n == 0);
	assert_string_equal(c->services[2].where, "t:6:51");
}

static void test_domains(void **state)
{
	struct fixture *f = *state;
	assert_true(load(f, "host m.example\ndomain Example.ORG { detail +-; catchall alice; postmaster bob }\n"
			    "domain b\xc3\xbc"
			    "cher.example { case-sensitive yes }\n"));
	const struct domain_rule *d = f->s.rules.domains;
	assert_int_equal(f->s.rules.ndomains, 2);
	assert_strz(d[0].name, "example.org");
	assert_strz(d[0].detail, "+-");
	assert_strz(d[0].catchall, "alice");
	assert_strz(d[0].postmaster, "bob");
	assert_false(d[0].case_sensitive);
	assert_strz(d[1].name, "xn--bcher-kva.example");
	assert_true(d[1].case_sensitive && d[1].detail.n == 0);
}

static void test_pack(void **state)
{
	struct fixture *f = *state;
	const struct conf_text texts[] = { { STR("/etc/a"), STR("host x\n") }, { STR("b"), STR_NONE } };
	struct conf_text *back;
	size_t n;
	struct buf b = { 0 };
	conf_pack(&b, texts, 2);
	assert_true(conf_unpack(buf_str(&b), &f->arena, &back, &n));
	assert_int_equal(n, 2);
	assert_str(back[0].name, texts[0].name);
	assert_str(back[0].text, texts[0].text);
	assert_str(back[1].name, texts[1].name);
	for (size_t i = 0; i < b.n; i++)
		assert_false(conf_unpack(str_sub(buf_str(&b), 0, i), &f->arena, &back, &n));
	buf_addc(&b, 0);
	assert_false(conf_unpack(buf_str(&b), &f->arena, &back, &n));
	buf_free(&b);
}

/* --- files ------------------------------------------------------------------------ */

static const char *put(struct fixture *f, const char *name, struct str text, mode_t mode)
{
	const char *path = str_z(&f->arena, str_fmt(&f->arena, "%s/%s", f->dir, name));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && file_write(fd, text) && fchmod(fd, mode) == 0);
	close(fd);
	return path;
}

/* Includes: order, folder of the file that says so, the same tree from the packed texts. */
static void test_include(void **state)
{
	struct fixture *f = *state;
	char folder[100];
	snprintf(folder, sizeof folder, "%s/d", f->dir);
	assert_int_equal(mkdir(folder, 0700), 0);
	const char *path = put(f, "main.conf",
			       STR("host m.example\ninclude d/*.conf; include none/*.conf\ndomain z.example\n"), 0600);
	put(f, "d/20.conf", STR("domain b.example\n"), 0600);
	put(f, "d/10.conf", STR("domain a.example\ninclude more\n"), 0600);
	put(f, "d/.hidden.conf", STR("nonsense"), 0600);
	put(f, "d/more", STR("domain m.example\n"), 0600);
	struct conf_text *texts;
	size_t n;
	struct buf blob = { 0 };
	assert_true(conf_read(path, &f->arena, &texts, &n, &f->errors));
	assert_int_equal(n, 4);
	conf_pack(&blob, texts, n);
	assert_true(conf_unpack(buf_str(&blob), &f->arena, &texts, &n));
	struct conf *c = conf_parse(texts, n, &f->arena, &f->errors);
	assert_strz(buf_str(&f->errors.text), "");
	assert_true(settings_from(c, &f->arena, &f->s, &f->errors));
	static const char *const names[] = { "a.example", "m.example", "b.example", "z.example" };
	assert_int_equal(f->s.rules.ndomains, 4);
	for (size_t i = 0; i < 4; i++)
		assert_strz(f->s.rules.domains[i].name, names[i]);
	buf_free(&blob);
}

static void test_include_trouble(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, "main.conf", STR("hots m.example\ninclude gone\ninclude *.conf\ninclude\n"), 0600);
	put(f, "x.conf", STR("include x.conf\nhost m.example\n"), 0600);
	struct conf_text *texts;
	size_t n;
	assert_false(conf_read(path, &f->arena, &texts, &n, &f->errors));
	struct str want = str_fmt(
	    &f->arena,
	    "%s/main.conf:2:9: open %s/gone: No such file or directory\n"
	    "%s/main.conf:3:9: %s/main.conf is part of the configuration already\n"
	    "%s/x.conf:1:9: %s/x.conf is part of the configuration already\n"
	    "%s/main.conf:4:1: expected include and one file name or pattern, such as include conf.d/*.conf\n"
	    "%s/main.conf:1:1: unknown key \"hots\", did you mean \"host\"?\n",
	    f->dir, f->dir, f->dir, f->dir, f->dir, f->dir, f->dir, f->dir);
	assert_str(buf_str(&f->errors.text), want);
	buf_clear(&f->errors.text);
	assert_false(conf_read("/nonexistent/sluice.conf", &f->arena, &texts, &n, &f->errors));
	assert_strz(buf_str(&f->errors.text), "open /nonexistent/sluice.conf: No such file or directory\n");
}

/* A file that includes itself by other names ends at the depth. */
static void test_include_depth(void **state)
{
	struct fixture *f = *state;
	char name[8], text[32];
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof name, "%d", i);
		snprintf(text, sizeof text, "include %d\n", i + 1);
		put(f, name, str_of(text), 0600);
	}
	struct conf_text *texts;
	size_t n;
	const char *path = str_z(&f->arena, str_fmt(&f->arena, "%s/0", f->dir));
	assert_true(conf_read(path, &f->arena, &texts, &n, &f->errors));
	assert_int_equal(n, CONF_INCLUDE_DEPTH + 1);
	assert_null(conf_parse(texts, n, &f->arena, &f->errors));
	assert_true(str_find(buf_str(&f->errors.text), STR("/8:1:1: files include files more than 8 deep\n")) <
		    f->errors.text.n);
}

/* One listener with this certificate and secret: what check_files says, without the folder's name. */
static void expect_files(struct fixture *f, const char *cert, const char *secret, const char *want)
{
	struct str text = str_fmt(
	    &f->arena, "host m.example\nlisten l { address ::1; imaps; tls cert %s/%s secret %s%s%s }\n", f->dir, cert,
	    strchr(secret, ':') ? "" : f->dir, strchr(secret, ':') ? "" : "/", secret);
	f->errors.n = 0;
	buf_clear(&f->errors.text);
	assert_true(load(f, str_z(&f->arena, text)));
	assert_int_equal(settings_check_files(&f->s, &f->errors), *want == 0);
	struct buf got = { 0 };
	struct str rest = buf_str(&f->errors.text), dir = str_of(f->dir);
	while (rest.n > 0) {
		size_t at = str_find(rest, dir);
		buf_add(&got, str_sub(rest, 0, at));
		buf_addz(&got, at < rest.n ? "DIR" : "");
		rest = str_sub(rest, at + dir.n, rest.n);
	}
	assert_strz(buf_str(&got), want);
	buf_free(&got);
}

static void test_secrets(void **state)
{
	struct fixture *f = *state;
	struct str cert, key, cert2, key2;
	struct err e;
	struct str name = STR("m.example");
	assert_true(tls_self_signed(&f->arena, name, &name, 1, 10, &cert, &key, &e));
	assert_true(tls_self_signed(&f->arena, name, &name, 1, 10, &cert2, &key2, &e));
	put(f, "cert", cert, 0644);
	put(f, "key", key, 0600);
	put(f, "world", key, 0604);
	put(f, "group", key, 0640);
	put(f, "other", key2, 0400);
	put(f, "empty", STR_NONE, 0600);
	expect_files(f, "cert", "key", "");
	int place = (int)(strlen(f->dir) + sizeof "listen l { address ::1; imaps; tls cert /cert ");
	struct str at = str_fmt(&f->arena, "t:2:%d: ", place);
	static const struct {
		const char *secret, *message;
	} rows[] = {
		{ "world", "the secret DIR/world may be used by everybody (mode 0604): expected mode 0600, as by chmod "
			   "600 DIR/world\n" },
		{ "group", "the secret DIR/group may be used by its group (mode 0640): expected mode 0600, as by chmod "
			   "600 DIR/group\n" },
		{ "gone", "open the secret DIR/gone: No such file or directory\n" },
		{ ".", "the secret DIR/. is no file\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		expect_files(f, "cert", rows[i].secret,
			     str_z(&f->arena, str_cat(&f->arena, at, str_of(rows[i].message))));
	expect_files(f, "gone", "key",
		     str_z(&f->arena, str_cat(&f->arena, at, STR("open DIR/gone: No such file or directory\n"))));

	/* systemd's credentials: the group's bits are those of an access list. */
	unsetenv("CREDENTIALS_DIRECTORY");
	expect_files(f, "cert", "cred:group",
		     str_z(&f->arena, str_cat(&f->arena, at,
					      STR("no credentials were given by the service manager "
						  "($CREDENTIALS_DIRECTORY): cred:group cannot be read\n"))));
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	expect_files(f, "cert", "cred:group", "");
	expect_files(
	    f, "cert", "cred:world",
	    str_z(&f->arena, str_cat(&f->arena, at,
				     STR("the secret DIR/world may be used by everybody (mode 0604): expected mode "
					 "0600, as by chmod 600 DIR/world\n"))));
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* A certificate and another's key, or what is neither. */
static void test_pairs(void **state)
{
	struct fixture *f = *state;
	struct str cert, key, cert2, key2;
	struct err e;
	struct str name = STR("m.example");
	assert_true(tls_self_signed(&f->arena, name, &name, 1, 10, &cert, &key, &e));
	assert_true(tls_self_signed(&f->arena, name, &name, 1, 10, &cert2, &key2, &e));
	static const char *const names[][2] = { { "cert", "other" }, { "cert", "text" }, { "text", "key" } };
	put(f, "cert", cert, 0644);
	put(f, "key", key, 0600);
	put(f, "other", key2, 0600);
	put(f, "text", STR("no PEM\n"), 0600);
	for (size_t i = 0; i < 3; i++) {
		struct str text = str_fmt(
		    &f->arena, "host m.example\nlisten l { address ::1; imaps; tls cert %s/%s secret %s/%s }\n", f->dir,
		    names[i][0], f->dir, names[i][1]);
		assert_true(load(f, str_z(&f->arena, text)));
		assert_false(settings_check_files(&f->s, &f->errors));
		assert_true(str_find(buf_str(&f->errors.text), STR(" with its secret: ")) < f->errors.text.n);
		f->errors.n = 0;
		buf_clear(&f->errors.text);
	}
}

static void test_other_files(void **state)
{
	struct fixture *f = *state;
	put(f, "file", STR_NONE, 0600);
	assert_true(load(f, str_z(&f->arena, str_fmt(&f->arena,
						     "host m.example\nlog { to file %s/none/log }\n"
						     "listen l { local unix:%s/file group no-such-group-here }\n",
						     f->dir, f->dir))));
	assert_false(settings_check_files(&f->s, &f->errors));
	assert_str(buf_str(&f->errors.text), str_fmt(&f->arena,
						     "t:2:15: there is no folder %s/none\n"
						     "t:3:12: there is no group no-such-group-here on this machine\n"
						     "t:3:12: %s/file exists and is no socket\n",
						     f->dir, f->dir));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_defaults),      T(test_limits_agree), T(test_values),  T(test_listeners),
		T(test_domains),       T(test_pack),         T(test_include), T(test_include_trouble),
		T(test_include_depth), T(test_secrets),      T(test_pairs),   T(test_other_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
