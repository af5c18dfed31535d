/* conf.h - the configuration language: words and braces, and one table of what may be said.
 *
 *	file      = { statement }
 *	statement = word { [","] word } [ "{" file "}" ] end
 *	end       = newline, ";", or the "}" that follows; blank lines are nothing
 *	word      = bare | "..." (\" \\ \n) | '...' (raw)
 *	            bare: anything but blanks and { } ; , # " '
 *	            "#" begins a comment; a comma at a line's end continues it
 *
 * Parsing gives a tree with places; checking holds it against the table
 * (keys.c: path, what it takes, default, range, since, one line, long text) and gives
 * every mistake as file:line:column, what is wrong, what would be right.  The
 * same table makes `config print|explain|example`, sluice.conf(5) and completion.
 * Pure: files are read by conf_read() alone.
 */
#pragma once
#include "app/settings.h"
#include "base/arena.h"
#include "base/buf.h"

/* What one configuration may be made of. */
#define CONF_FILES_MAX     200
#define CONF_FILE_MAX      ((size_t)1 << 20) /* octets of one file */
#define CONF_TOTAL_MAX     ((size_t)8 << 20) /* and of all together: one letter to a role */
#define CONF_INCLUDE_DEPTH 8
#define CONF_BLOCK_DEPTH   16
#define CONF_ERRORS_MAX    50 /* shown; past it they are only counted */

struct conf_text { /* one file's text, under the name that errors show */
	struct str name, text;
};
struct conf; /* the tree */
struct conf_errors {
	struct buf text; /* one line each: FILE:LINE:COL: message */
	size_t n;
};
/* Read the main file and what it includes (`include conf.d/`*.conf, relative to the file).  When a file cannot be
 * read the mistakes in the others are told too. */
bool conf_read(const char *path, struct arena *a, struct conf_text **texts, size_t *n, struct conf_errors *errors);
/* Parse and check; NULL when there were mistakes. texts[0] is the main file; the tree points into the texts. */
struct conf *conf_parse(const struct conf_text *texts, size_t n, struct arena *a, struct conf_errors *errors);
/* What it means. False: mistakes that need the whole (duplicate listeners, unknown account names are not looked up). */
bool settings_from(const struct conf *c, struct arena *a, struct settings *out, struct conf_errors *errors);
/* Files that are named: certificates there, secrets there and not readable by others. */
bool settings_check_files(const struct settings *s, struct conf_errors *errors);
/* For the parent -> role message: all texts in one blob and back (the texts point into the blob). */
void conf_pack(struct buf *b, const struct conf_text *texts, size_t n);
bool conf_unpack(struct str blob, struct arena *a, struct conf_text **texts, size_t *n);

/* `sluice config ...` */
void conf_print(const struct conf *c, struct buf *b, bool all); /* every key with its value; all: defaults too */
/* "mx.recipients"; "" = all keys, a line each; false: no such key, b has suggestions. */
bool conf_explain(struct str path, struct buf *b);
/* "" = a whole commented file, else one top-level key's part; false: no such topic, b has those that are. */
bool conf_example(struct str topic, struct buf *b);
void conf_manual(struct buf *b); /* sluice.conf(5), mdoc */
void conf_keys(struct buf *b);   /* all paths, one a line, for completion */
/* Nearest of `from` by edits (a swap is one): at most 2, or a third of a long word; empty when none. */
struct str did_you_mean(struct str word, const struct str *from, size_t n);
