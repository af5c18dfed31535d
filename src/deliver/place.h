/* place.h - a message into somebody's files: Maildir, MH, mbox.
 *
 * Runs as the owner of the place, in a process of its own (the folder is his, and what lies in it may have been made to
 * mislead): nothing here follows a symbolic link, names of folders stay inside, and only regular files of one
 * link are written to.  Line ends are LF, as all programs expect that read such files.  When a function says true, the
 * message is synced, and so is the folder that names it; when it says false, nothing of it is left.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct place {
	const char *path;  /* of the Maildir, the MH folder's root, or the mbox file; absolute */
	struct str folder; /* Maildir++: ".System" or "System"; MH: "inbox" or "lists/c"; empty: the root */
	bool create;       /* make folders (or the mbox) that are not there */
	bool seen;         /* Maildir: into cur, as read; MH: not among unseen */
};
/* Where the octets come from: called until it gives none; false: it failed. */
struct place_source {
	bool (*read)(void *ctx, struct str *octets, struct err *e);
	void *ctx;
	struct str sender; /* mbox: of the From_ line */
	int64_t arrived_wall_ms;
};
/* ERR_TEMP: try again (also when the place is not there: a home that is not mounted); ERR_FULL; ERR_PERM: never (a
 * folder's name that leads out, a place that is a link). */
bool place_maildir(const struct place *p, struct place_source *s, struct err *e);
bool place_mh(const struct place *p, struct place_source *s, struct err *e);
bool place_mbox(const struct place *p, struct place_source *s, struct err *e);
