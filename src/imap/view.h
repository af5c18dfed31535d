/* view.h - the mailbox as one client knows it: which message has which number.
 *
 * Sequence numbers belong to a session: they change only when it has been
 * told.  The map is kept as runs of consecutive UIDs (8 octets each, whatever
 * the number of messages), so a mailbox of 100,000 in order costs one run.
 * UIDs that are gone from the store but not yet announced stay in the map,
 * and in `gone`, until an EXPUNGE may be sent (RFC 3501 7.4.1).
 *
 * A view belongs to its session.  It asks nobody: select.c fills it, tell.c
 * brings it up to date.
 */
#pragma once
#include "base/arena.h"
#include "imap/set.h"
#include "store/mailbox.h"

struct view_run {
	uint32_t uid, seq; /* the first of the run; it ends where the next begins */
};
struct view {
	int64_t mailbox;
	uint32_t uidvalidity;
	uint32_t uidnext;                /* above every UID in the map */
	uint32_t recent_from;            /* UIDs from here on are \Recent in this session */
	bool readonly, deleted, arrived; /* arrived: new messages were told, so \Recent is to be claimed at the end */
	uint64_t modseq;                 /* changes up to this one are told */
	uint32_t bell;                   /* the account's bell when we last looked */
	struct view_run *runs;
	size_t nruns, cap;
	uint32_t count;       /* messages, those in `gone` included */
	struct uid_run *gone; /* ascending; all of them in the map */
	size_t ngone;         /* runs */
	char *keywords;       /* blank-separated: those the client has seen in FLAGS */
};

struct view *view_new(int64_t mailbox);
void view_free(struct view *v);
/* UIDs above all that are there, ascending; *n of them follow each other. */
void view_append(struct view *v, uint32_t first, uint32_t count);
uint32_t view_uid(const struct view *v, uint32_t seq); /* 1 <= seq <= count */
uint32_t view_seq(const struct view *v, uint32_t uid); /* 0 = not in the map */
uint32_t view_last_uid(const struct view *v);          /* 0 = empty */
/* How many messages have from <= UID <= to. */
uint32_t view_between(const struct view *v, uint32_t from, uint32_t to);
uint32_t view_recent(const struct view *v);
/* Note UIDs as gone (ascending; those not in the map or noted already are passed over). */
void view_note_gone(struct view *v, const struct uid_run *uids, size_t n, struct arena *a);
/* Take what is noted as gone out of the map; nothing is noted afterwards. */
void view_drop_gone(struct view *v);
/* Those of the UIDs (ascending) that are not in the map. */
void view_without(const struct view *v, const struct uid_run *uids, size_t n, struct arena *a, struct uid_run **out,
		  size_t *nout);
/* The messages a set names, as runs of UIDs that are in the map.  By sequence number: false when one is beyond the
 * last. */
bool view_resolve(const struct view *v, const struct set *s, bool by_uid, struct arena *a, struct uid_run **runs,
		  size_t *n);
bool view_knows(const struct view *v, struct str keyword);
void view_learn(struct view *v, struct str keyword);
