/* pages.c - manual pages of families of verbs: sluice-mailbox(1) and the like.
 *
 * A page is a row: which verbs it has, by how their names begin, and what is to be said around them.  The verbs
 * themselves are written as in sluice(1), from the one table.
 */
#include "app/cli/verb.h"

#define PAGE_VERBS 8

static const struct page {
	const char *name;              /* "mailbox": sluice-mailbox(1) */
	const char *verbs[PAGE_VERBS]; /* first words */
	const char *line;
	const char *before, *after; /* in mdoc: the description; sections behind the verbs */
} pages[] = {
	{
	    "mailbox",
	    { "mailbox", "account quota", "account junk-flags" },
	    "an account's mailboxes, and what they may hold",
	    "These verbs of\n"
	    ".Xr sluice 1\n"
	    "show and change the mailboxes of an account, as its owner can by IMAP, and set what only the "
	    "administrator may.\n"
	    "Mail programs that are connected see the change at once.\n"
	    ".Ss Names\n"
	    "Levels of a name are parted by\n"
	    ".Ql / ,\n"
	    "as in\n"
	    ".Ql Work/2026 :\n"
	    "at most 20, and 500 octets in all.\n"
	    "A name is UTF-8, and is brought to one form (NFC), so that the same letters are the same name.\n"
	    "It may have neither control characters nor\n"
	    ".Ql *\n"
	    "or\n"
	    ".Ql % .\n"
	    "INBOX is the same in any case; it cannot be removed, and keeps its place when it is renamed.\n"
	    ".Pp\n"
	    "When a mailbox is removed, those inside it stay.\n"
	    "Renaming takes them along, but nothing can be moved into itself.\n"
	    "Subscriptions are a list of names: they need not exist, and stay when a mailbox is removed.\n",
	    ".Sh EXAMPLES\n"
	    ".Dl sluice mailbox create alice Work/2026 Work/2027\n"
	    ".Dl sluice mailbox create alice Spam --use junk\n"
	    ".Dl sluice mailbox rename alice Work Archive/Work\n"
	    ".Dl sluice mailbox list alice --json\n"
	    ".Pp\n"
	    "At most 2 GiB, in at most 100,000 messages; then any number of messages; then no limit at all:\n"
	    ".Pp\n"
	    ".Dl sluice account quota alice 2GiB 100000\n"
	    ".Dl sluice account quota alice 2GiB none\n"
	    ".Dl sluice account quota alice none none\n"
	    ".Pp\n"
	    "Only what is moved to mailboxes named junk or spam teaches, and nothing else:\n"
	    ".Pp\n"
	    ".Dl sluice account junk-flags alice on --junk '^(junk|spam)' --notjunk '^inbox$'\n",
	},
	{
	    "import",
	    { "import", "export" },
	    "mail from elsewhere into an account, and out again",
	    "These verbs of\n"
	    ".Xr sluice 1\n"
	    "take mail from a Maildir, from mbox files, from archives of either and from other servers, and write it "
	    "as\n"
	    "Maildir or mbox.\n"
	    "They read and write files as the user who calls them; the mail goes to the process that has the store "
	    "open:\n"
	    "a server that runs, or else a process of the store's own user.\n"
	    "So a server need not be stopped, and it never opens what others have packed.\n"
	    ".Ss What comes along\n"
	    "The octets of each message, its flags and keywords, the date it was received, and the mailboxes with "
	    "their\n"
	    "hierarchy, which the account is subscribed to.\n"
	    "A quota does not stop the administrator's import; a note says when the account is beyond it.\n"
	    ".Bl -tag -width Maildir\n"
	    ".It Maildir\n"
	    "and Maildir++ with folders\n"
	    ".Pa .A.B\n"
	    "in modified UTF-7, or folders within folders.\n"
	    "Flags S, R, F, T, D and P\n"
	    ".Pq the keyword Li $Forwarded ,\n"
	    "and letters by\n"
	    ".Pa dovecot-keywords .\n"
	    "The date is the file's time; if that is nonsense, that of the message's first Received field, or of "
	    "Date.\n"
	    "Messages come in the order of their files' names.\n"
	    "Links are not followed.\n"
	    ".It mbox\n"
	    "as mboxo, mboxrd, mboxcl or mboxcl2: a Content-Length is believed where it is true.\n"
	    "Flags and keywords by Status, X-Status, X-Keywords and Mozilla's fields, dates by the From_ lines.\n"
	    "A file goes to INBOX; in a folder each file is a mailbox of its name, without\n"
	    ".Pa .mbox ;\n"
	    "what is in\n"
	    ".Pa A.sbd\n"
	    "is inside A.\n"
	    ".It archives\n"
	    "whose names end with .tar, .tgz, .tar.gz, .tar.zst, .tar.xz, .tar.bz2 or .zip.\n"
	    "They need the library libarchive13.\n"
	    ".It IMAP\n"
	    "All mailboxes of the account's own namespace, but for views such as \\eAll; nothing changes there.\n"
	    "The certificate must be valid, or the one that\n"
	    ".Fl -pin\n"
	    "names.\n"
	    ".El\n"
	    ".Pp\n"
	    "Lines of files end with LF and become lines with CRLF; a file whose first line ends with CRLF is taken as "
	    "it\n"
	    "stands.\n"
	    "NUL octets, which no client could be given, become 0x80.\n"
	    ".Ss Special folders\n"
	    "Mailboxes for sent mail, drafts, junk, trash and the archive are found by the other server's word, or by "
	    "their\n"
	    "usual names in several languages, and go to the account's own.\n"
	    "With\n"
	    ".Fl -keep-names\n"
	    "or\n"
	    ".Fl -mailbox\n"
	    "they do not.\n"
	    ".Ss Interrupted\n"
	    "An import can be interrupted at any moment, by a signal, a crash or a cable.\n"
	    "The same command goes on where it was: what it has taken is noted in a file of the caller's, and messages "
	    "that\n"
	    "were on their way are recognised, so nothing comes twice.\n"
	    "Given again later, the command takes what is new in the source.\n"
	    ".Pp\n"
	    ".Fl -skip-duplicates\n"
	    "compares octets with what the mailbox holds, whoever put it there.\n"
	    ".Ss Export\n"
	    "INBOX is the Maildir itself, other mailboxes are its folders; in mbox each is a file.\n"
	    "What is exported and imported again is the same, octet for octet.\n"
	    "A dot within a level of a name, which Maildir++ has no way to write, becomes\n"
	    ".Ql &AC4- .\n"
	    "A Maildir has room for 26 keywords in a folder; others are left out, and counted.\n"
	    "An mbox adds the blank line to a message whose header nothing ends, and has no flags for one that begins "
	    "with a "
	    "blank.\n"
	    ".Pp\n"
	    "While it is written DEST is named\n"
	    ".Pa DEST.partial ;\n"
	    "it gets its name when it is whole and on the disk.\n",
	    ".Sh FILES\n"
	    ".Bl -tag -width Ds\n"
	    ".It Pa ~/.local/state/sluice/import-*\n"
	    "what imports have taken\n"
	    ".Pq or below Ev XDG_STATE_HOME .\n"
	    "One that is not needed any more can be removed.\n"
	    ".El\n"
	    ".Sh EXIT STATUS\n"
	    "0 when all was taken; 65 when single messages could not be, or the source is not what it should be; 66 "
	    "when it\n"
	    "is not there; 73 when DEST cannot be written; 75 when the import was interrupted and can go on.\n"
	    ".Sh EXAMPLES\n"
	    ".Dl sluice import maildir /home/alice/Maildir --account alice\n"
	    ".Dl sluice import mbox ~/.thunderbird/x.default/Mail/Local\\e Folders --account alice --mailbox Old\n"
	    ".Dl sluice import imap imaps://alice@mail.example.org --account alice --only INBOX,Sent\n"
	    ".Dl sluice export maildir alice.tar.zst --account alice\n",
	},
};

const char *const verb_pages[] = { "import", "mailbox", NULL };

/* Is `name` one of these words, or does it begin with them? */
static bool begins(const char *name, const char *words)
{
	struct str rest = str_of(name);
	return str_skip(&rest, str_of(words)) && (rest.n == 0 || *rest.p == ' ');
}

static bool page_has(const struct page *p, const struct verb *v)
{
	for (size_t i = 0; i < PAGE_VERBS && p->verbs[i]; i++)
		if (!v->hidden && begins(v->name, p->verbs[i]))
			return true;
	return false;
}

static const struct page *page_find(const char *name)
{
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		if (strcmp(pages[i].name, name) == 0)
			return &pages[i];
	return NULL;
}

static void add_head(const struct page *p, struct buf *b)
{
	buf_printf(b, ".\\\" Made by `sluice help --man %s` from the table of verbs; edit that.\n", p->name);
	buf_addz(b, ".Dd November 21, 2026\n.Dt SLUICE-");
	for (const char *c = p->name; *c; c++)
		buf_addc(b, ch_upper(*c));
	buf_printf(b, " 1\n.Os\n.Sh NAME\n.Nm sluice-%s\n.Nd %s\n.Sh SYNOPSIS\n", p->name, p->line);
}

bool verb_page(const struct verb *table, const char *name, struct buf *b)
{
	const struct page *p = page_find(name);
	if (!p)
		return false;
	add_head(p, b);
	for (const struct verb *v = table; v->name; v++)
		if (page_has(p, v)) {
			buf_addz(b, ".Nm sluice\n");
			verb_synopsis(v, b);
		}
	buf_printf(b, ".Sh DESCRIPTION\n%s.Sh VERBS\n.Bl -tag -width Ds\n", p->before);
	for (const struct verb *v = table; v->name; v++)
		if (page_has(p, v))
			verb_entry(v, b);
	buf_printf(b, ".El\n%s.Sh SEE ALSO\n.Xr sluice 1 ,\n.Xr sluice.conf 5\n", p->after);
	return true;
}
