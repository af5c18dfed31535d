#include "app/sendmail/options.h"

const char sendmail_help[] =
    "usage: sendmail [OPTIONS] [RECIPIENT ...]\n"
    "\n"
    "Reads a message from standard input and gives it to the mail system.\n"
    "\n"
    "  -t             take the recipients from To, Cc and Bcc\n"
    "  -f ADDRESS     the sender; also -r\n"
    "  -F NAME        the sender's full name\n"
    "  -i, -oi        a line with a single dot does not end the message\n"
    "  --subject=TEXT the subject, instead of the one that the message has\n"
    "  -N WHEN        tell the sender: never, or some of success,failure,delay\n"
    "  -R hdrs|full   how much of the message comes back with that\n"
    "  -V ID          envelope id that comes back with that\n"
    "  -bs            speak SMTP on standard input and output\n"
    "  -bp            show the queue (mailq)\n"
    "  -bi            aliases stand in the mail system itself: does nothing (newaliases)\n"
    "  -v             say what is done\n"
    "  --socket=PATH  the mail system's socket\n"
    "\n"
    "Exits as sysexits(3) says: 0 when the message was taken, 64 for a wrong command line, 67 for no such recipient,\n"
    "75 when it should be tried again, 77 when it is not allowed.\n";

/* The options with a value, in the same word or the next; those that we do not need among them. */
static const struct value_row {
	char letter;
	size_t offset;
} values[] = {
	{ 'f', offsetof(struct sendmail_options, sender) },
	{ 'r', offsetof(struct sendmail_options, sender) },
	{ 'F', offsetof(struct sendmail_options, name) },
	{ 'N', offsetof(struct sendmail_options, notify) },
	{ 'R', offsetof(struct sendmail_options, ret) },
	{ 'V', offsetof(struct sendmail_options, envid) },
	{ 'B', 0 },
	{ 'C', 0 },
	{ 'D', 0 },
	{ 'd', 0 },
	{ 'h', 0 },
	{ 'L', 0 },
	{ 'M', 0 },
	{ 'O', 0 },
	{ 'p', 0 },
	{ 'X', 0 },
};

static const struct value_row *value_row(char letter)
{
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (values[i].letter == letter)
			return &values[i];
	return NULL;
}

static bool take_mode(char letter, struct sendmail_options *o, struct buf *why)
{
	switch (letter) {
	case 'm':
		o->mode = MODE_DELIVER;
		return true;
	case 's':
		o->mode = MODE_SMTP;
		return true;
	case 'p':
		o->mode = MODE_QUEUE;
		return true;
	case 'i':
	case 'I':
		o->mode = MODE_ALIASES;
		return true;
	default:
		buf_printf(why, "-b%c is not offered here: the mail system is a server of its own (sluice serve)",
			   letter ? letter : ' ');
		return false;
	}
}

static bool take_long(const char *word, struct sendmail_options *o, struct buf *why)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[] = { { "subject=", offsetof(struct sendmail_options, subject) },
		     { "socket=", offsetof(struct sendmail_options, socket) } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strncmp(word, rows[i].name, strlen(rows[i].name)) == 0) {
			*(const char **)((char *)o + rows[i].offset) = word + strlen(rows[i].name);
			return true;
		}
	if (strcmp(word, "help") == 0 || strcmp(word, "version") == 0) {
		o->mode = *word == 'h' ? MODE_HELP : MODE_VERSION;
		return true;
	}
	buf_printf(why, "no option --%s; see sendmail --help", word);
	return false;
}

/* "-oi", "-oeq", "-o7": only i means something here. */
static void take_o(const char *rest, struct sendmail_options *o)
{
	if (*rest == 'i')
		o->dots = true;
}

/* One word of letters; *i moves on when the next word is a value. */
static bool take_letters(int argc, char **argv, int *i, struct sendmail_options *o, struct buf *why)
{
	for (const char *c = argv[*i] + 1; *c; c++) {
		const struct value_row *v = value_row(*c);
		if (v) {
			const char *value = c[1] ? c + 1 : *i + 1 < argc ? argv[++*i] : NULL;
			if (!value) {
				buf_printf(why, "-%c needs a value", *c);
				return false;
			}
			if (v->offset)
				*(const char **)((char *)o + v->offset) = value;
			return true;
		}
		if (*c == 'b')
			return take_mode(c[1], o, why);
		if (*c == 'o') {
			take_o(c + 1, o);
			return true;
		}
		if (*c == 'q') { /* runs the queue elsewhere; ours runs by itself */
			o->mode = MODE_ALIASES;
			return true;
		}
		o->from_header |= *c == 't';
		o->dots |= *c == 'i';
		o->verbose |= *c == 'v';
		if (!strchr("tivmnsUGAa7xeI", *c)) {
			buf_printf(why, "no option -%c; see sendmail --help", *c);
			return false;
		}
	}
	return true;
}

bool sendmail_options(int argc, char **argv, struct sendmail_options *o, struct buf *why)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL, *name = slash      ? slash + 1
									     : argc > 0 ? argv[0]
											: "";
	bool options = true;
	*o = (struct sendmail_options){ .mode = strcmp(name, "mailq") == 0        ? MODE_QUEUE
						: strcmp(name, "newaliases") == 0 ? MODE_ALIASES
										  : MODE_DELIVER };
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && strncmp(word, "--", 2) == 0) {
			if (!take_long(word + 2, o, why))
				return false;
		} else if (options && word[0] == '-' && word[1]) {
			if (!take_letters(argc, argv, &i, o, why))
				return false;
		} else if (o->nrcpts == SENDMAIL_RCPTS) {
			buf_printf(why, "at most %d recipients", SENDMAIL_RCPTS);
			return false;
		} else {
			o->rcpts[o->nrcpts++] = word;
		}
	}
	return true;
}
