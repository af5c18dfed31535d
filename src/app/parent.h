/* parent.h - `sluice serve`: the process that holds what is privileged and watches the roles.
 *
 * It binds ports, reads keys, starts roles and starts them again, hears
 * signals and the control socket.  It opens no database and parses no mail.
 */
#pragma once
#include "base/str.h"

struct serve_conf {
	const char *config_path;
	/* The sandbox: the roles' log comes by this pipe and is handed on; -1: the log goes where the configuration
	 * says. */
	int log_read, log_write;
	void (*on_log)(void *ctx, struct str bytes);
	void (*on_ready)(void *ctx);
	void *ctx;
};
/* Runs until it is told to stop; a code of sysexits.h. */
int serve(const struct serve_conf *conf);
