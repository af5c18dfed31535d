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

/* clang-format off */
#define IMPORT \
	{ "account", 0, "NAME", "The account that takes the mail." }, \
	{ "mailbox", 0, "NAME", "It takes what is the INBOX there, and all other mailboxes inside it; special folders are not looked for." }, \
	{ "only", 0, "NAMES", "Only these mailboxes, by their names there, with commas between; a * at the end takes what begins so." }, \
	{ "keep-names", 0, NULL, "Do not map special folders: Sent Items stays Sent Items." }, \
	{ "skip-duplicates", 0, NULL, "Pass over messages that the mailbox has already, octet for octet." }, \
	{ "dry-run", 0, NULL, "Read everything and say what would be taken, but take nothing." }, \
	{ "state", 0, "FILE", "Note in FILE what has been taken; default: a file below ~/.local/state/sluice for each source and account." }, \
	{ "again", 0, NULL, "Forget what an earlier run has taken." }
/* clang-format on */

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
	{ "account quota", "NAME [SIZE [MESSAGES]]", 1, 3, "Show or set how much mail an account may hold",
	  "SIZE is such as 500MiB or 2GiB, MESSAGES a number; none takes the limit away. What is left out stays as it is. The size of a message "
	  "counts as the client sees it, in all mailboxes together.\n\n"
	  "New mail for a full account is deferred (452 4.2.2) and its clients are refused to store more (OVERQUOTA); reading and deleting go on.",
	  NULL, { JSON }, cli_account_quota, false },
	{ "account junk-flags", "NAME [on|off]", 1, 2, "Show or set which mailboxes mark mail as junk, and as not junk",
	  "Mail that is delivered, moved or copied into a mailbox gets the keyword $Junk or $NotJunk by the mailbox's name, so that a filter can learn. "
	  "RE is a POSIX extended regular expression over the name in lower case; the first that matches decides, in the order junk, neutral, notjunk. "
	  "The mailbox that is used for junk (mailbox use) is junk by any name.",
	  NULL, { { "junk", 0, "RE", "Mailboxes that make mail $Junk." },
		  { "neutral", 0, "RE", "Mailboxes that say nothing of it." },
		  { "notjunk", 0, "RE", "Mailboxes that make mail $NotJunk; empty: all that are left." }, JSON }, cli_account_junk_flags, false },
	{ "address add", "ADDRESS ACCOUNT", 2, 2, "Give an account an address",
	  "Its domain must stand in the configuration. The account can log in by it.", NULL,
	  { { "mailbox", 0, "NAME", "Mail for this address goes there instead of INBOX." } }, cli_address_add, false },
	{ "address list", "[ACCOUNT]", 0, 1, "List addresses", "", NULL, { JSON }, cli_address_list, false },
	{ "address rm", "ADDRESS", 1, 1, "Take an address away", "", NULL, { { 0 } }, cli_address_rm, false },
	{ "alias add", "ADDRESS ACCOUNT ...", 2, ANY, "Let an address reach several accounts",
	  "Adds the accounts to those that the alias reaches already.", NULL, { { 0 } }, cli_alias_add, false },
	{ "alias list", "", 0, 0, "List aliases", "", NULL, { JSON }, cli_alias_list, false },
	{ "alias rm", "ADDRESS [ACCOUNT]", 1, 2, "Remove an alias, or one account from it", "", NULL, { { 0 } }, cli_alias_rm, false },
	{ "mailbox list", "ACCOUNT", 1, 1, "List an account's mailboxes",
	  "With their messages, those that are unseen, their size, the use that mail programs know them by, and whether they are subscribed to.",
	  NULL, { JSON }, cli_mailbox_list, false },
	{ "mailbox create", "ACCOUNT NAME ...", 2, ANY, "Make mailboxes, with the levels above them", "", NULL,
	  { { "use", 0, "USE", "What mail programs use it for: sent, archive, trash, drafts or junk." } }, cli_mailbox_create, false },
	{ "mailbox rename", "ACCOUNT NAME NEW", 3, 3, "Rename a mailbox with all that are inside it",
	  "INBOX stays and is empty afterwards: its messages move to the new mailbox.", NULL, { { 0 } }, cli_mailbox_rename, false },
	{ "mailbox rm", "ACCOUNT NAME ...", 2, ANY, "Remove mailboxes with their mail; those inside them stay", "", NULL,
	  { { "yes", 'y', NULL, "Do it." } }, cli_mailbox_rm, false },
	{ "mailbox subscribe", "ACCOUNT NAME ...", 2, ANY, "Subscribe to mailboxes, so that mail programs show them",
	  "The mailbox need not exist.", NULL, { { 0 } }, cli_mailbox_subscribe, false },
	{ "mailbox unsubscribe", "ACCOUNT NAME ...", 2, ANY, "Undo mailbox subscribe", "", NULL, { { 0 } }, cli_mailbox_unsubscribe, false },
	{ "mailbox use", "ACCOUNT NAME USE", 3, 3, "Say what mail programs are to use a mailbox for",
	  "USE is sent, archive, trash, drafts, junk or none. One mailbox of an account has each.", NULL, { { 0 } }, cli_mailbox_use, false },
	{ "search status", "[ACCOUNT]", 0, 1, "Show how far the full-text index is, of one account or all",
	  "WAITING are messages that it has not looked at yet; CONTENTS are in it, where copies count once; those IN PART are larger than it takes, "
	  "or could not be read. Searches find all of these, too: they read what the index does not know.", NULL, { JSON }, cli_search_status, false },
	{ "search rebuild", "[ACCOUNT]", 0, 1, "Throw the full-text index away, of one account or all; the server makes it anew",
	  "Nothing is lost, and searches are right meanwhile, only slower.", NULL, { { 0 } }, cli_search_rebuild, false },
	{ "queue list", "", 0, 0, "List mail that waits to leave", "", NULL, { JSON }, cli_queue_list, false },
	{ "queue rm", "ID ...", 1, ANY, "Remove mail from the queue; nobody is told", "", NULL, { { 0 } }, cli_queue_rm, false },

	{ "import maildir", "SOURCE", 1, 1, "Take the mail of a Maildir or Maildir++ into an account",
	  "SOURCE is the folder, or a .tar, .tgz, .tar.zst or .zip of it. Flags, keywords (dovecot-keywords) and dates come along. "
	  "See sluice-import(1).", "file", { IMPORT }, cli_import_maildir, false },
	{ "import mbox", "SOURCE", 1, 1, "Take the mail of mbox files into an account",
	  "SOURCE is a file, which goes to INBOX, a folder of files, each of which is a mailbox, or an archive of them. See sluice-import(1).",
	  "file", { IMPORT, { "kind", 0, "KIND", "mboxo, mboxrd, mboxcl or mboxcl2 instead of looking which it is." } }, cli_import_mbox, false },
	{ "import imap", "URL", 1, 1, "Take the mail of an account at another server",
	  "URL is imaps://USER@HOST[:PORT], or imap:// for STARTTLS. Nothing changes there. See sluice-import(1).", NULL,
	  { IMPORT, { "password-stdin", 0, NULL, "Read the password from the first line of standard input." },
	    { "pin", 0, "SHA256", "The server's certificate must be this one, whoever signed it." },
	    { "ca", 0, "FILE", "Trust these certificates instead of the system's." },
	    { "mechanism", 0, "NAME", "Log in by this SASL mechanism instead of the strongest." },
	    { "no-tls", 0, NULL, "With imap://: speak in the clear. For loopback and tunnels." } }, cli_import_imap, false },
	{ "export maildir", "DEST", 1, 1, "Write an account's mail as a Maildir++",
	  "DEST must not exist; a name that ends with .tar, .tgz, .tar.zst or .zip makes an archive. See sluice-import(1).", "file",
	  { { "account", 0, "NAME", "The account." }, { "mailbox", 0, "NAMES", "Only these, with commas between; a * at the end takes what begins so." } },
	  cli_export_maildir, false },
	{ "export mbox", "DEST", 1, 1, "Write an account's mail as mbox files (mboxrd)",
	  "DEST must not exist; a name that ends with .tar, .tgz, .tar.zst or .zip makes an archive. See sluice-import(1).", "file",
	  { { "account", 0, "NAME", "The account." }, { "mailbox", 0, "NAMES", "Only these, with commas between; a * at the end takes what begins so." } },
	  cli_export_mbox, false },

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

	{ "help", "[VERB ...]", 0, 3, "Show help", "", "verb",
	  { { "man", 0, NULL, "Print sluice(1) in mdoc, or with a first word such as mailbox the page of that, sluice-mailbox(1)." } }, cli_help, false },
	{ "completion", "bash", 1, 1, "Print shell completion", "Put it into /usr/share/bash-completion/completions/sluice.", NULL, { { 0 } }, cli_completion, false },
	{ "version", "", 0, 0, "Print the version", "", NULL, { { 0 } }, cli_version, false },
	{ "role", "NAME", 1, 1, "A process of the server", "", NULL, { { 0 } }, cli_role, true },
	{ 0 },
	/* clang-format on */
};

int cli_help(const struct call *c)
{
	struct buf b = { 0 };
	if (call_option(c, "man") && c->argc > 0) {
		if (!verb_page(verbs, c->argv[0], &b))
			return cli_fail(EX_USAGE, "there is no manual page sluice-%s(1)", c->argv[0]);
	} else if (call_option(c, "man"))
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
