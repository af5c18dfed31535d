#include "app/roles.h"

#define BIT(s) (1u << (s))

const struct role_row roles[ROLES] = {
	/* clang-format off */
	[ROLE_SMTP]   = { "smtp",   BIT(SERVICE_SMTP) | BIT(SERVICE_SUBMISSION) | BIT(SERVICE_SUBMISSIONS) | BIT(SERVICE_LOCAL) | BIT(SERVICE_LMTP),
			  HAS_TLS | HAS_MAIL | HAS_AUTH_CLIENT, WHEN_SERVICE },
	[ROLE_IMAP]   = { "imap",   BIT(SERVICE_IMAP) | BIT(SERVICE_IMAPS),
			  HAS_TLS | HAS_MAIL | HAS_AUTH_CLIENT, WHEN_SERVICE },
	[ROLE_QUEUE]  = { "queue",  0, HAS_MAIL | HAS_CHECKPOINT, WHEN_ALWAYS },
	[ROLE_AUTH]   = { "auth",   0, HAS_VERIFIERS | HAS_AUTH_DOOR, WHEN_LOGIN },
	[ROLE_BACKUP] = { "backup", 0, HAS_MAIL | HAS_VERIFIERS | HAS_FOLDER, WHEN_ASKED },
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

bool role_needed(const struct role_row *r, const struct settings *s)
{
	if (r->when == WHEN_ALWAYS || r->when == WHEN_ASKED)
		return r->when == WHEN_ALWAYS;
	for (size_t i = 0; i < s->nlistens; i++) {
		for (size_t j = 0; j < s->listens[i].nservices; j++) {
			enum service service = s->listens[i].services[j].service;
			if (r->when == WHEN_LOGIN ? service_takes_logins(service) : role_serves(r, service))
				return true;
		}
	}
	return false;
}
