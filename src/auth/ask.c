#include "auth/ask.h"

enum word { END, WORD, BIT, OCTETS, MAYBE_OCTETS };

static const struct shape {
	struct str verb;
	enum ask_kind kind;
	struct {
		enum word word;
		size_t at; /* in struct ask */
	} words[8];
} shapes[] = {
	{ STR("PASSWORD"),
	  ASK_PASSWORD,
	  { { WORD, offsetof(struct ask, service) },
	    { WORD, offsetof(struct ask, ip) },
	    { BIT, offsetof(struct ask, tls) },
	    { OCTETS, offsetof(struct ask, login) },
	    { OCTETS, offsetof(struct ask, octets) } } },
	{ STR("BEGIN"),
	  ASK_BEGIN,
	  { { WORD, offsetof(struct ask, service) },
	    { WORD, offsetof(struct ask, ip) },
	    { BIT, offsetof(struct ask, tls) },
	    { OCTETS, offsetof(struct ask, exporter) },
	    { OCTETS, offsetof(struct ask, unique) },
	    { WORD, offsetof(struct ask, mechanism) },
	    { MAYBE_OCTETS, offsetof(struct ask, octets) } } },
	{ STR("STEP"), ASK_STEP, { { OCTETS, offsetof(struct ask, octets) } } },
};

static bool plain_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= 64;
}

static bool take(enum word word, struct str s, struct buf *raw, struct ask *out, void *at)
{
	size_t before = raw->n;
	switch (word) {
	case WORD:
		*(struct str *)at = s;
		return plain_word(s);
	case BIT:
		*(bool *)at = str_eq(s, STR("1"));
		return str_eq(s, STR("0")) || str_eq(s, STR("1"));
	case MAYBE_OCTETS:
		out->has_octets = !str_eq(s, STR("-"));
		if (!out->has_octets)
			return true;
		break;
	default:
		break;
	}
	if (!buf_unbase64(raw, s))
		return false;
	*(struct str *)at = (struct str){ raw->p + before, raw->n - before };
	return true;
}

/* Up to the next TAB, which stays: the last word has none behind it. */
static struct str take_word(struct str *line)
{
	struct str word = str_sub(*line, 0, str_chr(*line, '\t'));
	*line = str_sub(*line, word.n, line->n);
	return word;
}

bool ask_parse(struct str line, struct buf *raw, struct ask *out)
{
	const struct shape *shape = NULL;
	*out = (struct ask){ .service = STR_NONE,
			     .ip = STR_NONE,
			     .mechanism = STR_NONE,
			     .exporter = STR_NONE,
			     .unique = STR_NONE,
			     .login = STR_NONE,
			     .octets = STR_NONE };
	buf_reserve(raw, line.n + 4); /* all that follows fits, so that nothing moves */
	struct str verb = take_word(&line);
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (str_eq(verb, shapes[i].verb))
			shape = &shapes[i];
	if (!shape)
		return false;
	out->kind = shape->kind;
	for (size_t i = 0; shape->words[i].word != END; i++) {
		if (!str_skipc(&line, '\t'))
			return false;
		struct str word = take_word(&line);
		if (!take(shape->words[i].word, word, raw, out, (char *)out + shape->words[i].at))
			return false;
	}
	return line.n == 0;
}
