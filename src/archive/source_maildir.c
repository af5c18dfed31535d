/* source_maildir.c - Maildir and Maildir++, in a folder or an archive.
 *
 * Two walks: the first finds the folders, their keywords and how much there
 * is, since an archive may hold dovecot-keywords behind the messages; the
 * second reads the messages.
 */
#include "archive/maildir.h"
#include "archive/octets.h"
#include "archive/source_impl.h"

#include <stdlib.h>

#define KEYWORDS_FILE_MAX (64u << 10)

struct folder {
	struct str path;    /* of the folder that holds cur/ */
	struct str mailbox; /* empty: not wanted, or no name */
	struct str *keywords;
};
struct maildir {
	struct source source;
	struct tree *tree;
	struct folder *folders;
	size_t n, cap;
	size_t last; /* the folder found last: the next message is most often of it */
	struct buf raw, bytes;
	struct arena message;
	struct buf where, key;
};

/* Cut "A/cur/name" into "A", "cur" and "name". */
static void split(struct str path, struct str *folder, struct str *sub, struct str *name)
{
	size_t at[2] = { path.n, path.n }, found = 0;
	for (size_t i = path.n; i > 0 && found < 2; i--)
		if (path.p[i - 1] == '/')
			at[found++] = i - 1;
	*name = found > 0 ? str_sub(path, at[0] + 1, path.n) : path;
	*sub = found > 1 ? str_sub(path, at[1] + 1, at[0]) : found > 0 ? str_sub(path, 0, at[0]) : STR_NONE;
	*folder = found > 1 ? str_sub(path, 0, at[1]) : STR_NONE;
}

static struct folder *folder_find(struct maildir *s, struct str path)
{
	if (s->last < s->n && str_eq(s->folders[s->last].path, path))
		return &s->folders[s->last];
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->folders[i].path, path)) {
			s->last = i;
			return &s->folders[i];
		}
	return NULL;
}

static bool folder_add(struct maildir *s, struct str path, struct err *e)
{
	if (folder_find(s, path))
		return true;
	if (s->n == BOXES_MAX)
		return err_set(e, ERR_PERM, "more than %d folders", BOXES_MAX);
	s->folders = arena_grow(&s->source.life, s->folders, &s->cap, s->n + 1, sizeof *s->folders);
	s->folders[s->n++] = (struct folder){ str_dup(&s->source.life, path), STR_NONE, NULL };
	return true;
}

struct noted { /* keyword files of the first walk: folders may not be known yet */
	struct str path, text;
	struct noted *next;
};

static bool note_keywords(struct maildir *s, struct file *f, struct str folder, struct noted **list, struct err *e)
{
	struct buf b = { 0 };
	bool fits;
	enum tree_got got = tree_file(s->tree, f, e);
	bool ok = got == TREE_ENTRY && tree_read_all(s->tree, KEYWORDS_FILE_MAX, &b, &fits, e);
	if (ok && fits) {
		struct noted *x = ARENA_NEW(&s->source.life, struct noted);
		*x = (struct noted){ str_dup(&s->source.life, folder), str_dup(&s->source.life, buf_str(&b)), *list };
		*list = x;
	}
	buf_free(&b);
	return ok || got == TREE_END;
}

static bool first_walk(struct maildir *s, struct noted **keywords, struct err *e)
{
	struct file f;
	enum tree_got got;
	while ((got = tree_next(s->tree, &f, e)) == TREE_ENTRY) {
		struct str folder, sub, name;
		split(f.path, &folder, &sub, &name);
		bool in_box = str_eq(sub, STR("cur")) || str_eq(sub, STR("new"));
		if (f.folder) {
			/* "A/cur" itself. */
			struct str parent = folder.n > 0 || sub.n > 0 ? str_sub(f.path, 0, f.path.n - name.n - 1)
								      : STR_NONE;
			if ((str_eq(name, STR("cur")) || str_eq(name, STR("new"))) && !folder_add(s, parent, e))
				return false;
		} else if (in_box) {
			s->source.total++;
			if (!folder_add(s, folder, e))
				return false;
		} else if (str_eq(name, STR(MAILDIR_KEYWORDS_FILE))) {
			struct str parent = f.path.n > name.n ? str_sub(f.path, 0, f.path.n - name.n - 1) : STR_NONE;
			if (!note_keywords(s, &f, parent, keywords, e))
				return false;
		}
	}
	return got == TREE_END;
}

/* "A/.B" -> "A": the Maildir that a folder of Maildir++ stands in; a folder is its own. */
static struct str home_of(struct str path)
{
	struct str folder, sub, name;
	split(path, &folder, &sub, &name);
	if (!str_starts(name, STR(".")))
		return path;
	return name.n == path.n ? STR_NONE : str_sub(path, 0, path.n - name.n - 1);
}

static bool name_folders(struct maildir *s, struct err *e)
{
	struct str root = s->n > 0 ? home_of(s->folders[0].path) : STR_NONE;
	for (size_t i = 1; i < s->n; i++)
		root = source_common(root, home_of(s->folders[i].path));
	for (size_t i = 0; i < s->n; i++) {
		struct folder *f = &s->folders[i];
		struct str rest = str_sub(f->path, root.n, f->path.n), mailbox;
		str_skipc(&rest, '/');
		if (!maildir_mailbox(rest, &s->source.life, &mailbox))
			mailbox = str_dup(&s->source.life, rest); /* the store will say what is wrong with it */
		if (!source_wants(&s->source, mailbox))
			continue;
		f->mailbox = mailbox;
		if (!source_add_box(&s->source, mailbox, special_use_of(mailbox), e))
			return false;
	}
	return true;
}

static void give_keywords(struct maildir *s, const struct noted *list)
{
	for (; list; list = list->next) {
		struct folder *f = folder_find(s, list->path);
		if (!f)
			continue;
		f->keywords = ARENA_ARRAY(&s->source.life, struct str, MAILDIR_KEYWORDS);
		for (size_t i = 0; i < MAILDIR_KEYWORDS; i++)
			f->keywords[i] = STR_NONE;
		maildir_keywords(list->text, &s->source.life, f->keywords);
	}
}

/* --- the second walk ------------------------------------------------------------- */

static enum source_got take(struct maildir *s, struct file *file, const struct folder *folder, struct str name,
			    struct source_message *m, struct err *e)
{
	bool fits;
	struct maildir_flags f = maildir_flags(name, folder->keywords, &s->message);
	buf_clear(&s->raw);
	buf_clear(&s->bytes);
	m->flags = f.flags;
	m->keywords = f.keywords;
	enum tree_got got = tree_file(s->tree, file, e);
	if (got == TREE_END) {
		err_set(e, ERR_TEMP, "gone, or renamed, while it was being read; run the import again");
		return SOURCE_BAD;
	}
	if (got == TREE_ERROR)
		return SOURCE_BAD;
	if (!tree_read_all(s->tree, s->source.conf.max, &s->raw, &fits, e))
		return SOURCE_ERROR;
	octets_to_wire(&s->bytes, buf_str(&s->raw));
	if (!fits || s->bytes.n > s->source.conf.max) {
		err_set(e, ERR_PERM, "longer than %zu octets", s->source.conf.max);
		return SOURCE_BAD;
	}
	m->internal_wall_ms = file->mtime_wall_ms;
	source_finish(&s->source, &s->bytes, m);
	return SOURCE_MESSAGE;
}

static enum source_got maildir_next(struct source *source, struct source_message *m, struct err *e)
{
	struct maildir *s = (struct maildir *)source;
	struct file f;
	enum tree_got got;
	while ((got = tree_next(s->tree, &f, e)) == TREE_ENTRY) {
		struct str path, sub, name;
		split(f.path, &path, &sub, &name);
		const struct folder *folder = folder_find(s, path);
		if (f.folder || !(str_eq(sub, STR("cur")) || str_eq(sub, STR("new"))) || !folder)
			continue;
		source->done++;
		if (folder->mailbox.n == 0)
			continue;
		arena_reset(&s->message);
		buf_clear(&s->where);
		buf_clear(&s->key);
		buf_add(&s->where, f.path);
		buf_printf(&s->key, "%.*s/%.*s", STRF(folder->mailbox),
			   STRF(maildir_flags(name, NULL, &s->message).unique));
		m->mailbox = folder->mailbox;
		m->where = buf_str(&s->where);
		m->key = buf_str(&s->key);
		if (source->conf.have && source->conf.have(source->conf.ctx, m->key))
			continue;
		return take(s, &f, folder, str_dup(&s->message, name), m, e);
	}
	return got == TREE_END ? SOURCE_END : SOURCE_ERROR;
}

static void maildir_close(struct source *source)
{
	struct maildir *s = (struct maildir *)source;
	tree_close(s->tree);
	buf_free(&s->raw);
	buf_free(&s->bytes);
	buf_free(&s->where);
	buf_free(&s->key);
	arena_reset(&s->message);
	arena_reset(&source->life);
	free(s);
}

static const struct source_kind kind = { maildir_next, maildir_close };

struct source *source_maildir(const char *path, const struct source_conf *conf, struct err *e)
{
	struct noted *keywords = NULL;
	struct maildir *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->source.kind = &kind;
	s->source.conf = *conf;
	s->source.life.ceiling = SIZE_MAX;
	s->tree = tree_open(path, e);
	bool ok = s->tree != NULL;
	if (ok && tree_is_file(s->tree))
		ok = err_set(e, ERR_PERM, "%s is a file; a Maildir is a folder with cur and new in it (is it an mbox?)",
			     path);
	ok = ok && first_walk(s, &keywords, e);
	if (ok && s->n == 0)
		ok = err_set(e, ERR_PERM, "%s holds no Maildir: no folder in it has cur or new", path);
	ok = ok && name_folders(s, e);
	if (ok)
		give_keywords(s, keywords);
	if (ok && tree_rewind(s->tree, e))
		return &s->source;
	maildir_close(&s->source);
	return NULL;
}
