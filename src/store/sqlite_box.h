/* sqlite_box.h - a mailbox's counters inside a unit; for store/ only.
 *
 * Load, count in memory, save once.  The account's modseq and totals come and
 * go with it: box_modseq() takes the next.  Units that work on two mailboxes of
 * one account use one `owner` for both.
 */
#pragma once
#include "store/account.h"
#include "store/mailbox.h"
#include "store/sqlite_tx.h"

struct box_owner { /* an account */
	int64_t id;
	uint64_t modseq;
	struct quota quota;
	bool junk_on, junk_own; /* junk rules: in force; not the default ones */
};
struct box {
	int64_t id;
	struct box_owner *owner, own;
	uint32_t uidvalidity, uidnext, unseen_from;
	uint64_t modseq;
	enum special_use use;
	int64_t messages, unseen, deleted, octets, expunged;
};
#define MSG_KEY(mailbox, uid) ((int64_t)((uint64_t)(mailbox) << 32 | (uint32_t)(uid)))
#define KEY_UID(key)          ((uint32_t)(key))

enum box_found { BOX_FOUND, BOX_NONE, BOX_ERROR };
/* `b` must stay where it is: owner points into it. */
enum box_found box_load(struct tx *tx, int64_t id, struct box *b, struct err *e);
enum box_found box_find(struct tx *tx, int64_t account, struct str name, struct box *b, struct err *e);
/* Load that fails (ERR_PERM) when there is none. */
bool box_must(struct tx *tx, int64_t id, struct box *b, struct err *e);
/* The owner alone, for a mailbox that is yet to be made; ERR_PERM: no such account. */
bool box_owner_load(struct tx *tx, int64_t account, struct box_owner *o, struct err *e);
bool box_save(struct tx *tx, const struct box *b, struct err *e);
uint64_t box_modseq(struct box *b);
/* The next UID; false when the mailbox has used up all 2^32. */
bool box_uid(struct box *b, uint32_t *uid, struct err *e);
/* Count a message in (+1) or out (-1). */
void box_count(struct box *b, unsigned flags, uint64_t size, int sign);

/* Make a mailbox (name already in its one spelling); the parents, too. */
bool box_create(struct tx *tx, int64_t account, struct str name, enum special_use use, bool subscribe, struct err *e);

/* Keywords: blank-separated, at most so many in a mailbox and on a message. */
#define KEYWORDS_MAILBOX 1000
#define KEYWORDS_MSG     100
#define KEYWORD_OCTETS   100
/* Bring `given` to the mailbox's spelling, sorted, without doubles; with `add` new ones are written down. */
bool keywords_known(struct tx *tx, int64_t mailbox, struct str given, bool add, struct arena *a, struct str *out,
		    struct err *e);
/* What `op` with `given` makes of `have`; all sorted. */
struct str keywords_apply(enum flag_op op, struct str have, struct str given, struct arena *a);
