/* source_mbox.c - one mbox file, or a folder or archive of them. */
#include "archive/larchive.h"
#include "archive/source_impl.h"

#include <stdlib.h>

struct mbox_source {
	struct source source;
	struct tree *tree;
	enum mbox_kind kind;
	struct mbox *mbox; /* the file that is being read */
	struct str mailbox;
	struct buf path, bytes;
	struct arena file, message;
	uint64_t before; /* octets of the files that are done */
	bool single, packed;
	size_t nfiles;
	struct str root; /* within an archive: the folder that all files are in */
};

static bool read_file(void *ctx, void *p, size_t room, size_t *n, struct err *e)
{
	return tree_read(((struct mbox_source *)ctx)->tree, p, room, n, e);
}

/* "Sent.mbox", Thunderbird's "A.sbd/B", Apple's "A.mbox/mbox" -> "Sent", "A/B", "A". */
static struct str mailbox_of(const struct mbox_source *s, struct str path, struct arena *a)
{
	struct buf b = { 0 };
	if (path.n == 0 || s->single)
		return STR("INBOX");
	path = str_sub(path, s->root.n, path.n);
	str_skipc(&path, '/');
	while (path.n > 0) {
		struct str level = str_cut(&path, '/');
		bool last = path.n == 0;
		if (last && b.n > 0 && str_eq(level, STR("mbox")))
			break;
		if (str_ends(level, STR(".mbox")) && level.n > 5)
			level.n -= 5;
		else if (!last && str_ends(level, STR(".sbd")) && level.n > 4)
			level.n -= 4;
		buf_printf(&b, "%s%.*s", b.n ? "/" : "", STRF(level));
	}
	struct str name = str_eqi(buf_str(&b), STR("INBOX")) ? STR("INBOX") : str_dup(a, buf_str(&b));
	buf_free(&b);
	return name;
}

/* Indexes that mail programs lay beside their mailboxes. */
static bool never_mail(struct str path)
{
	static const char *const ends[] = { ".msf", ".dat", ".html", ".lock", ".cache", ".index", ".log" };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (str_ends(path, str_of(ends[i])))
			return true;
	return false;
}

/* Whether the file that came last is an mbox: by its first octets. An empty one is one, too. */
static bool looks_like_mbox(struct mbox_source *s, bool *is, bool *empty, struct err *e)
{
	char head[5];
	size_t have = 0, n = 1;
	while (have < sizeof head && n > 0) {
		if (!tree_read(s->tree, head + have, sizeof head - have, &n, e))
			return false;
		have += n;
	}
	*empty = have == 0;
	*is = *empty || (have == sizeof head && memcmp(head, "From ", sizeof head) == 0);
	return true;
}

struct found {
	struct str path;
	struct found *next;
};

/* Which files are mboxes, how large they are, and the folder that all are in. */
static bool find_files(struct mbox_source *s, struct found **list, struct err *e)
{
	struct file f;
	enum tree_got got;
	while ((got = tree_next(s->tree, &f, e)) == TREE_ENTRY) {
		bool is, empty;
		if (f.folder || never_mail(f.path))
			continue;
		enum tree_got opened = tree_file(s->tree, &f, e);
		if (opened == TREE_END)
			continue;
		if (opened == TREE_ERROR || !looks_like_mbox(s, &is, &empty, e))
			return false;
		if (!is)
			continue;
		struct found *x = ARENA_NEW(&s->source.life, struct found);
		*x = (struct found){ str_dup(&s->source.life, f.path), NULL };
		size_t slash = x->path.n;
		while (slash > 0 && x->path.p[slash - 1] != '/')
			slash--;
		struct str folder = str_sub(x->path, 0, slash ? slash - 1 : 0);
		s->root = s->nfiles++ == 0 ? folder : source_common(s->root, folder);
		s->source.total += f.size;
		*list = x;
		list = &x->next;
	}
	return got == TREE_END;
}

static bool first_walk(struct mbox_source *s, struct err *e)
{
	struct found *list = NULL;
	if (!find_files(s, &list, e))
		return false;
	if (!list)
		return err_set(e, ERR_PERM, "no mbox: nothing in it begins with \"From \"");
	if (!s->packed)
		s->root = STR_NONE; /* there the top is named, not guessed */
	for (; list; list = list->next) {
		struct str name = mailbox_of(s, list->path, &s->source.life);
		if (source_wants(&s->source, name) && !source_add_box(&s->source, name, special_use_of(name), e))
			return false;
	}
	return true;
}

/* The next file that is one. */
static enum source_got open_file(struct mbox_source *s, struct err *e)
{
	struct file f;
	enum tree_got got;
	while ((got = tree_next(s->tree, &f, e)) == TREE_ENTRY) {
		if (f.folder || never_mail(f.path))
			continue;
		arena_reset(&s->file);
		s->mailbox = mailbox_of(s, f.path, &s->file);
		if (!source_wants(&s->source, s->mailbox))
			continue;
		buf_clear(&s->path);
		buf_add(&s->path, f.path);
		enum tree_got opened = tree_file(s->tree, &f, e);
		if (opened == TREE_END)
			continue;
		if (opened == TREE_ERROR)
			return SOURCE_ERROR;
		s->mbox = mbox_open(read_file, s, s->kind, s->source.conf.max);
		return SOURCE_MESSAGE;
	}
	return got == TREE_END ? SOURCE_END : SOURCE_ERROR;
}

static void close_file(struct mbox_source *s)
{
	if (s->mbox)
		s->before += mbox_at(s->mbox);
	mbox_close(s->mbox);
	s->mbox = NULL;
}

static enum source_got take(struct mbox_source *s, const struct mbox_message *x, bool large, struct source_message *m,
			    struct err *e)
{
	arena_reset(&s->message);
	m->mailbox = s->mailbox;
	m->where = str_fmt(&s->message, "%.*s at octet %llu", STRF(buf_str(&s->path)), (unsigned long long)x->at);
	if (large) {
		err_set(e, ERR_PERM, "longer than %zu octets", s->source.conf.max);
		return SOURCE_BAD;
	}
	m->flags = x->flags;
	m->keywords = x->keywords;
	m->internal_wall_ms = x->from_wall_ms;
	buf_clear(&s->bytes);
	buf_add(&s->bytes, x->bytes);
	source_finish(&s->source, &s->bytes, m);
	return SOURCE_MESSAGE;
}

static enum source_got mbox_source_next(struct source *source, struct source_message *m, struct err *e)
{
	struct mbox_source *s = (struct mbox_source *)source;
	struct mbox_message x;
	for (;;) {
		if (!s->mbox) {
			enum source_got got = open_file(s, e);
			if (got != SOURCE_MESSAGE)
				return got;
		}
		enum mbox_got got = mbox_next(s->mbox, &x, e);
		source->done = s->before + mbox_at(s->mbox);
		switch (got) {
		case MBOX_MESSAGE:
		case MBOX_LARGE:
			return take(s, &x, got == MBOX_LARGE, m, e);
		case MBOX_ERROR:
			err_add(e, "%.*s", STRF(buf_str(&s->path)));
			return SOURCE_ERROR;
		case MBOX_NONE: /* something else that lies among mailboxes: first_walk has not counted it */
		case MBOX_END:
			close_file(s);
		}
	}
}

static void mbox_source_close(struct source *source)
{
	struct mbox_source *s = (struct mbox_source *)source;
	close_file(s);
	tree_close(s->tree);
	buf_free(&s->path);
	buf_free(&s->bytes);
	arena_reset(&s->file);
	arena_reset(&s->message);
	arena_reset(&source->life);
	free(s);
}

static const struct source_kind kind = { mbox_source_next, mbox_source_close };

struct source *source_mbox(const char *path, enum mbox_kind mbox, const struct source_conf *conf, struct err *e)
{
	struct mbox_source *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->source.kind = &kind;
	s->source.conf = *conf;
	s->source.octets = true;
	s->kind = mbox;
	s->tree = tree_open(path, e);
	bool ok = s->tree != NULL;
	s->single = ok && tree_is_file(s->tree);
	s->packed = !s->single && packing_of(path) != PACKING_NONE;
	s->root = STR_NONE;
	if (ok && first_walk(s, e) && tree_rewind(s->tree, e))
		return &s->source;
	err_add(e, "%s", path);
	mbox_source_close(&s->source);
	return NULL;
}
