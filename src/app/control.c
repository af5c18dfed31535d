#include "app/frame.h"
#include "app/server.h"

#include "app/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRESS_MAX  ((size_t)1 << 20) /* unread octets at which progress is left out */
#define QUESTIONS_MAX 1024
#define PEER_GROUPS   256

/* --- replies ------------------------------------------------------------------ */

static void reply_text(struct client *c, struct str json, bool final)
{
	frame_add(&c->out, json);
	if (final)
		c->asking = false;
}

static void reply(struct client *c, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	reply_text(c, str_of(text), true);
	free(text);
}

static void reply_error(struct client *c, int code, const char *text)
{
	reply(c, json_pack("{s:b, s:o, s:i}", "ok", 0, "error", admin_text(str_of(text)), "code", code));
}

static void reply_ok(struct client *c)
{
	reply(c, json_pack("{s:b}", "ok", 1));
}

/* --- questions to roles ------------------------------------------------------- */

static void drop_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void send_question(struct question *q)
{
	q->sent = slot_send(q->slot, LETTER_ASK, q->id, str_of(q->text), q->fd);
	drop_fd(&q->fd); /* the role has its own now */
}

static struct question *ask(struct server *s, struct client *c, struct slot *slot, struct str text)
{
	struct question *q = calloc(1, sizeof *q);
	if (!q || !(q->text = strndup(text.p, text.n)))
		abort();
	q->id = ++s->asked;
	q->client = c;
	q->slot = slot;
	q->fd = -1;
	q->next = s->questions;
	s->questions = q;
	if (c) {
		q->fd = c->passed;
		c->passed = -1;
	}
	/* A role reads its letters in order, so one may be sent before it is ready. */
	if (slot_alive(slot) && !slot->again)
		send_question(q);
	return q;
}

static void question_free(struct server *s, struct question *q)
{
	struct question **at = &s->questions;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	explicit_bzero(q->text, strlen(q->text)); /* passwords pass through here */
	drop_fd(&q->fd);
	free(q->text);
	free(q);
}

static void finish_status(struct client *c)
{
	json_t *j = c->status;
	c->status = c->status_roles = NULL;
	c->status_missing = 0;
	reply(c, j);
}

/* One role's numbers; the last of them sends the whole. */
static void take_numbers(struct server *s, struct question *q, struct str text)
{
	struct client *c = q->client;
	json_t *numbers = json_loadb(text.p, text.n, 0, NULL);
	if (c && c->status) {
		json_object_del(numbers, "ok");
		if (numbers)
			json_object_update(q->place, numbers);
		if (--c->status_missing == 0)
			finish_status(c);
	}
	json_decref(numbers);
	question_free(s, q);
}

static void echo_heard(struct server *s, struct question *q)
{
	question_free(s, q);
	if (--s->echoes == 0)
		control_reloaded(s, EX_OK, NULL);
}

void control_echo(struct server *s, struct slot *slot)
{
	struct question *q = ask(s, NULL, slot, STR("{\"verb\":\"role.status\"}"));
	q->echo = true;
	s->echoes++;
}

void control_echoes_late(struct server *s)
{
	for (struct question *q = s->questions, *next; q; q = next) {
		next = q->next;
		if (!q->echo)
			continue;
		log_warn("role.slow", KVZ("name", q->slot->row->name), KVN("pid", q->slot->pid));
		echo_heard(s, q);
	}
}

void control_answer(struct server *s, const struct slot *slot, uint32_t id, struct str text, bool final)
{
	struct question *q = s->questions;
	while (q && (q->id != id || q->slot != slot))
		q = q->next;
	if (!q)
		return;
	if (q->place) {
		take_numbers(s, q, text);
		return;
	}
	if (q->echo) {
		echo_heard(s, q);
		return;
	}
	if (q->client && (final || q->client->out.n < PROGRESS_MAX))
		reply_text(q->client, text, final);
	if (final)
		question_free(s, q);
}

void control_slot_up(struct server *s, struct slot *slot)
{
	for (struct question *q = s->questions; q; q = q->next)
		if (q->slot == slot && !q->sent)
			send_question(q);
}

static void fail_question(struct server *s, struct question *q, const char *why)
{
	if (q->place)
		take_numbers(s, q, STR("{}"));
	else if (q->echo)
		echo_heard(s, q);
	else {
		if (q->client)
			reply_error(q->client, EX_TEMPFAIL, why);
		question_free(s, q);
	}
}

void control_slot_down(struct server *s, const struct slot *slot)
{
	char why[400];
	snprintf(why, sizeof why, "role %s ended before it answered%s%s", slot->row->name, *slot->failure ? ": " : "",
		 slot->failure);
	for (struct question *q = s->questions, *next; q; q = next) {
		next = q->next;
		if (q->slot == slot && q->sent)
			fail_question(s, q, *slot->failure ? slot->failure : why);
	}
}

void control_forget(struct server *s, const struct generation *g)
{
	for (struct question *q = s->questions, *next; q; q = next) {
		next = q->next;
		if (q->slot->gen == g)
			fail_question(s, q, "the configuration was changed meanwhile, please ask again");
	}
}

static bool is_asked(const struct server *s, const struct slot *slot)
{
	for (const struct question *q = s->questions; q; q = q->next)
		if (q->slot == slot && !q->place && !q->echo)
			return true;
	return false;
}

/* The slot that does `row`, started if nobody needed it until now. NULL: why is in e. */
static struct slot *slot_for(struct server *s, const struct admin_row *row, json_t *args, struct err *e)
{
	struct slot *slot = s->now->slots[row->role];
	if (s->stopping) {
		err_set(e, ERR_TEMP, "the server is stopping");
		return NULL;
	}
	if (slot->row->when == WHEN_ASKED) {
		if (is_asked(s, slot)) {
			err_set(e, ERR_TEMP, "role %s is at work for somebody else", slot->row->name);
			return NULL;
		}
		free(slot->folder);
		slot->folder = NULL;
		if (slot->row->has & HAS_FOLDER)
			slot->folder = strdup(json_is_string(json_object_get(args, "dir"))
						  ? json_string_value(json_object_get(args, "dir"))
						  : "/nonexistent");
		slot->again = slot_alive(slot); /* it has answered, and is about to end */
		if (!slot->again)
			slot->state = SLOT_WAITING;
		slot->due_mono_ms = 0;
	} else if (!slot->wanted) {
		slot->wanted = true;
		slot->state = SLOT_WAITING;
	}
	return slot;
}

static void forward(struct server *s, struct client *c, const struct admin_row *row, json_t *asked, struct str text)
{
	struct err e;
	unsigned n = 0;
	for (struct question *q = s->questions; q; q = q->next)
		n++;
	struct slot *slot = n < QUESTIONS_MAX ? slot_for(s, row, json_object_get(asked, "args"), &e) : NULL;
	if (n >= QUESTIONS_MAX)
		err_set(&e, ERR_TEMP, "too many questions wait for an answer");
	if (slot)
		ask(s, c, slot, text);
	else
		reply_error(c, EX_TEMPFAIL, e.text);
}

/* --- the parent's own verbs ----------------------------------------------------- */

static void add_generation(struct server *s, struct client *c, struct generation *g, int64_t now_ms)
{
	for (size_t i = 0; g && i < ROLES; i++) {
		struct slot *slot = g->slots[i];
		if (!slot->wanted && !slot_alive(slot))
			continue;
		json_t *j = json_pack("{s:s, s:i, s:i, s:s, s:I, s:i}", "name", slot->row->name, "pid", (int)slot->pid,
				      "generation", (int)(slot_alive(slot) ? slot->born : g->number), "state",
				      slot_state_name(slot->state), "uptime_ms",
				      (json_int_t)(slot_alive(slot) ? now_ms - slot->born_mono_ms : 0), "restarts",
				      (int)slot->restarts);
		json_t *fence = slot->fence ? json_loads(slot->fence, 0, NULL) : NULL;
		if (fence)
			json_object_set_new(j, "fence", fence);
		if (*slot->failure)
			json_object_set_new(j, "failure", admin_text(str_of(slot->failure)));
		json_array_append_new(c->status_roles, j);
		if (slot->state != SLOT_READY && slot->state != SLOT_LEAVING)
			continue;
		struct question *q = ask(s, c, slot, STR("{\"verb\":\"role.status\"}"));
		q->place = j;
		c->status_missing++;
	}
}

static const char *state_name(const struct server *s)
{
	return s->stopping ? "stopping" : !s->ready ? "starting" : s->next ? "reloading" : "running";
}

static void verb_status(struct server *s, struct client *c, json_t *args)
{
	int64_t now_ms = clock_mono_ms();
	(void)args;
	c->status_roles = json_array();
	c->status = json_pack("{s:b, s:s, s:s, s:i, s:i, s:I, s:o}", "ok", 1, "version", SLUICE_VERSION, "state",
			      state_name(s), "pid", (int)getpid(), "generation", (int)s->now->number, "started_ms",
			      (json_int_t)s->started_wall_ms, "roles", c->status_roles);
	if (s->reload_error)
		json_object_set_new(c->status, "reload_error", admin_text(str_of(s->reload_error)));
	c->status_until_mono_ms = now_ms + ASK_STATUS_MS;
	add_generation(s, c, s->old, now_ms);
	add_generation(s, c, s->now, now_ms);
	add_generation(s, c, s->next, now_ms);
	if (c->status_missing == 0)
		finish_status(c);
}

static void verb_info(struct server *s, struct client *c, json_t *args)
{
	const struct loaded *l = &s->now->loaded;
	json_t *listeners = json_array();
	(void)args;
	for (size_t i = 0; i < l->nplaces; i++) {
		const struct place *p = &l->places[i];
		char text[ADDR_TEXT];
		json_t *j = json_pack("{s:s, s:o}", "service", service_name(p->service), "listen",
				      admin_text(l->settings.listens[p->listener].name));
		if (p->unix_socket)
			json_object_set_new(j, "path", admin_text(p->path));
		else
			json_object_update_new(j, json_pack("{s:s, s:i}", "address", addr_text(p->at.addr, text),
							    "port", (int)p->at.port));
		json_array_append_new(listeners, j);
	}
	reply(c, json_pack("{s:b, s:s, s:i, s:s, s:o, s:o, s:o, s:s, s:o}", "ok", 1, "version", SLUICE_VERSION, "pid",
			   (int)getpid(), "config", s->config_path, "host", admin_text(l->settings.host), "store",
			   admin_text(l->settings.store_dir), "run", admin_text(l->settings.run_dir), "user",
			   s->nest.user.name, "listeners", listeners));
}

static void verb_stop(struct server *s, struct client *c, json_t *args)
{
	(void)args;
	reply_ok(c); /* the connection ends when we do */
	server_stop(s, EX_OK);
}

static void verb_reload(struct server *s, struct client *c, json_t *args)
{
	(void)args;
	c->reload = RELOAD_WAITS;
	c->reload_until_mono_ms = clock_mono_ms() + RELOAD_MS;
	reload(s);
}

void control_reload_begins(struct server *s)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (s->clients[i].reload == RELOAD_WAITS)
			s->clients[i].reload = RELOAD_RUNS;
}

void control_reloaded(struct server *s, int code, const char *error)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];
		if (c->reload != RELOAD_RUNS)
			continue;
		c->reload = RELOAD_NONE;
		if (code == EX_OK)
			reply_ok(c);
		else
			reply_error(c, code, error);
	}
}

/* Who waits for a reload that will not come (in time) is told. */
static void hurry_reload(const struct server *s, struct client *c, int64_t mono_ms)
{
	if (c->reload == RELOAD_NONE ||
	    (!s->stopping && (c->reload == RELOAD_RUNS || c->reload_until_mono_ms > mono_ms)))
		return;
	c->reload = RELOAD_NONE;
	reply_error(c, EX_TEMPFAIL,
		    s->stopping ? "the server is stopping"
				: "the server is still starting; it will read the configuration when it has");
}

static void verb_loglevel(struct server *s, struct client *c, json_t *args)
{
	struct err e;
	if (server_level(s, admin_str(args, "module"), admin_str(args, "level"), &e))
		reply_ok(c);
	else
		reply_error(c, EX_USAGE, e.text);
}

static void verb_reopen(struct server *s, struct client *c, json_t *args)
{
	struct err e;
	(void)args;
	if (server_reopen(s, &e))
		reply_ok(c);
	else
		reply_error(c, EX_CANTCREAT, e.text);
}

static const struct parent_verb {
	const char *name;
	void (*run)(struct server *s, struct client *c, json_t *args);
} parent_verbs[] = {
	{ "status", verb_status }, { "info", verb_info },         { "stop", verb_stop },
	{ "reload", verb_reload }, { "loglevel", verb_loglevel }, { "reopen", verb_reopen },
};

/* --- clients -------------------------------------------------------------------- */

static void take_question(struct server *s, struct client *c, struct str text)
{
	json_t *asked = json_loadb(text.p, text.n, 0, NULL);
	struct str verb = admin_str(asked, "verb");
	const struct admin_row *row = admin_find(verb);
	c->asking = true;
	for (size_t i = 0; i < sizeof parent_verbs / sizeof *parent_verbs; i++) {
		if (str_eq(verb, str_of(parent_verbs[i].name))) {
			log_debug("control.verb", KV("verb", verb), KVN("uid", c->uid));
			parent_verbs[i].run(s, c, json_object_get(asked, "args"));
			json_decref(asked);
			return;
		}
	}
	if (row) {
		log_info("control.verb", KV("verb", verb), KVN("uid", c->uid));
		forward(s, c, row, asked, text);
	} else {
		reply_error(c, EX_USAGE, asked ? "no such verb" : "a question must be a JSON object");
	}
	drop_fd(&c->passed); /* of a question that has no use for it */
	json_decref(asked);
}

static void drop_client(struct server *s, struct client *c)
{
	for (struct question *q = s->questions; q; q = q->next)
		if (q->client == c)
			q->client = NULL;
	json_decref(c->status);
	if (c->in.cap > 0)
		explicit_bzero(c->in.p, c->in.cap);
	buf_free(&c->in);
	buf_free(&c->out);
	drop_fd(&c->passed);
	close(c->fd);
	*c = (struct client){ .fd = -1, .passed = -1 };
}

/* The file's mode has let it in; this says so again, for a socket whose mode somebody changed. */
static bool may_ask(const struct server *s, int fd, uid_t *uid)
{
	const struct user *u = &s->nest.user;
	struct ucred peer;
	socklen_t n = sizeof peer;
	gid_t groups[PEER_GROUPS];
	socklen_t gn = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return false;
	*uid = peer.uid;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == u->uid)
		return true;
	if (!u->root)
		return false; /* our group may be everybody's */
	if (peer.gid == u->gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &gn) < 0)
		return false;
	for (size_t i = 0; i < gn / sizeof *groups; i++)
		if (groups[i] == u->gid)
			return true;
	return false;
}

void control_accept(struct server *s)
{
	int fd = accept4(sockets_control(&s->now->sockets), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uid_t uid = 0;
	if (fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX && may_ask(s, fd, &uid); i++) {
		if (s->clients[i].fd < 0) {
			s->clients[i] = (struct client){
				.fd = fd, .uid = uid, .passed = -1, .in = { .max = FRAME_ASK_MAX + 4 }
			};
			return;
		}
	}
	log_warn("control.refused", KVN("uid", uid));
	close(fd);
}

short control_events(const struct client *c)
{
	/* One question at a time: more is read when it is answered. */
	return (short)((c->asking || c->closing ? 0 : POLLIN) | (c->out.n > 0 ? POLLOUT : 0));
}

static bool read_client(struct server *s, struct client *c)
{
	char part[16384];
	struct str text;
	size_t n, nfds = 1;
	int fd = -1;
	struct err e;
	errno = 0;
	if (!fdpass_recv(c->fd, part, sizeof part, &n, &fd, &nfds, &e))
		return errno == EAGAIN || errno == EINTR;
	if (nfds > 0) {
		drop_fd(&c->passed); /* one question, one descriptor */
		c->passed = fd;
	}
	if (n == 0)
		return false;
	buf_add(&c->in, (struct str){ part, n });
	explicit_bzero(part, n);
	while (!c->asking) {
		enum frame_got got = frame_take(&c->in, FRAME_ASK_MAX, &text);
		if (got == FRAME_BAD) {
			reply_error(c, EX_USAGE, "question too long");
			c->closing = true;
		}
		if (got != FRAME_GOT)
			break;
		take_question(s, c, text);
		buf_drop(&c->in, 4 + text.n);
	}
	return true;
}

static bool write_client(struct client *c)
{
	ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	buf_drop(&c->out, (size_t)n);
	return !(c->closing && c->out.n == 0);
}

void control_client(struct server *s, struct client *c, short revents)
{
	bool keep = true;
	if (revents & POLLIN)
		keep = read_client(s, c);
	if (keep && c->out.n > 0)
		keep = write_client(c);
	if (!keep || revents & (POLLERR | POLLNVAL) || (revents & POLLHUP && !(revents & POLLIN)))
		drop_client(s, c);
}

int64_t control_tick(struct server *s, int64_t mono_ms)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];
		if (c->fd < 0)
			continue;
		hurry_reload(s, c, mono_ms);
		if (c->reload == RELOAD_WAITS && c->reload_until_mono_ms < next)
			next = c->reload_until_mono_ms;
		if (!c->status)
			continue;
		if (c->status_until_mono_ms <= mono_ms) {
			/* Who has not answered by now is shown without numbers. */
			for (struct question *q = s->questions; q; q = q->next)
				if (q->client == c)
					q->client = NULL;
			finish_status(c);
		} else if (c->status_until_mono_ms < next) {
			next = c->status_until_mono_ms;
		}
	}
	return next;
}

void control_close(struct server *s)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (s->clients[i].fd < 0)
			continue;
		write_client(&s->clients[i]);
		drop_client(s, &s->clients[i]);
	}
	while (s->questions)
		question_free(s, s->questions);
}
