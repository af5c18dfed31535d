/* import_remote.h - a remote account as a verb is told of it: a URL, a password, whom to trust. */
#pragma once
#include "app/cli/verb.h"
#include "base/arena.h"
#include "client/imap.h"

/* imaps://USER@HOST[:PORT] (TLS) or imap://USER@HOST[:PORT] (STARTTLS); asks for the password.  Logged in, or NULL.
 * *name is the URL without what may change. */
struct imap_client *import_remote(const struct call *c, struct arena *a, struct str *name, struct err *e);
