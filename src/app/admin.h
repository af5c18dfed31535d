/* admin.h - what can be done to accounts, addresses, the queue and the store, as JSON in and out.
 *
 * One table: verb, the role that does it, the function.  While a server runs
 * the verb travels CLI -> parent -> role; while none runs the CLI opens the
 * store under the data folder's lock and calls the same function.  So a verb
 * does the same either way, and its check stands in one place.
 *
 * A function reads its arguments from a JSON object and fills another; what it
 * cannot do it says in an err.  It may run on any thread of its role.
 */
#pragma once
#include "app/roles.h"
#include "auth/auth.h"
#include "store/check.h"
#include "store/db.h"
#include "store/verifier.h"
#include <jansson.h>
#include <stdatomic.h>

struct admin { /* what the role has opened; NULL what it has not */
	struct loaded *loaded;
	struct store *store;
	struct verifiers *verifiers;
	const struct auth_conf *auth;
	progress_fn progress; /* may be NULL */
	void *progress_ctx;
	int fd;                  /* what came with the question; -1: nothing. The caller's to close */
	const atomic_bool *stop; /* set when the role has to leave; NULL: it never has */
};
struct admin_row {
	const char *verb;
	enum role_id role;
	bool (*run)(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
};
/* NULL: no such verb. */
const struct admin_row *admin_find(struct str verb);
/* Run it and make the reply: {"ok":true, ...} or {"ok":false,"error":"...","code":75}. */
json_t *admin_run(const struct admin_row *row, struct admin *ad, json_t *args);
/* {"ok":false,...} for `e`. */
json_t *admin_error(const struct err *e);
/* The sysexits.h code for it. */
int admin_code(const struct err *e);
/* A JSON string of bytes that may not be UTF-8. */
json_t *admin_text(struct str s);
struct str admin_str(json_t *object, const char *key); /* empty when absent or no string */
/* Backup folders hold one copy of each database folder; both halves below are used by the CLI for restore too. */
bool admin_restore(const char *from, const char *store_dir, progress_fn progress, void *ctx, struct err *e);
