#include "app/sandbox_log.h"

#include "base/file.h"
#include <jansson.h>

#define LINE_MAX_KEPT ((size_t)64 << 10)

/* log.h writes values bare, or as JSON strings when they hold anything special. */
static void add_value(struct str rest, struct buf *out)
{
	if (rest.n == 0 || rest.p[0] != '"') {
		buf_add(out, str_cut(&rest, ' '));
		return;
	}
	json_t *j = json_loadb(rest.p, rest.n, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
	if (json_is_string(j))
		buf_add(out, (struct str){ json_string_value(j), json_string_length(j) });
	json_decref(j);
}

bool sandbox_log_value(struct str line, struct str key, struct buf *out)
{
	bool quoted = false;
	for (size_t i = 0; i + key.n + 1 < line.n; i++) {
		if (line.p[i] == '"' && (i == 0 || line.p[i - 1] != '\\'))
			quoted = !quoted;
		if (quoted || line.p[i] != ' ' || !str_starts(str_sub(line, i + 1, line.n), key) ||
		    line.p[i + 1 + key.n] != '=')
			continue;
		add_value(str_sub(line, i + key.n + 2, line.n), out);
		return true;
	}
	return false;
}

/* "12:30:01 accepted: from stranger@example.org to you@sandbox.test, 1234 octets, id c3k9" */
static void say_accepted(struct sandbox_log *l, struct str line)
{
	struct buf from = { 0 }, to = { 0 }, size = { 0 }, id = { 0 }, text = { 0 };
	sandbox_log_value(line, STR("from"), &from);
	if (!sandbox_log_value(line, STR("to"), &to) && sandbox_log_value(line, STR("rcpts"), &to))
		buf_addz(&to, " recipients");
	sandbox_log_value(line, STR("size"), &size);
	sandbox_log_value(line, STR("id"), &id);
	buf_printf(&text, "%.*s  message from %.*s to %.*s, %.*s octets (id %.*s)", STRF(str_sub(line, 11, 19)),
		   STRF(from.n ? buf_str(&from) : STR("<>")), STRF(buf_str(&to)), STRF(buf_str(&size)),
		   STRF(buf_str(&id)));
	l->say(l->ctx, buf_str(&text));
	buf_free(&from);
	buf_free(&to);
	buf_free(&size);
	buf_free(&id);
	buf_free(&text);
}

static void take_line(struct sandbox_log *l, struct str line)
{
	/* TIME LEVEL EVENT key=value ... */
	struct str rest = line;
	str_cut(&rest, ' ');
	struct str level = str_cut(&rest, ' '), event = str_cut(&rest, ' ');
	if (str_eq(event, STR("smtp.accepted")))
		say_accepted(l, line);
	else if (str_eq(level, STR("error")))
		l->say(l->ctx, line); /* something is wrong: no need to look into the file */
}

void sandbox_log_take(struct sandbox_log *l, struct str bytes)
{
	if (l->file >= 0)
		(void)!file_write(l->file, bytes);
	while (bytes.n > 0) {
		struct str part = str_line(&bytes);
		if (l->line.n < LINE_MAX_KEPT)
			buf_add(&l->line, part);
		if (part.p[part.n - 1] == '\n') {
			take_line(l, str_chomp(buf_str(&l->line)));
			buf_clear(&l->line);
		}
	}
}

void sandbox_log_free(struct sandbox_log *l)
{
	buf_free(&l->line);
}
