/* larchive.h - libarchive, when an archive is really given.
 *
 * The library brings an XML parser and half of ICU with it, so the program is
 * not linked with it: it is loaded by the verb that was handed an archive, and
 * never by a role.  Only the functions named here are used.
 */
#pragma once
#include "base/err.h"
#include <archive.h>
#include <archive_entry.h>

#define LARCHIVE_CALLS(X)                          \
	X(archive_read_new)                        \
	X(archive_read_free)                       \
	X(archive_read_support_filter_all)         \
	X(archive_read_support_format_tar)         \
	X(archive_read_support_format_zip)         \
	X(archive_read_open_filename)              \
	X(archive_read_next_header)                \
	X(archive_read_data)                       \
	X(archive_error_string)                    \
	X(archive_entry_pathname)                  \
	X(archive_entry_pathname_utf8)             \
	X(archive_entry_filetype)                  \
	X(archive_entry_size)                      \
	X(archive_entry_mtime)                     \
	X(archive_entry_new)                       \
	X(archive_entry_free)                      \
	X(archive_entry_clear)                     \
	X(archive_entry_set_pathname)              \
	X(archive_entry_set_size)                  \
	X(archive_entry_set_filetype)              \
	X(archive_entry_set_perm)                  \
	X(archive_entry_set_mtime)                 \
	X(archive_write_new)                       \
	X(archive_write_free)                      \
	X(archive_write_close)                     \
	X(archive_write_set_format_pax_restricted) \
	X(archive_write_set_format_zip)            \
	X(archive_write_add_filter_gzip)           \
	X(archive_write_add_filter_zstd)           \
	X(archive_write_open_fd)                   \
	X(archive_write_header)                    \
	X(archive_write_data)

struct larchive {
#define LARCHIVE_MEMBER(name) __typeof__ (&(name))(name);
	LARCHIVE_CALLS(LARCHIVE_MEMBER)
#undef LARCHIVE_MEMBER
};
/* Loaded once per process. NULL: e says which package brings it. Not from two threads at once. */
const struct larchive *larchive(struct err *e);

enum packing { PACKING_NONE, PACKING_TAR, PACKING_TGZ, PACKING_TAR_ZST, PACKING_ZIP, PACKING_OTHER };
/* What a file is by the end of its name; OTHER: a tar that can be read but is not written here (.tar.xz, .tar.bz2). */
enum packing packing_of(const char *path);
