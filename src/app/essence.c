#include "app/essence.h"

#include "app/conf_tree.h"

/* Is `path` that key, or one in its block? */
static bool is_in(struct str path, struct str key)
{
	return str_skip(&path, key) && (path.n == 0 || *path.p == '.');
}

bool role_sees(const struct role_row *r, struct str path)
{
	struct str rest = str_of(r->keys);
	while (rest.n > 0) {
		struct str key = str_cut(&rest, ' ');
		if (is_in(path, key) || is_in(key, path))
			return true;
	}
	return false;
}

static bool wanted(void *ctx, const struct conf_key *k)
{
	return role_sees(ctx, str_of(k->path));
}

static void add_listener(const struct role_row *r, const struct loaded *l, size_t listener, struct buf *b)
{
	const struct listen_conf *c = &l->settings.listens[listener];
	/* With or without TLS is a matter of birth; which certificates is not. */
	buf_printf(b, "listen %.*s tls=%d clear=%d\n", STRF(c->name), c->ntls > 0, c->auth_in_clear);
	for (size_t i = 0; i < l->nplaces; i++) {
		const struct place *p = &l->places[i];
		char text[ADDR_TEXT];
		if (p->listener != listener || !role_serves(r, p->service))
			continue;
		if (p->unix_socket)
			buf_printf(b, "%s %.*s\n", service_name(p->service), STRF(p->path));
		else
			buf_printf(b, "%s %s %u\n", service_name(p->service), addr_text(p->at.addr, text),
				   (unsigned)p->at.port);
	}
}

void role_essence(const struct role_row *r, const struct loaded *l, struct buf *b)
{
	conf_print_some(l->conf, b, wanted, (void *)(uintptr_t)r);
	for (size_t i = 0; i < l->settings.nlistens; i++)
		if (role_serves_listener(r, &l->settings.listens[i]))
			add_listener(r, l, i, b);
}

bool role_same(const struct role_row *r, const struct loaded *x, const struct loaded *y)
{
	struct buf a = { 0 }, b = { 0 };
	role_essence(r, x, &a);
	role_essence(r, y, &b);
	bool same = str_eq(buf_str(&a), buf_str(&b));
	buf_free(&a);
	buf_free(&b);
	return same;
}
