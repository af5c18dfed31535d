/* sqlite_collect.h - the collector, as its own thread calls it; for store/ only. */
#pragma once
#include "store/check.h"

/* `sweep`: look at every content file, too; that is worth doing at start and each hour. */
bool collect(struct store *st, bool sweep, uint64_t *contents, uint64_t *files, struct err *e);
