#include "deliver/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/num.h"

#define NAME_OCTETS  200
#define FOLDER_DEEP  20
#define MH_NUMBERS   1000000    /* messages of a folder; sequences above are not kept */
#define SEQUENCES    (1u << 20) /* octets of .mh_sequences */
#define LOCK_WAIT_MS 10000      /* for another program that has the mbox */
#define LOCK_OLD_S   300        /* a dot lock that nobody has touched for so long is left over */
#define TRIES        100

/* --- folders ------------------------------------------------------------------- */

static bool no_link(struct err *e, const char *what, const char *name)
{
	if (errno == ELOOP || errno == ENOTDIR)
		return err_set(e, ERR_PERM, "%s %s: a link, or no folder; nothing is followed here", what, name);
	return err_sys(e, what, name);
}

/* A folder inside `at`; made if it may be.  -1: e says why. */
static int open_folder(int at, const char *name, bool create, struct err *e)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(at, name, flags);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT || !create) {
		if (errno == ENOENT)
			err_set(e, ERR_TEMP, "%s is not there (with \"create\" it would be made)", name);
		else
			no_link(e, "open folder", name);
		return -1;
	}
	if ((mkdirat(at, name, 0700) < 0 && errno != EEXIST) || (fd = openat(at, name, flags)) < 0) {
		no_link(e, "create folder", name);
		return -1;
	}
	if (at != AT_FDCWD)
		fsync(at);
	return fd;
}

/* One level of a folder's name: what leads elsewhere is refused. */
static bool level_ok(struct str level)
{
	if (level.n == 0 || level.n > NAME_OCTETS || str_eq(level, STR(".")) || str_eq(level, STR("..")))
		return false;
	for (size_t i = 0; i < level.n; i++)
		if (level.p[i] == '/' || (unsigned char)level.p[i] < ' ')
			return false;
	return true;
}

static bool bad_folder(struct str folder, struct err *e)
{
	return err_set(e, ERR_PERM, "the folder \"%.*s\" cannot be: levels may not be empty, . or ..",
		       STRF(str_sub(folder, 0, 80)));
}

/* --- octets ------------------------------------------------------------------------ */

/* CRLF and CR become LF; each line of an mbox that would look like the next message gets a ">" (mboxrd). */
struct lines {
	int fd;
	bool mbox, cr, begin;
	struct buf held; /* mbox: a line's begin that may still turn out to be ">>From " */
	struct buf out;
};

static bool write_out(struct lines *k, size_t keep, struct err *e, const char *name)
{
	if (k->out.n <= keep)
		return true;
	bool ok = file_write(k->fd, buf_str(&k->out)) || err_sys(e, "write", name);
	buf_clear(&k->out);
	return ok;
}

/* Could the line that begins so be quoted?  1: it is; -1: not known yet. */
static int from_line(struct str line)
{
	static const struct str from = STR("From ");
	while (str_skipc(&line, '>'))
		;
	if (line.n < from.n)
		return str_starts(from, line) ? -1 : 0;
	return str_starts(line, from);
}

static void put_plain(struct lines *k, char c)
{
	buf_addc(&k->out, c);
	k->begin = c == '\n';
}

static void put(struct lines *k, char c)
{
	if (!k->mbox || (!k->begin && k->held.n == 0)) {
		put_plain(k, c);
		return;
	}
	buf_addc(&k->held, c);
	int is = from_line(buf_str(&k->held));
	if (is < 0 && c != '\n' && k->held.n < 1000)
		return;
	if (is > 0)
		buf_addc(&k->out, '>');
	buf_add(&k->out, buf_str(&k->held));
	buf_clear(&k->held);
	k->begin = c == '\n';
}

static bool copy(struct place_source *s, struct lines *k, const char *name, struct err *e)
{
	struct str octets;
	k->begin = true;
	do {
		if (!s->read(s->ctx, &octets, e))
			return false;
		for (size_t i = 0; i < octets.n; i++) {
			char c = octets.p[i];
			bool pair = k->cr && c == '\n';
			k->cr = c == '\r';
			if (!pair)
				put(k, c == '\r' ? '\n' : c);
		}
		if (!write_out(k, 64u << 10, e, name))
			return false;
	} while (octets.n > 0);
	buf_add(&k->out, buf_str(&k->held));
	if (k->held.n > 0 || !k->begin)
		buf_addc(&k->out, '\n');
	if (k->mbox)
		buf_addc(&k->out, '\n');
	return write_out(k, 0, e, name);
}

static bool fill(int fd, struct place_source *s, bool mbox, const char *name, struct err *e)
{
	struct lines k = { .fd = fd, .mbox = mbox };
	if (mbox) { /* RFC 4155: sender and a date as asctime() has it */
		char date[32];
		struct tm tm;
		time_t t = (time_t)(s->arrived_wall_ms / 1000);
		strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", gmtime_r(&t, &tm));
		bool plain = s->sender.n > 0;
		for (size_t i = 0; i < s->sender.n; i++)
			plain = plain && s->sender.p[i] > ' ';
		struct str who = plain ? s->sender : STR("MAILER-DAEMON");
		buf_printf(&k.out, "From %.*s %s\n", STRF(who), date);
	}
	bool ok = copy(s, &k, name, e) && (fsync(fd) == 0 || err_sys(e, "sync", name));
	buf_free(&k.held);
	buf_free(&k.out);
	return ok;
}

/* --- Maildir ------------------------------------------------------------------------- */

struct maildir {
	int root, tmp, to; /* to: new or cur */
};

static void maildir_close(struct maildir *m)
{
	for (size_t i = 0; i < 3; i++) {
		int fd = (const int[]){ m->root, m->tmp, m->to }[i];
		if (fd >= 0)
			close(fd);
	}
}

static bool maildir_open(const struct place *p, struct maildir *m, struct err *e)
{
	char name[NAME_OCTETS + 2];
	struct str folder = p->folder;
	str_skipc(&folder, '.');
	*m = (struct maildir){ -1, -1, -1 };
	m->root = open_folder(AT_FDCWD, p->path, p->create, e);
	if (m->root < 0)
		return false;
	if (folder.n > 0) {
		if (!level_ok(folder))
			return bad_folder(p->folder, e);
		snprintf(name, sizeof name, ".%.*s", STRF(folder));
		int sub = open_folder(m->root, name, p->create, e);
		if (sub < 0)
			return false;
		close(m->root);
		m->root = sub;
		/* Maildir++ knows a folder by this file. */
		int mark = p->create ? openat(sub, "maildirfolder", O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600)
				     : -1;
		if (mark >= 0)
			close(mark);
	}
	int other = open_folder(m->root, p->seen ? "new" : "cur", p->create, e);
	if (other < 0)
		return false;
	close(other);
	m->tmp = open_folder(m->root, "tmp", p->create, e);
	m->to = m->tmp < 0 ? -1 : open_folder(m->root, p->seen ? "cur" : "new", p->create, e);
	return m->to >= 0;
}

/* Unique on this host, whatever the clock does. */
static void maildir_name(char name[NAME_OCTETS])
{
	static atomic_uint count;
	char id[9], host[65] = "localhost";
	int64_t now_ms = clock_wall_ms();
	gethostname(host, sizeof host - 1);
	for (char *c = host; *c; c++)
		*c = (char)(*c == '/' || *c == ':' ? '_' : *c);
	random_id(id, sizeof id - 1);
	snprintf(name, NAME_OCTETS, "%lld.M%uP%dQ%uR%s.%s", (long long)(now_ms / 1000),
		 (unsigned)(now_ms % 1000) * 1000, (int)getpid(), atomic_fetch_add(&count, 1), id, host);
}

bool place_maildir(const struct place *p, struct place_source *s, struct err *e)
{
	struct maildir m;
	char name[NAME_OCTETS], final[NAME_OCTETS + 8];
	bool ok = maildir_open(p, &m, e), made = false;
	if (ok) {
		maildir_name(name);
		snprintf(final, sizeof final, "%s%s", name, p->seen ? ":2,S" : "");
		int fd = openat(m.tmp, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
		made = fd >= 0;
		ok = made ? fill(fd, s, false, name, e) : err_sys(e, "create", name);
		if (made)
			close(fd);
	}
	if (ok && renameat(m.tmp, name, m.to, final) < 0)
		ok = err_sys(e, "rename", name);
	else if (ok)
		made = false;
	if (ok && fsync(m.to) < 0)
		ok = err_sys(e, "sync the folder of", name); /* it may come twice, but it does not get lost */
	if (made)
		unlinkat(m.tmp, name, 0);
	maildir_close(&m);
	return ok;
}

/* --- MH --------------------------------------------------------------------------------- */

static int mh_open(const struct place *p, struct err *e)
{
	struct str rest = p->folder;
	int at = open_folder(AT_FDCWD, p->path, p->create, e);
	for (unsigned deep = 0; at >= 0 && rest.n > 0; deep++) {
		char name[NAME_OCTETS + 1];
		struct str level = str_cut(&rest, '/');
		int next = -1;
		if (deep < FOLDER_DEEP && level_ok(level)) {
			snprintf(name, sizeof name, "%.*s", STRF(level));
			next = open_folder(at, name, p->create, e);
		} else {
			bad_folder(p->folder, e);
		}
		close(at);
		at = next;
	}
	return at;
}

static uint32_t mh_last(int folder)
{
	uint32_t last = 0;
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a reading position of our own */
	DIR *d = again < 0 ? NULL : fdopendir(again);
	for (struct dirent *f; d && (f = readdir(d));) {
		uint64_t n;
		if (num_parse(str_of(f->d_name), 999999999, &n) && n > last)
			last = (uint32_t)n;
	}
	if (d)
		closedir(d);
	return last;
}

/* "unseen: 1-3 7": the number put to it.  Other sequences stay as they are. */
static void add_unseen(struct buf *b, struct str old, uint32_t number)
{
	bool done = false;
	while (old.n > 0) {
		struct str line = str_chomp(str_line(&old));
		buf_add(b, line);
		if (str_startsi(line, STR("unseen:"))) {
			buf_printf(b, " %u", number);
			done = true;
		}
		buf_addc(b, '\n');
	}
	if (!done)
		buf_printf(b, "unseen: %u\n", number);
}

/* Best effort: a message without its mark is still there. Locked as nmh does. */
static void mh_unseen(int folder, uint32_t number)
{
	struct arena a = { 0 };
	struct buf now = { 0 };
	struct str old;
	struct err e;
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;
	AUTO_CLOSE int fd = openat(folder, ".mh_sequences", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				   0600);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || number > MH_NUMBERS)
		return;
	for (int i = 0; fcntl(fd, F_SETLK, &all) < 0; i++) {
		if (i == TRIES)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000000 }, NULL);
	}
	if (file_read_fd(fd, SEQUENCES, &a, &old, &e)) {
		add_unseen(&now, old, number);
		if (pwrite(fd, now.p, now.n, 0) == (ssize_t)now.n)
			(void)!ftruncate(fd, (off_t)now.n);
		fsync(fd);
	}
	buf_free(&now);
	arena_reset(&a);
}

/* A number that is nobody's: linked there, which fails if another came first. */
static bool mh_number(int folder, const char *temp, uint32_t *number, struct err *e)
{
	char name[16];
	for (unsigned i = 0; i < TRIES; i++) {
		*number = mh_last(folder) + 1;
		snprintf(name, sizeof name, "%u", *number);
		if (linkat(folder, temp, folder, name, 0) == 0)
			return true;
		if (errno != EEXIST)
			return err_sys(e, "name message", name);
	}
	return err_set(e, ERR_TEMP, "others put messages into the folder faster than we can");
}

bool place_mh(const struct place *p, struct place_source *s, struct err *e)
{
	char temp[NAME_OCTETS + 1], name[NAME_OCTETS];
	uint32_t number = 0;
	AUTO_CLOSE int folder = mh_open(p, e);
	if (folder < 0)
		return false;
	maildir_name(name);
	snprintf(temp, sizeof temp, ",%s", name); /* a comma: to MH it is no message */
	int fd = openat(folder, temp, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create", temp);
	bool ok = fill(fd, s, false, temp, e) && mh_number(folder, temp, &number, e);
	close(fd);
	unlinkat(folder, temp, 0);
	if (!ok)
		return false;
	if (!p->seen)
		mh_unseen(folder, number);
	return fsync(folder) == 0 || err_sys(e, "sync the folder of", temp);
}

/* --- mbox ---------------------------------------------------------------------------------- */

/* The other lock that mail programs know: FILE.lock, made by whoever is first. */
static bool dot_lock(const char *lock, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + LOCK_WAIT_MS;
	for (;;) {
		int fd = open(lock, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat st;
		if (fd >= 0)
			return close(fd) == 0;
		if (errno == EACCES || errno == EROFS)
			return true; /* a spool folder where we may not make files: the other lock must do */
		if (errno != EEXIST)
			return err_sys(e, "lock", lock);
		if (lstat(lock, &st) == 0 && time(NULL) - st.st_mtime > LOCK_OLD_S)
			unlink(lock);
		else if (clock_mono_ms() >= until_ms)
			return err_set(e, ERR_TEMP, "%s: another program has the mailbox", lock);
		else
			nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000 }, NULL);
	}
}

static bool file_lock(int fd, const char *name, struct err *e)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int64_t until_ms = clock_mono_ms() + LOCK_WAIT_MS;
	while (fcntl(fd, F_SETLK, &all) < 0) {
		if ((errno != EAGAIN && errno != EACCES) || clock_mono_ms() >= until_ms)
			return err_set(e, ERR_TEMP, "%s: another program has the mailbox", name);
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000 }, NULL);
	}
	return true;
}

static bool append(int fd, struct place_source *s, const char *name, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(e, ERR_PERM, "%s is no plain file of one name; nothing is written to it", name);
	if (!file_lock(fd, name, e))
		return false;
	off_t before = lseek(fd, 0, SEEK_END);
	if (fill(fd, s, true, name, e))
		return true;
	if (before >= 0 && ftruncate(fd, before) == 0)
		fsync(fd);
	return false;
}

bool place_mbox(const struct place *p, struct place_source *s, struct err *e)
{
	char lock[4096];
	if (snprintf(lock, sizeof lock, "%s.lock", p->path) >= (int)sizeof lock)
		return err_set(e, ERR_PERM, "the name of the mbox is too long");
	int fd = open(p->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (p->create ? O_CREAT : 0), 0600);
	if (fd < 0)
		return errno == ENOENT
			   ? err_set(e, ERR_TEMP, "%s is not there (with \"create\" it would be made)", p->path)
			   : no_link(e, "open", p->path);
	bool ok = dot_lock(lock, e);
	if (ok) {
		ok = append(fd, s, p->path, e);
		unlink(lock);
	}
	close(fd);
	return ok;
}
