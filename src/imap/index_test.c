/* The index and a look at what it does not know say together what a look at everything says. */
#include "base/file.h"
#include "imap/index.h"
#include "imap/message.h"
#include "imap/talk_test.h"
#include "imap/text.h"
#include "store/search_write.h"
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>

#define LOOK_MS 5

struct desk { /* a store, its index, and who keeps it */
	struct world w;
	struct search_index *x;
	struct indexer *ix;
	int64_t inbox;
};
static struct arena a; /* of the test in hand */
static struct err e;

static void indexer_on(struct desk *d)
{
	d->ix = indexer_start(d->w.st, d->x, LOOK_MS, &e);
	assert_non_null(d->ix);
}

static void indexer_off(struct desk *d)
{
	indexer_stop(d->ix);
	d->ix = NULL;
}

static int64_t inbox_of(struct desk *d)
{
	struct mailbox *m;
	assert_true(mailbox_find(d->w.st, d->w.account, STR("INBOX"), &a, &m, &e));
	return m->id;
}

static void desk_open(struct desk *d)
{
	*d = (struct desk){ 0 };
	e = (struct err){ 0 };
	search_warm();
	world_open(&d->w);
	d->x = search_open(d->w.st, &e);
	assert_non_null(d->x);
	d->inbox = inbox_of(d);
}

static void desk_close(struct desk *d)
{
	indexer_stop(d->ix);
	search_close(d->x);
	world_close(&d->w);
	arena_reset(&a);
}

static struct search_stat stat_now(struct desk *d)
{
	struct search_stat s;
	if (!search_stat(d->w.st, d->w.account, &s, &e))
		fail_msg("%s", e.text);
	return s;
}

/* Until nothing waits (or, with `want`, until so many contents are in). */
static void wait_indexed(struct desk *d, uint64_t want)
{
	for (int i = 0; i < 6000; i++) {
		struct search_stat s = stat_now(d);
		if (s.waiting == 0 && s.there && (want == 0 || s.contents == want))
			return;
		usleep(10000);
	}
	fail_msg("not indexed within a minute");
}

static void wait_no_file(struct desk *d)
{
	for (int i = 0; i < 6000 && stat_now(d).there; i++)
		usleep(10000);
	assert_false(stat_now(d).there);
}

static uint32_t deliver_octets(struct desk *d, const char *mailbox, struct str message)
{
	struct arena mine = { 0 };
	struct stage stage;
	struct buf index = { 0 };
	struct err why = { 0 };
	struct target t = { .account = d->w.account, .mailbox = str_of(mailbox), .prefix = STR("Return-Path: <>\r\n") };
	stage_open(&stage, d->w.st, 16u << 20);
	assert_true(stage_add(&stage, message));
	mime_index_write(&index, mime_parse(message, &mine));
	struct delivery what = { .stage = &stage, .index = buf_str(&index), .targets = &t, .n = 1 };
	if (!deliver(d->w.st, &what, &why))
		fail_msg("%s", why.text);
	stage_drop(&stage);
	buf_free(&index);
	arena_reset(&mine);
	return t.uid;
}

/* --- what the index answers, beside what is so ------------------------------------------ */

static bool among(const int64_t *ids, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

struct tally {
	unsigned sure_yes, sure_no, looked, no_answer;
};

static bool really_has(struct desk *d, const struct msg *row, unsigned columns, struct str needle)
{
	struct arena mine = { 0 };
	struct message m = { .st = d->w.st, .a = &mine, .row = row };
	struct text_piece *t;
	bool has = false;
	if (columns & SEARCH_HEAD)
		assert_true(text_header_has(&m, STR_NONE, needle, &has, &e));
	assert_true(text_of_body(&m, &t, &e));
	for (; columns & SEARCH_BODY && t; t = t->next)
		has = has || str_find(t->folded, needle) < t->folded.n;
	arena_reset(&mine);
	return has;
}

static void check_row(struct desk *d, const struct msg *row, unsigned columns, struct str needle,
		      const struct search_found *f, struct tally *t)
{
	if (row->uid > f->indexed_uid || among(f->unsure, f->nunsure, row->content_id)) {
		t->looked++;
		return;
	}
	bool says = among(f->contents, f->n, row->content_id), is = really_has(d, row, columns, needle);
	if (says != is)
		fail_msg("message %u, columns %u, needle \"%.*s\": the index says %d", row->uid, columns, STRF(needle),
			 says);
	t->sure_yes += says;
	t->sure_no += !says;
}

/* Every message of INBOX, by one needle. */
static void check_needle(struct desk *d, unsigned columns, struct str needle, struct tally *t)
{
	struct arena mine = { 0 };
	struct search_found f;
	struct msg *rows;
	size_t n;
	uint32_t from = 1;
	e = (struct err){ 0 };
	if (!search_find(d->x, d->w.account, d->inbox, columns, needle, &mine, &f, &e)) {
		assert_int_equal(e.kind, ERR_NONE);
		t->no_answer++;
		arena_reset(&mine);
		return;
	}
	do {
		assert_true(msg_page(d->w.st, d->inbox, from, UINT32_MAX, false, &mine, &rows, &n, &e));
		for (size_t i = 0; i < n; i++)
			check_row(d, &rows[i], columns, needle, &f, t);
		from = n ? rows[n - 1].uid + 1 : from;
	} while (n > 0);
	arena_reset(&mine);
}

/* --- random mail ---------------------------------------------------------------------------- */

/* Few different characters, so that needles are found; octets that are no UTF-8 among them. */
static void add_text(struct buf *b, int octets, bool valid)
{
	static const char *const some[] = { "a",
					    "b",
					    "A",
					    " ",
					    "\"",
					    "ab",
					    "\xc3\x9f",
					    "\xc3\x84",
					    "\xd0\x96",
					    "\xe4\xb8\xad",
					    "\xe3\x81\x8c",
					    "e\xcc\x81",
					    "*",
					    "'",
					    "-",
					    ":",
					    "\xf0\x9f\x98\x80",
					    "=?",
					    "\xff",
					    "\xe9" };
	for (size_t end = b->n + (size_t)octets; b->n < end;)
		buf_addz(b, some[(size_t)rand() % (sizeof some / sizeof *some - (valid ? 2u : 0u))]);
}

static void add_header(struct buf *b)
{
	static const char *const words[] = { "=?utf-8?q?A=C3=84_b?=", "=?iso-8859-1?q?=E9=DFab?=", "=?koi8-r?b?9sHC?=",
					     "=?gb2312?b?1tC5+g==?=", "=?utf-8?b?5Lit?= =?utf-8?b?5Lit?=" };
	for (int fields = rand() % 5; fields >= 0; fields--) {
		buf_printf(b, "%s: ", rand() % 2 ? "Subject" : "X-Ab");
		if (rand() % 2)
			buf_addz(b, words[(size_t)rand() % (sizeof words / sizeof *words)]);
		add_text(b, rand() % 30, false);
		buf_addz(b, rand() % 3 ? "\r\n" : "\r\n folded\r\n");
	}
}

static void add_part(struct buf *b, int depth)
{
	struct buf text = { 0 };
	switch (rand() % (depth < 2 ? 6 : 4)) {
	case 0:
		buf_addz(b, "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n");
		add_text(b, rand() % 300, false);
		break;
	case 1:
		buf_addz(b, "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
		add_text(&text, rand() % 300, false);
		buf_base64(b, buf_str(&text));
		break;
	case 2:
		buf_addz(b, "Content-Type: application/pdf\r\n\r\naab bab");
		break;
	case 3:
		buf_addz(b, "\r\n");
		add_text(b, rand() % 2000, false);
		break;
	case 4:
		buf_addz(b, "Content-Type: message/rfc822\r\n\r\n");
		add_header(b);
		add_part(b, depth + 1);
		break;
	default:
		buf_printf(b, "Content-Type: multipart/mixed; boundary=x%d\r\n\r\n", depth);
		for (int parts = rand() % 3; parts >= 0; parts--) {
			buf_printf(b, "\r\n--x%d\r\n", depth);
			add_part(b, depth + 1);
		}
		buf_printf(b, "\r\n--x%d--\r\n", depth);
	}
	buf_free(&text);
}

static void deliver_some(struct desk *d, int n)
{
	while (n-- > 0) {
		struct buf b = { 0 };
		add_header(&b);
		add_part(&b, 0);
		deliver_octets(d, "INBOX", buf_str(&b));
		buf_free(&b);
	}
}

/* A piece of some message's text. */
static struct str needle_from_mail(struct desk *d)
{
	struct text_piece *t;
	struct msg *rows;
	size_t n;
	uint32_t uid = (uint32_t)rand() % 150 + 1;
	assert_true(msg_page(d->w.st, d->inbox, uid, uid, false, &a, &rows, &n, &e));
	struct message m = { .st = d->w.st, .a = &a, .row = rows };
	assert_true(text_of_body(&m, &t, &e));
	if (!t)
		return STR_NONE;
	size_t from = (size_t)rand() % (t->folded.n + 1), to = from + (size_t)rand() % 300;
	struct str needle = str_sub(t->folded, from, to);
	while (!utf8_valid(needle)) /* both ends may be within a character */
		needle = str_sub(needle, 1, needle.n > 1 ? needle.n - 1 : 0);
	return needle;
}

/* As SEARCH has it: valid UTF-8, folded. */
static struct str some_needle(struct desk *d)
{
	struct buf b = { 0 };
	if (rand() % 2)
		return needle_from_mail(d);
	add_text(&b, rand() % 8, true);
	struct str needle = text_fold(buf_str(&b), &a);
	buf_free(&b);
	return needle;
}

static void check_some(struct desk *d, int needles, struct tally *t)
{
	while (needles-- > 0) {
		check_needle(d, (unsigned)rand() % 3 + 1, some_needle(d), t);
		arena_reset(&a);
	}
}

static void test_same(void **state)
{
	struct desk d;
	struct tally whole = { 0 }, part = { 0 };
	(void)state;
	srand(11);
	desk_open(&d);
	deliver_some(&d, 150);
	indexer_on(&d);
	wait_indexed(&d, 0);
	check_some(&d, 250, &whole);
	assert_true(whole.sure_yes > 300 && whole.sure_no > 3000);
	indexer_off(&d);
	deliver_some(&d, 50);
	check_some(&d, 100, &part);
	assert_true(part.looked >= 50 && part.sure_yes > 50 && part.sure_no > 500);
	desk_close(&d);
}

/* Needles that stand in one message, of every length. */
static void test_lengths(void **state)
{
	struct desk d;
	struct tally t = { 0 };
	struct buf b = { 0 };
	(void)state;
	desk_open(&d);
	buf_addz(&b, "Subject: one\r\n\r\n");
	for (int i = 0; i < 3000; i++)
		buf_printf(&b, "%d ", i);
	deliver_octets(&d, "INBOX", buf_str(&b));
	deliver_octets(&d, "INBOX", STR("Subject: two\r\n\r\n1 2 3"));
	indexer_on(&d);
	wait_indexed(&d, 2);
	struct str body = str_sub(buf_str(&b), 16, b.n);
	static const size_t lengths[] = { 0, 1, 2, 3, 4, 127, 128, 129, 5000, 13000 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		check_needle(&d, SEARCH_BODY, str_sub(body, 200, 200 + lengths[i]), &t);
	assert_int_equal(t.no_answer, 3); /* those under SEARCH_NEEDLE */
	assert_int_equal(t.looked, 3);    /* the long one is a candidate of three needles */
	assert_int_equal(t.sure_yes, 4 + 0);
	buf_free(&b);
	desk_close(&d);
}

/* What is larger than the index takes is looked at. */
static void test_large(void **state)
{
	struct desk d;
	struct tally t = { 0 };
	struct buf b = { 0 };
	(void)state;
	desk_open(&d);
	buf_addz(&b, "Subject: large\r\n\r\n");
	while (b.n < 2 * TEXT_INDEX_MAX)
		buf_printf(&b, "line %zu\r\n", b.n);
	buf_addz(&b, "the very end");
	deliver_octets(&d, "INBOX", buf_str(&b));
	indexer_on(&d);
	wait_indexed(&d, 1);
	assert_int_equal(stat_now(&d).unsure, 1);
	check_needle(&d, SEARCH_BODY, STR("very end"), &t);
	assert_int_equal(t.looked, 1);
	buf_free(&b);
	desk_close(&d);
}

/* --- files that are no good ------------------------------------------------------------------ */

static void scribble(struct desk *d, off_t at, size_t n)
{
	char pattern[128], junk[4096];
	glob_t found;
	memset(junk, 0xa5, sizeof junk);
	snprintf(pattern, sizeof pattern, "%s/search/%lld/*.db", d->w.dir, (long long)d->w.account);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	AUTO_CLOSE int fd = open(found.gl_pathv[0], O_WRONLY | O_CLOEXEC);
	globfree(&found);
	assert_true(fd >= 0);
	for (; n > 0; n -= sizeof junk, at += (off_t)sizeof junk)
		assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
}

static void test_damaged(void **state)
{
	static const off_t where[] = { 0, 4096, 8192 };
	struct desk d;
	(void)state;
	desk_open(&d);
	for (int i = 0; i < 200; i++)
		world_deliver(&d.w, "INBOX", "Subject: hello\r\n\r\nthe same again and again", "");
	for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
		struct tally before = { 0 }, after = { 0 };
		indexer_on(&d);
		wait_indexed(&d, 0);
		indexer_off(&d);
		struct search_stat s = stat_now(&d);
		scribble(&d, where[i], (size_t)s.octets - (size_t)where[i]);
		search_close(d.x); /* what it remembers of the file is whole */
		d.x = search_open(d.w.st, &e);
		check_needle(&d, SEARCH_BODY, STR("again and"), &before);
		assert_int_equal(before.no_answer, 1);
		indexer_on(&d);
		wait_indexed(&d, 0);
		check_needle(&d, SEARCH_BODY, STR("again and"), &after);
		assert_int_equal(after.sure_yes, 200);
		indexer_off(&d);
	}
	desk_close(&d);
}

/* A file that was written when the machine stopped cannot be believed; one that was not can. */
static void test_other_boot(void **state)
{
	struct desk d;
	char path[128];
	(void)state;
	desk_open(&d);
	world_deliver(&d.w, "INBOX", "Subject: hello\r\n\r\nworld", "");
	indexer_on(&d);
	wait_indexed(&d, 1);
	indexer_off(&d);
	assert_true(search_lock(d.x, &e));
	assert_true(stat_now(&d).there);
	assert_true(search_wet(d.x, &d.w.account, 1, &e));
	search_unlock(d.x, 0);
	assert_true(search_lock(d.x, &e)); /* the same boot: it was only us who stopped */
	assert_true(stat_now(&d).there);
	search_unlock(d.x, 0);
	snprintf(path, sizeof path, "%s/search", d.w.dir);
	AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct str list = str_fmt(&a, "another-boot\n%lld\n12", (long long)d.w.account);
	assert_true(file_commit(dir, "written", list, 0600, &e));
	assert_true(search_lock(d.x, &e));
	assert_false(stat_now(&d).there);
	search_unlock(d.x, 0);
	desk_close(&d);
}

static void test_one_writer(void **state)
{
	struct desk d;
	(void)state;
	desk_open(&d);
	struct search_index *other = search_open(d.w.st, &e);
	assert_true(search_lock(d.x, &e));
	assert_false(search_lock(other, &e));
	assert_int_equal(e.kind, ERR_NONE);
	search_unlock(d.x, 0);
	assert_true(search_lock(other, &e));
	search_close(other);
	assert_true(search_lock(d.x, &e));
	desk_close(&d);
}

/* --- what is gone ------------------------------------------------------------------------------- */

static void expunge(struct desk *d, uint32_t from, uint32_t count)
{
	struct uid_run run = { from, count };
	if (!msg_expunge(d->w.st, d->inbox, &run, 1, false, &e))
		fail_msg("%s", e.text);
}

static void test_expunged(void **state)
{
	struct desk d;
	(void)state;
	desk_open(&d);
	for (uint32_t i = 0; i < SEARCH_DEAD + 400; i++) {
		char text[80];
		snprintf(text, sizeof text, "Subject: message\r\n\r\nnumber %u", i);
		world_deliver(&d.w, "INBOX", text, "");
	}
	indexer_on(&d);
	wait_indexed(&d, SEARCH_DEAD + 400);
	expunge(&d, 1, 300); /* not a quarter */
	expunge(&d, 301, SEARCH_DEAD - 299);
	wait_indexed(&d, 399); /* made anew */
	expunge(&d, SEARCH_DEAD + 2, 399);
	wait_no_file(&d);
	desk_close(&d);
}

static void test_dead_counted(void **state)
{
	struct desk d;
	uint64_t dead = 0;
	atomic_bool stop = false;
	(void)state;
	desk_open(&d);
	for (int i = 0; i < 5; i++)
		world_deliver(&d.w, "INBOX", "Subject: message\r\n\r\nnumber", "");
	indexer_on(&d);
	wait_indexed(&d, 5);
	indexer_off(&d);
	expunge(&d, 2, 3);
	assert_true(search_lock(d.x, &e));
	assert_true(search_dead(d.x, d.w.account, &stop, &dead, &e));
	assert_int_equal(dead, 3);
	desk_close(&d);
}

static void test_account_gone(void **state)
{
	struct desk d;
	(void)state;
	desk_open(&d);
	world_deliver(&d.w, "INBOX", "Subject: hello\r\n\r\nworld", "");
	indexer_on(&d);
	wait_indexed(&d, 1);
	indexer_off(&d);
	assert_true(search_lock(d.x, &e));
	assert_true(search_sweep(d.x, &e));
	assert_true(stat_now(&d).there);
	assert_true(account_remove(d.w.st, STR("you"), &e));
	assert_true(search_sweep(d.x, &e));
	assert_false(stat_now(&d).there);
	desk_close(&d);
}

/* Copies and moves are not indexed again, but found where they are. */
static void test_moved(void **state)
{
	struct desk d;
	struct tally t = { 0 };
	struct copied pairs;
	struct mailbox *box;
	struct uid_run all = { 1, 20 };
	(void)state;
	desk_open(&d);
	for (int i = 0; i < 20; i++)
		world_deliver(&d.w, "Elsewhere", "Subject: hello\r\n\r\nwanderer", "");
	indexer_on(&d);
	wait_indexed(&d, 20);
	assert_true(mailbox_find(d.w.st, d.w.account, STR("Elsewhere"), &a, &box, &e));
	assert_true(msg_copy(d.w.st, box->id, &all, 1, d.inbox, true, &a, &pairs, &e));
	wait_indexed(&d, 20);
	check_needle(&d, SEARCH_BODY, STR("wanderer"), &t);
	assert_int_equal(t.sure_yes, 20);
	desk_close(&d);
}

static void test_forgotten(void **state)
{
	struct desk d;
	struct tally t = { 0 };
	(void)state;
	desk_open(&d);
	world_deliver(&d.w, "INBOX", "Subject: hello\r\n\r\nworld", "");
	indexer_on(&d);
	for (int i = 0; i < 3; i++) {
		wait_indexed(&d, 1);
		check_needle(&d, SEARCH_HEAD, STR("hello"), &t);
		assert_true(search_forget(d.w.st, d.w.account, &e));
	}
	wait_indexed(&d, 1);
	assert_int_equal(t.sure_yes, 3);
	desk_close(&d);
}

/* --- at the same time ------------------------------------------------------------------------------ */

struct searcher {
	struct desk *d;
	atomic_bool *stop;
	pthread_t thread;
	unsigned answers;
	char wrong[300]; /* a thread cannot fail a test: what was the last that was wrong */
};

/* Every message has the word, so every one under the mark must be in the answer. */
static void *search_on(void *arg)
{
	struct searcher *s = arg;
	while (!atomic_load(s->stop)) {
		struct arena mine = { 0 };
		struct search_found f;
		struct err why = { 0 };
		if (search_find(s->d->x, s->d->w.account, s->d->inbox, SEARCH_BODY, STR("everywhere"), &mine, &f,
				&why)) {
			s->answers++;
			if (f.n < f.indexed_uid) /* of one mailbox, from which nothing goes */
				snprintf(s->wrong, sizeof s->wrong, "%zu of %u found", f.n, f.indexed_uid);
		}
		if (why.kind != ERR_NONE)
			snprintf(s->wrong, sizeof s->wrong, "%s", why.text);
		arena_reset(&mine);
	}
	return NULL;
}

static void test_at_once(void **state)
{
	struct desk d;
	struct searcher s[3];
	atomic_bool stop = false;
	(void)state;
	desk_open(&d);
	world_deliver(&d.w, "INBOX", "Subject: first\r\n\r\neverywhere", "");
	indexer_on(&d);
	wait_indexed(&d, 1);
	for (int i = 0; i < 3; i++) {
		s[i] = (struct searcher){ .d = &d, .stop = &stop };
		assert_int_equal(pthread_create(&s[i].thread, NULL, search_on, &s[i]), 0);
	}
	for (int i = 0; i < 300; i++) {
		world_deliver(&d.w, "INBOX", "Subject: more\r\n\r\nand everywhere again", "");
		if (i % 100 == 50)
			assert_true(search_forget(d.w.st, d.w.account, &e));
	}
	wait_indexed(&d, 301);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++) {
		pthread_join(s[i].thread, NULL);
		assert_true(s[i].answers > 0);
		assert_string_equal(s[i].wrong, "");
	}
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),         cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_large),        cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_other_boot),   cmocka_unit_test(test_one_writer),
		cmocka_unit_test(test_expunged),     cmocka_unit_test(test_dead_counted),
		cmocka_unit_test(test_account_gone), cmocka_unit_test(test_moved),
		cmocka_unit_test(test_forgotten),    cmocka_unit_test(test_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
