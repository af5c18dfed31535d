/* test_store.h - what the tests of store/ share: a store in a folder of its own, and short verbs. */
#pragma once
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"
#include "store/account.h"
#include "store/check.h"
#include "store/content.h"
#include "store/db.h"
#include "store/mailbox.h"

static char dir[64];
static struct store *st;
static struct arena a;
static struct err e;

#define must(call)                                              \
	do {                                                    \
		if (!(call)) {                                  \
			print_error("%s: %s\n", #call, e.text); \
			_fail(__FILE__, __LINE__);              \
		}                                               \
	} while (0)
#define must_fail(call, k)                                      \
	do {                                                    \
		assert_false(call);                             \
		if (e.kind != (k))                              \
			print_error("%s: %s\n", #call, e.text); \
		assert_int_equal(e.kind, (k));                  \
	} while (0)

__attribute__((unused)) static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

__attribute__((unused)) static void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

__attribute__((unused)) static void folder_new(void)
{
	/* In memory where there is such a place: what a test waits for is our work, not the disk's. */
	snprintf(dir, sizeof dir, "%s/sluice-store-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(dir));
}

__attribute__((unused)) static void open_conf(struct store_conf conf)
{
	conf.dir = dir;
	conf.create = true;
	conf.role = "test";
	if (conf.shared_fd == 0)
		conf.shared_fd = -1;
	if (conf.reserve == 0)
		conf.reserve = 1;
	st = store_open(&conf, &e);
	must(st != NULL);
}

__attribute__((unused)) static void reopen(void)
{
	store_close(st);
	open_conf((struct store_conf){ 0 });
}

__attribute__((unused)) static int setup(void **state)
{
	(void)state;
	folder_new();
	open_conf((struct store_conf){ 0 });
	return 0;
}

__attribute__((unused)) static int teardown(void **state)
{
	(void)state;
	store_close(st);
	st = NULL;
	folder_remove(dir);
	arena_reset(&a);
	return 0;
}

__attribute__((unused)) static int64_t account_new(const char *name)
{
	int64_t id = 0;
	must(account_add(st, str_of(name), &id, &e));
	return id;
}

__attribute__((unused)) static int64_t box_id(int64_t account, const char *name)
{
	struct mailbox *m;
	must(mailbox_find(st, account, str_of(name), &a, &m, &e));
	assert_non_null(m);
	return m->id;
}

__attribute__((unused)) static struct mailbox box_now(int64_t id)
{
	struct mailbox *m;
	must(mailbox_get(st, id, &a, &m, &e));
	assert_non_null(m);
	return *m;
}

/* Deliver `text`; the UID, or 0 with `err` set. Safe in any thread. */
__attribute__((unused)) static uint32_t put_err(int64_t account, const char *mailbox, struct str text, unsigned flags,
						struct err *err)
{
	struct stage s;
	struct target t = { .account = account,
			    .mailbox = str_of(mailbox),
			    .prefix = STR("Return-Path: <>\r\n"),
			    .flags = flags,
			    .keywords = STR_NONE,
			    .sender = STR_NONE,
			    .recipient = STR_NONE,
			    .dsn = STR_NONE };
	struct delivery d = { .stage = &s, .index = STR("index"), .targets = &t, .n = 1 };
	stage_open(&s, st, (uint64_t)1 << 30);
	bool ok = stage_add(&s, text) && deliver(st, &d, err);
	stage_drop(&s);
	return ok ? t.uid : 0;
}

__attribute__((unused)) static uint32_t put(int64_t account, const char *mailbox, const char *text)
{
	uint32_t uid = put_err(account, mailbox, str_of(text), 0, &e);
	must(uid != 0);
	return uid;
}

__attribute__((unused)) static void check_clean(void)
{
	struct check_report r;
	must(store_check(st, false, false, NULL, NULL, &r, &e));
	if (r.problems)
		print_error("%.*s", STRF(buf_str(&r.text)));
	assert_int_equal(r.problems, 0);
	buf_free(&r.text);
}
