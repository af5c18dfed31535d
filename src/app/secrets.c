#include "app/secrets.h"

#include "base/file.h"
#include "base/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX ((off_t)256 << 10)

/* Guarded, locked, not dumped; aborts without memory as all allocation does. */
static void *vault(size_t n)
{
	void *p = sodium_init() < 0 ? NULL : sodium_malloc(n);
	if (!p)
		abort();
	return p;
}

static bool read_into_vault(const char *path, struct str *out, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "read", path);
	if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX || st.st_size == 0)
		return err_set(e, ERR_PERM, "read %s: not a file of 1 to %lld octets", path, (long long)PEM_MAX);
	char *p = vault((size_t)st.st_size);
	ssize_t n = read(fd, p, (size_t)st.st_size);
	*out = (struct str){ p, n > 0 ? (size_t)n : 0 };
	return n > 0 || err_sys(e, "read", path);
}

/* "cred:NAME" is a file that the service manager passes (systemd's LoadCredential). */
static bool secret_file(const struct secret_ref *ref, struct arena *a, const char **path, struct err *e)
{
	struct str name = ref->path;
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	bool cred = str_skip(&name, STR("cred:"));
	*path = cred ? str_z(a, str_fmt(a, "%s/%.*s", dir ? dir : "", STRF(name))) : str_z(a, name);
	return !cred || dir || err_set(e, ERR_PERM, "no credentials were passed to this service");
}

static bool read_pair(const struct tls_ref *ref, struct tls_pem *pem, struct err *e)
{
	struct arena a = { 0 };
	const char *path;
	bool ok = read_into_vault(str_z(&a, ref->cert), &pem->cert, e) && secret_file(&ref->key, &a, &path, e) &&
		  read_into_vault(path, &pem->key, e);
	arena_reset(&a);
	return ok || err_add(e, "%s", ref->key.where);
}

/* The role will do the same; here it fails before anything is started. */
static bool try_pairs(const struct listen_conf *l, const struct pem_pair *pairs, size_t n, struct err *e)
{
	struct tls_pem pems[UINT8_MAX];
	for (size_t i = 0; i < n; i++)
		pems[i] = pairs[i].pem;
	struct tls_server *t = tls_server_new(pems, n, e);
	if (!t)
		return err_add(e, "%s: listen %.*s: tls", l->where, STRF(l->name));
	tls_server_free(t);
	return true;
}

bool secrets_read(const struct loaded *l, struct secrets *out, struct err *e)
{
	size_t n = 0;
	*out = (struct secrets){ 0 };
	for (size_t i = 0; i < l->settings.nlistens; i++)
		n += l->settings.listens[i].ntls;
	out->pairs = calloc(n + 1, sizeof *out->pairs);
	if (!out->pairs)
		abort();
	for (size_t i = 0; i < l->settings.nlistens; i++) {
		const struct listen_conf *c = &l->settings.listens[i];
		size_t first = out->n;
		if (c->ntls > UINT8_MAX) {
			secrets_free(out);
			return err_set(e, ERR_PERM, "%s: at most %d certificates a listener", c->where, UINT8_MAX);
		}
		bool ok = true;
		for (size_t k = 0; k < c->ntls && ok; k++) {
			struct pem_pair *p = &out->pairs[out->n++];
			p->listener = i;
			p->index = (uint8_t)k;
			ok = read_pair(&c->tls[k], &p->pem, e);
		}
		if (!ok || (c->ntls > 0 && !try_pairs(c, out->pairs + first, c->ntls, e))) {
			secrets_free(out);
			return false;
		}
	}
	return true;
}

void secrets_free(struct secrets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		sodium_free((char *)(uintptr_t)s->pairs[i].pem.cert.p);
		sodium_free((char *)(uintptr_t)s->pairs[i].pem.key.p);
	}
	free(s->pairs);
	*s = (struct secrets){ 0 };
}

void tickets_draw(struct tickets *t, int64_t mono_ms)
{
	if (!t->keys)
		t->keys = vault(TICKETS_KEPT * sizeof *t->keys);
	memmove(t->keys + 1, t->keys, (TICKETS_KEPT - 1) * sizeof *t->keys);
	random_bytes(t->keys[0], sizeof *t->keys);
	if (t->n < TICKETS_KEPT)
		t->n++;
	t->drawn_mono_ms = mono_ms;
}

void tickets_free(struct tickets *t)
{
	sodium_free(t->keys);
	*t = (struct tickets){ 0 };
}
