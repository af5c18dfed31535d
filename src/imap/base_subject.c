#include "imap/base_subject.h"
#include "mail/header.h"
#include "mail/words.h"
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

/* Step 1: encoded words decoded, tabs and continuations are blanks, several blanks are one. */
static struct str plain(struct str subject, struct arena *a)
{
	struct str s = words_decode(a, header_unfold(a, subject));
	size_t end = s.n < SUBJECT_MAX ? s.n : SUBJECT_MAX, n = 0;
	while (end > 0 && end < s.n && ((unsigned char)s.p[end] & 0xc0) == 0x80) /* not within a character */
		end--;
	s = str_sub(s, 0, end);
	char *p = arena_alloc(a, s.n);
	for (size_t i = 0; i < s.n; i++) {
		char c = ch_space(s.p[i]) ? ' ' : s.p[i];
		if (c != ' ' || n == 0 || p[n - 1] != ' ')
			p[n++] = c;
	}
	return (struct str){ p, n };
}

static void skip_blanks(struct str *s)
{
	while (str_skipc(s, ' '))
		;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP */
static bool skip_blob(struct str *s)
{
	if (s->n == 0 || s->p[0] != '[')
		return false;
	for (size_t i = 1; i < s->n && s->p[i] != '[' && s->p[i] != '\0'; i++)
		if (s->p[i] == ']') {
			*s = str_sub(*s, i + 1, s->n);
			skip_blanks(s);
			return true;
		}
	return false;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool skip_refwd(struct str *s)
{
	struct str at = *s;
	if (!str_skip(&at, STR("re")) && !str_skip(&at, STR("fwd")) && !str_skip(&at, STR("fw")))
		return false;
	skip_blanks(&at);
	skip_blob(&at);
	if (!str_skipc(&at, ':'))
		return false;
	*s = at;
	return true;
}

/* Step 2 */
static void drop_trailers(struct str *s, bool *reply)
{
	for (;;) {
		if (str_endsi(*s, STR("(fwd)"))) {
			s->n -= 5;
			*reply = true;
		} else if (s->n > 0 && s->p[s->n - 1] == ' ') {
			s->n--;
		} else {
			return;
		}
	}
}

/* Steps 3 to 5.  Blobs are passed once: what follows the last of them says what they were.  Before "Re:" they belong to
 * the leader; before other text they go one by one; and when nothing follows, the last one is the subject. */
static void drop_leaders(struct str *s, bool *reply)
{
	for (;;) {
		skip_blanks(s);
		struct str at = *s, last = *s;
		for (struct str next = at; skip_blob(&next); at = next)
			last = at;
		if (skip_refwd(&at)) {
			*reply = true;
			*s = at;
			continue;
		}
		*s = at.n > 0 ? at : last;
		return;
	}
}

struct str base_subject(struct str subject, struct arena *a, bool *reply)
{
	struct str s = plain(subject, a);
	*reply = false;
	for (;;) {
		drop_trailers(&s, reply);
		drop_leaders(&s, reply);
		if (!str_startsi(s, STR("[fwd:")) || !str_ends(s, STR("]"))) /* step 6 */
			return s;
		s = str_sub(s, 5, s.n - 1);
		*reply = true;
	}
}

static bool ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static struct str upper(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n);
	for (size_t i = 0; i < s.n; i++)
		p[i] = ch_upper(s.p[i]);
	return (struct str){ p, s.n };
}

struct str casemap(struct str utf8, struct arena *a)
{
	if (ascii(utf8))
		return upper(utf8, a);
	uint32_t *title = ARENA_ARRAY(a, uint32_t, utf8.n);
	size_t n = 0, octets = 0;
	for (size_t i = 0; i < utf8.n;) {
		ucs4_t c;
		i += (size_t)u8_mbtouc(&c, (const uint8_t *)utf8.p + i, utf8.n - i);
		title[n++] = uc_totitle(c);
	}
	uint32_t *apart = u32_normalize(UNINORM_NFKD, title, n, NULL, &n);
	uint8_t *out = apart ? u32_to_u8(apart, n, NULL, &octets) : NULL;
	struct str key = out ? str_dup(a, (struct str){ (const char *)out, octets }) : upper(utf8, a);
	free(out);
	free(apart);
	return key;
}
