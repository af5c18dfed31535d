#include "app/parent.h"

#include "app/cli/verb.h"
#include "app/notify.h"
#include "app/server.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define FDS_SPARE  1024 /* beside two for each connection */
#define LEVELS_MAX ((size_t)4096)

/* What poll() looks at, in one order: signals, control socket, log, clients, roles. */
#define POLL_FIXED 3
#define POLL_MAX   (POLL_FIXED + CLIENTS_MAX + GENERATIONS * ROLES)

static void each_generation(struct server *s, struct generation *out[GENERATIONS])
{
	out[0] = s->old;
	out[1] = s->now;
	out[2] = s->next;
}

/* --- verbs and signals ------------------------------------------------------------ */

void server_stop(struct server *s, int code)
{
	struct generation *all[GENERATIONS];
	each_generation(s, all);
	if (s->stopping) { /* asked a second time: no more patience */
		for (size_t i = 0; i < GENERATIONS; i++)
			if (all[i])
				generation_kill(all[i]);
		return;
	}
	s->stopping = true;
	s->stop_code = code;
	notify("STOPPING=1\nSTATUS=sessions may finish");
	log_notice("serve.stopping", KVN("ms", s->stop_ms));
	if (s->next)
		generation_kill(s->next);
}

bool server_level(struct server *s, struct str module, struct str level, struct err *e)
{
	struct generation *all[GENERATIONS];
	enum log_level parsed;
	char line[80];
	if (!log_level_parse(level, &parsed))
		return err_set(e, ERR_PERM, "no such level: %.*s; there are error, warn, notice, info, debug",
			       STRF(level));
	if (module.n > 23 || str_chr(module, ' ') < module.n || str_chr(module, '\n') < module.n)
		return err_set(e, ERR_PERM, "no such module");
	if (s->nest.levels.n > LEVELS_MAX || !log_level_set(module, parsed))
		return err_set(e, ERR_PERM, "too many modules have levels of their own");
	if (module.n == 0)
		buf_clear(&s->nest.levels); /* it sets all */
	snprintf(line, sizeof line, "%.*s %s", module.n ? (int)module.n : 1, module.n ? module.p : "*",
		 log_level_name(parsed));
	buf_printf(&s->nest.levels, "%s\n", line);
	each_generation(s, all);
	for (size_t i = 0; i < GENERATIONS; i++)
		for (size_t k = 0; all[i] && k < ROLES; k++)
			slot_send(all[i]->slots[k], LETTER_LEVEL, 0, str_of(line), -1);
	log_notice("log.level", KV("module", module), KVZ("level", log_level_name(parsed)));
	return true;
}

bool server_reopen(struct server *s, struct err *e)
{
	struct generation *all[GENERATIONS];
	if (!log_reopen(e))
		return false;
	each_generation(s, all);
	for (size_t i = 0; i < GENERATIONS; i++) {
		const struct log_conf *log = all[i] ? &all[i]->loaded.settings.log : NULL;
		if (!log || log->to != LOG_FILE || s->log_pipe >= 0)
			continue;
		int fd = open(log->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (fd < 0)
			return err_sys(e, "reopen log", log->file);
		close(all[i]->log_fd);
		all[i]->log_fd = fd;
		for (size_t k = 0; k < ROLES; k++)
			slot_send(all[i]->slots[k], LETTER_LOG, 0, STR_NONE, fd);
	}
	log_info("log.reopened", KVN("pid", getpid()));
	return true;
}

static struct slot *slot_of(struct server *s, pid_t pid)
{
	struct generation *all[GENERATIONS];
	each_generation(s, all);
	for (size_t i = 0; i < GENERATIONS; i++)
		for (size_t k = 0; all[i] && k < ROLES; k++)
			if (all[i]->slots[k]->pid == pid)
				return all[i]->slots[k];
	return NULL;
}

/* --- letters from roles -------------------------------------------------------------- */

static void role_ready(struct server *s, struct slot *slot, struct str fence)
{
	free(slot->fence);
	slot->fence = strndup(fence.p, fence.n);
	if (slot->state == SLOT_STARTING)
		slot->state = SLOT_READY;
	log_info("role.ready", KVZ("name", slot->row->name), KVN("pid", slot->pid),
		 KVN("generation", slot->gen->number), KVN("ms", clock_mono_ms() - slot->born_mono_ms));
	(void)s;
}

static void role_failed(struct slot *slot, const struct letter *l)
{
	size_t n = l->text.n < sizeof slot->failure ? l->text.n : sizeof slot->failure - 1;
	memcpy(slot->failure, l->text.p, n);
	slot->failure[n] = 0;
	slot->config_failure = l->id == ERR_PERM;
	log_error("role.failed", KVZ("name", slot->row->name), KVN("pid", slot->pid), KVZ("error", slot->failure));
}

/* One letter. False: nothing more will come. */
static bool take_letter(struct server *s, struct slot *slot)
{
	struct letter l;
	struct err e = { 0 };
	enum letter_got got = letters_next(&slot->letters, &l, &e);
	if (got == LETTER_PARTIAL)
		return true;
	if (got != LETTER_GOT)
		return false;
	if (l.fd >= 0)
		close(l.fd); /* roles have none to give */
	switch (l.kind) {
	case LETTER_READY:
		role_ready(s, slot, l.text);
		break;
	case LETTER_FAILED:
		role_failed(slot, &l);
		break;
	case LETTER_PROGRESS:
	case LETTER_ANSWER:
		control_answer(s, slot, l.id, l.text, l.kind == LETTER_ANSWER);
		break;
	default:
		log_warn("role.letter", KVZ("name", slot->row->name), KVN("kind", l.kind));
	}
	return true;
}

static void buried(struct server *s, struct slot *slot, int status)
{
	bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
	pid_t pid = slot->pid;
	if (s->stopping)
		slot->wanted = false; /* who was told to leave by somebody else, such as ^C's whole group, stays away */
	bool expected = slot->state == SLOT_LEAVING || !slot->wanted;
	while (take_letter(s, slot)) /* what it said before it died */
		;
	slot_died(slot, clock_mono_ms());
	control_slot_down(s, slot);
	const struct log_kv how = WIFSIGNALED(status) ? KVN("signal", WTERMSIG(status))
						      : KVN("code", WEXITSTATUS(status));
	if (expected && in_order)
		log_debug("role.ended", KVZ("name", slot->row->name), KVN("pid", pid));
	else if (in_order) /* by a signal that was meant for it alone */
		log_notice("role.ended", KVZ("name", slot->row->name), KVN("pid", pid),
			   KVN("restart_ms", slot->backoff.wait_ms));
	else if (expected)
		log_warn("role.died", KVZ("name", slot->row->name), KVN("pid", pid), how);
	else
		log_error("role.died", KVZ("name", slot->row->name), KVN("pid", pid), how,
			  KVN("restart_ms", slot->backoff.wait_ms));
	/* At the first start a wrong configuration ends it all: nobody watches a server that tries for ever. */
	if (!s->ready && slot->config_failure && !s->stopping) {
		cli_fail(EX_CONFIG, "role %s: %s", slot->row->name, slot->failure);
		server_stop(s, EX_CONFIG);
	}
}

static void reap(struct server *s)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		struct slot *slot = slot_of(s, pid);
		if (slot)
			buried(s, slot, status);
	}
}

static void take_signal(struct server *s, int fd)
{
	struct signalfd_siginfo got;
	struct err e;
	if (read(fd, &got, sizeof got) != sizeof got)
		return;
	switch (got.ssi_signo) {
	case SIGCHLD:
		reap(s);
		break;
	case SIGHUP:
		notify("STATUS=reading the configuration again");
		reload(s);
		break;
	case SIGUSR1:
		if (!server_reopen(s, &e))
			log_error("log.reopen", KVZ("error", e.text));
		break;
	default:
		server_stop(s, EX_OK);
	}
}

/* --- the loop --------------------------------------------------------------------------- */

static void write_pid(struct server *s)
{
	char text[24];
	const char *path = load_run_path(&s->now->loaded, NAME_PID);
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || !file_write(fd, (struct str){ text, (size_t)n }))
		log_error("serve.pid", KVZ("file", path), KVZ("error", strerror(errno)));
}

static void become_ready(struct server *s)
{
	s->ready = true;
	notify("READY=1\nSTATUS=serving");
	log_notice("serve.ready", KVZ("version", SLUICE_VERSION), KVN("pid", getpid()),
		   KVN("listeners", s->now->loaded.nplaces), KVN("ms", clock_wall_ms() - s->started_wall_ms));
	if (s->on_ready)
		s->on_ready(s->ctx);
}

/* All that is due; returns when to look again. */
static int64_t tick(struct server *s, int64_t mono_ms)
{
	struct generation *all[GENERATIONS];
	int64_t next = control_tick(s, mono_ms), at;
	if (!s->ready && !s->stopping && generation_ready(s->now))
		become_ready(s);
	at = reload_tick(s, mono_ms);
	next = at < next ? at : next;
	if (s->stopping) {
		if (s->old)
			generation_leave(s->old, s->stop_ms, mono_ms);
		generation_leave(s->now, s->stop_ms, mono_ms);
	}
	each_generation(s, all);
	for (size_t i = 0; i < GENERATIONS; i++) {
		bool was[ROLES];
		for (size_t k = 0; all[i] && k < ROLES; k++)
			was[k] = slot_alive(all[i]->slots[k]);
		at = all[i] ? slots_tick(all[i], &s->nest, mono_ms) : INT64_MAX;
		next = at < next ? at : next;
		for (size_t k = 0; all[i] && k < ROLES; k++)
			if (!was[k] && slot_alive(all[i]->slots[k]))
				control_slot_up(s, all[i]->slots[k]);
	}
	if (mono_ms - s->nest.tickets.drawn_mono_ms >= TICKETS_DAY_MS) {
		struct tickets *t = &s->nest.tickets;
		tickets_draw(t, mono_ms);
		for (size_t i = 0; i < GENERATIONS; i++)
			for (size_t k = 0; all[i] && k < ROLES; k++)
				if (all[i]->slots[k]->row->has & HAS_TLS)
					slot_send(all[i]->slots[k], LETTER_TICKETS, 0,
						  (struct str){ (const char *)t->keys, t->n * TLS_TICKET_KEY }, -1);
	}
	return next;
}

struct watch {
	struct pollfd fds[POLL_MAX];
	struct client *clients[POLL_MAX];
	struct slot *slots[POLL_MAX];
	nfds_t n;
};

static void watch(struct watch *w, int fd, short events, struct client *c, struct slot *slot)
{
	w->fds[w->n] = (struct pollfd){ .fd = fd, .events = events };
	w->clients[w->n] = c;
	w->slots[w->n++] = slot;
}

static void watch_all(struct server *s, struct watch *w, int signals)
{
	struct generation *all[GENERATIONS];
	w->n = 0;
	watch(w, signals, POLLIN, NULL, NULL);
	watch(w, sockets_control(&s->now->sockets), POLLIN, NULL, NULL);
	watch(w, s->log_tail, POLLIN, NULL, NULL); /* -1 is passed over */
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0)
			watch(w, s->clients[i].fd, control_events(&s->clients[i]), &s->clients[i], NULL);
	each_generation(s, all);
	for (size_t i = 0; i < GENERATIONS; i++)
		for (size_t k = 0; all[i] && k < ROLES; k++)
			if (slot_alive(all[i]->slots[k]))
				watch(w, all[i]->slots[k]->post.sock, POLLIN, NULL, all[i]->slots[k]);
}

static void read_log(struct server *s)
{
	char part[65536];
	ssize_t n = read(s->log_tail, part, sizeof part);
	if (n > 0)
		s->on_log(s->ctx, (struct str){ part, (size_t)n });
}

static void attend(struct server *s, struct watch *w)
{
	for (nfds_t i = POLL_FIXED; i < w->n; i++) {
		short got = w->fds[i].revents;
		if (got && w->clients[i])
			control_client(s, w->clients[i], got);
		else if (got && w->slots[i] && slot_alive(w->slots[i]) && w->slots[i]->post.sock == w->fds[i].fd &&
			 !take_letter(s, w->slots[i]))
			slot_kill(w->slots[i]); /* a role without its socket is none; SIGCHLD says the rest */
	}
	if (w->fds[2].revents)
		read_log(s);
	if (w->fds[1].revents)
		control_accept(s);
	if (w->fds[0].revents)
		take_signal(s, w->fds[0].fd); /* last: it may end generations */
}

static bool all_gone(const struct server *s)
{
	return (!s->old || generation_gone(s->old)) && generation_gone(s->now) &&
	       (!s->next || generation_gone(s->next));
}

static void run(struct server *s, int signals)
{
	static struct watch w;
	while (!s->stopping || !all_gone(s)) {
		int64_t mono_ms = clock_mono_ms(), next = tick(s, mono_ms);
		int64_t wait = next == INT64_MAX ? 60000 : next - mono_ms;
		watch_all(s, &w, signals);
		if (poll(w.fds, w.n, (int)(wait < 0 ? 0 : wait > 60000 ? 60000 : wait)) < 0) {
			if (errno != EINTR)
				abort();
			continue;
		}
		attend(s, &w);
	}
}

/* --- beginning and end ------------------------------------------------------------------- */

static int take_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < 5; i++)
		sigaddset(&set, (const int[]){ SIGCHLD, SIGHUP, SIGUSR1, SIGTERM, SIGINT }[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A connection takes a descriptor, and another while its message spills. */
static void raise_limits(const struct settings *s)
{
	struct rlimit r;
	rlim_t want = (rlim_t)s->pen.connections * 2 + FDS_SPARE;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
		return;
	struct rlimit more = { want, r.rlim_max < want ? want : r.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	r.rlim_cur = r.rlim_max; /* only root may raise the hard limit, and not everywhere */
	setrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur < want)
		log_warn("serve.descriptors", KVN("wanted", want), KVN("allowed", r.rlim_cur));
}

static void finish(struct server *s)
{
	unlink(load_run_path(&s->now->loaded, NAME_PID));
	for (char part[4096]; s->log_tail >= 0;) { /* the roles' last words */
		ssize_t n = read(s->log_tail, part, sizeof part);
		if (n <= 0)
			break;
		s->on_log(s->ctx, (struct str){ part, (size_t)n });
	}
	control_close(s);
	generation_free(s->old);
	generation_free(s->next);
	generation_free(s->now);
	tickets_free(&s->nest.tickets);
	buf_free(&s->nest.levels);
	free(s->reload_error);
	log_notice("serve.stopped", KVN("code", s->stop_code));
	close(s->nest.lock_fd);
}

int serve(const struct serve_conf *conf)
{
	static struct server s;
	struct buf why = { 0 };
	struct err e;
	int code;
	s = (struct server){ .config_path = conf->config_path,
			     .log_tail = conf->log_read,
			     .log_pipe = conf->log_write,
			     .on_log = conf->on_log,
			     .on_ready = conf->on_ready,
			     .ctx = conf->ctx,
			     .nest = { .shared_fd = -1, .lock_fd = -1 },
			     .started_wall_ms = clock_wall_ms() };
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		s.clients[i] = (struct client){ .fd = -1, .passed = -1 };
	prctl(PR_SET_DUMPABLE, 0);
	hash_init();
	umask(027);
	s.now = reload_prepare(&s, &why, &code);
	if (!s.now) {
		buf_addc(&why, '\n');
		(void)!file_write(STDERR_FILENO, buf_str(&why));
		buf_free(&why);
		return code;
	}
	buf_free(&why);
	if (s.log_pipe < 0 && !log_open(&s.now->loaded.settings.log, &e))
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	load_levels(&s.now->loaded);
	int signals = take_signals();
	raise_limits(&s.now->loaded.settings);
	s.stop_ms = s.now->loaded.settings.times.stop_ms;
	tickets_draw(&s.nest.tickets, clock_mono_ms());
	generation_want(s.now, NULL, NULL);
	write_pid(&s);
	run(&s, signals);
	finish(&s);
	close(signals);
	return s.stop_code;
}
