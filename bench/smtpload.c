/* smtpload.c - one client program for all servers: how fast do they take mail, and how many can wait?
 *
 * One thread, one epoll, no TLS library in the way unless asked: the client
 * must cost less than any server it measures.  Every message is one MAIL,
 * RCPT, DATA dialogue without pipelining, as most senders talk.  Prints one
 * JSON object.
 *
 *	smtpload send  -p PORT [-c CONNECTIONS] [-m MESSAGES-PER-CONNECTION, 0 = one connection for all]
 *	               [-n MESSAGES | -t SECONDS] [-s OCTETS] [-r RECIPIENT]
 *	smtpload hold  -p PORT -c CONNECTIONS [-T]     past EHLO, then wait for end of input; -T: STARTTLS first
 *	smtpload stuck -p PORT -c CONNECTIONS          in the middle of DATA, then wait for end of input
 *
 * Connections come from 127.0.0.1 and, past 20,000, from the addresses after it.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum state { GREETING, EHLO, STARTTLS, HANDSHAKE, EHLO_TLS, MAIL, RCPT, DATA, BODY, QUIT, HELD, DEAD };
enum mode { SEND, HOLD, STUCK };

struct client {
	int fd;
	enum state state;
	char in[1024];
	size_t nin;
	size_t body_at; /* octets of the body sent */
	unsigned sent;  /* messages on this connection */
	int64_t body_us;
	SSL *ssl;
};

static struct {
	enum mode mode;
	int port;
	unsigned connections, per_connection;
	uint64_t messages;
	double seconds;
	size_t size;
	const char *rcpt;
	bool tls;
} opt = { .connections = 50, .messages = 10000, .size = 4096, .rcpt = "you@sandbox.test" };

static int ep;
static char *body;
static size_t body_len;
static uint64_t begun, accepted, failed, ready;
static uint32_t *latency_us;
static size_t latency_cap;
static int64_t start_us, until_us;
static bool started;
static SSL_CTX *ctx;

static int64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Words of uneven frequency, so that it compresses about as mail does. */
static void make_body(void)
{
	static const char *const words[] = { "the",     "of",      "and", "sluice", "gate",   "water",
					     "meeting", "please",  "to",  "answer", "letter", "Tuesday",
					     "morning", "invoice", "is",  "in",     "we",     "river",
					     "owner",   "a",       "for", "about",  "system", "server" };
	const char
	    *head = "From: Load <load@load.example>\r\nTo: You <you@sandbox.test>\r\nSubject: A message to weigh\r\n"
		    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <load@load.example>\r\n"
		    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
	body = malloc(opt.size + 256);
	body_len = strlen(head);
	memcpy(body, head, body_len);
	unsigned seed = 7, column = 0;
	while (body_len < opt.size - 2) {
		seed = seed * 1103515245 + 12345;
		char word[40];
		int n = snprintf(word, sizeof word, (seed >> 28) == 0 ? "%s%u " : "%s ",
				 words[(seed >> 16) % (sizeof words / sizeof *words)], seed);
		memcpy(body + body_len, word, (size_t)n);
		body_len += (size_t)n;
		column += (unsigned)n;
		if (column > 66) {
			memcpy(body + body_len, "\r\n", 2);
			body_len += 2;
			column = 0;
		}
	}
	memcpy(body + body_len, "\r\n.\r\n", 5);
	body_len += 5;
}

static void want(struct client *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };
	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void lost(struct client *c)
{
	if (c->state == MAIL || c->state == RCPT || c->state == DATA || c->state == BODY)
		failed++;
	close(c->fd);
	if (c->ssl)
		SSL_free(c->ssl);
	c->ssl = NULL;
	c->state = DEAD;
}

static void say(struct client *c, const char *text)
{
	size_t n = strlen(text);
	ssize_t put = c->ssl ? SSL_write(c->ssl, text, (int)n) : write(c->fd, text, n);
	if (put != (ssize_t)n)
		lost(c);
}

static void dial(struct client *c, unsigned i)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i / 20000);
	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .state = GREETING };
	if (i >= 20000)
		bind(c->fd, (struct sockaddr *)&from, sizeof from);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) {
		perror("smtpload: connect");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static bool more_to_send(void)
{
	return until_us ? now_us() < until_us : begun < opt.messages;
}

static void begin_message(struct client *c)
{
	if (!more_to_send()) {
		c->state = QUIT;
		say(c, "QUIT\r\n");
		return;
	}
	begun++;
	c->state = MAIL;
	say(c, "MAIL FROM:<load@load.example>\r\n");
}

static void send_body(struct client *c)
{
	size_t to = opt.mode == STUCK ? body_len / 2 : body_len;
	while (c->body_at < to) {
		ssize_t n = write(c->fd, body + c->body_at, to - c->body_at);
		if (n < 0 && errno == EAGAIN) {
			want(c, EPOLLOUT);
			return;
		}
		if (n < 0) {
			lost(c);
			return;
		}
		c->body_at += (size_t)n;
	}
	c->body_us = now_us();
	want(c, EPOLLIN);
}

static void done_message(struct client *c, bool ok)
{
	if (ok) {
		if (accepted == latency_cap) {
			latency_cap = latency_cap ? latency_cap * 2 : 65536;
			latency_us = realloc(latency_us, latency_cap * sizeof *latency_us);
		}
		latency_us[accepted++] = (uint32_t)(now_us() - c->body_us);
	} else {
		failed++;
	}
	c->sent++;
	if (opt.per_connection && c->sent >= opt.per_connection) {
		c->state = QUIT;
		say(c, "QUIT\r\n");
	} else {
		begin_message(c);
	}
}

static void handshake(struct client *c)
{
	int rc = SSL_connect(c->ssl);
	if (rc == 1) {
		c->state = EHLO_TLS;
		want(c, EPOLLIN);
		say(c, "EHLO load.example\r\n");
		return;
	}
	int why = SSL_get_error(c->ssl, rc);
	if (why == SSL_ERROR_WANT_READ)
		want(c, EPOLLIN);
	else if (why == SSL_ERROR_WANT_WRITE)
		want(c, EPOLLOUT);
	else
		lost(c);
}

/* A reply is whole: what next? */
static void reply(struct client *c, int code)
{
	static char rcpt[300];
	bool good = code / 100 == 2 || code / 100 == 3;
	if (!good && c->state != BODY && c->state != QUIT) {
		fprintf(stderr, "smtpload: %.*s", (int)c->nin, c->in);
		lost(c);
		return;
	}
	switch (c->state) {
	case GREETING:
		c->state = EHLO;
		say(c, "EHLO load.example\r\n");
		break;
	case EHLO:
		if (opt.mode == HOLD && opt.tls) {
			c->state = STARTTLS;
			say(c, "STARTTLS\r\n");
			break;
		}
		/* fall through */
	case EHLO_TLS:
		if (opt.mode == HOLD || (opt.mode == SEND && !opt.per_connection && !started)) {
			c->state = HELD;
			ready++;
		} else {
			begin_message(c);
		}
		break;
	case STARTTLS:
		c->ssl = SSL_new(ctx);
		SSL_set_fd(c->ssl, c->fd);
		c->state = HANDSHAKE;
		handshake(c);
		break;
	case MAIL:
		c->state = RCPT;
		snprintf(rcpt, sizeof rcpt, "RCPT TO:<%s>\r\n", opt.rcpt);
		say(c, rcpt);
		break;
	case RCPT:
		c->state = DATA;
		say(c, "DATA\r\n");
		break;
	case DATA:
		c->state = opt.mode == STUCK ? HELD : BODY;
		ready += opt.mode == STUCK;
		c->body_at = 0;
		send_body(c);
		break;
	case BODY:
		done_message(c, good);
		break;
	default:
		close(c->fd);
		c->state = DEAD;
	}
}

static void readable(struct client *c)
{
	size_t room = sizeof c->in - c->nin;
	ssize_t n = c->ssl ? SSL_read(c->ssl, c->in + c->nin, (int)room) : read(c->fd, c->in + c->nin, room);
	if (n < 0 && (errno == EAGAIN || (c->ssl && SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ)))
		return;
	if (n <= 0) {
		lost(c);
		return;
	}
	c->nin += (size_t)n;
	/* A reply ends with a line whose fourth character is no hyphen (RFC 5321 4.2.1). */
	char *line = c->in, *end;
	while ((end = memchr(line, '\n', c->nin - (size_t)(line - c->in)))) {
		if (end - line >= 4 && line[3] != '-') {
			int code = atoi(line);
			c->nin = 0;
			reply(c, code);
			return;
		}
		line = end + 1;
	}
	c->nin -= (size_t)(line - c->in);
	memmove(c->in, line, c->nin);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static uint32_t at_rank(double q)
{
	return accepted ? latency_us[(size_t)((double)(accepted - 1) * q)] : 0;
}

static bool input_ended(void)
{
	char c;
	return read(STDIN_FILENO, &c, 1) == 0;
}

/* Many messages a connection: the clock starts when all have been greeted, so that what is measured is taking
 * mail and not, say, a server's look-up of the client's name. */
static void start(struct client *clients)
{
	started = true;
	start_us = now_us();
	if (opt.seconds > 0)
		until_us = start_us + (int64_t)(opt.seconds * 1e6);
	for (unsigned i = 0; i < opt.connections; i++)
		if (clients[i].state == HELD)
			begin_message(&clients[i]);
}

/* hold and stuck: say when all stand, keep them until standard input ends. */
static void wait_for_end(void)
{
	printf("{\"held\": %llu}\n", (unsigned long long)ready);
	fflush(stdout);
	while (!input_ended())
		;
}

static void run(struct client *clients)
{
	struct epoll_event ev[256];
	int64_t stop = now_us() + (int64_t)300e6;
	if (opt.per_connection)
		start(clients);
	unsigned alive = opt.connections, dialled = 0;
	while (alive > 0 && now_us() < stop) {
		/* Dial in small steps, so that the listener's backlog does not overflow. */
		for (int k = 0; k < 64 && dialled < opt.connections; k++, dialled++)
			dial(&clients[dialled], dialled);
		int n = epoll_wait(ep, ev, 256, dialled < opt.connections ? 0 : 1000);
		for (int i = 0; i < n; i++) {
			struct client *c = ev[i].data.ptr;
			if (c->state == DEAD)
				continue;
			if (c->state == HANDSHAKE)
				handshake(c);
			else if (ev[i].events & EPOLLOUT)
				send_body(c);
			else
				readable(c);
			if (c->state != DEAD)
				continue;
			if (opt.mode == SEND && opt.per_connection && more_to_send())
				dial(c, (unsigned)(c - clients));
			else
				alive--;
		}
		if (opt.mode == SEND && !started && ready >= alive && dialled == opt.connections)
			start(clients);
		if (opt.mode != SEND && ready >= alive && dialled == opt.connections) {
			wait_for_end();
			return;
		}
	}
	double seconds = (double)(now_us() - start_us) / 1e6;
	qsort(latency_us, accepted, sizeof *latency_us, by_size);
	printf("{\"accepted\": %llu, \"failed\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f}\n",
	       (unsigned long long)accepted, (unsigned long long)failed, seconds, (double)accepted / seconds,
	       at_rank(.5) / 1e3, at_rank(.99) / 1e3, at_rank(.999) / 1e3, at_rank(1) / 1e3);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	opt.mode = !strcmp(mode, "send") ? SEND : !strcmp(mode, "hold") ? HOLD : STUCK;
	if (opt.mode == STUCK && strcmp(mode, "stuck") != 0) {
		fprintf(stderr, "usage: smtpload send|hold|stuck -p PORT ...\n");
		return 64;
	}
	optind = 2;
	for (int o; (o = getopt(argc, argv, "p:c:m:n:t:s:r:T")) != -1;) {
		switch (o) {
		case 'p':
			opt.port = atoi(optarg);
			break;
		case 'c':
			opt.connections = (unsigned)atoi(optarg);
			break;
		case 'm':
			opt.per_connection = (unsigned)atoi(optarg);
			break;
		case 'n':
			opt.messages = strtoull(optarg, NULL, 10);
			break;
		case 't':
			opt.seconds = atof(optarg);
			break;
		case 's':
			opt.size = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			opt.rcpt = optarg;
			break;
		case 'T':
			opt.tls = true;
			break;
		default:
			return 64;
		}
	}
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (opt.connections + 20 > files.rlim_cur) {
		fprintf(stderr, "smtpload: at most %llu descriptors here\n", (unsigned long long)files.rlim_cur);
		return 1;
	}
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	ep = epoll_create1(EPOLL_CLOEXEC);
	make_body();
	struct client *clients = calloc(opt.connections, sizeof *clients);
	run(clients);
	return failed > 0;
}
