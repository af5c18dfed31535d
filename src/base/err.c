#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	e->kind = kind;
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return false;
}

bool err_sys(struct err *e, const char *what, const char *name)
{
	int no = errno;
	char why[96];
	/* The GNU strerror_r: thread-safe, may return its own text. */
	const char *text = strerror_r(no, why, sizeof why);
	enum err_kind kind = no == ENOSPC || no == EDQUOT ? ERR_FULL : ERR_TEMP;
	return err_set(e, kind, "%s %s: %s", what, name, text);
}

bool err_add(struct err *e, const char *fmt, ...)
{
	char whole[sizeof e->text];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(whole, sizeof whole, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof whole) {
		size_t room = sizeof whole - (size_t)n;
		snprintf(whole + n, room, ": %.*s", (int)(room > 3 ? room - 3 : 0), e->text);
	}
	memcpy(e->text, whole, sizeof whole);
	return false;
}
