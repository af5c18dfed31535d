#include "archive/pack_impl.h"

#include "archive/larchive.h"
#include "archive/maildir.h"
#include "archive/octets.h"
#include <stdlib.h>

struct pack {
	enum pack_kind kind;
	struct outlet *out;
	bool in_box;
	struct arena box; /* of the mailbox */
	struct buf folder, path, bytes;
	struct str keywords[MAILDIR_KEYWORDS];
	uint64_t lost;
	int64_t now_wall_ms;
};

struct pack *pack_open(enum pack_kind kind, const char *dest, int64_t now_wall_ms, struct err *e)
{
	enum packing packing = packing_of(dest);
	if (packing == PACKING_OTHER) {
		err_set(e, ERR_PERM, "%s: such an archive is not written here; choose .tar, .tgz, .tar.zst or .zip",
			dest);
		return NULL;
	}
	struct outlet *out = packing == PACKING_NONE ? outlet_folder(dest, e) : outlet_archive(dest, now_wall_ms, e);
	struct pack *p = out ? calloc(1, sizeof *p) : NULL;
	if (!out)
		return NULL;
	if (!p)
		abort();
	p->kind = kind;
	p->out = out;
	p->now_wall_ms = now_wall_ms;
	return p;
}

/* "FOLDER/SUB", or what there is of it; valid until the next. */
static const char *path_of(struct pack *p, const char *sub)
{
	buf_clear(&p->path);
	buf_add(&p->path, buf_str(&p->folder));
	if (p->path.n > 0 && *sub)
		buf_addc(&p->path, '/');
	buf_addz(&p->path, sub);
	buf_addc(&p->path, 0);
	return p->path.p;
}

static bool make(struct pack *p, const char *sub, struct err *e)
{
	return p->out->kind->folder(p->out, path_of(p, sub), e);
}

/* "A/B" -> "A.sbd/B.mbox", with the folders on the way. */
static bool mbox_begin(struct pack *p, struct str mailbox, struct err *e)
{
	while (str_chr(mailbox, '/') < mailbox.n) {
		struct str level = str_cut(&mailbox, '/');
		buf_printf(&p->folder, "%s%.*s.sbd", p->folder.n ? "/" : "", STRF(level));
		if (!make(p, "", e))
			return false;
	}
	struct arena a = { 0 };
	bool ok = p->out->kind->begin(p->out, path_of(p, str_z(&a, str_fmt(&a, "%.*s.mbox", STRF(mailbox)))), e);
	arena_reset(&a);
	return ok;
}

static bool maildir_begin(struct pack *p, struct str mailbox, struct err *e)
{
	maildir_folder(&p->folder, mailbox);
	for (size_t i = 0; i < MAILDIR_KEYWORDS; i++)
		p->keywords[i] = STR_NONE;
	if (p->folder.n > 0 &&
	    (!make(p, "", e) || !p->out->kind->file(p->out, path_of(p, "maildirfolder"), STR_NONE, p->now_wall_ms, e)))
		return false;
	return make(p, "cur", e) && make(p, "new", e) && make(p, "tmp", e);
}

/* The mailbox is complete. */
static bool box_end(struct pack *p, struct err *e)
{
	if (!p->in_box)
		return true;
	p->in_box = false;
	if (p->kind == PACK_MBOX)
		return p->out->kind->end(p->out, e);
	buf_clear(&p->bytes);
	maildir_keywords_print(&p->bytes, p->keywords);
	return p->bytes.n == 0 ||
	       p->out->kind->file(p->out, path_of(p, MAILDIR_KEYWORDS_FILE), buf_str(&p->bytes), p->now_wall_ms, e);
}

bool pack_box(struct pack *p, struct str mailbox, struct err *e)
{
	if (!box_end(p, e))
		return false;
	arena_reset(&p->box);
	buf_clear(&p->folder);
	p->in_box = true;
	return p->kind == PACK_MBOX ? mbox_begin(p, mailbox, e) : maildir_begin(p, mailbox, e);
}

bool pack_message(struct pack *p, const struct mbox_write *m, struct err *e)
{
	struct arena a = { 0 };
	struct buf name = { 0 };
	buf_clear(&p->bytes);
	if (p->kind == PACK_MBOX) {
		mbox_write(&p->bytes, m);
		return p->out->kind->more(p->out, buf_str(&p->bytes), e);
	}
	octets_to_file(&p->bytes, m->bytes);
	/* The numbers rise as the UIDs do, so that whoever sorts names has the mailbox's order. */
	buf_printf(&name, "cur/%lld.U%010u.sluice,S=%zu,W=%zu:2,", (long long)(m->internal_wall_ms / 1000), m->uid,
		   p->bytes.n, m->bytes.n);
	p->lost += maildir_flags_print(&name, m->flags, m->keywords, p->keywords, &p->box);
	bool ok = p->out->kind->file(p->out, path_of(p, str_z(&a, buf_str(&name))), buf_str(&p->bytes),
				     m->internal_wall_ms, e);
	buf_free(&name);
	arena_reset(&a);
	return ok;
}

bool pack_done(struct pack *p, struct err *e)
{
	return box_end(p, e) && p->out->kind->done(p->out, e);
}

uint64_t pack_keywords_lost(const struct pack *p)
{
	return p->lost;
}

void pack_close(struct pack *p)
{
	if (!p)
		return;
	p->out->kind->close(p->out);
	arena_reset(&p->box);
	buf_free(&p->folder);
	buf_free(&p->path);
	buf_free(&p->bytes);
	free(p);
}
