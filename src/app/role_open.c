#include "app/role_open.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "mail/words.h"
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define AUTH_NICE 10

/* A copy on the heap. */
static struct str keep(struct str s)
{
	char *p = malloc(s.n + 1);
	if (!p)
		abort();
	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return (struct str){ p, s.n };
}

static void drop(struct str *s)
{
	if (s->n > 0)
		free((char *)(uintptr_t)s->p);
	*s = STR_NONE;
}

/* Where nothing is swapped or dumped, and wiped when it goes.  `s` is wiped at once: it is the reader's buffer. */
static struct str keep_secret(struct str s)
{
	char *p = sodium_init() < 0 ? NULL : sodium_malloc(s.n + 1);
	if (!p)
		abort();
	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	explicit_bzero((char *)(uintptr_t)s.p, s.n);
	return (struct str){ p, s.n };
}

void birth_wipe_certs(struct birth *b)
{
	for (size_t i = 0; i < b->ncerts; i++) {
		drop(&b->certs[i].chain);
		sodium_free((char *)(uintptr_t)b->certs[i].key.p);
	}
	b->ncerts = 0;
}

static bool take_cert(struct birth *b, const struct letter *l, struct err *e)
{
	struct cert *c = b->ncerts > 0 ? &b->certs[b->ncerts - 1] : NULL;
	if (l->kind == LETTER_KEY) { /* always right behind its chain */
		if (!c || c->id != l->id || c->key.n > 0)
			return err_set(e, ERR_PEER, "a key without its certificate");
		c->key = keep_secret(l->text);
		return true;
	}
	if (b->ncerts == CERTS_MAX)
		return err_set(e, ERR_PERM, "more than %d certificates", CERTS_MAX);
	b->certs[b->ncerts++] = (struct cert){ .id = l->id, .chain = keep(l->text), .key = { NULL, 0 } };
	return true;
}

static bool take_tickets(struct birth *b, struct str keys, struct err *e)
{
	if (keys.n == 0 || keys.n % TLS_TICKET_KEY != 0 || keys.n > sizeof b->tickets)
		return err_set(e, ERR_PEER, "malformed ticket keys");
	memcpy(b->tickets, keys.p, keys.n);
	explicit_bzero((char *)(uintptr_t)keys.p, keys.n);
	b->ntickets = keys.n / TLS_TICKET_KEY;
	return true;
}

static bool take_listener(struct birth *b, const struct letter *l, struct err *e)
{
	if (l->fd < 0 || b->nlisteners == sizeof b->listeners / sizeof *b->listeners)
		return err_set(e, ERR_PEER, "a listener without a descriptor, or too many");
	b->listeners[b->nlisteners].place = l->id;
	b->listeners[b->nlisteners++].fd = l->fd;
	return true;
}

bool birth_take(struct birth *b, struct letter *l, struct err *e)
{
	switch (l->kind) {
	case LETTER_CONFIG:
		b->config = keep(l->text);
		return true;
	case LETTER_LISTEN:
		return take_listener(b, l, e);
	case LETTER_SHARED:
		b->shared_fd = l->fd;
		return true;
	case LETTER_LOCK:
		b->lock_fd = l->fd;
		return true;
	case LETTER_LOG:
		b->log_fd = l->fd;
		return true;
	case LETTER_CERT:
	case LETTER_KEY:
		return take_cert(b, l, e);
	case LETTER_TICKETS:
		return take_tickets(b, l->text, e);
	case LETTER_LEVEL:
		buf_printf(&b->levels, "%.*s\n", STRF(l->text));
		return true;
	case LETTER_FOLDER:
		b->folder = (char *)(uintptr_t)keep(l->text).p;
		return true;
	default:
		return err_set(e, ERR_PEER, "unexpected letter %d", (int)l->kind);
	}
}

/* --- TLS ------------------------------------------------------------------ */

/* The certificates of one listener, in the order of the configuration. */
static size_t pems_of(const struct role *r, size_t listener, struct tls_pem *out)
{
	const struct settings *s = &r->loaded.settings;
	const struct birth *b = &r->birth;
	size_t n = 0;
	if (!role_serves_listener(r->row, &s->listens[listener]))
		return 0;
	for (size_t i = 0; i < b->ncerts; i++)
		if (b->certs[i].id >> 8 == role_rank(r->row, s, listener))
			out[n++] = (struct tls_pem){ b->certs[i].chain, b->certs[i].key };
	return n;
}

bool role_swap(struct role *r, struct err *e)
{
	struct tls_pem pems[CERTS_MAX];
	bool ok = true;
	for (size_t i = 0; i < r->loaded.settings.nlistens && ok; i++) {
		size_t n = pems_of(r, i, pems);
		if (n > 0 && r->tls[i])
			ok = tls_server_swap(r->tls[i], pems, n, e);
	}
	birth_wipe_certs(&r->birth);
	return ok;
}

void role_tickets(struct role *r)
{
	for (size_t i = 0; i < r->loaded.settings.nlistens; i++)
		if (r->tls[i] && r->birth.ntickets > 0)
			tls_server_tickets(r->tls[i], (const uint8_t(*)[TLS_TICKET_KEY])r->birth.tickets,
					   r->birth.ntickets);
	explicit_bzero(r->birth.tickets, sizeof r->birth.tickets);
	r->birth.ntickets = 0;
}

static bool open_tls(struct role *r, struct err *e)
{
	struct tls_pem pems[CERTS_MAX];
	size_t nlistens = r->loaded.settings.nlistens;
	r->tls = ARENA_ARRAY(&r->loaded.arena, struct tls_server *, nlistens);
	for (size_t i = 0; i < nlistens; i++) {
		size_t n = pems_of(r, i, pems);
		if (n > 0 && !(r->tls[i] = tls_server_new(pems, n, e)))
			return err_add(e, "listen %.*s: tls", STRF(r->loaded.settings.listens[i].name));
	}
	role_tickets(r);
	birth_wipe_certs(&r->birth);
	return true;
}

/* --- doors ---------------------------------------------------------------- */

static enum smtp_kind smtp_kind(enum service s)
{
	switch (s) {
	case SERVICE_SUBMISSION:
	case SERVICE_SUBMISSIONS:
		return SMTP_SUBMISSION;
	case SERVICE_LOCAL:
		return SMTP_LOCAL;
	case SERVICE_LMTP:
		return SMTP_LMTP;
	default:
		return SMTP_MX;
	}
}

static struct smtp_conf *smtp_conf(struct role *r, const struct place *p)
{
	const struct settings *s = &r->loaded.settings;
	struct smtp_conf *c = ARENA_NEW(&r->loaded.arena, struct smtp_conf);
	*c = (struct smtp_conf){
		.kind = smtp_kind(p->service),
		.host = s->host,
		.greeting = STR_NONE,
		.store = r->store,
		.rules = &s->rules,
		.auth = service_takes_logins(p->service) ? r->auth_client : NULL,
		.tls = p->unix_socket || service_implicit_tls(p->service) ? NULL : r->tls[p->listener],
		.auth_in_clear = s->listens[p->listener].auth_in_clear,
		.cram_md5 = s->cram_md5,
		.repair_bare = p->service == SERVICE_LOCAL && s->repair_bare,
		.hide_client = s->hide_client,
		.sandbox = s->sandbox,
	};
	c->limits = c->kind == SMTP_MX ? s->mx : c->kind == SMTP_SUBMISSION ? s->submission : s->local;
	return c;
}

static struct imap_conf *imap_conf(struct role *r, const struct place *p)
{
	const struct settings *s = &r->loaded.settings;
	struct imap_conf *c = ARENA_NEW(&r->loaded.arena, struct imap_conf);
	*c = (struct imap_conf){
		.host = s->host,
		.store = r->store,
		.auth = r->auth_client,
		.search = r->search,
		.tls = service_implicit_tls(p->service) ? NULL : r->tls[p->listener],
		.auth_in_clear = s->listens[p->listener].auth_in_clear,
		.cram_md5 = s->cram_md5,
		.admin = s->admin,
		.limits = s->imap,
	};
	return c;
}

static struct door make_door(struct role *r, const struct place *p)
{
	const struct settings *s = &r->loaded.settings;
	struct tls_server *implicit = service_implicit_tls(p->service) ? r->tls[p->listener] : NULL;
	struct door d;
	if (role_serves(&roles[ROLE_IMAP], p->service))
		d = imap_door(imap_conf(r, p), implicit);
	else
		d = smtp_door(smtp_conf(r, p), implicit);
	d.write_ms = s->times.write_ms;
	d.min_rate = s->times.min_rate;
	return d;
}

static bool open_doors(struct role *r, struct err *e)
{
	const struct loaded *l = &r->loaded;
	r->doors = ARENA_ARRAY(&r->loaded.arena, struct door, l->nplaces + 1);
	if (r->row->has & HAS_AUTH_DOOR && !auth_door(&r->auth, &r->doors[l->nplaces], e))
		return false;
	for (size_t i = 0; i < r->birth.nlisteners; i++) {
		uint32_t place = r->birth.listeners[i].place;
		struct door *d = &r->doors[l->nplaces];
		if (place != PLACE_AUTH) {
			if (place >= l->nplaces)
				return err_set(e, ERR_PEER, "a listener that is not configured");
			d = &r->doors[place];
			*d = make_door(r, &l->places[place]);
		}
		if (!pen_listen(r->pen, r->birth.listeners[i].fd, d, e))
			return false;
	}
	return true;
}

static bool open_pen(struct role *r, struct err *e)
{
	const struct settings *s = &r->loaded.settings;
	struct gate_conf gate = { s->pen.address_open, s->pen.network_open, s->pen.connections, s->sandbox, s->host };
	struct pen_conf conf = {
		.workers = r->row->has & HAS_AUTH_DOOR ? s->auth_workers : s->pen.workers,
		.connections = s->pen.connections,
		.network_share = s->pen.network_share,
		.handshake_share = s->pen.handshake_share,
		.linger_ms = s->pen.linger_ms > 0 ? s->pen.linger_ms : -1, /* 0 would be the pen's default */
		.handshake_ms = s->pen.handshake_ms,
		/* A login that waits for a hash worker is no emergency: the asker has its own deadline. */
		.busy_ms = r->row->has & HAS_AUTH_DOOR ? AUTH_WAIT_MS : s->pen.busy_ms,
	};
	r->gate = gate_new(&gate);
	conf.gate = gate_for_pen(r->gate);
	r->pen = pen_new(&conf, e);
	return r->pen && open_doors(r, e);
}

/* --- all of it ------------------------------------------------------------ */

void role_level(struct str text)
{
	enum log_level level;
	struct str module = str_cut(&text, ' ');
	if (log_level_parse(text, &level))
		log_level_set(str_eq(module, STR("*")) ? STR_NONE : module, level);
}

static bool open_log(struct role *r, struct err *e)
{
	struct log_conf conf = r->loaded.settings.log;
	int fd = r->birth.log_fd;
	conf.role = r->row->name;
	if (fd >= 0)
		conf.to = LOG_STDERR; /* lines look the same; the parent opened where they go */
	if (!log_open(&conf, e))
		return false;
	if (fd >= 0)
		log_use_fd(fd);
	load_levels(&r->loaded);
	for (struct str rest = buf_str(&r->birth.levels); rest.n > 0;)
		role_level(str_cut(&rest, '\n'));
	return true;
}

bool role_prepare(struct role *r, struct err *e)
{
	struct conf_errors errors = { 0 };
	/* A password check takes a core for a while: who guesses must not slow down those who send and read. */
	if (r->row->has & HAS_AUTH_DOOR)
		setpriority(PRIO_PROCESS, 0, AUTH_NICE);
	if (!load_blob(r->birth.config, &r->loaded, &errors)) {
		err_set(e, ERR_PERM, "%.*s", STRF(str_trim(buf_str(&errors.text))));
		buf_free(&errors.text);
		return false;
	}
	buf_free(&errors.text);
	const struct settings *s = &r->loaded.settings;
	r->auth = (struct auth_conf){ .host = s->host,
				      .cram_md5 = s->cram_md5,
				      .scram_iterations = s->scram_iterations };
	return open_log(r, e) && open_tls(r, e);
}

static bool open_fence(struct role *r, struct err *e)
{
	struct fence_folder folders[3];
	struct fence_conf conf = { folders, 0 };
	if (r->row->has & HAS_MAIL)
		folders[conf.nfolders++] = (struct fence_folder){ load_store_path(&r->loaded, NAME_MAIL_DIR),
								  FENCE_READ | FENCE_WRITE };
	if (r->row->has & HAS_VERIFIERS)
		folders[conf.nfolders++] = (struct fence_folder){ load_store_path(&r->loaded, NAME_AUTH_DIR),
								  FENCE_READ | FENCE_WRITE };
	if (r->birth.folder)
		folders[conf.nfolders++] = (struct fence_folder){ r->birth.folder, FENCE_READ | FENCE_WRITE };
	if (!fence_up(&conf, &r->loaded.arena, &r->fence, e))
		return false;
	if (r->fence.missing.n > 0)
		log_notice("fence.missing", KV("rights", r->fence.missing), KVN("landlock", r->fence.landlock_abi),
			   KVN("seccomp", r->fence.seccomp));
	return true;
}

static bool open_store(struct role *r, struct err *e)
{
	const struct settings *s = &r->loaded.settings;
	struct store_conf conf = {
		.dir = load_store_path(&r->loaded, NAME_MAIL_DIR),
		.create = true,
		.role = r->row->name,
		.shared_fd = r->birth.shared_fd,
		.readers = s->store.readers,
		.reserve = s->store.reserve,
		.wal_turn = s->store.wal_turn,
		.wal_max = s->store.wal_max,
		.staging = s->store.staging,
		.checkpointer = (r->row->has & HAS_CHECKPOINT) != 0,
	};
	if (r->row->has & HAS_MAIL && !(r->store = store_open(&conf, e)))
		return false;
	if (r->row->has & HAS_VERIFIERS) {
		r->verifiers = verifiers_open(load_store_path(&r->loaded, NAME_AUTH_DIR), true, e);
		r->auth.db = r->verifiers;
	}
	return !(r->row->has & HAS_VERIFIERS) || r->verifiers;
}

/* Mail is found without it, only slower: what fails here is a warning. */
static void open_search(struct role *r)
{
	struct err e = { 0 };
	if (r->row != &roles[ROLE_IMAP])
		return;
	if (!r->loaded.settings.imap_search) {
		if (!search_erase(r->store, &e))
			log_warn("search.erase", KVZ("error", e.text));
		return;
	}
	r->search = search_open(r->store, &e);
	r->indexer = r->search ? indexer_start(r->store, r->search, INDEX_LOOK_MS, &e) : NULL;
	if (!r->indexer)
		log_warn("search.open", KVZ("error", e.text), KVZ("do", "searches read every message"));
}

bool role_open(struct role *r, struct err *e)
{
	/* Libraries that open files by themselves do it now: character sets, time zone. */
	charset_warm();
	search_warm();
	tzset();
	if (!open_fence(r, e) || !open_store(r, e))
		return false;
	open_search(r);
	if (r->row->has & HAS_AUTH_CLIENT)
		r->auth_client = auth_client_new(load_run_path(&r->loaded, NAME_AUTH));
	if (!open_pen(r, e))
		return false;
	return r->row != &roles[ROLE_IMAP] || imap_bell_start(r->store, e);
}

void role_close(struct role *r)
{
	if (r->row == &roles[ROLE_IMAP] && r->store)
		imap_bell_stop(r->store);
	indexer_stop(r->indexer);
	pen_free(r->pen);
	search_close(r->search);
	if (r->row->has & HAS_AUTH_DOOR && r->doors)
		auth_door_free(&r->doors[r->loaded.nplaces]);
	auth_client_free(r->auth_client);
	verifiers_close(r->verifiers);
	if (r->store)
		store_close(r->store);
	gate_free(r->gate);
	for (size_t i = 0; r->tls && i < r->loaded.settings.nlistens; i++)
		tls_server_free(r->tls[i]);
	buf_free(&r->birth.levels);
	free(r->birth.folder);
	drop(&r->birth.config);
	load_free(&r->loaded);
}
