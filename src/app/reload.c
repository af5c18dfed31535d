#include "app/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"
#include "store/db.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define ORPHANS_MS 3000

/* What cannot change while we run, because the roles of two generations share it. */
static bool may_follow(const struct loaded *now, const struct loaded *next, struct buf *why)
{
	const struct settings *a = &now->settings, *b = &next->settings;
	const char *what = !str_eq(a->store_dir, b->store_dir) ? "store"
			   : !str_eq(a->run_dir, b->run_dir)   ? "run"
			   : !str_eq(a->user, b->user)         ? "user"
							       : NULL;
	if (what)
		buf_printf(why, "%s cannot change while the server runs: stop it and start it again", what);
	return what == NULL;
}

static bool open_role_log(const struct server *s, struct generation *g, struct err *e)
{
	const struct log_conf *log = &g->loaded.settings.log;
	if (s->log_pipe >= 0)
		g->log_fd = fcntl(s->log_pipe, F_DUPFD_CLOEXEC, 0);
	else if (log->to == LOG_FILE)
		g->log_fd = open(log->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	else
		return true;
	return g->log_fd >= 0 || err_sys(e, "open log", log->file ? log->file : "pipe");
}

/* User, folders, lock and shared memory: once in the parent's life. */
static bool settle(struct server *s, struct loaded *l, int *code, struct err *e)
{
	struct nest *n = &s->nest;
	*code = EX_NOUSER;
	if (!user_find(l->settings.user, &n->user, e))
		return false;
	*code = EX_CANTCREAT;
	const char *store = str_z(&l->arena, l->settings.store_dir), *run = str_z(&l->arena, l->settings.run_dir);
	if (!user_mkdir(&n->user, store, 0700, e) || !user_mkdir(&n->user, run, 0755, e) ||
	    !user_mkdir(&n->user, load_store_path(l, NAME_MAIL_DIR), 0700, e) ||
	    !user_mkdir(&n->user, load_store_path(l, NAME_AUTH_DIR), 0700, e))
		return false;
	*code = EX_TEMPFAIL;
	/* A server that was killed leaves roles behind for a moment; one that answers stays. */
	int other = connect_unix(load_run_path(l, NAME_CONTROL), e);
	if (other >= 0)
		close(other);
	n->lock_fd = user_lock_folder(store, other >= 0 ? 0 : ORPHANS_MS, e);
	if (n->lock_fd < 0)
		return false;
	*code = EX_OSERR;
	n->shared_fd = store_shared_new(e);
	return n->shared_fd >= 0;
}

static bool equip(struct server *s, struct generation *g, int *code, struct err *e)
{
	*code = EX_CONFIG;
	if (!secrets_read(&g->loaded, &g->secrets, e))
		return false;
	if (!s->now && !settle(s, &g->loaded, code, e))
		return false;
	*code = EX_CANTCREAT;
	if (!open_role_log(s, g, e))
		return false;
	*code = EX_UNAVAILABLE;
	return sockets_open(&g->sockets, &g->loaded, &s->nest.user, s->now ? &s->now->sockets : NULL, e);
}

struct generation *reload_prepare(struct server *s, struct buf *why, int *code)
{
	struct conf_errors errors = { 0 };
	struct loaded l;
	struct err e = { 0 };
	*code = EX_CONFIG;
	bool ok = load_file(s->config_path, &l, &errors);
	if (ok && !settings_check_files(&l.settings, &errors)) {
		load_free(&l);
		ok = false;
	}
	buf_add(why, str_trim(buf_str(&errors.text)));
	buf_free(&errors.text);
	if (ok && s->now && !may_follow(&s->now->loaded, &l, why)) {
		load_free(&l);
		ok = false;
	}
	if (!ok)
		return NULL;
	struct generation *g = generation_new(++s->generations, &l);
	if (equip(s, g, code, &e))
		return g;
	buf_addz(why, e.text);
	generation_free(g);
	return NULL;
}

/* --- reload --------------------------------------------------------------------- */

static void refuse(struct server *s, struct str why)
{
	free(s->reload_error);
	s->reload_error = strndup(why.p, why.n);
	while (why.n > 0)
		log_error("reload.refused", KV("error", str_cut(&why, '\n')));
}

static void add_levels(const struct settings *s, struct buf *b)
{
	buf_printf(b, "* %s\n", log_level_name(s->log.level));
	for (size_t i = 0; i < s->nlog_modules; i++)
		buf_printf(b, "%.*s %s\n", STRF(s->log_modules[i].module), log_level_name(s->log_modules[i].level));
}

/* Only what can travel as messages has changed: keep the processes. */
static void freshen(struct server *s, struct generation *g)
{
	struct generation *now = s->now;
	struct buf levels = { 0 };
	add_levels(&g->loaded.settings, &levels);
	for (size_t i = 0; i < ROLES; i++) {
		struct slot *slot = &now->slots[i];
		if (!slot_alive(slot) || slot->state == SLOT_LEAVING)
			continue;
		if (slot_send_certs(slot, &g->secrets) && slot->row->has & HAS_TLS)
			slot_send(slot, LETTER_SWAP, 0, STR_NONE, -1);
		for (struct str rest = buf_str(&levels); rest.n > 0;)
			slot_send(slot, LETTER_LEVEL, 0, str_cut(&rest, '\n'), -1);
	}
	buf_free(&levels);
	load_levels(&g->loaded);
	buf_clear(&s->nest.levels);
	/* A role that is started again is born from the new text. */
	struct secrets secrets = now->secrets;
	struct loaded loaded = now->loaded;
	struct sockets sockets = now->sockets;
	now->secrets = g->secrets;
	now->loaded = g->loaded;
	now->sockets = g->sockets;
	sockets_retire(&sockets, &now->sockets);
	g->secrets = secrets;
	g->loaded = loaded;
	g->sockets = (struct sockets){ 0 };
	generation_free(g);
	s->generations--;
	log_notice("reload.done", KVN("generation", now->number), KVZ("changed", "levels and certificates"));
}

bool reload(struct server *s, struct buf *why)
{
	int code;
	if (s->stopping || !s->ready || s->next) {
		buf_addz(why, s->stopping ? "the server is stopping"
			      : s->ready  ? "a reload is under way"
					  : "the server is starting");
		s->reload_again = s->next != NULL || !s->ready;
		return false;
	}
	struct generation *g = reload_prepare(s, why, &code);
	if (!g) {
		refuse(s, buf_str(why));
		return false;
	}
	free(s->reload_error);
	s->reload_error = NULL;
	if (load_same(&s->now->loaded, &g->loaded)) {
		freshen(s, g);
		return true;
	}
	/* At most two generations serve: the oldest has had its time. */
	if (s->old)
		for (size_t i = 0; i < ROLES; i++)
			if (slot_alive(&s->old->slots[i]))
				slot_leave(&s->old->slots[i], 0, clock_mono_ms());
	s->next = g;
	generation_want(g, s->now);
	log_info("reload.begun", KVN("generation", g->number));
	return true;
}

/* A role of the next generation did not come up: it is not taken. */
static const char *failure_of(const struct generation *g)
{
	for (size_t i = 0; i < ROLES; i++)
		if (g->slots[i].wanted && g->slots[i].restarts > 0)
			return *g->slots[i].failure ? g->slots[i].failure : "a role did not start";
	return NULL;
}

/* Drop a generation of which no process lives; nothing may point into it. */
static void bury(struct server *s, struct generation *g)
{
	struct generation *others[] = { s->now, s->next };
	for (size_t i = 0; i < 2 * ROLES; i++) {
		struct generation *other = others[i / ROLES];
		struct slot *slot = other ? &other->slots[i % ROLES] : NULL;
		if (slot && slot->after && slot->after->gen == g)
			slot->after = NULL;
	}
	control_forget(s, g);
	generation_free(g);
}

static void give_up_next(struct server *s, const char *why)
{
	char text[300];
	struct generation *g = s->next;
	snprintf(text, sizeof text, "%s; the old configuration stays in use", why);
	refuse(s, str_of(text));
	s->next = NULL;
	generation_kill(g);
	control_forget(s, g);
	generation_free(g);
	control_reloaded(s, text);
}

static void take_next(struct server *s, int64_t mono_ms)
{
	struct generation *before = s->now;
	struct log_conf log = s->next->loaded.settings.log;
	struct err e;
	if (s->old) {
		generation_kill(s->old);
		bury(s, s->old);
	}
	sockets_retire(&before->sockets, &s->next->sockets);
	s->old = before;
	s->now = s->next;
	s->next = NULL;
	s->stop_ms = s->now->loaded.settings.times.stop_ms;
	buf_clear(&s->nest.levels);
	if (s->log_pipe < 0 && !log_open(&log, &e))
		log_error("log.open", KVZ("error", e.text));
	load_levels(&s->now->loaded);
	generation_leave(before, before->loaded.settings.times.stop_ms, mono_ms);
	log_notice("reload.done", KVN("generation", s->now->number));
	control_reloaded(s, NULL);
}

void reload_tick(struct server *s, int64_t mono_ms)
{
	if (s->next && !s->stopping) {
		const char *why = failure_of(s->next);
		if (why)
			give_up_next(s, why);
		else if (generation_ready(s->next))
			take_next(s, mono_ms);
	}
	if (s->old && !generation_gone(s->old))
		generation_leave(s->old, s->old->loaded.settings.times.stop_ms, mono_ms);
	if (s->old && generation_gone(s->old)) {
		log_info("generation.gone", KVN("generation", s->old->number));
		bury(s, s->old);
		s->old = NULL;
	}
	if (s->reload_again && !s->next && s->ready && !s->stopping) {
		struct buf why = { 0 };
		s->reload_again = false;
		reload(s, &why);
		buf_free(&why);
	}
}
