/* sqlite_mailbox.h - the mailbox row inside a read; for store/ only. */
#pragma once
#include "store/sqlite_box.h"

enum box_found mailbox_at(struct tx *tx, int64_t id, struct arena *a, struct mailbox *out, struct err *e);
