#include "store/verifier.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "store/sqlite_store.h"

#define LOGINS_MAX 1000 /* of an account */

struct verifiers {
	pthread_mutex_t mu;
	struct tx tx; /* guarded by mu: one connection, one statement at a time */
};

struct verifiers *verifiers_open(const char *dir, bool create, struct err *e)
{
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/auth.db", dir) >= sizeof path - 16) {
		err_set(e, ERR_PERM, "%s: name too long", dir);
		return NULL;
	}
	if (create && !file_mkdirs(dir, 0700, e))
		return NULL;
	struct verifiers *v = calloc(1, sizeof *v);
	if (!v)
		abort();
	pthread_mutex_init(&v->mu, NULL);
	/* Nobody else checkpoints this one. */
	if (tx_open(&v->tx, path, create ? TX_CREATE : TX_WRITER, e) &&
	    sql_script(&v->tx, "PRAGMA wal_autocheckpoint=100;PRAGMA secure_delete=ON;PRAGMA cache_size=-512", e) &&
	    schema_migrate_auth(&v->tx, e))
		return v;
	verifiers_close(v);
	return NULL;
}

void verifiers_close(struct verifiers *v)
{
	if (!v)
		return;
	tx_close(&v->tx);
	pthread_mutex_destroy(&v->mu);
	free(v);
}

/* --- what a login proves itself by ------------------------------------------------------- */

static struct scram_keys keys_row(const struct rows *r, int at, struct arena *a)
{
	return (struct scram_keys){ (uint32_t)row_num(r, at), row_dup(r, at + 1, a), row_dup(r, at + 2, a),
				    row_dup(r, at + 3, a) };
}

bool verifier_find(struct verifiers *v, struct str login, struct arena *a, struct verifier **out, struct err *e)
{
	*out = NULL;
	pthread_mutex_lock(&v->mu);
	struct rows r = sql_rows(
	    &v->tx,
	    "SELECT w.account, w.account_id, w.argon2, w.crypt, w.sha1_iterations, w.sha1_salt,"
	    " w.sha1_stored, w.sha1_server, w.sha256_iterations, w.sha256_salt, w.sha256_stored,"
	    " w.sha256_server, w.cram, w.disabled FROM login l JOIN verifier w ON w.account = l.account"
	    " WHERE l.login = ?1",
	    TEXT(login));
	if (row_next(&r)) {
		struct verifier *w = ARENA_NEW(a, struct verifier);
		*w = (struct verifier){
			.account = row_dup(&r, 0, a),
			.account_id = row_num(&r, 1),
			.argon2 = row_dup(&r, 2, a),
			.crypt = row_dup(&r, 3, a),
			.sha1 = keys_row(&r, 4, a),
			.sha256 = keys_row(&r, 8, a),
			.cram = row_dup(&r, 12, a),
			.disabled = row_num(&r, 13) != 0,
		};
		*out = w;
	}
	bool ok = rows_end(&r, e);
	pthread_mutex_unlock(&v->mu);
	return ok;
}

bool verifier_set(struct verifiers *v, const struct verifier *w, struct err *e)
{
	pthread_mutex_lock(&v->mu);
	bool ok = sql_run(
	    &v->tx, e,
	    "INSERT OR REPLACE INTO verifier (account, account_id, argon2, crypt, sha1_iterations, sha1_salt,"
	    " sha1_stored, sha1_server, sha256_iterations, sha256_salt, sha256_stored, sha256_server, cram,"
	    " disabled) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	    TEXT(w->account), NUM(w->account_id), TEXT_OR_NULL(w->argon2), TEXT_OR_NULL(w->crypt),
	    NUM(w->sha1.iterations), BLOB_OR_NULL(w->sha1.salt), BLOB_OR_NULL(w->sha1.stored_key),
	    BLOB_OR_NULL(w->sha1.server_key), NUM(w->sha256.iterations), BLOB_OR_NULL(w->sha256.salt),
	    BLOB_OR_NULL(w->sha256.stored_key), BLOB_OR_NULL(w->sha256.server_key), TEXT_OR_NULL(w->cram),
	    NUM(w->disabled));
	pthread_mutex_unlock(&v->mu);
	return ok;
}

/* Both tables or neither; called with the lock. */
static bool remove_all(struct tx *tx, struct str account, struct err *e)
{
	if (!sql_run(tx, e, "BEGIN IMMEDIATE"))
		return false;
	if (sql_run(tx, e, "DELETE FROM verifier WHERE account = ?1", TEXT(account)) &&
	    sql_run(tx, e, "DELETE FROM login WHERE account = ?1", TEXT(account)) && sql_run(tx, e, "COMMIT"))
		return true;
	struct err ignored; /* what went wrong is told already */
	if (!sqlite3_get_autocommit(tx->db))
		sql_run(tx, &ignored, "ROLLBACK");
	return false;
}

bool verifier_remove(struct verifiers *v, struct str account, struct err *e)
{
	pthread_mutex_lock(&v->mu);
	bool ok = remove_all(&v->tx, account, e);
	pthread_mutex_unlock(&v->mu);
	return ok;
}

/* --- login names ---------------------------------------------------------------------------- */

/* With the lock: whose is it, how many has that account? */
static bool login_free(struct tx *tx, struct str login, struct str account, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT account FROM login WHERE login = ?1", TEXT(login));
	bool other = row_next(&r) && !str_eq(row_str(&r, 0), account);
	if (!rows_end(&r, e))
		return false;
	if (other)
		return err_set(e, ERR_PERM, "login %.*s belongs to another account",
			       (int)(login.n < 100 ? login.n : 100), login.p);
	r = sql_rows(tx, "SELECT count(*) FROM login WHERE account = ?1", TEXT(account));
	bool few = row_next(&r) && row_num(&r, 0) < LOGINS_MAX;
	return rows_end(&r, e) && (few || err_set(e, ERR_PERM, "an account has at most %d logins", LOGINS_MAX));
}

bool login_add(struct verifiers *v, struct str login, struct str account, int64_t account_id, struct err *e)
{
	pthread_mutex_lock(&v->mu);
	bool ok = login_free(&v->tx, login, account, e) &&
		  sql_run(&v->tx, e, "INSERT OR REPLACE INTO login (login, account, account_id) VALUES (?1, ?2, ?3)",
			  TEXT(login), TEXT(account), NUM(account_id));
	pthread_mutex_unlock(&v->mu);
	return ok;
}

bool login_remove(struct verifiers *v, struct str login, struct err *e)
{
	pthread_mutex_lock(&v->mu);
	bool ok = sql_run(&v->tx, e, "DELETE FROM login WHERE login = ?1", TEXT(login));
	if (ok && sqlite3_changes(v->tx.db) == 0)
		ok = err_set(e, ERR_PERM, "no such login: %.*s", (int)(login.n < 100 ? login.n : 100), login.p);
	pthread_mutex_unlock(&v->mu);
	return ok;
}

bool login_list(struct verifiers *v, struct str account, struct arena *a, struct str **out, size_t *n, struct err *e)
{
	size_t cap = 0;
	*out = NULL;
	*n = 0;
	pthread_mutex_lock(&v->mu);
	struct rows r = sql_rows(&v->tx, "SELECT login FROM login WHERE account = ?1 ORDER BY login", TEXT(account));
	while (row_next(&r)) {
		*out = arena_grow(a, *out, &cap, *n + 1, sizeof **out);
		(*out)[(*n)++] = row_dup(&r, 0, a);
	}
	bool ok = rows_end(&r, e);
	pthread_mutex_unlock(&v->mu);
	return ok;
}

bool verifiers_secret(struct verifiers *v, uint8_t out[32], struct err *e)
{
	pthread_mutex_lock(&v->mu);
	struct rows r = sql_rows(&v->tx, "SELECT value FROM secret LIMIT 1");
	bool there = row_next(&r) && row_str(&r, 0).n == 32;
	if (there)
		memcpy(out, row_str(&r, 0).p, 32);
	bool ok = rows_end(&r, e) && (there || err_set(e, ERR_TEMP, "auth.db has no secret"));
	pthread_mutex_unlock(&v->mu);
	return ok;
}

bool verifiers_backup(struct verifiers *v, const char *dir, struct err *e)
{
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/auth.db", dir) >= sizeof path)
		return err_set(e, ERR_PERM, "%s: name too long", dir);
	file_private(path);
	pthread_mutex_lock(&v->mu);
	bool ok = sql_run(&v->tx, e, "VACUUM INTO ?1", TEXT(str_of(path)));
	pthread_mutex_unlock(&v->mu);
	AUTO_CLOSE int fd = ok ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	return ok && (fsync(fd) == 0 || err_sys(e, "sync", path));
}
