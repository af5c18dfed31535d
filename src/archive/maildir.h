/* maildir.h - the names of Maildir and Maildir++: flags, keywords, folders. Pure.
 *
 * A message is a file "cur/UNIQUE:2,FLAGS"; the small letters among its flags
 * are keywords, by the numbers of the folder's file dovecot-keywords.  A folder
 * of Maildir++ is ".A.B" beside cur/, in modified UTF-7; folders within folders
 * (LAYOUT=fs, mbsync) are understood too.  A dot within a level, which
 * Maildir++ has no way to write, is written "&AC4-".
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#define MAILDIR_KEYWORDS      26
#define MAILDIR_KEYWORDS_FILE "dovecot-keywords"
#define FORWARDED             "$Forwarded" /* the flag P */

/* "1700000000.M1P2.host:2,FSa" -> the unique part; flags and keywords by `table` (NULL: none). */
struct maildir_flags {
	struct str unique;
	unsigned flags;
	struct str keywords; /* blank-separated; the arena's */
};
struct maildir_flags maildir_flags(struct str name, const struct str *table, struct arena *a);
/* "FSa" in the order the standard wants.  Keywords that are in no row of `table` take the next free one; what finds
 * none is left out and counted. */
size_t maildir_flags_print(struct buf *b, unsigned flags, struct str keywords, struct str *table, struct arena *a);

/* dovecot-keywords: "0 $Label1\n1 Work\n" */
void maildir_keywords(struct str text, struct arena *a, struct str table[MAILDIR_KEYWORDS]);
void maildir_keywords_print(struct buf *b, const struct str table[MAILDIR_KEYWORDS]);

/* A folder's path below the root, "" or ".A.B" or "A/B", as a mailbox: "INBOX", "A/B".  False: not a name. */
bool maildir_mailbox(struct str path, struct arena *a, struct str *mailbox);
/* "INBOX" -> "", "A/B" -> ".A.B". */
void maildir_folder(struct buf *b, struct str mailbox);
/* May it be a keyword of IMAP (an atom, not a system flag)? */
bool keyword_valid(struct str word);
