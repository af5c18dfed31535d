#include "store/sqlite_box.h"

#include <stdlib.h>

#include "store/mailbox_name.h"
#include "store/sqlite_store.h"

#define MAILBOXES_MAX 5000 /* of an account; a rename of its whole tree is one unit */

#define BOX_COLUMNS                                                              \
	"SELECT m.id, m.uidvalidity, m.uidnext, m.modseq, m.messages, m.unseen," \
	" m.deleted, m.octets, m.expunged, m.unseen_from, m.use, " OWNER_COLUMNS \
	" FROM mailbox m JOIN account a ON a.id = m.account_id "
#define OWNER_COLUMNS \
	"a.id, a.modseq, a.octets_max, a.messages_max, a.octets, a.messages, a.junk_rules, a.junk IS NOT NULL"

static struct box_owner owner_row(const struct rows *r, int at)
{
	return (struct box_owner){
		.id = row_num(r, at),
		.modseq = (uint64_t)row_num(r, at + 1),
		.quota = { (uint64_t)row_num(r, at + 2), (uint64_t)row_num(r, at + 3), (uint64_t)row_num(r, at + 4),
			   (uint64_t)row_num(r, at + 5) },
		.junk_on = row_num(r, at + 6) != 0,
		.junk_own = row_num(r, at + 7) != 0,
	};
}

static enum box_found box_row(struct rows *r, struct box *b, struct err *e)
{
	bool found = row_next(r);
	if (found) {
		*b = (struct box){
			.id = row_num(r, 0),
			.own = owner_row(r, 11),
			.uidvalidity = (uint32_t)row_num(r, 1),
			.uidnext = (uint32_t)row_num(r, 2),
			.modseq = (uint64_t)row_num(r, 3),
			.messages = row_num(r, 4),
			.unseen = row_num(r, 5),
			.deleted = row_num(r, 6),
			.octets = row_num(r, 7),
			.expunged = row_num(r, 8),
			.unseen_from = (uint32_t)row_num(r, 9),
			.use = (enum special_use)row_num(r, 10),
		};
		b->owner = &b->own;
	}
	if (!rows_end(r, e))
		return BOX_ERROR;
	return found ? BOX_FOUND : BOX_NONE;
}

enum box_found box_load(struct tx *tx, int64_t id, struct box *b, struct err *e)
{
	struct rows r = sql_rows(tx, BOX_COLUMNS "WHERE m.id = ?1", NUM(id));
	return box_row(&r, b, e);
}

enum box_found box_find(struct tx *tx, int64_t account, struct str name, struct box *b, struct err *e)
{
	struct rows r = sql_rows(tx, BOX_COLUMNS "WHERE m.account_id = ?1 AND m.name = ?2", NUM(account), TEXT(name));
	return box_row(&r, b, e);
}

bool box_must(struct tx *tx, int64_t id, struct box *b, struct err *e)
{
	enum box_found f = box_load(tx, id, b, e);
	return f == BOX_FOUND || (f == BOX_NONE && err_set(e, ERR_PERM, "the mailbox was deleted"));
}

bool box_owner_load(struct tx *tx, int64_t account, struct box_owner *o, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT " OWNER_COLUMNS " FROM account a WHERE a.id = ?1", NUM(account));
	bool there = row_next(&r);
	if (there)
		*o = owner_row(&r, 0);
	return rows_end(&r, e) && (there || err_set(e, ERR_PERM, "the account was removed"));
}

bool box_save(struct tx *tx, const struct box *b, struct err *e)
{
	const struct box_owner *o = b->owner;
	return sql_run(tx, e,
		       "UPDATE mailbox SET uidnext = ?2, modseq = ?3, messages = ?4, unseen = ?5, deleted = ?6,"
		       " octets = ?7, expunged = ?8, unseen_from = ?9 WHERE id = ?1",
		       NUM(b->id), NUM(b->uidnext), NUM(b->modseq), NUM(b->messages), NUM(b->unseen), NUM(b->deleted),
		       NUM(b->octets), NUM(b->expunged), NUM(b->unseen_from)) &&
	       sql_run(tx, e, "UPDATE account SET modseq = ?2, octets = ?3, messages = ?4 WHERE id = ?1", NUM(o->id),
		       NUM(o->modseq), NUM(o->quota.octets), NUM(o->quota.messages));
}

uint64_t box_modseq(struct box *b)
{
	b->modseq = ++b->owner->modseq;
	return b->modseq;
}

bool box_uid(struct box *b, uint32_t *uid, struct err *e)
{
	if (b->uidnext == UINT32_MAX)
		return err_set(e, ERR_PERM, "the mailbox has used up its UIDs: move its messages to a new one");
	*uid = b->uidnext++;
	return true;
}

/* Totals that were wrong (a damaged store) must not turn into huge ones. */
static void total_count(uint64_t *total, uint64_t n, int sign)
{
	if (sign > 0)
		*total += n;
	else
		*total -= *total < n ? *total : n;
}

void box_count(struct box *b, unsigned flags, uint64_t size, int sign)
{
	b->messages += sign;
	b->unseen += flags & MSG_SEEN ? 0 : sign;
	b->deleted += flags & MSG_DELETED ? sign : 0;
	b->octets += sign * (int64_t)size;
	total_count(&b->owner->quota.octets, size, sign);
	total_count(&b->owner->quota.messages, 1, sign);
}

/* --- making ------------------------------------------------------------------- */

static bool room_for_one(struct tx *tx, int64_t account, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT (SELECT count(*) FROM account WHERE id = ?1), count(*) FROM mailbox"
				 " WHERE account_id = ?1",
				 NUM(account));
	bool there = row_next(&r) && row_num(&r, 0) > 0;
	int64_t n = there ? row_num(&r, 1) : 0;
	if (!rows_end(&r, e))
		return false;
	if (!there)
		return err_set(e, ERR_PERM, "the account was removed");
	return n < MAILBOXES_MAX || err_set(e, ERR_PERM, "the account has %d mailboxes: no more", MAILBOXES_MAX);
}

static bool create_one(struct tx *tx, int64_t account, struct str name, enum special_use use, bool subscribe,
		       struct err *e)
{
	int64_t uidvalidity;
	/* One counter for all mailboxes, never behind the clock: a name that comes back gets another value,
	 * also when its account was removed and made again. */
	if (!room_for_one(tx, account, e) ||
	    !meta_next(tx, STR("uidvalidity"), store_now(tx->st) / 1000, &uidvalidity, e))
		return false;
	return sql_run(tx, e,
		       "INSERT INTO mailbox (account_id, name, uidvalidity, uidnext, modseq, use, messages, unseen,"
		       " deleted, octets, recent_uid) VALUES (?1, ?2, ?3, 1,"
		       " (SELECT modseq FROM account WHERE id = ?1), ?4, 0, 0, 0, 0, 1)",
		       NUM(account), TEXT(name), NUM((uint32_t)uidvalidity), NUM(use)) &&
	       (!subscribe || sql_run(tx, e, "INSERT OR IGNORE INTO subscription (account_id, name) VALUES (?1, ?2)",
				      NUM(account), TEXT(name)));
}

bool box_create(struct tx *tx, int64_t account, struct str name, enum special_use use, bool subscribe, struct err *e)
{
	for (size_t at = 0; at < name.n; at++) {
		struct box b;
		if (name.p[at] != '/')
			continue;
		struct str parent = str_sub(name, 0, at);
		enum box_found f = box_find(tx, account, parent, &b, e);
		if (f == BOX_ERROR || (f == BOX_NONE && !create_one(tx, account, parent, USE_NONE, subscribe, e)))
			return false;
	}
	return create_one(tx, account, name, use, subscribe, e);
}

/* --- keywords ------------------------------------------------------------------- */

static int by_keyword(const void *x, const void *y)
{
	return str_cmpi(*(const struct str *)x, *(const struct str *)y);
}

/* Words of `s`, at most KEYWORDS_MSG + 1. */
static size_t split(struct str s, struct str *words)
{
	size_t n = 0;
	while (s.n > 0 && n <= KEYWORDS_MSG) {
		struct str w = str_cut(&s, ' ');
		if (w.n > 0)
			words[n++] = w;
	}
	return n;
}

static struct str join(const struct str *words, size_t n, struct arena *a)
{
	size_t octets = 0, at = 0;
	for (size_t i = 0; i < n; i++)
		octets += words[i].n + 1;
	char *p = arena_alloc(a, octets + 1);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			p[at++] = ' ';
		memcpy(p + at, words[i].p, words[i].n);
		at += words[i].n;
	}
	return (struct str){ p, at };
}

static size_t sort_unique(struct str *words, size_t n)
{
	size_t kept = 0;
	qsort(words, n, sizeof *words, by_keyword);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !str_eqi(words[kept - 1], words[i]))
			words[kept++] = words[i];
	return kept;
}

static bool keyword_new(struct tx *tx, int64_t mailbox, struct str word, struct err *e)
{
	if (word.n > KEYWORD_OCTETS)
		return err_set(e, ERR_PERM, "a keyword may have %d octets", KEYWORD_OCTETS);
	struct rows r = sql_rows(tx, "SELECT count(*) FROM keyword WHERE mailbox_id = ?1", NUM(mailbox));
	int64_t n = row_next(&r) ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e))
		return false;
	if (n >= KEYWORDS_MAILBOX)
		return err_set(e, ERR_PERM, "the mailbox has %d keywords: no more", KEYWORDS_MAILBOX);
	return sql_run(tx, e, "INSERT INTO keyword (mailbox_id, name) VALUES (?1, ?2)", NUM(mailbox), TEXT(word));
}

static bool keyword_spelt(struct tx *tx, int64_t mailbox, struct str *word, bool add, struct arena *a, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT name FROM keyword WHERE mailbox_id = ?1 AND name = ?2", NUM(mailbox),
				 TEXT(*word));
	bool found = row_next(&r);
	struct str spelt = found ? row_dup(&r, 0, a) : *word;
	if (!rows_end(&r, e))
		return false;
	*word = spelt;
	return found || !add || keyword_new(tx, mailbox, spelt, e);
}

bool keywords_known(struct tx *tx, int64_t mailbox, struct str given, bool add, struct arena *a, struct str *out,
		    struct err *e)
{
	struct str words[KEYWORDS_MSG + 1];
	*out = STR_NONE;
	size_t n = split(given, words);
	if (n > KEYWORDS_MSG)
		return err_set(e, ERR_PERM, "a message may have %d keywords", KEYWORDS_MSG);
	n = sort_unique(words, n);
	for (size_t i = 0; i < n; i++)
		if (!keyword_spelt(tx, mailbox, &words[i], add, a, e))
			return false;
	if (n > 0)
		*out = join(words, n, a);
	return true;
}

static bool among(struct str word, const struct str *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eqi(word, words[i]))
			return true;
	return false;
}

struct str keywords_apply(enum flag_op op, struct str have, struct str given, struct arena *a)
{
	struct str old[KEYWORDS_MSG + 1], now[KEYWORDS_MSG + 1], all[2 * KEYWORDS_MSG + 2];
	if (op == FLAGS_SET)
		return given;
	if (given.n == 0)
		return have;
	size_t nold = split(have, old), nnow = split(given, now), n = 0;
	for (size_t i = 0; i < nold; i++)
		if (op == FLAGS_ADD || !among(old[i], now, nnow))
			all[n++] = old[i];
	for (size_t i = 0; op == FLAGS_ADD && i < nnow; i++)
		all[n++] = now[i];
	n = sort_unique(all, n);
	if (n > KEYWORDS_MSG)
		return have; /* no more fit: as if they had been refused */
	return n > 0 ? join(all, n, a) : STR_NONE;
}
