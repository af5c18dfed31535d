/* test_talk.h - transcripts: what is said on one side, what must come back on the other. */
#pragma once
#include "base/test.h"
#include "smtp/test_auth.h"

#define HELO  "EHLO c.example\r\n"
#define MAIL  "MAIL FROM:<r@x.example>\r\n"
#define RCPT  "RCPT TO:<mjl@mox.example>\r\n"
#define BEGIN HELO MAIL RCPT "DATA\r\n"
#define BODY  "From: <r@x.example>\r\nSubject: s\r\n\r\nhello\r\n"

#define R_GREET "220 mx.mox.example ESMTP Sluice\r\n"
#define R_HELO                                                                                                      \
	"250-mx.mox.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" \
	"250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250-LIMITS RCPTMAX=100 MAILMAX=100000\r\n250 HELP\r\n"
#define R_MAIL     "250 2.1.0 Sender accepted\r\n"
#define R_RCPT     "250 2.1.5 Recipient accepted\r\n"
#define R_DATA     "354 Go ahead, and end with CRLF.CRLF\r\n"
#define R_ACCEPTED "250 2.0.0 Accepted as ID\r\n"
#define R_BYE      "221 2.0.0 Goodbye\r\n"
#define R_SEQ      "503 5.5.1 Bad sequence of commands\r\n"
#define R_BEGIN    R_GREET R_HELO R_MAIL R_RCPT R_DATA
#define R_USER     "550 5.1.1 No such user here\r\n"
#define R_RELAY    "550 5.7.1 Relaying denied: not a domain of ours\r\n"

static inline int open_world(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	world_open(w, "/tmp");
	*state = w;
	return 0;
}

static inline int close_world(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

#define expect_talk(w, in, want) expect_talk_((w), STR(in), (want), __FILE__, __LINE__)
static inline void expect_talk_(struct world *w, struct str in, const char *want, const char *file, int line)
{
	assert_str_(world_talk(w, in), str_of(want), file, line);
}

/* The last line of a talk. */
static inline struct str last_line(struct world *w, struct str in)
{
	struct str out = world_talk(w, in), line = STR_NONE;
	while (out.n > 0)
		line = str_line(&out);
	return str_chomp(line);
}

#define with_world(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
