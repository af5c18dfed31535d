/* IDLE (RFC 2177), and the bell that ends the waiting.
 *
 * An idling session stands in the list of its account's bell slot.  One
 * thread per role waits for the bell, compares the sequences of all slots with those
 * it knew, and wakes the sessions of those that rang.  A session enters the
 * list before it looks at the store, so nothing falls between.
 */
#include "imap/command.h"
#include "imap/notify.h"
#include "store/bell.h"
#include <pthread.h>

#define BELL_LOOK_MS 1000 /* a ring that was missed is found by then */

static struct {
	pthread_mutex_t mu; /* guards all below, and every session's idler */
	struct idler *slot[BELL_SLOTS];
	unsigned n;          /* sessions in all slots: while there is none, nobody waits for the bell */
	pthread_cond_t came; /* the first of them, or the end */
	struct bell_thread {
		struct store *store; /* NULL: free */
		pthread_t thread;
		bool stop;
	} threads[4]; /* a role has one store; tests a few */
} idlers = { .mu = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER };

static void enter(struct idler *i, struct idler **head)
{
	i->next = *head;
	i->link = head;
	if (i->next)
		i->next->link = &i->next;
	*head = i;
	if (idlers.n++ == 0)
		pthread_cond_broadcast(&idlers.came);
}

void idle_enter(struct session *s)
{
	struct idler *i = &s->idler;
	pthread_mutex_lock(&idlers.mu);
	i->store = s->conf->store;
	i->conn = s->peer->conn;
	if (!i->link)
		enter(i, &idlers.slot[bell_slot(s->account)]);
	pthread_mutex_unlock(&idlers.mu);
}

void idle_leave(struct session *s)
{
	struct idler *i = &s->idler;
	pthread_mutex_lock(&idlers.mu);
	if (i->link) {
		*i->link = i->next;
		if (i->next)
			i->next->link = i->link;
		i->link = NULL;
		idlers.n--;
	}
	pthread_mutex_unlock(&idlers.mu);
}

/* Under the lock: a session that is in the list lives. */
static void wake_slot(const struct store *st, unsigned slot)
{
	for (struct idler *i = idlers.slot[slot]; i; i = i->next)
		if (i->store == st)
			pen_wake(i->conn);
}

static void *bell_main(void *arg)
{
	struct bell_thread *t = arg;
	static _Thread_local uint32_t known[BELL_SLOTS];
	uint32_t all = 0;
	pthread_mutex_lock(&idlers.mu);
	struct store *st = t->store;
	for (unsigned i = 0; i < BELL_SLOTS; i++)
		known[i] = bell_seq(st, i);
	while (!t->stop) {
		if (idlers.n == 0) { /* a ring that nobody hears costs the ringer no system call */
			pthread_cond_wait(&idlers.came, &idlers.mu);
			continue;
		}
		for (unsigned i = 0; i < BELL_SLOTS; i++) {
			uint32_t now = bell_seq(st, i);
			if (now != known[i])
				wake_slot(st, i);
			known[i] = now;
		}
		pthread_mutex_unlock(&idlers.mu);
		bell_wait(st, &all, BELL_LOOK_MS);
		pthread_mutex_lock(&idlers.mu);
	}
	pthread_mutex_unlock(&idlers.mu);
	return NULL;
}

bool imap_bell_start(struct store *st, struct err *e)
{
	struct bell_thread *free_one = NULL;
	pthread_mutex_lock(&idlers.mu);
	for (size_t i = 0; i < sizeof idlers.threads / sizeof *idlers.threads && !free_one; i++)
		free_one = idlers.threads[i].store ? NULL : &idlers.threads[i];
	bool ok = free_one != NULL;
	if (ok) {
		*free_one = (struct bell_thread){ .store = st };
		ok = pthread_create(&free_one->thread, NULL, bell_main, free_one) == 0;
		free_one->store = ok ? st : NULL;
	}
	pthread_mutex_unlock(&idlers.mu);
	return ok || err_set(e, ERR_TEMP, "cannot start the thread that waits for the bell");
}

void imap_bell_stop(struct store *st)
{
	pthread_mutex_lock(&idlers.mu);
	for (size_t i = 0; i < sizeof idlers.threads / sizeof *idlers.threads; i++) {
		struct bell_thread *t = &idlers.threads[i];
		if (t->store != st)
			continue;
		t->stop = true;
		pthread_cond_broadcast(&idlers.came);
		pthread_mutex_unlock(&idlers.mu);
		bell_nudge(st);
		pthread_join(t->thread, NULL);
		pthread_mutex_lock(&idlers.mu);
		t->store = NULL;
	}
	pthread_mutex_unlock(&idlers.mu);
}

static struct next want_done(struct session *s)
{
	struct next next = want_line(s);
	next.wakeable = true;
	return next;
}

/* Tell what is new; a mailbox that is gone ends the session. */
static struct next idle_tell(struct session *s, struct cmd *c)
{
	if (s->view)
		notify_tell_selected(s, c, TELL_ALL);
	if (s->view && s->view->deleted)
		return say_bye(s, "The selected mailbox has been deleted");
	notify_tell(s, c);
	return want_done(s);
}

struct reply cmd_idle(struct session *s, struct cmd *c)
{
	if (!parse_end(&c->in))
		return reply_bad(c);
	memcpy(s->tag, c->tag.p, c->tag.n);
	s->tag[c->tag.n] = '\0';
	s->expects = EXPECT_DONE;
	io_add(s->io, STR("+ idling\r\n"));
	idle_enter(s);
	c->next = idle_tell(s, c);
	return (struct reply){ 0 };
}

struct next idle_wake(struct session *s)
{
	struct arena a = { 0 };
	struct cmd c = { .a = &a };
	struct next next = idle_tell(s, &c);
	arena_reset(&a);
	return next;
}

struct next idle_line(struct session *s, struct str line)
{
	struct arena a = { 0 };
	struct cmd c = {
		.a = &a, .tag = str_dup(&a, str_of(s->tag)), .command = command_find(STR("NOOP")), .next = want_line(s)
	};
	struct reply r = str_eqi(str_trim(line), STR("DONE")) ? OK("IDLE completed") : BAD("Expected DONE");
	if (!s->notify)
		idle_leave(s);
	s->expects = EXPECT_COMMAND;
	struct next next = command_answer(s, &c, &r);
	arena_reset(&a);
	return next;
}
