#include "deliver/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/test.h"

static char dir[] = "/tmp/sluice-place-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	hash_init();
	strcpy(dir, "/tmp/sluice-place-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char command[64];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

struct text {
	struct str rest;
	size_t piece;
	bool fails;
};
static bool read_text(void *ctx, struct str *octets, struct err *e)
{
	struct text *t = ctx;
	if (t->fails && t->rest.n == 0)
		return err_set(e, ERR_TEMP, "cannot be read");
	*octets = str_sub(t->rest, 0, t->piece);
	t->rest = str_sub(t->rest, octets->n, t->rest.n);
	return true;
}

typedef bool (*place_fn)(const struct place *p, struct place_source *s, struct err *e);

static bool put(place_fn fn, struct place p, const char *text, bool fails, struct err *e)
{
	struct text t = { str_of(text), 3, fails };
	struct place_source s = { read_text, &t, STR("ann@here.example"), 1795255200000 };
	char path[300];
	snprintf(path, sizeof path, "%s/%s", dir, p.path);
	p.path = path;
	*e = (struct err){ 0 };
	return fn(&p, &s, e);
}

/* The names in a folder, sorted, that are no dot files; joined by blanks. */
static unsigned count(const char *sub)
{
	char path[300];
	unsigned n = 0;
	snprintf(path, sizeof path, "%s/%s", dir, sub);
	DIR *d = opendir(path);
	if (!d)
		return 9999;
	for (struct dirent *f; (f = readdir(d));)
		n += f->d_name[0] != '.';
	closedir(d);
	return n;
}

static void expect_file(const char *sub, const char *want)
{
	char path[300];
	struct arena a = { 0 };
	struct str got;
	struct err e;
	snprintf(path, sizeof path, "%s/%s", dir, sub);
	if (!file_read(path, 100000, &a, &got, &e))
		fail_msg("%s", e.text);
	assert_strz(got, want);
	arena_reset(&a);
}

static void expect_only(const char *sub, const char *want)
{
	char path[300], name[300] = "";
	snprintf(path, sizeof path, "%s/%s", dir, sub);
	DIR *d = opendir(path);
	for (struct dirent *f; d && (f = readdir(d));)
		if (f->d_name[0] != '.')
			snprintf(name, sizeof name, "%s/%.200s", sub, f->d_name);
	closedir(d);
	expect_file(name, want);
}

static void test_maildir(void **state)
{
	struct err e;
	(void)state;
	struct place p = { .path = "Maildir" };
	assert_false(put(place_maildir, p, "x\r\n", false, &e)); /* not made unless told */
	assert_int_equal(e.kind, ERR_TEMP);
	p.create = true;
	assert_true(put(place_maildir, p, "Subject: x\r\n\r\nFrom here\rthere\nend", false, &e));
	expect_only("Maildir/new", "Subject: x\n\nFrom here\nthere\nend\n");
	assert_int_equal(count("Maildir/tmp"), 0);
	p.folder = STR(".System");
	p.seen = true;
	assert_true(put(place_maildir, p, "seen\r\n", false, &e));
	assert_int_equal(count("Maildir/.System/new"), 0);
	expect_only("Maildir/.System/cur", "seen\n");
	/* What cannot be read to its end leaves nothing. */
	p.folder = STR("Other");
	assert_false(put(place_maildir, p, "half", true, &e));
	assert_string_equal(e.text, "cannot be read");
	assert_int_equal(count("Maildir/.Other/tmp"), 0);
	assert_int_equal(count("Maildir/.Other/cur"), 0);
	for (int i = 0; i < 50; i++)
		assert_true(put(place_maildir, p, "many\r\n", false, &e));
	assert_int_equal(count("Maildir/.Other/cur"), 50);
}

static void test_mh(void **state)
{
	struct err e;
	(void)state;
	struct place p = { .path = "Mail", .folder = STR("inbox"), .create = true };
	assert_true(put(place_mh, p, "one\r\n", false, &e));
	assert_true(put(place_mh, p, "two\r\n", false, &e));
	expect_file("Mail/inbox/1", "one\n");
	expect_file("Mail/inbox/2", "two\n");
	expect_file("Mail/inbox/.mh_sequences", "unseen: 1 2\n");
	assert_int_equal(count("Mail/inbox"), 2);
	/* Numbers go on behind the last, other sequences stay. */
	char path[300];
	snprintf(path, sizeof path, "%s/Mail/inbox/.mh_sequences", dir);
	FILE *f = fopen(path, "w");
	fputs("cur: 2\nunseen: 1-2\nflagged: 1\n", f);
	fclose(f);
	snprintf(path, sizeof path, "%s/Mail/inbox/41", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_true(put(place_mh, p, "three\r\n", false, &e));
	expect_file("Mail/inbox/42", "three\n");
	expect_file("Mail/inbox/.mh_sequences", "cur: 2\nunseen: 1-2 42\nflagged: 1\n");
	p.seen = true;
	assert_true(put(place_mh, p, "four\r\n", false, &e));
	expect_file("Mail/inbox/.mh_sequences", "cur: 2\nunseen: 1-2 42\nflagged: 1\n");
	p.folder = STR("lists/c");
	assert_true(put(place_mh, p, "deep\r\n", false, &e));
	expect_file("Mail/lists/c/1", "deep\n");
	assert_false(put(place_mh, p, "half", true, &e));
	assert_int_equal(count("Mail/lists/c"), 1);
}

static void test_mbox(void **state)
{
	struct err e;
	(void)state;
	struct place p = { .path = "mbox", .create = true };
	assert_true(
	    put(place_mbox, p, "Subject: x\r\n\r\nFrom me\r\n>From you\r\nFromage\r\n>>From\r\nFrom", false, &e));
	assert_true(put(place_mbox, p, "b\r\n\r\n", false, &e));
	const char *both = "From ann@here.example Sat Nov 21 10:00:00 2026\nSubject: x\n\n>From me\n>>From "
			   "you\nFromage\n>>From\nFrom\n\n"
			   "From ann@here.example Sat Nov 21 10:00:00 2026\nb\n\n\n";
	expect_file("mbox", both);
	/* Half a message goes again, and so does the lock. */
	assert_false(put(place_mbox, p, "half", true, &e));
	expect_file("mbox", both);
	char lock[300];
	snprintf(lock, sizeof lock, "%s/mbox.lock", dir);
	assert_int_equal(access(lock, F_OK), -1);
}

/* Many programs at once: every message is there, whole. */
static void test_together(void **state)
{
	struct err e;
	(void)state;
	static const place_fn fns[] = { place_mbox, place_mh, place_maildir };
	static const char *const names[] = { "shared", "Shared", "SharedMaildir" };
	for (size_t k = 0; k < 3; k++) {
		struct place p = { .path = names[k], .create = true };
		for (int i = 0; i < 6; i++) {
			if (fork() != 0)
				continue;
			bool ok = true;
			for (int j = 0; j < 10; j++)
				ok = ok && put(fns[k], p, "Subject: x\r\n\r\nThe text.\r\n", false, &e);
			_exit(!ok);
		}
		for (int i = 0, status; i < 6; i++) {
			wait(&status);
			assert_int_equal(status, 0);
		}
	}
	assert_int_equal(count("Shared"), 60);
	assert_int_equal(count("SharedMaildir/new"), 60);
	char path[300];
	struct arena a = { 0 };
	struct str all;
	unsigned n = 0;
	snprintf(path, sizeof path, "%s/shared", dir);
	assert_true(file_read(path, 1 << 20, &a, &all, &e));
	while (all.n > 0) {
		assert_true(str_starts(str_line(&all), STR("From ann@here.example ")));
		assert_true(str_skip(&all, STR("Subject: x\n\nThe text.\n\n")));
		n++;
	}
	assert_int_equal(n, 60);
	arena_reset(&a);
}

/* What somebody has made to lead elsewhere is not followed, and nothing is written through it. */
static void test_traps(void **state)
{
	struct err e;
	char path[300], to[300];
	(void)state;
	snprintf(to, sizeof to, "%s/elsewhere", dir);
	mkdir(to, 0700);
	static const char *const links[] = { "LinkMaildir", "LinkMail" };
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, links[i]);
		assert_int_equal(symlink(to, path), 0);
		struct place p = { .path = links[i], .create = true };
		assert_false(put(i ? place_mh : place_maildir, p, "x", false, &e));
		assert_int_equal(e.kind, ERR_PERM);
	}
	snprintf(path, sizeof path, "%s/Maildir3", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/Maildir3/tmp", dir);
	assert_int_equal(symlink(to, path), 0);
	assert_false(put(place_maildir, (struct place){ .path = "Maildir3", .create = true }, "x", false, &e));
	assert_int_equal(e.kind, ERR_PERM);
	assert_int_equal(count("elsewhere"), 0);
	/* An mbox that is a link, a hard link, or a pipe. */
	snprintf(to, sizeof to, "%s/secret", dir);
	FILE *f = fopen(to, "w");
	fputs("secret\n", f);
	fclose(f);
	snprintf(path, sizeof path, "%s/linkbox", dir);
	assert_int_equal(symlink(to, path), 0);
	assert_false(put(place_mbox, (struct place){ .path = "linkbox" }, "x", false, &e));
	assert_int_equal(e.kind, ERR_PERM);
	snprintf(path, sizeof path, "%s/hardbox", dir);
	assert_int_equal(link(to, path), 0);
	assert_false(put(place_mbox, (struct place){ .path = "hardbox" }, "x", false, &e));
	assert_int_equal(e.kind, ERR_PERM);
	snprintf(path, sizeof path, "%s/pipebox", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(put(place_mbox, (struct place){ .path = "pipebox" }, "x", false, &e));
	expect_file("secret", "secret\n");
	/* Names that lead out. */
	static const char *const bad[] = { "..", "../elsewhere", "a/../../elsewhere", "/etc", "a//b", "a\nb" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct place p = { .path = "Bad", .folder = str_of(bad[i]), .create = true };
		assert_false(put(place_mh, p, "x", false, &e));
		assert_int_equal(e.kind, ERR_PERM);
		if (strcmp(bad[i], "..") == 0)
			continue; /* Maildir++: a folder called "..", with the dot that leads its name */
		assert_false(put(place_maildir, p, "x", false, &e));
		assert_int_equal(e.kind, ERR_PERM);
	}
	assert_int_equal(count("elsewhere"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_maildir, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_mh, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_mbox, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_together, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_traps, make_dir, drop_dir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
