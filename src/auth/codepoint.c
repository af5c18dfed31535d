#include "auth/codepoint.h"

#include <unictype.h>
#include <uninorm.h>

/* RFC 5892 2.6: what the general rules would judge wrongly. */
static const struct exception {
	uint32_t first, last;
	enum codepoint class;
} exceptions[] = {
	{ 0x00B7, 0x00B7, CP_IN_CONTEXT }, { 0x00DF, 0x00DF, CP_VALID },      { 0x0375, 0x0375, CP_IN_CONTEXT },
	{ 0x03C2, 0x03C2, CP_VALID },      { 0x05F3, 0x05F4, CP_IN_CONTEXT }, { 0x0640, 0x0640, CP_DISALLOWED },
	{ 0x0660, 0x0669, CP_IN_CONTEXT }, { 0x06F0, 0x06F9, CP_IN_CONTEXT }, { 0x06FD, 0x06FE, CP_VALID },
	{ 0x07FA, 0x07FA, CP_DISALLOWED }, { 0x0F0B, 0x0F0B, CP_VALID },      { 0x3007, 0x3007, CP_VALID },
	{ 0x302E, 0x302F, CP_DISALLOWED }, { 0x3031, 0x3035, CP_DISALLOWED }, { 0x303B, 0x303B, CP_DISALLOWED },
	{ 0x30FB, 0x30FB, CP_IN_CONTEXT },
};

/* RFC 8264 9.9 by the blocks that have Hangul_Syllable_Type L, V or T. */
static const struct exception old_jamo[] = {
	{ 0x1100, 0x11FF, CP_DISALLOWED },
	{ 0xA960, 0xA97C, CP_DISALLOWED },
	{ 0xD7B0, 0xD7C6, CP_DISALLOWED },
	{ 0xD7CB, 0xD7FB, CP_DISALLOWED },
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool in_table(const struct exception *t, size_t n, uint32_t cp, enum codepoint *class)
{
	for (size_t i = 0; i < n; i++) {
		if (cp < t[i].first || cp > t[i].last)
			continue;
		*class = t[i].class;
		return true;
	}
	return false;
}

/* Is there another character that it is only a form of?  (RFC 8264 9.17) */
static bool has_compat(uint32_t cp)
{
	uint32_t out[32];
	size_t n = COUNT(out);
	uint32_t *r = u32_normalize(UNINORM_NFKC, &cp, 1, out, &n);
	return r != out || n != 1 || out[0] != cp;
}

enum codepoint codepoint_class(uint32_t cp)
{
	const uint32_t letters = UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Lm |
				 UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc;
	const uint32_t others = UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me |
				UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_P;
	enum codepoint class;
	if (in_table(exceptions, COUNT(exceptions), cp, &class))
		return class;
	bool nothing = uc_is_property_not_a_character(cp);
	if (uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_Cn) && !nothing)
		return CP_UNASSIGNED;
	if (cp >= 0x21 && cp <= 0x7E)
		return CP_VALID;
	if (uc_is_property_join_control(cp))
		return CP_IN_CONTEXT;
	if (in_table(old_jamo, COUNT(old_jamo), cp, &class))
		return class;
	if (nothing || uc_is_property_default_ignorable_code_point(cp))
		return CP_DISALLOWED;
	if (uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_Cc))
		return CP_DISALLOWED;
	if (has_compat(cp))
		return CP_FREE_ONLY;
	if (uc_is_general_category_withtable(cp, letters))
		return CP_VALID;
	if (uc_is_general_category_withtable(cp, others))
		return CP_FREE_ONLY;
	return CP_DISALLOWED;
}

static bool script_is(uint32_t cp, const char *name)
{
	return uc_script(cp) == uc_script_byname(name);
}

/* RFC 5892 A.1: a zero width non-joiner after a virama, or between letters that would join. */
static bool non_joiner_fits(const uint32_t *s, size_t n, size_t at)
{
	size_t l = at, r = at + 1;
	while (l > 0 && uc_joining_type(s[l - 1]) == UC_JOINING_TYPE_T)
		l--;
	while (r < n && uc_joining_type(s[r]) == UC_JOINING_TYPE_T)
		r++;
	if (l == 0 || r == n)
		return false;
	int before = uc_joining_type(s[l - 1]), after = uc_joining_type(s[r]);
	return (before == UC_JOINING_TYPE_L || before == UC_JOINING_TYPE_D) &&
	       (after == UC_JOINING_TYPE_R || after == UC_JOINING_TYPE_D);
}

/* RFC 5892 A.7: a katakana middle dot needs a Japanese character somewhere. */
static bool any_japanese(const uint32_t *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (script_is(s[i], "Hiragana") || script_is(s[i], "Katakana") || script_is(s[i], "Han"))
			return true;
	return false;
}

static bool any_between(const uint32_t *s, size_t n, uint32_t first, uint32_t last)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] >= first && s[i] <= last)
			return true;
	return false;
}

bool codepoint_fits(const uint32_t *s, size_t n, size_t at)
{
	bool virama = at > 0 && uc_combining_class(s[at - 1]) == UC_CCC_VR;
	switch (s[at]) {
	case 0x200C:
		return virama || non_joiner_fits(s, n, at);
	case 0x200D: /* A.2 */
		return virama;
	case 0x00B7: /* A.3: the Catalan l.l */
		return at > 0 && at + 1 < n && s[at - 1] == 'l' && s[at + 1] == 'l';
	case 0x0375: /* A.4 */
		return at + 1 < n && script_is(s[at + 1], "Greek");
	case 0x05F3: /* A.5, A.6 */
	case 0x05F4:
		return at > 0 && script_is(s[at - 1], "Hebrew");
	case 0x30FB:
		return any_japanese(s, n);
	default: /* A.8, A.9: the two kinds of Arabic digits do not mix */
		if (s[at] <= 0x0669)
			return !any_between(s, n, 0x06F0, 0x06F9);
		return !any_between(s, n, 0x0660, 0x0669);
	}
}

#define BIDI(c) (1u << (c))

/* The character that decides the end: the last that is not a mark. */
static unsigned bidi_end(const uint32_t *s, size_t n)
{
	while (n > 1 && uc_bidi_category(s[n - 1]) == UC_BIDI_NSM)
		n--;
	return BIDI(uc_bidi_category(s[n - 1]));
}

bool codepoint_bidi(const uint32_t *s, size_t n)
{
	const unsigned rtl = BIDI(UC_BIDI_R) | BIDI(UC_BIDI_AL) | BIDI(UC_BIDI_AN);
	const unsigned neutral = BIDI(UC_BIDI_ES) | BIDI(UC_BIDI_CS) | BIDI(UC_BIDI_ET) | BIDI(UC_BIDI_ON) |
				 BIDI(UC_BIDI_BN) | BIDI(UC_BIDI_NSM);
	unsigned seen = 0;
	for (size_t i = 0; i < n; i++)
		seen |= BIDI(uc_bidi_category(s[i]));
	if (!(seen & rtl))
		return true;
	unsigned first = BIDI(uc_bidi_category(s[0])), end = bidi_end(s, n);
	if (first == BIDI(UC_BIDI_L)) /* rules 5 and 6 */
		return !(seen & ~(BIDI(UC_BIDI_L) | BIDI(UC_BIDI_EN) | neutral)) &&
		       (end & (BIDI(UC_BIDI_L) | BIDI(UC_BIDI_EN)));
	if (!(first & (BIDI(UC_BIDI_R) | BIDI(UC_BIDI_AL)))) /* rule 1 */
		return false;
	if (seen & ~(rtl | BIDI(UC_BIDI_EN) | neutral)) /* rule 2 */
		return false;
	if (!(end & (rtl | BIDI(UC_BIDI_EN)))) /* rule 3 */
		return false;
	return !((seen & BIDI(UC_BIDI_EN)) && (seen & BIDI(UC_BIDI_AN))); /* rule 4 */
}
