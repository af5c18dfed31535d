/* test_auth.h - a scripted auth role, linked in place of the client's calls.
 *
 * So that transcripts need no auth role: PLAIN knows mjl@mox.example with
 * the password testtest; STEPS asks "one?" and "two?" and has a last word.
 */
#pragma once
#include "smtp/test_world.h"

struct auth_client {
	struct world *w;
	bool down;
};
struct auth_exchange {
	struct auth_client *c;
	int step;
};

static inline struct auth_answer auth_no(const char *reason, struct str login)
{
	return (struct auth_answer){ .got = AUTH_NO, .reason = str_of(reason), .login = login, .data = STR_NONE };
}

static inline struct auth_answer auth_yes(struct auth_client *c, const char *last_word)
{
	return (struct auth_answer){ .got = AUTH_OK,
				     .account_id = c->w->mjl,
				     .account = STR("mjl"),
				     .login = STR("mjl@mox.example"),
				     .data = str_of(last_word) };
}

static inline struct auth_answer auth_plain(struct auth_client *c, struct str response)
{
	str_cut(&response, '\0');
	struct str user = str_cut(&response, '\0');
	if (!str_eq(user, STR("mjl@mox.example")))
		return auth_no("user", user);
	return str_eq(response, STR("testtest")) ? auth_yes(c, "") : auth_no("password", user);
}

struct str auth_mechanisms(bool tls, bool plus, bool plain_ok, bool cram_md5, struct arena *a)
{
	(void)tls, (void)plus, (void)plain_ok, (void)cram_md5, (void)a;
	return STR("STEPS PLAIN");
}

struct auth_answer auth_begin(struct auth_client *c, struct auth_exchange **x, const struct auth_who *who,
			      struct str mechanism, bool has_initial, struct str initial, struct arena *a)
{
	(void)who, (void)a;
	if (c->down)
		return (struct auth_answer){ .got = AUTH_TEMP };
	if (str_eqi(mechanism, STR("PLAIN")) && has_initial)
		return auth_plain(c, initial);
	*x = calloc(1, sizeof **x);
	**x = (struct auth_exchange){ c, str_eqi(mechanism, STR("PLAIN")) ? -1 : 0 };
	return (struct auth_answer){ .got = AUTH_MORE,
				     .data = str_eqi(mechanism, STR("PLAIN")) ? STR_NONE : STR("one?") };
}

void auth_cancel(struct auth_exchange **x)
{
	free(*x);
	*x = NULL;
}

struct auth_answer auth_step(struct auth_exchange **x, struct str response, struct arena *a)
{
	(void)a;
	struct auth_client *c = (*x)->c;
	int step = (*x)->step++;
	if (step == 0 && str_eq(response, STR("1")))
		return (struct auth_answer){ .got = AUTH_MORE, .data = STR("two?") };
	auth_cancel(x);
	if (step < 0)
		return auth_plain(c, response);
	return str_eq(response, STR("2")) ? auth_yes(c, "bye") : auth_no("password", STR("mjl"));
}
