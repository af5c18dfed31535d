#include "app/settings.h"

#include "app/conf_syntax.h"
#include "mail/address.h"
#include <stdlib.h>
#include <sys/un.h>

struct maker {
	const struct conf *conf;
	struct arena *arena;
	struct settings *out;
	struct conf_errors *errors;
};

static const struct conf_key *key(const char *path)
{
	return key_by_path(str_of(path));
}

static const char *where(struct maker *m, struct conf_place at)
{
	return str_z(m->arena, str_fmt(m->arena, "%.*s:%u:%u", STRF(at.file), at.line, at.column));
}

/* --- keys that go straight to a field ------------------------------------------------ */

static void store_number(struct settings *s, const struct conf_key *k, uint64_t v)
{
	char *field = (char *)s + k->field.at;
	uint32_t narrow = (uint32_t)v;
	if (k->field.size == sizeof narrow)
		memcpy(field, &narrow, sizeof narrow);
	else
		memcpy(field, &v, sizeof v);
}

/* `type` NULL: the word is an option of its own, "off". */
static void store_value(struct settings *s, const struct conf_key *k, const struct conf_type *type, struct str word)
{
	char *field = (char *)s + k->field.at;
	if (!type) {
		store_number(s, k, 0);
	} else if (type->number) {
		store_number(s, k, conf_number(type, word));
	} else if (k->field.size == sizeof(bool)) {
		bool yes = str_eq(word, STR("yes"));
		memcpy(field, &yes, sizeof yes);
	} else {
		memcpy(field, &word, sizeof word);
	}
}

static void store_preset(struct settings *s, const struct conf_key *k)
{
	struct syntax x[SYNTAX_ALTERNATIVES];
	size_t n;
	struct buf unused = { 0 };
	const struct conf_type *type = NULL;
	struct str word = str_of(k->preset);
	if (!syntax_parse(k->takes, x, &n))
		return;
	for (size_t i = 0; i < n && !type; i++)
		if (x[i].nvalues > 0 && conf_type_check(x[i].values[0].type, k, word, &unused))
			type = x[i].values[0].type;
	buf_free(&unused);
	store_value(s, k, type, word);
}

/* The only node of a key outside of named blocks. */
static const struct conf_node *single(const struct maker *m, const struct conf_key *k)
{
	struct str path = str_of(k->path), first = str_cut(&path, '.');
	const struct conf_node *n = conf_next(&m->conf->root, key_in(NULL, first), NULL);
	return n && path.n > 0 ? conf_next(n, k, NULL) : n;
}

static void make_fields(struct maker *m)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *k = &conf_key_table[i];
		if (k->field.size == 0)
			continue;
		const struct conf_node *n = single(m, k);
		if (n && n->nwords > 1)
			store_value(m->out, k, n->words[1].type, n->words[1].text);
		else if (k->preset)
			store_preset(m->out, k);
	}
}

/* --- log -------------------------------------------------------------------------------- */

static void make_levels(struct maker *m, const struct conf_node *log)
{
	const struct conf_key *k = key("log.level");
	const struct conf_node *all = NULL;
	size_t cap = 0;
	for (const struct conf_node *n = conf_next(log, k, NULL); n; n = conf_next(log, k, n)) {
		const struct conf_word *first = conf_value(n, 0), *second = conf_value(n, 1);
		struct settings *s = m->out;
		if (!second) {
			if (all)
				conf_fail(m->errors, n->words[0].at,
					  "the level of all modules stands here twice: first on line %u",
					  all->words[0].at.line);
			all = n;
			log_level_parse(first->text, &s->log.level);
			continue;
		}
		for (size_t i = 0; i < s->nlog_modules; i++)
			if (str_eq(s->log_modules[i].module, first->text))
				conf_fail(m->errors, first->at, "the level of \"%.*s\" stands here twice",
					  STRF(first->text));
		if (s->nlog_modules == SETTINGS_MODULES) {
			conf_fail(m->errors, first->at, "more than %d modules with a level of their own",
				  SETTINGS_MODULES);
			return;
		}
		s->log_modules = arena_grow(m->arena, s->log_modules, &cap, s->nlog_modules + 1,
					    sizeof *s->log_modules);
		s->log_modules[s->nlog_modules].module = first->text;
		log_level_parse(second->text, &s->log_modules[s->nlog_modules++].level);
	}
}

static void make_log(struct maker *m)
{
	m->out->log = (struct log_conf){ .to = LOG_STDERR, .level = LOG_INFO };
	const struct conf_node *log = conf_next(&m->conf->root, key("log"), NULL);
	if (!log)
		return;
	const struct conf_node *to = conf_next(log, key("log.to"), NULL),
			       *format = conf_next(log, key("log.format"), NULL);
	const struct conf_word *file = to ? conf_option(to, "file") : NULL;
	if (file) {
		m->out->log.to = LOG_FILE;
		m->out->log.file = str_z(m->arena, file[1].text);
		m->out->log_where = where(m, file[1].at);
	} else if (to && conf_option(to, "syslog")) {
		m->out->log.to = LOG_SYSLOG;
	}
	m->out->log.json = format && str_eq(format->words[1].text, STR("json"));
	make_levels(m, log);
}

/* --- listeners -------------------------------------------------------------------------- */

static const struct service_row {
	const char *key;
	enum service service;
	uint16_t port;
	bool implicit_tls, logs_in;
} services[] = {
	{ "listen.smtp", SERVICE_SMTP, 25, false, false },
	{ "listen.submission", SERVICE_SUBMISSION, 587, false, true },
	{ "listen.submissions", SERVICE_SUBMISSIONS, 465, true, true },
	{ "listen.imap", SERVICE_IMAP, 143, false, true },
	{ "listen.imaps", SERVICE_IMAPS, 993, true, true },
	{ "listen.local", SERVICE_LOCAL, 0, false, false },
	{ "listen.lmtp", SERVICE_LMTP, 0, false, false },
};

/* What is being made of one listen block. */
struct listener {
	struct listen_conf *conf;
	const struct conf_node *node;
	const struct service_row **rows;        /* beside conf->services */
	const struct conf_node **service_nodes; /* too */
	size_t cap, rows_cap, nodes_cap;
};

static void add_service(struct maker *m, struct listener *l, const struct service_row *row, const struct conf_node *n)
{
	struct listen_service s = {
		.service = row->service, .port = row->port, .mode = 0660, .where = where(m, n->words[0].at)
	};
	const struct conf_word *value = conf_value(n, 0), *mode = conf_option(n, "mode"),
			       *group = conf_option(n, "group");
	if (value && !conf_socket_path(value->text, &s.path)) {
		s.path = STR_NONE;
		s.port = (uint16_t)conf_number(value->type, value->text);
	}
	if (mode)
		s.mode = (unsigned)conf_number(mode[1].type, mode[1].text);
	if (group)
		s.group = group[1].text;
	if (row->service == SERVICE_LMTP && s.port == 25)
		conf_fail(m->errors, value->at,
			  "lmtp must not use port 25 (RFC 2033 5): expected another port such as 24");
	size_t i = l->conf->nservices++;
	l->conf->services = arena_grow(m->arena, l->conf->services, &l->cap, i + 1, sizeof s);
	l->rows = arena_grow(m->arena, l->rows, &l->rows_cap, i + 1, sizeof(void *));
	l->service_nodes = arena_grow(m->arena, l->service_nodes, &l->nodes_cap, i + 1, sizeof(void *));
	l->conf->services[i] = s;
	l->rows[i] = row;
	l->service_nodes[i] = n;
}

/* Services in the order of the file, so that a listener's table is as people wrote it. */
static void make_services(struct maker *m, struct listener *l)
{
	for (const struct conf_node *n = l->node->first; n; n = n->next)
		for (size_t i = 0; !n->bad && i < sizeof services / sizeof *services; i++)
			if (n->key == key(services[i].key))
				add_service(m, l, &services[i], n);
}

static void make_addresses(struct maker *m, struct listener *l)
{
	const struct conf_key *k = key("listen.address");
	size_t cap = 0;
	for (const struct conf_node *n = conf_next(l->node, k, NULL); n; n = conf_next(l->node, k, n))
		for (size_t i = 1; i < n->nwords; i++) {
			struct addr a;
			if (l->conf->naddresses == SETTINGS_SOCKETS || !addr_parse(n->words[i].text, &a))
				continue;
			l->conf->addresses = arena_grow(m->arena, l->conf->addresses, &cap, l->conf->naddresses + 1,
							sizeof a);
			l->conf->addresses[l->conf->naddresses++] = a;
		}
}

static void make_tls(struct maker *m, struct listener *l)
{
	const struct conf_key *k = key("listen.tls");
	size_t cap = 0;
	for (const struct conf_node *n = conf_next(l->node, k, NULL); n; n = conf_next(l->node, k, n)) {
		const struct conf_word *secret = conf_option(n, "secret");
		if (l->conf->ntls == SETTINGS_CERTIFICATES) {
			conf_fail(m->errors, n->words[0].at, "more than %d certificates in one listen block",
				  SETTINGS_CERTIFICATES);
			return;
		}
		struct tls_ref t = { conf_option(n, "cert")[1].text, { secret[1].text, where(m, secret->at) } };
		l->conf->tls = arena_grow(m->arena, l->conf->tls, &cap, l->conf->ntls + 1, sizeof t);
		l->conf->tls[l->conf->ntls++] = t;
	}
}

/* What a listener lacks.  One with mistakes inside may lack it only because of them. */
static void check_listener(struct maker *m, const struct listener *l)
{
	const struct listen_conf *c = l->conf;
	struct conf_place at = l->node->words[0].at;
	for (const struct conf_node *n = l->node->first; n; n = n->next)
		if (n->bad)
			return;
	if (c->nservices == 0)
		conf_fail(m->errors, at, "listen %.*s offers nothing: expected a service such as smtp 25 or imaps 993",
			  STRF(c->name));
	for (size_t i = 0; i < c->nservices; i++) {
		struct conf_place here = l->service_nodes[i]->words[0].at;
		struct str word = l->service_nodes[i]->words[0].text;
		if (c->services[i].port && c->naddresses == 0)
			conf_fail(
			    m->errors, here,
			    "%.*s needs an address to listen on: expected address 192.0.2.1 or the like in listen %.*s",
			    STRF(word), STRF(c->name));
		if (l->rows[i]->implicit_tls && c->ntls == 0)
			conf_fail(m->errors, here,
				  "%.*s needs a certificate: expected tls cert PATH secret PATH in listen %.*s",
				  STRF(word), STRF(c->name));
		else if (l->rows[i]->logs_in && c->ntls == 0 && !c->auth_in_clear)
			conf_fail(m->errors, here,
				  "nobody could log in to %.*s: expected tls cert PATH secret PATH, or auth-in-clear "
				  "yes, in listen %.*s",
				  STRF(word), STRF(c->name));
	}
}

static void make_listener(struct maker *m, const struct conf_node *node, struct listen_conf *c)
{
	struct listener l = { .conf = c, .node = node };
	const struct conf_node *clear = conf_next(node, key("listen.auth-in-clear"), NULL);
	*c = (struct listen_conf){ .name = node->words[1].text, .where = where(m, node->words[0].at) };
	c->auth_in_clear = clear && str_eq(clear->words[1].text, STR("yes"));
	make_services(m, &l);
	make_addresses(m, &l);
	make_tls(m, &l);
	check_listener(m, &l);
}

static void make_listeners(struct maker *m)
{
	const struct conf_key *k = key("listen");
	size_t cap = 0;
	for (const struct conf_node *n = conf_next(&m->conf->root, k, NULL); n; n = conf_next(&m->conf->root, k, n)) {
		struct settings *s = m->out;
		if (s->nlistens == SETTINGS_LISTENERS) {
			conf_fail(m->errors, n->words[0].at, "more than %d listen blocks", SETTINGS_LISTENERS);
			return;
		}
		for (size_t i = 0; i < s->nlistens; i++)
			if (str_eq(s->listens[i].name, n->words[1].text))
				conf_fail(m->errors, n->words[1].at, "there are two listen %.*s: the first is at %s",
					  STRF(n->words[1].text), s->listens[i].where);
		s->listens = arena_grow(m->arena, s->listens, &cap, s->nlistens + 1, sizeof *s->listens);
		make_listener(m, n, &s->listens[s->nlistens++]);
	}
}

/* --- two services in one place -------------------------------------------------------------- */

struct spot {
	struct addr addr;
	uint16_t port;
	struct str path;
	const char *where;
};

static bool any_address(struct addr a)
{
	struct addr any4, any6;
	return (addr_parse(STR("0.0.0.0"), &any4) && addr_eq(a, any4)) ||
	       (addr_parse(STR("::"), &any6) && addr_eq(a, any6));
}

/* Would the second one fail to listen?  0.0.0.0 takes the port on every IPv4 address, :: on every IPv6 one. */
static bool same_spot(const struct spot *x, const struct spot *y)
{
	if (x->path.n > 0 || y->path.n > 0)
		return str_eq(x->path, y->path);
	if (x->port != y->port || addr_is4(x->addr) != addr_is4(y->addr))
		return false;
	return addr_eq(x->addr, y->addr) || any_address(x->addr) || any_address(y->addr);
}

static void check_spot(struct maker *m, const struct spot *all, size_t n, const struct spot *s)
{
	char text[ADDR_TEXT];
	for (size_t i = 0; i < n; i++) {
		if (!same_spot(&all[i], s))
			continue;
		if (m->errors->n++ >= CONF_ERRORS_MAX)
			return;
		if (s->path.n > 0)
			buf_printf(&m->errors->text, "%s: the socket %.*s is taken already, at %s\n", s->where,
				   STRF(s->path), all[i].where);
		else
			buf_printf(&m->errors->text, "%s: port %u of %s is taken already, at %s\n", s->where, s->port,
				   addr_text(s->addr, text), all[i].where);
		return;
	}
}

static void check_spots(struct maker *m)
{
	struct arena a = { 0 };
	struct spot *all = NULL;
	size_t n = 0, cap = 0;
	for (size_t i = 0; i < m->out->nlistens; i++) {
		const struct listen_conf *c = &m->out->listens[i];
		for (size_t j = 0; j < c->nservices; j++) {
			const struct listen_service *s = &c->services[j];
			struct spot spot = { .port = s->port, .path = s->path, .where = s->where };
			size_t times = s->path.n > 0 ? 1 : c->naddresses;
			for (size_t k = 0; k < times; k++) {
				if (s->path.n == 0)
					spot.addr = c->addresses[k];
				if (n == SETTINGS_SOCKETS) {
					buf_printf(&m->errors->text, "%s: more than %d sockets to listen on\n",
						   s->where, SETTINGS_SOCKETS);
					m->errors->n++;
					goto out;
				}
				check_spot(m, all, n, &spot);
				all = arena_grow(&a, all, &cap, n + 1, sizeof *all);
				all[n++] = spot;
			}
		}
	}
out:
	arena_reset(&a);
}

/* --- domains ----------------------------------------------------------------------------------- */

struct named {
	struct str name;
	const struct conf_node *node;
	size_t place; /* in the file: who is second */
};

static int named_cmp(const void *x, const void *y)
{
	const struct named *a = x, *b = y;
	int c = str_cmp(a->name, b->name);
	return c ? c : (a->place > b->place) - (a->place < b->place);
}

static struct str value_of(const struct conf_node *block, const char *path)
{
	const struct conf_node *n = conf_next(block, key(path), NULL);
	return n ? n->words[1].text : STR_NONE;
}

static void make_domains(struct maker *m)
{
	const struct conf_key *k = key("domain");
	struct domain_rule *rules = NULL;
	struct named *names = NULL;
	size_t n = 0, cap = 0, names_cap = 0;
	for (const struct conf_node *node = conf_next(&m->conf->root, k, NULL); node;
	     node = conf_next(&m->conf->root, k, node)) {
		struct domain_rule r = { .detail = value_of(node, "domain.detail"),
					 .case_sensitive = str_eq(value_of(node, "domain.case-sensitive"), STR("yes")),
					 .catchall = value_of(node, "domain.catchall"),
					 .postmaster = value_of(node, "domain.postmaster") };
		if (!address_domain_key(m->arena, node->words[1].text, &r.name))
			continue; /* the checker has asked the same */
		rules = arena_grow(m->arena, rules, &cap, n + 1, sizeof r);
		names = arena_grow(m->arena, names, &names_cap, n + 1, sizeof *names);
		names[n] = (struct named){ r.name, node, n };
		rules[n++] = r;
	}
	if (n > 0)
		qsort(names, n, sizeof *names, named_cmp);
	for (size_t i = 1; i < n; i++)
		if (str_eq(names[i].name, names[i - 1].name)) {
			struct conf_place first = names[i - 1].node->words[1].at;
			conf_fail(m->errors, names[i].node->words[1].at,
				  "domain %.*s stands here twice: first at %.*s:%u", STRF(names[i].name),
				  STRF(first.file), first.line);
		}
	m->out->rules.domains = rules;
	m->out->rules.ndomains = n;
}

/* --- all ------------------------------------------------------------------------------------------ */

/* Room for the longest name in it, "/control.sock". */
static void check_run_dir(struct maker *m)
{
	size_t most = sizeof((struct sockaddr_un *)0)->sun_path - sizeof "/control.sock";
	const struct conf_node *n = single(m, key("run"));
	if (n && m->out->run_dir.n > most)
		conf_fail(m->errors, n->words[1].at,
			  "the path of the run folder is too long for sockets in it: expected at most %zu octets",
			  most);
}

static void check_host(struct maker *m)
{
	static const struct str host = STR("host");
	for (const struct conf_node *n = m->conf->root.first; n; n = n->next)
		if (n->key == key("host") || (!n->key && did_you_mean(n->words[0].text, &host, 1).n > 0))
			return; /* there; a wrong one has been told */
	conf_fail(m->errors, (struct conf_place){ m->conf->name, 1, 1 },
		  "host is missing: expected host mail.example.org or the like");
}

bool settings_from(const struct conf *c, struct arena *a, struct settings *out, struct conf_errors *errors)
{
	struct maker m = { c, a, out, errors };
	size_t before = errors->n;
	*out = (struct settings){ .rules.host = STR_NONE };
	out->admin = out->rules.postmaster = out->host = STR_NONE;
	smtp_limits_default(&out->mx, SMTP_MX);
	smtp_limits_default(&out->submission, SMTP_SUBMISSION);
	smtp_limits_default(&out->local, SMTP_LOCAL);
	imap_limits_default(&out->imap);
	make_fields(&m);
	if (out->admin.n == 0)
		out->admin = str_cat(a, STR("postmaster@"), out->host);
	out->rules.host = str_lower(a, out->host);
	make_log(&m);
	make_listeners(&m);
	check_spots(&m);
	make_domains(&m);
	check_run_dir(&m);
	check_host(&m);
	return errors->n == before;
}
