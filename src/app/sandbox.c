/* sandbox.c - `sluice sandbox`: a whole server on loopback in a folder of its own.
 *
 * The same parent and roles as `serve`, with a configuration, a certificate
 * and two accounts made for the occasion.  The roles' log comes back by a pipe, so
 * that a line can be said for each message.
 */
#include "app/cli/run.h"

#include "app/cli/ask.h"
#include "app/parent.h"
#include "app/sandbox_log.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "net/listen.h"
#include "net/tls.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_BASE  2500
#define CERT_DAYS  3650
#define ORPHANS_MS 3000 /* how long the roles of a sandbox that was killed may still hold its ports */

static const struct port_row {
	const char *service;
	unsigned offset;
} ports[] = {
	{ "smtp", 25 }, { "submission", 87 }, { "submissions", 65 }, { "imap", 43 }, { "imaps", 93 },
};
#define PORTS (sizeof ports / sizeof *ports)

struct sandbox {
	struct arena arena;
	char dir[PATH_MAX];
	const char *config;
	bool throwaway, ipv6;
	unsigned base;
	const char *user;
	struct sandbox_log log;
	int pipe[2];
};

/* --- making it -------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	remove(path); /* what cannot go stays; the rest need not */
	return 0;
}

/* The roles, which are somebody else when we are root, must get through: else another place will do as well. */
static bool make_throwaway(struct sandbox *s, const struct user *u, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	const char *const places[] = { tmp && *tmp == '/' ? tmp : "/tmp", "/tmp", "/var/tmp" };
	s->throwaway = true;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(s->dir, sizeof s->dir, "%s/sluice-XXXXXX", places[i]);
		if (!mkdtemp(s->dir))
			err_sys(e, "create folder", s->dir);
		else if (u->root && chmod(s->dir, 0755) < 0)
			err_sys(e, "chmod", s->dir);
		else if (user_reaches(u, s->dir, X_OK, e))
			return true;
		rmdir(s->dir);
		s->dir[0] = 0; /* nothing to remove at the end */
	}
	return false;
}

static bool make_dir(struct sandbox *s, const char *given, struct err *e)
{
	struct stat st;
	struct user u;
	if (!user_find(str_of(s->user), &u, e))
		return false;
	if (!given)
		return make_throwaway(s, &u, e);
	bool there = stat(given, &st) == 0;
	if (!there && !file_mkdirs(given, 0755, e))
		return false;
	if (!realpath(given, s->dir))
		return err_sys(e, "find", given);
	if (user_reaches(&u, s->dir, X_OK, e))
		return true;
	if (!there)
		rmdir(s->dir);
	return false;
}

/* Free now, on both addresses; who takes one in between will be named by the parent. */
static bool ports_free(struct sandbox *s, struct err *e)
{
	struct addr v4, v6;
	addr_parse(STR("127.0.0.1"), &v4);
	addr_parse(STR("::1"), &v6);
	int fd = listen_tcp((struct addrport){ v6, 0 }, 1, e);
	s->ipv6 = fd >= 0;
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < PORTS; i++) {
		for (int v = 0; v <= (int)s->ipv6; v++) {
			struct addrport at = { v ? v6 : v4, (uint16_t)(s->base + ports[i].offset) };
			fd = listen_tcp(at, 1, e);
			if (fd < 0)
				return err_set(
				    e, ERR_TEMP,
				    "port %u (%s) on %s cannot be used (%s); choose others with --port-base, "
				    "such as --port-base %u",
				    (unsigned)at.port, ports[i].service, v ? "::1" : "127.0.0.1", strerror(errno),
				    s->base + 1000);
			close(fd);
		}
	}
	return true;
}

/* A sandbox that was killed in this folder leaves roles behind for a moment. */
static bool ports_wait(struct sandbox *s, const char *dir, struct err *e)
{
	char run[PATH_MAX];
	int64_t until_ms = clock_mono_ms() + ORPHANS_MS;
	bool again = dir && snprintf(run, sizeof run, "%s/run", dir) < (int)sizeof run && access(run, F_OK) == 0;
	while (!ports_free(s, e)) {
		if (!again || clock_mono_ms() >= until_ms)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000 }, NULL);
	}
	return true;
}

static bool write_file(struct sandbox *s, const char *name, struct str text, unsigned mode, struct err *e)
{
	AUTO_CLOSE int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open", s->dir);
	if (faccessat(dir, name, F_OK, 0) == 0 && strcmp(name, "sluice.conf") != 0)
		return true; /* the certificate of last time */
	return file_commit(dir, name, text, mode, e);
}

static bool make_certificate(struct sandbox *s, struct err *e)
{
	const struct str names[] = { STR("mail.sandbox.test"), STR("sandbox.test"), STR("localhost"), STR("127.0.0.1"),
				     STR("::1") };
	struct str cert, key;
	char path[PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/key.pem", s->dir);
	if (access(path, F_OK) == 0)
		return true;
	return tls_self_signed(&s->arena, names[0], names, sizeof names / sizeof *names, CERT_DAYS, &cert, &key, e) &&
	       write_file(s, "cert.pem", cert, 0644, e) && write_file(s, "key.pem", key, 0600, e);
}

static bool make_config(struct sandbox *s, struct err *e)
{
	struct buf b = { 0 };
	buf_printf(&b,
		   "# Made by sluice sandbox.\n"
		   "host    mail.sandbox.test\n"
		   "admin   postmaster@sandbox.test\n"
		   "user    %s\n"
		   "store   \"%s/store\"\n"
		   "run     \"%s/run\"\n"
		   "sandbox yes\n"
		   "log { to file \"%s/sluice.log\" }\n"
		   "times { stop 1s }\n"
		   "listen sandbox {\n"
		   "    address 127.0.0.1%s\n"
		   "    tls cert \"%s/cert.pem\" secret \"%s/key.pem\"\n",
		   s->user, s->dir, s->dir, s->dir, s->ipv6 ? ", ::1" : "", s->dir, s->dir);
	for (size_t i = 0; i < PORTS; i++)
		buf_printf(&b, "    %s %u\n", ports[i].service, s->base + ports[i].offset);
	buf_printf(&b, "}\n"
		       "domain sandbox.test { detail +; catchall you; postmaster you }\n");
	bool ok = write_file(s, "sluice.conf", buf_str(&b), 0644, e);
	buf_free(&b);
	s->config = str_z(&s->arena, str_fmt(&s->arena, "%s/sluice.conf", s->dir));
	return ok;
}

/* --- its accounts ------------------------------------------------------------------- */

static int make_account(struct ask *a, const char *name)
{
	struct err e;
	int code;
	char address[80];
	json_t *reply = ask_quietly(a, "account.get", json_pack("{s:s}", "name", name), &code, &e);
	json_decref(reply);
	if (reply)
		return EX_OK; /* the folder is used again */
	reply = ask_verb(a, "account.add", json_pack("{s:s}", "name", name), &code);
	if (!reply)
		return code;
	json_int_t id = json_integer_value(json_object_get(reply, "id"));
	snprintf(address, sizeof address, "%s@sandbox.test", name);
	json_decref(reply);
	json_decref(ask_verb(a, "auth.passwd",
			     json_pack("{s:s, s:I, s:s}", "account", name, "id", id, "password", "sandbox"), &code));
	if (code == EX_OK)
		json_decref(
		    ask_verb(a, "address.add", json_pack("{s:s, s:s}", "address", address, "account", name), &code));
	if (code == EX_OK)
		json_decref(ask_verb(a, "auth.login.add",
				     json_pack("{s:s, s:I, s:s}", "account", name, "id", id, "login", address), &code));
	return code;
}

/* In a process of its own: opening the store means giving up root for good. */
static int make_accounts(const struct sandbox *s)
{
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		struct ask a;
		int code = ask_open(&a, s->config, ASK_EITHER);
		if (code == EX_OK)
			code = make_account(&a, "you");
		if (code == EX_OK)
			code = make_account(&a, "friend");
		ask_close(&a);
		_exit(code);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return cli_fail(EX_OSERR, "cannot start a process: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* --- what it says --------------------------------------------------------------------- */

static void say(void *ctx, struct str text)
{
	(void)ctx;
	printf("%.*s\n", STRF(text));
	fflush(stdout);
}

static void say_welcome(void *ctx)
{
	const struct sandbox *s = ctx;
	unsigned b = s->base;
	printf("Sluice sandbox in %s%s\n\n", s->dir, s->throwaway ? " (removed at the end)" : "");
	printf("  you@sandbox.test and friend@sandbox.test, password: sandbox; all other addresses go to you\n"
	       "  smtp %u   submission %u (STARTTLS), %u (TLS)   imap %u (STARTTLS), %u (TLS)\n"
	       "  on 127.0.0.1%s, for TLS trust %s/cert.pem\n\n",
	       b + 25, b + 87, b + 65, b + 43, b + 93, s->ipv6 ? " and ::1" : "", s->dir);
	printf("Send a first message, as a stranger:\n"
	       "  swaks --server 127.0.0.1:%u --from stranger@example.org --to you@sandbox.test\n"
	       "  printf 'Subject: Hello\\n\\nA first message.\\n' | curl --crlf -sS smtp://127.0.0.1:%u \\\n"
	       "      --mail-from stranger@example.org --mail-rcpt you@sandbox.test --upload-file -\n\n"
	       "Send one as yourself, with a password:\n"
	       "  printf 'From: you@sandbox.test\\nSubject: Hello\\n\\nFrom me.\\n' | curl --crlf -sS --cacert "
	       "%s/cert.pem \\\n"
	       "      smtps://127.0.0.1:%u --user you@sandbox.test:sandbox \\\n"
	       "      --mail-from you@sandbox.test --mail-rcpt friend@sandbox.test --upload-file -\n\n",
	       b + 25, b + 25, s->dir, b + 65);
	printf(
	    "Read:\n"
	    "  curl -sS --cacert %s/cert.pem --user you@sandbox.test:sandbox 'imaps://127.0.0.1:%u/INBOX;MAILINDEX=1'\n"
	    "  mutt -f imaps://you%%40sandbox.test@127.0.0.1:%u/     (or any mail program: IMAP with TLS, port %u)\n\n"
	    "Look after it:\n"
	    "  sluice -c %s status\n"
	    "  tail -f %s/sluice.log\n\n"
	    "Localparts that end in temperror, permerror, timeout, or a code such as 451 or 550 behave so.\n"
	    "Each message accepted is a line here; Ctrl-C ends it.\n\n",
	    s->dir, b + 93, b + 93, b + 93, s->config, s->dir);
	fflush(stdout);
}

static void take_log(void *ctx, struct str bytes)
{
	struct sandbox *s = ctx;
	sandbox_log_take(&s->log, bytes);
}

/* --- all of it -------------------------------------------------------------------------- */

/* Whom the roles become when we are root: this is no place to ask for a user to be made. */
static const char *whoever(void)
{
	return geteuid() == 0 && !getpwnam("sluice") ? "nobody" : "sluice";
}

static int run(struct sandbox *s, const char *dir)
{
	struct err e;
	if (!ports_wait(s, dir, &e))
		return cli_fail(EX_UNAVAILABLE, "%s", e.text);
	if (!make_dir(s, dir, &e) || !make_certificate(s, &e) || !make_config(s, &e))
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	int code = make_accounts(s);
	if (code != EX_OK)
		return code;
	struct log_conf log = { .to = LOG_FILE, .level = LOG_INFO };
	log.file = str_z(&s->arena, str_fmt(&s->arena, "%s/sluice.log", s->dir));
	if (!log_open(&log, &e))
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	s->log.file = open(log.file, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (pipe2(s->pipe, O_CLOEXEC) < 0 || fcntl(s->pipe[0], F_SETFL, O_NONBLOCK) < 0)
		return cli_fail(EX_OSERR, "cannot make a pipe: %s", strerror(errno));
	struct serve_conf conf = { .config_path = s->config,
				   .log_read = s->pipe[0],
				   .log_write = s->pipe[1],
				   .on_log = take_log,
				   .on_ready = say_welcome,
				   .ctx = s };
	code = serve(&conf);
	/* Somebody took a port after we looked. */
	return code == EX_UNAVAILABLE ? cli_fail(code, "choose other ports with --port-base") : code;
}

int cli_sandbox(const struct call *c)
{
	static struct sandbox s;
	uint64_t base = PORT_BASE;
	const char *port = call_option(c, "port-base");
	sigset_t set;
	if (port && (!num_parse(str_of(port), 65535 - 100, &base) || base < 1))
		return cli_fail(EX_USAGE, "--port-base needs a number from 1 to %d", 65535 - 100);
	s = (struct sandbox){
		.base = (unsigned)base, .user = whoever(), .log = { .file = -1, .say = say }, .pipe = { -1, -1 }
	};
	/* Ctrl-C waits until somebody can clean up: serve() reads signals from a descriptor. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	umask(022);
	int code = run(&s, call_option(c, "dir"));
	if (s.throwaway && s.dir[0])
		nftw(s.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	sandbox_log_free(&s.log);
	arena_reset(&s.arena);
	return code;
}
