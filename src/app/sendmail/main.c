/* main.c - sendmail: a small program of its own, since starting it must cost next to nothing.
 *
 * It knows where the mail system's socket is, speaks SMTP over it, and says truthfully what became of the message: what
 * was not taken is never said to be sent.  It runs with no rights but the caller's, whatever its arguments say.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/sendmail/message.h"
#include "app/sendmail/options.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "client/smtp.h"

#define SETTINGS   "/etc/sluice/sendmail.conf"
#define SOCKET     "/run/sluice/submit.sock"
#define INPUT_MAX  (100u << 20)
#define CONNECT_MS 10000

/* sendmail.conf: "socket PATH", "host NAME", one a line. */
struct settings {
	char socket[200], host[256];
};

__attribute__((format(printf, 2, 3))) static int fail(int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("sendmail: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return code;
}

static void take_setting(struct settings *s, struct str line)
{
	struct str word = str_cut(&line, ' ');
	static const struct {
		const char *name;
		size_t offset, room;
	} rows[] = { { "socket", offsetof(struct settings, socket), sizeof s->socket },
		     { "host", offsetof(struct settings, host), sizeof s->host } };
	line = str_trim(line);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (str_eq(word, str_of(rows[i].name)) && line.n < rows[i].room) {
			char *to = (char *)s + rows[i].offset;
			memcpy(to, line.p, line.n);
			to[line.n] = '\0';
		}
}

static void read_settings(struct settings *s, const struct sendmail_options *o)
{
	struct arena a = { 0 };
	struct str text;
	struct err e;
	*s = (struct settings){ .socket = SOCKET };
	if (file_read(SETTINGS, 65536, &a, &text, &e))
		while (text.n > 0)
			take_setting(s, str_trim(str_line(&text)));
	arena_reset(&a);
	if (o->socket)
		snprintf(s->socket, sizeof s->socket, "%s", o->socket);
	if (!*s->host && gethostname(s->host, sizeof s->host - 1) < 0)
		snprintf(s->host, sizeof s->host, "localhost");
}

/* --- the mail system ------------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof at.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(at.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct text {
	struct str rest;
};
static bool read_text(void *ctx, struct str *octets, struct err *e)
{
	struct text *t = ctx;
	(void)e;
	*octets = str_sub(t->rest, 0, 1u << 20);
	t->rest = str_sub(t->rest, octets->n, t->rest.n);
	return true;
}

/* What a shell or cron is told, by the reply (RFC 3463). */
static int exit_code(const struct smtp_rcpt *r)
{
	if (r->outcome == SMTP_DONE)
		return EX_OK;
	if (r->outcome == SMTP_LATER)
		return EX_TEMPFAIL;
	if (strncmp(r->said.status, "5.1.", 4) == 0)
		return EX_NOUSER;
	return strncmp(r->said.status, "5.7.", 4) == 0 ? EX_NOPERM : EX_UNAVAILABLE;
}

static struct str option(const char *value)
{
	return value ? str_of(value) : STR_NONE;
}

static int send_over(int fd, const struct settings *s, const struct sendmail_options *o,
		     const struct sendmail_message *m, struct arena *a)
{
	struct smtp_client_conf conf = { .helo = str_of(s->host), .greeting_ms = CONNECT_MS };
	struct smtp_said said;
	struct err e = { 0 };
	bool tls_failed;
	struct smtp_client *c = smtp_client_open(io_socket(fd), &conf, a, &said, &tls_failed, &e);
	if (!c)
		return fail(EX_TEMPFAIL, "%s: %s", s->socket, e.text);
	struct smtp_rcpt *rcpts = ARENA_ARRAY(a, struct smtp_rcpt, m->nrcpts);
	for (size_t i = 0; i < m->nrcpts; i++)
		rcpts[i] = (struct smtp_rcpt){ .address = m->rcpts[i], .notify = option(o->notify), .orcpt = STR_NONE };
	struct text text = { buf_str(&m->text) };
	struct smtp_letter l = { .sender = m->sender,
				 .envid = option(o->envid),
				 .ret = option(o->ret),
				 .eight_bit = m->eight_bit,
				 .smtputf8 = m->smtputf8,
				 .size = m->text.n,
				 .read = read_text,
				 .ctx = &text,
				 .rcpts = rcpts,
				 .n = m->nrcpts };
	smtp_client_send(c, &l, a, &e);
	smtp_client_close(c);
	int code = EX_OK;
	for (size_t i = 0; i < m->nrcpts; i++) {
		const struct smtp_rcpt *r = &rcpts[i];
		int own = exit_code(r);
		code = own > code ? own : code;
		if (own != EX_OK)
			fail(own, "<%.*s>: %d %s %.*s%s", STRF(r->address), r->said.code, r->said.status,
			     STRF(r->said.text), r->said.code ? "" : e.text);
		else if (o->verbose)
			printf("<%.*s>: %d %.*s\n", STRF(r->address), r->said.code, STRF(r->said.text));
	}
	return code;
}

/* --- modes ------------------------------------------------------------------------------- */

static int deliver(const struct settings *s, const struct sendmail_options *o)
{
	struct arena a = { 0 };
	struct str input, gecos = STR_NONE;
	struct sendmail_message m = { .nrcpts = 0 };
	struct buf why = { 0 };
	struct err e = { 0 };
	char id[21], login[64];
	int code = EX_TEMPFAIL;
	const struct passwd *pw = getpwuid(getuid());
	random_id(id, 20);
	snprintf(login, sizeof login, pw ? "%s" : "uid-%s", pw ? pw->pw_name : "");
	if (!pw)
		snprintf(login, sizeof login, "uid-%u", (unsigned)getuid());
	if (pw && pw->pw_gecos)
		gecos = str_sub(str_of(pw->pw_gecos), 0, str_chr(str_of(pw->pw_gecos), ','));
	struct who who = { str_of(login), gecos, str_of(s->host), clock_wall_ms(), id };
	if (!file_read_fd(STDIN_FILENO, INPUT_MAX, &a, &input, &e))
		return fail(EX_IOERR, "standard input: %s", e.text);
	if (!message_make(o, &who, input, &a, &m, &code, &why)) {
		fail(code, "%.*s", STRF(buf_str(&why)));
	} else {
		int fd = connect_to(s->socket);
		bool forbidden = fd < 0 && (errno == EACCES || errno == EPERM);
		if (fd >= 0)
			code = send_over(fd, s, o, &m, &a);
		else if (forbidden)
			code = fail(EX_TEMPFAIL, "%s: you may not use it; ask to be put into its group", s->socket);
		else
			code = fail(EX_TEMPFAIL, "%s: %s; the message was not taken, please try again", s->socket,
				    strerror(errno));
	}
	message_free(&m);
	buf_free(&why);
	arena_reset(&a);
	return code;
}

/* -bs: what comes in goes out, both ways, until both are done. */
static int relay(const struct settings *s)
{
	int fd = connect_to(s->socket);
	if (fd < 0)
		return fail(EX_TEMPFAIL, "%s: %s", s->socket, strerror(errno));
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	char part[65536];
	while (poll(fds, 2, -1) > 0 || errno == EINTR) {
		if (fds[1].revents) {
			ssize_t n = read(fd, part, sizeof part);
			if (n <= 0 || !file_write(STDOUT_FILENO, (struct str){ part, (size_t)n }))
				return n < 0 ? EX_TEMPFAIL : EX_OK;
		}
		if (fds[0].revents) {
			ssize_t n = read(STDIN_FILENO, part, sizeof part);
			if (n > 0 && !file_write(fd, (struct str){ part, (size_t)n }))
				return EX_TEMPFAIL;
			if (n <= 0) {
				shutdown(fd, SHUT_WR);
				fds[0].fd = -1;
			}
		}
	}
	return EX_TEMPFAIL;
}

static int show_queue(void)
{
	execlp("sluice", "sluice", "queue", "list", (char *)NULL);
	return fail(EX_UNAVAILABLE, "cannot run sluice: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct sendmail_options o;
	struct settings s;
	struct buf why = { 0 };
	/* Descriptors 0 to 2 may be closed: a file opened there would be written to as if it were the terminal. */
	for (int fd = open("/dev/null", O_RDWR); fd >= 0 && fd <= 2;)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
	if (!sendmail_options(argc, argv, &o, &why))
		return fail(EX_USAGE, "%.*s", STRF(buf_str(&why)));
	hash_init();
	read_settings(&s, &o);
	switch (o.mode) {
	case MODE_HELP:
		fputs(sendmail_help, stdout);
		return EX_OK;
	case MODE_VERSION:
		puts("sendmail (Sluice " SLUICE_VERSION ")");
		return EX_OK;
	case MODE_ALIASES:
		return EX_OK;
	case MODE_QUEUE:
		return show_queue();
	case MODE_SMTP:
		return relay(&s);
	case MODE_DELIVER:
		break;
	}
	return deliver(&s, &o);
}
