/* imapload.c - one IMAP client program for all servers: how fast do they answer, and what does one cost that waits?
 *
 * Blocking sockets, a thread for each client that works, one thread for all that wait.  Prints one JSON object.
 *
 *	imapload idle    -p PORT -c SESSIONS [-T] [-Z] -u USER -b MAILBOX   in IDLE, then wait for end of input
 *	imapload notify  -p PORT -P SMTP-PORT -c ACCOUNTS -n MESSAGES -u u%u -a u%u@DOMAIN   from the 250 to EXISTS
 *	imapload append  -p PORT -c CLIENTS -t SECONDS -s OCTETS -u USER -b MAILBOX
 *	imapload fetch   -p PORT -t SECONDS -u USER -b MAILBOX -m all|each  one FETCH of all, or whole messages one by
 *one imapload latency -p PORT -u USER -b MAILBOX                         SELECT, STORE, QRESYNC: milliseconds imapload
 *search  -p PORT -u USER -b MAILBOX -k "KEYS"               one SEARCH: milliseconds, messages found imapload login -p
 *PORT -c CLIENTS -t SECONDS -u USER -w PASSWORD -m SCRAM-SHA-256|PLAIN [-T]
 *
 * -T: TLS from the first octet.  -Z: COMPRESS=DEFLATE.  USER may have one %u: the number of the client.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gsasl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define LINE 65536

struct conn {
	int fd;
	SSL *ssl;
	z_stream *in, *out;
	char *buf, *line; /* read and not used; one line */
	size_t at, n;
};

static struct {
	const char *mode, *user, *password, *mailbox, *how, *keys, *address;
	int port, smtp_port;
	unsigned clients, messages;
	double seconds;
	size_t size;
	bool tls, compress;
} opt = { .clients = 1,
	  .messages = 1000,
	  .seconds = 3,
	  .size = 4096,
	  .user = "you@sandbox.test",
	  .password = "sandbox",
	  .mailbox = "INBOX",
	  .how = "all",
	  .address = "you@sandbox.test" };

static SSL_CTX *ctx;

static int64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "imapload: %s: %s\n", what, detail);
	exit(1);
}

/* --- a connection ------------------------------------------------------------- */

static size_t wire_read(struct conn *c, char *p, size_t room)
{
	ssize_t n = c->ssl ? SSL_read(c->ssl, p, (int)room) : read(c->fd, p, room);
	if (n <= 0)
		die("connection", "the server closed it");
	return (size_t)n;
}

static void wire_write(struct conn *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = c->ssl ? SSL_write(c->ssl, p, (int)n) : write(c->fd, p, n);
		if (done <= 0)
			die("write", strerror(errno));
		p += done;
		n -= (size_t)done;
	}
}

static void fill(struct conn *c)
{
	static _Thread_local char raw[LINE];
	if (c->at < c->n)
		return;
	c->at = c->n = 0;
	if (!c->in) {
		c->n = wire_read(c, c->buf, LINE);
		return;
	}
	while (c->n == 0) {
		if (c->in->avail_in == 0) {
			c->in->next_in = (Bytef *)raw;
			c->in->avail_in = (uInt)wire_read(c, raw, sizeof raw);
		}
		c->in->next_out = (Bytef *)c->buf;
		c->in->avail_out = LINE;
		if (inflate(c->in, Z_SYNC_FLUSH) < 0 && c->in->avail_out == LINE)
			die("inflate", "damaged stream");
		c->n = LINE - c->in->avail_out;
		if (c->in->avail_in > 0) /* `raw` is every connection's: what is left moves behind it */
			memmove(raw, c->in->next_in, c->in->avail_in), c->in->next_in = (Bytef *)raw;
	}
}

/* Up to LF, which is left out as CR is. */
static size_t get_line(struct conn *c)
{
	size_t have = 0;
	for (;;) {
		fill(c);
		char *lf = memchr(c->buf + c->at, '\n', c->n - c->at);
		size_t part = lf ? (size_t)(lf - c->buf) - c->at + 1 : c->n - c->at;
		if (have + part >= LINE)
			die("line", "too long");
		memcpy(c->line + have, c->buf + c->at, part);
		c->at += part;
		have += part;
		if (lf)
			break;
	}
	while (have > 0 && (c->line[have - 1] == '\n' || c->line[have - 1] == '\r'))
		have--;
	c->line[have] = 0;
	return have;
}

static void skip(struct conn *c, uint64_t octets)
{
	while (octets > 0) {
		fill(c);
		size_t n = c->n - c->at < octets ? c->n - c->at : (size_t)octets;
		c->at += n;
		octets -= n;
	}
}

/* One response; its literals are passed over. `line` has its first line. */
static void get_response(struct conn *c)
{
	char first[256];
	size_t n = get_line(c);
	snprintf(first, sizeof first, "%s", c->line);
	while (n > 2 && c->line[n - 1] == '}') {
		char *open = strrchr(c->line, '{');
		if (!open)
			break;
		skip(c, strtoull(open + 1, NULL, 10));
		n = get_line(c);
	}
	snprintf(c->line, LINE, "%s", first);
}

static void say_octets(struct conn *c, const char *p, size_t n)
{
	char packed[LINE];
	if (!c->out) {
		wire_write(c, p, n);
		return;
	}
	c->out->next_in = (Bytef *)(uintptr_t)p;
	c->out->avail_in = (uInt)n;
	do {
		c->out->next_out = (Bytef *)packed;
		c->out->avail_out = sizeof packed;
		deflate(c->out, Z_SYNC_FLUSH);
		wire_write(c, packed, sizeof packed - c->out->avail_out);
	} while (c->out->avail_out == 0);
}

__attribute__((format(printf, 2, 3))) static void say(struct conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	say_octets(c, text, (size_t)n);
}

/* Until "x ...": how many untagged responses came. Anything but OK ends the program. */
static unsigned wait_ok(struct conn *c, const char *what)
{
	for (unsigned n = 0;; n++) {
		get_response(c);
		if (strncmp(c->line, "x ", 2) != 0)
			continue;
		if (strncmp(c->line, "x OK", 4) != 0)
			die(what, c->line);
		return n;
	}
}

static int dial(int port, unsigned i)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i / 20000);
	if (i >= 20000)
		bind(fd, (struct sockaddr *)&from, sizeof from);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static struct conn *open_conn(unsigned i)
{
	struct conn *c = calloc(1, sizeof *c);
	static _Thread_local char *buf, *line; /* of all connections of a thread: only one is in use at a time */
	if (!buf) {
		buf = malloc(LINE);
		line = malloc(LINE);
	}
	c->buf = buf;
	c->line = line;
	c->fd = dial(opt.port, i);
	if (opt.tls) {
		c->ssl = SSL_new(ctx);
		SSL_set_fd(c->ssl, c->fd);
		if (SSL_connect(c->ssl) != 1)
			die("TLS", "handshake failed");
	}
	get_line(c);
	if (strncmp(c->line, "* OK", 4) != 0)
		die("greeting", c->line);
	return c;
}

static void close_conn(struct conn *c)
{
	if (c->ssl)
		SSL_free(c->ssl);
	close(c->fd);
	free(c);
}

static void name_of(char *out, size_t n, const char *pattern, unsigned i)
{
	const char *at = strstr(pattern, "%u");
	if (at)
		snprintf(out, n, "%.*s%u%s", (int)(at - pattern), pattern, i, at + 2);
	else
		snprintf(out, n, "%s", pattern);
}

static void compress_on(struct conn *c)
{
	say(c, "x COMPRESS DEFLATE\r\n");
	wait_ok(c, "COMPRESS");
	c->in = calloc(1, sizeof *c->in);
	c->out = calloc(1, sizeof *c->out);
	if (inflateInit2(c->in, -15) != Z_OK || deflateInit2(c->out, 1, Z_DEFLATED, -15, 8, 0) != Z_OK)
		die("zlib", "no memory");
}

static bool scram(struct conn *c, Gsasl *lib, const char *user);

static struct conn *log_in(unsigned i)
{
	static Gsasl *lib;
	struct conn *c = open_conn(i);
	char user[128];
	name_of(user, sizeof user, opt.user, i);
	if (strcmp(opt.how, "SCRAM") == 0) { /* costs the server little: for many logins that are not measured */
		if (!lib)
			gsasl_init(&lib);
		if (!scram(c, lib, user))
			die("AUTHENTICATE", c->line);
	} else {
		say(c, "x LOGIN \"%s\" \"%s\"\r\n", user, opt.password);
		wait_ok(c, "LOGIN");
	}
	if (opt.compress)
		compress_on(c);
	return c;
}

/* --- idle and notify --------------------------------------------------------------- */

static struct conn *idle_in(unsigned i)
{
	struct conn *c = log_in(i);
	say(c, "x SELECT \"%s\"\r\n", opt.mailbox);
	wait_ok(c, "SELECT");
	say(c, "x IDLE\r\n");
	while (get_line(c), c->line[0] != '+')
		;
	return c;
}

static void idle(void)
{
	struct conn **all = calloc(opt.clients, sizeof *all);
	char byte;
	for (unsigned i = 0; i < opt.clients; i++)
		all[i] = idle_in(i);
	printf("{\"held\": %u}\n", opt.clients);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double at(double *v, size_t n, double share)
{
	qsort(v, n, sizeof *v, by_value);
	return n ? v[(size_t)((double)(n - 1) * share)] : 0;
}

static void smtp_reply(FILE *f, const char *want)
{
	char line[1024];
	do
		if (!fgets(line, sizeof line, f))
			die("smtp", "closed");
	while (line[3] == '-');
	if (strncmp(line, want, 1) != 0)
		die("smtp", line);
}

/* One message after the other, to the accounts in turn; each is awaited before the next is sent. */
static void notify(void)
{
	struct conn **all = calloc(opt.clients, sizeof *all);
	double *ms = calloc(opt.messages, sizeof *ms);
	char to[128];
	for (unsigned i = 0; i < opt.clients; i++)
		all[i] = idle_in(i);
	FILE *f = fdopen(dial(opt.smtp_port, 0), "r+");
	setvbuf(f, NULL, _IONBF, 0);
	smtp_reply(f, "2");
	fprintf(f, "EHLO load.example\r\n");
	smtp_reply(f, "2");
	for (unsigned i = 0; i < opt.messages; i++) {
		struct conn *c = all[i % opt.clients];
		name_of(to, sizeof to, opt.address, i % opt.clients);
		fprintf(f, "MAIL FROM:<a@b.example>\r\n");
		smtp_reply(f, "2");
		fprintf(f, "RCPT TO:<%s>\r\n", to);
		smtp_reply(f, "2");
		fprintf(f, "DATA\r\n");
		smtp_reply(f, "3");
		fprintf(f, "Subject: %u\r\n\r\nA message.\r\n.\r\n", i);
		smtp_reply(f, "2");
		int64_t said = now_us();
		while (get_line(c), !strstr(c->line, "EXISTS"))
			;
		ms[i] = (double)(now_us() - said) / 1000;
	}
	printf("{\"sessions\": %u, \"messages\": %u, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
	       opt.clients, opt.messages, at(ms, opt.messages, .5), at(ms, opt.messages, .99), at(ms, opt.messages, 1));
}

/* --- append, fetch ------------------------------------------------------------------- */

static char *letter;
static int64_t until_us;

/* Words of uneven frequency, so that it compresses about as mail does. */
static void make_letter(void)
{
	static const char *const words[] = { "the",     "of",      "and",   "sluice", "gate",   "water",
					     "meeting", "please",  "to",    "answer", "letter", "Tuesday",
					     "morning", "invoice", "river", "about" };
	unsigned seed = 7, column = 0;
	letter = malloc(opt.size + 256);
	size_t n = (size_t)sprintf(letter,
				   "From: Load <load@load.example>\r\nTo: You <you@sandbox.test>\r\nSubject: A message "
				   "to weigh\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n");
	while (n + 64 < opt.size) {
		seed = seed * 1103515245 + 12345;
		int w = sprintf(letter + n, (seed >> 28) == 0 ? "%s%u " : "%s ", words[(seed >> 16) % 16], seed);
		n += (size_t)w;
		column += (unsigned)w;
		if (column > 66) {
			memcpy(letter + n, "\r\n", 2);
			n += 2;
			column = 0;
		}
	}
	while (n + 2 < opt.size)
		letter[n++] = '.';
	memcpy(letter + n, "\r\n", 2);
}

static void *append_one(void *arg)
{
	struct conn *c = log_in((unsigned)(uintptr_t)arg);
	uintptr_t done = 0;
	while (now_us() < until_us) {
		say(c, "x APPEND \"%s\" {%zu}\r\n", opt.mailbox, opt.size); /* without LITERAL+, as any client can */
		get_line(c);
		if (c->line[0] != '+')
			die("APPEND", c->line);
		say_octets(c, letter, opt.size);
		say(c, "\r\n");
		wait_ok(c, "APPEND");
		done++;
	}
	close_conn(c);
	return (void *)done;
}

static void *login_one(void *arg);

static void many(void *(*one)(void *), const char *what)
{
	pthread_t *threads = calloc(opt.clients, sizeof *threads);
	uint64_t total = 0;
	int64_t begun = now_us();
	until_us = begun + (int64_t)(opt.seconds * 1e6);
	for (uintptr_t i = 0; i < opt.clients; i++)
		pthread_create(&threads[i], NULL, one, (void *)i);
	for (unsigned i = 0; i < opt.clients; i++) {
		void *done;
		pthread_join(threads[i], &done);
		total += (uintptr_t)done;
	}
	double secs = (double)(now_us() - begun) / 1e6;
	printf("{\"%s\": %llu, \"seconds\": %.3f, \"rate\": %.1f}\n", what, (unsigned long long)total, secs,
	       (double)total / secs);
}

static uint32_t select_count(struct conn *c)
{
	uint32_t exists = 0;
	say(c, "x SELECT \"%s\"\r\n", opt.mailbox);
	for (;;) {
		get_response(c);
		if (strstr(c->line, " EXISTS"))
			exists = (uint32_t)strtoul(c->line + 2, NULL, 10);
		if (strncmp(c->line, "x ", 2) == 0)
			break;
	}
	if (strncmp(c->line, "x OK", 4) != 0)
		die("SELECT", c->line);
	return exists;
}

static void fetch(void)
{
	struct conn *c = log_in(0);
	uint32_t n = select_count(c);
	uint64_t done = 0;
	bool each = strcmp(opt.how, "each") == 0;
	int64_t begun = now_us();
	until_us = begun + (int64_t)(opt.seconds * 1e6);
	for (uint32_t i = 1; now_us() < until_us; i = i % n + 1) {
		if (each)
			say(c, "x FETCH %u BODY.PEEK[]\r\n", i);
		else
			say(c, "x FETCH 1:%u (FLAGS ENVELOPE BODYSTRUCTURE)\r\n", n);
		done += wait_ok(c, "FETCH");
	}
	double secs = (double)(now_us() - begun) / 1e6;
	printf("{\"messages\": %llu, \"seconds\": %.3f, \"rate\": %.1f}\n", (unsigned long long)done, secs,
	       (double)done / secs);
}

/* --- latency and search ------------------------------------------------------------------ */

static double timed(struct conn *c, const char *what, unsigned *untagged)
{
	int64_t begun = now_us();
	say(c, "x %s\r\n", what);
	unsigned n = wait_ok(c, what);
	if (untagged)
		*untagged = n;
	return (double)(now_us() - begun) / 1000;
}

static uint64_t highest_modseq(struct conn *c, uint32_t *validity)
{
	uint64_t modseq = 0;
	say(c, "x SELECT \"%s\" (CONDSTORE)\r\n", opt.mailbox);
	for (get_response(c); strncmp(c->line, "x ", 2) != 0; get_response(c)) {
		char *m = strstr(c->line, "HIGHESTMODSEQ "), *v = strstr(c->line, "UIDVALIDITY ");
		modseq = m ? strtoull(m + 14, NULL, 10) : modseq;
		*validity = v ? (uint32_t)strtoul(v + 12, NULL, 10) : *validity;
	}
	return modseq;
}

static void latency(void)
{
	struct conn *c = log_in(0), *d = log_in(0);
	char text[256];
	double second[21], store[101], qresync[21];
	unsigned answers = 0;
	snprintf(text, sizeof text, "SELECT \"%s\"", opt.mailbox);
	double first = timed(c, text, NULL);
	for (int i = 0; i < 21; i++)
		second[i] = timed(d, text, NULL);
	for (int i = 0; i < 101; i++) {
		snprintf(text, sizeof text, "STORE %d %cFLAGS (\\Flagged)", 1000 + i * 7, i % 2 ? '+' : '-');
		store[i] = timed(c, text, NULL);
	}
	timed(d, "ENABLE QRESYNC", NULL);
	for (int i = 0; i < 21; i++) {
		uint32_t validity = 0;
		uint64_t modseq = highest_modseq(d, &validity);
		timed(d, "CLOSE", NULL);
		snprintf(text, sizeof text, "STORE %d:%d %cFLAGS (\\Answered)", 2000, 2099, i % 2 ? '-' : '+');
		timed(c, text, NULL);
		snprintf(text, sizeof text, "SELECT \"%s\" (QRESYNC (%u %llu))", opt.mailbox, validity,
			 (unsigned long long)modseq);
		qresync[i] = timed(d, text, &answers);
	}
	printf("{\"select_first_ms\": %.3f, \"select_ms\": %.3f, \"store_ms\": %.3f, \"store_p99_ms\": %.3f, "
	       "\"qresync_ms\": %.3f, \"qresync_answers\": %u}\n",
	       first, at(second, 21, .5), at(store, 101, .5), at(store, 101, .99), at(qresync, 21, .5), answers);
}

static void search(void)
{
	struct conn *c = log_in(0);
	char text[1024];
	double ms[5];
	unsigned found = 0;
	select_count(c);
	for (int i = 0; i < 5; i++) {
		int64_t begun = now_us();
		snprintf(text, sizeof text, "x SEARCH RETURN (COUNT) %s\r\n", opt.keys);
		say(c, "%s", text);
		for (get_response(c); strncmp(c->line, "x ", 2) != 0; get_response(c)) {
			char *count = strstr(c->line, "COUNT ");
			found = count ? (unsigned)strtoul(count + 6, NULL, 10) : found;
		}
		ms[i] = (double)(now_us() - begun) / 1000;
	}
	double first = ms[0];
	printf("{\"found\": %u, \"first_ms\": %.1f, \"median_ms\": %.1f}\n", found, first, at(ms, 5, .5));
}

/* --- login --------------------------------------------------------------------------------- */

static bool scram(struct conn *c, Gsasl *lib, const char *user)
{
	static _Thread_local char *salted, salted_for[128];
	Gsasl_session *g;
	char *out = NULL, *in = NULL;
	if (strcmp(salted_for, user) != 0) {
		free(salted);
		salted = NULL;
		snprintf(salted_for, sizeof salted_for, "%s", user);
	}
	bool done = false;
	if (gsasl_client_start(lib, "SCRAM-SHA-256", &g) != GSASL_OK)
		die("SASL", "no SCRAM-SHA-256");
	gsasl_property_set(g, GSASL_AUTHID, user);
	gsasl_property_set(g, GSASL_PASSWORD, opt.password);
	if (salted) /* the client's own work is not what is measured */
		gsasl_property_set(g, GSASL_SCRAM_SALTED_PASSWORD, salted);
	say(c, "x AUTHENTICATE SCRAM-SHA-256\r\n");
	get_line(c);
	while (c->line[0] == '+') {
		free(in);
		in = strdup(c->line[1] ? c->line + 2 : "");
		int rc = gsasl_step64(g, in, &out);
		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
			die("SASL", gsasl_strerror(rc));
		say(c, "%s\r\n", out);
		gsasl_free(out);
		get_line(c);
	}
	while (strncmp(c->line, "x ", 2) != 0)
		get_line(c);
	done = strncmp(c->line, "x OK", 4) == 0;
	if (!salted && gsasl_property_fast(g, GSASL_SCRAM_SALTED_PASSWORD))
		salted = strdup(gsasl_property_fast(g, GSASL_SCRAM_SALTED_PASSWORD));
	free(in);
	gsasl_finish(g);
	return done;
}

static void *login_one(void *arg)
{
	uintptr_t done = 0;
	Gsasl *lib;
	char user[128];
	bool wrong = strcmp(opt.how, "wrong") == 0, plain = strcmp(opt.how, "PLAIN") == 0;
	gsasl_init(&lib);
	while (now_us() < until_us) {
		struct conn *c = open_conn((unsigned)(uintptr_t)arg);
		name_of(user, sizeof user, opt.user, (unsigned)(uintptr_t)arg);
		bool ok;
		if (plain || wrong) {
			say(c, "x LOGIN \"%s\" \"%s\"\r\n", user, opt.password);
			while (get_line(c), strncmp(c->line, "x ", 2) != 0)
				;
			ok = strncmp(c->line, "x OK", 4) == 0;
		} else {
			ok = scram(c, lib, user);
		}
		if (ok == wrong)
			die("login", c->line);
		done++;
		close_conn(c);
	}
	gsasl_done(lib);
	return (void *)done;
}

int main(int argc, char **argv)
{
	struct rlimit r = { 65536, 65536 };
	setrlimit(RLIMIT_NOFILE, &r);
	if (argc < 2)
		die("usage", "see the top of imapload.c");
	opt.mode = argv[1];
	for (int o; (o = getopt(argc - 1, argv + 1, "p:P:c:n:t:s:u:w:b:m:k:a:TZ")) != -1;) {
		switch (o) {
		case 'p':
			opt.port = atoi(optarg);
			break;
		case 'P':
			opt.smtp_port = atoi(optarg);
			break;
		case 'c':
			opt.clients = (unsigned)atoi(optarg);
			break;
		case 'n':
			opt.messages = (unsigned)atoi(optarg);
			break;
		case 't':
			opt.seconds = atof(optarg);
			break;
		case 's':
			opt.size = (size_t)atol(optarg);
			break;
		case 'u':
			opt.user = optarg;
			break;
		case 'w':
			opt.password = optarg;
			break;
		case 'b':
			opt.mailbox = optarg;
			break;
		case 'm':
			opt.how = optarg;
			break;
		case 'k':
			opt.keys = optarg;
			break;
		case 'a':
			opt.address = optarg;
			break;
		case 'T':
			opt.tls = true;
			break;
		case 'Z':
			opt.compress = true;
			break;
		default:
			die("usage", "see the top of imapload.c");
		}
	}
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	make_letter();
	if (strcmp(opt.mode, "idle") == 0)
		idle();
	else if (strcmp(opt.mode, "notify") == 0)
		notify();
	else if (strcmp(opt.mode, "append") == 0)
		many(append_one, "appended");
	else if (strcmp(opt.mode, "fetch") == 0)
		fetch();
	else if (strcmp(opt.mode, "latency") == 0)
		latency();
	else if (strcmp(opt.mode, "search") == 0)
		search();
	else if (strcmp(opt.mode, "login") == 0)
		many(login_one, "logins");
	else
		die("no such mode", opt.mode);
	return 0;
}
