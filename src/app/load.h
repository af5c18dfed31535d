/* load.h - the configuration from file to values, in one call.
 *
 * Holds everything that was made of it in one arena: the texts (to be sent to
 * the roles), the tree and the settings.  The parent, each role and the
 * CLI load the same texts and get the same values; so a place in the list of
 * listening sockets (struct place) can be named by its number alone.
 */
#pragma once
#include "app/conf.h"

struct place {             /* one listening socket */
	uint16_t listener; /* in settings.listens */
	uint16_t index;    /* in its services */
	enum service service;
	bool unix_socket;
	struct addrport at;
	struct str path;
	unsigned mode;
	struct str group;
	const char *where; /* file:line:column */
};
#define PLACES_MAX 1000

struct loaded {
	struct arena arena;
	struct conf_text *texts;
	size_t ntexts;
	struct conf *conf;
	struct settings settings;
	struct place *places;
	size_t nplaces;
};
/* Read, parse, check. False: `errors` says all that is wrong, a line each; nothing is kept. */
bool load_file(const char *path, struct loaded *l, struct conf_errors *errors);
/* The same from conf_pack()'s blob: a role's half. */
bool load_blob(struct str blob, struct loaded *l, struct conf_errors *errors);
/* Only where a server that runs with this file would be found (settings.run_dir): whatever else is wrong with the file,
 * its server can be asked and stopped.  False: the file cannot be read. */
bool load_run_dir(const char *path, struct loaded *l, struct err *e);
void load_free(struct loaded *l);

/* The configured levels, of all and of single modules, take effect in this process. */
void load_levels(const struct loaded *l);

/* Paths in the run folder and the store folder; the arena's. */
const char *load_run_path(struct loaded *l, const char *name);
const char *load_store_path(struct loaded *l, const char *name);
#define NAME_CONTROL "control.sock"
#define NAME_AUTH    "auth.sock"
#define NAME_PID     "sluice.pid"
/* One folder for each trust below the store folder, so that a fence can tell them apart. */
#define NAME_MAIL_DIR "mail"
#define NAME_AUTH_DIR "auth"
