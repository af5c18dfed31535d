/* manual.c - help, manual page and completion, all from the one table. */
#include "app/cli/verb.h"

#include <stdio.h>

#define NAME_WIDTH 22

/* Options that every verb takes; verb.c parses them. */
static const char everywhere[] = "-c FILE, --config FILE";

/* `text` in lines of at most `width`, each after `indent` blanks; \n\n parts paragraphs. */
static void add_wrapped(struct buf *b, const char *text, unsigned indent, size_t width)
{
	struct str rest = str_of(text);
	while (rest.n > 0) {
		size_t end = str_find(rest, STR("\n\n"));
		struct str para = str_sub(rest, 0, end);
		size_t column = 0;
		while (para.n > 0) {
			struct str word = str_cut(&para, ' ');
			if (column > 0 && column + 1 + word.n > width) {
				buf_addc(b, '\n');
				column = 0;
			}
			buf_printf(b, "%*s%.*s", column ? 1 : (int)indent, "", STRF(word));
			column += word.n + (column ? 1 : indent);
		}
		buf_addc(b, '\n');
		rest = str_sub(rest, end + 2, rest.n);
		if (rest.n > 0)
			buf_addc(b, '\n');
	}
}

void verb_overview(const struct verb *table, struct buf *b)
{
	buf_addz(b, "sluice - a mail system that cannot be flooded\n\nusage: sluice [-c FILE] VERB [ARGUMENTS]\n\n");
	for (const struct verb *v = table; v->name; v++)
		if (!v->hidden)
			buf_printf(b, "  %-*s %s\n", NAME_WIDTH, v->name, v->line);
	buf_addz(b, "\nsluice help VERB says more, and so does sluice(1).\n");
}

static void add_option_name(struct buf *b, const struct option_row *o)
{
	if (o->letter)
		buf_printf(b, "-%c, ", o->letter);
	buf_printf(b, "--%s", o->name);
	if (o->arg)
		buf_printf(b, " %s", o->arg);
}

static void add_help(const struct verb *v, struct buf *b)
{
	buf_printf(b, "sluice %s%s%s\n    %s.\n\n", v->name, *v->args ? " " : "", v->args, v->line);
	if (v->help && *v->help) {
		add_wrapped(b, v->help, 4, 78);
		buf_addc(b, '\n');
	}
	for (size_t i = 0; i < VERB_OPTIONS && v->options[i].name; i++) {
		buf_addz(b, "    ");
		add_option_name(b, &v->options[i]);
		buf_addc(b, '\n');
		add_wrapped(b, v->options[i].help, 8, 78);
	}
	buf_printf(b, "    %s\n        Configuration to use, default %s (or $SLUICE_CONF).\n", everywhere, CONFIG_FILE);
}

bool verb_help(const struct verb *table, int argc, char **argv, struct buf *b)
{
	int used;
	const struct verb *v = verb_find(table, argc, argv, &used);
	if (v && used == argc) {
		add_help(v, b);
		return true;
	}
	/* A first word alone: the family. */
	bool any = false;
	for (v = table; v->name && argc == 1; v++) {
		struct str name = str_of(v->name);
		if (v->hidden || !str_eq(str_cut(&name, ' '), str_of(argv[0])))
			continue;
		if (any)
			buf_addc(b, '\n');
		add_help(v, b);
		any = true;
	}
	return any;
}

/* Text of a mdoc paragraph: no line may begin with a dot or a quote, a backslash is \e. */
static void add_roff(struct buf *b, const char *text)
{
	bool start = true;
	for (const char *p = text; *p; p++) {
		if (start && (*p == '.' || *p == '\''))
			buf_addz(b, "\\&");
		if (p[0] == '\n' && p[1] == '\n') {
			buf_addz(b, "\n.Pp\n");
			p++;
			start = true;
			continue;
		}
		if (*p == '\\')
			buf_addz(b, "\\e");
		else if (*p == '-')
			buf_addz(b, "\\-");
		else
			buf_addc(b, *p);
		/* mdoc wants a new sentence on a new line. */
		start = *p == '\n';
		if (*p == '.' && p[1] == ' ') {
			buf_addc(b, '\n');
			start = true;
			p++;
		}
	}
	buf_addc(b, '\n');
}

static void add_words(const struct verb *v, struct buf *b)
{
	buf_printf(b, "Ic %s", v->name);
	struct str rest = str_of(v->args);
	while (rest.n > 0) {
		struct str word = str_cut(&rest, ' ');
		struct str bare = word;
		bool open = str_skipc(&bare, '[');
		unsigned closes = 0;
		for (; bare.n > 0 && bare.p[bare.n - 1] == ']'; closes++)
			bare.n--;
		/* Brackets stand as words: "[SIZE [MESSAGES]]" closes two at once. */
		buf_printf(b, "%s Ar %.*s", open ? " Oo" : "", STRF(bare));
		while (closes-- > 0)
			buf_addz(b, " Oc");
	}
	buf_addc(b, '\n');
}

void verb_synopsis(const struct verb *v, struct buf *b)
{
	buf_addc(b, '.');
	add_words(v, b);
}

void verb_entry(const struct verb *v, struct buf *b)
{
	buf_addz(b, ".It ");
	add_words(v, b);
	buf_printf(b, "%s.\n", v->line);
	if (v->help && *v->help) {
		buf_addz(b, ".Pp\n");
		add_roff(b, v->help);
	}
	if (!v->options[0].name)
		return;
	buf_addz(b, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < VERB_OPTIONS && v->options[i].name; i++) {
		const struct option_row *o = &v->options[i];
		buf_addz(b, ".It");
		if (o->letter)
			buf_printf(b, " Fl %c ,", o->letter);
		buf_printf(b, " Fl \\-%s", o->name);
		if (o->arg)
			buf_printf(b, " Ar %s", o->arg);
		buf_addc(b, '\n');
		add_roff(b, o->help);
	}
	buf_addz(b, ".El\n");
}

static const char manual_head[] =
    ".\\\" Made by `sluice help --man` from the table of verbs; edit that.\n"
    ".Dd November 21, 2026\n"
    ".Dt SLUICE 1\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm sluice\n"
    ".Nd a mail system that cannot be flooded\n"
    ".Sh SYNOPSIS\n"
    ".Nm\n"
    ".Op Fl c Ar file\n"
    ".Ar verb\n"
    ".Op Ar argument ...\n"
    ".Sh DESCRIPTION\n"
    ".Nm\n"
    "takes mail in by SMTP, keeps it, and lets its owner read it by IMAP.\n"
    "One program does all: each verb below is a use of it.\n"
    "What it serves stands in\n"
    ".Xr sluice.conf 5 ;\n"
    "accounts, addresses, aliases and passwords stand in the store and have verbs.\n"
    ".Pp\n"
    "While a server runs, verbs speak to it through the control socket in its run folder:\n"
    "root, the server's own user and members of its group may.\n"
    "While none runs, verbs that need the store become the server's user, lock the data folder\n"
    "and open the store themselves.\n"
    ".Pp\n"
    "The option\n"
    ".Fl c\n"
    "names the configuration for every verb.\n"
    "Verbs that list take\n"
    ".Fl \\-json .\n"
    ".Sh VERBS\n"
    ".Bl -tag -width Ds\n";

static const char manual_foot[] =
    ".El\n"
    ".Sh SIGNALS\n"
    "The parent process that\n"
    ".Ic serve\n"
    "starts takes\n"
    ".Dv SIGHUP\n"
    "(read the configuration again; a bad one is refused and the old one kept),\n"
    ".Dv SIGUSR1\n"
    "(open log files again) and\n"
    ".Dv SIGTERM\n"
    "or\n"
    ".Dv SIGINT\n"
    "(let sessions finish, then end; a second one ends at once).\n"
    ".Sh ENVIRONMENT\n"
    ".Bl -tag -width Ds\n"
    ".It Ev SLUICE_CONF\n"
    "The configuration when\n"
    ".Fl c\n"
    "is not given.\n"
    ".It Ev NOTIFY_SOCKET\n"
    "Where the service manager wants to be told that the server is ready.\n"
    ".It Ev CREDENTIALS_DIRECTORY\n"
    "Where secrets named\n"
    ".Ql cred:NAME\n"
    "in the configuration are read.\n"
    ".El\n"
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa " CONFIG_FILE "\n"
    "The configuration.\n"
    ".It Pa /var/lib/sluice\n"
    "The store: mail, accounts, password verifiers.\n"
    ".It Pa /run/sluice/control.sock\n"
    "The control socket.\n"
    ".It Pa /run/sluice/sluice.pid\n"
    "Process id of the parent.\n"
    ".El\n"
    ".Sh EXIT STATUS\n"
    "0 on success, else a code of\n"
    ".Xr sysexits 3 :\n"
    "64 wrong use, 65 wrong data, 69 not available, 70 internal fault, 73 cannot create, 75 try again later,\n"
    "77 not permitted, 78 wrong configuration.\n"
    ".Ic status\n"
    "exits 0 when the server runs, 1 when it is dead and left its pid file, 3 when it does not run,\n"
    "4 when that cannot be told.\n"
    ".Sh SEE ALSO\n";

void verb_manual(const struct verb *table, struct buf *b)
{
	buf_addz(b, manual_head);
	for (const struct verb *v = table; v->name; v++)
		if (!v->hidden)
			verb_entry(v, b);
	buf_addz(b, manual_foot);
	for (const char *const *page = verb_pages; *page; page++)
		buf_printf(b, ".Xr sluice-%s 1 ,\n", *page);
	buf_addz(b, ".Xr sluice.conf 5\n");
}

/* One case per prefix of words: what may come next. */
static void add_completion_case(const struct verb *v, struct buf *b)
{
	buf_printf(b, "\t\"%s\")\n\t\toptions=\"", v->name);
	for (size_t i = 0; i < VERB_OPTIONS && v->options[i].name; i++)
		buf_printf(b, "%s--%s", i > 0 ? " " : "", v->options[i].name);
	buf_addz(b, "\"");
	if (v->complete && strcmp(v->complete, "key") == 0)
		buf_addz(b, "\n\t\twords=$(sluice config explain --keys 2>/dev/null)");
	else if (v->complete && strcmp(v->complete, "file") == 0)
		buf_addz(b, "\n\t\tfiles=-f");
	else if (v->complete && strcmp(v->complete, "dir") == 0)
		buf_addz(b, "\n\t\tfiles=-d");
	buf_addz(b, " ;;\n");
}

/* What follows an option that takes something: folders, or what cannot be guessed. */
static void add_completion_values(const struct verb *table, struct buf *b)
{
	buf_addz(b, "\tcase $prev in\n\t-c | --config) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
	for (const struct verb *v = table; v->name; v++)
		for (size_t i = 0; i < VERB_OPTIONS && v->options[i].name; i++)
			if (v->options[i].arg && strcmp(v->options[i].arg, "DIR") == 0)
				buf_printf(b, "\t--%s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n",
					   v->options[i].name);
			else if (v->options[i].arg)
				buf_printf(b, "\t--%s) return ;;\n", v->options[i].name);
	buf_addz(b, "\tesac\n");
}

/* The first words once each, in the table's order; families have their second words. */
static void add_completion_words(const struct verb *table, struct buf *b, struct str family)
{
	struct str last = STR_NONE;
	for (const struct verb *v = table; v->name; v++) {
		struct str rest = str_of(v->name);
		struct str first = str_cut(&rest, ' ');
		if (v->hidden || (family.n > 0 && !str_eq(first, family)))
			continue;
		struct str word = family.n > 0 ? rest : first;
		if (word.n > 0 && !str_eq(word, last))
			buf_printf(b, "%.*s ", STRF(word));
		last = word;
	}
}

void verb_completion(const struct verb *table, struct buf *b)
{
	buf_addz(b, "# bash completion for sluice; made by `sluice completion bash`\n_sluice()\n{\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
		    " path= words= options= files= i w\n\tCOMPREPLY=()\n");
	add_completion_values(table, b);
	buf_addz(b, "\tfor ((i = 1; i < COMP_CWORD && i < 5; i++)); do\n"
		    "\t\tw=${COMP_WORDS[i]}\n"
		    "\t\t[[ $w == -c || $w == --config ]] && { ((i++)); continue; }\n"
		    "\t\t[[ $w == -* ]] || path=\"${path:+$path }$w\"\n\tdone\n"
		    "\t[[ $path == help* && $cur != -* ]] && { path=${path#help}; path=${path# }; }\n"
		    "\twhile :; do\n\tcase $path in\n\t\"\") options=--version words=\"");
	add_completion_words(table, b, STR_NONE);
	buf_addz(b, "\" ;;\n");
	struct str last = STR_NONE;
	for (const struct verb *v = table; v->name; v++) {
		struct str rest = str_of(v->name);
		struct str first = str_cut(&rest, ' ');
		if (v->hidden)
			continue;
		if (rest.n > 0 && !str_eq(first, last)) {
			buf_printf(b, "\t\"%.*s\") words=\"", STRF(first));
			add_completion_words(table, b, first);
			buf_addz(b, "\" ;;\n");
		}
		last = first;
		add_completion_case(v, b);
	}
	/* Not a verb's words any more: an argument stands at the end, so look again without it. */
	buf_addz(b, "\t*) [[ $path == *\\ * ]] && { path=${path% *}; continue; } ;;\n\tesac\n\tbreak\n\tdone\n"
		    "\t[[ $cur == -* ]] && words=\"$options --config --help\" files=\n"
		    "\tCOMPREPLY=($(compgen $files -W \"$words\" -- \"$cur\"))\n}\n"
		    "complete -o filenames -F _sluice sluice\n");
}
