/* mailbox.h - mailboxes and the messages in them.
 *
 * A mailbox belongs to an account.  UIDs rise and are never reused;
 * UIDVALIDITY is never given twice for one name; every change of a message
 * (arrival, flags, expunge) takes the next modseq of its account, so "what
 * changed since" is a range (RFC 7162).  Expunged UIDs are remembered with the
 * modseq that removed them, the last EXPUNGED_MAX records of a mailbox.  What is older is
 * forgotten: who asks about an older modseq is told all UIDs that are not there.
 *
 * Rows are read in pages (MSG_PAGE); writes on many messages are a series of
 * units that can stop between any two: the functions say how far they came.
 * Results live in the arena given.  Safe in any thread.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define MSG_PAGE     256
#define EXPUNGED_MAX 10000

struct store;
struct stage;

enum msg_flag { /* bits; keywords are separate */
		MSG_SEEN = 1,
		MSG_ANSWERED = 2,
		MSG_FLAGGED = 4,
		MSG_DELETED = 8,
		MSG_DRAFT = 16,
};
enum special_use { USE_NONE, USE_SENT, USE_ARCHIVE, USE_TRASH, USE_DRAFTS, USE_JUNK, USE_ALL, USE_FLAGGED };

struct mailbox {
	int64_t id, account_id;
	struct str name; /* UTF-8, NFC; "INBOX" in capitals; hierarchy "/" */
	uint32_t uidvalidity, uidnext;
	uint64_t modseq; /* highest of this mailbox */
	enum special_use use;
	bool subscribed;
	uint32_t messages, unseen, deleted;
	uint64_t octets;
	uint32_t recent_uid; /* messages from this UID on are recent for the next who selects */
};
struct msg {
	uint32_t uid;
	uint64_t modseq;
	unsigned flags;
	struct str keywords; /* blank-separated, sorted, as first spelt */
	int64_t internal_wall_ms, saved_wall_ms;
	uint64_t size; /* prefix + content, as RFC822.SIZE says it */
	uint32_t prefix_size;
	int64_t content_id;
	struct str prefix; /* only when asked for */
	/* msg_page_with: */
	struct str index, content;
	bool have_content;
};

/* Mailboxes.  Names are checked (no empty levels, no control characters, 500 octets, 20 levels): ERR_PERM says why. */
bool mailbox_list(struct store *st, int64_t account, struct arena *a, struct mailbox **out, size_t *n,
		  struct err *e); /* sorted by name */
/* *out NULL when there is none. INBOX in any case. */
bool mailbox_find(struct store *st, int64_t account, struct str name, struct arena *a, struct mailbox **out,
		  struct err *e);
bool mailbox_get(struct store *st, int64_t id, struct arena *a, struct mailbox **out, struct err *e);
bool mailbox_create(struct store *st, int64_t account, struct str name, enum special_use use,
		    struct err *e);                                                     /* parents too */
bool mailbox_delete(struct store *st, int64_t account, struct str name, struct err *e); /* children stay */
bool mailbox_rename(struct store *st, int64_t account, struct str from, struct str to,
		    struct err *e); /* the tree; INBOX: its messages move */
bool mailbox_subscribe(struct store *st, int64_t account, struct str name, bool on,
		       struct err *e); /* also of names that do not exist (RFC 3501 6.3.6) */
bool mailbox_subscriptions(struct store *st, int64_t account, struct arena *a, struct str **names, size_t *n,
			   struct err *e);
bool mailbox_set_use(struct store *st, int64_t account, struct str name, enum special_use use, struct err *e);
/* Annotations (RFC 5464): of a mailbox, or of the account when mailbox is 0. Names lower-case; `nil` removes.
 * At most ANNOTATIONS_MAX of each, ANNOTATION_OCTETS each, and a bound for the account with all its mailboxes:
 * ERR_PERM says which bound. All of `values` are set, or none. */
#define ANNOTATIONS_MAX        100
#define ANNOTATION_NAME        500 /* octets */
#define ANNOTATION_OCTETS      (64u << 10)
#define ANNOTATIONS_ALL        1000
#define ANNOTATIONS_ALL_OCTETS (4 << 20)
struct annotation {
	struct str name, value;
	bool nil; /* no value, which is not the empty one */
};
bool annotation_list(struct store *st, int64_t account, int64_t mailbox, struct arena *a, struct annotation **out,
		     size_t *n, struct err *e);
bool annotation_set(struct store *st, int64_t account, int64_t mailbox, const struct annotation *values, size_t n,
		    struct err *e);
/* All UIDs as runs, for a session's sequence-number map; and the highest modseq they were read at. */
struct uid_run {
	uint32_t first, count;
};
bool mailbox_uids(struct store *st, int64_t mailbox, struct arena *a, struct uid_run **runs, size_t *n,
		  struct mailbox *at, struct err *e); /* `at`: the row in the same snapshot */
/* First session in: claims \Recent. *from = UID from which messages are recent for it. */
bool mailbox_claim_recent(struct store *st, int64_t mailbox, uint32_t *from, struct err *e);
/* UID of the first message without \Seen, 0 = none. */
bool mailbox_first_unseen(struct store *st, int64_t mailbox, uint32_t *uid, struct err *e);
/* What an expunge of all that is \Deleted would free. */
bool mailbox_deleted_octets(struct store *st, int64_t mailbox, uint64_t *octets, struct err *e);
/* Every keyword in use in the mailbox. */
bool mailbox_keywords(struct store *st, int64_t mailbox, struct arena *a, struct str **out, size_t *n, struct err *e);

/* Messages with from <= uid <= to, at most MSG_PAGE, ascending. */
bool msg_page(struct store *st, int64_t mailbox, uint32_t from, uint32_t to, bool with_prefix, struct arena *a,
	      struct msg **out, size_t *n, struct err *e);
/* The same with more of each message in one read: its prefix, the MIME index of its content, and the content itself
 * when it is small and whole (have_content; else ask content.h). A page ends early when that is much: *more, go on
 * behind the last of it. */
enum msg_with { WITH_PREFIX = 1, WITH_INDEX = 2, WITH_CONTENT = 4 };
#define MSG_PAGE_OCTETS (1u << 20)
bool msg_page_with(struct store *st, int64_t mailbox, uint32_t from, uint32_t to, unsigned with, struct arena *a,
		   struct msg **out, size_t *n, bool *more, struct err *e);
/* What changed after `modseq`: changed or new messages (a page, ascending by modseq), and expunged UIDs (all of them,
 * ascending, at most as many as were ever there; when some are forgotten: all UIDs below uidnext that are not there).
 * `now` = the mailbox row in the same snapshot; *more when the page was full (go on from the last modseq). */
struct msg_changes {
	struct msg *msgs;
	size_t nmsgs;
	struct uid_run *gone;
	size_t ngone;
	struct mailbox now;
	bool more, deleted; /* deleted: the mailbox itself is no more */
};
bool msg_changes(struct store *st, int64_t mailbox, uint64_t modseq, struct arena *a, struct msg_changes *out,
		 struct err *e);

/* Delivery.  One content, any number of targets, in one commit. */
struct target {
	/* where to: a mailbox of an account (created if it does not exist) ... */
	int64_t account;
	struct str mailbox;
	struct str prefix; /* Return-Path, Delivered-To, Received: per recipient */
	unsigned flags;
	struct str keywords; /* blank-separated */
	bool must_exist;     /* APPEND: ERR_PERM "TRYCREATE" instead of creating it */
	bool as_given;       /* APPEND, import: the junk rules leave its keywords alone */
	bool beyond_quota;   /* the administrator's import: not refused for the quota */
	/* ... or, when account is 0 or `waits`, a queue row; one that waits is for that mailbox, not for an address */
	bool waits;
	struct str sender, recipient; /* paths without <>, sender may be empty */
	struct str dsn;               /* ENVID, RET, NOTIFY, ORCPT as "KEY=value" words; kept for the queue */
	int64_t due_wall_ms;          /* 0: now */
	int64_t owner;                /* account whose mail it is that goes to an address; 0: nobody's of ours */
	struct str drop, route;       /* store/queue.h */
	struct str hold;              /* not empty: it is queued as held, for this reason */
	bool smtputf8, eight_bit;     /* what the message asks of the next host */
	/* results */
	uint32_t uid, uidvalidity;
	int64_t queue_id;
	bool over_quota; /* ERR_QUOTA: it was this one, among others perhaps */
};
struct delivery {
	struct stage *stage; /* the content, sealed or not; NULL: ... */
	int64_t content_id;  /* ... one that is stored, and named by a row that is there: ERR_PERM when it is not */
	struct str index;    /* MIME index blob (mail/mime.h); of a new content */
	int64_t internal_wall_ms; /* 0 = now */
	struct target *targets;
	size_t n;
	/* REPLACE (RFC 8508 3.4: APPEND, STORE \Deleted and UID EXPUNGE as one): in the same commit this message goes.
	 * The new one takes its UID and modseq first. If the old one is gone meanwhile, the new one is stored all the
	 * same, as UID EXPUNGE would have found nothing: what its owner wrote is not lost. Quota: the net. 0 = none. */
	int64_t replaces_mailbox;
	uint32_t replaces_uid;
};
/* All targets or none; true only after COMMIT.  Rings the bell of every account and of the queue.
 * ERR_QUOTA: one account or several have no room (`over_quota` of their targets); nothing is written. */
bool deliver(struct store *st, struct delivery *d, struct err *e);
/* MULTIAPPEND, import: several contents in one commit, all or none. At most DELIVER_MAX contents, and 500 contents and
 * targets together: ERR_PERM. */
#define DELIVER_MAX 100
bool deliver_all(struct store *st, struct delivery *const *all, size_t n, struct err *e);

enum flag_op { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
/* On the listed UIDs (ascending) that exist and whose modseq <= `unchanged_since` (0 = any). Those that were newer are
 * put into `failed`. */
bool msg_store_flags(struct store *st, int64_t mailbox, const struct uid_run *runs, size_t n, enum flag_op op,
		     unsigned flags, struct str keywords, uint64_t unchanged_since, struct arena *a,
		     struct uid_run **failed, size_t *nfailed, struct err *e);
/* Remove those of the listed that have \Deleted (only_deleted) or all of them. n == 0 and runs NULL: the whole mailbox.
 */
bool msg_expunge(struct store *st, int64_t mailbox, const struct uid_run *runs, size_t n, bool only_deleted,
		 struct err *e);
/* Copy or move to `to`; UIDs gone meanwhile are skipped.  On return the pairs from[i] -> into[i] (runs of equal
 * lengths, in order) for COPYUID.  A move takes its source rows in the same unit. */
struct copied {
	uint32_t uidvalidity;
	struct uid_run *from, *into;
	size_t n;
};
bool msg_copy(struct store *st, int64_t mailbox, const struct uid_run *runs, size_t n, int64_t to, bool move,
	      struct arena *a, struct copied *out, struct err *e);
