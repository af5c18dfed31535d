/* The arguments of FETCH (RFC 3501 6.4.5 and those who added to it). */
#include "imap/fetch.h"

#define FETCH_ITEMS_MAX 100

bool fetch_has(const struct fetch *f, enum fetch_what what)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].what == what)
			return true;
	return false;
}

static bool add_item(struct parser *p, struct fetch *f, struct fetch_item item)
{
	if (f->n >= FETCH_ITEMS_MAX)
		return parse_fail(p, "at most 100 items");
	if (f->n == f->cap)
		f->items = arena_grow(p->arena, f->items, &f->cap, f->n + 1, sizeof *f->items);
	f->items[f->n++] = item;
	return true;
}

static bool add_plain(struct parser *p, struct fetch *f, enum fetch_what what)
{
	return fetch_has(f, what) || add_item(p, f, (struct fetch_item){ .what = what });
}

#define WORD(z)                  \
	{                        \
		z, sizeof(z) - 1 \
	}
/* Longer words before those they begin with.  RFC822 items are sections under old names (RFC 3501 6.4.5). */
static const struct word {
	struct str name;
	enum fetch_what what;
	enum section_what section;
	const char *label;
	bool sets_seen;
} words[] = {
	{ WORD("UID"), FETCH_UID, 0, NULL, false },
	{ WORD("FLAGS"), FETCH_FLAGS, 0, NULL, false },
	{ WORD("INTERNALDATE"), FETCH_INTERNALDATE, 0, NULL, false },
	{ WORD("SAVEDATE"), FETCH_SAVEDATE, 0, NULL, false }, /* RFC 8514 */
	{ WORD("RFC822.SIZE"), FETCH_SIZE, 0, NULL, false },
	{ WORD("RFC822.HEADER"), FETCH_SECTION, SECTION_HEADER, "RFC822.HEADER", false },
	{ WORD("RFC822.TEXT"), FETCH_SECTION, SECTION_TEXT, "RFC822.TEXT", true },
	{ WORD("RFC822"), FETCH_SECTION, SECTION_BODY, "RFC822", true },
	{ WORD("ENVELOPE"), FETCH_ENVELOPE, 0, NULL, false },
	{ WORD("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE, 0, NULL, false },
	{ WORD("MODSEQ"), FETCH_MODSEQ, 0, NULL, false },
	{ WORD("EMAILID"), FETCH_EMAILID, 0, NULL, false }, /* RFC 8474 */
	{ WORD("THREADID"), FETCH_THREADID, 0, NULL, false },
};

/* BODY, BODY[...] or BODY.PEEK[...] */
static bool parse_body(struct parser *p, struct fetch *f, bool peek)
{
	struct fetch_item item = { .what = FETCH_SECTION, .sets_seen = !peek };
	if (!peek && !parse_is(p, '['))
		return add_plain(p, f, FETCH_BODY);
	return parse_section(p, &item.section) && add_item(p, f, item);
}

/* BINARY[...], BINARY.PEEK[...] or BINARY.SIZE[...] (RFC 3516) */
static bool parse_binary(struct parser *p, struct fetch *f)
{
	bool size = parse_try_word(p, STR(".SIZE"));
	bool peek = !size && parse_try_word(p, STR(".PEEK"));
	struct fetch_item item = { .what = size ? FETCH_BINARY_SIZE : FETCH_SECTION, .sets_seen = !size && !peek };
	return parse_section_binary(p, !size, &item.section) && add_item(p, f, item);
}

/* PREVIEW or PREVIEW (LAZY) (RFC 8970 3.1) */
static bool parse_preview(struct parser *p, struct fetch *f)
{
	struct fetch_item item = { .what = FETCH_PREVIEW, .lazy = parse_try_word(p, STR(" (LAZY)")) };
	return fetch_has(f, FETCH_PREVIEW) || add_item(p, f, item);
}

static bool parse_item(struct parser *p, struct fetch *f)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const struct word *w = &words[i];
		if (!parse_try_word(p, w->name))
			continue;
		f->modseq = f->modseq || w->what == FETCH_MODSEQ;
		if (w->what != FETCH_SECTION)
			return add_plain(p, f, w->what);
		struct section section = { .what = w->section, .label = w->label, .bare = true };
		return add_item(p, f,
				(struct fetch_item){ .what = w->what, .sets_seen = w->sets_seen, .section = section });
	}
	if (parse_try_word(p, STR("BODY.PEEK")))
		return parse_body(p, f, true);
	if (parse_try_word(p, STR("BODY")))
		return parse_body(p, f, false);
	if (parse_try_word(p, STR("BINARY")))
		return parse_binary(p, f);
	if (parse_try_word(p, STR("PREVIEW")))
		return parse_preview(p, f);
	return parse_fail(p, "a FETCH item");
}

/* ALL, FAST and FULL stand alone, never in a list. */
static bool parse_macro(struct parser *p, struct fetch *f, bool *macro)
{
	bool full = parse_try_word(p, STR("FULL"));
	bool all = !full && parse_try_word(p, STR("ALL"));
	*macro = full || all || parse_try_word(p, STR("FAST"));
	if (!*macro)
		return true;
	return add_plain(p, f, FETCH_FLAGS) && add_plain(p, f, FETCH_INTERNALDATE) && add_plain(p, f, FETCH_SIZE) &&
	       (!(full || all) || add_plain(p, f, FETCH_ENVELOPE)) && (!full || add_plain(p, f, FETCH_BODY));
}

static bool parse_items(struct parser *p, struct fetch *f)
{
	bool macro;
	if (!parse_macro(p, f, &macro) || macro)
		return macro;
	if (!parse_try(p, '('))
		return parse_item(p, f);
	do {
		if (!parse_item(p, f))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "a space or ')' after a FETCH item");
}

static bool parse_modifier(struct parser *p, bool uid, struct fetch *f)
{
	if (parse_try_word(p, STR("CHANGEDSINCE"))) { /* RFC 7162 3.1.4.1 */
		f->modseq = true;
		return parse_space(p) && parse_number(p, INT64_MAX, &f->changed_since, "a modseq") &&
		       add_plain(p, f, FETCH_MODSEQ);
	}
	if (uid && parse_try_word(p, STR("VANISHED"))) { /* RFC 7162 3.2.6 */
		f->vanished = true;
		return true;
	}
	if (uid && parse_try_word(p, STR("PARTIAL"))) { /* RFC 9394 3.3 */
		f->cut = true;
		return parse_space(p) && parse_partial_range(p, &f->partial);
	}
	return parse_fail(p, uid ? "CHANGEDSINCE, VANISHED or PARTIAL"
				 : "CHANGEDSINCE (VANISHED and PARTIAL need UID FETCH)");
}

static bool parse_modifiers(struct parser *p, bool uid, struct fetch *f)
{
	if (!parse_try(p, ' '))
		return true;
	if (!parse_char(p, '(', "'('"))
		return false;
	do {
		if (!parse_modifier(p, uid, f))
			return false;
	} while (parse_try(p, ' '));
	if (f->vanished && !f->modseq)
		return parse_fail(p, "CHANGEDSINCE beside VANISHED");
	return parse_char(p, ')', "a space or ')' after a modifier");
}

bool parse_fetch(struct parser *p, bool uid, struct fetch *f)
{
	*f = (struct fetch){ 0 };
	if (!parse_set(p, &f->set) || !parse_space(p))
		return false;
	if (uid && !add_plain(p, f, FETCH_UID)) /* RFC 3501 6.4.8: asked for or not */
		return false;
	return parse_items(p, f) && parse_modifiers(p, uid, f) && parse_end(p);
}
