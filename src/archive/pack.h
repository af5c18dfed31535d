/* pack.h - mailboxes out into a folder or an archive: Maildir++ or mboxrd.
 *
 * What is written stands under a name of its own (DEST.partial) until
 * pack_done() has synced it and given it the right one, which must not be
 * taken: so DEST is there whole, or not at all.  An archive is chosen by the
 * end of the name (larchive.h).  Written as the caller's user.  One thread.
 *
 * Maildir++: INBOX at the top, "A/B" as ".A.B", flags and keywords in names and
 * dovecot-keywords, dates as the files' times.  mbox: "A.mbox", "A.sbd/B.mbox".
 */
#pragma once
#include "archive/mbox.h"

enum pack_kind { PACK_MAILDIR, PACK_MBOX };
struct pack;
struct pack *pack_open(enum pack_kind kind, const char *dest, int64_t now_wall_ms, struct err *e);
/* The messages that follow are of this mailbox. */
bool pack_box(struct pack *p, struct str mailbox, struct err *e);
bool pack_message(struct pack *p, const struct mbox_write *m, struct err *e);
/* Durable, and under its name. */
bool pack_done(struct pack *p, struct err *e);
/* Keywords for which Maildir had no letter left (26 a folder). */
uint64_t pack_keywords_lost(const struct pack *p);
/* What is not done is removed again. */
void pack_close(struct pack *p);
