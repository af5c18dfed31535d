/* import.c - sluice import maildir|mbox|imap: mail from elsewhere into an account. */
#include "app/cli/run.h"

#include "app/cli/carrier.h"
#include "app/cli/import_remote.h"
#include "app/cli/import_state.h"
#include "app/cli/progress.h"
#include "archive/source.h"
#include "base/clock.h"
#include "base/hash.h"
#include "mail/words.h"
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMPLAINTS_MAX 20           /* messages that are named one by one */
#define WRITE_MS       2000         /* how often the state is written to disk */
#define FIRST_MAX      (128u << 20) /* octets of a message, until the other end has said how many */

struct flying { /* a message on its way */
	uint8_t key[SEEN_HASH];
	size_t box;
	size_t octets;
	char *where;
};
struct box {
	struct str name; /* in the source */
	bool closed;
	struct str into; /* our name for it, as the state has it */
	uint32_t uidvalidity, uid;
};
struct import {
	const struct call *call;
	struct carrier carrier;
	struct source *source;
	struct import_state state;
	struct arena arena;
	struct box *boxes;
	size_t nboxes;
	struct flying ring[CARRY_WINDOW]; /* the oldest at `taken` */
	size_t sent, taken;
	uint64_t octets;   /* on their way */
	struct seen again; /* how often each content has come in this run */
	int64_t written_mono_ms;
	uint64_t stored, duplicates, bad, before, nuls, complaints;
};

static const char *option(const struct import *im, const char *name)
{
	return call_option(im->call, name);
}

static bool dry(const struct import *im)
{
	return option(im, "dry-run") != NULL;
}

/* --- what went wrong with single messages ----------------------------------------- */

static void complain(struct import *im, const char *where, struct str why)
{
	progress_done();
	if (im->complaints++ < COMPLAINTS_MAX)
		fprintf(stderr, "sluice: %s: %.*s\n", where, STRF(why));
	else if (im->complaints == COMPLAINTS_MAX + 1)
		fprintf(stderr, "sluice: and others that are not named here\n");
}

static void complain_of(struct import *im, const char *where, struct str why)
{
	im->bad++;
	complain(im, where, why);
}

/* --- progress --------------------------------------------------------------------- */

static void show(struct import *im)
{
	uint64_t done, total;
	bool octets;
	source_progress(im->source, &done, &total, &octets);
	if (octets)
		progress_show(NULL, "MiB", done >> 20, total >> 20);
	else
		progress_show(NULL, "messages", done, total);
}

/* --- parcels that come back -------------------------------------------------------- */

static bool take_fates(struct import *im, struct str s, struct err *e)
{
	while (s.n > 0) {
		struct carry_taken t;
		struct flying *f = &im->ring[im->taken % CARRY_WINDOW];
		if (im->taken == im->sent || !carry_get_taken(&s, &t))
			return err_set(e, ERR_PEER, "an answer that makes no sense");
		struct box *b = &im->boxes[f->box];
		im->taken++;
		im->octets -= f->octets;
		im->stored += t.fate == CARRY_STORED;
		im->duplicates += t.fate == CARRY_DUPLICATE;
		if (t.fate == CARRY_REFUSED)
			complain_of(im, f->where, t.why);
		else
			state_note_key(&im->state, f->key);
		if (t.fate == CARRY_STORED && t.uid > b->uid)
			b->uid = t.uid;
		free(f->where);
		if (s.n == 0 && !dry(im))
			state_note_box(&im->state, b->into, b->uidvalidity, b->uid);
	}
	int64_t now = clock_mono_ms();
	bool disk = now - im->written_mono_ms >= WRITE_MS;
	if (disk)
		im->written_mono_ms = now;
	return state_write(&im->state, disk, e);
}

/* One parcel. *done: it was the last. */
static bool take_parcel(struct import *im, int wait_ms, bool *got, bool *done, struct err *e)
{
	enum carry_kind kind;
	struct str s;
	enum carry_got how = carry_recv(&im->carrier.carry, wait_ms, &kind, &s, e);
	*got = how == CARRY_GOT;
	*done = false;
	if (how != CARRY_GOT)
		return how == CARRY_NOTHING;
	if (kind == CARRY_TAKEN)
		return take_fates(im, s, e);
	*done = kind == CARRY_DONE;
	if (*done && s.n > 0) {
		progress_done();
		while (s.n > 0) {
			struct str line = str_chomp(str_line(&s));
			fprintf(stderr, "sluice: note: %.*s\n", STRF(line));
		}
	}
	return *done || err_set(e, ERR_PEER, kind == CARRY_FAILED ? "the other end gave up" : "an unknown parcel");
}

/* --- mailboxes ---------------------------------------------------------------------- */

/* Where a mailbox of the source goes by --mailbox: that is its INBOX, and what else it has is inside. */
static struct str into_of(struct import *im, struct str name)
{
	const char *into = option(im, "mailbox");
	if (!into)
		return name;
	if (str_eq(name, STR("INBOX")))
		return str_of(into);
	return str_fmt(&im->arena, "%s/%.*s", into, STRF(name));
}

static bool open_box(struct import *im, struct box *b, const struct source_box *from, struct err *e)
{
	struct buf out = { 0 };
	struct carry_opened o;
	enum carry_kind kind;
	struct str s;
	*b = (struct box){ .name = from->name, .into = into_of(im, from->name) };
	struct state_box last = state_box(&im->state, b->into);
	bool mapped = !option(im, "mailbox") && !option(im, "keep-names");
	carry_add_box(&out, &(struct carry_box){ .name = b->into,
						 .use = mapped ? from->use : USE_NONE,
						 .how = (mapped ? CARRY_MAPPED : 0) |
							(option(im, "skip-duplicates") ? CARRY_DUPLICATES : 0),
						 .uidvalidity = last.uidvalidity,
						 .uid = last.uid });
	bool ok = carry_send(&im->carrier.carry, CARRY_BOX, buf_str(&out), STR_NONE, e);
	buf_free(&out);
	if (!ok || carry_recv(&im->carrier.carry, -1, &kind, &s, e) != CARRY_GOT)
		return false;
	if (kind != CARRY_OPENED || !carry_get_opened(s, &o))
		return err_set(e, ERR_PEER, kind == CARRY_FAILED ? "the other end gave up" : "an unknown parcel");
	b->closed = o.error.n > 0;
	if (b->closed)
		complain(im, str_z(&im->arena, str_fmt(&im->arena, "mailbox %.*s", STRF(b->into))), o.error);
	b->uidvalidity = o.uidvalidity;
	b->uid = o.last_uid;
	if (!b->closed && !dry(im))
		state_note_box(&im->state, b->into, b->uidvalidity, b->uid);
	return true;
}

static bool open_boxes(struct import *im, struct err *e)
{
	const struct source_box *from = source_boxes(im->source, &im->nboxes);
	im->boxes = ARENA_ARRAY(&im->arena, struct box, im->nboxes);
	for (size_t i = 0; i < im->nboxes; i++)
		if (!open_box(im, &im->boxes[i], &from[i], e))
			return false;
	/* Before anything of it comes to the mailboxes, so that the next run knows where to look. */
	return state_write(&im->state, true, e);
}

static struct box *box_of(struct import *im, struct str name, size_t *index)
{
	/* Most often the one of the message before. */
	for (size_t i = 0; i < im->nboxes; i++, *index = (*index + 1) % im->nboxes)
		if (str_eq(im->boxes[*index].name, name))
			return &im->boxes[*index];
	return NULL;
}

/* --- messages ------------------------------------------------------------------------- */

static void key_hash(struct str key, uint8_t out[SEEN_HASH])
{
	seen_hash(STR("key "), key, out);
}

static bool have(void *ctx, struct str key)
{
	struct import *im = ctx;
	uint8_t hash[SEEN_HASH];
	key_hash(key, hash);
	bool yes = state_has(&im->state, hash);
	im->before += yes;
	if (yes)
		show(im);
	return yes;
}

/* Its key in the state: what the source calls it, or where it has no name its octets, and the how manieth of them. */
static void message_key(struct import *im, const struct source_message *m, uint8_t out[SEEN_HASH])
{
	char nth[30];
	if (m->key.n > 0) {
		key_hash(m->key, out);
		return;
	}
	seen_hash(m->mailbox, m->bytes, out);
	seen_add(&im->again, out);
	snprintf(nth, sizeof nth, "%" PRIu32, seen_times(&im->again, out));
	uint8_t first[SEEN_HASH];
	memcpy(first, out, SEEN_HASH);
	seen_hash(str_of(nth), (struct str){ (const char *)first, SEEN_HASH }, out);
}

/* Until there is room for `octets` more. */
static bool wait_for_window(struct import *im, size_t octets, struct err *e)
{
	bool got, done;
	do {
		bool full = im->sent - im->taken == CARRY_WINDOW ||
			    (im->sent > im->taken && im->octets + octets > CARRY_WINDOW_OCTETS);
		if (!take_parcel(im, full ? -1 : 0, &got, &done, e))
			return false;
		if (done)
			return err_set(e, ERR_PEER, "the other end is done before we are");
	} while (got);
	return true;
}

static bool send_message(struct import *im, const struct source_message *m, size_t index, const uint8_t key[SEEN_HASH],
			 struct err *e)
{
	struct buf head = { 0 };
	if (!wait_for_window(im, m->bytes.n, e))
		return false;
	struct flying *f = &im->ring[im->sent++ % CARRY_WINDOW];
	*f = (struct flying){ .box = index, .octets = m->bytes.n, .where = strndup(m->where.p, m->where.n) };
	memcpy(f->key, key, SEEN_HASH);
	im->octets += f->octets;
	im->nuls += m->nuls;
	carry_add_message(&head, &(struct carry_message){ .box = index,
							  .flags = m->flags,
							  .keywords = m->keywords,
							  .internal_wall_ms = m->internal_wall_ms });
	bool ok = carry_send(&im->carrier.carry, CARRY_MESSAGE, buf_str(&head), m->bytes, e);
	buf_free(&head);
	return ok;
}

static bool take_message(struct import *im, const struct source_message *m, size_t *index, struct err *e)
{
	uint8_t key[SEEN_HASH];
	struct box *b = box_of(im, m->mailbox, index);
	assert(b); /* a source names its mailboxes before it gives their messages */
	if (b->closed) {
		im->bad++;
		return true;
	}
	message_key(im, m, key);
	if (m->key.n == 0 && state_has(&im->state, key)) {
		im->before++;
		return true;
	}
	return send_message(im, m, *index, key, e);
}

static bool take_all(struct import *im, struct err *e)
{
	struct source_message m;
	struct err why = { 0 };
	size_t index = 0;
	for (;;) {
		show(im);
		enum source_got got = source_next(im->source, &m, &why);
		if (got == SOURCE_END)
			return true;
		if (got == SOURCE_ERROR) {
			/* What has come until now is taken all the same. */
			complain(im, "the source ended early", str_of(why.text));
			return true;
		}
		if (got == SOURCE_BAD)
			complain_of(im, str_z(&im->arena, m.where), str_of(why.text));
		else if (!take_message(im, &m, &index, e))
			return false;
	}
}

static bool finish(struct import *im, struct err *e)
{
	bool got, done = false;
	if (!carry_send(&im->carrier.carry, CARRY_END, STR_NONE, STR_NONE, e))
		return false;
	while (!done)
		if (!take_parcel(im, -1, &got, &done, e))
			return false;
	state_note_end(&im->state);
	return state_write(&im->state, true, e);
}

/* --- all of it ---------------------------------------------------------------------------- */

static void report(const struct import *im)
{
	printf("%s%" PRIu64 " messages into account %s", dry(im) ? "would take " : "", im->stored,
	       option(im, "account"));
	if (im->duplicates > 0)
		printf(", %" PRIu64 " that were there already passed over", im->duplicates);
	if (im->before > 0)
		printf(", %" PRIu64 " taken by an earlier run", im->before);
	if (im->bad > 0)
		printf(", %" PRIu64 " could not be taken", im->bad);
	printf("\n");
	if (im->nuls > 0)
		printf("%" PRIu64 " of them had NUL octets, which are 0x80 now\n", im->nuls);
}

/* What names this import: source, account, and where it goes. */
static bool open_state(struct import *im, struct str source, struct err *e)
{
	const char *path = option(im, "state");
	char config[PATH_MAX];
	if (!path) {
		const char *real = realpath(im->call->config, config) ? config : im->call->config;
		const char *into = option(im, "mailbox");
		struct str what = str_fmt(&im->arena, "%s\n%s\n%s\n%s\n%.*s", im->call->verb->name, real,
					  option(im, "account"), into ? into : "", STRF(source));
		if (!state_path(what, &im->arena, &path, e))
			return false;
	}
	return state_open(&im->state, path, im->carrier.account, option(im, "again") != NULL, dry(im), e);
}

static int carry_all(struct import *im, struct str source)
{
	struct err e = { 0 };
	source_limit(im->source, im->carrier.max < SIZE_MAX ? (size_t)im->carrier.max : SIZE_MAX);
	bool opened = open_state(im, source, &e);
	bool ok = opened && open_boxes(im, &e) && take_all(im, &e) && finish(im, &e);
	progress_done();
	int code = carrier_close(&im->carrier);
	if (ok) {
		report(im);
		return im->bad + im->complaints > 0 ? EX_DATAERR : EX_OK;
	}
	/* When the other end had the trouble, it has said so. */
	if (e.kind != ERR_PEER || code == EX_OK)
		code = cli_fail(cli_code(&e), "%s", e.text);
	if (im->stored > 0)
		fprintf(stderr, "sluice: %" PRIu64 " messages were taken; the same command goes on from there\n",
			im->stored);
	return code;
}

/* Read the source, carry it. `source` names it in the state. */
static int import(struct import *im, struct str source)
{
	progress_plain(true);
	int code = carrier_open(&im->carrier, im->call->config, "account.import",
				json_pack("{s:s, s:b}", "account", option(im, "account"), "dry", dry(im)));
	if (code == EX_OK)
		code = carry_all(im, source);
	source_close(im->source);
	while (im->taken < im->sent)
		free(im->ring[im->taken++ % CARRY_WINDOW].where);
	state_close(&im->state);
	seen_free(&im->again);
	arena_reset(&im->arena);
	free(im);
	return code;
}

static struct import *import_new(const struct call *c)
{
	struct import *im = calloc(1, sizeof *im);
	if (!im)
		abort();
	im->call = c;
	im->state.fd = -1;
	im->written_mono_ms = clock_mono_ms();
	im->arena.ceiling = SIZE_MAX;
	signal(SIGPIPE, SIG_IGN);
	hash_init();
	charset_warm();
	return im;
}

static struct source_conf conf_of(struct import *im)
{
	const char *only = option(im, "only");
	return (struct source_conf){ .max = FIRST_MAX,
				     .now_wall_ms = clock_wall_ms(),
				     .only = only ? str_of(only) : STR_NONE,
				     .have = have,
				     .ctx = im };
}

static int need_account(const struct call *c)
{
	return call_option(c, "account") ? EX_OK : cli_fail(EX_USAGE, "into which account? --account NAME");
}

static int from_files(const struct call *c, struct source *(*open)(struct import *im, const char *path, struct err *e))
{
	struct err e;
	char real[PATH_MAX];
	int code = need_account(c);
	if (code != EX_OK)
		return code;
	if (!realpath(c->argv[0], real))
		return cli_fail(EX_NOINPUT, "%s: there is no such file or folder", c->argv[0]);
	struct import *im = import_new(c);
	im->source = open(im, c->argv[0], &e);
	if (im->source)
		return import(im, str_of(real));
	free(im);
	return cli_fail(e.kind == ERR_PERM ? EX_DATAERR : EX_NOINPUT, "%s", e.text);
}

static struct source *open_maildir(struct import *im, const char *path, struct err *e)
{
	struct source_conf conf = conf_of(im);
	return source_maildir(path, &conf, e);
}

static struct source *open_mbox(struct import *im, const char *path, struct err *e)
{
	static const char *const names[] = { "any", "mboxo", "mboxrd", "mboxcl", "mboxcl2" };
	struct source_conf conf = conf_of(im);
	const char *kind = option(im, "kind");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!kind || strcmp(kind, names[i]) == 0)
			return source_mbox(path, (enum mbox_kind)i, &conf, e);
	err_set(e, ERR_PERM, "no such kind of mbox: %s; there are any, mboxo, mboxrd, mboxcl, mboxcl2", kind);
	return NULL;
}

int cli_import_maildir(const struct call *c)
{
	return from_files(c, open_maildir);
}

int cli_import_mbox(const struct call *c)
{
	return from_files(c, open_mbox);
}

int cli_import_imap(const struct call *c)
{
	struct err e;
	struct str name;
	int code = need_account(c);
	if (code != EX_OK)
		return code;
	struct import *im = import_new(c);
	struct source_conf conf = conf_of(im);
	struct imap_client *client = import_remote(c, &im->arena, &name, &e);
	im->source = client ? source_imap(client, &conf, &e) : NULL;
	if (im->source)
		return import(im, name);
	arena_reset(&im->arena);
	free(im);
	return cli_fail(cli_code(&e), "%s", e.text);
}
