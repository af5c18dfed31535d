/* The arguments of LIST (RFC 5258 6, RFC 9051 9). */
#include "imap/list.h"
#include "imap/status.h"

static const struct option {
	struct str name;
	unsigned bit;
	bool selects, gives;
} options[] = {
	{ { "SUBSCRIBED", 10 }, LIST_SUBSCRIBED, true, true },
	{ { "SPECIAL-USE", 11 }, LIST_USE, true, true },
	{ { "REMOTE", 6 }, LIST_REMOTE, true, false },
	{ { "RECURSIVEMATCH", 14 }, LIST_RECURSIVE, true, false },
	{ { "CHILDREN", 8 }, LIST_CHILDREN, false, true },
	{ { "STATUS", 6 }, LIST_STATUS, false, true },
	{ { "METADATA", 8 }, LIST_METADATA, false, true },
};

static bool parse_option(struct parser *p, bool selects, unsigned *bit)
{
	struct str word;
	size_t at = p->at;
	if (!parse_atom(p, &word, "an option of LIST"))
		return false;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if ((selects ? options[i].selects : options[i].gives) && str_eqi(word, options[i].name)) {
			*bit = options[i].bit;
			return true;
		}
	p->at = at;
	return parse_fail(p, selects ? "SUBSCRIBED, SPECIAL-USE, REMOTE or RECURSIVEMATCH"
				     : "SUBSCRIBED, CHILDREN, SPECIAL-USE, STATUS or METADATA");
}

/* "(SUBSCRIBED RECURSIVEMATCH) " */
static bool parse_selection(struct parser *p, struct listing *l)
{
	unsigned bit;
	if (!parse_try(p, '('))
		return true;
	l->extended = true;
	while (!parse_is(p, ')')) {
		if ((l->select && !parse_space(p)) || !parse_option(p, true, &bit))
			return false;
		l->select |= bit;
	}
	if (l->select & LIST_RECURSIVE && !(l->select & LIST_BASE))
		return parse_fail(p, "SUBSCRIBED or SPECIAL-USE beside RECURSIVEMATCH");
	return parse_char(p, ')', "')'") && parse_space(p);
}

static bool parse_return_option(struct parser *p, struct listing *l)
{
	unsigned bit;
	if (!parse_option(p, false, &bit))
		return false;
	l->give |= bit;
	if (bit == LIST_STATUS)
		return parse_space(p) && parse_status_items(p, &l->status);
	if (bit == LIST_METADATA)
		return parse_space(p) && parse_metadata_asked(p, &l->metadata);
	return true;
}

/* " RETURN (CHILDREN STATUS (MESSAGES))" */
static bool parse_returns(struct parser *p, struct listing *l)
{
	if (parse_at_end(p))
		return true;
	if (!parse_space(p))
		return false;
	if (!parse_try_word(p, STR("RETURN (")))
		return parse_fail(p, "RETURN (");
	l->extended = true;
	if (parse_try(p, ')'))
		return parse_end(p);
	do {
		if (!parse_return_option(p, l))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')'") && parse_end(p);
}

/* The reference is what a name is said relative to: put before it (RFC 3501 6.3.8). */
static bool parse_one(struct parser *p, struct str reference, struct listing *l, size_t *octets)
{
	struct str name;
	size_t at = p->at;
	if (!parse_pattern(p, &name))
		return false;
	l->root = name.n == 0 && !l->extended;
	if (name.n == 0)
		return true;
	struct str whole = str_cat(p->arena, reference, name);
	*octets += whole.n;
	if (whole.n <= PATTERN_MAX && *octets <= PATTERNS_OCTETS && l->npatterns < PATTERNS_MAX) {
		l->percent = l->percent || str_ends(whole, STR("%"));
		l->patterns[l->npatterns++] = pattern_new(whole, p->arena);
		return true;
	}
	p->at = at;
	return parse_fail(p, "at most 64 patterns of 1000 octets each and 4000 together");
}

static bool parse_patterns(struct parser *p, struct str reference, struct listing *l)
{
	size_t octets = 0;
	if (!parse_try(p, '('))
		return parse_one(p, reference, l, &octets);
	l->extended = true;
	do {
		if (!parse_one(p, reference, l, &octets))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after patterns");
}

bool parse_listing(struct parser *p, struct listing *l)
{
	struct str reference;
	*l = (struct listing){ .patterns = ARENA_ARRAY(p->arena, const struct pattern *, PATTERNS_MAX) };
	bool ok = parse_selection(p, l) && parse_mailbox(p, &reference) && parse_space(p) &&
		  parse_patterns(p, reference, l) && parse_returns(p, l);
	l->root = l->root && !l->extended; /* RFC 5258 3: what is empty names nothing in the extended form */
	return ok;
}

bool listing_matches(const struct listing *l, struct str name)
{
	for (size_t i = 0; i < l->npatterns; i++)
		if (pattern_matches(l->patterns[i], name))
			return true;
	return false;
}
