/* import_state.h - what an import has taken already, so that the next run of it goes on there.
 *
 * A text file of the caller's, one for each source and account, that only grows:
 *
 *	sluice-import 1 ACCOUNT		which it is; of another one nothing holds
 *	box UIDVALIDITY UID NAME	nothing of ours is beyond that UID in NAME, but what
 *					was on its way when the run ended
 *	key HASH			taken
 *	end				the run came to its end: nothing was on its way
 *
 * Lines may be lost with a machine, as long as it is the last ones: what stands
 * in a mailbox beyond the UID that is noted is looked at again.  A line that a
 * crash has cut is not believed.  The file is locked while it is in use.
 */
#pragma once
#include "app/carry_seen.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct state_box {
	struct str name;
	uint32_t uidvalidity, uid;
};
struct import_state {
	int fd; /* -1: none (dry) */
	char *path;
	struct seen taken;
	struct state_box *boxes;
	size_t nboxes, cap;
	bool ended; /* the run before came to its end */
	uint64_t keys;
	struct arena arena;
	struct buf out; /* to be written */
};
/* Its place by default: $XDG_STATE_HOME or ~/.local/state, then sluice/import-HASH. `what` names source and account. */
bool state_path(struct str what, struct arena *a, const char **path, struct err *e);
/* `again`: forget what it says.  `keep`: only read it (dry). */
bool state_open(struct import_state *s, const char *path, uint64_t account, bool again, bool keep, struct err *e);
bool state_has(const struct import_state *s, const uint8_t key[SEEN_HASH]);
/* What an interrupted run has seen last of it; 0 and 0 when there was none. */
struct state_box state_box(const struct import_state *s, struct str name);
void state_note_box(struct import_state *s, struct str name, uint32_t uidvalidity, uint32_t uid);
void state_note_key(struct import_state *s, const uint8_t key[SEEN_HASH]);
void state_note_end(struct import_state *s);
/* What was noted goes into the file; `now` sees to it that it stays there. */
bool state_write(struct import_state *s, bool now, struct err *e);
void state_close(struct import_state *s);
