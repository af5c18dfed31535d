/* password.h - a new password: asked for twice on a terminal without echo, or one line of standard input. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define PASSWORD_MAX 1000

/* The caller wipes and frees `out`. */
bool password_ask(const char *whose, bool from_stdin, struct buf *out, struct err *e);
/* One that exists elsewhere: asked for once. */
bool password_ask_once(const char *whose, bool from_stdin, struct buf *out, struct err *e);
void password_wipe(struct buf *b);
