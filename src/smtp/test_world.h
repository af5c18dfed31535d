/* test_world.h - a store in a folder of its own with a few accounts, and talks with a door over it.
 *
 * For the unit tests and the fuzz target of the SMTP doors.
 */
#pragma once
#include "base/hash.h"
#include "base/log.h"
#include "mail/words.h"
#include "smtp/smtp.h"
#include "store/content.h"
#include "store/mailbox.h"
#include "store/queue.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Not cmocka's: the fuzz target is linked without it. */
static inline void world_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test world: %s\n", what);
	abort();
}

struct world {
	char dir[64];
	struct store *store;
	struct domain_rule domains[2];
	struct address_rules rules;
	struct smtp_conf conf;
	struct addr remote;
	struct arena a;
	int64_t mjl, catcher, sleeper;
};

static inline int64_t world_account(struct world *w, const char *name)
{
	int64_t id;
	struct err e = { 0 };
	world_must(account_add(w->store, str_of(name), &id, &e), e.text);
	return id;
}

static inline void world_address(struct world *w, const char *local, const char *domain, const char *account)
{
	struct err e = { 0 };
	world_must(address_add(w->store, &w->rules, str_of(local), str_of(domain), str_of(account), STR("INBOX"), &e),
		   e.text);
}

/* mox.example: mjl, "" (empty localpart), sleeper (disabled), team (alias of mjl and catcher). caught.example: all to
 * catcher. */
static inline void world_open(struct world *w, const char *parent)
{
	struct err e = { 0 };
	*w = (struct world){ .remote = { { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 7 } } };
	snprintf(w->dir, sizeof w->dir, "%s/sluice-smtp-XXXXXX", parent);
	world_must(mkdtemp(w->dir) != NULL, w->dir);
	struct store_conf sc = {
		.dir = w->dir, .create = true, .role = "test", .shared_fd = -1, .reserve = 1, .checkpointer = true
	};
	w->store = store_open(&sc, &e);
	world_must(w->store != NULL, e.text);
	w->domains[0] = (struct domain_rule){
		.name = STR("mox.example"), .detail = STR("+"), .postmaster = STR("mjl"), .catchall = STR_NONE
	};
	w->domains[1] = (struct domain_rule){
		.name = STR("caught.example"), .catchall = STR("catcher"), .detail = STR_NONE, .postmaster = STR_NONE
	};
	w->rules = (struct address_rules){
		.host = STR("mx.mox.example"), .postmaster = STR("mjl"), .domains = w->domains, .ndomains = 2
	};
	w->mjl = world_account(w, "mjl");
	w->catcher = world_account(w, "catcher");
	w->sleeper = world_account(w, "sleeper");
	world_address(w, "mjl", "mox.example", "mjl");
	world_address(w, "", "mox.example", "mjl");
	world_address(w, "sleeper", "mox.example", "sleeper");
	world_must(account_disable(w->store, STR("sleeper"), true, &e), e.text);
	struct str both[] = { STR("mjl"), STR("catcher") };
	world_must(alias_add(w->store, &w->rules, STR("team"), STR("mox.example"), both, 2, &e), e.text);
	w->conf = (struct smtp_conf){ .kind = SMTP_MX,
				      .host = STR("mx.mox.example"),
				      .greeting = STR_NONE,
				      .store = w->store,
				      .rules = &w->rules };
	smtp_limits_default(&w->conf.limits, SMTP_MX);
}

static inline int world_rm(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void world_close(struct world *w)
{
	store_close(w->store);
	arena_reset(&w->a);
	nftw(w->dir, world_rm, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the door answers to all of `input`; message ids are written as ID. */
static inline struct str world_talk(struct world *w, struct str input)
{
	struct buf out = { 0 }, masked = { 0 };
	struct door door = smtp_door(&w->conf, NULL);
	pen_talk(&door, w->remote, input, &out);
	struct str rest = buf_str(&out);
	while (rest.n > 0) {
		struct str line = str_line(&rest), head = line;
		size_t at = str_find(line, STR("Accepted as "));
		if (at < line.n) {
			head.n = at + 12;
			buf_add(&masked, head);
			buf_addz(&masked, "ID");
			line = str_sub(line, head.n + 12, line.n);
		}
		buf_add(&masked, line);
	}
	struct str text = str_dup(&w->a, buf_str(&masked));
	buf_free(&masked);
	buf_free(&out);
	return text;
}

static inline uint32_t world_count(struct world *w, int64_t account)
{
	struct mailbox *m;
	struct err e = { 0 };
	world_must(mailbox_find(w->store, account, STR("INBOX"), &w->a, &m, &e), e.text);
	world_must(m != NULL, "no INBOX");
	return m->messages;
}

/* The last message of an account, as IMAP would show it. */
static inline struct str world_last(struct world *w, int64_t account)
{
	struct mailbox *m;
	struct msg *msgs;
	struct str content;
	size_t n;
	struct err e = { 0 };
	world_must(mailbox_find(w->store, account, STR("INBOX"), &w->a, &m, &e), e.text);
	world_must(msg_page(w->store, m->id, m->uidnext - 1, m->uidnext - 1, true, &w->a, &msgs, &n, &e), e.text);
	world_must(n == 1, "no message");
	world_must(content_read(w->store, msgs[0].content_id, &w->a, &content, &e), e.text);
	return str_cat(&w->a, msgs[0].prefix, content);
}
