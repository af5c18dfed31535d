/* carry_in.c - account.import: from the socket into the store.
 *
 * Three stages at once.  The task's own thread takes parcels and fills
 * batches; a pool packs and indexes each message; one thread commits batches in
 * the order in which they came, so UIDs rise as the source has it, and tells
 * the sender.  A batch is one commit: all of it, or nothing.
 */
#include "app/carry_in.h"

#include "app/carry.h"
#include "app/carry_seen.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "mail/preview.h"
#include "store/content.h"
#include "store/mailbox.h"
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCHES       4
#define BATCH_OCTETS  (4u << 20)
#define IDLE_MS       1000  /* a batch waits no longer for its next message */
#define ROOM_WAIT_MS  60000 /* for the checkpointer to catch up */
#define ROOM_LOOK_MS  100
#define PACKERS_MAX   8
#define KEYWORDS_EACH 100 /* of one message: the store takes no more */
#define KEYWORDS_MAX  300 /* of one mailbox, as at the IMAP door */

struct shelf { /* a mailbox that something goes to */
	struct str name;
	int64_t id; /* 0: not there yet (dry) */
	uint32_t uidvalidity, last_uid;
	bool duplicates;  /* what it has already is not taken again */
	struct seen seen; /* with duplicates all of it, else what an interrupted run may have left */
	struct str *keywords;
	size_t nkeywords, cap;
	struct shelf *next;
};
struct box { /* a mailbox of the source */
	struct shelf *shelf;
	bool closed; /* nothing of it can be taken */
};

struct item {
	struct job job;
	struct batch *batch;
	struct shelf *shelf;
	struct stage stage;
	struct buf index;
	struct target target;
	struct delivery delivery;
	char *keywords;
	uint8_t hash[SEEN_HASH];
	bool hashed, failed;
	enum carry_fate fate;
	struct err err;
};
struct batch {
	struct import *import;
	struct item items[DELIVER_MAX];
	size_t n;
	uint64_t octets;
	size_t packing; /* guarded by mu */
	bool queued;    /* guarded by mu: to be committed */
};
struct import {
	struct admin *ad;
	struct carry carry;
	struct account account;
	struct arena arena;
	uint64_t max;
	bool dry;
	struct box *boxes;
	size_t nboxes, boxes_cap;
	struct shelf *shelves;
	struct pool *packers;
	pthread_t committer;
	struct batch batches[BATCHES]; /* a ring: filled at `fill`, committed at `commit` */
	size_t fill, commit;
	pthread_mutex_t mu;
	pthread_cond_t changed;
	bool ended;     /* guarded by mu: no more batches */
	bool broken;    /* guarded by mu: the committer gave up */
	struct err err; /* its reason */
	uint64_t stored, duplicates, refused, keywords_lost;
};

/* --- mailboxes -------------------------------------------------------------------- */

/* The hashes of what stands in the mailbox beyond `from`. */
static bool look_back(struct import *im, struct shelf *p, uint32_t from, struct err *e)
{
	for (;;) {
		struct arena a = { 0 };
		struct msg *msgs;
		size_t n;
		bool ok = msg_page(im->ad->store, p->id, from, UINT32_MAX, true, &a, &msgs, &n, e);
		for (size_t i = 0; ok && i < n; i++) {
			struct arena one = { 0 };
			struct str bytes;
			uint8_t hash[SEEN_HASH];
			ok = content_read(im->ad->store, msgs[i].content_id, &one, &bytes, e);
			if (ok) {
				seen_hash(msgs[i].prefix, bytes, hash);
				seen_add(&p->seen, hash);
			}
			arena_reset(&one);
		}
		if (ok && n > 0)
			from = msgs[n - 1].uid + 1;
		arena_reset(&a);
		if (!ok || n == 0 || from == 0)
			return ok;
		if (im->ad->stop && atomic_load(im->ad->stop))
			return err_set(e, ERR_TEMP, "the server is stopping");
	}
}

static bool note_keywords(struct import *im, struct shelf *p, struct err *e)
{
	struct str *words;
	size_t n;
	if (!mailbox_keywords(im->ad->store, p->id, &im->arena, &words, &n, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		p->keywords = arena_grow(&im->arena, p->keywords, &p->cap, p->nkeywords + 1, sizeof *p->keywords);
		p->keywords[p->nkeywords++] = words[i];
	}
	return true;
}

/* The account's mailbox for that use, if the box asks for it by use; else the one of that name, made if need be. */
static bool find_mailbox(struct import *im, const struct carry_box *b, struct mailbox **m, struct err *e)
{
	struct store *st = im->ad->store;
	struct mailbox *all;
	size_t n;
	*m = NULL;
	if (b->how & CARRY_MAPPED && b->use != USE_NONE) {
		if (!mailbox_list(st, im->account.id, &im->arena, &all, &n, e))
			return false;
		for (size_t i = 0; i < n && !*m; i++)
			if (all[i].use == (enum special_use)b->use)
				*m = &all[i];
	}
	if (*m || !mailbox_find(st, im->account.id, b->name, &im->arena, m, e) || *m || im->dry)
		return *m || im->dry;
	return mailbox_create(st, im->account.id, b->name, b->how & CARRY_MAPPED ? (enum special_use)b->use : USE_NONE,
			      e) &&
	       mailbox_subscribe(st, im->account.id, b->name, true, e) && /* or many a mail program would not show it */
	       mailbox_find(st, im->account.id, b->name, &im->arena, m, e) &&
	       (*m || err_set(e, ERR_TEMP, "the mailbox is gone again"));
}

static bool shelf_open(struct import *im, const struct carry_box *b, struct shelf **out, struct err *e)
{
	struct mailbox *m;
	if (!find_mailbox(im, b, &m, e))
		return false;
	struct str name = m ? m->name : str_dup(&im->arena, b->name);
	for (struct shelf *x = im->shelves; x; x = x->next) {
		*out = x;
		if (str_eq(x->name, name))
			return true;
	}
	struct shelf *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->next = im->shelves;
	*out = im->shelves = p;
	p->name = str_dup(&im->arena, name);
	if (!m)
		return true;
	p->id = m->id;
	p->uidvalidity = m->uidvalidity;
	p->last_uid = m->uidnext - 1;
	return note_keywords(im, p, e);
}

/* What must not come twice: with CARRY_DUPLICATES all that is there, else what an interrupted run may have left. */
static bool shelf_remember(struct import *im, struct shelf *p, const struct carry_box *b, struct err *e)
{
	if (!p->id || p->duplicates)
		return true;
	bool all = (b->how & CARRY_DUPLICATES) != 0, interrupted = b->uidvalidity && b->uidvalidity == p->uidvalidity;
	p->duplicates = all;
	if (!all && (!interrupted || b->uid == UINT32_MAX))
		return true;
	seen_free(&p->seen);
	return look_back(im, p, all ? 1 : b->uid + 1, e);
}

static bool take_box(struct import *im, struct str payload, struct err *e)
{
	struct carry_box b;
	struct carry_opened opened = { .name = STR_NONE, .error = STR_NONE };
	struct err why = { 0 };
	struct buf out = { 0 };
	struct shelf *shelf = NULL;
	if (!carry_get_box(payload, &b) || im->nboxes == CARRY_BOXES_MAX)
		return err_set(e, ERR_PEER, "a parcel that says nothing, or too many mailboxes");
	if (im->fill > 0 || im->batches[0].n > 0) /* what is there is looked at once, before anything comes to it */
		return err_set(e, ERR_PEER, "a mailbox behind messages");
	bool ok = shelf_open(im, &b, &shelf, &why) && shelf_remember(im, shelf, &b, &why);
	if (!ok && why.kind != ERR_PERM) { /* the name is wrong, or something is wrong here */
		*e = why;
		return false;
	}
	im->boxes = arena_grow(&im->arena, im->boxes, &im->boxes_cap, im->nboxes + 1, sizeof *im->boxes);
	im->boxes[im->nboxes++] = (struct box){ shelf, !ok };
	if (ok)
		opened = (struct carry_opened){ shelf->name, shelf->uidvalidity, shelf->last_uid, STR_NONE };
	else
		opened.error = str_of(why.text);
	carry_add_opened(&out, &opened);
	ok = carry_send(&im->carry, CARRY_OPENED, buf_str(&out), STR_NONE, e);
	buf_free(&out);
	return ok;
}

/* --- packing: in the pool ------------------------------------------------------------ */

static bool index_make(struct item *it, struct err *e)
{
	struct arena a = { 0 };
	struct str all;
	bool ok = stage_all(&it->stage, &a, &all, e);
	if (ok) {
		struct part *root = mime_parse(all, &a);
		preview_make(root, all, &a);
		mime_index_write(&it->index, root);
		if (it->hashed)
			seen_hash(STR_NONE, all, it->hash);
	}
	arena_reset(&a);
	return ok && stage_seal(&it->stage, e);
}

static void pack(struct job *job)
{
	struct item *it = (struct item *)job;
	struct import *im = it->batch->import;
	if (!it->failed)
		it->failed = !index_make(it, &it->err);
	pthread_mutex_lock(&im->mu);
	it->batch->packing--;
	pthread_cond_broadcast(&im->changed);
	pthread_mutex_unlock(&im->mu);
}

/* --- committing: a thread of its own -------------------------------------------------- */

static void pause_ms(int64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* While the checkpointer catches up with us, new mail of others goes first. */
static bool wait_for_room(struct import *im, uint64_t octets, struct err *e)
{
	for (int64_t waited = 0; !store_room(im->ad->store, octets, e); waited += ROOM_LOOK_MS) {
		if (e->kind != ERR_FULL || waited >= ROOM_WAIT_MS || (im->ad->stop && atomic_load(im->ad->stop)))
			return false;
		pause_ms(ROOM_LOOK_MS);
	}
	return true;
}

/* Has the mailbox this already?  Then it is passed over. */
static bool is_there(struct item *it)
{
	struct shelf *p = it->shelf;
	if (!it->hashed)
		return false;
	if (!p->duplicates)
		return seen_take(&p->seen, it->hash);
	if (seen_has(&p->seen, it->hash))
		return true;
	seen_add(&p->seen, it->hash);
	return false;
}

static bool deliver_items(struct import *im, struct item *const *items, size_t n, struct err *e)
{
	struct delivery *all[DELIVER_MAX];
	uint64_t octets = 0;
	for (size_t i = 0; i < n; i++) {
		items[i]->delivery.index = buf_str(&items[i]->index);
		all[i] = &items[i]->delivery;
		octets += items[i]->stage.size;
	}
	return n == 0 || (wait_for_room(im, octets, e) && deliver_all(im->ad->store, all, n, e));
}

/* One by one, to find the one that cannot be taken. */
static bool deliver_alone(struct import *im, struct item *const *items, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (deliver_items(im, &items[i], 1, e))
			continue;
		if (e->kind != ERR_PERM)
			return false;
		items[i]->failed = true;
		items[i]->err = *e;
	}
	return true;
}

static bool commit_batch(struct import *im, struct batch *b, struct err *e)
{
	struct item *go[DELIVER_MAX];
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct item *it = &b->items[i];
		if (it->failed && it->err.kind != ERR_PERM) {
			*e = it->err;
			return false;
		}
		if (!it->failed && is_there(it))
			it->fate = CARRY_DUPLICATE;
		else if (!it->failed)
			go[n++] = it;
	}
	if (im->dry)
		return true;
	return deliver_items(im, go, n, e) || (e->kind == ERR_PERM && deliver_alone(im, go, n, e));
}

static bool tell_taken(struct import *im, struct batch *b, struct err *e)
{
	struct buf out = { 0 };
	for (size_t i = 0; i < b->n; i++) {
		struct item *it = &b->items[i];
		if (it->failed)
			it->fate = CARRY_REFUSED;
		im->refused += it->fate == CARRY_REFUSED;
		im->duplicates += it->fate == CARRY_DUPLICATE;
		im->stored += it->fate == CARRY_STORED;
		carry_add_taken(&out, &(struct carry_taken){ it->fate, it->target.uid, str_of(it->err.text) });
	}
	bool ok = carry_send(&im->carry, CARRY_TAKEN, buf_str(&out), STR_NONE, e);
	buf_free(&out);
	return ok;
}

static void batch_empty(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		stage_drop(&b->items[i].stage);
		buf_free(&b->items[i].index);
		free(b->items[i].keywords);
	}
	b->n = 0;
	b->octets = 0;
	b->queued = false;
}

/* The next batch that is packed; NULL: there will be none. */
static struct batch *next_batch(struct import *im)
{
	pthread_mutex_lock(&im->mu);
	struct batch *b = &im->batches[im->commit % BATCHES];
	while (!(b->queued && b->packing == 0) && !(im->ended && !b->queued))
		pthread_cond_wait(&im->changed, &im->mu);
	if (!b->queued)
		b = NULL;
	pthread_mutex_unlock(&im->mu);
	return b;
}

static bool gave_up(struct import *im, struct err *e)
{
	pthread_mutex_lock(&im->mu);
	bool broken = im->broken;
	if (broken)
		*e = im->err;
	pthread_mutex_unlock(&im->mu);
	return broken;
}

static void *commit_loop(void *arg)
{
	struct import *im = arg;
	struct batch *b;
	while ((b = next_batch(im))) {
		struct err e = { 0 };
		/* After a failure nothing more is committed: the sender would not know what is missing in between. */
		bool ok = !gave_up(im, &e) && commit_batch(im, b, &e) && tell_taken(im, b, &e);
		pthread_mutex_lock(&im->mu);
		if (!ok && !im->broken) {
			im->broken = true;
			im->err = e;
		}
		batch_empty(b);
		im->commit++;
		pthread_cond_broadcast(&im->changed);
		pthread_mutex_unlock(&im->mu);
	}
	return NULL;
}

/* --- filling: the task's thread --------------------------------------------------------- */

/* Hand the batch on, and wait until the next one is free. */
static bool batch_send(struct import *im, struct err *e)
{
	struct batch *b = &im->batches[im->fill % BATCHES];
	size_t n = b->n; /* once its last item is packed, the batch is the committer's */
	if (n == 0)
		return true;
	pthread_mutex_lock(&im->mu);
	b->queued = true;
	b->packing = n;
	pthread_mutex_unlock(&im->mu);
	for (size_t i = 0; i < n; i++)
		pool_run(im->packers, &b->items[i].job);
	im->fill++;
	pthread_mutex_lock(&im->mu);
	while (im->fill - im->commit >= BATCHES && !im->broken)
		pthread_cond_wait(&im->changed, &im->mu);
	pthread_mutex_unlock(&im->mu);
	return !gave_up(im, e);
}

static bool known(const struct shelf *p, struct str word)
{
	for (size_t i = 0; i < p->nkeywords; i++)
		if (str_eqi(p->keywords[i], word))
			return true;
	return false;
}

/* Keywords are kept for ever: how many a mailbox can have is bounded. The heap's. */
static char *fitting_keywords(struct import *im, struct shelf *p, struct str words)
{
	struct buf b = { 0 };
	for (unsigned n = 0; words.n > 0;) {
		struct str word = str_cut(&words, ' ');
		if (word.n == 0)
			continue;
		if (n == KEYWORDS_EACH) {
			im->keywords_lost++;
			continue;
		}
		if (!known(p, word)) {
			if (p->nkeywords == KEYWORDS_MAX) {
				im->keywords_lost++;
				continue;
			}
			p->keywords = arena_grow(&im->arena, p->keywords, &p->cap, p->nkeywords + 1,
						 sizeof *p->keywords);
			p->keywords[p->nkeywords++] = str_dup(&im->arena, word);
		}
		buf_printf(&b, "%s%.*s", b.n ? " " : "", STRF(word));
		n++;
	}
	char *out = strndup(buf_str(&b).p, b.n);
	if (!out)
		abort();
	buf_free(&b);
	return out;
}

static void item_fill(struct import *im, struct item *it, struct batch *b, const struct carry_message *m)
{
	const struct box *box = &im->boxes[m->box];
	*it = (struct item){ .job = { .run = pack }, .batch = b, .shelf = box->shelf };
	it->keywords = fitting_keywords(im, it->shelf, m->keywords);
	it->hashed = it->shelf->duplicates || it->shelf->seen.n > 0;
	it->target = (struct target){ .account = im->account.id,
				      .mailbox = it->shelf->name,
				      .flags = m->flags,
				      .keywords = str_of(it->keywords),
				      .as_given = true,
				      .beyond_quota = true };
	it->delivery = (struct delivery){ .stage = &it->stage, .internal_wall_ms = m->internal_wall_ms, .n = 1 };
	it->delivery.targets = &it->target;
	stage_open(&it->stage, im->ad->store, im->max);
	if (m->bytes.n == 0)
		it->failed = !err_set(&it->err, ERR_PERM, "it is empty");
	else if (memchr(m->bytes.p, 0, m->bytes.n))
		it->failed = !err_set(&it->err, ERR_PERM, "it has a NUL octet");
	else if (!stage_add(&it->stage, m->bytes)) {
		it->failed = true;
		it->err = it->stage.err;
	}
}

static bool take_message(struct import *im, struct str payload, struct err *e)
{
	struct batch *b = &im->batches[im->fill % BATCHES];
	struct carry_message m;
	if (!carry_get_message(payload, &m) || m.box >= im->nboxes || im->boxes[m.box].closed)
		return err_set(e, ERR_PEER, "a message that goes nowhere");
	item_fill(im, &b->items[b->n++], b, &m);
	b->octets += m.bytes.n;
	return (b->n < DELIVER_MAX && b->octets < BATCH_OCTETS) || batch_send(im, e);
}

/* Parcels until the sender has no more. */
static bool take_all(struct import *im, struct err *e)
{
	for (;;) {
		enum carry_kind kind;
		struct str payload;
		switch (carry_recv(&im->carry, IDLE_MS, &kind, &payload, e)) {
		case CARRY_BROKEN:
			return false;
		case CARRY_NOTHING:
			if (gave_up(im, e) || !batch_send(im, e))
				return false;
			continue;
		case CARRY_GOT:
			break;
		}
		if (kind == CARRY_END)
			return batch_send(im, e);
		if (kind == CARRY_FAILED)
			return err_set(e, ERR_PEER, "the sender gave up");
		bool ok = kind == CARRY_BOX       ? take_box(im, payload, e)
			  : kind == CARRY_MESSAGE ? take_message(im, payload, e)
						  : err_set(e, ERR_PEER, "an unknown parcel");
		if (!ok)
			return false;
	}
}

/* --- all of it ------------------------------------------------------------------------------ */

static bool hello(struct import *im, struct err *e)
{
	struct buf b = { 0 };
	buf_varint(&b, CARRY_VERSION);
	buf_varint(&b, carry_identity(&im->account));
	buf_varint(&b, im->max);
	buf_varint(&b, 0);
	bool ok = carry_send(&im->carry, CARRY_HELLO, buf_str(&b), STR_NONE, e);
	buf_free(&b);
	return ok;
}

/* What the administrator should know. */
static void add_notes(struct import *im, struct buf *b)
{
	struct quota q;
	struct err ignored;
	if (im->keywords_lost > 0)
		buf_printf(b, "%" PRIu64 " keywords left out: a mailbox has at most %d, a message %d\n",
			   im->keywords_lost, KEYWORDS_MAX, KEYWORDS_EACH);
	if (!account_quota(im->ad->store, im->account.id, &q, &ignored))
		return;
	if ((q.octets_max && q.octets > q.octets_max) || (q.messages_max && q.messages > q.messages_max))
		buf_printf(b, "the account is beyond its quota now: %" PRIu64 " messages, %" PRIu64 " octets\n",
			   q.messages, q.octets);
}

static bool say_done(struct import *im, struct err *e)
{
	struct buf b = { 0 };
	add_notes(im, &b);
	bool ok = carry_send(&im->carry, CARRY_DONE, buf_str(&b), STR_NONE, e);
	buf_free(&b);
	return ok;
}

static bool run(struct import *im, struct err *e)
{
	if (pthread_create(&im->committer, NULL, commit_loop, im) != 0)
		return err_set(e, ERR_TEMP, "no thread to be had");
	bool ok = hello(im, e) && take_all(im, e);
	pthread_mutex_lock(&im->mu);
	im->ended = true;
	/* What is not handed on was not promised to anybody. */
	if (!ok && !im->broken) {
		im->broken = true;
		im->err = *e;
	}
	pthread_cond_broadcast(&im->changed);
	pthread_mutex_unlock(&im->mu);
	pthread_join(im->committer, NULL);
	if (im->broken)
		*e = im->err;
	return ok && !im->broken;
}

static struct import *import_new(struct admin *ad, const struct account *account, bool dry)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct import *im = calloc(1, sizeof *im);
	if (!im)
		abort();
	im->ad = ad;
	im->account = *account;
	im->dry = dry;
	im->max = ad->loaded->settings.imap.append;
	im->arena.ceiling = SIZE_MAX;
	carry_open(&im->carry, ad->fd, ad->stop);
	im->carry.max = im->max;
	pthread_mutex_init(&im->mu, NULL);
	pthread_cond_init(&im->changed, NULL);
	im->packers = pool_new(&(struct pool_conf){
	    .name = "pack",
	    .max = cpus < 1             ? 1
		   : cpus > PACKERS_MAX ? PACKERS_MAX
					: (unsigned)cpus,
	    .idle_ms = 10000,
	    .stack = (size_t)1 << 20,
	});
	for (size_t i = 0; i < BATCHES; i++)
		im->batches[i].import = im;
	return im;
}

static void import_free(struct import *im)
{
	pool_free(im->packers);
	for (size_t i = 0; i < BATCHES; i++)
		batch_empty(&im->batches[i]);
	for (struct shelf *p = im->shelves, *next; p; p = next) {
		next = p->next;
		seen_free(&p->seen);
		free(p);
	}
	carry_close(&im->carry);
	pthread_cond_destroy(&im->changed);
	pthread_mutex_destroy(&im->mu);
	arena_reset(&im->arena);
	free(im);
}

bool admin_account_import(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct account account;
	struct err ignored;
	bool dry = json_is_true(json_object_get(args, "dry"));
	if (ad->fd < 0)
		return err_set(e, ERR_PERM, "account.import needs a socket for the messages");
	if (!account_find(ad->store, admin_str(args, "account"), a, &account, e))
		return false;
	struct import *im = import_new(ad, &account, dry);
	int64_t began_ms = clock_mono_ms();
	bool ok = run(im, e) && say_done(im, e);
	if (!ok)
		(void)carry_send(&im->carry, CARRY_FAILED, str_of(e->text), STR_NONE, &ignored);
	if (!dry)
		log_notice("import.ended", KV("account", account.name), KVN("stored", im->stored),
			   KVN("duplicates", im->duplicates), KVN("refused", im->refused),
			   KVN("ms", clock_mono_ms() - began_ms), KVZ("error", ok ? "" : e->text));
	json_object_set_new(out, "stored", json_integer((json_int_t)im->stored));
	json_object_set_new(out, "duplicates", json_integer((json_int_t)im->duplicates));
	json_object_set_new(out, "refused", json_integer((json_int_t)im->refused));
	import_free(im);
	return ok;
}
