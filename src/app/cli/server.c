/* server.c - sluice serve|status|stop ...: the server as a whole. */
#include "app/cli/run.h"

#include "app/cli/ask.h"
#include "app/cli/table.h"
#include "app/frame.h"
#include "app/parent.h"
#include "app/role.h"
#include "base/clock.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* LSB: what `status` exits with. */
enum { STATUS_RUNNING = 0, STATUS_DEAD = 1, STATUS_STOPPED = 3, STATUS_UNKNOWN = 4 };

int cli_serve(const struct call *c)
{
	return serve(&(struct serve_conf){ .config_path = c->config, .log_read = -1, .log_write = -1 });
}

int cli_role(const struct call *c)
{
	int code = role_main(c->argv[0]);
	return code == EX_USAGE ? cli_fail(code, "roles are started by sluice serve alone") : code;
}

/* --- status --------------------------------------------------------------------- */

static struct str fence_text(struct arena *a, json_t *role)
{
	json_t *f = json_object_get(role, "fence");
	struct str missing = admin_str(f, "missing");
	if (!f)
		return STR("-");
	if (!json_is_true(json_object_get(f, "fenced")) && json_integer_value(json_object_get(f, "landlock")) == 0 &&
	    !json_is_true(json_object_get(f, "seccomp")))
		return STR("no");
	return missing.n == 0 ? STR("yes") : str_fmt(a, "yes, but for: %.*s", STRF(missing));
}

static void show_roles(json_t *reply, struct buf *b)
{
	struct table t;
	json_t *x;
	size_t i;
	table_open(&t, (const char *const[]){ "ROLE", ">PID", ">GENERATION", "STATE", ">UPTIME", ">RESTARTS",
					      ">CONNECTIONS", "FENCED", NULL });
	json_array_foreach(json_object_get(reply, "roles"), i, x)
	{
		table_cell(&t, admin_str(x, "name"));
		table_cellf(&t, "%lld", (long long)json_integer_value(json_object_get(x, "pid")));
		table_cellf(&t, "%lld", (long long)json_integer_value(json_object_get(x, "generation")));
		table_cell(&t, admin_str(x, "state"));
		table_cell(&t, table_duration(&t.arena, json_integer_value(json_object_get(x, "uptime_ms"))));
		table_cellf(&t, "%lld", (long long)json_integer_value(json_object_get(x, "restarts")));
		table_cellf(&t, "%lld", (long long)json_integer_value(json_object_get(x, "connections")));
		table_cell(&t, fence_text(&t.arena, x));
	}
	table_print(&t, b);
	json_array_foreach(json_object_get(reply, "roles"), i, x) if (json_object_get(x, "failure"))
	    buf_printf(b, "%s: %s\n", json_string_value(json_object_get(x, "name")),
		       json_string_value(json_object_get(x, "failure")));
}

static int show_status(json_t *reply)
{
	struct buf b = { 0 };
	struct arena a = { 0 };
	struct str up = table_duration(&a, clock_wall_ms() - json_integer_value(json_object_get(reply, "started_ms")));
	buf_printf(&b, "sluice %s is %s: pid %lld, generation %lld, up %.*s\n",
		   json_string_value(json_object_get(reply, "version")),
		   json_string_value(json_object_get(reply, "state")),
		   (long long)json_integer_value(json_object_get(reply, "pid")),
		   (long long)json_integer_value(json_object_get(reply, "generation")), STRF(up));
	show_roles(reply, &b);
	if (json_object_get(reply, "reload_error"))
		buf_printf(&b, "the last reload was refused:\n%s\n",
			   json_string_value(json_object_get(reply, "reload_error")));
	arena_reset(&a);
	json_decref(reply);
	return cli_print(&b) == EX_OK ? STATUS_RUNNING : STATUS_UNKNOWN;
}

/* Nobody answers: dead with its pid file left, or not running. */
static int not_running(struct loaded *l, bool json)
{
	bool left = access(load_run_path(l, NAME_PID), F_OK) == 0;
	const char *state = left ? "dead" : "stopped";
	if (json)
		printf("{\n  \"state\": \"%s\"\n}\n", state);
	else
		printf("sluice is not running%s\n", left ? ", but its pid file is there: it died" : "");
	return left ? STATUS_DEAD : STATUS_STOPPED;
}

int cli_status(const struct call *c)
{
	struct ask a = { .fd = -1, .lock_fd = -1 };
	struct err e;
	int code;
	if (!load_run_dir(c->config, &a.loaded, &e)) {
		cli_fail(EX_CONFIG, "%s", e.text);
		return STATUS_UNKNOWN;
	}
	signal(SIGPIPE, SIG_IGN);
	a.fd = ask_connect(&a.loaded);
	if (a.fd < 0 && (errno == EACCES || errno == EPERM)) {
		cli_fail(EX_NOPERM, "may not speak to the server: be root, or a member of its group");
		code = STATUS_UNKNOWN;
	} else if (a.fd < 0) {
		code = not_running(&a.loaded, call_option(c, "json") != NULL);
	} else {
		json_t *reply = ask_verb(&a, "status", NULL, &code);
		if (!reply)
			code = STATUS_UNKNOWN;
		else
			code = call_option(c, "json") ? ask_print_json(reply, NULL) : show_status(reply);
	}
	ask_close(&a);
	return code;
}

/* --- the rest --------------------------------------------------------------------- */

static void show_info(json_t *reply, struct buf *b)
{
	static const char *const lines[] = { "version", "config", "host", "store", "run", "user" };
	struct table t;
	json_t *x;
	size_t i;
	for (i = 0; i < sizeof lines / sizeof *lines; i++)
		buf_printf(b, "%-8s %s\n", lines[i], json_string_value(json_object_get(reply, lines[i])));
	buf_addc(b, '\n');
	table_open(&t, (const char *const[]){ "SERVICE", "LISTEN", "WHERE", NULL });
	json_array_foreach(json_object_get(reply, "listeners"), i, x)
	{
		struct str path = admin_str(x, "path");
		table_cell(&t, admin_str(x, "service"));
		table_cell(&t, admin_str(x, "listen"));
		if (path.n)
			table_cell(&t, path);
		else
			table_cellf(&t, "%s port %lld", json_string_value(json_object_get(x, "address")),
				    (long long)json_integer_value(json_object_get(x, "port")));
	}
	table_print(&t, b);
}

int cli_info(const struct call *c)
{
	struct ask a;
	struct buf b = { 0 };
	int code = ask_open(&a, c->config, ASK_SERVER);
	json_t *reply = code == EX_OK ? ask_verb(&a, "info", NULL, &code) : NULL;
	ask_close(&a);
	if (!reply)
		return code;
	if (call_option(c, "json"))
		return ask_print_json(reply, NULL);
	show_info(reply, &b);
	json_decref(reply);
	return cli_print(&b);
}

static int tell_server(const struct call *c, const char *verb, json_t *args, bool until_end)
{
	struct ask a;
	struct err e;
	int code = ask_open(&a, c->config, ASK_SERVER);
	if (code == EX_OK)
		json_decref(ask_verb(&a, verb, json_incref(args), &code));
	/* The connection ends when the server does. */
	while (code == EX_OK && until_end && frame_recv(a.fd, FRAME_ANSWER_MAX, &a.in, &e))
		;
	json_decref(args);
	ask_close(&a);
	return code;
}

int cli_stop(const struct call *c)
{
	return tell_server(c, "stop", json_object(), true);
}

int cli_reload(const struct call *c)
{
	return tell_server(c, "reload", json_object(), false);
}

int cli_reopen(const struct call *c)
{
	return tell_server(c, "reopen", json_object(), false);
}

int cli_loglevel(const struct call *c)
{
	bool module = c->argc > 1;
	return tell_server(c, "loglevel",
			   json_pack("{s:s, s:s}", "module", module ? c->argv[0] : "", "level", c->argv[module]),
			   false);
}
