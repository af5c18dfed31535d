/* progress.h - a bar on standard error while a verb takes its time; nothing when that is no terminal. */
#pragma once
#include <stdint.h>

void progress_show(void *ctx, const char *what, uint64_t done, uint64_t total); /* a progress_fn */
void progress_done(void);                                                       /* wipe it off the line */
