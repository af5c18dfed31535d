/* The arguments of FETCH. */
#include "imap/fetch.h"

#define FETCH_ITEMS_MAX 100

static bool has_item(const struct fetch *f, enum fetch_what what)
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
	return has_item(f, what) || add_item(p, f, (struct fetch_item){ .what = what });
}

/* Longer words before those they begin with.  RFC822 items are sections under old names (RFC 3501 6.4.5). */
static const struct word {
	struct str name;
	enum fetch_what what;
	enum section_what section;
	const char *label;
	bool sets_seen;
} words[] = {
	{ { "UID", 3 }, FETCH_UID, 0, NULL, false },
	{ { "FLAGS", 5 }, FETCH_FLAGS, 0, NULL, false },
	{ { "INTERNALDATE", 12 }, FETCH_INTERNALDATE, 0, NULL, false },
	{ { "RFC822.SIZE", 11 }, FETCH_SIZE, 0, NULL, false },
	{ { "RFC822.HEADER", 13 }, FETCH_SECTION, SECTION_HEADER, "RFC822.HEADER", false },
	{ { "RFC822.TEXT", 11 }, FETCH_SECTION, SECTION_TEXT, "RFC822.TEXT", true },
	{ { "RFC822", 6 }, FETCH_SECTION, SECTION_BODY, "RFC822", true },
	{ { "ENVELOPE", 8 }, FETCH_ENVELOPE, 0, NULL, false },
	{ { "BODYSTRUCTURE", 13 }, FETCH_BODYSTRUCTURE, 0, NULL, false },
	{ { "MODSEQ", 6 }, FETCH_MODSEQ, 0, NULL, false },
};

/* BODY, BODY[...] or BODY.PEEK[...] */
static bool parse_body(struct parser *p, struct fetch *f, bool peek)
{
	struct fetch_item item = { .what = FETCH_SECTION, .sets_seen = !peek };
	if (!peek && !parse_is(p, '['))
		return add_plain(p, f, FETCH_BODY);
	return parse_section(p, &item.section) && add_item(p, f, item);
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
		struct section section = { .what = w->section, .label = w->label };
		return add_item(p, f, (struct fetch_item){ w->what, w->sets_seen, section });
	}
	if (parse_try_word(p, STR("BODY.PEEK")))
		return parse_body(p, f, true);
	if (parse_try_word(p, STR("BODY")))
		return parse_body(p, f, false);
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

static bool parse_changed_since(struct parser *p, struct fetch *f)
{
	if (!parse_try(p, ' '))
		return true;
	if (!parse_char(p, '(', "'('"))
		return false;
	if (!parse_try_word(p, STR("CHANGEDSINCE")))
		return parse_fail(p, "CHANGEDSINCE");
	f->modseq = true;
	return parse_space(p) && parse_number(p, INT64_MAX, &f->changed_since, "a modseq") &&
	       parse_char(p, ')', "')'") && add_plain(p, f, FETCH_MODSEQ); /* RFC 7162 3.1.4.1 */
}

bool parse_fetch(struct parser *p, bool uid, struct fetch *f)
{
	*f = (struct fetch){ 0 };
	if (!parse_set(p, &f->set) || !parse_space(p))
		return false;
	if (uid && !add_plain(p, f, FETCH_UID)) /* RFC 3501 6.4.8: asked for or not */
		return false;
	return parse_items(p, f) && parse_changed_since(p, f) && parse_end(p);
}
