#include "app/conf.h"
#include "app/conf_type.h"

#define LINE 76 /* octets of input; mandoc's linter wants at most 80 */

static void add_word(struct buf *b, struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] == '\\')
			buf_addz(b, "\\e");
		else if (word.p[i] == '-')
			buf_addz(b, "\\-");
		else
			buf_addc(b, word.p[i]);
}

/* Text for mdoc: each sentence on its own line, no line that begins with a dot or a quote, backslash and minus as such.
 */
static void add_text(struct buf *b, const char *text)
{
	struct str rest = str_of(text);
	size_t line = b->n;
	while (rest.n > 0) {
		struct str word = str_cut(&rest, ' ');
		bool sentence = word.n > 0 && strchr(".?", word.p[word.n - 1]) && rest.n > 0 &&
				ch_upper(*rest.p) == *rest.p;
		if (b->n > line && b->n - line + 1 + word.n > LINE) {
			buf_addc(b, '\n');
			line = b->n;
		}
		if (b->n > line)
			buf_addc(b, ' ');
		else if (word.n > 0 && strchr(".'", *word.p))
			buf_addz(b, "\\&");
		add_word(b, word);
		if (sentence) {
			buf_addc(b, '\n');
			line = b->n;
		}
	}
	buf_addc(b, '\n');
}

/* "<socket> [mode <mode>]" as "Ar socket Oo Cm mode Ar mode Oc". */
static void add_takes(struct buf *b, const char *takes)
{
	struct str rest = str_of(takes);
	while (rest.n > 0) {
		struct str word = str_cut(&rest, ' ');
		if (str_skipc(&word, '['))
			buf_addz(b, " Oo");
		bool close = str_ends(word, STR("]"));
		if (close)
			word = str_sub(word, 0, word.n - 1);
		bool more = str_ends(word, STR("..."));
		if (more)
			word = str_sub(word, 0, word.n - 3);
		if (str_skipc(&word, '<'))
			buf_printf(b, " Ar %.*s%s", (int)word.n - 1, word.p, more ? " ..." : "");
		else if (str_eq(word, STR("|")))
			buf_addz(b, " No \\(ba");
		else
			buf_printf(b, " Cm %.*s", STRF(word));
		if (close)
			buf_addz(b, " Oc");
	}
}

static void add_default(struct buf *b, const struct conf_key *k)
{
	struct buf line = { 0 };
	if (k->preset)
		buf_printf(&line, "Default: %s", k->preset);
	else if (k->otherwise)
		buf_printf(&line, "Default: %s", k->otherwise);
	if (k->range) {
		size_t dots = str_find(str_of(k->range), STR(".."));
		buf_printf(&line, "%s from %.*s to %s", line.n ? ";" : "Possible:", (int)dots, k->range,
			   k->range + dots + 2);
	}
	if (k->many)
		buf_addz(&line, line.n ? "; may be said more than once" : "May be said more than once");
	if (line.n > 0) {
		buf_printf(&line, ".%c", 0);
		add_text(b, line.p);
	}
	buf_free(&line);
}

static void add_key(struct buf *b, const struct conf_key *k)
{
	struct str word = key_word(k);
	buf_printf(b, ".It Ic %.*s", STRF(word));
	add_takes(b, k->takes);
	if (k->block != KEY_LINE)
		buf_addz(b, k->block == KEY_BLOCK ? " Li { Ar ... Li }" : " Op Li { Ar ... Li }");
	buf_addc(b, '\n');
	add_text(b, k->line);
	if (k->text)
		add_text(b, k->text);
	add_default(b, k);
}

static void add_keys(struct buf *b, const struct conf_key *in)
{
	buf_addz(b, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], in))
			add_key(b, &conf_key_table[i]);
	buf_addz(b, ".El\n");
}

static void add_types(struct buf *b)
{
	buf_addz(b, ".Sh VALUES\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < conf_type_count; i++) {
		struct buf line = { 0 };
		const char *expect = conf_types[i].expect;
		buf_printf(b, ".It Ar %s\n", conf_types[i].name);
		buf_printf(&line, "%c%s.%c", ch_upper(expect[0]), expect + 1, 0);
		add_text(b, line.p);
		if (conf_types[i].text)
			add_text(b, conf_types[i].text);
		buf_free(&line);
	}
	buf_addz(b, ".El\n");
}

static const char head[] = ".\\\" Made by `sluice config manual` from the table of keys; edit that.\n"
			   ".Dd November 21, 2026\n"
			   ".Dt SLUICE.CONF 5\n"
			   ".Os\n"
			   ".Sh NAME\n"
			   ".Nm sluice.conf\n"
			   ".Nd what a Sluice mail server does\n"
			   ".Sh DESCRIPTION\n"
			   "The configuration of\n"
			   ".Xr sluice 1\n"
			   "is read by\n"
			   ".Ic sluice serve\n"
			   "and again on\n"
			   ".Ic sluice reload ;\n"
			   "a reload takes all of it, or nothing when it has mistakes.\n"
			   "Accounts, their addresses, aliases and passwords do not stand in it:\n"
			   "they have verbs.\n"
			   ".Pp\n"
			   ".Ic sluice config check\n"
			   "names every mistake with its file, line and column;\n"
			   ".Ic sluice config print\n"
			   "shows what holds,\n"
			   ".Ic sluice config explain\n"
			   "a single key,\n"
			   ".Ic sluice config example\n"
			   "a file to begin with.\n"
			   ".Sh SYNTAX\n"
			   "A statement is a word, what follows it, and for some words a block of\n"
			   "further statements in braces.\n"
			   "It ends with the line, with\n"
			   ".Ql \\&;\n"
			   "or with the brace that closes the block around it.\n"
			   "The brace that opens a block stands on the line of its word.\n"
			   ".Pp\n"
			   "Words are parted by blanks or commas; a comma at the end of a line\n"
			   "continues the statement on the next one.\n"
			   "A word with blanks or any of\n"
			   ".Ql { } \\&; \\&, # \\(dq \\(aq\n"
			   "in it is written in quotes.\n"
			   "Between double quotes\n"
			   ".Ql \\e\\(dq ,\n"
			   ".Ql \\e\\e\n"
			   "and\n"
			   ".Ql \\en\n"
			   "mean a quote, a backslash and a new line;\n"
			   "between single quotes everything is itself.\n"
			   "A comment goes from\n"
			   ".Ql #\n"
			   "to the end of its line.\n"
			   ".Pp\n"
			   "Files are UTF\\-8.\n"
			   "A statement stands in its place once, unless it says that it may be said\n"
			   "more than once.\n"
			   "Brackets in this manual mark what may be left out, a bar parts what may\n"
			   "stand instead.\n"
			   "Options, words with values behind them, follow the other values in any order.\n";

static const char foot[] = ".Sh FILES\n"
			   ".Bl -tag -width Ds\n"
			   ".It Pa /etc/sluice/sluice.conf\n"
			   "The configuration, unless\n"
			   ".Fl c\n"
			   "or\n"
			   ".Ev SLUICE_CONF\n"
			   "names another.\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   ".Bd -literal\n"
			   "host mail.example.org\n"
			   "\n"
			   "listen public {\n"
			   "\taddress 192.0.2.10, 2001:db8::10\n"
			   "\tsmtp; submission; submissions; imap; imaps\n"
			   "\ttls cert /etc/sluice/mail.pem secret /etc/sluice/mail.key\n"
			   "}\n"
			   "\n"
			   "domain example.org { detail +; postmaster alice }\n"
			   ".Ed\n"
			   ".Sh SEE ALSO\n"
			   ".Xr sluice 1\n";

void conf_manual(struct buf *b)
{
	buf_addz(b, head);
	buf_addz(b, ".Sh KEYS\n");
	add_keys(b, NULL);
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *k = &conf_key_table[i];
		if (k->block == KEY_LINE)
			continue;
		buf_printf(b, ".Ss Inside %s\n", k->path);
		add_keys(b, k);
	}
	add_types(b);
	buf_addz(b, foot);
}
