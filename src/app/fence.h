/* fence.h - what a role can still do once it has begun: as little as its work needs.
 *
 * Two layers of the kernel, both for good and for every thread made later:
 * Landlock says which folders may be touched (and, where the kernel knows how, that
 * no TCP socket is bound or connected and no signal leaves), seccomp which system calls
 * exist.  The table in fence.c says for each right which layer holds it; what
 * this kernel lacks is reported, logged and shown by `sluice status`, and the
 * uid remains.  Called last, when everything else is opened, before the first
 * thread is started: a thread that exists already would stay outside.
 *
 * Sanitizer builds are not fenced: LeakSanitizer needs ptrace, and the runtime /proc.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum fence_right { FENCE_READ = 1, FENCE_WRITE = 2 /* make, rename, link and remove too */ };
struct fence_folder {
	const char *path;
	unsigned rights;
};
struct fence_conf {
	const struct fence_folder *folders;
	size_t nfolders;
};
struct fence_report {
	bool fenced;      /* the system call filter and Landlock both stand */
	int landlock_abi; /* 0: the kernel has none */
	bool seccomp;
	struct str missing; /* rights that no layer but the uid holds here, comma-separated; the arena's */
};
/* False: a layer that the kernel has could not be put up; the role must not go on. */
bool fence_up(const struct fence_conf *conf, struct arena *a, struct fence_report *out, struct err *e);
