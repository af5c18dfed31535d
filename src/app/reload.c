#include "app/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"
#include "store/db.h"
#include <fcntl.h>
#include <limits.h>
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

/* The roles are this same program, started as the user; in what folder it lies does not matter to that. */
static bool may_run_us(const struct user *u, struct err *e)
{
	char self[PATH_MAX] = "this program";
	if (user_reaches(u, "/proc/self/exe", X_OK, e))
		return true;
	(void)!readlink("/proc/self/exe", self, sizeof self - 1);
	return err_set(e, e->kind, "user %s, as whom the server works, may not run it: chmod o+rx %s", u->name, self);
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
	*code = EX_NOPERM;
	if (!user_reaches(&n->user, store, R_OK | W_OK | X_OK, e) || !user_reaches(&n->user, run, X_OK, e) ||
	    !may_run_us(&n->user, e))
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

/* Never three processes of one role: whose successor is to be replaced leaves now, whatever its sessions do. */
static void hasten_oldest(struct server *s, int64_t mono_ms)
{
	for (size_t i = 0; i < ROLES; i++)
		if (s->old && slot_alive(s->old->slots[i]) && !s->next->keeps[i])
			slot_leave(s->old->slots[i], 0, mono_ms);
}

void reload(struct server *s)
{
	struct buf why = { 0 };
	int64_t mono_ms = clock_mono_ms();
	int code;
	if (s->stopping)
		return;
	if (!s->ready || s->next || s->echoes > 0) {
		s->reload_again = true; /* what the file says now may be news to the one under way */
		return;
	}
	s->reload_again = false;
	control_reload_begins(s);
	s->next = reload_prepare(s, &why, &code);
	if (!s->next) {
		refuse(s, buf_str(&why));
		control_reloaded(s, code, s->reload_error);
		buf_free(&why);
		return;
	}
	buf_free(&why);
	free(s->reload_error);
	s->reload_error = NULL;
	s->next_until_mono_ms = mono_ms + RELOAD_MS;
	generation_want(s->next, s->now, s->old);
	hasten_oldest(s, mono_ms);
	log_info("reload.begun", KVN("generation", s->next->number));
}

/* A role of the next generation did not come up: it is not taken. */
static const char *failure_of(const struct server *s, int *code, int64_t mono_ms)
{
	*code = EX_TEMPFAIL;
	for (size_t i = 0; i < ROLES; i++) {
		const struct slot *slot = s->next->slots[i];
		if (!slot->wanted || slot->restarts == 0)
			continue;
		if (slot->config_failure)
			*code = EX_CONFIG;
		return *slot->failure ? slot->failure : "a role did not start";
	}
	return mono_ms < s->next_until_mono_ms ? NULL : "the new roles did not start in time";
}

/* Drop a generation of which no process lives; nothing may point into it. */
static void bury(struct server *s, struct generation *g)
{
	struct generation *others[] = { s->old, s->now, s->next };
	for (size_t i = 0; i < GENERATIONS * ROLES; i++) {
		struct generation *other = others[i / ROLES];
		struct slot *slot = other ? other->slots[i % ROLES] : NULL;
		if (slot && slot->after && slot->after->gen == g)
			slot->after = NULL;
	}
	control_forget(s, g);
	generation_free(g);
}

static void give_up_next(struct server *s, const char *why, int code)
{
	char text[300];
	struct generation *g = s->next;
	snprintf(text, sizeof text, "%s; the old configuration stays in use", why);
	refuse(s, str_of(text));
	s->next = NULL;
	generation_kill(g);
	bury(s, g);
	control_reloaded(s, code, text);
}

/* Those that were not replaced hear what is new; the names of those that were, for the log. */
static void tell_kept(struct server *s, struct buf *replaced)
{
	struct generation *g = s->now;
	struct buf levels = { 0 };
	add_levels(&g->loaded.settings, &levels);
	for (size_t i = 0; i < ROLES; i++) {
		if (g->keeps[i])
			slot_freshen(g->slots[i], buf_str(&levels));
		else if (g->slots[i]->wanted)
			buf_printf(replaced, "%s%s", replaced->n > 0 ? "," : "", g->slots[i]->row->name);
	}
	buf_free(&levels);
}

static void take_next(struct server *s, int64_t mono_ms)
{
	struct generation *before = s->now;
	struct buf replaced = { 0 };
	struct err e;
	s->now = s->next;
	s->next = NULL;
	generation_inherit(s->now, before);
	if (s->old) {
		struct generation *oldest = s->old;
		generation_merge(before, oldest);
		s->old = before;
		bury(s, oldest);
	}
	s->old = before;
	sockets_retire(&before->sockets, &s->now->sockets);
	s->stop_ms = s->now->loaded.settings.times.stop_ms;
	buf_clear(&s->nest.levels);
	if (s->log_pipe < 0 && !log_open(&s->now->loaded.settings.log, &e))
		log_error("log.open", KVZ("error", e.text));
	load_levels(&s->now->loaded);
	bool serving[ROLES];
	for (size_t i = 0; i < ROLES; i++)
		serving[i] = before->slots[i]->state == SLOT_READY;
	generation_leave(before, before->loaded.settings.times.stop_ms, mono_ms);
	tell_kept(s, &replaced);
	log_notice("reload.done", KVN("generation", s->now->number), KV("replaced", buf_str(&replaced)));
	buf_free(&replaced);
	/* Who asked is answered when the change is in force: each has its letters, and who leaves takes nobody in. */
	s->echoes_until_mono_ms = mono_ms + ECHO_MS;
	for (size_t i = 0; i < ROLES; i++) {
		if (s->now->slots[i]->state == SLOT_READY)
			control_echo(s, s->now->slots[i]);
		if (serving[i] && before->slots[i]->state == SLOT_LEAVING)
			control_echo(s, before->slots[i]);
	}
	if (s->echoes == 0)
		control_reloaded(s, EX_OK, NULL);
}

int64_t reload_tick(struct server *s, int64_t mono_ms)
{
	if (s->echoes > 0 && s->echoes_until_mono_ms <= mono_ms)
		control_echoes_late(s);
	if (s->next && !s->stopping) {
		int code;
		const char *why = failure_of(s, &code, mono_ms);
		if (why)
			give_up_next(s, why, code);
		else if (generation_ready(s->next))
			take_next(s, mono_ms);
	}
	if (s->old && !generation_gone(s->old))
		generation_leave(s->old, s->old->loaded.settings.times.stop_ms, mono_ms);
	if (s->old && generation_gone(s->old)) {
		struct generation *gone = s->old;
		log_info("generation.gone", KVN("generation", gone->number));
		s->old = NULL;
		bury(s, gone);
	}
	if (s->reload_again && !s->next && s->ready && s->echoes == 0)
		reload(s);
	if (s->echoes > 0 && !s->stopping)
		return s->echoes_until_mono_ms;
	if (!s->next || s->stopping)
		return INT64_MAX;
	return generation_ready(s->next) ? mono_ms : s->next_until_mono_ms;
}
