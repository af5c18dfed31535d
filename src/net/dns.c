/* One thread waits for libunbound's answers and hands them to the workers that wait.
 *
 * A callback runs inside ub_process() under `mu`, and a worker cancels under `mu`: so a question that was given up can
 * not be answered any more, and its memory may go.
 */
#include "net/dns.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

#define WAITING   256
#define RECORDS   64 /* of one answer; the rest is left out */
#define NAME_TEXT 256

struct dns {
	bool offline;
	struct ub_ctx *ub;
	pthread_t thread;
	int bell; /* ends the thread's poll */
	pthread_mutex_t mu;
	pthread_cond_t room; /* fewer than `most` wait */
	unsigned waiting, most;
	bool closing;
};

struct question {
	pthread_cond_t answered;
	bool done;
	int failed; /* ub_strerror() */
	struct ub_result *result;
};

/* --- opening ---------------------------------------------------------------- */

static bool set(struct dns *d, const char *option, const char *value, struct err *e)
{
	int rc = ub_ctx_set_option(d->ub, option, value);
	return rc == 0 || err_set(e, ERR_PERM, "resolver option %s %s: %s", option, value, ub_strerror(rc));
}

static const char *server_text(struct addrport at, char text[ADDR_TEXT + 8])
{
	char addr[ADDR_TEXT];
	snprintf(text, ADDR_TEXT + 8, "%s@%u", addr_text(at.addr, addr), at.port);
	return text;
}

/* libunbound answers some zones itself (private reverse ones, test.): who names servers means them. */
static bool ask_all(struct dns *d, const struct dns_conf *conf, struct err *e)
{
	return (conf->nservers == 0 && conf->nstubs == 0) ||
	       (set(d, "unblock-lan-zones:", "yes", e) && set(d, "insecure-lan-zones:", "yes", e));
}

static bool add_servers(struct dns *d, const struct dns_conf *conf, struct err *e)
{
	char text[ADDR_TEXT + 8], zone[NAME_TEXT];
	for (size_t i = 0; i < conf->nservers; i++) {
		int rc = ub_ctx_set_fwd(d->ub, server_text(conf->servers[i], text));
		if (rc != 0)
			return err_set(e, ERR_PERM, "name server %s: %s", text, ub_strerror(rc));
	}
	for (size_t i = 0; i < conf->nstubs; i++) {
		snprintf(zone, sizeof zone, "%.*s", STRF(conf->stubs[i].zone));
		int rc = ub_ctx_set_stub(d->ub, zone, server_text(conf->stubs[i].at, text), 0);
		if (rc != 0)
			return err_set(e, ERR_PERM, "zone %s at %s: %s", zone, text, ub_strerror(rc));
	}
	return true;
}

static bool add_anchors(struct dns *d, const char *anchors, struct err *e)
{
	struct str rest = str_of(anchors);
	while (rest.n > 0) {
		char line[1024];
		struct str one = str_trim(str_cut(&rest, '\n'));
		if (one.n == 0 || one.p[0] == ';' || one.p[0] == '#')
			continue;
		snprintf(line, sizeof line, "%.*s", STRF(one));
		int rc = ub_ctx_add_ta(d->ub, line);
		if (rc != 0)
			return err_set(e, ERR_PERM, "trust anchor \"%.60s\": %s", line, ub_strerror(rc));
	}
	return true;
}

static bool configure(struct dns *d, const struct dns_conf *conf, struct err *e)
{
	return set(d, "do-not-query-localhost:", "no", e) && set(d, "qname-minimisation:", "yes", e) &&
	       set(d, "module-config:", conf->anchors ? "validator iterator" : "iterator", e) &&
	       (conf->cache || (set(d, "cache-max-ttl:", "0", e) && set(d, "cache-max-negative-ttl:", "0", e))) &&
	       ask_all(d, conf, e) && add_servers(d, conf, e) && (!conf->anchors || add_anchors(d, conf->anchors, e));
}

/* After this no option can be set any more; and only now are the anchors read. */
static bool finalize(struct dns *d, const struct dns_conf *conf, struct err *e)
{
	bool named = conf->nservers > 0 || conf->nstubs > 0;
	int rc = ub_ctx_zone_remove(d->ub, named ? "test." : "nothing.invalid.");
	return rc == 0 ||
	       err_set(e, ERR_PERM, "the resolver cannot use its settings%s: %s",
		       conf->anchors ? " (are the trust anchors DS or DNSKEY records?)" : "", ub_strerror(rc));
}

static void *answers(void *arg)
{
	struct dns *d = arg;
	struct pollfd fds[] = { { .fd = ub_fd(d->ub), .events = POLLIN }, { .fd = d->bell, .events = POLLIN } };
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		pthread_mutex_lock(&d->mu);
		bool closing = d->closing;
		if (!closing && fds[0].revents)
			ub_process(d->ub);
		pthread_mutex_unlock(&d->mu);
		if (closing)
			break;
	}
	return NULL;
}

struct dns *dns_open(const struct dns_conf *conf, struct err *e)
{
	struct dns *d = calloc(1, sizeof *d);
	pthread_condattr_t mono;
	if (!d)
		abort();
	d->bell = -1;
	d->offline = conf->offline;
	d->most = conf->waiting ? conf->waiting : WAITING;
	pthread_mutex_init(&d->mu, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&d->room, &mono);
	pthread_condattr_destroy(&mono);
	if (d->offline)
		return d;
	d->ub = ub_ctx_create();
	if (!d->ub)
		abort();
	ub_ctx_debugout(d->ub, NULL); /* what it has to say comes back in errors */
	bool ok = ub_ctx_async(d->ub, 1) == 0 && configure(d, conf, e);
	ok = ok && finalize(d, conf, e);
	if (ok) {
		d->bell = eventfd(0, EFD_CLOEXEC);
		errno = d->bell < 0 ? errno : pthread_create(&d->thread, NULL, answers, d);
		ok = errno == 0 || err_sys(e, "start", "the resolver");
	}
	if (ok)
		return d;
	d->thread = 0;
	dns_close(d);
	return NULL;
}

void dns_close(struct dns *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->mu);
	d->closing = true;
	pthread_mutex_unlock(&d->mu);
	if (d->thread) {
		eventfd_write(d->bell, 1);
		pthread_join(d->thread, NULL);
	}
	if (d->ub)
		ub_ctx_delete(d->ub);
	if (d->bell >= 0)
		close(d->bell);
	pthread_cond_destroy(&d->room);
	pthread_mutex_destroy(&d->mu);
	free(d);
}

/* --- asking ------------------------------------------------------------------- */

static void come(void *arg, int failed, struct ub_result *result)
{
	struct question *q = arg;
	q->done = true;
	q->failed = failed;
	q->result = result;
	pthread_cond_signal(&q->answered);
}

static struct timespec at_mono(int64_t mono_ms)
{
	return (struct timespec){ .tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000 };
}

static void fail(struct dns_answer *out, enum dns_got got, const char *why)
{
	out->got = got;
	snprintf(out->why, sizeof out->why, "%s", why);
}

/* With mu held. */
static void wait_for(struct dns *d, struct question *q, int id, const struct timespec *by)
{
	int rc = 0;
	while (!q->done && rc == 0)
		rc = pthread_cond_timedwait(&q->answered, &d->mu, by);
	if (!q->done)
		ub_cancel(d->ub, id);
}

static void take(const struct ub_result *r, struct arena *a, struct dns_answer *out)
{
	out->secure = r->secure;
	out->nxdomain = r->nxdomain;
	out->ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
	if (r->canonname)
		out->name = str_lower(a, str_of(r->canonname));
	if (str_ends(out->name, STR(".")))
		out->name.n--;
	if (r->bogus) {
		fail(out, DNS_BOGUS, r->why_bogus ? r->why_bogus : "a signature is wrong");
	} else if (r->rcode != 0 && r->rcode != 3) {
		fail(out, DNS_TEMP, r->rcode == 2 ? "no server could answer" : "a server refused to answer");
	} else if (r->havedata) {
		out->got = DNS_FOUND;
		while (out->n < RECORDS && r->data[out->n])
			out->n++;
		out->data = ARENA_ARRAY(a, struct str, out->n);
		for (size_t i = 0; i < out->n; i++)
			out->data[i] = str_dup(a, (struct str){ r->data[i], (size_t)r->len[i] });
	}
}

static void ask(struct dns *d, const char *name, enum dns_type type, int64_t ms, struct arena *a,
		struct dns_answer *out)
{
	struct question q = { .done = false };
	struct timespec by = at_mono(clock_mono_ms() + ms);
	pthread_condattr_t mono;
	int id = 0, rc = 0, room = 0;
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&q.answered, &mono);
	pthread_condattr_destroy(&mono);
	pthread_mutex_lock(&d->mu);
	while (d->waiting >= d->most && room == 0)
		room = pthread_cond_timedwait(&d->room, &d->mu, &by);
	if (room == 0) {
		d->waiting++;
		rc = ub_resolve_async(d->ub, name, (int)type, 1, &q, come, &id);
		if (rc == 0)
			wait_for(d, &q, id, &by);
		d->waiting--;
		pthread_cond_signal(&d->room);
	}
	pthread_mutex_unlock(&d->mu);
	if (rc != 0 || q.failed != 0)
		fail(out, DNS_TEMP, ub_strerror(rc ? rc : q.failed));
	else if (!q.done)
		fail(out, DNS_TEMP, "no answer in time");
	else
		take(q.result, a, out);
	ub_resolve_free(q.result);
	pthread_cond_destroy(&q.answered);
}

void dns_ask(struct dns *d, struct str name, enum dns_type type, int64_t ms, struct arena *a, struct dns_answer *out)
{
	*out = (struct dns_answer){ .got = DNS_NONE, .name = str_lower(a, name) };
	if (d->offline || name.n == 0 || name.n >= NAME_TEXT || memchr(name.p, 0, name.n)) {
		out->nxdomain = true;
		return;
	}
	ask(d, str_z(a, name), type, ms, a, out);
}

/* --- common questions -------------------------------------------------------------- */

/* A name on the wire, uncompressed (RFC 1035 3.1).  False: not a host name that mail could be sent to. */
static bool take_name(struct str rdata, struct arena *a, struct str *name)
{
	char text[NAME_TEXT];
	size_t n = 0;
	while (rdata.n > 0 && rdata.p[0] != 0) {
		size_t label = (unsigned char)rdata.p[0];
		if (label > 63 || label >= rdata.n || n + label + 1 >= sizeof text)
			return false;
		if (n > 0)
			text[n++] = '.';
		for (size_t i = 1; i <= label; i++) {
			if (rdata.p[i] <= ' ' || rdata.p[i] == '.' || rdata.p[i] >= 0x7f)
				return false;
			text[n++] = ch_lower(rdata.p[i]);
		}
		rdata = str_sub(rdata, label + 1, rdata.n);
	}
	*name = str_dup(a, (struct str){ text, n });
	return rdata.n > 0;
}

static int by_preference(const void *x, const void *y)
{
	const struct dns_mx *a = x, *b = y;
	return (a->preference > b->preference) - (a->preference < b->preference);
}

static void shuffle(struct dns_mx *mx, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		uint32_t r;
		random_bytes(&r, sizeof r);
		struct dns_mx t = mx[i - 1];
		mx[i - 1] = mx[r % i];
		mx[r % i] = t;
	}
}

void dns_mx(struct dns *d, struct str domain, int64_t ms, struct arena *a, struct dns_answer *answer,
	    struct dns_mx **out, size_t *n)
{
	dns_ask(d, domain, DNS_MX, ms, a, answer);
	*out = ARENA_ARRAY(a, struct dns_mx, answer->n + 1);
	*n = 0;
	for (size_t i = 0; i < answer->n; i++) {
		struct str r = answer->data[i];
		if (r.n < 3 || !take_name(str_sub(r, 2, r.n), a, &(*out)[*n].host))
			continue;
		(*out)[(*n)++].preference = (uint16_t)((unsigned char)r.p[0] << 8 | (unsigned char)r.p[1]);
	}
	/* Equal ones in random order (RFC 5321 5.1). */
	shuffle(*out, *n);
	if (*n > 1)
		qsort(*out, *n, sizeof **out, by_preference);
}

static struct addr addr_of(struct str octets)
{
	struct addr a = { { [10] = 0xff, [11] = 0xff } };
	memcpy(a.b + 16 - octets.n, octets.p, octets.n);
	return a;
}

static void add_addresses(struct dns *d, struct str host, bool v6, int64_t ms, struct arena *a,
			  struct dns_answer *answer, struct addr *to, size_t *n)
{
	size_t octets = v6 ? 16 : 4;
	dns_ask(d, host, v6 ? DNS_AAAA : DNS_A, ms, a, answer);
	for (size_t i = 0; i < answer->n; i++)
		if (answer->data[i].n == octets)
			to[(*n)++] = addr_of(answer->data[i]);
}

void dns_addresses(struct dns *d, struct str host, bool v6, bool v4, int64_t ms, struct arena *a,
		   struct dns_answer *answer, struct addr **out, size_t *n)
{
	struct dns_answer other = { .got = DNS_NONE };
	*out = ARENA_ARRAY(a, struct addr, 2 * RECORDS);
	*n = 0;
	*answer = (struct dns_answer){ .got = DNS_NONE };
	if (v6)
		add_addresses(d, host, true, ms, a, answer, *out, n);
	if (v4)
		add_addresses(d, host, false, ms, a, v6 ? &other : answer, *out, n);
	if (!v6 || !v4)
		return;
	/* What one of the two knows is known; both must be secure for the whole to be. */
	bool secure = answer->secure && other.secure;
	if (other.got == DNS_FOUND || (answer->got == DNS_NONE && other.got != DNS_NONE))
		*answer = other;
	answer->secure = secure;
}

void dns_txt(struct dns *d, struct str name, int64_t ms, struct arena *a, struct dns_answer *answer, struct str **out,
	     size_t *n)
{
	dns_ask(d, name, DNS_TXT, ms, a, answer);
	*out = ARENA_ARRAY(a, struct str, answer->n + 1);
	for (*n = 0; *n < answer->n; (*n)++) {
		struct str r = answer->data[*n];
		char *text = arena_alloc(a, r.n);
		size_t at = 0;
		while (r.n > 0) {
			struct str part = str_sub(r, 1, 1 + (size_t)(unsigned char)r.p[0]);
			memcpy(text + at, part.p, part.n);
			at += part.n;
			r = str_sub(r, 1 + part.n, r.n);
		}
		(*out)[*n] = (struct str){ text, at };
	}
}
