#include "app/cli/import_state.h"

#include "base/file.h"
#include "base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT          "sluice-import 1 "
#define LINE_MAX_OCTETS (4u << 20)
#define READ_PIECE      (1u << 20)

bool state_path(struct str what, struct arena *a, const char **path, struct err *e)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	uint8_t hash[SEEN_HASH];
	struct buf b = { 0 };
	if (state && *state == '/')
		buf_addz(&b, state);
	else if (home && *home == '/')
		buf_printf(&b, "%s/.local/state", home);
	else
		return err_set(e, ERR_PERM, "there is no $HOME to note in what has been taken: use --state FILE");
	buf_addz(&b, "/sluice");
	bool ok = file_mkdirs(str_z(a, buf_str(&b)), 0700, e);
	seen_hash(STR_NONE, what, hash);
	buf_addz(&b, "/import-");
	for (size_t i = 0; i < 8; i++)
		buf_printf(&b, "%02x", hash[i]);
	*path = str_z(a, buf_str(&b));
	buf_free(&b);
	return ok;
}

/* --- reading it ------------------------------------------------------------------ */

static bool unhex(struct str hex, uint8_t out[SEEN_HASH])
{
	if (hex.n != 2 * SEEN_HASH)
		return false;
	for (size_t i = 0; i < SEEN_HASH; i++) {
		int high = ch_hex(hex.p[2 * i]), low = ch_hex(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static struct state_box *box_of(struct import_state *s, struct str name)
{
	for (size_t i = 0; i < s->nboxes; i++)
		if (str_eq(s->boxes[i].name, name))
			return &s->boxes[i];
	s->boxes = arena_grow(&s->arena, s->boxes, &s->cap, s->nboxes + 1, sizeof *s->boxes);
	s->boxes[s->nboxes] = (struct state_box){ str_dup(&s->arena, name), 0, 0 };
	return &s->boxes[s->nboxes++];
}

static void take_box(struct import_state *s, struct str rest)
{
	uint64_t uidvalidity, uid;
	if (num_parse(str_cut(&rest, ' '), UINT32_MAX, &uidvalidity) &&
	    num_parse(str_cut(&rest, ' '), UINT32_MAX, &uid)) {
		struct state_box *b = box_of(s, rest);
		b->uidvalidity = (uint32_t)uidvalidity;
		b->uid = (uint32_t)uid;
	}
}

static void take_line(struct import_state *s, struct str line)
{
	uint8_t key[SEEN_HASH];
	s->ended = str_eq(line, STR("end"));
	if (str_skip(&line, STR("key ")) && unhex(line, key)) {
		seen_add(&s->taken, key);
		s->keys++;
	} else if (str_skip(&line, STR("box "))) {
		take_box(s, line);
	}
}

enum first_line { LINE_NONE, LINE_OURS, LINE_OTHERS /* another account's */, LINE_FOREIGN };

static enum first_line judge(struct str line, const char *first)
{
	if (str_eq(line, str_of(first)))
		return LINE_OURS;
	return str_starts(line, STR(FORMAT)) ? LINE_OTHERS : LINE_FOREIGN;
}

/* All whole lines; *whole: how many octets they are. */
static bool read_lines(struct import_state *s, const char *first, enum first_line *kind, off_t *whole, struct err *e)
{
	struct buf b = { 0 };
	ssize_t n = 1;
	*whole = 0;
	*kind = LINE_NONE;
	while (n > 0 && *kind <= LINE_OURS && b.n < LINE_MAX_OCTETS) {
		do
			n = read(s->fd, buf_reserve(&b, READ_PIECE), READ_PIECE);
		while (n < 0 && errno == EINTR);
		b.n += n > 0 ? (size_t)n : 0;
		struct str rest = buf_str(&b);
		while (*kind <= LINE_OURS && str_chr(rest, '\n') < rest.n) {
			struct str line = str_line(&rest);
			*whole += (off_t)line.n;
			if (*kind == LINE_OURS)
				take_line(s, str_chomp(line));
			else
				*kind = judge(str_chomp(line), first);
		}
		buf_drop(&b, b.n - rest.n);
	}
	if (*kind == LINE_NONE && b.n > 0 && !str_starts(buf_str(&b), str_sub(STR(FORMAT), 0, b.n)))
		*kind = LINE_FOREIGN;
	buf_free(&b);
	return n >= 0 || err_sys(e, "read", s->path);
}

static bool begin(struct import_state *s, const char *first, struct err *e)
{
	seen_free(&s->taken);
	s->nboxes = 0;
	s->keys = 0;
	s->ended = true;
	if (ftruncate(s->fd, 0) < 0 || lseek(s->fd, 0, SEEK_SET) < 0)
		return err_sys(e, "empty", s->path);
	buf_printf(&s->out, "%s\n", first);
	return state_write(s, true, e);
}

static bool take_over(struct import_state *s, const char *first, bool again, bool keep, struct err *e)
{
	enum first_line kind;
	off_t whole;
	if (!read_lines(s, first, &kind, &whole, e))
		return false;
	if (kind == LINE_FOREIGN)
		return err_set(e, ERR_PERM, "%s is no file of an import's state; choose another with --state", s->path);
	if (!keep && (kind != LINE_OURS || again))
		return begin(s, first, e);
	/* What a crash has cut goes, or the next line would be glued to it. */
	if (!keep)
		return (ftruncate(s->fd, whole) == 0 && lseek(s->fd, whole, SEEK_SET) >= 0) ||
		       err_sys(e, "write", s->path);
	if (kind != LINE_OURS || again)
		seen_free(&s->taken);
	close(s->fd);
	s->fd = -1;
	return true;
}

bool state_open(struct import_state *s, const char *path, uint64_t account, bool again, bool keep, struct err *e)
{
	char first[60];
	*s = (struct import_state){ .fd = -1, .ended = true };
	s->arena.ceiling = SIZE_MAX;
	snprintf(first, sizeof first, FORMAT "%llu", (unsigned long long)account);
	if (!(s->path = strdup(path)))
		abort();
	s->fd = open(path, (keep ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0 && keep && errno == ENOENT)
		return true;
	if (s->fd < 0)
		return err_sys(e, "open", path);
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_TEMP, "%s is in use: this import is already running", path);
	return take_over(s, first, again, keep, e);
}

bool state_has(const struct import_state *s, const uint8_t key[SEEN_HASH])
{
	return seen_has(&s->taken, key);
}

struct state_box state_box(const struct import_state *s, struct str name)
{
	for (size_t i = 0; i < s->nboxes && !s->ended; i++)
		if (str_eq(s->boxes[i].name, name))
			return s->boxes[i];
	return (struct state_box){ .name = name };
}

/* --- writing it ------------------------------------------------------------------- */

void state_note_box(struct import_state *s, struct str name, uint32_t uidvalidity, uint32_t uid)
{
	if (str_chr(name, '\n') == name.n)
		buf_printf(&s->out, "box %u %u %.*s\n", uidvalidity, uid, STRF(name));
}

void state_note_key(struct import_state *s, const uint8_t key[SEEN_HASH])
{
	buf_addz(&s->out, "key ");
	for (size_t i = 0; i < SEEN_HASH; i++)
		buf_printf(&s->out, "%02x", key[i]);
	buf_addc(&s->out, '\n');
	seen_add(&s->taken, key);
	s->keys++;
}

void state_note_end(struct import_state *s)
{
	buf_addz(&s->out, "end\n");
}

bool state_write(struct import_state *s, bool now, struct err *e)
{
	bool ok = s->fd < 0 || (file_write(s->fd, buf_str(&s->out)) && (!now || fdatasync(s->fd) == 0)) ||
		  err_sys(e, "write", s->path);
	buf_clear(&s->out);
	return ok;
}

void state_close(struct import_state *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	seen_free(&s->taken);
	buf_free(&s->out);
	arena_reset(&s->arena);
}
