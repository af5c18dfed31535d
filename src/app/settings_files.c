#include "app/conf.h"

#include "base/file.h"
#include "net/tls.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX ((size_t)1 << 20) /* a chain with its key is some KiB */

/* Where the secret's file is: cred:NAME is in the folder that the service manager names. */
static bool find_secret(const struct secret_ref *ref, struct arena *a, const char **path, struct err *e)
{
	struct str name = ref->path;
	if (!str_skip(&name, STR("cred:"))) {
		*path = str_z(a, name);
		return true;
	}
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	if (!dir || dir[0] != '/')
		return err_set(e, ERR_PERM,
			       "no credentials were given by the service manager ($CREDENTIALS_DIRECTORY): "
			       "cred:%.*s cannot be read",
			       STRF(name));
	*path = str_z(a, str_fmt(a, "%s/%.*s", dir, STRF(name)));
	return true;
}

static void fail(struct conf_errors *errors, const char *where, const struct err *e)
{
	if (errors->n++ < CONF_ERRORS_MAX)
		buf_printf(&errors->text, "%s: %s\n", where, e->text);
}

/* Nobody but the owner may read it.  A credential of systemd's shows the mask of its access list as the
 * group's bits, so there only others count. */
static bool check_mode(const struct secret_ref *ref, const char *path, int fd, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_PERM, "the secret %s is no file", path);
	bool cred = str_starts(ref->path, STR("cred:"));
	unsigned wrong = st.st_mode & (cred ? 0007 : 0077);
	if (wrong)
		return err_set(e, ERR_PERM,
			       "the secret %s may be used by %s (mode %04o): expected mode 0600, as by chmod 600 %s",
			       path, wrong & 0007 ? "everybody" : "its group", (unsigned)st.st_mode & 07777, path);
	return true;
}

static bool read_secret(const struct secret_ref *ref, struct arena *a, struct str *text, struct err *e)
{
	const char *path = "";
	if (!find_secret(ref, a, &path, e))
		return false;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, "open the secret", path);
	if (!check_mode(ref, path, fd, e))
		return false;
	return file_read_fd(fd, PEM_MAX, a, text, e) || err_add(e, "the secret %s", path);
}

/* A certificate and its key, as the roles will use them: readable, and made for each other. */
static void check_pair(const struct tls_ref *ref, struct conf_errors *errors)
{
	struct arena a = { 0 };
	struct tls_pem pem = { STR_NONE, STR_NONE };
	struct err e, e2;
	bool cert = file_read(str_z(&a, ref->cert), PEM_MAX, &a, &pem.cert, &e);
	bool key = read_secret(&ref->key, &a, &pem.key, &e2);
	struct tls_server *t = NULL;
	if (!cert)
		fail(errors, ref->key.where, &e);
	if (!key)
		fail(errors, ref->key.where, &e2);
	if (cert && key && !(t = tls_server_new(&pem, 1, &e))) {
		err_add(&e, "%.*s with its secret", STRF(ref->cert));
		fail(errors, ref->key.where, &e);
	}
	if (t)
		tls_server_free(t);
	if (pem.key.n > 0)
		explicit_bzero((char *)pem.key.p, pem.key.n);
	arena_reset(&a);
}

static void check_service(const struct listen_service *s, struct conf_errors *errors)
{
	struct arena a = { 0 };
	struct stat st;
	struct err e;
	if (s->group.n > 0 && !getgrnam(str_z(&a, s->group))) {
		err_set(&e, ERR_PERM, "there is no group %.*s on this machine", STRF(s->group));
		fail(errors, s->where, &e);
	}
	if (s->path.n > 0 && stat(str_z(&a, s->path), &st) == 0 && !S_ISSOCK(st.st_mode)) {
		err_set(&e, ERR_PERM, "%.*s exists and is no socket", STRF(s->path));
		fail(errors, s->where, &e);
	}
	arena_reset(&a);
}

static void check_log_file(const struct settings *s, struct conf_errors *errors)
{
	if (s->log.to != LOG_FILE)
		return;
	struct arena a = { 0 };
	struct stat st;
	struct err e;
	const char *dir = dirname(str_z(&a, str_of(s->log.file)));
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		err_set(&e, ERR_PERM, "there is no folder %s", dir);
		fail(errors, s->log_where, &e);
	}
	arena_reset(&a);
}

bool settings_check_files(const struct settings *s, struct conf_errors *errors)
{
	size_t before = errors->n;
	check_log_file(s, errors);
	for (size_t i = 0; i < s->nlistens; i++) {
		for (size_t j = 0; j < s->listens[i].ntls; j++)
			check_pair(&s->listens[i].tls[j], errors);
		for (size_t j = 0; j < s->listens[i].nservices; j++)
			check_service(&s->listens[i].services[j], errors);
	}
	return errors->n == before;
}
