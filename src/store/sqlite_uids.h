/* sqlite_uids.h - which UIDs of a mailbox are there, known without reading a message; for store/ only.
 *
 * What was expunged stands in two narrow tables (sqlite_schema.c); all other UIDs below uidnext are there.  The count
 * of messages says whether that holds; where it does not (a damaged store) the messages are read.
 */
#pragma once
#include "store/sqlite_box.h"
#include "store/uid_runs.h"

/* Write down that these UIDs are gone, joined with what stands beside them. */
bool forgotten_add(struct tx *tx, int64_t mailbox, struct uid_run run, struct err *e);
/* The UIDs below m->uidnext that are there / that are not, ascending, in the arena of `out`. `m` from this very read.
 */
bool uids_there(struct tx *tx, const struct mailbox *m, struct runs *out, struct err *e);
bool uids_gone(struct tx *tx, const struct mailbox *m, struct runs *out, struct err *e);
/* For the check: do the records agree with the messages?  / Make them anew from the messages: all UIDs that are not
 * there are forgotten ones, up to a new modseq of the mailbox. */
bool uids_checked(struct tx *tx, const struct mailbox *m, bool *right, struct err *e);
bool uids_rerecord(struct tx *tx, const struct mailbox *m, struct err *e);
/* The UIDs that expunge records after `since` name. */
bool uids_expunged(struct tx *tx, int64_t mailbox, uint64_t since, struct runs *out, struct err *e);
