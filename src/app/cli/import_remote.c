#include "app/cli/import_remote.h"

#include "app/cli/password.h"
#include "base/num.h"
#include <netdb.h>
#include <stdlib.h>

#define ADDRESSES_MAX 16
#define PORT_IMAP     143
#define PORT_IMAPS    993

struct url {
	struct str user, host;
	uint16_t port;
	bool implicit_tls;
};

/* "%40" -> "@" (RFC 3986 2.1) */
static struct str unescape(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		int high = i + 2 < s.n && s.p[i] == '%' ? ch_hex(s.p[i + 1]) : -1;
		int low = high >= 0 ? ch_hex(s.p[i + 2]) : -1, code = low >= 0 ? high * 16 + low : s.p[i];
		p[n++] = (char)code;
		i += low >= 0 ? 2 : 0;
	}
	return (struct str){ p, n };
}

static bool parse_url(struct str s, struct arena *a, struct url *u, struct err *e)
{
	struct str whole = s;
	uint64_t port = 0;
	u->implicit_tls = str_skip(&s, STR("imaps://"));
	if (!u->implicit_tls && !str_skip(&s, STR("imap://")))
		return err_set(e, ERR_PERM, "\"%.*s\" is no account; one looks like imaps://alice@mail.example.org",
			       STRF(whole));
	while (s.n > 0 && s.p[s.n - 1] == '/')
		s.n--;
	size_t at = s.n;
	while (at > 0 && s.p[at - 1] != '@') /* the last: a user's name may have one, too */
		at--;
	u->user = unescape(str_sub(s, 0, at ? at - 1 : 0), a);
	struct str host = str_sub(s, at, s.n);
	if (str_skipc(&host, '[')) {
		u->host = str_cut(&host, ']');
		str_skipc(&host, ':');
	} else {
		u->host = str_cut(&host, ':');
	}
	if (host.n > 0 && (!num_parse(host, UINT16_MAX, &port) || port == 0))
		return err_set(e, ERR_PERM, "\"%.*s\" is no port", STRF(host));
	u->port = port ? (uint16_t)port : u->implicit_tls ? PORT_IMAPS : PORT_IMAP;
	if (u->user.n == 0 || str_chr(u->user, ':') < u->user.n)
		return err_set(e, ERR_PERM,
			       u->user.n ? "no password in a URL: it is asked for, or use --password-stdin"
					 : "the URL names no user: imaps://USER@HOST");
	return u->host.n > 0 || err_set(e, ERR_PERM, "the URL names no host");
}

/* This is a program of a person at a terminal, not a role: the system's resolver will do. */
static bool resolve(const struct url *u, struct arena *a, struct addrport *out, size_t *n, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	*n = 0;
	int rc = getaddrinfo(str_z(a, u->host), NULL, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_TEMP, "%.*s: %s", STRF(u->host), gai_strerror(rc));
	for (const struct addrinfo *x = list; x && *n < ADDRESSES_MAX; x = x->ai_next) {
		struct sockaddr_storage ss = { 0 };
		if (x->ai_addrlen > sizeof ss)
			continue;
		memcpy(&ss, x->ai_addr, x->ai_addrlen);
		if (addr_from_sockaddr(&ss, &out[*n]))
			out[(*n)++].port = u->port;
	}
	freeaddrinfo(list);
	return *n > 0 || err_set(e, ERR_TEMP, "%.*s has no address", STRF(u->host));
}

/* SHA-256 in hexadecimal, as openssl x509 -fingerprint prints it or without colons. */
static bool parse_pin(const char *text, uint8_t out[32], struct err *e)
{
	struct str s = str_of(text);
	for (size_t i = 0; i < 32; i++) {
		int high = s.n >= 2 ? ch_hex(s.p[0]) : -1, low = s.n >= 2 ? ch_hex(s.p[1]) : -1;
		if (high < 0 || low < 0)
			return err_set(e, ERR_PERM,
				       "--pin wants the SHA-256 of the server's certificate: 64 hexadecimal digits");
		out[i] = (uint8_t)(high << 4 | low);
		s = str_sub(s, 2, s.n);
		str_skipc(&s, ':');
	}
	return s.n == 0 || err_set(e, ERR_PERM, "--pin has more than 64 digits");
}

static struct imap_client *connect_to(const struct call *c, const struct url *u, struct arena *a, struct err *e)
{
	struct addrport at[ADDRESSES_MAX];
	uint8_t pin[32];
	const char *pin_text = call_option(c, "pin");
	struct imap_to to = { .at = at, .host = u->host, .pin = pin_text ? pin : NULL };
	if ((pin_text && !parse_pin(pin_text, pin, e)) || !resolve(u, a, at, &to.nat, e))
		return NULL;
	to.secure = u->implicit_tls            ? IMAP_SECURE_TLS
		    : call_option(c, "no-tls") ? IMAP_SECURE_NONE
					       : IMAP_SECURE_STARTTLS;
	to.tls = tls_client_new(call_option(c, "ca"), !pin_text, e);
	struct imap_client *client = to.tls ? imap_connect(&to, e) : NULL;
	tls_client_free(to.tls);
	return client;
}

struct imap_client *import_remote(const struct call *c, struct arena *a, struct str *name, struct err *e)
{
	struct url u = { 0 };
	struct buf password = { 0 };
	struct imap_client *client = NULL;
	if (!parse_url(str_of(c->argv[0]), a, &u, e))
		return NULL;
	*name = str_fmt(a, "imap://%.*s@%.*s", STRF(u.user), STRF(u.host));
	bool ok = password_ask_once(c->argv[0], call_option(c, "password-stdin") != NULL, &password, e);
	if (ok)
		client = connect_to(c, &u, a, e);
	if (client && !imap_login(client, u.user, buf_str(&password), call_option(c, "mechanism"), e)) {
		imap_close(client);
		client = NULL;
	}
	password_wipe(&password);
	return client;
}
