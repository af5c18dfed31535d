/* source.h - messages that come from elsewhere, one after the other: a Maildir, mbox files, a remote account.
 *
 * A source says which mailboxes it has, then gives message by message, each
 * with what goes with it.  It reads as the caller's user and writes nothing.
 * One message is in memory at a time, at most `max` octets of it; what is
 * longer, or cannot be read, comes as SOURCE_BAD with the reason, and the next
 * call goes on behind it.
 *
 * A message's key names it in this source for good, so that a later run knows
 * what it has: UNIQUE of a Maildir, UIDVALIDITY and UID of a server.  A
 * message of an mbox has none but its octets.  What `have` says yes to is
 * passed over without being read, where that can be.  One thread.
 */
#pragma once
#include "archive/mbox.h"
#include "archive/special.h"
#include "archive/tree.h"
#include "client/imap.h"

struct source_box {
	struct str name; /* UTF-8, levels parted by "/"; "INBOX" */
	enum special_use use;
};
struct source_message { /* valid until the next call */
	struct str mailbox;
	struct str where; /* for people: a path, or mailbox and UID */
	struct str key;   /* empty: its octets are */
	unsigned flags;
	struct str keywords;      /* blank-separated, valid ones only */
	int64_t internal_wall_ms; /* 0: nobody knows */
	struct str bytes;         /* CRLF, no NUL */
	bool nuls;                /* it had some */
};
enum source_got {
	SOURCE_MESSAGE,
	SOURCE_BAD, /* this one not: e says why, `where` which */
	SOURCE_END,
	SOURCE_ERROR, /* nothing more will come */
};
struct source_conf {
	size_t max;
	int64_t now_wall_ms; /* a date behind it is nonsense */
	struct str only;     /* comma-separated mailboxes, "A/" + "*" for those below; empty: all */
	bool (*have)(void *ctx, struct str key);
	void *ctx;
};
struct source;
struct source *source_maildir(const char *path, const struct source_conf *conf, struct err *e);
struct source *source_mbox(const char *path, enum mbox_kind kind, const struct source_conf *conf, struct err *e);
/* Logged in; the source takes it. */
struct source *source_imap(struct imap_client *c, const struct source_conf *conf, struct err *e);

/* `max` anew, before the first message: who stores them may take less. */
void source_limit(struct source *s, size_t max);
/* What there is, in the order in which messages come as far as that is known. */
const struct source_box *source_boxes(const struct source *s, size_t *n);
enum source_got source_next(struct source *s, struct source_message *m, struct err *e);
/* How far, of how much: messages, or octets (of files whose messages nobody has counted). total 0: not known. */
void source_progress(const struct source *s, uint64_t *done, uint64_t *total, bool *octets);
void source_close(struct source *s);
