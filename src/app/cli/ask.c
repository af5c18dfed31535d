#include "app/cli/ask.h"

#include "app/cli/progress.h"
#include "app/frame.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "mail/words.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int ask_load(const char *config, struct loaded *l)
{
	struct conf_errors errors = { 0 };
	if (load_file(config, l, &errors)) {
		buf_free(&errors.text);
		return EX_OK;
	}
	(void)!file_write(STDERR_FILENO, buf_str(&errors.text));
	buf_free(&errors.text);
	return EX_CONFIG;
}

int ask_connect(struct loaded *l)
{
	const char *path = load_run_path(l, NAME_CONTROL);
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (n >= sizeof to.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* Without a server: the store is ours as long as we hold the lock. */
static int open_store(struct ask *a)
{
	struct err e = { 0 };
	struct loaded *l = &a->loaded;
	const struct settings *s = &l->settings;
	const char *mail = load_store_path(l, NAME_MAIL_DIR), *auth = load_store_path(l, NAME_AUTH_DIR);
	const char *dir = str_z(&l->arena, s->store_dir);
	if (!user_find(s->user, &a->user, &e))
		return cli_fail(EX_NOUSER, "%s", e.text);
	if (!user_mkdir(&a->user, dir, 0700, &e) || !user_mkdir(&a->user, mail, 0700, &e) ||
	    !user_mkdir(&a->user, auth, 0700, &e) || !user_reaches(&a->user, dir, R_OK | W_OK | X_OK, &e) ||
	    !user_become(&a->user, &e))
		return cli_fail(EX_CANTCREAT, "no server runs, and the store cannot be opened: %s", e.text);
	a->lock_fd = user_lock_folder(dir, LOCK_WAIT_MS, &e);
	if (a->lock_fd < 0)
		return cli_fail(EX_TEMPFAIL, "no server answers, and the store cannot be opened: %s", e.text);
	umask(077);
	log_level_set(STR_NONE, LOG_WARN); /* a person reads standard error now */
	hash_init();
	charset_warm();
	struct store_conf conf = { .dir = mail,
				   .create = true,
				   .role = "cli",
				   .shared_fd = -1,
				   .reserve = s->store.reserve,
				   .wal_turn = s->store.wal_turn,
				   .wal_max = s->store.wal_max,
				   .staging = s->store.staging,
				   .checkpointer = true };
	a->admin.store = store_open(&conf, &e);
	a->admin.verifiers = a->admin.store ? verifiers_open(auth, true, &e) : NULL;
	if (!a->admin.verifiers)
		return cli_fail(EX_TEMPFAIL, "%s", e.text);
	a->auth = (struct auth_conf){ .db = a->admin.verifiers,
				      .host = s->host,
				      .cram_md5 = s->cram_md5,
				      .scram_iterations = s->scram_iterations };
	a->admin.auth = &a->auth;
	a->admin.loaded = l;
	a->admin.progress = progress_show;
	return EX_OK;
}

int ask_open(struct ask *a, const char *config, enum ask_how how)
{
	*a = (struct ask){ .fd = -1, .lock_fd = -1, .pass_fd = -1, .admin.fd = -1 };
	signal(SIGPIPE, SIG_IGN);
	struct err e;
	if (!load_run_dir(config, &a->loaded, &e))
		return cli_fail(EX_CONFIG, "%s", e.text);
	a->fd = ask_connect(&a->loaded);
	if (a->fd >= 0)
		return EX_OK;
	if (errno == EACCES || errno == EPERM)
		return cli_fail(EX_NOPERM, "may not speak to the server at %s: be root, or a member of its group",
				load_run_path(&a->loaded, NAME_CONTROL));
	if (how == ASK_SERVER)
		return cli_fail(EX_UNAVAILABLE, "no server runs (nobody answers at %s)",
				load_run_path(&a->loaded, NAME_CONTROL));
	load_free(&a->loaded);
	int code = ask_load(config, &a->loaded);
	return code == EX_OK ? open_store(a) : code;
}

static json_t *ask_server(struct ask *a, const char *verb, json_t *args, struct err *e)
{
	json_t *asked = json_pack("{s:s, s:o}", "verb", verb, "args", args ? args : json_object());
	char *text = json_dumps(asked, JSON_COMPACT);
	json_decref(asked);
	bool ok = frame_send(a->fd, str_of(text), a->pass_fd, e);
	explicit_bzero(text, strlen(text));
	free(text);
	while (ok && frame_recv(a->fd, FRAME_ANSWER_MAX, &a->in, e)) {
		json_t *reply = json_loadb(a->in.p, a->in.n, 0, NULL);
		json_t *p = json_object_get(reply, "progress");
		if (!p)
			return reply;
		progress_show(NULL, json_string_value(json_object_get(p, "what")),
			      (uint64_t)json_integer_value(json_object_get(p, "done")),
			      (uint64_t)json_integer_value(json_object_get(p, "total")));
		json_decref(reply);
	}
	return NULL;
}

json_t *ask_quietly(struct ask *a, const char *verb, json_t *args, int *code, struct err *e)
{
	json_t *reply = NULL;
	*e = (struct err){ 0 };
	*code = EX_TEMPFAIL;
	if (a->fd >= 0) {
		reply = ask_server(a, verb, args, e);
	} else {
		a->admin.fd = a->pass_fd;
		reply = admin_run(admin_find(str_of(verb)), &a->admin, args);
		json_decref(args);
	}
	progress_done();
	if (json_is_true(json_object_get(reply, "ok"))) {
		*code = EX_OK;
		return reply;
	}
	if (reply) {
		*code = (int)json_integer_value(json_object_get(reply, "code"));
		const char *error = json_string_value(json_object_get(reply, "error"));
		err_set(e, *code == EX_DATAERR ? ERR_PERM : ERR_TEMP, "%s", error ? error : "no reason given");
		json_decref(reply);
	} else if (e->kind == ERR_NONE) {
		err_set(e, ERR_PEER, "the server's answer is no JSON");
	}
	return NULL;
}

json_t *ask_verb(struct ask *a, const char *verb, json_t *args, int *code)
{
	struct err e;
	json_t *reply = ask_quietly(a, verb, args, code, &e);
	if (!reply)
		cli_fail(*code, "%s", e.text);
	return reply;
}

void ask_close(struct ask *a)
{
	if (a->fd >= 0)
		close(a->fd);
	verifiers_close(a->admin.verifiers);
	if (a->admin.store)
		store_close(a->admin.store);
	if (a->lock_fd >= 0)
		close(a->lock_fd);
	if (a->in.cap > 0)
		explicit_bzero(a->in.p, a->in.cap);
	buf_free(&a->in);
	load_free(&a->loaded);
}

int ask_print_json(json_t *reply, const char *key)
{
	struct buf b = { 0 };
	json_t *what = key ? json_object_get(reply, key) : reply;
	char *text = json_dumps(what, JSON_INDENT(2));
	buf_printf(&b, "%s\n", text ? text : "null");
	free(text);
	json_decref(reply);
	return cli_print(&b);
}
