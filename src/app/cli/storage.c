/* storage.c - sluice queue|store ...: what waits to leave, and the store as a whole. */
#include "app/cli/run.h"

#include "app/cli/ask.h"
#include "app/cli/progress.h"
#include "app/cli/table.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t number(json_t *x, const char *key)
{
	return json_integer_value(json_object_get(x, key));
}

/* All pages of the queue as one list. */
static json_t *whole_queue(struct ask *a, int *code)
{
	json_t *all = json_array();
	for (int64_t after = 0;;) {
		json_t *reply = ask_verb(a, "queue.list", json_pack("{s:I}", "after", (json_int_t)after), code);
		if (!reply) {
			json_decref(all);
			return NULL;
		}
		json_t *list = json_object_get(reply, "list");
		bool more = json_is_true(json_object_get(reply, "more"));
		size_t n = json_array_size(list);
		if (n > 0)
			after = number(json_array_get(list, n - 1), "id");
		json_array_extend(all, list);
		json_decref(reply);
		if (!more || n == 0)
			return all;
	}
}

static int show_queue(json_t *list)
{
	struct buf b = { 0 };
	struct table t;
	json_t *x;
	size_t i;
	int64_t now = clock_wall_ms();
	table_open(&t, (const char *const[]){ ">ID", "STATE", ">AGE", ">SIZE", ">TRIES", "FROM", "TO", NULL });
	json_array_foreach(list, i, x)
	{
		struct str sender = admin_str(x, "sender");
		table_cellf(&t, "%lld", (long long)number(x, "id"));
		table_cell(&t, admin_str(x, "state"));
		table_cell(&t, table_duration(&t.arena, now - number(x, "created_ms")));
		table_cell(&t, table_size(&t.arena, (uint64_t)number(x, "size")));
		table_cellf(&t, "%lld", (long long)number(x, "attempts"));
		table_cell(&t, sender.n ? sender : STR("<>"));
		table_cell(&t, admin_str(x, "recipient"));
	}
	table_print(&t, &b);
	return cli_print(&b);
}

int cli_queue_list(const struct call *c)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *all = code == EX_OK ? whole_queue(&a, &code) : NULL;
	ask_close(&a);
	if (!all)
		return code;
	if (call_option(c, "json"))
		return ask_print_json(all, NULL);
	code = show_queue(all);
	json_decref(all);
	return code;
}

int cli_queue_rm(const struct call *c)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	for (int i = 0; i < c->argc && code == EX_OK; i++) {
		uint64_t id;
		if (!num_parse(str_of(c->argv[i]), INT64_MAX, &id))
			code = cli_fail(EX_USAGE, "\"%s\" is no queue number; sluice queue list shows them",
					c->argv[i]);
		else
			json_decref(ask_verb(&a, "queue.rm", json_pack("{s:I}", "id", (json_int_t)id), &code));
	}
	ask_close(&a);
	return code;
}

int cli_store_check(const struct call *c)
{
	struct ask a;
	struct buf b = { 0 };
	int code = ask_open(&a, c->config, ASK_EITHER);
	json_t *args = json_pack("{s:b, s:b}", "quick", call_option(c, "quick") != NULL, "repair",
				 call_option(c, "repair") != NULL);
	json_t *r = code == EX_OK ? ask_verb(&a, "store.check", json_incref(args), &code) : NULL;
	json_decref(args);
	ask_close(&a);
	if (!r)
		return code;
	int64_t left = number(r, "problems") - number(r, "repaired");
	if (call_option(c, "json")) {
		code = ask_print_json(r, NULL);
		return code == EX_OK && left > 0 ? EX_DATAERR : code;
	}
	buf_printf(&b, "%.*s", STRF(admin_str(r, "text")));
	buf_printf(&b, "%lld accounts, %lld mailboxes, %lld messages, %lld contents, %lld files, %lld queued\n",
		   (long long)number(r, "accounts"), (long long)number(r, "mailboxes"),
		   (long long)number(r, "messages"), (long long)number(r, "contents"), (long long)number(r, "files"),
		   (long long)number(r, "queue"));
	if (number(r, "problems") == 0)
		buf_addz(&b, "the store is whole\n");
	else
		buf_printf(&b, "%lld problems, %lld of them repaired%s\n", (long long)number(r, "problems"),
			   (long long)number(r, "repaired"),
			   left > 0 && !call_option(c, "repair")
			       ? "; sluice store check --repair mends what can be derived"
			       : "");
	json_decref(r);
	code = cli_print(&b);
	return code == EX_OK && left > 0 ? EX_DATAERR : code;
}

/* The absolute path of a folder that may not exist yet; its parent must. */
static bool absolute(const char *path, char out[PATH_MAX], struct err *e)
{
	char cwd[PATH_MAX];
	if (path[0] == '/')
		return (size_t)snprintf(out, PATH_MAX, "%s", path) < PATH_MAX ||
		       err_set(e, ERR_PERM, "path too long: %s", path);
	if (!getcwd(cwd, sizeof cwd))
		return err_sys(e, "find", "the current folder");
	return (size_t)snprintf(out, PATH_MAX, "%s/%s", cwd, path) < PATH_MAX ||
	       err_set(e, ERR_PERM, "path too long: %s", path);
}

/* The server's user will write there: make the folder for it, while we can.  *made: it was not there. */
static bool make_for_user(struct str user, const char *dir, bool *made, struct err *e)
{
	struct user u;
	struct stat st;
	if (!user_find(user, &u, e))
		return false;
	*made = stat(dir, &st) < 0 && errno == ENOENT;
	if (*made && !user_mkdir(&u, dir, 0700, e))
		return false;
	return user_reaches(&u, dir, R_OK | W_OK | X_OK, e);
}

static int back_up(const struct call *c, const char *dir)
{
	struct ask a;
	int code = ask_open(&a, c->config, ASK_EITHER);
	if (code == EX_OK)
		json_decref(ask_verb(&a, "store.backup", json_pack("{s:s}", "dir", dir), &code));
	ask_close(&a);
	return code;
}

int cli_store_backup(const struct call *c)
{
	struct err e;
	char dir[PATH_MAX];
	struct loaded l;
	bool made = false;
	if (!absolute(c->argv[0], dir, &e))
		return cli_fail(EX_USAGE, "%s", e.text);
	int code = ask_load(c->config, &l);
	if (code != EX_OK)
		return code;
	/* Before back_up(): without a server that gives up the rights that this may need. */
	bool ok = make_for_user(l.settings.user, dir, &made, &e);
	load_free(&l);
	code = ok ? back_up(c, dir) : cli_fail(EX_CANTCREAT, "%s", e.text);
	if (code == EX_OK)
		printf("backup in %s\n", dir);
	else if (made)
		rmdir(dir); /* when nothing was put there */
	return code;
}

static int restore(struct loaded *l, const char *from)
{
	struct err e;
	struct user u;
	const char *store = str_z(&l->arena, l->settings.store_dir);
	int fd = ask_connect(l);
	if (fd >= 0) {
		close(fd);
		return cli_fail(EX_UNAVAILABLE, "a server runs on this store: sluice stop first");
	}
	if (!user_find(l->settings.user, &u, &e))
		return cli_fail(EX_NOUSER, "%s", e.text);
	if (!user_mkdir(&u, store, 0700, &e) || !user_reaches(&u, store, R_OK | W_OK | X_OK, &e) ||
	    !user_reaches(&u, from, R_OK | X_OK, &e) || !user_become(&u, &e))
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	AUTO_CLOSE int lock = user_lock_folder(store, LOCK_WAIT_MS, &e);
	if (lock < 0)
		return cli_fail(EX_TEMPFAIL, "%s", e.text);
	bool ok = admin_restore(from, store, progress_show, NULL, &e);
	progress_done();
	return ok ? EX_OK : cli_fail(cli_code(&e), "%s", e.text);
}

int cli_store_restore(const struct call *c)
{
	struct loaded l;
	struct err e;
	char from[PATH_MAX];
	if (!absolute(c->argv[0], from, &e))
		return cli_fail(EX_USAGE, "%s", e.text);
	int code = ask_load(c->config, &l);
	if (code != EX_OK)
		return code;
	code = restore(&l, from);
	if (code == EX_OK)
		printf("restored into %.*s\n", STRF(l.settings.store_dir));
	load_free(&l);
	return code;
}
