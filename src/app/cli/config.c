#include "app/cli/verb.h"

#include "app/load.h"
#include <stdio.h>

/* Everything wrong with the file, or nothing; `files`: with the files that it names. */
static bool load(const char *path, bool files, struct loaded *l)
{
	struct conf_errors errors = { 0 };
	bool ok = load_file(path, l, &errors);
	if (ok && files && !settings_check_files(&l->settings, &errors)) {
		load_free(l);
		ok = false;
	}
	if (errors.text.n > 0)
		fwrite(errors.text.p, 1, errors.text.n, stderr);
	buf_free(&errors.text);
	return ok;
}

int cli_config_check(const struct call *c)
{
	struct loaded l;
	const char *path = c->argc > 0 ? c->argv[0] : c->config;
	if (!load(path, true, &l))
		return EX_CONFIG;
	load_free(&l);
	return printf("%s: no mistakes\n", path) > 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int cli_config_print(const struct call *c)
{
	struct loaded l;
	struct buf b = { 0 };
	if (!load(c->config, false, &l))
		return EX_CONFIG;
	conf_print(l.conf, &b, call_option(c, "all") != NULL);
	load_free(&l);
	return cli_print(&b);
}

int cli_config_explain(const struct call *c)
{
	struct buf b = { 0 };
	if (call_option(c, "keys")) {
		conf_keys(&b);
		return cli_print(&b);
	}
	const char *path = c->argc > 0 ? c->argv[0] : "";
	if (conf_explain(str_of(path), &b))
		return cli_print(&b);
	int code = b.n > 0 ? cli_fail(EX_USAGE, "there is no key %s, did you mean %.*s?", path, STRF(buf_str(&b)))
			   : cli_fail(EX_USAGE, "there is no key %s: `sluice config explain` lists all", path);
	buf_free(&b);
	return code;
}

int cli_config_example(const struct call *c)
{
	struct buf b = { 0 };
	const char *topic = c->argc > 0 ? c->argv[0] : "";
	if (conf_example(str_of(topic), &b))
		return cli_print(&b);
	int code = cli_fail(EX_USAGE, "there is no example of %s: expected %.*s", topic, STRF(buf_str(&b)));
	buf_free(&b);
	return code;
}

int cli_config_manual(const struct call *c)
{
	(void)c;
	struct buf b = { 0 };
	conf_manual(&b);
	return cli_print(&b);
}
