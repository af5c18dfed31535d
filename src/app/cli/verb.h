/* verb.h - the subcommands of `sluice`, as rows.
 *
 * One table (verbs.c) names every subcommand: its words, its arguments, one
 * line, the long help, its options and the function that does it.  Parsing,
 * `sluice help`, the manual page and shell completion come from that table,
 * so they cannot disagree.
 *
 * A verb's function gets a struct call: the arguments that are left when the
 * options are taken out, already counted against the row.  It returns a code
 * of sysexits.h; what went wrong it has said on standard error (cli_fail).
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <sysexits.h>

#define VERB_OPTIONS 16

struct option_row {
	const char *name; /* "json": --json; NULL ends the list */
	char letter;      /* 'c': -c; 0 = none */
	const char *arg;  /* what it takes ("FILE"), NULL = nothing */
	const char *help;
};
struct call;
struct verb {
	const char *name;     /* "account add" */
	const char *args;     /* "NAME [ADDRESS ...]" */
	unsigned min, max;    /* how many arguments */
	const char *line;     /* one line, no full stop */
	const char *help;     /* the long text: paragraphs parted by \n\n */
	const char *complete; /* what the shell offers for arguments: "file", "dir", "verb", "key", or NULL */
	struct option_row options[VERB_OPTIONS];
	int (*run)(const struct call *c);
	bool hidden; /* our own use only: neither in help nor in the manual */
};
struct call {
	const struct verb *verb;
	int argc;
	char **argv;                      /* arguments only */
	const char *values[VERB_OPTIONS]; /* as verb->options; "" for one without argument that was given */
	const char *config;               /* -c, $SLUICE_CONF or CONFIG_FILE */
};
#define CONFIG_FILE "/etc/sluice/sluice.conf"

/* The value of an option that was given, "" for one that takes none, NULL when absent. */
const char *call_option(const struct call *c, const char *name);

extern const struct verb verbs[]; /* ends with name NULL */
/* main() after argv[0]: find the verb, take the options, run it. */
int verbs_main(int argc, char **argv);

/* The row whose words begin `argv`; *used = how many words. NULL: none. */
const struct verb *verb_find(const struct verb *table, int argc, char **argv, int *used);
/* Sort options from arguments. False: e says what is wrong with the line. */
bool verb_parse(const struct verb *v, int argc, char **argv, struct call *c, struct err *e);

/* `sluice help`, `sluice help VERB`, sluice(1) as mdoc, completion for bash. */
void verb_overview(const struct verb *table, struct buf *b);
bool verb_help(const struct verb *table, int argc, char **argv, struct buf *b); /* false: no such verb */
void verb_manual(const struct verb *table, struct buf *b);
/* One verb as manual pages show it: its words; or with all that is said of it, as an item of a list. */
void verb_synopsis(const struct verb *v, struct buf *b);
void verb_entry(const struct verb *v, struct buf *b);
/* sluice-NAME(1), of some verbs alone (pages.c). False: there is no such page. */
bool verb_page(const struct verb *table, const char *name, struct buf *b);
/* The pages that there are, one after the other; ends with NULL. */
extern const char *const verb_pages[];
void verb_completion(const struct verb *table, struct buf *b);

/* "sluice: text" on standard error; returns `code`, so that a failing line reads: return cli_fail(EX_DATAERR, ...); */
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *fmt, ...);
/* The code that says what kind of failure `e` is. */
int cli_code(const struct err *e);
/* Write `b` to standard output and free it: EX_OK, or EX_IOERR. */
int cli_print(struct buf *b);

/* cli/config.c */
int cli_config_check(const struct call *c);
int cli_config_print(const struct call *c);   /* --all: defaults too */
int cli_config_explain(const struct call *c); /* [KEY] */
int cli_config_example(const struct call *c); /* [TOPIC] */
int cli_config_manual(const struct call *c);  /* sluice.conf(5), for the build and the package */
