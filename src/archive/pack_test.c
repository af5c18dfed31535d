#include "archive/maildir.h"
#include "archive/pack.h"
#include "archive/source.h"
#include "base/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY 1605952800000 /* Sat, 21 Nov 2020 10:00:00 +0000 */

static char folder[] = "/tmp/archive-test-XXXXXX";

static const struct mail {
	const char *mailbox, *bytes;
	unsigned flags;
	const char *keywords;
} mails[] = {
	{ "INBOX", "A: 1\r\n\r\nx\r\n", 0, "" },
	{ "INBOX", "A: 2\r\n\r\nFrom x\r\n>From y", MSG_SEEN, "Work" },
	{ "INBOX", "A: 3\r\n\r\nbare\nlf\r\n", MSG_FLAGGED, "$Forwarded Work x" },
	{ "R&D/v1.0", "A: 4\r\n\r\n", MSG_SEEN | MSG_ANSWERED | MSG_DELETED | MSG_DRAFT, "x" },
	{ "R&D/v1.0", "A: 5\r\n\r\n\r\n\r\n", 0, "" },
	{ "\xc3\x84", "A: 6\r\n\r\nx\r\n", 0, "" },
};
#define MAILS (sizeof mails / sizeof *mails)

static const char *at(const char *name)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static bool write_all(enum pack_kind kind, const char *dest, bool finish, struct err *e)
{
	struct pack *p = pack_open(kind, dest, DAY, e);
	const char *box = "";
	bool ok = p != NULL;
	for (size_t i = 0; ok && i < MAILS; i++) {
		if (strcmp(box, mails[i].mailbox) != 0)
			ok = pack_box(p, str_of(box = mails[i].mailbox), e);
		ok = ok && pack_message(p,
					&(struct mbox_write){ .bytes = str_of(mails[i].bytes),
							      .flags = mails[i].flags,
							      .keywords = str_of(mails[i].keywords),
							      .internal_wall_ms = DAY + (int64_t)i * 1000,
							      .uid = (uint32_t)i + 1 },
					e);
	}
	ok = ok && (!finish || pack_done(p, e));
	pack_close(p);
	return ok;
}

static const struct mail *mail_of(struct str bytes)
{
	for (size_t i = 0; i < MAILS; i++)
		if (str_eq(str_sub(bytes, 0, 4), str_sub(str_of(mails[i].bytes), 0, 4)))
			return &mails[i];
	fail_msg("nobody wrote this");
	return NULL;
}

static bool has_all(struct str words, struct str other)
{
	while (words.n > 0) {
		struct str word = str_cut(&words, ' '), rest = other;
		bool found = false;
		while (rest.n > 0)
			found |= str_eq(str_cut(&rest, ' '), word);
		if (!found)
			return false;
	}
	return true;
}

static void read_back(enum pack_kind kind, const char *path)
{
	struct source_conf conf = { .max = 1000, .now_wall_ms = DAY * 2, .only = STR_NONE };
	struct source_message m;
	struct err e = { 0 };
	size_t n = 0, boxes;
	enum source_got got;
	struct source *s = kind == PACK_MAILDIR ? source_maildir(path, &conf, &e)
						: source_mbox(path, MBOX_ANY, &conf, &e);
	if (!s)
		fail_msg("%s: %s", path, e.text);
	source_boxes(s, &boxes);
	assert_int_equal(boxes, 3);
	while ((got = source_next(s, &m, &e)) == SOURCE_MESSAGE) {
		const struct mail *want = mail_of(m.bytes);
		assert_strz(m.bytes, want->bytes);
		assert_strz(m.mailbox, want->mailbox);
		assert_int_equal(m.flags, want->flags);
		assert_true(has_all(m.keywords, str_of(want->keywords)) && has_all(str_of(want->keywords), m.keywords));
		assert_int_equal(m.internal_wall_ms, DAY + (want - mails) * 1000);
		n++;
	}
	assert_int_equal(got, SOURCE_END);
	assert_int_equal(n, MAILS);
	source_close(s);
}

static void test_round_trip(void **state)
{
	static const char *const ends[] = { "", ".tar", ".tgz", ".tar.zst", ".zip" };
	(void)state;
	for (enum pack_kind kind = PACK_MAILDIR; kind <= PACK_MBOX; kind++)
		for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
			char name[40];
			struct err e = { 0 };
			snprintf(name, sizeof name, "%s%s", kind == PACK_MAILDIR ? "md" : "mb", ends[i]);
			if (!write_all(kind, at(name), true, &e))
				fail_msg("%s: %s", name, e.text);
			read_back(kind, at(name));
			/* Never over what is there. */
			assert_false(write_all(kind, at(name), true, &e));
			assert_non_null(strstr(e.text, "is there already"));
		}
}

/* What is not finished leaves nothing. */
static void test_unfinished(void **state)
{
	static const char *const names[] = { "half", "half.tgz" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct err e = { 0 };
		char partial[40];
		assert_true(write_all(PACK_MAILDIR, at(names[i]), false, &e));
		assert_int_equal(access(at(names[i]), F_OK), -1);
		snprintf(partial, sizeof partial, "%s.partial", names[i]);
		assert_int_equal(access(at(partial), F_OK), -1);
	}
}

static void test_only_and_have(void **state)
{
	struct err e = { 0 };
	struct source_conf conf = { .max = 8, .now_wall_ms = DAY * 2, .only = STR("R&D/*, \xc3\x84") };
	struct source_message m;
	(void)state;
	assert_true(write_all(PACK_MAILDIR, at("only"), true, &e));
	struct source *s = source_maildir(at("only"), &conf, &e);
	assert_non_null(s);
	/* "A: 4\r\n\r\n" fits in eight octets, the others do not. */
	assert_int_equal(source_next(s, &m, &e), SOURCE_BAD);
	assert_strz(str_of(e.text), "longer than 8 octets");
	assert_true(m.where.n > 0);
	assert_int_equal(source_next(s, &m, &e), SOURCE_MESSAGE);
	assert_strz(m.mailbox, "R&D/v1.0");
	assert_int_equal(source_next(s, &m, &e), SOURCE_BAD);
	assert_int_equal(source_next(s, &m, &e), SOURCE_END);
	source_close(s);
}

static void test_wrong_sources(void **state)
{
	static const struct {
		bool maildir;
		const char *name, *error;
	} rows[] = {
		{ true, "nothing", "No such file or directory" },
		{ true, "empty", "holds no Maildir" },
		{ true, "text", "is a file; a Maildir is a folder" },
		{ false, "text", "nothing in it begins with \"From \"" },
		{ false, "empty", "nothing in it begins with \"From \"" },
		{ true, "broken.tgz", "broken.tgz" },
	};
	struct source_conf conf = { .max = 1000, .now_wall_ms = DAY, .only = STR_NONE };
	(void)state;
	assert_int_equal(mkdir(at("empty"), 0700), 0);
	for (size_t i = 0; i < 2; i++) {
		FILE *f = fopen(at(i ? "text" : "broken.tgz"), "w");
		assert_non_null(f);
		fputs("this is no mail\n", f);
		fclose(f);
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		struct source *s = rows[i].maildir ? source_maildir(at(rows[i].name), &conf, &e)
						   : source_mbox(at(rows[i].name), MBOX_ANY, &conf, &e);
		assert_null(s);
		if (!strstr(e.text, rows[i].error))
			fail_msg("%s: %s", rows[i].name, e.text);
	}
}

/* Whoever's folder it is, a link does not lead out of it. */
static void test_links(void **state)
{
	struct source_conf conf = { .max = 1000, .now_wall_ms = DAY, .only = STR_NONE };
	struct source_message m;
	struct err e = { 0 };
	char cur[220];
	(void)state;
	assert_int_equal(mkdir(at("links"), 0700), 0);
	assert_int_equal(mkdir(at("links/cur"), 0700), 0);
	snprintf(cur, sizeof cur, "%s", at("links/cur/1.secret:2,S"));
	assert_int_equal(symlink("/etc/passwd", cur), 0);
	assert_int_equal(symlink("/etc", at("links/new")), 0);
	assert_int_equal(mkfifo(at("links/cur/2.pipe"), 0600), 0);
	struct source *s = source_maildir(at("links"), &conf, &e);
	assert_non_null(s);
	assert_int_equal(source_next(s, &m, &e), SOURCE_END);
	source_close(s);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *x)
{
	(void)st, (void)kind, (void)x;
	return remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_only_and_have), cmocka_unit_test(test_wrong_sources),
		cmocka_unit_test(test_links),
	};
	if (!mkdtemp(folder))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return failed;
}
