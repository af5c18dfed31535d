/* err.h - what went wrong, and what the sender should do about it.
 *
 * About a failure mail asks only: try later, give up, or did the other side
 * leave?  What can fail returns bool (or a pointer) and fills its last
 * parameter.  A system error is always temporary: our full disk is no reason
 * to bounce somebody's letter.  Never log *and* return an error: add context
 * on the way up, log once at the top.
 */
#pragma once
#include <stdbool.h>

enum err_kind {
	ERR_NONE,
	ERR_TEMP,  /* try later */
	ERR_PERM,  /* give up */
	ERR_PEER,  /* the other side left or timed out */
	ERR_FULL,  /* the disk or a bound of ours: try later, but say which (452 4.3.1) */
	ERR_QUOTA, /* the account's quota: its owner must make room (452 4.2.2, OVERQUOTA) */
};
struct err {
	enum err_kind kind;
	char text[248];
};

/* All return false, so that a failing line reads: return err_sys(e, "open", path); */
__attribute__((format(printf, 3, 4))) bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...);
/* "open /x: No such file or directory", from errno; ENOSPC and EDQUOT are ERR_FULL, all else ERR_TEMP. */
bool err_sys(struct err *e, const char *what, const char *name);
/* Put "context: " before the text that is there. */
__attribute__((format(printf, 2, 3))) bool err_add(struct err *e, const char *fmt, ...);
