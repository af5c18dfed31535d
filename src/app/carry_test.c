#include "app/carry.h"
#include "app/carry_in.h"
#include "app/carry_seen.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/test.h"
#include "mail/words.h"
#include "store/account.h"
#include "store/content.h"
#include "store/mailbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	char dir[64];
	struct admin admin;
	struct loaded loaded;
	struct account account;
	struct arena arena;
	atomic_bool stop;
};

static int setup(void **state)
{
	static struct world w;
	struct err e = { 0 };
	int64_t id;
	w = (struct world){ .dir = "/tmp/sluice-carry-XXXXXX" };
	if (!mkdtemp(w.dir))
		return -1;
	struct store_conf conf = { .dir = w.dir, .create = true, .role = "test", .shared_fd = -1 };
	w.admin.store = store_open(&conf, &e);
	if (!w.admin.store || !account_add(w.admin.store, STR("alice"), &id, &e) ||
	    !account_find(w.admin.store, STR("alice"), &w.arena, &w.account, &e))
		return -1;
	w.loaded.settings.imap.append = 1 << 20;
	w.admin.loaded = &w.loaded;
	w.admin.stop = &w.stop;
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[100];
	store_close(w->admin.store);
	arena_reset(&w->arena);
	snprintf(command, sizeof command, "rm -r %s", w->dir);
	return system(command);
}

/* --- the role's half in a thread of its own ------------------------------------------ */

struct run {
	struct world *w;
	int fd; /* ours */
	struct carry carry;
	pthread_t thread;
	json_t *args;
	bool ok;
	struct err err;
	bool (*verb)(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
};

static void *serve(void *arg)
{
	struct run *r = arg;
	struct arena a = { 0 };
	json_t *out = json_object();
	r->ok = r->verb(&r->w->admin, r->args, out, &a, &r->err);
	close(r->w->admin.fd);
	json_decref(out);
	arena_reset(&a);
	return NULL;
}

static void begin(struct run *r, struct world *w, bool import, const char *more)
{
	int pair[2];
	char args[200];
	*r = (struct run){ .w = w, .verb = import ? admin_account_import : admin_account_export };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	snprintf(args, sizeof args, "{\"account\":\"alice\"%s}", more);
	r->args = json_loads(args, 0, NULL);
	r->fd = pair[0];
	w->admin.fd = pair[1];
	atomic_store(&w->stop, false);
	carry_open(&r->carry, r->fd, NULL);
	assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
}

static bool end(struct run *r)
{
	if (r->fd >= 0)
		close(r->fd);
	pthread_join(r->thread, NULL);
	carry_close(&r->carry);
	json_decref(r->args);
	return r->ok;
}

static struct str hear(struct run *r, enum carry_kind want)
{
	enum carry_kind kind;
	struct str s = STR_NONE;
	struct err e = { 0 };
	if (carry_recv(&r->carry, -1, &kind, &s, &e) != CARRY_GOT)
		fail_msg("wanted %c: %s", (char)want, e.text);
	if (kind != want)
		fail_msg("wanted %c, got %c: %.*s", (char)want, (char)kind, STRF(s));
	return s;
}

static struct carry_opened box(struct run *r, const char *name, unsigned use, unsigned how, uint32_t uidvalidity,
			       uint32_t uid)
{
	struct buf b = { 0 };
	struct err e;
	struct carry_opened o;
	carry_add_box(&b, &(struct carry_box){ str_of(name), use, how, uidvalidity, uid, 0 });
	assert_true(carry_send(&r->carry, CARRY_BOX, buf_str(&b), STR_NONE, &e));
	buf_free(&b);
	assert_true(carry_get_opened(hear(r, CARRY_OPENED), &o));
	return o;
}

static void message(struct run *r, uint64_t to, const char *keywords, struct str bytes)
{
	struct buf b = { 0 };
	struct err e;
	carry_add_message(
	    &b, &(struct carry_message){
		    .box = to, .flags = MSG_SEEN, .keywords = str_of(keywords), .internal_wall_ms = 1605952800000 });
	assert_true(carry_send(&r->carry, CARRY_MESSAGE, buf_str(&b), bytes, &e));
	buf_free(&b);
}

static void numbered(struct run *r, uint64_t to, unsigned n)
{
	char text[60];
	snprintf(text, sizeof text, "Subject: %u\r\n\r\nx\r\n", n);
	message(r, to, "", str_of(text));
}

static void enough(struct run *r)
{
	struct err e;
	assert_true(carry_send(&r->carry, CARRY_END, STR_NONE, STR_NONE, &e));
}

/* The fates of the next `n` messages, and the highest UID. */
struct fates {
	unsigned of[3];
	uint32_t uid;
	bool rising;
	char why[300];
};

static struct fates fates(struct run *r, unsigned n)
{
	struct fates f = { .rising = true };
	while (n > 0) {
		struct str s = hear(r, CARRY_TAKEN);
		for (struct carry_taken t; s.n > 0; n--) {
			assert_true(n > 0 && carry_get_taken(&s, &t));
			f.of[t.fate]++;
			snprintf(f.why + strlen(f.why), sizeof f.why - strlen(f.why), "%.*s", STRF(t.why));
			if (t.fate != CARRY_STORED)
				continue;
			f.rising &= t.uid > f.uid;
			f.uid = t.uid;
		}
	}
	return f;
}

static uint32_t count(struct world *w, const char *name)
{
	struct mailbox *m;
	struct err e;
	assert_true(mailbox_find(w->admin.store, w->account.id, str_of(name), &w->arena, &m, &e));
	return m ? m->messages : 0;
}

/* --- tests --------------------------------------------------------------------------- */

static void test_import(void **state)
{
	struct run r;
	uint64_t version, id, max, messages;
	begin(&r, *state, true, "");
	struct str s = hear(&r, CARRY_HELLO);
	assert_true(carry_number(&s, 9, &version) && carry_number(&s, UINT64_MAX, &id) &&
		    carry_number(&s, UINT64_MAX, &max) && carry_number(&s, 0, &messages));
	assert_int_equal(version, CARRY_VERSION);
	assert_int_equal(max, 1 << 20);
	assert_strz(box(&r, "Gesendet", USE_SENT, CARRY_MAPPED, 0, 0).name, "Sent");
	assert_strz(box(&r, "Gesendet", USE_SENT, 0, 0, 0).name, "Gesendet");
	assert_strz(box(&r, "Sent", USE_NONE, 0, 0, 0).name, "Sent");
	assert_true(box(&r, "a//b", USE_NONE, 0, 0, 0).error.n > 0);
	for (unsigned i = 0; i < 730; i++)
		numbered(&r, i % 3, i);
	struct fates f = fates(&r, 700); /* full batches; the rest waits no longer than a second */
	assert_true(f.of[CARRY_STORED] >= 700);
	enough(&r);
	(void)fates(&r, 30);
	assert_strz(hear(&r, CARRY_DONE), "");
	assert_true(end(&r));
	assert_int_equal(count(*state, "Sent"), 730 - 243);
	assert_int_equal(count(*state, "Gesendet"), 243);
}

static void test_order_and_content(void **state)
{
	struct world *w = *state;
	struct run r;
	struct mailbox *m;
	struct msg *msgs;
	struct err e;
	struct str bytes;
	size_t n;
	char *large = calloc(1, 600001);
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	box(&r, "Order", USE_NONE, 0, 0, 0);
	memset(large, 'x', 600000);
	message(&r, 0, "b $a", STR("Subject: 0\r\n\r\n"));
	message(&r, 0, "", (struct str){ large, 600000 }); /* spills */
	message(&r, 0, "", STR("Subject: 2\r\n\r\nlast"));
	message(&r, 0, "", STR_NONE);
	message(&r, 0, "", (struct str){ "a\0b", 3 });
	enough(&r);
	struct fates f = fates(&r, 5);
	assert_int_equal(f.of[CARRY_STORED], 3);
	assert_true(f.rising && f.uid == 3);
	assert_strz(str_of(f.why), "it is emptyit has a NUL octet");
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
	assert_true(mailbox_find(w->admin.store, w->account.id, STR("Order"), &w->arena, &m, &e));
	assert_true(msg_page(w->admin.store, m->id, 1, UINT32_MAX, true, &w->arena, &msgs, &n, &e));
	assert_int_equal(n, 3);
	assert_strz(msgs[0].keywords, "$a b");
	assert_int_equal(msgs[0].flags, MSG_SEEN);
	assert_int_equal(msgs[0].internal_wall_ms, 1605952800000);
	assert_int_equal(msgs[1].size, 600000);
	assert_true(content_index(w->admin.store, msgs[1].content_id, &w->arena, &bytes, &e) && bytes.n > 0);
	assert_true(content_read(w->admin.store, msgs[2].content_id, &w->arena, &bytes, &e));
	assert_strz(bytes, "Subject: 2\r\n\r\nlast");
	free(large);
}

/* What an interrupted run may have left is passed over once; with CARRY_DUPLICATES all that is there. */
static void test_not_twice(void **state)
{
	struct world *w = *state;
	struct run r;
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	struct carry_opened was = box(&r, "Twice", USE_NONE, 0, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		numbered(&r, 0, i);
	numbered(&r, 0, 4);
	enough(&r);
	assert_int_equal(fates(&r, 6).of[CARRY_STORED], 6);
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
	/* UID 3 and what is behind it may be of the run before: 2, 3, 4, 4. */
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	box(&r, "Twice", USE_NONE, 0, was.uidvalidity, 2);
	for (unsigned i = 0; i < 5; i++)
		numbered(&r, 0, i);
	for (unsigned i = 0; i < 2; i++)
		numbered(&r, 0, 4);
	enough(&r);
	struct fates f = fates(&r, 7);
	assert_int_equal(f.of[CARRY_DUPLICATE], 4);
	assert_int_equal(f.of[CARRY_STORED], 3);
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
	assert_int_equal(count(w, "Twice"), 9);
	/* Another UIDVALIDITY: that was another mailbox. */
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	box(&r, "Twice", USE_NONE, 0, was.uidvalidity + 1000, 0);
	numbered(&r, 0, 1);
	enough(&r);
	assert_int_equal(fates(&r, 1).of[CARRY_STORED], 1);
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	box(&r, "Twice", USE_NONE, CARRY_DUPLICATES, 0, 0);
	for (unsigned i = 0; i < 10; i++)
		numbered(&r, 0, i % 7);
	enough(&r);
	f = fates(&r, 10);
	assert_int_equal(f.of[CARRY_STORED], 2); /* 5 and 6, once each */
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
}

static void test_dry(void **state)
{
	struct run r;
	begin(&r, *state, true, ", \"dry\": true");
	hear(&r, CARRY_HELLO);
	assert_int_equal(box(&r, "Dry", USE_NONE, 0, 0, 0).uidvalidity, 0);
	numbered(&r, 0, 1);
	enough(&r);
	assert_int_equal(fates(&r, 1).of[CARRY_STORED], 1);
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
	assert_int_equal(count(*state, "Dry"), 0);
}

static void test_quota_and_keywords(void **state)
{
	struct world *w = *state;
	struct run r;
	struct err e;
	struct buf words = { 0 };
	assert_true(account_quota_set(w->admin.store, STR("alice"), 0, 1, &e));
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	box(&r, "Full", USE_NONE, 0, 0, 0);
	for (unsigned m = 0; m < 4; m++) {
		buf_clear(&words);
		for (unsigned i = 0; i < 105; i++) /* five too many for a message, then a hundred for the mailbox */
			buf_printf(&words, "%sw%u-%u", i ? " " : "", m, i);
		buf_addc(&words, 0);
		message(&r, 0, words.p, STR("Subject: x\r\n\r\n"));
	}
	enough(&r);
	struct fates f = fates(&r, 4);
	assert_strz(str_of(f.why), "");
	assert_int_equal(f.of[CARRY_STORED], 4);
	struct str note = hear(&r, CARRY_DONE);
	assert_true(str_find(note, STR("120 keywords left out")) < note.n);
	assert_true(str_find(note, STR("beyond its quota now")) < note.n);
	assert_true(end(&r));
	assert_true(account_quota_set(w->admin.store, STR("alice"), 0, 0, &e));
	buf_free(&words);
}

/* Whatever the other end does: an error, and what was acknowledged stays. */
static void test_broken_senders(void **state)
{
	struct world *w = *state;
	struct run r;
	struct err e;
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	box(&r, "Broken", USE_NONE, 0, 0, 0);
	for (unsigned i = 0; i < 250; i++)
		numbered(&r, 0, i);
	(void)fates(&r, 200);
	assert_false(end(&r)); /* we leave without a word */
	assert_int_equal(r.err.kind, ERR_PEER);
	assert_true(count(w, "Broken") >= 200);

	static const struct {
		enum carry_kind kind;
		struct str payload;
	} rows[] = {
		{ CARRY_MESSAGE, { "", 0 } }, { CARRY_MESSAGE, { "\x05\0\0\0\0x", 6 } },
		{ CARRY_BOX, { "\xff", 1 } }, { CARRY_DONE, { "", 0 } },
		{ CARRY_FAILED, { "", 0 } },  { (enum carry_kind)7, { "x", 1 } },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(&r, w, true, "");
		hear(&r, CARRY_HELLO);
		box(&r, "Broken", USE_NONE, 0, 0, 0);
		assert_true(carry_send(&r.carry, rows[i].kind, rows[i].payload, STR_NONE, &e));
		hear(&r, CARRY_FAILED);
		assert_false(end(&r));
		assert_int_equal(r.err.kind, ERR_PEER);
	}
	/* A length that nobody means. */
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	assert_int_equal(write(r.fd, "M\x7f\xff\xff\xff", 5), 5);
	hear(&r, CARRY_FAILED);
	assert_false(end(&r));
}

static void test_stop(void **state)
{
	struct world *w = *state;
	struct run r;
	begin(&r, w, true, "");
	hear(&r, CARRY_HELLO);
	atomic_store(&w->stop, true);
	struct str why = hear(&r, CARRY_FAILED);
	assert_strz(why, "the server is stopping");
	assert_false(end(&r));
	assert_int_equal(r.err.kind, ERR_TEMP);
}

static void test_export(void **state)
{
	struct world *w = *state;
	struct run r;
	struct carry_box b;
	struct carry_message m;
	begin(&r, w, false, ", \"only\": \"Order\"");
	hear(&r, CARRY_HELLO);
	assert_true(carry_get_box(hear(&r, CARRY_BOX), &b));
	assert_strz(b.name, "Order");
	assert_int_equal(b.messages, 3);
	assert_true(carry_get_message(hear(&r, CARRY_MESSAGE), &m));
	assert_strz(m.bytes, "Subject: 0\r\n\r\n");
	assert_strz(m.keywords, "$a b");
	assert_int_equal(m.internal_wall_ms, 1605952800000);
	assert_true(carry_get_message(hear(&r, CARRY_MESSAGE), &m));
	assert_int_equal(m.bytes.n, 600000);
	assert_true(carry_get_message(hear(&r, CARRY_MESSAGE), &m));
	assert_int_equal(m.uid, 3);
	hear(&r, CARRY_DONE);
	assert_true(end(&r));
	begin(&r, w, false, ", \"only\": \"None\"");
	hear(&r, CARRY_FAILED);
	assert_false(end(&r));
}

static void test_seen(void **state)
{
	struct seen s = { 0 };
	uint8_t h[SEEN_HASH], same[SEEN_HASH];
	(void)state;
	assert_false(seen_has(&s, (uint8_t[SEEN_HASH]){ 0 }));
	for (unsigned i = 0; i < 5000; i++) {
		seen_hash(STR("p"), (struct str){ (const char *)&i, sizeof i }, h);
		assert_false(seen_has(&s, h));
		seen_add(&s, h);
		if (i % 2)
			seen_add(&s, h);
	}
	for (unsigned i = 0; i < 5000; i++) {
		seen_hash(STR("p"), (struct str){ (const char *)&i, sizeof i }, h);
		assert_int_equal(seen_times(&s, h), 1 + i % 2);
		assert_true(seen_take(&s, h));
		assert_int_equal(seen_take(&s, h), i % 2);
		assert_false(seen_take(&s, h));
	}
	seen_add(&s, h); /* again, where it was */
	assert_int_equal(seen_times(&s, h), 1);
	seen_hash(STR("ab"), STR("c"), h);
	seen_hash(STR("a"), STR("bc"), same);
	assert_memory_equal(h, same, SEEN_HASH);
	seen_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import),
		cmocka_unit_test(test_order_and_content),
		cmocka_unit_test(test_not_twice),
		cmocka_unit_test(test_dry),
		cmocka_unit_test(test_quota_and_keywords),
		cmocka_unit_test(test_broken_senders),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_seen),
	};
	hash_init();
	charset_warm();
	log_level_set(STR_NONE, LOG_ERROR);
	return cmocka_run_group_tests(tests, setup, teardown);
}
