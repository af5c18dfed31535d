#include "auth/precis.h"
#include "auth/codepoint.h"

#include <sodium.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* Lower case and normal form C make three characters of one at most, and that only once. */
#define POINTS_MAX (3 * PRECIS_TYPED)

struct points {
	size_t n;
	uint32_t p[POINTS_MAX];
};

static bool decode(struct str typed, struct points *out, struct err *e)
{
	if (typed.n == 0)
		return err_set(e, ERR_PERM, "must not be empty");
	if (typed.n > PRECIS_TYPED)
		return err_set(e, ERR_PERM, "longer than %d octets", PRECIS_TYPED);
	out->n = POINTS_MAX;
	if (u8_check((const uint8_t *)typed.p, typed.n) ||
	    u8_to_u32((const uint8_t *)typed.p, typed.n, out->p, &out->n) != out->p)
		return err_set(e, ERR_PERM, "not UTF-8");
	return true;
}

static bool encode(const struct points *in, struct precis *out, struct err *e)
{
	out->n = PRECIS_MAX;
	if (u32_to_u8(in->p, in->n, (uint8_t *)out->p, &out->n) != (uint8_t *)out->p)
		return err_set(e, ERR_PERM, "too long");
	out->p[out->n] = '\0';
	return true;
}

/* Normal form C in place. */
static bool compose(struct points *s, struct points *scratch, struct err *e)
{
	scratch->n = POINTS_MAX;
	uint32_t *r = u32_normalize(UNINORM_NFC, s->p, s->n, scratch->p, &scratch->n);
	if (r != scratch->p)
		return err_set(e, ERR_PERM, "too long");
	u32_cpy(s->p, scratch->p, scratch->n);
	s->n = scratch->n;
	return true;
}

static bool lower(struct points *s, struct points *scratch, struct err *e)
{
	scratch->n = POINTS_MAX;
	uint32_t *r = u32_tolower(s->p, s->n, NULL, NULL, scratch->p, &scratch->n);
	if (r != scratch->p)
		return err_set(e, ERR_PERM, "too long");
	u32_cpy(s->p, scratch->p, scratch->n);
	s->n = scratch->n;
	return true;
}

/* Full-width and half-width forms become what they are forms of (RFC 8264 5.2.1). */
static void map_width(struct points *s)
{
	for (size_t i = 0; i < s->n; i++) {
		ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
		int tag, n = uc_decomposition(s->p[i], &tag, to);
		if (n == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			s->p[i] = to[0];
	}
}

static void map_spaces(struct points *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (uc_is_general_category_withtable(s->p[i], UC_CATEGORY_MASK_Zs))
			s->p[i] = ' ';
}

/* All characters of the class: IdentifierClass, or FreeformClass when `free_text` (RFC 8264 4.2, 4.3). */
static bool in_class(const struct points *s, bool free_text, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		enum codepoint class = codepoint_class(s->p[i]);
		if (class == CP_VALID || (class == CP_FREE_ONLY && free_text))
			continue;
		if (class == CP_IN_CONTEXT && codepoint_fits(s->p, s->n, i))
			continue;
		return err_set(e, ERR_PERM, "a character that is not allowed: U+%04X, number %zu", (unsigned)s->p[i],
			       i + 1);
	}
	return true;
}

/* RFC 8265 3.3.2 and 3.3.3, and the class once more, for what the mappings made. */
static bool username(struct str typed, struct points *s, struct points *scratch, struct precis *out, struct err *e)
{
	if (!decode(typed, s, e))
		return false;
	map_width(s);
	if (!in_class(s, false, e) || !lower(s, scratch, e) || !compose(s, scratch, e))
		return false;
	if (!in_class(s, false, e))
		return false;
	if (!codepoint_bidi(s->p, s->n))
		return err_set(e, ERR_PERM, "mixes writing directions");
	return encode(s, out, e);
}

bool precis_username(struct str typed, struct precis *out, struct err *e)
{
	struct points s, scratch;
	return username(typed, &s, &scratch, out, e);
}

/* RFC 8265 4.2.1 and 4.2.2; the class is asked of the result (RFC 8264 7), since composing moves marks
 * about, and told without its place: what stands where in a password is nobody's business. */
static bool opaque(struct str typed, struct points *s, struct points *scratch, struct precis *out, struct err *e)
{
	if (!decode(typed, s, e))
		return false;
	bool typed_ok = in_class(s, true, e);
	map_spaces(s);
	if (!compose(s, scratch, e))
		return false;
	if (!typed_ok || !in_class(s, true, e))
		return err_set(e, ERR_PERM, "a character that is not allowed, a control character perhaps");
	return encode(s, out, e);
}

bool precis_opaque(struct str typed, struct precis *out, struct err *e)
{
	struct points s, scratch;
	bool ok = opaque(typed, &s, &scratch, out, e);
	sodium_memzero(&s, sizeof s);
	sodium_memzero(&scratch, sizeof scratch);
	return ok;
}

void precis_wipe(struct precis *p)
{
	sodium_memzero(p, sizeof *p);
}
