#include "archive/maildir.h"

#include "base/num.h"
#include "mail/utf7.h"
#include "mail/words.h"
#include "store/mailbox.h"

#define KEYWORD_MAX 100 /* octets */
#define DOT         "&AC4-"

static const struct {
	char letter;
	unsigned flag;
} letters[] = {
	/* ascending, as they must be written */
	{ 'D', MSG_DRAFT },    { 'F', MSG_FLAGGED }, { 'P', 0 },
	{ 'R', MSG_ANSWERED }, { 'S', MSG_SEEN },    { 'T', MSG_DELETED },
};

bool keyword_valid(struct str word)
{
	if (word.n == 0 || word.n > KEYWORD_MAX || *word.p == '\\')
		return false;
	for (size_t i = 0; i < word.n; i++)
		if ((unsigned char)word.p[i] <= ' ' || (unsigned char)word.p[i] >= 0x7f ||
		    strchr("(){%*\"\\]", word.p[i]))
			return false;
	return true;
}

/* ":2,", or with what file systems without colons are given instead. */
static size_t info_at(struct str name)
{
	for (size_t i = name.n; i >= 3; i--)
		if (strchr(":;!", name.p[i - 3]) && name.p[i - 2] == '2' && name.p[i - 1] == ',')
			return i - 3;
	return name.n;
}

static void add_word(struct buf *b, struct str word)
{
	buf_printf(b, "%s%.*s", b->n ? " " : "", STRF(word));
}

struct maildir_flags maildir_flags(struct str name, const struct str *table, struct arena *a)
{
	size_t at = info_at(name);
	struct maildir_flags f = { .unique = str_sub(name, 0, at) };
	struct str info = str_sub(name, at + 3, name.n);
	struct buf b = { 0 };
	for (size_t i = 0; i < info.n && info.p[i] != ','; i++) { /* ",S=..." may follow */
		char ch = info.p[i];
		for (size_t k = 0; k < sizeof letters / sizeof *letters; k++)
			if (ch == letters[k].letter)
				f.flags |= letters[k].flag;
		if (ch == 'P')
			add_word(&b, STR(FORWARDED));
		if (table && ch >= 'a' && ch <= 'z' && table[ch - 'a'].n > 0)
			add_word(&b, table[ch - 'a']);
	}
	f.keywords = str_dup(a, buf_str(&b));
	buf_free(&b);
	return f;
}

/* Which letter the keyword has, 0 when there is none left. */
static char letter_of(struct str word, struct str *table, struct arena *a)
{
	for (char i = 0; i < MAILDIR_KEYWORDS; i++) {
		if (table[(size_t)i].n == 0)
			table[(size_t)i] = str_dup(a, word);
		if (str_eqi(table[(size_t)i], word))
			return (char)('a' + i);
	}
	return 0;
}

size_t maildir_flags_print(struct buf *b, unsigned flags, struct str keywords, struct str *table, struct arena *a)
{
	bool small[MAILDIR_KEYWORDS] = { false }, forwarded = false;
	size_t lost = 0;
	while (keywords.n > 0) {
		struct str word = str_cut(&keywords, ' ');
		bool passed = str_eqi(word, STR(FORWARDED));
		char letter = passed || word.n == 0 ? 0 : letter_of(word, table, a);
		forwarded |= passed;
		if (letter)
			small[letter - 'a'] = true;
		else
			lost += !passed && word.n > 0;
	}
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (letters[i].flag ? (flags & letters[i].flag) != 0 : forwarded)
			buf_addc(b, letters[i].letter);
	for (size_t i = 0; i < MAILDIR_KEYWORDS; i++)
		if (small[i])
			buf_addc(b, (char)('a' + i));
	return lost;
}

void maildir_keywords(struct str text, struct arena *a, struct str table[MAILDIR_KEYWORDS])
{
	while (text.n > 0) {
		struct str line = str_chomp(str_line(&text));
		uint64_t i;
		if (num_take(&line, MAILDIR_KEYWORDS - 1, &i) && str_skipc(&line, ' ') && keyword_valid(line))
			table[i] = str_dup(a, line);
	}
}

void maildir_keywords_print(struct buf *b, const struct str table[MAILDIR_KEYWORDS])
{
	for (size_t i = 0; i < MAILDIR_KEYWORDS; i++)
		if (table[i].n > 0)
			buf_printf(b, "%zu %.*s\n", i, STRF(table[i]));
}

/* --- folders ------------------------------------------------------------------ */

/* A piece of a level, from modified UTF-7; what is none, from a careless program, as it stands. */
static void add_piece(struct buf *b, struct str wire, struct arena *a)
{
	struct str utf8;
	/* INBOX is a name of its own in front only. */
	if (!str_eqi(wire, STR("INBOX")) && utf7_decode(wire, a, &utf8))
		buf_add(b, utf8);
	else if (utf8_valid(wire))
		buf_add(b, wire);
}

/* One level as it stands in a name. */
static bool add_level(struct buf *b, struct str wire, struct arena *a)
{
	if (b->n > 0)
		buf_addc(b, '/');
	size_t from = b->n;
	for (;;) {
		size_t dot = str_find(wire, STR(DOT));
		add_piece(b, str_sub(wire, 0, dot), a);
		if (dot == wire.n)
			break;
		buf_addc(b, '.');
		wire = str_sub(wire, dot + sizeof DOT - 1, wire.n);
	}
	struct str level = str_sub(buf_str(b), from, b->n);
	if (from == 0 && str_eqi(level, STR("INBOX")))
		memcpy(b->p, "INBOX", 5);
	return level.n > 0 && str_chr(level, '/') == level.n;
}

bool maildir_mailbox(struct str path, struct arena *a, struct str *mailbox)
{
	struct buf b = { 0 };
	bool ok = true;
	*mailbox = STR("INBOX");
	if (path.n == 0)
		return true;
	while (path.n > 0 && ok) {
		struct str part = str_cut(&path, '/');
		if (!str_skipc(&part, '.')) {
			ok = add_level(&b, part, a);
			continue;
		}
		while (part.n > 0 && ok)
			ok = add_level(&b, str_cut(&part, '.'), a);
	}
	*mailbox = str_dup(a, buf_str(&b));
	buf_free(&b);
	return ok && mailbox->n > 0;
}

void maildir_folder(struct buf *b, struct str mailbox)
{
	if (str_eq(mailbox, STR("INBOX")))
		return;
	while (mailbox.n > 0) {
		struct str level = str_cut(&mailbox, '/');
		buf_addc(b, '.');
		while (level.n > 0) {
			size_t dot = str_chr(level, '.');
			utf7_encode(b, str_sub(level, 0, dot));
			if (dot < level.n)
				buf_addz(b, DOT);
			level = str_sub(level, dot + 1, level.n);
		}
	}
}
