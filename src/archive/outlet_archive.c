/* outlet_archive.c - packed files as members of an archive.
 *
 * A member's size stands before its octets, so a file that grows is kept in an
 * unnamed one until it is whole.
 */
#include "archive/larchive.h"
#include "archive/pack_impl.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (256u << 10)

struct archive_outlet {
	struct outlet outlet;
	const struct larchive *lib;
	struct archive *a;
	struct archive_entry *entry;
	char *dest, *partial, *grows; /* grows: the name of the file that does */
	int fd, spill;                /* -1: none */
	int64_t now_wall_ms;
	bool done;
};

static bool wrong(const struct archive_outlet *o, struct err *e)
{
	const char *why = o->lib->archive_error_string(o->a);
	return err_set(e, ERR_TEMP, "%s: %s", o->partial, why ? why : "cannot be written");
}

static bool header(struct archive_outlet *o, const char *path, bool folder, uint64_t size, int64_t mtime_wall_ms,
		   struct err *e)
{
	const struct larchive *l = o->lib;
	int64_t ms = mtime_wall_ms > 0 ? mtime_wall_ms : 0;
	l->archive_entry_clear(o->entry);
	l->archive_entry_set_pathname(o->entry, path);
	l->archive_entry_set_filetype(o->entry, folder ? AE_IFDIR : AE_IFREG);
	l->archive_entry_set_perm(o->entry, folder ? 0700 : 0600);
	l->archive_entry_set_size(o->entry, (int64_t)size);
	l->archive_entry_set_mtime(o->entry, (time_t)(ms / 1000), (long)(ms % 1000 * 1000000));
	return l->archive_write_header(o->a, o->entry) >= ARCHIVE_WARN || wrong(o, e);
}

static bool octets(struct archive_outlet *o, struct str bytes, struct err *e)
{
	while (bytes.n > 0) {
		ssize_t n = o->lib->archive_write_data(o->a, bytes.p, bytes.n);
		if (n <= 0)
			return wrong(o, e);
		bytes = str_sub(bytes, (size_t)n, bytes.n);
	}
	return true;
}

static bool archive_folder(struct outlet *outlet, const char *path, struct err *e)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	return header(o, path, true, 0, o->now_wall_ms, e);
}

static bool archive_file(struct outlet *outlet, const char *path, struct str bytes, int64_t mtime_wall_ms,
			 struct err *e)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	return header(o, path, false, bytes.n, mtime_wall_ms, e) && octets(o, bytes, e);
}

static bool archive_begin(struct outlet *outlet, const char *path, struct err *e)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	char name[] = "/var/tmp/sluice-XXXXXX";
	if (!(o->grows = strdup(path)))
		abort();
	o->spill = mkostemp(name, O_CLOEXEC);
	if (o->spill < 0)
		return err_sys(e, "create", name);
	unlink(name);
	return true;
}

static bool archive_more(struct outlet *outlet, struct str bytes, struct err *e)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	return file_write(o->spill, bytes) || err_sys(e, "write", "a temporary file in /var/tmp");
}

static bool copy_spilled(struct archive_outlet *o, struct err *e)
{
	static char piece[PIECE];
	ssize_t n;
	while ((n = read(o->spill, piece, sizeof piece)) > 0)
		if (!octets(o, (struct str){ piece, (size_t)n }, e))
			return false;
	return n == 0 || err_sys(e, "read", "a temporary file");
}

static bool archive_end(struct outlet *outlet, struct err *e)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	off_t size = lseek(o->spill, 0, SEEK_END);
	bool ok = (size >= 0 && lseek(o->spill, 0, SEEK_SET) == 0) || err_sys(e, "read", "a temporary file");
	ok = ok && header(o, o->grows, false, (uint64_t)size, o->now_wall_ms, e) && copy_spilled(o, e);
	close(o->spill);
	o->spill = -1;
	free(o->grows);
	o->grows = NULL;
	return ok;
}

static bool archive_done(struct outlet *outlet, struct err *e)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	if (o->lib->archive_write_close(o->a) != ARCHIVE_OK)
		return wrong(o, e);
	if (fsync(o->fd) < 0)
		return err_sys(e, "sync", o->partial);
	/* link(2), unlike rename, takes no name that is taken. */
	if (link(o->partial, o->dest) < 0)
		return err_sys(e, "rename to", o->dest);
	unlink(o->partial);
	o->done = true;
	return true;
}

static void archive_close(struct outlet *outlet)
{
	struct archive_outlet *o = (struct archive_outlet *)outlet;
	if (o->entry)
		o->lib->archive_entry_free(o->entry);
	if (o->a)
		o->lib->archive_write_free(o->a);
	if (o->spill >= 0)
		close(o->spill);
	if (o->fd >= 0) {
		close(o->fd);
		if (!o->done)
			unlink(o->partial);
	}
	free(o->grows);
	free(o->dest);
	free(o->partial);
	free(o);
}

static const struct outlet_kind kind = { archive_folder, archive_file, archive_begin, archive_more,
					 archive_end,    archive_done, archive_close };

static bool begin(struct archive_outlet *o, struct err *e)
{
	const struct larchive *l = o->lib;
	enum packing packing = packing_of(o->dest);
	int rc = ARCHIVE_OK;
	o->a = l->archive_write_new();
	o->entry = l->archive_entry_new();
	if (!o->a || !o->entry)
		abort();
	if (packing == PACKING_ZIP)
		rc = l->archive_write_set_format_zip(o->a);
	else
		rc = l->archive_write_set_format_pax_restricted(o->a);
	if (packing == PACKING_TGZ && rc == ARCHIVE_OK)
		rc = l->archive_write_add_filter_gzip(o->a);
	if (packing == PACKING_TAR_ZST && rc == ARCHIVE_OK)
		rc = l->archive_write_add_filter_zstd(o->a);
	return (rc >= ARCHIVE_WARN && l->archive_write_open_fd(o->a, o->fd) == ARCHIVE_OK) || wrong(o, e);
}

struct outlet *outlet_archive(const char *dest, int64_t now_wall_ms, struct err *e)
{
	const struct larchive *lib = larchive(e);
	struct stat st;
	if (!lib)
		return NULL;
	if (lstat(dest, &st) == 0) {
		err_set(e, ERR_PERM, "%s is there already; nothing is overwritten", dest);
		return NULL;
	}
	struct archive_outlet *o = calloc(1, sizeof *o);
	if (!o || !(o->dest = strdup(dest)) || asprintf(&o->partial, "%s%s", dest, PARTIAL) < 0)
		abort();
	o->outlet.kind = &kind;
	o->lib = lib;
	o->spill = -1;
	o->now_wall_ms = now_wall_ms;
	o->fd = open(o->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (o->fd < 0 && errno == EEXIST)
		err_set(e, ERR_PERM, "%s is left of an export that was interrupted; remove it first", o->partial);
	else if (o->fd < 0)
		err_sys(e, "create", o->partial);
	else if (begin(o, e))
		return &o->outlet;
	archive_close(&o->outlet);
	return NULL;
}
