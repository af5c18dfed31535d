#include "app/admin_store.h"

#include "base/file.h"
#include "store/queue.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_MAX ((size_t)1 << 20) /* octets of problems shown */
#define PATH_ROOM  4096

/* {"after": id} goes on from there; "more" says whether it is worth it. */
bool admin_queue_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	int64_t after = json_integer_value(json_object_get(args, "after"));
	struct queue_row *rows;
	size_t n;
	if (!queue_list(ad->store, NULL, after, QUEUE_PAGE, a, &rows, &n, e))
		return false;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(
		    list, json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:i, s:I}", "id", (json_int_t)rows[i].id, "sender",
				    admin_text(rows[i].sender), "recipient", admin_text(rows[i].recipient), "state",
				    admin_text(queue_state_name(rows[i].state)), "created_ms",
				    (json_int_t)rows[i].created_wall_ms, "due_ms", (json_int_t)rows[i].due_wall_ms,
				    "attempts", (int)rows[i].attempts, "size", (json_int_t)rows[i].size));
	json_object_set_new(out, "list", list);
	json_object_set_new(out, "more", json_boolean(n == QUEUE_PAGE));
	return true;
}

bool admin_queue_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	(void)out;
	(void)a;
	int64_t id = json_integer_value(json_object_get(args, "id"));
	struct queue_filter f = { .state = -1, .ids = &id, .nids = 1 };
	uint64_t removed;
	return queue_change(ad->store, &f, QUEUE_REMOVE, STR_NONE, &removed, e) &&
	       (removed > 0 || err_set(e, ERR_PERM, "no such queue row: %lld", (long long)id));
}

bool admin_store_check(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	struct check_report r = { 0 };
	(void)a;
	bool quick = json_is_true(json_object_get(args, "quick"));
	bool repair = json_is_true(json_object_get(args, "repair"));
	bool ok = store_check(ad->store, quick, repair, ad->progress, ad->progress_ctx, &r, e);
	if (ok) {
		json_object_set_new(out, "accounts", json_integer((json_int_t)r.accounts));
		json_object_set_new(out, "mailboxes", json_integer((json_int_t)r.mailboxes));
		json_object_set_new(out, "messages", json_integer((json_int_t)r.messages));
		json_object_set_new(out, "contents", json_integer((json_int_t)r.contents));
		json_object_set_new(out, "files", json_integer((json_int_t)r.files));
		json_object_set_new(out, "queue", json_integer((json_int_t)r.queue));
		json_object_set_new(out, "problems", json_integer((json_int_t)r.problems));
		json_object_set_new(out, "repaired", json_integer((json_int_t)r.repaired));
		json_object_set_new(out, "text", admin_text(str_sub(buf_str(&r.text), 0, REPORT_MAX)));
	}
	buf_free(&r.text);
	return ok;
}

/* --- backup and restore ----------------------------------------------------- */

static bool path_in(char out[PATH_ROOM], const char *dir, const char *name, struct err *e)
{
	return (size_t)snprintf(out, PATH_ROOM, "%s/%s", dir, name) < PATH_ROOM ||
	       err_set(e, ERR_PERM, "path too long: %s/%s", dir, name);
}

static bool folder_empty(const char *path, struct err *e)
{
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT || err_sys(e, "open", path);
	size_t n = 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n <= 2 || err_set(e, ERR_PERM, "%s is not empty; choose a new folder", path); /* "." and ".." */
}

static bool make_folder(const char *path, struct err *e)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST || err_sys(e, "create folder", path);
}

/* One account's verifier and logins, from one database to another. */
static bool copy_account(struct verifiers *from, struct verifiers *to, const struct account *x, struct arena *a,
			 struct err *e)
{
	struct verifier *w;
	struct str login, *logins;
	size_t n;
	if (!auth_login_name(x->name, a, &login, e) || !verifier_find(from, login, a, &w, e) ||
	    !login_list(from, x->name, a, &logins, &n, e))
		return false;
	if (w && !verifier_set(to, w, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!login_add(to, logins[i], x->name, x->id, e))
			return false;
	return true;
}

/* Row by row, so that it needs neither the other database's engine nor its locks. */
static bool copy_verifiers(struct admin *ad, const char *to_dir, struct arena *a, struct err *e)
{
	struct account *x;
	size_t n;
	if (!account_list(ad->store, a, &x, &n, e))
		return false;
	struct verifiers *to = verifiers_open(to_dir, true, e);
	bool ok = to != NULL;
	for (size_t i = 0; i < n && ok; i++) {
		struct arena mine = { 0 };
		ok = copy_account(ad->verifiers, to, &x[i], &mine, e);
		arena_reset(&mine);
		if (ad->progress && (i + 1) % 64 == 0)
			ad->progress(ad->progress_ctx, "passwords", i + 1, n);
	}
	verifiers_close(to);
	return ok;
}

bool admin_store_backup(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e)
{
	const char *dir = str_z(a, admin_str(args, "dir"));
	char mail[PATH_ROOM], auth[PATH_ROOM];
	(void)out;
	if (*dir != '/')
		return err_set(e, ERR_PERM, "the backup's folder must be an absolute path");
	if (!path_in(mail, dir, NAME_MAIL_DIR, e) || !path_in(auth, dir, NAME_AUTH_DIR, e) || !folder_empty(dir, e) ||
	    !make_folder(dir, e) || !make_folder(mail, e) || !make_folder(auth, e))
		return false;
	return store_backup(ad->store, mail, ad->progress, ad->progress_ctx, e) && copy_verifiers(ad, auth, a, e);
}

/* The verifiers' files, as they are: nobody has them open. */
static bool copy_folder(const char *from, const char *to, struct err *e)
{
	DIR *d = opendir(from);
	if (!d)
		return err_sys(e, "open", from);
	AUTO_CLOSE int dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = dir >= 0 || err_sys(e, "open", to);
	for (struct dirent *f; ok && (f = readdir(d));) {
		struct arena a = { 0 };
		struct str bytes;
		char path[PATH_ROOM];
		if (f->d_name[0] != '.')
			ok = path_in(path, from, f->d_name, e) && file_read(path, (size_t)1 << 30, &a, &bytes, e) &&
			     file_commit(dir, f->d_name, bytes, 0600, e);
		arena_reset(&a);
	}
	closedir(d);
	return ok;
}

bool admin_restore(const char *from, const char *store_dir, progress_fn progress, void *ctx, struct err *e)
{
	char mail[PATH_ROOM], auth[PATH_ROOM], to_mail[PATH_ROOM], to_auth[PATH_ROOM];
	struct stat st;
	if (!path_in(mail, from, NAME_MAIL_DIR, e) || !path_in(auth, from, NAME_AUTH_DIR, e) ||
	    !path_in(to_mail, store_dir, NAME_MAIL_DIR, e) || !path_in(to_auth, store_dir, NAME_AUTH_DIR, e))
		return false;
	if (stat(mail, &st) < 0 || stat(auth, &st) < 0)
		return err_set(e, ERR_PERM, "%s is no backup: it has no folders %s and %s", from, NAME_MAIL_DIR,
			       NAME_AUTH_DIR);
	if (!folder_empty(to_mail, e) || !folder_empty(to_auth, e) || !make_folder(to_auth, e))
		return err_add(e, "restore");
	return store_restore(mail, to_mail, progress, ctx, e) && copy_folder(auth, to_auth, e);
}
