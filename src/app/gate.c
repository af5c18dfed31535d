#include "app/gate.h"

#include "base/hash.h"
#include "base/log.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ADDRESS4 32
#define ADDRESS6 64
#define NETWORK4 26
#define NETWORK6 48

struct count {
	struct prefix of;
	unsigned open; /* 0 = free place */
};
struct app_gate {
	struct gate_conf conf;
	char smtp_refusal[320], imap_refusal[120];
	pthread_mutex_t mu;
	struct count *table; /* guarded by mu, as all below; open addressing */
	size_t size;         /* a power of two, at least twice what can be in it */
	struct gate_stat stat;
};

static size_t place(const struct app_gate *g, struct prefix p)
{
	char key[17];
	memcpy(key, p.addr.b, 16);
	key[16] = (char)p.bits;
	return hash_str((struct str){ key, sizeof key }) & (g->size - 1);
}

/* The count of `p`, or the free place where it would stand. */
static struct count *find(struct app_gate *g, struct prefix p)
{
	size_t i = place(g, p);
	while (g->table[i].open > 0 && !prefix_eq(g->table[i].of, p))
		i = (i + 1) & (g->size - 1);
	return &g->table[i];
}

static void add(struct app_gate *g, struct prefix p)
{
	struct count *c = find(g, p);
	c->of = p;
	c->open++;
}

/* Take one off; an emptied place is filled from behind, so that no search ends early. */
static void take(struct app_gate *g, struct prefix p)
{
	struct count *c = find(g, p);
	assert(c->open > 0);
	if (--c->open > 0)
		return;
	size_t hole = (size_t)(c - g->table), mask = g->size - 1;
	for (size_t i = (hole + 1) & mask; g->table[i].open > 0; i = (i + 1) & mask) {
		size_t home = place(g, g->table[i].of);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue; /* it stands at home or behind: the hole is before its home */
		g->table[hole] = g->table[i];
		g->table[i] = (struct count){ 0 };
		hole = i;
	}
}

static bool spared(const struct app_gate *g, struct addr a)
{
	return addr_is_none(a) || (g->conf.spare_loopback && addr_loopback(a));
}

static bool admit(void *ctx, const struct door *door, struct addr remote, const char **refusal)
{
	struct app_gate *g = ctx;
	if (spared(g, remote))
		return true;
	struct prefix address = prefix_of(remote, ADDRESS4, ADDRESS6), network = prefix_of(remote, NETWORK4, NETWORK6);
	pthread_mutex_lock(&g->mu);
	unsigned a = find(g, address)->open, n = find(g, network)->open;
	bool ok = (!g->conf.address_open || a < g->conf.address_open) &&
		  (!g->conf.network_open || n < g->conf.network_open);
	if (ok) {
		add(g, address);
		add(g, network);
	} else {
		g->stat.refused++;
	}
	pthread_mutex_unlock(&g->mu);
	if (ok)
		return true;
	/* With implicit TLS the peer expects a handshake, not words. */
	*refusal = door->tls ? "" : str_startsi(str_of(door->name), STR("imap")) ? g->imap_refusal : g->smtp_refusal;
	char text[ADDR_TEXT];
	log_info("gate.refused", KVZ("ip", addr_text(remote, text)), KVZ("door", door->name), KVN("open", a),
		 KVN("network_open", n));
	return false;
}

static void left(void *ctx, const struct door *door, struct addr remote)
{
	struct app_gate *g = ctx;
	(void)door;
	if (spared(g, remote))
		return;
	pthread_mutex_lock(&g->mu);
	take(g, prefix_of(remote, ADDRESS4, ADDRESS6));
	take(g, prefix_of(remote, NETWORK4, NETWORK6));
	pthread_mutex_unlock(&g->mu);
}

static void misbehaved(void *ctx, const struct door *door, struct addr remote, const char *what)
{
	struct app_gate *g = ctx;
	char text[ADDR_TEXT];
	pthread_mutex_lock(&g->mu);
	g->stat.misbehaved++;
	pthread_mutex_unlock(&g->mu);
	log_debug("gate.misbehaved", KVZ("ip", addr_text(remote, text)), KVZ("door", door->name), KVZ("what", what));
}

struct app_gate *gate_new(const struct gate_conf *conf)
{
	struct app_gate *g = calloc(1, sizeof *g);
	if (!g)
		abort();
	g->conf = *conf;
	/* Each connection is in two counts; a pen may take a few over its bound while it turns others away. */
	for (g->size = 256; g->size < 4 * (size_t)conf->connections + 256;)
		g->size *= 2;
	g->table = calloc(g->size, sizeof *g->table);
	if (!g->table)
		abort();
	pthread_mutex_init(&g->mu, NULL);
	snprintf(g->smtp_refusal, sizeof g->smtp_refusal,
		 "421 4.7.0 %.*s Too many connections from your address, please try again later\r\n", STRF(conf->host));
	snprintf(g->imap_refusal, sizeof g->imap_refusal,
		 "* BYE [UNAVAILABLE] Too many connections from your address, please try again later\r\n");
	return g;
}

struct gate gate_for_pen(struct app_gate *g)
{
	return (struct gate){ .ctx = g, .admit = admit, .left = left, .misbehaved = misbehaved };
}

void gate_stat(struct app_gate *g, struct gate_stat *out)
{
	pthread_mutex_lock(&g->mu);
	*out = g->stat;
	pthread_mutex_unlock(&g->mu);
}

void gate_free(struct app_gate *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->mu);
	free(g->table);
	free(g);
}
