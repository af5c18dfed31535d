/* progress.h - how far a verb has come, on standard error while it takes its time.
 *
 * On a terminal a bar with the rate and the time left; elsewhere nothing, or,
 * for verbs that run for long, a plain line now and then.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void progress_show(void *ctx, const char *what, uint64_t done, uint64_t total); /* a progress_fn */
void progress_plain(bool on);                                                   /* lines where there is no terminal */
void progress_done(void);                                                       /* wipe it off the line */
