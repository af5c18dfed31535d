#include "app/roles.h"

#define BIT(s) (1u << (s))

const struct role_row roles[ROLES] = {
	/* clang-format off */
	[ROLE_SMTP]   = { "smtp",   BIT(SERVICE_SMTP) | BIT(SERVICE_SUBMISSION) | BIT(SERVICE_SUBMISSIONS) | BIT(SERVICE_LOCAL) | BIT(SERVICE_LMTP),
			  HAS_TLS | HAS_MAIL | HAS_AUTH_CLIENT, WHEN_SERVICE,
			  "host sandbox log.to log.format store domain postmaster mx submission local times pen auth.cram-md5" },
	[ROLE_IMAP]   = { "imap",   BIT(SERVICE_IMAP) | BIT(SERVICE_IMAPS),
			  HAS_TLS | HAS_MAIL | HAS_AUTH_CLIENT, WHEN_SERVICE,
			  "host admin sandbox log.to log.format store imap times pen auth.cram-md5" },
	[ROLE_QUEUE]  = { "queue",  0, HAS_MAIL | HAS_CHECKPOINT, WHEN_ALWAYS,
			  "host log.to log.format store domain postmaster" },
	[ROLE_AUTH]   = { "auth",   0, HAS_VERIFIERS | HAS_AUTH_DOOR, WHEN_LOGIN,
			  "host log.to log.format pen auth" },
	[ROLE_BACKUP] = { "backup", 0, HAS_MAIL | HAS_VERIFIERS | HAS_FOLDER, WHEN_ASKED, "" },
	[ROLE_IMPORT] = { "import", 0, HAS_MAIL, WHEN_ASKED, "" },
	/* clang-format on */
};

static const struct service_row {
	const char *name;
	bool implicit_tls, logins;
} services[] = {
	[SERVICE_SMTP] = { "smtp", false, false },
	[SERVICE_SUBMISSION] = { "submission", false, true },
	[SERVICE_SUBMISSIONS] = { "submissions", true, true },
	[SERVICE_IMAP] = { "imap", false, true },
	[SERVICE_IMAPS] = { "imaps", true, true },
	[SERVICE_LOCAL] = { "local", false, false },
	[SERVICE_LMTP] = { "lmtp", false, false },
};

bool service_implicit_tls(enum service s)
{
	return services[s].implicit_tls;
}

bool service_takes_logins(enum service s)
{
	return services[s].logins;
}

const char *service_name(enum service s)
{
	return services[s].name;
}

bool role_serves(const struct role_row *r, enum service s)
{
	return (r->services & BIT(s)) != 0;
}

bool role_serves_listener(const struct role_row *r, const struct listen_conf *l)
{
	for (size_t i = 0; i < l->nservices; i++)
		if (role_serves(r, l->services[i].service))
			return true;
	return false;
}

unsigned role_rank(const struct role_row *r, const struct settings *s, size_t listener)
{
	unsigned n = 0;
	for (size_t i = 0; i < listener; i++)
		n += role_serves_listener(r, &s->listens[i]);
	return n;
}

bool role_needed(const struct role_row *r, const struct settings *s)
{
	if (r->when == WHEN_ALWAYS || r->when == WHEN_ASKED)
		return r->when == WHEN_ALWAYS;
	for (size_t i = 0; i < s->nlistens; i++) {
		const struct listen_conf *l = &s->listens[i];
		if (r->when == WHEN_SERVICE && role_serves_listener(r, l))
			return true;
		for (size_t j = 0; j < l->nservices && r->when == WHEN_LOGIN; j++)
			if (service_takes_logins(l->services[j].service))
				return true;
	}
	return false;
}
