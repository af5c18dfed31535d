/* command.h - the commands of IMAP as a table: when they may be given, what may be told at their end. */
#pragma once
#include "imap/session.h"

enum command_flag {
	WITH_ARGS = 1,     /* a space and arguments follow */
	UID_FORM = 2,      /* "UID x" exists too */
	UID_ARGS = 4,      /* ... and only that one has arguments (RFC 4315 2.1) */
	KEEP_NUMBERS = 8,  /* no EXPUNGE while answering, but for the UID form (RFC 3501 7.4.1) */
	LOOK_ALWAYS = 16,  /* asks the store even if no bell rang */
	TELL_NOTHING = 32, /* the handler has told, or there is no more to tell */
};
struct command {
	struct str name;
	unsigned states, flags;
	struct reply (*run)(struct session *s, struct cmd *c);
};
const struct command *command_find(struct str name);
/* Count what was wrong; the tagged reply; what comes next. */
struct next command_answer(struct session *s, struct cmd *c, const struct reply *r);
