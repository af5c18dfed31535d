/* Sessions before and after login: the first octet chooses, the rest is what the client sends. */
#include "base/hash.h"
#include "base/log.h"
#include "imap/imap.h"
#include "mail/mime.h"
#include "mail/words.h"
#include "store/account.h"
#include "store/content.h"
#include "store/mailbox.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MESSAGES_MAX 300 /* then a fresh store: inputs append to it, and COPY doubles */

static const char letter[] = "From: \"A\" <a@x.example>\r\nTo: b@y.example\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n"
			     "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nplain\r\n--o\r\n"
			     "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n--o--\r\n";

static char dir[64];
static struct store *st;
static struct imap_conf conf;
static int64_t account;

static void put(const char *text)
{
	struct arena a = { 0 };
	struct stage stage;
	struct buf index = { 0 };
	struct err e = { 0 };
	struct target t = {
		.account = account, .mailbox = STR("INBOX"), .prefix = STR("Return-Path: <>\r\n"), .keywords = STR_NONE
	};
	stage_open(&stage, st, 1 << 20);
	stage_add(&stage, str_of(text));
	mime_index_write(&index, mime_parse(str_of(text), &a));
	struct delivery d = { .stage = &stage, .index = buf_str(&index), .targets = &t, .n = 1 };
	if (!deliver(st, &d, &e))
		abort();
	stage_drop(&stage);
	buf_free(&index);
	arena_reset(&a);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
	(void)s;
	(void)type;
	(void)at;
	return remove(path);
}

static void world_end(void)
{
	if (!st)
		return;
	store_close(st);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	st = NULL;
}

static void world_begin(void)
{
	struct err e = { 0 };
	snprintf(dir, sizeof dir, "/dev/shm/imap-fuzz-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	struct store_conf sc = { .dir = dir, .create = true, .role = "fuzz", .shared_fd = -1 };
	st = store_open(&sc, &e);
	if (!st || !account_add(st, STR("you"), &account, &e))
		abort();
	put(letter);
	put("Subject: x\r\n\r\nbody\r\n");
	put("\xff\r\n\r\n\xfe");
	conf = (struct imap_conf){ .host = STR("h"), .store = st, .auth_in_clear = true, .preauth = STR_NONE };
	imap_limits_default(&conf.limits);
}

static bool grown(void)
{
	struct arena a = { 0 };
	struct err e = { 0 };
	struct mailbox *all;
	size_t n, messages = 0;
	if (!mailbox_list(st, account, &a, &all, &n, &e))
		abort();
	for (size_t i = 0; i < n; i++)
		messages += all[i].messages;
	arena_reset(&a);
	return messages > MESSAGES_MAX || n > MESSAGES_MAX;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	hash_init();
	charset_warm();
	log_level_set(STR_NONE, LOG_ERROR);
	atexit(world_end);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf out = { 0 };
	struct addr peer = { 0 };
	if (n == 0)
		return 0;
	if (!st || grown()) {
		world_end();
		world_begin();
	}
	conf.preauth = data[0] & 1 ? STR("you") : STR_NONE;
	struct door door = imap_door(&conf, NULL);
	pen_talk(&door, peer, (struct str){ (const char *)data + 1, n - 1 }, &out);
	buf_free(&out);
	return 0;
}
