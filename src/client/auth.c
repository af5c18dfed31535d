#include "client/auth.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_OCTETS 16384 /* the auth role takes no longer one */
#define CONNECT_MS      5000  /* for a place in the role's backlog */
#define ASKING_MAX      1024  /* questions and exchanges at once; past it AUTH_TEMP */

struct auth_client {
	struct sockaddr_un at;
	atomic_uint asking;
};
struct auth_exchange {
	struct auth_client *client;
	int fd;
};

struct auth_client *auth_client_new(const char *socket_path)
{
	struct auth_client *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->at.sun_family = AF_UNIX;
	size_t n = strlen(socket_path);
	if (n < sizeof c->at.sun_path) /* a longer one never connects: AUTH_TEMP */
		memcpy(c->at.sun_path, socket_path, n + 1);
	return c;
}

void auth_client_free(struct auth_client *c)
{
	free(c);
}

struct str auth_mechanisms(bool tls, bool plus, bool plain_ok, bool cram_md5, struct arena *a)
{
	const struct {
		const char *name;
		bool on;
	} all[] = {
		{ "SCRAM-SHA-256-PLUS", tls && plus },
		{ "SCRAM-SHA-256", true },
		{ "SCRAM-SHA-1-PLUS", tls && plus },
		{ "SCRAM-SHA-1", true },
		{ "CRAM-MD5", cram_md5 },
		{ "PLAIN", plain_ok },
		{ "LOGIN", plain_ok },
	};
	struct buf b = { 0 };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].on)
			buf_printf(&b, "%s%s", b.n ? " " : "", all[i].name);
	struct str names = str_dup(a, buf_str(&b));
	buf_free(&b);
	return names;
}

/* --- the wire ------------------------------------------------------------- */

/* Connected within the time, or -1. A full backlog makes connect(2) wait: SO_SNDTIMEO bounds it. */
static int dial(struct auth_client *c)
{
	struct timeval wait = { .tv_sec = CONNECT_MS / 1000 };
	if (atomic_fetch_add(&c->asking, 1) < ASKING_MAX) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
		    connect(fd, (const struct sockaddr *)&c->at, sizeof c->at) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	atomic_fetch_sub(&c->asking, 1);
	return -1;
}

static void hang_up(struct auth_client *c, int fd)
{
	close(fd);
	atomic_fetch_sub(&c->asking, 1);
}

static bool ready(int fd, short events, int64_t until_mono_ms)
{
	for (;;) {
		int64_t left = until_mono_ms - clock_mono_ms();
		struct pollfd p = { .fd = fd, .events = events };
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n >= 0 || errno != EINTR)
			return n > 0;
	}
}

static bool send_line(int fd, const struct buf *line, int64_t until_mono_ms)
{
	for (size_t at = 0; at < line->n;) {
		ssize_t n = ready(fd, POLLOUT, until_mono_ms)
				? send(fd, line->p + at, line->n - at, MSG_NOSIGNAL | MSG_DONTWAIT)
				: 0;
		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return false;
	}
	return true;
}

/* The answer, without its end. The role says one line and waits, so nothing follows it. */
static bool read_line(int fd, struct buf *line, int64_t until_mono_ms)
{
	while (line->n == 0 || line->p[line->n - 1] != '\n') {
		if (line->n >= LINE_MAX_OCTETS || !ready(fd, POLLIN, until_mono_ms))
			return false;
		ssize_t n = recv(fd, buf_reserve(line, 1024), 1024, MSG_DONTWAIT);
		if (n > 0)
			line->n += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return false;
	}
	return true;
}

static bool talk(int fd, const struct buf *line, struct buf *reply)
{
	int64_t until_mono_ms = clock_mono_ms() + AUTH_WAIT_MS - CONNECT_MS;
	return send_line(fd, line, until_mono_ms) && read_line(fd, reply, until_mono_ms);
}

/* --- the words ------------------------------------------------------------ */

static struct auth_answer answer(enum auth_got got)
{
	return (struct auth_answer){ got, 0, STR_NONE, STR_NONE, STR_NONE, STR_NONE };
}

static struct auth_answer malformed(void)
{
	struct auth_answer r = answer(AUTH_NO);
	r.reason = STR("malformed");
	return r;
}

static bool take_octets(struct str *line, struct arena *a, struct str *out)
{
	struct buf b = { 0 };
	bool ok = buf_unbase64(&b, str_cut(line, '\t'));
	*out = str_dup(a, buf_str(&b));
	buf_free(&b);
	return ok;
}

/* What our own role says; anything else is trouble of ours, not of who signs in. */
static struct auth_answer understand(struct str line, struct arena *a)
{
	struct auth_answer r = answer(AUTH_TEMP);
	uint64_t id;
	line = str_chomp(line);
	struct str verb = str_cut(&line, '\t');
	if (str_eq(verb, STR("OK")) && num_parse(str_cut(&line, '\t'), INT64_MAX, &id) &&
	    take_octets(&line, a, &r.account) && take_octets(&line, a, &r.login) && take_octets(&line, a, &r.data)) {
		r.got = AUTH_OK;
		r.account_id = (int64_t)id;
	} else if (str_eq(verb, STR("MORE")) && take_octets(&line, a, &r.data)) {
		r.got = AUTH_MORE;
	} else if (str_eq(verb, STR("NO"))) {
		r.reason = str_dup(a, str_cut(&line, '\t'));
		if (take_octets(&line, a, &r.login))
			r.got = AUTH_NO;
	}
	return r;
}

static void add_octets(struct buf *b, struct str s)
{
	buf_addc(b, '\t');
	buf_base64(b, s);
}

/* Room for the whole line at once, so that no copy of a password stays behind; 4 octets for each 3, and the words. */
static void line_begin(struct buf *b, const char *verb, size_t octets)
{
	buf_reserve(b, octets / 3 * 4 + 512);
	buf_addz(b, verb);
}

static void line_who(struct buf *b, const struct auth_who *who)
{
	char ip[ADDR_TEXT];
	buf_printf(b, "\t%s\t%s\t%d", who->service, addr_is_none(who->remote) ? "local" : addr_text(who->remote, ip),
		   who->tls);
}

static void line_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

/* Send the line, understand the answer; the connection stays only after AUTH_MORE. */
static struct auth_answer ask(struct auth_client *c, int *fd, struct buf *line, struct arena *a)
{
	struct buf reply = { 0 };
	struct auth_answer r = answer(AUTH_TEMP);
	buf_addz(line, "\r\n");
	if (line->n > LINE_MAX_OCTETS)
		r = malformed();
	else if (talk(*fd, line, &reply))
		r = understand(buf_str(&reply), a);
	line_wipe(line);
	buf_free(&reply);
	if (r.got != AUTH_MORE) {
		hang_up(c, *fd);
		*fd = -1;
	}
	return r;
}

struct auth_answer auth_password(struct auth_client *c, const struct auth_who *who, struct str login,
				 struct str password, struct arena *a)
{
	struct buf line = { 0 };
	if (login.n + password.n > LINE_MAX_OCTETS)
		return malformed();
	int fd = dial(c);
	if (fd < 0)
		return answer(AUTH_TEMP);
	line_begin(&line, "PASSWORD", login.n + password.n);
	line_who(&line, who);
	add_octets(&line, login);
	add_octets(&line, password);
	struct auth_answer r = ask(c, &fd, &line, a);
	if (r.got == AUTH_MORE) { /* not to this question */
		hang_up(c, fd);
		return answer(AUTH_TEMP);
	}
	return r;
}

/* A name from the wire goes into a line of words. */
static bool mechanism_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) /* RFC 4422 3.1, in either case */
		if (!ch_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n > 0 && s.n <= 20;
}

struct auth_answer auth_begin(struct auth_client *c, struct auth_exchange **x, const struct auth_who *who,
			      struct str mechanism, bool has_initial, struct str initial, struct arena *a)
{
	struct buf line = { 0 };
	struct auth_answer r = answer(AUTH_NO);
	*x = NULL;
	r.reason = STR("mechanism");
	if (!mechanism_name(mechanism))
		return r;
	if (initial.n > LINE_MAX_OCTETS)
		return malformed();
	int fd = dial(c);
	if (fd < 0)
		return answer(AUTH_TEMP);
	line_begin(&line, "BEGIN", initial.n + who->exporter.n + who->unique.n);
	line_who(&line, who);
	add_octets(&line, who->exporter);
	add_octets(&line, who->unique);
	buf_printf(&line, "\t%.*s", STRF(mechanism));
	if (has_initial)
		add_octets(&line, initial);
	else
		buf_addz(&line, "\t-");
	r = ask(c, &fd, &line, a);
	if (r.got != AUTH_MORE)
		return r;
	*x = malloc(sizeof **x);
	if (!*x)
		abort();
	**x = (struct auth_exchange){ c, fd };
	return r;
}

struct auth_answer auth_step(struct auth_exchange **x, struct str response, struct arena *a)
{
	struct buf line = { 0 };
	if (response.n > LINE_MAX_OCTETS) {
		auth_cancel(x);
		return malformed();
	}
	line_begin(&line, "STEP", response.n);
	add_octets(&line, response);
	struct auth_answer r = ask((*x)->client, &(*x)->fd, &line, a);
	if (r.got != AUTH_MORE) {
		free(*x);
		*x = NULL;
	}
	return r;
}

void auth_cancel(struct auth_exchange **x)
{
	if (!*x)
		return;
	hang_up((*x)->client, (*x)->fd);
	free(*x);
	*x = NULL;
}
