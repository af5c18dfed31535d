#include "imap/index.h"
#include "base/clock.h"
#include "base/log.h"
#include "imap/text.h"
#include "store/bell.h"
#include "store/db.h"
#include "store/search_write.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define BATCH_DOCS   1000           /* messages in one transaction */
#define BATCH_OCTETS (4u << 20)     /* of their text */
#define TROUBLE_MS   10000          /* after a failure: the disk may be full */
#define SWEEP_MS     60000          /* files of accounts that are gone */
#define IDLE_MS      (600 * 1000)   /* files that nobody wrote for so long are synced */
#define DEAD_MS      (86400 * 1000) /* how often the dead of an account are counted */
#define LEAVE_MS     1000           /* for syncing when we end */
#define NICE         10

/* Accounts to be compared with their index: each stands here once, and has its turn. */
struct due {
	int64_t account, counted_mono_ms;
	bool due;
	bool behind; /* since the start, or by more than a batch: after the others, and at half the pace */
};
struct todo {
	struct due *all; /* ascending by account */
	size_t n, cap, at;
	size_t due, live; /* how many are due; how many of them are not behind */
};
struct indexer {
	struct store *st;
	struct search_index *x;
	pthread_t thread;
	pthread_mutex_t mu; /* guards nothing but the waiting */
	pthread_cond_t wake;
	atomic_bool stop;
	/* the thread's own */
	struct todo todo;
	uint32_t rung[BELL_SLOTS];
	int64_t look_ms, look_mono_ms, sweep_mono_ms;
	bool rang; /* since the last sweep: accounts may be gone */
};

static bool stopping(const struct indexer *ix)
{
	return atomic_load(&ix->stop);
}

static void rest(struct indexer *ix, int64_t ms)
{
	struct timespec until;
	ms = ms < 1 ? 1 : ms;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&ix->mu);
	while (!stopping(ix) && pthread_cond_timedwait(&ix->wake, &ix->mu, &until) == 0)
		;
	pthread_mutex_unlock(&ix->mu);
}

/* --- which accounts ----------------------------------------------------------------- */

static size_t todo_at(const struct todo *t, int64_t account)
{
	size_t low = 0, high = t->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (t->all[mid].account < account)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct due *todo_entry(struct todo *t, int64_t account)
{
	size_t at = todo_at(t, account);
	if (at < t->n && t->all[at].account == account)
		return &t->all[at];
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->all = realloc(t->all, t->cap * sizeof *t->all);
		if (!t->all)
			abort();
	}
	memmove(&t->all[at + 1], &t->all[at], (t->n++ - at) * sizeof *t->all);
	t->all[at] = (struct due){ .account = account, .counted_mono_ms = clock_mono_ms() };
	t->at += at < t->at;
	return &t->all[at];
}

static void todo_add(struct todo *t, int64_t account, bool behind)
{
	struct due *d = todo_entry(t, account);
	bool was_live = d->due && !d->behind;
	t->due += !d->due;
	t->live += !was_live && !behind;
	d->behind = behind && !was_live;
	d->due = true;
}

/* The next one after the last, round and round. */
static struct due *todo_next(struct todo *t)
{
	for (size_t i = 0; t->due > 0 && i < t->n; i++) {
		struct due *d = &t->all[t->at++ % t->n];
		t->at %= t->n;
		if (d->due && !(d->behind && t->live > 0))
			return d;
	}
	return NULL;
}

static void todo_worked(struct todo *t, struct due *d, bool done)
{
	t->live -= !d->behind;
	t->due -= done;
	d->due = !done;
	d->behind = !done;
}

static bool add_accounts(struct indexer *ix, int slot, struct err *e)
{
	struct arena a = { 0 };
	int64_t *ids;
	size_t n;
	bool ok = search_accounts(ix->st, slot, &a, &ids, &n, e) && search_wet(ix->x, ids, slot < 0 ? 0 : n, e);
	for (size_t i = 0; ok && i < n; i++)
		todo_add(&ix->todo, ids[i], slot < 0);
	arena_reset(&a);
	return ok;
}

static bool add_damaged(struct indexer *ix, struct err *e)
{
	struct arena a = { 0 };
	int64_t *ids;
	size_t n;
	bool ok = search_mend(ix->x, &a, &ids, &n, e);
	for (size_t i = 0; ok && i < n; i++)
		todo_add(&ix->todo, ids[i], false);
	arena_reset(&a);
	return ok;
}

static bool look(struct indexer *ix, struct err *e)
{
	ix->look_mono_ms = clock_mono_ms();
	if (!add_damaged(ix, e))
		return false;
	for (unsigned i = 0; i < BELL_SLOTS; i++) {
		uint32_t now = bell_seq(ix->st, i);
		if (now == ix->rung[i])
			continue;
		if (!add_accounts(ix, (int)i, e))
			return false;
		ix->rung[i] = now; /* rung again meanwhile: seen at the next look */
		ix->rang = true;
	}
	return true;
}

/* --- one account ---------------------------------------------------------------------- */

/* What goes into the index in one transaction. */
struct batch {
	struct indexer *ix;
	int64_t account;
	struct arena a; /* the documents' text, and the marks */
	struct search_doc docs[BATCH_DOCS];
	size_t ndocs, octets;
	struct search_mark *marks;
	size_t nmarks, marks_cap;
};

static bool batch_full(const struct batch *b)
{
	return b->ndocs == BATCH_DOCS || b->octets >= BATCH_OCTETS;
}

/* What cannot be read now has to be looked at by who searches; the log has the reason. */
static void add_doc(struct batch *b, const struct msg *row)
{
	struct arena a = { 0 };
	struct buf head = { 0 }, body = { 0 };
	struct err e = { 0 };
	struct message m = { .st = b->ix->st, .a = &a, .row = row };
	bool all = false;
	bool ok = text_index(&m, &head, &body, &all, &e);
	message_close(&m);
	if (!ok) {
		log_debug("imap.index-unreadable-message", KVN("content", row->content_id), KVZ("error", e.text));
		buf_clear(&head);
		buf_clear(&body);
	}
	b->docs[b->ndocs++] = (struct search_doc){ .content = row->content_id,
						   .head = str_dup(&b->a, buf_str(&head)),
						   .body = str_dup(&b->a, buf_str(&body)),
						   .unsure = !ok || !all };
	b->octets += head.n + body.n;
	buf_free(&head);
	buf_free(&body);
	arena_reset(&a);
}

/* The messages of a page whose content is not in yet.  *seen: the last that was looked at. */
static bool add_page(struct batch *b, int64_t mailbox, uint32_t from, struct arena *a, uint32_t *seen, bool *more,
		     struct err *e)
{
	struct msg *rows;
	size_t n, i;
	if (!msg_page_with(b->ix->st, mailbox, from, UINT32_MAX, WITH_INDEX | WITH_CONTENT, a, &rows, &n, more, e))
		return false;
	int64_t *contents = ARENA_ARRAY(a, int64_t, n);
	bool *known = ARENA_ARRAY(a, bool, n);
	for (i = 0; i < n; i++)
		contents[i] = rows[i].content_id;
	if (!search_known(b->ix->x, b->account, contents, n, known, e))
		return false;
	for (i = 0; i < n && !batch_full(b) && !stopping(b->ix); i++) {
		if (!known[i])
			add_doc(b, &rows[i]);
		*seen = rows[i].uid;
	}
	*more = *more || i < n;
	return true;
}

static void add_mark(struct batch *b, int64_t mailbox, uint32_t uid)
{
	b->marks = arena_grow(&b->a, b->marks, &b->marks_cap, b->nmarks + 1, sizeof *b->marks);
	b->marks[b->nmarks++] = (struct search_mark){ mailbox, uid };
}

/* What is new in a mailbox, as far as the batch goes. *done: all of it. */
static bool add_mailbox(struct batch *b, const struct mailbox *box, uint32_t mark, bool *done, struct err *e)
{
	uint32_t seen = mark;
	bool ok = true, more = true;
	while (ok && more && !batch_full(b) && !stopping(b->ix)) {
		struct arena page = { 0 };
		ok = add_page(b, box->id, seen + 1, &page, &seen, &more, e);
		arena_reset(&page);
	}
	*done = ok && !more;
	if (*done && box->uidnext - 1 > seen)
		seen = box->uidnext - 1; /* its last messages are gone again */
	if (ok && seen > mark)
		add_mark(b, box->id, seen);
	return ok;
}

static uint32_t mark_of(const struct search_have *h, int64_t mailbox)
{
	size_t low = 0, high = h->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (h->marks[mid].mailbox < mailbox)
			low = mid + 1;
		else
			high = mid;
	}
	return low < h->n && h->marks[low].mailbox == mailbox ? h->marks[low].uid : 0;
}

/* What the account holds, and what its index knows of it. */
struct compared {
	struct mailbox *boxes;
	size_t nboxes;
	struct search_have have;
	uint64_t messages;
	bool impossible; /* the index has seen messages that never were: it belongs to another store */
};

static bool compare(struct indexer *ix, int64_t account, struct arena *a, struct compared *c, struct err *e)
{
	if (!mailbox_list(ix->st, account, a, &c->boxes, &c->nboxes, e) || !search_have(ix->x, account, a, &c->have, e))
		return false;
	for (size_t i = 0; i < c->nboxes; i++) {
		c->messages += c->boxes[i].messages;
		c->impossible = c->impossible || mark_of(&c->have, c->boxes[i].id) >= c->boxes[i].uidnext;
	}
	return true;
}

static bool too_many(uint64_t dead, uint64_t contents)
{
	return dead > SEARCH_DEAD && dead > contents / 4;
}

/* Is most of it about messages that are gone?  Where that can be seen at once, or once a day. */
static bool worn(struct indexer *ix, struct due *d, const struct compared *c, bool *yes, struct err *e)
{
	uint64_t dead = 0;
	*yes = c->impossible || (c->have.contents > 0 && c->messages == 0) ||
	       (c->have.contents > c->messages && too_many(c->have.contents - c->messages, c->have.contents));
	if (*yes || c->have.contents <= SEARCH_DEAD || clock_mono_ms() - d->counted_mono_ms < DEAD_MS)
		return true;
	d->counted_mono_ms = clock_mono_ms();
	if (!search_dead(ix->x, d->account, &ix->stop, &dead, e))
		return false;
	*yes = too_many(dead, c->have.contents);
	return true;
}

static bool add_all(struct batch *b, const struct compared *c, bool *done, struct err *e)
{
	*done = true;
	for (size_t i = 0; i < c->nboxes && *done; i++) {
		uint32_t mark = mark_of(&c->have, c->boxes[i].id);
		if (c->boxes[i].uidnext - 1 > mark && !add_mailbox(b, &c->boxes[i], mark, done, e))
			return false;
	}
	return true;
}

/* A batch of an account.  *done: nothing is left. */
static bool work_on(struct indexer *ix, struct due *d, bool *done, struct err *e)
{
	struct compared c = { 0 };
	struct arena a = { 0 };
	struct batch *b = calloc(1, sizeof *b);
	bool drop = false;
	if (!b)
		abort();
	b->ix = ix;
	b->account = d->account;
	bool ok = compare(ix, d->account, &a, &c, e) && worn(ix, d, &c, &drop, e);
	*done = !drop || c.messages == 0;
	if (ok && drop)
		ok = search_drop(ix->x, d->account, e);
	else if (ok)
		ok = add_all(b, &c, done, e);
	if (ok && b->nmarks > 0)
		ok = search_put(ix->x, d->account, c.have.file, b->docs, b->ndocs, b->marks, b->nmarks, e);
	arena_reset(&b->a);
	arena_reset(&a);
	free(b);
	return ok;
}

/* --- the thread --------------------------------------------------------------------------- */

/* Accounts that are gone, files that can be synced, memory. */
static bool sweep(struct indexer *ix, struct err *e)
{
	ix->sweep_mono_ms = clock_mono_ms();
	search_rest(ix->x);
	if (!search_dry(ix->x, IDLE_MS, e) || (ix->rang && !search_sweep(ix->x, e)))
		return false;
	if (ix->rang)
		malloc_trim(0); /* a large batch takes many megabytes, and may have been the last for long */
	ix->rang = false;
	return true;
}

static bool step(struct indexer *ix, struct err *e)
{
	int64_t begun_ms = clock_mono_ms();
	bool done = false;
	if (begun_ms - ix->look_mono_ms >= ix->look_ms && !look(ix, e))
		return false;
	if (begun_ms - ix->sweep_mono_ms >= SWEEP_MS && !sweep(ix, e))
		return false;
	struct due *d = todo_next(&ix->todo);
	if (!d) {
		rest(ix, ix->look_ms - (clock_mono_ms() - ix->look_mono_ms));
		return true;
	}
	if (!store_room(ix->st, 0, e) || !work_on(ix, d, &done, e))
		return false;
	bool behind = d->behind || !done;
	todo_worked(&ix->todo, d, done);
	if (behind)
		rest(ix, clock_mono_ms() - begun_ms);
	return true;
}

static void lock(struct indexer *ix)
{
	struct err e;
	while (!stopping(ix) && !search_lock(ix->x, &e)) {
		if (e.kind != ERR_NONE)
			log_warn("imap.index", KVZ("error", e.text));
		rest(ix, e.kind == ERR_NONE ? ix->look_ms : TROUBLE_MS);
	}
}

static void trouble(struct indexer *ix, const struct err *e, bool *told)
{
	if (!*told)
		log_warn("imap.index", KVZ("error", e->text), KVZ("do", "searches read every message meanwhile"));
	*told = true;
	rest(ix, TROUBLE_MS);
}

static void *indexer_main(void *arg)
{
	struct indexer *ix = arg;
	struct err e = { 0 };
	bool told = false, compared = false;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	for (unsigned i = 0; i < BELL_SLOTS; i++)
		ix->rung[i] = bell_seq(ix->st, i);
	ix->rang = true;
	lock(ix);
	while (!stopping(ix)) {
		if (!compared)
			compared = add_accounts(ix, -1, &e) && sweep(ix, &e);
		if (compared && step(ix, &e))
			told = false;
		else
			trouble(ix, &e, &told);
	}
	search_unlock(ix->x, LEAVE_MS);
	return NULL;
}

struct indexer *indexer_start(struct store *st, struct search_index *x, int64_t look_ms, struct err *e)
{
	pthread_condattr_t attr;
	struct indexer *ix = calloc(1, sizeof *ix);
	if (!ix)
		abort();
	ix->st = st;
	ix->x = x;
	ix->look_ms = look_ms;
	pthread_mutex_init(&ix->mu, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ix->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&ix->thread, NULL, indexer_main, ix) == 0)
		return ix;
	err_set(e, ERR_TEMP, "cannot start the thread that indexes");
	free(ix);
	return NULL;
}

void indexer_leave(struct indexer *ix)
{
	if (!ix)
		return;
	pthread_mutex_lock(&ix->mu);
	atomic_store(&ix->stop, true);
	pthread_cond_broadcast(&ix->wake);
	pthread_mutex_unlock(&ix->mu);
}

void indexer_stop(struct indexer *ix)
{
	if (!ix)
		return;
	indexer_leave(ix);
	pthread_join(ix->thread, NULL);
	pthread_cond_destroy(&ix->wake);
	pthread_mutex_destroy(&ix->mu);
	free(ix->todo.all);
	free(ix);
}
