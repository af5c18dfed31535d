/* main.c - where `sluice` begins.
 *
 * The table of verbs stands in cli/verbs.c.  Called as `sendmail` the program
 * is that and nothing else: whatever the arguments say, no verb runs.
 */
#include "app/cli/verb.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Who started us may have closed these; the next file opened would become our standard error. */
static void fill_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_NOCTTY) != fd)
			_exit(EX_OSERR);
}

int main(int argc, char **argv)
{
	fill_descriptors();
	const char *slash = argc > 0 && argv[0] ? strrchr(argv[0], '/') : NULL;
	const char *name = argc > 0 && argv[0] ? (slash ? slash + 1 : argv[0]) : "";
	if (strcmp(name, "sendmail") == 0)
		return cli_fail(EX_UNAVAILABLE,
				"this version takes no mail by the name of sendmail; use SMTP on the local "
				"socket (see `local` in sluice.conf(5))");
	return verbs_main(argc > 0 ? argc - 1 : 0, argv + 1);
}
