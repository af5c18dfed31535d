/* verbs.c - every subcommand of `sluice`: one row each. */
#include "app/cli/run.h"

#include <stdio.h>
#include <string.h>

#define ANY 1000
#define JSON                                                      \
	{                                                         \
		"json", 0, NULL, "Print JSON instead of a table." \
	}
#define STDIN_PASSWORD                                                                                \
	{                                                                                             \
		"password-stdin", 0, NULL, "Read the password from the first line of standard input." \
	}

const struct verb verbs[] = {
	/* clang-format off */
	{ "serve", "", 0, 0, "Run the server in the foreground",
	  "Reads and checks the configuration; if anything is wrong with it, says what and where and starts nothing. "
	  "Then binds the ports, starts the processes that the configuration needs, and watches them until told to stop.\n\n"
	  "Started as root, the processes that meet strangers run as the configured user; otherwise all runs as the caller.",
	  NULL, { { 0 } }, cli_serve, false },
	{ "sandbox", "", 0, 0, "Run a test server on this machine alone",
	  "Makes a folder with a certificate, a configuration, and the accounts you and friend (addresses you@sandbox.test and "
	  "friend@sandbox.test, password sandbox), serves it on loopback, says how to send and read a first message, and then "
	  "prints a line for each message that is accepted. Ctrl-C ends it and leaves nothing behind, unless --dir was given.\n\n"
	  "Localparts that end in temperror, permerror, timeout or a code such as 451 or 550 behave so.",
	  NULL, { { "dir", 0, "DIR", "Keep everything in this folder instead of a throwaway one." },
		  { "port-base", 0, "PORT", "Ports are this plus 25 (smtp), 87 (submission), 65 (submissions), 43 (imap), 93 (imaps); default 2500." } },
	  cli_sandbox, false },
	{ "status", "", 0, 0, "Say whether the server runs, and how it is",
	  "Asks the server itself. Exits 0 when it runs, 1 when it died and left its pid file, 3 when it does not run, 4 when that "
	  "cannot be told. The table shows each process, and what of its fence this kernel cannot hold.",
	  NULL, { JSON }, cli_status, false },
	{ "info", "", 0, 0, "Show what the running server serves, and from where", "", NULL, { JSON }, cli_info, false },
	{ "stop", "", 0, 0, "Stop the server, letting sessions finish", "Returns when it has stopped.", NULL, { { 0 } }, cli_stop, false },
	{ "reload", "", 0, 0, "Read the configuration again",
	  "A configuration with mistakes is refused with all of them named, and the old one stays in use. The processes that a good one "
	  "concerns are replaced by new ones, while the old finish their sessions; new certificates and log levels concern none.\n\n"
	  "Returns when the new configuration is in use. Exits 78 when it is refused, 69 when a port cannot be had, 75 when the server has not "
	  "come up within a minute, or the new processes have not.",
	  NULL, { { 0 } }, cli_reload, false },
	{ "loglevel", "[MODULE] LEVEL", 1, 2, "Change how much is logged, until the next reload",
	  "LEVEL is error, warn, notice, info or debug. MODULE is the part of an event's name before the dot, such as smtp or imap; "
	  "without one the level is for all.", NULL, { { 0 } }, cli_loglevel, false },
	{ "reopen", "", 0, 0, "Open log files again, after rotation", "", NULL, { { 0 } }, cli_reopen, false },

	{ "account add", "NAME [ADDRESS ...]", 1, ANY, "Make an account, with its addresses",
	  "Asks for a password twice. The account can log in by its name and by each of its addresses. Its mailboxes are INBOX, Sent, "
	  "Archive, Trash, Drafts and Junk. Domains stand in the configuration.",
	  NULL, { STDIN_PASSWORD, { "no-password", 0, NULL, "Make it without one: it receives mail, but nobody can log in." } }, cli_account_add, false },
	{ "account list", "", 0, 0, "List accounts with their addresses", "", NULL, { JSON }, cli_account_list, false },
	{ "account rm", "NAME", 1, 1, "Remove an account with all its mail", "", NULL, { { "yes", 'y', NULL, "Do it." } }, cli_account_rm, false },
	{ "account disable", "NAME", 1, 1, "Let an account neither log in nor send; mail for it is still taken", "", NULL, { { 0 } }, cli_account_disable, false },
	{ "account enable", "NAME", 1, 1, "Undo account disable", "", NULL, { { 0 } }, cli_account_enable, false },
	{ "account passwd", "NAME", 1, 1, "Set a new password", "", NULL, { STDIN_PASSWORD }, cli_account_passwd, false },
	{ "account import-hash", "NAME [HASH]", 1, 2, "Take over the crypt(3) hash of a password from another system",
	  "Without HASH reads it from standard input. At the first login it is replaced by verifiers of our own.", NULL, { { 0 } }, cli_account_import_hash, false },
	{ "address add", "ADDRESS ACCOUNT", 2, 2, "Give an account an address",
	  "Its domain must stand in the configuration. The account can log in by it.", NULL,
	  { { "mailbox", 0, "NAME", "Mail for this address goes there instead of INBOX." } }, cli_address_add, false },
	{ "address list", "[ACCOUNT]", 0, 1, "List addresses", "", NULL, { JSON }, cli_address_list, false },
	{ "address rm", "ADDRESS", 1, 1, "Take an address away", "", NULL, { { 0 } }, cli_address_rm, false },
	{ "alias add", "ADDRESS ACCOUNT ...", 2, ANY, "Let an address reach several accounts",
	  "Adds the accounts to those that the alias reaches already.", NULL, { { 0 } }, cli_alias_add, false },
	{ "alias list", "", 0, 0, "List aliases", "", NULL, { JSON }, cli_alias_list, false },
	{ "alias rm", "ADDRESS [ACCOUNT]", 1, 2, "Remove an alias, or one account from it", "", NULL, { { 0 } }, cli_alias_rm, false },
	{ "mailbox list", "ACCOUNT", 1, 1, "List an account's mailboxes", "", NULL, { JSON }, cli_mailbox_list, false },
	{ "queue list", "", 0, 0, "List mail that waits to leave", "", NULL, { JSON }, cli_queue_list, false },
	{ "queue rm", "ID ...", 1, ANY, "Remove mail from the queue; nobody is told", "", NULL, { { 0 } }, cli_queue_rm, false },

	{ "store check", "", 0, 0, "Verify the store",
	  "Reads everything unless --quick: databases, contents with their checksums, counters, files. Exits 65 when problems are left.",
	  NULL, { { "quick", 'q', NULL, "Leave out reading every content." },
		  { "repair", 0, NULL, "Mend what can be derived from what is there." }, JSON }, cli_store_check, false },
	{ "store backup", "DIR", 1, 1, "Copy the whole store into a new folder, while running or not",
	  "The copy is consistent: one snapshot. Message files are linked where the file system allows it.", "dir", { { 0 } }, cli_store_backup, false },
	{ "store restore", "DIR", 1, 1, "Put a backup in place of an empty store; no server may run", "", "dir", { { 0 } }, cli_store_restore, false },

	{ "config check", "[FILE]", 0, 1, "Check the configuration",
	  "Says every mistake as file:line:column, what is wrong and what would be right. Exits 78 if there is one.", "file", { { 0 } }, cli_config_check, false },
	{ "config print", "", 0, 0, "Print the configuration as it is understood", "", NULL,
	  { { "all", 'a', NULL, "Also keys that have their default." } }, cli_config_print, false },
	{ "config explain", "[KEY]", 0, 1, "Explain a key of the configuration", "Without KEY lists all.", "key",
	  { { "keys", 0, NULL, "Print only the names, one a line." } }, cli_config_explain, false },
	{ "config example", "[TOPIC]", 0, 1, "Print a commented example configuration", "", NULL, { { 0 } }, cli_config_example, false },
	{ "config manual", "", 0, 0, "Print sluice.conf(5), in mdoc", "", NULL, { { 0 } }, cli_config_manual, false },

	{ "help", "[VERB ...]", 0, 3, "Show help", "", "verb", { { "man", 0, NULL, "Print sluice(1), in mdoc." } }, cli_help, false },
	{ "completion", "bash", 1, 1, "Print shell completion", "Put it into /usr/share/bash-completion/completions/sluice.", NULL, { { 0 } }, cli_completion, false },
	{ "version", "", 0, 0, "Print the version", "", NULL, { { 0 } }, cli_version, false },
	{ "role", "NAME", 1, 1, "A process of the server", "", NULL, { { 0 } }, cli_role, true },
	{ 0 },
	/* clang-format on */
};

int cli_help(const struct call *c)
{
	struct buf b = { 0 };
	if (call_option(c, "man"))
		verb_manual(verbs, &b);
	else if (c->argc == 0)
		verb_overview(verbs, &b);
	else if (!verb_help(verbs, c->argc, c->argv, &b))
		return cli_fail(EX_USAGE, "no such verb; see: sluice help");
	return cli_print(&b);
}

int cli_version(const struct call *c)
{
	(void)c;
	return printf("sluice %s\n", SLUICE_VERSION) > 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int cli_completion(const struct call *c)
{
	struct buf b = { 0 };
	if (strcmp(c->argv[0], "bash") != 0)
		return cli_fail(EX_USAGE, "there is completion for bash only");
	verb_completion(verbs, &b);
	return cli_print(&b);
}
