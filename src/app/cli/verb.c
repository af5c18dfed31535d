#include "app/cli/verb.h"

#include "base/file.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VERB_WORDS 3

/* Every verb takes these, so they stand in no row. */
static const struct option_row everywhere[] = {
	{ "config", 'c', "FILE", "Configuration to use, default " CONFIG_FILE " (or $SLUICE_CONF)." },
	{ "help", 'h', NULL, "Show this verb's help." },
	{ 0 },
};

const char *call_option(const struct call *c, const char *name)
{
	for (size_t i = 0; i < VERB_OPTIONS && c->verb->options[i].name; i++)
		if (strcmp(c->verb->options[i].name, name) == 0)
			return c->values[i];
	return NULL;
}

/* Do the words of `name` begin argv?  How many they are, or 0. */
static int words_match(const char *name, int argc, char **argv)
{
	struct str rest = str_of(name);
	int n = 0;
	while (rest.n > 0) {
		if (n == argc || !str_eq(str_cut(&rest, ' '), str_of(argv[n])))
			return 0;
		n++;
	}
	return n;
}

const struct verb *verb_find(const struct verb *table, int argc, char **argv, int *used)
{
	const struct verb *best = NULL;
	*used = 0;
	for (const struct verb *v = table; v->name; v++) {
		int n = words_match(v->name, argc, argv);
		if (n > *used) {
			best = v;
			*used = n;
		}
	}
	return best;
}

/* "--name", "--name=value" or "-x": the row it means, and the value that hangs on it (NULL: none). */
static const struct option_row *option_find(const struct option_row *rows, size_t max, const char *word,
					    const char **value, size_t *index)
{
	*value = NULL;
	for (size_t i = 0; i < max && rows[i].name; i++) {
		size_t n = strlen(rows[i].name);
		*index = i;
		if (word[1] != '-') {
			if (rows[i].letter == word[1]) {
				*value = word[2] ? word + 2 : NULL;
				return &rows[i];
			}
		} else if (strncmp(word + 2, rows[i].name, n) == 0 && (word[2 + n] == 0 || word[2 + n] == '=')) {
			*value = word[2 + n] ? word + 3 + n : NULL;
			return &rows[i];
		}
	}
	return NULL;
}

/* Take the option argv[*i], and its value when that is the next word. */
static bool take_option(const struct verb *v, int argc, char **argv, int *i, struct call *c, struct err *e)
{
	const char *value;
	size_t index;
	bool own = true;
	const struct option_row *o = option_find(v->options, VERB_OPTIONS, argv[*i], &value, &index);
	if (!o) {
		o = option_find(everywhere, 2, argv[*i], &value, &index);
		own = false;
	}
	if (!o)
		return err_set(e, ERR_PERM, "no such option: %s; see: sluice help %s", argv[*i], v->name);
	if (!o->arg && value)
		return err_set(e, ERR_PERM, "--%s takes no value", o->name);
	if (o->arg && !value) {
		if (*i + 1 == argc)
			return err_set(e, ERR_PERM, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
		value = argv[++*i];
	}
	if (own)
		c->values[index] = value ? value : "";
	else if (o->arg)
		c->config = value;
	else
		return err_set(e, ERR_NONE, "help");
	return true;
}

bool verb_parse(const struct verb *v, int argc, char **argv, struct call *c, struct err *e)
{
	const char *conf = getenv("SLUICE_CONF");
	bool options = true;
	*c = (struct call){ .verb = v, .argv = argv, .config = conf && *conf ? conf : CONFIG_FILE };
	for (int i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			if (!take_option(v, argc, argv, &i, c, e))
				return false;
		} else {
			argv[c->argc++] = argv[i]; /* never ahead of i */
		}
	}
	if ((unsigned)c->argc < v->min || (unsigned)c->argc > v->max)
		return err_set(e, ERR_PERM, "usage: sluice %s%s%s", v->name, *v->args ? " " : "", v->args);
	return true;
}

static int unknown_verb(int argc, char **argv)
{
	struct buf b = { 0 };
	buf_printf(&b, "sluice: no such verb: %s", argv[0]);
	for (int i = 1; i < argc && i < VERB_WORDS && argv[i][0] != '-'; i++)
		buf_printf(&b, " %s", argv[i]);
	/* "sluice account": what begins like it. */
	for (const struct verb *v = verbs; v->name; v++) {
		struct str name = str_of(v->name);
		if (!v->hidden && str_eq(str_cut(&name, ' '), str_of(argv[0])))
			buf_printf(&b, "\n  sluice %s%s%s", v->name, *v->args ? " " : "", v->args);
	}
	buf_addz(&b, "\nsee: sluice help\n");
	(void)!file_write(STDERR_FILENO, buf_str(&b));
	buf_free(&b);
	return EX_USAGE;
}

static int overview(int code)
{
	struct buf b = { 0 };
	verb_overview(verbs, &b);
	int printed = cli_print(&b);
	return printed == EX_OK ? code : printed;
}

int verbs_main(int argc, char **argv)
{
	const char *leading = NULL, *value; /* sluice -c FILE verb ... */
	struct call c;
	struct err e = { 0 };
	size_t index;
	int used;
	while (argc > 0 && argv[0][0] == '-' && strcmp(argv[0], "--version") != 0) {
		const struct option_row *o = option_find(everywhere, 2, argv[0], &value, &index);
		if (!o)
			return cli_fail(EX_USAGE, "no such option: %s; see: sluice help", argv[0]);
		if (!o->arg)
			return overview(EX_OK);
		if (!value && argc == 1)
			return cli_fail(EX_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
		leading = value ? value : argv[1];
		argc -= value ? 1 : 2;
		argv += value ? 1 : 2;
	}
	if (argc == 0)
		return overview(EX_USAGE);
	if (strcmp(argv[0], "--version") == 0)
		argv[0] = (char *)(uintptr_t) "version";
	const struct verb *v = verb_find(verbs, argc, argv, &used);
	if (!v)
		return unknown_verb(argc, argv);
	bool ok = verb_parse(v, argc - used, argv + used, &c, &e);
	if (!ok && e.kind == ERR_NONE) {
		struct buf b = { 0 };
		verb_help(verbs, used, argv, &b);
		return cli_print(&b);
	}
	if (!ok)
		return cli_fail(EX_USAGE, "%s", e.text);
	if (leading)
		c.config = leading;
	return v->run(&c);
}

int cli_fail(int code, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;
	va_start(ap, fmt);
	buf_addz(&b, "sluice: ");
	buf_vprintf(&b, fmt, ap);
	buf_addc(&b, '\n');
	va_end(ap);
	(void)!file_write(STDERR_FILENO, buf_str(&b));
	buf_free(&b);
	return code;
}

int cli_code(const struct err *e)
{
	switch (e->kind) {
	case ERR_NONE:
		return EX_OK;
	case ERR_PERM:
		return EX_DATAERR;
	case ERR_PEER:
		return EX_UNAVAILABLE;
	case ERR_TEMP:
	case ERR_FULL:
	case ERR_QUOTA:
		break;
	}
	return EX_TEMPFAIL;
}

int cli_print(struct buf *b)
{
	bool ok = file_write(STDOUT_FILENO, buf_str(b));
	buf_free(b);
	return ok ? EX_OK : cli_fail(EX_IOERR, "cannot write the answer");
}
