#include "app/role.h"

#include "app/role_open.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/pool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define TICK_MS        1000
#define COLLECT_MS     ((int64_t)3600 * 1000)
#define QUESTION_TASKS 4 /* questions worked on at once */

static struct role role; /* one per process: this *is* the process */
static struct pool *tasks;
static atomic_bool leaving;

struct question {
	struct job job;
	uint32_t id;
	json_t *asked;
	const struct admin_row *row;
	int fd; /* that came with it; -1: none */
};

/* --- questions of the control socket --------------------------------------- */

static void answer(uint32_t id, json_t *reply, enum letter_kind kind)
{
	struct err e;
	char *text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (text && !post_send(&role.post, kind, id, str_of(text), -1, &e)) {
		/* Too long an answer is the asker's trouble; a parent that is gone is seen by the reader. */
		json_t *sorry = admin_error(&e);
		char *short_text = json_dumps(sorry, JSON_COMPACT);
		json_decref(sorry);
		(void)post_send(&role.post, LETTER_ANSWER, id, str_of(short_text), -1, &e);
		free(short_text);
	}
	free(text);
}

static void tell_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	const struct question *q = ctx;
	answer(q->id,
	       json_pack("{s:{s:s, s:I, s:I}}", "progress", "what", what, "done", (json_int_t)done, "total",
			 (json_int_t)total),
	       LETTER_PROGRESS);
}

static void work_on_question(struct job *job)
{
	struct question *q = (struct question *)job;
	struct admin ad = { .loaded = &role.loaded,
			    .store = role.store,
			    .verifiers = role.verifiers,
			    .auth = &role.auth,
			    .progress = tell_progress,
			    .progress_ctx = q,
			    .fd = q->fd,
			    .stop = &leaving };
	answer(q->id, admin_run(q->row, &ad, json_object_get(q->asked, "args")), LETTER_ANSWER);
	if (q->fd >= 0)
		close(q->fd);
	if (role.row->when == WHEN_ASKED) {
		atomic_store(&leaving, true);
		pen_drain(role.pen, 0);
	}
	json_decref(q->asked);
	free(q);
}

static json_t *tell_status(void)
{
	struct pen_stat p;
	struct gate_stat g;
	pen_stat(role.pen, &p);
	gate_stat(role.gate, &g);
	json_t *out = json_pack(
	    "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "connections", (json_int_t)p.connections, "parked",
	    (json_int_t)p.parked, "workers", (json_int_t)p.workers, "accepted", (json_int_t)p.accepted, "refused",
	    (json_int_t)(p.refused), "misbehaved", (json_int_t)g.misbehaved, "units", (json_int_t)p.units);
	if (role.store) {
		struct store_stat s;
		store_stat(role.store, &s);
		json_object_set_new(out, "store",
				    json_pack("{s:I, s:I, s:I, s:I, s:I}", "units", (json_int_t)s.units, "commits",
					      (json_int_t)s.commits, "syncs", (json_int_t)s.syncs, "wal_octets",
					      (json_int_t)s.wal_octets, "staged_octets", (json_int_t)s.staged_octets));
	}
	return out;
}

static void take_question(struct letter *l)
{
	json_error_t why;
	json_t *asked = json_loadb(l->text.p, l->text.n, 0, &why);
	struct str verb = admin_str(asked, "verb");
	const struct admin_row *row = admin_find(verb);
	if (str_eq(verb, STR("role.status"))) {
		answer(l->id, tell_status(), LETTER_ANSWER);
	} else if (!row || &roles[row->role] != role.row) {
		struct err e;
		err_set(&e, ERR_PERM, "role %s has no verb \"%.*s\"", role.row->name, STRF(verb));
		answer(l->id, admin_error(&e), LETTER_ANSWER);
	} else {
		struct question *q = calloc(1, sizeof *q);
		if (!q)
			abort();
		*q = (struct question){
			.job = { .run = work_on_question }, .id = l->id, .asked = asked, .row = row, .fd = l->fd
		};
		l->fd = -1;
		pool_run(tasks, &q->job);
		return;
	}
	if (l->fd >= 0)
		close(l->fd);
	json_decref(asked);
}

/* --- what the parent sends while we live ------------------------------------ */

static void leave(int64_t ms)
{
	atomic_store(&leaving, true);
	indexer_leave(role.indexer); /* those who come after us index */
	pen_drain(role.pen, ms);
}

/* The new file takes the old descriptor's number, so that no line being written meets a closed one. */
static void new_log(int fd)
{
	if (fd < 0 || role.birth.log_fd < 0)
		return;
	dup3(fd, role.birth.log_fd, O_CLOEXEC);
	close(fd);
}

static void take_letter(struct letter *l)
{
	struct err e = { 0 };
	switch (l->kind) {
	case LETTER_ASK:
		take_question(l);
		return;
	case LETTER_DRAIN:
		leave((int64_t)l->id);
		return;
	case LETTER_LEVEL:
		role_level(l->text);
		return;
	case LETTER_LOG:
		new_log(l->fd);
		return;
	case LETTER_SWAP:
		if (!role_swap(&role, &e))
			log_error("tls.swap", KVZ("error", e.text));
		return;
	default:
		if (!birth_take(&role.birth, l, &e))
			log_error("role.letter", KVZ("error", e.text));
		else if (l->kind == LETTER_TICKETS)
			role_tickets(&role);
	}
}

/* Orphan contents and files go when nobody names them; a task, since it may take long. */
static void collect(struct job *job)
{
	struct err e = { 0 };
	uint64_t contents = 0, files = 0;
	(void)job;
	if (!store_collect(role.store, &contents, &files, &e))
		log_warn("store.collect", KVZ("error", e.text));
	else if (contents + files > 0)
		log_info("store.collected", KVN("contents", contents), KVN("files", files));
}

static void tick(int64_t mono_ms)
{
	static struct job collecting = { .run = collect };
	static int64_t collected_ms;
	struct err e = { 0 };
	if (role.store && store_broken(role.store, &e)) {
		/* What was synced is unsure: the next process checks before it says 250 again. */
		log_error("store.broken", KVZ("error", e.text));
		_exit(EX_IOERR);
	}
	if (role.row->has & HAS_CHECKPOINT && (collected_ms == 0 || mono_ms - collected_ms >= COLLECT_MS)) {
		collected_ms = mono_ms;
		pool_run(tasks, &collecting);
	}
}

struct ears {
	int signals, done; /* signalfd; eventfd that ends the reader */
};

static void *reader(void *arg)
{
	const struct ears *ears = arg;
	struct pollfd fds[] = { { .fd = ROLE_SOCKET, .events = POLLIN },
				{ .fd = ears->signals, .events = POLLIN },
				{ .fd = ears->done, .events = POLLIN } };
	for (;;) {
		struct letter l;
		struct err e;
		if (poll(fds, 3, TICK_MS) < 0 && errno != EINTR)
			abort();
		if (fds[2].revents)
			return NULL;
		tick(clock_mono_ms());
		if (fds[1].revents & POLLIN) {
			struct signalfd_siginfo got;
			(void)!read(ears->signals, &got, sizeof got);
			leave(role.loaded.settings.times.stop_ms);
		}
		if (fds[0].revents == 0)
			continue;
		enum letter_got how = letters_next(&role.letters, &l, &e);
		if (how == LETTER_GOT)
			take_letter(&l);
		else if (how != LETTER_PARTIAL)
			_exit(EX_OK); /* the parent is gone; what is committed is committed */
	}
}

/* --- life ------------------------------------------------------------------- */

static bool born(struct err *e)
{
	role.birth = (struct birth){ .shared_fd = -1, .lock_fd = -1, .log_fd = -1, .config = STR_NONE };
	for (;;) {
		struct letter l;
		enum letter_got how = letters_next(&role.letters, &l, e);
		if (how == LETTER_PARTIAL)
			continue;
		if (how != LETTER_GOT)
			return err_set(e, ERR_PEER, "the parent left");
		if (l.kind == LETTER_GO) {
			role.birth.generation = l.id;
			return true;
		}
		if (!birth_take(&role.birth, &l, e))
			return false;
	}
}

/* Ours to ignore: the terminal sends them to all of us, and the parent decides. SIGTERM is read by the reader. */
static int take_signals(void)
{
	sigset_t set;
	for (size_t i = 0; i < 4; i++)
		signal((const int[]){ SIGPIPE, SIGINT, SIGHUP, SIGUSR1 }[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int fail(const struct err *e)
{
	struct err ignored;
	post_send(&role.post, LETTER_FAILED, (uint32_t)e->kind, str_of(e->text), -1, &ignored);
	return e->kind == ERR_PERM ? EX_CONFIG : EX_TEMPFAIL;
}

static bool say_ready(struct err *e)
{
	json_t *j = json_pack("{s:b, s:i, s:b, s:o}", "fenced", role.fence.fenced, "landlock", role.fence.landlock_abi,
			      "seccomp", role.fence.seccomp, "missing", admin_text(role.fence.missing));
	char *text = json_dumps(j, JSON_COMPACT);
	bool ok = post_send(&role.post, LETTER_READY, role.birth.generation, str_of(text), -1, e);
	free(text);
	json_decref(j);
	return ok;
}

int role_main(const char *name)
{
	struct err e = { 0 };
	pthread_t thread;
	for (size_t i = 0; i < ROLES; i++)
		if (strcmp(name, roles[i].name) == 0)
			role.row = &roles[i];
	if (!role.row || fcntl(ROLE_SOCKET, F_GETFD) < 0)
		return EX_USAGE; /* not started by a parent */
	prctl(PR_SET_DUMPABLE, 0);
	fcntl(ROLE_SOCKET, F_SETFD, FD_CLOEXEC);
	hash_init();
	struct ears ears = { .signals = take_signals(), .done = eventfd(0, EFD_CLOEXEC) };
	post_open(&role.post, ROLE_SOCKET);
	letters_open(&role.letters, ROLE_SOCKET);
	if (!born(&e) || !role_prepare(&role, &e) || !role_open(&role, &e))
		return fail(&e);
	tasks = pool_new(
	    &(struct pool_conf){ .name = "task", .max = QUESTION_TASKS, .idle_ms = 10000, .stack = (size_t)1 << 20 });
	if (!say_ready(&e) || pthread_create(&thread, NULL, reader, &ears) != 0)
		return EX_OSERR;
	pen_run(role.pen);
	bool told = atomic_load(&leaving);
	eventfd_write(ears.done, 1);
	pthread_join(thread, NULL);
	pool_free(tasks);
	log_info("role.left", KVN("generation", role.birth.generation));
	role_close(&role);
	letters_close(&role.letters);
	return told ? EX_OK : EX_SOFTWARE;
}
