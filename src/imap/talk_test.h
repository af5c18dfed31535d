/* talk_test.h - IMAP sessions in tests: given units by hand, so that several can take turns.
 *
 * A real store in a temporary folder, no socket, no thread, no clock.  In what is
 * expected "#" stands for a number and "~" for anything within a line.
 */
#pragma once
#include "base/hash.h"
#include "base/test.h"
#include "imap/imap.h"
#include "mail/mime.h"
#include "mail/words.h"
#include "net/pen_impl.h"
#include "store/account.h"
#include "store/content.h"
#include "store/mailbox.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
	char dir[64];
	struct store *st;
	struct imap_conf conf;
	int64_t account;
};
struct talk {
	struct door door;
	struct conn conn; /* without a pen, as pen_talk has it */
	struct peer peer;
	void *session;
	struct next next;
	struct buf out;
};

static inline void world_open(struct world *w)
{
	struct err e = { 0 };
	*w = (struct world){ .dir = "/tmp/imap-test-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	hash_init();
	charset_warm();
	struct store_conf sc = { .dir = w->dir, .create = true, .role = "imap", .shared_fd = -1 };
	w->st = store_open(&sc, &e);
	if (!w->st || !account_add(w->st, STR("you"), &w->account, &e))
		fail_msg("%s", e.text);
	w->conf = (struct imap_conf){ .host = STR("mail.example"), .store = w->st, .preauth = STR("you") };
	imap_limits_default(&w->conf.limits);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void world_close(struct world *w)
{
	store_close(w->st);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* As the SMTP door delivers. */
static inline uint32_t world_deliver(struct world *w, const char *mailbox, const char *message, const char *prefix)
{
	struct arena a = { 0 };
	struct stage stage;
	struct buf index = { 0 };
	struct err e = { 0 };
	struct target t = { .account = w->account, .mailbox = str_of(mailbox), .prefix = str_of(prefix) };
	stage_open(&stage, w->st, 1 << 20);
	assert_true(stage_add(&stage, str_of(message)));
	mime_index_write(&index, mime_parse(str_of(message), &a));
	struct delivery d = {
		.stage = &stage, .index = buf_str(&index), .targets = &t, .n = 1, .internal_wall_ms = 844000000000
	};
	if (!deliver(w->st, &d, &e))
		fail_msg("%s", e.text);
	stage_drop(&stage);
	buf_free(&index);
	arena_reset(&a);
	return t.uid;
}

static inline bool talk_match(const char *want, const char *got)
{
	for (; *want; want++) {
		if (*want == '#') {
			if (!ch_digit(*got))
				return false;
			while (ch_digit(*got))
				got++;
		} else if (*want == '~') {
			for (;; got++)
				if (talk_match(want + 1, got))
					return true;
				else if (*got == '\0' || *got == '\r')
					return false;
		} else if (*want != *got++) {
			return false;
		}
	}
	return *got == '\0';
}

static inline void talk_expect(struct talk *t, const char *want, const char *file, int line)
{
	buf_addc(&t->out, '\0');
	if (!talk_match(want, t->out.p)) {
		print_error("got\n%s\nwant\n%s\n", t->out.p, want);
		_fail(file, line);
	}
	buf_clear(&t->out);
}

static inline void talk_begin(struct talk *t, struct imap_conf *conf)
{
	*t = (struct talk){ .door = imap_door(conf, NULL) };
	t->peer = (struct peer){ .io = io_strings(STR_NONE, &t->out), .door = &t->door, .ctx = conf, .conn = &t->conn };
	assert_true(addr_parse(STR("192.0.2.7"), &t->peer.remote.addr));
	t->next = t->door.open(&t->peer, &t->session);
}

/* Give the session units out of `input` until it is used up. */
static inline void talk_feed(struct talk *t, struct str input)
{
	while (input.n > 0 && t->next.want != WANT_CLOSE) {
		struct unit u = { .kind = UNIT_LINE };
		if (t->next.want == WANT_OCTETS) {
			struct str part = str_sub(input, 0, (size_t)t->next.octets);
			u = (struct unit){ .kind = UNIT_OCTETS, .octets = part.n };
			assert_int_equal(part.n, t->next.octets);
			u.sink_failed = !t->next.sink->add(t->next.sink, part);
			input = str_sub(input, part.n, input.n);
		} else {
			assert_int_equal(t->next.want, WANT_LINE);
			struct str whole = str_line(&input);
			assert_true(str_ends(whole, STR("\r\n")));
			u.line = str_chomp(whole);
			if (u.line.n > t->next.max)
				u = (struct unit){ .kind = UNIT_TROUBLE, .trouble = TROUBLE_LONG };
		}
		u.more = input.n > 0;
		t->next = t->door.step(t->session, &u);
	}
}

static inline void talk_unit(struct talk *t, struct unit u)
{
	t->next = t->door.step(t->session, &u);
}

static inline void talk_end(struct talk *t)
{
	t->door.close(t->session);
	io_free(t->peer.io);
	buf_free(&t->out);
}

#define SAY(t, input, want)                                   \
	do {                                                  \
		talk_feed((t), str_of(input));                \
		talk_expect((t), (want), __FILE__, __LINE__); \
	} while (0)
#define HEAR(t, want) talk_expect((t), (want), __FILE__, __LINE__)
