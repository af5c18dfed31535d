/* options.h - what sendmail is told on its command line: the options that cron, PHP, git, mutt, logwatch and mailx use.
 *
 * Every sendmail since the first has had a few more; those that change nothing for us are taken and ignored, as others
 * do.  Pure.
 */
#pragma once
#include "base/buf.h"

enum sendmail_mode { MODE_DELIVER, MODE_SMTP, MODE_QUEUE, MODE_ALIASES, MODE_HELP, MODE_VERSION };
#define SENDMAIL_RCPTS 1000
struct sendmail_options {
	enum sendmail_mode mode;
	bool from_header;         /* -t: recipients from To, Cc and Bcc, too */
	bool dots;                /* -i: a line with a single dot does not end the input */
	const char *sender;       /* -f, -r */
	const char *name;         /* -F */
	const char *subject;      /* --subject */
	const char *notify, *ret; /* -N, -R */
	const char *envid;        /* -V */
	const char *socket;       /* --socket: instead of the configured one */
	bool verbose;             /* -v */
	const char *rcpts[SENDMAIL_RCPTS];
	size_t nrcpts;
};
/* By the name of the program: "mailq", "newaliases".  False: `why` says what is wrong and what would be right. */
bool sendmail_options(int argc, char **argv, struct sendmail_options *o, struct buf *why);
extern const char sendmail_help[];
