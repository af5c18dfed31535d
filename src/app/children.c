#include "app/children.h"

#include "app/essence.h"
#include "app/role.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define GRACE_MS 3000 /* beyond its time to leave, before SIGKILL */

const char *slot_state_name(enum slot_state s)
{
	static const char *const names[] = { "idle", "waiting", "starting", "running", "leaving", "gone" };
	return names[s];
}

struct generation *generation_new(unsigned number, struct loaded *loaded)
{
	struct generation *g = calloc(1, sizeof *g);
	if (!g)
		abort();
	g->number = number;
	g->log_fd = -1;
	g->loaded = *loaded;
	*loaded = (struct loaded){ 0 };
	for (size_t i = 0; i < ROLES; i++) {
		g->slots[i] = calloc(1, sizeof *g->slots[i]);
		if (!g->slots[i])
			abort();
		g->slots[i]->row = &roles[i];
		g->slots[i]->gen = g;
	}
	return g;
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < ROLES; i++) {
		free(g->slots[i]->fence);
		free(g->slots[i]->folder);
		free(g->slots[i]);
	}
	if (g->log_fd >= 0)
		close(g->log_fd);
	secrets_free(&g->secrets);
	sockets_close(&g->sockets);
	load_free(&g->loaded);
	free(g);
}

bool slot_alive(const struct slot *s)
{
	return s->pid > 0;
}

/* May the process of `s` go on under the next generation? */
static bool stays(const struct slot *s, const struct generation *next)
{
	if (s->row->when == WHEN_ASKED)
		return slot_alive(s); /* it ends by itself */
	/* One that a verb asked for is wanted as long as it lives. */
	bool needed = role_needed(s->row, &next->loaded.settings) || s->row->when == WHEN_LOGIN;
	return s->wanted && needed && role_same(s->row, &s->gen->loaded, &next->loaded);
}

void generation_want(struct generation *g, struct generation *before, struct generation *oldest)
{
	for (size_t i = 0; i < ROLES; i++) {
		struct slot *s = g->slots[i];
		g->keeps[i] = before && stays(before->slots[i], g);
		s->wanted = !g->keeps[i] && role_needed(s->row, &g->loaded.settings);
		if (!s->wanted)
			continue;
		s->state = SLOT_WAITING;
		if (s->row->has & HAS_CHECKPOINT && before && before->slots[i]->state != SLOT_GONE)
			s->after = before->slots[i];
		else if (oldest && slot_alive(oldest->slots[i]))
			s->after = oldest->slots[i];
	}
}

bool generation_ready(const struct generation *g)
{
	for (size_t i = 0; i < ROLES; i++) {
		const struct slot *s = g->slots[i];
		bool later = s->row->has & HAS_CHECKPOINT && s->after;
		if (s->wanted && s->state != SLOT_READY && !later)
			return false;
	}
	return true;
}

static void swap_slots(struct generation *a, struct generation *b, size_t i)
{
	struct slot *s = a->slots[i];
	a->slots[i] = b->slots[i];
	b->slots[i] = s;
	a->slots[i]->gen = a;
	b->slots[i]->gen = b;
}

void generation_inherit(struct generation *g, struct generation *before)
{
	for (size_t i = 0; i < ROLES; i++)
		if (g->keeps[i])
			swap_slots(g, before, i);
}

void generation_merge(struct generation *before, struct generation *oldest)
{
	for (size_t i = 0; i < ROLES; i++)
		/* The oldest checkpointer has nothing to finish, and its successors wait for it. */
		if (slot_alive(oldest->slots[i]) && !slot_alive(before->slots[i]) &&
		    !(oldest->slots[i]->row->has & HAS_CHECKPOINT))
			swap_slots(before, oldest, i);
	generation_kill(oldest);
}

bool generation_gone(const struct generation *g)
{
	for (size_t i = 0; i < ROLES; i++)
		if (slot_alive(g->slots[i]))
			return false;
	return true;
}

/* --- birth ------------------------------------------------------------------ */

/* In the child, between fork and exec: only what is safe there. The parent has one thread, so all is. */
static void become_role(const struct slot *s, const struct nest *n, int sock)
{
	struct err e;
	sigset_t none;
	const char *const argv[] = { "sluice", "role", s->row->name, NULL };
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("CREDENTIALS_DIRECTORY");
	if (!user_become(&n->user, &e)) {
		log_error("role.user", KVZ("error", e.text));
		_exit(EX_NOPERM);
	}
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		_exit(EX_OSERR);
	/* dup2 onto itself would leave it close-on-exec. */
	if (sock == ROLE_SOCKET ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, ROLE_SOCKET) < 0)
		_exit(EX_OSERR);
	syscall(SYS_close_range, ROLE_SOCKET + 1, ~0U, 0); /* all else is close-on-exec anyway */
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(EX_OSERR);
}

bool slot_send_certs(struct slot *s, const struct secrets *secrets)
{
	const struct settings *settings = &s->gen->loaded.settings;
	bool ok = true;
	if (!(s->row->has & HAS_TLS))
		return true;
	for (size_t i = 0; i < secrets->n && ok; i++) {
		const struct pem_pair *p = &secrets->pairs[i];
		if (!role_serves_listener(s->row, &settings->listens[p->listener]))
			continue;
		uint32_t id = role_rank(s->row, settings, p->listener) << 8 | p->index;
		ok = slot_send(s, LETTER_CERT, id, p->pem.cert, -1) && slot_send(s, LETTER_KEY, id, p->pem.key, -1);
	}
	return ok;
}

static bool send_listeners(struct slot *s)
{
	const struct loaded *l = &s->gen->loaded;
	for (size_t i = 0; i < l->nplaces; i++)
		if (role_serves(s->row, l->places[i].service) &&
		    !slot_send(s, LETTER_LISTEN, (uint32_t)i, STR_NONE, sockets_place(&s->gen->sockets, i)))
			return false;
	return !(s->row->has & HAS_AUTH_DOOR) ||
	       slot_send(s, LETTER_LISTEN, PLACES_MAX, STR_NONE, sockets_auth(&s->gen->sockets));
}

static bool send_levels(struct slot *s, struct str levels)
{
	while (levels.n > 0)
		if (!slot_send(s, LETTER_LEVEL, 0, str_cut(&levels, '\n'), -1))
			return false;
	return true;
}

void slot_freshen(struct slot *s, struct str levels)
{
	if (!slot_alive(s) || s->state == SLOT_LEAVING)
		return;
	if (s->row->has & HAS_TLS && slot_send_certs(s, &s->gen->secrets))
		slot_send(s, LETTER_SWAP, 0, STR_NONE, -1);
	send_levels(s, levels);
	if (s->gen->log_fd >= 0)
		slot_send(s, LETTER_LOG, 0, STR_NONE, s->gen->log_fd);
}

static bool send_birth(struct slot *s, const struct nest *n)
{
	const struct loaded *l = &s->gen->loaded;
	struct buf blob = { 0 };
	struct str tickets = { (const char *)n->tickets.keys, n->tickets.n * TLS_TICKET_KEY };
	conf_pack(&blob, l->texts, l->ntexts);
	bool ok = slot_send(s, LETTER_CONFIG, 0, buf_str(&blob), -1);
	buf_free(&blob);
	ok = ok && slot_send(s, LETTER_SHARED, 0, STR_NONE, n->shared_fd) &&
	     slot_send(s, LETTER_LOCK, 0, STR_NONE, n->lock_fd);
	if (s->gen->log_fd >= 0)
		ok = ok && slot_send(s, LETTER_LOG, 0, STR_NONE, s->gen->log_fd);
	if (s->row->has & HAS_TLS)
		ok = ok && slot_send_certs(s, &s->gen->secrets) && slot_send(s, LETTER_TICKETS, 0, tickets, -1);
	if (s->folder)
		ok = ok && slot_send(s, LETTER_FOLDER, 0, str_of(s->folder), -1);
	return ok && send_listeners(s) && send_levels(s, buf_str(&n->levels)) &&
	       slot_send(s, LETTER_GO, s->gen->number, STR_NONE, -1);
}

bool slot_spawn(struct slot *s, const struct nest *n, int64_t mono_ms, struct err *e)
{
	int pair[2];
	s->born_mono_ms = mono_ms;
	s->failure[0] = 0;
	s->config_failure = false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err_sys(e, "role", s->row->name);
		slot_died(s, mono_ms);
		return false;
	}
	pid_t pid = fork();
	if (pid == 0)
		become_role(s, n, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		err_sys(e, "start role", s->row->name);
		slot_died(s, mono_ms);
		return false;
	}
	s->pid = pid;
	s->born = s->gen->number;
	s->state = SLOT_STARTING;
	post_open(&s->post, pair[0]);
	letters_open(&s->letters, pair[0]);
	/* One that takes no birth has been killed by slot_send; its end is seen like any other. */
	(void)send_birth(s, n);
	return true;
}

/* --- life and death ----------------------------------------------------------- */

bool slot_send(struct slot *s, enum letter_kind kind, uint32_t id, struct str text, int fd)
{
	struct err e;
	if (!slot_alive(s) || s->post.sock < 0)
		return false;
	if (post_send(&s->post, kind, id, text, fd, &e))
		return true;
	log_warn("role.deaf", KVZ("name", s->row->name), KVN("pid", s->pid), KVZ("error", e.text));
	slot_kill(s);
	return false;
}

static void forget_process(struct slot *s)
{
	if (s->pid > 0) {
		letters_close(&s->letters);
		close(s->post.sock);
		pthread_mutex_destroy(&s->post.mu);
	}
	s->pid = 0;
	s->post.sock = -1;
	s->kill_mono_ms = 0;
}

void slot_died(struct slot *s, int64_t mono_ms)
{
	forget_process(s);
	if (s->state == SLOT_LEAVING) {
		s->state = SLOT_GONE;
	} else if (s->wanted) {
		s->state = SLOT_WAITING;
		s->restarts++;
		s->due_mono_ms = mono_ms + backoff_next(&s->backoff, mono_ms - s->born_mono_ms);
	} else {
		s->state = s->again ? SLOT_WAITING : SLOT_IDLE;
		s->due_mono_ms = mono_ms;
	}
	s->again = false;
}

void slot_leave(struct slot *s, int64_t ms, int64_t mono_ms)
{
	s->wanted = false;
	s->after = NULL;
	if (!slot_alive(s)) {
		s->state = SLOT_GONE;
		return;
	}
	int64_t kill = mono_ms + ms + GRACE_MS;
	if (s->state != SLOT_LEAVING || kill < s->kill_mono_ms)
		s->kill_mono_ms = kill;
	s->state = SLOT_LEAVING;
	slot_send(s, LETTER_DRAIN, (uint32_t)(ms > INT32_MAX ? INT32_MAX : ms), STR_NONE, -1);
}

void slot_kill(struct slot *s)
{
	if (slot_alive(s))
		kill(s->pid, SIGKILL);
}

void generation_kill(struct generation *g)
{
	for (size_t i = 0; i < ROLES; i++) {
		struct slot *s = g->slots[i];
		s->wanted = false;
		s->state = SLOT_LEAVING;
		slot_kill(s);
		while (slot_alive(s) && waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
		slot_died(s, 0);
	}
}

void generation_leave(struct generation *g, int64_t ms, int64_t mono_ms)
{
	bool sessions = false;
	for (size_t i = 0; i < ROLES; i++) {
		struct slot *s = g->slots[i];
		if (s->row->services && s->state != SLOT_LEAVING)
			slot_leave(s, ms, mono_ms);
		sessions |= s->row->services && slot_alive(s);
	}
	for (size_t i = 0; i < ROLES; i++) {
		struct slot *s = g->slots[i];
		/* A checkpointer has no sessions to finish, and its successor waits for it. */
		if (!s->row->services && (!sessions || s->row->has & HAS_CHECKPOINT) && s->state != SLOT_LEAVING)
			slot_leave(s, ms, mono_ms);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t slots_tick(struct generation *g, const struct nest *n, int64_t mono_ms)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < ROLES; i++) {
		struct slot *s = g->slots[i];
		struct err e = { 0 };
		if (s->after && s->after->state == SLOT_GONE)
			s->after = NULL;
		if (s->state == SLOT_WAITING && !s->after && s->due_mono_ms <= mono_ms &&
		    !slot_spawn(s, n, mono_ms, &e))
			log_error("role.start", KVZ("name", s->row->name), KVZ("error", e.text));
		if (s->state == SLOT_WAITING && !s->after)
			next = sooner(next, s->due_mono_ms);
		if (s->state == SLOT_LEAVING && slot_alive(s) && s->kill_mono_ms <= mono_ms) {
			log_warn("role.killed", KVZ("name", s->row->name), KVN("pid", s->pid),
				 KVZ("why", "did not leave in time"));
			slot_kill(s);
			s->kill_mono_ms = mono_ms + GRACE_MS;
		}
		if (s->state == SLOT_LEAVING)
			next = sooner(next, s->kill_mono_ms);
	}
	return next;
}
