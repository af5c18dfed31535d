/* sandbox_log.h - the sandbox's log: every octet to its file, a plain line for each message accepted. */
#pragma once
#include "base/buf.h"

struct sandbox_log {
	int file;                                /* where all of it goes; -1: nowhere */
	struct buf line;                         /* the one that has not ended yet */
	void (*say)(void *ctx, struct str text); /* a line for people, without its end */
	void *ctx;
};
void sandbox_log_take(struct sandbox_log *l, struct str bytes);
void sandbox_log_free(struct sandbox_log *l);
/* The value of key=... in a line of the log, unquoted into `out`. False: no such key. */
bool sandbox_log_value(struct str line, struct str key, struct buf *out);
