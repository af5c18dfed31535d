#include "store/mailbox_name.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static bool valid_utf8(struct str s)
{
	return s.n == 0 || u8_check((const uint8_t *)s.p, s.n) == NULL;
}

static struct str take(struct arena *a, uint8_t *p, size_t n)
{
	if (!p)
		abort(); /* valid UTF-8 normalises: only memory can be short */
	struct str out = str_dup(a, (struct str){ (const char *)p, n });
	free(p);
	return out;
}

static struct str nfc(struct str s, struct arena *a)
{
	size_t n = 0;
	if (is_ascii(s))
		return str_dup(a, s);
	uint8_t *p = u8_normalize(UNINORM_NFC, (const uint8_t *)s.p, s.n, NULL, &n);
	return take(a, p, n);
}

/* C0, DEL, C1, and the line and paragraph separators. */
static bool has_control(struct str s)
{
	ucs4_t c;
	for (size_t i = 0; i < s.n;) {
		i += (size_t)u8_mbtouc(&c, (const uint8_t *)s.p + i, s.n - i);
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
			return true;
	}
	return false;
}

static bool levels_right(struct str name, struct err *e)
{
	unsigned levels = 0;
	for (struct str rest = name;; levels++) {
		bool last = str_chr(rest, '/') == rest.n;
		if (str_cut(&rest, '/').n == 0)
			return err_set(e, ERR_PERM,
				       "a mailbox name may not have an empty level (\"//\", or \"/\" at an end)");
		if (last)
			break;
	}
	if (levels >= MAILBOX_NAME_LEVELS)
		return err_set(e, ERR_PERM, "a mailbox name may have %d levels", MAILBOX_NAME_LEVELS);
	return true;
}

bool mailbox_name(struct str name, struct arena *a, struct str *out, struct err *e)
{
	if (name.n == 0)
		return err_set(e, ERR_PERM, "a mailbox name may not be empty");
	if (name.n > MAILBOX_NAME_OCTETS)
		return err_set(e, ERR_PERM, "a mailbox name may have %d octets", MAILBOX_NAME_OCTETS);
	if (!valid_utf8(name))
		return err_set(e, ERR_PERM, "a mailbox name must be UTF-8");
	if (has_control(name))
		return err_set(e, ERR_PERM, "a mailbox name may not have control characters");
	if (!levels_right(name, e))
		return false;
	*out = nfc(name, a);
	if (out->n > MAILBOX_NAME_OCTETS)
		return err_set(e, ERR_PERM, "a mailbox name may have %d octets", MAILBOX_NAME_OCTETS);
	struct str rest = *out;
	if (str_eqi(str_cut(&rest, '/'), STR("INBOX")))
		memcpy((char *)out->p, "INBOX", 5);
	return true;
}

struct str mailbox_parent(struct str name)
{
	size_t n = name.n;
	while (n > 0 && name.p[n - 1] != '/')
		n--;
	return str_sub(name, 0, n > 0 ? n - 1 : 0);
}

bool local_lower(struct str local, struct arena *a, struct str *out, struct err *e)
{
	size_t n = 0;
	if (is_ascii(local)) {
		*out = str_lower(a, local);
		return true;
	}
	if (!valid_utf8(local))
		return err_set(e, ERR_PERM, "a localpart must be UTF-8");
	uint8_t *p = u8_tolower((const uint8_t *)local.p, local.n, NULL, UNINORM_NFC, NULL, &n);
	*out = take(a, p, n);
	return true;
}
