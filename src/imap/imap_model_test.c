/* Several sessions at random on one mailbox, each with a client that believes what it is told.  Every answer is held
 * against the store; after every NOOP a client's picture must be the truth: same messages under the same numbers, same
 * flags; and so after a client was away and is told what it missed (RFC 7162 3.2.5). */
#include "imap/imap.h"
#include "imap/talk_test.h"

#define STEPS 250
#define MOST  4000

enum kind { PLAIN, CONDSTORE, QRESYNC, REV2, UIDONLY, KINDS };
static const char *const enable[KINDS] = { NULL, "x ENABLE CONDSTORE\r\n", "x ENABLE QRESYNC\r\n",
					   "x ENABLE IMAP4rev2\r\n", "x ENABLE UIDONLY\r\n" };

struct seen {
	uint32_t uid; /* 0: only known to exist */
	unsigned flags;
};
struct client {
	struct talk t;
	enum kind kind;
	struct seen at[MOST]; /* ascending by UID; those without one stand last */
	uint32_t n, known;    /* known: messages whose UID and flags have been asked for */
	uint32_t fetched;     /* the number of the FETCH response that a literal interrupts */
	uint32_t bodies;      /* FETCH responses with a body */
	bool numbers_held;    /* a FETCH, STORE or SEARCH is being answered */
	bool fetching;        /* FETCH or UID FETCH is */
	uint64_t modseq;      /* all up to here is known */
	uint64_t told_modseq; /* the highest that a FETCH response had */
	bool away;
	bool coming_back; /* SELECT with QRESYNC is being answered, and said that there are */
	uint32_t exists;
	char answer[4000]; /* the line of SEARCH or ESEARCH */
	char tagged[1000];
};

/* What the store has. */
static struct seen truth[MOST];
static uint32_t ntruth;

static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % below;
}

/* \Recent is each session's own and not looked at. */
static const char *const words[] = { "\\Seen", "\\Flagged", "\\Draft", "\\Deleted", "word" };
#define WORDS   (sizeof words / sizeof *words)
#define SEEN    1u
#define DELETED 8u

static unsigned flags_of(const char *text)
{
	unsigned bits = 0;
	for (const char *p = text; *p != ')' && *p;) {
		size_t n = strcspn(p, " )");
		for (unsigned i = 0; i < WORDS; i++)
			if (strlen(words[i]) == n && strncmp(p, words[i], n) == 0)
				bits |= 1u << i;
		p += n + (p[n] == ' ');
	}
	return bits;
}

static unsigned flags_of_row(const struct msg *m)
{
	unsigned bits = 0;
	bits |= m->flags & MSG_SEEN ? SEEN : 0;
	bits |= m->flags & MSG_FLAGGED ? 2 : 0;
	bits |= m->flags & MSG_DRAFT ? 4 : 0;
	bits |= m->flags & MSG_DELETED ? DELETED : 0;
	return bits | (str_eq(m->keywords, STR("word")) ? 16 : 0);
}

static void read_truth(struct world *w)
{
	struct arena a = { 0 };
	struct msg *rows;
	struct err e;
	size_t n = 0;
	uint32_t from = 1;
	ntruth = 0;
	do {
		assert_true(msg_page(w->st, 1, from, UINT32_MAX - 1, false, &a, &rows, &n, &e));
		for (size_t i = 0; i < n; i++)
			truth[ntruth++] = (struct seen){ rows[i].uid, flags_of_row(&rows[i]) };
		from = n ? rows[n - 1].uid + 1 : from;
	} while (n == MSG_PAGE);
	arena_reset(&a);
}

static const struct seen *true_one(uint32_t uid)
{
	for (uint32_t i = 0; i < ntruth; i++)
		if (truth[i].uid == uid)
			return &truth[i];
	return NULL;
}

/* --- what a client hears ------------------------------------------------------------------- */

static uint32_t place_of(const struct client *c, uint32_t uid)
{
	uint32_t i = 0;
	while (i < c->n && c->at[i].uid != uid)
		i++;
	return i;
}

static void forget(struct client *c, uint32_t i)
{
	memmove(&c->at[i], &c->at[i + 1], (c->n - i - 1) * sizeof *c->at);
	c->n--;
	c->known -= i < c->known;
}

/* All that was missed has been told: what is new besides has no UID yet. */
static void is_back(struct client *c)
{
	if (!c->coming_back)
		return;
	c->coming_back = false;
	assert_true(c->n <= c->exists);
	memset(&c->at[c->n], 0, (c->exists - c->n) * sizeof *c->at);
	c->n = c->exists;
}

/* One that we have not asked about yet, so we know only which it stands before; with UIDONLY not even that. */
static uint32_t unknown_place(const struct client *c, uint32_t uid)
{
	uint32_t i = 0, found = c->kind == UIDONLY ? place_of(c, 0) : c->n;
	for (; i < c->n && c->at[i].uid <= uid; i++)
		found = c->at[i].uid == 0 ? i : found;
	assert_true(found < c->n);
	return found;
}

static void hear_gone(struct client *c, uint32_t uid, bool earlier)
{
	uint32_t i = place_of(c, uid);
	if (earlier && !c->coming_back)
		assert_int_equal(i, c->n); /* what has a number goes without EARLIER */
	if (earlier && i == c->n)
		return;
	forget(c, i < c->n ? i : unknown_place(c, uid));
}

static void hear_vanished(struct client *c, const char *set)
{
	bool earlier = strncmp(set, "(EARLIER) ", 10) == 0;
	assert_true(c->kind == QRESYNC || c->kind == UIDONLY);
	assert_false(c->numbers_held);
	for (const char *p = earlier ? set + 10 : set; *p;) {
		char *end;
		uint32_t first = (uint32_t)strtoul(p, &end, 10), last = first;
		if (*end == ':')
			last = (uint32_t)strtoul(end + 1, &end, 10);
		assert_true(first > 0 && last >= first);
		for (uint32_t uid = first; uid <= last; uid++)
			hear_gone(c, uid, earlier);
		p = end + (*end == ',');
	}
}

static void hear_fetch(struct client *c, uint32_t i, const char *line)
{
	const char *uid = strstr(line, "UID "), *flags = strstr(line, "FLAGS ("), *modseq = strstr(line, "MODSEQ (");
	assert_true(i < c->n);
	struct seen *s = &c->at[i];
	if (uid) {
		uint32_t told = (uint32_t)strtoul(uid + 4, NULL, 10);
		assert_true(s->uid == 0 || s->uid == told);
		s->uid = told;
	}
	if (flags)
		s->flags = flags_of(flags + 7);
	if (c->kind == QRESYNC && flags && !c->fetching)
		assert_true(uid && modseq); /* RFC 7162 3.2.4 */
	if (modseq && strtoull(modseq + 8, NULL, 10) > c->told_modseq)
		c->told_modseq = strtoull(modseq + 8, NULL, 10);
	c->bodies += strstr(line, "BODY[TEXT]") != NULL;
}

/* UIDFETCH: a UID that is new belongs to one of those without. */
static void hear_uidfetch(struct client *c, uint32_t uid, const char *line)
{
	uint32_t i = place_of(c, uid);
	assert_true(c->kind == UIDONLY);
	if (i == c->n) {
		i = place_of(c, 0);
		assert_true(i < c->n);
		for (; i > 0 && c->at[i - 1].uid > uid; i--)
			c->at[i] = c->at[i - 1];
		c->at[i] = (struct seen){ .uid = uid };
	}
	hear_fetch(c, i, line);
}

static void hear_number(struct client *c, uint32_t n, const char *word)
{
	if (strncmp(word, " EXPUNGE", 8) == 0) {
		assert_false(c->numbers_held); /* RFC 3501 7.4.1 */
		assert_true(c->kind != QRESYNC && c->kind != UIDONLY);
		assert_true(n >= 1 && n <= c->n);
		forget(c, n - 1);
	} else if (strncmp(word, " EXISTS", 7) == 0 && c->coming_back) {
		c->exists = n;
	} else if (strncmp(word, " EXISTS", 7) == 0) {
		assert_true(n >= c->n && n < MOST);
		memset(&c->at[c->n], 0, (n - c->n) * sizeof *c->at);
		c->n = n;
	} else if (strncmp(word, " FETCH ", 7) == 0) {
		is_back(c);
		assert_true(c->kind != UIDONLY && n >= 1);
		hear_fetch(c, n - 1, word);
		c->fetched = n;
	} else if (strncmp(word, " UIDFETCH ", 10) == 0) {
		hear_uidfetch(c, n, word);
		c->fetched = place_of(c, n) + 1;
	} else {
		assert_true(strncmp(word, " RECENT", 7) == 0 && c->kind != REV2);
	}
}

static void hear_line(struct client *c, const char *line)
{
	const char *highest = strstr(line, "[HIGHESTMODSEQ ");
	char *word;
	if (strncmp(line, "* ", 2) != 0 && c->fetched && strstr(line, "FLAGS ("))
		hear_fetch(c, c->fetched - 1, line);
	c->fetched = strncmp(line, "* ", 2) == 0 ? 0 : c->fetched;
	if (strncmp(line, "* VANISHED ", 11) == 0)
		hear_vanished(c, line + 11);
	if (strncmp(line, "* SEARCH", 8) == 0 || strncmp(line, "* ESEARCH", 9) == 0)
		snprintf(c->answer, sizeof c->answer, "%s", line);
	if (strncmp(line, "x ", 2) == 0)
		snprintf(c->tagged, sizeof c->tagged, "%s", line);
	if (highest && strtoull(highest + 15, NULL, 10) > c->modseq)
		c->modseq = strtoull(highest + 15, NULL, 10);
	if (strncmp(line, "* ", 2) != 0 || !ch_digit(line[2]))
		return;
	uint32_t n = (uint32_t)strtoul(line + 2, &word, 10);
	hear_number(c, n, word);
}

static void say(struct client *c, const char *command)
{
	c->numbers_held = strstr(command, " FETCH ") || strstr(command, " STORE ") || strstr(command, " SEARCH ");
	c->numbers_held = c->numbers_held && !strstr(command, " UID ");
	c->fetching = strstr(command, "FETCH ");
	c->bodies = 0;
	c->answer[0] = '\0';
	talk_feed(&c->t, str_of(command));
	struct str all = buf_str(&c->t.out);
	if (str_find(all, STR("x OK")) == all.n && str_find(all, STR("x NO")) == all.n)
		fail_msg("%s -> %.*s", command, STRF(all));
	while (all.n > 0) {
		char line[4000];
		struct str one = str_chomp(str_line(&all));
		snprintf(line, sizeof line, "%.*s", STRF(one));
		hear_line(c, line);
	}
	is_back(c);
	buf_clear(&c->t.out);
}

__attribute__((format(printf, 2, 3))) static void sayf(struct client *c, const char *fmt, ...)
{
	char command[300];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	say(c, command);
}

/* As mail programs do: ask about what is new. */
static void learn(struct client *c)
{
	while (c->known < c->n) {
		uint32_t from = c->known + 1, to = c->n;
		uint32_t last = c->known ? c->at[c->known - 1].uid : 0;
		c->known = to;
		if (c->kind == UIDONLY)
			sayf(c, "x UID FETCH %u:* (FLAGS)\r\n", last + 1);
		else
			sayf(c, "x FETCH %u:%u (UID FLAGS)\r\n", from, to);
	}
}

/* --- what a client does -------------------------------------------------------------------- */

/* A silent STORE: the client knows what it does to the messages it knows. */
static void store_silently(struct client *c, uint32_t from, uint32_t to, bool by_uid, bool add, unsigned bit)
{
	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t number = by_uid ? c->at[i].uid : i + 1;
		if (number >= from && number <= to && number > 0)
			c->at[i].flags = add ? c->at[i].flags | bit : c->at[i].flags & ~bit;
	}
}

static void store(struct client *c, bool by_uid, uint32_t from, uint32_t to, bool add, unsigned i, bool silent)
{
	uint32_t low = from < to ? from : to, high = from < to ? to : from;
	if (silent)
		store_silently(c, low, high, by_uid, add, 1u << i);
	sayf(c, "x %sSTORE %u:%u %sFLAGS%s (%s)\r\n", by_uid ? "UID " : "", from, to, add ? "+" : "-",
	     silent ? ".SILENT" : "", words[i]);
}

/* How many of the numbers from..to are messages that are still there; all of them must be known. */
static uint32_t there(const struct client *c, uint32_t from, uint32_t to)
{
	uint32_t count = 0;
	for (uint32_t i = from; i <= to; i++)
		count += true_one(c->at[i - 1].uid) != NULL;
	return count;
}

static void fetch_bodies(struct client *c, uint32_t a, uint32_t b)
{
	uint32_t low = a < b ? a : b, high = a < b ? b : a;
	bool certain = c->known == c->n;
	uint32_t want = certain ? there(c, low, high) : 0, asked = high - low + 1;
	if (c->kind == UIDONLY && certain)
		sayf(c, "x UID FETCH %u:%u (BODY[TEXT])\r\n", c->at[low - 1].uid, c->at[high - 1].uid);
	else if (c->kind != UIDONLY)
		sayf(c, "x FETCH %u:%u (UID BODY[TEXT])\r\n", a, b);
	else
		return;
	if (!certain)
		return;
	assert_int_equal(c->bodies, want);
	assert_true((strstr(c->tagged, "[EXPUNGEISSUED]") != NULL) == (want < asked));
}

/* Is the number in a list "1 2 5" or a set "1:2,5"? */
static bool listed(const char *list, uint32_t n)
{
	for (const char *p = list; *p;) {
		char *end;
		uint32_t first = (uint32_t)strtoul(p, &end, 10), last = first;
		if (*end == ':')
			last = (uint32_t)strtoul(end + 1, &end, 10);
		if (n >= first && n <= last)
			return true;
		if (*end != ' ' && *end != ',')
			break;
		p = end + 1;
	}
	return false;
}

/* All messages that have a number and are there, and no others; those that others removed may not be found. */
static void search(struct client *c, bool uid)
{
	bool certain = c->known == c->n;
	uint32_t found = 0;
	uid = uid || c->kind == UIDONLY;
	struct seen before[MOST];
	uint32_t n = c->n;
	memcpy(before, c->at, n * sizeof *before);
	sayf(c, "x %sSEARCH UNSEEN\r\n", uid ? "UID " : "");
	const char *list = c->kind == REV2 ? strstr(c->answer, " ALL ") : c->answer + 8;
	assert_true(c->answer[0] != '\0');
	list = !list ? "" : list + (c->kind == REV2 ? 5 : *list == ' ');
	for (uint32_t i = 0; certain && i < n; i++) {
		const struct seen *s = true_one(before[i].uid);
		bool want = s && !(s->flags & SEEN);
		assert_int_equal(listed(list, uid ? before[i].uid : i + 1), want);
		found += want;
	}
	if (certain && found == 0)
		assert_string_equal(list, "");
}

/* COPY and MOVE say which UIDs they took: those that were there. */
static void copy(struct client *c, const char *verb, const char *to, uint32_t i)
{
	uint32_t uid = c->at[i - 1].uid;
	bool known = uid != 0, exists = known && true_one(uid);
	if (c->kind == UIDONLY && !known)
		return;
	if (c->kind == UIDONLY)
		sayf(c, "x UID %s %u %s\r\n", verb, uid, to);
	else
		sayf(c, "x %s %u %s\r\n", verb, i, to);
	if (known && strcmp(verb, "COPY") == 0)
		assert_true((strstr(c->tagged, "[COPYUID ") != NULL) == exists);
}

/* What changed, asked for by who knows how it was: nothing that still has a number is gone EARLIER. */
static void fetch_changed(struct client *c, uint32_t *x)
{
	if (c->kind == QRESYNC)
		sayf(c, "x UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE %u VANISHED)\r\n", 1 + rnd(x, 100));
	else if (c->kind == CONDSTORE)
		sayf(c, "x FETCH 1:* (UID FLAGS) (CHANGEDSINCE %u)\r\n", 1 + rnd(x, 100));
}

static void act(struct client *c, uint32_t *x)
{
	uint32_t a = c->n ? 1 + rnd(x, c->n) : 1, b = c->n ? 1 + rnd(x, c->n) : 1, uid = 1 + rnd(x, 300);
	bool add = rnd(x, 3) > 0, silent = rnd(x, 2);
	unsigned word = rnd(x, WORDS);
	switch (c->n ? rnd(x, 15) : 13 + rnd(x, 2)) {
	case 0:
	case 1:
		store(c, c->kind == UIDONLY, a, b, add, word, silent);
		break;
	case 2:
		store(c, true, uid, uid + 20, add, word, silent);
		break;
	case 3:
		store(c, c->kind == UIDONLY, a, a, true, 3, silent);
		break;
	case 4:
		say(c, "x EXPUNGE\r\n");
		break;
	case 5:
		sayf(c, "x UID EXPUNGE %u:*\r\n", uid);
		break;
	case 6:
		copy(c, "MOVE", rnd(x, 4) ? "Trash" : "INBOX", a);
		break;
	case 7:
		copy(c, "COPY", "INBOX", a);
		break;
	case 8:
		fetch_bodies(c, a, b);
		break;
	case 9:
	case 10:
		search(c, add);
		break;
	case 11:
		fetch_changed(c, x);
		break;
	case 12:
		if (c->kind == QRESYNC || c->kind == CONDSTORE)
			sayf(c, "x UID STORE %u:%u (UNCHANGEDSINCE %u) +FLAGS (%s)\r\n", uid, uid + 5, 1 + rnd(x, 400),
			     words[word]);
		break;
	default:
		sayf(c, "x APPEND INBOX (%s) {5+}\r\nhello\r\n", words[word]);
		break;
	}
}

static void check(const struct client *c)
{
	assert_int_equal(c->n, ntruth);
	for (uint32_t i = 0; i < ntruth; i++) {
		assert_int_equal(c->at[i].uid, truth[i].uid);
		assert_int_equal(c->at[i].flags, truth[i].flags);
	}
}

/* Twice, since what is asked about may change meanwhile. */
static void catch_up(struct world *w, struct client *c)
{
	for (int i = 0; i < 2; i++) {
		say(c, "x NOOP\r\n");
		learn(c);
	}
	c->modseq = c->told_modseq > c->modseq ? c->told_modseq : c->modseq;
	read_truth(w);
	check(c);
}

static void come(struct world *w, struct client *c)
{
	talk_begin(&c->t, &w->conf);
	buf_clear(&c->t.out);
	if (enable[c->kind])
		say(c, enable[c->kind]);
}

/* As mail programs do that keep a copy. */
static void go_away(struct client *c)
{
	talk_end(&c->t);
	c->away = true;
	c->n = c->known; /* of the others it knows nothing */
}

/* Some say which UIDs they know, some which numbers those had. */
static void come_back(struct world *w, struct client *c, uint32_t *x)
{
	struct arena a = { 0 };
	struct mailbox *inbox;
	struct err e;
	char more[100] = "";
	assert_true(mailbox_find(w->st, w->account, STR("INBOX"), &a, &inbox, &e));
	uint32_t last = c->n ? c->at[c->n - 1].uid : 1;
	if (rnd(x, 2))
		snprintf(more, sizeof more, " 1:%u", last);
	if (c->n && rnd(x, 2)) {
		uint32_t half = (c->n + 1) / 2;
		snprintf(more + strlen(more), sizeof more - strlen(more), " (%u,%u %u,%u)", half, c->n + (half == c->n),
			 c->at[half - 1].uid, last + (half == c->n));
	}
	come(w, c);
	c->away = false;
	c->coming_back = true;
	c->exists = 0;
	sayf(c, "x SELECT INBOX (QRESYNC (%u %llu%s))\r\n", inbox->uidvalidity, (unsigned long long)c->modseq, more);
	learn(c);
	read_truth(w);
	check(c);
	arena_reset(&a);
}

static void one_run(uint32_t seed)
{
	static struct client clients[KINDS];
	struct world w;
	struct mailbox *inbox;
	struct arena a = { 0 };
	struct err e;
	uint32_t x = seed;
	world_open(&w);
	assert_true(mailbox_find(w.st, w.account, STR("INBOX"), &a, &inbox, &e));
	assert_int_equal(inbox->id, 1); /* read_truth() counts on it */
	arena_reset(&a);
	for (int i = 0; i < 20; i++)
		world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	for (int i = 0; i < KINDS; i++) {
		clients[i] = (struct client){ .kind = (enum kind)i };
		come(&w, &clients[i]);
		say(&clients[i], "x SELECT INBOX\r\n");
		learn(&clients[i]);
	}
	for (int step = 0; step < STEPS; step++) {
		struct client *c = &clients[rnd(&x, KINDS)];
		if (c->away) {
			come_back(&w, c, &x);
			continue;
		}
		read_truth(&w);
		act(c, &x);
		if (rnd(&x, 10) == 0)
			world_deliver(&w, "INBOX", "Subject: y\r\n\r\ny\r\n", "");
		if (rnd(&x, 4) == 0)
			catch_up(&w, c);
		if (c->kind == QRESYNC && rnd(&x, 4) == 0)
			go_away(c);
	}
	for (int i = 0; i < KINDS; i++)
		if (!clients[i].away)
			talk_end(&clients[i].t);
	world_close(&w);
}

static void test_model(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++)
		one_run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
