#include "store/content.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/test_store.h"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static struct str text(size_t n, bool random)
{
	static const char words[] = "The gate is opened when the river rises, and the gold stays in the box.\r\n";
	char *p = arena_alloc(&a, n);
	for (size_t i = 0; i < n; i++)
		p[i] = words[i % (sizeof words - 1)];
	if (random)
		random_bytes(p, n);
	return (struct str){ p, n };
}

static unsigned files_now(void)
{
	struct arena b = { 0 };
	struct str out;
	char command[128];
	snprintf(command, sizeof command, "find %s/content -type f | wc -l", dir);
	FILE *f = popen(command, "r");
	must(file_read_fd(fileno(f), 64, &b, &out, &e));
	pclose(f);
	unsigned n = (unsigned)strtoul(str_z(&b, str_trim(out)), NULL, 10);
	arena_reset(&b);
	return n;
}

static int64_t content_of(uint32_t uid)
{
	struct msg *m;
	size_t n;
	must(msg_page(st, inbox, uid, uid, false, &a, &m, &n, &e));
	assert_int_equal(n, 1);
	return m->content_id;
}

/* In, in pieces; what the session sees meanwhile; delivered; read back. */
static void round_trip(struct str bytes, size_t piece)
{
	struct stage s;
	struct str all, back;
	struct target t = { .account = account,
			    .mailbox = STR("INBOX"),
			    .prefix = STR_NONE,
			    .keywords = STR_NONE,
			    .sender = STR_NONE,
			    .recipient = STR_NONE,
			    .dsn = STR_NONE };
	struct delivery d = { .stage = &s, .index = STR_NONE, .targets = &t, .n = 1 };
	stage_open(&s, st, bytes.n);
	for (size_t at = 0; at < bytes.n; at += piece)
		must(s.sink.add(&s.sink, str_sub(bytes, at, at + piece)));
	assert_int_equal(s.size, bytes.n);
	assert_str(stage_head(&s), str_sub(bytes, 0, STAGE_HEAD));
	must(stage_all(&s, &a, &all, &e));
	assert_str(all, bytes);
	must(stage_seal(&s, &e));
	assert_str(stage_head(&s), str_sub(bytes, 0, STAGE_HEAD));
	must(stage_all(&s, &a, &all, &e));
	assert_str(all, bytes);
	must(deliver(st, &d, &e));
	stage_drop(&s);
	must(content_read(st, content_of(t.uid), &a, &back, &e));
	assert_str(back, bytes);
	arena_reset(&a);
}

static void test_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 4096, STAGE_SPILL - 1, STAGE_SPILL, STAGE_SPILL + 1, 1 << 20, 3000001 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int random = 0; random < 2; random++) {
			round_trip(text(sizes[i], random), 16384);
			round_trip(text(sizes[i], random), 100003);
		}
	assert_int_equal(files_now(), 3 * 4);
	struct store_stat now;
	store_stat(st, &now);
	assert_int_equal(now.staged_octets, 0);
	check_clean();
}

/* Every way to ask for a range gives what stands there. */
static void ranges(struct str bytes, int64_t id)
{
	struct str back;
	struct arena mine = { 0 };
	const uint64_t at[] = { 0, 1, 65535, 65536, STAGE_SPILL - 1, STAGE_SPILL, bytes.n / 2, bytes.n - 1, bytes.n };
	const uint64_t lengths[] = { 0, 1, 4096, 65536, 300000, bytes.n, UINT32_MAX };
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
			must(content_range(st, id, at[i], at[i] + lengths[k], &mine, &back, &e));
			assert_str(back, str_sub(bytes, (size_t)at[i], (size_t)(at[i] + lengths[k])));
		}
	arena_reset(&mine);
	for (uint64_t from = 0; from < bytes.n; from += 65536) { /* as clients fetch large messages */
		must(content_range(st, id, from, from + 65536, &mine, &back, &e));
		assert_str(back, str_sub(bytes, (size_t)from, (size_t)from + 65536));
		arena_reset(&mine);
	}
}

static void test_ranges(void **state)
{
	(void)state;
	static const size_t sizes[] = { 70000, STAGE_SPILL, 3000001 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int random = 0; random < 2; random++) {
			struct err put_e;
			struct str bytes = text(sizes[i], random);
			ranges(bytes, content_of(put_err(account, "INBOX", bytes, 0, &put_e)));
		}
}

/* Tight memory makes many small frames; what was opened stays readable when its file goes. */
static void test_reader(void **state)
{
	(void)state;
	struct err put_e;
	struct str bytes = text(500000, true), piece;
	char command[200];
	store_close(st);
	open_conf((struct store_conf){ .staging = 1 });
	int64_t id = content_of(put_err(account, "INBOX", bytes, 0, &put_e));
	assert_int_equal(files_now(), 1);
	ranges(bytes, id);
	struct content_reader *r = content_open(st, id, &e);
	assert_non_null(r);
	snprintf(command, sizeof command, "find %s/content -type f -delete", dir);
	assert_int_equal(system(command), 0);
	for (size_t at = 0; at < bytes.n; at += piece.n) {
		must(content_piece(r, at, &piece, &e));
		assert_true(piece.n > 0 && piece.n <= STAGE_SPILL);
		assert_str(piece, str_sub(bytes, at, at + piece.n));
	}
	must(content_piece(r, bytes.n, &piece, &e));
	assert_int_equal(piece.n, 0);
	content_close(r);
	assert_null(content_open(st, id, &e));
	assert_null(content_open(st, 999, &e));
}

/* What lies before the damage can be read, the damage never. */
static void test_damaged_range(void **state)
{
	(void)state;
	char command[200];
	struct err put_e;
	struct str bytes = text(2 << 20, true), back;
	int64_t id = content_of(put_err(account, "INBOX", bytes, 0, &put_e));
	snprintf(command, sizeof command,
		 "f=$(find %s/content -type f) && printf X | dd of=$f bs=1 seek=1500000 conv=notrunc 2>/dev/null", dir);
	assert_int_equal(system(command), 0);
	must(content_range(st, id, 0, 1000000, &a, &back, &e));
	assert_str(back, str_sub(bytes, 0, 1000000));
	must_fail(content_range(st, id, 1499000, 1501000, &a, &back, &e), ERR_TEMP);
	must_fail(content_range(st, id, 0, bytes.n, &a, &back, &e), ERR_TEMP);
	snprintf(command, sizeof command, "truncate -s 1000000 $(find %s/content -type f)", dir);
	assert_int_equal(system(command), 0);
	must_fail(content_range(st, id, 1200000, 1200001, &a, &back, &e), ERR_TEMP);
	must(content_range(st, id, 0, 500000, &a, &back, &e));
}

/* What shows before the first octet is given away: that frames are missing, or no frames. */
static void test_there(void **state)
{
	(void)state;
	static const char *const spoil[] = {
		"true", "truncate -s 2000000 $f", "truncate -s -1 $f",
		"dd if=/dev/zero of=$f bs=1 count=8 conv=notrunc 2>/dev/null seek=$(LC_ALL=C grep"
		" -obUaP '\\x28\\xb5\\x2f\\xfd' $f | tail -n 1 | cut -d: -f1)"
	};
	char command[300];
	struct err put_e;
	struct str bytes = text(2 << 20, true), piece;
	int64_t id = content_of(put_err(account, "INBOX", bytes, 0, &put_e));
	snprintf(command, sizeof command, "f=$(find %s/content -type f); cp $f %s/kept", dir, dir);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
		snprintf(command, sizeof command, "f=$(find %s/content -type f); cp %s/kept $f; %s", dir, dir,
			 spoil[i]);
		assert_int_equal(system(command), 0);
		struct content_reader *r = content_open(st, id, &e);
		assert_non_null(r);
		must(content_there(r, 1, &e));
		must(content_piece(r, 100000, &piece, &e));
		must(content_there(r, 1000000, &e));
		assert_true(content_there(r, bytes.n, &e) == (i == 0));
		must_fail(content_there(r, bytes.n + 1, &e), ERR_TEMP);
		must(content_piece(r, 100000, &piece, &e));
		content_close(r);
	}
	struct content_reader *small = content_open(st, content_of(put(account, "INBOX", "small")), &e);
	must(content_there(small, 5, &e));
	must_fail(content_there(small, 6, &e), ERR_TEMP);
	content_close(small);
}

static void test_pressure(void **state)
{
	(void)state;
	struct stage many[40];
	struct store_stat now;
	store_close(st);
	open_conf((struct store_conf){ .staging = 400 << 10 });
	for (size_t i = 0; i < 40; i++) {
		stage_open(&many[i], st, 1 << 20);
		for (int k = 0; k < 10; k++)
			must(stage_add(&many[i], text(9000, false)));
	}
	store_stat(st, &now);
	assert_true(now.staged_octets < (uint64_t)1 << 20); /* of 3.6 MB */
	round_trip(text(50000, false), 5000);               /* and work goes on */
	for (size_t i = 0; i < 40; i++)
		stage_drop(&many[i]);
	store_stat(st, &now);
	assert_int_equal(now.staged_octets, 0);
}

static void test_drop_safely(void **state)
{
	(void)state;
	struct stage s, zero = { 0 };
	stage_open(&s, st, 100);
	must(stage_add(&s, STR("x")));
	stage_drop(&s);
	stage_drop(&s);
	stage_drop(&zero);
}

static void test_tight(void **state)
{
	(void)state;
	struct str bytes = text(100000, true), back;
	for (unsigned tight = 0; tight < 2; tight++)
		for (size_t n = 16000; n <= 100000; n += 84000) {
			struct stage s;
			struct target t = { .account = account, .mailbox = STR("INBOX"), .prefix = STR_NONE };
			struct delivery d = { .stage = &s, .index = STR_NONE, .targets = &t, .n = 1 };
			stage_open(&s, st, bytes.n);
			s.tight = tight;
			must(stage_add(&s, str_sub(bytes, 0, n)));
			must(deliver(st, &d, &e));
			stage_drop(&s);
			must(content_read(st, content_of(t.uid), &a, &back, &e));
			assert_str(back, str_sub(bytes, 0, n));
			assert_int_equal(files_now(), tight && n > 16384 ? 1 : 0);
		}
	check_clean();
}

static void test_too_large(void **state)
{
	(void)state;
	struct stage s;
	stage_open(&s, st, 300000);
	must(stage_add(&s, text(300000, true)));
	assert_false(stage_add(&s, STR("x")));
	assert_int_equal(s.err.kind, ERR_PERM);
	must_fail(stage_seal(&s, &e), ERR_PERM);
	stage_drop(&s);
	assert_int_equal(files_now(), 0);
}

static void test_dropped(void **state)
{
	(void)state;
	struct stage s;
	stage_open(&s, st, 1 << 20);
	must(stage_add(&s, text(1 << 20, true)));
	assert_int_equal(files_now(), 0); /* no name yet */
	must(stage_seal(&s, &e));
	assert_int_equal(files_now(), 1);
	stage_drop(&s);
	assert_int_equal(files_now(), 0);
}

static void test_no_room(void **state)
{
	(void)state;
	struct stage s;
	store_close(st);
	open_conf((struct store_conf){ .reserve = (uint64_t)1 << 60 });
	must_fail(store_room(st, 0, &e), ERR_FULL);
	stage_open(&s, st, 1 << 20);
	assert_false(stage_add(&s, text(1 << 20, true)));
	assert_int_equal(s.err.kind, ERR_FULL);
	stage_drop(&s);
}

static void test_damage(void **state)
{
	(void)state;
	char command[200];
	struct str back;
	struct check_report r;
	struct err put_e;
	uint32_t uid = put_err(account, "INBOX", text(1 << 20, true), 0, &put_e);
	int64_t id = content_of(uid);
	must(content_read(st, id, &a, &back, &e));
	snprintf(command, sizeof command,
		 "f=$(find %s/content -type f) && printf X | dd of=$f bs=1 seek=500000 conv=notrunc 2>/dev/null", dir);
	assert_int_equal(system(command), 0);
	must_fail(content_read(st, id, &a, &back, &e), ERR_TEMP);
	must(store_check(st, false, true, NULL, NULL, &r, &e));
	assert_true(r.problems == 1 && r.repaired == 0);
	buf_free(&r.text);
	must(store_check(st, true, false, NULL, NULL, &r, &e)); /* the quick look only asks whether it is there */
	assert_int_equal(r.problems, 0);
	buf_free(&r.text);
	snprintf(command, sizeof command, "find %s/content -type f -delete", dir);
	assert_int_equal(system(command), 0);
	must_fail(content_read(st, id, &a, &back, &e), ERR_TEMP);
	must(store_check(st, true, false, NULL, NULL, &r, &e));
	assert_int_equal(r.problems, 1);
	buf_free(&r.text);
	must_fail(content_read(st, 999, &a, &back, &e), ERR_TEMP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_ranges, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_reader, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_range, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_there, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_pressure, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_drop_safely, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_tight, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_dropped, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup_account, teardown),
	};
	hash_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
