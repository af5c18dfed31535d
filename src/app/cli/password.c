#include "app/cli/password.h"

#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define INTERRUPT 3 /* ^C */

void password_wipe(struct buf *b)
{
	if (b->cap > 0)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

/* One line, octet by octet: nothing behind it is taken. */
static bool read_line(int fd, struct buf *out, struct err *e)
{
	char c;
	buf_reserve(out, PASSWORD_MAX + 2); /* no copy is left behind by growing */
	for (;;) {
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read", "the password");
		if (n == 0 || c == '\n')
			break;
		if (out->n == PASSWORD_MAX)
			return err_set(e, ERR_PERM, "the password is longer than %d octets", PASSWORD_MAX);
		buf_addc(out, c);
		if (c == INTERRUPT)
			return err_set(e, ERR_PERM, "interrupted");
	}
	if (out->n > 0 && out->p[out->n - 1] == '\r')
		out->n--;
	return out->n > 0 || err_set(e, ERR_PERM, "no password was given");
}

static bool ask_once(int tty, const char *prompt, const char *whose, struct buf *out, struct err *e)
{
	struct termios was, quiet;
	if (tcgetattr(tty, &was) < 0)
		return err_sys(e, "ask on", "the terminal");
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* A signal in between would leave the terminal quiet: ^C becomes the line's end instead. */
	quiet.c_lflag &= ~(tcflag_t)ISIG;
	quiet.c_cc[VEOL] = INTERRUPT;
	tcsetattr(tty, TCSAFLUSH, &quiet);
	/* Only now: what is typed at the prompt must be neither shown nor thrown away. */
	dprintf(tty, "%s for %s: ", prompt, whose);
	bool ok = read_line(tty, out, e);
	tcsetattr(tty, TCSAFLUSH, &was);
	dprintf(tty, "\n");
	return ok;
}

bool password_ask_once(const char *whose, bool from_stdin, struct buf *out, struct err *e)
{
	if (from_stdin)
		return read_line(STDIN_FILENO, out, e);
	AUTO_CLOSE int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return err_set(e, ERR_PERM, "there is no terminal to ask for a password on: use --password-stdin");
	return ask_once(tty, "Password", whose, out, e);
}

bool password_ask(const char *whose, bool from_stdin, struct buf *out, struct err *e)
{
	struct buf again = { 0 };
	if (from_stdin)
		return read_line(STDIN_FILENO, out, e);
	AUTO_CLOSE int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return err_set(e, ERR_PERM, "there is no terminal to ask for a password on: use --password-stdin");
	bool ok = ask_once(tty, "New password", whose, out, e) &&
		  ask_once(tty, "Again, the password", whose, &again, e);
	if (ok && !str_eq(buf_str(out), buf_str(&again)))
		ok = err_set(e, ERR_PERM, "the two are not the same; nothing was changed");
	password_wipe(&again);
	return ok;
}
