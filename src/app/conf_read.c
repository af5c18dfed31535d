#include "app/conf_tree.h"

#include "base/file.h"
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
	struct arena *arena;
	struct conf_errors *errors;
};

/* False: `e` says why it is not part of the configuration. */
static bool add_text(struct reader *r, struct conf_texts *texts, struct str name, struct err *e)
{
	struct str text;
	for (size_t i = 0; i < texts->n; i++)
		if (str_eq(texts->text[i].name, name))
			return true; /* the parser says that it is there twice */
	if (texts->n == CONF_FILES_MAX)
		return err_set(e, ERR_PERM, "%.*s would be file %d; at most %d make a configuration", STRF(name),
			       CONF_FILES_MAX + 1, CONF_FILES_MAX);
	if (!file_read(str_z(r->arena, name), CONF_FILE_MAX, r->arena, &text, e))
		return false;
	if (texts->octets + text.n > CONF_TOTAL_MAX)
		return err_set(e, ERR_PERM, "with %.*s the configuration is larger than %zu MiB", STRF(name),
			       CONF_TOTAL_MAX >> 20);
	texts->octets += text.n;
	texts->text = arena_grow(r->arena, texts->text, &texts->cap, texts->n + 1, sizeof *texts->text);
	texts->text[texts->n++] = (struct conf_text){ str_dup(r->arena, name), text };
	return true;
}

static void read_include(void *ctx, struct conf_texts *texts, const struct conf_include *inc)
{
	struct reader *r = ctx;
	struct err e;
	if (!inc->pattern) {
		if (!add_text(r, texts, inc->path, &e))
			conf_fail(r->errors, inc->at, "%s", e.text);
		return;
	}
	glob_t found = { 0 };
	errno = 0;
	int got = glob(str_z(r->arena, inc->path), GLOB_NOSORT | GLOB_ERR, NULL, &found);
	if (got != 0 && got != GLOB_NOMATCH && errno != ENOENT) /* none there is fine: packages may bring some */
		conf_fail(r->errors, inc->at, "%.*s: %s", STRF(inc->path), strerror(errno));
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (!add_text(r, texts, str_of(found.gl_pathv[i]), &e))
			conf_fail(r->errors, inc->at, "%s", e.text);
	globfree(&found);
}

bool conf_read(const char *path, struct arena *a, struct conf_text **texts, size_t *n, struct conf_errors *errors)
{
	struct reader r = { a, errors };
	struct conf_reader reader = { &r, read_include };
	struct conf_texts list = { 0 };
	struct conf_errors unsaid = { 0 }; /* conf_parse() says them */
	struct conf tree;
	struct err e;
	size_t before = errors->n;
	*texts = NULL;
	*n = 0;
	if (!add_text(&r, &list, str_of(path), &e)) {
		buf_printf(&errors->text, "%s\n", e.text);
		errors->n++;
		return false;
	}
	conf_tree_read(&list, &reader, a, &tree, &unsaid);
	buf_free(&unsaid.text);
	*texts = list.text;
	*n = list.n;
	if (errors->n == before)
		return true;
	conf_parse(list.text, list.n, a, errors);
	return false;
}

void conf_pack(struct buf *b, const struct conf_text *texts, size_t n)
{
	buf_varint(b, n);
	for (size_t i = 0; i < n; i++) {
		buf_varint(b, texts[i].name.n);
		buf_add(b, texts[i].name);
		buf_varint(b, texts[i].text.n);
		buf_add(b, texts[i].text);
	}
}

static bool take(struct str *blob, struct str *out)
{
	uint64_t n;
	if (!varint_take(blob, &n) || n > blob->n)
		return false;
	*out = str_sub(*blob, 0, (size_t)n);
	*blob = str_sub(*blob, (size_t)n, blob->n);
	return true;
}

bool conf_unpack(struct str blob, struct arena *a, struct conf_text **texts, size_t *n)
{
	uint64_t count;
	if (!varint_take(&blob, &count) || count == 0 || count > CONF_FILES_MAX)
		return false;
	*n = (size_t)count;
	*texts = ARENA_ARRAY(a, struct conf_text, *n);
	for (size_t i = 0; i < *n; i++)
		if (!take(&blob, &(*texts)[i].name) || !take(&blob, &(*texts)[i].text))
			return false;
	return blob.n == 0;
}
