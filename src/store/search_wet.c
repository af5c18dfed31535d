/* Which accounts' index files a power cut may spoil: a list on disk, synced before they are written.
 *
 * The first line is the boot it was written in, every other one an account.  It only grows, and is written anew
 * when files have been synced. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "store/sqlite_search.h"

#define WET_NAME "written"
#define WET_MAX  ((size_t)64 << 20) /* octets of the list */

static char boot[64] = "unknown"; /* then every boot is another one */

void search_warm(void)
{
	struct arena a = { 0 };
	struct str id;
	struct err e;
	if (file_read("/proc/sys/kernel/random/boot_id", sizeof boot - 1, &a, &id, &e))
		snprintf(boot, sizeof boot, "%.*s", STRF(str_trim(id)));
	arena_reset(&a);
}

static bool same_boot(struct str line)
{
	return str_eq(line, str_of(boot)) && !str_eq(line, STR("unknown"));
}

/* Where the account stands in the list, or would. */
static size_t wet_at(const struct search_index *x, int64_t account)
{
	size_t low = 0, high = x->nwet;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->wet[mid].account < account)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool wet_add(struct search_index *x, int64_t account)
{
	size_t at = wet_at(x, account);
	if (at < x->nwet && x->wet[at].account == account) {
		x->wet[at].mono_ms = clock_mono_ms();
		return false;
	}
	if (x->nwet == x->wet_cap) {
		x->wet_cap = x->wet_cap ? 2 * x->wet_cap : 64;
		x->wet = realloc(x->wet, x->wet_cap * sizeof *x->wet);
		if (!x->wet)
			abort();
	}
	memmove(&x->wet[at + 1], &x->wet[at], (x->nwet++ - at) * sizeof *x->wet);
	x->wet[at] = (struct wet){ account, clock_mono_ms() };
	return true;
}

/* The list as it is now, in place of the old one. */
static bool wet_write(struct search_index *x, struct err *e)
{
	struct buf b = { 0 };
	buf_printf(&b, "%s\n", boot);
	for (size_t i = 0; i < x->nwet; i++)
		buf_printf(&b, "%lld\n", (long long)x->wet[i].account);
	bool ok = file_commit(x->dir_fd, WET_NAME, buf_str(&b), 0600, e);
	buf_free(&b);
	if (!ok)
		return false;
	if (x->wet_fd >= 0)
		close(x->wet_fd);
	x->wet_fd = openat(x->dir_fd, WET_NAME, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	return x->wet_fd >= 0 || err_sys(e, "open", WET_NAME);
}

bool wet_open(struct search_index *x, struct err *e)
{
	struct arena a = { 0 };
	struct str text = STR_NONE;
	bool ok = true;
	AUTO_CLOSE int fd = openat(x->dir_fd, WET_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, "open", WET_NAME);
	if (fd >= 0)
		ok = file_read_fd(fd, WET_MAX, &a, &text, e);
	bool trusted = same_boot(str_cut(&text, '\n'));
	uint64_t thrown = 0, account;
	while (ok && text.n > 0) {
		if (!num_parse(str_cut(&text, '\n'), INT64_MAX, &account))
			continue; /* the end of it was not written */
		if (trusted)
			wet_add(x, (int64_t)account);
		else
			ok = search_file_remove(x->dir, (int64_t)account, e);
		thrown += !trusted;
	}
	arena_reset(&a);
	if (thrown > 0)
		log_notice("search.thrown_away", KVN("accounts", thrown),
			   KVZ("why", "the machine stopped while they were written; they are made anew"));
	return ok && wet_write(x, e);
}

void wet_close(struct search_index *x)
{
	if (x->wet_fd >= 0)
		close(x->wet_fd);
	x->wet_fd = -1;
	free(x->wet);
	x->wet = NULL;
	x->nwet = x->wet_cap = 0;
}

bool search_wet(struct search_index *x, const int64_t *accounts, size_t n, struct err *e)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < n; i++)
		if (wet_add(x, accounts[i]))
			buf_printf(&b, "%lld\n", (long long)accounts[i]);
	bool ok = b.n == 0 || (file_write(x->wet_fd, buf_str(&b)) && fdatasync(x->wet_fd) == 0) ||
		  err_sys(e, "write", WET_NAME);
	buf_free(&b);
	return ok;
}

bool wet_sync(struct search_index *x, int64_t idle_ms, size_t most, int64_t until_mono_ms, struct err *e)
{
	int64_t now_ms = clock_mono_ms();
	size_t left = 0, synced = 0;
	bool ok = true;
	for (size_t i = 0; i < x->nwet; i++) {
		bool rested = now_ms - x->wet[i].mono_ms >= idle_ms;
		if (ok && rested && synced < most && clock_mono_ms() < until_mono_ms) {
			ok = search_file_sync(x, x->wet[i].account, e);
			synced += ok;
		} else {
			rested = false;
		}
		if (!rested || !ok)
			x->wet[left++] = x->wet[i];
	}
	x->nwet = left;
	return ok && (synced == 0 || wet_write(x, e));
}
